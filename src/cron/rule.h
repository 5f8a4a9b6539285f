/* The rule of a time zone for the years to come: the TZ text of POSIX, as RFC 9636 puts it at the end of a
 * file. Pure. */
#ifndef MF_CRON_RULE_H
#define MF_CRON_RULE_H

#include "base/str.h"

struct mf_rule_date {
    enum { MF_RULE_JULIAN, MF_RULE_DAY, MF_RULE_WEEKDAY } kind;
    int day;      /* JULIAN: 1 to 365 without a leap day; DAY: 0 to 365; WEEKDAY: 0 to 6 */
    int month;    /* WEEKDAY: 1 to 12 */
    int week;     /* WEEKDAY: 1 to 5, 5 is the last */
    int32_t time; /* seconds of the day; may be negative or above a day */
};

struct mf_rule {
    int32_t standard; /* seconds ahead of UTC */
    bool has_summer;
    int32_t summer;
    struct mf_rule_date begin, end; /* of summer time, each in the local time before the change */
};

bool mf_rule_parse(struct mf_str text, struct mf_rule *out);
/* As mf_zone_offset. */
int32_t mf_rule_offset(const struct mf_rule *rule, int64_t at, int64_t *until);

#endif
