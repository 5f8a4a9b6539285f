#include "testing.h"

#include "cluster/cluster.h"

static void echoes_the_address_of_the_client(void **state)
{
    static const struct {
        const char *host, *proto;
        bool tls;
        const char *expected;
    } rows[] = {
        {"127.0.0.1:8090", "", false, "http://127.0.0.1:8090"},
        {"127.0.0.1:8090", "", true, "https://127.0.0.1:8090"},
        {"flyte.example.org", "https", false, "https://flyte.example.org"},
        {"flyte.example.org", "HTTPS , http", false, "https://flyte.example.org"},
        {"flyte.example.org", "http", true, "http://flyte.example.org"},
        {"[::1]:8090", "gopher", false, "http://[::1]:8090"},
        {"", "", false, ""},
        {"evil/path", "", false, ""},
        {"a b", "", false, ""},
        {"user@host", "", false, ""},
    };
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_str(mf_cluster_endpoint(arena, mf_str_from_c(rows[i].host), mf_str_from_c(rows[i].proto),
                                       rows[i].tls),
                   rows[i].expected);
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(echoes_the_address_of_the_client)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
