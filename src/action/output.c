#include "action/machine.h"

struct mf_str mf_action_output_folder(struct mf_arena *arena, struct mf_str output_base, struct mf_str action,
                                      int32_t attempt)
{
    while (output_base.len > 0 && output_base.ptr[output_base.len - 1] == '/')
        output_base.len--;
    return mf_str_printf(arena, "%.*s/%.*s/%d", MF_FMT(output_base), MF_FMT(action), attempt);
}
