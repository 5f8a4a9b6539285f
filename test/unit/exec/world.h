/* A store, an object store and an executor in a folder of their own; the test program is its own shim. */
#ifndef MF_TEST_WORLD_H
#define MF_TEST_WORLD_H

#include "testing.h"

#include "action/machine.h"
#include "exec/exec.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "hub/hub.h"
#include "objects/object.h"

#define WORLD_RUN 1000
#define WORLD_WAIT_S 60 /* far more than anything here takes */

struct world {
    char dir[64];
    struct mf_hub *hub;
    struct mf_store *store;
    struct mf_objects *objects;
    struct mf_exec *exec;
    struct mf_arena *arena;
    struct mf_error err;
    double cpus;
    uint32_t grace_ms;
    int64_t next_run;
};

/* What a test says about a task. */
struct world_task {
    const char *script;  /* for /bin/sh -c */
    const char *program; /* instead of a script: the only word of the command line */
    const char *parent;  /* NULL: a root, in a run of its own */
    const char *cache_key;
    int64_t run_id; /* of the parent's run */
    int32_t retries;
    int64_t timeout_s, deadline_ms, queued_timeout_ms;
    bool serializable, secret, no_container, declares_outputs, overwrite_cache;
    uint32_t max_active;
    const char *memory_limit;
};

int world_set_up(void **state);
int world_tear_down(void **state);
/* Store and object store in w->dir. */
void world_open(struct world *w);
void world_close(struct world *w);
/* An empty one that is not open; dir may be NULL. */
struct world *world_new(const char *dir);
void world_start(struct world *w);
void world_stop(struct world *w);
/* Records it; returns the run. */
int64_t world_add(struct world *w, const char *name, const struct world_task *task);
int64_t world_add_condition(struct world *w, int64_t run_id, const char *name, const char *parent,
                            int64_t timeout_ms);
/* As if a server had recorded that it starts the first attempt, and then died. */
void world_record_start(struct world *w, int64_t run_id, const char *name, int64_t pid);
void world_abort(struct world *w, int64_t run_id, const char *name);
struct mf_action_row world_row(struct world *w, int64_t run_id, const char *name);
/* Waits with a deadline. */
struct mf_action_row world_wait_phase(struct world *w, int64_t run_id, const char *name, int32_t phase);
void world_wait_file(struct world *w, const char *name);
void world_wait_no_process(struct world *w);
bool world_has_file(struct world *w, const char *name);
void world_make_file(struct world *w, const char *name);
struct mf_str world_read_file(struct world *w, const char *name);
long world_read_number(struct world *w, const char *name);
void world_wait_dead(long pid);
/* Code of the error of a row. */
void world_assert_error(struct world *w, const struct mf_action_row *row, const char *code);
struct mf_str world_error_message(struct world *w, const struct mf_action_row *row);
struct mf_str world_uri(struct world *w, int64_t run_id, const char *rest);
/* Shell text with "@" for the folder. */
const char *world_script(struct world *w, const char *script);
struct mf_process_row world_process(struct world *w);
size_t world_process_count(struct world *w);
/* All text of the log of an attempt; fails when it has not ended. */
struct mf_str world_log(struct world *w, int64_t run_id, const char *name, int32_t attempt);

#endif
