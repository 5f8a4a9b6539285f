#include "kube/client.h"

#include "base/list.h"
#include "base/log.h"
#include "base/time.h"

#include <stdlib.h>

#define RUNNING 64
#define WAITING 8192
#define TIMEOUT_MS 30000
#define ANSWER_BYTES ((size_t)8 << 20)
#define BUSY_TRIES 6
#define BUSY_DELAY_MAX_S 30
#define TOKEN_MAX ((size_t)1 << 20)
#define TOKEN_AGE_NS (60 * MF_SECOND_NS) /* Kubernetes changes the file long before the token expires */

struct mf_kube {
    struct mf_kube_config config;
    struct mf_arena *arena; /* of the configuration's texts */
    struct mf_arena *token_arena;
    struct mf_str token;
    int64_t token_at;
    struct mf_fetcher *fetcher;
};

/* ---- opening ---- */

static bool copy(struct mf_arena *arena, struct mf_str *text)
{
    *text = mf_str_copy(arena, *text);
    return text->len == 0 || text->ptr;
}

static bool copy_access(struct mf_kube *kube)
{
    struct mf_kube_access *access = &kube->config.access;
    bool ok = copy(kube->arena, &access->name) && copy(kube->arena, &access->server) &&
              copy(kube->arena, &access->namespace_) && copy(kube->arena, &access->token) &&
              copy(kube->arena, &access->tls.ca) && copy(kube->arena, &access->tls.cert) &&
              copy(kube->arena, &access->tls.key);
    if (ok && access->token_file) {
        access->token_file = mf_str_to_c(kube->arena, mf_str_from_c(access->token_file));
        ok = access->token_file != NULL;
    }
    kube->token = access->token;
    return ok;
}

enum mf_code mf_kube_open(const struct mf_kube_config *config, struct mf_kube **out, struct mf_error *err)
{
    struct mf_kube *kube = calloc(1, sizeof *kube);
    if (!kube)
        return mf_fail_memory(err);
    kube->config = *config;
    kube->arena = mf_arena_new(0);
    kube->token_arena = mf_arena_new(0);
    const struct mf_fetcher_config fetching = {
        .sys = config->sys,
        .ca_file = config->ca_file,
        .running = config->running > 0 ? config->running : RUNNING,
        .waiting = WAITING,
    };
    enum mf_code code = kube->arena && kube->token_arena && copy_access(kube) ? MF_OK : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_fetcher_new(&fetching, &kube->fetcher, err);
    if (code == MF_OK)
        *out = kube;
    else
        mf_kube_close(kube);
    return code;
}

void mf_kube_stop(struct mf_kube *kube)
{
    if (kube)
        mf_fetcher_stop(kube->fetcher);
}

void mf_kube_close(struct mf_kube *kube)
{
    if (!kube)
        return;
    mf_fetcher_free(kube->fetcher);
    mf_arena_free(kube->token_arena);
    mf_arena_free(kube->arena);
    free(kube);
}

struct mf_str mf_kube_name(const struct mf_kube *kube)
{
    return kube->config.access.name;
}

struct mf_loop *mf_kube_loop(const struct mf_kube *kube)
{
    return kube->config.loop;
}

const struct mf_sys *mf_kube_sys(const struct mf_kube *kube)
{
    return kube->config.sys;
}

/* ---- what an answer means ---- */

static const char *advice(int status)
{
    switch (status) {
    case 401:
        return "; the token or certificate is not accepted: it may have expired, or belong to another "
               "cluster";
    case 403:
        return "; give its user the role of deploy/kubernetes/rbac.yaml";
    default:
        return "";
    }
}

static enum mf_code code_of(int status, struct mf_str reason, struct mf_str message)
{
    switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
        return MF_INVALID_ARGUMENT;
    case 401:
        return MF_UNAUTHENTICATED;
    case 403:
        return mf_str_find(message, MF_STR("exceeded quota")) != SIZE_MAX ? MF_RESOURCE_EXHAUSTED
                                                                          : MF_PERMISSION_DENIED;
    case 404:
        return MF_NOT_FOUND;
    case 409:
        return mf_str_eq_c(reason, "AlreadyExists") ? MF_ALREADY_EXISTS : MF_ABORTED;
    case 410:
        return MF_OUT_OF_RANGE;
    case 429:
        return MF_RESOURCE_EXHAUSTED;
    default:
        return MF_UNAVAILABLE;
    }
}

enum mf_code mf_kube_judge(const struct mf_kube *kube, int status, const mf_node *answer, struct mf_str path,
                           struct mf_error *err)
{
    struct mf_str message = mf_node_text(answer, "message");
    enum mf_code code = code_of(status, mf_node_text(answer, "reason"), message);
    size_t query = mf_str_find_char(path, '?');
    return mf_fail(err, code, "cluster %.*s: %.*s: answer %d: %.*s%s", MF_FMT(mf_kube_name(kube)),
                   MF_FMT(mf_str_take(path, query)), status, MF_FMT(mf_str_take(message, 600)),
                   code == MF_RESOURCE_EXHAUSTED ? "" : advice(status));
}

/* ---- requests ---- */

/* A token in a file is changed by Kubernetes from time to time. The old one is used while the new one cannot
 * be read. */
static void refresh_token(struct mf_kube *kube)
{
    const char *file = kube->config.access.token_file;
    struct mf_error err;
    struct mf_str token;
    int64_t now = mf_mono_ns(kube->config.sys);
    if (!file || (kube->token_at > 0 && now - kube->token_at < TOKEN_AGE_NS))
        return;
    struct mf_arena *arena = mf_arena_new(0);
    enum mf_code code = arena ? mf_read_file(arena, file, TOKEN_MAX, &token, &err) : mf_fail_memory(&err);
    kube->token_at = now;
    if (code != MF_OK) {
        mf_log(MF_LOG_WARN, "kube", "cluster %.*s: the token cannot be read again: %s",
               MF_FMT(mf_kube_name(kube)), err.message);
        mf_arena_free(arena);
        return;
    }
    mf_arena_free(kube->token_arena);
    kube->token_arena = arena;
    kube->token = mf_str_trim(token, MF_STR(" \r\n"));
}

enum mf_code mf_kube_prepare(struct mf_kube *kube, struct mf_arena *arena, struct mf_str path,
                             struct mf_header headers[MF_KUBE_HEADERS], struct mf_fetch *fetch,
                             struct mf_error *err)
{
    const struct mf_kube_access *access = &kube->config.access;
    struct mf_str url = mf_str_printf(arena, "%.*s%.*s%c", MF_FMT(access->server), MF_FMT(path), '\0');
    size_t count = 0;
    refresh_token(kube);
    headers[count++] = (struct mf_header){MF_STR("accept"), MF_STR("application/json")};
    headers[count++] = (struct mf_header){MF_STR("user-agent"), MF_STR("mayfly")};
    if (kube->token.len > 0) {
        struct mf_str bearer = mf_str_printf(arena, "Bearer %.*s", MF_FMT(kube->token));
        if (!bearer.ptr)
            return mf_fail_memory(err);
        headers[count++] = (struct mf_header){MF_STR("authorization"), bearer};
    }
    if (!url.ptr)
        return mf_fail_memory(err);
    fetch->url = url.ptr;
    fetch->headers = headers;
    fetch->header_count = count;
    fetch->tls = &access->tls;
    return MF_OK;
}

void mf_kube_fetch(struct mf_kube *kube, struct mf_fetch *fetch)
{
    mf_fetch_start(kube->fetcher, fetch);
}

void mf_kube_cancel(struct mf_kube *kube, struct mf_fetch *fetch)
{
    mf_fetch_cancel(kube->fetcher, fetch);
}

static void on_back(struct mf_work *work)
{
    struct mf_kube_request *request = MF_CONTAINER(work, struct mf_kube_request, back);
    request->done(request);
}

static void hand_back(struct mf_kube_request *request)
{
    request->back = (struct mf_work){.fn = on_back};
    mf_loop_post(request->kube->config.loop, &request->back);
}

/* On the cluster's thread. True when it was asked again. */
static bool is_asked_again(struct mf_kube_request *request)
{
    struct mf_fetch *fetch = &request->fetch;
    bool busy = fetch->status == 429 || (fetch->status == 503 && fetch->retry_after_s > 0);
    if (!busy || ++request->tries >= BUSY_TRIES || fetch->retry_after_s > BUSY_DELAY_MAX_S)
        return false;
    fetch->delay_ms =
        fetch->retry_after_s > 0 ? (uint32_t)fetch->retry_after_s * 1000 : 500U << request->tries;
    mf_kube_fetch(request->kube, fetch);
    return true;
}

/* On the cluster's thread. */
static void on_answer(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct mf_kube_request *request = MF_CONTAINER(fetch, struct mf_kube_request, fetch);
    const struct mf_kube *kube = request->kube;
    if (code == MF_OK && is_asked_again(request))
        return;
    request->code = code;
    request->answer = NULL;
    request->status = fetch->status;
    if (code != MF_OK) {
        request->err = *err;
        mf_fail_prefix(&request->err, "cluster %.*s", MF_FMT(mf_kube_name(kube)));
        hand_back(request);
        return;
    }
    struct mf_str text = mf_str_copy(request->arena, fetch->response);
    if (text.len > 0 && !text.ptr)
        request->code = mf_fail_memory(&request->err);
    else if (text.len > 0 && mf_node_read(request->arena, text, &request->answer, &request->err) != MF_OK)
        request->answer = NULL;
    bool success = fetch->status >= 200 && fetch->status < 300;
    if (request->code == MF_OK && !success)
        request->code = mf_kube_judge(kube, fetch->status, request->answer, request->path, &request->err);
    else if (request->code == MF_OK && !request->answer)
        request->code = mf_fail(&request->err, MF_UNAVAILABLE, "cluster %.*s: the answer is no JSON",
                                MF_FMT(mf_kube_name(kube)));
    hand_back(request);
}

void mf_kube_start(struct mf_kube *kube, struct mf_kube_request *request)
{
    struct mf_fetch *fetch = &request->fetch;
    request->kube = kube;
    request->tries = 0;
    *fetch = (struct mf_fetch){
        .method = request->method,
        .body = request->body,
        .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS,
        .response_bytes = request->answer_bytes > 0 ? request->answer_bytes : ANSWER_BYTES,
        .done = on_answer,
    };
    request->code =
        mf_kube_prepare(kube, request->arena, request->path, request->headers, fetch, &request->err);
    if (request->code != MF_OK) {
        hand_back(request);
        return;
    }
    if (request->body.len > 0)
        request->headers[fetch->header_count++] = (struct mf_header){
            MF_STR("content-type"),
            request->content_type.len > 0 ? request->content_type : MF_STR("application/json")};
    mf_kube_fetch(kube, fetch);
}
