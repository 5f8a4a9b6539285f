#include "testing.h"

#include "base/quantity.h"

static void reads_amounts(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},      {"1", 1},        {"+1", 1},         {"1.5", 1.5},
                {".5", 0.5},   {"500m", 0.5},   {"2e3", 2000},     {"2E3", 2000},
                {"1E", 1e18},  {"1Ei", 0x1p60}, {"100n", 100e-9},  {"3u", 3e-6},
                {"1k", 1000},  {"4Gi", 0x1p32}, {"256Mi", 0x1p28}, {"1.5Gi", 1.5 * 0x1p30},
                {"1Ki", 1024}, {"2Ti", 0x1p41}, {"1Pi", 0x1p50},   {"7T", 7e12}};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double value = -1;
        assert_true(mf_quantity(mf_str_from_c(good[i].text), &value));
        assert_true(value > good[i].value * (1 - 1e-12) - 1e-300 &&
                    value < good[i].value * (1 + 1e-12) + 1e-300);
    }
}

static void refuses_the_rest(void **state)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "nonsense",
                                      "1GB",
                                      "1 Gi",
                                      " 1",
                                      "1m5",
                                      "0x10",
                                      "inf",
                                      "nan",
                                      "1e999",
                                      "Gi",
                                      ".",
                                      "+",
                                      "--1",
                                      "1,5",
                                      "1Mib",
                                      "m",
                                      "00000000000000000000000000000000000000000000000000000000000000001"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value = -1;
        assert_false(mf_quantity(mf_str_from_c(bad[i]), &value));
    }
    double value = -1;
    assert_false(mf_quantity(mf_str_make("1\0m", 3), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_amounts), cmocka_unit_test(refuses_the_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
