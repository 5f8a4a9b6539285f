#include "base/time.h"
#include "schedule/past.h"
#include "schedule/subject.h"
#include "store/run.h"
#include "trigger/message.h"

#define ENTRIES_USUAL 100

/* One page of an audit. */
struct page {
    struct mf_schedules *schedules;
    struct mf_arena *arena;
    struct mf_db *db;
    struct mf_subject subject;
    struct mf_audit audit;
    int64_t from, until;
    size_t limit;
    struct mf_fire_row *fires;
    size_t fire_count;
    struct mf_audit_entry *entries;
    size_t count; /* one more than limit: there is another page */
    bool out_of_memory;
};

/* ---- reading ---- */

static bool on_fire(void *ctx, const struct mf_fire_row *row)
{
    struct page *page = ctx;
    page->fires[page->fire_count++] = *row;
    return page->fire_count < page->limit + 2;
}

static bool on_gap(void *ctx, const struct mf_gap_row *row)
{
    struct page *page = ctx;
    struct mf_gap_row gap = *row;
    gap.error = mf_str_copy(page->arena, row->error);
    page->out_of_memory = !gap.error.ptr;
    mf_audit_gap(page->entries, page->count, &gap);
    return !page->out_of_memory;
}

static void set_audit(struct page *page, const struct mf_past *past)
{
    const struct mf_schedules_config *config = &page->schedules->config;
    int64_t now = mf_wall_ns(config->sys);
    page->audit = (struct mf_audit){
        .revisions = past->revisions,
        .revision_count = past->count,
        .has_last = past->is_whole,
        .active = page->subject.row.active,
        .state = page->subject.row.state,
        .now = now,
        .history_from = config->history_ns > 0 ? now - config->history_ns : INT64_MIN,
    };
    if (page->until > past->until)
        page->until = past->until;
}

static enum mf_code read_entries(struct page *page, struct mf_error *err)
{
    const int64_t id = page->subject.row.id;
    size_t most = page->limit + 1;
    page->fires = mf_arena_array(page->arena, most + 1, sizeof *page->fires);
    page->entries = mf_arena_array(page->arena, most, sizeof *page->entries);
    if (!page->fires || !page->entries)
        return mf_fail_memory(err);
    enum mf_code code = mf_fire_list(page->db, id, page->from, page->until, on_fire, page, err);
    if (code != MF_OK)
        return code;
    page->count = mf_audit_collect(&page->audit, page->from, page->until, page->fires, page->fire_count,
                                   page->entries, most);
    if (page->count > 0)
        code = mf_gap_list(page->db, id, page->entries[0].due_at, page->entries[page->count - 1].due_at,
                           on_gap, page, err);
    return code == MF_OK && page->out_of_memory ? mf_fail_memory(err) : code;
}

/* ---- answering ---- */

static struct pb_google_protobuf_Duration *duration(struct mf_arena *arena, int64_t ns)
{
    struct pb_google_protobuf_Duration *duration = MF_NEW(arena, struct pb_google_protobuf_Duration);
    if (duration) {
        duration->seconds = ns / MF_SECOND_NS;
        duration->nanos = (int32_t)(ns % MF_SECOND_NS);
    }
    return duration;
}

static enum mf_code add_run(struct page *page, const struct mf_audit_entry *entry,
                            struct pb_mayfly_schedule_v1_AuditEntry *out, struct mf_error *err)
{
    const struct mf_trigger_key *key = &page->subject.trigger.key;
    bool found = false;
    out->fired_at = mf_timestamp(page->arena, entry->fire.fired_at);
    out->lateness = duration(page->arena, entry->late_ns);
    if (!out->fired_at || !out->lateness)
        return mf_fail_memory(err);
    enum mf_code code = mf_run_phase(page->db, entry->fire.run_id, &out->phase, &found, err);
    if (code != MF_OK || !found)
        return code;
    out->run_id = MF_NEW(page->arena, struct pb_common_RunIdentifier);
    if (!out->run_id)
        return mf_fail_memory(err);
    out->run_id->project = key->project;
    out->run_id->domain = key->domain;
    out->run_id->name = out->run_name;
    return MF_OK;
}

static enum mf_code add_entry(struct page *page, const struct mf_audit_entry *entry,
                              struct pb_mayfly_schedule_v1_AuditResponse *response, struct mf_error *err)
{
    struct mf_arena *arena = page->arena;
    struct pb_mayfly_schedule_v1_AuditEntry *out = MF_NEW(arena, struct pb_mayfly_schedule_v1_AuditEntry);
    const struct mf_audit_revision *revision = entry->revision;
    const struct mf_schedule *timing = page->subject.has_schedule ? &page->subject.timing : NULL;
    if (!out)
        return mf_fail_memory(err);
    if (revision && revision->active)
        timing = &revision->timing;
    out->due_at = mf_timestamp(arena, entry->due_at);
    out->local_time = mf_local_time(arena, timing, entry->due_at);
    out->verdict = (int32_t)entry->verdict;
    out->reason = mf_str_from_c(entry->reason);
    out->explanation = mf_audit_explain(arena, &page->audit, entry);
    out->run_name = mf_run_name(arena, &page->subject.trigger.key, entry->due_at);
    out->revision = revision ? (uint64_t)revision->revision : 0;
    if (!out->due_at || !out->local_time.ptr || !out->explanation.ptr || !out->run_name.ptr ||
        !PB_PUSH(arena, response->entries, out))
        return mf_fail_memory(err);
    return entry->fire.run_id != 0 ? add_run(page, entry, out, err) : MF_OK;
}

static enum mf_code add_counts(struct page *page, size_t count,
                               struct pb_mayfly_schedule_v1_AuditResponse *response, struct mf_error *err)
{
    uint32_t counts[MF_VERDICT_UNKNOWN + 1] = {0};
    for (size_t i = 0; i < count; i++)
        counts[page->entries[i].verdict]++;
    for (int32_t verdict = MF_VERDICT_ON_TIME; verdict <= MF_VERDICT_UNKNOWN; verdict++) {
        struct pb_mayfly_schedule_v1_VerdictCount *out = NULL;
        if (counts[verdict] == 0)
            continue;
        out = MF_NEW(page->arena, struct pb_mayfly_schedule_v1_VerdictCount);
        if (!out || !PB_PUSH(page->arena, response->counts, out))
            return mf_fail_memory(err);
        out->verdict = verdict;
        out->count = counts[verdict];
    }
    return MF_OK;
}

static enum mf_code answer(struct page *page, int64_t to,
                           struct pb_mayfly_schedule_v1_AuditResponse *response, struct mf_error *err)
{
    const struct mf_subject *subject = &page->subject;
    size_t count = page->count > page->limit ? page->limit : page->count;
    enum mf_code code = MF_OK;
    mf_audit_judge(&page->audit, page->entries, page->count);
    for (size_t i = 0; i < count && code == MF_OK; i++)
        code = add_entry(page, &page->entries[i], response, err);
    if (code == MF_OK)
        code = add_counts(page, count, response, err);
    if (code != MF_OK)
        return code;
    if (page->count > count)
        response->token = mf_stretch_token(page->arena, page->entries[count].due_at);
    else if (page->until < to)
        response->token = mf_stretch_token(page->arena, page->until + 1);
    response->trigger = mf_trigger_name(page->arena, &subject->trigger.key);
    response->active = subject->row.active;
    response->deleted = subject->trigger.deleted_at != 0;
    bool has_token = page->count > count || page->until < to;
    return response->trigger && (!has_token || response->token.ptr) ? MF_OK : mf_fail_memory(err);
}

static enum mf_code in_snapshot(struct page *page, const struct pb_mayfly_schedule_v1_AuditRequest *request,
                                struct pb_mayfly_schedule_v1_AuditResponse *response, struct mf_error *err)
{
    struct mf_schedules *schedules = page->schedules;
    struct mf_past past;
    int64_t to = page->until;
    enum mf_code code =
        mf_subject_read(schedules, page->db, page->arena, request->trigger, true, &page->subject, err);
    if (code == MF_OK && page->subject.row.id == 0)
        code = mf_subject_needs_schedule(&page->subject, err);
    if (code == MF_OK) /* a time belongs to the revision that was in effect just before it */
        code = mf_past_read(page->db, page->arena, schedules->config.zones, &page->subject.trigger.key,
                            page->from > INT64_MIN ? page->from - 1 : page->from, &past, err);
    if (code != MF_OK)
        return code;
    set_audit(page, &past);
    code = read_entries(page, err);
    return code == MF_OK ? answer(page, to, response, err) : code;
}

static enum mf_code audit(struct mf_schedules *schedules, struct mf_arena *arena,
                          const struct pb_mayfly_schedule_v1_AuditRequest *request,
                          struct pb_mayfly_schedule_v1_AuditResponse *response, struct mf_error *err)
{
    struct page page = {
        .schedules = schedules, .arena = arena, .limit = request->limit > 0 ? request->limit : ENTRIES_USUAL};
    enum mf_code code =
        mf_stretch_read(request->from, request->to, request->token, &page.from, &page.until, err);
    if (code == MF_OK)
        code = mf_store_reader(schedules->config.store, &page.db, err);
    if (code != MF_OK)
        return code;
    code = mf_db_snapshot_begin(page.db, err);
    if (code == MF_OK) {
        code = in_snapshot(&page, request, response, err);
        mf_db_snapshot_end(page.db);
    }
    mf_store_reader_done(schedules->config.store, page.db);
    return code;
}

void mf_schedule_on_audit(void *service, struct mf_call *call)
{
    struct pb_mayfly_schedule_v1_AuditResponse response = {0};
    struct mf_error err;
    if (audit(service, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}
