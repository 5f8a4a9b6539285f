#include "data/service.h"

#include "base/time.h"
#include "gen/flyteidl2/workflow/run_logs_service.pb.h"
#include "run/data.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPIRY_MAX_S 3600

enum mf_code mf_data_serve(const struct mf_data_config *config, struct mf_rpc *rpc, struct mf_data **out,
                           struct mf_error *err)
{
    const struct {
        const struct pb_service *service;
        size_t method;
        mf_handler handler;
    } methods[] = {
        {&pb_dataproxy_DataProxyService_service, pb_dataproxy_DataProxyService_CreateUploadLocation,
         mf_data_on_upload_location},
        {&pb_dataproxy_DataProxyService_service, pb_dataproxy_DataProxyService_UploadInputs,
         mf_data_on_upload_inputs},
        {&pb_dataproxy_DataProxyService_service, pb_dataproxy_DataProxyService_CreateDownloadLink,
         mf_data_on_download_link},
        {&pb_dataproxy_DataProxyService_service, pb_dataproxy_DataProxyService_GetActionData,
         mf_data_on_action_data},
        {&pb_dataproxy_DataProxyService_service, pb_dataproxy_DataProxyService_TailLogs,
         mf_data_on_tail_logs},
        {&pb_workflow_RunLogsService_service, pb_workflow_RunLogsService_TailLogs, mf_data_on_run_logs},
    };
    struct mf_data *data = calloc(1, sizeof *data);
    if (!data)
        return mf_fail_memory(err);
    data->config = *config;
    if (data->config.data_max == 0)
        data->config.data_max = MF_RUN_DATA_MAX;
    if (data->config.expiry_max_s == 0)
        data->config.expiry_max_s = EXPIRY_MAX_S;
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, methods[i].service, methods[i].method, methods[i].handler, data, err);
    if (code == MF_OK)
        *out = data;
    else
        free(data);
    return code;
}

void mf_data_free(struct mf_data *data)
{
    free(data);
}

/* "1h0m0s", as people know it from elsewhere. */
static struct mf_str duration_text(char out[48], int64_t seconds)
{
    int len = seconds >= 3600 ? snprintf(out, 48, "%lldh%lldm%llds", (long long)(seconds / 3600),
                                         (long long)(seconds / 60 % 60), (long long)(seconds % 60))
              : seconds >= 60
                  ? snprintf(out, 48, "%lldm%llds", (long long)(seconds / 60), (long long)(seconds % 60))
                  : snprintf(out, 48, "%llds", (long long)seconds);
    return mf_str_make(out, (size_t)len);
}

enum mf_code mf_data_expires(const struct mf_data *data, const struct pb_google_protobuf_Duration *asked,
                             int64_t *seconds, struct mf_error *err)
{
    char given[48];
    char most[48];
    int64_t max = data->config.expiry_max_s;
    *seconds = asked ? asked->seconds : max;
    if (*seconds > max || (asked && *seconds == max && asked->nanos > 0))
        return mf_fail(err, MF_INVALID_ARGUMENT, "expires_in (%.*s) exceeds maximum allowed duration of %.*s",
                       MF_FMT(duration_text(given, *seconds)), MF_FMT(duration_text(most, max)));
    if (*seconds < 1)
        return mf_fail(err, MF_INVALID_ARGUMENT, "expires_in must be at least one second");
    return MF_OK;
}

struct pb_google_protobuf_Timestamp mf_data_expiry(const struct mf_data *data, int64_t seconds)
{
    int64_t now = mf_wall_ns(data->config.sys);
    return (struct pb_google_protobuf_Timestamp){
        .seconds = now / MF_SECOND_NS + seconds,
        .nanos = (int32_t)(now % MF_SECOND_NS),
    };
}
