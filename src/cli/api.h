/*
 * A client of a server's calls, for commands: finds the server, signs in, asks, and turns what goes wrong
 * into words that tell what to do. One thread.
 */
#ifndef MF_CLI_API_H
#define MF_CLI_API_H

#include "cli/command.h"
#include "rpc/pb.h"

struct mf_api;

/* What the flags, the variables and the data directory's flyte.yaml say about the server. */
struct mf_api_target {
    struct mf_str url;    /* "http://127.0.0.1:8090", no slash at the end */
    struct mf_str origin; /* where the URL is from, for messages */
    struct mf_str token;  /* empty: none */
    const char *ca_file;  /* NULL: the system's authorities */
    struct mf_str project, domain;
};

/* Of the flags endpoint, data-dir, token-file, ca-file, project and domain, as the command has them. */
enum mf_code mf_api_target(const struct mf_cli_args *args, struct mf_api_target *out,
                           struct mf_error *err) MF_CHECK_RESULT;
/* "host:port", "http://…", "https://…" or "dns:///host:port" as a URL; without a scheme machines elsewhere
 * are spoken to with TLS. */
enum mf_code mf_api_url(struct mf_arena *arena, struct mf_str text, struct mf_str *out,
                        struct mf_error *err) MF_CHECK_RESULT;

/* target and arena must outlive it. */
enum mf_code mf_api_open(struct mf_arena *arena, const struct mf_api_target *target, struct mf_api **out,
                         struct mf_error *err) MF_CHECK_RESULT;
void mf_api_close(struct mf_api *api); /* NULL is fine */

/* *json is the answer's text; both live in the arena. */
enum mf_code mf_api_call(struct mf_api *api, const struct pb_method *method, const void *request,
                         void **response, struct mf_str *json, struct mf_error *err) MF_CHECK_RESULT;

#endif
