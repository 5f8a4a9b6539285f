#include "schedule/subject.h"

#include "base/time.h"
#include "schedule/name.h"
#include "trigger/check.h"
#include "trigger/message.h"

#include <inttypes.h>

static enum mf_code find(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                         bool deleted, struct mf_trigger_row *out, struct mf_error *err)
{
    bool found = false;
    if (deleted && key->task_name.len > 0) {
        enum mf_code code = mf_trigger_find(db, arena, key, out, &found, err);
        if (code != MF_OK || found)
            return code;
    }
    return mf_trigger_get(db, arena, key, out, err);
}

static enum mf_code read_schedule(struct mf_schedules *schedules, struct mf_arena *arena,
                                  struct mf_subject *subject, struct mf_error *err)
{
    void *automation = NULL;
    enum mf_code code = mf_stored_read(arena, &pb_task_TriggerAutomationSpec_type, subject->row.automation,
                                       "schedule", &automation, err);
    if (code == MF_OK)
        code = mf_automation_schedule(schedules->config.zones, automation, &subject->timing, err);
    if (code == MF_OK)
        code = mf_policy_parse(subject->row.policy, &subject->policy, err);
    subject->offset_ns = mf_policy_offset(&subject->policy, &subject->trigger.key);
    return code;
}

enum mf_code mf_subject_read(struct mf_schedules *schedules, struct mf_db *db, struct mf_arena *arena,
                             const struct pb_common_TriggerName *name, bool deleted, struct mf_subject *out,
                             struct mf_error *err)
{
    bool found = false;
    *out = (struct mf_subject){0};
    enum mf_code code = mf_trigger_name_check(name, "trigger", false, err);
    if (code != MF_OK)
        return code;
    const struct mf_trigger_key key = {name->project, name->domain, name->task_name, name->name};
    code = find(db, arena, &key, deleted, &out->trigger, err);
    if (code == MF_OK)
        code = mf_schedule_find(db, arena, &out->trigger.key, &out->row, &found, err);
    if (code != MF_OK)
        return code;
    if (!found)
        out->row = (struct mf_schedule_row){0};
    out->has_schedule = found && out->trigger.automation_type == pb_task_TYPE_SCHEDULE;
    return out->has_schedule ? read_schedule(schedules, arena, out, err) : MF_OK;
}

enum mf_code mf_subject_needs_schedule(const struct mf_subject *subject, struct mf_error *err)
{
    if (subject->has_schedule)
        return MF_OK;
    return mf_fail(err, MF_FAILED_PRECONDITION,
                   "trigger \"%.*s\" has no schedule; deploy it with flyte.Cron or flyte.FixedRate",
                   MF_FMT(subject->trigger.key.name));
}

enum mf_code mf_instant_read(const struct pb_google_protobuf_Timestamp *time, const char *field, int64_t *out,
                             struct mf_error *err)
{
    if (!__builtin_mul_overflow(time->seconds, MF_SECOND_NS, out) &&
        !__builtin_add_overflow(*out, (int64_t)time->nanos, out))
        return MF_OK;
    return mf_fail(err, MF_INVALID_ARGUMENT, "%s: choose a time between the years 1678 and 2262", field);
}

enum mf_code mf_stretch_read(const struct pb_google_protobuf_Timestamp *from,
                             const struct pb_google_protobuf_Timestamp *to, struct mf_str token,
                             int64_t *from_ns, int64_t *to_ns, struct mf_error *err)
{
    int64_t on = 0;
    enum mf_code code = mf_instant_read(from, "from", from_ns, err);
    if (code == MF_OK)
        code = mf_instant_read(to, "to", to_ns, err);
    if (code == MF_OK && *to_ns < *from_ns)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "to: must not lie before from");
    if (code != MF_OK || token.len == 0)
        return code;
    if (!mf_str_to_i64(token, &on) || on < *from_ns || on > *to_ns)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "token: is none of this stretch of time; leave it out to begin at its start");
    *from_ns = on;
    return MF_OK;
}

struct mf_str mf_stretch_token(struct mf_arena *arena, int64_t from)
{
    return mf_str_printf(arena, "%" PRId64, from);
}

struct pb_common_TriggerName *mf_trigger_name(struct mf_arena *arena, const struct mf_trigger_key *key)
{
    struct pb_common_TriggerName *name = MF_NEW(arena, struct pb_common_TriggerName);
    if (name) {
        name->project = key->project;
        name->domain = key->domain;
        name->task_name = key->task_name;
        name->name = key->name;
    }
    return name;
}

struct mf_str mf_local_time(struct mf_arena *arena, const struct mf_schedule *timing, int64_t at)
{
    const struct mf_zone *zone = timing ? timing->cron.zone : NULL;
    int64_t seconds = at / MF_SECOND_NS - (at % MF_SECOND_NS < 0);
    int64_t until = 0;
    return mf_time_local(arena, at, zone ? mf_zone_offset(zone, seconds, &until) : 0);
}

struct mf_str mf_run_name(struct mf_arena *arena, const struct mf_trigger_key *key, int64_t due_at)
{
    char name[MF_FIRE_NAME_MAX];
    return mf_str_copy(arena, mf_str_make(name, mf_fire_name(key, due_at, name)));
}
