/*
 * flyteidl2.actions.ActionsService, through which a running parent starts its children and learns of them,
 * and the older pair flyteidl2.workflow.QueueService and StateService that SDKs use instead when told to. The
 * services decide nothing: they turn requests into commands of action/machine.h.
 */
#ifndef MF_ACTION_ACTIONS_H
#define MF_ACTION_ACTIONS_H

#include "rpc/server.h"
#include "store/store.h"

/* store must outlive rpc. */
enum mf_code mf_actions_serve(struct mf_store *store, struct mf_rpc *rpc,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
