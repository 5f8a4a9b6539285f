/* What a trigger may be: names, texts and automation as a client sends them. Pure but for the time zones. */
#ifndef MF_TRIGGER_CHECK_H
#define MF_TRIGGER_CHECK_H

#include "base/arena.h"
#include "cron/schedule.h"

struct pb_task_TriggerAutomationSpec;
struct pb_common_TriggerName;

#define MF_NAME_BYTES_MAX 255
#define MF_SHORT_TEXT_MAX 255 /* bytes kept of a description */
#define MF_TASK_TRIGGERS_MAX 1000

/* A name that is there, is not too long, and has neither "/" nor control characters. MF_INVALID_ARGUMENT
 * begins with the field. */
enum mf_code mf_name_check(struct mf_str value, const char *field, struct mf_error *err) MF_CHECK_RESULT;
/* All four parts, task_name only when asked for. field: what the message calls the whole name. */
enum mf_code mf_trigger_name_check(const struct pb_common_TriggerName *name, const char *field,
                                   bool needs_task, struct mf_error *err) MF_CHECK_RESULT;
/* text cut at a character to MF_SHORT_TEXT_MAX bytes. */
struct mf_str mf_short_text(struct mf_str text);

/* Checks the automation (NULL: none) and gives its type and its encoding. A schedule has to be one that fires
 * some day. MF_INVALID_ARGUMENT begins with the path of the field. */
enum mf_code mf_automation_check(struct mf_zones *zones, struct mf_arena *arena,
                                 const struct pb_task_TriggerAutomationSpec *spec, int32_t *type,
                                 struct mf_str *encoded, struct mf_error *err) MF_CHECK_RESULT;
/* When an automation with a schedule is due. MF_INVALID_ARGUMENT as above. */
enum mf_code mf_automation_schedule(struct mf_zones *zones, const struct pb_task_TriggerAutomationSpec *spec,
                                    struct mf_schedule *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
