/*
 * The issuer of tokens (OpenID Connect): its discovery document and its keys, fetched when a token first
 * needs them, renewed in the background once they are an hour old, and at once (though not more often than
 * every few seconds) when a token names a key that is not known. Keys that cannot be renewed stay good for a
 * day. Any thread.
 */
#ifndef MF_IDENTITY_AUTHORITY_H
#define MF_IDENTITY_AUTHORITY_H

#include "identity/jwt.h"
#include "net/fetch.h"

struct mf_authority;

struct mf_authority_config {
    const struct mf_sys *sys;
    struct mf_fetcher *fetcher; /* stopped before mf_authority_free */
    struct mf_str issuer;       /* URL; must equal the claim "iss" */
    struct mf_str audience;     /* one of the claim "aud"; empty: not looked at */
};

enum mf_code mf_authority_new(const struct mf_authority_config *config, struct mf_authority **out,
                              struct mf_error *err) MF_CHECK_RESULT;
void mf_authority_free(struct mf_authority *authority); /* NULL is fine */

enum mf_verified {
    MF_VERIFIED,
    MF_VERIFY_REFUSED,    /* err: MF_UNAUTHENTICATED */
    MF_VERIFY_NEEDS_KEYS, /* refresh, and try once more; err is what to say when that does not help */
};

/* Signature, issuer, audience, times, subject. The claims alias the token and the arena. */
enum mf_verified mf_authority_verify(struct mf_authority *authority, struct mf_arena *arena,
                                     struct mf_str token, struct mf_claims *out, struct mf_error *err);

/* Embedded in the object of whoever waits. */
struct mf_authority_wait {
    /* refused is NULL when there are newer keys. On the fetcher's thread, or before mf_authority_refresh
     * returns. */
    void (*done)(struct mf_authority_wait *wait, const struct mf_error *refused);
    struct mf_authority_wait *next;
};

void mf_authority_refresh(struct mf_authority *authority, struct mf_authority_wait *wait);
/* Where profiles are found; NULL when the issuer has no such place, is not known yet, or memory ran out. */
const char *mf_authority_userinfo_url(struct mf_authority *authority, struct mf_arena *arena);

#endif
