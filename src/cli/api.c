#include "cli/api.h"

#include "base/list.h"
#include "identity/object.h"
#include "net/fetch.h"

#include <pthread.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)64 << 10)
#define ANSWER_MAX ((size_t)64 << 20)
#define TIMEOUT_MS 120000 /* a thousand runs are made in one call */

struct mf_api {
    struct mf_arena *arena;
    const struct mf_api_target *target;
    struct mf_fetcher *fetcher;
};

/* ---- finding the server ---- */

/* The value of "key: value" or "key: "value"" in the server's own flyte.yaml; empty: there is none. */
static struct mf_str yaml_value(struct mf_str text, const char *key)
{
    const struct mf_str blanks = MF_STR(" \t\r");
    while (text.len > 0) {
        size_t end = mf_str_find_char(text, '\n');
        struct mf_str line = mf_str_trim(mf_str_take(text, end), blanks);
        size_t colon = mf_str_find_char(line, ':');
        if (colon != SIZE_MAX && mf_str_eq_c(mf_str_take(line, colon), key))
            return mf_str_trim(mf_str_trim(mf_str_skip(line, colon + 1), blanks), MF_STR("\""));
        text = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(text, end + 1);
    }
    return MF_STR_EMPTY;
}

static bool is_here(struct mf_str authority)
{
    return mf_str_starts(authority, MF_STR("localhost")) || mf_str_starts(authority, MF_STR("127.")) ||
           mf_str_starts(authority, MF_STR("[::1]"));
}

enum mf_code mf_api_url(struct mf_arena *arena, struct mf_str text, struct mf_str *out, struct mf_error *err)
{
    static const char *const schemes[] = {"http://", "https://"};
    const struct mf_str dns = MF_STR("dns:///");
    struct mf_str whole = mf_str_trim(text, MF_STR(" \t\r\n"));
    while (mf_str_ends(whole, MF_STR("/")))
        whole.len--;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct mf_str scheme = mf_str_from_c(schemes[i]);
        if (mf_str_starts(whole, scheme) && whole.len > scheme.len) {
            *out = mf_str_copy(arena, whole);
            return out->ptr ? MF_OK : mf_fail_memory(err);
        }
    }
    struct mf_str authority = mf_str_starts(whole, dns) ? mf_str_skip(whole, dns.len) : whole;
    if (authority.len == 0 || mf_str_ends(authority, MF_STR(":")) ||
        mf_str_find(authority, MF_STR("/")) != SIZE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "\"%.*s\" is no address of a server; write http://HOST:PORT, https://HOST:PORT or "
                       "HOST:PORT",
                       MF_FMT(mf_str_take(text, 100)));
    *out = mf_str_printf(arena, "%s%.*s", schemes[!is_here(authority)], MF_FMT(authority));
    return out->ptr ? MF_OK : mf_fail_memory(err);
}

static const char *variable_or(const char *value, const char *variable)
{
    const char *set = value ? value : getenv(variable);
    return set && set[0] ? set : NULL;
}

/* What the server of the data directory has left for clients. */
static enum mf_code read_client_file(const struct mf_cli_args *args, bool needed, struct mf_api_target *out,
                                     struct mf_error *err)
{
    const char *dir = variable_or(mf_cli_flag(args, "data-dir"), "MAYFLY_DATA_DIR");
    struct mf_str file = mf_str_printf(args->arena, "%s/flyte.yaml", dir ? dir : "mayfly-data");
    struct mf_str text = MF_STR_EMPTY;
    if (!file.ptr)
        return mf_fail_memory(err);
    enum mf_code code = mf_read_file(args->arena, file.ptr, FILE_MAX, &text, err);
    if (code != MF_OK && !needed)
        return MF_OK;
    if (code == MF_NOT_FOUND)
        return mf_fail(err, MF_NOT_FOUND,
                       "which server? there is no %.*s; give --endpoint, or --data-dir of a server on this "
                       "machine",
                       MF_FMT(file));
    if (code != MF_OK)
        return code;
    out->project = yaml_value(text, "project");
    out->domain = yaml_value(text, "domain");
    if (!needed)
        return MF_OK;
    out->origin = file;
    struct mf_str endpoint = yaml_value(text, "endpoint");
    if (endpoint.len == 0)
        return mf_fail(err, MF_DATA_LOSS,
                       "%.*s names no endpoint; start the server again, or give --endpoint", MF_FMT(file));
    return mf_api_url(args->arena, endpoint, &out->url, err);
}

static enum mf_code read_token(const struct mf_cli_args *args, struct mf_api_target *out,
                               struct mf_error *err)
{
    const char *file = mf_cli_flag(args, "token-file");
    const char *variable = getenv("MAYFLY_TOKEN");
    enum mf_code code = MF_OK;
    if (file)
        code = mf_read_file(args->arena, file, FILE_MAX, &out->token, err);
    else if (variable)
        out->token = mf_str_from_c(variable);
    if (code != MF_OK)
        return mf_fail_prefix(err, "--token-file");
    out->token = mf_str_trim(out->token, MF_STR(" \t\r\n"));
    for (size_t i = 0; i < out->token.len; i++) {
        if (out->token.ptr[i] <= ' ' || out->token.ptr[i] > '~')
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "the token holds what no token can; is it all of one line?");
    }
    return MF_OK;
}

enum mf_code mf_api_target(const struct mf_cli_args *args, struct mf_api_target *out, struct mf_error *err)
{
    const char *flag = mf_cli_flag(args, "endpoint");
    const char *endpoint = variable_or(flag, "MAYFLY_ENDPOINT");
    const char *project = mf_cli_flag(args, "project");
    const char *domain = mf_cli_flag(args, "domain");
    *out = (struct mf_api_target){.ca_file = mf_cli_flag(args, "ca-file")};
    enum mf_code code = read_client_file(args, !endpoint, out, err);
    if (code == MF_OK && endpoint) {
        out->origin = flag ? MF_STR("--endpoint") : MF_STR("MAYFLY_ENDPOINT");
        code = mf_api_url(args->arena, mf_str_from_c(endpoint), &out->url, err);
    }
    if (project)
        out->project = mf_str_from_c(project);
    if (domain)
        out->domain = mf_str_from_c(domain);
    return code == MF_OK ? read_token(args, out, err) : code;
}

/* ---- asking it ---- */

enum mf_code mf_api_open(struct mf_arena *arena, const struct mf_api_target *target, struct mf_api **out,
                         struct mf_error *err)
{
    struct mf_api *api = MF_NEW(arena, struct mf_api);
    const struct mf_fetcher_config config = {.sys = mf_sys_real(), .ca_file = target->ca_file, .running = 1};
    if (!api)
        return mf_fail_memory(err);
    *api = (struct mf_api){.arena = arena, .target = target};
    *out = api;
    return mf_fetcher_new(&config, &api->fetcher, err);
}

void mf_api_close(struct mf_api *api)
{
    if (!api || !api->fetcher)
        return;
    mf_fetcher_stop(api->fetcher);
    mf_fetcher_free(api->fetcher);
}

/* A request, and the one who waits for its answer. */
struct exchange {
    struct mf_fetch fetch;
    struct mf_arena *arena;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    enum mf_code code;
    struct mf_error error;
    struct mf_str text;
};

static void on_done(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct exchange *exchange = MF_CONTAINER(fetch, struct exchange, fetch);
    pthread_mutex_lock(&exchange->lock);
    exchange->code = code;
    if (code == MF_OK)
        exchange->text = mf_str_copy(exchange->arena, fetch->response);
    else
        exchange->error = *err;
    if (code == MF_OK && !exchange->text.ptr)
        exchange->code = mf_fail_memory(&exchange->error);
    exchange->done = true;
    pthread_cond_signal(&exchange->ended);
    pthread_mutex_unlock(&exchange->lock);
}

static enum mf_code send(struct mf_api *api, struct exchange *exchange)
{
    pthread_mutex_init(&exchange->lock, NULL);
    pthread_cond_init(&exchange->ended, NULL);
    exchange->fetch.done = on_done;
    mf_fetch_start(api->fetcher, &exchange->fetch);
    pthread_mutex_lock(&exchange->lock);
    while (!exchange->done)
        pthread_cond_wait(&exchange->ended, &exchange->lock);
    pthread_mutex_unlock(&exchange->lock);
    pthread_cond_destroy(&exchange->ended);
    pthread_mutex_destroy(&exchange->lock);
    return exchange->code;
}

static enum mf_code no_answer(const struct mf_api *api, enum mf_code code, struct mf_error *err)
{
    const struct mf_api_target *target = api->target;
    if (code != MF_UNAVAILABLE)
        return code;
    return mf_fail_prefix(
        err, "no server answers at %.*s (from %.*s); start it with mayfly serve, or give another --endpoint",
        MF_FMT(target->url), MF_FMT(target->origin));
}

static enum mf_code no_mayfly(const struct mf_api *api, int status, struct mf_error *err)
{
    return mf_fail(err, MF_UNKNOWN, "what answers at %.*s (from %.*s) is no Mayfly server: HTTP status %d",
                   MF_FMT(api->target->url), MF_FMT(api->target->origin), status);
}

/* The error that a server has answered with (Connect protocol, unary errors). */
static enum mf_code refusal(const struct mf_api *api, int status, struct mf_str text, struct mf_error *err)
{
    const struct pb_google_protobuf_Struct *object = NULL;
    struct mf_str word = MF_STR_EMPTY;
    struct mf_str message = MF_STR_EMPTY;
    if (!mf_json_object(api->arena, text, &object) || !mf_object_text(object, "code", &word) ||
        !mf_object_text(object, "message", &message) || word.len == 0)
        return no_mayfly(api, status, err);
    enum mf_code code = mf_code_from_word(word.ptr, word.len);
    if (code == MF_UNAUTHENTICATED)
        return mf_fail(err, code,
                       "the server wants to know who asks (%.*s); give --token-file or MAYFLY_TOKEN",
                       MF_FMT(message));
    if (code == MF_UNIMPLEMENTED)
        return mf_fail(err, code,
                       "the server at %.*s does not know this command: it is another or an older one",
                       MF_FMT(api->target->url));
    return mf_fail(err, code, "%.*s (%.*s)", MF_FMT(message), MF_FMT(word));
}

enum mf_code mf_api_call(struct mf_api *api, const struct pb_method *method, const void *request,
                         void **response, struct mf_str *json, struct mf_error *err)
{
    const struct pb_json_options lenient = {.ignore_unknown = true};
    const struct mf_api_target *target = api->target;
    struct mf_str bearer = mf_str_printf(api->arena, "Bearer %.*s", MF_FMT(target->token));
    struct mf_str url = mf_str_printf(api->arena, "%.*s%s", MF_FMT(target->url), method->path);
    const struct mf_header headers[] = {{MF_STR("content-type"), MF_STR("application/json")},
                                        {MF_STR("authorization"), bearer}};
    struct exchange *exchange = MF_NEW(api->arena, struct exchange);
    struct mf_str body;
    if (!bearer.ptr || !url.ptr || !exchange)
        return mf_fail_memory(err);
    enum mf_code code = pb_to_json(api->arena, method->request, request, NULL, &body, err);
    if (code != MF_OK)
        return code;
    *exchange = (struct exchange){.arena = api->arena,
                                  .fetch = {.url = url.ptr,
                                            .method = MF_STR("POST"),
                                            .headers = headers,
                                            .header_count = target->token.len > 0 ? 2 : 1,
                                            .body = body,
                                            .timeout_ms = TIMEOUT_MS,
                                            .response_bytes = ANSWER_MAX}};
    code = send(api, exchange);
    if (code != MF_OK) {
        *err = exchange->error;
        return no_answer(api, code, err);
    }
    if (exchange->fetch.status != 200)
        return refusal(api, exchange->fetch.status, exchange->text, err);
    *json = exchange->text;
    code = pb_from_json(api->arena, method->response, exchange->text, &lenient, response, err);
    return code == MF_OK ? code : no_mayfly(api, exchange->fetch.status, err);
}
