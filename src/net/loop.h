/*
 * One event loop (libuv) on one thread. Other threads hand it work through a queue; posted work runs in the
 * order of posting, many pieces per wake-up.
 */
#ifndef MF_NET_LOOP_H
#define MF_NET_LOOP_H

#include "base/status.h"

#include <stdint.h>

struct mf_loop;
struct mf_timer;
struct uv_loop_s;

/* Embedded in the caller's object; must stay alive until fn has run. Never allocates, never fails. */
struct mf_work {
    struct mf_work *next;
    void (*fn)(struct mf_work *work);
};

enum mf_code mf_loop_new(struct mf_loop **out, struct mf_error *err);
/* Runs on the calling thread until mf_loop_stop; or starts a thread of its own for it. */
enum mf_code mf_loop_start(struct mf_loop *loop, const char *thread_name, struct mf_error *err);
void mf_loop_stop(struct mf_loop *loop); /* any thread */
void mf_loop_join(struct mf_loop *loop); /* waits for the thread of mf_loop_start */
void mf_loop_free(struct mf_loop *loop); /* after join */

/* Any thread. After mf_loop_stop the work still runs once, before the loop's thread ends. */
void mf_loop_post(struct mf_loop *loop, struct mf_work *work);
/* The caller is on the loop's thread. */
_Bool mf_loop_is_current(const struct mf_loop *loop);
struct uv_loop_s *mf_loop_uv(struct mf_loop *loop);
/* Counts the turns of the loop; readyz looks whether it moves. Any thread. A heartbeat timer turns it every
 * second. */
uint64_t mf_loop_turns(const struct mf_loop *loop);

/* Timers; loop thread only. fn runs once after ms milliseconds, or every ms when repeat. */
struct mf_timer *mf_timer_start(struct mf_loop *loop, uint64_t ms, _Bool repeat, void (*fn)(void *ctx),
                                void *ctx);
void mf_timer_stop(struct mf_timer *timer); /* NULL is fine; not needed after a one-shot has fired */

#endif
