/* What the files remote*.c share. */
#ifndef MF_OBJECTS_REMOTE_STATE_H
#define MF_OBJECTS_REMOTE_STATE_H

#include "objects/remote.h"
#include "objects/signer.h"

#include <pthread.h>
#include <stdatomic.h>

struct mf_remote {
    const struct mf_sys *sys;
    struct mf_arena *arena; /* of what follows, which never changes */
    struct mf_bucket_config config;
    bool google, path_style, own_endpoint;
    struct mf_str bucket, folder, base; /* folder: without "/" at either end; may be empty */
    struct mf_str scheme, host;         /* the bucket's, as a request names it */
    struct mf_str region;
    struct mf_fetcher *fetcher;
    struct mf_credentials *credentials;
    uint32_t readers_max;

    pthread_mutex_t lock;
    pthread_cond_t room;
    /* Guarded by lock, as is what follows: calls that wait in mf_remote_run, on workers and on other threads,
     * and when such a call has ended last, or had none before it (monotonic). */
    uint32_t readers[2];
    int64_t moved_ns;
    bool stopping;
    bool down;     /* out of reach: calls fail at once */
    bool troubled; /* down, or what a probe does is refused: shown, until a probe or a PUT succeeds */
    int64_t troubled_since_ns; /* monotonic */
    char reason[400];
    bool probing;      /* a probe is under way, or is about to be started by whoever has set this */
    uint32_t probe_ms; /* before the next one */
    bool starting;     /* starter is in mf_remote_start for a probe */
    pthread_t starter;
    struct mf_remote_call probe;

    atomic_uint_fast64_t requests, retries, failures, sent, received;
};

enum mf_code mf_remote_configure(struct mf_remote *remote, const struct mf_bucket_config *config,
                                 struct mf_error *err) MF_CHECK_RESULT;
/* The path of a request, from "/" on; .ptr NULL when memory ran out. */
struct mf_str mf_remote_path(const struct mf_remote *remote, struct mf_arena *arena, struct mf_str name);
struct mf_signer mf_remote_signer(const struct mf_remote *remote, const struct mf_keys *keys);

/* What an answer means: MF_OK, or a failure with its message. *again: another try may help. *keys: others
 * may. */
enum mf_code mf_remote_judge(struct mf_remote_call *call, enum mf_code code, const struct mf_error *cause,
                             bool *again, bool *keys, struct mf_error *err);

/* False, with the error, while the server is out of reach. */
bool mf_remote_may(struct mf_remote *remote, const struct mf_remote_call *call, struct mf_error *err);
/* After each call that has ended. */
void mf_remote_note(struct mf_remote *remote, const struct mf_remote_call *call, enum mf_code code,
                    const struct mf_error *err);

#endif
