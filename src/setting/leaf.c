#include "setting/leaf.h"

#include <stddef.h>

enum group { ROOT, RUN, SECURITY, STORAGE, RESOURCE, MIN, MAX, APP, GROUP_COUNT };

static const struct {
    enum group parent;
    size_t offset;
    const struct pb_type *type;
} groups[GROUP_COUNT] = {
    [RUN] = {ROOT, offsetof(struct pb_settings_Settings, run), &pb_settings_RunSettings_type},
    [SECURITY] = {ROOT, offsetof(struct pb_settings_Settings, security), &pb_settings_SecuritySettings_type},
    [STORAGE] = {ROOT, offsetof(struct pb_settings_Settings, storage), &pb_settings_StorageSettings_type},
    [RESOURCE] = {ROOT, offsetof(struct pb_settings_Settings, task_resource),
                  &pb_settings_TaskResourceSettings_type},
    [MIN] = {RESOURCE, offsetof(struct pb_settings_TaskResourceSettings, min),
             &pb_settings_TaskResourceDefaults_type},
    [MAX] = {RESOURCE, offsetof(struct pb_settings_TaskResourceSettings, max),
             &pb_settings_TaskResourceDefaults_type},
    [APP] = {ROOT, offsetof(struct pb_settings_Settings, app), &pb_settings_AppSettings_type},
};

#define OF_RUN(member) RUN, offsetof(struct pb_settings_RunSettings, member)
#define OF_MIN(member) MIN, offsetof(struct pb_settings_TaskResourceDefaults, member)
#define OF_MAX(member) MAX, offsetof(struct pb_settings_TaskResourceDefaults, member)
#define OF_RESOURCE(member) RESOURCE, offsetof(struct pb_settings_TaskResourceSettings, member)
#define OF_ROOT(member) ROOT, offsetof(struct pb_settings_Settings, member)

const struct mf_leaf mf_leaves[MF_LEAF_COUNT] = {
    {"run.default_queue", MF_LEAF_STRING, OF_RUN(default_queue)},
    {"run.max_action_concurrency", MF_LEAF_INT, OF_RUN(max_action_concurrency)},
    {"run.run_base_dir", MF_LEAF_STRING, OF_RUN(run_base_dir)},
    {"security.service_account", MF_LEAF_STRING, SECURITY,
     offsetof(struct pb_settings_SecuritySettings, service_account)},
    {"storage.raw_data_path", MF_LEAF_STRING, STORAGE,
     offsetof(struct pb_settings_StorageSettings, raw_data_path)},
    {"task_resource.min.cpu", MF_LEAF_QUANTITY, OF_MIN(cpu)},
    {"task_resource.min.gpu", MF_LEAF_QUANTITY, OF_MIN(gpu)},
    {"task_resource.min.memory", MF_LEAF_QUANTITY, OF_MIN(memory)},
    {"task_resource.min.storage", MF_LEAF_QUANTITY, OF_MIN(storage)},
    {"task_resource.max.cpu", MF_LEAF_QUANTITY, OF_MAX(cpu)},
    {"task_resource.max.gpu", MF_LEAF_QUANTITY, OF_MAX(gpu)},
    {"task_resource.max.memory", MF_LEAF_QUANTITY, OF_MAX(memory)},
    {"task_resource.max.storage", MF_LEAF_QUANTITY, OF_MAX(storage)},
    {"task_resource.mirror_limits_request", MF_LEAF_BOOL, OF_RESOURCE(mirror_limits_request)},
    {"task_resource.default_accelerator", MF_LEAF_ACCELERATOR, OF_RESOURCE(default_accelerator)},
    {"labels", MF_LEAF_MAP, OF_ROOT(labels)},
    {"annotations", MF_LEAF_MAP, OF_ROOT(annotations)},
    {"environment_variables", MF_LEAF_MAP, OF_ROOT(environment_variables)},
    {"app.disallow_anonymous", MF_LEAF_BOOL, APP,
     offsetof(struct pb_settings_AppSettings, disallow_anonymous)},
    {"app.app_dns_strategy", MF_LEAF_STRING, APP, offsetof(struct pb_settings_AppSettings, app_dns_strategy)},
    {"pod_template_name", MF_LEAF_STRING, OF_ROOT(pod_template_name)},
};

static void *find_group(enum group group, struct pb_settings_Settings *settings, struct mf_arena *arena)
{
    if (group == ROOT)
        return settings;
    char *parent = find_group(groups[group].parent, settings, arena);
    if (!parent)
        return NULL;
    void **slot = (void **)(void *)(parent + groups[group].offset);
    if (!*slot && arena)
        *slot = pb_new(arena, groups[group].type);
    return *slot;
}

void **mf_leaf_slot(const struct mf_leaf *leaf, struct pb_settings_Settings *settings, struct mf_arena *arena)
{
    char *group = find_group((enum group)leaf->group, settings, arena);
    return group ? (void **)(void *)(group + leaf->offset) : NULL;
}

#define MEMBERS(type)                                                                                        \
    {                                                                                                        \
        offsetof(struct type, state), offsetof(struct type, scope_level)                                     \
    }

static const struct {
    size_t state, level;
} members[] = {
    [MF_LEAF_STRING] = MEMBERS(pb_settings_StringSetting),
    [MF_LEAF_INT] = MEMBERS(pb_settings_Int64Setting),
    [MF_LEAF_BOOL] = MEMBERS(pb_settings_BoolSetting),
    [MF_LEAF_QUANTITY] = MEMBERS(pb_settings_QuantitySetting),
    [MF_LEAF_MAP] = MEMBERS(pb_settings_StringMapSetting),
    [MF_LEAF_ACCELERATOR] = MEMBERS(pb_settings_AcceleratorSetting),
};

int32_t *mf_leaf_state(const struct mf_leaf *leaf, void *value)
{
    return (int32_t *)(void *)((char *)value + members[leaf->kind].state);
}

int32_t *mf_leaf_level(const struct mf_leaf *leaf, void *value)
{
    return (int32_t *)(void *)((char *)value + members[leaf->kind].level);
}
