/* Triggers as messages of the protocol. NULL when memory ran out. Pure. */
#ifndef MF_TRIGGER_MESSAGE_H
#define MF_TRIGGER_MESSAGE_H

#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "store/trigger.h"

enum mf_code mf_trigger_details(struct mf_arena *arena, const struct mf_trigger_row *row,
                                struct pb_trigger_TriggerDetails **out, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_trigger_light(struct mf_arena *arena, const struct mf_trigger_row *row,
                              struct pb_trigger_Trigger **out, struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_trigger_revision_message(struct mf_arena *arena, const struct mf_trigger_row *row,
                                         enum mf_trigger_action action, int64_t recorded_at,
                                         struct pb_trigger_TriggerRevision **out,
                                         struct mf_error *err) MF_CHECK_RESULT;
/* A message that the store holds: MF_DATA_LOSS, naming what it is of, when it cannot be read. */
enum mf_code mf_stored_read(struct mf_arena *arena, const struct pb_type *type, struct mf_str bytes,
                            const char *what, void **out, struct mf_error *err) MF_CHECK_RESULT;
/* The encoded identity as a message; NULL when it is empty. */
enum mf_code mf_identity_read(struct mf_arena *arena, struct mf_str encoded,
                              struct pb_common_EnrichedIdentity **out, struct mf_error *err) MF_CHECK_RESULT;
/* NULL when memory ran out. */
struct pb_google_protobuf_Timestamp *mf_timestamp(struct mf_arena *arena, int64_t ns);

#endif
