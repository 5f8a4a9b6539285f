/* The parts of a cron expression: one field, and durations. Pure; for this folder only. */
#ifndef MF_CRON_FIELD_H
#define MF_CRON_FIELD_H

#include "base/status.h"
#include "base/str.h"

enum mf_cron_field_kind {
    MF_CRON_CYCLE,     /* a range may run over the end */
    MF_CRON_MONTH_DAY, /* the same without a step; L, L-n, nW, LW */
    MF_CRON_WEEK_DAY,  /* as CYCLE; nL, n#k. 0 to 6: 7 is 0 as well. 1 to 7: L is 7 */
    MF_CRON_YEAR,
};

struct mf_cron_field {
    const char *name;
    unsigned min, max;
    const char *const *names; /* of min, min + 1, …; NULL: numbers only */
    enum mf_cron_field_kind kind;
    unsigned origin; /* the value of bit 0 */
    bool has_mark;   /* "?" is another way to write "*" */
};

#define MF_CRON_FIELD_WORDS 4

/* What a field names. */
struct mf_cron_values {
    uint64_t bits[MF_CRON_FIELD_WORDS];       /* counted from the field's origin */
    uint32_t month_ends, near_days;           /* as in struct mf_cron */
    uint8_t last_week_days, nth_week_days[5]; /* the same */
    bool special;                             /* one of the four before is not empty */
    bool star;                                /* the field leaves the choice to others */
};

enum mf_code mf_cron_field(const struct mf_cron_field *field, struct mf_str text, struct mf_cron_values *out,
                           struct mf_error *err) MF_CHECK_RESULT;
/* Cuts the next word off, at any white space of Unicode; empty when there is none left. */
struct mf_str mf_cron_word(struct mf_str *text);
struct mf_str mf_cron_trim(struct mf_str text);

#endif
