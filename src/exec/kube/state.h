/*
 * What the mirror keeps in memory, on its loop's thread unless said otherwise. Private to exec/kube.
 *
 * A twin is an action and its resource in a cluster. It is settled (settle.c) whenever something about either
 * has changed and nothing is in flight for it: what both say decides what is to be done next.
 */
#ifndef MF_EXEC_KUBE_STATE_H
#define MF_EXEC_KUBE_STATE_H

#include "action/machine.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "exec/kube/mirror.h"
#include "exec/kube/task_action.h"
#include "kube/client.h"
#include "kube/watch.h"
#include "net/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#define MF_TWINS_MAX 200000 /* beyond it, further queued actions wait in the store */
#define MF_MIRROR_ROWS 512  /* rows of a look into the store */
#define MF_MIRROR_RETRY_MS 1000
#define MF_UID_MAX 48
#define MF_STRAGGLER 2 /* a resource that has been asked to go so often again */

enum mf_there {
    MF_THERE_NOT,      /* no resource */
    MF_THERE_YES,      /* as far as we know */
    MF_THERE_REMOVING, /* it was asked to go, and the cluster has not said that it has */
};

/* What the machine has been told of a twin, or is to be told. */
struct mf_said {
    int32_t attempt, phase, cache_status;
};

struct mf_mirror_cluster {
    struct mf_mirror *mirror;
    struct mf_kube *kube;
    struct mf_kube_watch *watch;
    uint32_t list; /* number of the newest list */
    bool synced;   /* a list was complete once, so that what it has not named is not there */
    bool well;
    uint32_t failures;     /* of requests, in a row */
    int64_t blocked_until; /* no request before; 0: now */
};

struct mf_mirror_run {
    int64_t id, created_at; /* created_at: 0 until it is known */
    struct mf_mirror *mirror;
    struct mf_mirror_cluster *cluster;
    size_t twin_count;
    struct mf_list ready; /* twins that are to be created */
    struct mf_link in_ring;
    bool placed; /* something of it is, or was, in its cluster */
    bool followed;
    struct mf_subscription subscription;
    int64_t seen_seq;
    struct mf_mirror_run *next_dirty; /* guarded by the mirror's lock, as is dirty */
    bool dirty;
};

struct mf_twin {
    struct mf_mirror_run *run;
    struct mf_link in_queue;
    struct mf_list *queue; /* run->ready or mirror->removals; NULL: in none */
    char *name, *parent;   /* parent: NULL for a root */
    int32_t kind, attempt, phase;
    int64_t expires_at; /* a deadline of the row; 0: none */
    int32_t expiry;     /* which (enum mf_expiry) */
    bool known;         /* its row was seen */
    bool over;          /* its row is final */
    bool finished;      /* its resource is */
    bool owned;         /* its resource is, by that of its parent */
    bool busy;          /* a request or a command is in flight */
    enum mf_there there;
    bool asked;           /* to go, by us */
    uint32_t asked_again; /* so often, since it has not gone */
    char uid[MF_UID_MAX];
    int32_t first_attempt, last_attempt; /* of the resource */
    uint32_t list;                       /* that has named it, or after which it was created */
    uint32_t tries;
    int64_t retry_at;   /* of what has failed; 0: at once */
    int64_t removal_at; /* of a finished resource, or of one that does not go; 0: none */
    struct mf_said said;
    struct mf_report *report; /* that waits; NULL: none */
    int64_t due;
    size_t due_index; /* into the heap, from 1; 0: not in it */
};

struct mf_mirror {
    struct mf_mirror_config config;
    struct mf_arena *arena; /* of the configuration's texts */
    struct mf_loop *loop;
    struct mf_mirror_cluster *clusters;
    struct mf_map *twins, *runs;
    struct mf_list ring;     /* runs with ready twins */
    struct mf_list removals; /* twins whose resource is to go */
    size_t twin_count;
    uint32_t requests; /* in flight */
    int64_t tokens_ns; /* creations that may begin, each is worth a second over the rate */
    int64_t tokens_at;
    struct mf_twin **due;
    size_t due_count, due_cap;
    struct mf_timer *due_timer, *pump_timer, *retry_timer;
    int64_t due_at;
    struct mf_subscription work_subscription;
    struct mf_work wake, stop_work, start_work;
    _Atomic bool wake_posted;
    int64_t seen_seq;
    bool full; /* what is queued beyond MF_TWINS_MAX waits in the store */
    bool looking, look_again, loaded, stopping, stopped;
    bool started, subscribed; /* of the thread that starts and stops */
    size_t unsynced;          /* clusters that have not told yet what they have */
    size_t steps, watches;    /* that are to end before the loop does */
    struct mf_list strays;    /* resources without a twin (stray.c) */
    bool sorting;
    pthread_mutex_t lock;
    struct mf_mirror_run *dirty; /* guarded by lock */
    _Atomic uint64_t created, removed, failed;
    _Atomic size_t shown_twins, unreachable, stragglers;
};

/* ---- twins (twin.c) ---- */

struct mf_twin *mf_twin_find(struct mf_mirror *mirror, int64_t run_id, struct mf_str name);
/* Finds or makes it, and its run. NULL when memory ran out. */
struct mf_twin *mf_twin_get(struct mf_mirror *mirror, int64_t run_id, struct mf_str name);
void mf_twin_forget(struct mf_twin *twin);
void mf_twin_queue(struct mf_twin *twin, struct mf_list *queue);
void mf_twin_unqueue(struct mf_twin *twin);
void mf_twin_is_gone(struct mf_twin *twin);       /* its resource is */
bool mf_mirror_follow(struct mf_mirror_run *run); /* of its changes in the store */
void mf_mirror_free_tables(struct mf_mirror *mirror);

/* ---- deadlines (due.c) ---- */

void mf_twin_due(struct mf_twin *twin); /* puts its nearest time into the heap */
void mf_twin_undue(struct mf_twin *twin);

/* ---- what is to be done (settle.c) ---- */

void mf_twin_settle(struct mf_twin *twin); /* may free it */
/* Requests that may begin now do. */
void mf_mirror_pump(struct mf_mirror *mirror);
int64_t mf_twin_backoff_ns(const struct mf_twin *twin);

/* ---- requests (create.c, remove.c) ---- */

void mf_twin_create(struct mf_twin *twin);
void mf_twin_remove(struct mf_twin *twin);
/* After a request: whether the cluster answers. */
void mf_cluster_heard(struct mf_mirror_cluster *cluster, enum mf_code code);

/* ---- telling the machine (report.c) ---- */

/* What the status of its resource says. */
void mf_twin_report(struct mf_twin *twin, const struct mf_task_action *resource);
/* The action ends with an error of the user's or the system's that no attempt mends. */
void mf_twin_fault(struct mf_twin *twin, int32_t phase, const char *code, const char *message, bool system);
/* Its resource was deleted by others. */
void mf_twin_lost(struct mf_twin *twin, const char *why);
void mf_twin_waits(struct mf_twin *twin); /* WAITING_FOR_RESOURCES */
/* Tells what waits. False: nothing does. */
bool mf_twin_tell(struct mf_twin *twin);
void mf_report_free(struct mf_report *report);

/* ---- following (follow.c, stray.c, look.c) ---- */

enum mf_code mf_cluster_watch(struct mf_mirror_cluster *cluster, struct mf_error *err);
/* A resource of this state belongs to the twin. */
void mf_twin_is_there(struct mf_twin *twin, const struct mf_task_action *resource);
void mf_mirror_stray(struct mf_mirror_cluster *cluster, const struct mf_task_action *resource);
void mf_mirror_sort_strays(struct mf_mirror *mirror);
void mf_mirror_free_strays(struct mf_mirror *mirror);
void mf_mirror_look(struct mf_mirror *mirror);
struct mf_look_found {
    struct mf_action_row row;
    int64_t run_created_at;
    struct mf_str cluster; /* that the run asks for */
    int64_t expires_at;
    int32_t expiry;
};
/* On a helper thread: fills what is not the row. */
enum mf_code mf_mirror_read_found(struct mf_db *db, struct mf_arena *arena, struct mf_look_found *found,
                                  struct mf_error *err);
bool mf_mirror_take(struct mf_mirror *mirror, const struct mf_look_found *found); /* false: no memory */
void mf_mirror_look_later(struct mf_mirror *mirror);

/* ---- steps (step.c) ---- */

/* Work that blocks goes to a helper thread or the writer, and comes back to the loop. */
struct mf_mirror_step {
    struct mf_mirror *mirror;
    struct mf_twin *twin; /* may be NULL; busy meanwhile, so that it stays */
    struct mf_arena *arena;
    enum mf_code code;
    struct mf_error err;
    uv_work_t uv;
    struct mf_work back;
    struct mf_command command;
    void (*work)(struct mf_mirror_step *step);
    void (*then)(struct mf_mirror_step *step);
    enum mf_code (*apply)(struct mf_mirror_step *step, struct mf_tx *tx, struct mf_error *err);
};
/* A step of size bytes that begins with struct mf_mirror_step, in its own arena; NULL without memory. */
struct mf_mirror_step *mf_mirror_step_new(struct mf_mirror *mirror, struct mf_twin *twin, size_t size);
void mf_mirror_step_work(struct mf_mirror_step *step, void (*work)(struct mf_mirror_step *step),
                         void (*then)(struct mf_mirror_step *step));
void mf_mirror_step_command(struct mf_mirror_step *step,
                            enum mf_code (*apply)(struct mf_mirror_step *step, struct mf_tx *tx,
                                                  struct mf_error *err),
                            void (*then)(struct mf_mirror_step *step));
/* Frees it; its twin is no longer busy, but not settled. */
void mf_mirror_step_end(struct mf_mirror_step *step);
void mf_mirror_stop_maybe(struct mf_mirror *mirror); /* mirror.c */
void mf_mirror_wake(struct mf_mirror *mirror);       /* mirror.c; any thread */

#endif
