#include "trigger/message.h"

#define NS_PER_SECOND INT64_C(1000000000)

struct pb_google_protobuf_Timestamp *mf_timestamp(struct mf_arena *arena, int64_t ns)
{
    struct pb_google_protobuf_Timestamp *time = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (time) {
        time->seconds = ns / NS_PER_SECOND;
        time->nanos = (int32_t)(ns % NS_PER_SECOND);
    }
    return time;
}

enum mf_code mf_stored_read(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes,
                            const char *what, void **out, struct mf_error *err)
{
    enum mf_code code = pb_decode(arena, type, bytes, out, err);
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS,
                         "the stored %s cannot be read; restore the database, or deploy again", what)
               : code;
}

enum mf_code mf_identity_read(struct mf_arena *arena, struct mf_str encoded,
                              struct pb_common_EnrichedIdentity **out, struct mf_error *err)
{
    void *identity = NULL;
    enum mf_code code = MF_OK;
    if (encoded.len > 0)
        code = mf_stored_read(arena, &pb_common_EnrichedIdentity_type, encoded, "identity", &identity, err);
    *out = identity;
    return code;
}

static struct pb_common_TriggerIdentifier *identifier(struct mf_arena *arena,
                                                      const struct mf_trigger_row *row)
{
    struct pb_common_TriggerIdentifier *id = MF_NEW(arena, struct pb_common_TriggerIdentifier);
    struct pb_common_TriggerName *name = MF_NEW(arena, struct pb_common_TriggerName);
    if (!id || !name)
        return NULL;
    name->project = row->key.project;
    name->domain = row->key.domain;
    name->task_name = row->key.task_name;
    name->name = row->key.name;
    id->name = name;
    id->revision = (uint64_t)row->revision;
    return id;
}

static struct pb_trigger_TriggerStatus *status(struct mf_arena *arena, const struct mf_trigger_row *row)
{
    struct pb_trigger_TriggerStatus *out = MF_NEW(arena, struct pb_trigger_TriggerStatus);
    if (!out)
        return NULL;
    out->deployed_at = mf_timestamp(arena, row->deployed_at);
    out->updated_at = mf_timestamp(arena, row->updated_at);
    if (row->triggered_at != 0)
        out->triggered_at = mf_timestamp(arena, row->triggered_at);
    if (row->deleted_at != 0)
        out->deleted_at = mf_timestamp(arena, row->deleted_at);
    bool failed = !out->deployed_at || !out->updated_at || (row->triggered_at != 0 && !out->triggered_at) ||
                  (row->deleted_at != 0 && !out->deleted_at);
    return failed ? NULL : out;
}

/* Without identities there is no metadata to show. */
static enum mf_code metadata(struct mf_arena *arena, const struct mf_trigger_row *row,
                             struct pb_trigger_TriggerMetadata **out, struct mf_error *err)
{
    *out = NULL;
    if (row->deployed_by.len == 0 && row->updated_by.len == 0)
        return MF_OK;
    struct pb_trigger_TriggerMetadata *found = MF_NEW(arena, struct pb_trigger_TriggerMetadata);
    if (!found)
        return mf_fail_memory(err);
    enum mf_code code = mf_identity_read(arena, row->deployed_by, &found->deployed_by, err);
    if (code == MF_OK)
        code = mf_identity_read(arena, row->updated_by, &found->updated_by, err);
    *out = found;
    return code;
}

static enum mf_code automation(struct mf_arena *arena, const struct mf_trigger_row *row,
                               struct pb_task_TriggerAutomationSpec **out, struct mf_error *err)
{
    void *spec = NULL;
    enum mf_code code = mf_stored_read(arena, &pb_task_TriggerAutomationSpec_type, row->automation,
                                       "automation of the trigger", &spec, err);
    *out = spec;
    return code;
}

enum mf_code mf_trigger_details(struct mf_arena *arena, const struct mf_trigger_row *row,
                                struct pb_trigger_TriggerDetails **out, struct mf_error *err)
{
    void *spec = NULL;
    struct pb_trigger_TriggerDetails *details = MF_NEW(arena, struct pb_trigger_TriggerDetails);
    if (!details)
        return mf_fail_memory(err);
    enum mf_code code = mf_stored_read(arena, &pb_trigger_TriggerSpec_type, row->spec,
                                       "specification of the trigger", &spec, err);
    if (code == MF_OK)
        code = metadata(arena, row, &details->metadata, err);
    if (code == MF_OK)
        code = automation(arena, row, &details->automation_spec, err);
    if (code != MF_OK)
        return code;
    details->spec = spec;
    details->spec->active = row->active;
    details->spec->task_version = row->task_version;
    details->spec->description = row->description;
    details->description = row->description;
    details->has_description = row->description.len > 0;
    details->id = identifier(arena, row);
    details->status = status(arena, row);
    *out = details;
    return details->id && details->status ? MF_OK : mf_fail_memory(err);
}

enum mf_code mf_trigger_light(struct mf_arena *arena, const struct mf_trigger_row *row,
                              struct pb_trigger_Trigger **out, struct mf_error *err)
{
    struct pb_trigger_Trigger *trigger = MF_NEW(arena, struct pb_trigger_Trigger);
    if (!trigger)
        return mf_fail_memory(err);
    enum mf_code code = metadata(arena, row, &trigger->metadata, err);
    if (code == MF_OK)
        code = automation(arena, row, &trigger->automation_spec, err);
    if (code != MF_OK)
        return code;
    trigger->active = row->active;
    trigger->id = identifier(arena, row);
    trigger->status = status(arena, row);
    *out = trigger;
    return trigger->id && trigger->status ? MF_OK : mf_fail_memory(err);
}

enum mf_code mf_trigger_revision_message(struct mf_arena *arena, const struct mf_trigger_row *row,
                                         enum mf_trigger_action action, int64_t recorded_at,
                                         struct pb_trigger_TriggerRevision **out, struct mf_error *err)
{
    struct pb_trigger_TriggerRevision *revision = MF_NEW(arena, struct pb_trigger_TriggerRevision);
    if (!revision)
        return mf_fail_memory(err);
    enum mf_code code = metadata(arena, row, &revision->metadata, err);
    if (code != MF_OK)
        return code;
    revision->action = (int32_t)action;
    revision->id = identifier(arena, row);
    revision->status = status(arena, row);
    revision->created_at = mf_timestamp(arena, recorded_at);
    *out = revision;
    return revision->id && revision->status && revision->created_at ? MF_OK : mf_fail_memory(err);
}
