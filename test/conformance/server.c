/*
 * The server under test of the Connect conformance runner: the product's net and rpc layers with the runner's
 * own service. The runner writes one message to standard input (what to offer), reads one from standard
 * output (where it is), and ends the program with SIGTERM.
 *
 * Handlers sleep where the case asks for a delay; that is what the many workers are for.
 */
#include "net/server.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/time.h"
#include "gen/connectrpc/conformance/v1/server_compat.pb.h"
#include "gen/connectrpc/conformance/v1/service.pb.h"
#include "rpc/metadata.h"
#include "rpc/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 64
#define CONFIG_MAX ((size_t)1 << 20)

#define CONF(name) pb_connectrpc_conformance_v1_##name

typedef struct CONF(ConformancePayload_RequestInfo) info_t;
typedef struct CONF(UnaryResponseDefinition) unary_t;
typedef struct CONF(StreamResponseDefinition) stream_t;
typedef struct CONF(Header) header_t;
typedef struct pb_google_protobuf_Any any_t;

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "conformance-server: %s\n", what);
    exit(1);
}

static void sleep_ms(uint32_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0)
        continue;
}

/* ---- pieces of answers; they live in the arena of the call ---- */

static any_t *any_of(struct mf_arena *arena, const struct pb_type *type, const void *msg)
{
    any_t *any = pb_new(arena, &pb_google_protobuf_Any_type);
    check(any && pb_encode(arena, type, msg, &any->value, NULL) == MF_OK, "encode");
    any->type_url = mf_str_printf(arena, "type.googleapis.com/%s", pb_type_name(type));
    return any;
}

static header_t *header_of(struct mf_arena *arena, struct mf_str name, struct mf_str value)
{
    header_t *header = pb_new(arena, &CONF(Header_type));
    check(header != NULL, "memory");
    header->name = name;
    check(PB_PUSH(arena, header->value, value), "memory");
    return header;
}

static void add_timeout(struct mf_call *call, info_t *info)
{
    struct mf_str connect = mf_call_header(call, "connect-timeout-ms");
    struct mf_str grpc = mf_call_header(call, "grpc-timeout");
    int64_t ns = 0;
    if ((connect.ptr && mf_timeout_parse_connect(connect, &ns, NULL) == MF_OK) ||
        (grpc.ptr && mf_timeout_parse_grpc(grpc, &ns, NULL) == MF_OK)) {
        info->has_timeout_ms = true;
        info->timeout_ms = ns / MF_MS_NS;
    }
}

static void add_query(struct mf_arena *arena, struct mf_str query, info_t *info)
{
    struct CONF(ConformancePayload_ConnectGetInfo) *get =
        pb_new(arena, &CONF(ConformancePayload_ConnectGetInfo_type));
    check(get != NULL, "memory");
    info->connect_get_info = get;
    while (query.len > 0) {
        size_t amp = mf_str_find_char(query, '&');
        struct mf_str pair = amp == SIZE_MAX ? query : mf_str_take(query, amp);
        query = amp == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(query, amp + 1);
        size_t equals = mf_str_find_char(pair, '=');
        struct mf_str value = MF_STR_EMPTY;
        check(equals != SIZE_MAX && mf_percent_decode(arena, mf_str_skip(pair, equals + 1), true, &value),
              "query");
        check(PB_PUSH(arena, get->query_params, header_of(arena, mf_str_take(pair, equals), value)),
              "memory");
    }
}

/* The values of a header that came more than once are told together. */
static void add_request_header(struct mf_arena *arena, info_t *info, const struct mf_header *header)
{
    for (uint32_t i = 0; i < info->request_headers.count; i++) {
        header_t *known = info->request_headers.items[i];
        if (mf_str_eq(known->name, header->name)) {
            check(PB_PUSH(arena, known->value, header->value), "memory");
            return;
        }
    }
    check(PB_PUSH(arena, info->request_headers, header_of(arena, header->name, header->value)), "memory");
}

static info_t *info_of(struct mf_call *call)
{
    struct mf_arena *arena = mf_call_arena(call);
    const struct mf_http_request *http = mf_call_http(call);
    info_t *info = pb_new(arena, &CONF(ConformancePayload_RequestInfo_type));
    check(info != NULL, "memory");
    for (size_t i = 0; i < http->header_count; i++)
        add_request_header(arena, info, &http->headers[i]);
    add_timeout(call, info);
    if (mf_str_eq_c(http->method, "GET"))
        add_query(arena, http->query, info);
    return info;
}

static void push_request(struct mf_arena *arena, info_t *info, any_t *any)
{
    check(PB_PUSH(arena, info->requests, any), "memory");
}

typedef bool (*add_fn)(struct mf_call *call, struct mf_str name, struct mf_str value);

static void add_headers(struct mf_call *call, header_t *const *headers, uint32_t count, add_fn add)
{
    struct mf_arena *arena = mf_call_arena(call);
    for (uint32_t i = 0; i < count; i++) {
        struct mf_str name = mf_str_copy(arena, headers[i]->name);
        for (size_t k = 0; k < name.len; k++) {
            if (name.ptr[k] >= 'A' && name.ptr[k] <= 'Z')
                ((char *)(uintptr_t)name.ptr)[k] |= 0x20;
        }
        for (uint32_t k = 0; k < headers[i]->value.count; k++)
            check(add(call, name, headers[i]->value.items[k]), "header");
    }
}

static void fail(struct mf_call *call, const struct CONF(Error) * error, const info_t *info)
{
    struct mf_arena *arena = mf_call_arena(call);
    for (uint32_t i = 0; i < error->details.count; i++) {
        const any_t *any = error->details.items[i];
        struct mf_str name = any->type_url;
        while (mf_str_find_char(name, '/') != SIZE_MAX)
            name = mf_str_skip(name, mf_str_find_char(name, '/') + 1);
        const struct pb_type *type = pb_type_find(name);
        void *msg = NULL;
        check(type && pb_decode(arena, type, any->value, &msg, NULL) == MF_OK, "unknown type of detail");
        check(mf_call_add_detail(call, type, msg), "detail");
    }
    if (info)
        check(mf_call_add_detail(call, &CONF(ConformancePayload_RequestInfo_type), info), "detail");
    mf_call_fail(call, (enum mf_code)error->code, "%.*s", MF_FMT(error->message));
}

static struct CONF(ConformancePayload) * payload_of(struct mf_arena *arena, struct mf_str data, info_t *info)
{
    struct CONF(ConformancePayload) *payload = pb_new(arena, &CONF(ConformancePayload_type));
    check(payload != NULL, "memory");
    payload->data = data;
    payload->request_info = info;
    return payload;
}

/* ---- one response ---- */

static void answer_unary(struct mf_call *call, const unary_t *def, info_t *info)
{
    /* UnaryResponse, IdempotentUnaryResponse and ClientStreamResponse are alike. */
    struct CONF(UnaryResponse) *response = pb_new(mf_call_arena(call), mf_call_method(call)->response);
    struct mf_str data = MF_STR_EMPTY;
    check(response != NULL, "memory");
    if (def) {
        add_headers(call, def->response_headers.items, def->response_headers.count, mf_call_add_header);
        add_headers(call, def->response_trailers.items, def->response_trailers.count, mf_call_add_trailer);
        sleep_ms(def->response_delay_ms);
        if (def->response_case == CONF(UnaryResponseDefinition_tag_error)) {
            fail(call, def->response.error, info);
            return;
        }
        if (def->response_case == CONF(UnaryResponseDefinition_tag_response_data))
            data = def->response.response_data;
    }
    response->payload = payload_of(mf_call_arena(call), data, info);
    mf_call_reply(call, response);
}

static void unary(void *ctx, struct mf_call *call)
{
    /* UnaryRequest and IdempotentUnaryRequest are alike. */
    const struct CONF(UnaryRequest) *request = mf_call_request(call);
    info_t *info = info_of(call);
    (void)ctx;
    push_request(mf_call_arena(call), info,
                 any_of(mf_call_arena(call), mf_call_method(call)->request, request));
    answer_unary(call, request->response_definition, info);
}

/* ---- streams ---- */

struct stream {
    struct mf_arena *arena;
    info_t *info;
    unary_t *unary;
    stream_t *stream;
    bool have_first;
    bool full_duplex;
    uint32_t sent;
};

static struct stream *stream_new(struct mf_call *call)
{
    struct stream *stream = MF_NEW(mf_call_arena(call), struct stream);
    check(stream != NULL, "memory");
    stream->arena = mf_call_arena(call);
    stream->info = info_of(call);
    return stream;
}

static void begin_stream(struct mf_call *call, const stream_t *def, bool now)
{
    if (!def)
        return;
    add_headers(call, def->response_headers.items, def->response_headers.count, mf_call_add_header);
    add_headers(call, def->response_trailers.items, def->response_trailers.count, mf_call_add_trailer);
    if (now && def->response_data.count > 0)
        mf_call_send_headers(call);
}

static void send_next(struct mf_call *call, struct stream *stream, info_t *info)
{
    /* ServerStreamResponse and BidiStreamResponse are alike. */
    struct CONF(BidiStreamResponse) *response = pb_new(stream->arena, mf_call_method(call)->response);
    check(response != NULL, "memory");
    sleep_ms(stream->stream->response_delay_ms);
    response->payload = payload_of(stream->arena, stream->stream->response_data.items[stream->sent], info);
    stream->sent++;
    mf_call_send(call, response);
}

static void end_stream(struct mf_call *call, struct stream *stream)
{
    const stream_t *def = stream->stream;
    while (def && stream->sent < def->response_data.count && !mf_call_is_over(call))
        send_next(call, stream, stream->sent == 0 ? stream->info : NULL);
    if (def && def->error)
        fail(call, def->error, stream->sent == 0 ? stream->info : NULL);
    else
        mf_call_end(call);
}

static void server_stream(void *ctx, struct mf_call *call)
{
    const struct CONF(ServerStreamRequest) *request = mf_call_request(call);
    struct stream *stream = stream_new(call);
    (void)ctx;
    push_request(stream->arena, stream->info, any_of(stream->arena, mf_call_method(call)->request, request));
    stream->stream = request->response_definition;
    begin_stream(call, stream->stream, true);
    end_stream(call, stream);
}

static void client_message(void *ctx, struct mf_call *call, const void *msg)
{
    struct stream *stream = ctx;
    const struct CONF(ClientStreamRequest) *request = msg;
    if (!stream->have_first && request->response_definition)
        stream->unary =
            pb_copy(stream->arena, &CONF(UnaryResponseDefinition_type), request->response_definition);
    stream->have_first = true;
    push_request(stream->arena, stream->info, any_of(stream->arena, mf_call_method(call)->request, request));
}

static void client_end(void *ctx, struct mf_call *call)
{
    struct stream *stream = ctx;
    answer_unary(call, stream->unary, stream->info);
}

static void client_stream(void *ctx, struct mf_call *call)
{
    static const struct mf_call_ops ops = {.on_message = client_message, .on_half_close = client_end};
    (void)ctx;
    mf_call_bind(call, &ops, stream_new(call));
}

static void bidi_message(void *ctx, struct mf_call *call, const void *msg)
{
    struct stream *stream = ctx;
    const struct CONF(BidiStreamRequest) *request = msg;
    if (!stream->have_first) {
        stream->have_first = true;
        stream->full_duplex = request->full_duplex;
        if (request->response_definition)
            stream->stream =
                pb_copy(stream->arena, &CONF(StreamResponseDefinition_type), request->response_definition);
        begin_stream(call, stream->stream, stream->full_duplex);
    }
    push_request(stream->arena, stream->info, any_of(stream->arena, mf_call_method(call)->request, request));
    if (!stream->full_duplex)
        return;
    if (!stream->stream || stream->sent >= stream->stream->response_data.count) {
        end_stream(call, stream);
        return;
    }
    send_next(call, stream, stream->info);
    /* From now on only the requests that follow are told. */
    stream->info = pb_new(stream->arena, &CONF(ConformancePayload_RequestInfo_type));
    check(stream->info != NULL, "memory");
}

static void bidi_end(void *ctx, struct mf_call *call)
{
    struct stream *stream = ctx;
    if (!stream->full_duplex && stream->stream && stream->stream->response_data.count > 0)
        mf_call_send_headers(call);
    end_stream(call, stream);
}

static void bidi_stream(void *ctx, struct mf_call *call)
{
    static const struct mf_call_ops ops = {.on_message = bidi_message, .on_half_close = bidi_end};
    (void)ctx;
    mf_call_bind(call, &ops, stream_new(call));
}

/* ---- the program ---- */

static void read_all(void *to, size_t len)
{
    check(len == 0 || fread(to, len, 1, stdin) == 1, "short standard input");
}

static const struct CONF(ServerCompatRequest) * read_config(struct mf_arena *arena)
{
    unsigned char head[4];
    void *config = NULL;
    read_all(head, sizeof head);
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    check(len <= CONFIG_MAX, "configuration too long");
    char *bytes = mf_arena_bytes(arena, len + 1);
    check(bytes != NULL, "memory");
    read_all(bytes, len);
    check(pb_decode(arena, &CONF(ServerCompatRequest_type), mf_str_make(bytes, len), &config, NULL) == MF_OK,
          "configuration");
    return config;
}

static void write_response(struct mf_arena *arena, const struct CONF(ServerCompatResponse) * response)
{
    struct mf_str bytes;
    check(pb_encode(arena, &CONF(ServerCompatResponse_type), response, &bytes, NULL) == MF_OK, "encode");
    unsigned char head[4] = {(unsigned char)(bytes.len >> 24), (unsigned char)(bytes.len >> 16),
                             (unsigned char)(bytes.len >> 8), (unsigned char)bytes.len};
    check(fwrite(head, sizeof head, 1, stdout) == 1 && fwrite(bytes.ptr, bytes.len, 1, stdout) == 1 &&
              fflush(stdout) == 0,
          "standard output");
}

static void serve(struct mf_rpc *rpc, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } handlers[] = {
        {CONF(ConformanceService_Unary), unary},
        {CONF(ConformanceService_IdempotentUnary), unary},
        {CONF(ConformanceService_ServerStream), server_stream},
        {CONF(ConformanceService_ClientStream), client_stream},
        {CONF(ConformanceService_BidiStream), bidi_stream},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        check(mf_rpc_handle(rpc, &CONF(ConformanceService_service), handlers[i].method, handlers[i].handler,
                            NULL, err) == MF_OK,
              err->message);
}

int main(void)
{
    struct mf_error err = {0};
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_rpc *rpc = NULL;
    struct mf_server *server = NULL;
    sigset_t signals;
    int signal_number = 0;
    check(arena != NULL, "memory");
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread, so that only sigwait sees them */
    signal(SIGPIPE, SIG_IGN);

    const struct CONF(ServerCompatRequest) *config = read_config(arena);
    struct mf_rpc_config rpc_config = {
        .sys = mf_sys_real(), .workers = WORKERS, .message_bytes = config->message_receive_limit};
    struct mf_net_config net_config = {.host = "127.0.0.1", .threads = 1};
    struct CONF(ServerCompatResponse) response = {.host = MF_STR("127.0.0.1")};
    if (config->use_tls) {
        check(config->server_creds != NULL, "TLS without a certificate");
        net_config.tls_cert_pem = config->server_creds->cert;
        net_config.tls_key_pem = config->server_creds->key;
        net_config.tls_client_ca_pem = config->client_tls_cert;
        response.pem_cert = config->server_creds->cert;
    }
    check(mf_rpc_new(&rpc_config, &rpc, &err) == MF_OK, err.message);
    serve(rpc, &err);
    check(mf_rpc_start(rpc, &err) == MF_OK, err.message);
    check(mf_server_new(&net_config, mf_rpc_on_request, rpc, &server, &err) == MF_OK, err.message);
    check(mf_server_start(server, &err) == MF_OK, err.message);
    response.port = mf_server_port(server);
    write_response(arena, &response);

    check(sigwait(&signals, &signal_number) == 0, "sigwait");
    mf_rpc_drain(rpc);
    mf_server_stop(server, 1000);
    mf_server_free(server);
    mf_rpc_free(rpc);
    mf_arena_free(arena);
    return 0;
}
