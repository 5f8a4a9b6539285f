/* WatchActions: all actions of a run with what is below them, then everything that changes. */
#include "action/follow.h"
#include "action/machine.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/details.h"
#include "run/service.h"
#include "run/tree.h"

#include <stdlib.h>

#define MESSAGE 200 /* actions in one message */
#define TURN 1000   /* and in one turn of the stream */

/* Lives on the heap. */
struct watch {
    struct mf_store *store;
    struct mf_tree *tree;
    int64_t run_id;
    struct mf_tree_view view;
    bool begun;
};

static bool add_count(struct mf_arena *arena, struct pb_workflow_EnrichedAction *out, int32_t phase,
                      int32_t count)
{
    struct pb_workflow_EnrichedAction_ChildrenPhaseCountsEntry *entry =
        MF_NEW(arena, struct pb_workflow_EnrichedAction_ChildrenPhaseCountsEntry);
    if (!entry)
        return false;
    entry->key = phase;
    entry->value = count;
    return PB_PUSH(arena, out->children_phase_counts, entry);
}

static enum mf_code add_action(const struct watch *watch, const struct mf_run_facts *facts, uint32_t number,
                               struct mf_db *db, struct mf_arena *scratch,
                               struct pb_workflow_WatchActionsResponse *out, struct mf_error *err)
{
    struct mf_tree_node node;
    struct mf_run_action_spec spec = {0};
    struct mf_action_row *row = MF_NEW(scratch, struct mf_action_row);
    struct pb_workflow_EnrichedAction *action = MF_NEW(scratch, struct pb_workflow_EnrichedAction);
    if (!row || !action)
        return mf_fail_memory(err);
    mf_tree_node(watch->tree, &watch->view, number, &node);
    enum mf_code code = mf_action_get(db, scratch, watch->run_id, node.name, row, err);
    if (code == MF_OK && row->kind == MF_ACTION_CONDITION)
        code = mf_run_action_spec(db, scratch, row, &spec, err);
    if (code != MF_OK)
        return code;
    action->action = mf_run_action(scratch, facts, row, spec.condition);
    action->meets_filter = node.shown;
    bool ok = action->action && PB_PUSH(scratch, out->enriched_actions, action);
    for (int32_t phase = 1; ok && phase < MF_TREE_PHASES; phase++)
        ok = node.below[phase] <= 0 || add_count(scratch, action, phase, node.below[phase]);
    return ok ? MF_OK : mf_fail_memory(err);
}

/* Up to MESSAGE of the pending actions. */
static enum mf_code make_message(struct watch *watch, struct mf_call *call, struct mf_db *db,
                                 struct mf_arena *scratch, struct mf_parcel **out, struct mf_error *err)
{
    struct mf_run_row run;
    struct mf_run_facts facts;
    struct pb_workflow_WatchActionsResponse message = {0};
    struct mf_tree_view *view = &watch->view;
    enum mf_code code = mf_run_get(db, scratch, watch->run_id, &run, err);
    if (code == MF_OK)
        code = mf_run_facts(scratch, &run, &facts, err);
    while (code == MF_OK && view->pending_at < view->pending_count &&
           message.enriched_actions.count < MESSAGE)
        code = add_action(watch, &facts, view->pending[view->pending_at++], db, scratch, &message, err);
    return code == MF_OK ? mf_call_pack(call, &message, out, err) : code;
}

static enum mf_code send_message(struct watch *watch, struct mf_follow *follow, struct mf_error *err)
{
    struct mf_tree_view *view = &watch->view;
    struct mf_call *call = mf_follow_call(follow);
    bool whole = view->pending_at == 0 && view->pending_count <= MESSAGE;
    struct mf_parcel *parcel = whole ? mf_tree_shared(watch->tree, view, mf_call_dialect(call)) : NULL;
    if (parcel) {
        view->pending_at = view->pending_count;
        mf_follow_send_parcel(follow, parcel);
        mf_parcel_unref(parcel);
        return MF_OK;
    }
    struct mf_db *db = NULL;
    struct mf_arena *scratch = mf_arena_new(0);
    enum mf_code code = scratch ? mf_store_reader(watch->store, &db, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = make_message(watch, call, db, scratch, &parcel, err);
    mf_store_reader_done(watch->store, db);
    mf_arena_free(scratch);
    if (code == MF_OK && whole)
        mf_tree_share(watch->tree, view, mf_call_dialect(call), parcel);
    if (code == MF_OK)
        mf_follow_send_parcel(follow, parcel);
    mf_parcel_unref(parcel);
    return code;
}

static enum mf_code send_pending(struct watch *watch, struct mf_follow *follow, struct mf_error *err)
{
    struct mf_tree_view *view = &watch->view;
    size_t turn_end = view->pending_at + TURN;
    enum mf_code code = MF_OK;
    while (code == MF_OK && view->pending_at < view->pending_count && view->pending_at < turn_end &&
           mf_follow_room(follow))
        code = send_message(watch, follow, err);
    if (view->pending_at == view->pending_count)
        mf_tree_view_rest(view);
    return code;
}

static enum mf_code refresh(void *ctx, struct mf_follow *follow, struct mf_db *db, struct mf_arena *scratch,
                            struct mf_error *err)
{
    struct watch *watch = ctx;
    struct mf_tree_view *view = &watch->view;
    const struct pb_workflow_WatchActionsResponse nothing = {0};
    bool looked = view->pending_at == view->pending_count;
    bool more = false;
    enum mf_code code = MF_OK;
    (void)db;
    (void)scratch;
    if (!mf_follow_room(follow))
        return MF_OK;
    if (looked) {
        code = mf_tree_update(watch->tree, &more, err);
        if (code == MF_OK)
            code = mf_tree_look(watch->tree, view, err);
    }
    bool news = view->pending_count > 0;
    if (code == MF_OK && news)
        code = send_pending(watch, follow, err);
    else if (code == MF_OK && ((!watch->begun && !more) || mf_follow_silent(follow)))
        mf_follow_send(follow, &nothing);
    watch->begun = watch->begun || !more || news;
    /* What changed while the rest was being sent has woken us already, so look again at the end of it. */
    if (code == MF_OK && mf_follow_room(follow) &&
        (view->pending_at < view->pending_count || !looked || more))
        mf_follow_again(follow);
    return code;
}

static void release(void *ctx)
{
    struct watch *watch = ctx;
    mf_tree_view_free(&watch->view);
    mf_tree_put(watch->tree);
    free(watch);
}

static enum mf_code add_phases(const struct pb_common_Filter *filter, uint32_t *phases, struct mf_error *err)
{
    for (uint32_t i = 0; i < filter->values.count; i++) {
        uint64_t phase = 0;
        if (!mf_str_to_u64(filter->values.items[i], &phase) || phase >= MF_TREE_PHASES)
            return mf_fail(err, MF_INVALID_ARGUMENT, "invalid phase value: %.*s",
                           MF_FMT(mf_str_take(filter->values.items[i], 100)));
        *phases |= UINT32_C(1) << phase;
    }
    return filter->values.count > 0 ? MF_OK
                                    : mf_fail(err, MF_INVALID_ARGUMENT, "filter on PHASE has no values");
}

static enum mf_code set_name(struct mf_arena *arena, const struct pb_common_Filter *filter,
                             struct mf_str *names, struct mf_error *err)
{
    if (filter->values.count == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "filter on NAME has no values");
    struct mf_str value = filter->values.items[0];
    char *text = mf_arena_bytes(arena, value.len + 1);
    for (size_t i = 0; text && i < value.len; i++)
        text[i] =
            value.ptr[i] >= 'A' && value.ptr[i] <= 'Z' ? (char)(value.ptr[i] - 'A' + 'a') : value.ptr[i];
    *names = mf_str_make(text, value.len);
    return text ? MF_OK : mf_fail_memory(err);
}

static enum mf_code take_filters(struct mf_arena *arena,
                                 const struct pb_workflow_WatchActionsRequest *request,
                                 struct mf_tree_filter *out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (uint32_t i = 0; i < request->filter.count && code == MF_OK; i++) {
        const struct pb_common_Filter *filter = request->filter.items[i];
        bool one = filter->function == pb_common_Filter_EQUAL && filter->values.count == 1;
        if (mf_str_eq_nocase(filter->field, MF_STR("PHASE")) &&
            (filter->function == pb_common_Filter_VALUE_IN || one))
            code = add_phases(filter, &out->phases, err);
        else if (mf_str_eq_nocase(filter->field, MF_STR("NAME")) &&
                 filter->function == pb_common_Filter_CONTAINS_CASE_INSENSITIVE)
            code = set_name(arena, filter, &out->names, err);
        else
            code = mf_fail(err, MF_INVALID_ARGUMENT,
                           "function %d is not supported for filter %.*s; use VALUE_IN on PHASE or "
                           "CONTAINS_CASE_INSENSITIVE on NAME",
                           (int)filter->function, MF_FMT(mf_str_take(filter->field, 100)));
    }
    return code;
}

static enum mf_code prepare(struct mf_runs *runs, struct mf_arena *arena,
                            const struct pb_workflow_WatchActionsRequest *request, struct watch *watch,
                            struct mf_error *err)
{
    const struct pb_common_RunIdentifier *id = request->run_id;
    struct mf_db *db = NULL;
    enum mf_code code = mf_run_id_check(id, "run_id", err);
    if (code == MF_OK)
        code = take_filters(arena, request, &watch->view.filter, err);
    if (code == MF_OK)
        code = mf_store_reader(runs->store, &db, err);
    if (code == MF_OK)
        code = mf_run_id(db, id->project, id->domain, id->name, &watch->run_id, err);
    mf_store_reader_done(runs->store, db);
    if (code != MF_OK)
        return code;
    watch->store = runs->store;
    watch->tree = mf_tree_get(runs->trees, watch->run_id);
    return watch->tree ? MF_OK : mf_fail_memory(err);
}

void mf_run_on_watch_actions(void *service, struct mf_call *call)
{
    struct mf_runs *runs = service;
    struct mf_error err;
    struct watch *watch = calloc(1, sizeof *watch);
    enum mf_code code =
        watch ? prepare(runs, mf_call_arena(call), mf_call_request(call), watch, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        free(watch);
        mf_call_fail_error(call, &err);
        return;
    }
    const struct mf_follow_config config = {
        .store = runs->store,
        .topics = {{.kind = MF_TOPIC_RUN, .run_id = watch->run_id}},
        .topic_count = 1,
        .refresh = refresh,
        .ctx = watch,
        .done = release,
        .light = true,
    };
    mf_follow_start(call, &config);
}
