/*
 * Requests to the API server of one cluster, JSON both ways.
 *
 * Everything is called on the loop that was given; done comes there, too. Requests run on a thread of the
 * cluster's own, many at once over one connection. What the server refuses for being busy (429, or 503 with
 * Retry-After) is asked again after the time it names, a few times; anything else is left to the caller, who
 * knows whether it may be asked again.
 *
 * Codes: MF_UNAUTHENTICATED, MF_PERMISSION_DENIED, MF_NOT_FOUND, MF_ALREADY_EXISTS, MF_ABORTED (a conflict of
 * versions), MF_OUT_OF_RANGE (a version that is gone), MF_INVALID_ARGUMENT (the object),
 * MF_RESOURCE_EXHAUSTED (a quota, a busy server, too long an answer), MF_UNAVAILABLE, MF_DEADLINE_EXCEEDED,
 * MF_CANCELED. Messages begin with the cluster's name and say what to do.
 */
#ifndef MF_KUBE_CLIENT_H
#define MF_KUBE_CLIENT_H

#include "base/arena.h"
#include "kube/access.h"
#include "kube/node.h"
#include "net/fetch.h"
#include "net/loop.h"

struct mf_kube;

struct mf_kube_config {
    const struct mf_sys *sys;
    struct mf_loop *loop;
    struct mf_kube_access access; /* copied, with what it points to */
    const char *ca_file;          /* when access names no authorities; NULL: the system's */
    uint32_t running;             /* requests at once; 0: 64 */
};

/* Embedded in an object of the caller's, who owns the memory, arena included, until done was called. Zero it,
 * then fill in. */
struct mf_kube_request {
    struct mf_arena *arena; /* the answer goes here; nobody else uses it meanwhile */
    struct mf_str method;   /* empty: GET */
    struct mf_str path;     /* from "/" on, with the query */
    struct mf_str body;
    struct mf_str content_type; /* empty: application/json */
    uint32_t timeout_ms;        /* 0: 30 s */
    size_t answer_bytes;        /* longest answer; 0: 8 MiB */
    void (*done)(struct mf_kube_request *request);

    enum mf_code code;
    struct mf_error err;
    int status;            /* 0: there was no answer */
    const mf_node *answer; /* what was asked for, or the server's reason; may be NULL */

    /* The client's. */
    struct mf_kube *kube;
    struct mf_fetch fetch;
    struct mf_header headers[5];
    struct mf_work back;
    uint32_t tries;
};

/* No request is made yet. */
enum mf_code mf_kube_open(const struct mf_kube_config *config, struct mf_kube **out,
                          struct mf_error *err) MF_CHECK_RESULT;
/* Ends what runs: done comes with MF_CANCELED, on the loop. Blocks for a moment. */
void mf_kube_stop(struct mf_kube *kube);
void mf_kube_close(struct mf_kube *kube); /* after stop, and all done; NULL is fine */
struct mf_str mf_kube_name(const struct mf_kube *kube);
struct mf_loop *mf_kube_loop(const struct mf_kube *kube);
const struct mf_sys *mf_kube_sys(const struct mf_kube *kube);

/* Never fails: what cannot be started is told through done, later. */
void mf_kube_start(struct mf_kube *kube, struct mf_kube_request *request);

/* For kube/watch.c: a request that is not ours to finish. Fills url, headers and TLS of the fetch; the
 * headers' texts and the URL live in the arena. */
#define MF_KUBE_HEADERS 5
enum mf_code mf_kube_prepare(struct mf_kube *kube, struct mf_arena *arena, struct mf_str path,
                             struct mf_header headers[MF_KUBE_HEADERS], struct mf_fetch *fetch,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_kube_fetch(struct mf_kube *kube, struct mf_fetch *fetch);
void mf_kube_cancel(struct mf_kube *kube, struct mf_fetch *fetch);
/* What an answer that is no success means. answer is the server's Status, or NULL. */
enum mf_code mf_kube_judge(const struct mf_kube *kube, int status, const mf_node *answer, struct mf_str path,
                           struct mf_error *err);

#endif
