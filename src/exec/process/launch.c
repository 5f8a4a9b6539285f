#include "exec/process/launch.h"

#include "base/buf.h"

#define WORDS_MAX 65536

static void put_u64(struct mf_buf *buf, uint64_t value)
{
    mf_buf_add(buf, &value, sizeof value);
}

static void put_str(struct mf_buf *buf, struct mf_str text)
{
    put_u64(buf, text.len);
    mf_buf_add_str(buf, text);
    mf_buf_add_char(buf, '\0');
}

static size_t needed(const struct mf_launch *launch)
{
    size_t each = sizeof(uint64_t) + 1;
    size_t sum = MF_LAUNCH_HEAD + (each + 1) * 16 + launch->work_dir.len + launch->cwd.len +
                 launch->log_path.len + launch->program.len;
    for (uint32_t i = 0; i < launch->argc; i++)
        sum += launch->argv[i].len + each;
    for (uint32_t i = 0; i < launch->envc; i++)
        sum += launch->env[i].len + each;
    return sum;
}

enum mf_code mf_launch_encode(struct mf_arena *arena, const struct mf_launch *launch, struct mf_str *out,
                              struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_buf buf = MF_BUF_INIT(MF_LAUNCH_MAX);
    uint32_t size = 0;
    /* At once, so that no copy of it is left behind: the environment may hold secrets. */
    if (mf_buf_reserve(&buf, needed(launch)))
        mf_buf_add(&buf, &size, sizeof size);
    put_str(&buf, launch->work_dir);
    put_str(&buf, launch->cwd);
    put_str(&buf, launch->log_path);
    put_str(&buf, launch->program);
    put_u64(&buf, launch->grace_ms);
    put_u64(&buf, (uint64_t)launch->log_max_bytes);
    put_u64(&buf, (uint64_t)launch->memory_max_bytes);
    put_u64(&buf, launch->argc);
    for (uint32_t i = 0; i < launch->argc; i++)
        put_str(&buf, launch->argv[i]);
    put_u64(&buf, launch->envc);
    for (uint32_t i = 0; i < launch->envc; i++)
        put_str(&buf, launch->env[i]);
    if (mf_buf_failed(&buf)) {
        code = mf_fail(
            err, MF_RESOURCE_EXHAUSTED,
            "command line and environment of the task need more than %zu MiB; pass large values as inputs",
            MF_LAUNCH_MAX >> 20);
    } else {
        size = (uint32_t)buf.len;
        memcpy(buf.ptr, &size, sizeof size);
        *out = mf_str_copy(arena, mf_buf_str(&buf));
        if (!out->ptr)
            code = mf_fail_memory(err);
    }
    if (buf.len > 0)
        explicit_bzero(buf.ptr, buf.len);
    mf_buf_free(&buf);
    return code;
}

size_t mf_launch_size(const char head[MF_LAUNCH_HEAD])
{
    uint32_t size;
    memcpy(&size, head, sizeof size);
    return size > MF_LAUNCH_HEAD && size <= MF_LAUNCH_MAX ? size : 0;
}

static bool take_u64(struct mf_str *bytes, uint64_t *out)
{
    if (bytes->len < sizeof *out)
        return false;
    memcpy(out, bytes->ptr, sizeof *out);
    *bytes = mf_str_skip(*bytes, sizeof *out);
    return true;
}

static bool take_str(struct mf_str *bytes, struct mf_str *out)
{
    uint64_t len;
    if (!take_u64(bytes, &len) || len >= bytes->len || bytes->ptr[len] != '\0')
        return false;
    *out = mf_str_take(*bytes, len);
    *bytes = mf_str_skip(*bytes, len + 1);
    return true;
}

static bool take_words(struct mf_arena *arena, struct mf_str *bytes, struct mf_str **out, uint32_t *count)
{
    uint64_t n;
    if (!take_u64(bytes, &n) || n > WORDS_MAX)
        return false;
    *out = mf_arena_array(arena, n + 1, sizeof **out);
    *count = (uint32_t)n;
    for (uint64_t i = 0; *out && i < n; i++) {
        if (!take_str(bytes, &(*out)[i]))
            return false;
    }
    return *out != NULL;
}

enum mf_code mf_launch_decode(struct mf_arena *arena, struct mf_str bytes, struct mf_launch *out,
                              struct mf_error *err)
{
    uint64_t grace = 0;
    uint64_t log_max = 0;
    uint64_t memory_max = 0;
    bytes = mf_str_skip(bytes, MF_LAUNCH_HEAD);
    bool ok = take_str(&bytes, &out->work_dir) && take_str(&bytes, &out->cwd) &&
              take_str(&bytes, &out->log_path) && take_str(&bytes, &out->program) &&
              take_u64(&bytes, &grace) && take_u64(&bytes, &log_max) && take_u64(&bytes, &memory_max) &&
              take_words(arena, &bytes, &out->argv, &out->argc) &&
              take_words(arena, &bytes, &out->env, &out->envc);
    if (!ok)
        return mf_fail(err, MF_DATA_LOSS, "the message that tells what to run is damaged");
    out->grace_ms = (uint32_t)grace;
    out->log_max_bytes = (int64_t)log_max;
    out->memory_max_bytes = (int64_t)memory_max;
    return MF_OK;
}
