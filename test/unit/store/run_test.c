#include "entity.h"

#include "store/run.h"

static enum mf_code insert(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_run_row row = *(const struct mf_run_row *)data;
    row.id = mf_tx_next_seq(tx);
    return mf_run_insert(mf_tx_db(tx), &row, err);
}

static struct mf_run_row run(const char *name)
{
    return (struct mf_run_row){
        .project = MF_STR("p"),
        .domain = MF_STR("development"),
        .name = mf_str_from_c(name),
        .request_digest = MF_STR("digest"),
        .run_spec = MF_STR("spec\0with zero"),
        .output_base = MF_STR("s3://b/p/development/r"),
        .start_time_ns = 7,
        .source = 2,
        .created_by_subject = MF_STR("me"),
        .trigger_revision = 3,
        .trigger_type = 1,
        .trigger_automation = MF_STR("automation"),
        .related_run_id = 4,
        .created_at = 5,
    };
}

static void keeps_what_was_inserted(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row row = run("r1");
    struct mf_run_row found;
    struct mf_run_row by_id;
    int64_t id = 0;
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
    assert_int_equal(mf_run_id(e->db, row.project, row.domain, row.name, &id, &e->err), MF_OK);
    assert_true(id > 0);
    assert_int_equal(mf_run_find(e->db, e->arena, row.project, row.domain, row.name, &found, &e->err), MF_OK);
    assert_int_equal(found.id, id);
    assert_true(mf_str_eq(found.run_spec, row.run_spec));
    assert_str(found.output_base, "s3://b/p/development/r");
    assert_int_equal(found.start_time_ns, 7);
    assert_int_equal(found.source, 2);
    assert_str(found.created_by_subject, "me");
    assert_int_equal(found.trigger_revision, 3);
    assert_int_equal(found.trigger_type, 1);
    assert_true(mf_str_eq_c(found.trigger_automation, "automation"));
    assert_int_equal(found.related_run_id, 4);
    assert_int_equal(found.created_at, 5);
    assert_int_equal(mf_run_get(e->db, e->arena, id, &by_id, &e->err), MF_OK);
    assert_str(by_id.name, "r1");
}

static void tells_what_is_missing_or_taken(void **state)
{
    struct entity *e = *state;
    const struct mf_run_row row = run("r1");
    struct mf_run_row found;
    int64_t id = 0;
    assert_int_equal(mf_run_find(e->db, e->arena, row.project, row.domain, row.name, &found, &e->err),
                     MF_NOT_FOUND);
    assert_string_equal(e->err.message, "run not found: p/development/r1");
    assert_int_equal(mf_run_id(e->db, row.project, row.domain, row.name, &id, &e->err), MF_NOT_FOUND);
    assert_int_equal(mf_run_get(e->db, e->arena, 99, &found, &e->err), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, insert, &row), MF_OK);
    assert_int_equal(entity_write(e, insert, &row), MF_ALREADY_EXISTS);
    assert_string_equal(e->err.message, "run p/development/r1 already exists; choose another name");
}

static enum mf_code label(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const char *const *pair = data;
    return mf_run_label_insert(mf_tx_db(tx), 1, mf_str_from_c(pair[0]), mf_str_from_c(pair[1]), err);
}

static bool collect(void *ctx, struct mf_str name, struct mf_str value)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 64 - used, "%.*s=%.*s ", MF_FMT(name), MF_FMT(value));
    return true;
}

static void keeps_labels(void **state)
{
    struct entity *e = *state;
    static const char *const pairs[][2] = {{"b", "1"}, {"a", ""}, {"b", "2"}};
    char text[64] = "";
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(entity_write(e, label, pairs[i]), MF_OK);
    assert_int_equal(mf_run_labels(e->db, 1, collect, text, &e->err), MF_OK);
    assert_string_equal(text, "a= b=2 ");
    text[0] = '\0';
    assert_int_equal(mf_run_labels(e->db, 2, collect, text, &e->err), MF_OK);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_what_was_inserted, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(tells_what_is_missing_or_taken, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(keeps_labels, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
