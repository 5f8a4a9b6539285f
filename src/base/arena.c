#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT ((size_t)16)
#define FIRST_BLOCK ((size_t)4096)
#define LARGEST_BLOCK ((size_t)1 << 20)

struct block {
    struct block *next; /* older block */
    size_t size;        /* bytes after the header */
    size_t used;
};

struct deferred {
    struct deferred *next; /* older one */
    void (*fn)(void *data);
    void *data;
};

struct mf_arena {
    struct block *newest;
    struct block *first; /* oldest; kept by a reset */
    struct deferred *deferred;
    size_t held; /* bytes of all blocks */
    size_t used;
    size_t max;
};

#define HEADER ((sizeof(struct block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

static char *block_data(struct block *block)
{
    return (char *)block + HEADER;
}

static struct block *block_new(struct mf_arena *arena, size_t need)
{
    size_t size = arena->newest ? arena->newest->size * 2 : FIRST_BLOCK - HEADER;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size > arena->max - arena->held)
        size = arena->max - arena->held;
    if (size < need)
        size = need;
    if (size > arena->max - arena->held)
        return NULL;
    struct block *block = malloc(HEADER + size);
    if (!block)
        return NULL;
    block->size = size;
    block->used = 0;
    block->next = arena->newest;
    arena->newest = block;
    if (!arena->first)
        arena->first = block;
    arena->held += size;
    return block;
}

struct mf_arena *mf_arena_new(size_t max)
{
    struct mf_arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->max = max > 0 ? max : MF_ARENA_DEFAULT_MAX;
    return arena;
}

static void run_deferred(struct mf_arena *arena)
{
    while (arena->deferred) {
        struct deferred *d = arena->deferred;
        arena->deferred = d->next;
        d->fn(d->data);
    }
}

static void free_blocks(struct mf_arena *arena, const struct block *keep)
{
    struct block *block = arena->newest;
    while (block && block != keep) {
        struct block *next = block->next;
        arena->held -= block->size;
        free(block);
        block = next;
    }
    arena->newest = block;
}

void mf_arena_free(struct mf_arena *arena)
{
    if (!arena)
        return;
    run_deferred(arena);
    free_blocks(arena, NULL);
    free(arena);
}

void mf_arena_reset(struct mf_arena *arena)
{
    run_deferred(arena);
    /* A first block made for one huge allocation would be kept by every pooled arena: let it go. */
    struct block *keep = arena->first && arena->first->size <= FIRST_BLOCK ? arena->first : NULL;
    free_blocks(arena, keep);
    arena->first = keep;
    if (keep)
        keep->used = 0;
    arena->used = 0;
}

size_t mf_arena_used(const struct mf_arena *arena)
{
    return arena->used;
}

static char *take(struct mf_arena *arena, size_t size, size_t align)
{
    struct block *block = arena->newest;
    size_t start = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (!block || start > block->size || size > block->size - start) {
        block = block_new(arena, size);
        if (!block)
            return NULL;
        start = 0;
    }
    block->used = start + size;
    arena->used += size;
    return block_data(block) + start;
}

void *mf_arena_alloc(struct mf_arena *arena, size_t size)
{
    char *ptr = take(arena, size, ALIGNMENT);
    return ptr ? memset(ptr, 0, size) : NULL;
}

void *mf_arena_array(struct mf_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return mf_arena_alloc(arena, total);
}

char *mf_arena_bytes(struct mf_arena *arena, size_t size)
{
    return take(arena, size, 1);
}

void *mf_arena_grow(struct mf_arena *arena, void *old, size_t old_size, size_t new_size)
{
    if (!old)
        return mf_arena_alloc(arena, new_size);
    if (new_size <= old_size)
        return old;
    struct block *block = arena->newest;
    char *bytes = old;
    bool last = block && bytes >= block_data(block) && bytes <= block_data(block) + block->used &&
                (size_t)(block_data(block) + block->used - bytes) == old_size;
    size_t extra = new_size - old_size;
    if (last && extra <= block->size - block->used) {
        memset(bytes + old_size, 0, extra);
        block->used += extra;
        arena->used += extra;
        return old;
    }
    void *grown = mf_arena_alloc(arena, new_size);
    if (grown)
        memcpy(grown, old, old_size);
    return grown;
}

bool mf_arena_defer(struct mf_arena *arena, void (*fn)(void *data), void *data)
{
    struct deferred *d = mf_arena_alloc(arena, sizeof *d);
    if (!d)
        return false;
    d->fn = fn;
    d->data = data;
    d->next = arena->deferred;
    arena->deferred = d;
    return true;
}
