#include "testing.h"

#include "base/encode.h"
#include "gen/flyteidl2/common/identity.pb.h"
#include "identity/caller.h"
#include "identity/jwks.h"

/* The key, claims and signature for ES256 of RFC 7515, A.3; those for RS256 were made for this test. */
#define RSA_N                                                                                                \
    "5c00lRKmc4QmEer3GjfM7SHO9drm7sejSC6J_Gj5ynfgH6gjRTwZmoG25AySSYoSQn_kl0wZr30cXsSfpSGg-VsoWf792AS4YTY9"   \
    "zZNMbGDkUChqzsJ4k1aXlQ9B0ExxXhwsuHi9cFblgPU076owoUco15ARrdRCrc9Z59ZyVm7TM3aqCmYdE8xDhKaiMml1VrqtABYU"   \
    "KEUO97Ue6rEk_WTtFdFm8gYsvgXhFxKJbTiZSEB0bH517aOPO7xM4AYokH4Jsdr2Q_o42VcrRajxZ0abduov3FnKk-0vM-1oBU1G"   \
    "nITBV8uugi3cpRDcmUUIIFhgm7YwbQFm6mIQTpxB0Q"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define CLAIMS                                                                                               \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define RS256_TOKEN                                                                                          \
    "eyJhbGciOiJSUzI1NiJ9." CLAIMS "."                                                                       \
    "3xIQbFt8BZfpqyti5MGhP1gxhw08hqnpAwzHBCHGYFL08aE5FDSNjI5YGl14O56NywYn_WHfgY6weRPIH-VoXcOcjEOYznDb7QC8"   \
    "xPeVzrLP_H-QPFfogpWjjeyKewXlCnUFrRCtVLou3cVn_0YrnGP8YP1urRNJ-HO70MbCq9u1HwADtH3tW3uj7Kv-XBlkGB07oscM"   \
    "qrhH2yxA5F-SnU8sWUBxR-2VvQU1pb-gG_-dQzV-f8g19oK5xXusWyv0zlS1qYutBqt7n6Iny1vdCdkyMjYaUVRqFk3JtWLuo1Ff"   \
    "kEzJda0en3YiDBk96u3EG9MNpQM5nIQbtmeE6T1rdg"
#define ES256_TOKEN                                                                                          \
    "eyJhbGciOiJFUzI1NiJ9." CLAIMS                                                                           \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define RSA_KEY "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define EC_KEY "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"

static int set_up(void **state)
{
    *state = mf_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    mf_arena_free(*state);
    return 0;
}

static enum mf_code verify(struct mf_arena *arena, const char *keys, const char *token)
{
    struct mf_error err;
    struct mf_jwks *set = NULL;
    struct mf_jwt jwt;
    assert_int_equal(mf_jwks_read(arena, mf_str_from_c(keys), &set, &err), MF_OK);
    enum mf_code code = mf_jwt_split(arena, mf_str_from_c(token), &jwt, &err);
    if (code == MF_OK)
        code = mf_jwks_verify(set, &jwt, &err);
    mf_jwks_free(set);
    return code;
}

static void signatures(void **state)
{
    static const struct {
        const char *keys, *token;
        enum mf_code expected;
    } rows[] = {
        {"{\"keys\":[" RSA_KEY "]}", RS256_TOKEN, MF_OK},
        {"{\"keys\":[" EC_KEY "," RSA_KEY "]}", RS256_TOKEN, MF_OK},
        {"{\"keys\":[" EC_KEY "," RSA_KEY "]}", ES256_TOKEN, MF_OK},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"},7," RSA_KEY "]}", RS256_TOKEN, MF_OK},
        {"{\"keys\":[" RSA_KEY "]}", ES256_TOKEN, MF_NOT_FOUND}, /* a key of the other kind is none */
        {"{\"keys\":[" EC_KEY "]}", RS256_TOKEN, MF_NOT_FOUND},
        {"{\"keys\":[" EC_KEY "]}", ES256_TOKEN "A", MF_UNAUTHENTICATED},
        {"{\"keys\":[" RSA_KEY "]}", RS256_TOKEN "AAAA", MF_UNAUTHENTICATED},
        {"{\"keys\":[" RSA_KEY "]}", "eyJhbGciOiJSUzI1NiJ9." CLAIMS ".", MF_UNAUTHENTICATED},
        {"{\"keys\":[" RSA_KEY "]}", "eyJhbGciOiJub25lIn0." CLAIMS ".", MF_UNAUTHENTICATED},
        {"{\"keys\":[" RSA_KEY "]}", "eyJhbGciOiJIUzI1NiJ9." CLAIMS ".AAAA", MF_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(verify(*state, rows[i].keys, rows[i].token), rows[i].expected);
}

static void key_sets_without_a_good_key(void **state)
{
    static const char *const sets[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":7}",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":7}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"use\":\"enc\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RS512\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"" EC_Y "\"}]}",
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct mf_error err;
        struct mf_jwks *set = NULL;
        assert_int_equal(mf_jwks_read(*state, mf_str_from_c(sets[i]), &set, &err), MF_UNAVAILABLE);
    }
}

static void malformed_tokens(void **state)
{
    static const char *const tokens[] = {
        "",
        "a",
        "a.b",
        "....",
        "e30.e30.e30.e30",
        "e30.!.e30",
        "W10.e30.e30",
        "Nw.e30.e30",
        /* alg is a number, kid is one; something critical */
        "eyJhbGciOjd9.e30.e30",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6N30.e30.e30",
        "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdfQ.e30.e30",
    };
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        struct mf_error err;
        struct mf_jwt jwt;
        assert_int_equal(mf_jwt_split(*state, mf_str_from_c(tokens[i]), &jwt, &err), MF_UNAUTHENTICATED);
    }
}

static void claims(void **state)
{
    struct mf_error err;
    struct mf_claims out;
    assert_int_equal(
        mf_claims_read(*state,
                       MF_STR("{\"sub\":\"s\",\"aud\":[\"a\",\"b\"],\"exp\":17.5,\"nbf\":3,\"email\":null,"
                              "\"given_name\":\"G\",\"extra\":{\"sub\":7}}"),
                       &out, &err),
        MF_OK);
    assert_str(out.caller.subject, "s");
    assert_str(out.caller.given_name, "G");
    assert_int_equal(out.caller.email.len, 0);
    assert_int_equal(out.audience_count, 2);
    assert_str(out.audiences[1], "b");
    assert_true(out.expires && out.expires_at > 17 && out.expires_at < 18 && out.not_before > 2);
    assert_int_equal(mf_claims_read(*state, MF_STR("{\"aud\":\"one\"}"), &out, &err), MF_OK);
    assert_str(out.audiences[0], "one");
    assert_int_equal(mf_claims_read(*state, MF_STR("{\"aud\":[]}"), &out, &err), MF_OK);
    assert_int_equal(out.audience_count, 0);
    assert_false(out.expires);
    static const char *const wrong[] = {"[]",          "{\"sub\":7}",   "{\"exp\":\"7\"}",
                                        "{\"aud\":7}", "{\"aud\":[7]}", "{"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(mf_claims_read(*state, mf_str_from_c(wrong[i]), &out, &err), MF_UNAUTHENTICATED);
}

static void a_caller_as_it_is_recorded(void **state)
{
    struct mf_error err;
    struct mf_str bytes;
    void *decoded = NULL;
    struct mf_caller caller = {.subject = MF_STR("s"),
                               .email = MF_STR("e"),
                               .given_name = MF_STR("g"),
                               .family_name = MF_STR("f"),
                               .name = MF_STR("n")};
    assert_int_equal(mf_identity_encode(*state, &caller, &bytes, &err), MF_OK);
    assert_int_equal(pb_decode(*state, &pb_common_EnrichedIdentity_type, bytes, &decoded, &err), MF_OK);
    const struct pb_common_EnrichedIdentity *identity = decoded;
    assert_int_equal(identity->principal_case, pb_common_EnrichedIdentity_tag_user);
    assert_str(identity->principal.user->id->subject, "s");
    assert_str(identity->principal.user->spec->first_name, "g");
    assert_str(identity->principal.user->spec->last_name, "f");
    assert_str(identity->principal.user->spec->email, "e");
    caller.application = true;
    assert_int_equal(mf_identity_encode(*state, &caller, &bytes, &err), MF_OK);
    assert_int_equal(pb_decode(*state, &pb_common_EnrichedIdentity_type, bytes, &decoded, &err), MF_OK);
    identity = decoded;
    assert_int_equal(identity->principal_case, pb_common_EnrichedIdentity_tag_application);
    assert_str(identity->principal.application->spec->name, "n");
    caller = (struct mf_caller){0};
    assert_int_equal(mf_identity_encode(*state, &caller, &bytes, &err), MF_OK);
    assert_int_equal(bytes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signatures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_sets_without_a_good_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(claims, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_caller_as_it_is_recorded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
