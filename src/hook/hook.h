/*
 * Webhooks of conditions: who is to answer a condition is told by a POST to the URL the task has declared,
 * and may answer through an address of ours that the message holds.
 *
 * Telling: the order is a row of the webhook table, written in the transaction that records the condition
 * (action/enqueue.c), so it survives everything. It is sent at least once; each try of one order carries the
 * same idempotency-key. An answer of 2xx ends it; 410 says that nobody wants it; anything else is tried
 * again, after 1, 2, 4 … 300 s, for as long as the condition waits. Each outcome is noted in the condition's
 * history.
 *
 * Answering: GET on the address tells what is asked, POST answers. The address holds a token, an HMAC of what
 * identifies this very condition under the server's key, so that it is good for nothing else and cannot be
 * guessed. docs/webhooks.md is its documentation.
 */
#ifndef MF_HOOK_HOOK_H
#define MF_HOOK_HOOK_H

#include "net/fetch.h"
#include "rpc/server.h"
#include "store/store.h"

struct mf_hooks;

#define MF_HOOK_KEY_BYTES 32

/* Everything must outlive the hooks. */
struct mf_hooks_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_fetcher *fetcher;
    struct mf_str url; /* under which others reach this server */
    unsigned char key[MF_HOOK_KEY_BYTES];
};

/* Reads the key from the file, or makes one. */
enum mf_code mf_hook_key_load(const struct mf_sys *sys, const char *file,
                              unsigned char key[MF_HOOK_KEY_BYTES], struct mf_error *err) MF_CHECK_RESULT;

/* Starts a thread of its own that tells, beginning with what the last server has left. */
enum mf_code mf_hooks_start(const struct mf_hooks_config *config, struct mf_hooks **out,
                            struct mf_error *err) MF_CHECK_RESULT;
/* Gives up what is under way (it is told again after the next start) and waits for the thread. */
void mf_hooks_stop(struct mf_hooks *hooks);
void mf_hooks_free(struct mf_hooks *hooks); /* after the network server; NULL is fine */
/* The route below MF_HOOK_CALLBACK. */
enum mf_code mf_hooks_serve(struct mf_hooks *hooks, struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#define MF_HOOK_CALLBACK "/callback/condition/"

#endif
