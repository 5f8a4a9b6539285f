/* Files of time zones of any bytes: nothing is read beyond them, and offsets are those of some place on
 * earth. */
#include "fuzz.h"

#include "cron/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mf_error err;
    struct mf_zone *zone = NULL;
    if (mf_zone_parse(mf_str_make(data, size), &zone, &err) != MF_OK)
        return 0;
    for (int64_t at = -4000000000; at < 8000000000; at += 86400 * 91) {
        int64_t until = 0;
        int32_t offset = mf_zone_offset(zone, at, &until);
        FUZZ_CHECK(until > at && offset <= 200 * 3600 && offset >= -200 * 3600);
    }
    mf_zone_free(zone);
    return 0;
}
