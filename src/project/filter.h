/*
 * The filter text of ListProjects: terms "function(field, value)" joined by "+", the functions eq, ne,
 * contains and value_in (whose values are separated by ";"). Pure.
 */
#ifndef MF_PROJECT_FILTER_H
#define MF_PROJECT_FILTER_H

#include "store/select.h"

#define MF_PROJECT_FILTERS_MAX 20

/* MF_INVALID_ARGUMENT when the text is malformed. Fields are checked later, by the list itself. */
enum mf_code mf_project_filters(struct mf_arena *arena, struct mf_str text, struct mf_filter **filters,
                                size_t *count, struct mf_error *err) MF_CHECK_RESULT;

#endif
