#include "action/follow.h"

#include "base/list.h"
#include "base/time.h"

/* With a look every HEARTBEAT_MS at whether the last message is SILENT_NS old, the pause between two messages
 * stays between the two and their sum. */
#define HEARTBEAT_MS 20000
#define SILENT_NS (10 * MF_SECOND_NS)
#define MARK ((size_t)64 << 10)

struct topic {
    struct mf_subscription subscription;
    struct mf_follow *follow;
};

struct mf_follow {
    struct mf_call *call;
    struct mf_store *store;
    mf_follow_refresh refresh;
    void *ctx;
    void (*done)(void *ctx);
    int64_t sent_ns; /* monotonic: when the last message was sent */
    bool light;
    uint32_t topic_count;
    struct topic topics[];
};

static void on_change(struct mf_subscription *subscription)
{
    mf_call_wake(MF_CONTAINER(subscription, struct topic, subscription)->follow->call);
}

static void refresh(struct mf_follow *follow)
{
    struct mf_error err;
    struct mf_db *db = NULL;
    struct mf_arena *scratch = follow->light ? NULL : mf_arena_new(0);
    enum mf_code code = scratch || follow->light ? MF_OK : mf_fail_memory(&err);
    if (code == MF_OK && !follow->light)
        code = mf_store_reader(follow->store, &db, &err);
    if (code == MF_OK)
        code = follow->refresh(follow->ctx, follow, db, scratch, &err);
    mf_store_reader_done(follow->store, db);
    mf_arena_free(scratch);
    if (code != MF_OK)
        mf_call_fail_error(follow->call, &err);
}

static void on_ready(void *ctx, struct mf_call *call)
{
    (void)call;
    refresh(ctx);
}

static void on_done(void *ctx, struct mf_call *call)
{
    struct mf_follow *follow = ctx;
    struct mf_hub *hub = mf_store_hub(follow->store);
    for (size_t i = 0; i < follow->topic_count; i++)
        mf_hub_unsubscribe(hub, &follow->topics[i].subscription);
    if (follow->done)
        follow->done(follow->ctx);
    mf_call_unref(call);
}

void mf_follow_start(struct mf_call *call, const struct mf_follow_config *config)
{
    static const struct mf_call_ops ops = {.on_ready = on_ready, .on_done = on_done};
    struct mf_hub *hub = mf_store_hub(config->store);
    size_t topics = config->topic_count <= MF_FOLLOW_TOPICS ? config->topic_count : MF_FOLLOW_TOPICS;
    struct mf_follow *follow = mf_arena_alloc(mf_call_arena(call), offsetof(struct mf_follow, topics) +
                                                                       topics * sizeof(struct topic));
    if (!follow || config->topic_count > MF_FOLLOW_TOPICS) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory for another stream; try again later");
        if (config->done)
            config->done(config->ctx);
        return;
    }
    *follow = (struct mf_follow){.call = mf_call_ref(call),
                                 .store = config->store,
                                 .refresh = config->refresh,
                                 .ctx = config->ctx,
                                 .done = config->done,
                                 .light = config->light,
                                 .topic_count = (uint32_t)topics,
                                 .sent_ns = mf_mono_ns(mf_store_sys(config->store))};
    mf_call_set_high_water(call, config->mark > 0 ? config->mark : MARK);
    mf_call_bind(call, &ops, follow);
    /* Subscribed before the first read, so that no change can fall between the two. */
    for (size_t i = 0; i < topics; i++) {
        follow->topics[i].follow = follow;
        mf_hub_subscribe(hub, &follow->topics[i].subscription, config->topics[i], on_change);
    }
    mf_call_heartbeat(call, HEARTBEAT_MS);
    refresh(follow);
}

struct mf_call *mf_follow_call(struct mf_follow *follow)
{
    return follow->call;
}

void mf_follow_send(struct mf_follow *follow, const void *msg)
{
    follow->sent_ns = mf_mono_ns(mf_store_sys(follow->store));
    mf_call_send(follow->call, msg);
}

void mf_follow_send_parcel(struct mf_follow *follow, struct mf_parcel *parcel)
{
    follow->sent_ns = mf_mono_ns(mf_store_sys(follow->store));
    mf_call_send_parcel(follow->call, parcel);
}

bool mf_follow_room(struct mf_follow *follow)
{
    return mf_call_writable(follow->call);
}

void mf_follow_again(struct mf_follow *follow)
{
    mf_call_wake(follow->call);
}

bool mf_follow_silent(struct mf_follow *follow)
{
    return mf_mono_ns(mf_store_sys(follow->store)) - follow->sent_ns >= SILENT_NS;
}
