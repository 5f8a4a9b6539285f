#include "server/database.h"

#include <string.h>

#define PASSWORD_MAX ((size_t)4 << 10)

/* "user:password@" or "password=…". */
static bool has_password(const char *url)
{
    const char *authority = strstr(url, "://") + 3;
    size_t len = strcspn(authority, "/?");
    const char *at = memchr(authority, '@', len);
    return (at && memchr(authority, ':', (size_t)(at - authority))) || strstr(url, "password=");
}

enum mf_code mf_database_check(const struct mf_config *config, struct mf_error *err)
{
    const char *store = mf_config_text(config, MF_CONF_STORE);
    const char *password = mf_config_text(config, MF_CONF_STORE_PASSWORD_FILE);
    if (store[0] && !mf_store_is_server(store))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "store: \"%.200s\" is no URL of a PostgreSQL database; write postgres://user@host/database, "
            "or leave it out",
            store);
    if (store[0] && has_password(store))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "store: leave the password out of the URL, where others see it; put it into a file and "
            "name that with store-password-file");
    if (password[0] && !store[0])
        return mf_fail(err, MF_INVALID_ARGUMENT, "store-password-file needs store");
    return MF_OK;
}

enum mf_code mf_database_config(struct mf_arena *arena, const struct mf_config *config, const char *data_dir,
                                struct mf_store_config *out, struct mf_error *err)
{
    const char *store = mf_config_text(config, MF_CONF_STORE);
    const char *file = mf_config_text(config, MF_CONF_STORE_PASSWORD_FILE);
    struct mf_str password = MF_STR_EMPTY;
    enum mf_code code = MF_OK;
    out->unsafe_no_fsync = mf_config_int(config, MF_CONF_UNSAFE_NO_FSYNC) != 0;
    out->readers = (size_t)mf_config_int(config, MF_CONF_STORE_CONNECTIONS);
    out->path = store[0] ? store : mf_str_printf(arena, "%s/mayfly.db", data_dir).ptr;
    if (!out->path)
        return mf_fail_memory(err);
    if (file[0])
        code = mf_read_file(arena, file, PASSWORD_MAX, &password, err);
    if (code != MF_OK)
        return mf_fail_prefix(err, "store-password-file");
    password = mf_str_trim(password, MF_STR("\r\n"));
    out->password = password.len > 0 ? mf_str_to_c(arena, password) : NULL;
    return password.len == 0 || out->password ? MF_OK : mf_fail_memory(err);
}
