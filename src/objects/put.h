/*
 * The command that makes a received body an object. It replaces the row, and after the commit the file of the
 * body that was there before is unlinked; who has it open reads on.
 */
#ifndef MF_OBJECTS_PUT_H
#define MF_OBJECTS_PUT_H

#include "objects/body.h"
#include "store/object.h"

struct mf_put {
    struct mf_command command; /* filled by mf_put_prepare */
    struct mf_objects *objects;
    struct mf_object_row
        row;              /* bucket, name, etag, content_type, meta; the rest is filled by mf_put_prepare */
    struct mf_body *body; /* ended; owned from mf_put_submit on. NULL: row is complete but for bucket */
    bool only_new;        /* MF_ALREADY_EXISTS when there is an object of that name */
    struct mf_str upload_id; /* of the multipart upload that this completes: MF_NOT_FOUND when it is gone */
    const struct mf_str *part_files; /* to be unlinked with it */
    size_t part_count;
    char old_file[MF_OBJECT_FILE_MAX];
    /* On the writer's thread. The mf_put may be freed there; its body is freed already. */
    void (*done)(struct mf_put *put, enum mf_code code, const struct mf_error *err);
};

/* The memory of put and of what its row points to must stay until done. */
void mf_put_submit(struct mf_put *put);
/* For whoever runs put->command otherwise; command.done must come to be called. */
void mf_put_prepare(struct mf_put *put);
/* The part that runs inside a transaction, for a put that is a piece of another command. */
enum mf_code mf_put_apply(struct mf_put *put, struct mf_tx *tx, struct mf_error *err) MF_CHECK_RESULT;
/* The etag of a body that came in one piece: its MD5 in hex. */
void mf_put_etag(struct mf_str md5, char etag[33]);

#endif
