/* Cron expressions of any text: what is accepted fires in order, on whole seconds, or never. */
#include "fuzz.h"

#include "cron/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mf_zones *zones;
    struct mf_error err;
    struct mf_cron cron;
    int64_t at = INT64_C(1767225600000000001);
    FUZZ_CHECK(zones || mf_zones_new(NULL, &zones, &err) == MF_OK);
    if (size > 300 || mf_cron_parse(zones, mf_str_make(data, size), MF_STR_EMPTY, &cron, &err) != MF_OK)
        return 0;
    for (int i = 0; i < 20; i++) {
        int64_t next = 0;
        if (!mf_cron_next(&cron, at, &next))
            break;
        FUZZ_CHECK(next > at && next % 1000000000 == 0 && mf_cron_is_possible(&cron));
        at = next;
    }
    return 0;
}
