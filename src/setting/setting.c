#include "setting/setting.h"

#include "base/list.h"
#include "gen/flyteidl2/settings/settings_service.pb.h"
#include "project/check.h"
#include "setting/check.h"
#include "setting/merge.h"
#include "store/project.h"
#include "store/setting.h"

#include <stdio.h>
#include <stdlib.h>

#define LEVELS 3

struct mf_settings_service {
    struct mf_settings_config config;
};

/* ---- reading ---- */

/* How deep the scope is: a flyteidl2.settings.ScopeLevel. */
static int32_t level_of(struct mf_str domain, struct mf_str project)
{
    if (project.len > 0)
        return pb_settings_SCOPE_LEVEL_PROJECT;
    return domain.len > 0 ? pb_settings_SCOPE_LEVEL_DOMAIN : pb_settings_SCOPE_LEVEL_ORG;
}

/* Settings of the scope that lies so deep on the way to the key's; a scope without any has version 0. */
static enum mf_code read_level(struct mf_db *db, struct mf_arena *arena,
                               const struct pb_settings_SettingsKey *key, int32_t level,
                               struct pb_settings_SettingsRecord *out, struct mf_error *err)
{
    struct mf_setting_row row;
    void *settings = NULL;
    struct pb_settings_SettingsKey *own = MF_NEW(arena, struct pb_settings_SettingsKey);
    if (!own)
        return mf_fail_memory(err);
    own->org = key->org;
    own->domain = level >= pb_settings_SCOPE_LEVEL_DOMAIN ? key->domain : MF_STR_EMPTY;
    own->project = level >= pb_settings_SCOPE_LEVEL_PROJECT ? key->project : MF_STR_EMPTY;
    enum mf_code code = mf_setting_get(db, arena, own->domain, own->project, &row, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_settings_Settings_type, row.body, &settings, err);
    if (code != MF_OK)
        return code;
    out->key = own;
    out->settings = settings;
    out->version = (uint64_t)row.version;
    return MF_OK;
}

static enum mf_code read_levels(struct mf_db *db, struct mf_arena *arena,
                                const struct pb_settings_SettingsKey *key,
                                struct pb_settings_SettingsRecord *levels, size_t *count,
                                struct mf_error *err)
{
    enum mf_code code = MF_OK;
    *count = (size_t)level_of(key->domain, key->project) + 1;
    for (size_t i = 0; i < *count && code == MF_OK; i++)
        code = read_level(db, arena, key, (int32_t)i, &levels[i], err);
    return code;
}

/* levels are changed. */
static enum mf_code merge_levels(struct mf_arena *arena, struct pb_settings_SettingsRecord *levels,
                                 size_t count, struct pb_settings_Settings *out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (size_t i = 0; i < count && code == MF_OK; i++)
        code = mf_settings_merge(arena, out, levels[i].settings, (int32_t)i, err);
    return code;
}

enum mf_code mf_settings_resolve(struct mf_db *db, struct mf_arena *arena, struct mf_str domain,
                                 struct mf_str project, struct mf_settings *out, struct mf_error *err)
{
    const struct pb_settings_SettingsKey key = {.domain = domain, .project = project};
    struct pb_settings_SettingsRecord levels[LEVELS] = {0};
    size_t count;
    struct pb_settings_Settings *merged = MF_NEW(arena, struct pb_settings_Settings);
    if (!merged)
        return mf_fail_memory(err);
    enum mf_code code = read_levels(db, arena, &key, levels, &count, err);
    if (code == MF_OK)
        code = merge_levels(arena, levels, count, merged, err);
    if (code == MF_OK)
        mf_settings_flatten(merged, out);
    return code;
}

/* ---- what the four methods share ---- */

static enum mf_code check_key(const struct mf_settings_service *service,
                              const struct pb_settings_SettingsKey *key, struct mf_error *err)
{
    if (!key)
        return mf_fail(err, MF_INVALID_ARGUMENT, "key is required");
    if (key->project.len > 0 && key->domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "key.domain is required: a project-scope key requires a domain");
    if (key->domain.len == 0)
        return MF_OK;
    enum mf_code code =
        mf_domain_check(service->config.domains, service->config.domain_count, key->domain, err);
    return code == MF_OK ? MF_OK : mf_fail_prefix(err, "key.domain");
}

static enum mf_code check_project_exists(struct mf_db *db, struct mf_str project, struct mf_error *err)
{
    bool exists = true;
    enum mf_code code = project.len > 0 ? mf_project_exists(db, project, &exists, err) : MF_OK;
    if (code == MF_OK && !exists)
        code = mf_fail(err, MF_NOT_FOUND, "key.project: there is no project \"%.*s\"",
                       MF_FMT(mf_str_take(project, mf_utf8_cut(project, 100))));
    return code;
}

/* All levels of the key, of one moment. */
static enum mf_code load(const struct mf_settings_service *service, struct mf_arena *arena,
                         const struct pb_settings_SettingsKey *key, struct pb_settings_SettingsRecord *levels,
                         size_t *count, struct mf_error *err)
{
    struct mf_db *db = NULL;
    enum mf_code code = check_key(service, key, err);
    if (code == MF_OK)
        code = mf_store_reader(service->config.store, &db, err);
    if (code != MF_OK)
        return code;
    code = mf_db_snapshot_begin(db, err);
    if (code == MF_OK) {
        code = check_project_exists(db, key->project, err);
        if (code == MF_OK)
            code = read_levels(db, arena, key, levels, count, err);
        mf_db_snapshot_end(db);
    }
    mf_store_reader_done(service->config.store, db);
    return code;
}

static void on_get(void *ctx, struct mf_call *call)
{
    const struct pb_settings_GetSettingsRequest *request = mf_call_request(call);
    struct mf_arena *arena = mf_call_arena(call);
    struct pb_settings_SettingsRecord levels[LEVELS] = {0};
    struct pb_settings_Settings settings = {0};
    struct pb_settings_SettingsRecord record = {.key = request->key, .settings = &settings};
    const struct pb_settings_GetSettingsResponse response = {.settingsRecord = &record};
    struct mf_error err;
    size_t count = 0;
    enum mf_code code = load(ctx, arena, request->key, levels, &count, &err);
    if (code == MF_OK) {
        record.version = levels[count - 1].version;
        code = merge_levels(arena, levels, count, &settings, &err);
    }
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static void on_get_for_edit(void *ctx, struct mf_call *call)
{
    const struct pb_settings_GetSettingsForEditRequest *request = mf_call_request(call);
    struct pb_settings_SettingsRecord levels[LEVELS] = {0};
    struct pb_settings_SettingsRecord *items[LEVELS];
    struct pb_settings_GetSettingsForEditResponse response = {.requestedKey = request->key};
    struct mf_error err;
    size_t count = 0;
    enum mf_code code = load(ctx, mf_call_arena(call), request->key, levels, &count, &err);
    if (code != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        mf_settings_mark(levels[i].settings, (int32_t)i);
        items[i] = &levels[i];
    }
    response.levels.items = items;
    response.levels.count = (uint32_t)count;
    mf_call_reply(call, &response);
}

/* ---- writing ---- */

/* Settings to be written; lives in the arena of its call. */
struct write {
    struct mf_command command;
    struct mf_call *call;
    bool update;
    struct pb_settings_SettingsKey *key;
    struct pb_settings_Settings *settings;
    struct mf_setting_row row;
    int64_t version; /* that is stored now */
};

/* The scope as the message to a person names it. */
static const char *scope_text(const struct write *write, char *memory, size_t size)
{
    snprintf(memory, size, "v1:flyte:%.*s:%.*s", MF_FMT(write->row.domain), MF_FMT(write->row.project));
    return memory;
}

static enum mf_code apply_write(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    struct mf_db *db = mf_tx_db(tx);
    char scope[256];
    enum mf_code code = write->row.project.len > 0 ? mf_project_check(db, write->row.project, err) : MF_OK;
    if (code != MF_OK)
        return mf_fail_prefix(err, "key.project");
    write->row.now_ns = mf_tx_now_ns(tx);
    if (!write->update) {
        write->version = 1;
        code = mf_setting_insert(db, &write->row, err);
        if (code == MF_ALREADY_EXISTS)
            mf_fail(err, code, "settings already exist: %s; read them for editing and update them",
                    scope_text(write, scope, sizeof scope));
        return code;
    }
    code = mf_setting_update(db, &write->row, &write->version, err);
    if (code == MF_NOT_FOUND)
        mf_fail(err, code, "settings not found: %s; create them", scope_text(write, scope, sizeof scope));
    else if (code == MF_FAILED_PRECONDITION)
        mf_fail(err, code,
                "settings version conflict: %s has version %lld, not %lld; somebody else has changed them, "
                "so read them for editing and try again",
                scope_text(write, scope, sizeof scope), (long long)write->version,
                (long long)write->row.version);
    return code;
}

static void done_write(struct mf_command *command, enum mf_code code, const struct mf_error *err)
{
    struct write *write = MF_CONTAINER(command, struct write, command);
    struct mf_call *call = write->call;
    struct pb_settings_SettingsRecord record = {
        .key = write->key, .settings = write->settings, .version = (uint64_t)write->version};
    const struct pb_settings_CreateSettingsResponse created = {.settingsRecord = &record};
    const struct pb_settings_UpdateSettingsResponse updated = {.settingsRecord = &record};
    if (code != MF_OK)
        mf_call_fail_error(call, err);
    else if (write->update)
        mf_call_reply(call, &updated);
    else
        mf_call_reply(call, &created);
    mf_call_unref(call);
}

static enum mf_code prepare(const struct mf_settings_service *service, struct mf_arena *arena,
                            struct write *write, struct mf_error *err)
{
    enum mf_code code = check_key(service, write->key, err);
    if (code == MF_OK && !write->settings)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "settings is required");
    if (code == MF_OK)
        code = mf_settings_check(write->settings, err);
    if (code != MF_OK)
        return code;
    mf_settings_mark(write->settings, level_of(write->key->domain, write->key->project));
    write->row.domain = write->key->domain;
    write->row.project = write->key->project;
    code = pb_encode_stable(arena, &pb_settings_Settings_type, write->settings, &write->row.body, err);
    if (code == MF_OK && write->row.body.len > MF_SETTINGS_BYTES_MAX)
        code = mf_fail(err, MF_INVALID_ARGUMENT, "settings: must have at most %zu KiB, and these have %zu",
                       MF_SETTINGS_BYTES_MAX >> 10, write->row.body.len >> 10);
    return code;
}

static void submit(const struct mf_settings_service *service, struct mf_call *call, struct write *write)
{
    struct mf_error err;
    if (prepare(service, mf_call_arena(call), write, &err) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    write->command.apply = apply_write;
    write->command.done = done_write;
    write->call = mf_call_ref(call);
    mf_writer_submit(mf_store_writer(service->config.store), &write->command);
}

static struct write *new_write(struct mf_call *call, struct pb_settings_SettingsKey *key,
                               struct pb_settings_Settings *settings)
{
    struct write *write = MF_NEW(mf_call_arena(call), struct write);
    if (!write) {
        mf_call_fail(call, MF_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    write->key = key;
    write->settings = settings;
    return write;
}

static void on_create(void *ctx, struct mf_call *call)
{
    const struct pb_settings_CreateSettingsRequest *request = mf_call_request(call);
    struct write *write = new_write(call, request->key, request->settings);
    if (write)
        submit(ctx, call, write);
}

static void on_update(void *ctx, struct mf_call *call)
{
    const struct pb_settings_UpdateSettingsRequest *request = mf_call_request(call);
    if (request->version == 0 || request->version > INT64_MAX) {
        mf_call_fail(call, MF_INVALID_ARGUMENT,
                     "version is required: that of the settings as they were read for editing");
        return;
    }
    struct write *write = new_write(call, request->key, request->settings);
    if (!write)
        return;
    write->update = true;
    write->row.version = (int64_t)request->version;
    submit(ctx, call, write);
}

enum mf_code mf_settings_serve(const struct mf_settings_config *config, struct mf_rpc *rpc,
                               struct mf_settings_service **out, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_settings_SettingsService_GetSettings, on_get},
        {pb_settings_SettingsService_GetSettingsForEdit, on_get_for_edit},
        {pb_settings_SettingsService_CreateSettings, on_create},
        {pb_settings_SettingsService_UpdateSettings, on_update},
    };
    struct mf_settings_service *service = calloc(1, sizeof *service);
    enum mf_code code = service ? MF_OK : mf_fail_memory(err);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_settings_SettingsService_service, methods[i].method, methods[i].handler,
                             service, err);
    if (code != MF_OK) {
        free(service);
        return code;
    }
    service->config = *config;
    *out = service;
    return MF_OK;
}

void mf_settings_free(struct mf_settings_service *service)
{
    free(service);
}
