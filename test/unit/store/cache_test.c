#include "entity.h"

#include "store/cache.h"

static const struct mf_cache_key key = {
    {.ptr = "p", .len = 1}, {.ptr = "d", .len = 1}, {.ptr = "k", .len = 1}};
/* Joined by dashes, the same text as key's parts would give. */
static const struct mf_cache_key other = {
    {.ptr = "p-d", .len = 3}, {.ptr = "", .len = 0}, {.ptr = "k", .len = 1}};

struct put_case {
    struct mf_cache_row row;
    int64_t replace_before;
};

static enum mf_code put(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct put_case *c = data;
    return mf_cache_put(mf_tx_db(tx), &c->row, c->replace_before, err);
}

static enum mf_code delete (struct mf_tx *tx, const void *data, struct mf_error *err) {
    return mf_cache_delete(mf_tx_db(tx), data, err);
}

static enum mf_code put_at(struct entity *e, const char *uri, int64_t at, int64_t replace_before)
{
    const struct put_case c = {
        .row = {.key = key,
                .output_uri = mf_str_from_c(uri),
                .metadata = MF_STR("m"),
                .created_at = at,
                .updated_at = at},
        .replace_before = replace_before,
    };
    return entity_write(e, put, &c);
}

static void keeps_an_entry(void **state)
{
    struct entity *e = *state;
    struct mf_cache_row row;
    assert_int_equal(mf_cache_get(e->db, e->arena, &key, &row, &e->err), MF_NOT_FOUND);
    assert_int_equal(put_at(e, "one", 10, INT64_MIN), MF_OK);
    assert_int_equal(put_at(e, "two", 20, INT64_MIN), MF_ALREADY_EXISTS);
    assert_int_equal(put_at(e, "two", 20, 9), MF_ALREADY_EXISTS);
    assert_int_equal(put_at(e, "two", 20, 10), MF_OK);
    assert_int_equal(put_at(e, "three", 30, INT64_MAX), MF_OK);
    assert_int_equal(mf_cache_get(e->db, e->arena, &key, &row, &e->err), MF_OK);
    assert_str(row.output_uri, "three");
    assert_str(row.metadata, "m");
    assert_int_equal(row.created_at, 10);
    assert_int_equal(row.updated_at, 30);
    assert_int_equal(mf_cache_get(e->db, e->arena, &other, &row, &e->err), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, delete, &other), MF_NOT_FOUND);
    assert_int_equal(entity_write(e, delete, &key), MF_OK);
    assert_int_equal(entity_write(e, delete, &key), MF_NOT_FOUND);
}

struct take_case {
    struct mf_arena *arena;
    const char *owner;
    int64_t now;
    struct mf_reservation_row *holder;
};

static enum mf_code take(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct take_case *c = data;
    const struct mf_reservation_row wanted = {
        .key = key, .owner = mf_str_from_c(c->owner), .heartbeat_ns = 10, .expires_at = c->now + 30};
    return mf_reservation_take(mf_tx_db(tx), c->arena, &wanted, c->now, c->holder, err);
}

static enum mf_code release(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct take_case *c = data;
    bool changed;
    enum mf_code code = mf_reservation_release(mf_tx_db(tx), &key, mf_str_from_c(c->owner), &changed, err);
    return code == MF_OK && !changed ? MF_FAILED_PRECONDITION : code;
}

static enum mf_code purge(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    return mf_reservation_purge(mf_tx_db(tx), *(const int64_t *)data, err);
}

static void one_holds_a_reservation(void **state)
{
    static const struct {
        const char *owner;
        int64_t now;
        const char *holder;
        int64_t expires_at;
    } rows[] = {
        {"ada", 100, "ada", 130}, {"bob", 101, "ada", 130}, {"ada", 110, "ada", 140},
        {"bob", 139, "ada", 140}, {"bob", 140, "bob", 170}, /* it had expired */
    };
    struct entity *e = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_reservation_row holder;
        const struct take_case c = {e->arena, rows[i].owner, rows[i].now, &holder};
        assert_int_equal(entity_write(e, take, &c), MF_OK);
        assert_str(holder.owner, rows[i].holder);
        assert_int_equal(holder.expires_at, rows[i].expires_at);
    }
    assert_int_equal(entity_write(e, release, &(struct take_case){.owner = "ada"}), MF_FAILED_PRECONDITION);
    assert_int_equal(entity_write(e, purge, &(int64_t){169}), MF_OK);
    assert_int_equal(entity_write(e, release, &(struct take_case){.owner = "bob"}), MF_OK);
    struct mf_reservation_row holder;
    const struct take_case again = {e->arena, "ada", 141, &holder};
    assert_int_equal(entity_write(e, take, &again), MF_OK);
    assert_int_equal(entity_write(e, purge, &(int64_t){171}), MF_OK);
    assert_int_equal(entity_write(e, release, &(struct take_case){.owner = "ada"}), MF_FAILED_PRECONDITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_an_entry, entity_setup, entity_teardown),
        cmocka_unit_test_setup_teardown(one_holds_a_reservation, entity_setup, entity_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
