/* WatchRunDetails and WatchActionDetails: the whole state at first and after every change, until the end is
 * reached. */
#include "action/follow.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/service.h"
#include "run/subject.h"

/* A state replaces the one before, so only little needs to wait for a client that does not read. */
#define MARK 8192

/* Lives in the arena of its call. */
struct watch {
    struct mf_subject *subject;
    struct mf_subject_view view;
};

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    struct mf_call *call = mf_follow_call(follow);
    struct mf_parcel *parcel = NULL;
    bool final = false;
    (void)db;
    (void)scratch;
    if (!mf_follow_room(follow))
        return MF_OK;
    enum mf_code code =
        mf_subject_look(watch->subject, call, &watch->view, mf_follow_silent(follow), &parcel, &final, err);
    if (parcel)
        mf_follow_send_parcel(follow, parcel);
    mf_parcel_unref(parcel);
    if (code == MF_OK && final)
        mf_call_end(call);
    return code;
}

static void release(void *ctx)
{
    struct watch *watch = ctx;
    mf_subject_put(watch->subject);
}

static enum mf_code find_run(struct mf_runs *runs, const struct pb_common_RunIdentifier *id, int64_t *run_id,
                             struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = mf_run_id(db, id->project, id->domain, id->name, run_id, err);
    mf_store_reader_done(runs->store, db);
    return code;
}

static void start(struct mf_runs *runs, struct mf_call *call, const struct pb_common_RunIdentifier *run,
                  struct mf_str action, bool whole_run)
{
    struct mf_error err;
    int64_t run_id = 0;
    struct watch *watch = MF_NEW(mf_call_arena(call), struct watch);
    enum mf_code code = watch ? find_run(runs, run, &run_id, &err) : mf_fail_memory(&err);
    if (code == MF_OK) {
        watch->view.whole_run = whole_run;
        watch->subject = mf_subject_get(runs->subjects, run_id, action);
        code = watch->subject ? MF_OK : mf_fail_memory(&err);
    }
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_ACTION, .run_id = run_id, .hash = mf_topic_hash(action)}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
        .done = release,
        .light = true,
        .mark = MARK,
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
