/*
 * What a place for objects can do. There are two kinds: the embedded store (embedded.c) and a bucket
 * elsewhere (bucket.c). object.c finds the place by the URI and checks the name. Only files of this folder
 * include this.
 *
 * read, look, any and presign may block, as object.h says; put does not wait.
 */
#ifndef MF_OBJECTS_DRIVER_H
#define MF_OBJECTS_DRIVER_H

#include "objects/object.h"

struct mf_object_look {
    bool exists;
    int64_t size;
    struct mf_str md5; /* 16 bytes; empty when it is not known */
};

struct mf_object_put {
    struct mf_str name, bytes, content_type; /* must stay until done */
    void (*done)(void *ctx, enum mf_code code, const struct mf_error *err);
    void *ctx;
};

struct mf_driver {
    enum mf_code (*read)(void *self, struct mf_arena *arena, struct mf_str name, size_t max,
                         struct mf_str *out, struct mf_error *err);
    /* An object that is not there is no failure. */
    enum mf_code (*look)(void *self, struct mf_arena *arena, struct mf_str name, struct mf_object_look *out,
                         struct mf_error *err);
    enum mf_code (*any)(void *self, struct mf_arena *arena, struct mf_str prefix, bool *found,
                        struct mf_error *err);
    void (*put)(void *self, const struct mf_object_put *put);
    enum mf_code (*presign)(void *self, struct mf_arena *arena, struct mf_str name,
                            const struct mf_presign *request, struct mf_str *url, struct mf_error *err);
    enum mf_code (*variables)(void *self, struct mf_arena *arena, struct mf_object_variables *out,
                              struct mf_error *err);
};

extern const struct mf_driver mf_embedded_driver; /* self: the struct mf_objects */
extern const struct mf_driver mf_bucket_driver;   /* self: a struct mf_bucket */

#endif
