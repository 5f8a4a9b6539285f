/*
 * What clients on this machine need to reach the server, left in the data directory: flyte.yaml, the
 * configuration of the flyte CLI, and client.env, variables for programs that read objects directly. The keys
 * of the embedded object store are in s3-keys; they are made at the first start. Files with keys are readable
 * by their owner only. Keys of a bucket elsewhere are not written anywhere.
 */
#ifndef MF_SERVER_CLIENT_H
#define MF_SERVER_CLIENT_H

#include "base/arena.h"
#include "base/sys.h"
#include "objects/object.h"
#include "server/datadir.h"

struct mf_client_keys {
    struct mf_str access, secret; /* live in the arena */
};

enum mf_code mf_client_keys_load(struct mf_arena *arena, const struct mf_sys *sys,
                                 const struct mf_datadir *dir, struct mf_client_keys *out,
                                 struct mf_error *err) MF_CHECK_RESULT;

struct mf_client_files {
    struct mf_str url; /* of the server */
    bool tls;
    struct mf_str project, domain;               /* the ones the CLI starts with */
    const struct mf_object_variables *variables; /* that lead to the object store */
    bool with_keys;                              /* those among them may be written down */
};

enum mf_code mf_client_files_write(struct mf_arena *arena, const struct mf_sys *sys,
                                   const struct mf_datadir *dir, const struct mf_client_files *files,
                                   struct mf_error *err) MF_CHECK_RESULT;

#endif
