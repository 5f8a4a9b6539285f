#include "schedule/service.h"

#include "schedule/subject.h"
#include "trigger/check.h"
#include "trigger/message.h"

#include <stdlib.h>

#define NEXT_USUAL 10
/* A max-runs that leaves room for more than that is taken for no limit, to bound the work. */
#define ROOM_MAX 100000

enum mf_code mf_schedules_serve(const struct mf_schedules_config *config, struct mf_rpc *rpc,
                                struct mf_schedules **out, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_mayfly_schedule_v1_ScheduleService_Next, mf_schedule_on_next},
        {pb_mayfly_schedule_v1_ScheduleService_Audit, mf_schedule_on_audit},
        {pb_mayfly_schedule_v1_ScheduleService_Backfill, mf_schedule_on_backfill},
    };
    struct mf_schedules *schedules = calloc(1, sizeof *schedules);
    enum mf_code code = MF_OK;
    if (!schedules)
        return mf_fail_memory(err);
    schedules->config = *config;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_mayfly_schedule_v1_ScheduleService_service, methods[i].method,
                             methods[i].handler, schedules, err);
    if (code != MF_OK) {
        free(schedules);
        return code;
    }
    *out = schedules;
    return MF_OK;
}

void mf_schedules_free(struct mf_schedules *schedules)
{
    free(schedules);
}

/* ---- Next ---- */

/* The due times of a schedule from now on. */
struct coming {
    const struct mf_schedule *timing;
    const struct mf_trigger_key *key; /* NULL: it is not deployed */
    int64_t baseline_at, offset_ns;
    int64_t end_at;     /* INT64_MAX: no end */
    int64_t limited_at; /* due times after it use up room, of which there is */
    uint64_t room;
};

static enum mf_code add_due(struct mf_arena *arena, const struct coming *coming, int64_t due,
                            struct pb_mayfly_schedule_v1_NextResponse *out, struct mf_error *err)
{
    struct pb_mayfly_schedule_v1_DueTime *time = MF_NEW(arena, struct pb_mayfly_schedule_v1_DueTime);
    if (!time)
        return mf_fail_memory(err);
    time->due_at = mf_timestamp(arena, due);
    time->fires_at = mf_timestamp(arena, due + coming->offset_ns);
    time->local_time = mf_local_time(arena, coming->timing, due);
    if (coming->key)
        time->run_name = mf_run_name(arena, coming->key, due);
    bool failed = !time->due_at || !time->fires_at || !time->local_time.ptr ||
                  (coming->key && !time->run_name.ptr) || !PB_PUSH(arena, out->due, time);
    return failed ? mf_fail_memory(err) : MF_OK;
}

static enum mf_code walk(struct mf_arena *arena, const struct coming *coming, int64_t from, size_t limit,
                         struct pb_mayfly_schedule_v1_NextResponse *out, struct mf_error *err)
{
    uint64_t room = coming->room;
    int64_t due = from;
    for (size_t i = 0; i < limit; i++) {
        if (!mf_schedule_next(coming->timing, coming->baseline_at, due, &due))
            out->ends = MF_STR("never");
        else if (due > coming->end_at)
            out->ends = MF_STR("end-time");
        else if (due > coming->limited_at && room-- == 0)
            out->ends = MF_STR("max-runs");
        if (out->ends.len > 0)
            return MF_OK;
        enum mf_code code = add_due(arena, coming, due, out, err);
        if (code != MF_OK)
            return code;
    }
    return MF_OK;
}

/* How many runs max-runs leaves for due times after from. */
static uint64_t room_after(const struct mf_subject *subject, const struct coming *coming, int64_t from)
{
    const struct mf_schedule_state *state = &subject->row.state;
    int64_t left = (int64_t)subject->policy.max_runs - state->runs - (state->buffered_at != 0);
    if (subject->policy.max_runs == 0 || left > ROOM_MAX)
        return UINT64_MAX;
    if (left <= 0)
        return 0;
    return (uint64_t)left -
           mf_schedule_count(coming->timing, coming->baseline_at, coming->limited_at, from, (uint64_t)left);
}

static enum mf_code next_of_trigger(struct mf_schedules *schedules, struct mf_arena *arena,
                                    const struct pb_common_TriggerName *name, int64_t from, size_t limit,
                                    struct pb_mayfly_schedule_v1_NextResponse *out, struct mf_error *err)
{
    struct mf_db *db = NULL;
    struct mf_subject subject;
    enum mf_code code = mf_store_reader(schedules->config.store, &db, err);
    if (code == MF_OK)
        code = mf_subject_read(schedules, db, arena, name, false, &subject, err);
    mf_store_reader_done(schedules->config.store, db);
    if (code == MF_OK)
        code = mf_subject_needs_schedule(&subject, err);
    if (code != MF_OK)
        return code;
    const bool active = subject.row.active;
    struct coming coming = {
        .timing = &subject.timing,
        .key = &subject.trigger.key,
        .baseline_at = active ? subject.row.baseline_at : from,
        .offset_ns = subject.offset_ns,
        .end_at = subject.policy.end_at != 0 ? subject.policy.end_at : INT64_MAX,
        .limited_at = active ? subject.row.state.cursor_at : from,
    };
    coming.room = room_after(&subject, &coming, from);
    out->active = active;
    out->trigger = mf_trigger_name(arena, &subject.trigger.key);
    return out->trigger ? walk(arena, &coming, from, limit, out, err) : mf_fail_memory(err);
}

static enum mf_code next_of_spec(struct mf_schedules *schedules, struct mf_arena *arena,
                                 const struct pb_task_TriggerAutomationSpec *spec, int64_t from, size_t limit,
                                 struct pb_mayfly_schedule_v1_NextResponse *out, struct mf_error *err)
{
    struct mf_schedule timing;
    enum mf_code code = mf_automation_schedule(schedules->config.zones, spec, &timing, err);
    const struct coming coming = {
        .timing = &timing, .baseline_at = from, .end_at = INT64_MAX, .limited_at = from, .room = UINT64_MAX};
    return code == MF_OK ? walk(arena, &coming, from, limit, out, err) : code;
}

static enum mf_code next(struct mf_schedules *schedules, struct mf_arena *arena,
                         const struct pb_mayfly_schedule_v1_NextRequest *request,
                         struct pb_mayfly_schedule_v1_NextResponse *out, struct mf_error *err)
{
    size_t limit = request->limit > 0 ? request->limit : NEXT_USUAL;
    int64_t from = mf_wall_ns(schedules->config.sys);
    enum mf_code code = request->from ? mf_instant_read(request->from, "from", &from, err) : MF_OK;
    if (code != MF_OK)
        return code;
    if (request->target_case == pb_mayfly_schedule_v1_NextRequest_tag_trigger)
        return next_of_trigger(schedules, arena, request->target.trigger, from, limit, out, err);
    return next_of_spec(schedules, arena, request->target.automation_spec, from, limit, out, err);
}

void mf_schedule_on_next(void *service, struct mf_call *call)
{
    struct pb_mayfly_schedule_v1_NextResponse response = {0};
    struct mf_error err;
    if (next(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
