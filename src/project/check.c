#include "project/check.h"

#include "store/project.h"

enum mf_code mf_project_check(struct mf_db *db, struct mf_str id, struct mf_error *err)
{
    int32_t state = 0;
    if (id.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the project is required");
    enum mf_code code = mf_project_state(db, id, &state, err);
    if (code == MF_NOT_FOUND)
        return mf_fail(err, code, "project \"%.*s\" not found; create it first",
                       MF_FMT(mf_str_take(id, mf_utf8_cut(id, 100))));
    if (code == MF_OK && mf_project_is_archived(state))
        return mf_fail(err, MF_FAILED_PRECONDITION,
                       "project \"%.*s\" is archived; make it active again or choose another", MF_FMT(id));
    return code;
}

enum mf_code mf_domain_check(const struct mf_str *domains, size_t count, struct mf_str domain,
                             struct mf_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (mf_str_eq(domains[i], domain))
            return MF_OK;
    }
    if (count == 0)
        return MF_OK;
    if (domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the domain is required, like \"%.*s\"", MF_FMT(domains[0]));
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "domain \"%.*s\" is not one of this server's domains, like \"%.*s\"",
                   MF_FMT(mf_str_take(domain, mf_utf8_cut(domain, 100))), MF_FMT(domains[0]));
}
