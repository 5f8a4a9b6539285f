/*
 * What the executor keeps in memory, all of it on its loop's thread unless said otherwise, and all of it
 * rebuilt from the store after a restart. Private to exec/process.
 *
 * A task is an action that is not finished. Its stage says who has to move next:
 *
 *     DELAYED → CHECK → READY → STARTING → RUNNING → ENDING → ENDED
 *        time    cache    fair    commit     process   commit   (forgotten)
 *                  ↓ ↑    queue
 *                 HELD (someone else computes the same output)
 *
 * Work that blocks is done in steps: on a helper thread, in a command of the writer, and back on the loop.
 */
#ifndef MF_EXEC_STATE_H
#define MF_EXEC_STATE_H

#include "action/machine.h"
#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "exec/exec.h"
#include "exec/process/command.h"
#include "exec/process/demand.h"
#include "exec/process/proc.h"
#include "exec/process/verdict.h"
#include "net/loop.h"
#include "store/cache.h"

#include <limits.h>
#include <stdatomic.h>
#include <uv.h>

#define MF_EXEC_LEVELS 4        /* depths that are queued apart, deepest first */
#define MF_EXEC_TASKS_MAX 65536 /* beyond it, further queued actions wait in the store */
#define MF_EXEC_PROCESSES_MAX 4096
#define MF_EXEC_ROWS 512      /* rows of a look into the store */
#define MF_EXEC_RETRY_MS 1000 /* after the store or the disk has refused something */

enum mf_stage {
    MF_STAGE_NONE, /* conditions, and parents we know by their children only */
    MF_STAGE_DELAYED,
    MF_STAGE_CHECK,
    MF_STAGE_HELD,
    MF_STAGE_READY,
    MF_STAGE_STARTING,
    MF_STAGE_RUNNING,
    MF_STAGE_ENDING,
    MF_STAGE_ENDED,
};

struct mf_exec_run {
    int64_t id;
    struct mf_exec *exec;
    struct mf_link in_ring; /* while it has ready tasks */
    struct mf_list ready[MF_EXEC_LEVELS];
    size_t ready_count;
    size_t task_count;
    size_t processes; /* tasks from STARTING to ENDING; while there are any, the run is followed */
    size_t active;    /* those of them that do not only wait for children */
    uint32_t max_active;
    struct mf_link in_followed;
    bool followed;
    struct mf_subscription subscription;
    _Atomic bool dirty;
    int64_t seen_seq;
    int64_t revisit; /* number of a row that came while a step was in flight; 0: none */
};

/* The process of a task. Closed in the order of libuv: freed when its handles are closed. */
struct mf_process {
    struct mf_task *task; /* NULL once the task has let go of it */
    struct mf_exec *exec;
    pid_t pid; /* of the shim */
    int64_t pid_start;
    int pidfd, socket;
    bool child; /* to be reaped by us */
    uv_poll_t end, hello;
    uv_fs_event_t log;
    struct mf_timer *log_timer;
    int64_t log_at; /* when its followers were told last */
    int open_handles;
};

struct mf_task {
    struct mf_exec_run *run;
    struct mf_task *parent;
    struct mf_link in_queue; /* of ready[], checks, held, ended */
    struct mf_list *queue;
    char *name;
    char *parent_name;
    char *cache_key; /* NULL: not to be cached */
    enum mf_stage stage;
    int32_t attempt, phase, kind;
    int32_t user_retries, system_retries;
    int32_t depth;
    int64_t not_before, queued_at, running_at, created_at;
    struct mf_demand demand;
    size_t open_children;
    bool counted;    /* in the parent's open_children */
    bool known;      /* its row has been seen */
    bool gone;       /* its row is final, whatever we are doing */
    bool resume;     /* INITIALIZING, but its program never ran: may be started again as the same attempt */
    bool other_boot; /* its process was started before the machine was */
    bool reserved;   /* it holds the reservation of its cache key */
    bool charged_active;
    bool pinned;          /* in use further up the stack */
    uint32_t steps;       /* in flight */
    int32_t cache_status; /* of the attempt that is about to start; -1: not to be cached */
    int64_t charged_cpu, charged_memory;
    enum mf_expiry expiry;
    bool stopping;
    int64_t stop_deadline; /* wall clock; a shim that has not ended by then is ended itself */
    uint32_t kill_tries;   /* how often it was, or what it has left behind */
    int64_t recheck_at;    /* of a held task */
    int64_t beat_at;       /* when its reservation is extended */
    int64_t retry_at;      /* after a failed commit */
    struct mf_subscription cache_subscription;
    bool cache_subscribed;
    _Atomic bool cache_freed;
    int64_t due;
    size_t due_index; /* into the heap, from 1; 0: not in it */
    uint64_t ended_scan;
    char *work_dir;
    struct mf_process *process;
    void (*retry)(struct mf_task *task);
};

struct mf_exec {
    struct mf_exec_config config;
    struct mf_arena *arena; /* of the configuration's strings */
    struct mf_python python;
    struct mf_loop *loop;
    struct mf_map *tasks, *runs;
    struct mf_list ring;     /* runs with ready tasks */
    struct mf_list followed; /* runs with processes */
    struct mf_list checks;   /* tasks that wait for a look into the cache */
    struct mf_list held;
    struct mf_list ended;
    size_t task_count, process_count, starting, active, checking;
    int64_t cpu_total, cpu_used; /* thousandths */
    int64_t memory_total, memory_used;
    int64_t blocked_since; /* something large has been passed over since; 0: nothing */
    struct mf_task **due;
    size_t due_count, due_cap;
    struct mf_timer *due_timer;
    int64_t due_at;
    struct mf_subscription work_subscription;
    _Atomic bool wake_posted;
    struct mf_work wake;
    struct mf_work stop_work;
    struct mf_work start_work;
    int64_t seen_seq, first_seq;
    uint64_t scan; /* number of the newest look into the store */
    bool scanning, scan_again, loading, full;
    struct mf_map *demands; /* by digest of the specification; used by the look in flight only */
    size_t steps;
    size_t processes_open; /* structs not yet freed */
    bool stopping, stopped;
    bool started, subscribed, wanted_python; /* of the thread that starts and stops */
    struct mf_timer *sweep_timer, *retry_timer;
    char boot_id[MF_BOOT_ID_MAX];
    char *work_root, *log_root;
};

/* ---- steps (step.c) ---- */

struct mf_step {
    struct mf_exec *exec;
    struct mf_task *task; /* may be NULL */
    struct mf_arena *arena;
    int64_t run_id;
    struct mf_str name;
    int32_t attempt;
    enum mf_code code;
    struct mf_error err;
    uv_work_t uv;
    struct mf_work back;
    struct mf_command command;
    void (*work)(struct mf_step *step);
    void (*then)(struct mf_step *step);
    enum mf_code (*apply)(struct mf_step *step, struct mf_tx *tx, struct mf_error *err);
};

/* A step of size bytes (beginning with struct mf_step) in its own arena, with what names the task copied.
 * NULL when memory ran out. */
struct mf_step *mf_step_new(struct mf_exec *exec, struct mf_task *task, size_t size);
#define MF_STEP_NEW(exec, task, type) ((type *)mf_step_new((exec), (task), sizeof(type)))
/* work on a helper thread, which may leave code and err; then on the loop. */
void mf_step_work(struct mf_step *step, void (*work)(struct mf_step *step),
                  void (*then)(struct mf_step *step));
/* apply in a command; then on the loop, with the command's code and error. */
void mf_step_command(struct mf_step *step,
                     enum mf_code (*apply)(struct mf_step *step, struct mf_tx *tx, struct mf_error *err),
                     void (*then)(struct mf_step *step));
void mf_step_end(struct mf_step *step);

/* ---- tasks and runs (table.c) ---- */

struct mf_task *mf_exec_find(struct mf_exec *exec, int64_t run_id, struct mf_str name);
/* Finds or makes it. NULL when memory ran out. */
struct mf_task *mf_exec_task(struct mf_exec *exec, int64_t run_id, struct mf_str name);
bool mf_task_set_parent(struct mf_task *task, struct mf_str parent);
void mf_task_stage(struct mf_task *task, enum mf_stage stage);
void mf_task_queue_in(struct mf_task *task, struct mf_list *queue);
void mf_task_unqueue(struct mf_task *task);
/* The action is over: what waits for it goes on, and it is forgotten when nothing refers to it any more. */
void mf_task_ended(struct mf_task *task);
/* Frees ended tasks that no look into the store in flight can bring back. */
void mf_exec_purge(struct mf_exec *exec);
/* Stops following a run that has no processes. */
void mf_run_unfollow(struct mf_exec_run *run);
void mf_exec_free_tables(struct mf_exec *exec);
bool mf_task_holds_process(const struct mf_task *task);

/* ---- deadlines (due.c) ---- */

/* Puts the task's nearest deadline into the heap. */
void mf_task_due(struct mf_task *task);
void mf_task_undue(struct mf_task *task);
/* Sets the timer by the head of the heap. */
void mf_exec_due_timer(struct mf_exec *exec);

/* ---- the queue (admit.c) ---- */

/* Where a queued task goes next: DELAYED, CHECK or READY. */
void mf_task_enqueue(struct mf_task *task);
void mf_task_ready(struct mf_task *task);
/* Brings what the task is charged in line with its stage and its children. */
void mf_task_account(struct mf_task *task);
void mf_exec_admit(struct mf_exec *exec);

/* ---- the stages ---- */

void mf_exec_look(struct mf_exec *exec); /* look.c: into the store for what has changed */
void mf_exec_look_later(struct mf_exec *exec, bool now, bool later); /* look.c */
void mf_exec_check_next(struct mf_exec *exec);   /* cached.c: the next look into the cache */
void mf_exec_wake_held(struct mf_exec *exec);    /* cached.c: those whose key was given free */
void mf_task_beat(struct mf_task *task);         /* cached.c: extends the reservation */
void mf_task_release(struct mf_task *task);      /* cached.c: gives it back */
void mf_task_unfollow_key(struct mf_task *task); /* cached.c */
void mf_task_start(struct mf_task *task);        /* start.c: READY → RUNNING */
bool mf_task_watch(struct mf_task *task, pid_t pid, int64_t pid_start, int socket, bool child); /* watch.c */
void mf_task_unwatch(struct mf_task *task);                                                     /* watch.c */
void mf_task_stop(struct mf_task *task);      /* watch.c: SIGTERM to the shim */
void mf_task_kill_shim(struct mf_task *task); /* watch.c */
/* unended.c: one more try to end an attempt has not, why is for people. Shown with the abort until it has. */
void mf_task_unended(struct mf_task *task, const char *why);
/* When to try next: later each time, but never not at all. */
int64_t mf_task_kill_delay_ns(const struct mf_task *task);
void mf_task_process_ended(struct mf_task *task); /* end.c: RUNNING → ENDED or queued again */
void mf_task_expire(struct mf_task *task, enum mf_expiry expiry); /* end.c: not running: TIMED_OUT */
void mf_task_fault(struct mf_task *task, const char *code, const char *message); /* end.c */
/* end.c: SUCCEEDED without running. metadata: of the cache entry. */
void mf_task_cached(struct mf_task *task, struct mf_str output_uri, struct mf_str metadata);
void mf_task_started(struct mf_task *task);     /* tell.c: its program runs */
void mf_task_log_changed(struct mf_task *task); /* watch.c */
void mf_exec_load(struct mf_exec *exec);        /* adopt.c: what ran before the start */
void mf_exec_sweep(struct mf_exec *exec);       /* sweep.c: old work folders */
void mf_exec_remove_work_dir(struct mf_exec *exec, const char *work_dir); /* sweep.c */
void mf_exec_stop_maybe(struct mf_exec *exec); /* exec.c: ends the loop when nothing is in flight */
void mf_exec_wake(struct mf_exec *exec);       /* exec.c: any thread */

enum mf_code mf_exec_key(struct mf_arena *arena, const struct mf_exec *exec, int64_t run_id,
                         struct mf_str name, int32_t attempt, const char **work_dir,
                         struct mf_error *err);                   /* start.c */
void mf_task_watch_log(struct mf_task *task, const char *folder); /* watch.c */
bool mf_exec_overwrites(const struct pb_task_RunSpec *spec);      /* cached.c */
struct mf_cache_key mf_exec_cache_key(const struct pb_task_RunSpec *spec,
                                      const struct mf_action_row *row);                     /* cached.c */
struct mf_str mf_exec_cache_owner(struct mf_arena *arena, const struct mf_action_row *row); /* cached.c */
/* Reads what belongs to an action, on a helper thread. template is NULL for a condition. */
struct mf_exec_rows {
    struct mf_action_row action;
    struct mf_run_row run;
    const struct pb_task_RunSpec *run_spec;
    const struct pb_core_TaskTemplate *template;
};
enum mf_code mf_exec_read(struct mf_step *step, struct mf_exec_rows *out, struct mf_error *err); /* step.c */
const char *mf_exec_log_path(struct mf_arena *arena, const struct mf_exec *exec, const struct mf_run_row *run,
                             struct mf_str action, int32_t attempt, struct mf_error *err); /* step.c */

#endif
