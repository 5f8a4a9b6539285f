#include "objects/s3.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/log.h"
#include "net/loop.h"
#include "objects/name.h"
#include "objects/xml.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)16 << 20)
#define PARAMS_MAX 64
#define SMALL_BODY_MAX ((size_t)2 << 20)
#define PIECE ((size_t)256 << 10) /* of a streamed body, given to a step */

static const struct {
    const char *name;
    int status;
    const char *message;
} faults[] = {[MF_S3_OK] = {"OK", 200, ""},
#define FAULT(name, status, message) [MF_S3_##name] = {#name, status, message},
              MF_S3_FAULTS(FAULT)
#undef FAULT
};

struct mf_str mf_s3_header(const struct mf_s3 *s, const char *name)
{
    for (size_t i = 0; i < s->request.header_count; i++) {
        if (mf_str_eq_c(s->request.headers[i].name, name))
            return s->request.headers[i].value;
    }
    return (struct mf_str){0};
}

struct mf_str mf_s3_param(const struct mf_s3 *s, const char *name)
{
    for (size_t i = 0; i < s->request.param_count; i++) {
        if (mf_str_eq_c(s->request.params[i].name, name))
            return s->request.params[i].value;
    }
    return (struct mf_str){0};
}

void mf_s3_fail(struct mf_s3 *s, enum mf_s3_fault fault, const char *message)
{
    if (s->fault != MF_S3_OK)
        return;
    s->fault = fault;
    if (message)
        snprintf(s->message, sizeof s->message, "%.*s", (int)sizeof s->message - 1, message);
}

void mf_s3_fail_error(struct mf_s3 *s, const struct mf_error *err)
{
    enum mf_s3_fault fault = MF_S3_InternalError;
    if (err->code == MF_NOT_FOUND)
        fault = MF_S3_NoSuchKey;
    else if (err->code == MF_INVALID_ARGUMENT)
        fault = MF_S3_InvalidArgument;
    else if (err->code == MF_ALREADY_EXISTS)
        fault = MF_S3_PreconditionFailed;
    else if (err->code == MF_RESOURCE_EXHAUSTED)
        fault = MF_S3_SlowDown;
    else if (err->code == MF_UNAVAILABLE)
        fault = MF_S3_ServiceUnavailable;
    if (fault == MF_S3_InternalError)
        mf_log(MF_LOG_ERROR, "objects", "%.*s %.*s: %s", MF_FMT(s->request.method), MF_FMT(s->target),
               err->message);
    mf_s3_fail(s, fault, err->message);
}

/* ---- life ---- */

static void s3_free(struct mf_s3 *s)
{
    if (s->fd >= 0)
        close(s->fd);
    mf_body_free(s->body);
    mf_buf_free(&s->in);
    mf_buf_free(&s->out);
    mf_arena_free(s->arena);
    pthread_mutex_destroy(&s->lock);
    mf_objects_unref(s->objects);
    free(s);
}

/* Around everything that may end the exchange, so that s is there until the callback is over. */
static void pin(struct mf_s3 *s)
{
    s->pins++;
}

static void unpin(struct mf_s3 *s)
{
    if (--s->pins == 0 && !s->exchange && !s->busy)
        s3_free(s);
}

void mf_s3_return(struct mf_s3 *s)
{
    /* The lock is held while posting: the loop of a closed exchange may be gone. */
    pthread_mutex_lock(&s->lock);
    bool closed = s->closed;
    if (!closed)
        mf_loop_post(s->loop, &s->back);
    pthread_mutex_unlock(&s->lock);
    if (closed)
        s3_free(s);
}

static void on_work(struct mf_work *work)
{
    struct mf_s3 *s = MF_CONTAINER(work, struct mf_s3, work);
    s->step(s);
}

static void on_back(struct mf_work *work)
{
    struct mf_s3 *s = MF_CONTAINER(work, struct mf_s3, back);
    pthread_mutex_lock(&s->lock); /* lets the one who posted finish with the lock */
    pthread_mutex_unlock(&s->lock);
    pin(s);
    s->busy = false;
    if (s->exchange && s->fault != MF_S3_OK)
        mf_s3_answer_fault(s);
    else if (s->exchange)
        s->next(s);
    if (s->exchange && s->paused && !s->busy) {
        s->paused = false;
        mf_exchange_resume(s->exchange);
    }
    unpin(s);
}

void mf_s3_do(struct mf_s3 *s, void (*step)(struct mf_s3 *s), void (*next)(struct mf_s3 *s))
{
    s->step = step;
    s->next = next;
    s->busy = true;
    s->work = (struct mf_work){.fn = on_work};
    s->back = (struct mf_work){.fn = on_back};
    if (mf_rpc_run(s->objects->rpc, &s->work))
        return;
    s->busy = false;
    mf_s3_fail(s, MF_S3_SlowDown, NULL);
    mf_s3_answer_fault(s);
}

void mf_s3_again(struct mf_s3 *s)
{
    s->work = (struct mf_work){.fn = on_work};
    if (mf_rpc_run(s->objects->rpc, &s->work))
        return;
    mf_s3_fail(s, MF_S3_SlowDown, NULL);
    mf_s3_return(s);
}

/* ---- answers ---- */

void mf_s3_answer(struct mf_s3 *s, int status, const struct mf_header *headers, size_t count,
                  struct mf_str body)
{
    struct mf_header all[8];
    char id[17];
    uint64_t number;
    if (!s->exchange || s->answered || count > 7)
        return;
    s->objects->sys->random(s->objects->sys->ctx, &number, sizeof number);
    snprintf(id, sizeof id, "%016" PRIX64, number);
    for (size_t i = 0; i < count; i++)
        all[i] = headers[i];
    all[count++] = (struct mf_header){MF_STR("x-amz-request-id"), mf_str_from_c(id)};
    s->answered = true;
    bool bodiless = status == 204 || status == 304 || mf_str_eq_c(s->request.method, "HEAD");
    enum mf_code code = bodiless ? mf_exchange_respond(s->exchange, status, all, count, true)
                                 : mf_exchange_reply(s->exchange, status, all, count, body);
    if (code != MF_OK && s->exchange)
        mf_exchange_reset(s->exchange);
}

void mf_s3_answer_xml(struct mf_s3 *s)
{
    const struct mf_header type = {MF_STR("content-type"), MF_STR("application/xml")};
    if (mf_buf_failed(&s->out)) {
        mf_s3_fail(s, MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
        return;
    }
    mf_s3_answer(s, 200, &type, 1, mf_buf_str(&s->out));
}

void mf_s3_answer_fault(struct mf_s3 *s)
{
    struct mf_buf xml = MF_BUF_INIT(8192);
    const struct mf_header headers[] = {
        {MF_STR("content-type"), MF_STR("application/xml")},
        {MF_STR("retry-after"), MF_STR("1")},
    };
    int status = faults[s->fault].status;
    if (s->exchange && s->answered) {
        /* Headers are out, so the only way to tell is to break off. */
        mf_exchange_reset(s->exchange);
        return;
    }
    mf_buf_add_c(&xml, MF_XML_HEAD "<Error>");
    mf_xml_element(&xml, "Code", mf_str_from_c(faults[s->fault].name));
    mf_xml_element(&xml, "Message", mf_str_from_c(s->message[0] ? s->message : faults[s->fault].message));
    struct mf_str resource = mf_str_take(s->request.path, 1200);
    if (mf_utf8_valid(resource.ptr, resource.len))
        mf_xml_element(&xml, "Resource", resource);
    mf_buf_add_c(&xml, "</Error>");
    mf_s3_answer(s, status, headers, status == 503 ? 2 : 1, mf_buf_str(&xml));
    mf_buf_free(&xml);
}

/* ---- which operation ---- */

static void answer_empty(struct mf_s3 *s)
{
    mf_s3_answer(s, 200, NULL, 0, MF_STR_EMPTY);
}

static void answer_location(struct mf_s3 *s)
{
    mf_buf_add_c(&s->out, MF_XML_HEAD "<LocationConstraint" MF_XML_S3 "/>");
    mf_s3_answer_xml(s);
}

static const struct operation {
    const char *method;
    bool on_object;
    const char *param; /* that selects it; NULL: none */
    const char *header;
    enum mf_s3_body takes;
    void (*begin)(struct mf_s3 *s);
} operations[] = {
    {"GET", true, NULL, NULL, MF_S3_NO_BODY, mf_s3_get},
    {"HEAD", true, NULL, NULL, MF_S3_NO_BODY, mf_s3_get},
    {"PUT", true, NULL, NULL, MF_S3_STREAMED_BODY, mf_s3_put},
    {"PUT", true, NULL, "x-amz-copy-source", MF_S3_NO_BODY, mf_s3_copy},
    {"PUT", true, "uploadId", NULL, MF_S3_STREAMED_BODY, mf_s3_put_part},
    {"DELETE", true, NULL, NULL, MF_S3_NO_BODY, mf_s3_delete},
    {"POST", true, "uploads", NULL, MF_S3_NO_BODY, mf_s3_create_upload},
    {"POST", true, "uploadId", NULL, MF_S3_SMALL_BODY, mf_s3_complete_upload},
    {"GET", true, "uploadId", NULL, MF_S3_NO_BODY, mf_s3_list_parts},
    {"DELETE", true, "uploadId", NULL, MF_S3_NO_BODY, mf_s3_abort_upload},
    {"GET", false, NULL, NULL, MF_S3_NO_BODY, mf_s3_list},
    {"GET", false, "location", NULL, MF_S3_NO_BODY, answer_location},
    {"HEAD", false, NULL, NULL, MF_S3_NO_BODY, answer_empty},
    {"PUT", false, NULL, NULL, MF_S3_NO_BODY, answer_empty},
    {"POST", false, "delete", NULL, MF_S3_SMALL_BODY, mf_s3_delete_many},
};

/* Parameters that name a part of S3: without a row for them in the table above the request must not be taken
 * for the plain one. */
static const char *const special[] = {
    "accelerate",     "acl",          "analytics",   "attributes", "cors",     "delete",
    "encryption",     "inventory",    "legal-hold",  "lifecycle",  "location", "logging",
    "metrics",        "notification", "object-lock", "partNumber", "policy",   "replication",
    "requestPayment", "restore",      "retention",   "select",     "tagging",  "torrent",
    "uploadId",       "uploads",      "versionId",   "versioning", "versions", "website",
};

static const struct operation *find_operation(const struct mf_s3 *s, bool on_object)
{
    const char *param = NULL;
    bool copy = mf_s3_header(s, "x-amz-copy-source").ptr != NULL;
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        bool of_part = strcmp(special[i], "partNumber") == 0 && mf_s3_param(s, "uploadId").ptr;
        if (mf_s3_param(s, special[i]).ptr && !of_part)
            param = special[i];
    }
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *op = &operations[i];
        if (op->on_object == on_object && mf_str_eq_c(s->request.method, op->method) &&
            (op->header != NULL) == copy && (param ? op->param && strcmp(op->param, param) == 0 : !op->param))
            return op;
    }
    return NULL;
}

static bool known_method(struct mf_str method)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (mf_str_eq_c(method, operations[i].method))
            return true;
    }
    return false;
}

/* ---- the request ---- */

static bool copy_request(struct mf_s3 *s, const struct mf_http_request *http)
{
    struct mf_param *params;
    struct mf_header *headers = mf_arena_array(s->arena, http->header_count + 1, sizeof *headers);
    s->target = mf_str_copy(s->arena, http->target);
    s->request.method = mf_str_copy(s->arena, http->method);
    s->request.host = mf_str_copy(s->arena, http->authority);
    if (!headers || !s->request.method.ptr)
        return false;
    for (size_t i = 0; i < http->header_count; i++) {
        headers[i].name = mf_str_copy(s->arena, http->headers[i].name);
        headers[i].value = mf_str_copy(s->arena, http->headers[i].value);
        if (!headers[i].name.ptr || !headers[i].value.ptr)
            return false;
    }
    s->request.headers = headers;
    s->request.header_count = http->header_count;
    if (!mf_percent_decode(s->arena, http->path, false, &s->request.path) ||
        !mf_sigv4_params(s->arena, http->query, PARAMS_MAX, &params, &s->request.param_count))
        return false;
    s->request.params = params;
    return true;
}

static enum mf_s3_fault signature_fault(enum mf_sigv4_fault fault, const char **message)
{
    *message = NULL;
    switch (fault) {
    case MF_SIGV4_OK:
        return MF_S3_OK;
    case MF_SIGV4_MALFORMED:
        return MF_S3_AuthorizationHeaderMalformed;
    case MF_SIGV4_KEY:
        return MF_S3_InvalidAccessKeyId;
    case MF_SIGV4_MISMATCH:
        return MF_S3_SignatureDoesNotMatch;
    case MF_SIGV4_SKEW:
        return MF_S3_RequestTimeTooSkewed;
    case MF_SIGV4_EXPIRED:
        *message = "Request has expired; ask for a new link.";
        return MF_S3_AccessDenied;
    case MF_SIGV4_EARLY:
        *message = "Request is not yet valid; the clock of who signed it is ahead.";
        return MF_S3_AccessDenied;
    case MF_SIGV4_UNSIGNED:
        *message = "There were headers present in the request which were not signed.";
        return MF_S3_AccessDenied;
    case MF_SIGV4_MEMORY:
        return MF_S3_SlowDown;
    case MF_SIGV4_MISSING:
        break;
    }
    return MF_S3_AccessDenied;
}

static void check_signature(struct mf_s3 *s)
{
    const char *message;
    const struct mf_sigv4_keys keys = {s->objects->access_key, s->objects->secret_key};
    enum mf_sigv4_fault fault =
        mf_sigv4_verify(s->arena, &keys, mf_wall_ns(s->objects->sys), &s->request, &s->payload);
    if (fault == MF_SIGV4_OK)
        return;
    enum mf_s3_fault as_fault = signature_fault(fault, &message);
    mf_s3_fail(s, as_fault, message);
}

/* The name is what stands after "/<bucket>/"; the route has made sure of the bucket. */
static void choose(struct mf_s3 *s)
{
    struct mf_error err;
    struct mf_str rest = mf_str_skip(s->request.path, 1 + s->objects->bucket.len);
    bool on_object = rest.len > 1;
    s->name = mf_str_skip(rest, 1);
    if (rest.len > 0 && rest.ptr[0] != '/') {
        mf_s3_fail(s, MF_S3_InvalidURI, NULL);
        return;
    }
    if (on_object && mf_object_name_check(s->name, &err) != MF_OK) {
        mf_s3_fail(s, MF_S3_InvalidArgument, err.message);
        return;
    }
    const struct operation *op = find_operation(s, on_object);
    if (op) {
        s->takes = op->takes;
        s->begin = op->begin;
    } else {
        mf_s3_fail(s, known_method(s->request.method) ? MF_S3_NotImplemented : MF_S3_MethodNotAllowed, NULL);
    }
}

/* ---- the exchange ---- */

static void on_body(void *ctx, struct mf_exchange *exchange, struct mf_str bytes)
{
    struct mf_s3 *s = ctx;
    if (s->answered || s->takes == MF_S3_NO_BODY)
        return;
    pin(s);
    if (!mf_buf_add_str(&s->in, bytes)) {
        mf_s3_fail(s, s->takes == MF_S3_SMALL_BODY ? MF_S3_EntityTooLarge : MF_S3_SlowDown, NULL);
        mf_s3_answer_fault(s);
    } else if (s->takes == MF_S3_STREAMED_BODY && s->in.len >= PIECE && !s->busy) {
        s->paused = true;
        mf_exchange_pause(exchange);
        mf_s3_put_more(s);
    }
    unpin(s);
}

/* The body of a small request is part of what was signed. */
static void begin_with_body(struct mf_s3 *s)
{
    unsigned char hash[32];
    size_t len = 0;
    struct mf_str body = mf_buf_str(&s->in);
    if (mf_str_eq_c(s->payload, "UNSIGNED-PAYLOAD")) {
        s->begin(s);
        return;
    }
    if (EVP_Q_digest(NULL, "SHA256", NULL, body.len ? body.ptr : "", body.len, hash, &len) != 1)
        mf_s3_fail(s, MF_S3_InternalError, NULL);
    else if (!mf_str_eq(mf_hex(s->arena, mf_str_make(hash, len)), s->payload))
        mf_s3_fail(s, MF_S3_XAmzContentSHA256Mismatch, NULL);
    if (s->fault == MF_S3_OK)
        s->begin(s);
    else
        mf_s3_answer_fault(s);
}

static void on_end(void *ctx, struct mf_exchange *exchange)
{
    struct mf_s3 *s = ctx;
    (void)exchange;
    s->ended = true;
    if (s->answered || s->busy)
        return;
    pin(s);
    if (s->takes == MF_S3_SMALL_BODY)
        begin_with_body(s);
    else if (s->takes == MF_S3_STREAMED_BODY)
        mf_s3_put_more(s);
    unpin(s);
}

static void on_drain(void *ctx, struct mf_exchange *exchange)
{
    struct mf_s3 *s = ctx;
    (void)exchange;
    if (!s->starved)
        return;
    s->starved = false;
    pin(s);
    mf_s3_get_more(s);
    unpin(s);
}

static void on_close(void *ctx, struct mf_exchange *exchange)
{
    struct mf_s3 *s = ctx;
    (void)exchange;
    s->exchange = NULL;
    if (s->busy) {
        /* Whoever is at work frees it: the step that returns, or what it has posted already. */
        pthread_mutex_lock(&s->lock);
        s->closed = true;
        pthread_mutex_unlock(&s->lock);
    } else if (s->pins == 0) {
        s3_free(s);
    }
}

static const struct mf_exchange_ops exchange_ops = {on_body, on_end, on_drain, on_close};

static struct mf_s3 *s3_new(struct mf_objects *objects, struct mf_exchange *exchange)
{
    struct mf_s3 *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->arena = mf_arena_new(ARENA_MAX + objects->inline_max);
    if (!s->arena || pthread_mutex_init(&s->lock, NULL) != 0) {
        mf_arena_free(s->arena);
        free(s);
        return NULL;
    }
    s->objects = mf_objects_ref(objects);
    s->exchange = exchange;
    s->loop = mf_exchange_loop(exchange);
    s->fd = -1;
    s->in.max = SMALL_BODY_MAX;
    s->out.max = (size_t)8 << 20;
    return s;
}

static void on_request(void *app, struct mf_exchange *exchange)
{
    struct mf_s3 *s = s3_new(app, exchange);
    if (!s) {
        mf_exchange_reset(exchange);
        return;
    }
    mf_exchange_bind(exchange, &exchange_ops, s);
    pin(s);
    if (!copy_request(s, mf_exchange_request(exchange)))
        mf_s3_fail(s, MF_S3_InvalidURI, NULL);
    if (s->fault == MF_S3_OK)
        check_signature(s);
    if (s->fault == MF_S3_OK)
        choose(s);
    if (s->fault != MF_S3_OK)
        mf_s3_answer_fault(s);
    else if (s->takes != MF_S3_SMALL_BODY)
        s->begin(s);
    unpin(s);
}

enum mf_code mf_objects_serve(struct mf_objects *objects, struct mf_rpc *rpc, struct mf_error *err)
{
    char *bucket =
        mf_str_to_c(objects->arena, mf_str_printf(objects->arena, "/%.*s", MF_FMT(objects->bucket)));
    char *below =
        mf_str_to_c(objects->arena, mf_str_printf(objects->arena, "/%.*s/", MF_FMT(objects->bucket)));
    if (!bucket || !below)
        return mf_fail_memory(err);
    objects->rpc = rpc;
    enum mf_code code = mf_rpc_route(rpc, bucket, on_request, objects, err);
    return code == MF_OK ? mf_rpc_route(rpc, below, on_request, objects, err) : code;
}
