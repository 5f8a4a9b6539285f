/*
 * A server for tests that stands for a cluster: it answers request after request from a script, each on a
 * connection of its own, and keeps what was asked.
 */
#ifndef MF_TEST_KUBE_PEER_H
#define MF_TEST_KUBE_PEER_H

#include "kube/client.h"

struct peer_step {
    int status;
    const char *headers; /* further lines, each with its line end; NULL: none */
    const char *body;
    bool hang; /* the connection stays open after the body, until the client or the test ends it */
};

struct peer;

struct peer *peer_new(const struct peer_step *steps, size_t count);
void peer_free(struct peer *peer);
/* Head and body of request number index, from 0; NULL when it has not come. */
const char *peer_request(struct peer *peer, size_t index);
struct mf_kube_access peer_access(struct peer *peer);

#endif
