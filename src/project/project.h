/*
 * ProjectService: projects and the domains that every one of them has. Handlers run on worker threads; writes
 * go through the store's writer.
 *
 * What an update changes. Only labels can be absent in the message; of the other fields an absent one looks
 * like one that is empty (name, description) or ACTIVE (state). Every project has a name, and clients that
 * read a project, change it and send it back (the SDK, the CLI) always send one, so:
 *   - with a name it is the whole project: name, description and state become what the message says;
 *   - without one only what the message holds is changed: a description, a state other than ACTIVE;
 *     nothing but an id means ACTIVE, which is how a project is taken out of the archive;
 *   - labels are replaced when they are there, also by none.
 * Read and write are one transaction. Domains are those of the configuration; sent ones are ignored.
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
