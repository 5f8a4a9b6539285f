#include "rpc/call_state.h"

#include "rpc/connect.h"

#include <ctype.h>
#include <stdio.h>

/* From the HTTP request to a call that runs, or to a refusal in plain HTTP. I/O thread. */

/* ---- refusals without a call ---- */

static void refuse(struct mf_exchange *exchange, int status, const struct mf_header *extra, size_t count,
                   struct mf_str text)
{
    struct mf_header headers[4] = {{MF_STR("content-type"), MF_STR("text/plain; charset=utf-8")}};
    for (size_t i = 0; i < count && i < 3; i++)
        headers[i + 1] = extra[i];
    if (mf_exchange_reply(exchange, status, headers, count + 1, text) != MF_OK)
        mf_exchange_reset(exchange);
}

static void refuse_method(struct mf_exchange *exchange, struct mf_str allow)
{
    struct mf_header header = {MF_STR("allow"), allow};
    refuse(exchange, 405, &header, 1,
           MF_STR("this method cannot be called with that HTTP verb; see \"allow\"\n"));
}

static void refuse_type(struct mf_exchange *exchange, bool streaming)
{
    struct mf_header header = {MF_STR("accept-post"), mf_media_accept_post(streaming)};
    refuse(exchange, 415, &header, 1, MF_STR("this content type is not served here; see \"accept-post\"\n"));
}

/* What to do instead of calling the method "<service>/<method>"; NULL: nothing is known. */
static const char *advice_on(const struct mf_rpc *rpc, struct mf_str name)
{
    for (size_t i = 0; i < rpc->config.advice_count; i++) {
        struct mf_str service = mf_str_from_c(rpc->config.advice[i].service);
        if (mf_str_starts(name, service) && name.len > service.len && name.ptr[service.len] == '/')
            return rpc->config.advice[i].text;
    }
    return NULL;
}

/* "<service>/<method> is not served here", naming what was asked for when it can stand in JSON and in a
 * header as it is, and what to do instead. */
static struct mf_str not_served(const struct mf_rpc *rpc, struct mf_str path, char *room, size_t size)
{
    struct mf_str name = mf_str_skip(path, 1);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (!isalnum(c) && c != '.' && c != '_' && c != '/')
            name.len = 0;
    }
    if (name.len == 0 || name.len > 200)
        return MF_STR("this server has no such method");
    const char *advice = advice_on(rpc, name);
    int len = snprintf(room, size, "%.*s is not served here%s%s", MF_FMT(name), advice ? ": " : "",
                       advice ? advice : "");
    return mf_str_make(room, (size_t)len < size ? (size_t)len : size - 1);
}

/* A path that nothing serves. An RPC client is told in its own words. */
static void refuse_path(const struct mf_rpc *rpc, struct mf_exchange *exchange)
{
    char room[512], json[576];
    const struct mf_http_request *request = mf_exchange_request(exchange);
    const struct mf_media *media = mf_media_find(mf_exchange_header(exchange, "content-type"));
    bool post = mf_str_eq_c(request->method, "POST");
    if (!post || !media || media->protocol == MF_PROTOCOL_CONNECT_STREAM) {
        refuse(exchange, 404, NULL, 0, MF_STR("nothing is served under this path\n"));
        return;
    }
    struct mf_str text = not_served(rpc, request->path, room, sizeof room);
    if (media->protocol == MF_PROTOCOL_CONNECT) {
        struct mf_header header = {MF_STR("content-type"), MF_STR("application/json")};
        int len =
            snprintf(json, sizeof json, "{\"code\":\"unimplemented\",\"message\":\"%.*s\"}", MF_FMT(text));
        if (mf_exchange_reply(exchange, 404, &header, 1, mf_str_make(json, (size_t)len)) != MF_OK)
            mf_exchange_reset(exchange);
        return;
    }
    struct mf_header headers[] = {
        {MF_STR("content-type"), media->type},
        {MF_STR("grpc-status"), MF_STR("12")},
        {MF_STR("grpc-message"), text},
    };
    if (mf_exchange_respond(exchange, 200, headers, 3, true) != MF_OK)
        mf_exchange_reset(exchange);
}

/* ---- the request's head ---- */

static char *put(char *at, struct mf_str from, struct mf_str *to)
{
    if (from.len > 0)
        memcpy(at, from.ptr, from.len);
    *to = mf_str_make(at, from.len);
    return at + from.len;
}

/* A copy in the call's arena, in one block. */
static bool copy_request(struct mf_call *call, const struct mf_http_request *from)
{
    size_t size = from->method.len + from->target.len + from->authority.len + from->peer.len + 1;
    for (size_t i = 0; i < from->header_count; i++)
        size += from->headers[i].name.len + from->headers[i].value.len;
    struct mf_header *headers = mf_arena_array(call->arena, from->header_count + 1, sizeof *headers);
    char *at = mf_arena_bytes(call->arena, size);
    if (!headers || !at)
        return false;
    struct mf_http_request *to = &call->http;
    *to = *from;
    at = put(at, from->method, &to->method);
    at = put(at, from->target, &to->target);
    at = put(at, from->authority, &to->authority);
    at = put(at, from->peer, &to->peer);
    for (size_t i = 0; i < from->header_count; i++) {
        at = put(at, from->headers[i].name, &headers[i].name);
        at = put(at, from->headers[i].value, &headers[i].value);
    }
    to->headers = headers;
    size_t question = mf_str_find_char(to->target, '?');
    to->path = question == SIZE_MAX ? to->target : mf_str_take(to->target, question);
    to->query = question == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(to->target, question + 1);
    return true;
}

static enum mf_code unknown_compression(struct mf_str name, struct mf_error *err)
{
    return mf_fail(err, MF_UNIMPLEMENTED,
                   "compression \"%.*s\" is not known here; use one of " MF_COMPRESSIONS_OFFERED,
                   MF_FMT(mf_str_take(name, 40)));
}

/* Compression of both directions. */
static enum mf_code read_compression(struct mf_call *call, const struct mf_rpc_headers *h,
                                     struct mf_error *err)
{
    struct mf_str in = h->content_encoding, accept = h->accept_encoding;
    if (call->media->protocol == MF_PROTOCOL_CONNECT_STREAM) {
        in = h->connect_content_encoding;
        accept = h->connect_accept_encoding;
    } else if (call->media->protocol != MF_PROTOCOL_CONNECT) {
        in = h->grpc_encoding;
        accept = h->grpc_accept_encoding;
    }
    call->out_compression = mf_compression_choose(accept);
    if (!mf_compression_find(in, &call->in_compression))
        return unknown_compression(in, err);
    return MF_OK;
}

static enum mf_code read_timeout(struct mf_call *call, const struct mf_rpc_headers *h, struct mf_error *err)
{
    bool grpc = mf_protocol_is_grpc(call->media->protocol);
    struct mf_str text = grpc ? h->grpc_timeout : h->connect_timeout_ms;
    int64_t ns = INT64_MAX;
    if (!text.ptr)
        return MF_OK;
    enum mf_code code =
        grpc ? mf_timeout_parse_grpc(text, &ns, err) : mf_timeout_parse_connect(text, &ns, err);
    if (code == MF_OK)
        call->deadline_ns = ns > INT64_MAX - call->start_ns ? INT64_MAX : call->start_ns + ns;
    return code;
}

/* Headers say "1", the query of a GET says "v1". */
static enum mf_code read_version(struct mf_str version, const char *known, struct mf_error *err)
{
    if (version.len > 0 && !mf_str_eq_c(version, known))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "version \"%.*s\" of the Connect protocol is not known; send %s",
                       MF_FMT(mf_str_take(version, 20)), known);
    return MF_OK;
}

static enum mf_code read_head(struct mf_call *call, const struct mf_rpc_headers *h, struct mf_error *err)
{
    enum mf_code code = read_compression(call, h, err);
    if (code == MF_OK)
        code = read_timeout(call, h, err);
    if (code == MF_OK && !mf_protocol_is_grpc(call->media->protocol))
        code = read_version(h->connect_protocol_version, "1", err);
    /* What compresses badly grows a little. */
    size_t max = call->rpc->config.message_bytes;
    call->body_max = call->in_compression == MF_COMPRESSION_NONE ? max : max + max / 16 + 1024;
    mf_envelope_reader_init(&call->reader, call->body_max);
    uint64_t length = 0;
    if (code == MF_OK && call->media->protocol == MF_PROTOCOL_CONNECT && h->content_length.len > 0 &&
        mf_str_to_u64(h->content_length, &length) && length > call->body_max)
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "the message is longer than the limit of %zu bytes; send less at a time", max);
    return code;
}

/* ---- the call ---- */

static void on_deadline(void *ctx)
{
    struct mf_call *call = ctx;
    call->timer = NULL;
    mf_call_fail(call, MF_DEADLINE_EXCEEDED, "the time that the client allowed is over");
}

static void on_idle(void *ctx)
{
    struct mf_call *call = ctx;
    pthread_mutex_lock(&call->lock);
    bool active = call->active;
    call->active = false;
    pthread_mutex_unlock(&call->lock);
    if (!active)
        mf_call_drain(call);
}

static bool start_timers(struct mf_call *call)
{
    const struct mf_rpc_config *config = &call->rpc->config;
    if (call->deadline_ns != INT64_MAX) {
        int64_t left = call->deadline_ns - call->start_ns;
        call->timer =
            mf_timer_start(call->loop, (uint64_t)(left + 999999) / 1000000, false, on_deadline, call);
        if (!call->timer)
            return false;
    }
    if (config->stream_idle_ms > 0 && mf_call_streams(call)) {
        call->idle_timer = mf_timer_start(call->loop, config->stream_idle_ms, true, on_idle, call);
        if (!call->idle_timer)
            return false;
    }
    return true;
}

static enum mf_code read_get(struct mf_call *call, const struct mf_connect_get *get, struct mf_error *err)
{
    call->get = true;
    if (!mf_compression_find(get->compression, &call->in_compression))
        return unknown_compression(get->compression, err);
    size_t max = call->rpc->config.message_bytes;
    if (get->message.len > max)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED, "the message is longer than the limit of %zu bytes", max);
    call->body = (char *)(uintptr_t)get->message.ptr; /* in the arena */
    call->body_len = get->message.len;
    return read_version(get->version, "v1", err);
}

static struct mf_call *call_open(struct mf_rpc *rpc, struct mf_method_entry *entry,
                                 struct mf_exchange *exchange, const struct mf_media *media)
{
    struct mf_call *call = mf_call_new(rpc);
    if (!call)
        return NULL;
    call->entry = entry;
    call->media = media;
    call->start_ns = mf_mono_ns(rpc->config.sys);
    call->deadline_ns = INT64_MAX;
    call->exchange = exchange;
    call->loop = mf_exchange_loop(exchange);
    if (!copy_request(call, mf_exchange_request(exchange))) {
        mf_call_unref(call);
        return NULL;
    }
    return call;
}

static void call_begin(struct mf_call *call, const struct mf_connect_get *get, enum mf_code code,
                       struct mf_error *err)
{
    struct mf_rpc_headers steering;
    atomic_fetch_add_explicit(&call->entry->started, 1, memory_order_relaxed);
    mf_exchange_bind(call->exchange, &mf_call_exchange_ops, call);
    if (mf_call_streams(call))
        mf_rpc_stream_join(call->rpc, call);
    mf_rpc_headers_read(&steering, call->http.headers, call->http.header_count);
    if (code == MF_OK)
        code = read_head(call, &steering, err);
    if (code == MF_OK && get)
        code = read_get(call, get, err);
    if (code == MF_OK && !call->entry->handler)
        code = mf_fail(err, MF_UNIMPLEMENTED, "%s is not implemented by this server",
                       call->entry->method->path + 1);
    if (code == MF_OK && mf_call_streams(call) && atomic_load(&call->rpc->draining))
        code = mf_fail(err, MF_UNAVAILABLE, "the server is shutting down; connect again");
    if (code == MF_OK && !start_timers(call))
        code = mf_fail_memory(err);
    if (code != MF_OK) {
        mf_call_fail_error(call, err);
    } else if (mf_call_streams_in(call)) {
        /* stream_idle_ms watches over streams; a message may be long in coming. */
        mf_exchange_allow_idle(call->exchange);
        mf_call_begin(call);
    }
}

static void no_memory(struct mf_exchange *exchange)
{
    refuse(exchange, 503, NULL, 0, MF_STR("the server is out of memory; try again\n"));
}

static void dispatch_get(struct mf_rpc *rpc, struct mf_method_entry *entry, struct mf_exchange *exchange)
{
    struct mf_error err;
    struct mf_connect_get get;
    if (!entry->method->no_side_effects || entry->method->client_streaming ||
        entry->method->server_streaming) {
        refuse_method(exchange, MF_STR("POST"));
        return;
    }
    struct mf_call *call = call_open(rpc, entry, exchange, mf_media_for_get(MF_STR("proto")));
    if (!call) {
        no_memory(exchange);
        return;
    }
    enum mf_code code = mf_connect_get_parse(call->arena, call->http.query, &get, &err);
    if (get.encoding.len > 0 || code == MF_OK)
        call->media = mf_media_for_get(get.encoding);
    if (!call->media) {
        mf_call_unref(call);
        refuse_type(exchange, false);
        return;
    }
    call_begin(call, &get, code, &err);
}

static void dispatch(struct mf_rpc *rpc, struct mf_method_entry *entry, struct mf_exchange *exchange)
{
    const struct mf_http_request *request = mf_exchange_request(exchange);
    const struct pb_method *method = entry->method;
    bool streaming = method->client_streaming || method->server_streaming;
    if (mf_str_eq_c(request->method, "GET")) {
        dispatch_get(rpc, entry, exchange);
        return;
    }
    if (!mf_str_eq_c(request->method, "POST")) {
        refuse_method(exchange, method->no_side_effects && !streaming ? MF_STR("GET, POST") : MF_STR("POST"));
        return;
    }
    const struct mf_media *media = mf_media_find(mf_exchange_header(exchange, "content-type"));
    if (!media || (media->protocol == MF_PROTOCOL_CONNECT && streaming) ||
        (media->protocol == MF_PROTOCOL_CONNECT_STREAM && !streaming)) {
        refuse_type(exchange, streaming);
        return;
    }
    struct mf_call *call = call_open(rpc, entry, exchange, media);
    if (!call) {
        no_memory(exchange);
        return;
    }
    struct mf_error err;
    call_begin(call, NULL, MF_OK, &err);
}

static const struct mf_route *find_route(const struct mf_rpc *rpc, struct mf_str path)
{
    const struct mf_route *best = NULL;
    for (size_t i = 0; i < rpc->route_count; i++) {
        const struct mf_route *route = &rpc->routes[i];
        bool prefix = mf_str_ends(route->path, MF_STR("/")) && route->path.len > 1;
        bool hit = prefix ? mf_str_starts(path, route->path) : mf_str_eq(path, route->path);
        if (hit && (!best || route->path.len > best->path.len))
            best = route;
    }
    return best;
}

void mf_rpc_on_request(void *app, struct mf_exchange *exchange)
{
    struct mf_rpc *rpc = app;
    const struct mf_http_request *request = mf_exchange_request(exchange);
    struct mf_method_entry *entry = mf_rpc_find(rpc, mf_path_without_key(request->path));
    if (entry && !mf_str_eq_c(request->method, "OPTIONS")) {
        dispatch(rpc, entry, exchange);
        return;
    }
    const struct mf_route *route = entry ? NULL : find_route(rpc, request->path);
    if (route)
        route->on_request(route->ctx, exchange);
    else if (entry)
        mf_cors_preflight(&rpc->config.cors, exchange);
    else if (rpc->fallback && !mf_media_find(mf_exchange_header(exchange, "content-type")))
        rpc->fallback(rpc->fallback_ctx, exchange);
    else if (mf_str_eq_c(request->method, "OPTIONS"))
        mf_cors_preflight(&rpc->config.cors, exchange);
    else
        refuse_path(rpc, exchange);
}
