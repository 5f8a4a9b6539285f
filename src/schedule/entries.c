#include "schedule/entries.h"

#include <stdlib.h>

#define NOWHERE UINT32_MAX
#define SLOTS_FIRST 64

/* The heap has room for all entries there are, so that setting a time cannot fail. */
struct mf_entries {
    struct mf_entry **slots; /* open addressing, linear probing; at most half full */
    size_t slot_count;       /* a power of two */
    size_t count;
    struct mf_entry **heap;
    size_t heap_count;
};

static size_t slot_of(const struct mf_entries *entries, int64_t id)
{
    uint64_t hash = (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & (entries->slot_count - 1);
}

static size_t find_slot(const struct mf_entries *entries, int64_t id)
{
    size_t slot = slot_of(entries, id);
    while (entries->slots[slot] && entries->slots[slot]->id != id)
        slot = (slot + 1) & (entries->slot_count - 1);
    return slot;
}

enum mf_code mf_entries_new(struct mf_entries **out, struct mf_error *err)
{
    struct mf_entries *entries = calloc(1, sizeof *entries);
    if (!entries)
        return mf_fail_memory(err);
    entries->slot_count = SLOTS_FIRST;
    entries->slots = calloc(SLOTS_FIRST, sizeof(struct mf_entry *));
    entries->heap = calloc(SLOTS_FIRST / 2, sizeof(struct mf_entry *));
    if (!entries->slots || !entries->heap) {
        mf_entries_free(entries);
        return mf_fail_memory(err);
    }
    *out = entries;
    return MF_OK;
}

void mf_entries_free(struct mf_entries *entries)
{
    if (!entries)
        return;
    for (size_t i = 0; entries->slots && i < entries->slot_count; i++)
        free(entries->slots[i]);
    free(entries->slots);
    free(entries->heap);
    free(entries);
}

size_t mf_entries_count(const struct mf_entries *entries)
{
    return entries->count;
}

struct mf_entry *mf_entries_get(const struct mf_entries *entries, int64_t id)
{
    return entries->slots[find_slot(entries, id)];
}

static bool grow(struct mf_entries *entries)
{
    size_t old_count = entries->slot_count;
    struct mf_entry **old = entries->slots;
    struct mf_entry **slots = calloc(2 * old_count, sizeof(struct mf_entry *));
    if (!slots)
        return false;
    struct mf_entry **heap = realloc(entries->heap, old_count * sizeof(struct mf_entry *));
    if (!heap) {
        free(slots);
        return false;
    }
    entries->heap = heap;
    entries->slots = slots;
    entries->slot_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i])
            slots[find_slot(entries, old[i]->id)] = old[i];
    }
    free(old);
    return true;
}

struct mf_entry *mf_entries_add(struct mf_entries *entries, int64_t id)
{
    if (2 * (entries->count + 1) > entries->slot_count && !grow(entries))
        return NULL;
    struct mf_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->id = id;
    entry->look_at = INT64_MAX;
    entry->place = NOWHERE;
    entries->slots[find_slot(entries, id)] = entry;
    entries->count++;
    return entry;
}

/* Closes the hole, so that every entry behind it is still found from its own slot on. */
static void close_slot(struct mf_entries *entries, size_t hole)
{
    size_t mask = entries->slot_count - 1;
    size_t at = hole;
    entries->slots[hole] = NULL;
    for (;;) {
        at = (at + 1) & mask;
        if (!entries->slots[at])
            return;
        size_t wanted = slot_of(entries, entries->slots[at]->id);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            entries->slots[hole] = entries->slots[at];
            entries->slots[at] = NULL;
            hole = at;
        }
    }
}

void mf_entries_remove(struct mf_entries *entries, struct mf_entry *entry)
{
    mf_entries_set(entries, entry, INT64_MAX);
    close_slot(entries, find_slot(entries, entry->id));
    entries->count--;
    free(entry);
}

/* ---- the heap ---- */

/* Of those that are due at once the oldest goes first: their rows lie side by side, so that a commit which
 * takes many of them writes few pages. */
static bool is_before(const struct mf_entry *a, const struct mf_entry *b)
{
    return a->look_at != b->look_at ? a->look_at < b->look_at : a->id < b->id;
}

static void put(struct mf_entries *entries, size_t place, struct mf_entry *entry)
{
    entries->heap[place] = entry;
    entry->place = (uint32_t)place;
}

static void sift_up(struct mf_entries *entries, size_t place, struct mf_entry *entry)
{
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!is_before(entry, entries->heap[parent]))
            break;
        put(entries, place, entries->heap[parent]);
        place = parent;
    }
    put(entries, place, entry);
}

static void sift_down(struct mf_entries *entries, size_t place, struct mf_entry *entry)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= entries->heap_count)
            break;
        if (child + 1 < entries->heap_count && is_before(entries->heap[child + 1], entries->heap[child]))
            child++;
        if (!is_before(entries->heap[child], entry))
            break;
        put(entries, place, entries->heap[child]);
        place = child;
    }
    put(entries, place, entry);
}

static void take_out(struct mf_entries *entries, struct mf_entry *entry)
{
    size_t place = entry->place;
    struct mf_entry *last = entries->heap[--entries->heap_count];
    entry->place = NOWHERE;
    if (last == entry)
        return;
    if (is_before(last, entry))
        sift_up(entries, place, last);
    else
        sift_down(entries, place, last);
}

void mf_entries_set(struct mf_entries *entries, struct mf_entry *entry, int64_t look_at)
{
    if (entry->place != NOWHERE)
        take_out(entries, entry);
    entry->look_at = look_at;
    if (look_at != INT64_MAX)
        sift_up(entries, entries->heap_count++, entry);
}

struct mf_entry *mf_entries_first(const struct mf_entries *entries)
{
    return entries->heap_count > 0 ? entries->heap[0] : NULL;
}

/* A node that is not due has nobody due below it. The depth is that of the heap. */
static void count_due(const struct mf_entries *entries, size_t place, int64_t at, size_t most, size_t *count)
{
    if (place >= entries->heap_count || entries->heap[place]->look_at > at || *count >= most)
        return;
    (*count)++;
    count_due(entries, 2 * place + 1, at, most, count);
    count_due(entries, 2 * place + 2, at, most, count);
}

size_t mf_entries_due(const struct mf_entries *entries, int64_t at, size_t most)
{
    size_t count = 0;
    count_due(entries, 0, at, most, &count);
    return count;
}

void mf_entries_each(struct mf_entries *entries, void (*visit)(void *ctx, struct mf_entry *entry), void *ctx)
{
    for (size_t i = 0; i < entries->slot_count; i++) {
        if (entries->slots[i])
            visit(ctx, entries->slots[i]);
    }
}
