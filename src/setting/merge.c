#include "setting/merge.h"

#include <stddef.h>

static bool is_value(const struct mf_leaf *leaf, void *value)
{
    return value && *mf_leaf_state(leaf, value) == pb_settings_SETTING_STATE_VALUE;
}

static bool has_key(const struct pb_settings_StringMap *map, struct mf_str key)
{
    for (uint32_t i = 0; map && i < map->entries.count; i++) {
        if (mf_str_eq(map->entries.items[i]->key, key))
            return true;
    }
    return false;
}

/* The wider map's entries that the narrow one does not replace come first. */
static enum mf_code merge_map(struct mf_arena *arena, const struct pb_settings_StringMapSetting *wide,
                              struct pb_settings_StringMapSetting *narrow, struct mf_error *err)
{
    struct pb_settings_StringMap *merged = pb_new(arena, &pb_settings_StringMap_type);
    bool ok = merged != NULL;
    for (uint32_t i = 0; ok && wide->map_value && i < wide->map_value->entries.count; i++) {
        struct pb_settings_StringMap_EntriesEntry *entry = wide->map_value->entries.items[i];
        if (!has_key(narrow->map_value, entry->key))
            ok = PB_PUSH(arena, merged->entries, entry);
    }
    for (uint32_t i = 0; ok && narrow->map_value && i < narrow->map_value->entries.count; i++)
        ok = PB_PUSH(arena, merged->entries, narrow->map_value->entries.items[i]);
    if (!ok)
        return mf_fail_memory(err);
    narrow->map_value = merged;
    return MF_OK;
}

enum mf_code mf_settings_merge(struct mf_arena *arena, struct pb_settings_Settings *into,
                               struct pb_settings_Settings *narrow, int32_t level, struct mf_error *err)
{
    mf_settings_mark(narrow, level);
    for (size_t i = 0; i < MF_LEAF_COUNT; i++) {
        const struct mf_leaf *leaf = &mf_leaves[i];
        void **from = mf_leaf_slot(leaf, narrow, NULL);
        if (!from || !*from || *mf_leaf_state(leaf, *from) == pb_settings_SETTING_STATE_INHERIT)
            continue;
        void **to = mf_leaf_slot(leaf, into, arena);
        if (!to)
            return mf_fail_memory(err);
        if (leaf->kind == MF_LEAF_MAP && is_value(leaf, *to) && is_value(leaf, *from)) {
            enum mf_code code = merge_map(arena, *to, *from, err);
            if (code != MF_OK)
                return code;
        }
        *to = *from;
    }
    return MF_OK;
}

void mf_settings_mark(struct pb_settings_Settings *settings, int32_t level)
{
    for (size_t i = 0; i < MF_LEAF_COUNT; i++) {
        void **slot = mf_leaf_slot(&mf_leaves[i], settings, NULL);
        if (slot && *slot)
            *mf_leaf_level(&mf_leaves[i], *slot) = level;
    }
}

/* Where each leaf goes. What the server has no use for is not listed. */
static const struct {
    const char *path;
    size_t offset;
} places[] = {
    {"run.default_queue", offsetof(struct mf_settings, default_queue)},
    {"run.max_action_concurrency", offsetof(struct mf_settings, max_action_concurrency)},
    {"run.run_base_dir", offsetof(struct mf_settings, run_base_dir)},
    {"security.service_account", offsetof(struct mf_settings, service_account)},
    {"storage.raw_data_path", offsetof(struct mf_settings, raw_data_path)},
    {"pod_template_name", offsetof(struct mf_settings, pod_template_name)},
    {"task_resource.min.cpu", offsetof(struct mf_settings, min.cpu)},
    {"task_resource.min.gpu", offsetof(struct mf_settings, min.gpu)},
    {"task_resource.min.memory", offsetof(struct mf_settings, min.memory)},
    {"task_resource.min.storage", offsetof(struct mf_settings, min.storage)},
    {"task_resource.max.cpu", offsetof(struct mf_settings, max.cpu)},
    {"task_resource.max.gpu", offsetof(struct mf_settings, max.gpu)},
    {"task_resource.max.memory", offsetof(struct mf_settings, max.memory)},
    {"task_resource.max.storage", offsetof(struct mf_settings, max.storage)},
    {"task_resource.mirror_limits_request", offsetof(struct mf_settings, mirror_limits_request)},
    {"task_resource.default_accelerator", offsetof(struct mf_settings, default_accelerator)},
    {"labels", offsetof(struct mf_settings, labels)},
    {"annotations", offsetof(struct mf_settings, annotations)},
    {"environment_variables", offsetof(struct mf_settings, environment_variables)},
};

static void put(enum mf_leaf_kind kind, void *place, const void *value)
{
    switch (kind) {
    case MF_LEAF_STRING:
        *(struct mf_str *)place = ((const struct pb_settings_StringSetting *)value)->string_value;
        break;
    case MF_LEAF_QUANTITY:
        *(struct mf_str *)place = ((const struct pb_settings_QuantitySetting *)value)->quantity_value;
        break;
    case MF_LEAF_INT:
        *(int64_t *)place = ((const struct pb_settings_Int64Setting *)value)->int_value;
        break;
    case MF_LEAF_BOOL:
        *(bool *)place = ((const struct pb_settings_BoolSetting *)value)->bool_value;
        break;
    case MF_LEAF_MAP:
        *(const struct pb_settings_StringMap **)place =
            ((const struct pb_settings_StringMapSetting *)value)->map_value;
        break;
    case MF_LEAF_ACCELERATOR:
        *(const struct pb_core_GPUAccelerator **)place =
            ((const struct pb_settings_AcceleratorSetting *)value)->accelerator_value;
        break;
    }
}

void mf_settings_flatten(struct pb_settings_Settings *merged, struct mf_settings *out)
{
    *out = (struct mf_settings){0};
    for (size_t i = 0; i < MF_LEAF_COUNT; i++) {
        void **slot = mf_leaf_slot(&mf_leaves[i], merged, NULL);
        if (!slot || !is_value(&mf_leaves[i], *slot))
            continue;
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            if (strcmp(places[p].path, mf_leaves[i].path) == 0)
                put(mf_leaves[i].kind, (char *)out + places[p].offset, *slot);
        }
    }
}
