/*
 * The steps that machine.c and enqueue.c have in common. Private to action/; inside a command.
 */
#ifndef MF_ACTION_MOVE_H
#define MF_ACTION_MOVE_H

#include "action/machine.h"

/* What an event says beyond its row. */
struct mf_move_detail {
    int64_t at_ns;
    int64_t reported_ns; /* by the clock of who reports; 0: now */
    const struct pb_core_ExecutionError *error;
    struct mf_str output_uri, report_uri;
    const struct pb_core_LogContext *log_context;
    const struct pb_common_CacheMetadata *cache_metadata;
    struct mf_str note; /* for people: shown as a cluster event; empty: none */
    int32_t version;    /* from here on the first that is free; reports of executors begin at 0 */
};

/* Adds an event of the row's attempt and phase to the history, after those there are. */
enum mf_code mf_move_history(struct mf_tx *tx, struct mf_arena *arena, const struct mf_action_row *row,
                             const struct mf_move_detail *detail, struct mf_error *err) MF_CHECK_RESULT;
/* Gives the row its next number and tells whoever follows it; work: the executor too. */
void mf_move_stamp(struct mf_tx *tx, struct mf_action_row *row, bool work);
/* The same, and writes the state of a row that is in the database. */
enum mf_code mf_move_write(struct mf_tx *tx, struct mf_action_row *row, bool work,
                           struct mf_error *err) MF_CHECK_RESULT;

#endif
