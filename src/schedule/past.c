#include "schedule/past.h"

#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "trigger/check.h"

#define REVISIONS_MAX 1000
#define REVISIONS_AHEAD 200 /* of them, when there are more */
#define REVISIONS_FIRST 8

/* The walk over the revisions. */
struct reading {
    struct mf_arena *arena;
    struct mf_arena *scratch; /* of one revision */
    struct mf_zones *zones;
    const struct mf_trigger_key *key;
    struct mf_past *past;
    size_t cap;
    struct mf_str automation, policy; /* of the last one */
    bool out_of_memory;
};

static bool read_timing(struct reading *reading, const struct mf_trigger_row *row, struct mf_schedule *out)
{
    void *automation = NULL;
    return row->automation_type == pb_task_TYPE_SCHEDULE &&
           pb_decode(reading->scratch, &pb_task_TriggerAutomationSpec_type, row->automation, &automation,
                     NULL) == MF_OK &&
           mf_automation_schedule(reading->zones, automation, out, NULL) == MF_OK;
}

static void read_policy(struct reading *reading, const struct mf_trigger_row *row, struct mf_policy *out,
                        struct mf_str *text)
{
    void *decoded = NULL;
    const struct pb_trigger_TriggerSpec *spec = NULL;
    if (pb_decode(reading->scratch, &pb_trigger_TriggerSpec_type, row->spec, &decoded, NULL) == MF_OK)
        spec = decoded;
    if (mf_policy_read(reading->scratch, spec ? spec->run_spec : NULL, out, text, NULL) == MF_OK)
        return;
    *text = MF_STR_EMPTY;
    *out = (struct mf_policy){.window_ns = MF_CATCH_UP_WINDOW_NS};
}

/* See src/trigger/change.c, which decides it. */
static enum mf_audit_drop drop_of(const struct reading *reading, const struct mf_audit_revision *before,
                                  const struct mf_audit_revision *now, enum mf_trigger_action action,
                                  struct mf_str automation, struct mf_str policy)
{
    if (!before->active)
        return MF_AUDIT_KEEPS;
    if (!mf_str_eq(reading->automation, automation))
        return MF_AUDIT_SCHEDULE;
    if (!now->active)
        return action == MF_TRIGGER_DELETE ? MF_AUDIT_DELETED : MF_AUDIT_SWITCHED_OFF;
    return mf_str_eq(reading->policy, policy) ? MF_AUDIT_KEEPS : MF_AUDIT_POLICY;
}

/* Remembers what the next revision is compared with. */
static bool keep_text(struct reading *reading, struct mf_str *kept, struct mf_str text)
{
    if (mf_str_eq(*kept, text))
        return true;
    *kept = mf_str_copy(reading->arena, text);
    return kept->ptr != NULL;
}

static struct mf_audit_revision *add(struct reading *reading)
{
    struct mf_past *past = reading->past;
    if (past->count == reading->cap) {
        size_t cap = reading->cap > 0 ? 2 * reading->cap : REVISIONS_FIRST;
        past->revisions =
            mf_arena_grow(reading->arena, past->revisions, reading->cap * sizeof *past->revisions,
                          cap * sizeof *past->revisions);
        reading->cap = cap;
    }
    return past->revisions ? &past->revisions[past->count++] : NULL;
}

static bool on_revision(void *ctx, const struct mf_trigger_row *row, enum mf_trigger_action action,
                        int64_t recorded_at)
{
    struct reading *reading = ctx;
    struct mf_past *past = reading->past;
    struct mf_str policy = MF_STR_EMPTY;
    past->is_whole = past->count < REVISIONS_MAX;
    if (!past->is_whole)
        return false;
    struct mf_audit_revision *revision = add(reading);
    reading->out_of_memory = !revision;
    if (!revision)
        return false;
    const struct mf_audit_revision *before = past->count > 1 ? revision - 1 : NULL;
    *revision = (struct mf_audit_revision){.revision = row->revision, .recorded_at = recorded_at};
    /* Of a clock that was put back meanwhile nothing good can be told; the order of the revisions counts. */
    if (before && revision->recorded_at < before->recorded_at)
        revision->recorded_at = before->recorded_at;
    revision->baseline_at = row->baseline_at != 0 ? row->baseline_at : recorded_at;
    revision->active = row->active && read_timing(reading, row, &revision->timing);
    read_policy(reading, row, &revision->policy, &policy);
    revision->offset_ns = mf_policy_offset(&revision->policy, reading->key);
    if (before)
        revision->drop = drop_of(reading, before, revision, action, row->automation, policy);
    reading->out_of_memory = !keep_text(reading, &reading->automation, row->automation) ||
                             !keep_text(reading, &reading->policy, policy);
    mf_arena_reset(reading->scratch);
    return !reading->out_of_memory;
}

enum mf_code mf_past_read(struct mf_db *db, struct mf_arena *arena, struct mf_zones *zones,
                          const struct mf_trigger_key *key, int64_t from, struct mf_past *out,
                          struct mf_error *err)
{
    struct reading reading = {
        .arena = arena, .scratch = mf_arena_new(0), .zones = zones, .key = key, .past = out};
    *out = (struct mf_past){.is_whole = true, .until = INT64_MAX};
    if (!reading.scratch)
        return mf_fail_memory(err);
    enum mf_code code = mf_trigger_revisions(db, key, from, on_revision, &reading, err);
    mf_arena_free(reading.scratch);
    if (code == MF_OK && reading.out_of_memory)
        return mf_fail_memory(err);
    if (!out->is_whole)
        out->until = out->revisions[REVISIONS_MAX - REVISIONS_AHEAD].recorded_at;
    return code;
}
