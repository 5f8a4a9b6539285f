/* The parts of a cron expression: one field, and durations. Pure; for this folder only. */
#ifndef MF_CRON_FIELD_H
#define MF_CRON_FIELD_H

#include "base/status.h"
#include "base/str.h"

struct mf_cron_field {
    const char *name;
    unsigned min, max;
    const char *const *names; /* of min, min + 1, …; NULL: numbers only */
};

/* The bits of the values that match; *star tells whether the field leaves the choice to others. */
enum mf_code mf_cron_field(const struct mf_cron_field *field, struct mf_str text, uint64_t *bits, bool *star,
                           struct mf_error *err) MF_CHECK_RESULT;
/* Cuts the next word off, at any white space of Unicode; empty when there is none left. */
struct mf_str mf_cron_word(struct mf_str *text);
struct mf_str mf_cron_trim(struct mf_str text);

#endif
