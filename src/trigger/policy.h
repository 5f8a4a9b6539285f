/*
 * What a schedule does beside firing at its times. The protocol has no fields for it, so a trigger carries it
 * as annotations of its run specification, with a prefix:
 *
 *   schedule.mayfly/catch-up              all (usual), latest, none
 *   schedule.mayfly/catch-up-window       duration, 24h is usual: older due times are not caught up
 *   schedule.mayfly/overlap               allow (usual), skip, buffer-one, cancel-other
 *   schedule.mayfly/jitter                duration: all fires of a trigger are late by one part of it
 *   schedule.mayfly/end-time              RFC 3339: nothing is due after it
 *   schedule.mayfly/max-runs              number: of runs since the schedule was last changed
 *   schedule.mayfly/pause-after-failures  number: of failed runs in a row that switch it off
 *
 * Durations are those of a cron expression's @every ("90s", "1h30m"). Pure.
 */
#ifndef MF_TRIGGER_POLICY_H
#define MF_TRIGGER_POLICY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "store/trigger.h"

struct pb_task_RunSpec;

#define MF_POLICY_PREFIX MF_STR("schedule.mayfly/")

enum mf_catch_up { MF_CATCH_UP_ALL, MF_CATCH_UP_LATEST, MF_CATCH_UP_NONE };
enum mf_overlap { MF_OVERLAP_ALLOW, MF_OVERLAP_SKIP, MF_OVERLAP_BUFFER, MF_OVERLAP_CANCEL };

/* Up to this late a fire is no catch-up: "none" lets it pass. */
#define MF_CATCH_UP_GRACE_NS (INT64_C(60) * 1000000000)
#define MF_CATCH_UP_WINDOW_NS (INT64_C(86400) * 1000000000)

struct mf_policy {
    enum mf_catch_up catch_up;
    enum mf_overlap overlap;
    int64_t window_ns;    /* > 0 */
    int64_t jitter_ns;    /* 0: none */
    int64_t end_at;       /* last instant that may be due; 0: no end */
    uint32_t max_runs;    /* 0: no limit */
    uint32_t pause_after; /* 0: never */
};

/* Of the annotations of spec (NULL: none): the policy, and its text for the store (empty when all is usual;
 * the same policy gives the same text). MF_INVALID_ARGUMENT names the annotation, as
 * "spec.run_spec.annotations[\"schedule.mayfly/overlap\"] …", also for an unknown one with the prefix. */
enum mf_code mf_policy_read(struct mf_arena *arena, const struct pb_task_RunSpec *spec, struct mf_policy *out,
                            struct mf_str *text, struct mf_error *err) MF_CHECK_RESULT;
/* The policy of a text that mf_policy_read has made. MF_DATA_LOSS when it is none. */
enum mf_code mf_policy_parse(struct mf_str text, struct mf_policy *out, struct mf_error *err) MF_CHECK_RESULT;

/* How late each fire of this trigger is: 0 <= offset < jitter_ns, whole milliseconds, the same on every
 * server. */
int64_t mf_policy_offset(const struct mf_policy *policy, const struct mf_trigger_key *key);

/* docs/policies.md. */
void mf_policy_docs(struct mf_buf *out);

#endif
