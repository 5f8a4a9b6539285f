/*
 * Outgoing HTTP: a request is handed over with a place for its answer, and done is called when it is there.
 *
 * Nothing exists before the first request: then libcurl is opened (a server that never calls anyone does not
 * carry it) and a thread of its own begins. So many requests run at once, so many more wait, and beyond that
 * they are refused. Only http and https are spoken; a redirection is followed only when asked for and within
 * the scheme. Proxies are those of the environment (https_proxy, no_proxy …).
 *
 * An answer with any status is a success here; failures are MF_UNAVAILABLE (could not reach or speak),
 * MF_DEADLINE_EXCEEDED, MF_RESOURCE_EXHAUSTED (too long an answer, too many requests), MF_INVALID_ARGUMENT
 * (the URL), MF_CANCELED.
 */
#ifndef MF_NET_FETCH_H
#define MF_NET_FETCH_H

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "base/sys.h"
#include "net/http.h"

struct mf_fetcher;

struct mf_fetcher_config {
    const struct mf_sys *sys;
    const char *ca_file; /* PEM of the authorities that are trusted; NULL: the system's */
    uint32_t running;    /* requests at once; 0: 16 */
    uint32_t waiting;    /* more that may wait; 0: 1024 */
};

/* Whom a request trusts, and how it shows who asks; PEM, empty: as the fetcher. */
struct mf_fetch_tls {
    struct mf_str ca, cert, key;
    bool insecure; /* whoever answers is trusted */
};

/* Embedded in an object of the caller's, who owns the memory until done was called. Zero it, then fill in; it
 * may be started again once done was called. */
struct mf_fetch {
    const char *url;
    struct mf_str method; /* empty: GET */
    const struct mf_header *headers;
    size_t header_count;
    struct mf_str body;
    uint32_t delay_ms;     /* before it begins */
    uint32_t timeout_ms;   /* for everything together, from then on; 0: 10 s */
    size_t response_bytes; /* longest answer; 0: 1 MiB */
    uint32_t redirects;    /* that are followed */
    bool keep_head;        /* mf_fetch_header will be asked */
    uint32_t idle_ms;      /* without a byte, before it is given up; whole seconds; 0: no such bound */
    const struct mf_fetch_tls *tls; /* may be NULL */
    bool direct;                    /* not by a proxy: for servers of this machine or of its cloud */
    /* Takes the body piece by piece as it comes, status is known then; response stays empty. False ends the
     * request with MF_CANCELED. On the fetcher's thread, must not block. NULL: the body is collected. */
    bool (*on_data)(struct mf_fetch *fetch, struct mf_str bytes);
    /* On the fetcher's thread, or before mf_fetch_start returns when nothing was started. Must not block. */
    void (*done)(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err);

    /* The answer, until done returns; of one that is too long status and retry_after_s are known. */
    int status;
    struct mf_str response;
    struct mf_str content_type; /* empty when there was none */
    int64_t retry_after_s;      /* of the header; -1: none */

    /* The fetcher's. */
    struct mf_fetcher *fetcher;
    struct mf_fetch *next;
    int64_t due_ns;
    void *easy, *list;
    struct mf_buf received, head;
    bool too_long, canceled, begun, refused;
    char detail[256]; /* what went wrong, in libcurl's words */
};

/* The fetcher does not start a thread before the first request. */
enum mf_code mf_fetcher_new(const struct mf_fetcher_config *config, struct mf_fetcher **out,
                            struct mf_error *err) MF_CHECK_RESULT;
/* Ends what runs and waits (done with MF_CANCELED), refuses what comes later, and waits for the thread. */
void mf_fetcher_stop(struct mf_fetcher *fetcher);
void mf_fetcher_free(struct mf_fetcher *fetcher); /* after stop; NULL is fine */

/* Any thread. Never fails: what cannot be started is told through done. */
void mf_fetch_start(struct mf_fetcher *fetcher, struct mf_fetch *fetch);
/* Any thread, before done was called: done follows soon, with MF_CANCELED unless the answer came first. */
void mf_fetch_cancel(struct mf_fetcher *fetcher, struct mf_fetch *fetch);
/* A header of the answer, by its name in any case; until done returns. .ptr NULL: there is none. */
struct mf_str mf_fetch_header(const struct mf_fetch *fetch, const char *name);

#endif
