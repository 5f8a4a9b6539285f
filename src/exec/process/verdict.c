#include "exec/process/verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define SYSTEM_DELAY_NS INT64_C(1000000000)
#define SYSTEM_DELAY_MAX_NS INT64_C(60000000000)

/* Bytes that make no UTF-8 become "?". */
static struct mf_str clean(struct mf_arena *arena, struct mf_str text)
{
    if (mf_utf8_valid(text.ptr, text.len))
        return text;
    char *out = mf_arena_bytes(arena, text.len);
    for (size_t at = 0; out && at < text.len;) {
        size_t len = 1;
        while (len < 4 && len < text.len - at && !mf_utf8_valid(text.ptr + at, len))
            len++;
        if (!mf_utf8_valid(text.ptr + at, len)) {
            out[at++] = '?';
            continue;
        }
        memcpy(out + at, text.ptr + at, len);
        at += len;
    }
    return out ? mf_str_make(out, text.len) : MF_STR_EMPTY;
}

static void fail(struct mf_verdict *out, struct mf_str code, struct mf_str message, int32_t kind,
                 bool retryable)
{
    out->phase = MF_PHASE_FAILED;
    out->error.code = code.len > 0 ? code : MF_STR("Unknown");
    out->error.message = message;
    out->error.kind = kind;
    out->error.recoverability =
        retryable ? pb_core_ContainerError_RECOVERABLE : pb_core_ContainerError_NON_RECOVERABLE;
    out->retry = retryable;
    out->retry_is_system = kind == pb_core_ExecutionError_SYSTEM;
}

void mf_verdict_fault(const char *code, struct mf_str message, struct mf_verdict *out)
{
    *out = (struct mf_verdict){.phase = 0};
    fail(out, mf_str_from_c(code), message, pb_core_ExecutionError_USER, false);
}

static void judge_expiry(enum mf_expiry expiry, struct mf_verdict *out)
{
    static const struct {
        const char *code, *message;
        bool retry;
    } rows[] = {
        [MF_EXPIRY_MAX_RUNTIME] = {"MAX_RUNTIME_EXCEEDED", "the attempt ran longer than its max_runtime",
                                   true},
        [MF_EXPIRY_QUEUED] = {"QUEUED_TIMEOUT_EXCEEDED",
                              "the attempt was queued longer than its queued_timeout", true},
        [MF_EXPIRY_DEADLINE] = {"DEADLINE_EXCEEDED", "the action was not done by its deadline", false},
        [MF_EXPIRY_CONDITION] = {"ConditionTimedOut", "nobody answered the condition in time", false},
    };
    fail(out, mf_str_from_c(rows[expiry].code), mf_str_from_c(rows[expiry].message),
         pb_core_ExecutionError_USER, rows[expiry].retry);
    out->phase = MF_PHASE_TIMED_OUT;
}

static void judge_document(struct mf_arena *arena, const struct mf_verdict_input *in, struct mf_verdict *out)
{
    void *decoded = NULL;
    const struct pb_core_ErrorDocument *document = NULL;
    if (pb_decode(arena, &pb_core_ErrorDocument_type, in->error_document, &decoded, NULL) == MF_OK)
        document = decoded;
    if (!document || !document->error) {
        fail(out, MF_STR("BadErrorFile"), MF_STR("the task has failed, and its error.pb cannot be read"),
             pb_core_ExecutionError_SYSTEM, false);
        return;
    }
    const struct pb_core_ContainerError *error = document->error;
    fail(out, error->code, error->message,
         error->origin == pb_core_ExecutionError_SYSTEM ? pb_core_ExecutionError_SYSTEM
                                                        : pb_core_ExecutionError_USER,
         error->kind == pb_core_ContainerError_RECOVERABLE);
}

static struct mf_str with_tail(struct mf_arena *arena, const struct mf_outcome *outcome, struct mf_str text)
{
    struct mf_str tail = clean(arena, outcome->tail);
    return tail.len > 0
               ? mf_str_printf(arena, "%.*s; the end of its output:\n%.*s", MF_FMT(text), MF_FMT(tail))
               : text;
}

static void judge_start(struct mf_arena *arena, const struct mf_outcome *outcome, struct mf_verdict *out)
{
    int number = outcome->exec_errno;
    struct mf_str why =
        mf_str_printf(arena, "the task's program could not be started: %s%s",
                      strerrordesc_np(number) ? strerrordesc_np(number) : "unknown error",
                      number == E2BIG ? "; pass large values as inputs, not as arguments" : "");
    bool system =
        number == EAGAIN || number == ENOMEM || number == EMFILE || number == ENFILE || number == EIO;
    fail(out, system ? MF_STR("CannotStart") : MF_STR("ContainerCannotRun"), why,
         system ? pb_core_ExecutionError_SYSTEM : pb_core_ExecutionError_USER, system);
}

static void judge_signal(struct mf_arena *arena, const struct mf_outcome *outcome, struct mf_verdict *out)
{
    int number = WTERMSIG(outcome->wait_status);
    const char *name = sigabbrev_np(number);
    if (number == SIGKILL || number == SIGTERM) {
        fail(out, MF_STR("Interrupted"),
             mf_str_printf(arena,
                           "the task was killed from outside by SIG%s; if memory ran out, ask for more of it",
                           name),
             pb_core_ExecutionError_SYSTEM, true);
        return;
    }
    fail(out, mf_str_printf(arena, "Signal%d", number),
         with_tail(arena, outcome, mf_str_printf(arena, "the task was ended by SIG%s", name ? name : "?")),
         pb_core_ExecutionError_USER, true);
}

static void judge_exit(struct mf_arena *arena, const struct mf_verdict_input *in, struct mf_verdict *out)
{
    int number = WEXITSTATUS(in->outcome->wait_status);
    if (number == 126 || number == 127) {
        fail(out, MF_STR("ContainerCannotRun"),
             with_tail(arena, in->outcome,
                       mf_str_printf(arena, "a program that the task needs could not be run (exit code %d)",
                                     number)),
             pb_core_ExecutionError_USER, false);
    } else if (number != 0) {
        fail(out, mf_str_printf(arena, "ExitCode%d", number),
             with_tail(arena, in->outcome, mf_str_printf(arena, "the task ended with exit code %d", number)),
             pb_core_ExecutionError_USER, true);
    } else if (in->outputs_declared || in->has_outputs) {
        fail(out, MF_STR("OutputsNotFound"),
             in->has_outputs
                 ? MF_STR("the task ended well, but its outputs.pb cannot be read")
                 : MF_STR("the task ended well, but wrote no outputs.pb, although it declares outputs"),
             pb_core_ExecutionError_USER, false);
    } else {
        out->phase = MF_PHASE_SUCCEEDED;
        out->write_empty_outputs = true;
    }
}

static void judge(struct mf_arena *arena, const struct mf_verdict_input *in, struct mf_verdict *out)
{
    const struct mf_outcome *outcome = in->outcome;
    if (in->expiry != MF_EXPIRY_NONE)
        judge_expiry(in->expiry, out);
    else if (in->has_error)
        judge_document(arena, in, out);
    else if (in->has_outputs && in->outputs_valid)
        out->phase = MF_PHASE_SUCCEEDED;
    else if (!outcome)
        fail(out, MF_STR("Interrupted"),
             MF_STR("the task's process was lost, for example because the machine stopped"),
             pb_core_ExecutionError_SYSTEM, true);
    else if (outcome->exec_errno != 0)
        judge_start(arena, outcome, out);
    else if (outcome->over_memory)
        fail(out, MF_STR("OOMKilled"),
             MF_STR("the task used more memory than its limit; ask for more memory, or process less at once"),
             pb_core_ExecutionError_USER, true);
    else if (WIFSIGNALED(outcome->wait_status))
        judge_signal(arena, outcome, out);
    else
        judge_exit(arena, in, out);
}

static void allow_user_retry(const struct mf_verdict_input *in, struct mf_verdict *out)
{
    out->retry_is_system = false;
    out->retry = in->user_retries < in->demand->retries;
    out->delay_ns = mf_demand_backoff_ns(in->demand, in->user_retries);
}

/* An error that the task itself calls one of the system costs a retry of the user's when the system's are
 * spent: the SDK counts on getting all of those it has asked for (its example stress/fast_crasher). */
static void allow_retry(const struct mf_verdict_input *in, struct mf_verdict *out)
{
    if (!out->retry)
        return;
    bool new_row = in->ran_ns >= MF_VERDICT_SYSTEM_RESET_NS;
    bool spent = in->system_retries >= (new_row ? MF_SYSTEM_RETRIES_ALL : MF_SYSTEM_RETRIES);
    if (!out->retry_is_system || (spent && in->has_error)) {
        allow_user_retry(in, out);
        return;
    }
    out->retry = !spent;
    out->delay_ns = SYSTEM_DELAY_NS;
    for (int32_t i = 0; !new_row && i < in->system_retries && out->delay_ns < SYSTEM_DELAY_MAX_NS; i++)
        out->delay_ns *= 2;
}

enum mf_code mf_verdict_decide(struct mf_arena *arena, const struct mf_verdict_input *in,
                               struct mf_verdict *out, struct mf_error *err)
{
    *out = (struct mf_verdict){.phase = 0};
    judge(arena, in, out);
    if (out->phase == MF_PHASE_SUCCEEDED)
        return MF_OK;
    if (!out->error.code.ptr || (!out->error.message.ptr && out->error.message.len > 0))
        return mf_fail_memory(err);
    if (in->has_error)
        out->error.error_uri = in->error_uri;
    allow_retry(in, out);
    return MF_OK;
}
