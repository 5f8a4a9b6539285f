#include "schedule/fire.h"

#include "action/machine.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "run/make.h"
#include "schedule/name.h"
#include "trigger/change.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOT MF_STR("a0")

struct mf_firer {
    struct mf_firer_config config;
    struct mf_engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    size_t jobs;            /* on their way */
    struct mf_map *follows; /* struct follow, by the bytes of the schedule's id */
};

/* The runs of one step, or of a part of a backfill, on their way. Lives in its arena. */
struct job {
    struct mf_command command;
    struct mf_firer *firer;
    struct mf_arena *arena;
    struct mf_step_work *work;    /* of a step, or */
    struct mf_backfill *backfill; /* of a backfill: its items from first on */
    size_t first;
    struct mf_schedule_row row; /* as it was read before */
    struct mf_run_make *makes[MF_PLAN_ITEMS];
    struct mf_backfill_item made[MF_PLAN_ITEMS]; /* of a backfill, until the commit */
    size_t count;
    /* Large inputs are written before the command. */
    atomic_size_t writes; /* not done yet, and one for whoever begins them */
    enum mf_code code;    /* of the first that failed; under the firer's lock */
    struct mf_error err;
};

static struct job *begin_job(struct mf_firer *firer, struct mf_error *err)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct job *job = arena ? MF_NEW(arena, struct job) : NULL;
    if (!job) {
        mf_arena_free(arena);
        (void)mf_fail_memory(err);
        return NULL;
    }
    job->firer = firer;
    job->arena = arena;
    pthread_mutex_lock(&firer->lock);
    firer->jobs++;
    pthread_mutex_unlock(&firer->lock);
    return job;
}

/* The last that may be done with the firer: whoever stops it waits for this. */
static void end_job(struct mf_firer *firer)
{
    pthread_mutex_lock(&firer->lock);
    if (--firer->jobs == 0)
        pthread_cond_broadcast(&firer->idle);
    pthread_mutex_unlock(&firer->lock);
}

/* ---- following a run, on the writer's thread ---- */

/* One schedule whose buffered due time waits for the end of a run. */
struct follow {
    struct mf_subscription subscription;
    struct mf_firer *firer;
    int64_t schedule_id;
    int64_t run_id; /* 0: not yet */
};

static struct mf_str key_of(const int64_t *schedule_id)
{
    return mf_str_make((const char *)schedule_id, sizeof *schedule_id);
}

static void on_change(struct mf_subscription *subscription)
{
    const struct follow *follow = MF_CONTAINER(subscription, struct follow, subscription);
    mf_engine_poke(follow->firer->engine, follow->schedule_id);
}

static void free_follow(void *value)
{
    struct follow *follow = value;
    mf_hub_unsubscribe(mf_store_hub(follow->firer->config.store), &follow->subscription);
    free(follow);
}

/* Before the commit, so that no due time is left waiting for want of memory. */
static enum mf_code reserve_follow(struct mf_firer *firer, int64_t schedule_id, struct mf_error *err)
{
    struct follow *follow = mf_map_get(firer->follows, key_of(&schedule_id));
    if (follow)
        return MF_OK;
    follow = calloc(1, sizeof *follow);
    if (!follow)
        return mf_fail_memory(err);
    *follow = (struct follow){.firer = firer, .schedule_id = schedule_id};
    if (mf_map_put(firer->follows, key_of(&schedule_id), follow, NULL))
        return MF_OK;
    free(follow);
    return mf_fail_memory(err);
}

/* The run may have ended between the step and the subscription, so the engine looks once more. */
static void update_follow(struct mf_firer *firer, int64_t schedule_id, const struct mf_step_result *result)
{
    struct mf_hub *hub = mf_store_hub(firer->config.store);
    struct follow *follow = mf_map_get(firer->follows, key_of(&schedule_id));
    if (!follow)
        return;
    if (result->state.buffered_at == 0) {
        mf_map_remove(firer->follows, key_of(&schedule_id));
        free_follow(follow);
    } else if (result->follow_run != 0 && result->follow_run != follow->run_id) {
        const struct mf_topic topic = {
            .kind = MF_TOPIC_ACTION, .run_id = result->follow_run, .hash = mf_topic_hash(ROOT)};
        mf_hub_unsubscribe(hub, &follow->subscription);
        follow->run_id = result->follow_run;
        mf_hub_subscribe(hub, &follow->subscription, topic, on_change);
        mf_engine_poke(firer->engine, schedule_id);
    }
}

/* ---- preparing runs, where disk may be read ---- */

/* What CreateRun would be asked for. */
struct request {
    struct pb_common_RunIdentifier id;
    struct pb_common_TriggerName trigger;
    struct pb_google_protobuf_Timestamp start;
    struct pb_workflow_CreateRunRequest message;
    char name[MF_FIRE_NAME_MAX];
};

static struct pb_workflow_CreateRunRequest *request_of(const struct job *job, int64_t due_at)
{
    const struct mf_trigger_key *key = &job->row.key;
    struct request *request = MF_NEW(job->arena, struct request);
    if (!request)
        return NULL;
    size_t length = mf_fire_name(key, due_at, request->name);
    request->id = (struct pb_common_RunIdentifier){
        .project = key->project, .domain = key->domain, .name = mf_str_make(request->name, length)};
    request->trigger = (struct pb_common_TriggerName){
        .project = key->project, .domain = key->domain, .task_name = key->task_name, .name = key->name};
    request->start.seconds = due_at / MF_SECOND_NS;
    request->start.nanos = (int32_t)(due_at % MF_SECOND_NS);
    request->message = (struct pb_workflow_CreateRunRequest){
        .id_case = pb_workflow_CreateRunRequest_tag_run_id,
        .id.run_id = &request->id,
        .task_case = pb_workflow_CreateRunRequest_tag_trigger_name,
        .task.trigger_name = &request->trigger,
        .run_start_time = &request->start,
        .source = pb_workflow_RUN_SOURCE_SCHEDULE_TRIGGER,
    };
    return &request->message;
}

/* Adds the run of a due time to the job, whose row was read. */
static enum mf_code add_run(struct job *job, struct mf_db *db, int64_t due_at, struct mf_error *err)
{
    const struct mf_run_make_input input = {
        .runs = job->firer->config.runs,
        .arena = job->arena,
        .db = db,
        .request = request_of(job, due_at),
        .carrier = MF_CARRIER_HERE,
        .by_deployer = true,
        .existing_is_any = true,
    };
    bool exists = false;
    enum mf_code code = input.request ? mf_run_make_prepare(&input, &job->makes[job->count], &exists, err)
                                      : mf_fail_memory(err);
    job->count += code == MF_OK;
    return code;
}

/* Hands the job to the writer. The last of those that it has waited for comes here. */
static void go_on(struct job *job)
{
    if (atomic_fetch_sub(&job->writes, 1) > 1)
        return;
    if (job->code == MF_OK)
        mf_writer_submit(mf_store_writer(job->firer->config.store), &job->command);
    else
        job->command.done(&job->command, job->code, &job->err);
}

static void on_written(void *ctx, enum mf_code code, const struct mf_error *err)
{
    struct job *job = ctx;
    pthread_mutex_lock(&job->firer->lock);
    if (code != MF_OK && job->code == MF_OK) {
        job->code = code;
        job->err = *err;
    }
    pthread_mutex_unlock(&job->firer->lock);
    go_on(job);
}

static void submit(struct job *job)
{
    atomic_store(&job->writes, 1);
    for (size_t i = 0; i < job->count; i++) {
        if (!mf_run_make_needs_write(job->makes[i]))
            continue;
        atomic_fetch_add(&job->writes, 1);
        mf_run_make_write(job->makes[i], on_written, job);
    }
    go_on(job);
}

/* ---- what a step does to the store, inside its transaction ---- */

struct world {
    struct job *job;
    struct mf_tx *tx;
};

static bool take_first(void *ctx, const struct mf_fire_row *fire)
{
    *(int64_t *)ctx = fire->run_id;
    return false;
}

static enum mf_code open_run(void *ctx, struct mf_schedule_row *row, int64_t *run_id, struct mf_error *err)
{
    const struct world *world = ctx;
    *run_id = 0;
    return mf_fire_open(mf_tx_db(world->tx), row->id, &row->state.settled_at, take_first, run_id, err);
}

static bool take_any(void *ctx, const struct mf_fire_row *fire)
{
    bool *there = ctx;
    (void)fire;
    *there = true;
    return false;
}

static enum mf_code has_fire(void *ctx, const struct mf_schedule_row *row, int64_t due_at, bool *there,
                             struct mf_error *err)
{
    const struct world *world = ctx;
    *there = false;
    return mf_fire_list(mf_tx_db(world->tx), row->id, due_at, due_at, take_any, there, err);
}

struct open_runs {
    int64_t ids[MF_FIRE_LOOK];
    size_t count;
};

static bool take_one(void *ctx, const struct mf_fire_row *fire)
{
    struct open_runs *open = ctx;
    open->ids[open->count++] = fire->run_id;
    return open->count < MF_FIRE_LOOK;
}

/* The due time that is being decided: the first that is not. */
static int64_t due_now(const struct job *job, const struct mf_schedule_row *row)
{
    const struct mf_plan *plan = &job->work->step.plan;
    size_t i = plan->first_is_buffered ? 1 : 0;
    while (i + 1 < plan->item_count && plan->items[i] <= row->state.cursor_at)
        i++;
    return plan->items[i];
}

static enum mf_code abort_open(void *ctx, struct mf_schedule_row *row, struct mf_error *err)
{
    const struct world *world = ctx;
    struct mf_arena *arena = mf_tx_arena(world->tx);
    struct open_runs *open = MF_NEW(arena, struct open_runs);
    struct mf_str time = mf_time_rfc3339(arena, due_now(world->job, row), true);
    struct mf_str reason =
        mf_str_printf(arena, "cancelled by its schedule: the run of %.*s is due", MF_FMT(time));
    if (!open || !time.ptr || !reason.ptr)
        return mf_fail_memory(err);
    enum mf_code code =
        mf_fire_open(mf_tx_db(world->tx), row->id, &row->state.settled_at, take_one, open, err);
    for (size_t i = 0; code == MF_OK && i < open->count; i++) {
        int64_t changed = 0;
        code = mf_action_abort(world->tx, open->ids[i], ROOT, reason, MF_STR_EMPTY, &changed, err);
    }
    return code;
}

static enum mf_code failures(void *ctx, const struct mf_schedule_row *row, uint32_t limit, uint32_t *count,
                             struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_fire_failures(mf_tx_db(world->tx), row->id, row->baseline_at, limit, count, err);
}

static enum mf_code make_run(void *ctx, const struct mf_schedule_row *row, size_t item, int64_t *run_id,
                             bool *existed, struct mf_error *err)
{
    const struct world *world = ctx;
    (void)row;
    return mf_run_make_apply(world->job->makes[item], world->tx, existed, run_id, err);
}

static enum mf_code put_fire(void *ctx, const struct mf_fire_row *fire, struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_fire_put(mf_tx_db(world->tx), fire, err);
}

static enum mf_code put_gap(void *ctx, const struct mf_gap_row *gap, struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_gap_put(mf_tx_db(world->tx), gap, err);
}

static enum mf_code cut_gaps(void *ctx, int64_t schedule_id, int64_t after, struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_gap_cut(mf_tx_db(world->tx), schedule_id, after, err);
}

static enum mf_code pause_trigger(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_trigger_switch(world->tx, &row->key, false, MF_STR_EMPTY, err);
}

static enum mf_code move(void *ctx, const struct mf_schedule_row *row, struct mf_error *err)
{
    const struct world *world = ctx;
    return mf_schedule_move(mf_tx_db(world->tx), row->id, &row->state, err);
}

static const struct mf_step_ops ops = {
    .open_run = open_run,
    .has_fire = has_fire,
    .abort_open = abort_open,
    .failures = failures,
    .make_run = make_run,
    .put_fire = put_fire,
    .put_gap = put_gap,
    .cut_gaps = cut_gaps,
    .pause = pause_trigger,
    .move = move,
};

/* ---- a step ---- */

static void name_trigger(struct mf_step_work *work, const struct mf_trigger_key *key)
{
    snprintf(work->trigger, sizeof work->trigger, "%.*s/%.*s/%.*s/%.*s", MF_FMT(key->project),
             MF_FMT(key->domain), MF_FMT(key->task_name), MF_FMT(key->name));
}

static enum mf_code apply_step(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct job *job = MF_CONTAINER(command, struct job, command);
    struct world world = {job, tx};
    const struct mf_step *step = &job->work->step;
    struct mf_step_result *result = &job->work->result;
    struct mf_schedule_row row;
    struct mf_policy policy;
    enum mf_code code = mf_schedule_get(mf_tx_db(tx), mf_tx_arena(tx), step->schedule_id, &row, err);
    if (code == MF_OK)
        name_trigger(job->work, &row.key);
    if (code == MF_OK)
        code = mf_policy_parse(row.policy, &policy, err);
    if (code == MF_OK)
        code = mf_step_apply(&ops, &world, step, &row, &policy, mf_tx_now_ns(tx), result, err);
    if (code == MF_OK && result->follow_run != 0)
        code = reserve_follow(job->firer, step->schedule_id, err);
    return code;
}

static void finish_step(struct job *job, enum mf_code code, const struct mf_error *err)
{
    struct mf_firer *firer = job->firer;
    struct mf_step_work *work = job->work;
    struct mf_error kept = code == MF_OK ? (struct mf_error){0} : *err;
    mf_arena_free(job->arena);
    mf_engine_done(firer->engine, work, code, &kept);
    end_job(firer);
}

static void done_step(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct job *job = MF_CONTAINER(command, struct job, command);
    if (code == MF_OK)
        update_follow(job->firer, job->work->step.schedule_id, &job->work->result);
    finish_step(job, code, err);
}

/* Of one snapshot, so that what is made fits the row that was looked at. */
static enum mf_code prepare_step(struct job *job, struct mf_db *db, struct mf_error *err)
{
    const struct mf_step *step = &job->work->step;
    struct mf_step_result *result = &job->work->result;
    struct mf_schedule_row *row = &job->row;
    enum mf_code code = mf_schedule_get(db, job->arena, step->schedule_id, row, err);
    if (code != MF_OK)
        return code;
    name_trigger(job->work, &row->key);
    *result = (struct mf_step_result){
        .stale = !row->active || row->seq != step->seq,
        .seq = row->seq,
        .state = row->state,
        .active = row->active,
    };
    result->state.error = MF_STR_EMPTY;
    for (size_t i = 0; code == MF_OK && !result->stale && i < step->plan.item_count; i++)
        code = add_run(job, db, step->plan.items[i], err);
    return code;
}

static enum mf_code with_snapshot(struct job *job,
                                  enum mf_code (*prepare)(struct job *job, struct mf_db *db,
                                                          struct mf_error *err),
                                  struct mf_error *err)
{
    struct mf_store *store = job->firer->config.store;
    struct mf_db *db = NULL;
    enum mf_code code = mf_store_reader(store, &db, err);
    if (code != MF_OK)
        return code;
    code = mf_db_snapshot_begin(db, err);
    if (code == MF_OK) {
        code = prepare(job, db, err);
        mf_db_snapshot_end(db);
    }
    mf_store_reader_done(store, db);
    return code;
}

void mf_firer_carry_out(struct mf_firer *firer, struct mf_step_work *work)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    struct job *job = begin_job(firer, &err);
    if (!job) {
        mf_engine_done(firer->engine, work, MF_RESOURCE_EXHAUSTED, &err);
        return;
    }
    job->work = work;
    job->command = (struct mf_command){.apply = apply_step, .done = done_step};
    work->result = (struct mf_step_result){0};
    if (work->step.plan.kind == MF_PLAN_FIRE)
        code = with_snapshot(job, prepare_step, &err);
    if (code != MF_OK || work->result.stale)
        finish_step(job, code, &err);
    else
        submit(job);
}

/* ---- a backfill ---- */

/* One of those that are busy with the backfill is through; the last of them tells. */
static void backfill_part_done(struct mf_firer *firer, struct mf_backfill *backfill, enum mf_code code,
                               const struct mf_error *err)
{
    pthread_mutex_lock(&firer->lock);
    if (code != MF_OK && backfill->code == MF_OK) {
        backfill->code = code;
        backfill->err = *err;
    }
    bool last = --backfill->left == 0;
    pthread_mutex_unlock(&firer->lock);
    if (last)
        backfill->done(backfill, backfill->code, &backfill->err);
}

static enum mf_code apply_part(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct job *job = MF_CONTAINER(command, struct job, command);
    enum mf_code code = MF_OK;
    for (size_t i = 0; code == MF_OK && i < job->count; i++) {
        struct mf_backfill_item *made = &job->made[i];
        struct mf_fire_row fire = {.schedule_id = job->row.id, .due_at = made->due_at};
        code = mf_run_make_apply(job->makes[i], tx, &made->existed, &made->run_id, err);
        if (code != MF_OK)
            break;
        fire.run_id = made->run_id;
        fire.kind = made->existed ? MF_FIRE_FOUND : MF_FIRE_BACKFILL;
        fire.fired_at = mf_tx_now_ns(tx);
        code = mf_fire_put(mf_tx_db(tx), &fire, err);
    }
    return code;
}

static void done_part(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct job *job = MF_CONTAINER(command, struct job, command);
    struct mf_firer *firer = job->firer;
    for (size_t i = 0; code == MF_OK && i < job->count; i++)
        job->backfill->items[job->first + i] = job->made[i];
    backfill_part_done(firer, job->backfill, code, err);
    mf_arena_free(job->arena);
    end_job(firer);
}

static enum mf_code prepare_part(struct job *job, struct mf_db *db, struct mf_error *err)
{
    struct mf_backfill *backfill = job->backfill;
    struct mf_trigger_row trigger;
    bool found = false;
    enum mf_code code = mf_trigger_get(db, job->arena, &backfill->key, &trigger, err);
    if (code == MF_OK)
        code = mf_schedule_find(db, job->arena, &backfill->key, &job->row, &found, err);
    if (code == MF_OK && !found)
        code = mf_fail(err, MF_FAILED_PRECONDITION,
                       "trigger %.*s never had a schedule: there is nothing to fill in",
                       MF_FMT(backfill->key.name));
    for (size_t i = job->first; code == MF_OK && i < backfill->count && job->count < MF_PLAN_ITEMS; i++) {
        job->made[job->count] = (struct mf_backfill_item){.due_at = backfill->items[i].due_at};
        code = add_run(job, db, backfill->items[i].due_at, err);
    }
    return code;
}

/* Sends the items from first on, as many as go together; *next: the one behind them. */
static enum mf_code begin_part(struct mf_firer *firer, struct mf_backfill *backfill, size_t first,
                               size_t *next, struct mf_error *err)
{
    struct job *job = begin_job(firer, err);
    if (!job)
        return MF_RESOURCE_EXHAUSTED;
    job->backfill = backfill;
    job->first = first;
    job->command = (struct mf_command){.apply = apply_part, .done = done_part};
    enum mf_code code = with_snapshot(job, prepare_part, err);
    if (code != MF_OK) {
        mf_arena_free(job->arena);
        end_job(firer);
        return code;
    }
    *next = first + job->count;
    pthread_mutex_lock(&firer->lock);
    backfill->left++;
    pthread_mutex_unlock(&firer->lock);
    submit(job);
    return MF_OK;
}

void mf_firer_backfill(struct mf_firer *firer, struct mf_backfill *backfill)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    size_t next = 0;
    for (size_t i = 0; i < backfill->count; i++) {
        backfill->items[i].run_id = 0;
        backfill->items[i].existed = false;
    }
    backfill->left = 1;
    backfill->code = MF_OK;
    if (backfill->count > MF_BACKFILL_MAX)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "at most %d due times can be filled in at once",
                       MF_BACKFILL_MAX);
    while (code == MF_OK && next < backfill->count)
        code = begin_part(firer, backfill, next, &next, &err);
    backfill_part_done(firer, backfill, code, &err);
}

/* ---- start and stop ---- */

enum mf_code mf_firer_new(const struct mf_firer_config *config, struct mf_firer **out, struct mf_error *err)
{
    struct mf_firer *firer = calloc(1, sizeof *firer);
    uint64_t seed = 0;
    if (!firer)
        return mf_fail_memory(err);
    config->sys->random(config->sys->ctx, &seed, sizeof seed);
    firer->config = *config;
    firer->follows = mf_map_new(seed);
    if (!firer->follows) {
        free(firer);
        return mf_fail_memory(err);
    }
    pthread_mutex_init(&firer->lock, NULL);
    pthread_cond_init(&firer->idle, NULL);
    *out = firer;
    return MF_OK;
}

void mf_firer_bind(struct mf_firer *firer, struct mf_engine *engine)
{
    firer->engine = engine;
}

void mf_firer_stop(struct mf_firer *firer)
{
    pthread_mutex_lock(&firer->lock);
    while (firer->jobs > 0)
        pthread_cond_wait(&firer->idle, &firer->lock);
    pthread_mutex_unlock(&firer->lock);
    mf_map_free(firer->follows, free_follow);
    firer->follows = NULL;
}

void mf_firer_free(struct mf_firer *firer)
{
    if (!firer)
        return;
    mf_map_free(firer->follows, free_follow);
    pthread_mutex_destroy(&firer->lock);
    pthread_cond_destroy(&firer->idle);
    free(firer);
}
