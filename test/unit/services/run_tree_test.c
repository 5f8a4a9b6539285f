/* The tree that the watchers of a run share, against what the store says at each moment. */
#include "story.h"

#include "run/tree.h"

#define NODES 120
#define ROUNDS 40

struct truth {
    struct mf_action_row rows[NODES];
    size_t count;
};

/* What a client knows that has taken in everything it was sent. */
struct client {
    struct mf_tree_view view;
    struct {
        char name[16];
        bool shown;
        int32_t below[MF_TREE_PHASES];
    } known[NODES];
    size_t count;
};

static bool take_row(void *ctx, const struct mf_action_row *row)
{
    struct truth *truth = ctx;
    assert_true(truth->count < NODES);
    truth->rows[truth->count++] = *row;
    return true;
}

static struct truth *read_truth(struct entity *e, int64_t run_id)
{
    struct truth *truth = mf_arena_alloc(e->arena, sizeof *truth);
    truth->count = 0;
    assert_int_equal(mf_action_of_run(e->db, e->arena, run_id, 0, NODES, take_row, truth, &e->err), MF_OK);
    return truth;
}

static const struct mf_action_row *row_of(const struct truth *truth, struct mf_str name)
{
    for (size_t i = 0; i < truth->count; i++) {
        if (mf_str_eq(truth->rows[i].name, name))
            return &truth->rows[i];
    }
    return NULL;
}

static bool is_below(const struct truth *truth, const struct mf_action_row *row, struct mf_str above)
{
    for (; row && row->parent.len > 0; row = row_of(truth, row->parent)) {
        if (mf_str_eq(row->parent, above))
            return true;
    }
    return false;
}

static bool matches(const struct mf_tree_filter *filter, const struct mf_action_row *row)
{
    bool phase = filter->phases == 0 || (filter->phases >> row->phase & 1);
    /* Task names are "env.work", so the name that counts is "work". */
    return phase && (filter->names.len == 0 || mf_str_find(MF_STR("work"), filter->names) != SIZE_MAX);
}

static void look(struct entity *e, struct mf_tree *tree, struct client *client)
{
    struct mf_tree_view *view = &client->view;
    bool more = true;
    while (more)
        assert_int_equal(mf_tree_update(tree, &more, &e->err), MF_OK);
    assert_int_equal(mf_tree_look(tree, view, &e->err), MF_OK);
    for (size_t i = 0; i < view->pending_count; i++) {
        struct mf_tree_node node;
        size_t at = 0;
        mf_tree_node(tree, view, view->pending[i], &node);
        while (at < client->count && !mf_str_eq_c(node.name, client->known[at].name))
            at++;
        if (at == client->count) {
            snprintf(client->known[at].name, sizeof client->known[at].name, "%.*s", MF_FMT(node.name));
            client->count++;
        }
        client->known[at].shown = node.shown;
        memcpy(client->known[at].below, node.below, sizeof node.below);
    }
}

static void assert_knows(const struct client *client, const struct truth *truth)
{
    size_t shown = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct mf_action_row *row = &truth->rows[i];
        bool expected = matches(&client->view.filter, row);
        int32_t below[MF_TREE_PHASES] = {0};
        for (size_t k = 0; k < truth->count; k++) {
            if (!is_below(truth, &truth->rows[k], row->name))
                continue;
            below[truth->rows[k].phase]++;
            expected = expected || matches(&client->view.filter, &truth->rows[k]);
        }
        size_t at = 0;
        while (at < client->count && !mf_str_eq_c(row->name, client->known[at].name))
            at++;
        assert_int_equal(at < client->count && client->known[at].shown, expected);
        shown += expected;
        if (expected)
            assert_memory_equal(client->known[at].below, below, sizeof below);
    }
    size_t known = 0;
    for (size_t i = 0; i < client->count; i++)
        known += client->known[i].shown;
    assert_int_equal(known, shown);
}

static void client_init(struct client *client, uint32_t phases, const char *names)
{
    *client = (struct client){.view.filter = {.phases = phases, .names = mf_str_from_c(names)}};
}

/* A new action below a random one, or a move of a random one. */
static void change_something(struct entity *e, const struct mf_run_row *run, unsigned *seed)
{
    static const int32_t moves[] = {MF_PHASE_RUNNING, MF_PHASE_INITIALIZING, MF_PHASE_SUCCEEDED,
                                    MF_PHASE_FAILED};
    const struct truth *truth = read_truth(e, run->id);
    const struct mf_action_row *row = &truth->rows[(size_t)rand_r(seed) % truth->count];
    struct story_action a;
    char name[16];
    char parent[16];
    snprintf(parent, sizeof parent, "%.*s", MF_FMT(row->name));
    snprintf(name, sizeof name, "n%zu", truth->count);
    if (truth->count < NODES && rand_r(seed) % 3 > 0) {
        enum mf_code code = story_enqueue(e, run, story_task(&a, "r1", name, parent));
        assert_true(code == MF_OK || (code == MF_ABORTED && mf_phase_is_terminal(row->phase)));
    } else if (strcmp(parent, "a0") != 0) {
        story_move(e, run, parent, row->attempts, moves[rand_r(seed) % 4]);
    }
}

static void tells_every_client_the_truth(void **state)
{
    struct entity *e = *state;
    struct mf_trees *trees = NULL;
    static struct client clients[5], late;
    unsigned seed = 4;
    assert_int_equal(mf_trees_new(e->store, &trees, &e->err), MF_OK);
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    client_init(&clients[0], 0, "");
    client_init(&clients[1], 1U << MF_PHASE_RUNNING, "");
    client_init(&clients[2], 1U << MF_PHASE_SUCCEEDED | 1U << MF_PHASE_FAILED, "wor");
    client_init(&clients[3], 0, "env"); /* which is not in the name that is shown */
    client_init(&clients[4], 0, "");    /* looks now and then */
    struct mf_tree *tree = mf_tree_get(trees, run.id);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 6; i++)
            change_something(e, &run, &seed);
        const struct truth *truth = read_truth(e, run.id);
        for (size_t i = 0; i < 5; i++) {
            if (i == 4 && round % 7 != 0)
                continue;
            look(e, tree, &clients[i]);
            assert_knows(&clients[i], truth);
        }
        /* One that comes later sees children before their parents, whose rows changed after. */
        struct mf_trees *others = NULL;
        assert_int_equal(mf_trees_new(e->store, &others, &e->err), MF_OK);
        struct mf_tree *fresh = mf_tree_get(others, run.id);
        client_init(&late, 0, "");
        look(e, fresh, &late);
        assert_int_equal(late.view.pending_count, truth->count);
        assert_knows(&late, truth);
        mf_tree_view_free(&late.view);
        mf_tree_put(fresh);
        mf_trees_free(others);
    }
    assert_true(read_truth(e, run.id)->count > NODES / 2);
    for (size_t i = 0; i < 5; i++)
        mf_tree_view_free(&clients[i].view);
    mf_tree_put(tree);
    mf_trees_free(trees);
}

static void says_nothing_twice(void **state)
{
    struct entity *e = *state;
    struct mf_trees *trees = NULL;
    static struct client all, some;
    assert_int_equal(mf_trees_new(e->store, &trees, &e->err), MF_OK);
    const struct mf_run_row run = story_run(e, "r1");
    story_add(e, &run, "a0", "");
    story_add(e, &run, "c", "a0");
    story_add(e, &run, "d", "a0");
    struct mf_tree *tree = mf_tree_get(trees, run.id);
    assert_ptr_equal(mf_tree_get(trees, run.id), tree); /* shared */
    client_init(&all, 0, "");
    client_init(&some, 1U << MF_PHASE_RUNNING, "");
    look(e, tree, &all);
    assert_int_equal(all.view.pending_count, 3);
    look(e, tree, &all);
    assert_int_equal(all.view.pending_count, 0);
    look(e, tree, &some);
    assert_int_equal(some.view.pending_count, 0);
    story_move(e, &run, "d", 1, MF_PHASE_RUNNING);
    look(e, tree, &all);
    assert_int_equal(all.view.pending_count, 2); /* it and what is above */
    look(e, tree, &some);
    assert_int_equal(some.view.pending_count, 2);
    story_move(e, &run, "d", 1, MF_PHASE_SUCCEEDED);
    look(e, tree, &some);
    assert_int_equal(some.view.pending_count, 2); /* to be taken from the view */
    look(e, tree, &some);
    assert_int_equal(some.view.pending_count, 0);
    mf_tree_view_free(&all.view);
    mf_tree_view_free(&some.view);
    mf_tree_put(tree);
    mf_tree_put(tree);
    mf_trees_free(trees);
}

static enum mf_code insert_row(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_action_row row = *(const struct mf_action_row *)data;
    row.seq = mf_tx_next_seq(tx);
    mf_tx_touch(tx, (struct mf_topic){.kind = MF_TOPIC_RUN, .run_id = row.run_id});
    return mf_action_insert(mf_tx_db(tx), &row, err);
}

static void insert(struct entity *e, const struct mf_run_row *run, const char *name, const char *parent)
{
    const struct mf_action_row row = {.run_id = run->id,
                                      .name = mf_str_from_c(name),
                                      .parent = mf_str_from_c(parent),
                                      .project = run->project,
                                      .domain = run->domain,
                                      .run_name = run->name,
                                      .kind = MF_ACTION_TASK,
                                      .phase = MF_PHASE_QUEUED,
                                      .attempts = 1,
                                      .created_at = 1};
    assert_int_equal(entity_write(e, insert_row, &row), MF_OK);
}

/* An executor elsewhere may report in any order. */
static void holds_an_action_until_its_parent_is_there(void **state)
{
    struct entity *e = *state;
    struct mf_trees *trees = NULL;
    static struct client all, some;
    assert_int_equal(mf_trees_new(e->store, &trees, &e->err), MF_OK);
    const struct mf_run_row run = story_run(e, "r1");
    insert(e, &run, "a0", "");
    struct mf_tree *tree = mf_tree_get(trees, run.id);
    client_init(&all, 0, "");
    client_init(&some, 1U << MF_PHASE_QUEUED, "");
    insert(e, &run, "leaf", "branch");
    insert(e, &run, "leaf2", "branch");
    insert(e, &run, "x", "y");
    insert(e, &run, "y", "x"); /* a damaged store: waits for ever */
    look(e, tree, &all);
    assert_int_equal(all.count, 1);
    look(e, tree, &some);
    assert_int_equal(some.count, 1);
    insert(e, &run, "branch", "bough");
    look(e, tree, &all);
    assert_int_equal(all.count, 1);
    insert(e, &run, "bough", "a0");
    look(e, tree, &all);
    assert_int_equal(all.count, 5);
    for (size_t i = 0; i < all.count; i++) {
        if (strcmp(all.known[i].name, "a0") == 0)
            assert_int_equal(all.known[i].below[MF_PHASE_QUEUED], 4);
        if (strcmp(all.known[i].name, "bough") == 0)
            assert_int_equal(all.known[i].below[MF_PHASE_QUEUED], 3);
    }
    look(e, tree, &some);
    assert_int_equal(some.count, 5);
    mf_tree_view_free(&all.view);
    mf_tree_view_free(&some.view);
    mf_tree_put(tree);
    mf_trees_free(trees);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_every_client_the_truth, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(says_nothing_twice, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(holds_an_action_until_its_parent_is_there, entity_setup,
                                        entity_teardown),
    };
    return cmocka_run_group_tests_name("run_tree", tests, NULL, NULL);
}
