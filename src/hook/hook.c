#include "hook/hook.h"

#include "action/machine.h"
#include "base/list.h"
#include "base/log.h"
#include "base/time.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "hook/message.h"
#include "hook/state.h"
#include "net/loop.h"
#include "store/webhook.h"

#include <stdlib.h>

#define RUNNING_MAX 16
#define TIMEOUT_MS 15000
#define ANSWER_BYTES 65536
#define DELAY_MAX_NS (300 * MF_SECOND_NS)
#define RETRY_MS 1000 /* after the store has refused something */

/* One try of one order. */
struct
try {
    struct mf_link in_running;
    struct mf_hooks *hooks;
    struct mf_arena *arena;
    struct mf_webhook_row row;
    struct mf_fetch fetch;
    struct mf_header headers[3];
    struct mf_command command;
    struct mf_work back;
    bool fetching;
    bool over;          /* the order is done with */
    struct mf_str note; /* for the history; empty: none */
};

static void look(struct mf_hooks *hooks);

/* ---- after a try ---- */

static void end_try(struct try *try)
{
    struct mf_hooks *hooks = try->hooks;
    mf_list_remove(&hooks->running, &try->in_running);
    mf_arena_free(try->arena);
    if (!hooks->stopping)
        look(hooks);
    else if (!mf_list_first(&hooks->running))
        mf_loop_stop(hooks->loop);
}

static void on_timer(void *ctx)
{
    struct mf_hooks *hooks = ctx;
    hooks->timer = NULL;
    look(hooks);
}

static void look_in(struct mf_hooks *hooks, int64_t ms)
{
    mf_timer_stop(hooks->timer);
    hooks->timer = hooks->stopping
                       ? NULL
                       : mf_timer_start(hooks->loop, ms > 1 ? (uint64_t)ms : 1, false, on_timer, hooks);
}

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct try *try = MF_CONTAINER(command, struct try, command);
    const struct mf_webhook_row *row = &try->row;
    enum mf_code code = try->over ? mf_webhook_delete(mf_tx_db(tx), row->run_id, row->name, row->attempt, err)
                                  : mf_webhook_failed(mf_tx_db(tx), row, err);
    if (code == MF_OK && try->note.len > 0)
        code = mf_action_note(tx, row->run_id, row->name, try->note, err);
    return code;
}

static void on_recorded(struct mf_work *work)
{
    struct try *try = MF_CONTAINER(work, struct try, back);
    enum mf_code code = try->command.code;
    struct mf_hooks *hooks = try->hooks;
    end_try(try);
    if (code != MF_OK)
        look_in(hooks, RETRY_MS);
}

static void on_done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct try *try = MF_CONTAINER(command, struct try, command);
    if (code != MF_OK)
        mf_log(MF_LOG_WARN, "hook", "cannot record what became of a webhook, it is sent again: %s",
               err->message);
    command->code = code;
    try->back = (struct mf_work){.fn = on_recorded};
    mf_loop_post(try->hooks->loop, &try->back);
}

static void record(struct try *try)
{
    try->command = (struct mf_command){.apply = apply, .done = on_done};
    mf_writer_submit(mf_store_writer(try->hooks->config.store), &try->command);
}

/* Powers of two, so that hours of tries do not fill the history. */
static bool worth_a_note(int32_t tries)
{
    return (tries & (tries - 1)) == 0;
}

static void judge(struct try *try)
{
    const struct mf_fetch *fetch = &try->fetch;
    struct mf_webhook_row *row = &try->row;
    int64_t delay = MF_SECOND_NS;
    bool heard = row->last_error.len == 0;
    try->over = heard && ((fetch->status >= 200 && fetch->status < 300) || fetch->status == 410);
    if (try->over) {
        try->note = mf_str_printf(try->arena, "its webhook was told: answer %d", fetch->status);
        return;
    }
    if (heard)
        row->last_error = mf_str_printf(try->arena, "answer %d", fetch->status);
    for (int32_t i = 0; i < row->tries && delay < DELAY_MAX_NS; i++)
        delay *= 2;
    if (fetch->retry_after_s > 0 && heard && fetch->retry_after_s < DELAY_MAX_NS / MF_SECOND_NS)
        delay = delay > fetch->retry_after_s * MF_SECOND_NS ? delay : fetch->retry_after_s * MF_SECOND_NS;
    if (delay > DELAY_MAX_NS)
        delay = DELAY_MAX_NS;
    row->tries++;
    row->next_at = mf_wall_ns(try->hooks->config.sys) + delay;
    if (worth_a_note(row->tries))
        try->note = mf_str_printf(try->arena,
                                  "its webhook could not be told (try %d): %.*s; the next try is in %lld s",
                                  row->tries, MF_FMT(row->last_error), (long long)(delay / MF_SECOND_NS));
    if (!try->note.ptr)
        try->note = MF_STR_EMPTY;
}

static void on_answer(struct mf_work *work)
{
    struct try *try = MF_CONTAINER(work, struct try, back);
    try->fetching = false;
    if (try->hooks->stopping) {
        end_try(try);
        return;
    }
    judge(try);
    record(try);
}

/* On the fetcher's thread. */
static void fetched(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct try *try = MF_CONTAINER(fetch, struct try, fetch);
    /* Of an answer only the status counts, however long the rest is. */
    bool heard = code == MF_OK || (code == MF_RESOURCE_EXHAUSTED && fetch->too_long && fetch->status > 0);
    try->row.last_error = heard ? MF_STR_EMPTY : mf_str_printf(try->arena, "%s", err->message);
    if (!try->row.last_error.ptr)
        try->row.last_error = MF_STR("out of memory");
    try->back = (struct mf_work){.fn = on_answer};
    mf_loop_post(try->hooks->loop, &try->back);
}

/* ---- a try ---- */

/* False when nobody is to be told any more: the condition has ended, or begun again with an order of its own.
 */
static enum mf_code read_condition(struct mf_db *db, struct try *try, struct mf_action_row *row,
                                   struct pb_workflow_ConditionAction **out, struct mf_error *err)
{
    struct mf_str body = MF_STR_EMPTY;
    void *decoded = NULL;
    *out = NULL;
    enum mf_code code = mf_action_get(db, try->arena, try->row.run_id, try->row.name, row, err);
    if (code != MF_OK || mf_phase_is_terminal(row->phase) || row->attempts != try->row.attempt)
        return code == MF_NOT_FOUND ? MF_OK : code;
    code = mf_spec_get(db, try->arena, row->spec_digest, &body, err);
    if (code == MF_OK)
        code = pb_decode(try->arena, &pb_workflow_ConditionAction_type, body, &decoded, err);
    *out = decoded;
    return code;
}

static enum mf_code fill(struct try *try, struct pb_workflow_ConditionAction *condition,
                         const struct mf_action_row *row, struct mf_error *err)
{
    struct mf_hooks *hooks = try->hooks;
    struct mf_arena *arena = try->arena;
    struct mf_str callback = mf_hook_callback(arena, hooks->config.url, hooks->config.key, row);
    struct mf_str key =
        mf_str_printf(arena, "mayfly-%lld-%.*s-%d", (long long)row->run_id, MF_FMT(row->name), row->attempts);
    struct mf_fetch *fetch = &try->fetch;
    fetch->url = mf_str_to_c(arena, condition->webhook->url);
    if (!callback.ptr || !key.ptr || !fetch->url)
        return mf_fail_memory(err);
    enum mf_code code = mf_hook_body(arena, condition, row, callback, &fetch->body, err);
    try->headers[0] = (struct mf_header){MF_STR("content-type"), MF_STR("application/json")};
    try->headers[1] = (struct mf_header){MF_STR("idempotency-key"), key};
    try->headers[2] = (struct mf_header){MF_STR("user-agent"), MF_STR("mayfly")};
    fetch->method = MF_STR("POST");
    fetch->headers = try->headers;
    fetch->header_count = sizeof try->headers / sizeof try->headers[0];
    fetch->timeout_ms = TIMEOUT_MS;
    fetch->response_bytes = ANSWER_BYTES;
    fetch->done = fetched;
    return code;
}

static bool begin_try(struct mf_hooks *hooks, struct mf_db *db, const struct mf_webhook_row *due)
{
    struct mf_error err;
    struct mf_action_row row;
    struct pb_workflow_ConditionAction *condition = NULL;
    struct mf_arena *arena = mf_arena_new(0);
    struct try *try = arena ? MF_NEW(arena, struct try) : NULL;
    if (!try) {
        mf_arena_free(arena);
        return false;
    }
    try->hooks = hooks;
    try->arena = arena;
    try->row = *due;
    try->note = MF_STR_EMPTY;
    try->row.name = mf_str_copy(arena, due->name);
    try->row.last_error = MF_STR_EMPTY;
    enum mf_code code =
        try->row.name.ptr ? read_condition(db, try, &row, &condition, &err) : mf_fail_memory(&err);
    if (code == MF_OK && condition && condition->webhook)
        code = fill(try, condition, &row, &err);
    if (code != MF_OK) {
        mf_log(MF_LOG_WARN, "hook", "cannot make a webhook, will try again: %s", err.message);
        mf_arena_free(arena);
        return false;
    }
    mf_list_push(&hooks->running, &try->in_running);
    if (condition && condition->webhook) {
        try->fetching = true;
        mf_fetch_start(hooks->config.fetcher, &try->fetch);
    } else {
        try->over = true;
        record(try);
    }
    return true;
}

/* ---- what is due ---- */

struct due {
    struct mf_hooks *hooks;
    struct mf_webhook_row rows[RUNNING_MAX * 2];
    size_t count;
};

static bool take(void *ctx, const struct mf_webhook_row *row)
{
    struct due *due = ctx;
    due->rows[due->count++] = *row;
    return due->count < sizeof due->rows / sizeof due->rows[0];
}

static bool is_running(const struct mf_hooks *hooks, const struct mf_webhook_row *row)
{
    for (struct mf_link *link = mf_list_first(&hooks->running); link;
         link = mf_list_next(&hooks->running, link)) {
        const struct try *try = MF_CONTAINER(link, struct try, in_running);
        if (try->row.run_id == row->run_id && try->row.attempt == row->attempt &&
            mf_str_eq(try->row.name, row->name))
            return true;
    }
    return false;
}

static void look(struct mf_hooks *hooks)
{
    struct mf_error err;
    struct mf_db *db = NULL;
    struct due due = {.hooks = hooks};
    int64_t now = mf_wall_ns(hooks->config.sys);
    if (hooks->stopping || hooks->running.count >= RUNNING_MAX)
        return;
    struct mf_arena *scratch = mf_arena_new(0);
    enum mf_code code = scratch ? mf_store_reader(hooks->config.store, &db, &err) : mf_fail_memory(&err);
    if (code == MF_OK)
        code = mf_webhook_list(db, scratch, sizeof due.rows / sizeof due.rows[0], take, &due, &err);
    mf_timer_stop(hooks->timer);
    hooks->timer = NULL;
    for (size_t i = 0; code == MF_OK && i < due.count && hooks->running.count < RUNNING_MAX; i++) {
        if (is_running(hooks, &due.rows[i]))
            continue;
        if (due.rows[i].next_at > now) {
            look_in(hooks, (due.rows[i].next_at - now) / 1000000 + 1);
            break;
        }
        if (!begin_try(hooks, db, &due.rows[i])) {
            look_in(hooks, RETRY_MS);
            break;
        }
    }
    mf_store_reader_done(hooks->config.store, db);
    mf_arena_free(scratch);
    if (code != MF_OK) {
        mf_log(MF_LOG_WARN, "hook", "cannot look for webhooks, will try again: %s", err.message);
        look_in(hooks, RETRY_MS);
    }
}

static void on_wake(struct mf_work *work)
{
    struct mf_hooks *hooks = MF_CONTAINER(work, struct mf_hooks, wake);
    atomic_store(&hooks->woken, false);
    look(hooks);
}

static void on_change(struct mf_subscription *subscription)
{
    struct mf_hooks *hooks = MF_CONTAINER(subscription, struct mf_hooks, subscription);
    if (!atomic_exchange(&hooks->woken, true))
        mf_loop_post(hooks->loop, &hooks->wake);
}

/* ---- start and stop ---- */

/* On the loop. What waits for its answer is given up; the rest comes back by itself. */
static void on_quit(struct mf_work *work)
{
    struct mf_hooks *hooks = MF_CONTAINER(work, struct mf_hooks, quit);
    hooks->stopping = true;
    mf_timer_stop(hooks->timer);
    hooks->timer = NULL;
    if (mf_list_empty(&hooks->running))
        mf_loop_stop(hooks->loop);
    for (struct mf_link *link = mf_list_first(&hooks->running); link;
         link = mf_list_next(&hooks->running, link)) {
        struct try *try = MF_CONTAINER(link, struct try, in_running);
        if (try->fetching)
            mf_fetch_cancel(hooks->config.fetcher, &try->fetch);
    }
}

enum mf_code mf_hooks_start(const struct mf_hooks_config *config, struct mf_hooks **out, struct mf_error *err)
{
    struct mf_hooks *hooks = calloc(1, sizeof *hooks);
    if (!hooks)
        return mf_fail_memory(err);
    hooks->config = *config;
    hooks->wake.fn = on_wake;
    hooks->quit.fn = on_quit;
    mf_list_init(&hooks->running);
    enum mf_code code = mf_loop_new(&hooks->loop, err);
    if (code == MF_OK)
        code = mf_loop_start(hooks->loop, "webhooks", err);
    if (code != MF_OK) {
        mf_loop_free(hooks->loop);
        free(hooks);
        return code;
    }
    mf_hub_subscribe(mf_store_hub(config->store), &hooks->subscription,
                     (struct mf_topic){.kind = MF_TOPIC_WEBHOOKS}, on_change);
    on_change(&hooks->subscription); /* what the last server has left */
    *out = hooks;
    return MF_OK;
}

void mf_hooks_stop(struct mf_hooks *hooks)
{
    if (!hooks)
        return;
    mf_hub_unsubscribe(mf_store_hub(hooks->config.store), &hooks->subscription);
    mf_loop_post(hooks->loop, &hooks->quit);
    mf_loop_join(hooks->loop);
}

void mf_hooks_free(struct mf_hooks *hooks)
{
    if (!hooks)
        return;
    mf_loop_free(hooks->loop);
    free(hooks);
}
