/*
 * What an attempt that has ended comes to (spec execution.md 5.8, row by row) and whether there will be
 * another. A pure decision: everything it depends on is in the input.
 */
#ifndef MF_EXEC_VERDICT_H
#define MF_EXEC_VERDICT_H

#include "action/machine.h"
#include "exec/process/demand.h"
#include "exec/process/outcome.h"
#include "gen/flyteidl2/core/execution.pb.h"

enum mf_expiry {
    MF_EXPIRY_NONE,
    MF_EXPIRY_MAX_RUNTIME,
    MF_EXPIRY_QUEUED,
    MF_EXPIRY_DEADLINE,
    MF_EXPIRY_CONDITION
};

#define MF_SYSTEM_RETRIES 3      /* in a row; an attempt that ran for a minute begins a new row */
#define MF_SYSTEM_RETRIES_ALL 10 /* of an action */
#define MF_VERDICT_SYSTEM_RESET_NS INT64_C(60000000000)

struct mf_verdict_input {
    const struct mf_demand *demand;
    enum mf_expiry expiry;            /* a deadline has passed, which is why the task was ended */
    const struct mf_outcome *outcome; /* NULL: nobody has seen the end */
    bool has_error, has_outputs;      /* error.pb, outputs.pb are there */
    struct mf_str error_document;     /* bytes of error.pb */
    bool outputs_valid;
    bool outputs_declared; /* by the task's interface */
    struct mf_str error_uri;
    int32_t user_retries, system_retries; /* spent so far */
    int64_t ran_ns;
};

struct mf_verdict {
    int32_t phase; /* SUCCEEDED, FAILED or TIMED_OUT */
    struct pb_core_ExecutionError error;
    bool retry, retry_is_system;
    int64_t delay_ns;         /* before the retry */
    bool write_empty_outputs; /* the task has no outputs and wrote none */
};

enum mf_code mf_verdict_decide(struct mf_arena *arena, const struct mf_verdict_input *in,
                               struct mf_verdict *out, struct mf_error *err) MF_CHECK_RESULT;
/* An error of the user's (or the system's) that no attempt can mend. */
void mf_verdict_fault(const char *code, struct mf_str message, struct mf_verdict *out);

#endif
