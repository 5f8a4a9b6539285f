#include "testing.h"

#include "server/address.h"

static void reads_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        unsigned port;
        bool loopback;
        const char *authority;
    } rows[] = {
        {"127.0.0.1:8090", "127.0.0.1", 8090, true, "127.0.0.1:8090"},
        {"127.9.8.7:1", "127.9.8.7", 1, true, "127.9.8.7:1"},
        {"localhost:0", "localhost", 0, true, "localhost:0"},
        {"LOCALHOST:65535", "LOCALHOST", 65535, true, "LOCALHOST:65535"},
        {"[::1]:80", "::1", 80, true, "[::1]:80"},
        {"0.0.0.0:80", "0.0.0.0", 80, false, "127.0.0.1:80"},
        {"[::]:80", "::", 80, false, "[::1]:80"},
        {":80", "", 80, false, "127.0.0.1:80"},
        {"10.0.0.1:80", "10.0.0.1", 80, false, "10.0.0.1:80"},
        {"128.0.0.1:80", "128.0.0.1", 80, false, "128.0.0.1:80"},
        {"127.0.0.1.example.org:80", "127.0.0.1.example.org", 80, false, "127.0.0.1.example.org:80"},
        {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, false, "[::ffff:10.0.0.1]:80"},
        {"localhost", NULL, 0, false, NULL},
        {"localhost:", NULL, 0, false, NULL},
        {"localhost:http", NULL, 0, false, NULL},
        {"localhost:65536", NULL, 0, false, NULL},
        {"localhost:-1", NULL, 0, false, NULL},
        {"::1:80", NULL, 0, false, NULL},
        {"", NULL, 0, false, NULL},
    };
    (void)state;
    struct mf_arena *arena = mf_arena_new(0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mf_address address;
        struct mf_error err;
        enum mf_code code = mf_address_parse(arena, rows[i].text, &address, &err);
        assert_int_equal(code, rows[i].host ? MF_OK : MF_INVALID_ARGUMENT);
        if (code != MF_OK)
            continue;
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
        assert_int_equal(mf_address_is_loopback(&address), rows[i].loopback);
        assert_str(mf_address_authority(arena, &address, address.port), rows[i].authority);
    }
    mf_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
