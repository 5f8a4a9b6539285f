/*
 * What became of the due times of a schedule, and why: puts together when it was to fire (the revisions of
 * its trigger), what was recorded (fires and gaps), and where it stands now. Pure.
 *
 *     count = mf_audit_collect(&audit, from, until, fires, fire_count, entries, most);
 *     for each gap between the first and the last entry: mf_audit_gap(entries, count, &gap);
 *     mf_audit_judge(&audit, entries, count);
 */
#ifndef MF_SCHEDULE_AUDIT_H
#define MF_SCHEDULE_AUDIT_H

#include "base/arena.h"
#include "cron/schedule.h"
#include "store/fire.h"
#include "store/schedule.h"
#include "trigger/policy.h"

/* Numbers of mayfly.schedule.v1.Verdict, which says what they mean. */
enum mf_verdict {
    MF_VERDICT_ON_TIME = 1,
    MF_VERDICT_LATE,
    MF_VERDICT_CAUGHT_UP,
    MF_VERDICT_BUFFERED,
    MF_VERDICT_BACKFILLED,
    MF_VERDICT_FOUND,
    MF_VERDICT_SKIPPED,
    MF_VERDICT_MISSED,
    MF_VERDICT_DUE,
    MF_VERDICT_UPCOMING,
    MF_VERDICT_UNKNOWN,
};

/* Up to this late a fire is on time. */
#define MF_AUDIT_ON_TIME_NS INT64_C(1000000000)
/* A max-runs that leaves room for more runs than that is taken for no limit, to bound the work. */
#define MF_AUDIT_ROOM_MAX 100000

/* What a revision did to due times before it that had not fired yet. */
enum mf_audit_drop {
    MF_AUDIT_KEEPS, /* nothing */
    MF_AUDIT_SWITCHED_OFF,
    MF_AUDIT_DELETED,
    MF_AUDIT_SCHEDULE, /* given up, because the times are others now */
    MF_AUDIT_POLICY,   /* given up, because the policy is another */
};

/* A revision of the trigger: due times after recorded_at, up to and with the next one's, are its. */
struct mf_audit_revision {
    int64_t revision;
    int64_t recorded_at; /* not before that of the one before */
    enum mf_audit_drop drop;
    bool active; /* the trigger is on and has a schedule; else what follows is nothing */
    struct mf_schedule timing;
    struct mf_policy policy;
    int64_t baseline_at;
    int64_t offset_ns; /* mf_policy_offset */
};

struct mf_audit {
    const struct mf_audit_revision *revisions; /* rising */
    size_t revision_count;
    bool has_last; /* the last of them is the present one */
    bool active;   /* the schedule's row is, and */
    struct mf_schedule_state state;
    int64_t now;
    int64_t history_from; /* records of what happened up to then may be gone; INT64_MIN: none are */
};

struct mf_audit_entry {
    int64_t due_at;
    const struct mf_audit_revision *revision; /* the one in effect then; NULL: before the first */
    bool expected;                            /* it was due; else there is a fire all the same */
    struct mf_fire_row fire;                  /* run_id 0: there is none */
    struct mf_gap_row gap;                    /* reason 0: there is none */
    /* By mf_audit_judge. */
    enum mf_verdict verdict;
    const char *reason; /* one word; empty: nothing more to say */
    int64_t late_ns;    /* of the fire, behind its due time and jitter; not negative */
    const struct mf_audit_revision *dropped_by; /* MISSED; NULL: not by a change */
};

/* Due times with from <= due_at <= until in order, most of them at most: those that the revisions give, and
 * those of the fires. fires: by due_at, all of that stretch, or the first most + 1 of them. */
size_t mf_audit_collect(const struct mf_audit *audit, int64_t from, int64_t until,
                        const struct mf_fire_row *fires, size_t fire_count, struct mf_audit_entry *entries,
                        size_t most);
/* The gap's error is not copied. */
void mf_audit_gap(struct mf_audit_entry *entries, size_t count, const struct mf_gap_row *gap);
void mf_audit_judge(const struct mf_audit *audit, struct mf_audit_entry *entries, size_t count);

/* The verdict's reason in words for people; empty when the verdict says all. .ptr NULL: memory ran out. */
struct mf_str mf_audit_explain(struct mf_arena *arena, const struct mf_audit *audit,
                               const struct mf_audit_entry *entry);

#endif
