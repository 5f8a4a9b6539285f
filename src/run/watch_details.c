/* WatchRunDetails and WatchActionDetails: the whole state at first and after every change, until the end is
 * reached. */
#include "action/follow.h"
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/service.h"

/* Lives in the arena of its call. */
struct watch {
    int64_t run_id;
    struct mf_str action;
    bool whole_run;
    int64_t sent_seq; /* change number of the state that was sent last; 0: none yet */
};

static void send_details(const struct watch *watch, struct mf_follow *follow,
                         struct pb_workflow_RunDetails *details)
{
    const struct pb_workflow_WatchRunDetailsResponse run = {.details = details};
    const struct pb_workflow_WatchActionDetailsResponse action = {.details = details->action};
    if (watch->whole_run)
        mf_follow_send(follow, &run);
    else
        mf_follow_send(follow, &action);
}

static enum mf_code show(struct watch *watch, struct mf_follow *follow, struct mf_db *db,
                         struct mf_arena *scratch, struct mf_error *err)
{
    struct mf_run_pair pair;
    struct pb_workflow_RunDetails details = {0};
    enum mf_code code = mf_action_get(db, scratch, watch->run_id, watch->action, &pair.action, err);
    if (code != MF_OK || (pair.action.seq == watch->sent_seq && !mf_follow_silent(follow)))
        return code;
    code = mf_run_get(db, scratch, watch->run_id, &pair.run, err);
    if (code == MF_OK)
        code = mf_run_run_details(db, scratch, &pair, &details, err);
    if (code != MF_OK)
        return code;
    watch->sent_seq = pair.action.seq;
    send_details(watch, follow, &details);
    if (mf_phase_is_terminal(pair.action.phase))
        mf_call_end(mf_follow_call(follow));
    return MF_OK;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    if (!mf_follow_room(follow))
        return MF_OK;
    enum mf_code code = mf_db_snapshot_begin(db, err);
    if (code != MF_OK)
        return code;
    code = show(ctx, follow, db, scratch, err);
    mf_db_snapshot_end(db);
    return code;
}

static enum mf_code find_run(struct mf_store *store, const struct pb_common_RunIdentifier *id,
                             int64_t *run_id, struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code == MF_OK)
        code = mf_run_id(db, id->project, id->domain, id->name, run_id, err);
    mf_store_reader_done(store, db);
    return code;
}

static void start(struct mf_runs *runs, struct mf_call *call, const struct pb_common_RunIdentifier *run,
                  struct mf_str action, bool whole_run)
{
    struct mf_error err;
    struct watch *watch = MF_NEW(mf_call_arena(call), struct watch);
    enum mf_code code = watch ? find_run(runs->store, run, &watch->run_id, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    watch->action = action;
    watch->whole_run = whole_run;
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_ACTION, .run_id = watch->run_id, .hash = mf_topic_hash(action)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
    };
    mf_follow_start(call, &config);
}

void mf_run_on_watch_run(void *service, struct mf_call *call)
{
    const struct pb_workflow_WatchRunDetailsRequest *request = mf_call_request(call);
    struct mf_error err;
    if (mf_run_id_check(request->run_id, "run_id", &err) != MF_OK)
        mf_call_fail_error(call, &err);
    else
        start(service, call, request->run_id, MF_ROOT_ACTION, true);
}

void mf_run_on_watch_action(void *service, struct mf_call *call)
{
    const struct pb_workflow_WatchActionDetailsRequest *request = mf_call_request(call);
    struct mf_error err;
    if (mf_run_action_id_check(request->action_id, "action_id", &err) != MF_OK)
        mf_call_fail_error(call, &err);
    else
        start(service, call, request->action_id->run, request->action_id->name, false);
}
