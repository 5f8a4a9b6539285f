#include "testing.h"

#include "fake_http.h"

#include "base/encode.h"
#include "base/sys.h"
#include "objects/bucket.h"
#include "objects/upload.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OBJECTS 8
#define PARTS 8
#define LARGE (((size_t)20 << 20) + 3)

struct stored {
    char name[256];
    char *bytes;
    size_t len;
};

/* What the fake server does wrong, so many times. */
struct fault {
    const char *method; /* NULL: any */
    const char *target; /* NULL: any; else a part of it */
    int status;         /* 0: the connection is dropped, the work is not done */
    const char *body;
    bool after; /* the work is done all the same */
    int count;
};

struct world {
    struct fake_http *http;
    struct mf_bucket *bucket;
    struct mf_bucket_config config;
    struct mf_arena *arena;
    struct mf_error err;
    const char *variables[16];
    pthread_mutex_t lock;
    struct stored objects[OBJECTS]; /* guarded by lock, as is what follows */
    struct stored parts[PARTS];
    struct fault fault;
    const char *extra; /* headers of every answer to GET */
    int requests, aborts;
    bool hold; /* answers are kept back */
    pthread_cond_t released;
    char last[20000]; /* head of the newest PUT */
    char keys[64];    /* access key of the newest request */
};

static const char *variable(void *ctx, const char *name)
{
    const struct world *w = ctx;
    for (size_t i = 0; w->variables[i]; i += 2) {
        if (strcmp(w->variables[i], name) == 0)
            return w->variables[i + 1];
    }
    return NULL;
}

/* ---- the server ---- */

static struct stored *find(struct stored *all, size_t count, const char *name, bool make)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    for (size_t i = 0; make && i < count; i++) {
        if (!all[i].name[0]) {
            snprintf(all[i].name, sizeof all[i].name, "%s", name);
            return &all[i];
        }
    }
    return NULL;
}

static void keep(struct stored *stored, const char *bytes, size_t len)
{
    free(stored->bytes);
    stored->bytes = malloc(len + 1);
    memcpy(stored->bytes, bytes, len);
    stored->len = len;
}

static void md5_hex(const char *bytes, size_t len, char hex[33])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t size = 0;
    EVP_Q_digest(NULL, "MD5", NULL, bytes, len, digest, &size);
    for (size_t i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void no_such(struct fake_answer *answer, const char *code)
{
    answer->status = 404;
    snprintf(answer->body, sizeof answer->body, "<Error><Code>%s</Code><Message>none</Message></Error>",
             code);
}

static void put_together(struct world *w, const char *name, struct fake_answer *answer)
{
    size_t len = 0;
    if (!w->parts[0].name[0]) {
        no_such(answer, "NoSuchUpload");
        return;
    }
    struct stored *stored = find(w->objects, OBJECTS, name, true);
    for (int i = 0; i < PARTS; i++)
        len += w->parts[i].len;
    free(stored->bytes);
    stored->bytes = malloc(len + 1);
    stored->len = 0;
    for (int number = 1; number <= PARTS; number++) {
        char text[8];
        snprintf(text, sizeof text, "%d", number);
        const struct stored *part = find(w->parts, PARTS, text, false);
        if (part) {
            memcpy(stored->bytes + stored->len, part->bytes, part->len);
            stored->len += part->len;
        }
    }
    for (int i = 0; i < PARTS; i++) {
        free(w->parts[i].bytes);
        w->parts[i] = (struct stored){.bytes = NULL};
    }
    strcpy(answer->body, "<CompleteMultipartUploadResult><ETag>x-3</ETag></CompleteMultipartUploadResult>");
}

static void work(struct world *w, const struct fake_request *request, struct fake_answer *answer)
{
    char name[256];
    char md5[33];
    char part[8] = "";
    const char *number = strstr(request->target, "partNumber=");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(request->target, "?"), request->target);
    if (number)
        snprintf(part, sizeof part, "%.*s", (int)strcspn(number + 11, "&"), number + 11);
    if (strcmp(request->method, "PUT") == 0) {
        keep(number ? find(w->parts, PARTS, part, true) : find(w->objects, OBJECTS, name, true),
             request->body, request->body_len);
        md5_hex(request->body, request->body_len, md5);
        snprintf(answer->headers, sizeof answer->headers, "ETag: \"%s\"\r\n", md5);
    } else if (strcmp(request->method, "POST") == 0 && strstr(request->target, "?uploads=")) {
        strcpy(answer->body, "<R><UploadId>id/1</UploadId></R>");
    } else if (strcmp(request->method, "POST") == 0) {
        put_together(w, name, answer);
    } else if (strcmp(request->method, "DELETE") == 0) {
        w->aborts++;
        answer->status = 204;
    } else if (strstr(request->target, "?list-type=2")) {
        const char *prefix = strstr(request->target, "prefix=team%2F") + sizeof "prefix=team%2F" - 1;
        for (int i = 0; i < OBJECTS; i++) {
            if (strncmp(w->objects[i].name, "/flows/team/", 12) == 0 &&
                strncmp(w->objects[i].name + 12, prefix, strlen(prefix)) == 0)
                strcpy(answer->body,
                       "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>");
        }
        if (!answer->body[0])
            strcpy(answer->body, "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>");
    } else {
        struct stored *stored = find(w->objects, OBJECTS, name, false);
        if (!stored) {
            no_such(answer, "NoSuchKey");
            return;
        }
        answer->bytes = stored->bytes;
        answer->len = stored->len;
        md5_hex(stored->bytes, stored->len, md5);
        snprintf(answer->headers, sizeof answer->headers, "ETag: \"%s\"\r\n%s", md5,
                 w->extra ? w->extra : "");
    }
}

static bool strikes(struct world *w, const struct fake_request *request)
{
    struct fault *fault = &w->fault;
    if (fault->count == 0 || (fault->method && strcmp(fault->method, request->method) != 0) ||
        (fault->target && !strstr(request->target, fault->target)))
        return false;
    fault->count--;
    return true;
}

static void handle(void *ctx, const struct fake_request *request, struct fake_answer *answer)
{
    struct world *w = ctx;
    char authorization[512];
    pthread_mutex_lock(&w->lock);
    w->requests++;
    while (w->hold)
        pthread_cond_wait(&w->released, &w->lock);
    if (strcmp(request->method, "PUT") == 0)
        snprintf(w->last, sizeof w->last, "%s", request->head);
    fake_http_header(request, "authorization", authorization, sizeof authorization);
    const char *access = strstr(authorization, "Credential=");
    snprintf(w->keys, sizeof w->keys, "%.*s", access ? (int)strcspn(access + 11, "/") : 0,
             access ? access + 11 : "");
    bool fault = strikes(w, request);
    struct fault kind = w->fault;
    if (!fault || kind.after)
        work(w, request, answer);
    if (fault) {
        answer->status = kind.status;
        answer->bytes = NULL;
        answer->headers[0] = '\0';
        snprintf(answer->body, sizeof answer->body, "%s", kind.body ? kind.body : "");
    }
    pthread_mutex_unlock(&w->lock);
}

static void set_fault(struct world *w, struct fault fault)
{
    pthread_mutex_lock(&w->lock);
    w->fault = fault;
    pthread_mutex_unlock(&w->lock);
}

static int requests(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    int count = w->requests;
    pthread_mutex_unlock(&w->lock);
    return count;
}

/* ---- the test's side ---- */

static int set_up_closed(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    static const char *const variables[] = {"AWS_ACCESS_KEY_ID", "AK", "AWS_SECRET_ACCESS_KEY", "SK"};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->released, NULL);
    w->arena = mf_arena_new(0);
    w->http = fake_http_new(handle, w);
    memcpy(w->variables, variables, sizeof variables);
    w->config = (struct mf_bucket_config){.url = "s3://flows/team/",
                                          .endpoint = fake_http_url(w->http),
                                          .variable = variable,
                                          .variable_ctx = w};
    *state = w;
    return 0;
}

static enum mf_code open_bucket(struct world *w)
{
    return mf_bucket_open(mf_sys_real(), &w->config, &w->bucket, &w->err);
}

static int set_up(void **state)
{
    int rc = set_up_closed(state);
    assert_int_equal(open_bucket(*state), MF_OK);
    return rc;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    mf_bucket_close(w->bucket);
    fake_http_free(w->http);
    for (int i = 0; i < OBJECTS; i++)
        free(w->objects[i].bytes);
    for (int i = 0; i < PARTS; i++)
        free(w->parts[i].bytes);
    mf_arena_free(w->arena);
    free(w);
    return 0;
}

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done;
    enum mf_code code;
    struct mf_error err;
};

static void on_put(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct outcome *outcome = ctx;
    pthread_mutex_lock(&outcome->lock);
    outcome->code = code;
    if (code != MF_OK)
        outcome->err = *err;
    outcome->done++;
    pthread_cond_signal(&outcome->changed);
    pthread_mutex_unlock(&outcome->lock);
}

static void start_put(struct world *w, struct outcome *outcome, const char *name, struct mf_str bytes)
{
    const struct mf_object_put put = {.name = mf_str_from_c(name),
                                      .bytes = bytes,
                                      .content_type = MF_STR("text/x-test"),
                                      .done = on_put,
                                      .ctx = outcome};
    *outcome = (struct outcome){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    mf_bucket_driver.put(w->bucket, &put);
}

static enum mf_code end_put(struct world *w, struct outcome *outcome)
{
    pthread_mutex_lock(&outcome->lock);
    while (!outcome->done)
        pthread_cond_wait(&outcome->changed, &outcome->lock);
    pthread_mutex_unlock(&outcome->lock);
    w->err = outcome->err;
    return outcome->code;
}

static enum mf_code put(struct world *w, const char *name, struct mf_str bytes)
{
    struct outcome outcome;
    start_put(w, &outcome, name, bytes);
    return end_put(w, &outcome);
}

static enum mf_code get(struct world *w, const char *name, size_t max, struct mf_str *out)
{
    return mf_bucket_driver.read(w->bucket, w->arena, mf_str_from_c(name), max, out, &w->err);
}

static bool told(const struct world *w, const char *part)
{
    if (!strstr(w->err.message, part))
        print_message("the message is: %s\n", w->err.message);
    return strstr(w->err.message, part) != NULL;
}

static bool in_trouble(struct world *w)
{
    return mf_bucket_trouble(w->bucket, w->err.message, sizeof w->err.message);
}

static void objects_come_and_go(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    struct mf_object_look look;
    bool found = true;
    assert_str(mf_bucket_base(w->bucket), "s3://flows/team");
    assert_int_equal(get(w, "a b/ü", 10, &read), MF_NOT_FOUND);
    assert_string_equal(w->err.message, "object not found: s3://flows/team/a b/ü");
    assert_int_equal(mf_bucket_driver.any(w->bucket, w->arena, MF_STR("a"), &found, &w->err), MF_OK);
    assert_false(found);
    assert_int_equal(mf_bucket_driver.look(w->bucket, w->arena, MF_STR("a b/ü"), &look, &w->err), MF_OK);
    assert_false(look.exists);
    assert_int_equal(put(w, "a b/ü", MF_STR("hello")), MF_OK);
    assert_non_null(strstr(w->last, "PUT /flows/team/a%20b/%C3%BC HTTP/1.1\r\n"));
    assert_non_null(strstr(w->last, "content-type: text/x-test\r\n"));
    assert_non_null(
        strstr(w->last, "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n"));
    assert_int_equal(get(w, "a b/ü", 5, &read), MF_OK);
    assert_str(read, "hello");
    assert_int_equal(get(w, "a b/ü", 4, &read), MF_RESOURCE_EXHAUSTED);
    assert_int_equal(mf_bucket_driver.any(w->bucket, w->arena, MF_STR("a"), &found, &w->err), MF_OK);
    assert_true(found);
    assert_int_equal(mf_bucket_driver.look(w->bucket, w->arena, MF_STR("a b/ü"), &look, &w->err), MF_OK);
    assert_true(look.exists);
    assert_int_equal(look.size, 5);
    assert_str(mf_hex(w->arena, look.md5), "5d41402abc4b2a76b9719d911017c592");
    assert_int_equal(put(w, "empty", MF_STR_EMPTY), MF_OK);
    assert_int_equal(get(w, "empty", 0, &read), MF_OK);
    assert_int_equal(read.len, 0);
    assert_false(in_trouble(w));
}

static void the_md5_is_what_a_client_has_declared(void **state)
{
    struct world *w = *state;
    struct mf_object_look look;
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    w->extra = "x-amz-meta-flytecontentmd5: AAECAwQFBgcICQoLDA0ODw==\r\n";
    assert_int_equal(mf_bucket_driver.look(w->bucket, w->arena, MF_STR("a"), &look, &w->err), MF_OK);
    assert_str(mf_hex(w->arena, look.md5), "000102030405060708090a0b0c0d0e0f");
    /* The ETag of what is encrypted with a key of its own is something else. */
    w->extra = "x-amz-server-side-encryption: aws:kms\r\n";
    assert_int_equal(mf_bucket_driver.look(w->bucket, w->arena, MF_STR("a"), &look, &w->err), MF_OK);
    assert_int_equal(look.md5.len, 0);
}

static void bad_moments_are_waited_out(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    struct mf_objects_stats stats;
    set_fault(w, (struct fault){.status = 503, .body = "<Error><Code>SlowDown</Code></Error>", .count = 2});
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    set_fault(w, (struct fault){.status = 0, .count = 1});
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    set_fault(
        w, (struct fault){.status = 400, .body = "<Error><Code>RequestTimeout</Code></Error>", .count = 1});
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    mf_bucket_stats(w->bucket, &stats);
    assert_true(stats.external && stats.usable);
    assert_int_equal(stats.retries, 4);
    assert_int_equal(stats.failures, 0);
    /* What is wrong with the request is wrong the next time, too. */
    int before = requests(w);
    set_fault(w, (struct fault){
                     .method = "GET", .status = 400, .body = "<Error><Code>Odd</Code></Error>", .count = 9});
    assert_int_equal(get(w, "a", 5, &read), MF_UNAVAILABLE);
    assert_true(told(w, "answers GET a with status 400: Odd"));
    set_fault(w, (struct fault){.count = 0});
    assert_true(requests(w) - before <= 2); /* and perhaps a probe */
}

static void damage_is_found(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    w->extra = "x-amz-checksum-crc32: NhCmhg==\r\n";
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    w->extra = "x-amz-checksum-crc32: NhCmhg==-2\r\n";
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    w->extra = "x-amz-checksum-crc32: AAAAAA==\r\n";
    assert_int_equal(get(w, "a", 5, &read), MF_DATA_LOSS);
    assert_true(told(w, "a came damaged"));
    assert_false(in_trouble(w));
}

static struct mf_str large(struct world *w)
{
    char *bytes = mf_arena_bytes(w->arena, LARGE);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 31 >> 5);
    return mf_str_make(bytes, LARGE);
}

static void expect_large(struct world *w, struct mf_str bytes)
{
    struct mf_str read;
    assert_int_equal(get(w, "large", LARGE, &read), MF_OK);
    assert_true(mf_str_eq(read, bytes));
}

static void large_ones_go_in_parts(void **state)
{
    struct world *w = *state;
    struct mf_str bytes = large(w);
    int before = requests(w);
    set_fault(w, (struct fault){.target = "partNumber=2", .status = 500, .count = 1});
    assert_int_equal(put(w, "large", bytes), MF_OK);
    assert_int_equal(requests(w) - before, 1 + 3 + 1 + 1);
    expect_large(w, bytes);
    assert_int_equal(w->aborts, 0);
}

static void an_upload_that_fails_is_aborted(void **state)
{
    struct world *w = *state;
    struct mf_str bytes = large(w);
    set_fault(w, (struct fault){.target = "partNumber=3", .status = 400, .body = "no", .count = 9});
    assert_int_equal(put(w, "large", bytes), MF_UNAVAILABLE);
    assert_int_equal(w->aborts, 1);
    set_fault(w, (struct fault){.method = "POST",
                                .target = "?uploadId=id%2F1",
                                .status = 200,
                                .body = "<Error><Code>InternalError</Code></Error>",
                                .count = 9});
    assert_int_equal(put(w, "large", bytes), MF_UNAVAILABLE);
    assert_true(told(w, "did not put the parts together: InternalError"));
    assert_int_equal(w->aborts, 2);
}

static void a_lost_answer_to_the_last_request_is_no_failure(void **state)
{
    struct world *w = *state;
    struct mf_str bytes = large(w);
    set_fault(
        w, (struct fault){.method = "POST", .target = "?uploadId=", .status = 0, .after = true, .count = 1});
    assert_int_equal(put(w, "large", bytes), MF_OK);
    expect_large(w, bytes);
    assert_int_equal(w->aborts, 0);
}

static void what_is_wrong_at_start_is_told(void **state)
{
    struct world *w = *state;
    static const struct {
        struct fault fault;
        const char *message;
    } cases[] = {
        {{.status = 404, .body = "<Error><Code>NoSuchBucket</Code></Error>"},
         "there is no bucket \"flows\" at 127.0.0.1"},
        {{.status = 404}, "there is no bucket"},
        {{.status = 403, .body = "<Error><Code>InvalidAccessKeyId</Code></Error>"},
         "does not know the access key"},
        {{.status = 404, .body = "<Error><Code>InvalidAccessKeyId</Code></Error>"},
         "does not know the access key"},
        {{.status = 403, .body = "<Error><Code>SignatureDoesNotMatch</Code></Error>"},
         "the secret key of AWS_ACCESS_KEY_ID does not belong to the access key"},
        {{.status = 403, .body = "<Error><Code>RequestTimeTooSkewed</Code></Error>"}, "clock"},
        {{.status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"},
         "allow s3:GetObject, s3:PutObject"},
        {{.target = "absent", .status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"},
         "s3:ListBucket"},
        {{.status = 400,
          .body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-9</"
                  "Region></Error>"},
         "set s3-region to eu-9"},
        {{.status = 200, .method = "GET", .body = "something else"}, "is it one?"},
        {{.status = 418, .body = "no xml"}, "with status 418"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = cases[i].fault;
        fault.count = 99;
        set_fault(w, fault);
        assert_int_equal(open_bucket(w), MF_FAILED_PRECONDITION);
        assert_true(told(w, cases[i].message));
    }
    fake_http_stop_listening(w->http);
    assert_int_equal(open_bucket(w), MF_FAILED_PRECONDITION);
    assert_true(told(w, "could not be reached"));
    w->bucket = NULL;
}

static void wait_for_trouble(struct world *w, bool wanted)
{
    while (in_trouble(w) != wanted)
        usleep(2000);
}

static void an_outage_is_told_and_passes(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    struct mf_objects_stats stats;
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    fake_http_stop_listening(w->http);
    assert_int_equal(get(w, "a", 5, &read), MF_UNAVAILABLE);
    assert_true(in_trouble(w));
    assert_true(told(w, "could not be reached"));
    mf_bucket_stats(w->bucket, &stats);
    assert_false(stats.usable);
    uint64_t retries = stats.retries;
    assert_int_equal(put(w, "b", MF_STR("x")), MF_UNAVAILABLE);
    assert_true(told(w, "tried again every few seconds"));
    mf_bucket_stats(w->bucket, &stats);
    assert_int_equal(stats.retries, retries); /* it was refused at once */
    fake_http_listen_again(w->http);
    wait_for_trouble(w, false);
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
}

static void a_bucket_that_cannot_be_written_is_still_read(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    set_fault(w, (struct fault){.method = "PUT",
                                .status = 403,
                                .body = "<Error><Code>AccessDenied</Code></Error>",
                                .count = 9999});
    assert_int_equal(put(w, "b", MF_STR("x")), MF_UNAVAILABLE);
    wait_for_trouble(w, true);
    assert_true(told(w, "may not do that"));
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    assert_true(in_trouble(w));
    set_fault(w, (struct fault){.count = 0});
    wait_for_trouble(w, false);
    assert_int_equal(put(w, "b", MF_STR("x")), MF_OK);
}

static void expired_keys_are_replaced(void **state)
{
    struct world *w = *state;
    char path[] = "/tmp/mayfly-profile-XXXXXX";
    struct mf_str read;
    close(mkstemp(path));
    const char *const variables[] = {"AWS_SHARED_CREDENTIALS_FILE", path, NULL};
    memcpy(w->variables, variables, sizeof variables);
    assert_int_equal(mf_write_file(mf_sys_real(), path,
                                   MF_STR("[default]\naws_access_key_id=K1\naws_secret_access_key=S1\n"),
                                   0600, NULL),
                     MF_OK);
    assert_int_equal(open_bucket(w), MF_OK);
    assert_string_equal(w->keys, "K1");
    assert_int_equal(mf_write_file(mf_sys_real(), path,
                                   MF_STR("[default]\naws_access_key_id=K2\naws_secret_access_key=S2\n"),
                                   0600, NULL),
                     MF_OK);
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    assert_string_equal(w->keys, "K1");
    set_fault(w,
              (struct fault){.status = 400, .body = "<Error><Code>ExpiredToken</Code></Error>", .count = 1});
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
    assert_string_equal(w->keys, "K2");
    unlink(path);
}

static void links_and_variables_lead_to_the_bucket(void **state)
{
    struct world *w = *state;
    struct mf_str url;
    struct mf_object_variables variables = {.count = 0};
    const struct mf_presign request = {.put = true, .expires_s = 60, .host = MF_STR("not.this:1")};
    assert_int_equal(mf_bucket_driver.presign(w->bucket, w->arena, MF_STR("a b"), &request, &url, &w->err),
                     MF_OK);
    assert_true(mf_str_starts(url, mf_str_printf(w->arena,
                                                 "%s/flows/team/a%%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
                                                 "X-Amz-Credential=AK%%2F",
                                                 w->config.endpoint)));
    assert_int_equal(mf_bucket_driver.variables(w->bucket, w->arena, &variables, &w->err), MF_OK);
    assert_int_equal(variables.count, 4);
    assert_string_equal(variables.items[0].name, "AWS_REGION");
    assert_str(variables.items[0].value, "us-east-1");
    assert_string_equal(variables.items[1].name, "FLYTE_AWS_ENDPOINT");
    assert_str(variables.items[1].value, w->config.endpoint);
    assert_string_equal(variables.items[2].name, "FLYTE_AWS_ACCESS_KEY_ID");
    assert_string_equal(variables.items[3].name, "FLYTE_AWS_SECRET_ACCESS_KEY");
    assert_str(variables.items[3].value, "SK");
}

static void wrong_configurations_are_refused(void **state)
{
    static const struct {
        const char *url, *endpoint, *message;
    } cases[] = {
        {"file:///tmp", "", "object-store: \"file:///tmp\" must be s3://"},
        {"s3://", "", "no name of a bucket"},
        {"s3://A_b", "", "no name of a bucket"},
        {"s3://flows/../x", "", "object-store: the object's name"},
        {"s3://flows", "localhost:9000", "s3-endpoint"},
        {"s3://flows", "ftp://localhost", "s3-endpoint"},
        {"s3://flows", "http://localhost/path", "s3-endpoint"},
        {"s3://flows", "http://", "s3-endpoint"},
        {"s3://flows", "http://user@host", "s3-endpoint"},
    };
    struct world w = {.arena = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct mf_bucket_config config = {
            .url = cases[i].url, .endpoint = cases[i].endpoint, .variable = variable, .variable_ctx = &w};
        assert_int_equal(mf_bucket_check(&config, &w.err), MF_INVALID_ARGUMENT);
        assert_true(told(&w, cases[i].message));
    }
    const struct mf_bucket_config config = {
        .url = "gs://flows/team", .variable = variable, .variable_ctx = &w};
    assert_int_equal(mf_bucket_check(&config, &w.err), MF_OK);
}

static void hold(struct world *w, bool on)
{
    pthread_mutex_lock(&w->lock);
    w->hold = on;
    pthread_cond_broadcast(&w->released);
    pthread_mutex_unlock(&w->lock);
}

static void closing_ends_what_is_under_way(void **state)
{
    struct world *w = *state;
    struct outcome outcome;
    int before = requests(w);
    hold(w, true);
    start_put(w, &outcome, "a", MF_STR("hello"));
    while (requests(w) == before)
        usleep(1000);
    mf_bucket_close(w->bucket);
    w->bucket = NULL;
    assert_int_equal(end_put(w, &outcome), MF_UNAVAILABLE);
    assert_true(told(w, "shutting down"));
    hold(w, false);
}

static void *read_on_thread(void *ctx)
{
    struct world *w = ctx;
    struct mf_error err;
    struct mf_str read;
    struct mf_arena *arena = mf_arena_new(0);
    intptr_t code = (intptr_t)mf_bucket_driver.read(w->bucket, arena, MF_STR("a"), 5, &read, &err);
    mf_arena_free(arena);
    return (void *)code;
}

static void few_wait_at_a_time(void **state)
{
    struct world *w = *state;
    struct mf_str read;
    pthread_t thread;
    void *code;
    w->config.readers = 1;
    assert_int_equal(open_bucket(w), MF_OK);
    assert_int_equal(put(w, "a", MF_STR("hello")), MF_OK);
    int before = requests(w);
    hold(w, true);
    assert_int_equal(pthread_create(&thread, NULL, read_on_thread, w), 0);
    while (requests(w) == before)
        usleep(1000);
    enum mf_code refused = get(w, "a", 5, &read);
    hold(w, false);
    assert_int_equal(refused, MF_UNAVAILABLE);
    assert_true(told(w, "is slow"));
    pthread_join(thread, &code);
    assert_int_equal((intptr_t)code, MF_OK);
    assert_int_equal(get(w, "a", 5, &read), MF_OK);
}

int main(void)
{
    setenv("no_proxy", "127.0.0.1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_md5_is_what_a_client_has_declared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_moments_are_waited_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_ones_go_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_that_fails_is_aborted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_answer_to_the_last_request_is_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_at_start_is_told, set_up_closed, tear_down),
        cmocka_unit_test_setup_teardown(an_outage_is_told_and_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bucket_that_cannot_be_written_is_still_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expired_keys_are_replaced, set_up_closed, tear_down),
        cmocka_unit_test_setup_teardown(links_and_variables_lead_to_the_bucket, set_up, tear_down),
        cmocka_unit_test(wrong_configurations_are_refused),
        cmocka_unit_test_setup_teardown(closing_ends_what_is_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_wait_at_a_time, set_up_closed, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
