/*
 * flyteidl2.workflow.InternalRunService and EventsProxyService: how an executor on another machine records
 * actions, their status and their events. Every call may be repeated and may arrive in any order; the machine
 * (action/machine.h) keeps what is newest.
 *
 * An action may be recorded before its parent, an event before its action (it is kept until that comes), but
 * nothing is taken of a run that does not exist. A batch keeps what can be kept: events that cannot are named
 * in the message of its status (code 0); only a batch of which nothing was kept is refused. A report that an
 * aborted action goes on is answered with ABORTED, so that its executor stops it and reports the end.
 *
 * InternalRunService answers a refusal in the status of its response. What is no decision (the database is
 * away, the queue is full) fails the call, so that a client which only looks at the transport repeats it.
 */
#ifndef MF_EVENT_EVENT_H
#define MF_EVENT_EVENT_H

#include "rpc/server.h"
#include "store/store.h"

/* store must outlive rpc. */
enum mf_code mf_events_serve(struct mf_store *store, struct mf_rpc *rpc,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
