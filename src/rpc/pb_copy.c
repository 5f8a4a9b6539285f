#include "rpc/pb_table.h"

static void *copy_message(struct mf_arena *arena, const struct pb_type *type, const void *msg,
                          unsigned depth);

static bool copy_string(struct mf_arena *arena, struct mf_str *text)
{
    if (text->len == 0) {
        *text = MF_STR_EMPTY;
        return true;
    }
    *text = mf_str_copy(arena, *text);
    return text->ptr != NULL;
}

/* at holds a value of the original, bit by bit; what it points to is replaced by a copy. */
static bool own_value(struct mf_arena *arena, const struct pb_field *field, void *at, unsigned depth)
{
    if (field->kind == PB_STRING || field->kind == PB_BYTES)
        return copy_string(arena, at);
    void **slot = at;
    if (field->kind != PB_MESSAGE || !*slot)
        return true;
    *slot = copy_message(arena, field->type, *slot, depth + 1);
    return *slot != NULL;
}

static bool own_list(struct mf_arena *arena, const struct pb_field *field, struct pb_list *list,
                     unsigned depth)
{
    size_t size = pb_kind_size((enum pb_kind)field->kind);
    const void *old = list->items;
    list->items = NULL;
    list->cap = list->count;
    if (list->count == 0)
        return true;
    char *items = mf_arena_array(arena, list->count, size);
    if (!items)
        return false;
    memcpy(items, old, list->count * size);
    list->items = items;
    bool ok = true;
    for (uint32_t i = 0; ok && i < list->count; i++)
        ok = own_value(arena, field, items + i * size, depth);
    return ok;
}

static void *copy_message(struct mf_arena *arena, const struct pb_type *type, const void *msg, unsigned depth)
{
    char *copy = depth <= PB_DEPTH_MAX ? pb_new(arena, type) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, msg, type->size);
    bool ok = copy_string(arena, &((struct pb_head *)(void *)copy)->unknown);
    for (uint32_t i = 0; ok && i < type->field_count; i++) {
        const struct pb_field *field = &type->fields[i];
        void *at = copy + field->offset;
        if (field->shape == PB_REPEATED || field->shape == PB_MAP)
            ok = own_list(arena, field, at, depth);
        else if (field->shape != PB_ONEOF || pb_field_is_set(field, copy))
            ok = own_value(arena, field, at, depth);
    }
    return ok ? copy : NULL;
}

void *pb_copy(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    return copy_message(arena, type, msg, 0);
}
