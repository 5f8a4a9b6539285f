#include "schedule/audit.h"

#include "base/time.h"
#include "schedule/words.h"

#include <inttypes.h>
#include <string.h>

/* ---- which due times there are ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The due times that the revisions give, one after the other. */
struct expected {
    const struct mf_audit *audit;
    size_t revision; /* the one that is being walked */
    int64_t after;
    int64_t until;
    int64_t due; /* the next one, unless is_over */
    bool is_over;
};

static int64_t revision_end(const struct mf_audit *audit, size_t revision)
{
    return revision + 1 < audit->revision_count ? audit->revisions[revision + 1].recorded_at : INT64_MAX;
}

static bool next_of(const struct expected *walk, const struct mf_audit_revision *revision, int64_t *due)
{
    int64_t until = earlier(walk->until, revision_end(walk->audit, walk->revision));
    int64_t after = later(walk->after, revision->recorded_at);
    if (revision->active && revision->policy.end_at != 0)
        until = earlier(until, revision->policy.end_at);
    return revision->active && after < until &&
           mf_schedule_next(&revision->timing, revision->baseline_at, after, due) && *due <= until;
}

static void advance(struct expected *walk)
{
    const struct mf_audit *audit = walk->audit;
    for (; walk->revision < audit->revision_count; walk->revision++) {
        if (audit->revisions[walk->revision].recorded_at >= walk->until)
            break;
        if (next_of(walk, &audit->revisions[walk->revision], &walk->due)) {
            walk->after = walk->due;
            return;
        }
    }
    walk->is_over = true;
}

static const struct mf_audit_revision *in_effect(const struct mf_audit *audit, int64_t at)
{
    const struct mf_audit_revision *found = NULL;
    for (size_t i = 0; i < audit->revision_count && audit->revisions[i].recorded_at < at; i++)
        found = &audit->revisions[i];
    return found;
}

size_t mf_audit_collect(const struct mf_audit *audit, int64_t from, int64_t until,
                        const struct mf_fire_row *fires, size_t fire_count, struct mf_audit_entry *entries,
                        size_t most)
{
    struct expected walk = {.audit = audit, .until = until, .after = from > INT64_MIN ? from - 1 : from};
    size_t count = 0;
    size_t fire = 0;
    while (fire < fire_count && fires[fire].due_at < from)
        fire++;
    while (fire_count > fire && fires[fire_count - 1].due_at > until)
        fire_count--;
    advance(&walk);
    while (count < most && (!walk.is_over || fire < fire_count)) {
        struct mf_audit_entry *entry = &entries[count++];
        bool is_fire = fire < fire_count && (walk.is_over || fires[fire].due_at <= walk.due);
        *entry = (struct mf_audit_entry){.due_at = is_fire ? fires[fire].due_at : walk.due, .reason = ""};
        entry->expected = !walk.is_over && walk.due == entry->due_at;
        entry->revision =
            entry->expected ? &audit->revisions[walk.revision] : in_effect(audit, entry->due_at);
        if (is_fire)
            entry->fire = fires[fire++];
        if (entry->expected)
            advance(&walk);
    }
    return count;
}

void mf_audit_gap(struct mf_audit_entry *entries, size_t count, const struct mf_gap_row *gap)
{
    size_t low = 0;
    for (size_t high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (entries[middle].due_at < gap->from_at)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && entries[low].due_at <= gap->until_at; low++)
        entries[low].gap = *gap;
}

/* ---- what became of them ---- */

static const char *const drop_words[] = {"", "switched-off", "deleted", "schedule-changed", "policy-changed"};

/* How many more runs the present policy allows after the cursor; counted once for all entries. */
struct room {
    bool is_counted;
    uint64_t left;
};

static enum mf_verdict judge_fire(struct mf_audit_entry *entry)
{
    int64_t offset = entry->revision && entry->revision->active ? entry->revision->offset_ns : 0;
    entry->late_ns = later(entry->fire.fired_at - entry->due_at - offset, 0);
    switch (entry->fire.kind) {
    case MF_FIRE_SCHEDULED:
        break;
    case MF_FIRE_BUFFERED:
        return MF_VERDICT_BUFFERED;
    case MF_FIRE_BACKFILL:
        return MF_VERDICT_BACKFILLED;
    case MF_FIRE_FOUND:
        return MF_VERDICT_FOUND;
    }
    if (entry->late_ns < MF_AUDIT_ON_TIME_NS)
        return MF_VERDICT_ON_TIME;
    return entry->late_ns <= MF_CATCH_UP_GRACE_NS ? MF_VERDICT_LATE : MF_VERDICT_CAUGHT_UP;
}

static enum mf_verdict judge_gap(struct mf_audit_entry *entry)
{
    entry->reason = mf_gap_word(entry->gap.reason);
    return entry->gap.reason == MF_GAP_WINDOW || entry->gap.reason == MF_GAP_FAILED ? MF_VERDICT_MISSED
                                                                                    : MF_VERDICT_SKIPPED;
}

static const struct mf_audit_revision *dropped_by(const struct mf_audit *audit,
                                                  const struct mf_audit_entry *entry)
{
    for (const struct mf_audit_revision *revision = entry->revision + 1;
         revision < audit->revisions + audit->revision_count; revision++) {
        if (revision->drop != MF_AUDIT_KEEPS)
            return revision;
    }
    return NULL;
}

/* Whether the runs that max-runs allows are used up before this due time, which is not decided yet. The
 * entries come in order. */
static bool is_beyond_max(const struct mf_audit *audit, const struct mf_audit_entry *entry, struct room *room)
{
    const struct mf_audit_revision *revision = entry->revision;
    int64_t left = (int64_t)revision->policy.max_runs - audit->state.runs - (audit->state.buffered_at != 0);
    if (revision->policy.max_runs == 0 || left > MF_AUDIT_ROOM_MAX)
        return false;
    if (!room->is_counted) {
        uint64_t allowed = left > 0 ? (uint64_t)left : 0;
        uint64_t before = mf_schedule_count(&revision->timing, revision->baseline_at, audit->state.cursor_at,
                                            entry->due_at - 1, allowed);
        *room = (struct room){true, allowed - before};
    }
    if (room->left == 0)
        return true;
    room->left--;
    return false;
}

/* A due time that the schedule has still before it. */
static enum mf_verdict judge_open(const struct mf_audit *audit, struct mf_audit_entry *entry,
                                  struct room *room)
{
    if (is_beyond_max(audit, entry, room)) {
        entry->reason = mf_gap_word(MF_GAP_MAX_RUNS);
        return MF_VERDICT_SKIPPED;
    }
    if (entry->due_at > audit->now)
        return MF_VERDICT_UPCOMING;
    if (audit->state.error.len > 0)
        entry->reason = "failing";
    else if (audit->now - entry->due_at < entry->revision->offset_ns)
        entry->reason = "jitter";
    return MF_VERDICT_DUE;
}

static enum mf_verdict judge(const struct mf_audit *audit, struct mf_audit_entry *entry, struct room *room)
{
    if (entry->fire.run_id != 0)
        return judge_fire(entry);
    if (entry->gap.reason != 0)
        return judge_gap(entry);
    const struct mf_audit_revision *drop = dropped_by(audit, entry);
    if (!drop && audit->active && entry->due_at == audit->state.buffered_at) {
        entry->reason = "buffered";
        return MF_VERDICT_DUE;
    }
    if (!drop && audit->active && entry->due_at > audit->state.cursor_at)
        return judge_open(audit, entry, room);
    if (entry->due_at <= audit->history_from) {
        entry->reason = "history";
        return MF_VERDICT_UNKNOWN;
    }
    if (!drop)
        return entry->due_at > audit->now ? MF_VERDICT_UPCOMING : MF_VERDICT_UNKNOWN;
    entry->dropped_by = drop;
    entry->reason = drop_words[drop->drop];
    return MF_VERDICT_MISSED;
}

void mf_audit_judge(const struct mf_audit *audit, struct mf_audit_entry *entries, size_t count)
{
    struct room room = {0};
    for (size_t i = 0; i < count; i++)
        entries[i].verdict = judge(audit, &entries[i], &room);
}

/* ---- in words ---- */

static struct mf_str explain_drop(struct mf_arena *arena, const struct mf_audit_revision *drop)
{
    static const char *const texts[] = {"", "the trigger was switched off", "the trigger was deleted",
                                        "the schedule was changed", "the policy was changed"};
    struct mf_str at = mf_time_rfc3339(arena, drop->recorded_at, true);
    return mf_str_printf(arena, "%s at %.*s (revision %" PRId64 "), before it fired", texts[drop->drop],
                         MF_FMT(at), drop->revision);
}

static struct mf_str explain_due(struct mf_arena *arena, const struct mf_audit *audit,
                                 const struct mf_audit_entry *entry)
{
    if (strcmp(entry->reason, "buffered") == 0)
        return MF_STR("waits for an earlier run to end (overlap: buffer-one)");
    if (strcmp(entry->reason, "failing") == 0)
        return mf_str_printf(arena, "is tried again; since %.*s: %.*s",
                             MF_FMT(mf_time_rfc3339(arena, audit->state.error_at, false)),
                             MF_FMT(audit->state.error));
    if (strcmp(entry->reason, "jitter") != 0)
        return MF_STR("fires as soon as the scheduler gets to it");
    struct mf_str at = mf_time_rfc3339(arena, entry->due_at + entry->revision->offset_ns, true);
    return mf_str_printf(arena, "fires at %.*s, the jitter of this trigger", MF_FMT(at));
}

static struct mf_str explain_gap(struct mf_arena *arena, const struct mf_audit_entry *entry)
{
    const char *text = mf_gap_text(entry->gap.reason);
    if (entry->gap.error.len > 0)
        return mf_str_printf(arena, "%s: %.*s", text, MF_FMT(entry->gap.error));
    return mf_str_from_c(text);
}

struct mf_str mf_audit_explain(struct mf_arena *arena, const struct mf_audit *audit,
                               const struct mf_audit_entry *entry)
{
    switch (entry->verdict) {
    case MF_VERDICT_ON_TIME:
    case MF_VERDICT_LATE:
    case MF_VERDICT_UPCOMING:
        break;
    case MF_VERDICT_CAUGHT_UP:
        return MF_STR("could not be fired at its time");
    case MF_VERDICT_BUFFERED:
        return MF_STR("waited for an earlier run to end (overlap: buffer-one)");
    case MF_VERDICT_BACKFILLED:
        return MF_STR("asked for with a backfill");
    case MF_VERDICT_FOUND:
        return MF_STR("there was a run of its name already");
    case MF_VERDICT_SKIPPED:
        return entry->gap.reason != 0 ? explain_gap(arena, entry)
                                      : mf_str_from_c(mf_gap_text(MF_GAP_MAX_RUNS));
    case MF_VERDICT_MISSED:
        return entry->dropped_by ? explain_drop(arena, entry->dropped_by) : explain_gap(arena, entry);
    case MF_VERDICT_DUE:
        return explain_due(arena, audit, entry);
    case MF_VERDICT_UNKNOWN:
        return entry->reason[0] ? MF_STR("older than the history that is kept (fire-history)")
                                : MF_STR("nothing is recorded of it");
    }
    return MF_STR_EMPTY;
}
