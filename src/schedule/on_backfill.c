#include "base/list.h"
#include "schedule/subject.h"
#include "store/run.h"
#include "trigger/message.h"

#include <inttypes.h>

#define ENTRIES_USUAL 100

/* A call on its way through the firer; in its arena. */
struct job {
    struct mf_backfill backfill;
    struct mf_call *call;
    struct mf_arena *arena;
    struct mf_subject subject;
    struct pb_mayfly_schedule_v1_BackfillResponse response;
};

/* ---- which due times ---- */

/* A rate without a start keeps its step before its baseline too, and a cron expression needs none: the
 * schedule as if it had always been there. */
static int64_t baseline_before(const struct mf_subject *subject, int64_t from)
{
    const struct mf_schedule *timing = &subject->timing;
    int64_t step = timing->rate_ns > 0 ? timing->rate_ns : timing->cron.every_ns;
    int64_t baseline = subject->row.baseline_at;
    bool is_anchored = timing->rate_ns > 0 && timing->start != 0;
    if (step == 0 || is_anchored)
        return from - 1;
    if (baseline < from)
        return baseline;
    __int128 steps = ((__int128)baseline - from) / step + 2;
    __int128 moved = baseline - steps * step;
    while (moved < INT64_MIN)
        moved += step;
    return (int64_t)moved;
}

static enum mf_code collect(struct job *job, int64_t from, int64_t to, size_t limit, struct mf_error *err)
{
    const struct mf_subject *subject = &job->subject;
    const int64_t baseline = baseline_before(subject, from);
    const int64_t end_at = subject->policy.end_at != 0 ? subject->policy.end_at : INT64_MAX;
    struct mf_backfill *backfill = &job->backfill;
    int64_t due = from - 1;
    backfill->items = mf_arena_array(job->arena, limit, sizeof *backfill->items);
    if (!backfill->items)
        return mf_fail_memory(err);
    while (mf_schedule_next(&subject->timing, baseline, due, &due) && due <= to && due <= end_at) {
        if (backfill->count == limit) {
            job->response.token = mf_stretch_token(job->arena, due);
            return job->response.token.ptr ? MF_OK : mf_fail_memory(err);
        }
        backfill->items[backfill->count++] = (struct mf_backfill_item){.due_at = due};
    }
    return MF_OK;
}

/* ---- answering ---- */

static enum mf_code add_entry(struct job *job, const struct mf_backfill_item *item, bool dry_run,
                              struct mf_error *err)
{
    struct mf_arena *arena = job->arena;
    struct pb_mayfly_schedule_v1_BackfillEntry *out =
        MF_NEW(arena, struct pb_mayfly_schedule_v1_BackfillEntry);
    if (!out)
        return mf_fail_memory(err);
    out->due_at = mf_timestamp(arena, item->due_at);
    out->local_time = mf_local_time(arena, &job->subject.timing, item->due_at);
    out->run_name = mf_run_name(arena, &job->subject.trigger.key, item->due_at);
    out->result =
        dry_run ? pb_mayfly_schedule_v1_BACKFILLED_WOULD_MAKE : pb_mayfly_schedule_v1_BACKFILLED_MADE;
    if (item->existed)
        out->result = pb_mayfly_schedule_v1_BACKFILLED_EXISTS;
    bool failed = !out->due_at || !out->local_time.ptr || !out->run_name.ptr ||
                  !PB_PUSH(arena, job->response.entries, out);
    return failed ? mf_fail_memory(err) : MF_OK;
}

static enum mf_code answer(struct job *job, bool dry_run, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    job->response.trigger = mf_trigger_name(job->arena, &job->subject.trigger.key);
    if (!job->response.trigger)
        return mf_fail_memory(err);
    for (size_t i = 0; i < job->backfill.count && code == MF_OK; i++)
        code = add_entry(job, &job->backfill.items[i], dry_run, err);
    return code;
}

static void finish(struct job *job, bool dry_run, enum mf_code code, struct mf_error *err)
{
    if (code == MF_OK)
        code = answer(job, dry_run, err);
    if (code == MF_OK)
        mf_call_reply(job->call, &job->response);
    else
        mf_call_fail_error(job->call, err);
}

static void done(struct mf_backfill *backfill, enum mf_code code, const struct mf_error *cause)
{
    struct job *job = MF_CONTAINER(backfill, struct job, backfill);
    struct mf_call *call = job->call;
    struct mf_error err = {0};
    size_t finished = 0;
    for (size_t i = 0; i < backfill->count; i++)
        finished += backfill->items[i].run_id != 0;
    if (code != MF_OK) {
        err = *cause;
        if (finished > 0)
            (void)mf_fail_prefix(
                &err, "the first %zu due times have their runs, then it failed; ask again to go on",
                finished);
    }
    finish(job, false, code, &err);
    mf_call_unref(call);
}

/* ---- asking ---- */

static enum mf_code look(struct job *job, struct mf_db *db, struct mf_error *err)
{
    const struct mf_trigger_key *key = &job->subject.trigger.key;
    for (size_t i = 0; i < job->backfill.count; i++) {
        struct mf_backfill_item *item = &job->backfill.items[i];
        struct mf_str name = mf_run_name(job->arena, key, item->due_at);
        if (!name.ptr)
            return mf_fail_memory(err);
        enum mf_code code = mf_run_id(db, key->project, key->domain, name, &item->run_id, err);
        if (code != MF_OK && code != MF_NOT_FOUND)
            return code;
        item->existed = code == MF_OK;
    }
    return MF_OK;
}

static enum mf_code prepare(struct mf_schedules *schedules, struct job *job,
                            const struct pb_mayfly_schedule_v1_BackfillRequest *request, struct mf_error *err)
{
    struct mf_db *db = NULL;
    int64_t from = 0;
    int64_t to = 0;
    size_t limit = request->limit > 0 ? request->limit : ENTRIES_USUAL;
    enum mf_code code = mf_stretch_read(request->from, request->to, request->token, &from, &to, err);
    if (code == MF_OK && to > mf_wall_ns(schedules->config.sys))
        code = mf_fail(err, MF_INVALID_ARGUMENT,
                       "to: lies in the future; what is due then, the schedule fires by itself");
    if (code == MF_OK && from == INT64_MIN)
        from++;
    if (code == MF_OK)
        code = mf_store_reader(schedules->config.store, &db, err);
    if (code == MF_OK)
        code = mf_subject_read(schedules, db, job->arena, request->trigger, false, &job->subject, err);
    if (code == MF_OK)
        code = mf_subject_needs_schedule(&job->subject, err);
    if (code == MF_OK)
        code = collect(job, from, to, limit, err);
    if (code == MF_OK && request->dry_run)
        code = look(job, db, err);
    mf_store_reader_done(schedules->config.store, db);
    return code;
}

void mf_schedule_on_backfill(void *service, struct mf_call *call)
{
    struct mf_schedules *schedules = service;
    const struct pb_mayfly_schedule_v1_BackfillRequest *request = mf_call_request(call);
    struct mf_error err;
    struct job *job = MF_NEW(mf_call_arena(call), struct job);
    if (!job) {
        (void)mf_fail_memory(&err);
        mf_call_fail_error(call, &err);
        return;
    }
    job->call = call;
    job->arena = mf_call_arena(call);
    enum mf_code code = prepare(schedules, job, request, &err);
    if (code != MF_OK || request->dry_run || job->backfill.count == 0) {
        finish(job, request->dry_run, code, &err);
        return;
    }
    job->backfill.key = job->subject.trigger.key;
    job->backfill.done = done;
    mf_call_ref(call);
    mf_firer_backfill(schedules->config.firer, &job->backfill);
}
