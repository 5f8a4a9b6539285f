/* What runs and actions can be filtered and sorted by; for run_list.c and what counts runs. Pure. */
#ifndef MF_STORE_RUN_FIELDS_H
#define MF_STORE_RUN_FIELDS_H

#include "store/select.h"

/* The columns are those of the tables action a and run r. */
extern const struct mf_field mf_run_fields[];
extern const size_t mf_run_field_count;

const struct mf_field *mf_run_field(struct mf_str name); /* NULL: there is none */

/* Filters on "labels.<key>", the only ones that are not of the table. */
bool mf_label_is(const struct mf_filter *filter);
struct mf_str mf_label_key(const struct mf_filter *filter);
/* MF_INVALID_ARGUMENT for another function than EQUAL, NOT_EQUAL, VALUE_IN, EXISTS and NOT_EXISTS, and for a
 * missing key. */
enum mf_code mf_label_check(const struct mf_filter *filter, struct mf_error *err) MF_CHECK_RESULT;
/* " AND EXISTS (…)" about the labels of a.run_id. */
void mf_label_add(struct mf_select *select, const struct mf_filter *filter);

#endif
