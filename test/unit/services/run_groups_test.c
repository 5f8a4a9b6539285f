/* Groups that are kept up to date by what changes, against groups that are read anew at each moment. */
#include "story.h"

#include "run/groups.h"

#define RUNS_MAX 160
#define ROUNDS 60
#define TASKS 5

/* What a client knows that has taken in everything it was sent. */
struct client {
    struct mf_groups_config config;
    struct mf_groups *groups;
    struct {
        char name[16];
        struct mf_group group; /* its texts are not kept */
        char recent[MF_GROUP_RECENT][16];
        bool there;
    } known[TASKS];
    size_t sent; /* groups by the last look */
};

struct run {
    char name[16];
    struct mf_action_row row;
};

struct world {
    struct entity *e;
    struct run runs[RUNS_MAX];
    size_t count;
    unsigned seed;
};

static enum mf_code insert_row(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_action_row *row = (struct mf_action_row *)(uintptr_t)data;
    row->seq = mf_tx_next_seq(tx);
    return mf_action_insert(mf_tx_db(tx), row, err);
}

static enum mf_code write_row(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_action_row *row = (struct mf_action_row *)(uintptr_t)data;
    row->seq = mf_tx_next_seq(tx);
    return mf_action_write_state(mf_tx_db(tx), row, err);
}

static void add_run(struct world *w)
{
    static const char *const tasks[TASKS] = {"env.t0", "env.t1", "env.t2", "env.t3", "env.t4"};
    struct run *run = &w->runs[w->count];
    snprintf(run->name, sizeof run->name, "r%zu", w->count);
    const struct mf_run_row made = story_run(w->e, run->name);
    /* A few are said to be older than they are; several are of the same moment. */
    int64_t created_at = 1000 + (int64_t)w->count / 3 * 10 - (rand_r(&w->seed) % 7 == 0 ? 500 : 0);
    run->row = (struct mf_action_row){.run_id = made.id,
                                      .name = MF_STR("a0"),
                                      .project = MF_STR("p"),
                                      .domain = MF_STR("d"),
                                      .run_name = mf_str_from_c(run->name),
                                      .kind = MF_ACTION_TASK,
                                      .phase = MF_PHASE_QUEUED,
                                      .attempts = 1,
                                      .task_name = mf_str_from_c(tasks[rand_r(&w->seed) % TASKS]),
                                      .short_name = mf_str_from_c(run->name),
                                      .created_at = created_at};
    assert_int_equal(entity_write(w->e, insert_row, &run->row), MF_OK);
    w->count++;
}

/* Anything may follow anything: what a row goes through is not the groups' business. */
static void change_run(struct world *w)
{
    struct mf_action_row *row = &w->runs[(size_t)rand_r(&w->seed) % w->count].row;
    static const int32_t phases[] = {MF_PHASE_QUEUED, MF_PHASE_RUNNING,   MF_PHASE_RUNNING,
                                     MF_PHASE_FAILED, MF_PHASE_SUCCEEDED, MF_PHASE_ABORTED};
    row->phase = phases[rand_r(&w->seed) % 6];
    if (row->phase != MF_PHASE_QUEUED && row->running_at == 0)
        row->running_at = row->created_at + 3;
    row->ended_at = mf_phase_is_terminal(row->phase) ? row->created_at + 20 + (int64_t)w->count : 0;
    assert_int_equal(entity_write(w->e, write_row, row), MF_OK);
}

static bool take_group(void *ctx, const struct mf_group *group, bool gone)
{
    struct client *client = ctx;
    size_t at = (size_t)(group->task_name.ptr[group->task_name.len - 1] - '0');
    client->sent++;
    client->known[at].there = !gone;
    client->known[at].group = *group;
    for (size_t i = 0; i < group->recent_count; i++)
        snprintf(client->known[at].recent[i], sizeof client->known[at].recent[i], "%.*s %d",
                 MF_FMT(group->recent[i].run_name), group->recent[i].phase);
    return true;
}

static void look(struct entity *e, struct client *client)
{
    struct mf_arena *scratch = mf_arena_new(0);
    client->sent = 0;
    assert_int_equal(mf_groups_update(client->groups, e->db, scratch, &e->err), MF_OK);
    assert_int_equal(mf_groups_look(client->groups, take_group, client, &e->err), MF_OK);
    mf_arena_free(scratch);
}

static void assert_same(const struct client *client, const struct client *fresh)
{
    for (size_t i = 0; i < TASKS; i++) {
        const struct mf_group *a = &client->known[i].group;
        const struct mf_group *b = &fresh->known[i].group;
        assert_int_equal(client->known[i].there, fresh->known[i].there);
        if (!fresh->known[i].there)
            continue;
        assert_int_equal(a->runs, b->runs);
        assert_memory_equal(a->phases, b->phases, sizeof a->phases);
        assert_memory_equal(a->errors, b->errors, sizeof a->errors);
        assert_int_equal(a->newest_at, b->newest_at);
        assert_int_equal(a->ended_at, b->ended_at);
        assert_int_equal(a->ended, b->ended);
        assert_int_equal(a->started, b->started);
        assert_true(a->ended_ns == b->ended_ns);
        assert_true(a->started_ns == b->started_ns);
        assert_int_equal(a->recent_count, b->recent_count);
        for (size_t k = 0; k < a->recent_count; k++)
            assert_string_equal(client->known[i].recent[k], fresh->known[i].recent[k]);
    }
}

static struct mf_page page_of(struct mf_filter *filter, const struct mf_str *value, const char *field)
{
    *filter = (struct mf_filter){
        .function = MF_FILTER_EQUAL, .field = mf_str_from_c(field), .values = value, .value_count = 1};
    return (struct mf_page){.filters = filter, .filter_count = 1};
}

static void says_what_reading_anew_would_say(void **state)
{
    struct entity *e = *state;
    static const struct mf_str running[] = {{.ptr = "4", .len = 1}};
    static const struct mf_str first[] = {{.ptr = "env.t1", .len = 6}};
    struct mf_filter filters[2];
    const struct mf_page pages[4] = {
        {0}, page_of(&filters[0], running, "phase"), page_of(&filters[1], first, "task_name"), {0}};
    static struct client clients[4], fresh;
    struct world *w = mf_arena_alloc(e->arena, sizeof *w);
    *w = (struct world){.e = e, .seed = 11};
    for (int i = 0; i < 20; i++)
        add_run(w);
    for (size_t i = 0; i < 4; i++) {
        clients[i].config = (struct mf_groups_config){
            .range = {.project = MF_STR("p"),
                      .domain = MF_STR("d"),
                      .from_ns = i == 3 ? 1050 : 0,
                      .to_ns = i == 3 ? 1300 : INT64_MAX,
                      .page = &pages[i]},
            .limit = i == 3 ? 2 : 1000,
            .order = i == 3 ? MF_GROUPS_BY_RUNS : MF_GROUPS_BY_NEWEST,
        };
        assert_int_equal(mf_groups_new(&clients[i].config, &clients[i].groups, &e->err), MF_OK);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            if (w->count < RUNS_MAX && rand_r(&w->seed) % 2)
                add_run(w);
            else
                change_run(w);
        }
        for (size_t i = 0; i < 4; i++) {
            look(e, &clients[i]);
            memset(&fresh, 0, sizeof fresh);
            fresh.config = clients[i].config;
            assert_int_equal(mf_groups_new(&fresh.config, &fresh.groups, &e->err), MF_OK);
            look(e, &fresh);
            assert_same(&clients[i], &fresh);
            mf_groups_free(fresh.groups);
            look(e, &clients[i]);
            assert_int_equal(clients[i].sent, 0); /* nothing twice */
        }
    }
    for (size_t i = 0; i < 4; i++)
        mf_groups_free(clients[i].groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_reading_anew_would_say, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
