/*
 * ProjectService: projects and the domains that every one of them has. Handlers run on worker threads; writes
 * go through the store's writer.
 */
#ifndef MF_PROJECT_PROJECT_H
#define MF_PROJECT_PROJECT_H

#include "rpc/server.h"
#include "store/store.h"

struct mf_projects;

struct mf_projects_config {
    struct mf_store *store;
    const struct mf_str *domains; /* of every project, in this order; must outlive the service */
    size_t domain_count;
};

enum mf_code mf_projects_new(const struct mf_projects_config *config, struct mf_projects **out,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_projects_free(struct mf_projects *projects); /* after the RPC server; NULL is fine */
enum mf_code mf_projects_serve(struct mf_projects *projects, struct mf_rpc *rpc,
                               struct mf_error *err) MF_CHECK_RESULT;
/* Makes the projects that are missing, named like their ids. Waits for the writer: for start-up only. */
enum mf_code mf_projects_seed(struct mf_projects *projects, const struct mf_str *ids, size_t count,
                              struct mf_error *err) MF_CHECK_RESULT;

#endif
