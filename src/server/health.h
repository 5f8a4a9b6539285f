/*
 * Whether the server makes progress. GET /healthz says that the process answers; GET /readyz says that its
 * parts have completed a turn in time: each part is a counter that must move, always or while work waits for
 * it.
 *
 * Parts are added before mf_health_serve. Somebody calls mf_health_sample about once a second (main does, so
 * that a stalled part is known before anybody asks); the routes only read what was sampled. Any thread.
 */
#ifndef MF_SERVER_HEALTH_H
#define MF_SERVER_HEALTH_H

#include "base/sys.h"
#include "rpc/server.h"

struct mf_health;

struct mf_health_part {
    const char *name;
    uint64_t (*turns)(void *ctx);
    bool (*waiting)(void *ctx); /* is there work? NULL: the counter must always move */
    void *ctx;
};

enum mf_health_state { MF_HEALTH_STARTING, MF_HEALTH_READY, MF_HEALTH_DRAINING };

enum mf_code mf_health_new(const struct mf_sys *sys, int64_t stall_ns, struct mf_health **out,
                           struct mf_error *err);
void mf_health_free(struct mf_health *health);
enum mf_code mf_health_add(struct mf_health *health, const struct mf_health_part *part, struct mf_error *err);
/* Something that others can do without: what is wrong with it is told by /readyz, which goes on saying that
 * the server is ready. trouble: false when nothing is. Before mf_health_serve, once. */
void mf_health_watch(struct mf_health *health, bool (*trouble)(void *ctx, char *text, size_t size),
                     void *ctx);
void mf_health_set(struct mf_health *health, enum mf_health_state state);
void mf_health_sample(struct mf_health *health);
/* Ready, and no part is stalled. stalled (may be NULL) receives the name of the first that is. */
bool mf_health_ready(struct mf_health *health, const char **stalled);
/* Routes /healthz and /readyz. */
enum mf_code mf_health_serve(struct mf_health *health, struct mf_rpc *rpc,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
