#include "objects/state.h"

#include "base/list.h"
#include "base/log.h"
#include "store/object.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define UPLOAD_AGE_NS (INT64_C(7) * 24 * 3600 * 1000000000)
#define UPLOADS_AT_ONCE 100 /* forgotten per transaction */

struct expire {
    struct mf_command command;
    int64_t before;
    int count;
};

/* The files of the parts are removed afterwards like any other that no row names. */
static enum mf_code apply_expire(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct expire *expire = MF_CONTAINER(command, struct expire, command);
    enum mf_code code = MF_OK;
    for (expire->count = 0; code == MF_OK && expire->count < UPLOADS_AT_ONCE; expire->count++) {
        struct mf_str id;
        code = mf_upload_older(mf_tx_db(tx), mf_tx_arena(tx), expire->before, &id, err);
        if (code != MF_OK || id.len == 0)
            break;
        code = mf_upload_delete(mf_tx_db(tx), id, err);
    }
    return code;
}

static void expire_uploads(struct mf_objects *objects)
{
    struct mf_error err;
    struct expire expire = {.before = mf_wall_ns(objects->sys) - UPLOAD_AGE_NS};
    enum mf_code code;
    do {
        expire.command = (struct mf_command){.apply = apply_expire};
        code = mf_writer_run(mf_store_writer(objects->store), &expire.command, &err);
    } while (code == MF_OK && expire.count == UPLOADS_AT_ONCE && !atomic_load(&objects->stop));
    if (code != MF_OK)
        mf_log(MF_LOG_WARN, "objects", "old uploads are not removed: %s", err.message);
}

static enum mf_code remove_if_unused(struct mf_objects *objects, const char *file, struct mf_error *err)
{
    struct mf_db *db = NULL;
    bool used = true;
    enum mf_code code = mf_store_reader(objects->store, &db, err);
    if (code == MF_OK)
        code = mf_object_file_used(db, mf_str_from_c(file), &used, err);
    mf_store_reader_done(objects->store, db);
    if (code == MF_OK && !used)
        mf_objects_unlink(objects, file);
    return code;
}

static void *sweep(void *arg)
{
    struct mf_objects *objects = arg;
    struct mf_error err;
    struct dirent *entry;
    expire_uploads(objects);
    DIR *dir = opendir(objects->dir);
    if (!dir) {
        mf_log(MF_LOG_WARN, "objects", "cannot list the folder %s", objects->dir);
        return NULL;
    }
    while (!atomic_load(&objects->stop) && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= MF_OBJECT_FILE_MAX ||
            strncmp(entry->d_name, objects->boot, strlen(objects->boot)) == 0)
            continue;
        if (remove_if_unused(objects, entry->d_name, &err) != MF_OK) {
            mf_log(MF_LOG_WARN, "objects", "the clean-up of unused files ends early: %s", err.message);
            break;
        }
    }
    closedir(dir);
    return NULL;
}

enum mf_code mf_sweep_start(struct mf_objects *objects, struct mf_error *err)
{
    if (pthread_create(&objects->sweeper, NULL, sweep, objects) != 0)
        return mf_fail(err, MF_UNAVAILABLE,
                       "cannot start a thread; raise the limit of processes of this user");
    objects->sweeping = true;
    return MF_OK;
}

void mf_sweep_stop(struct mf_objects *objects)
{
    if (!objects->sweeping)
        return;
    atomic_store(&objects->stop, true);
    pthread_join(objects->sweeper, NULL);
    objects->sweeping = false;
}
