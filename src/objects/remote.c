#include "objects/remote_state.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/time.h"
#include "objects/presign.h"
#include "rpc/workers.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#define RUNNING 32
#define WAITING 4096
#define TRIES 5
#define BACKOFF_MS 100
#define DEADLINE_NS (20 * MF_SECOND_NS)
#define RETRY_NS (10 * MF_SECOND_NS)        /* so long after the start another try may begin */
#define BYTES_PER_SECOND ((int64_t)1 << 20) /* slower than that a large object may not be */
#define IDLE_MS 8000
#define ANSWER_MAX ((size_t)1 << 20)
#define ERROR_MAX ((size_t)64 << 10) /* an error may be longer than what was asked for */
#define RETRY_AFTER_MAX_S 5
#define PATIENCE_NS MF_SECOND_NS

/* ---- open and close ---- */

enum mf_code mf_remote_new(const struct mf_sys *sys, const struct mf_bucket_config *config,
                           struct mf_remote **out, struct mf_error *err)
{
    struct mf_remote *remote = calloc(1, sizeof *remote);
    if (!remote)
        return mf_fail_memory(err);
    remote->sys = sys;
    remote->arena = mf_arena_new(0);
    pthread_mutex_init(&remote->lock, NULL);
    pthread_cond_init(&remote->room, NULL);
    enum mf_code code = remote->arena ? mf_remote_configure(remote, config, err) : mf_fail_memory(err);
    const struct mf_fetcher_config fetcher = {
        .sys = sys,
        .ca_file = config->ca_file && config->ca_file[0]
                       ? mf_str_to_c(remote->arena, mf_str_from_c(config->ca_file))
                       : NULL,
        .running = RUNNING,
        .waiting = WAITING,
    };
    if (code == MF_OK)
        code = mf_fetcher_new(&fetcher, &remote->fetcher, err);
    const struct mf_credentials_config credentials = {
        .sys = sys,
        .fetcher = remote->fetcher,
        .region = remote->region,
        .variable = config->variable,
        .variable_ctx = config->variable_ctx,
    };
    if (code == MF_OK)
        code = mf_credentials_new(&credentials, &remote->credentials, err);
    if (code == MF_OK)
        *out = remote;
    else
        mf_remote_free(remote);
    return code;
}

void mf_remote_stop(struct mf_remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    remote->stopping = true;
    pthread_mutex_unlock(&remote->lock);
    mf_fetcher_stop(remote->fetcher);
}

void mf_remote_free(struct mf_remote *remote)
{
    if (!remote)
        return;
    mf_fetcher_free(remote->fetcher);
    mf_credentials_free(remote->credentials);
    pthread_cond_destroy(&remote->room);
    pthread_mutex_destroy(&remote->lock);
    mf_arena_free(remote->arena);
    free(remote);
}

/* ---- one call ---- */

struct mf_signer mf_remote_signer(const struct mf_remote *remote, const struct mf_keys *keys)
{
    return (struct mf_signer){.access = keys->access,
                              .secret = keys->secret,
                              .token = keys->token,
                              .region = remote->region,
                              .now_ns = mf_wall_ns(remote->sys)};
}

static void end(struct mf_remote_call *call, enum mf_code code, bool out_of_reach, const struct mf_error *err)
{
    struct mf_arena *arena = call->arena;
    struct mf_remote *remote = call->remote;
    if (code == MF_OK) {
        atomic_fetch_add(&remote->sent, call->body.len);
        atomic_fetch_add(&remote->received, call->answer.len);
    }
    call->out_of_reach = out_of_reach;
    mf_remote_note(remote, call, code, err);
    call->done(call, code, err);
    mf_arena_free(arena);
}

static enum mf_code hash_body(struct mf_remote_call *call, struct mf_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (EVP_Q_digest(NULL, "SHA256", NULL, call->body.len > 0 ? call->body.ptr : "", call->body.len, digest,
                     &len) != 1)
        return mf_fail(err, MF_INTERNAL, "SHA-256 is not available in this OpenSSL");
    call->hash = mf_hex(call->arena, mf_str_make(digest, len));
    call->sum = mf_base64(call->arena, mf_str_make(digest, len));
    return call->hash.ptr && call->sum.ptr ? MF_OK : mf_fail_memory(err);
}

static size_t own_headers(const struct mf_remote_call *call, struct mf_header headers[3])
{
    size_t count = 0;
    bool sends = mf_str_eq_c(call->method, "PUT") || mf_str_eq_c(call->method, "POST");
    bool sums = call->checksum && !call->remote->google;
    if (sends)
        headers[count++] = (struct mf_header){
            MF_STR("content-type"),
            call->content_type.len > 0 ? call->content_type : MF_STR("application/octet-stream")};
    if (sums && sends)
        headers[count++] = (struct mf_header){MF_STR("x-amz-checksum-sha256"), call->sum};
    else if (sums)
        headers[count++] = (struct mf_header){MF_STR("x-amz-checksum-mode"), MF_STR("ENABLED")};
    return count;
}

static uint32_t left_ms(const struct mf_remote_call *call)
{
    int64_t left = call->deadline_ns - mf_mono_ns(call->remote->sys);
    return left > MF_MS_NS ? (uint32_t)(left / MF_MS_NS) : 1;
}

static void on_fetched(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *cause);

static enum mf_code sign(struct mf_remote_call *call, struct mf_error *err)
{
    struct mf_remote *remote = call->remote;
    struct mf_header headers[3];
    struct mf_str url;
    size_t count = 0;
    const struct mf_signer signer = mf_remote_signer(remote, &call->want.keys);
    const struct mf_signed request = {
        .method = call->method,
        .scheme = remote->scheme,
        .host = remote->host,
        .path = mf_remote_path(remote, call->arena, call->name),
        .params = call->params,
        .param_count = call->param_count,
        .headers = headers,
        .header_count = own_headers(call, headers),
    };
    _Static_assert(sizeof call->headers / sizeof call->headers[0] == MF_SIGNER_HEADERS_MAX, "room for all");
    enum mf_code code = request.path.ptr ? mf_signer_head(call->arena, &signer, &request, call->hash, &url,
                                                          call->headers, &count, err)
                                         : mf_fail_memory(err);
    if (code != MF_OK)
        return code;
    uint32_t delay = call->fetch.delay_ms;
    call->fetch = (struct mf_fetch){
        .url = mf_str_to_c(call->arena, url),
        .method = call->method,
        .headers = call->headers,
        .header_count = count,
        .body = call->body,
        .delay_ms = delay,
        .timeout_ms = left_ms(call),
        .idle_ms = IDLE_MS,
        .response_bytes = call->answer_max > ERROR_MAX ? call->answer_max : ERROR_MAX,
        .keep_head = true,
        .done = on_fetched,
    };
    return call->fetch.url ? MF_OK : mf_fail_memory(err);
}

static void on_keys(struct mf_keys_want *want, enum mf_code code, const struct mf_error *cause)
{
    struct mf_remote_call *call = MF_CONTAINER(want, struct mf_remote_call, want);
    struct mf_error err;
    if (code != MF_OK) {
        code = mf_fail(&err, call->strict ? MF_FAILED_PRECONDITION : MF_UNAVAILABLE,
                       "the object store %.*s: %s", MF_FMT(call->remote->base), cause->message);
        end(call, code, true, &err);
        return;
    }
    code = sign(call, &err);
    if (code == MF_OK)
        mf_fetch_start(call->remote->fetcher, &call->fetch);
    else
        end(call, code, false, &err);
}

static void try_it(struct mf_remote_call *call)
{
    call->tries++;
    call->want = (struct mf_keys_want){.arena = call->arena, .done = on_keys};
    mf_credentials_want(call->remote->credentials, &call->want);
}

/* Twice as long each time, and never two callers in step. 0: there is no time left for another try. */
static uint32_t pause_ms(struct mf_remote_call *call)
{
    uint32_t random;
    uint32_t longest = (uint32_t)BACKOFF_MS << call->tries;
    const struct mf_sys *sys = call->remote->sys;
    sys->random(sys->ctx, &random, sizeof random);
    uint32_t pause = longest / 2 + random % (longest / 2);
    int64_t asked = call->fetch.retry_after_s;
    if (asked > 0)
        pause = (uint32_t)(asked < RETRY_AFTER_MAX_S ? asked : RETRY_AFTER_MAX_S) * 1000;
    int64_t next = mf_mono_ns(sys) + (int64_t)pause * MF_MS_NS;
    return call->tries < TRIES && !call->probe && next < call->retry_until_ns ? pause : 0;
}

static void on_fetched(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *cause)
{
    struct mf_remote_call *call = MF_CONTAINER(fetch, struct mf_remote_call, fetch);
    struct mf_error err;
    bool again;
    bool keys;
    bool reached = code == MF_OK;
    call->answer = code == MF_OK ? fetch->response : MF_STR_EMPTY;
    code = mf_remote_judge(call, code, cause, &again, &keys, &err);
    if (keys)
        mf_credentials_refused(call->remote->credentials, call->want.keys.access);
    /* Keys that were refused may have been replaced meanwhile; refused once more they are what is wrong. */
    uint32_t pause = again || (keys && call->tries == 1) ? pause_ms(call) : 0;
    if (pause > 0) {
        atomic_fetch_add(&call->remote->retries, 1);
        fetch->delay_ms = pause;
        try_it(call);
        return;
    }
    end(call, code, again || (!reached && code == MF_UNAVAILABLE), &err);
}

void mf_remote_start(struct mf_remote *remote, struct mf_remote_call *call)
{
    struct mf_error err;
    call->remote = remote;
    if (call->answer_max == 0)
        call->answer_max = ANSWER_MAX;
    size_t longest = call->body.len > call->answer_max ? call->body.len : call->answer_max;
    call->tries = 0;
    call->fetch = (struct mf_fetch){.delay_ms = call->delay_ms};
    call->out_of_reach = false;
    call->answer = MF_STR_EMPTY;
    call->retry_until_ns = mf_mono_ns(remote->sys) + RETRY_NS;
    call->deadline_ns =
        mf_mono_ns(remote->sys) + DEADLINE_NS + (int64_t)longest / BYTES_PER_SECOND * MF_SECOND_NS;
    if (!mf_remote_may(remote, call, &err)) {
        call->done(call, MF_UNAVAILABLE, &err);
        return;
    }
    call->arena = mf_arena_new(0);
    enum mf_code code = call->arena ? hash_body(call, &err) : mf_fail_memory(&err);
    if (code == MF_OK)
        try_it(call);
    else
        end(call, code, false, &err);
}

/* ---- waiting for one ---- */

struct run {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    enum mf_code code;
    struct mf_error err;
    struct mf_remote_call *call;
    struct mf_keys_want *want;
    struct mf_arena *arena;
    void (*read)(struct mf_remote_call *call, void *ctx);
    void *ctx;
};

struct running {
    struct mf_remote_call call;
    struct run *run;
};

static void run_init(struct run *run)
{
    *run = (struct run){.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
}

static void run_end(struct run *run, enum mf_code code, const struct mf_error *err)
{
    pthread_mutex_lock(&run->lock);
    run->code = code;
    if (code != MF_OK)
        run->err = *err;
    run->done = true;
    pthread_cond_signal(&run->over);
    pthread_mutex_unlock(&run->lock);
}

static enum mf_code run_wait(struct run *run, struct mf_error *err)
{
    pthread_mutex_lock(&run->lock);
    while (!run->done)
        pthread_cond_wait(&run->over, &run->lock);
    pthread_mutex_unlock(&run->lock);
    pthread_cond_destroy(&run->over);
    pthread_mutex_destroy(&run->lock);
    if (run->code != MF_OK && err)
        *err = run->err;
    return run->code;
}

static void run_done(struct mf_remote_call *call, enum mf_code code, const struct mf_error *err)
{
    struct run *run = MF_CONTAINER(call, struct running, call)->run;
    struct mf_error memory;
    if (code == MF_OK && call->answer.len > 0) {
        call->answer = mf_str_copy(run->arena, call->answer);
        if (!call->answer.ptr) {
            code = mf_fail_memory(&memory);
            err = &memory;
        }
    }
    if (code == MF_OK && run->read)
        run->read(call, run->ctx);
    run->call->answer = call->answer;
    run_end(run, code, err);
}

void mf_remote_forget_thread(void)
{
    OPENSSL_thread_stop();
}

/* One worker always stays free for calls that need no bucket. Whoever finds no room waits for a moment,
 * unless the server has not answered anybody for so long. */
static bool enter(struct mf_remote *remote, bool worker)
{
    const struct mf_sys *sys = remote->sys;
    uint32_t most = remote->readers_max;
    bool room;
    if (worker)
        most = mf_workers_here() > 1 ? (uint32_t)mf_workers_here() - 1 : 1;
    pthread_mutex_lock(&remote->lock);
    if (remote->readers[0] + remote->readers[1] == 0)
        remote->moved_ns = mf_mono_ns(sys);
    while (!(room = remote->readers[worker] < most) && mf_mono_ns(sys) - remote->moved_ns < PATIENCE_NS) {
        int64_t until_ns = mf_wall_ns(sys) + PATIENCE_NS;
        const struct timespec until = {.tv_sec = until_ns / MF_SECOND_NS, .tv_nsec = until_ns % MF_SECOND_NS};
        pthread_cond_timedwait(&remote->room, &remote->lock, &until);
    }
    remote->readers[worker] += room;
    pthread_mutex_unlock(&remote->lock);
    return room;
}

static void leave(struct mf_remote *remote, bool worker)
{
    pthread_mutex_lock(&remote->lock);
    remote->readers[worker]--;
    remote->moved_ns = mf_mono_ns(remote->sys);
    pthread_cond_broadcast(&remote->room);
    pthread_mutex_unlock(&remote->lock);
}

enum mf_code mf_remote_run(struct mf_remote *remote, struct mf_arena *arena, struct mf_remote_call *call,
                           void (*read)(struct mf_remote_call *call, void *ctx), void *ctx,
                           struct mf_error *err)
{
    struct run run;
    struct running running = {.call = *call, .run = &run};
    bool worker = mf_workers_here() > 0;
    if (!enter(remote, worker))
        return mf_fail(
            err, MF_UNAVAILABLE,
            "the object store %.*s is slow, and many calls wait for it already; try again in a moment",
            MF_FMT(remote->base));
    run_init(&run);
    run.arena = arena;
    run.read = read;
    run.ctx = ctx;
    run.call = call;
    running.call.done = run_done;
    mf_remote_start(remote, &running.call);
    enum mf_code code = run_wait(&run, err);
    leave(remote, worker);
    mf_remote_forget_thread();
    return code;
}

struct waiting {
    struct mf_keys_want want;
    struct run run;
};

static void keys_done(struct mf_keys_want *want, enum mf_code code, const struct mf_error *err)
{
    run_end(&MF_CONTAINER(want, struct waiting, want)->run, code, err);
}

enum mf_code mf_remote_keys(struct mf_remote *remote, struct mf_arena *arena, struct mf_keys *out,
                            struct mf_error *err)
{
    struct waiting waiting = {.want = {.arena = arena, .done = keys_done}};
    run_init(&waiting.run);
    mf_credentials_want(remote->credentials, &waiting.want);
    enum mf_code code = run_wait(&waiting.run, err);
    *out = waiting.want.keys;
    return code;
}

enum mf_code mf_remote_link(struct mf_remote *remote, struct mf_arena *arena, struct mf_str name,
                            const struct mf_presign *request, struct mf_str *url, struct mf_error *err)
{
    struct mf_header headers[MF_PRESIGN_HEADERS_MAX];
    struct mf_keys keys;
    enum mf_code code = mf_remote_keys(remote, arena, &keys, err);
    if (code != MF_OK)
        return err->code = MF_UNAVAILABLE;
    const struct mf_signer signer = mf_remote_signer(remote, &keys);
    const struct mf_signed wanted = {
        .method = request->put ? MF_STR("PUT") : MF_STR("GET"),
        .scheme = remote->scheme,
        .host = remote->host,
        .path = mf_remote_path(remote, arena, name),
        .headers = headers,
        .header_count = mf_presign_headers(arena, request, headers),
    };
    return wanted.path.ptr ? mf_signer_link(arena, &signer, &wanted, request->expires_s, url, err)
                           : mf_fail_memory(err);
}
