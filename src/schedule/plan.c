#include "schedule/plan.h"

#define DUE_MOST (MF_PLAN_ITEMS - 1) /* one place is for the buffered due time */

/* Whether the policy leaves room for another run, the buffered one counted as made. */
static bool has_room(const struct mf_plan_input *input)
{
    int64_t taken = input->runs + (input->buffered_at != 0);
    return input->policy->max_runs == 0 || taken < input->policy->max_runs;
}

static bool next_due(const struct mf_plan_input *input, int64_t after, int64_t *due)
{
    return mf_schedule_next(input->timing, input->baseline_at, after, due) &&
           (input->policy->end_at == 0 || *due <= input->policy->end_at);
}

static void drop(struct mf_plan *out, int64_t until, enum mf_gap_reason reason)
{
    out->kind = MF_PLAN_DROP;
    out->until = until;
    out->reason = reason;
}

/* Whether due, and with it perhaps more, is too old for the policy. limit: now, less the trigger's jitter. */
static bool is_given_up(const struct mf_plan_input *input, int64_t due, int64_t limit, struct mf_plan *out)
{
    const struct mf_policy *policy = input->policy;
    bool none = policy->catch_up == MF_CATCH_UP_NONE;
    int64_t horizon = limit - (none ? MF_CATCH_UP_GRACE_NS : policy->window_ns);
    int64_t until = policy->end_at != 0 && policy->end_at < limit ? policy->end_at : limit;
    int64_t last;
    if (due < horizon) {
        drop(out, horizon - 1, none ? MF_GAP_NO_CATCH_UP : MF_GAP_WINDOW);
        return true;
    }
    if (policy->catch_up == MF_CATCH_UP_LATEST &&
        mf_schedule_last(input->timing, input->baseline_at, due, until, &last)) {
        drop(out, last - 1, MF_GAP_LATEST);
        return true;
    }
    return false;
}

static void collect(const struct mf_plan_input *input, int64_t due, int64_t limit, size_t most,
                    struct mf_plan *out)
{
    int64_t room = input->policy->max_runs - input->runs - (input->buffered_at != 0);
    size_t count = 0;
    bool more = true;
    if (most < 1 || most > DUE_MOST)
        most = most < 1 ? 1 : DUE_MOST;
    if (input->policy->max_runs != 0 && room < (int64_t)most)
        most = (size_t)room;
    for (; more && due <= limit && count < most; count++) {
        out->items[out->item_count++] = due;
        more = next_due(input, due, &due);
    }
}

void mf_plan(const struct mf_plan_input *input, int64_t now, bool release, size_t most, struct mf_plan *out)
{
    int64_t limit = now - input->offset_ns;
    int64_t due;
    *out = (struct mf_plan){.kind = MF_PLAN_WAIT, .wake_at = INT64_MAX};
    if (input->cursor_at > now + MF_CATCH_UP_GRACE_NS) {
        out->kind = MF_PLAN_REWIND;
        out->until = now;
        return;
    }
    bool comes = has_room(input) && next_due(input, input->cursor_at, &due);
    bool is_due = comes && due <= limit;
    if (is_due && is_given_up(input, due, limit, out))
        return;
    if (comes && !is_due)
        out->wake_at = due + input->offset_ns;
    if (input->buffered_at != 0 && (release || is_due)) {
        out->items[out->item_count++] = input->buffered_at;
        out->first_is_buffered = true;
    }
    if (is_due)
        collect(input, due, limit, most, out);
    if (out->item_count > 0)
        out->kind = MF_PLAN_FIRE;
}
