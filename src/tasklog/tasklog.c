#include "tasklog/tasklog.h"

#include <limits.h>

static bool is_component(struct mf_str name)
{
    return name.len > 0 && name.len <= 200 && !mf_str_eq(name, MF_STR(".")) &&
           !mf_str_eq(name, MF_STR("..")) && mf_str_find_char(name, '/') == SIZE_MAX &&
           mf_str_find_char(name, '\0') == SIZE_MAX;
}

enum mf_code mf_tasklog_path(struct mf_arena *arena, const char *root, const struct mf_tasklog_key *key,
                             const char **path, struct mf_error *err)
{
    const struct {
        const char *what;
        struct mf_str name;
    } parts[] = {
        {"project", key->project}, {"domain", key->domain}, {"run", key->run}, {"action", key->action}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!is_component(parts[i].name))
            return mf_fail(err, MF_INVALID_ARGUMENT, "\"%.*s\" is no usable name of a %s for a log",
                           (int)mf_utf8_cut(parts[i].name, 80), parts[i].name.len ? parts[i].name.ptr : "",
                           parts[i].what);
    }
    if (key->attempt < 1)
        return mf_fail(err, MF_INVALID_ARGUMENT, "attempt %d has no log; attempts count from 1",
                       key->attempt);
    struct mf_str text =
        mf_str_printf(arena, "%s/%.*s/%.*s/%.*s/%.*s/%d.log", root, MF_FMT(key->project), MF_FMT(key->domain),
                      MF_FMT(key->run), MF_FMT(key->action), key->attempt);
    if (!text.ptr)
        return mf_fail_memory(err);
    if (text.len + 8 > PATH_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "the log's file name %.100s… is too long; choose a shorter "
                       "data directory",
                       text.ptr);
    *path = mf_str_to_c(arena, text);
    return *path ? MF_OK : mf_fail_memory(err);
}
