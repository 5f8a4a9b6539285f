/*
 * StateService.Put and Get: what an executor elsewhere keeps with an action. The text is a JSON object, by
 * the protocol the status of a node in Flyte's propeller; it is kept as it comes. Its "phase" (a NodePhase of
 * the propeller, or a name of ActionPhase) moves an action that is carried out elsewhere, by the rules of the
 * machine. Private to action/.
 */
#ifndef MF_ACTION_STATE_H
#define MF_ACTION_STATE_H

#include "rpc/call.h"

/* Handlers with the store as service. */
void mf_state_put(void *store, struct mf_call *call);
void mf_state_get(void *store, struct mf_call *call);

#endif
