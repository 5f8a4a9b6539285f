#include "objects/body.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mf_body {
    struct mf_objects *objects;
    struct mf_buf memory;
    EVP_MD_CTX *md5, *sha256;
    unsigned char md5_bytes[EVP_MAX_MD_SIZE], sha256_bytes[EVP_MAX_MD_SIZE];
    unsigned md5_len, sha256_len;
    int64_t size;
    int fd;
    bool kept;
    char file[MF_OBJECT_FILE_MAX];
};

static enum mf_code fail_disk(struct mf_error *err, const char *what)
{
    int number = errno;
    char text[128];
    return mf_fail(err, MF_UNAVAILABLE,
                   "the object store cannot %s: %s; check the disk of the data directory", what,
                   strerror_r(number, text, sizeof text));
}

static bool hash_new(EVP_MD_CTX **ctx, const EVP_MD *type)
{
    *ctx = EVP_MD_CTX_new();
    return *ctx && EVP_DigestInit_ex(*ctx, type, NULL) == 1;
}

static enum mf_code open_file(struct mf_body *body, struct mf_error *err)
{
    struct mf_objects *objects = body->objects;
    char path[PATH_MAX];
    uint64_t number = atomic_fetch_add(&objects->next_file, 1);
    snprintf(body->file, sizeof body->file, "%s-%016" PRIx64, objects->boot, number);
    if (!mf_objects_path(objects, body->file, path, sizeof path))
        return mf_fail(err, MF_INTERNAL, "the path of the objects folder is too long");
    body->fd = objects->sys->open(objects->sys->ctx, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (body->fd < 0) {
        enum mf_code code = fail_disk(err, "create a file");
        body->file[0] = '\0';
        return code;
    }
    return MF_OK;
}

enum mf_code mf_body_new(struct mf_objects *objects, int hashes, bool in_file, struct mf_body **out,
                         struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_body *body = calloc(1, sizeof *body);
    if (!body)
        return mf_fail_memory(err);
    body->objects = mf_objects_ref(objects);
    body->memory.max = objects->inline_max;
    body->fd = -1;
    if (((hashes & MF_BODY_MD5) && !hash_new(&body->md5, EVP_md5())) ||
        ((hashes & MF_BODY_SHA256) && !hash_new(&body->sha256, EVP_sha256())))
        code = mf_fail(err, MF_INTERNAL, "MD5 or SHA-256 is not available in this OpenSSL");
    if (code == MF_OK && in_file)
        code = open_file(body, err);
    if (code == MF_OK)
        *out = body;
    else
        mf_body_free(body);
    return code;
}

static enum mf_code write_all(struct mf_body *body, struct mf_str bytes, struct mf_error *err)
{
    const struct mf_sys *sys = body->objects->sys;
    while (bytes.len > 0) {
        ssize_t written = sys->write(sys->ctx, body->fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_disk(err, "write a file");
        bytes = mf_str_skip(bytes, (size_t)written);
    }
    return MF_OK;
}

static enum mf_code spill(struct mf_body *body, struct mf_error *err)
{
    enum mf_code code = open_file(body, err);
    if (code == MF_OK)
        code = write_all(body, mf_buf_str(&body->memory), err);
    mf_buf_free(&body->memory);
    return code;
}

enum mf_code mf_body_add(struct mf_body *body, struct mf_str bytes, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    size_t room = body->objects->object_max - (size_t)body->size;
    if (bytes.len == 0)
        return MF_OK;
    if (bytes.len > room)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "an object has at most %zu bytes; raise object-bytes or split it",
                       body->objects->object_max);
    if (body->fd < 0 && body->memory.len + bytes.len > body->objects->inline_max)
        code = spill(body, err);
    if (code == MF_OK && body->fd >= 0)
        code = write_all(body, bytes, err);
    else if (code == MF_OK && !mf_buf_add_str(&body->memory, bytes))
        code = mf_fail_memory(err);
    if (code != MF_OK)
        return code;
    if ((body->md5 && EVP_DigestUpdate(body->md5, bytes.ptr, bytes.len) != 1) ||
        (body->sha256 && EVP_DigestUpdate(body->sha256, bytes.ptr, bytes.len) != 1))
        return mf_fail(err, MF_INTERNAL, "hashing an object failed");
    body->size += (int64_t)bytes.len;
    return MF_OK;
}

enum mf_code mf_body_end(struct mf_body *body, struct mf_error *err)
{
    const struct mf_sys *sys = body->objects->sys;
    if ((body->md5 && EVP_DigestFinal_ex(body->md5, body->md5_bytes, &body->md5_len) != 1) ||
        (body->sha256 && EVP_DigestFinal_ex(body->sha256, body->sha256_bytes, &body->sha256_len) != 1))
        return mf_fail(err, MF_INTERNAL, "hashing an object failed");
    if (body->fd < 0)
        return MF_OK;
    if (sys->fsync(sys->ctx, body->fd) != 0 || sys->fsync(sys->ctx, body->objects->dir_fd) != 0)
        return fail_disk(err, "make a file durable");
    if (close(body->fd) != 0) {
        body->fd = -1;
        return fail_disk(err, "close a file");
    }
    body->fd = -1;
    return MF_OK;
}

int64_t mf_body_size(const struct mf_body *body)
{
    return body->size;
}

struct mf_str mf_body_bytes(const struct mf_body *body)
{
    return body->file[0] ? MF_STR_EMPTY : mf_buf_str(&body->memory);
}

const char *mf_body_file(const struct mf_body *body)
{
    return body->file;
}

struct mf_str mf_body_md5(const struct mf_body *body)
{
    return mf_str_make(body->md5_bytes, body->md5_len);
}

struct mf_str mf_body_sha256(const struct mf_body *body)
{
    return mf_str_make(body->sha256_bytes, body->sha256_len);
}

void mf_body_keep(struct mf_body *body)
{
    body->kept = true;
}

void mf_body_free(struct mf_body *body)
{
    if (!body)
        return;
    if (body->fd >= 0)
        close(body->fd);
    if (!body->kept)
        mf_objects_unlink(body->objects, body->file);
    EVP_MD_CTX_free(body->md5);
    EVP_MD_CTX_free(body->sha256);
    mf_buf_free(&body->memory);
    mf_objects_unref(body->objects);
    free(body);
}
