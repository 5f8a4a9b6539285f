/* A store in a folder of its own, opened as the test wants it, and a command that writes one project. */
#ifndef MF_TEST_FIXTURE_H
#define MF_TEST_FIXTURE_H

#include "database.h"

#include "hub/hub.h"
#include "store/store.h"

struct fixture {
    char dir[64];
    struct test_database database;
    const char *path; /* the database's */
    struct mf_hub *hub;
    struct mf_store *store;
    struct mf_store_config config; /* for fixture_open; sys, path and hub are set */
    struct mf_error err;
};

int fixture_setup(void **state); /* the store is not open yet */
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* The size of the log's file; 0 when there is none. */
int64_t fixture_log_bytes(const struct fixture *f);

/* Inserts the project with this id, or what the fields below say. */
struct put {
    struct mf_command command;
    char id[32];
    size_t padding;        /* bytes of description */
    enum mf_code fail;     /* after the insert */
    struct mf_topic touch; /* when it has a kind */
    int applied;           /* times */
    int64_t seq;           /* drawn by apply, when wants_seq */
    bool wants_seq;
    bool done;
    enum mf_code code;
    char message[200];
    int place; /* in the order of answers, from 1 */
};

void put_init(struct put *put, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum mf_code put_run(struct fixture *f, const char *id);
/* Submits them while the writer is held up, so that they make one batch, and waits for all. */
void put_batch(struct fixture *f, struct put *puts, size_t count);
void put_wait(const struct put *put);
bool project_there(struct fixture *f, const char *id);
int64_t project_count(struct fixture *f);

#endif
