#include "explain.h"

#include "schedule/words.h"

#include <inttypes.h>
#include <stdlib.h>

#define PAGE 1000

/* One page of an audit. */
struct page {
    struct sim *sim;
    struct trigger *trigger;
    struct mf_audit audit;
    struct mf_audit_entry entries[PAGE];
    size_t count;
    size_t told; /* of the trigger: those before are passed */
    size_t fires;
};

static void check_told(const struct page *page, const struct mf_audit_entry *entry, const struct told *told)
{
    const struct trigger *trigger = page->trigger;
    bool is_right = false;
    if (!entry->expected)
        sim_violation(page->sim, trigger, "the audit does not expect %" PRId64, entry->due_at);
    switch (told->kind) {
    case TOLD_FIRE:
        is_right = entry->fire.run_id != 0 && entry->verdict >= MF_VERDICT_ON_TIME &&
                   entry->verdict <= MF_VERDICT_FOUND;
        break;
    case TOLD_GAP:
        is_right = entry->verdict == MF_VERDICT_BACKFILLED || entry->verdict == MF_VERDICT_FOUND ||
                   ((entry->verdict == MF_VERDICT_SKIPPED || entry->verdict == MF_VERDICT_MISSED) &&
                    entry->gap.reason == told->reason);
        break;
    case TOLD_WAITS:
        is_right = entry->verdict == MF_VERDICT_BACKFILLED ||
                   (entry->verdict == MF_VERDICT_DUE && entry->due_at == trigger->model.buffered) ||
                   (entry->verdict == MF_VERDICT_MISSED && entry->dropped_by);
        break;
    }
    if (!is_right)
        sim_violation(page->sim, trigger,
                      "the audit says of %" PRId64 ": verdict %d, \"%s\"; but it ended as %d, %s",
                      entry->due_at, entry->verdict, entry->reason, told->kind,
                      told->kind == TOLD_GAP ? mf_gap_word(told->reason) : "");
}

/* It was never decided. */
static void check_untold(const struct page *page, const struct mf_audit_entry *entry)
{
    const struct trigger *trigger = page->trigger;
    bool is_open = trigger->model.active && entry->due_at > trigger->model.cursor;
    bool is_right = false;
    switch (entry->verdict) {
    case MF_VERDICT_ON_TIME:
    case MF_VERDICT_LATE:
    case MF_VERDICT_CAUGHT_UP:
    case MF_VERDICT_BUFFERED:
    case MF_VERDICT_FOUND:
    case MF_VERDICT_UNKNOWN:
        break;
    case MF_VERDICT_BACKFILLED:
        is_right = true;
        break;
    case MF_VERDICT_SKIPPED:
        is_right = entry->gap.reason == 0 && entry->revision->policy.max_runs != 0;
        break;
    case MF_VERDICT_MISSED:
        is_right = entry->dropped_by && entry->dropped_by->recorded_at >= entry->due_at && !is_open;
        break;
    case MF_VERDICT_DUE:
    case MF_VERDICT_UPCOMING:
        is_right = is_open;
        break;
    }
    if (!is_right)
        sim_violation(page->sim, trigger,
                      "the audit says of %" PRId64 ", which was never decided: %d, \"%s\"", entry->due_at,
                      entry->verdict, entry->reason);
}

static void check_page(struct page *page)
{
    const struct trigger *trigger = page->trigger;
    for (size_t i = 0; i < page->count; i++) {
        const struct mf_audit_entry *entry = &page->entries[i];
        const struct told *told = page->told < trigger->told_count ? &trigger->told[page->told] : NULL;
        page->fires += entry->fire.run_id != 0;
        if (told && told->at < entry->due_at)
            sim_violation(page->sim, trigger, "the audit leaves %" PRId64 " out", told->at);
        if (told && told->at == entry->due_at) {
            check_told(page, entry, told);
            page->told++;
        } else if (entry->expected) {
            check_untold(page, entry);
        }
        page->sim->totals.audited++;
    }
}

static void fill_page(struct page *page, const struct mf_fire_row *fires, size_t fire_count, int64_t from)
{
    const struct trigger *trigger = page->trigger;
    page->count =
        mf_audit_collect(&page->audit, from, page->audit.now, fires, fire_count, page->entries, PAGE);
    for (size_t i = 0; page->count > 0 && i < trigger->gap_count; i++) {
        const struct gap *gap = &trigger->gaps[i];
        const struct mf_gap_row row = {.schedule_id = trigger->row.id,
                                       .from_at = gap->from_at,
                                       .until_at = gap->until_at,
                                       .reason = gap->reason};
        if (gap->until_at >= page->entries[0].due_at && gap->from_at <= page->entries[page->count - 1].due_at)
            mf_audit_gap(page->entries, page->count, &row);
    }
    mf_audit_judge(&page->audit, page->entries, page->count);
}

void explain_trigger(struct sim *sim, struct trigger *trigger)
{
    struct page *page = calloc(1, sizeof *page);
    struct mf_fire_row *fires = calloc(trigger->fire_count + 1, sizeof *fires);
    int64_t from = 0;
    if (!page || !fires)
        abort();
    for (size_t i = 0; i < trigger->fire_count; i++) {
        const struct fire *fire = &trigger->fires[i];
        fires[i] =
            (struct mf_fire_row){trigger->row.id, fire->due_at, fire->run_id, fire->kind, fire->fired_at};
    }
    page->sim = sim;
    page->trigger = trigger;
    page->audit = (struct mf_audit){.revisions = trigger->revisions,
                                    .revision_count = trigger->revision_count,
                                    .has_last = true,
                                    .active = trigger->row.active,
                                    .state = trigger->row.state,
                                    .now = sim_wall(sim),
                                    .history_from = INT64_MIN};
    do {
        fill_page(page, fires, trigger->fire_count, from);
        check_page(page);
        if (page->count > 0)
            from = page->entries[page->count - 1].due_at + 1;
    } while (page->count == PAGE);
    if (page->told != trigger->told_count)
        sim_violation(sim, trigger, "the audit leaves %" PRId64 " out", trigger->told[page->told].at);
    if (page->fires != trigger->fire_count)
        sim_violation(sim, trigger, "the audit tells of %zu of %zu fires", page->fires, trigger->fire_count);
    free(fires);
    free(page);
}
