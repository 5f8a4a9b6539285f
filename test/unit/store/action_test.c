#include "entity.h"

#include "store/action.h"

/* A row with another value in every column, so that two that are mixed up show. */
static struct mf_action_row full(void)
{
    return (struct mf_action_row){
        .run_id = 11,
        .name = MF_STR("name"),
        .project = MF_STR("project"),
        .domain = MF_STR("domain"),
        .run_name = MF_STR("run_name"),
        .parent = MF_STR("parent"),
        .kind = 12,
        .phase = 13,
        .attempts = 14,
        .cache_status = 15,
        .group = MF_STR("group"),
        .task_project = MF_STR("task_project"),
        .task_domain = MF_STR("task_domain"),
        .task_name = MF_STR("task_name"),
        .task_version = MF_STR("task_version"),
        .task_type = MF_STR("task_type"),
        .short_name = MF_STR("short_name"),
        .function_name = MF_STR("function_name"),
        .environment_name = MF_STR("environment_name"),
        .spec_digest = MF_STR("spec_digest"),
        .input_uri = MF_STR("input_uri"),
        .output_uri = MF_STR("output_uri"),
        .cache_key = MF_STR("cache_key"),
        .error = MF_STR("err\0or"),
        .abort_reason = MF_STR("abort_reason"),
        .aborted_by = MF_STR("aborted_by"),
        .value = MF_STR("value"),
        .signalled_by = MF_STR("signalled_by"),
        .principal = MF_STR("principal"),
        .recovered_from = MF_STR("recovered_from"),
        .hidden = true,
        .user_retries = 16,
        .system_retries = 17,
        .not_before = 18,
        .queued_at = 19,
        .running_at = 20,
        .created_at = 21,
        .updated_at = 22,
        .ended_at = 23,
        .seq = 24,
    };
}

static void assert_same(const struct mf_action_row *a, const struct mf_action_row *b)
{
    const struct mf_str left[] = {a->name,          a->project,          a->domain,
                                  a->run_name,      a->parent,           a->group,
                                  a->task_project,  a->task_domain,      a->task_name,
                                  a->task_version,  a->task_type,        a->short_name,
                                  a->function_name, a->environment_name, a->spec_digest,
                                  a->input_uri,     a->output_uri,       a->cache_key,
                                  a->error,         a->abort_reason,     a->aborted_by,
                                  a->value,         a->signalled_by,     a->principal,
                                  a->recovered_from};
    const struct mf_str right[] = {b->name,          b->project,          b->domain,
                                   b->run_name,      b->parent,           b->group,
                                   b->task_project,  b->task_domain,      b->task_name,
                                   b->task_version,  b->task_type,        b->short_name,
                                   b->function_name, b->environment_name, b->spec_digest,
                                   b->input_uri,     b->output_uri,       b->cache_key,
                                   b->error,         b->abort_reason,     b->aborted_by,
                                   b->value,         b->signalled_by,     b->principal,
                                   b->recovered_from};
    const int64_t numbers[][2] = {
        {a->run_id, b->run_id},
        {a->kind, b->kind},
        {a->phase, b->phase},
        {a->attempts, b->attempts},
        {a->cache_status, b->cache_status},
        {a->hidden, b->hidden},
        {a->user_retries, b->user_retries},
        {a->system_retries, b->system_retries},
        {a->not_before, b->not_before},
        {a->queued_at, b->queued_at},
        {a->running_at, b->running_at},
        {a->created_at, b->created_at},
        {a->updated_at, b->updated_at},
        {a->ended_at, b->ended_at},
        {a->seq, b->seq},
    };
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        assert_true(mf_str_eq(left[i], right[i]));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        assert_int_equal(numbers[i][0], numbers[i][1]);
}

static enum mf_code insert(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_insert(mf_tx_db(tx), data, err);
}

static enum mf_code write_state(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_action_write_state(mf_tx_db(tx), data, err);
}

static void keeps_every_column(void **state)
{
    struct entity *e = *state;
    struct mf_action_row row = full();
    struct mf_action_row found;
    assert_int_equal(mf_action_get(e->db, e->arena, row.run_id, row.name, &found, &e->err), MF_NOT_FOUND);
    assert_string_equal(e->err.message, "action not found: name");
    assert_int_equal(entity_write(e, write_state, &row), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
    assert_int_equal(mf_action_get(e->db, e->arena, row.run_id, row.name, &found, &e->err), MF_OK);
    assert_same(&found, &row);
    assert_int_equal(entity_write(e, insert, &row), MF_ALREADY_EXISTS);
}

static void writes_every_column_that_changes(void **state)
{
    struct entity *e = *state;
    struct mf_action_row row = full();
    struct mf_action_row found;
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
    row.output_uri = row.error = row.abort_reason = row.aborted_by = row.value = MF_STR("new");
    row.signalled_by = row.principal = row.recovered_from = MF_STR_EMPTY;
    row.hidden = false;
    row.phase = 31;
    row.attempts = 32;
    row.cache_status = 33;
    row.user_retries = 34;
    row.system_retries = 35;
    row.not_before = 36;
    row.queued_at = 37;
    row.running_at = 38;
    row.updated_at = 39;
    row.ended_at = 40;
    row.seq = 41;
    assert_int_equal(entity_write(e, write_state, &row), MF_OK);
    assert_int_equal(mf_action_get(e->db, e->arena, row.run_id, row.name, &found, &e->err), MF_OK);
    assert_same(&found, &row);
}

static void add(struct entity *e, int64_t run_id, const char *name, const char *parent, int32_t phase,
                int64_t seq)
{
    struct mf_action_row row = full();
    row.run_id = run_id;
    row.name = mf_str_from_c(name);
    row.parent = mf_str_from_c(parent);
    row.phase = phase;
    row.hidden = false;
    row.seq = seq;
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
}

static bool collect(void *ctx, const struct mf_action_row *row)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 64 - used, "%.*s%s ", MF_FMT(row->name), row->hidden ? "-" : "");
    return true;
}

static enum mf_code hide(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    (void)data;
    return mf_action_hide_failed(mf_tx_db(tx), 1, MF_STR("a0"), err);
}

static void walks(void **state)
{
    struct entity *e = *state;
    char text[64] = "";
    add(e, 1, "a0", "", 4, 1);
    add(e, 1, "ok", "a0", 5, 9);
    add(e, 1, "bad", "a0", 6, 3);
    add(e, 1, "run", "a0", 4, 4);
    add(e, 1, "wait", "a0", 9, 2);
    add(e, 1, "deep", "run", 1, 6);
    add(e, 2, "other", "a0", 1, 5);
    assert_int_equal(mf_action_children(e->db, e->arena, 1, MF_STR("a0"), 0, 10, collect, text, &e->err),
                     MF_OK);
    assert_string_equal(text, "wait bad run ok ");
    text[0] = '\0';
    assert_int_equal(mf_action_children(e->db, e->arena, 1, MF_STR("a0"), 2, 2, collect, text, &e->err),
                     MF_OK);
    assert_string_equal(text, "bad run ");
    text[0] = '\0';
    assert_int_equal(mf_action_of_run(e->db, e->arena, 1, 3, 10, collect, text, &e->err), MF_OK);
    assert_string_equal(text, "run deep ok ");
    text[0] = '\0';
    assert_int_equal(mf_action_open(e->db, e->arena, 1, 10, collect, text, &e->err), MF_OK);
    assert_string_equal(text, "wait run other deep ");
    text[0] = '\0';
    assert_int_equal(
        mf_action_open_children(e->db, e->arena, 1, MF_STR("a0"), MF_STR_EMPTY, 10, collect, text, &e->err),
        MF_OK);
    assert_string_equal(text, "run wait ");
    text[0] = '\0';
    assert_int_equal(entity_write(e, hide, NULL), MF_OK);
    assert_int_equal(mf_action_of_run(e->db, e->arena, 1, 0, 10, collect, text, &e->err), MF_OK);
    assert_string_equal(text, "a0 wait bad- run deep ok ");
}

static enum mf_code put_specs(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    (void)data;
    enum mf_code code = mf_spec_put(mf_tx_db(tx), MF_STR("d1"), MF_STR("one"), err);
    return code == MF_OK ? mf_spec_put(mf_tx_db(tx), MF_STR("d1"), MF_STR("two"), err) : code;
}

static void keeps_specifications_once(void **state)
{
    struct entity *e = *state;
    struct mf_str body;
    assert_int_equal(entity_write(e, put_specs, NULL), MF_OK);
    assert_int_equal(mf_spec_get(e->db, e->arena, MF_STR("d1"), &body, &e->err), MF_OK);
    assert_str(body, "one");
    assert_int_equal(mf_spec_get(e->db, e->arena, MF_STR("d2"), &body, &e->err), MF_NOT_FOUND);
}

static struct mf_event_row event(int32_t attempt, int32_t phase, int32_t version, const char *body)
{
    return (struct mf_event_row){
        .run_id = 1,
        .name = MF_STR("a0"),
        .attempt = attempt,
        .phase = phase,
        .version = version,
        .body = mf_str_from_c(body),
        .error_kind = 1,
        .updated_at = 2,
        .recorded_at = 3,
    };
}

struct insert_event {
    struct mf_event_row row;
    bool *inserted;
};

static enum mf_code insert_event(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct insert_event *insert_of = data;
    return mf_event_insert(mf_tx_db(tx), &insert_of->row, insert_of->inserted, err);
}

static bool add_event(struct entity *e, struct mf_event_row row)
{
    bool inserted = false;
    const struct insert_event data = {row, &inserted};
    assert_int_equal(entity_write(e, insert_event, &data), MF_OK);
    return inserted;
}

static bool collect_event(void *ctx, const struct mf_event_row *row)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 64 - used, "%.*s ", MF_FMT(row->body));
    return true;
}

static void keeps_the_first_of_equal_events(void **state)
{
    struct entity *e = *state;
    char text[64] = "";
    int32_t version = -1;
    assert_int_equal(mf_event_next_version(e->db, 1, MF_STR("a0"), 1, 4, &version, &e->err), MF_OK);
    assert_int_equal(version, 0);
    assert_true(add_event(e, event(2, 1, 0, "second")));
    assert_true(add_event(e, event(1, 4, 1, "more")));
    assert_true(add_event(e, event(1, 4, 0, "running")));
    assert_false(add_event(e, event(1, 4, 0, "again")));
    assert_int_equal(mf_event_next_version(e->db, 1, MF_STR("a0"), 1, 4, &version, &e->err), MF_OK);
    assert_int_equal(version, 2);
    assert_int_equal(mf_event_list(e->db, e->arena, 1, MF_STR("a0"), 0, collect_event, text, &e->err), MF_OK);
    assert_string_equal(text, "running more second ");
    text[0] = '\0';
    assert_int_equal(mf_event_list(e->db, e->arena, 1, MF_STR("a0"), 2, collect_event, text, &e->err), MF_OK);
    assert_string_equal(text, "second ");
}

static enum mf_code put_process(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_process_put(mf_tx_db(tx), data, err);
}

static enum mf_code delete_process(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_process_row *row = data;
    return mf_process_delete(mf_tx_db(tx), row->run_id, row->name, row->attempt, err);
}

static bool collect_process(void *ctx, const struct mf_process_row *row)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 64 - used, "%.*s/%d:%d %d %.*s %.*s ", MF_FMT(row->name), (int)row->attempt,
             (int)row->pid, (int)row->pid_start, MF_FMT(row->boot_id), MF_FMT(row->work_dir));
    return true;
}

static void keeps_processes(void **state)
{
    struct entity *e = *state;
    char text[64] = "";
    struct mf_process_row row = {1, MF_STR("a0"), 1, 0, 0, MF_STR("boot"), MF_STR("/w"), 5};
    assert_int_equal(entity_write(e, put_process, &row), MF_OK);
    row.pid = 77;
    row.pid_start = 88;
    assert_int_equal(entity_write(e, put_process, &row), MF_OK);
    assert_int_equal(mf_process_list(e->db, e->arena, collect_process, text, &e->err), MF_OK);
    assert_string_equal(text, "a0/1:77 88 boot /w ");
    text[0] = '\0';
    assert_int_equal(entity_write(e, delete_process, &row), MF_OK);
    assert_int_equal(mf_process_list(e->db, e->arena, collect_process, text, &e->err), MF_OK);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_every_column, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(writes_every_column_that_changes, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(walks, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_specifications_once, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_the_first_of_equal_events, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_processes, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
