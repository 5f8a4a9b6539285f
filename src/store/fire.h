/*
 * The fire and fire_gap tables: what became of each due time of a schedule. A due time that has its run is a
 * row of the first; stretches of time whose due times were given up are rows of the second. Who may call
 * what: as in store/project.h. Old rows of both go after a while (configuration fire-history); nothing that
 * decides about firing needs more than what the schedule's own row says, and the newest fires.
 */
#ifndef MF_STORE_FIRE_H
#define MF_STORE_FIRE_H

#include "store/db.h"

/* Numbers of the column; never change one. */
enum mf_fire_kind {
    MF_FIRE_SCHEDULED = 1, /* by the clock, on time or later */
    MF_FIRE_BUFFERED = 2,  /* after the run that it had to wait for */
    MF_FIRE_BACKFILL = 3,  /* asked for */
    MF_FIRE_FOUND = 4,     /* a run of that name was there already */
};

struct mf_fire_row {
    int64_t schedule_id, due_at, run_id;
    enum mf_fire_kind kind;
    int64_t fired_at;
};

/* Why due times were given up; numbers of the column. */
enum mf_gap_reason {
    MF_GAP_WINDOW = 1,      /* older than the catch-up window */
    MF_GAP_LATEST = 2,      /* only the latest is caught up */
    MF_GAP_NO_CATCH_UP = 3, /* nothing is caught up */
    MF_GAP_OVERLAP = 4,     /* an earlier run was not over */
    MF_GAP_BUFFER = 5,      /* as above, and another due time waits already */
    MF_GAP_MAX_RUNS = 6,    /* as many runs as the policy allows were made */
    MF_GAP_PAUSED = 7,      /* the trigger was switched off after failures */
    MF_GAP_FAILED = 8,      /* every try failed until the catch-up window ended */
};

struct mf_gap_row {
    int64_t schedule_id;
    int64_t from_at, until_at; /* both inclusive; need not be due times themselves */
    enum mf_gap_reason reason;
    struct mf_str error; /* of the last try; empty: none */
    int64_t decided_at;
};

/* A due time has one fire: a second one changes nothing. */
enum mf_code mf_fire_put(struct mf_db *db, const struct mf_fire_row *row,
                         struct mf_error *err) MF_CHECK_RESULT;

typedef bool (*mf_fire_visit)(void *ctx, const struct mf_fire_row *row);
typedef bool (*mf_gap_visit)(void *ctx, const struct mf_gap_row *row);
/* Fires with from <= due_at <= until, by due_at. */
enum mf_code mf_fire_list(struct mf_db *db, int64_t schedule_id, int64_t from, int64_t until,
                          mf_fire_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* Gaps that have an instant in common with from … until, by from_at. */
enum mf_code mf_gap_list(struct mf_db *db, int64_t schedule_id, int64_t from, int64_t until,
                         mf_gap_visit visit, void *ctx, struct mf_error *err) MF_CHECK_RESULT;

/* Fires above *settled whose run's root action has not ended, by due_at. A run whose row is gone has ended,
 * and only the newest MF_FIRE_LOOK fires are looked at. *settled (in: the state's settled_at) moves on as far
 * as all runs have ended. */
#define MF_FIRE_LOOK 1000
enum mf_code mf_fire_open(struct mf_db *db, int64_t schedule_id, int64_t *settled, mf_fire_visit visit,
                          void *ctx, struct mf_error *err) MF_CHECK_RESULT;
/* How many of the newest runs that have ended, made for due times above after, failed or timed out in a row;
 * counts to limit at most. Aborted ones neither count nor end the row. */
enum mf_code mf_fire_failures(struct mf_db *db, int64_t schedule_id, int64_t after, uint32_t limit,
                              uint32_t *count, struct mf_error *err) MF_CHECK_RESULT;

/* Adds the stretch. When it begins right behind the newest one (until_at + 1) and has the same reason and
 * error, that one grows instead. A stretch that begins where another does replaces its reason. */
enum mf_code mf_gap_put(struct mf_db *db, const struct mf_gap_row *row, struct mf_error *err) MF_CHECK_RESULT;
/* Takes back what was given up after this instant, because it has not come yet. */
enum mf_code mf_gap_cut(struct mf_db *db, int64_t schedule_id, int64_t after,
                        struct mf_error *err) MF_CHECK_RESULT;

/* Removes at most limit rows of each table that are older; *removed tells how many. */
enum mf_code mf_fire_prune(struct mf_db *db, int64_t before, uint32_t limit, int64_t *removed,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
