/* A store in a folder of its own for tests of the entities, and a way to run a piece of code inside a
 * command. */
#ifndef MF_TEST_ENTITY_H
#define MF_TEST_ENTITY_H

#include "database.h"

#include "base/list.h"
#include "hub/hub.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

struct entity {
    char dir[64];
    struct test_database database;
    struct mf_hub *hub;
    struct mf_store *store;
    struct mf_db *db; /* a reader */
    struct mf_arena *arena;
    struct mf_error err;
};

static inline int entity_setup(void **state)
{
    struct entity *e = calloc(1, sizeof *e);
    assert_non_null(e);
    snprintf(e->dir, sizeof e->dir, "/tmp/mayfly-entity-test-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    test_database_make(&e->database, e->dir);
    const struct mf_store_config config = {
        .sys = mf_sys_real(), .path = e->database.path, .unsafe_no_fsync = true};
    struct mf_store_config with_hub = config;
    assert_int_equal(mf_hub_new(&e->hub, &e->err), MF_OK);
    with_hub.hub = e->hub;
    assert_int_equal(mf_store_open(&with_hub, &e->store, &e->err), MF_OK);
    assert_int_equal(mf_store_reader(e->store, &e->db, &e->err), MF_OK);
    e->arena = mf_arena_new(0);
    *state = e;
    return 0;
}

static inline int entity_teardown(void **state)
{
    struct entity *e = *state;
    mf_store_reader_done(e->store, e->db);
    mf_store_close(e->store);
    mf_hub_free(e->hub);
    mf_arena_free(e->arena);
    test_database_drop(&e->database);
    assert_int_equal(mf_remove_tree(e->dir, NULL), MF_OK);
    free(e);
    return 0;
}

struct entity_command {
    struct mf_command command;
    enum mf_code (*apply)(struct mf_tx *tx, const void *data, struct mf_error *err);
    const void *data;
};

static inline enum mf_code entity_apply(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct entity_command *c = MF_CONTAINER(command, struct entity_command, command);
    return c->apply(tx, c->data, err);
}

/* Runs apply(tx, data) as one command and waits for its commit. */
static inline enum mf_code entity_write(struct entity *e,
                                        enum mf_code (*apply)(struct mf_tx *tx, const void *data,
                                                              struct mf_error *err),
                                        const void *data)
{
    struct entity_command c = {.command = {.apply = entity_apply}, .apply = apply, .data = data};
    return mf_writer_run(mf_store_writer(e->store), &c.command, &e->err);
}

#endif
