/*
 * Requests to one bucket on an S3 server: signed, with a deadline, tried again when the network or the server
 * has a bad moment (each of them may be sent twice without harm), and refused at once while the server is out
 * of reach. Only files of this folder include this.
 *
 * Failures: MF_NOT_FOUND, MF_RESOURCE_EXHAUSTED (too long an answer, too many requests), MF_UNAVAILABLE (out
 * of reach, refused, wrong keys: whoever called cannot help it), MF_FAILED_PRECONDITION (the same at start,
 * where the message says what to do).
 */
#ifndef MF_OBJECTS_REMOTE_H
#define MF_OBJECTS_REMOTE_H

#include "objects/credentials.h"
#include "objects/object.h"
#include "objects/sigv4.h"

struct mf_remote;

/* Reads the configuration; asks nobody yet. MF_INVALID_ARGUMENT says which key is wrong. */
enum mf_code mf_remote_new(const struct mf_sys *sys, const struct mf_bucket_config *config,
                           struct mf_remote **out, struct mf_error *err) MF_CHECK_RESULT;
/* Ends what is under way, whose done is called with MF_UNAVAILABLE, and refuses what comes. */
void mf_remote_stop(struct mf_remote *remote);
void mf_remote_free(struct mf_remote *remote); /* after stop; NULL is fine */

struct mf_str mf_remote_base(const struct mf_remote *remote); /* "s3://bucket/folder" */
bool mf_remote_is_google(const struct mf_remote *remote);
enum mf_credentials_source mf_remote_source(const struct mf_remote *remote);
#define MF_REMOTE_PROBE_NAME MF_STR(".mayfly") /* of the object that is written to see whether that goes */
#define MF_REMOTE_PROBE_BODY MF_STR("mayfly writes this to see whether it can\n")
/* The name as it is in the bucket; .ptr NULL when memory ran out. */
struct mf_str mf_remote_key(const struct mf_remote *remote, struct mf_arena *arena, struct mf_str name);
/* Of the server, as clients are told: "https://host" with the bucket in it for the style of virtual hosts;
 * empty when it is AWS's own. */
struct mf_str mf_remote_endpoint(const struct mf_remote *remote, struct mf_arena *arena);
bool mf_remote_is_virtual(const struct mf_remote *remote);
struct mf_str mf_remote_region(const struct mf_remote *remote);
const char *mf_remote_variable(const struct mf_remote *remote, const char *name); /* or NULL */

/* Embedded in an object of the caller's, who owns it until done was called. Zero it, then fill in. */
struct mf_remote_call {
    struct mf_str method;
    struct mf_str name; /* below the base; of the request that is not about one object: .ptr NULL */
    const struct mf_param *params;
    size_t param_count;
    struct mf_str body, content_type;
    size_t answer_max; /* bytes; 0: 1 MiB */
    bool checksum;     /* sends one of the body along; asks for one of the answer */
    bool probe;        /* goes out although the server is out of reach, once */
    uint32_t delay_ms; /* before it begins */
    bool strict; /* failures are MF_FAILED_PRECONDITION with what to do; no second try when that is clear */
    /* On the calling thread or on that of outgoing requests. Must not block. */
    void (*done)(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err);

    /* The answer, until done returns: mf_fetch_header(&call->fetch, …) and this. */
    struct mf_str answer;

    /* The remote's. */
    struct mf_remote *remote;
    struct mf_arena *arena;
    struct mf_fetch fetch;
    struct mf_keys_want want;
    struct mf_header headers[12];
    struct mf_str hash, sum;             /* of the body: in hex, and in base64 */
    int64_t retry_until_ns, deadline_ns; /* monotonic */
    int tries;
    bool out_of_reach; /* it has failed because the server does not answer, or not sensibly */
};
void mf_remote_start(struct mf_remote *remote, struct mf_remote_call *call);
/* Starts it and waits. The answer is copied into the arena and left in call->answer. MF_UNAVAILABLE when too
 * many wait already and the server answers none of them. */
enum mf_code mf_remote_run(struct mf_remote *remote, struct mf_arena *arena, struct mf_remote_call *call,
                           void (*read)(struct mf_remote_call *call, void *ctx), void *ctx,
                           struct mf_error *err) MF_CHECK_RESULT;

/* For a thread that has waited for a request: gives back what OpenSSL keeps for it. The helpers of an event
 * loop end later than OpenSSL does. */
void mf_remote_forget_thread(void);

/* A URL for one request by somebody else. Waits for keys. */
enum mf_code mf_remote_link(struct mf_remote *remote, struct mf_arena *arena, struct mf_str name,
                            const struct mf_presign *request, struct mf_str *url,
                            struct mf_error *err) MF_CHECK_RESULT;
/* The keys of this moment. Waits for them. */
enum mf_code mf_remote_keys(struct mf_remote *remote, struct mf_arena *arena, struct mf_keys *out,
                            struct mf_error *err) MF_CHECK_RESULT;

/* How it does. Any thread. */
void mf_remote_stats(struct mf_remote *remote, struct mf_objects_stats *out);
bool mf_remote_trouble(struct mf_remote *remote, char *text, size_t size);

#endif
