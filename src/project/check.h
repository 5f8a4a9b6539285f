/*
 * Whether something may be made in a project and domain: called by whatever writes (runs, tasks, triggers,
 * uploads, secrets, settings), inside its command or before it. What is there stays readable for ever.
 */
#ifndef MF_PROJECT_CHECK_H
#define MF_PROJECT_CHECK_H

#include "store/db.h"

/* MF_INVALID_ARGUMENT without an id, MF_NOT_FOUND for an unknown project, MF_FAILED_PRECONDITION for one that
 * is archived. */
enum mf_code mf_project_check(struct mf_db *db, struct mf_str id, struct mf_error *err) MF_CHECK_RESULT;
/* MF_INVALID_ARGUMENT for a domain that is not one of those given; none given: all are allowed. Pure. */
enum mf_code mf_domain_check(const struct mf_str *domains, size_t count, struct mf_str domain,
                             struct mf_error *err) MF_CHECK_RESULT;

#endif
