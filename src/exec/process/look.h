/*
 * What a look into the store finds. Private to look.c and adopt.c.
 */
#ifndef MF_EXEC_LOOK_H
#define MF_EXEC_LOOK_H

#include "exec/process/state.h"

struct mf_found {
    struct mf_action_row row;
    struct mf_demand demand;
    uint32_t max_active;
};

struct mf_look_run {
    int64_t run_id, after;
    int64_t seen; /* result */
    bool more;
};

struct mf_look {
    struct mf_step step;
    bool open_rows; /* look for new work, too */
    int64_t after, seen;
    bool more;
    struct mf_look_run *runs;
    size_t run_count;
    struct mf_found *found;
    size_t count, cap;
    struct mf_db *db;
    struct mf_arena *scratch; /* for what is not kept */
    int64_t run_id;           /* whose max_active and bounds are at hand */
    uint32_t max_active;
    struct mf_demand_bounds bounds;
    bool failed;
};

/* On a helper thread. */
enum mf_code mf_look_begin(struct mf_look *look) MF_CHECK_RESULT;
void mf_look_end(struct mf_look *look);
bool mf_look_row(void *look, const struct mf_action_row *row); /* a mf_action_visit */
/* Reads what the rows from number from on ask for. */
enum mf_code mf_look_details(struct mf_look *look, size_t from) MF_CHECK_RESULT;

/* On the loop: makes the task say what the row says. False when memory ran out. */
bool mf_look_fill(struct mf_task *task, const struct mf_found *found) MF_CHECK_RESULT;

#endif
