/*
 * The one thread that changes the database. Whoever wants a change fills a command and submits it; the writer
 * takes all that wait (up to a batch), applies them in order inside one transaction, each behind a savepoint,
 * commits once, and only then completes each command and publishes the changes to the hub. So a success is
 * never seen before the fsync that carries it, one fsync serves many commands, and a command either succeeds
 * or leaves no trace.
 *
 * mf_writer_submit may be called from any thread and does not block. apply and done run on the writer's
 * thread and must be short: apply does SQL and decisions only; done hands the result on (replying to a call
 * is fine). When the commit itself fails, every command of the batch is completed with that error
 * (MF_UNAVAILABLE) and nothing of the batch is in the database.
 *
 * apply may run more than once for one command: when the database gave up a whole transaction because of
 * another command (a full disk, say), the rest is applied again; and when the connection to a database server
 * is lost, everything is. So apply derives everything from the command's input, and sets its results anew
 * each time.
 *
 * Several servers may share a PostgreSQL database. The transaction of a batch then begins with taking its
 * place in the order of changes, which it keeps until its end: change numbers rise in the order of commits
 * over all of them, and apply sees everything that was committed before.
 */
#ifndef MF_STORE_WRITER_H
#define MF_STORE_WRITER_H

#include "base/sys.h"
#include "hub/hub.h"
#include "store/db.h"

struct mf_writer;
struct mf_tx;

/* Embedded at the start or anywhere in a struct of the caller's, who owns the memory until done was called.
 */
struct mf_command {
    /* Changes the database through tx. A code other than MF_OK undoes what this command did, and only that.
     */
    enum mf_code (*apply)(struct mf_command *command, struct mf_tx *tx, struct mf_error *err);
    /* Called exactly once, after the commit (code MF_OK) or with the failure. err is valid during the call.
     */
    void (*done)(struct mf_command *command, enum mf_code code, const struct mf_error *err);
    struct mf_command *next; /* the writer's */
    enum mf_code code;       /* the writer's */
};

/* Never fails: when the queue is full (bound of the configuration) or the writer is stopping, done is called
 * with MF_RESOURCE_EXHAUSTED or MF_UNAVAILABLE before this returns. */
void mf_writer_submit(struct mf_writer *writer, struct mf_command *command);
/* For start-up code and tests, never on the writer's thread: submits, and waits until the change is committed
 * and published. done of the command is called as well (it may be NULL here). */
enum mf_code mf_writer_run(struct mf_writer *writer, struct mf_command *command, struct mf_error *err);
/* Completed batches; readyz looks whether it moves when work waits. */
uint64_t mf_writer_turns(const struct mf_writer *writer);
size_t mf_writer_waiting(const struct mf_writer *writer);

/* For apply functions. */
struct mf_db *mf_tx_db(struct mf_tx *tx);
int64_t mf_tx_now_ns(struct mf_tx *tx); /* wall clock, one value per command */
/* The next number of the change sequence: unique, rising in commit order, never re-used after a restart. Rows
 * that a watch follows carry the number of their last change. */
int64_t mf_tx_next_seq(struct mf_tx *tx);
/* Published to the hub after the commit, once for each batch. topic is copied. */
void mf_tx_touch(struct mf_tx *tx, struct mf_topic topic);
/* Scratch memory until the batch is over. */
struct mf_arena *mf_tx_arena(struct mf_tx *tx);

/* Another server has taken the database over while it could not be reached: this one must end, since what it
 * has in memory is not true any more. Any thread. */
bool mf_writer_is_ousted(const struct mf_writer *writer);

/* The store's own side of the writer. */
struct mf_writer_config {
    const struct mf_sys *sys;
    const char *path, *password, *owner; /* as of mf_db_options */
    struct mf_hub *hub;                  /* NULL: nobody is told */
    size_t queue, batch;
    bool no_fsync;
    /* After each commit, on the writer's thread: so many pages are in the log. */
    void (*committed)(void *ctx, int64_t log_pages);
    void *ctx;
};
/* db is a writer's connection to a database that is migrated; the writer owns it from here on, also on
 * failure. */
enum mf_code mf_writer_start(const struct mf_writer_config *config, struct mf_db *db, struct mf_writer **out,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Completes what waits; further commands are refused. Returns the connection, for the last checkpoint, or
 * NULL. */
struct mf_db *mf_writer_stop(struct mf_writer *writer);
void mf_writer_free(struct mf_writer *writer); /* after mf_writer_stop; NULL is fine */
/* hold returns when no transaction runs, and none begins until release. Pairs; one thread at a time. */
void mf_writer_hold(struct mf_writer *writer);
void mf_writer_release(struct mf_writer *writer);
int64_t mf_writer_seq(const struct mf_writer *writer); /* newest committed number */

#endif
