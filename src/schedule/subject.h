/* What a call of ScheduleService is about: one trigger and its schedule; and the forms that the answers
 * share. For this folder only. */
#ifndef MF_SCHEDULE_SUBJECT_H
#define MF_SCHEDULE_SUBJECT_H

#include "cron/schedule.h"
#include "gen/mayfly/schedule/v1/schedule.pb.h"
#include "rpc/call.h"
#include "schedule/service.h"

struct mf_schedules {
    struct mf_schedules_config config;
};

/* A trigger as it is now. */
struct mf_subject {
    struct mf_trigger_row trigger;
    struct mf_schedule_row row; /* without an id when the trigger never had a schedule */
    bool has_schedule;          /* it has one now, which is */
    struct mf_schedule timing;
    struct mf_policy policy;
    int64_t offset_ns; /* mf_policy_offset */
};

/* deleted: such triggers are found too, by the whole name. MF_NOT_FOUND; MF_INVALID_ARGUMENT begins with
 * "trigger". */
enum mf_code mf_subject_read(struct mf_schedules *schedules, struct mf_db *db, struct mf_arena *arena,
                             const struct pb_common_TriggerName *name, bool deleted, struct mf_subject *out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* MF_FAILED_PRECONDITION unless it has a schedule now. */
enum mf_code mf_subject_needs_schedule(const struct mf_subject *subject,
                                       struct mf_error *err) MF_CHECK_RESULT;

/* MF_INVALID_ARGUMENT for what 64 bits of nanoseconds do not reach. */
enum mf_code mf_instant_read(const struct pb_google_protobuf_Timestamp *time, const char *field, int64_t *out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* from and to of a request, and where the token goes on between them. */
enum mf_code mf_stretch_read(const struct pb_google_protobuf_Timestamp *from,
                             const struct pb_google_protobuf_Timestamp *to, struct mf_str token,
                             int64_t *from_ns, int64_t *to_ns, struct mf_error *err) MF_CHECK_RESULT;

/* NULL and .ptr NULL when memory ran out. */
struct mf_str mf_stretch_token(struct mf_arena *arena, int64_t from);
struct pb_common_TriggerName *mf_trigger_name(struct mf_arena *arena, const struct mf_trigger_key *key);
struct mf_str mf_local_time(struct mf_arena *arena, const struct mf_schedule *timing, int64_t at);
struct mf_str mf_run_name(struct mf_arena *arena, const struct mf_trigger_key *key, int64_t due_at);

/* Handlers; service is the struct mf_schedules. */
void mf_schedule_on_next(void *service, struct mf_call *call);
void mf_schedule_on_audit(void *service, struct mf_call *call);
void mf_schedule_on_backfill(void *service, struct mf_call *call);

#endif
