/*
 * Carries the engine's steps out in the store: prepares the runs of a step, and makes them in one command
 * together with what is recorded of them and of the schedule. That command looks at the schedule again, so
 * that a trigger that was changed or switched off meanwhile does not fire.
 *
 * Runs that a buffered due time waits for are followed through the hub.
 */
#ifndef MF_SCHEDULE_FIRE_H
#define MF_SCHEDULE_FIRE_H

#include "run/run.h"
#include "schedule/engine.h"

struct mf_firer;

/* Everything must outlive the firer. */
struct mf_firer_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_runs *runs;
};

enum mf_code mf_firer_new(const struct mf_firer_config *config, struct mf_firer **out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* Where results go, and who is poked when a run that was waited for has ended. Before the first step. */
void mf_firer_bind(struct mf_firer *firer, struct mf_engine *engine);
/* Waits for steps and backfills that are on their way; no new ones may come. The store still works. */
void mf_firer_stop(struct mf_firer *firer);
void mf_firer_free(struct mf_firer *firer); /* after stop, or never used; NULL is fine */

/* The engine's carry_out. Reads the store. */
void mf_firer_carry_out(struct mf_firer *firer, struct mf_step_work *work);

/* ---- backfill ---- */

#define MF_BACKFILL_MAX 1000

struct mf_backfill_item {
    int64_t due_at; /* in */
    int64_t run_id; /* out; 0: there is no run, because of the failure that done was told */
    bool existed;   /* out: a run of that name was there */
};

/* Makes the runs of these due times, unless they have one, whatever the policy says and also while the
 * trigger is switched off. How far the schedule has come stays as it is. */
struct mf_backfill {
    struct mf_trigger_key key;      /* all of it; the strings stay until done */
    struct mf_backfill_item *items; /* the caller's, stay until done */
    size_t count;                   /* MF_BACKFILL_MAX at most */
    void (*done)(struct mf_backfill *backfill, enum mf_code code, const struct mf_error *err);
    /* The firer's. */
    size_t left;
    enum mf_code code;
    struct mf_error err;
};

/* Worker threads; reads the store. done is called once, on the writer's thread or before this returns; then
 * the firer is through with the backfill, and it may be freed. Items go in their order, several in one
 * command: after a failure those made before stay made. MF_NOT_FOUND: there is no such trigger;
 * MF_FAILED_PRECONDITION: it never had a schedule, or its runs cannot be made. */
void mf_firer_backfill(struct mf_firer *firer, struct mf_backfill *backfill);

#endif
