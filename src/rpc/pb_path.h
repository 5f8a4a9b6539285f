/*
 * Where in a message a reader, writer or check is, for messages to people: "updates[3].run_id.name". The
 * frames lie on the stack of whoever walks the message and cost nothing until they are written. For
 * rpc/pb_*.c only.
 */
#ifndef MF_RPC_PB_PATH_H
#define MF_RPC_PB_PATH_H

#include "base/status.h"
#include "base/str.h"

enum pb_step {
    PB_STEP_NAME,  /* a field or oneof */
    PB_STEP_INDEX, /* an element of a list */
    PB_STEP_KEY,   /* an entry of a map */
};

struct pb_path {
    const struct pb_path *up; /* NULL: this is the first step */
    enum pb_step step;
    struct mf_str name; /* PB_STEP_NAME and PB_STEP_KEY */
    uint32_t index;
};

static inline struct pb_path pb_path_name(const struct pb_path *up, const char *name)
{
    return (struct pb_path){.up = up, .step = PB_STEP_NAME, .name = mf_str_from_c(name)};
}

/* Fills err with MF_INVALID_ARGUMENT and "path: message". path may be NULL: the message as a whole. */
enum mf_code pb_path_fail(struct mf_error *err, const struct pb_path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
