#include "kube/watch.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/list.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE 100
#define PAGE_BYTES ((size_t)64 << 20)
#define WATCH_S 290     /* the server ends a stream then, so that none lives for ever */
#define WATCH_MS 330000 /* and if it does not */
#define IDLE_MS 120000  /* bookmarks come about once a minute */
#define LINE_MAX_BYTES ((size_t)8 << 20)
#define PENDING_MAX ((size_t)8 << 20)
#define DELAY_MIN_MS 250
#define DELAY_MAX_MS 30000
#define VERSION_MAX 64
#define TOKEN_MAX 4096

enum state { WAITING, LISTING, WATCHING, STOPPED };

/* One line of a stream. */
struct line {
    struct mf_link link;
    struct mf_arena *arena;
    const mf_node *event;
    size_t bytes;
};

struct mf_kube_watch {
    struct mf_kube_watch_config config;
    struct mf_arena *arena; /* of the configuration's texts */
    enum state state;
    bool stopping;
    bool well;        /* on_state was last told MF_OK */
    bool has_version; /* else a list is needed */
    bool was_cut;     /* by ourselves, since too much waited */
    bool complained;  /* the server has ended the stream with an error */
    enum mf_code complaint;
    struct mf_error complaint_err;
    char version[VERSION_MAX];
    uint32_t page;
    uint32_t failures; /* in a row */
    struct mf_timer *timer;
    /* The request under way, and its memory. */
    struct mf_arena *request_arena;
    struct mf_kube_request list;
    struct mf_fetch fetch;
    struct mf_header headers[MF_KUBE_HEADERS];
    struct mf_str path_in_use;
    /* Of the cluster's thread, while it streams. */
    struct mf_buf partial;
    bool broken; /* a line was too long, or memory ran out */
    /* Between both. */
    pthread_mutex_t lock;
    struct mf_list lines;
    size_t pending;
    bool posted, over; /* over: the stream has ended */
    enum mf_code over_code;
    struct mf_error over_err;
    int over_status;
    struct mf_work work;
};

static void list(struct mf_kube_watch *watch, struct mf_str token);
static void follow(struct mf_kube_watch *watch);

/* ---- what comes next ---- */

static void free_watch(struct mf_kube_watch *watch)
{
    struct mf_link *link;
    while ((link = mf_list_pop(&watch->lines)) != NULL)
        mf_arena_free(MF_CONTAINER(link, struct line, link)->arena);
    mf_buf_free(&watch->partial);
    mf_arena_free(watch->request_arena);
    mf_arena_free(watch->arena);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static void finish(struct mf_kube_watch *watch)
{
    void (*stopped)(void *ctx) = watch->config.on_stopped;
    void *ctx = watch->config.ctx;
    free_watch(watch);
    stopped(ctx);
}

static void go_on(struct mf_kube_watch *watch)
{
    mf_arena_reset(watch->request_arena);
    if (watch->has_version)
        follow(watch);
    else
        list(watch, MF_STR_EMPTY);
}

static void on_timer(void *ctx)
{
    struct mf_kube_watch *watch = ctx;
    watch->timer = NULL;
    go_on(watch);
}

static void go_on_in(struct mf_kube_watch *watch, uint64_t ms)
{
    watch->state = WAITING;
    watch->timer = mf_timer_start(mf_kube_loop(watch->config.kube), ms, false, on_timer, watch);
    if (!watch->timer)
        go_on(watch);
}

/* Twice as long each time, less up to a half by chance, so that many followers do not come at once. */
static uint64_t delay_ms(struct mf_kube_watch *watch)
{
    const struct mf_sys *sys = mf_kube_sys(watch->config.kube);
    uint32_t chance = 0;
    uint64_t delay = DELAY_MIN_MS;
    for (uint32_t i = 0; i < watch->failures && delay < DELAY_MAX_MS; i++)
        delay *= 2;
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    sys->random(sys->ctx, &chance, sizeof chance);
    return delay - chance % (delay / 2);
}

static void fail(struct mf_kube_watch *watch, enum mf_code code, const struct mf_error *err)
{
    watch->well = false;
    watch->config.on_state(watch->config.ctx, code, err);
    uint64_t ms = delay_ms(watch);
    watch->failures++;
    go_on_in(watch, ms);
}

static void succeed(struct mf_kube_watch *watch)
{
    watch->failures = 0;
    if (watch->well)
        return;
    watch->well = true;
    watch->config.on_state(watch->config.ctx, MF_OK, NULL);
}

static void keep_version(struct mf_kube_watch *watch, struct mf_str version)
{
    watch->has_version = version.len > 0 && version.len < VERSION_MAX;
    if (!watch->has_version)
        return;
    memcpy(watch->version, version.ptr, version.len);
    watch->version[version.len] = '\0';
}

/* ---- lists ---- */

static void go_on_with(struct mf_kube_watch *watch, struct mf_str rest)
{
    char token[TOKEN_MAX];
    struct mf_error err;
    if (rest.len > sizeof token) {
        fail(watch,
             mf_fail(&err, MF_UNAVAILABLE, "cluster %.*s: a list is to be gone on with by %zu bytes",
                     MF_FMT(mf_kube_name(watch->config.kube)), rest.len),
             &err);
        return;
    }
    memcpy(token, rest.ptr, rest.len); /* it is in the memory that is used again */
    mf_arena_reset(watch->request_arena);
    list(watch, mf_str_make(token, rest.len));
}

static void on_page(struct mf_kube_request *request)
{
    struct mf_kube_watch *watch = MF_CONTAINER(request, struct mf_kube_watch, list);
    if (watch->stopping) {
        finish(watch);
        return;
    }
    if (request->code == MF_RESOURCE_EXHAUSTED && request->status == 200 && watch->page > 1) {
        watch->page /= 2; /* large objects */
        go_on(watch);
        return;
    }
    if (request->code != MF_OK) {
        struct mf_error err = request->err;
        fail(watch, request->code, &err);
        return;
    }
    const mf_node *items = mf_node_get(request->answer, "items");
    for (size_t i = 0; i < mf_node_count(items); i++)
        watch->config.on_object(watch->config.ctx, mf_node_item(items, i));
    struct mf_str rest = mf_node_text(request->answer, "metadata/continue");
    if (rest.len > 0) {
        go_on_with(watch, rest);
        return;
    }
    keep_version(watch, mf_node_text(request->answer, "metadata/resourceVersion"));
    succeed(watch);
    watch->config.on_synced(watch->config.ctx);
    go_on(watch);
}

/* token: of the page before; empty: the first. A list that cannot be gone on with (410) begins anew. */
static void list(struct mf_kube_watch *watch, struct mf_str token)
{
    struct mf_arena *arena = watch->request_arena;
    struct mf_str rest = mf_percent_encode(arena, token, "");
    struct mf_str selector = mf_percent_encode(arena, watch->config.selector, "");
    watch->state = LISTING;
    if (token.len == 0)
        watch->config.on_list(watch->config.ctx);
    watch->list = (struct mf_kube_request){
        .arena = arena,
        .path = mf_str_printf(arena, "%.*s?limit=%u%s%.*s%s%.*s", MF_FMT(watch->config.path), watch->page,
                              selector.len > 0 ? "&labelSelector=" : "", MF_FMT(selector),
                              token.len > 0 ? "&continue=" : "", MF_FMT(rest)),
        .answer_bytes = PAGE_BYTES,
        .timeout_ms = 60000,
        .done = on_page,
    };
    if (watch->list.path.ptr) {
        mf_kube_start(watch->config.kube, &watch->list);
        return;
    }
    struct mf_error err;
    fail(watch, mf_fail_memory(&err), &err);
}

/* ---- the stream ---- */

/* With the lock held. */
static void post(struct mf_kube_watch *watch)
{
    if (watch->posted)
        return;
    watch->posted = true;
    mf_loop_post(mf_kube_loop(watch->config.kube), &watch->work);
}

static bool take_line(struct mf_kube_watch *watch, struct mf_str text)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct line *line = arena ? MF_NEW(arena, struct line) : NULL;
    struct mf_str kept = line ? mf_str_copy(arena, text) : MF_STR_EMPTY;
    if (!kept.ptr || kept.len == 0 || mf_node_read(arena, kept, &line->event, NULL) != MF_OK) {
        mf_arena_free(arena);
        return false;
    }
    line->arena = arena;
    line->bytes = text.len;
    pthread_mutex_lock(&watch->lock);
    mf_list_push(&watch->lines, &line->link);
    watch->pending += text.len;
    bool room = watch->pending < PENDING_MAX;
    post(watch);
    pthread_mutex_unlock(&watch->lock);
    watch->was_cut = !room;
    return room;
}

/* On the cluster's thread. Of a refusal the body is one line, too. */
static bool on_data(struct mf_fetch *fetch, struct mf_str bytes)
{
    struct mf_kube_watch *watch = MF_CONTAINER(fetch, struct mf_kube_watch, fetch);
    struct mf_buf *partial = &watch->partial;
    while (bytes.len > 0) {
        size_t end = mf_str_find_char(bytes, '\n');
        struct mf_str piece = mf_str_take(bytes, end);
        if (!mf_buf_add_str(partial, piece)) {
            watch->broken = true;
            return false;
        }
        if (end == SIZE_MAX)
            return true;
        bytes = mf_str_skip(bytes, end + 1);
        bool ok = mf_buf_str(partial).len == 0 || take_line(watch, mf_buf_str(partial));
        mf_buf_clear(partial);
        if (!ok) {
            watch->broken = !watch->was_cut;
            return false;
        }
    }
    return true;
}

/* On the cluster's thread. */
static void on_end(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *err)
{
    struct mf_kube_watch *watch = MF_CONTAINER(fetch, struct mf_kube_watch, fetch);
    bool refused = fetch->status != 200 && fetch->status != 0;
    if (refused && mf_buf_str(&watch->partial).len > 0 && !take_line(watch, mf_buf_str(&watch->partial)))
        watch->broken = true;
    mf_buf_free(&watch->partial);
    pthread_mutex_lock(&watch->lock);
    watch->over = true;
    watch->over_code = code;
    watch->over_status = fetch->status;
    if (code != MF_OK)
        watch->over_err = *err;
    post(watch);
    pthread_mutex_unlock(&watch->lock);
}

static void take_event(struct mf_kube_watch *watch, const mf_node *event)
{
    struct mf_str type = mf_node_text(event, "type");
    const mf_node *object = mf_node_get(event, "object");
    struct mf_str version = mf_node_text(object, "metadata/resourceVersion");
    if (mf_str_eq_c(type, "ERROR")) {
        watch->has_version = false;
        watch->complained = true;
        watch->complaint = mf_kube_judge(watch->config.kube, (int)mf_node_int(object, "code"), object,
                                         watch->path_in_use, &watch->complaint_err);
        return;
    }
    succeed(watch);
    if (mf_str_eq_c(type, "ADDED") || mf_str_eq_c(type, "MODIFIED"))
        watch->config.on_object(watch->config.ctx, object);
    else if (mf_str_eq_c(type, "DELETED"))
        watch->config.on_gone(watch->config.ctx, object);
    if (version.len > 0)
        keep_version(watch, version);
}

/* The stream has ended, and its lines are done with. reason is what the server has said when it refused. */
static void on_over(struct mf_kube_watch *watch, const mf_node *reason)
{
    struct mf_error err = watch->over_err;
    enum mf_code code = watch->over_code;
    bool cut = watch->was_cut;
    int status = watch->over_status;
    if (watch->stopping) {
        finish(watch);
        return;
    }
    if (watch->broken) {
        watch->has_version = false; /* a line is missing */
        code = mf_fail(&err, MF_UNAVAILABLE, "cluster %.*s: a line of its watch is too long, or no JSON",
                       MF_FMT(mf_kube_name(watch->config.kube)));
        fail(watch, code, &err);
    } else if (watch->complained || (status != 0 && status != 200)) {
        if (watch->complained) {
            code = watch->complaint;
            err = watch->complaint_err;
        } else {
            code = mf_kube_judge(watch->config.kube, status, reason, watch->path_in_use, &err);
        }
        watch->has_version &= code != MF_OUT_OF_RANGE && code != MF_INVALID_ARGUMENT;
        if (code == MF_OUT_OF_RANGE) /* no trouble: we have been away too long, or the server was */
            go_on_in(watch, delay_ms(watch));
        else
            fail(watch, code, &err);
    } else if (code == MF_OK || cut) {
        go_on_in(watch, cut ? 1 : DELAY_MIN_MS);
    } else {
        mf_fail_prefix(&err, "cluster %.*s", MF_FMT(mf_kube_name(watch->config.kube)));
        fail(watch, code, &err);
    }
}

static void on_lines(struct mf_work *work)
{
    struct mf_kube_watch *watch = MF_CONTAINER(work, struct mf_kube_watch, work);
    struct mf_list lines;
    struct mf_link *link;
    struct mf_arena *reason_arena = NULL;
    const mf_node *reason = NULL;
    mf_list_init(&lines);
    pthread_mutex_lock(&watch->lock);
    watch->posted = false;
    while ((link = mf_list_pop(&watch->lines)) != NULL)
        mf_list_push(&lines, link);
    watch->pending = 0;
    bool over = watch->over;
    bool refused = over && watch->over_status != 0 && watch->over_status != 200;
    pthread_mutex_unlock(&watch->lock);
    while ((link = mf_list_pop(&lines)) != NULL) {
        struct line *line = MF_CONTAINER(link, struct line, link);
        if (refused && !reason_arena) {
            reason_arena = line->arena;
            reason = line->event;
            continue;
        }
        if (!watch->stopping)
            take_event(watch, line->event);
        mf_arena_free(line->arena);
    }
    if (over) {
        watch->over = false;
        on_over(watch, reason);
    }
    mf_arena_free(reason_arena);
}

static void follow(struct mf_kube_watch *watch)
{
    struct mf_arena *arena = watch->request_arena;
    struct mf_str selector = mf_percent_encode(arena, watch->config.selector, "");
    struct mf_error err;
    watch->state = WATCHING;
    watch->path_in_use = mf_str_printf(
        arena, "%.*s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s%s%.*s",
        MF_FMT(watch->config.path), WATCH_S, watch->version, selector.len > 0 ? "&labelSelector=" : "",
        MF_FMT(selector));
    watch->partial = MF_BUF_INIT(LINE_MAX_BYTES);
    watch->broken = watch->was_cut = watch->over = watch->complained = false;
    watch->over_status = 0;
    watch->fetch =
        (struct mf_fetch){.timeout_ms = WATCH_MS, .idle_ms = IDLE_MS, .on_data = on_data, .done = on_end};
    enum mf_code code = watch->path_in_use.ptr
                            ? mf_kube_prepare(watch->config.kube, arena, watch->path_in_use, watch->headers,
                                              &watch->fetch, &err)
                            : mf_fail_memory(&err);
    if (code == MF_OK)
        mf_kube_fetch(watch->config.kube, &watch->fetch);
    else
        fail(watch, code, &err);
}

/* ---- start and stop ---- */

enum mf_code mf_kube_watch_start(const struct mf_kube_watch_config *config, struct mf_kube_watch **out,
                                 struct mf_error *err)
{
    struct mf_kube_watch *watch = calloc(1, sizeof *watch);
    if (!watch || pthread_mutex_init(&watch->lock, NULL) != 0) {
        free(watch);
        return mf_fail_memory(err);
    }
    mf_list_init(&watch->lines);
    watch->config = *config;
    watch->arena = mf_arena_new(0);
    watch->request_arena = mf_arena_new(0);
    watch->page = config->page > 0 ? config->page : PAGE;
    watch->work = (struct mf_work){.fn = on_lines};
    if (watch->arena) {
        watch->config.path = mf_str_copy(watch->arena, config->path);
        watch->config.selector = mf_str_copy(watch->arena, config->selector);
    }
    if (!watch->arena || !watch->request_arena || !watch->config.path.ptr) {
        free_watch(watch);
        return mf_fail_memory(err);
    }
    *out = watch;
    go_on(watch);
    return MF_OK;
}

static void on_stop(void *ctx)
{
    finish(ctx);
}

void mf_kube_watch_stop(struct mf_kube_watch *watch)
{
    watch->stopping = true;
    if (watch->state == WATCHING) {
        mf_kube_cancel(watch->config.kube, &watch->fetch);
    } else if (watch->state == LISTING) {
        mf_kube_cancel(watch->config.kube, &watch->list.fetch);
    } else {
        mf_timer_stop(watch->timer);
        watch->timer = mf_timer_start(mf_kube_loop(watch->config.kube), 0, false, on_stop, watch);
        if (!watch->timer)
            finish(watch);
    }
}
