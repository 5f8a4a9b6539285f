#include "net/fetch.h"

/* The checks of curl.h know only direct calls, and here they go through pointers. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define RUNNING 16
#define WAITING 1024
#define TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS 5000
#define RESPONSE_BYTES ((size_t)1 << 20)
#define HEAD_BYTES ((size_t)64 << 10)
#define POLL_MS 60000
#define KEPT_CONNECTIONS 8

/* What is used of libcurl, found when the first request comes. */
#define FUNCTIONS(X)                                                                                         \
    X(global_init)                                                                                           \
    X(global_cleanup)                                                                                        \
    X(easy_init)                                                                                             \
    X(easy_setopt)                                                                                           \
    X(easy_getinfo)                                                                                          \
    X(easy_strerror)                                                                                         \
    X(easy_cleanup)                                                                                          \
    X(slist_append)                                                                                          \
    X(slist_free_all)                                                                                        \
    X(multi_init)                                                                                            \
    X(multi_setopt)                                                                                          \
    X(multi_add_handle)                                                                                      \
    X(multi_remove_handle)                                                                                   \
    X(multi_perform)                                                                                         \
    X(multi_poll)                                                                                            \
    X(multi_wakeup)                                                                                          \
    X(multi_info_read)                                                                                       \
    X(multi_cleanup)

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

struct curl {
#define POINTER(name) __typeof__(curl_##name) *name;
    FUNCTIONS(POINTER)
#undef POINTER
};

struct mf_fetcher {
    struct mf_fetcher_config config;
    struct curl curl;
    void *library;
    CURLM *multi;
    pthread_t thread;
    struct mf_fetch *running; /* the thread's */
    uint32_t running_count;   /* the thread's */

    pthread_mutex_t lock;
    struct mf_fetch *first, *last; /* guarded by lock, as is what follows: those that wait */
    uint32_t waiting_count;
    bool opened; /* there is a library, a multi handle and a thread */
    bool stopping;
};

/* ---- one request ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct mf_fetch *fetch = ctx;
    size_t len = size * count;
    if (fetch->on_data) {
        long status = 0;
        fetch->fetcher->curl.easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
        fetch->status = (int)status;
        fetch->refused = !fetch->on_data(fetch, mf_str_make(bytes, len));
        return fetch->refused ? 0 : len;
    }
    if (mf_buf_add(&fetch->received, bytes, len))
        return len;
    fetch->too_long = true;
    return 0;
}

/* One line of a head. Only that of the last answer is kept: one may come before it, or redirections. */
static size_t on_head(char *bytes, size_t size, size_t count, void *ctx)
{
    struct mf_fetch *fetch = ctx;
    size_t len = size * count;
    if (mf_str_starts(mf_str_make(bytes, len), MF_STR("HTTP/")))
        mf_buf_clear(&fetch->head);
    if (mf_buf_add(&fetch->head, bytes, len))
        return len;
    fetch->too_long = true;
    return 0;
}

struct mf_str mf_fetch_header(const struct mf_fetch *fetch, const char *name)
{
    struct mf_str rest = mf_buf_str(&fetch->head);
    while (rest.len > 0) {
        size_t end = mf_str_find_char(rest, '\n');
        struct mf_str line = mf_str_take(rest, end);
        size_t colon = mf_str_find_char(line, ':');
        rest = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(rest, end + 1);
        if (colon != SIZE_MAX && mf_str_eq_nocase(mf_str_take(line, colon), mf_str_from_c(name)))
            return mf_str_trim(mf_str_skip(line, colon + 1), MF_STR(" \t\r"));
    }
    return (struct mf_str){0};
}

static bool add_header(struct mf_fetcher *fetcher, struct curl_slist **list, const struct mf_header *header)
{
    struct mf_buf line = MF_BUF_INIT(0);
    mf_buf_printf(&line, "%.*s: %.*s", MF_FMT(header->name), MF_FMT(header->value));
    mf_buf_add_char(&line, '\0');
    struct curl_slist *grown = mf_buf_failed(&line) ? NULL : fetcher->curl.slist_append(*list, line.ptr);
    mf_buf_free(&line);
    if (grown)
        *list = grown;
    return grown != NULL;
}

static bool set_headers(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    /* curl would ask for leave to send a body, which costs a round trip and confuses small servers. */
    static const struct mf_header no_expect = {MF_STR("Expect"), MF_STR("")};
    struct curl_slist *list = NULL;
    bool ok = add_header(fetcher, &list, &no_expect);
    for (size_t i = 0; i < fetch->header_count && ok; i++)
        ok = add_header(fetcher, &list, &fetch->headers[i]);
    fetch->list = list;
    return ok && fetcher->curl.easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, list) == CURLE_OK;
}

static bool set_method(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    const struct curl *curl = &fetcher->curl;
    char method[16];
    if (fetch->method.len == 0 || mf_str_eq_c(fetch->method, "GET"))
        return true;
    if (mf_str_eq_c(fetch->method, "HEAD"))
        return curl->easy_setopt(fetch->easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    if (fetch->method.len >= sizeof method)
        return false;
    memcpy(method, fetch->method.ptr, fetch->method.len);
    method[fetch->method.len] = '\0';
    return curl->easy_setopt(fetch->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.len) ==
               CURLE_OK &&
           curl->easy_setopt(fetch->easy, CURLOPT_POSTFIELDS, fetch->body.len > 0 ? fetch->body.ptr : "") ==
               CURLE_OK &&
           curl->easy_setopt(fetch->easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

static bool set_blob(struct mf_fetcher *fetcher, struct mf_fetch *fetch, CURLoption option, struct mf_str pem)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)pem.ptr, .len = pem.len, .flags = CURL_BLOB_COPY};
    return pem.len == 0 || fetcher->curl.easy_setopt(fetch->easy, option, &blob) == CURLE_OK;
}

static bool set_tls(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    const struct mf_fetch_tls *tls = fetch->tls;
    if (!tls)
        return true;
    long check = tls->insecure ? 0 : 1;
    return set_blob(fetcher, fetch, CURLOPT_CAINFO_BLOB, tls->ca) &&
           set_blob(fetcher, fetch, CURLOPT_SSLCERT_BLOB, tls->cert) &&
           set_blob(fetcher, fetch, CURLOPT_SSLKEY_BLOB, tls->key) &&
           fetcher->curl.easy_setopt(fetch->easy, CURLOPT_SSL_VERIFYPEER, check) == CURLE_OK &&
           fetcher->curl.easy_setopt(fetch->easy, CURLOPT_SSL_VERIFYHOST, check * 2) == CURLE_OK &&
           /* Requests to one server share its connection, also those that come while it is being made. */
           fetcher->curl.easy_setopt(fetch->easy, CURLOPT_PIPEWAIT, 1L) == CURLE_OK;
}

static bool set_idle(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    const struct curl *curl = &fetcher->curl;
    if (fetch->idle_ms == 0)
        return true;
    return curl->easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl->easy_setopt(fetch->easy, CURLOPT_LOW_SPEED_TIME, (long)((fetch->idle_ms + 999) / 1000)) ==
               CURLE_OK &&
           curl->easy_setopt(fetch->easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
}

static enum mf_code set_up(struct mf_fetcher *fetcher, struct mf_fetch *fetch, struct mf_error *err)
{
    const struct curl *curl = &fetcher->curl;
    bool https = fetch->url && strncmp(fetch->url, "https://", 8) == 0;
    if (!https && (!fetch->url || strncmp(fetch->url, "http://", 7) != 0))
        return mf_fail(err, MF_INVALID_ARGUMENT, "the URL \"%.200s\" must begin with https:// or http://",
                       fetch->url ? fetch->url : "");
    fetch->easy = curl->easy_init();
    if (!fetch->easy)
        return mf_fail_memory(err);
    CURL *easy = fetch->easy;
    size_t longest = fetch->response_bytes > 0 ? fetch->response_bytes : RESPONSE_BYTES;
    long timeout = fetch->timeout_ms > 0 ? (long)fetch->timeout_ms : TIMEOUT_MS;
    const char *scheme = https ? "https" : "http";
    fetch->received = MF_BUF_INIT(longest);
    fetch->head = MF_BUF_INIT(HEAD_BYTES);
    fetch->detail[0] = '\0';
    bool ok =
        curl->easy_setopt(easy, CURLOPT_URL, fetch->url) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_PRIVATE, fetch) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, scheme) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, fetch->redirects > 0 ? 1L : 0L) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_MAXREDIRS, (long)fetch->redirects) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                          timeout < CONNECT_TIMEOUT_MS ? timeout : (long)CONNECT_TIMEOUT_MS) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_WRITEDATA, fetch) == CURLE_OK &&
        curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->detail) == CURLE_OK;
    if (ok && fetch->direct)
        ok = curl->easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
    if (ok && fetch->keep_head)
        ok = curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
             curl->easy_setopt(easy, CURLOPT_HEADERDATA, fetch) == CURLE_OK;
    if (ok && fetcher->config.ca_file)
        ok = curl->easy_setopt(easy, CURLOPT_CAINFO, fetcher->config.ca_file) == CURLE_OK;
    ok = ok && set_tls(fetcher, fetch) && set_idle(fetcher, fetch);
    if (!ok || !set_method(fetcher, fetch) || !set_headers(fetcher, fetch))
        return mf_fail(err, MF_UNAVAILABLE, "the request to %.200s could not be prepared", fetch->url);
    return MF_OK;
}

static void clean_up(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    if (fetch->easy)
        fetcher->curl.easy_cleanup(fetch->easy);
    fetcher->curl.slist_free_all(fetch->list);
    mf_buf_free(&fetch->received);
    mf_buf_free(&fetch->head);
    fetch->easy = NULL;
    fetch->list = NULL;
}

static enum mf_code outcome(struct mf_fetcher *fetcher, struct mf_fetch *fetch, CURLcode result,
                            struct mf_error *err)
{
    const char *what = fetch->detail[0] ? fetch->detail : fetcher->curl.easy_strerror(result);
    switch ((int)result) {
    case CURLE_OK:
        return MF_OK;
    case CURLE_URL_MALFORMAT:
        return mf_fail(err, MF_INVALID_ARGUMENT, "the URL \"%.200s\" cannot be used: %s", fetch->url, what);
    case CURLE_OPERATION_TIMEDOUT:
        return mf_fail(err, MF_DEADLINE_EXCEEDED, "%.200s did not answer in time", fetch->url);
    case CURLE_OUT_OF_MEMORY:
        return mf_fail_memory(err);
    default:
        if (fetch->refused)
            return mf_fail(err, MF_CANCELED, "the answer of %.200s was not read to its end", fetch->url);
        if (fetch->too_long)
            return mf_fail(err, MF_RESOURCE_EXHAUSTED, "the answer of %.200s is longer than %zu bytes",
                           fetch->url, fetch->received.max);
        return mf_fail(err, MF_UNAVAILABLE, "%.200s could not be reached: %s", fetch->url, what);
    }
}

static void read_answer(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    const struct curl *curl = &fetcher->curl;
    long status = 0;
    const char *type = NULL;
    curl_off_t retry_after = 0;
    curl->easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    curl->easy_getinfo(fetch->easy, CURLINFO_CONTENT_TYPE, &type);
    curl->easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &retry_after);
    fetch->status = (int)status;
    fetch->content_type = mf_str_from_c(type ? type : "");
    fetch->retry_after_s = retry_after > 0 ? (int64_t)retry_after : -1;
    fetch->response = mf_buf_str(&fetch->received);
}

/* Tells the caller and forgets the request: after done the memory may be gone. */
static void finish(struct mf_fetcher *fetcher, struct mf_fetch *fetch, enum mf_code code,
                   const struct mf_error *err)
{
    struct mf_buf received = fetch->received;
    struct mf_buf head = fetch->head;
    CURL *easy = fetch->easy;
    struct curl_slist *list = fetch->list;
    /* It is a part of the request. */
    if (easy)
        fetcher->curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    fetch->done(fetch, code, err);
    struct mf_fetch rest = {.easy = easy, .list = list, .received = received, .head = head};
    clean_up(fetcher, &rest);
}

/* ---- the thread ---- */

static void begin(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    struct mf_error err;
    enum mf_code code = set_up(fetcher, fetch, &err);
    if (code == MF_OK && fetcher->curl.multi_add_handle(fetcher->multi, fetch->easy) != CURLM_OK)
        code = mf_fail(&err, MF_UNAVAILABLE, "the request to %.200s could not be started", fetch->url);
    if (code != MF_OK) {
        finish(fetcher, fetch, code, &err);
        return;
    }
    fetch->begun = true;
    fetch->next = fetcher->running;
    fetcher->running = fetch;
    fetcher->running_count++;
}

static void leave(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    struct mf_fetch **at = &fetcher->running;
    while (*at != fetch)
        at = &(*at)->next;
    *at = fetch->next;
    fetcher->running_count--;
    fetcher->curl.multi_remove_handle(fetcher->multi, fetch->easy);
}

static void finish_canceled(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    struct mf_error err;
    mf_fail(&err, MF_CANCELED, "the request was given up");
    if (fetch->begun)
        leave(fetcher, fetch);
    finish(fetcher, fetch, MF_CANCELED, &err);
}

static void unqueue(struct mf_fetcher *fetcher, struct mf_fetch *before, struct mf_fetch *fetch)
{
    if (before)
        before->next = fetch->next;
    else
        fetcher->first = fetch->next;
    if (fetcher->last == fetch)
        fetcher->last = before;
    fetcher->waiting_count--;
}

/* Takes one request that is to be ended, off either list; NULL when there is none. */
static struct mf_fetch *next_canceled(struct mf_fetcher *fetcher)
{
    struct mf_fetch *found = NULL;
    struct mf_fetch *before = NULL;
    pthread_mutex_lock(&fetcher->lock);
    for (struct mf_fetch *fetch = fetcher->running; fetch && !found; fetch = fetch->next) {
        if (fetch->canceled || fetcher->stopping)
            found = fetch;
    }
    for (struct mf_fetch *fetch = fetcher->first; fetch && !found; before = fetch, fetch = fetch->next) {
        if (fetch->canceled || fetcher->stopping) {
            unqueue(fetcher, before, fetch);
            found = fetch;
        }
    }
    pthread_mutex_unlock(&fetcher->lock);
    return found;
}

/* Takes one that may begin; NULL when there is none, and then *wait_ms is how long there will be none by
 * itself. */
static struct mf_fetch *next_waiting(struct mf_fetcher *fetcher, int *wait_ms)
{
    struct mf_fetch *found = NULL;
    struct mf_fetch *before = NULL;
    int64_t now = mf_mono_ns(fetcher->config.sys);
    *wait_ms = POLL_MS;
    pthread_mutex_lock(&fetcher->lock);
    if (fetcher->running_count < fetcher->config.running) {
        for (struct mf_fetch *fetch = fetcher->first; fetch && !found; before = fetch, fetch = fetch->next) {
            int64_t left_ms = (fetch->due_ns - now + 999999) / 1000000;
            if (left_ms <= 0) {
                unqueue(fetcher, before, fetch);
                found = fetch;
            } else if (left_ms < *wait_ms) {
                *wait_ms = (int)left_ms;
            }
        }
    }
    pthread_mutex_unlock(&fetcher->lock);
    return found;
}

static void finish_ready(struct mf_fetcher *fetcher)
{
    const struct curl *curl = &fetcher->curl;
    CURLMsg *message;
    int left;
    while ((message = curl->multi_info_read(fetcher->multi, &left)) != NULL) {
        struct mf_error err;
        char *private = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct mf_fetch *fetch = (struct mf_fetch *)(void *)private;
        leave(fetcher, fetch);
        enum mf_code code = outcome(fetcher, fetch, result, &err);
        if (code == MF_OK || fetch->too_long)
            read_answer(fetcher, fetch);
        finish(fetcher, fetch, code, &err);
    }
}

static void *work(void *ctx)
{
    struct mf_fetcher *fetcher = ctx;
    struct mf_fetch *fetch;
    int still_running;
    int wait_ms;
    for (;;) {
        uint32_t running = fetcher->running_count;
        while ((fetch = next_canceled(fetcher)) != NULL)
            finish_canceled(fetcher, fetch);
        while ((fetch = next_waiting(fetcher, &wait_ms)) != NULL)
            begin(fetcher, fetch);
        fetcher->curl.multi_perform(fetcher->multi, &still_running);
        finish_ready(fetcher);
        pthread_mutex_lock(&fetcher->lock);
        bool over = fetcher->stopping && !fetcher->first && !fetcher->running;
        pthread_mutex_unlock(&fetcher->lock);
        if (over)
            return NULL;
        /* Room that was made is for those that wait. */
        if (fetcher->running_count >= running)
            fetcher->curl.multi_poll(fetcher->multi, NULL, 0, wait_ms, NULL);
    }
}

/* ---- opening ---- */

static enum mf_code open_library(struct mf_fetcher *fetcher, struct mf_error *err)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"};
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !fetcher->library; i++)
        fetcher->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!fetcher->library)
        return mf_fail(err, MF_UNAVAILABLE,
                       "libcurl.so.4 is needed to call other servers; install it (Debian: libcurl4)");
#define FIND(name)                                                                                           \
    *(void **)&fetcher->curl.name = dlsym(fetcher->library, "curl_" #name);                                  \
    if (!fetcher->curl.name)                                                                                 \
        return mf_fail(err, MF_UNAVAILABLE, "this libcurl is too old: curl_" #name " is missing");
    FUNCTIONS(FIND)
#undef FIND
    return MF_OK;
}

static void close_library(struct mf_fetcher *fetcher)
{
    if (fetcher->multi) {
        fetcher->curl.multi_cleanup(fetcher->multi);
        fetcher->curl.global_cleanup();
    }
    fetcher->multi = NULL;
    /* The library stays: it has registered handlers with OpenSSL that must not vanish before the end. */
}

/* With the lock held. */
static enum mf_code open_once(struct mf_fetcher *fetcher, struct mf_error *err)
{
    if (fetcher->opened)
        return MF_OK;
    enum mf_code code = fetcher->library ? MF_OK : open_library(fetcher, err);
    if (code != MF_OK)
        return code;
    if (fetcher->curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return mf_fail(err, MF_UNAVAILABLE, "libcurl could not be started");
    fetcher->multi = fetcher->curl.multi_init();
    if (!fetcher->multi) {
        fetcher->curl.global_cleanup();
        return mf_fail_memory(err);
    }
    fetcher->curl.multi_setopt(
        fetcher->multi, CURLMOPT_MAXCONNECTS,
        (long)(fetcher->config.running > RUNNING ? fetcher->config.running : KEPT_CONNECTIONS));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&fetcher->thread, NULL, work, fetcher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        close_library(fetcher);
        return mf_fail(err, MF_UNAVAILABLE, "no thread could be started for outgoing requests");
    }
    fetcher->opened = true;
    return MF_OK;
}

enum mf_code mf_fetcher_new(const struct mf_fetcher_config *config, struct mf_fetcher **out,
                            struct mf_error *err)
{
    struct mf_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (!fetcher || pthread_mutex_init(&fetcher->lock, NULL) != 0) {
        free(fetcher);
        return mf_fail_memory(err);
    }
    fetcher->config = *config;
    if (fetcher->config.running == 0)
        fetcher->config.running = RUNNING;
    if (fetcher->config.waiting == 0)
        fetcher->config.waiting = WAITING;
    *out = fetcher;
    return MF_OK;
}

void mf_fetcher_stop(struct mf_fetcher *fetcher)
{
    if (!fetcher)
        return;
    pthread_mutex_lock(&fetcher->lock);
    bool join = fetcher->opened && !fetcher->stopping;
    fetcher->stopping = true;
    if (join)
        fetcher->curl.multi_wakeup(fetcher->multi);
    pthread_mutex_unlock(&fetcher->lock);
    if (join)
        pthread_join(fetcher->thread, NULL);
}

void mf_fetcher_free(struct mf_fetcher *fetcher)
{
    if (!fetcher)
        return;
    mf_fetcher_stop(fetcher);
    close_library(fetcher);
    pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
}

void mf_fetch_start(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    fetch->fetcher = fetcher;
    fetch->easy = fetch->list = NULL;
    fetch->received = fetch->head = (struct mf_buf){0};
    fetch->too_long = fetch->canceled = fetch->begun = fetch->refused = false;
    pthread_mutex_lock(&fetcher->lock);
    if (fetcher->stopping)
        code = mf_fail(&err, MF_UNAVAILABLE, "the server is shutting down");
    else if (fetcher->waiting_count >= fetcher->config.waiting)
        code = mf_fail(&err, MF_RESOURCE_EXHAUSTED, "too many outgoing requests wait; try again later");
    else
        code = open_once(fetcher, &err);
    if (code == MF_OK) {
        fetch->next = NULL;
        fetch->due_ns = mf_mono_ns(fetcher->config.sys) + (int64_t)fetch->delay_ms * 1000000;
        if (fetcher->last)
            fetcher->last->next = fetch;
        else
            fetcher->first = fetch;
        fetcher->last = fetch;
        fetcher->waiting_count++;
        fetcher->curl.multi_wakeup(fetcher->multi);
    }
    pthread_mutex_unlock(&fetcher->lock);
    if (code != MF_OK)
        fetch->done(fetch, code, &err);
}

void mf_fetch_cancel(struct mf_fetcher *fetcher, struct mf_fetch *fetch)
{
    pthread_mutex_lock(&fetcher->lock);
    fetch->canceled = true;
    if (fetcher->opened)
        fetcher->curl.multi_wakeup(fetcher->multi);
    pthread_mutex_unlock(&fetcher->lock);
}
