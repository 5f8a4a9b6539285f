#include "fault.h"
#include "fixture.h"

#include <stdio.h>

/*
 * Lets each allocation that SQLite makes for a command fail once, one after the other. Whatever happens, a
 * command that succeeded is there, one that failed is not, and its neighbour is not harmed.
 */

struct starve {
    struct put put;
    int64_t after;
    bool hit;
};

static enum mf_code (*apply_put)(struct mf_command *command, struct mf_tx *tx, struct mf_error *err);

static enum mf_code apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct starve *s = (struct starve *)command;
    struct mf_stmt *stmt = NULL;
    char text[200];
    /* Of its own each time, so that it is prepared, which allocates most. */
    snprintf(text, sizeof text,
             "UPDATE project SET description = (SELECT group_concat(name, '%.32s') FROM task t WHERE t.name "
             "> project.id) "
             "WHERE id > 'z'",
             s->put.id);
    fault_memory_after(s->after);
    enum mf_code code = mf_db_query_text(mf_tx_db(tx), mf_str_from_c(text), &stmt, err);
    if (code == MF_OK)
        code = mf_stmt_run(stmt, NULL, err);
    mf_stmt_done(stmt);
    if (code == MF_OK)
        code = apply_put(command, tx, err);
    s->hit = fault_memory_hit() != 0;
    fault_memory_after(-1);
    return code;
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    test_only_with_a_file();
    int failures = 0;
    int quiet = 0;
    fixture_open(f);
    for (int i = 0; i < 400 && quiet < 3; i++) {
        struct starve s = {.after = i};
        struct put neighbours[2];
        put_init(&s.put, "starved-%d", i);
        s.put.padding = 100000;
        apply_put = s.put.command.apply;
        s.put.command.apply = apply;
        for (int k = 0; k < 2; k++)
            put_init(&neighbours[k], "neighbour-%d-%d", i, k);
        mf_writer_hold(mf_store_writer(f->store));
        mf_writer_submit(mf_store_writer(f->store), &neighbours[0].command);
        mf_writer_submit(mf_store_writer(f->store), &s.put.command);
        mf_writer_submit(mf_store_writer(f->store), &neighbours[1].command);
        mf_writer_release(mf_store_writer(f->store));
        put_wait(&neighbours[0]);
        put_wait(&s.put);
        put_wait(&neighbours[1]);
        assert_int_equal(neighbours[0].code, MF_OK);
        assert_int_equal(neighbours[1].code, MF_OK);
        assert_true(s.put.code == MF_OK || s.put.code == MF_RESOURCE_EXHAUSTED);
        assert_true(project_there(f, neighbours[0].id) && project_there(f, neighbours[1].id));
        assert_int_equal(project_there(f, s.put.id), s.put.code == MF_OK);
        failures += s.put.code != MF_OK;
        quiet = s.hit ? 0 : quiet + 1;
    }
    assert_true(failures > 3); /* else nothing was tested */
    assert_int_equal(quiet, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, fixture_setup, fixture_teardown),
    };
    fault_install_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
