/*
 * TriggerService: what makes runs of a task by itself. Handlers run on worker threads; changes go through the
 * store's writer. Nothing here fires: whoever does follows MF_TOPIC_TRIGGERS.
 */
#ifndef MF_TRIGGER_TRIGGER_H
#define MF_TRIGGER_TRIGGER_H

#include "cron/zone.h"
#include "rpc/server.h"
#include "store/store.h"

struct mf_triggers;

/* The store must outlive it. */
enum mf_code mf_triggers_new(struct mf_store *store, struct mf_triggers **out,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_triggers_free(struct mf_triggers *triggers); /* after the RPC server; NULL is fine */
enum mf_code mf_triggers_serve(struct mf_triggers *triggers, struct mf_rpc *rpc,
                               struct mf_error *err) MF_CHECK_RESULT;
/* The time zones that schedules are read with. */
struct mf_zones *mf_triggers_zones(struct mf_triggers *triggers);

#endif
