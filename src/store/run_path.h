/*
 * How a list of runs or actions is reached: which index gives the rows, in which order, and how far the
 * search may go. A part of run_list.c.
 */
#ifndef MF_STORE_RUN_PATH_H
#define MF_STORE_RUN_PATH_H

#include "store/run_list.h"

#define MF_RUN_PHASES 11 /* flyteidl2.common.ActionPhase: 0 to 10 */

/* The table whose index gives the rows. */
enum mf_run_driver {
    MF_BY_ACTION,  /* root actions */
    MF_BY_RUN,     /* runs of one name, user or trigger, which the run table knows */
    MF_BY_LABEL,   /* runs with one label */
    MF_BY_PAUSED,  /* runs that have an action that waits for an answer */
    MF_BY_CHILDREN /* the actions of one run */
};

/* How a list is walked whose rows are of several phases. An index has the rows of one phase in order. */
enum mf_run_by_phase {
    MF_TOGETHER,   /* whatever their phase is */
    MF_ONE_BY_ONE, /* phase after phase, in the order of the phases */
    MF_MERGED,     /* the first rows of every phase, put into one order */
};

struct mf_run_path {
    enum mf_run_driver driver;
    const struct mf_filter *filter; /* what narrows it besides the scope; NULL: nothing */
    const struct mf_field *field;   /* of that filter as this driver knows it; NULL of a label */
    bool is_literal;                /* the index is of rows where the field is not empty */
    bool by_created;                /* has the rows in order of creation */
    bool is_small;                  /* so few rows that they may be read whole */
    enum mf_run_by_phase by_phase;
    size_t fixed; /* so many of the first keys are the same in every row of a statement */
};

struct mf_run_order_key {
    const char *column;
    bool is_int;
    bool ascending;
};

struct mf_run_plan {
    const struct mf_run_scope *scope;
    int64_t run_id; /* of the actions; 0: a list of runs */
    const struct mf_page *page;
    struct mf_run_order_key keys[MF_PLACE_KEYS_MAX];
    size_t key_count;
    uint32_t phases;    /* bit n: phase n passes the filters on phases */
    bool odd_phases;    /* some filter on phases is no comparison with numbers */
    bool chosen_phases; /* there are filters on phases */
    struct mf_run_path path;
};

/* The whole plan. MF_INVALID_ARGUMENT for a sort field that is unknown or not served. */
enum mf_code mf_run_plan(struct mf_db *db, struct mf_arena *arena, struct mf_run_plan *plan,
                         struct mf_error *err) MF_CHECK_RESULT;

/* The key's column in the driver's table. */
const char *mf_run_key_column(const struct mf_run_plan *plan, size_t key);
/* " FROM … WHERE …" up to what the path's index narrows the rows by. */
enum mf_code mf_run_path_add(struct mf_select *select, const struct mf_run_plan *plan, bool with_run,
                             struct mf_error *err) MF_CHECK_RESULT;
/* " AND …" for everything that the path leaves to be looked at. */
enum mf_code mf_run_rest_add(struct mf_select *select, const struct mf_run_plan *plan,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Whether mf_run_rest_add adds anything, and whether it or the order need the run's row. */
bool mf_run_rest_any(const struct mf_run_plan *plan);
bool mf_run_rest_needs_run(const struct mf_run_plan *plan);

#endif
