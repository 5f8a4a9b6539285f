#include "testing.h"

#include "base/buf.h"
#include "base/time.h"
#include "schedule/audit.h"

#include <stdlib.h>

#define MINUTE (60 * MF_SECOND_NS)
#define MOST 32

/* A trigger every five minutes, deployed at 12:00 on a day; times in tests are minutes after that. */
struct story {
    struct mf_audit_revision revisions[8];
    struct mf_audit audit;
    struct mf_fire_row fires[MOST];
    size_t fire_count;
    struct mf_gap_row gaps[8];
    size_t gap_count;
    struct mf_audit_entry entries[MOST];
    size_t count;
    size_t most;
    struct mf_arena *arena;
};

static const char *const words[] = {"",      "on-time", "late",   "caught-up", "buffered", "backfilled",
                                    "found", "skipped", "missed", "due",       "upcoming", "unknown"};

static int64_t at(int64_t minutes)
{
    int64_t noon = 0;
    assert_true(mf_time_parse_rfc3339(MF_STR("2026-01-01T12:00:00Z"), &noon));
    return noon + minutes * MINUTE;
}

static int setup(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    story->arena = mf_arena_new(0);
    struct mf_audit_revision *first = &story->revisions[0];
    *first = (struct mf_audit_revision){.revision = 1,
                                        .recorded_at = at(0),
                                        .active = true,
                                        .policy = {.window_ns = MF_CATCH_UP_WINDOW_NS},
                                        .baseline_at = at(0)};
    assert_int_equal(mf_schedule_rate(5, 1, 0, &first->timing, NULL), MF_OK);
    story->audit = (struct mf_audit){.revisions = story->revisions,
                                     .revision_count = 1,
                                     .has_last = true,
                                     .active = true,
                                     .state = {.cursor_at = at(0)},
                                     .now = at(0),
                                     .history_from = INT64_MIN};
    story->most = MOST;
    *state = story;
    return 0;
}

static int teardown(void **state)
{
    struct story *story = *state;
    mf_arena_free(story->arena);
    free(story);
    return 0;
}

/* Another revision, like the one before but for what the test then changes. */
static struct mf_audit_revision *revise(struct story *story, int64_t minutes, enum mf_audit_drop drop)
{
    struct mf_audit_revision *revision = &story->revisions[story->audit.revision_count++];
    *revision = revision[-1];
    revision->revision++;
    revision->recorded_at = at(minutes);
    revision->drop = drop;
    return revision;
}

static void fire(struct story *story, int64_t minutes, enum mf_fire_kind kind, int64_t late_ns)
{
    story->fires[story->fire_count] = (struct mf_fire_row){.due_at = at(minutes),
                                                           .run_id = 100 + (int64_t)story->fire_count,
                                                           .kind = kind,
                                                           .fired_at = at(minutes) + late_ns};
    story->fire_count++;
}

static void gap(struct story *story, int64_t from, int64_t until, enum mf_gap_reason reason,
                const char *error)
{
    story->gaps[story->gap_count++] = (struct mf_gap_row){
        .from_at = at(from), .until_at = at(until), .reason = reason, .error = mf_str_from_c(error)};
}

/* "5 on-time, 10 missed switched-off": the minutes, verdicts and reasons from one minute to another. */
static void expect(struct story *story, int64_t from, int64_t until, const char *wanted)
{
    struct mf_buf text = MF_BUF_INIT(0);
    story->count = mf_audit_collect(&story->audit, at(from), at(until), story->fires, story->fire_count,
                                    story->entries, story->most);
    for (size_t i = 0; i < story->gap_count; i++)
        mf_audit_gap(story->entries, story->count, &story->gaps[i]);
    mf_audit_judge(&story->audit, story->entries, story->count);
    for (size_t i = 0; i < story->count; i++) {
        const struct mf_audit_entry *entry = &story->entries[i];
        mf_buf_printf(&text, "%s%d %s%s%s%s", i > 0 ? ", " : "", (int)((entry->due_at - at(0)) / MINUTE),
                      words[entry->verdict], entry->reason[0] ? " " : "", entry->reason,
                      entry->expected ? "" : " (not expected)");
    }
    mf_buf_add_char(&text, '\0');
    assert_string_equal(text.ptr, wanted);
    mf_buf_free(&text);
}

static void expect_text(struct story *story, size_t entry, const char *wanted)
{
    struct mf_str text = mf_audit_explain(story->arena, &story->audit, &story->entries[entry]);
    assert_string_equal(mf_str_to_c(story->arena, text), wanted);
}

static void a_fire_is_judged_by_its_kind_and_lateness(void **state)
{
    struct story *story = *state;
    story->audit.now = at(60);
    story->audit.state.cursor_at = at(60);
    fire(story, 5, MF_FIRE_SCHEDULED, MF_SECOND_NS - 1);
    fire(story, 10, MF_FIRE_SCHEDULED, MF_SECOND_NS);
    fire(story, 15, MF_FIRE_SCHEDULED, MINUTE);
    fire(story, 20, MF_FIRE_SCHEDULED, MINUTE + 1);
    fire(story, 25, MF_FIRE_BUFFERED, 3 * MINUTE);
    fire(story, 30, MF_FIRE_BACKFILL, 20 * MINUTE);
    fire(story, 35, MF_FIRE_FOUND, 0);
    fire(story, 40, MF_FIRE_SCHEDULED, -MINUTE); /* the clock was put back meanwhile */
    expect(story, 1, 42,
           "5 on-time, 10 late, 15 late, 20 caught-up, 25 buffered, 30 backfilled, 35 found, 40 on-time");
    assert_true(story->entries[3].late_ns == MINUTE + 1);
    assert_true(story->entries[7].late_ns == 0);
    expect_text(story, 0, "");
    expect_text(story, 3, "could not be fired at its time");
    expect_text(story, 6, "there was a run of its name already");
}

static void jitter_is_no_lateness(void **state)
{
    struct story *story = *state;
    story->revisions[0].offset_ns = 2 * MINUTE;
    story->audit.state.cursor_at = at(5);
    story->audit.now = at(11);
    fire(story, 5, MF_FIRE_SCHEDULED, 2 * MINUTE);
    expect(story, 0, 15, "5 on-time, 10 due jitter, 15 upcoming");
    expect_text(story, 1, "fires at 2026-01-01T12:12:00Z, the jitter of this trigger");
    story->audit.now = at(12);
    expect(story, 10, 10, "10 due");
    expect_text(story, 0, "fires as soon as the scheduler gets to it");
}

static void gaps_tell_what_was_passed_over_and_what_was_missed(void **state)
{
    struct story *story = *state;
    story->audit.now = at(60);
    story->audit.state.cursor_at = at(60);
    fire(story, 15, MF_FIRE_BACKFILL, 40 * MINUTE);
    gap(story, 1, 5, MF_GAP_OVERLAP, "");
    gap(story, 10, 20, MF_GAP_WINDOW, "");
    gap(story, 21, 29, MF_GAP_FAILED, "inputs are gone");
    gap(story, 30, 34, MF_GAP_LATEST, "");
    gap(story, 35, 39, MF_GAP_NO_CATCH_UP, "");
    gap(story, 40, 44, MF_GAP_PAUSED, "");
    gap(story, 45, 45, MF_GAP_MAX_RUNS, "");
    gap(story, 50, 51, MF_GAP_BUFFER, "");
    expect(story, 5, 50,
           "5 skipped overlap, 10 missed window, 15 backfilled, 20 missed window, 25 missed failed, "
           "30 skipped latest, 35 skipped no-catch-up, 40 skipped paused, 45 skipped max-runs, "
           "50 skipped buffer");
    expect_text(story, 4, "every try failed until the catch-up window had ended: inputs are gone");
}

static void the_present_and_the_future(void **state)
{
    struct story *story = *state;
    story->audit.now = at(20);
    story->audit.state = (struct mf_schedule_state){.cursor_at = at(10), .buffered_at = at(10)};
    fire(story, 5, MF_FIRE_SCHEDULED, 0);
    expect(story, 1, 29, "5 on-time, 10 due buffered, 15 due, 20 due, 25 upcoming");
    expect_text(story, 1, "waits for an earlier run to end (overlap: buffer-one)");
    expect_text(story, 4, "");
    story->audit.state.error = MF_STR("the task is gone");
    story->audit.state.error_at = at(16);
    expect(story, 15, 15, "15 due failing");
    expect_text(story, 0, "is tried again; since 2026-01-01T12:16:00Z: the task is gone");
}

static void what_a_change_has_kept_from_firing_is_missed(void **state)
{
    static const struct {
        enum mf_audit_drop drop;
        const char *verdict, *text;
    } cases[] = {
        {MF_AUDIT_SWITCHED_OFF, "10 missed switched-off", "the trigger was switched off"},
        {MF_AUDIT_DELETED, "10 missed deleted", "the trigger was deleted"},
        {MF_AUDIT_SCHEDULE, "10 missed schedule-changed", "the schedule was changed"},
        {MF_AUDIT_POLICY, "10 missed policy-changed", "the policy was changed"},
    };
    struct story *story = *state;
    story->audit.now = at(60);
    story->audit.state.cursor_at = at(12);
    revise(story, 7, MF_AUDIT_KEEPS); /* a new version of the task loses nothing */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        story->audit.revision_count = 2;
        revise(story, 12, cases[i].drop)->active = false;
        story->audit.active = false;
        expect(story, 6, 60, cases[i].verdict);
        assert_int_equal(story->entries[0].revision->revision, 2);
        struct mf_str text = mf_str_printf(
            story->arena, "%s at 2026-01-01T12:12:00Z (revision 3), before it fired", cases[i].text);
        expect_text(story, 0, mf_str_to_c(story->arena, text));
    }
}

static void each_time_belongs_to_the_revision_in_effect(void **state)
{
    struct story *story = *state;
    story->audit.now = at(120);
    story->audit.state.cursor_at = at(120);
    revise(story, 10, MF_AUDIT_SWITCHED_OFF)->active = false; /* at the very instant of a due time */
    struct mf_audit_revision *on = revise(story, 31, MF_AUDIT_KEEPS);
    on->active = true;
    on->baseline_at = at(31);
    struct mf_audit_revision *hourly = revise(story, 41, MF_AUDIT_SCHEDULE);
    assert_int_equal(mf_schedule_rate(1, 2, 0, &hourly->timing, NULL), MF_OK);
    hourly->baseline_at = at(41);
    fire(story, 5, MF_FIRE_SCHEDULED, 0);
    fire(story, 20, MF_FIRE_BACKFILL, 0);
    fire(story, 36, MF_FIRE_SCHEDULED, 0);
    fire(story, 41, MF_FIRE_SCHEDULED, 0);
    fire(story, 101, MF_FIRE_SCHEDULED, 0);
    expect(story, -10, 120,
           "5 on-time, 10 missed switched-off, 20 backfilled (not expected), 36 on-time, 41 on-time, "
           "101 on-time");
    const int64_t revisions[] = {1, 1, 2, 3, 3, 4};
    for (size_t i = 0; i < sizeof revisions / sizeof revisions[0]; i++)
        assert_int_equal(story->entries[i].revision->revision, revisions[i]);
}

static void fires_from_before_the_trigger_are_shown(void **state)
{
    struct story *story = *state;
    fire(story, -30, MF_FIRE_BACKFILL, 40 * MINUTE);
    expect(story, -60, 0, "-30 backfilled (not expected)");
    assert_null(story->entries[0].revision);
}

static void nothing_is_expected_after_the_end(void **state)
{
    struct story *story = *state;
    story->revisions[0].policy.end_at = at(10);
    expect(story, 1, 60, "5 upcoming, 10 upcoming");
}

static void max_runs_ends_the_runs(void **state)
{
    struct story *story = *state;
    story->revisions[0].policy.max_runs = 3;
    story->audit.state = (struct mf_schedule_state){.cursor_at = at(5), .runs = 1};
    story->audit.now = at(11);
    fire(story, 5, MF_FIRE_SCHEDULED, 0);
    expect(story, 1, 24, "5 on-time, 10 due, 15 upcoming, 20 skipped max-runs");
    expect_text(story, 3, "as many runs as max-runs allows were made");
    expect(story, 13, 24, "15 upcoming, 20 skipped max-runs");
    expect(story, 20, 20, "20 skipped max-runs");
    story->audit.state.buffered_at = at(5); /* takes one of the runs */
    expect(story, 8, 15, "10 due, 15 skipped max-runs");
}

static void what_is_older_than_the_history_is_unknown(void **state)
{
    struct story *story = *state;
    story->audit.now = at(60);
    story->audit.state.cursor_at = at(60);
    story->audit.history_from = at(20);
    fire(story, 10, MF_FIRE_SCHEDULED, 0); /* not removed yet */
    fire(story, 25, MF_FIRE_SCHEDULED, 0);
    expect(story, 1, 30,
           "5 unknown history, 10 on-time, 15 unknown history, 20 unknown history, "
           "25 on-time, 30 unknown");
    expect_text(story, 0, "older than the history that is kept (fire-history)");
    expect_text(story, 5, "nothing is recorded of it");
    revise(story, 31, MF_AUDIT_SWITCHED_OFF)->active = false;
    expect(story, 20, 30, "20 unknown history, 25 on-time, 30 missed switched-off");
}

static void a_page_ends_where_it_is_full(void **state)
{
    struct story *story = *state;
    story->most = 3;
    story->audit.now = at(60);
    for (int64_t minute = 5; minute <= 20; minute += 5)
        fire(story, minute, MF_FIRE_SCHEDULED, 0);
    expect(story, 1, 600, "5 on-time, 10 on-time, 15 on-time");
}

static void a_clock_that_was_put_back_is_borne(void **state)
{
    struct story *story = *state;
    story->audit.now = at(8); /* but the trigger was switched off and on again at 20 and 21 */
    revise(story, 20, MF_AUDIT_SWITCHED_OFF)->active = false;
    struct mf_audit_revision *on = revise(story, 21, MF_AUDIT_KEEPS);
    on->active = true;
    on->baseline_at = at(21);
    story->audit.state.cursor_at = at(21);
    fire(story, 5, MF_FIRE_SCHEDULED, 0);
    fire(story, 10, MF_FIRE_SCHEDULED, 0);
    expect(story, 1, 26,
           "5 on-time, 10 on-time, 15 missed switched-off, 20 missed switched-off, 26 upcoming");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fire_is_judged_by_its_kind_and_lateness, setup, teardown),
        cmocka_unit_test_setup_teardown(jitter_is_no_lateness, setup, teardown),
        cmocka_unit_test_setup_teardown(gaps_tell_what_was_passed_over_and_what_was_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_present_and_the_future, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_change_has_kept_from_firing_is_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(each_time_belongs_to_the_revision_in_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(fires_from_before_the_trigger_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_expected_after_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(max_runs_ends_the_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_older_than_the_history_is_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_ends_where_it_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_was_put_back_is_borne, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
