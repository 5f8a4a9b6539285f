#include "server/serve.h"

#include "action/actions.h"
#include "base/log.h"
#include "cache/cache.h"
#include "cluster/cluster.h"
#include "data/data.h"
#include "event/event.h"
#include "exec/exec.h"
#include "hook/hook.h"
#include "project/project.h"
#include "run/run.h"
#include "schedule/scheduler.h"
#include "schedule/service.h"
#include "secret/secret.h"
#include "server/absent.h"
#include "server/address.h"
#include "server/auth.h"
#include "server/check.h"
#include "server/client.h"
#include "server/database.h"
#include "server/health.h"
#include "server/kubernetes.h"
#include "server/metrics.h"
#include "server/rotate.h"
#include "server/version.h"
#include "setting/setting.h"
#include "task/task.h"
#include "translate/translate.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PEM_MAX ((size_t)1 << 20)
#define TOKEN_FILE_MAX ((size_t)4 << 10)
#define MS_NS INT64_C(1000000)

/* Every part of a running server; NULL until its step has started it. */
struct server {
    struct mf_arena *arena;
    const struct mf_config *config;
    const struct mf_sys *sys;
    const char *self;
    struct mf_address address;
    struct mf_str authority; /* host:port */
    struct mf_str url;
    bool tls;
    struct mf_client_keys keys;
    struct mf_datadir *datadir;
    struct mf_hub *hub;
    struct mf_store *store;
    struct mf_rpc *rpc;
    struct mf_fetcher *fetcher; /* outgoing requests */
    struct mf_hooks *hooks;
    struct mf_auth *auth;
    struct mf_server *net;
    struct mf_objects *objects;
    struct mf_projects *projects;
    struct mf_triggers *triggers;
    struct mf_tasks *tasks;
    struct mf_runs *runs;
    struct mf_scheduler *scheduler;
    struct mf_schedules *schedules;
    struct mf_data *data;
    struct mf_translate *translate;
    struct mf_settings_service *settings;
    struct mf_vault *vault;
    struct mf_secrets *secrets;
    struct mf_exec *exec; /* this or the next */
    struct mf_mirror *mirror;
    struct mf_health *health;
    struct mf_metrics metrics;
    struct mf_cluster cluster;
};

static int64_t number(const struct server *s, enum mf_config_key key)
{
    return mf_config_int(s->config, key);
}

static const char *text(const struct server *s, enum mf_config_key key)
{
    return mf_config_text(s->config, key);
}

static const char *path_in(const struct server *s, const char *name)
{
    const char *path = mf_datadir_file(s->datadir, s->arena, name);
    return path ? path : "";
}

/* ---- the steps, in the order of the table below ---- */

static enum mf_code start_datadir(struct server *s, struct mf_error *err)
{
    enum mf_code code = mf_datadir_open(s->arena, text(s, MF_CONF_DATA_DIR), &s->datadir, err);
    return code == MF_OK ? mf_client_keys_load(s->arena, s->sys, s->datadir, &s->keys, err) : code;
}

static void stop_datadir(struct server *s)
{
    mf_datadir_close(s->datadir);
}

static enum mf_code start_hub(struct server *s, struct mf_error *err)
{
    return mf_hub_new(&s->hub, err);
}

static void stop_hub(struct server *s)
{
    mf_hub_free(s->hub);
}

static enum mf_code start_rpc(struct server *s, struct mf_error *err)
{
    struct mf_rpc_config config = {
        .sys = s->sys,
        .workers = (int)number(s, MF_CONF_WORKERS),
        .message_bytes = (size_t)number(s, MF_CONF_MESSAGE_BYTES),
        .stream_idle_ms = (uint32_t)number(s, MF_CONF_STREAM_IDLE_TIMEOUT),
    };
    config.advice = mf_absent_services(&config.advice_count);
    config.cors.origin_count = mf_config_list(s->config, MF_CONF_CORS_ORIGINS, &config.cors.origins);
    return mf_rpc_new(&config, &s->rpc, err);
}

static void stop_rpc(struct server *s)
{
    mf_rpc_free(s->rpc);
}

/* Outgoing requests end before anything that waits for their answers goes. */
static enum mf_code start_fetcher(struct server *s, struct mf_error *err)
{
    const char *ca = text(s, MF_CONF_OUTGOING_CA);
    const struct mf_fetcher_config config = {.sys = s->sys, .ca_file = ca[0] ? ca : NULL};
    enum mf_code code = mf_fetcher_new(&config, &s->fetcher, err);
    const struct mf_auth_input input = {
        .arena = s->arena,
        .config = s->config,
        .sys = s->sys,
        .fetcher = s->fetcher,
        .store = s->store,
        .rpc = s->rpc,
        .secret_file = path_in(s, "task-secret"),
    };
    if (code == MF_OK)
        code = mf_auth_new(&input, &s->auth, err);
    if (code != MF_OK) {
        mf_fetcher_free(s->fetcher);
        s->fetcher = NULL;
    }
    return code;
}

static void stop_fetcher(struct server *s)
{
    mf_fetcher_stop(s->fetcher);
    mf_auth_free(s->auth);
    mf_fetcher_free(s->fetcher);
}

static enum mf_code start_store(struct server *s, struct mf_error *err)
{
    struct mf_store_config config = {
        .sys = s->sys,
        .hub = s->hub,
        .queue = (size_t)number(s, MF_CONF_WRITE_QUEUE),
        .batch = (size_t)number(s, MF_CONF_WRITE_BATCH),
    };
    enum mf_code code = mf_database_config(s->arena, s->config, mf_datadir_path(s->datadir), &config, err);
    if (code != MF_OK)
        return code;
    if (config.unsafe_no_fsync)
        mf_log(MF_LOG_WARN, "server",
               "unsafe-no-fsync is set: what is acknowledged may be lost in a power cut");
    return mf_store_open(&config, &s->store, err);
}

static void stop_store(struct server *s)
{
    mf_store_close(s->store);
}

static enum mf_code read_pem(struct server *s, enum mf_config_key key, struct mf_str *out,
                             struct mf_error *err)
{
    *out = MF_STR_EMPTY;
    return text(s, key)[0] ? mf_read_file(s->arena, text(s, key), PEM_MAX, out, err) : MF_OK;
}

/* Binds, so that the port is known to the steps that follow; nothing is accepted yet. */
static enum mf_code start_listener(struct server *s, struct mf_error *err)
{
    struct mf_net_config config = {
        .host = s->address.host,
        .port = s->address.port,
        .threads = (int)number(s, MF_CONF_IO_THREADS),
        .limits =
            {
                .header_bytes = (size_t)number(s, MF_CONF_HEADER_BYTES),
                .body_bytes = (size_t)number(s, MF_CONF_BODY_BYTES),
                .streams = (uint32_t)number(s, MF_CONF_STREAMS),
                .connections = (uint32_t)number(s, MF_CONF_CONNECTIONS),
                .idle_ms = (uint32_t)number(s, MF_CONF_IDLE_TIMEOUT),
                .header_ms = (uint32_t)number(s, MF_CONF_HEADER_TIMEOUT),
                .body_ms = (uint32_t)number(s, MF_CONF_BODY_TIMEOUT),
                .request_ms = (uint32_t)number(s, MF_CONF_REQUEST_TIMEOUT),
                .send_ms = (uint32_t)number(s, MF_CONF_SEND_TIMEOUT),
            },
    };
    enum mf_code code = read_pem(s, MF_CONF_TLS_CERT, &config.tls_cert_pem, err);
    if (code == MF_OK)
        code = read_pem(s, MF_CONF_TLS_KEY, &config.tls_key_pem, err);
    if (code == MF_OK)
        code = read_pem(s, MF_CONF_TLS_CLIENT_CA, &config.tls_client_ca_pem, err);
    if (code == MF_OK)
        code = mf_server_new(&config, mf_rpc_on_request, s->rpc, &s->net, err);
    if (code != MF_OK)
        return code;
    s->tls = config.tls_cert_pem.len > 0;
    s->authority = mf_address_authority(s->arena, &s->address, mf_server_port(s->net));
    s->url = text(s, MF_CONF_ENDPOINT)[0]
                 ? mf_str_from_c(text(s, MF_CONF_ENDPOINT))
                 : mf_str_printf(s->arena, "%s://%.*s", s->tls ? "https" : "http", MF_FMT(s->authority));
    return s->authority.ptr && s->url.ptr ? MF_OK : mf_fail_memory(err);
}

static void stop_listener(struct server *s)
{
    mf_server_free(s->net);
}

static enum mf_code start_objects(struct server *s, struct mf_error *err)
{
    struct mf_bucket_config bucket;
    bool external = mf_bucket_config_read(s->config, &bucket);
    const struct mf_objects_config config = {
        .store = s->store,
        .dir = path_in(s, "objects"),
        .bucket = mf_str_from_c(text(s, MF_CONF_BUCKET)),
        .external = external ? &bucket : NULL,
        .object_max = (size_t)number(s, MF_CONF_OBJECT_BYTES),
        .access_key = s->keys.access,
        .secret_key = s->keys.secret,
        .endpoint = s->url,
    };
    return mf_objects_open(&config, &s->objects, err);
}

static void stop_objects(struct server *s)
{
    mf_objects_close(s->objects);
}

static enum mf_code start_projects(struct server *s, struct mf_error *err)
{
    struct mf_projects_config config = {.store = s->store};
    const struct mf_str *ids;
    config.domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &config.domains);
    size_t count = mf_config_list(s->config, MF_CONF_PROJECTS, &ids);
    enum mf_code code = mf_projects_new(&config, &s->projects, err);
    return code == MF_OK ? mf_projects_seed(s->projects, ids, count, err) : code;
}

static void stop_projects(struct server *s)
{
    mf_projects_free(s->projects);
}

static enum mf_code start_triggers(struct server *s, struct mf_error *err)
{
    return mf_triggers_new(s->store, &s->triggers, err);
}

static void stop_triggers(struct server *s)
{
    mf_triggers_free(s->triggers);
}

static enum mf_code start_tasks(struct server *s, struct mf_error *err)
{
    const struct mf_tasks_config config = {
        .store = s->store,
        .triggers = s->triggers,
        .replace_triggers = number(s, MF_CONF_REPLACE_TRIGGERS) != 0,
    };
    return mf_tasks_new(&config, &s->tasks, err);
}

static void stop_tasks(struct server *s)
{
    mf_tasks_free(s->tasks);
}

static enum mf_code start_runs(struct server *s, struct mf_error *err)
{
    struct mf_runs_config config = {.sys = s->sys, .store = s->store, .objects = s->objects};
    config.domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &config.domains);
    config.data_max = (size_t)mf_config_int(s->config, MF_CONF_DATA_BYTES);
    return mf_runs_serve(&config, s->rpc, &s->runs, err);
}

static void stop_runs(struct server *s)
{
    mf_runs_free(s->runs);
}

static enum mf_code start_scheduler(struct server *s, struct mf_error *err)
{
    const struct mf_scheduler_config config = {
        .sys = s->sys,
        .store = s->store,
        .runs = s->runs,
        .zones = mf_triggers_zones(s->triggers),
        .history_ns = number(s, MF_CONF_FIRE_HISTORY) * MS_NS,
    };
    return mf_scheduler_start(&config, &s->scheduler, err);
}

static void stop_scheduler(struct server *s)
{
    mf_scheduler_stop(s->scheduler);
    mf_scheduler_free(s->scheduler);
}

static enum mf_code start_schedules(struct server *s, struct mf_error *err)
{
    const struct mf_schedules_config config = {
        .sys = s->sys,
        .store = s->store,
        .zones = mf_triggers_zones(s->triggers),
        .firer = mf_scheduler_firer(s->scheduler),
        .history_ns = number(s, MF_CONF_FIRE_HISTORY) * MS_NS,
    };
    return mf_schedules_serve(&config, s->rpc, &s->schedules, err);
}

static void stop_schedules(struct server *s)
{
    mf_schedules_free(s->schedules);
}

static enum mf_code start_vault(struct server *s, struct mf_error *err)
{
    return mf_vault_open(s->sys, s->store, path_in(s, "secret-keys"), &s->vault, err);
}

static void stop_vault(struct server *s)
{
    mf_vault_close(s->vault);
}

static enum mf_code start_secrets(struct server *s, struct mf_error *err)
{
    struct mf_secrets_config config = {.store = s->store, .vault = s->vault};
    config.domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &config.domains);
    return mf_secrets_serve(&config, s->rpc, &s->secrets, err);
}

static void stop_secrets(struct server *s)
{
    mf_secrets_free(s->secrets);
}

static enum mf_code start_settings(struct server *s, struct mf_error *err)
{
    struct mf_settings_config config = {.store = s->store};
    config.domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &config.domains);
    return mf_settings_serve(&config, s->rpc, &s->settings, err);
}

static void stop_settings(struct server *s)
{
    mf_settings_free(s->settings);
}

static enum mf_code start_data(struct server *s, struct mf_error *err)
{
    const struct mf_str *domains = NULL;
    size_t domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &domains);
    const struct mf_data_config config = {
        .sys = s->sys,
        .store = s->store,
        .objects = s->objects,
        .log_root = path_in(s, "logs"),
        .data_max = (size_t)mf_config_int(s->config, MF_CONF_DATA_BYTES),
        .expiry_max_s = mf_config_int(s->config, MF_CONF_LINK_EXPIRY) / 1000,
        .domains = domains,
        .domain_count = domain_count,
    };
    return mf_data_serve(&config, s->rpc, &s->data, err);
}

static void stop_data(struct server *s)
{
    mf_data_free(s->data);
}

static enum mf_code start_translate(struct server *s, struct mf_error *err)
{
    const struct mf_translate_config config = {.store = s->store,
                                               .objects = s->objects,
                                               .literals_max =
                                                   (size_t)mf_config_int(s->config, MF_CONF_DATA_BYTES)};
    return mf_translate_serve(&config, s->rpc, &s->translate, err);
}

static void stop_translate(struct server *s)
{
    mf_translate_free(s->translate);
}

static void stop_hooks(struct server *s)
{
    mf_hooks_stop(s->hooks);
    mf_hooks_free(s->hooks);
}

static enum mf_code start_hooks(struct server *s, struct mf_error *err)
{
    struct mf_hooks_config config = {.sys = s->sys, .store = s->store, .fetcher = s->fetcher, .url = s->url};
    enum mf_code code = mf_hook_key_load(s->sys, path_in(s, "webhook-key"), config.key, err);
    if (code == MF_OK)
        code = mf_hooks_start(&config, &s->hooks, err);
    if (code != MF_OK)
        return code;
    code = mf_hooks_serve(s->hooks, s->rpc, err);
    if (code != MF_OK)
        stop_hooks(s);
    return code;
}

/* The services that keep nothing of their own. */
static enum mf_code start_services(struct server *s, struct mf_error *err)
{
    s->cluster = (struct mf_cluster){mf_str_from_c(text(s, MF_CONF_ENDPOINT)), s->authority};
    enum mf_code code = mf_projects_serve(s->projects, s->rpc, err);
    if (code == MF_OK)
        code = mf_actions_serve(s->store, s->rpc, err);
    if (code == MF_OK)
        code = mf_events_serve(s->store, s->rpc, err);
    if (code == MF_OK)
        code = mf_triggers_serve(s->triggers, s->rpc, err);
    if (code == MF_OK)
        code = mf_tasks_serve(s->tasks, s->rpc, err);
    if (code == MF_OK)
        code = mf_cache_serve(s->store, s->rpc, err);
    if (code == MF_OK)
        code = mf_cluster_serve(&s->cluster, s->rpc, err);
    if (code == MF_OK)
        code = mf_objects_serve(s->objects, s->rpc, err);
    if (code == MF_OK)
        code = mf_rpc_standard_services(s->rpc, err);
    return code;
}

/* Where tasks elsewhere reach this server: without the scheme. */
static struct mf_str reachable(const struct server *s)
{
    size_t scheme = mf_str_find(s->url, MF_STR("://"));
    return mf_str_trim(scheme == SIZE_MAX ? s->url : mf_str_skip(s->url, scheme + 3), MF_STR("/"));
}

static struct mf_str variable_of(const struct mf_object_variables *variables, const char *name)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (strcmp(variables->items[i].name, name) == 0)
            return variables->items[i].value;
    }
    return MF_STR_EMPTY;
}

static enum mf_code start_mirror(struct server *s, struct mf_error *err)
{
    struct mf_object_variables variables;
    const char *ca = text(s, MF_CONF_OUTGOING_CA);
    enum mf_code code = mf_objects_variables(s->objects, s->arena, &variables, err);
    if (code != MF_OK)
        return code;
    struct mf_mirror_config config = {
        .sys = s->sys,
        .store = s->store,
        .ca_file = ca[0] ? ca : NULL,
        .endpoint = reachable(s),
        .endpoint_tls = mf_str_starts(s->url, MF_STR("https://")),
        .task_secret = mf_auth_task_secret(s->auth),
        .s3_endpoint = variable_of(&variables, "FLYTE_AWS_ENDPOINT"),
        .s3_access_key = variable_of(&variables, "FLYTE_AWS_ACCESS_KEY_ID"),
        .s3_secret_key = variable_of(&variables, "FLYTE_AWS_SECRET_ACCESS_KEY"),
    };
    code = mf_kubernetes_config(s->arena, s->config, &config, err);
    return code == MF_OK ? mf_mirror_start(&config, &s->mirror, err) : code;
}

static enum mf_code start_executor(struct server *s, struct mf_error *err)
{
    bool kubernetes = false;
    enum mf_code code = mf_kubernetes_wanted(s->config, &kubernetes, err);
    if (code != MF_OK || kubernetes)
        return code == MF_OK ? start_mirror(s, err) : code;
    const char *python = text(s, MF_CONF_PYTHON);
    const struct mf_exec_config config = {
        .sys = s->sys,
        .store = s->store,
        .objects = s->objects,
        .vault = s->vault,
        .data_dir = mf_datadir_path(s->datadir),
        .self_path = s->self,
        .python = python[0] ? python : NULL,
        .endpoint = s->authority,
        .endpoint_tls = s->tls,
        .task_secret = mf_auth_task_secret(s->auth),
        .cpus = mf_config_real(s->config, MF_CONF_CPUS),
        .memory_bytes = number(s, MF_CONF_MEMORY),
        .grace_ms = (uint32_t)number(s, MF_CONF_ABORT_GRACE),
        .log_max_bytes = number(s, MF_CONF_TASK_LOG_BYTES),
    };
    return mf_exec_start(&config, &s->exec, err);
}

static void stop_executor(struct server *s)
{
    mf_exec_stop(s->exec);
    mf_exec_free(s->exec);
    mf_mirror_stop(s->mirror);
    mf_mirror_free(s->mirror);
}

static uint64_t writer_turns(void *writer)
{
    return mf_writer_turns(writer);
}

static bool writer_waiting(void *writer)
{
    return mf_writer_waiting(writer) > 0;
}

static uint64_t executor_turns(void *server)
{
    const struct server *s = server;
    return s->mirror ? mf_mirror_turns(s->mirror) : mf_exec_turns(s->exec);
}

static uint64_t scheduler_turns(void *scheduler)
{
    struct mf_engine_stats stats;
    mf_scheduler_stats(scheduler, &stats);
    return stats.turns;
}

static bool scheduler_waiting(void *scheduler)
{
    return mf_scheduler_has_work(scheduler);
}

static uint64_t loop_turns(void *loop)
{
    return mf_loop_turns(loop);
}

static bool objects_trouble(void *objects, char *text, size_t size)
{
    return mf_objects_trouble(objects, text, size);
}

static enum mf_code read_metrics_token(struct server *s, struct mf_str *out, struct mf_error *err)
{
    const char *file = text(s, MF_CONF_METRICS_TOKEN_FILE);
    if (!file[0])
        return MF_OK;
    enum mf_code code = mf_read_file(s->arena, file, TOKEN_FILE_MAX, out, err);
    if (code != MF_OK)
        return code;
    *out = mf_str_trim(*out, MF_STR(" \r\n"));
    return out->len > 0 ? MF_OK : mf_fail(err, MF_INVALID_ARGUMENT, "metrics-token-file: %s is empty", file);
}

static enum mf_code start_health(struct server *s, struct mf_error *err)
{
    const struct mf_health_part writer = {"writer", writer_turns, writer_waiting, mf_store_writer(s->store)};
    const struct mf_health_part executor = {"executor", executor_turns, NULL, s};
    const struct mf_health_part scheduler = {"scheduler", scheduler_turns, scheduler_waiting, s->scheduler};
    enum mf_code code = mf_health_new(s->sys, number(s, MF_CONF_STALL_TIMEOUT) * MS_NS, &s->health, err);
    if (code == MF_OK)
        code = mf_health_add(s->health, &writer, err);
    if (code == MF_OK)
        code = mf_health_add(s->health, &executor, err);
    if (code == MF_OK)
        code = mf_health_add(s->health, &scheduler, err);
    for (int i = 0; i < mf_server_loop_count(s->net) && code == MF_OK; i++) {
        const struct mf_health_part loop = {"network loop", loop_turns, NULL, mf_server_loop(s->net, i)};
        code = mf_health_add(s->health, &loop, err);
    }
    mf_health_watch(s->health, objects_trouble, s->objects);
    s->metrics = (struct mf_metrics){
        .sys = s->sys,
        .net = s->net,
        .store = s->store,
        .scheduler = s->scheduler,
        .mirror = s->mirror,
        .objects = s->objects,
        .started_ns = mf_wall_ns(s->sys),
    };
    if (code == MF_OK)
        code = mf_health_serve(s->health, s->rpc, err);
    if (code == MF_OK)
        code = read_metrics_token(s, &s->metrics.token, err);
    if (code == MF_OK)
        code = mf_metrics_serve(&s->metrics, s->rpc, err);
    return code;
}

static void stop_health(struct server *s)
{
    mf_health_free(s->health);
}

static enum mf_code start_network(struct server *s, struct mf_error *err)
{
    enum mf_code code = mf_rpc_start(s->rpc, err);
    return code == MF_OK ? mf_server_start(s->net, err) : code;
}

static enum mf_code apply_nothing(struct mf_command *command, struct mf_tx *tx, struct mf_error *err)
{
    (void)command;
    (void)tx;
    (void)err;
    return MF_OK;
}

/* Requests in progress may finish; then the handlers; then what they left with the writer. */
static void stop_network(struct server *s)
{
    struct mf_error err;
    struct mf_command last = {.apply = apply_nothing};
    mf_rpc_drain(s->rpc);
    mf_server_stop(s->net, (uint32_t)number(s, MF_CONF_DRAIN_TIMEOUT));
    mf_rpc_stop(s->rpc);
    if (mf_writer_run(mf_store_writer(s->store), &last, &err) != MF_OK)
        mf_log(MF_LOG_WARN, "server", "the writer did not finish: %s", err.message);
}

static enum mf_code start_client_files(struct server *s, struct mf_error *err)
{
    const struct mf_str *projects;
    const struct mf_str *domains;
    size_t project_count = mf_config_list(s->config, MF_CONF_PROJECTS, &projects);
    size_t domain_count = mf_config_list(s->config, MF_CONF_DOMAINS, &domains);
    struct mf_object_variables variables;
    struct mf_objects_stats stats;
    mf_objects_stats(s->objects, &stats);
    enum mf_code code = mf_objects_variables(s->objects, s->arena, &variables, err);
    if (code != MF_OK)
        return code;
    const struct mf_client_files files = {
        .url = s->url,
        .tls = s->tls,
        .project = project_count > 0 ? projects[0] : MF_STR_EMPTY,
        .domain = domain_count > 0 ? domains[0] : MF_STR_EMPTY,
        .variables = &variables,
        .with_keys = !stats.external,
    };
    return mf_client_files_write(s->arena, s->sys, s->datadir, &files, err);
}

/* Started from first to last, stopped from last to first. */
static const struct step {
    const char *name;
    enum mf_code (*start)(struct server *s, struct mf_error *err);
    void (*stop)(struct server *s); /* may be NULL */
} steps[] = {
    {"data directory", start_datadir, stop_datadir},
    {"hub", start_hub, stop_hub},
    {"rpc", start_rpc, stop_rpc},
    {"store", start_store, stop_store},
    {"outgoing requests", start_fetcher, stop_fetcher},
    {"listener", start_listener, stop_listener},
    {"vault", start_vault, stop_vault},
    {"objects", start_objects, stop_objects},
    {"projects", start_projects, stop_projects},
    {"triggers", start_triggers, stop_triggers},
    {"tasks", start_tasks, stop_tasks},
    {"executor", start_executor, stop_executor},
    {"runs", start_runs, stop_runs},
    {"scheduler", start_scheduler, stop_scheduler},
    {"schedules", start_schedules, stop_schedules},
    {"data proxy", start_data, stop_data},
    {"translator", start_translate, stop_translate},
    {"settings", start_settings, stop_settings},
    {"secrets", start_secrets, stop_secrets},
    {"webhooks", start_hooks, stop_hooks},
    {"services", start_services, NULL},
    {"health", start_health, stop_health},
    {"client files", start_client_files, NULL},
    {"network", start_network, stop_network},
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

/* Stops the first count steps. */
static void stop_steps(struct server *s, size_t count)
{
    while (count > 0) {
        count--;
        if (steps[count].stop)
            steps[count].stop(s);
    }
}

static enum mf_code start_steps(struct server *s, struct mf_error *err)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        enum mf_code code = steps[i].start(s, err);
        if (code != MF_OK) {
            mf_log(MF_LOG_DEBUG, "server", "could not start: %s", steps[i].name);
            stop_steps(s, i);
            return code;
        }
        mf_log(MF_LOG_DEBUG, "server", "started: %s", steps[i].name);
    }
    return MF_OK;
}

/* Signals are taken by the main thread alone; the others are born with them blocked. */
static void block_signals(sigset_t *waited)
{
    sigemptyset(waited);
    sigaddset(waited, SIGTERM);
    sigaddset(waited, SIGINT);
    sigaddset(waited, MF_ROTATE_SIGNAL);
    pthread_sigmask(SIG_BLOCK, waited, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Samples the health once a second until a signal tells to end, or another server has the database. A second
 * signal ends the process at once: what was acknowledged is durable anyway. */
static void wait_for_signal(const struct server *s, const sigset_t *waited)
{
    const struct timespec second = {.tv_sec = 1};
    int got;
    do {
        mf_health_sample(s->health);
        got = sigtimedwait(waited, NULL, &second);
        if (got == MF_ROTATE_SIGNAL) {
            mf_rotate_asked(s->vault);
            got = 0;
        }
    } while (got <= 0 && !mf_writer_is_ousted(mf_store_writer(s->store)));
    if (got > 0)
        mf_log(MF_LOG_INFO, "server", "signal %d: shutting down; once more to do so at once", got);
    mf_health_set(s->health, MF_HEALTH_DRAINING);
    pthread_sigmask(SIG_UNBLOCK, waited, NULL);
}

static void print_ready(const struct server *s)
{
    printf("ready %.*s data %s next: flyte -c %s run FILE TASK\n", MF_FMT(s->url),
           mf_datadir_path(s->datadir), path_in(s, "flyte.yaml"));
    fflush(stdout);
}

static void warn_unknown_variables(const struct mf_config *config)
{
    const struct mf_str *names;
    size_t count = mf_config_unknown_variables(config, &names);
    for (size_t i = 0; i < count; i++)
        mf_log(MF_LOG_WARN, "server", "the variable %.*s names no key and is ignored", MF_FMT(names[i]));
}

enum mf_code mf_serve(struct mf_arena *arena, const struct mf_config *config, const char *self,
                      struct mf_error *err)
{
    struct server server = {.arena = arena, .config = config, .sys = mf_sys_real(), .self = self};
    sigset_t waited;
    enum mf_code code = mf_serve_check(arena, config, err);
    if (code == MF_OK)
        code = mf_address_parse(arena, mf_config_text(config, MF_CONF_LISTEN), &server.address, err);
    if (code != MF_OK)
        return code;
    mf_log_set_level((enum mf_log_level)mf_config_int(config, MF_CONF_LOG_LEVEL));
    warn_unknown_variables(config);
    if (!mf_address_is_loopback(&server.address) && !mf_config_text(config, MF_CONF_AUTH_ISSUER)[0])
        mf_log(MF_LOG_WARN, "server", "DANGER: %s is open to other machines and nobody has to sign in",
               mf_config_text(config, MF_CONF_LISTEN));
    block_signals(&waited);
    code = start_steps(&server, err);
    if (code != MF_OK)
        return code == MF_INVALID_ARGUMENT ? MF_FAILED_PRECONDITION : code;
    mf_health_set(server.health, MF_HEALTH_READY);
    print_ready(&server);
    wait_for_signal(&server, &waited);
    bool ousted = mf_writer_is_ousted(mf_store_writer(server.store));
    stop_steps(&server, STEP_COUNT);
    return ousted ? mf_fail(err, MF_ABORTED, "another server has taken the database over") : MF_OK;
}
