#include "exec/process/origin.h"

#include "gen/flyteidl2/cacheservice/cacheservice.pb.h"
#include "gen/flyteidl2/common/cache.pb.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/core/identifier.pb.h"

enum { PROJECT, DOMAIN, RUN, ACTION, ATTEMPT, PARTS };

static const char *const keys[PARTS] = {
    [PROJECT] = "project", [DOMAIN] = "domain", [RUN] = "run", [ACTION] = "action", [ATTEMPT] = "attempt",
};

enum mf_code mf_origin_write(struct mf_arena *arena, const struct mf_action_row *row, int32_t attempt,
                             struct mf_str *out, struct mf_error *err)
{
    const struct mf_str values[PARTS] = {
        [PROJECT] = row->project,
        [DOMAIN] = row->domain,
        [RUN] = row->run_name,
        [ACTION] = row->name,
        [ATTEMPT] = mf_str_printf(arena, "%d", attempt),
    };
    struct pb_core_Identifier task = {
        .resource_type = pb_core_TASK,
        .project = row->task_project,
        .domain = row->task_domain,
        .name = row->task_name,
        .version = row->task_version,
    };
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry entries[PARTS];
    struct pb_cacheservice_KeyMapMetadata_ValuesEntry *items[PARTS];
    struct pb_cacheservice_KeyMapMetadata map = {.values = {.items = items, .count = PARTS}};
    const struct pb_cacheservice_Metadata metadata = {.source_identifier = &task, .key_map = &map};
    if (!values[ATTEMPT].ptr)
        return mf_fail_memory(err);
    for (size_t i = 0; i < PARTS; i++) {
        entries[i] = (struct pb_cacheservice_KeyMapMetadata_ValuesEntry){.key = mf_str_from_c(keys[i]),
                                                                         .value = values[i]};
        items[i] = &entries[i];
    }
    return pb_encode(arena, &pb_cacheservice_Metadata_type, &metadata, out, err);
}

struct pb_common_CacheMetadata *mf_origin_read(struct mf_arena *arena, struct mf_str metadata)
{
    struct mf_str values[PARTS] = {0};
    int64_t attempt = 0;
    void *decoded = NULL;
    if (metadata.len == 0 ||
        pb_decode(arena, &pb_cacheservice_Metadata_type, metadata, &decoded, NULL) != MF_OK)
        return NULL;
    const struct pb_cacheservice_KeyMapMetadata *map = ((struct pb_cacheservice_Metadata *)decoded)->key_map;
    for (uint32_t i = 0; map && i < map->values.count; i++) {
        for (size_t k = 0; k < PARTS; k++) {
            if (mf_str_eq_c(map->values.items[i]->key, keys[k]))
                values[k] = map->values.items[i]->value;
        }
    }
    if (values[RUN].len == 0 || values[ACTION].len == 0 || !mf_str_to_i64(values[ATTEMPT], &attempt) ||
        attempt < 1 || attempt > INT32_MAX)
        return NULL;
    struct pb_common_CacheMetadata *out = MF_NEW(arena, struct pb_common_CacheMetadata);
    struct pb_common_ActionAttemptIdentifier *id = MF_NEW(arena, struct pb_common_ActionAttemptIdentifier);
    struct pb_common_ActionIdentifier *action = MF_NEW(arena, struct pb_common_ActionIdentifier);
    struct pb_common_RunIdentifier *run = MF_NEW(arena, struct pb_common_RunIdentifier);
    if (!out || !id || !action || !run)
        return NULL;
    run->project = values[PROJECT];
    run->domain = values[DOMAIN];
    run->name = values[RUN];
    action->run = run;
    action->name = values[ACTION];
    id->action_id = action;
    id->attempt = (uint32_t)attempt;
    out->source_action_attempt = id;
    return out;
}
