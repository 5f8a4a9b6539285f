/*
 * The keys that requests to a bucket elsewhere are signed with, from the first of these that is there:
 *
 *   environment   AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN when they are temporary
 *   web identity  AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: a role is assumed at the token service
 *   files         the profile AWS_PROFILE ("default") of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and
 *                 AWS_CONFIG_FILE (~/.aws/config): keys, or web_identity_token_file and role_arn
 *   container     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI
 *   instance      the metadata service of the machine, version 2, unless AWS_EC2_METADATA_DISABLED=true
 *
 * Which one it is is decided once. Temporary keys are replaced five minutes before they expire; nobody waits
 * for that as long as the old ones are good. Keys of files are read again when a server refuses them.
 */
#ifndef MF_OBJECTS_CREDENTIALS_H
#define MF_OBJECTS_CREDENTIALS_H

#include "base/arena.h"
#include "net/fetch.h"

struct mf_credentials;

enum mf_credentials_source {
    MF_CREDENTIALS_ENVIRONMENT,
    MF_CREDENTIALS_WEB_IDENTITY,
    MF_CREDENTIALS_FILES,
    MF_CREDENTIALS_CONTAINER,
    MF_CREDENTIALS_INSTANCE,
};

struct mf_credentials_config {
    const struct mf_sys *sys;
    struct mf_fetcher *fetcher; /* must be stopped before mf_credentials_free */
    struct mf_str region;       /* whose token service is asked */
    const char *(*variable)(void *ctx, const char *name);
    void *variable_ctx;
};

/* MF_FAILED_PRECONDITION when a profile that was asked for is not there, or a file cannot be read. */
enum mf_code mf_credentials_new(const struct mf_credentials_config *config, struct mf_credentials **out,
                                struct mf_error *err) MF_CHECK_RESULT;
void mf_credentials_free(struct mf_credentials *credentials); /* NULL is fine */
enum mf_credentials_source mf_credentials_source(const struct mf_credentials *credentials);
uint64_t mf_credentials_refreshes(struct mf_credentials *credentials); /* any thread */

struct mf_keys {
    struct mf_str access, secret, token; /* token: empty when they are not temporary */
    int64_t expires_ns;                  /* wall clock; 0: never */
};

/* Embedded in an object of the caller's, who owns it until done was called. */
struct mf_keys_want {
    struct mf_arena *arena; /* that the keys are copied into */
    /* On the calling thread or on that of the fetcher. Must not block. */
    void (*done)(struct mf_keys_want *want, enum mf_code code, const struct mf_error *err);
    struct mf_keys keys;
    struct mf_keys_want *next;
};
/* Any thread. MF_UNAVAILABLE when they cannot be had now, MF_FAILED_PRECONDITION when there are none. */
void mf_credentials_want(struct mf_credentials *credentials, struct mf_keys_want *want);
/* The server calls the keys invalid or expired: others are fetched before they are used again. */
void mf_credentials_refused(struct mf_credentials *credentials, struct mf_str access);

#endif
