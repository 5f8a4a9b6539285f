/*
 * TaskService: deployed tasks and their versions. Handlers run on worker threads; a deploy goes through the
 * store's writer. Triggers are not served yet: a deploy that brings some is refused as unimplemented, naming
 * them.
 */
#ifndef MF_TASK_TASK_H
#define MF_TASK_TASK_H

#include "rpc/server.h"
#include "store/store.h"

/* The store must outlive the RPC server. */
enum mf_code mf_tasks_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err) MF_CHECK_RESULT;

#endif
