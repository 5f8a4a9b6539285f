#include "secret/vault.h"

#include "base/list.h"
#include "base/log.h"
#include "secret/keyring.h"

#include <pthread.h>
#include <stdlib.h>

#define RESEAL_BATCH 256

struct mf_vault {
    const struct mf_sys *sys;
    struct mf_store *store;
    const char *key_file;
    pthread_mutex_t lock; /* guards ring */
    struct mf_keyring *ring;
};

/* ---- sealing and opening ---- */

enum mf_code mf_vault_seal(struct mf_vault *vault, struct mf_arena *arena, struct mf_str value,
                           struct mf_secret_row *row, struct mf_error *err)
{
    pthread_mutex_lock(&vault->lock);
    row->key_id = mf_str_copy(arena, mf_keyring_primary(vault->ring));
    enum mf_code code = row->key_id.ptr ? mf_seal(vault->sys, arena,
                                                  mf_keyring_find(vault->ring, row->key_id), value, row, err)
                                        : mf_fail_memory(err);
    pthread_mutex_unlock(&vault->lock);
    return code;
}

static enum mf_code no_key(const struct mf_vault *vault, const struct mf_secret_row *row,
                           struct mf_error *err)
{
    return mf_fail(
        err, MF_FAILED_PRECONDITION,
        "secret \"%.*s\" is sealed with key %.*s, which %s does not hold; put back the copy of that "
        "file that belongs to this database",
        MF_FMT(row->id.name), MF_FMT(row->key_id), vault->key_file);
}

enum mf_code mf_vault_renew(struct mf_vault *vault, struct mf_arena *arena, struct mf_secret_row *row,
                            struct mf_error *err)
{
    enum mf_code code = MF_OK;
    pthread_mutex_lock(&vault->lock);
    struct mf_str primary = mf_keyring_primary(vault->ring);
    if (!mf_str_eq(primary, row->key_id)) {
        const struct mf_seal_key *old = mf_keyring_find(vault->ring, row->key_id);
        struct mf_str id = mf_str_copy(arena, primary);
        if (!old)
            code = no_key(vault, row, err);
        else if (!id.ptr)
            code = mf_fail_memory(err);
        else
            code = mf_reseal(vault->sys, arena, old, mf_keyring_find(vault->ring, primary), id, row, err);
    }
    pthread_mutex_unlock(&vault->lock);
    return code;
}

static enum mf_code open_row(struct mf_vault *vault, struct mf_arena *arena, const struct mf_secret_row *row,
                             struct mf_str *value, struct mf_error *err)
{
    pthread_mutex_lock(&vault->lock);
    const struct mf_seal_key *key = mf_keyring_find(vault->ring, row->key_id);
    enum mf_code code = key ? mf_unseal(arena, key, row, value, err) : no_key(vault, row, err);
    pthread_mutex_unlock(&vault->lock);
    return code;
}

enum mf_code mf_vault_find(struct mf_vault *vault, struct mf_arena *arena, const struct mf_secret_id *id,
                           struct mf_str *value, struct mf_error *err)
{
    const struct mf_secret_id scopes[] = {
        *id,
        {.domain = id->domain, .project = MF_STR_EMPTY, .name = id->name},
        {.domain = MF_STR_EMPTY, .project = MF_STR_EMPTY, .name = id->name},
    };
    struct mf_secret_row row;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(vault->store, &db, err);
    if (code != MF_OK)
        return code;
    code = mf_db_snapshot_begin(db, err);
    if (code == MF_OK) {
        code = MF_NOT_FOUND;
        for (size_t i = 0; i < sizeof scopes / sizeof scopes[0] && code == MF_NOT_FOUND; i++)
            code = mf_secret_get(db, arena, &scopes[i], &row, err);
        mf_db_snapshot_end(db);
    }
    mf_store_reader_done(vault->store, db);
    return code == MF_OK ? open_row(vault, arena, &row, value, err) : code;
}

/* ---- another master key ---- */

struct reseal {
    struct mf_command command;
    struct mf_vault *vault;
    size_t count;
    /* Inside apply only. */
    struct mf_arena *arena;
    struct mf_secret_row *rows;
};

static bool collect(void *ctx, const struct mf_secret_row *row)
{
    struct reseal *reseal = ctx;
    reseal->rows[reseal->count++] = *row;
    return reseal->count < RESEAL_BATCH;
}

static enum mf_code apply_reseal(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct reseal *reseal = MF_CONTAINER(command, struct reseal, command);
    struct mf_arena *arena = mf_tx_arena(tx);
    reseal->count = 0;
    reseal->rows = mf_arena_array(arena, RESEAL_BATCH, sizeof *reseal->rows);
    pthread_mutex_lock(&reseal->vault->lock);
    struct mf_str primary = mf_str_copy(arena, mf_keyring_primary(reseal->vault->ring));
    pthread_mutex_unlock(&reseal->vault->lock);
    if (!reseal->rows || !primary.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_secret_stale(mf_tx_db(tx), arena, primary, RESEAL_BATCH, collect, reseal, err);
    for (size_t i = 0; i < reseal->count && code == MF_OK; i++) {
        code = mf_vault_renew(reseal->vault, arena, &reseal->rows[i], err);
        if (code == MF_OK)
            code = mf_secret_rewrap(mf_tx_db(tx), &reseal->rows[i], err);
    }
    return code;
}

/* Until every row is under the newest key; then the others are taken out of the file. */
static enum mf_code reseal_all(struct mf_vault *vault, size_t *rows, struct mf_error *err)
{
    struct reseal reseal = {.command = {.apply = apply_reseal}, .vault = vault};
    enum mf_code code;
    *rows = 0;
    do {
        code = mf_writer_run(mf_store_writer(vault->store), &reseal.command, err);
        *rows += code == MF_OK ? reseal.count : 0;
    } while (code == MF_OK && reseal.count > 0);
    if (code != MF_OK)
        return code;
    pthread_mutex_lock(&vault->lock);
    code = mf_keyring_prune(vault->ring, err);
    pthread_mutex_unlock(&vault->lock);
    return code;
}

enum mf_code mf_vault_rotate(struct mf_vault *vault, size_t *rows, struct mf_error *err)
{
    pthread_mutex_lock(&vault->lock);
    enum mf_code code = mf_keyring_add(vault->ring, err);
    pthread_mutex_unlock(&vault->lock);
    return code == MF_OK ? reseal_all(vault, rows, err) : code;
}

/* ---- opening ---- */

struct fit {
    const struct mf_vault *vault;
    size_t keys;
    enum mf_code code;
    struct mf_error *err;
};

static bool check_key(void *ctx, const struct mf_secret_row *row)
{
    struct fit *fit = ctx;
    const struct mf_seal_key *key = fit->vault->ring ? mf_keyring_find(fit->vault->ring, row->key_id) : NULL;
    fit->keys++;
    if (!key)
        fit->code = no_key(fit->vault, row, fit->err);
    else if (!mf_seal_fits(key, row))
        fit->code =
            mf_fail(fit->err, MF_FAILED_PRECONDITION,
                    "key %.*s of %s does not open secret \"%.*s\"; put back the copy of that file that "
                    "belongs to this database",
                    MF_FMT(row->key_id), fit->vault->key_file, MF_FMT(row->id.name));
    return fit->code == MF_OK;
}

/* Whether the ring (or its absence) fits what is stored. */
static enum mf_code check_fit(const struct mf_vault *vault, struct mf_error *err)
{
    struct fit fit = {.vault = vault, .err = err};
    struct mf_db *db = NULL;
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = arena ? mf_store_reader(vault->store, &db, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_secret_keys(db, arena, MF_KEYS_MAX, check_key, &fit, err);
    if (code == MF_OK)
        code = fit.code;
    mf_store_reader_done(vault->store, db);
    mf_arena_free(arena);
    return code;
}

static enum mf_code open_ring(struct mf_vault *vault, struct mf_error *err)
{
    enum mf_code code = mf_keyring_load(vault->sys, vault->key_file, &vault->ring, err);
    if (code == MF_OK)
        return check_fit(vault, err);
    if (code != MF_NOT_FOUND)
        return code;
    code = check_fit(vault, err);
    if (code == MF_OK)
        code = mf_keyring_create(vault->sys, vault->key_file, &vault->ring, err);
    return code;
}

static enum mf_code finish_rotation(struct mf_vault *vault, struct mf_error *err)
{
    size_t rows;
    if (mf_keyring_count(vault->ring) == 1)
        return MF_OK;
    enum mf_code code = reseal_all(vault, &rows, err);
    if (code == MF_OK)
        mf_log(MF_LOG_INFO, "secret", "the change of the master key is finished: %zu secrets sealed anew",
               rows);
    return code;
}

enum mf_code mf_vault_open(const struct mf_sys *sys, struct mf_store *store, const char *key_file,
                           struct mf_vault **out, struct mf_error *err)
{
    struct mf_vault *vault = calloc(1, sizeof *vault);
    if (!vault)
        return mf_fail_memory(err);
    vault->sys = sys;
    vault->store = store;
    vault->key_file = key_file;
    pthread_mutex_init(&vault->lock, NULL);
    enum mf_code code = open_ring(vault, err);
    if (code == MF_OK)
        code = finish_rotation(vault, err);
    if (code == MF_OK)
        *out = vault;
    else
        mf_vault_close(vault);
    return code;
}

void mf_vault_close(struct mf_vault *vault)
{
    if (!vault)
        return;
    mf_keyring_free(vault->ring);
    pthread_mutex_destroy(&vault->lock);
    free(vault);
}
