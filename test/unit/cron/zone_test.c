#include "testing.h"

#include "base/arena.h"
#include "base/sys.h"
#include "cron/rule.h"
#include "cron/zone.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Offsets agree with the C library's from 1900 to 2100, and until is the next change. */
static void offsets_agree_with_the_c_library(void **state)
{
    static const char *const names[] = {"Europe/Berlin",     "America/New_York", "America/Sao_Paulo",
                                        "Africa/Casablanca", "Europe/Dublin",    "Australia/Lord_Howe",
                                        "Pacific/Apia",      "Asia/Tehran",      "America/Nuuk",
                                        "Asia/Gaza",         "Africa/Monrovia",  "Etc/GMT+12"};
    struct mf_zones *zones = NULL;
    struct mf_error err;
    (void)state;
    assert_int_equal(mf_zones_new(NULL, &zones, &err), MF_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct mf_zone *zone = NULL;
        int64_t until = 0;
        assert_int_equal(mf_zone_get(zones, mf_str_from_c(names[i]), &zone, &err), MF_OK);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t at = -2208988800; at < 4102444800; at += 4 * 86400 + 3601) {
            struct tm tm;
            time_t t = (time_t)at;
            assert_non_null(localtime_r(&t, &tm));
            if (mf_zone_offset(zone, at, &until) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", names[i], (long long)at, mf_zone_offset(zone, at, &until),
                         tm.tm_gmtoff);
            assert_true(until > at);
            if (until < 4102444800) {
                int64_t beyond = 0;
                assert_int_equal(mf_zone_offset(zone, until - 1, &beyond), tm.tm_gmtoff);
                assert_true(beyond == until);
            }
        }
    }
    mf_zones_free(zones);
}

static void reads_rules(void **state)
{
    static const char *const good[] = {"UTC0",
                                       "EST5EDT,M3.2.0,M11.1.0",
                                       "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
                                       "IST-1GMT0,M10.5.0,M3.5.0/1",
                                       "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                                       "XXX3EDT4,0/0,J365/23"};
    static const char *const bad[] = {"",
                                      "E5",
                                      "EST",
                                      "EST5EDT",
                                      "EST5EDT,M3.2.0",
                                      "EST5EDT,M13.2.0,M11.1.0",
                                      "EST5EDT,M3.6.0,M11.1.0",
                                      "EST5EDT,M3.2.7,M11.1.0",
                                      "EST5EDT,J0,J5",
                                      "<UTC0",
                                      "EST5EDT,M3.2.0,M11.1.0x",
                                      "EST999",
                                      "EST5EDT,M3.2.0/999,M11.1.0"};
    struct mf_rule rule;
    int64_t until = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(mf_rule_parse(mf_str_from_c(good[i]), &rule));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mf_rule_parse(mf_str_from_c(bad[i]), &rule));
    /* Summer all year: there is no gap at the turn of the year. */
    assert_true(mf_rule_parse(MF_STR("XXX3EDT4,0/0,J365/23"), &rule));
    for (int64_t at = 1767225600 - 86400; at < 1767225600 + 86400; at += 600)
        assert_int_equal(mf_rule_offset(&rule, at, &until), -4 * 3600);
}

/* Files that were cut off or changed are refused or read; nothing is read beyond their end. */
static void damaged_files_do_no_harm(void **state)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_error err;
    struct mf_str bytes;
    struct mf_zone *zone = NULL;
    (void)state;
    assert_int_equal(mf_read_file(arena, "/usr/share/zoneinfo/America/New_York", 1 << 20, &bytes, &err),
                     MF_OK);
    assert_int_equal(mf_zone_parse(bytes, &zone, &err), MF_OK);
    mf_zone_free(zone);
    for (size_t len = 0; len < bytes.len; len++) {
        char *exact = malloc(len > 0 ? len : 1); /* of its own, so that a read beyond it is seen */
        memcpy(exact, bytes.ptr, len);
        assert_int_equal(mf_zone_parse(mf_str_make(exact, len), &zone, &err), MF_INVALID_ARGUMENT);
        free(exact);
    }
    srand(7);
    for (int round = 0; round < 3000; round++) {
        char *exact = malloc(bytes.len);
        int64_t until = 0;
        memcpy(exact, bytes.ptr, bytes.len);
        for (int i = 0; i < 3; i++)
            exact[rand() % (int)(round % 2 ? bytes.len : 44)] = (char)rand();
        if (mf_zone_parse(mf_str_make(exact, bytes.len), &zone, &err) == MF_OK) {
            (void)mf_zone_offset(zone, 1767225600, &until);
            mf_zone_free(zone);
        }
        free(exact);
    }
    mf_arena_free(arena);
}

struct asking {
    struct mf_zones *zones;
    const struct mf_zone *found[3];
};

static void *ask(void *data)
{
    static const char *const names[] = {"Europe/Paris", "Asia/Tokyo", "America/Lima"};
    struct asking *asking = data;
    for (int i = 0; i < 300; i++) {
        struct mf_error err;
        const struct mf_zone *zone = NULL;
        if (mf_zone_get(asking->zones, mf_str_from_c(names[i % 3]), &zone, &err) == MF_OK)
            asking->found[i % 3] = zone;
    }
    return NULL;
}

static void many_threads_see_one_zone(void **state)
{
    pthread_t threads[4];
    struct asking asking[4] = {0};
    struct mf_zones *zones = NULL;
    struct mf_error err;
    (void)state;
    assert_int_equal(mf_zones_new(NULL, &zones, &err), MF_OK);
    for (int i = 0; i < 4; i++) {
        asking[i].zones = zones;
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            assert_non_null(asking[i].found[k]);
            assert_ptr_equal(asking[i].found[k], asking[0].found[k]);
        }
    }
    mf_zones_free(zones);
}

static void without_a_database(void **state)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    const struct mf_zone *zone = NULL;
    (void)state;
    setenv("TZ", "Asia/Tokyo", 1); /* does not matter */
    assert_int_equal(mf_zones_new("/nonexistent", &zones, &err), MF_OK);
    assert_int_equal(mf_zone_get(zones, MF_STR("UTC"), &zone, &err), MF_OK);
    assert_null(zone);
    assert_int_equal(mf_zone_get(zones, MF_STR_EMPTY, &zone, &err), MF_OK);
    assert_null(zone);
    assert_int_equal(mf_zone_get(zones, MF_STR("Asia/Tokyo"), &zone, &err), MF_INVALID_ARGUMENT);
    mf_zones_free(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_agree_with_the_c_library),
        cmocka_unit_test(reads_rules),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(many_threads_see_one_zone),
        cmocka_unit_test(without_a_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
