#include "kube/node.h"

#include <string.h>

typedef struct pb_google_protobuf_Struct_FieldsEntry entry;

/* ---- reading ---- */

enum mf_code mf_node_read(struct mf_arena *arena, struct mf_str text, const mf_node **out,
                          struct mf_error *err)
{
    void *value = NULL;
    enum mf_code code = pb_from_json(arena, &pb_google_protobuf_Value_type, text, NULL, &value, err);
    *out = value;
    return code;
}

static entry *find(const mf_node *node, struct mf_str name)
{
    if (!node || node->kind_case != pb_google_protobuf_Value_tag_struct_value)
        return NULL;
    const struct pb_google_protobuf_Struct *object = node->kind.struct_value;
    for (uint32_t i = 0; i < object->fields.count; i++) {
        if (mf_str_eq(object->fields.items[i]->key, name))
            return object->fields.items[i];
    }
    return NULL;
}

static const mf_node *member(const mf_node *node, struct mf_str name)
{
    const entry *found = find(node, name);
    return found && found->value && found->value->kind_case != pb_google_protobuf_Value_tag_null_value
               ? found->value
               : NULL;
}

const mf_node *mf_node_get(const mf_node *node, const char *name)
{
    return member(node, mf_str_from_c(name));
}

const mf_node *mf_node_at(const mf_node *node, const char *path)
{
    struct mf_str rest = mf_str_from_c(path);
    while (node && rest.len > 0) {
        size_t slash = mf_str_find_char(rest, '/');
        node = member(node, mf_str_take(rest, slash));
        rest = slash == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(rest, slash + 1);
    }
    return node;
}

struct mf_str mf_node_text(const mf_node *node, const char *path)
{
    const mf_node *value = mf_node_at(node, path);
    return value && value->kind_case == pb_google_protobuf_Value_tag_string_value ? value->kind.string_value
                                                                                  : MF_STR_EMPTY;
}

int64_t mf_node_int(const mf_node *node, const char *path)
{
    const mf_node *value = mf_node_at(node, path);
    double number =
        value && value->kind_case == pb_google_protobuf_Value_tag_number_value ? value->kind.number_value : 0;
    return number > -9e15 && number < 9e15 ? (int64_t)number : 0;
}

bool mf_node_bool(const mf_node *node, const char *path)
{
    const mf_node *value = mf_node_at(node, path);
    return value && value->kind_case == pb_google_protobuf_Value_tag_bool_value && value->kind.bool_value;
}

size_t mf_node_count(const mf_node *node)
{
    return node && node->kind_case == pb_google_protobuf_Value_tag_list_value
               ? node->kind.list_value->values.count
               : 0;
}

const mf_node *mf_node_item(const mf_node *node, size_t index)
{
    return index < mf_node_count(node) ? node->kind.list_value->values.items[index] : NULL;
}

/* ---- building ---- */

static mf_node *new_value(struct mf_node_builder *b, int32_t kind)
{
    mf_node *value = pb_new(b->arena, &pb_google_protobuf_Value_type);
    if (value)
        value->kind_case = kind;
    b->failed |= !value;
    return value;
}

mf_node *mf_node_object(struct mf_node_builder *b)
{
    mf_node *value = new_value(b, pb_google_protobuf_Value_tag_struct_value);
    struct pb_google_protobuf_Struct *object = pb_new(b->arena, &pb_google_protobuf_Struct_type);
    b->failed |= !object;
    if (b->failed)
        return NULL;
    value->kind.struct_value = object;
    return value;
}

mf_node *mf_node_list(struct mf_node_builder *b)
{
    mf_node *value = new_value(b, pb_google_protobuf_Value_tag_list_value);
    struct pb_google_protobuf_ListValue *list = pb_new(b->arena, &pb_google_protobuf_ListValue_type);
    b->failed |= !list;
    if (b->failed)
        return NULL;
    value->kind.list_value = list;
    return value;
}

void mf_node_set(struct mf_node_builder *b, mf_node *object, struct mf_str name, mf_node *value)
{
    if (b->failed || !object || !value || (name.len > 0 && !name.ptr)) {
        b->failed = true;
        return;
    }
    entry *there = find(object, name);
    if (there) {
        there->value = value;
        return;
    }
    entry *added = pb_new(b->arena, &pb_google_protobuf_Struct_FieldsEntry_type);
    if (!added || !PB_PUSH(b->arena, object->kind.struct_value->fields, added)) {
        b->failed = true;
        return;
    }
    added->key = name;
    added->value = value;
}

mf_node *mf_node_text_value(struct mf_node_builder *b, struct mf_str text)
{
    b->failed |= text.len > 0 && !text.ptr;
    mf_node *value = new_value(b, pb_google_protobuf_Value_tag_string_value);
    if (value)
        value->kind.string_value = text;
    return value;
}

void mf_node_set_text(struct mf_node_builder *b, mf_node *object, const char *name, struct mf_str text)
{
    mf_node_set(b, object, mf_str_from_c(name), mf_node_text_value(b, text));
}

void mf_node_set_int(struct mf_node_builder *b, mf_node *object, const char *name, int64_t number)
{
    mf_node *value = new_value(b, pb_google_protobuf_Value_tag_number_value);
    if (value)
        value->kind.number_value = (double)number;
    mf_node_set(b, object, mf_str_from_c(name), value);
}

void mf_node_set_bool(struct mf_node_builder *b, mf_node *object, const char *name, bool yes)
{
    mf_node *value = new_value(b, pb_google_protobuf_Value_tag_bool_value);
    if (value)
        value->kind.bool_value = yes;
    mf_node_set(b, object, mf_str_from_c(name), value);
}

mf_node *mf_node_set_object(struct mf_node_builder *b, mf_node *object, const char *name)
{
    mf_node *value = mf_node_object(b);
    mf_node_set(b, object, mf_str_from_c(name), value);
    return value;
}

mf_node *mf_node_set_list(struct mf_node_builder *b, mf_node *object, const char *name)
{
    mf_node *value = mf_node_list(b);
    mf_node_set(b, object, mf_str_from_c(name), value);
    return value;
}

void mf_node_push(struct mf_node_builder *b, mf_node *list, mf_node *value)
{
    if (b->failed || !list || !value || !PB_PUSH(b->arena, list->kind.list_value->values, value))
        b->failed = true;
}

enum mf_code mf_node_write(struct mf_node_builder *b, const mf_node *node, struct mf_str *out,
                           struct mf_error *err)
{
    if (b->failed)
        return mf_fail_memory(err);
    return pb_to_json(b->arena, &pb_google_protobuf_Value_type, node, NULL, out, err);
}
