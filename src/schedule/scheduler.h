/*
 * Fires triggers at their times: the engine (schedule/engine.h) on a thread of its own, with the store behind
 * it (schedule/fire.h). It sleeps until something is due, a trigger changes, or somebody sets the clock; a
 * suspended machine wakes it when it goes on. Once an hour it removes what is older than the history is to
 * be.
 */
#ifndef MF_SCHEDULE_SCHEDULER_H
#define MF_SCHEDULE_SCHEDULER_H

#include "schedule/engine.h"
#include "schedule/fire.h"

struct mf_scheduler;

/* Everything must outlive it. */
struct mf_scheduler_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_runs *runs;
    struct mf_zones *zones;
    int64_t history_ns; /* how long fires and gaps are kept; 0: for ever */
};

enum mf_code mf_scheduler_start(const struct mf_scheduler_config *config, struct mf_scheduler **out,
                                struct mf_error *err) MF_CHECK_RESULT;
/* Begins nothing more, waits for the steps on their way and for the thread. */
void mf_scheduler_stop(struct mf_scheduler *scheduler);
void mf_scheduler_free(struct mf_scheduler *scheduler); /* after stop; NULL is fine */

/* Any thread. */
struct mf_firer *mf_scheduler_firer(struct mf_scheduler *scheduler);
void mf_scheduler_stats(struct mf_scheduler *scheduler, struct mf_engine_stats *out);
/* Whether something is due, on its way, or not read yet: then its turns have to go on. */
bool mf_scheduler_has_work(struct mf_scheduler *scheduler);

#endif
