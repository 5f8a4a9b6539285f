/*
 * The store: opens (and migrates) the database, owns its writer and the readers' connections.
 */
#ifndef MF_STORE_STORE_H
#define MF_STORE_STORE_H

#include "store/writer.h"

struct mf_store;

struct mf_store_config {
    const struct mf_sys *sys;
    /* Of the SQLite file (":memory:" is refused), or the URL of a PostgreSQL database, postgres://… */
    const char *path;
    const char *password; /* of a server, when it is not in the URL; NULL: none */
    size_t readers;       /* connections to a server that read; 0: 16 */
    struct mf_hub *hub;
    size_t queue;         /* commands waiting; 0: 65536 */
    size_t batch;         /* commands in a transaction; 0: 256 */
    bool unsafe_no_fsync; /* tests only: synchronous=OFF */
};

/* Whether the path is that of a database server. */
bool mf_store_is_server(const char *path);

/* Creates the file when missing, migrates forward, refuses a schema newer than this binary
 * (MF_FAILED_PRECONDITION, with what to do), and starts the writer and the checkpointer. MF_ABORTED when a
 * server's database belongs to another process. */
enum mf_code mf_store_open(const struct mf_store_config *config, struct mf_store **out, struct mf_error *err);
struct mf_writer *mf_store_writer(struct mf_store *store);
struct mf_hub *mf_store_hub(struct mf_store *store);
const struct mf_sys *mf_store_sys(struct mf_store *store);

/* Borrows a reader's connection for the calling thread; give it back soon and on the same thread. Readers are
 * pooled, so this costs a lock and no system call. NULL-safe give. */
enum mf_code mf_store_reader(struct mf_store *store, struct mf_db **out,
                             struct mf_error *err) MF_CHECK_RESULT;
void mf_store_reader_done(struct mf_store *store, struct mf_db *db);
/* Newest committed number of the change sequence. Any thread. */
int64_t mf_store_seq(struct mf_store *store);

/* Completes what waits, checkpoints, closes. No reader may be out. */
void mf_store_close(struct mf_store *store);

#endif
