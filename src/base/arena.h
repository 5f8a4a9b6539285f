/*
 * An arena hands out memory that is freed all at once: the home of everything that lives as long as one
 * request. Not thread-safe; it may be passed from thread to thread while only one uses it at a time.
 *
 * Memory is zeroed and aligned to 16 bytes. An arena has a bound; beyond it, and when the system has no
 * more, allocation returns NULL.
 */
#ifndef MF_BASE_ARENA_H
#define MF_BASE_ARENA_H

#include <stddef.h>

struct mf_arena;

#define MF_ARENA_DEFAULT_MAX ((size_t)256 << 20)

/* max: most bytes the arena may ever hold; 0 means MF_ARENA_DEFAULT_MAX. NULL when memory ran out. */
struct mf_arena *mf_arena_new(size_t max);
void mf_arena_free(struct mf_arena *arena); /* NULL is fine */
/* Forgets every allocation but keeps the first block for re-use. */
void mf_arena_reset(struct mf_arena *arena);
size_t mf_arena_used(const struct mf_arena *arena);

void *mf_arena_alloc(struct mf_arena *arena, size_t size);
/* count * size with overflow check. */
void *mf_arena_array(struct mf_arena *arena, size_t count, size_t size);
/* Unzeroed and byte-aligned, for text and wire bytes. */
char *mf_arena_bytes(struct mf_arena *arena, size_t size);
/* Grows the newest allocation in place when possible, else copies. old may be NULL. */
void *mf_arena_grow(struct mf_arena *arena, void *old, size_t old_size, size_t new_size);
/* Runs fn(data) when the arena is freed or reset, newest first. False when memory ran out. */
_Bool mf_arena_defer(struct mf_arena *arena, void (*fn)(void *data), void *data);

#define MF_NEW(arena, type) ((type *)mf_arena_alloc((arena), sizeof(type)))

#endif
