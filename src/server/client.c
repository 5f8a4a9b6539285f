#include "server/client.h"

#include "base/encode.h"

#define KEYS_FILE_MAX 4096

static enum mf_code parse_keys(struct mf_str text, const char *file, struct mf_client_keys *out,
                               struct mf_error *err)
{
    size_t end = mf_str_find_char(text, '\n');
    out->access = mf_str_trim(mf_str_take(text, end), MF_STR(" \r\n"));
    out->secret = mf_str_trim(mf_str_skip(text, end), MF_STR(" \r\n"));
    if (out->access.len == 0 || out->secret.len == 0 || mf_str_find_char(out->secret, '\n') != SIZE_MAX)
        return mf_fail(
            err, MF_DATA_LOSS,
            "%s must hold two lines, the access key and the secret key; remove it to have new ones made",
            file);
    return MF_OK;
}

static enum mf_code make_keys(struct mf_arena *arena, const struct mf_sys *sys, const char *file,
                              struct mf_client_keys *out, struct mf_error *err)
{
    unsigned char random[10 + 30];
    sys->random(sys->ctx, random, sizeof random);
    out->access = mf_str_printf(arena, "MF%.*s", MF_FMT(mf_base32(arena, mf_str_make(random, 10))));
    out->secret = mf_base64url(arena, mf_str_make(random + 10, 30));
    struct mf_str text = mf_str_printf(arena, "%.*s\n%.*s\n", MF_FMT(out->access), MF_FMT(out->secret));
    if (!out->access.ptr || !out->secret.ptr || !text.ptr)
        return mf_fail_memory(err);
    return mf_write_file(sys, file, text, 0600, err);
}

enum mf_code mf_client_keys_load(struct mf_arena *arena, const struct mf_sys *sys,
                                 const struct mf_datadir *dir, struct mf_client_keys *out,
                                 struct mf_error *err)
{
    const char *file = mf_datadir_file(dir, arena, "s3-keys");
    struct mf_str text;
    if (!file)
        return mf_fail_memory(err);
    enum mf_code code = mf_read_file(arena, file, KEYS_FILE_MAX, &text, err);
    if (code == MF_NOT_FOUND)
        return make_keys(arena, sys, file, out, err);
    return code == MF_OK ? parse_keys(text, file, out, err) : code;
}

static enum mf_code write_file(struct mf_arena *arena, const struct mf_sys *sys, const struct mf_datadir *dir,
                               const char *name, struct mf_str text, mode_t mode, struct mf_error *err)
{
    const char *file = mf_datadir_file(dir, arena, name);
    if (!file || !text.ptr)
        return mf_fail_memory(err);
    return mf_write_file(sys, file, text, mode, err);
}

static bool is_secret(const char *name)
{
    return strstr(name, "KEY") || strstr(name, "TOKEN");
}

static enum mf_code write_env(struct mf_arena *arena, const struct mf_sys *sys, const struct mf_datadir *dir,
                              const struct mf_client_files *files, struct mf_error *err)
{
    struct mf_str text = MF_STR("# Written by the server at each start: how to reach its object store.\n");
    if (!files->with_keys)
        text = MF_STR(
            "# Written by the server at each start: how to reach its object store. Keys for the bucket "
            "are yours to set.\n");
    for (size_t i = 0; i < files->variables->count && text.ptr; i++) {
        const struct mf_object_variable *variable = &files->variables->items[i];
        if (files->with_keys || !is_secret(variable->name))
            text = mf_str_printf(arena, "%.*sexport %s='%.*s'\n", MF_FMT(text), variable->name,
                                 MF_FMT(variable->value));
    }
    return write_file(arena, sys, dir, "client.env", text, 0600, err);
}

enum mf_code mf_client_files_write(struct mf_arena *arena, const struct mf_sys *sys,
                                   const struct mf_datadir *dir, const struct mf_client_files *files,
                                   struct mf_error *err)
{
    struct mf_str yaml = mf_str_printf(arena,
                                       "# Written by the server at each start: flyte -c <this file> …\n"
                                       "admin:\n"
                                       "  endpoint: \"%.*s\"\n"
                                       "  insecure: %s\n"
                                       "task:\n"
                                       "  org: local\n"
                                       "  project: \"%.*s\"\n"
                                       "  domain: \"%.*s\"\n",
                                       MF_FMT(files->url), files->tls ? "false" : "true",
                                       MF_FMT(files->project), MF_FMT(files->domain));
    enum mf_code code = write_file(arena, sys, dir, "flyte.yaml", yaml, 0644, err);
    if (code != MF_OK)
        return code;
    return write_env(arena, sys, dir, files, err);
}
