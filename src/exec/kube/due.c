/* When a twin is to be settled without anything having changed: a heap over all of them, and one timer. */
#include "base/time.h"
#include "exec/kube/state.h"

#include <stdlib.h>

#define LOOK_AT_CLOCK_MS 60000 /* the wall clock may be set, so never sleep longer on its word */

static void set_timer(struct mf_mirror *mirror);

static void place(struct mf_mirror *mirror, size_t index, struct mf_twin *twin)
{
    mirror->due[index] = twin;
    twin->due_index = index;
}

static void sift(struct mf_mirror *mirror, size_t index, struct mf_twin *twin)
{
    while (index > 1 && mirror->due[index / 2]->due > twin->due) {
        place(mirror, index, mirror->due[index / 2]);
        index /= 2;
    }
    for (size_t child = index * 2; child <= mirror->due_count; child = index * 2) {
        if (child < mirror->due_count && mirror->due[child + 1]->due < mirror->due[child]->due)
            child++;
        if (mirror->due[child]->due >= twin->due)
            break;
        place(mirror, index, mirror->due[child]);
        index = child;
    }
    place(mirror, index, twin);
}

void mf_twin_undue(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    size_t index = twin->due_index;
    if (index == 0)
        return;
    twin->due_index = 0;
    struct mf_twin *last = mirror->due[mirror->due_count--];
    if (last != twin)
        sift(mirror, index, last);
}

static bool make_room(struct mf_mirror *mirror)
{
    if (mirror->due_count + 2 <= mirror->due_cap)
        return true;
    size_t cap = mirror->due_cap > 0 ? mirror->due_cap * 2 : 256;
    struct mf_twin **grown = realloc(mirror->due, cap * sizeof *grown);
    if (!grown)
        return false;
    mirror->due = grown;
    mirror->due_cap = cap;
    return true;
}

static void earlier(int64_t *due, int64_t at)
{
    if (at > 0 && at < *due)
        *due = at;
}

void mf_twin_due(struct mf_twin *twin)
{
    struct mf_mirror *mirror = twin->run->mirror;
    int64_t due = INT64_MAX;
    if (!twin->over)
        earlier(&due, twin->expires_at);
    earlier(&due, twin->retry_at);
    earlier(&due, twin->removal_at);
    if (due == INT64_MAX) {
        mf_twin_undue(twin);
        return;
    }
    twin->due = due;
    if (twin->due_index > 0)
        sift(mirror, twin->due_index, twin);
    else if (make_room(mirror))
        sift(mirror, ++mirror->due_count, twin);
    set_timer(mirror);
}

static void on_due(void *ctx)
{
    struct mf_mirror *mirror = ctx;
    int64_t now = mf_wall_ns(mirror->config.sys);
    mirror->due_timer = NULL;
    for (size_t rest = mirror->due_count; rest > 0 && mirror->due_count > 0 && !mirror->stopping; rest--) {
        struct mf_twin *twin = mirror->due[1];
        if (twin->due > now)
            break;
        mf_twin_undue(twin);
        mf_twin_settle(twin);
    }
    set_timer(mirror);
    mf_mirror_pump(mirror);
}

static void set_timer(struct mf_mirror *mirror)
{
    int64_t due = mirror->due_count > 0 ? mirror->due[1]->due : 0;
    if (mirror->due_timer && mirror->due_at == due && due != 0)
        return;
    mf_timer_stop(mirror->due_timer);
    mirror->due_timer = NULL;
    mirror->due_at = due;
    if (due == 0 || mirror->stopping)
        return;
    int64_t ms = (due - mf_wall_ns(mirror->config.sys)) / MF_MS_NS + 1;
    ms = ms < 1 ? 1 : ms > LOOK_AT_CLOCK_MS ? LOOK_AT_CLOCK_MS : ms;
    mirror->due_timer = mf_timer_start(mirror->loop, (uint64_t)ms, false, on_due, mirror);
}
