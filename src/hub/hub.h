/*
 * Tells subscribers that something they follow has changed. The hub carries no data: a change is a topic, a
 * subscriber is woken, looks into the store for rows whose change number is above the last one it has seen,
 * and so coalesces what it has not yet shown. A slow subscriber costs nothing and loses nothing.
 *
 * Publishing happens after a commit, on the writer's thread (the executor also publishes, from its own). wake
 * is called on the publishing thread (never concurrently for one subscription), must not block, and must not
 * call back into the hub; it typically posts work (mf_call_wake, mf_loop_post). After mf_hub_unsubscribe has
 * returned, wake is not running and will not be called again.
 */
#ifndef MF_HUB_HUB_H
#define MF_HUB_HUB_H

#include "base/status.h"
#include "base/str.h"

#include <stdint.h>

struct mf_hub;

/* What changed. The unused parts of a kind are zero. */
enum mf_topic_kind {
    MF_TOPIC_RUNS = 1, /* some root action of a project and domain: hash of "project/domain" */
    MF_TOPIC_ALL_RUNS, /* some root action anywhere */
    MF_TOPIC_RUN,      /* some action of this run: run_id */
    MF_TOPIC_ACTION,   /* this action or one of its events: run_id + hash of name */
    MF_TOPIC_CHILDREN, /* some child of this action: run_id + hash of the parent's name */
    MF_TOPIC_WORK,     /* the executor has something to do (an action was queued, aborted, signalled …) */
    MF_TOPIC_LOG,      /* an attempt's log has grown or ended: run_id + hash of "name/attempt" */
    MF_TOPIC_CACHE,    /* a cache reservation ended: hash of the key */
    MF_TOPIC_WEBHOOKS, /* a condition waits whose webhook is to be told */
    MF_TOPIC_TRIGGERS, /* some trigger was deployed, switched or deleted */
};

struct mf_topic {
    enum mf_topic_kind kind;
    int64_t run_id;
    uint64_t hash; /* mf_topic_hash of the name that belongs to the kind */
};

/* FNV-1a 64. Two names that collide only cause a wake-up too many. */
uint64_t mf_topic_hash(struct mf_str text);
uint64_t mf_topic_hash2(struct mf_str first, struct mf_str second); /* of "first/second" */

/* Embedded in the subscriber's object. */
struct mf_subscription {
    void (*wake)(struct mf_subscription *subscription);
    struct mf_topic topic;
    struct mf_subscription *prev, *next, *chain; /* the hub's; prev and next are NULL while not subscribed */
};

enum mf_code mf_hub_new(struct mf_hub **out, struct mf_error *err);
void mf_hub_free(struct mf_hub *hub); /* nobody is subscribed any more; NULL is fine */
/* Any thread. Subscribe first, read afterwards: then no change is missed. */
void mf_hub_subscribe(struct mf_hub *hub, struct mf_subscription *subscription, struct mf_topic topic,
                      void (*wake)(struct mf_subscription *subscription));
/* Any thread, but not while holding a lock that wake takes: it waits for a wake that is running. Also fine
 * for one that is zeroed and was never subscribed, or was unsubscribed before. */
void mf_hub_unsubscribe(struct mf_hub *hub, struct mf_subscription *subscription);
/* Any thread. */
void mf_hub_publish(struct mf_hub *hub, const struct mf_topic *topics, size_t count);

#endif
