#include "rpc/pb_table.h"

#define LIST_FIRST 4

const char *pb_type_name(const struct pb_type *type)
{
    return type->name;
}

const struct pb_type *pb_type_find(struct mf_str full_name)
{
    size_t low = 0, high = pb_type_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = mf_str_cmp(full_name, mf_str_from_c(pb_types[middle]->name));
        if (order == 0)
            return pb_types[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void *pb_new(struct mf_arena *arena, const struct pb_type *type)
{
    return mf_arena_alloc(arena, type->size);
}

bool pb_list_grow(struct mf_arena *arena, void **items, uint32_t count, uint32_t *cap, size_t size)
{
    if (count > UINT32_MAX / 2)
        return false;
    uint32_t wanted = count < LIST_FIRST ? LIST_FIRST : count * 2;
    /* Items that were not grown here (cap 0) may lie anywhere: they are only copied from. */
    void *grown = *cap > 0 ? mf_arena_grow(arena, *items, *cap * size, wanted * size)
                           : mf_arena_array(arena, wanted, size);
    if (!grown)
        return false;
    if (*cap == 0 && count > 0)
        memcpy(grown, *items, count * size);
    *items = grown;
    *cap = wanted;
    return true;
}

const struct pb_field *pb_field_by_number(const struct pb_type *type, uint32_t number)
{
    if (number - 1 < type->dense)
        return &type->fields[number - 1];
    uint32_t low = type->dense, high = type->field_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct pb_field *field = &type->fields[middle];
        if (field->number == number)
            return field;
        if (number < field->number)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t pb_kind_size(enum pb_kind kind)
{
    static const uint8_t sizes[] = {
        [PB_BOOL] = sizeof(bool),
        [PB_INT32] = 4,
        [PB_SINT32] = 4,
        [PB_FIXED32_SIGNED] = 4,
        [PB_ENUM] = 4,
        [PB_UINT32] = 4,
        [PB_FIXED32] = 4,
        [PB_INT64] = 8,
        [PB_SINT64] = 8,
        [PB_FIXED64_SIGNED] = 8,
        [PB_UINT64] = 8,
        [PB_FIXED64] = 8,
        [PB_FLOAT] = 4,
        [PB_DOUBLE] = 8,
        [PB_STRING] = sizeof(struct mf_str),
        [PB_BYTES] = sizeof(struct mf_str),
        [PB_MESSAGE] = sizeof(void *),
    };
    return sizes[kind];
}

/* Whether a scalar is other than zero, bit by bit: -0.0 is a value to keep. */
static bool value_is_set(const struct pb_field *field, const char *at)
{
    uint64_t word = 0;
    switch (field->kind) {
    case PB_STRING:
    case PB_BYTES:
        return ((const struct mf_str *)(const void *)at)->len > 0;
    case PB_MESSAGE:
        return *(void *const *)(const void *)at != NULL;
    default:
        memcpy(&word, at, pb_kind_size(field->kind));
        return word != 0;
    }
}

bool pb_field_is_set(const struct pb_field *field, const void *msg)
{
    const char *base = msg;
    switch ((enum pb_shape)field->shape) {
    case PB_IMPLICIT:
        return value_is_set(field, base + field->offset);
    case PB_OPTIONAL:
        return *(const bool *)(base + field->has_offset);
    case PB_ONEOF: {
        int32_t number;
        memcpy(&number, base + field->has_offset, sizeof number);
        return number == (int32_t)field->number;
    }
    case PB_REPEATED:
    case PB_MAP:
        return ((const struct pb_list *)(const void *)(base + field->offset))->count > 0;
    }
    return false;
}
