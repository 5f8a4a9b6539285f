/*
 * The placeholders "{{ .name }}" (or "{{ $name }}") in a task's command line. Names are compared without
 * regard to case; what is not known stays as it is, since the SDK takes such values from the environment.
 */
#ifndef MF_EXEC_TEMPLATE_H
#define MF_EXEC_TEMPLATE_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

struct pb_core_Literal;
struct pb_task_Inputs;

struct mf_template_value {
    const char *name;
    struct mf_str value;
};

struct mf_template {
    const struct mf_template_value *values;
    size_t count;
    /* For "{{ .inputs.NAME }}": called at first use; fills *out. May be NULL. */
    enum mf_code (*load_inputs)(void *ctx, const struct pb_task_Inputs **out, struct mf_error *err);
    void *ctx;
    const struct pb_task_Inputs *inputs;
};

/* MF_INVALID_ARGUMENT when an input that is named does not exist or cannot be written as text; other codes
 * are those of load_inputs. */
enum mf_code mf_template_render(struct mf_arena *arena, struct mf_template *template, struct mf_str text,
                                struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
