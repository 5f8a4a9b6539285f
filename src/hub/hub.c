#include "hub/hub.h"

#include <pthread.h>
#include <stdlib.h>

/*
 * Shards keep unrelated topics off each other's lock. In a shard a hash table holds one subscription for each
 * topic, its leader; the others of that topic hang in a ring on the leader. So joining, leaving and finding a
 * topic do not depend on how many follow it. wake runs under the shard's lock, which is what makes
 * unsubscribe wait for it.
 */
#define SHARDS 32
#define FIRST_BUCKETS 16
#define MAX_BUCKETS ((size_t)1 << 20)

struct shard {
    pthread_mutex_t lock;
    struct mf_subscription **buckets; /* chains of leaders, by chain */
    size_t bucket_count;              /* a power of two */
    size_t leader_count;
};

struct mf_hub {
    struct shard shards[SHARDS];
};

static uint64_t fnv(uint64_t hash, struct mf_str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#define FNV_START UINT64_C(0xcbf29ce484222325)

uint64_t mf_topic_hash(struct mf_str text)
{
    return fnv(FNV_START, text);
}

uint64_t mf_topic_hash2(struct mf_str first, struct mf_str second)
{
    return fnv(fnv(fnv(FNV_START, first), MF_STR("/")), second);
}

static bool topic_eq(const struct mf_topic *a, const struct mf_topic *b)
{
    return a->kind == b->kind && a->run_id == b->run_id && a->hash == b->hash;
}

/* Spreads run numbers that follow each other over all bits (the finalizer of MurmurHash3). */
static uint64_t mix(const struct mf_topic *topic)
{
    uint64_t x = topic->hash + (uint64_t)topic->run_id * UINT64_C(0x9e3779b97f4a7c15) +
                 (uint64_t)topic->kind * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static struct shard *shard_of(struct mf_hub *hub, uint64_t hash)
{
    return &hub->shards[hash >> 59];
}

static struct mf_subscription **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->bucket_count - 1)];
}

static struct mf_subscription *find_leader(struct shard *shard, uint64_t hash, const struct mf_topic *topic)
{
    struct mf_subscription *leader = *bucket_of(shard, hash);
    while (leader && !topic_eq(&leader->topic, topic))
        leader = leader->chain;
    return leader;
}

/* When there is no memory for a larger table the old one goes on, only slower. */
static void maybe_grow(struct shard *shard)
{
    size_t count = shard->bucket_count * 2;
    if (shard->leader_count <= shard->bucket_count || count > MAX_BUCKETS)
        return;
    struct mf_subscription **old = shard->buckets;
    struct mf_subscription **grown = calloc(count, sizeof *grown);
    if (!grown)
        return;
    shard->buckets = grown;
    shard->bucket_count = count;
    for (size_t i = 0; i < count / 2; i++) {
        struct mf_subscription *next;
        for (struct mf_subscription *s = old[i]; s; s = next) {
            struct mf_subscription **bucket = bucket_of(shard, mix(&s->topic));
            next = s->chain;
            s->chain = *bucket;
            *bucket = s;
        }
    }
    free(old);
}

enum mf_code mf_hub_new(struct mf_hub **out, struct mf_error *err)
{
    struct mf_hub *hub = calloc(1, sizeof *hub);
    *out = NULL;
    if (!hub)
        return mf_fail_memory(err);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &hub->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        shard->bucket_count = FIRST_BUCKETS;
        shard->buckets = calloc(FIRST_BUCKETS, sizeof *shard->buckets);
        if (!shard->buckets) {
            mf_hub_free(hub);
            return mf_fail_memory(err);
        }
    }
    *out = hub;
    return MF_OK;
}

void mf_hub_free(struct mf_hub *hub)
{
    if (!hub)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free(hub->shards[i].buckets);
        pthread_mutex_destroy(&hub->shards[i].lock);
    }
    free(hub);
}

void mf_hub_subscribe(struct mf_hub *hub, struct mf_subscription *subscription, struct mf_topic topic,
                      void (*wake)(struct mf_subscription *subscription))
{
    uint64_t hash = mix(&topic);
    struct shard *shard = shard_of(hub, hash);
    subscription->wake = wake;
    subscription->topic = topic;
    subscription->chain = NULL;
    pthread_mutex_lock(&shard->lock);
    struct mf_subscription *leader = find_leader(shard, hash, &topic);
    if (leader) {
        subscription->prev = leader->prev;
        subscription->next = leader;
        leader->prev->next = subscription;
        leader->prev = subscription;
    } else {
        struct mf_subscription **bucket = bucket_of(shard, hash);
        subscription->prev = subscription;
        subscription->next = subscription;
        subscription->chain = *bucket;
        *bucket = subscription;
        shard->leader_count++;
        maybe_grow(shard);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* Hands the topic to the next of the ring, or takes it out of the table. */
static void retire_leader(struct shard *shard, uint64_t hash, struct mf_subscription *leader)
{
    struct mf_subscription **link = bucket_of(shard, hash);
    while (*link && *link != leader)
        link = &(*link)->chain;
    if (!*link)
        return; /* it was not the leader */
    if (leader->next != leader) {
        leader->next->chain = leader->chain;
        *link = leader->next;
    } else {
        *link = leader->chain;
        shard->leader_count--;
    }
}

void mf_hub_unsubscribe(struct mf_hub *hub, struct mf_subscription *subscription)
{
    uint64_t hash = mix(&subscription->topic);
    struct shard *shard = shard_of(hub, hash);
    pthread_mutex_lock(&shard->lock);
    if (subscription->next) {
        retire_leader(shard, hash, subscription);
        subscription->prev->next = subscription->next;
        subscription->next->prev = subscription->prev;
        subscription->prev = NULL;
        subscription->next = NULL;
        subscription->chain = NULL;
    }
    pthread_mutex_unlock(&shard->lock);
}

void mf_hub_publish(struct mf_hub *hub, const struct mf_topic *topics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = mix(&topics[i]);
        struct shard *shard = shard_of(hub, hash);
        pthread_mutex_lock(&shard->lock);
        struct mf_subscription *leader = find_leader(shard, hash, &topics[i]);
        struct mf_subscription *s = leader;
        while (s) {
            s->wake(s);
            s = s->next != leader ? s->next : NULL;
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
