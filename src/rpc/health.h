/*
 * grpc.health.v1.Health: Check and Watch, for the server as a whole (service name "") and for each service
 * that is registered. All share one state, since they live and die together.
 */
#ifndef MF_RPC_HEALTH_H
#define MF_RPC_HEALTH_H

#include "rpc/server.h"

enum mf_code mf_health_register(struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
