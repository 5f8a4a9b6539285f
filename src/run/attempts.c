#include "run/attempts.h"

#include "action/machine.h"
#include "run/message.h"

#include <stdlib.h>

#define ATTEMPTS_MAX 10000 /* events of later attempts are left out */

struct told {
    struct pb_workflow_ActionEvent *event;
    int64_t time; /* by which it is ordered */
    uint32_t place;
};

struct mf_run_attempts {
    struct mf_arena *arena;
    struct {
        struct told *items;
        uint32_t count;
        uint32_t cap;
    } told; /* of the attempt that is being read */
    struct {
        struct pb_workflow_ActionAttempt **items;
        uint32_t count;
        uint32_t cap;
    } done;
};

struct mf_run_attempts *mf_run_attempts_new(struct mf_arena *arena)
{
    struct mf_run_attempts *attempts = MF_NEW(arena, struct mf_run_attempts);
    if (attempts)
        attempts->arena = arena;
    return attempts;
}

static int by_time(const void *left, const void *right)
{
    const struct told *a = left;
    const struct told *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* By the clock of the reporter when every event has that, else by the time of the update. */
static void order(struct mf_run_attempts *attempts)
{
    bool reported = true;
    for (uint32_t i = 0; i < attempts->told.count; i++)
        reported = reported && attempts->told.items[i].event->reported_time;
    for (uint32_t i = 0; i < attempts->told.count; i++) {
        struct told *told = &attempts->told.items[i];
        told->time = mf_run_timestamp_ns(reported ? told->event->reported_time : told->event->updated_time);
        told->place = i;
    }
    qsort(attempts->told.items, attempts->told.count, sizeof *attempts->told.items, by_time);
}

/* The first end counts: what is reported after it came late. */
static struct pb_workflow_ActionEvent *last_of(const struct mf_run_attempts *attempts)
{
    for (uint32_t i = 0; i < attempts->told.count; i++) {
        if (mf_phase_is_terminal(attempts->told.items[i].event->phase))
            return attempts->told.items[i].event;
    }
    return attempts->told.items[attempts->told.count - 1].event;
}

static bool add_log(struct mf_arena *arena, struct pb_workflow_ActionAttempt *out,
                    struct pb_core_TaskLog *log)
{
    uint32_t at = 0;
    while (at < out->log_info.count && mf_str_cmp(out->log_info.items[at]->name, log->name) < 0)
        at++;
    if (at < out->log_info.count && mf_str_eq(out->log_info.items[at]->name, log->name)) {
        out->log_info.items[at] = log;
        return true;
    }
    if (!PB_PUSH(arena, out->log_info, log))
        return false;
    for (uint32_t i = out->log_info.count - 1; i > at; i--)
        out->log_info.items[i] = out->log_info.items[i - 1];
    out->log_info.items[at] = log;
    return true;
}

static bool seen_phase(const struct pb_workflow_ActionAttempt *out, int32_t phase)
{
    for (uint32_t i = 0; i < out->phase_transitions.count; i++) {
        if (out->phase_transitions.items[i]->phase == phase)
            return true;
    }
    return false;
}

static bool add_transition(struct mf_arena *arena, struct pb_workflow_ActionAttempt *out,
                           const struct pb_workflow_ActionEvent *event)
{
    if (seen_phase(out, event->phase))
        return true;
    struct pb_workflow_PhaseTransition *entry = MF_NEW(arena, struct pb_workflow_PhaseTransition);
    if (!entry)
        return false;
    if (out->phase_transitions.count > 0)
        out->phase_transitions.items[out->phase_transitions.count - 1]->end_time = event->updated_time;
    entry->phase = event->phase;
    entry->start_time = event->updated_time;
    if (mf_phase_is_terminal(event->phase))
        entry->end_time = event->updated_time;
    return PB_PUSH(arena, out->phase_transitions, entry);
}

/* What gathers over all events of the attempt. */
static bool gather(struct mf_run_attempts *attempts, struct pb_workflow_ActionAttempt *out,
                   struct mf_str *report)
{
    struct mf_arena *arena = attempts->arena;
    bool ended = false;
    bool ok = true;
    for (uint32_t i = 0; i < attempts->told.count && ok; i++) {
        const struct pb_workflow_ActionEvent *event = attempts->told.items[i].event;
        if (event->log_context)
            out->log_context = event->log_context;
        if (event->cache_metadata)
            out->cache_metadata = event->cache_metadata;
        if (event->cluster.len > 0)
            out->cluster = event->cluster;
        if (event->outputs && event->outputs->report_uri.len > 0)
            *report = event->outputs->report_uri;
        for (uint32_t k = 0; k < event->log_info.count && ok; k++)
            ok = add_log(arena, out, event->log_info.items[k]);
        for (uint32_t k = 0; k < event->cluster_events.count && ok; k++)
            ok = PB_PUSH(arena, out->cluster_events, event->cluster_events.items[k]);
        if (!ended && ok)
            ok = add_transition(arena, out, event);
        ended = ended || mf_phase_is_terminal(event->phase);
    }
    out->logs_available = out->log_context != NULL;
    return ok;
}

static bool set_outputs(struct mf_arena *arena, struct pb_workflow_ActionAttempt *out,
                        const struct pb_workflow_ActionEvent *last, struct mf_str report)
{
    if (!last->outputs && report.len == 0)
        return true;
    out->outputs = MF_NEW(arena, struct pb_task_OutputReferences);
    if (!out->outputs)
        return false;
    if (last->outputs)
        *out->outputs = *last->outputs;
    out->outputs->report_uri = report;
    return true;
}

static void set_times(struct mf_run_attempts *attempts, struct pb_workflow_ActionAttempt *out,
                      const struct pb_workflow_ActionEvent *last)
{
    out->start_time = attempts->told.items[0].event->updated_time;
    if (!mf_phase_is_terminal(last->phase))
        return;
    bool backwards = mf_run_timestamp_ns(last->updated_time) < mf_run_timestamp_ns(out->start_time);
    out->end_time = backwards ? out->start_time : last->updated_time;
}

/* Makes the attempt out of the events that were gathered for it. */
static bool close_attempt(struct mf_run_attempts *attempts)
{
    struct mf_arena *arena = attempts->arena;
    struct mf_str report = MF_STR_EMPTY;
    if (attempts->told.count == 0)
        return true;
    struct pb_workflow_ActionAttempt *out = MF_NEW(arena, struct pb_workflow_ActionAttempt);
    if (!out)
        return false;
    order(attempts);
    const struct pb_workflow_ActionEvent *last = last_of(attempts);
    out->attempt = last->attempt;
    out->phase = last->phase;
    out->error_info = last->error_info;
    out->cache_status = last->cache_status;
    set_times(attempts, out, last);
    bool ok = gather(attempts, out, &report) && set_outputs(arena, out, last, report) &&
              PB_PUSH(arena, attempts->done, out);
    attempts->told.count = 0;
    return ok;
}

enum mf_code mf_run_attempts_add(struct mf_run_attempts *attempts, struct pb_workflow_ActionEvent *event,
                                 struct mf_error *err)
{
    const struct told told = {.event = event};
    bool other = attempts->told.count > 0 && attempts->told.items[0].event->attempt != event->attempt;
    if (event->attempt == 0 || event->attempt > ATTEMPTS_MAX)
        return MF_OK;
    if (other && !close_attempt(attempts))
        return mf_fail_memory(err);
    return PB_PUSH(attempts->arena, attempts->told, told) ? MF_OK : mf_fail_memory(err);
}

/* An attempt that left no event. */
static struct pb_workflow_ActionAttempt *silent(struct mf_arena *arena, uint32_t number)
{
    struct pb_workflow_ActionAttempt *out = MF_NEW(arena, struct pb_workflow_ActionAttempt);
    if (out)
        out->attempt = number;
    return out;
}

enum mf_code mf_run_attempts_finish(struct mf_run_attempts *attempts,
                                    struct pb_workflow_ActionDetails *details, struct mf_error *err)
{
    bool ok = close_attempt(attempts);
    for (uint32_t i = 0; i < attempts->done.count && ok; i++) {
        struct pb_workflow_ActionAttempt *attempt = attempts->done.items[i];
        while (ok && details->attempts.count + 1 < attempt->attempt) {
            struct pb_workflow_ActionAttempt *gap = silent(attempts->arena, details->attempts.count + 1);
            ok = gap && PB_PUSH(attempts->arena, details->attempts, gap);
        }
        ok = ok && PB_PUSH(attempts->arena, details->attempts, attempt);
    }
    return ok ? MF_OK : mf_fail_memory(err);
}
