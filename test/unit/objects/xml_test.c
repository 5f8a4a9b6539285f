#include "testing.h"

#include "objects/xml.h"

static bool collect(void *ctx, struct mf_str name, struct mf_str text)
{
    struct mf_buf *out = ctx;
    return mf_buf_printf(out, "%.*s=%.*s;", MF_FMT(name), MF_FMT(text));
}

static void expect(const char *document, const char *wanted)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_buf out = MF_BUF_INIT(0);
    bool ok = mf_xml_each(arena, mf_str_from_c(document), collect, &out);
    assert_int_equal(ok, wanted != NULL);
    if (wanted)
        assert_str(mf_buf_str(&out), wanted);
    mf_buf_free(&out);
    mf_arena_free(arena);
}

static void reads(void **state)
{
    (void)state;
    expect("<a>1</a>", "a=1;");
    expect("<?xml version=\"1.0\"?>\n<a xmlns=\"x\"> <b>1</b><c/>\n<!-- <d> --><b>2 3</b></a>\n",
           "b=1;c=;b=2 3;a=;");
    expect("<x:a><x:b>&lt;&amp;&quot;&#65;&#xe4;&#x20ac;&#x1f600;&apos;&gt;</x:b></x:a>",
           "b=<&\"A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80'>;a=;");
    expect("\xef\xbb\xbf<a></a>", "a=;");
}

static void refuses(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "text",
        "<a>",
        "<a></b>",
        "</a>",
        "<a></a><b></b>",
        "<a>&bad;</a>",
        "<a>&#0;</a>",
        "<a>&#xd800;</a>",
        "<a>&amp</a>",
        "<a",
        "<a></a> tail",
        "<>x</>",
        "<a>\xff</a>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a><b></a></b>",
        "<a>&#x110000;</a>",
        "<!-- <a></a>",
        "<a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(bad[i], NULL);
}

static void writes(void **state)
{
    (void)state;
    struct mf_buf out = MF_BUF_INIT(0);
    mf_xml_element(&out, "Key", MF_STR("a<b>&\"c'"));
    assert_str(mf_buf_str(&out), "<Key>a&lt;b&gt;&amp;&quot;c'</Key>");
    mf_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(refuses),
                                       cmocka_unit_test(writes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
