/* The object store's own view of itself; only files of this folder include this. */
#ifndef MF_OBJECTS_STATE_H
#define MF_OBJECTS_STATE_H

#include "objects/object.h"

#include <pthread.h>
#include <stdatomic.h>

#define MF_OBJECT_FILE_MAX 40

struct mf_bucket;
struct mf_driver;

/* Where objects lie whose URI begins with the base. */
struct mf_place {
    const struct mf_driver *driver;
    void *self;
    struct mf_str base; /* "s3://bucket/folder" */
};

struct mf_objects {
    atomic_uint refs; /* the owner, and every command and exchange under way */
    struct mf_arena *arena;
    struct mf_store *store;
    const struct mf_sys *sys;
    struct mf_rpc *rpc; /* of mf_objects_serve */
    const char *dir;
    int dir_fd;
    struct mf_str bucket, base, access_key, secret_key;
    struct mf_str scheme, host; /* of the endpoint */
    size_t inline_max, object_max;
    struct mf_place places[2]; /* the first is for what is new */
    size_t place_count;
    struct mf_bucket *external;
    /* A file is named "<boot>-<number>": never twice, and the cleaning at start can tell the files of this
     * process, whose rows may be about to be committed, from those that an earlier one left. */
    char boot[17];
    atomic_uint_fast64_t next_file;
    atomic_bool stop;
    bool sweeping;
    pthread_t sweeper;
};

struct mf_objects *mf_objects_ref(struct mf_objects *objects);
void mf_objects_unref(struct mf_objects *objects);
/* Full path of a body's file. False when it does not fit, which no name of ours does not. */
bool mf_objects_path(const struct mf_objects *objects, const char *file, char *path, size_t size);
void mf_objects_unlink(const struct mf_objects *objects, const char *file); /* "" is fine */

/* Removes what an earlier process left unfinished, in a thread of its own. */
enum mf_code mf_sweep_start(struct mf_objects *objects, struct mf_error *err) MF_CHECK_RESULT;
void mf_sweep_stop(struct mf_objects *objects);

#endif
