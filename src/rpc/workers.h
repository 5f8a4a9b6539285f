/*
 * The worker threads: one bounded queue of work, taken in order.
 *
 * Any thread may submit. At most one sleeping worker is being woken at a time, and a woken worker that finds
 * more than it takes wakes the next, so that a burst of short work costs few wake-ups while one slow piece
 * holds up nobody: the other workers carry on.
 */
#ifndef MF_RPC_WORKERS_H
#define MF_RPC_WORKERS_H

#include "net/loop.h"

struct mf_workers;

enum mf_code mf_workers_new(int threads, uint32_t queue_max, struct mf_workers **out, struct mf_error *err);
enum mf_code mf_workers_start(struct mf_workers *workers, struct mf_error *err);
/* False when the queue is full or the workers have been stopped. */
_Bool mf_workers_submit(struct mf_workers *workers, struct mf_work *work);
/* Like submit but not refused by a full queue: for the follow-ups of work that was let in once, whose number
 * is bounded by that. False only when stop has ended every thread. */
_Bool mf_workers_submit_again(struct mf_workers *workers, struct mf_work *work);
/* Finishes what is queued, then ends the threads. */
void mf_workers_stop(struct mf_workers *workers);
void mf_workers_free(struct mf_workers *workers); /* after stop; NULL is fine */

/* How many threads the pool has that this thread is one of; 0: it is none of any. For what blocks for long
 * and must not take them all. */
int mf_workers_here(void);

#endif
