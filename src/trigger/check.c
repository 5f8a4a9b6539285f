#include "trigger/check.h"

#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/task/common.pb.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define SCHEDULE_PATH "automation_spec.schedule"

enum mf_code mf_name_check(struct mf_str value, const char *field, struct mf_error *err)
{
    if (value.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s is required", field);
    if (value.len > MF_NAME_BYTES_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s must have at most %d bytes", field, MF_NAME_BYTES_MAX);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return mf_fail(err, MF_INVALID_ARGUMENT, "%s must not hold \"/\" or control characters", field);
    }
    return MF_OK;
}

enum mf_code mf_trigger_name_check(const struct pb_common_TriggerName *name, const char *field,
                                   bool needs_task, struct mf_error *err)
{
    if (!name)
        return mf_fail(err, MF_INVALID_ARGUMENT, "%s is required", field);
    enum mf_code code = mf_name_check(name->project, "project", err);
    if (code == MF_OK)
        code = mf_name_check(name->domain, "domain", err);
    if (code == MF_OK && (needs_task || name->task_name.len > 0))
        code = mf_name_check(name->task_name, "task_name", err);
    if (code == MF_OK)
        code = mf_name_check(name->name, "name", err);
    if (code == MF_INVALID_ARGUMENT) {
        char message[MF_ERROR_MESSAGE_MAX];
        memcpy(message, err->message, sizeof message);
        return mf_fail(err, code, "%s.%s", field, message);
    }
    return code;
}

struct mf_str mf_short_text(struct mf_str text)
{
    return mf_str_take(text, mf_utf8_cut(text, MF_SHORT_TEXT_MAX));
}

static enum mf_code cron_schedule(struct mf_zones *zones, struct mf_str expression, struct mf_str zone,
                                  const char *path, struct mf_schedule *out, struct mf_error *err)
{
    *out = (struct mf_schedule){0};
    enum mf_code code = mf_cron_parse(zones, expression, zone, &out->cron, err);
    if (code == MF_OK && !mf_cron_is_possible(&out->cron))
        code = mf_fail(err, MF_INVALID_ARGUMENT,
                       "\"%.*s\" never fires: no month it names has such a day, or a field is empty",
                       MF_FMT(mf_str_take(expression, 100)));
    return code == MF_OK ? MF_OK : mf_fail_prefix(err, SCHEDULE_PATH ".%s: invalid cron expression", path);
}

static enum mf_code rate_schedule(const struct pb_task_FixedRate *rate, struct mf_schedule *out,
                                  struct mf_error *err)
{
    int64_t start = 0;
    if (rate->start_time && (__builtin_mul_overflow(rate->start_time->seconds, NS_PER_SECOND, &start) ||
                             __builtin_add_overflow(start, rate->start_time->nanos, &start)))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       SCHEDULE_PATH ".rate.start_time: choose a time between the years 1678 and 2262");
    enum mf_code code = mf_schedule_rate(rate->value, rate->unit, start, out, err);
    return code == MF_OK ? MF_OK : mf_fail_prefix(err, SCHEDULE_PATH ".rate");
}

enum mf_code mf_automation_schedule(struct mf_zones *zones, const struct pb_task_TriggerAutomationSpec *spec,
                                    struct mf_schedule *out, struct mf_error *err)
{
    const struct pb_task_Schedule *schedule =
        spec->automation_case == pb_task_TriggerAutomationSpec_tag_schedule ? spec->automation.schedule
                                                                            : NULL;
    if (!schedule)
        return mf_fail(err, MF_INVALID_ARGUMENT, SCHEDULE_PATH " is required");
    switch (schedule->expression_case) {
    case pb_task_Schedule_tag_rate:
        return rate_schedule(schedule->expression.rate, out, err);
    case pb_task_Schedule_tag_cron_expression:
        return cron_schedule(zones, schedule->expression.cron_expression, MF_STR_EMPTY, "cron_expression",
                             out, err);
    case pb_task_Schedule_tag_cron:
        return cron_schedule(zones, schedule->expression.cron->expression,
                             schedule->expression.cron->timezone, "cron.expression", out, err);
    default:
        return mf_fail(err, MF_INVALID_ARGUMENT, SCHEDULE_PATH " needs a rate or a cron expression");
    }
}

enum mf_code mf_automation_check(struct mf_zones *zones, struct mf_arena *arena,
                                 const struct pb_task_TriggerAutomationSpec *spec, int32_t *type,
                                 struct mf_str *encoded, struct mf_error *err)
{
    struct pb_task_TriggerAutomationSpec copy = {0};
    struct mf_schedule schedule;
    enum mf_code code = MF_OK;
    if (spec)
        copy = *spec;
    if (copy.type < pb_task_TYPE_UNSPECIFIED || copy.type > pb_task_TYPE_ARTIFACT)
        return mf_fail(err, MF_INVALID_ARGUMENT, "automation_spec.type: there is no type %d", copy.type);
    if (copy.automation_case == pb_task_TriggerAutomationSpec_tag_schedule ||
        copy.type == pb_task_TYPE_SCHEDULE) {
        code = mf_automation_schedule(zones, &copy, &schedule, err);
        copy.type = pb_task_TYPE_SCHEDULE;
    } else if (copy.automation_case == pb_task_TriggerAutomationSpec_tag_artifact) {
        copy.type = pb_task_TYPE_ARTIFACT;
    } else if (copy.type == pb_task_TYPE_ARTIFACT) {
        code = mf_fail(err, MF_INVALID_ARGUMENT, "automation_spec.artifact is required");
    } else {
        copy.type = pb_task_TYPE_NONE;
    }
    *type = copy.type;
    return code == MF_OK ? pb_encode(arena, &pb_task_TriggerAutomationSpec_type, &copy, encoded, err) : code;
}
