/*
 * The public keys of an issuer (RFC 7517) and signatures made with them: RS256 and ES256, RSA keys of 2048 to
 * 8192 bits, P-256. Keys of other kinds in a set are passed over. A set is constant once read; any thread may
 * verify with it.
 */
#ifndef MF_IDENTITY_JWKS_H
#define MF_IDENTITY_JWKS_H

#include "identity/jwt.h"

struct mf_jwks;

#define MF_JWKS_KEYS_MAX 32

/* MF_UNAVAILABLE when the text is no key set. arena is for reading only. */
enum mf_code mf_jwks_read(struct mf_arena *arena, struct mf_str json, struct mf_jwks **out,
                          struct mf_error *err) MF_CHECK_RESULT;
void mf_jwks_free(struct mf_jwks *set); /* NULL is fine */
/* MF_NOT_FOUND when the set has no key of that name for that algorithm: newer keys may have it.
 * MF_UNAUTHENTICATED for an algorithm that is not accepted and for a signature that does not hold. */
enum mf_code mf_jwks_verify(const struct mf_jwks *set, const struct mf_jwt *jwt,
                            struct mf_error *err) MF_CHECK_RESULT;

#endif
