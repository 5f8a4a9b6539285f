/*
 * Finds out who makes a call (rpc/caller.h), in this order:
 *   0. the key of a task in the path: whoever has created its run (identity/task_key.h);
 *   1. a header with a JSON Web Token that a proxy has verified, or headers with subject and email; both only
 *      when the configuration says that a proxy in front sets them, since anyone can send a header;
 *   2. a bearer token: verified when an issuer is configured (identity/authority.h), else only believed when
 *      the headers are.
 * With an issuer, calls that prove nobody are refused, but for those that a client needs to find the issuer,
 * health and reflection. A profile that the token does not hold is fetched from the issuer's userinfo
 * endpoint; without an answer the call goes on with what the token says. What was found is kept, by the hash
 * of the token, until the token expires, at most a day.
 */
#ifndef MF_IDENTITY_IDENTIFY_H
#define MF_IDENTITY_IDENTIFY_H

#include "identity/authority.h"
#include "rpc/server.h"
#include "store/store.h"

struct mf_identities;

struct mf_identities_config {
    const struct mf_sys *sys;
    struct mf_fetcher *fetcher;
    struct mf_authority *authority; /* NULL: nobody has to sign in */
    bool trust_headers;
    const char *claims_header, *subject_header, *email_header; /* lower case; "": not looked at */
    const char *token_header;                                  /* of the bearer token; "authorization" */
    struct mf_store *store;                                    /* of the runs whose tasks call */
    struct mf_str task_secret;                                 /* empty: keys of tasks are not looked at */
};

enum mf_code mf_identities_new(const struct mf_identities_config *config, struct mf_identities **out,
                               struct mf_error *err) MF_CHECK_RESULT;
void mf_identities_free(struct mf_identities *identities); /* after the fetcher has stopped; NULL is fine */
/* For mf_rpc_set_identify. */
enum mf_identified mf_identities_identify(void *identities, struct mf_call *call, struct mf_caller *caller,
                                          struct mf_error *err);

#endif
