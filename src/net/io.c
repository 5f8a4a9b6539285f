#include "net/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TICK_MS_MAX 1000
#define TICK_MS_MIN 10
#define SPARE_BYTES_MAX ((size_t)256 << 10) /* a larger buffer is freed rather than kept */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Often enough that no time limit is passed by much more than a quarter. */
static uint32_t tick_ms(const struct mf_net_limits *limits)
{
    uint32_t shortest =
        least(least(limits->idle_ms, limits->header_ms), least(limits->body_ms, limits->send_ms));
    uint32_t ms = least(least(shortest, limits->request_ms) / 4, TICK_MS_MAX);
    return ms < TICK_MS_MIN ? TICK_MS_MIN : ms;
}

enum mf_code mf_io_init(struct mf_io *io, struct mf_error *err)
{
    mf_list_init(&io->connections);
    mf_list_init(&io->touched);
    io->read_bytes = malloc(MF_IO_READ_BYTES);
    io->plain_bytes = io->tls ? malloc(MF_IO_READ_BYTES) : NULL;
    if (!io->read_bytes || (io->tls && !io->plain_bytes))
        return mf_fail_memory(err);
    return mf_loop_new(&io->loop, err);
}

void mf_io_free(struct mf_io *io)
{
    mf_loop_free(io->loop);
    free(io->read_bytes);
    free(io->plain_bytes);
    while (io->spare_count > 0)
        mf_buf_free(&io->spare[--io->spare_count]);
    while (io->heads) {
        struct mf_head *head = io->heads;
        io->heads = head->next_spare;
        mf_head_free(head);
    }
}

/* ---- the end of a turn ---- */

static void on_again(uv_idle_t *idle)
{
    (void)idle; /* that the loop does not wait is all it is for */
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct mf_io *io = prepare->data;
    /* A connection may be touched again while it runs; it waits for the next turn, so that all get theirs. */
    for (size_t n = io->touched.count; n > 0; n--) {
        struct mf_link *link = mf_list_pop(&io->touched);
        if (!link)
            break; /* running one connection may close another */
        mf_connection_run(MF_CONTAINER(link, struct mf_connection, touch));
    }
    if (mf_list_empty(&io->touched))
        uv_idle_stop(&io->again);
    else
        uv_idle_start(&io->again, on_again);
}

static void on_tick(void *ctx)
{
    struct mf_io *io = ctx;
    uint64_t now = mf_io_now(io);
    struct mf_link *next;
    for (struct mf_link *link = mf_list_first(&io->connections); link; link = next) {
        next = mf_list_next(&io->connections, link);
        mf_connection_tick(MF_CONTAINER(link, struct mf_connection, link), now);
    }
}

bool mf_io_begin(struct mf_io *io)
{
    uv_loop_t *uv = mf_loop_uv(io->loop);
    uv_prepare_init(uv, &io->flush);
    io->flush.data = io;
    uv_prepare_start(&io->flush, on_turn_end);
    uv_idle_init(uv, &io->again);
    io->begun = true;
    io->tick = mf_timer_start(io->loop, tick_ms(&io->limits), true, on_tick, io);
    return io->tick != NULL;
}

void mf_io_end(struct mf_io *io)
{
    if (!io->begun)
        return;
    io->begun = false;
    mf_timer_stop(io->tick);
    io->tick = NULL;
    uv_close((uv_handle_t *)&io->flush, NULL);
    uv_close((uv_handle_t *)&io->again, NULL);
}

uint64_t mf_io_now(const struct mf_io *io)
{
    return uv_now(mf_loop_uv(io->loop));
}

void mf_io_drain(struct mf_io *io)
{
    struct mf_link *next;
    io->draining = true;
    for (struct mf_link *link = mf_list_first(&io->connections); link; link = next) {
        next = mf_list_next(&io->connections, link);
        mf_connection_drain(MF_CONTAINER(link, struct mf_connection, link));
    }
    if (mf_list_empty(&io->connections) && io->on_empty)
        io->on_empty(io->on_empty_ctx);
}

void mf_io_close_all(struct mf_io *io)
{
    struct mf_link *next;
    for (struct mf_link *link = mf_list_first(&io->connections); link; link = next) {
        next = mf_list_next(&io->connections, link);
        mf_connection_destroy(MF_CONTAINER(link, struct mf_connection, link));
    }
}

/* ---- spares ---- */

struct mf_head *mf_io_head_take(struct mf_io *io)
{
    struct mf_head *head = io->heads;
    if (head) {
        io->heads = head->next_spare;
        io->head_count--;
    } else {
        head = mf_head_new();
    }
    if (head)
        mf_head_reset(head, io->limits.header_bytes);
    return head;
}

void mf_io_head_give(struct mf_io *io, struct mf_head *head)
{
    if (!head)
        return;
    if (io->head_count >= MF_IO_SPARES) {
        mf_head_free(head);
        return;
    }
    head->next_spare = io->heads;
    io->heads = head;
    io->head_count++;
}

void mf_io_buf_take(struct mf_io *io, struct mf_buf *buf)
{
    if (!buf->ptr && io->spare_count > 0)
        *buf = io->spare[--io->spare_count];
}

void mf_io_buf_give(struct mf_io *io, struct mf_buf *buf)
{
    if (!buf->ptr)
        return;
    if (io->spare_count < MF_IO_SPARES && buf->cap <= SPARE_BYTES_MAX) {
        mf_buf_clear(buf);
        io->spare[io->spare_count++] = *buf;
        *buf = MF_BUF_INIT(0);
    } else {
        mf_buf_free(buf);
    }
}

struct mf_str mf_io_date(struct mf_io *io)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != io->date_second && gmtime_r(&now.tv_sec, &tm)) {
        io->date_second = now.tv_sec;
        snprintf(io->date, sizeof io->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                 tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
    }
    return mf_str_from_c(io->date);
}
