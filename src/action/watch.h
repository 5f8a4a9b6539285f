/*
 * The stream on which a parent learns of its children: what there is, a sentinel, then every change. Private
 * to action/.
 */
#ifndef MF_ACTION_WATCH_H
#define MF_ACTION_WATCH_H

#include "rpc/call.h"

/* Handlers with the store as service: WatchForUpdates of the ActionsService and Watch of the StateService. */
void mf_watch_for_updates(void *store, struct mf_call *call);
void mf_watch_state(void *store, struct mf_call *call);

#endif
