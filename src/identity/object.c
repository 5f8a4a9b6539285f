#include "identity/object.h"

bool mf_json_object(struct mf_arena *arena, struct mf_str json, const struct pb_google_protobuf_Struct **out)
{
    void *object = NULL;
    bool ok = pb_from_json(arena, &pb_google_protobuf_Struct_type, json, NULL, &object, NULL) == MF_OK;
    *out = object;
    return ok;
}

const struct pb_google_protobuf_Value *mf_object_find(const struct pb_google_protobuf_Struct *object,
                                                      const char *name)
{
    for (uint32_t i = 0; i < object->fields.count; i++) {
        const struct pb_google_protobuf_Struct_FieldsEntry *entry = object->fields.items[i];
        if (mf_str_eq_c(entry->key, name) && entry->value &&
            entry->value->kind_case != pb_google_protobuf_Value_tag_null_value)
            return entry->value;
    }
    return NULL;
}

bool mf_object_text(const struct pb_google_protobuf_Struct *object, const char *name, struct mf_str *out)
{
    const struct pb_google_protobuf_Value *value = mf_object_find(object, name);
    *out = MF_STR_EMPTY;
    if (!value)
        return true;
    if (value->kind_case != pb_google_protobuf_Value_tag_string_value)
        return false;
    *out = value->kind.string_value;
    return true;
}
