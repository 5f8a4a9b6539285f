#include "server/rotate.h"

#include "base/log.h"
#include "secret/keyring.h"
#include "server/database.h"
#include "server/datadir.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60000
#define ROUND_MS 50

static enum mf_code rotate_here(struct mf_arena *arena, const struct mf_config *settings,
                                const struct mf_datadir *dir, struct mf_error *err)
{
    struct mf_store *store = NULL;
    struct mf_vault *vault = NULL;
    size_t rows = 0;
    struct mf_store_config config = {.sys = mf_sys_real()};
    const char *file = mf_datadir_file(dir, arena, "secret-keys");
    enum mf_code code =
        file ? mf_database_config(arena, settings, mf_datadir_path(dir), &config, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_store_open(&config, &store, err);
    if (code != MF_OK)
        return code;
    code = mf_vault_open(config.sys, store, file, &vault, err);
    if (code == MF_OK)
        code = mf_vault_rotate(vault, &rows, err);
    mf_vault_close(vault);
    mf_store_close(store);
    return code;
}

/* One key, and not that one: the server is done. */
static bool is_changed(const char *file, struct mf_str before)
{
    struct mf_keyring *ring = NULL;
    struct mf_error err;
    bool changed = mf_keyring_load(mf_sys_real(), file, &ring, &err) == MF_OK &&
                   mf_keyring_count(ring) == 1 && !mf_str_eq(mf_keyring_primary(ring), before);
    mf_keyring_free(ring);
    return changed;
}

static enum mf_code ask_server(struct mf_arena *arena, const char *path, pid_t pid, struct mf_error *err)
{
    struct mf_keyring *ring = NULL;
    struct mf_str file = mf_str_printf(arena, "%s/secret-keys", path);
    if (!file.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_keyring_load(mf_sys_real(), file.ptr, &ring, err);
    if (code != MF_OK)
        return code;
    struct mf_str before = mf_str_copy(arena, mf_keyring_primary(ring));
    mf_keyring_free(ring);
    if (!before.ptr)
        return mf_fail_memory(err);
    if (kill(pid, MF_ROTATE_SIGNAL) != 0)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "cannot ask process %ld for a new key: %s; run this as its user", (long)pid,
                       strerrordesc_np(errno));
    for (int waited = 0; waited < WAIT_MS; waited += ROUND_MS) {
        const struct timespec round = {.tv_nsec = ROUND_MS * 1000000L};
        if (is_changed(file.ptr, before))
            return MF_OK;
        nanosleep(&round, NULL);
    }
    return mf_fail(
        err, MF_DEADLINE_EXCEEDED,
        "process %ld has not made a new key in %d s; its log says why, and asking again does no harm",
        (long)pid, WAIT_MS / 1000);
}

enum mf_code mf_rotate_key(struct mf_arena *arena, const struct mf_config *config, struct mf_error *err)
{
    const char *path = mf_config_text(config, MF_CONF_DATA_DIR);
    struct mf_datadir *dir = NULL;
    bool is_server = mf_config_text(config, MF_CONF_STORE)[0] != '\0';
    struct mf_str known = mf_str_printf(arena, "%s/%s", path, is_server ? "secret-keys" : "mayfly.db");
    enum mf_code code = known.ptr ? mf_database_check(config, err) : mf_fail_memory(err);
    if (code != MF_OK)
        return code;
    if (access(known.ptr, F_OK) != 0)
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "%s is no data directory of a server; name it with --data-dir", path);
    pid_t pid = mf_datadir_holder(arena, path);
    if (pid > 0)
        return ask_server(arena, path, pid, err);
    code = mf_datadir_open(arena, path, &dir, err);
    if (code == MF_OK)
        code = rotate_here(arena, config, dir, err);
    mf_datadir_close(dir);
    return code;
}

void mf_rotate_asked(struct mf_vault *vault)
{
    struct mf_error err;
    size_t rows = 0;
    if (mf_vault_rotate(vault, &rows, &err) == MF_OK)
        mf_log(MF_LOG_INFO, "secret", "a new master key: %zu secrets sealed anew", rows);
    else
        mf_log(MF_LOG_ERROR, "secret", "no new master key, or not for every secret: %s", err.message);
}
