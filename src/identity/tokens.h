/*
 * What is known of tokens that were verified, by the hash of the token: bounded in number and time. Any
 * thread.
 */
#ifndef MF_IDENTITY_TOKENS_H
#define MF_IDENTITY_TOKENS_H

#include "base/arena.h"
#include "base/sys.h"
#include "rpc/caller.h"

/* The texts of a caller: X(field). */
#define MF_CALLER_TEXTS(X)                                                                                   \
    X(subject)                                                                                               \
    X(email)                                                                                                 \
    X(given_name)                                                                                            \
    X(family_name)                                                                                           \
    X(name)                                                                                                  \
    X(preferred_username)                                                                                    \
    X(picture)

#define MF_TOKENS_MAX 4096
#define MF_TOKEN_HASH_BYTES 32

struct mf_tokens;

struct mf_tokens *mf_tokens_new(const struct mf_sys *sys, int64_t kept_ns); /* NULL when memory ran out */
void mf_tokens_free(struct mf_tokens *tokens);                              /* NULL is fine */
/* Copied into the arena; false when it is not known (any more) or memory ran out. */
bool mf_tokens_get(struct mf_tokens *tokens, struct mf_arena *arena, const unsigned char *hash,
                   struct mf_caller *out);
/* Kept until expires_ns (wall clock) or for kept_ns, whichever ends first. When there is no room the expired
 * ones go, and if that does not help, all: they are verified again. */
void mf_tokens_put(struct mf_tokens *tokens, const unsigned char *hash, const struct mf_caller *caller,
                   int64_t expires_ns);

#endif
