#include "testing.h"

#include "cli/table.h"

static const char *const heads[] = {"DUE", "WHAT", "WHY"};

static void expect(const struct mf_table *table, const char *text)
{
    struct mf_buf out = MF_BUF_INIT(0);
    mf_table_write(table, &out);
    assert_false(mf_buf_failed(&out));
    if (!mf_str_eq_c(mf_buf_str(&out), text))
        fail_msg("wrote:\n%.*s\nnot:\n%s", MF_FMT(mf_buf_str(&out)), text);
    mf_buf_free(&out);
}

static void add(struct mf_table *table, const char *a, const char *b, const char *c)
{
    const struct mf_str cells[] = {mf_str_from_c(a), mf_str_from_c(b), mf_str_from_c(c)};
    assert_true(mf_table_add(table, cells));
}

static void columns_stand_below_their_heads(void **state)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_table table;
    (void)state;
    mf_table_init(&table, arena, heads, 3);
    expect(&table, "");
    add(&table, "09:00", "ö", "");
    add(&table, "10:00:00", "late again", "no inputs");
    expect(&table, "DUE       WHAT        WHY\n"
                   "09:00     ö\n"
                   "10:00:00  late again  no inputs\n");
    mf_arena_free(arena);
}

static void empty_columns_are_left_out(void **state)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_table table;
    (void)state;
    mf_table_init(&table, arena, heads, 3);
    for (int i = 0; i < 200; i++)
        add(&table, "a", "", "c");
    struct mf_buf out = MF_BUF_INIT(0);
    mf_table_write(&table, &out);
    assert_true(mf_str_starts(mf_buf_str(&out), MF_STR("DUE  WHY\na    c\na    c\n")));
    assert_int_equal(out.len, sizeof "DUE  WHY\n" - 1 + 200 * (sizeof "a    c\n" - 1));
    mf_buf_free(&out);
    mf_arena_free(arena);
}

static void nothing_moves_the_cursor(void **state)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_table table;
    (void)state;
    mf_table_init(&table, arena, heads, 3);
    add(&table, "a\x1b[2Jb", "x\ny\x7f",
        "c\xc2\x9b"
        "d é");
    expect(&table, "DUE     WHAT  WHY\n"
                   "a?[2Jb  x?y?  c?d é\n");
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_stand_below_their_heads),
        cmocka_unit_test(empty_columns_are_left_out),
        cmocka_unit_test(nothing_moves_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
