/*
 * The metadata of the authorization server (RFC 8414), fetched for clients that may not reach or know it.
 * An answer is kept for five minutes; a server in trouble is asked again for up to ten seconds; whoever asks
 * meanwhile waits for the same answer. Any thread.
 */
#ifndef MF_IDENTITY_METADATA_H
#define MF_IDENTITY_METADATA_H

#include "base/arena.h"
#include "gen/flyteidl2/auth/auth_service.pb.h"
#include "net/fetch.h"

struct mf_metadata_source;

enum mf_code mf_metadata_new(const struct mf_sys *sys, struct mf_fetcher *fetcher, struct mf_str url,
                             struct mf_metadata_source **out, struct mf_error *err) MF_CHECK_RESULT;
/* After the fetcher has stopped; NULL is fine. */
void mf_metadata_free(struct mf_metadata_source *source);

/* Embedded in the object of whoever asks. */
struct mf_metadata_wait {
    /* metadata lives until done returns. On the fetcher's thread, or before mf_metadata_ask returns.
     * MF_UNAVAILABLE: try again; MF_FAILED_PRECONDITION: the server or its address is wrong. */
    void (*done)(struct mf_metadata_wait *wait, const struct pb_auth_GetOAuth2MetadataResponse *metadata,
                 const struct mf_error *err);
    struct mf_metadata_wait *next;
};

void mf_metadata_ask(struct mf_metadata_source *source, struct mf_metadata_wait *wait);

#endif
