#include "rpc/pb_wire.h"

#include <stdlib.h>

/* Up to here comparing each with each is cheaper than sorting. */
#define FEW 8

static int order_of(bool less, bool greater)
{
    return less ? -1 : greater ? 1 : 0;
}

int pb_map_compare(const struct pb_type *entry, const void *a, const void *b)
{
    const struct pb_field *key = &entry->fields[0];
    const char *left = (const char *)a + key->offset, *right = (const char *)b + key->offset;
    uint64_t x = 0, y = 0;
    switch (key->kind) {
    case PB_STRING:
        return mf_str_cmp(*(const struct mf_str *)(const void *)left,
                          *(const struct mf_str *)(const void *)right);
    case PB_INT32:
    case PB_SINT32:
    case PB_FIXED32_SIGNED: {
        int32_t i, j;
        memcpy(&i, left, sizeof i);
        memcpy(&j, right, sizeof j);
        return order_of(i<j, i> j);
    }
    case PB_INT64:
    case PB_SINT64:
    case PB_FIXED64_SIGNED: {
        int64_t i, j;
        memcpy(&i, left, sizeof i);
        memcpy(&j, right, sizeof j);
        return order_of(i<j, i> j);
    }
    case PB_BOOL:
        x = *(const bool *)left;
        y = *(const bool *)right;
        return order_of(x<y, x> y);
    case PB_UINT32:
    case PB_FIXED32: {
        uint32_t i, j;
        memcpy(&i, left, sizeof i);
        memcpy(&j, right, sizeof j);
        return order_of(i<j, i> j);
    }
    default: /* the other kinds are no keys */
        memcpy(&x, left, sizeof x);
        memcpy(&y, right, sizeof y);
        return order_of(x<y, x> y);
    }
}

/* Merges the sorted runs from[low..middle) and from[middle..high) into to. */
static void merge(const struct pb_type *entry, void *const *items, const uint32_t *from, uint32_t *to,
                  uint32_t low, uint32_t middle, uint32_t high)
{
    uint32_t left = low, right = middle;
    for (uint32_t i = low; i < high; i++) {
        bool take_right = left == middle ||
                          (right < high && pb_map_compare(entry, items[from[right]], items[from[left]]) < 0);
        to[i] = take_right ? from[right++] : from[left++];
    }
}

void pb_map_order(const struct pb_type *entry, void *const *items, uint32_t count, uint32_t *order)
{
    bool sorted = true;
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        sorted = sorted && (i == 0 || pb_map_compare(entry, items[i - 1], items[i]) <= 0);
    }
    if (sorted)
        return;
    uint32_t *from = order, *to = order + count;
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t low = 0; low < count; low += 2 * width) {
            uint64_t middle = low + width < count ? low + width : count;
            uint64_t high = low + 2 * width < count ? low + 2 * width : count;
            merge(entry, items, from, to, (uint32_t)low, (uint32_t)middle, (uint32_t)high);
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order)
        memcpy(order, from, count * sizeof *order);
}

static void drop_null(struct pb_list *list)
{
    void **items = list->items;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (items[i])
            items[kept++] = items[i];
    }
    list->count = kept;
}

bool pb_map_unique(const struct pb_type *entry, struct pb_list *list)
{
    void **items = list->items;
    uint32_t count = list->count;
    if (count <= FEW) {
        for (uint32_t i = 0; i < count; i++) {
            bool again = false;
            for (uint32_t j = i + 1; j < count && !again; j++)
                again = pb_map_compare(entry, items[i], items[j]) == 0;
            if (again)
                items[i] = NULL;
        }
        drop_null(list);
        return true;
    }
    uint32_t *order = malloc(2 * (size_t)count * sizeof *order);
    if (!order)
        return false;
    pb_map_order(entry, items, count, order);
    /* Equal keys are neighbours in order, the last one last. */
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (pb_map_compare(entry, items[order[i]], items[order[i + 1]]) == 0)
            items[order[i]] = NULL;
    }
    free(order);
    drop_null(list);
    return true;
}
