/* The address at which a condition is answered. */
#include "action/machine.h"
#include "base/buf.h"
#include "base/encode.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/common/identity.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "hook/message.h"
#include "hook/state.h"
#include "store/run.h"

#include <openssl/crypto.h>
#include <stdatomic.h>

#define BODY_MAX ((size_t)64 << 10)

/* One request. It lives until both the exchange and the work for it are over. */
struct answer {
    _Atomic int refs;
    struct mf_hooks *hooks;
    struct mf_arena *arena;
    struct mf_exchange *exchange; /* of the I/O thread; NULL once it is closed */
    struct mf_loop *loop;
    struct mf_buf body;
    bool too_long, posts, json, form;
    struct mf_str path, query; /* copies */
    struct mf_work work, back;
    struct mf_command command;
    struct mf_action_row row;
    struct mf_str value, by;
    int status;
    struct mf_str reply;
};

static void unref(struct answer *answer)
{
    if (atomic_fetch_sub(&answer->refs, 1) > 1)
        return;
    mf_buf_free(&answer->body);
    mf_arena_free(answer->arena);
}

/* ---- on the I/O thread ---- */

static void reply(struct mf_exchange *exchange, int status, struct mf_str body)
{
    const struct mf_header headers[] = {
        {MF_STR("content-type"), MF_STR("application/json")},
        {MF_STR("cache-control"), MF_STR("no-store")},
        {MF_STR("allow"), MF_STR("GET, POST")},
    };
    if (mf_exchange_reply(exchange, status, headers, status == 405 ? 3 : 2, body) != MF_OK)
        mf_exchange_reset(exchange);
}

static void on_back(struct mf_work *work)
{
    struct answer *answer = MF_CONTAINER(work, struct answer, back);
    if (answer->exchange)
        reply(answer->exchange, answer->status, answer->reply);
    unref(answer);
}

/* ---- on a worker's and the writer's thread ---- */

static void send_back(struct answer *answer)
{
    answer->back = (struct mf_work){.fn = on_back};
    mf_loop_post(answer->loop, &answer->back);
}

static int status_of(enum mf_code code)
{
    static const struct {
        enum mf_code code;
        int status;
    } rows[] = {
        {MF_OK, 200},          {MF_INVALID_ARGUMENT, 400},    {MF_PERMISSION_DENIED, 403},
        {MF_NOT_FOUND, 404},   {MF_FAILED_PRECONDITION, 409}, {MF_RESOURCE_EXHAUSTED, 503},
        {MF_UNAVAILABLE, 503},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code)
            return rows[i].status;
    }
    return 500;
}

static void fail(struct answer *answer, enum mf_code code, const char *message)
{
    struct mf_str text = mf_str_from_c(message);
    struct mf_buf out = {0};
    (void)!mf_buf_add_str(&out, MF_STR("{\"error\":\""));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            (void)!mf_buf_add(&out, "\\", 1);
        (void)!mf_buf_add(&out, (unsigned char)c < ' ' ? " " : &c, 1);
    }
    (void)!mf_buf_add_str(&out, MF_STR("\"}\n"));
    answer->status = status_of(code);
    answer->reply = mf_str_copy(answer->arena, mf_buf_str(&out));
    if (!answer->reply.ptr)
        answer->reply = MF_STR("{}\n");
    mf_buf_free(&out);
    send_back(answer);
}

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    const struct answer *answer = MF_CONTAINER(command, struct answer, command);
    return mf_action_signal(tx, answer->row.run_id, answer->row.name, answer->value, answer->by, err);
}

static void done(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct answer *answer = MF_CONTAINER(command, struct answer, command);
    if (code != MF_OK) {
        fail(answer, code, err->message);
        return;
    }
    answer->status = 200;
    answer->reply = MF_STR("{\"status\":\"signalled\"}\n");
    send_back(answer);
}

static struct mf_str next_segment(struct mf_arena *arena, struct mf_str *rest)
{
    struct mf_str out = MF_STR_EMPTY;
    size_t end = mf_str_find_char(*rest, '/');
    struct mf_str raw = mf_str_take(*rest, end);
    *rest = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(*rest, end + 1);
    return mf_percent_decode(arena, raw, false, &out) ? out : MF_STR_EMPTY;
}

/* The value of a name in "a=b&c=d"; .ptr NULL when it is not there. */
static struct mf_str parameter(struct mf_arena *arena, struct mf_str text, struct mf_str name)
{
    while (text.len > 0) {
        size_t end = mf_str_find_char(text, '&');
        struct mf_str pair = mf_str_take(text, end);
        size_t equals = mf_str_find_char(pair, '=');
        struct mf_str out = MF_STR_EMPTY;
        text = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(text, end + 1);
        if (equals != SIZE_MAX && mf_str_eq(mf_str_take(pair, equals), name))
            return mf_percent_decode(arena, mf_str_skip(pair, equals + 1), true, &out) ? out
                                                                                       : (struct mf_str){0};
    }
    return (struct mf_str){0};
}

/* One and the same refusal whether the condition or the token is wrong, so that nobody learns which there
 * are. */
static enum mf_code refuse(struct mf_error *err)
{
    return mf_fail(err, MF_PERMISSION_DENIED,
                   "this is not the address of a condition that can be answered; use it as it was sent");
}

static enum mf_code find(struct answer *answer, struct mf_db *db, struct pb_workflow_ConditionAction **out,
                         struct mf_error *err)
{
    struct mf_arena *arena = answer->arena;
    struct mf_str rest = mf_str_skip(answer->path, sizeof MF_HOOK_CALLBACK - 1);
    struct mf_str project = next_segment(arena, &rest);
    struct mf_str domain = next_segment(arena, &rest);
    struct mf_str run = next_segment(arena, &rest);
    struct mf_str name = next_segment(arena, &rest);
    struct mf_str token = parameter(arena, answer->query, MF_STR("token"));
    struct mf_str body = MF_STR_EMPTY;
    void *decoded = NULL;
    int64_t run_id = 0;
    enum mf_code code = mf_run_id(db, project, domain, run, &run_id, err);
    if (code == MF_OK)
        code = mf_action_get(db, arena, run_id, name, &answer->row, err);
    if (code == MF_NOT_FOUND || (code == MF_OK && (rest.len > 0 || answer->row.kind != MF_ACTION_CONDITION)))
        return refuse(err);
    if (code != MF_OK)
        return code;
    struct mf_str wanted = mf_hook_token(arena, answer->hooks->config.key, &answer->row);
    if (!wanted.ptr)
        return mf_fail_memory(err);
    if (token.len != wanted.len || CRYPTO_memcmp(token.ptr, wanted.ptr, wanted.len) != 0)
        return refuse(err);
    code = mf_spec_get(db, arena, answer->row.spec_digest, &body, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_workflow_ConditionAction_type, body, &decoded, err);
    *out = decoded;
    return code;
}

static enum mf_code read_value(struct answer *answer, const struct pb_workflow_ConditionAction *condition,
                               struct mf_error *err)
{
    struct mf_str text = mf_buf_str(&answer->body);
    struct mf_str given = parameter(answer->arena, answer->query, MF_STR("value"));
    bool json = answer->json;
    if (answer->form)
        given = parameter(answer->arena, text, MF_STR("value"));
    if (given.ptr) {
        text = given;
        json = false;
    }
    struct pb_common_ApplicationIdentifier id = {.subject = MF_STR("callback")};
    struct pb_common_AppSpec spec = {.name = MF_STR("callback of the condition's webhook")};
    struct pb_common_Application application = {.id = &id, .spec = &spec};
    const struct pb_common_EnrichedIdentity by = {
        .principal_case = pb_common_EnrichedIdentity_tag_application, .principal.application = &application};
    enum mf_code code = mf_hook_value(answer->arena, condition, text, json, &answer->value, err);
    return code == MF_OK ? pb_encode(answer->arena, &pb_common_EnrichedIdentity_type, &by, &answer->by, err)
                         : code;
}

static void on_work(struct mf_work *work)
{
    struct answer *answer = MF_CONTAINER(work, struct answer, work);
    struct mf_store *store = answer->hooks->config.store;
    struct pb_workflow_ConditionAction *condition = NULL;
    struct mf_error err;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(store, &db, &err);
    if (code == MF_OK)
        code = find(answer, db, &condition, &err);
    mf_store_reader_done(store, db);
    if (code == MF_OK && answer->posts)
        code = read_value(answer, condition, &err);
    else if (code == MF_OK)
        code = mf_hook_question(answer->arena, condition, &answer->row, MF_STR_EMPTY, &answer->reply, &err);
    if (code != MF_OK) {
        fail(answer, code, err.message);
    } else if (answer->posts) {
        answer->command = (struct mf_command){.apply = apply, .done = done};
        mf_writer_submit(mf_store_writer(store), &answer->command);
    } else {
        answer->status = 200;
        send_back(answer);
    }
}

/* ---- the exchange ---- */

static void on_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    struct answer *answer = ctx;
    (void)exchange;
    if (answer->body.len + bytes.len > BODY_MAX || !mf_buf_add_str(&answer->body, bytes))
        answer->too_long = true;
}

static void on_end(void *ctx, struct mf_exchange *exchange)
{
    struct answer *answer = ctx;
    if (answer->too_long) {
        reply(exchange, 413, MF_STR("{\"error\":\"an answer has at most 64 KiB\"}\n"));
        return;
    }
    atomic_fetch_add(&answer->refs, 1);
    answer->work = (struct mf_work){.fn = on_work};
    if (!mf_rpc_run(answer->hooks->rpc, &answer->work)) {
        reply(exchange, 503, MF_STR("{\"error\":\"the server is busy; try again later\"}\n"));
        unref(answer);
    }
}

static void on_close(void *ctx, struct mf_exchange *exchange)
{
    struct answer *answer = ctx;
    (void)exchange;
    answer->exchange = NULL;
    unref(answer);
}

static void on_request(void *app, struct mf_exchange *exchange)
{
    static const struct mf_exchange_ops ops = {.on_body = on_body, .on_end = on_end, .on_close = on_close};
    const struct mf_http_request *request = mf_exchange_request(exchange);
    struct mf_str type = mf_exchange_header(exchange, "content-type");
    bool posts = mf_str_eq_c(request->method, "POST");
    struct mf_arena *arena = NULL;
    if (!posts && !mf_str_eq_c(request->method, "GET")) {
        reply(exchange, 405, MF_STR("{\"error\":\"GET tells what is asked, POST answers\"}\n"));
        return;
    }
    arena = mf_arena_new(0);
    struct answer *answer = arena ? MF_NEW(arena, struct answer) : NULL;
    if (answer) {
        answer->path = mf_str_copy(arena, request->path);
        answer->query = mf_str_copy(arena, request->query);
    }
    if (!answer || !answer->path.ptr || !answer->query.ptr) {
        mf_arena_free(arena);
        reply(exchange, 503, MF_STR("{\"error\":\"out of memory; try again later\"}\n"));
        return;
    }
    atomic_init(&answer->refs, 1);
    answer->hooks = app;
    answer->arena = arena;
    answer->exchange = exchange;
    answer->loop = mf_exchange_loop(exchange);
    answer->posts = posts;
    answer->json = mf_str_starts(type, MF_STR("application/json"));
    answer->form = mf_str_starts(type, MF_STR("application/x-www-form-urlencoded"));
    mf_exchange_bind(exchange, &ops, answer);
}

enum mf_code mf_hooks_serve(struct mf_hooks *hooks, struct mf_rpc *rpc, struct mf_error *err)
{
    hooks->rpc = rpc;
    return mf_rpc_route(rpc, MF_HOOK_CALLBACK, on_request, hooks, err);
}
