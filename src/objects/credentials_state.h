/* What credentials.c and credentials_fetch.c share. */
#ifndef MF_OBJECTS_CREDENTIALS_STATE_H
#define MF_OBJECTS_CREDENTIALS_STATE_H

#include "objects/credentials.h"

#include <pthread.h>

#define MF_CREDENTIALS_ADVICE                                                                                \
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or AWS_ROLE_ARN and "                     \
    "AWS_WEB_IDENTITY_TOKEN_FILE, or give this machine or container a role"

struct mf_credentials {
    struct mf_credentials_config config;
    struct mf_arena *arena;
    enum mf_credentials_source source;

    pthread_mutex_t lock;
    struct mf_arena *current; /* guarded by lock, as is what follows: the keys, NULL before the first */
    struct mf_keys keys;
    bool refused;
    bool busy; /* others are being fetched, by whoever has set it */
    struct mf_keys_want *wants;
    int64_t not_before_ns;
    uint64_t refreshes;

    /* Of who is busy. */
    struct mf_arena *work;
    struct mf_fetch fetch;
    struct mf_header headers[2];
    int tries;
    /* What is done with the answer to fetch, which has status 200. */
    void (*answered)(struct mf_credentials *c);
    const char *asked; /* for messages: who was */
};

struct mf_str mf_credentials_variable(const struct mf_credentials *c, const char *name); /* "" when absent */
void mf_credentials_fetch(struct mf_credentials *c);
/* Each ends, at once or later, in mf_credentials_finish. */
void mf_credentials_assume(struct mf_credentials *c, struct mf_str role, struct mf_str token_file);
void mf_credentials_ask_container(struct mf_credentials *c);
void mf_credentials_ask_instance(struct mf_credentials *c);
void mf_credentials_finish(struct mf_credentials *c, enum mf_code code, const struct mf_keys *keys,
                           const struct mf_error *cause);

#endif
