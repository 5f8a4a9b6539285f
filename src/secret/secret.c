#include "secret/secret.h"

#include "base/encode.h"
#include "base/list.h"
#include "gen/flyteidl2/secret/payload.pb.h"
#include "gen/flyteidl2/secret/secret.pb.h"
#include "project/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_DEFAULT 50
#define LIST_MAX 1000
#define TOKEN_MAX 2048
#define CLUSTER "local"
#define NS_PER_SECOND INT64_C(1000000000)

struct mf_secrets {
    struct mf_secrets_config config;
};

/* ---- what the methods share ---- */

/* " in project p and domain d": the scope as a message to a person names it. */
static const char *scope_text(const struct mf_secret_id *id, char *memory, size_t size)
{
    if (id->project.len > 0)
        snprintf(memory, size, " in project %.*s and domain %.*s", MF_FMT(mf_str_take(id->project, 64)),
                 MF_FMT(mf_str_take(id->domain, 64)));
    else if (id->domain.len > 0)
        snprintf(memory, size, " in domain %.*s", MF_FMT(mf_str_take(id->domain, 64)));
    else
        snprintf(memory, size, " among those for all projects");
    return memory;
}

static enum mf_code missing(const struct mf_secret_id *id, struct mf_error *err)
{
    char scope[200];
    return mf_fail(err, MF_NOT_FOUND, "secret \"%.*s\" not found%s", MF_FMT(id->name),
                   scope_text(id, scope, sizeof scope));
}

/* The name becomes the name of a file for tasks that want one. */
static enum mf_code check_name(struct mf_str name, struct mf_error *err)
{
    bool ok =
        name.len > 0 && name.len <= MF_SECRET_NAME_MAX && !mf_str_eq_c(name, ".") && !mf_str_eq_c(name, "..");
    for (size_t i = 0; ok && i < name.len; i++)
        ok = isalnum((unsigned char)name.ptr[i]) || memchr("-_.", name.ptr[i], 3);
    if (ok)
        return MF_OK;
    if (name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "id.name is required");
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "id.name must have at most %d characters out of letters, digits, \"-\", \"_\" and \".\"",
                   MF_SECRET_NAME_MAX);
}

static enum mf_code check_scope(struct mf_str domain, struct mf_str project, const char *prefix,
                                struct mf_error *err)
{
    if (project.len > 0 && domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%sdomain is required with a project: a secret belongs to a project in a domain, to a "
                       "domain, or to all",
                       prefix);
    return MF_OK;
}

static enum mf_code take_id(const struct pb_secret_SecretIdentifier *id, struct mf_secret_id *out,
                            struct mf_error *err)
{
    if (!id)
        return mf_fail(err, MF_INVALID_ARGUMENT, "id is required");
    *out = (struct mf_secret_id){.domain = id->domain, .project = id->project, .name = id->name};
    enum mf_code code = check_name(id->name, err);
    return code == MF_OK ? check_scope(id->domain, id->project, "id.", err) : code;
}

/* ---- writing ---- */

enum kind { CREATE, UPDATE, DELETE };

/* A secret to be written; lives in the arena of its call, already sealed. */
struct write {
    struct mf_command command;
    struct mf_call *call;
    struct mf_vault *vault;
    enum kind kind;
    struct mf_secret_row row;
};

static enum mf_code put(struct write *write, struct mf_tx *tx, struct mf_error *err)
{
    char scope[200];
    struct mf_secret_row row = write->row;
    enum mf_code code = row.id.project.len > 0 ? mf_project_check(mf_tx_db(tx), row.id.project, err) : MF_OK;
    if (code != MF_OK)
        return mf_fail_prefix(err, "id.project");
    row.created_at = mf_tx_now_ns(tx);
    row.updated_at = row.created_at;
    code = mf_vault_renew(write->vault, mf_tx_arena(tx), &row, err);
    if (code != MF_OK)
        return code;
    if (write->kind == UPDATE)
        return mf_secret_update(mf_tx_db(tx), &row, err);
    code = mf_secret_insert(mf_tx_db(tx), &row, err);
    if (code == MF_ALREADY_EXISTS)
        code = mf_fail(err, code, "secret \"%.*s\" already exists%s; update it, or delete it first",
                       MF_FMT(row.id.name), scope_text(&row.id, scope, sizeof scope));
    return code;
}

static enum mf_code apply_write(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    enum mf_code code =
        write->kind == DELETE ? mf_secret_delete(mf_tx_db(tx), &write->row.id, err) : put(write, tx, err);
    /* A project that is not there has its own message. */
    bool gone = code == MF_NOT_FOUND && !mf_str_starts(mf_str_from_c(err->message), MF_STR("id.project"));
    return gone ? missing(&write->row.id, err) : code;
}

static void done_write(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    struct mf_call *call = write->call;
    const struct pb_secret_CreateSecretResponse created = {0};
    const struct pb_secret_UpdateSecretResponse updated = {0};
    const struct pb_secret_DeleteSecretResponse deleted = {0};
    const void *const responses[] = {[CREATE] = &created, [UPDATE] = &updated, [DELETE] = &deleted};
    if (code == MF_OK)
        mf_call_reply(call, responses[write->kind]);
    else
        mf_call_fail_error(call, err);
    mf_call_unref(call);
}

static void submit(const struct mf_secrets *secrets, struct mf_call *call, enum kind kind,
                   const struct mf_secret_row *row)
{
    struct write *write = MF_NEW(mf_call_arena(call), struct write);
    if (!write) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    write->command.apply = apply_write;
    write->command.done = done_write;
    write->call = mf_call_ref(call);
    write->vault = secrets->config.vault;
    write->kind = kind;
    write->row = *row;
    mf_writer_submit(mf_store_writer(secrets->config.store), &write->command);
}

static enum mf_code take_value(const struct pb_secret_SecretSpec *spec, struct mf_str *out,
                               struct mf_error *err)
{
    if (!spec || spec->value_case == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "secret_spec.value is required: either string_value or binary_value");
    if (spec->type < pb_secret_SECRET_TYPE_GENERIC || spec->type > pb_secret_SECRET_TYPE_IMAGE_PULL_SECRET)
        return mf_fail(err, MF_INVALID_ARGUMENT, "secret_spec.type: %d is unknown", (int)spec->type);
    bool text = spec->value_case == pb_secret_SecretSpec_tag_string_value;
    *out = text ? spec->value.string_value : spec->value.binary_value;
    if (out->len > MF_SECRET_VALUE_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "secret_spec.%s_value: must have at most %zu KiB",
                       text ? "string" : "binary", MF_SECRET_VALUE_MAX >> 10);
    return MF_OK;
}

static void seal_and_submit(const struct mf_secrets *secrets, struct mf_call *call, enum kind kind,
                            const struct pb_secret_SecretIdentifier *id,
                            const struct pb_secret_SecretSpec *spec)
{
    struct mf_error err;
    struct mf_secret_row row = {0};
    struct mf_str value = MF_STR_EMPTY;
    enum mf_code code = take_id(id, &row.id, &err);
    if (code == MF_OK && row.id.domain.len > 0) {
        code = mf_domain_check(secrets->config.domains, secrets->config.domain_count, row.id.domain, &err);
        if (code != MF_OK)
            mf_fail_prefix(&err, "id.domain");
    }
    if (code == MF_OK)
        code = take_value(spec, &value, &err);
    if (code == MF_OK)
        code = mf_vault_seal(secrets->config.vault, mf_call_arena(call), value, &row, &err);
    /* The request's memory is the call's and is not read again: nothing of the value stays in it. */
    mf_wipe(value);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    row.type = spec->type;
    submit(secrets, call, kind, &row);
}

static void on_create(void *ctx, struct mf_call *call)
{
    const struct pb_secret_CreateSecretRequest *request = mf_call_request(call);
    seal_and_submit(ctx, call, CREATE, request->id, request->secret_spec);
}

static void on_update(void *ctx, struct mf_call *call)
{
    const struct pb_secret_UpdateSecretRequest *request = mf_call_request(call);
    seal_and_submit(ctx, call, UPDATE, request->id, request->secret_spec);
}

static void on_delete(void *ctx, struct mf_call *call)
{
    const struct pb_secret_DeleteSecretRequest *request = mf_call_request(call);
    struct mf_error err;
    struct mf_secret_row row = {0};
    if (take_id(request->id, &row.id, &err) != MF_OK)
        mf_call_fail_error(call, &err);
    else
        submit(ctx, call, DELETE, &row);
}

/* ---- reading ---- */

static struct pb_secret_SecretStatus *status_message(struct mf_arena *arena)
{
    struct pb_secret_SecretStatus *status = MF_NEW(arena, struct pb_secret_SecretStatus);
    struct pb_secret_ClusterSecretStatus *cluster = MF_NEW(arena, struct pb_secret_ClusterSecretStatus);
    struct pb_common_ClusterIdentifier *name = MF_NEW(arena, struct pb_common_ClusterIdentifier);
    if (!status || !cluster || !name || !PB_PUSH(arena, status->cluster_status, cluster))
        return NULL;
    name->name = MF_STR(CLUSTER);
    cluster->cluster = name;
    cluster->presence_status = pb_secret_PRESENT;
    status->overall_status = pb_secret_FULLY_PRESENT;
    return status;
}

static struct pb_secret_Secret *to_message(struct mf_arena *arena, struct mf_str organization,
                                           const struct mf_secret_row *row)
{
    struct pb_secret_Secret *secret = MF_NEW(arena, struct pb_secret_Secret);
    struct pb_secret_SecretIdentifier *id = MF_NEW(arena, struct pb_secret_SecretIdentifier);
    struct pb_secret_SecretMetadata *metadata = MF_NEW(arena, struct pb_secret_SecretMetadata);
    struct pb_google_protobuf_Timestamp *created = MF_NEW(arena, struct pb_google_protobuf_Timestamp);
    if (!secret || !id || !metadata || !created)
        return NULL;
    id->name = row->id.name;
    id->organization = organization;
    id->domain = row->id.domain;
    id->project = row->id.project;
    created->seconds = row->created_at / NS_PER_SECOND;
    created->nanos = (int32_t)(row->created_at % NS_PER_SECOND);
    metadata->created_time = created;
    metadata->secret_status = status_message(arena);
    metadata->type = row->type;
    secret->id = id;
    secret->secret_metadata = metadata;
    return metadata->secret_status ? secret : NULL;
}

static void on_get(void *ctx, struct mf_call *call)
{
    const struct mf_secrets *secrets = ctx;
    const struct pb_secret_GetSecretRequest *request = mf_call_request(call);
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_secret_GetSecretResponse response = {0};
    struct mf_secret_id id;
    struct mf_secret_row row;
    struct mf_db *db = NULL;
    struct mf_error err;
    enum mf_code code = take_id(request->id, &id, &err);
    if (code == MF_OK)
        code = mf_store_reader(secrets->config.store, &db, &err);
    if (code == MF_OK) {
        code = mf_secret_get(db, arena, &id, &row, &err);
        if (code == MF_NOT_FOUND)
            missing(&id, &err);
    }
    mf_store_reader_done(secrets->config.store, db);
    if (code == MF_OK) {
        response.secret = to_message(arena, request->id->organization, &row);
        code = response.secret ? MF_OK : mf_fail_memory(&err);
    }
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

/* A token is the name of the last secret of its page: domain, project and name between NUL bytes, which none
 * of them holds. */
static enum mf_code read_token(struct mf_arena *arena, const struct pb_secret_ListSecretsRequest *request,
                               struct mf_secret_id *out, struct mf_error *err)
{
    struct mf_str text = MF_STR_EMPTY;
    struct mf_str token = request->token;
    bool ok = token.len <= TOKEN_MAX && mf_base64_decode(arena, token, &text);
    size_t domain = mf_str_find_char(text, '\0');
    struct mf_str rest = mf_str_skip(text, domain == SIZE_MAX ? text.len : domain + 1);
    size_t project = mf_str_find_char(rest, '\0');
    ok = ok && domain != SIZE_MAX && project != SIZE_MAX && mf_utf8_valid(text.ptr, text.len);
    *out = (struct mf_secret_id){.domain = mf_str_take(text, domain),
                                 .project = mf_str_take(rest, project),
                                 .name = ok ? mf_str_skip(rest, project + 1) : MF_STR_EMPTY};
    ok = ok && check_name(out->name, NULL) == MF_OK &&
         (request->domain.len == 0 || mf_str_eq(request->domain, out->domain)) &&
         (request->project.len == 0 || mf_str_eq(request->project, out->project));
    if (!ok)
        return mf_fail(err, MF_INVALID_ARGUMENT, "token: \"%.*s\" is none of this list; start without one",
                       MF_FMT(mf_str_take(token, mf_utf8_cut(token, 60))));
    return MF_OK;
}

static struct mf_str write_token(struct mf_arena *arena, const struct pb_secret_SecretIdentifier *last)
{
    struct mf_str text = mf_str_printf(arena, "%.*s%c%.*s%c%.*s", MF_FMT(last->domain), 0,
                                       MF_FMT(last->project), 0, MF_FMT(last->name));
    return text.ptr ? mf_base64url(arena, text) : text;
}

struct listing {
    struct mf_arena *arena;
    struct mf_str organization;
    struct pb_secret_ListSecretsResponse *out;
    size_t limit;
    bool more, failed;
};

static bool add_to_list(void *ctx, const struct mf_secret_row *row)
{
    struct listing *listing = ctx;
    listing->more = listing->out->secrets.count == listing->limit;
    if (listing->more)
        return false;
    struct pb_secret_Secret *secret = to_message(listing->arena, listing->organization, row);
    listing->failed = !secret || !PB_PUSH(listing->arena, listing->out->secrets, secret);
    return !listing->failed;
}

static enum mf_code list(const struct mf_secrets *secrets, struct mf_arena *arena,
                         const struct pb_secret_ListSecretsRequest *request,
                         struct pb_secret_ListSecretsResponse *out, struct mf_error *err)
{
    struct mf_secret_id after;
    struct mf_secret_query query = {.domain = request->domain, .project = request->project};
    struct listing listing = {.arena = arena, .organization = request->organization, .out = out};
    struct mf_db *db = NULL;
    if (request->limit < 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "limit: must not be negative");
    listing.limit = request->limit == 0 ? LIST_DEFAULT : (size_t)request->limit;
    if (listing.limit > LIST_MAX)
        listing.limit = LIST_MAX;
    query.limit = listing.limit + 1; /* one more tells whether there is another page */
    enum mf_code code = check_scope(request->domain, request->project, "", err);
    if (code == MF_OK && request->token.len > 0) {
        code = read_token(arena, request, &after, err);
        query.after = &after;
    }
    if (code == MF_OK)
        code = mf_store_reader(secrets->config.store, &db, err);
    if (code == MF_OK)
        code = mf_secret_list(db, arena, &query, add_to_list, &listing, err);
    mf_store_reader_done(secrets->config.store, db);
    if (code == MF_OK && listing.failed)
        code = mf_fail_memory(err);
    if (code == MF_OK && listing.more) {
        out->token = write_token(arena, out->secrets.items[out->secrets.count - 1]->id);
        code = out->token.ptr ? MF_OK : mf_fail_memory(err);
    }
    return code;
}

static void on_list(void *ctx, struct mf_call *call)
{
    struct pb_secret_ListSecretsResponse response = {0};
    struct mf_error err;
    if (list(ctx, mf_call_arena(call), mf_call_request(call), &response, &err) == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

enum mf_code mf_secrets_serve(const struct mf_secrets_config *config, struct mf_rpc *rpc,
                              struct mf_secrets **out, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_secret_SecretService_CreateSecret, on_create}, {pb_secret_SecretService_UpdateSecret, on_update},
        {pb_secret_SecretService_GetSecret, on_get},       {pb_secret_SecretService_DeleteSecret, on_delete},
        {pb_secret_SecretService_ListSecrets, on_list},
    };
    struct mf_secrets *secrets = calloc(1, sizeof *secrets);
    enum mf_code code = secrets ? MF_OK : mf_fail_memory(err);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_secret_SecretService_service, methods[i].method, methods[i].handler,
                             secrets, err);
    if (code != MF_OK) {
        free(secrets);
        return code;
    }
    secrets->config = *config;
    *out = secrets;
    return MF_OK;
}

void mf_secrets_free(struct mf_secrets *secrets)
{
    free(secrets);
}
