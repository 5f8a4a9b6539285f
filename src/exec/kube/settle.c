/* What is to be done next for a twin, and which requests may begin. */
#include "base/time.h"
#include "exec/kube/state.h"
#include "exec/process/verdict.h"

#define REQUESTS_MAX 64
#define CREATE_RATE 200
#define BURST_NS (MF_SECOND_NS / 4)
#define BACKOFF_MAX_NS (60 * MF_SECOND_NS)
#define CASCADE_NS (5 * MF_SECOND_NS) /* a resource that has not gone by then is asked to, again */
#define CASCADE_MAX_NS (300 * MF_SECOND_NS)
#define PARENT_NS (MF_SECOND_NS / 5)
#define PUMP_MS 10

static int64_t now_of(const struct mf_mirror *mirror)
{
    return mf_wall_ns(mirror->config.sys);
}

int64_t mf_twin_backoff_ns(const struct mf_twin *twin)
{
    int64_t delay = MF_SECOND_NS;
    for (uint32_t i = 1; i < twin->tries && delay < BACKOFF_MAX_NS; i++)
        delay *= 2;
    return delay < BACKOFF_MAX_NS ? delay : BACKOFF_MAX_NS;
}

/* ---- settling ---- */

static void on_pump(void *ctx)
{
    struct mf_mirror *mirror = ctx;
    mirror->pump_timer = NULL;
    mf_mirror_pump(mirror);
}

static void pump_in(struct mf_mirror *mirror, uint64_t ms)
{
    if (!mirror->pump_timer && !mirror->stopping)
        mirror->pump_timer = mf_timer_start(mirror->loop, ms, false, on_pump, mirror);
}

static void queue_removal(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    mf_twin_undue(twin);
    mf_twin_queue(twin, &mirror->removals);
    pump_in(mirror, 0);
}

static const struct mf_twin *parent_of(const struct mf_twin *twin)
{
    return twin->parent ? mf_twin_find(twin->run->mirror, twin->run->id, mf_str_from_c(twin->parent)) : NULL;
}

/* Its parent's resource goes, and takes it along. */
static bool goes_with_parent(const struct mf_twin *twin)
{
    const struct mf_twin *parent = parent_of(twin);
    return twin->owned && parent && parent->over && !parent->finished &&
           (parent->there == MF_THERE_REMOVING || parent->queue == &parent->run->mirror->removals ||
            (parent->busy && parent->there == MF_THERE_YES));
}

static void settle_removing(struct mf_twin *twin, int64_t now)
{
    int64_t delay = CASCADE_NS;
    for (uint32_t i = 0; i < twin->asked_again && delay < CASCADE_MAX_NS; i++)
        delay *= 2;
    if (twin->removal_at == 0)
        twin->removal_at = now + (delay < CASCADE_MAX_NS ? delay : CASCADE_MAX_NS);
    if (now < twin->removal_at) {
        mf_twin_due(twin);
        return;
    }
    if (++twin->asked_again == MF_STRAGGLER)
        atomic_fetch_add(&twin->run->mirror->stragglers, 1);
    if (twin->asked_again >= MF_STRAGGLER)
        mf_log(
            MF_LOG_WARN, "exec",
            "the TaskAction of %s, run %lld, does not go; does its executor run, which has to let go of it?",
            twin->name, (long long)twin->run->id);
    twin->removal_at = 0;
    queue_removal(twin);
}

static void settle_over(struct mf_twin *twin, int64_t now)
{
    if (twin->there == MF_THERE_NOT) {
        mf_twin_forget(twin);
    } else if (twin->there == MF_THERE_REMOVING) {
        settle_removing(twin, now);
    } else if (twin->finished) {
        bool crowded = twin->run->mirror->twin_count > MF_TWINS_MAX / 2; /* those that live need the room */
        if (twin->removal_at == 0)
            twin->removal_at = now + (crowded ? 0 : twin->run->mirror->config.retention_ns);
        if (now >= twin->removal_at && now >= twin->retry_at)
            queue_removal(twin);
        else
            mf_twin_due(twin);
    } else if (twin->retry_at > now) {
        mf_twin_due(twin);
    } else if (goes_with_parent(twin)) {
        twin->there = MF_THERE_REMOVING;
        settle_removing(twin, now);
    } else {
        queue_removal(twin);
    }
}

static void settle_open(struct mf_twin *twin, int64_t now)
{
    struct mf_mirror_run *run = twin->run;
    const struct mf_twin *parent = parent_of(twin);
    /* The parent's resource is to own it, so that has to be there first. */
    if (twin->there == MF_THERE_NOT && twin->retry_at == 0 && parent && !parent->over &&
        parent->there == MF_THERE_NOT)
        twin->retry_at = now + PARENT_NS;
    bool waits = twin->retry_at > now || run->mirror->unsynced > 0;
    if (twin->kind != MF_ACTION_TASK) {
        mf_twin_due(twin);
    } else if (twin->there == MF_THERE_REMOVING) {
        settle_removing(twin, now);
    } else if (twin->there == MF_THERE_YES && twin->finished && twin->last_attempt < twin->attempt &&
               !waits) {
        queue_removal(twin); /* it was begun again, which this resource cannot tell */
    } else {
        mf_twin_due(twin);
        if (twin->there == MF_THERE_NOT && !waits) {
            mf_twin_queue(twin, &run->ready);
            pump_in(run->mirror, 0);
        }
    }
}

static void expire(struct mf_twin *twin)
{
    static const struct {
        const char *code, *message;
    } words[] = {
        [MF_EXPIRY_NONE] = {"DEADLINE_EXCEEDED", "the action was not done in time"},
        [MF_EXPIRY_MAX_RUNTIME] = {"MAX_RUNTIME_EXCEEDED", "the attempt ran longer than its max_runtime"},
        [MF_EXPIRY_QUEUED] = {"QUEUED_TIMEOUT_EXCEEDED",
                              "the attempt waited longer than its queued_timeout for its turn"},
        [MF_EXPIRY_DEADLINE] = {"DEADLINE_EXCEEDED", "the action was not done by its deadline"},
        [MF_EXPIRY_CONDITION] = {"ConditionTimedOut", "nobody answered the condition in time"},
    };
    twin->expires_at = 0;
    mf_twin_fault(twin, MF_PHASE_TIMED_OUT, words[twin->expiry].code, words[twin->expiry].message, false);
}

void mf_twin_settle(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    int64_t now = now_of(mirror);
    if (mirror->stopping)
        return;
    if (twin->busy) {
        mf_twin_undue(twin);
        return;
    }
    if (twin->retry_at <= now)
        twin->retry_at = 0;
    if (!twin->over && twin->expires_at > 0 && now >= twin->expires_at)
        expire(twin);
    if (twin->report && twin->retry_at <= now && mf_twin_tell(twin)) {
        mf_twin_unqueue(twin);
        mf_twin_undue(twin);
        return;
    }
    if (twin->report)
        mf_twin_due(twin);
    else if (twin->over)
        settle_over(twin, now);
    else
        settle_open(twin, now);
}

/* ---- requests ---- */

static bool is_blocked(const struct mf_mirror_cluster *cluster, int64_t now)
{
    return cluster->blocked_until > now;
}

/* True when some have to wait for their cluster. */
static bool pump_removals(struct mf_mirror *mirror, int64_t now)
{
    bool blocked = false;
    for (size_t rest = mirror->removals.count; rest > 0 && mirror->requests < REQUESTS_MAX; rest--) {
        struct mf_twin *twin = MF_CONTAINER(mf_list_first(&mirror->removals), struct mf_twin, in_queue);
        mf_twin_unqueue(twin);
        if (is_blocked(twin->run->cluster, now)) {
            mf_twin_queue(twin, &mirror->removals);
            blocked = true;
        } else {
            mf_twin_remove(twin);
        }
    }
    return blocked;
}

static int64_t cost_ns(const struct mf_mirror *mirror)
{
    return MF_SECOND_NS / (mirror->config.create_rate > 0 ? mirror->config.create_rate : CREATE_RATE);
}

static void refill(struct mf_mirror *mirror)
{
    int64_t mono = mf_mono_ns(mirror->config.sys);
    int64_t most = BURST_NS > cost_ns(mirror) ? BURST_NS : cost_ns(mirror);
    mirror->tokens_ns += mirror->tokens_at > 0 ? mono - mirror->tokens_at : most;
    mirror->tokens_at = mono;
    if (mirror->tokens_ns > most)
        mirror->tokens_ns = most;
}

/* One of each run in turn. True when some have to wait. */
static bool pump_creations(struct mf_mirror *mirror, int64_t now)
{
    size_t passed = 0;
    refill(mirror);
    while (mirror->ring.count > passed && mirror->requests < REQUESTS_MAX &&
           mirror->tokens_ns >= cost_ns(mirror)) {
        struct mf_mirror_run *run = MF_CONTAINER(mf_list_first(&mirror->ring), struct mf_mirror_run, in_ring);
        mf_list_remove(&mirror->ring, &run->in_ring);
        mf_list_push(&mirror->ring, &run->in_ring);
        if (is_blocked(run->cluster, now)) {
            passed++;
            continue;
        }
        passed = 0;
        struct mf_twin *twin = MF_CONTAINER(mf_list_first(&run->ready), struct mf_twin, in_queue);
        mf_twin_unqueue(twin);
        mirror->tokens_ns -= cost_ns(mirror);
        mf_twin_create(twin);
    }
    return mirror->ring.count > 0;
}

void mf_mirror_pump(struct mf_mirror *mirror)
{
    int64_t now = now_of(mirror);
    if (mirror->stopping)
        return;
    bool waits = pump_removals(mirror, now);
    waits |= pump_creations(mirror, now);
    if (waits && mirror->requests < REQUESTS_MAX)
        pump_in(mirror, PUMP_MS);
}
