#include "action/abort.h"

#include "action/move.h"
#include "store/abort_work.h"

/* Rows in memory at a time. */
#define PAGE 128

/* A parent whose children are still to be looked at. */
struct waiting {
    struct waiting *next;
    struct mf_str name;
};

/* The tree is walked level by level through the index of open children. No action that is open hangs below
 * one that is not, so what has ended need not be looked at, and the cost is that of what is aborted. When all
 * of a run ends the same index gives its open actions without the tree, orphans too. */
struct walk {
    struct mf_tx *tx;
    int64_t run_id;
    struct mf_str reason, aborted_by;
    int64_t count;
    bool whole_run;
    bool provisional;       /* what clients carry out may yet be told to have ended otherwise */
    struct mf_arena *names; /* of those waiting */
    struct mf_arena *page;  /* rows and events of one page */
    struct waiting *first;
    struct waiting **end;
    struct mf_action_row *rows[PAGE];
    size_t row_count;
};

static bool take(void *ctx, const struct mf_action_row *row)
{
    struct walk *walk = ctx;
    walk->rows[walk->row_count++] = (struct mf_action_row *)(uintptr_t)row; /* ours: it lives in our arena */
    return walk->row_count < PAGE;
}

/* Notes that something of the attempt may still run. Who carries it out elsewhere tells us when that is over;
 * of our own the process is recorded. */
static enum mf_code note_work(struct mf_tx *tx, const struct mf_action_row *row, struct mf_error *err)
{
    const struct mf_abort_work work = {
        .run_id = row->run_id, .name = row->name, .attempt = row->attempts, .created_at = mf_tx_now_ns(tx)};
    if (row->kind != MF_ACTION_TASK || row->carrier == MF_CARRIER_CLIENT ||
        (row->carrier == MF_CARRIER_HERE && row->phase == MF_PHASE_QUEUED))
        return MF_OK;
    return mf_abort_work_begin(mf_tx_db(tx), &work, row->carrier == MF_CARRIER_EXECUTOR, err);
}

static enum mf_code end_one(struct mf_tx *tx, struct mf_arena *arena, struct mf_action_row *row,
                            struct mf_str reason, struct mf_str aborted_by, struct mf_error *err)
{
    const struct mf_move_detail detail = {.at_ns = mf_tx_now_ns(tx)};
    enum mf_code code = note_work(tx, row, err);
    if (code != MF_OK)
        return code;
    row->phase = MF_PHASE_ABORTED;
    row->abort_reason = reason;
    row->aborted_by = aborted_by;
    row->ended_at = detail.at_ns > row->created_at ? detail.at_ns : row->created_at;
    code = mf_move_history(tx, arena, row, &detail, err);
    return code == MF_OK ? mf_move_write(tx, row, true, err) : code;
}

/* Its client may still be at it, and cannot be stopped from here; the history is left to what it tells. */
static enum mf_code end_for_now(struct mf_tx *tx, struct mf_action_row *row, struct mf_str reason,
                                struct mf_error *err)
{
    row->phase = MF_PHASE_ABORTED;
    row->abort_reason = reason;
    row->system_retries = MF_ABORT_PROVISIONAL;
    row->ended_at = mf_tx_now_ns(tx) > row->created_at ? mf_tx_now_ns(tx) : row->created_at;
    return mf_move_write(tx, row, false, err);
}

static enum mf_code push(struct walk *walk, struct mf_str name, struct mf_error *err)
{
    struct waiting *waiting = MF_NEW(walk->names, struct waiting);
    if (!waiting)
        return mf_fail_memory(err);
    waiting->name = mf_str_copy(walk->names, name);
    if (!waiting->name.ptr)
        return mf_fail_memory(err);
    *walk->end = waiting;
    walk->end = &waiting->next;
    return MF_OK;
}

/* What was aborted leaves the index of open children, so the next page begins where this one did. */
static enum mf_code abort_page(struct walk *walk, struct mf_str parent, struct mf_error *err)
{
    mf_arena_reset(walk->page);
    walk->row_count = 0;
    struct mf_db *db = mf_tx_db(walk->tx);
    enum mf_code code = walk->whole_run
                            ? mf_action_open_of_run(db, walk->page, walk->run_id, PAGE, take, walk, err)
                            : mf_action_open_children(db, walk->page, walk->run_id, parent, MF_STR_EMPTY,
                                                      PAGE, take, walk, err);
    for (size_t i = 0; i < walk->row_count && code == MF_OK; i++) {
        struct mf_action_row *row = walk->rows[i];
        code = walk->provisional && row->carrier == MF_CARRIER_CLIENT
                   ? end_for_now(walk->tx, row, walk->reason, err)
                   : end_one(walk->tx, walk->page, row, walk->reason, walk->aborted_by, err);
        if (code == MF_OK && !walk->whole_run)
            code = push(walk, walk->rows[i]->name, err);
        if (code == MF_OK)
            walk->count++;
    }
    return code;
}

static enum mf_code abort_below(struct walk *walk, struct mf_str top, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    walk->names = mf_arena_new(0);
    walk->page = mf_arena_new(0);
    walk->end = &walk->first;
    if (!walk->names || !walk->page)
        code = mf_fail_memory(err);
    if (code == MF_OK)
        code = push(walk, top, err);
    for (const struct waiting *at = walk->first; at && code == MF_OK; at = at->next) {
        do {
            code = abort_page(walk, at->name, err);
        } while (code == MF_OK && walk->row_count == PAGE);
    }
    mf_arena_free(walk->page);
    mf_arena_free(walk->names);
    return code;
}

static bool see(void *ctx, const struct mf_action_row *row)
{
    (void)row;
    *(bool *)ctx = true;
    return false;
}

enum mf_code mf_abort_below_ended(struct mf_tx *tx, const struct mf_action_row *row, struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    bool any = false;
    bool root = row->parent.len == 0;
    if (row->kind != MF_ACTION_TASK)
        return MF_OK;
    enum mf_code code = root ? mf_action_open_of_run(mf_tx_db(tx), arena, row->run_id, 1, see, &any, err)
                             : mf_action_open_children(mf_tx_db(tx), arena, row->run_id, row->name,
                                                       MF_STR_EMPTY, 1, see, &any, err);
    if (code != MF_OK || !any)
        return code;
    struct walk walk = {
        .tx = tx,
        .run_id = row->run_id,
        .whole_run = root,
        .provisional = true,
        .reason = mf_str_printf(arena, "its parent %.*s ended first (%s)", MF_FMT(row->name),
                                mf_phase_word(row->phase)),
        .aborted_by = MF_STR_EMPTY,
    };
    return walk.reason.ptr ? abort_below(&walk, row->name, err) : mf_fail_memory(err);
}

enum mf_code mf_action_abort(struct mf_tx *tx, int64_t run_id, struct mf_str name, struct mf_str reason,
                             struct mf_str aborted_by, int64_t *changed, struct mf_error *err)
{
    struct mf_arena *arena = mf_tx_arena(tx);
    struct mf_action_row row;
    struct walk walk = {.tx = tx, .run_id = run_id, .reason = reason, .aborted_by = aborted_by};
    enum mf_code code = mf_action_get(mf_tx_db(tx), arena, run_id, name, &row, err);
    if (code == MF_OK && !mf_phase_is_terminal(row.phase)) {
        code = end_one(tx, arena, &row, reason, aborted_by, err);
        walk.count++;
        walk.whole_run = row.parent.len == 0;
        if (code == MF_OK && row.kind == MF_ACTION_TASK)
            code = abort_below(&walk, row.name, err);
    }
    if (changed)
        *changed = walk.count;
    return code;
}

enum mf_code mf_abort_confirmed(struct mf_tx *tx, const struct mf_action_row *row, int32_t attempt,
                                struct mf_error *err)
{
    return row->carrier == MF_CARRIER_EXECUTOR
               ? mf_abort_work_done(mf_tx_db(tx), row->run_id, row->name, attempt, NULL, err)
               : MF_OK;
}
