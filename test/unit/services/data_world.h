/* The data proxy over stores of its own. */
#ifndef MF_TEST_DATA_WORLD_H
#define MF_TEST_DATA_WORLD_H

#include "wire.h"

#include "data/data.h"
#include "gen/flyteidl2/dataproxy/dataproxy_service.pb.h"
#include "gen/google/protobuf/duration.pb.h"
#include "store/project.h"
#include "store/task.h"

#define PROXY (&pb_dataproxy_DataProxyService_service)

/* What serving the proxy has opened; one test at a time. */
static struct {
    char dir[64], object_dir[96], log_dir[96];
    struct mf_objects *objects;
    struct mf_data *data;
} parts;

static inline enum mf_code data_serve(struct mf_store *store, struct mf_rpc *rpc, struct mf_error *err)
{
    snprintf(parts.dir, sizeof parts.dir, "/tmp/mayfly-data-test-XXXXXX");
    assert_non_null(mkdtemp(parts.dir));
    snprintf(parts.object_dir, sizeof parts.object_dir, "%s/objects", parts.dir);
    snprintf(parts.log_dir, sizeof parts.log_dir, "%s/logs", parts.dir);
    const struct mf_objects_config objects = {
        .store = store,
        .dir = parts.object_dir,
        .bucket = MF_STR("mayfly"),
        .access_key = MF_STR("key"),
        .secret_key = MF_STR("secret"),
        .endpoint = MF_STR("http://configured:1"),
    };
    assert_int_equal(mf_objects_open(&objects, &parts.objects, err), MF_OK);
    const struct mf_data_config data = {
        .store = store, .objects = parts.objects, .sys = mf_sys_real(), .log_root = parts.log_dir};
    assert_int_equal(mf_objects_serve(parts.objects, rpc, err), MF_OK);
    return mf_data_serve(&data, rpc, &parts.data, err);
}

static inline enum mf_code data_add_project(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct mf_project_row row = {
        .id = mf_str_from_c(data), .name = MF_STR("x"), .description = MF_STR_EMPTY};
    return mf_project_insert(mf_tx_db(tx), &row, err);
}

static inline int data_setup(void **state)
{
    wire_setup(state, data_serve);
    assert_int_equal(entity_write(*state, data_add_project, "p"), MF_OK);
    return 0;
}

static inline int data_teardown(void **state)
{
    struct wire *w = *state;
    mf_rpc_stop(w->rpc);
    mf_objects_close(parts.objects);
    wire_teardown(state);
    mf_data_free(parts.data);
    assert_int_equal(mf_remove_tree(parts.dir, NULL), MF_OK);
    return 0;
}

static inline void data_write(struct wire *w, const char *uri, struct mf_str bytes)
{
    assert_int_equal(mf_object_write(parts.objects, mf_str_from_c(uri), bytes, MF_STR_EMPTY, &w->entity.err),
                     MF_OK);
}

/* One HTTP request to a signed URL; its status, and its body in *body when asked for. */
static inline int data_http(struct wire *w, const char *method, struct mf_str url,
                            const struct mf_header *headers, size_t count, struct mf_str sent,
                            struct mf_str *body)
{
    const struct mf_str host = MF_STR("http://test"); /* of the request that asked for the URL */
    assert_true(mf_str_starts(url, host));
    char *target = mf_str_to_c(w->entity.arena, mf_str_skip(url, host.len));
    struct mf_exchange *exchange = fake_exchange_new(w->loop, method, target, headers, count);
    fake_open(exchange, mf_rpc_on_request, w->rpc);
    if (!exchange->ended && sent.len > 0)
        fake_body(exchange, sent);
    if (!exchange->ended)
        fake_end(exchange);
    assert_true(fake_until_ended(exchange));
    int status = exchange->status;
    if (body)
        *body = mf_str_copy(w->entity.arena, mf_buf_str(&exchange->body));
    fake_close(exchange);
    return status;
}

struct data_id {
    struct pb_common_RunIdentifier run;
    struct pb_common_ActionIdentifier action;
    struct pb_common_ActionAttemptIdentifier attempt;
};

static inline struct data_id *data_id(struct wire *w, const char *run, const char *action, uint32_t attempt)
{
    struct data_id *id = MF_NEW(w->entity.arena, struct data_id);
    id->run = (struct pb_common_RunIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(run)};
    id->action = (struct pb_common_ActionIdentifier){.run = &id->run, .name = mf_str_from_c(action)};
    id->attempt = (struct pb_common_ActionAttemptIdentifier){.action_id = &id->action, .attempt = attempt};
    return id;
}

#endif
