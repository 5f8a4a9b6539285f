#include "schedule/kinds.h"

#include "base/list.h"
#include "base/map.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "rpc/pb.h"
#include "trigger/check.h"

#include <stdlib.h>
#include <string.h>

#define SCRATCH_KEPT ((size_t)64 << 10)

struct mf_kinds {
    struct mf_zones *zones;
    struct mf_map *kinds;     /* by key */
    struct mf_arena *scratch; /* emptied by each use */
};

/* A kind and its key: the policy, NUL, the automation. */
struct held {
    struct mf_kind kind;
    size_t key_len;
    char key[];
};

enum mf_code mf_kinds_new(struct mf_zones *zones, uint64_t seed, struct mf_kinds **out, struct mf_error *err)
{
    struct mf_kinds *kinds = calloc(1, sizeof *kinds);
    if (!kinds)
        return mf_fail_memory(err);
    kinds->zones = zones;
    kinds->kinds = mf_map_new(seed);
    kinds->scratch = mf_arena_new(SCRATCH_KEPT);
    if (!kinds->kinds || !kinds->scratch) {
        mf_kinds_free(kinds);
        return mf_fail_memory(err);
    }
    *out = kinds;
    return MF_OK;
}

void mf_kinds_free(struct mf_kinds *kinds)
{
    if (!kinds)
        return;
    mf_map_free(kinds->kinds, free);
    mf_arena_free(kinds->scratch);
    free(kinds);
}

static enum mf_code parse(struct mf_kinds *kinds, const struct mf_schedule_row *row, struct mf_kind *out,
                          struct mf_error *err)
{
    void *automation = NULL;
    enum mf_code code =
        pb_decode(kinds->scratch, &pb_task_TriggerAutomationSpec_type, row->automation, &automation, err);
    if (code == MF_OK)
        code = mf_automation_schedule(kinds->zones, automation, &out->timing, err);
    return code == MF_OK ? mf_policy_parse(row->policy, &out->policy, err) : code;
}

static enum mf_code add(struct mf_kinds *kinds, const struct mf_schedule_row *row, struct mf_str key,
                        struct mf_kind **out, struct mf_error *err)
{
    struct held *held = calloc(1, sizeof *held + key.len);
    if (!held)
        return mf_fail_memory(err);
    memcpy(held->key, key.ptr, key.len);
    held->key_len = key.len;
    enum mf_code code = parse(kinds, row, &held->kind, err);
    if (code == MF_OK && !mf_map_put(kinds->kinds, key, held, NULL))
        code = mf_fail_memory(err);
    if (code != MF_OK) {
        free(held);
        return code;
    }
    *out = &held->kind;
    return MF_OK;
}

/* The end of what it wrote. An empty string may have no bytes to point at. */
static char *put(char *to, struct mf_str s)
{
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

enum mf_code mf_kinds_take(struct mf_kinds *kinds, const struct mf_schedule_row *row, struct mf_kind **out,
                           struct mf_error *err)
{
    enum mf_code code = MF_OK;
    mf_arena_reset(kinds->scratch);
    char *bytes = mf_arena_alloc(kinds->scratch, row->policy.len + 1 + row->automation.len);
    if (!bytes)
        return mf_fail_memory(err);
    char *end = put(bytes, row->policy);
    *end = '\0';
    (void)put(end + 1, row->automation);
    struct mf_str key = mf_str_make(bytes, row->policy.len + 1 + row->automation.len);
    struct held *held = mf_map_get(kinds->kinds, key);
    if (held)
        *out = &held->kind;
    else
        code = add(kinds, row, key, out, err);
    if (code == MF_OK)
        (*out)->users++;
    return code;
}

void mf_kinds_give(struct mf_kinds *kinds, struct mf_kind *kind)
{
    if (!kind || --kind->users > 0)
        return;
    struct held *held = MF_CONTAINER(kind, struct held, kind);
    mf_map_remove(kinds->kinds, mf_str_make(held->key, held->key_len));
    free(held);
}
