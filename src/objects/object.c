#include "objects/bucket.h"
#include "objects/driver.h"
#include "objects/name.h"
#include "objects/remote.h"
#include "objects/sigv4.h"
#include "objects/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define INLINE_MAX ((size_t)32 << 10)
#define OBJECT_MAX ((size_t)5 << 30)

struct mf_objects *mf_objects_ref(struct mf_objects *objects)
{
    atomic_fetch_add(&objects->refs, 1);
    return objects;
}

void mf_objects_unref(struct mf_objects *objects)
{
    if (atomic_fetch_sub(&objects->refs, 1) != 1)
        return;
    if (objects->dir_fd >= 0)
        close(objects->dir_fd);
    mf_arena_free(objects->arena);
    free(objects);
}

bool mf_objects_path(const struct mf_objects *objects, const char *file, char *path, size_t size)
{
    int len = snprintf(path, size, "%s/%s", objects->dir, file);
    return len > 0 && (size_t)len < size;
}

void mf_objects_unlink(const struct mf_objects *objects, const char *file)
{
    char path[PATH_MAX];
    /* A file that stays behind is found at the next start. */
    if (file[0] && mf_objects_path(objects, file, path, sizeof path))
        (void)objects->sys->unlink(objects->sys->ctx, path);
}

static enum mf_code copy_config(struct mf_objects *objects, const struct mf_objects_config *config,
                                struct mf_error *err)
{
    struct mf_arena *arena = objects->arena;
    struct mf_str endpoint = mf_str_copy(arena, config->endpoint);
    size_t colon = mf_str_find(endpoint, MF_STR("://"));
    objects->dir = mf_str_to_c(arena, mf_str_from_c(config->dir));
    objects->bucket = mf_str_copy(arena, config->bucket);
    objects->base = mf_str_printf(arena, "s3://%.*s", MF_FMT(config->bucket));
    objects->access_key = mf_str_copy(arena, config->access_key);
    objects->secret_key = mf_str_copy(arena, config->secret_key);
    objects->inline_max = config->inline_max ? config->inline_max : INLINE_MAX;
    objects->object_max = config->object_max ? config->object_max : OBJECT_MAX;
    if (!objects->dir || !objects->bucket.ptr || !objects->base.ptr || !objects->access_key.ptr ||
        !objects->secret_key.ptr || !endpoint.ptr)
        return mf_fail_memory(err);
    if (!mf_bucket_name_ok(config->bucket))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "bucket: \"%.*s\" is no name of a bucket; use 3 to 63 of a-z, 0-9 and \"-\"",
                       MF_FMT(config->bucket));
    if (config->access_key.len == 0 || config->secret_key.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the object store needs an access key and a secret key");
    if (colon == SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "endpoint: \"%.*s\" is no URL; write http://host:port",
                       MF_FMT(endpoint));
    objects->scheme = mf_str_take(endpoint, colon);
    objects->host = mf_str_skip(endpoint, colon + 3);
    objects->host = mf_str_take(objects->host, mf_str_find_char(objects->host, '/'));
    return MF_OK;
}

static enum mf_code open_dir(struct mf_objects *objects, struct mf_error *err)
{
    const struct mf_sys *sys = objects->sys;
    char text[128];
    uint64_t boot;
    enum mf_code code = mf_make_dirs(objects->dir, 0700, err);
    if (code != MF_OK)
        return code;
    objects->dir_fd = open(objects->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (objects->dir_fd < 0)
        return mf_fail(err, MF_UNAVAILABLE, "cannot open the folder %s: %s", objects->dir,
                       strerror_r(errno, text, sizeof text));
    sys->random(sys->ctx, &boot, sizeof boot);
    snprintf(objects->boot, sizeof objects->boot, "%016" PRIx64, boot);
    return MF_OK;
}

/* The first use of OpenSSL sets it up, with memory that it frees at the end of the thread that did so. Here
 * that is the one that outlives the others, and a system without MD5 is told of at start. */
static enum mf_code check_hashes(struct mf_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (EVP_Q_digest(NULL, "MD5", NULL, "", 0, hash, &len) == 1 &&
        EVP_Q_digest(NULL, "SHA256", NULL, "", 0, hash, &len) == 1)
        return MF_OK;
    return mf_fail(
        err, MF_FAILED_PRECONDITION,
        "OpenSSL on this machine refuses MD5 or SHA-256, which S3 is made of; allow them in openssl.cnf");
}

enum mf_code mf_objects_open(const struct mf_objects_config *config, struct mf_objects **out,
                             struct mf_error *err)
{
    struct mf_objects *objects = calloc(1, sizeof *objects);
    if (!objects)
        return mf_fail_memory(err);
    atomic_init(&objects->refs, 1);
    objects->store = config->store;
    objects->sys = mf_store_sys(config->store);
    objects->dir_fd = -1;
    objects->arena = mf_arena_new(0);
    enum mf_code code = objects->arena ? copy_config(objects, config, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = check_hashes(err);
    if (code == MF_OK)
        code = open_dir(objects, err);
    if (code == MF_OK && config->external)
        code = mf_bucket_open(objects->sys, config->external, &objects->external, err);
    if (code == MF_OK)
        code = mf_sweep_start(objects, err);
    if (code != MF_OK) {
        mf_bucket_close(objects->external);
        mf_objects_unref(objects);
        return code;
    }
    if (objects->external)
        objects->places[objects->place_count++] =
            (struct mf_place){&mf_bucket_driver, objects->external, mf_bucket_base(objects->external)};
    objects->places[objects->place_count++] = (struct mf_place){&mf_embedded_driver, objects, objects->base};
    *out = objects;
    return MF_OK;
}

void mf_objects_close(struct mf_objects *objects)
{
    if (!objects)
        return;
    mf_sweep_stop(objects);
    mf_bucket_close(objects->external);
    mf_objects_unref(objects);
}

enum mf_code mf_objects_check(const struct mf_bucket_config *config, struct mf_error *err)
{
    return mf_bucket_check(config, err);
}

struct mf_str mf_objects_base(const struct mf_objects *objects)
{
    return objects->places[0].base;
}

bool mf_objects_in_row(const struct mf_objects *objects, size_t size)
{
    return !objects->external && size <= objects->inline_max;
}

size_t mf_objects_max(const struct mf_objects *objects)
{
    return objects->object_max;
}

/* ---- one object ---- */

static enum mf_code find_place(const struct mf_objects *objects, struct mf_str uri,
                               const struct mf_place **place, struct mf_str *name, struct mf_error *err)
{
    *place = &objects->places[0];
    for (size_t i = 0; i < objects->place_count; i++) {
        if (mf_object_uri_within(uri, objects->places[i].base)) {
            *place = &objects->places[i];
            break;
        }
    }
    return mf_object_uri_parse(uri, (*place)->base, name, err);
}

enum mf_code mf_object_read(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri, size_t max,
                            struct mf_str *out, struct mf_error *err)
{
    const struct mf_place *place;
    struct mf_str name;
    enum mf_code code = find_place(objects, uri, &place, &name, err);
    return code == MF_OK ? place->driver->read(place->self, arena, name, max, out, err) : code;
}

static enum mf_code look(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                         struct mf_object_look *out, struct mf_error *err)
{
    const struct mf_place *place;
    struct mf_str name;
    *out = (struct mf_object_look){.md5 = MF_STR_EMPTY};
    enum mf_code code = find_place(objects, uri, &place, &name, err);
    return code == MF_OK ? place->driver->look(place->self, arena, name, out, err) : code;
}

enum mf_code mf_object_exists(struct mf_objects *objects, struct mf_str uri, bool *exists, int64_t *size,
                              struct mf_error *err)
{
    struct mf_object_look found = {0};
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = arena ? look(objects, arena, uri, &found, err) : mf_fail_memory(err);
    mf_arena_free(arena);
    *exists = found.exists;
    if (size)
        *size = found.size;
    return code;
}

enum mf_code mf_object_md5(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri,
                           bool *exists, struct mf_str *md5, struct mf_error *err)
{
    struct mf_object_look found;
    enum mf_code code = look(objects, arena, uri, &found, err);
    *exists = found.exists;
    *md5 = found.md5;
    return code;
}

enum mf_code mf_object_any(struct mf_objects *objects, struct mf_arena *arena, struct mf_str uri_prefix,
                           bool *found, struct mf_error *err)
{
    const struct mf_place *place;
    struct mf_str name;
    *found = false;
    enum mf_code code = find_place(objects, uri_prefix, &place, &name, err);
    return code == MF_OK ? place->driver->any(place->self, arena, name, found, err) : code;
}

enum mf_code mf_object_presign(struct mf_objects *objects, struct mf_arena *arena,
                               const struct mf_presign *request, struct mf_str *url, struct mf_error *err)
{
    const struct mf_place *place;
    struct mf_str name;
    enum mf_code code = find_place(objects, request->uri, &place, &name, err);
    if (code == MF_OK && (request->expires_s < 1 || request->expires_s > MF_SIGV4_EXPIRY_MAX_S))
        code = mf_fail(err, MF_INVALID_ARGUMENT, "a signed URL is valid for 1 to %d seconds",
                       MF_SIGV4_EXPIRY_MAX_S);
    return code == MF_OK ? place->driver->presign(place->self, arena, name, request, url, err) : code;
}

void mf_object_put_async(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                         struct mf_str content_type,
                         void (*done)(void *ctx, enum mf_code code, const struct mf_error *err), void *ctx)
{
    struct mf_object_put put = {.bytes = bytes, .content_type = content_type, .done = done, .ctx = ctx};
    const struct mf_place *place;
    struct mf_error err;
    enum mf_code code = find_place(objects, uri, &place, &put.name, &err);
    if (code == MF_OK)
        place->driver->put(place->self, &put);
    else
        done(ctx, code, &err);
}

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    enum mf_code code;
    struct mf_error *err;
};

static void written(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct wait *wait = ctx;
    pthread_mutex_lock(&wait->lock);
    wait->done = true;
    wait->code = code;
    if (code != MF_OK && wait->err)
        *wait->err = *err;
    pthread_cond_signal(&wait->over);
    pthread_mutex_unlock(&wait->lock);
}

enum mf_code mf_object_write(struct mf_objects *objects, struct mf_str uri, struct mf_str bytes,
                             struct mf_str content_type, struct mf_error *err)
{
    struct wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER, .err = err};
    mf_object_put_async(objects, uri, bytes, content_type, written, &wait);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done)
        pthread_cond_wait(&wait.over, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    if (objects->external)
        mf_remote_forget_thread();
    pthread_cond_destroy(&wait.over);
    pthread_mutex_destroy(&wait.lock);
    return wait.code;
}

/* ---- the store as a whole ---- */

enum mf_code mf_objects_variables(struct mf_objects *objects, struct mf_arena *arena,
                                  struct mf_object_variables *out, struct mf_error *err)
{
    *out = (struct mf_object_variables){.count = 0};
    return objects->places[0].driver->variables(objects->places[0].self, arena, out, err);
}

void mf_objects_stats(struct mf_objects *objects, struct mf_objects_stats *out)
{
    *out = (struct mf_objects_stats){.usable = true};
    if (objects->external)
        mf_bucket_stats(objects->external, out);
}

bool mf_objects_trouble(struct mf_objects *objects, char *text, size_t size)
{
    return objects->external && mf_bucket_trouble(objects->external, text, size);
}
