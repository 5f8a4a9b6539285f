/*
 * The database of a test: a SQLite file in the test's folder or, when MAYFLY_TEST_POSTGRES holds the URL of a
 * server, a schema of its own there.
 */
#ifndef MF_TEST_DATABASE_H
#define MF_TEST_DATABASE_H

#include "testing.h"

#include "hub/hub.h"
#include "store/driver.h"

#include <stdio.h>
#include <stdlib.h>

struct test_database {
    char path[512]; /* for mf_store_config */
    char schema[64];
    bool is_server;
};

/* Whether tests run on a server. */
static inline bool test_database_is_server(void)
{
    const char *url = getenv("MAYFLY_TEST_POSTGRES");
    return url && url[0];
}

/* For what only a file of SQLite's has: its log, a disk that fails, its plans. */
static inline void test_only_with_a_file(void)
{
    if (test_database_is_server())
        skip();
}

static inline void test_database_script(const char *verb, const char *schema, const char *rest)
{
    const struct mf_db_options options = {
        .path = getenv("MAYFLY_TEST_POSTGRES"), .role = MF_DB_WRITER, .wait_ms = 5000};
    struct mf_db *db = NULL;
    struct mf_error err;
    char sql[128];
    snprintf(sql, sizeof sql, "%s SCHEMA %s %s", verb, schema, rest);
    enum mf_code code = mf_db_open(&options, &db, &err);
    if (code == MF_OK)
        code = mf_db_script(db, sql, &err);
    if (code != MF_OK)
        print_error("%s\n", err.message);
    assert_int_equal(code, MF_OK);
    mf_db_close(db);
}

static inline void test_database_make(struct test_database *database, const char *dir)
{
    const char *url = getenv("MAYFLY_TEST_POSTGRES");
    *database = (struct test_database){.is_server = test_database_is_server()};
    if (!database->is_server) {
        snprintf(database->path, sizeof database->path, "%s/db", dir);
        return;
    }
    snprintf(database->schema, sizeof database->schema, "test_%016llx",
             (unsigned long long)mf_topic_hash(mf_str_from_c(dir)));
    snprintf(database->path, sizeof database->path, "%s%coptions=-csearch_path%%3D%s", url,
             strchr(url, '?') ? '&' : '?', database->schema);
    test_database_script("CREATE", database->schema, "");
}

static inline void test_database_drop(struct test_database *database)
{
    if (database->is_server)
        test_database_script("DROP", database->schema, "CASCADE");
}

#endif
