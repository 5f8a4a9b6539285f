/*
 * Settings of an installation, of a domain, and of a project in a domain. A narrower scope inherits from the
 * wider ones: what it sets counts there, what it unsets is nothing there, everything else is as above. Maps
 * are merged key by key.
 */
#ifndef MF_SETTING_SETTING_H
#define MF_SETTING_SETTING_H

#include "rpc/server.h"
#include "store/store.h"

struct pb_settings_Settings;
struct pb_settings_StringMap;
struct pb_core_GPUAccelerator;

/* Quantities as Kubernetes writes them (base/quantity.h); empty: not set. */
struct mf_resource_settings {
    struct mf_str cpu, gpu, memory, storage;
};

/* What counts in a project and domain. Empty texts, NULL and 0 mean that nothing is set. */
struct mf_settings {
    struct mf_str default_queue, run_base_dir, service_account, raw_data_path, pod_template_name;
    int64_t max_action_concurrency;
    struct mf_resource_settings min, max;
    bool mirror_limits_request;
    const struct pb_core_GPUAccelerator *default_accelerator;
    const struct pb_settings_StringMap *labels, *annotations, *environment_variables;
};

/* Any thread, with a connection of its own; the result lives in the arena. There is one organization, so
 * that name is not asked for. An unknown project or domain has the settings of the scopes above it. */
enum mf_code mf_settings_resolve(struct mf_db *db, struct mf_arena *arena, struct mf_str domain,
                                 struct mf_str project, struct mf_settings *out,
                                 struct mf_error *err) MF_CHECK_RESULT;

struct mf_settings_config {
    struct mf_store *store;
    const struct mf_str *domains; /* must outlive the service */
    size_t domain_count;
};

struct mf_settings_service;

/* SettingsService. */
enum mf_code mf_settings_serve(const struct mf_settings_config *config, struct mf_rpc *rpc,
                               struct mf_settings_service **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_settings_free(struct mf_settings_service *service); /* after the RPC server; NULL is fine */

#endif
