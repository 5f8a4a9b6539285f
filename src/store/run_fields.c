#include "store/run_fields.h"

#define LABEL_PREFIX MF_STR("labels.")

static const struct mf_field_name phases[] = {
    {"ACTION_PHASE_UNSPECIFIED", 0},
    {"ACTION_PHASE_QUEUED", 1},
    {"ACTION_PHASE_WAITING_FOR_RESOURCES", 2},
    {"ACTION_PHASE_INITIALIZING", 3},
    {"ACTION_PHASE_RUNNING", 4},
    {"ACTION_PHASE_SUCCEEDED", 5},
    {"ACTION_PHASE_FAILED", 6},
    {"ACTION_PHASE_ABORTED", 7},
    {"ACTION_PHASE_TIMED_OUT", 8},
    {"ACTION_PHASE_PAUSED", 9},
    {"ACTION_PHASE_RECOVERED", 10},
    {"UNSPECIFIED", 0},
    {"QUEUED", 1},
    {"WAITING_FOR_RESOURCES", 2},
    {"INITIALIZING", 3},
    {"RUNNING", 4},
    {"SUCCEEDED", 5},
    {"FAILED", 6},
    {"ABORTED", 7},
    {"TIMED_OUT", 8},
    {"PAUSED", 9},
    {"RECOVERED", 10},
    {NULL, 0},
};
static const struct mf_field_name kinds[] = {
    {"ACTION_TYPE_UNSPECIFIED", 0},
    {"ACTION_TYPE_TASK", 1},
    {"ACTION_TYPE_TRACE", 2},
    {"ACTION_TYPE_CONDITION", 3},
    {NULL, 0},
};

static const struct mf_field_name automations[] = {
    {"TYPE_UNSPECIFIED", 0}, {"TYPE_NONE", 1}, {"TYPE_SCHEDULE", 2}, {"TYPE_ARTIFACT", 3}, {NULL, 0},
};

#define SOURCE_NAME                                                                                          \
    "CASE r.source WHEN 1 THEN 'RUN_SOURCE_WEB' WHEN 2 THEN 'RUN_SOURCE_CLI' WHEN 3 THEN "                   \
    "'RUN_SOURCE_SCHEDULE_TRIGGER' WHEN 4 THEN 'RUN_SOURCE_TRACKED' WHEN 5 THEN "                            \
    "'RUN_SOURCE_ARTIFACT_TRIGGER' "                                                                         \
    "ELSE 'RUN_SOURCE_UNSPECIFIED' END"

#define TEXT(field, sql)                                                                                     \
    {                                                                                                        \
        .name = (field), .column = (sql), .type = MF_FIELD_TEXT, .is_unset_zero = true                       \
    }
#define INT(field, sql)                                                                                      \
    {                                                                                                        \
        .name = (field), .column = (sql), .type = MF_FIELD_INT, .is_unset_zero = true                        \
    }

/* The change number rises with the time of the update, and has the index of those who follow the changes. */
const struct mf_field mf_run_fields[] = {
    TEXT("project", "a.project"),
    TEXT("domain", "a.domain"),
    TEXT("run_name", "a.run_name"),
    TEXT("name", "a.name"),
    TEXT("parent_name", "a.parent"),
    TEXT("parent_action_name", "a.parent"),
    TEXT("action_group", "a.action_group"),
    {"phase", "a.phase", MF_FIELD_INT, .names = phases, .is_unset_zero = true},
    {"action_type", "a.kind", MF_FIELD_INT, .names = kinds, .is_unset_zero = true},
    INT("attempts", "a.attempts"),
    TEXT("run_source", SOURCE_NAME),
    TEXT("created_by", "r.created_by_subject"),
    TEXT("created_by_subject", "r.created_by_subject"),
    TEXT("trigger_task_name", "r.trigger_task_name"),
    TEXT("trigger_name", "r.trigger_name"),
    INT("trigger_revision", "r.trigger_revision"),
    {"trigger_type", "r.trigger_type", MF_FIELD_INT, .names = automations, .is_unset_zero = true},
    TEXT("task_project", "a.task_project"),
    TEXT("task_domain", "a.task_domain"),
    TEXT("task_name", "a.task_name"),
    TEXT("task_version", "a.task_version"),
    TEXT("task_type", "a.task_type"),
    TEXT("function_name", "a.function_name"),
    TEXT("environment_name", "a.environment_name"),
    {"created_at", "a.created_at", MF_FIELD_TIME},
    {"updated_at", "a.updated_at", MF_FIELD_TIME, .sort_column = "a.seq"},
    {"ended_at", "NULLIF(a.ended_at, 0)", MF_FIELD_TIME, .sort_column = "a.ended_at"},
    {"duration_ms", "CASE WHEN a.ended_at > 0 THEN a.duration_ms END", MF_FIELD_INT,
     .sort_column = "a.duration_ms"},
};
const size_t mf_run_field_count = sizeof mf_run_fields / sizeof mf_run_fields[0];

const struct mf_field *mf_run_field(struct mf_str name)
{
    for (size_t i = 0; i < mf_run_field_count; i++) {
        if (mf_str_eq_c(name, mf_run_fields[i].name))
            return &mf_run_fields[i];
    }
    return NULL;
}

bool mf_label_is(const struct mf_filter *filter)
{
    return mf_str_starts(filter->field, LABEL_PREFIX);
}

struct mf_str mf_label_key(const struct mf_filter *filter)
{
    return mf_str_skip(filter->field, LABEL_PREFIX.len);
}

enum mf_code mf_label_check(const struct mf_filter *filter, struct mf_error *err)
{
    bool served = filter->function == MF_FILTER_EXISTS || filter->function == MF_FILTER_NOT_EXISTS ||
                  filter->function == MF_FILTER_EQUAL || filter->function == MF_FILTER_NOT_EQUAL ||
                  filter->function == MF_FILTER_VALUE_IN;
    enum mf_code code = mf_filter_check(filter, err);
    if (code != MF_OK)
        return code;
    if (!served)
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "failed to convert filters: labels can be filtered by EQUAL, NOT_EQUAL, VALUE_IN, EXISTS and "
            "NOT_EXISTS");
    return mf_label_key(filter).len > 0
               ? MF_OK
               : mf_fail(err, MF_INVALID_ARGUMENT,
                         "failed to convert filters: \"labels.\" lacks the key of a label");
}

void mf_label_add(struct mf_select *select, const struct mf_filter *filter)
{
    bool exists = filter->function == MF_FILTER_EXISTS || filter->function == MF_FILTER_NOT_EXISTS;
    bool negate = filter->function == MF_FILTER_NOT_EXISTS;
    mf_select_sql(select, negate ? " AND NOT EXISTS" : " AND EXISTS");
    mf_select_sql(select, " (SELECT 1 FROM run_label x WHERE x.run_id = a.run_id AND x.name = ");
    mf_select_text(select, mf_label_key(filter));
    if (!exists)
        mf_select_sql(select, filter->function == MF_FILTER_NOT_EQUAL ? " AND x.value NOT IN ("
                                                                      : " AND x.value IN (");
    for (size_t i = 0; i < filter->value_count && !exists; i++) {
        mf_select_sql(select, i > 0 ? ", " : "");
        mf_select_text(select, filter->values[i]);
    }
    mf_select_sql(select, exists ? ")" : "))");
}
