/*
 * The schedule table: where the scheduler stands with each trigger that has, or had, a schedule. src/trigger
 * writes a row whenever the trigger changes (that gives it a new seq), src/schedule moves it along as it
 * fires (that does not). Who may call what: as in store/project.h.
 */
#ifndef MF_STORE_SCHEDULE_H
#define MF_STORE_SCHEDULE_H

#include "store/trigger.h"

/* How far the firing has come. Instants are nanoseconds since 1970. */
struct mf_schedule_state {
    int64_t cursor_at;   /* every due time up to and with this instant is decided */
    int64_t buffered_at; /* the due time that waits for the end of a run; 0: none */
    int64_t runs;        /* made since the schedule or its policy was last changed */
    int64_t settled_at;  /* the runs of due times up to this one have ended */
    struct mf_str error; /* why the next due time could not be fired yet; empty: there is no error */
    int64_t error_at;    /* when that was first seen */
};

struct mf_schedule_row {
    int64_t id; /* stays the same when the trigger is deleted and comes back */
    struct mf_trigger_key key;
    int64_t revision;         /* of the trigger */
    bool active;              /* the trigger is, and has a schedule */
    struct mf_str automation; /* encoded flyteidl2.task.TriggerAutomationSpec */
    struct mf_str policy;     /* trigger/policy.h; empty: what is usual */
    int64_t baseline_at;      /* nothing up to this instant is due */
    struct mf_schedule_state state;
    int64_t seq; /* of the trigger's last change */
};

/* By the trigger's whole key; *found tells whether there is a row. */
enum mf_code mf_schedule_find(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                              struct mf_schedule_row *out, bool *found, struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND when there is none. */
enum mf_code mf_schedule_get(struct mf_db *db, struct mf_arena *arena, int64_t id,
                             struct mf_schedule_row *out, struct mf_error *err) MF_CHECK_RESULT;

/* Writes the whole row. A new one brings an id of mf_tx_next_seq. */
enum mf_code mf_schedule_put(struct mf_db *db, const struct mf_schedule_row *row,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Writes the state alone. */
enum mf_code mf_schedule_move(struct mf_db *db, int64_t id, const struct mf_schedule_state *state,
                              struct mf_error *err) MF_CHECK_RESULT;

/* Strings of the row are valid during the call. False stops the walk. */
typedef bool (*mf_schedule_visit)(void *ctx, const struct mf_schedule_row *row);
/* All rows, of active triggers or not, whose seq is above the one given, in its order. */
enum mf_code mf_schedule_changes(struct mf_db *db, int64_t after_seq, mf_schedule_visit visit, void *ctx,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* The active ones, in no particular order. */
enum mf_code mf_schedule_active(struct mf_db *db, mf_schedule_visit visit, void *ctx,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
