#include "rpc/pb_path.h"

#include <stdio.h>

/* A path is cut after this much, which leaves most of an error's message to what is wrong. */
#define PATH_MAX_BYTES 400
#define KEY_MAX_BYTES 60
#define STEPS_MAX 256

static size_t write_step(const struct pb_path *step, bool first, char *out, size_t room)
{
    int n = 0;
    size_t cut = step->name.len <= KEY_MAX_BYTES ? step->name.len : mf_utf8_cut(step->name, KEY_MAX_BYTES);
    switch (step->step) {
    case PB_STEP_NAME:
        n = snprintf(out, room, "%s%.*s", first ? "" : ".", MF_FMT(step->name));
        break;
    case PB_STEP_INDEX:
        n = snprintf(out, room, "[%u]", step->index);
        break;
    case PB_STEP_KEY:
        n = snprintf(out, room, "[\"%.*s%s\"]", (int)cut, cut > 0 ? step->name.ptr : "",
                     cut < step->name.len ? "..." : "");
        break;
    }
    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

enum mf_code pb_path_fail(struct mf_error *err, const struct pb_path *path, const char *format, ...)
{
    const struct pb_path *steps[STEPS_MAX];
    size_t count = 0;
    char text[PATH_MAX_BYTES] = "";
    size_t len = 0;

    for (; path && count < STEPS_MAX; path = path->up)
        steps[count++] = path;
    for (size_t i = count; i > 0 && len + 1 < sizeof text; i--)
        len += write_step(steps[i - 1], i == count, text + len, sizeof text - len);
    va_list args;
    va_start(args, format);
    enum mf_code code = mf_failv(err, MF_INVALID_ARGUMENT, format, args);
    va_end(args);
    if (len > 0 && err)
        (void)mf_fail_prefix(err, "%.*s", (int)mf_utf8_cut(mf_str_make(text, len), len), text);
    return code;
}
