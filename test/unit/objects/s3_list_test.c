#include "s3_world.h"

static void fill(struct s3_world *w)
{
    const char *names[] = {"a",          "b/1", "b/2",   "b/c/3", "b0",    "c%20d%26e",     "d/%C3%BC/x",
                           "d/%C3%BC/y", "d/z", "e-1-x", "e-2-x", "f/g/h", "%F4%8F%BF%BF/a"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mf_str target = mf_str_printf(w->entity.arena, "/mayfly/%s", names[i]);
        assert_int_equal(s3_put(w, mf_str_to_c(w->entity.arena, target), MF_STR("x")).status, 200);
    }
}

/* The keys and, in brackets, the common prefixes of a list. */
static struct mf_str names_of(struct s3_world *w, struct mf_str xml)
{
    struct mf_str out = MF_STR_EMPTY;
    const char *elements[] = {"<Key>", "<CommonPrefixes><Prefix>"};
    for (int e = 0; e < 2; e++) {
        struct mf_str rest = xml;
        struct mf_str element = mf_str_from_c(elements[e]);
        for (size_t at; (at = mf_str_find(rest, element)) != SIZE_MAX;) {
            rest = mf_str_skip(rest, at + element.len);
            struct mf_str name = mf_str_take(rest, mf_str_find_char(rest, '<'));
            out = mf_str_printf(w->entity.arena, e ? "%.*s[%.*s]" : "%.*s%.*s ", MF_FMT(out), MF_FMT(name));
        }
    }
    return out;
}

static struct mf_str list(struct s3_world *w, const char *query)
{
    struct mf_str target = mf_str_printf(w->entity.arena, "/mayfly?%s", query);
    struct s3_answer answer = s3_get(w, mf_str_to_c(w->entity.arena, target));
    assert_int_equal(answer.status, 200);
    return answer.body;
}

static void expect(struct s3_world *w, const char *query, const char *names)
{
    assert_str(names_of(w, list(w, query)), names);
}

static void prefixes_and_delimiters(void **state)
{
    struct s3_world *w = *state;
    fill(w);
    expect(w, "list-type=2&prefix=b", "b/1 b/2 b/c/3 b0 ");
    expect(w, "list-type=2&prefix=b/&delimiter=/", "b/1 b/2 [b/c/]");
    expect(w, "list-type=2&delimiter=/", "a b0 c d&amp;e e-1-x e-2-x [b/][d/][f/][\xf4\x8f\xbf\xbf/]");
    expect(w, "list-type=2&prefix=d/&delimiter=%C3%BC", "d/z [d/\xc3\xbc]");
    expect(w, "list-type=2&prefix=e&delimiter=-", "[e-]");
    expect(w, "list-type=2&prefix=e&delimiter=-x", "[e-1-x][e-2-x]");
    expect(w, "list-type=2&prefix=none", "");
    expect(w, "list-type=2&prefix=c&encoding-type=url", "c%20d%26e ");
    expect(w, "list-type=2&start-after=b0&prefix=",
           "c d&amp;e d/z d/\xc3\xbc/x d/\xc3\xbc/y e-1-x e-2-x f/g/h "
           "\xf4\x8f\xbf\xbf/a ");
    expect(w, "list-type=2&start-after=b/1&delimiter=/&prefix=b", "b0 [b/]");
    expect(w, "prefix=b&marker=b/2", "b/c/3 b0 ");
}

/* Walks a list page by page; what comes must not depend on the size of the pages. */
static struct mf_str walk(struct s3_world *w, const char *query, int size)
{
    struct mf_arena *arena = w->entity.arena;
    struct mf_str all = MF_STR_EMPTY;
    struct mf_str more = MF_STR_EMPTY;
    for (int pages = 0; pages < 100; pages++) {
        struct mf_str page = list(w, mf_str_to_c(arena, mf_str_printf(arena, "list-type=2&max-keys=%d&%s%.*s",
                                                                      size, query, MF_FMT(more))));
        all = mf_str_printf(arena, "%.*s%.*s", MF_FMT(all), MF_FMT(names_of(w, page)));
        if (!s3_holds(page, "<IsTruncated>true</IsTruncated>"))
            return all;
        more = mf_str_printf(arena, "&continuation-token=%.*s",
                             MF_FMT(s3_element(w, page, "NextContinuationToken")));
    }
    fail_msg("the list does not end");
    return all;
}

static void pages(void **state)
{
    struct s3_world *w = *state;
    fill(w);
    struct mf_str whole = walk(w, "prefix=", 1000);
    for (int size = 1; size < 16; size++) {
        assert_true(mf_str_eq(walk(w, "prefix=", size), whole));
        assert_true(mf_str_eq(walk(w, "prefix=b/", size), walk(w, "prefix=b/", 1000)));
    }
    /* With a delimiter keys and prefixes are mixed, so one per page gives them in order of their names. */
    assert_str(walk(w, "delimiter=/", 1), "a [b/]b0 c d&amp;e [d/]e-1-x e-2-x [f/][\xf4\x8f\xbf\xbf/]");
    assert_str(walk(w, "delimiter=/&prefix=b/", 1), "b/1 b/2 [b/c/]");
    assert_str(names_of(w, list(w, "delimiter=/&max-keys=1&marker=b/")), "b0 ");
    assert_true(s3_holds(list(w, "list-type=2&max-keys=0"), "<IsTruncated>false</IsTruncated>"));
    const char *bad[] = {"/mayfly?list-type=2&max-keys=-1", "/mayfly?list-type=2&max-keys=x",
                         "/mayfly?list-type=2&continuation-token=%25", "/mayfly?list-type=2&prefix=%ff",
                         "/mayfly?list-type=2&start-after=a%00b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(s3_get(w, bad[i]).status, 400);
}

static void what_is_told_of_an_object(void **state)
{
    struct s3_world *w = *state;
    assert_int_equal(s3_put(w, "/mayfly/x", MF_STR("hello")).status, 200);
    struct mf_str page = list(w, "list-type=2");
    assert_true(s3_holds(page, "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size>"));
    assert_str(s3_element(w, page, "Name"), "mayfly");
    assert_str(s3_element(w, page, "KeyCount"), "1");
    int64_t ns;
    assert_true(mf_time_parse_rfc3339(s3_element(w, page, "LastModified"), &ns));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_setup, s3_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prefixes_and_delimiters),
        TEST(pages),
        TEST(what_is_told_of_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
