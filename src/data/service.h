/* What the files of the data proxy share; only they include this. */
#ifndef MF_DATA_SERVICE_H
#define MF_DATA_SERVICE_H

#include "data/data.h"
#include "gen/flyteidl2/dataproxy/dataproxy_service.pb.h"
#include "store/action.h"
#include "store/run.h"

struct mf_data {
    struct mf_data_config config;
};

void mf_data_on_upload_location(void *data, struct mf_call *call);
void mf_data_on_upload_inputs(void *data, struct mf_call *call);
void mf_data_on_download_link(void *data, struct mf_call *call);
void mf_data_on_action_data(void *data, struct mf_call *call);
void mf_data_on_tail_logs(void *data, struct mf_call *call);
void mf_data_on_run_logs(void *data, struct mf_call *call); /* RunLogsService */

/* How long a signed URL is good. Absent: the longest there is. MF_INVALID_ARGUMENT beyond it, and for less
 * than a second. */
enum mf_code mf_data_expires(const struct mf_data *data, const struct pb_google_protobuf_Duration *asked,
                             int64_t *seconds, struct mf_error *err) MF_CHECK_RESULT;
/* Now and so many seconds. */
struct pb_google_protobuf_Timestamp mf_data_expiry(const struct mf_data *data, int64_t seconds);

/* Where code bundles lie, from the template's metadata or the arguments of its container. Empty: nowhere. */
struct mf_str mf_data_code_bundle(const struct pb_task_TaskSpec *spec);
/* FNV-1a 64 of the inputs without those that the task ignores, as base64url. */
enum mf_code mf_data_inputs_hash(struct mf_arena *arena, const struct pb_task_Inputs *inputs,
                                 const struct pb_task_TaskSpec *spec, struct mf_str *hash,
                                 struct mf_error *err) MF_CHECK_RESULT;

#endif
