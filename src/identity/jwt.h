/* JSON Web Tokens (RFC 7519) in compact form, and the claims in them. Nothing here verifies. Pure. */
#ifndef MF_IDENTITY_JWT_H
#define MF_IDENTITY_JWT_H

#include "base/arena.h"
#include "rpc/caller.h"

#define MF_JWT_MAX ((size_t)32 << 10)

struct mf_jwt {
    struct mf_str signed_text; /* header.payload as it came */
    struct mf_str signature;   /* bytes */
    struct mf_str payload;     /* JSON */
    struct mf_str alg, kid;    /* of the header; kid may be empty */
};

/* Aliases text. MF_UNAUTHENTICATED when it is no token, or has a header that must be understood and is not.
 */
enum mf_code mf_jwt_split(struct mf_arena *arena, struct mf_str text, struct mf_jwt *out,
                          struct mf_error *err) MF_CHECK_RESULT;

struct mf_claims {
    struct mf_caller caller; /* of sub, email, given_name, family_name, name, preferred_username, picture */
    struct mf_str issuer;
    const struct mf_str *audiences;
    size_t audience_count;
    bool expires;
    double expires_at, not_before; /* seconds since 1970; not_before 0: none */
};

/* Of a payload, or of the answer of a userinfo endpoint. MF_UNAUTHENTICATED when it is no JSON object, or a
 * claim is not of its kind. */
enum mf_code mf_claims_read(struct mf_arena *arena, struct mf_str json, struct mf_claims *out,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
