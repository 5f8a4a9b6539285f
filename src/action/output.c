#include "action/machine.h"
#include "gen/flyteidl2/core/execution.pb.h"

struct mf_str mf_action_output_folder(struct mf_arena *arena, struct mf_str output_base, struct mf_str action,
                                      int32_t attempt)
{
    while (output_base.len > 0 && output_base.ptr[output_base.len - 1] == '/')
        output_base.len--;
    return mf_str_printf(arena, "%.*s/%.*s/%d", MF_FMT(output_base), MF_FMT(action), attempt);
}

enum mf_code mf_action_error(struct mf_arena *arena, const struct mf_action_row *row,
                             struct pb_core_ExecutionError **out, struct mf_error *err)
{
    void *stored = NULL;
    bool timed_out = row->phase == MF_PHASE_TIMED_OUT;
    *out = NULL;
    if (row->phase != MF_PHASE_FAILED && !timed_out)
        return MF_OK;
    if (row->error.len > 0) {
        enum mf_code code = pb_decode(arena, &pb_core_ExecutionError_type, row->error, &stored, err);
        *out = stored;
        return code == MF_INVALID_ARGUMENT
                   ? mf_fail(err, MF_DATA_LOSS, "the stored error of action %.*s cannot be read",
                             MF_FMT(row->name))
                   : code;
    }
    *out = MF_NEW(arena, struct pb_core_ExecutionError);
    if (!*out)
        return mf_fail_memory(err);
    **out = (struct pb_core_ExecutionError){
        .code = timed_out ? MF_STR("TimedOut") : MF_STR("Unknown"),
        .message = timed_out
                       ? MF_STR("the action has timed out; its executor has not said which time-out it was")
                       : MF_STR("the action has failed; its executor has not said why"),
        .kind = timed_out ? pb_core_ExecutionError_USER : pb_core_ExecutionError_UNKNOWN,
    };
    return MF_OK;
}
