/*
 * ScheduleService (proto/mayfly/schedule/v1): what schedules will do, what they have done and why, and the
 * runs that are made afterwards. Handlers run on worker threads and read the store; only Backfill changes it,
 * through the firer.
 */
#ifndef MF_SCHEDULE_SERVICE_H
#define MF_SCHEDULE_SERVICE_H

#include "rpc/server.h"
#include "schedule/fire.h"

struct mf_schedules;

/* Everything must outlive it. */
struct mf_schedules_config {
    const struct mf_sys *sys;
    struct mf_store *store;
    struct mf_zones *zones;
    struct mf_firer *firer;
    int64_t history_ns; /* how long fires and gaps are kept; 0: for ever */
};

enum mf_code mf_schedules_serve(const struct mf_schedules_config *config, struct mf_rpc *rpc,
                                struct mf_schedules **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_schedules_free(struct mf_schedules *schedules); /* after the RPC server; NULL is fine */

#endif
