/* Cron expressions of any text: what is accepted fires in order, on whole seconds, or never, and looking back
 * from a time finds it again. */
#include "fuzz.h"

#include "cron/schedule.h"

#define BEGIN INT64_C(1767225600000000001)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mf_zones *zones;
    struct mf_error err;
    struct mf_schedule schedule = {0};
    int64_t at = BEGIN;
    int64_t next = 0;
    int64_t last = 0;
    uint64_t count = 0;
    FUZZ_CHECK(zones || mf_zones_new(NULL, &zones, &err) == MF_OK);
    if (size > 300 ||
        mf_cron_parse(zones, mf_str_make(data, size), MF_STR_EMPTY, &schedule.cron, &err) != MF_OK)
        return 0;
    for (; count < 20 && mf_schedule_next(&schedule, BEGIN, at, &next); count++) {
        FUZZ_CHECK(next > at && next % 1000000000 == 0 && mf_cron_is_possible(&schedule.cron));
        at = next;
    }
    FUZZ_CHECK(mf_schedule_last(&schedule, BEGIN, 0, at, &last) == (count > 0));
    FUZZ_CHECK(count == 0 || last == at);
    FUZZ_CHECK(mf_schedule_count(&schedule, BEGIN, 0, at, UINT64_MAX) == count);
    return 0;
}
