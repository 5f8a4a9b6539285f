#include "testing.h"

#include "action/machine.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/types.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/protobuf/struct.pb.h"
#include "hook/message.h"

#include <stdlib.h>

struct world {
    struct mf_arena *arena;
    struct mf_action_row row;
    struct pb_core_LiteralType type;
    struct pb_workflow_ConditionAction condition;
    unsigned char key[MF_HOOK_KEY_BYTES];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->arena = mf_arena_new(0);
    w->row = (struct mf_action_row){.run_id = 7,
                                    .project = MF_STR("a/b"),
                                    .domain = MF_STR("d"),
                                    .run_name = MF_STR("r"),
                                    .name = MF_STR("n ?"),
                                    .attempts = 1,
                                    .phase = MF_PHASE_PAUSED};
    w->type = (struct pb_core_LiteralType){.type_case = pb_core_LiteralType_tag_simple,
                                           .type.simple = pb_core_BOOLEAN};
    w->condition = (struct pb_workflow_ConditionAction){
        .name = MF_STR("ok"), .prompt = MF_STR("say \"yes\""), .type = &w->type};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    mf_arena_free(w->arena);
    free(w);
    return 0;
}

static struct mf_str token(struct world *w)
{
    struct mf_str out = mf_hook_token(w->arena, w->key, &w->row);
    assert_int_equal(out.len, 43);
    return out;
}

static void a_token_is_good_for_one_condition(void **state)
{
    struct world *w = *state;
    struct mf_str first = token(w);
    assert_true(mf_str_eq(first, token(w)));
    w->row.run_id++;
    assert_false(mf_str_eq(first, token(w)));
    w->row.run_id--;
    w->row.attempts++;
    assert_false(mf_str_eq(first, token(w)));
    w->row.attempts--;
    w->row.name = MF_STR("n");
    assert_false(mf_str_eq(first, token(w)));
    w->row.name = MF_STR("n ?");
    w->key[31] ^= 1;
    assert_false(mf_str_eq(first, token(w)));
    w->key[31] ^= 1;
    assert_true(mf_str_eq(first, token(w)));
    struct mf_str uri = mf_hook_callback(w->arena, MF_STR("http://h:1/"), w->key, &w->row);
    assert_true(mf_str_starts(uri, MF_STR("http://h:1/callback/condition/a%2Fb/d/r/n%20%3F?token=")));
    assert_true(mf_str_eq(mf_str_skip(uri, uri.len - first.len), first));
}

/* The body for this payload (JSON, NULL: none), as JSON. */
static struct mf_str body(struct world *w, const char *payload)
{
    struct mf_error err;
    struct mf_str out = MF_STR_EMPTY;
    void *decoded = NULL;
    struct pb_workflow_ConditionWebhook webhook = {.url = MF_STR("http://x")};
    if (payload) {
        assert_int_equal(pb_from_json(w->arena, &pb_google_protobuf_Struct_type, mf_str_from_c(payload), NULL,
                                      &decoded, &err),
                         MF_OK);
        webhook.payload = decoded;
    }
    w->condition.webhook = &webhook;
    assert_int_equal(mf_hook_body(w->arena, &w->condition, &w->row, MF_STR("U"), &out, &err), MF_OK);
    return out;
}

static bool holds(struct mf_str text, const char *part)
{
    return mf_str_find(text, mf_str_from_c(part)) != SIZE_MAX;
}

static void the_payload_is_filled_in(void **state)
{
    struct world *w = *state;
    struct mf_str out = body(
        w, "{\"{callback_uri}\": 1, \"a\": [\"{callback_uri}{callback_uri}x\", {\"b\": \"{callback_uri\"}], "
           "\"c\": null}");
    assert_true(holds(out, "\"UUx\""));
    assert_true(holds(out, "\"{callback_uri}\"")); /* names stay */
    assert_true(holds(out, "\"{callback_uri\""));
    assert_true(holds(out, "null"));
    assert_true(mf_str_eq_c(body(w, "{}"), "{}"));
    out = body(w, NULL);
    assert_true(holds(out, "\"bool\""));
    assert_true(holds(out, "say \\\"yes\\\""));
    assert_true(holds(out, "\"PAUSED\""));
    assert_true(holds(out, "\"U\""));
}

static void values_are_of_the_declared_type(void **state)
{
    static const struct {
        int32_t simple;
        const char *text;
        bool json, ok;
    } rows[] = {
        {pb_core_BOOLEAN, "true", false, true},
        {pb_core_BOOLEAN, " false\n", false, true},
        {pb_core_BOOLEAN, "yes", false, false},
        {pb_core_BOOLEAN, "true", true, true},
        {pb_core_BOOLEAN, "\"true\"", true, true},
        {pb_core_BOOLEAN, "1", true, false},
        {pb_core_BOOLEAN, "null", true, false},
        {pb_core_INTEGER, "-3", false, true},
        {pb_core_INTEGER, "3x", false, false},
        {pb_core_INTEGER, "", false, false},
        {pb_core_INTEGER, "3.0", true, true},
        {pb_core_INTEGER, "3.5", true, false},
        {pb_core_INTEGER, "1e300", true, false},
        {pb_core_INTEGER, "9223372036854775807", false, true},
        {pb_core_INTEGER, "9223372036854775808", false, false},
        {pb_core_INTEGER, "{\"value\": \"12\"}", true, true},
        {pb_core_INTEGER, "{\"other\": 12}", true, false},
        {pb_core_FLOAT, "1.5e3", false, true},
        {pb_core_FLOAT, "2", true, true},
        {pb_core_FLOAT, "1.5.1", false, false},
        {pb_core_FLOAT, "[1]", true, false},
        {pb_core_STRING, "", false, true},
        {pb_core_STRING, "x", false, true},
        {pb_core_STRING, "\"x\"", true, true},
        {pb_core_STRING, "{\"value\": \"x\"}", true, true},
        {pb_core_STRING, "7", true, false},
        {pb_core_STRING, "{", true, false},
        {pb_core_DATETIME, "x", false, false},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_error err;
        struct mf_str out = MF_STR_EMPTY;
        w->type.type.simple = rows[i].simple;
        enum mf_code code =
            mf_hook_value(w->arena, &w->condition, mf_str_from_c(rows[i].text), rows[i].json, &out, &err);
        if ((code == MF_OK) != rows[i].ok)
            fail_msg("row %zu: %s", i, rows[i].text);
        assert_true(code == MF_OK || code == MF_INVALID_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_good_for_one_condition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_payload_is_filled_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_are_of_the_declared_type, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
