/*
 * One request to the S3 endpoint. It lives on the loop of its exchange; what blocks is done in steps on
 * worker threads, at most one at a time, and what the request holds belongs to whoever is at work on it. Only
 * files of this folder include this.
 *
 *     loop: mf_s3_do(s, step, next)  →  worker: step(s) … mf_s3_return(s)  →  loop: next(s)
 */
#ifndef MF_OBJECTS_S3_H
#define MF_OBJECTS_S3_H

#include "base/buf.h"
#include "objects/put.h"
#include "objects/sigv4.h"
#include "rpc/server.h"

/* X(name, HTTP status, message when there is no better one) */
#define MF_S3_FAULTS(X)                                                                                      \
    X(AccessDenied, 403, "Access denied; sign the request with the keys of this server's object store.")     \
    X(SignatureDoesNotMatch, 403,                                                                            \
      "The signature does not fit the request; check the secret key and that nothing "                       \
      "on the way changes the request.")                                                                     \
    X(InvalidAccessKeyId, 403,                                                                               \
      "This server has no such access key; its own are in client.env of its data directory.")                \
    X(RequestTimeTooSkewed, 403, "The clocks of client and server differ by more than 15 minutes.")          \
    X(AuthorizationHeaderMalformed, 400,                                                                     \
      "The signature is malformed; version 4 for the service s3 is expected.")                               \
    X(NoSuchKey, 404, "There is no object of that name.")                                                    \
    X(NoSuchUpload, 404, "There is no such upload; it was completed or aborted, or has expired.")            \
    X(InvalidArgument, 400, "An argument is invalid.")                                                       \
    X(InvalidURI, 400, "The address cannot be read; check its percent-encoding.")                            \
    X(InvalidRange, 416, "The range lies outside the object.")                                               \
    X(PreconditionFailed, 412, "A condition of the request does not hold.")                                  \
    X(NotModified, 304, "")                                                                                  \
    X(InvalidDigest, 400, "Content-MD5 is not the base64 form of 16 bytes.")                                 \
    X(BadDigest, 400, "The body does not have the MD5 that was announced; send it again.")                   \
    X(XAmzContentSHA256Mismatch, 400, "The body does not have the SHA-256 that was signed; send it again.")  \
    X(EntityTooLarge, 400, "The object is larger than this server allows (object-bytes).")                   \
    X(MetadataTooLarge, 400, "The metadata of an object have at most 8 KiB.")                                \
    X(IncompleteBody, 400, "The body has not the length that was announced, or ends within a piece.")        \
    X(MalformedXML, 400, "The body is not the XML that belongs to this request.")                            \
    X(InvalidPart, 400, "A part was not uploaded, or has another ETag.")                                     \
    X(InvalidPartOrder, 400, "The parts are not in rising order.")                                           \
    X(MethodNotAllowed, 405, "This method is not for that address.")                                         \
    X(NotImplemented, 501, "This part of S3 is not offered here.")                                           \
    X(SlowDown, 503, "The server is busy; try again in a second.")                                           \
    X(ServiceUnavailable, 503, "The object store cannot serve now; try again.")                              \
    X(InternalError, 500, "The server made a mistake; its log tells more.")

enum mf_s3_fault {
    MF_S3_OK = 0,
#define MF_S3_FAULT_ENUM(name, status, message) MF_S3_##name,
    MF_S3_FAULTS(MF_S3_FAULT_ENUM)
#undef MF_S3_FAULT_ENUM
};

struct mf_s3;

/* How the body of a request is taken: not at all, whole and small before begin, or piece by piece after it.
 */
enum mf_s3_body { MF_S3_NO_BODY, MF_S3_SMALL_BODY, MF_S3_STREAMED_BODY };

struct mf_s3 {
    struct mf_objects *objects;
    struct mf_arena *arena;

    /* Of the loop. */
    struct mf_loop *loop;
    struct mf_exchange *exchange; /* NULL once it is closed */
    unsigned pins;                /* callbacks under way, during which s is not freed */
    bool busy;                    /* a step is under way or on its way back */
    bool paused, ended, answered, streaming, starved;
    enum mf_s3_body takes;
    void (*begin)(struct mf_s3 *s);
    void (*next)(struct mf_s3 *s);

    pthread_mutex_t lock;
    bool closed; /* under lock */

    struct mf_work work, back;
    void (*step)(struct mf_s3 *s);

    struct mf_sigv4_request request; /* copied: it outlives the exchange */
    struct mf_str target, name, payload, checksum_text;

    /* Of whoever is at work. */
    enum mf_s3_fault fault;
    char message[256];
    struct mf_buf in; /* request body that no step has taken yet */
    struct mf_buf out;
    struct mf_body *body;
    struct mf_chunked *chunked;   /* of a body that comes in signed pieces */
    struct mf_checksum *checksum; /* that the client has announced */
    struct mf_put put;
    char etag[48];
    int fd;      /* of a body that is sent or copied */
    void *state; /* of the operation; in the arena */
    struct {
        const struct mf_str *files;
        size_t count, index;
        void (*submit)(struct mf_s3 *s);
    } gather;
};

void mf_s3_do(struct mf_s3 *s, void (*step)(struct mf_s3 *s), void (*next)(struct mf_s3 *s));
/* Once per step, at its very end, by the step or by the completion of the command it has submitted; s is not
 * to be touched afterwards. When a fault is set, the loop answers with it instead of calling next. */
void mf_s3_return(struct mf_s3 *s);
/* On a worker: the step itself once more, after others have had their turn. */
void mf_s3_again(struct mf_s3 *s);

/* The first fault stays. */
void mf_s3_fail(struct mf_s3 *s, enum mf_s3_fault fault, const char *message);
void mf_s3_fail_error(struct mf_s3 *s, const struct mf_error *err);

/* On the loop. */
void mf_s3_answer(struct mf_s3 *s, int status, const struct mf_header *headers, size_t count,
                  struct mf_str body);
void mf_s3_answer_xml(struct mf_s3 *s); /* 200 with s->out */
void mf_s3_answer_fault(struct mf_s3 *s);

struct mf_str mf_s3_header(const struct mf_s3 *s, const char *name); /* .ptr NULL when absent */
struct mf_str mf_s3_param(const struct mf_s3 *s, const char *name);

/* The operations; each begins on the loop. */
void mf_s3_get(struct mf_s3 *s);
void mf_s3_put(struct mf_s3 *s);
void mf_s3_put_part(struct mf_s3 *s);
void mf_s3_copy(struct mf_s3 *s);
void mf_s3_delete(struct mf_s3 *s);
void mf_s3_delete_many(struct mf_s3 *s);
void mf_s3_list(struct mf_s3 *s);
void mf_s3_create_upload(struct mf_s3 *s);
void mf_s3_complete_upload(struct mf_s3 *s);
void mf_s3_abort_upload(struct mf_s3 *s);
void mf_s3_list_parts(struct mf_s3 *s);
/* The body of a PUT has come to its end; called by s3.c. */
void mf_s3_put_more(struct mf_s3 *s);
/* There is room for more of a body that is sent; called by s3.c. */
void mf_s3_get_more(struct mf_s3 *s);

/* On a worker, as the rest of a step: adds the content of the files to s->body, in order and in several
 * turns, ends it and fills s->put up to what belongs to the metadata; then submit does the rest. */
void mf_s3_gather(struct mf_s3 *s, const struct mf_str *files, size_t count, void (*submit)(struct mf_s3 *s));

/* What a GET gives back of a PUT's headers, as a blob for the row. */
bool mf_s3_meta_read(struct mf_s3 *s, struct mf_str *content_type, struct mf_str *meta);
/* Appends the headers that a blob holds; returns their number, at most max. */
size_t mf_s3_meta_headers(struct mf_str meta, struct mf_header *headers, size_t max);
#define MF_S3_META_MAX 64

#endif
