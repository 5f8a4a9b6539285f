#include "exec/process/command.h"

#include "action/machine.h"
#include "base/time.h"
#include "exec/process/secrets.h"
#include "exec/process/template.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/security.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "identity/task_key.h"

#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin"
#define VARIABLES_MAX 4096
#define INPUTS_MAX ((size_t)64 << 20)

/* ---- names ---- */

enum mf_code mf_command_names(struct mf_arena *arena, const struct mf_run_row *run, struct mf_str action,
                              int32_t attempt, struct mf_command_names *out, struct mf_error *err)
{
    out->prefix = mf_action_output_folder(arena, run->output_base, action, attempt);
    out->pod_name = mf_str_printf(arena, "%.*s-%.*s-%d", MF_FMT(run->name), MF_FMT(action), attempt - 1);
    out->mark = mf_str_printf(arena, MF_COMMAND_MARK "=%lld/%.*s/%d/%lld", (long long)run->id, MF_FMT(action),
                              attempt, (long long)run->created_at);
    return out->prefix.ptr && out->pod_name.ptr && out->mark.ptr ? MF_OK : mf_fail_memory(err);
}

/* ---- environment ---- */

struct variable {
    struct mf_str name, value;
    bool reserved; /* ours; a task may not replace it */
};

struct environment {
    struct mf_arena *arena;
    struct variable *items;
    uint32_t count;
    bool failed;
};

static void set(struct environment *env, struct mf_str name, struct mf_str value, bool reserved)
{
    bool usable = name.len > 0 && mf_str_find_char(name, '=') == SIZE_MAX &&
                  mf_str_find_char(name, '\0') == SIZE_MAX && mf_str_find_char(value, '\0') == SIZE_MAX;
    if (!usable)
        return;
    for (uint32_t i = 0; i < env->count; i++) {
        if (mf_str_eq(env->items[i].name, name)) {
            if (!env->items[i].reserved)
                env->items[i].value = value;
            return;
        }
    }
    if (env->count == VARIABLES_MAX)
        env->failed = true;
    else
        env->items[env->count++] = (struct variable){.name = name, .value = value, .reserved = reserved};
}

static void set_c(struct environment *env, const char *name, struct mf_str value)
{
    env->failed |= value.len > 0 && !value.ptr;
    set(env, mf_str_from_c(name), value, false);
}

static void reserve(struct environment *env, const char *name, struct mf_str value)
{
    env->failed |= value.len > 0 && !value.ptr;
    set(env, mf_str_from_c(name), value, true);
}

static void set_identity(struct environment *env, const struct mf_command_input *in,
                         const struct mf_command_names *names)
{
    const struct mf_action_row *action = in->action;
    const struct mf_run_row *run = in->run;
    reserve(env, "FLYTE_INTERNAL_EXECUTION_ID", run->name);
    reserve(env, "FLYTE_INTERNAL_EXECUTION_PROJECT", run->project);
    reserve(env, "FLYTE_INTERNAL_EXECUTION_DOMAIN", run->domain);
    reserve(env, "FLYTE_INTERNAL_TASK_PROJECT", action->task_project);
    reserve(env, "FLYTE_INTERNAL_TASK_DOMAIN", action->task_domain);
    reserve(env, "FLYTE_INTERNAL_TASK_NAME", action->task_name);
    reserve(env, "FLYTE_INTERNAL_TASK_VERSION", action->task_version);
    reserve(env, "FLYTE_INTERNAL_PROJECT", action->task_project);
    reserve(env, "FLYTE_INTERNAL_DOMAIN", action->task_domain);
    reserve(env, "FLYTE_INTERNAL_NAME", action->task_name);
    reserve(env, "FLYTE_INTERNAL_VERSION", action->task_version);
    reserve(env, "FLYTE_ATTEMPT_NUMBER", mf_str_printf(env->arena, "%d", in->attempt - 1));
    reserve(env, "ACTION_NAME", action->name);
    reserve(env, "RUN_NAME", run->name);
    reserve(env, "_F_PN", names->pod_name);
    reserve(env, "_U_RUN_BASE", run->output_base);
    reserve(env, "_U_ORG_NAME", run->org.len > 0 ? run->org : MF_STR("local"));
    set(env, MF_STR(MF_COMMAND_MARK), mf_str_skip(names->mark, sizeof MF_COMMAND_MARK), true);
}

/* Where the task calls back. The SDK sends no token over plain HTTP, so the task's key is part of the
 * address.
 */
static struct mf_str task_endpoint(struct mf_arena *arena, const struct mf_command_input *in)
{
    const struct mf_exec_config *config = in->config;
    if (config->task_secret.len == 0)
        return config->endpoint;
    struct mf_str key = mf_task_key_make(arena, config->task_secret, in->run->id);
    return key.ptr ? mf_str_printf(arena, "%.*s/task-key/%.*s", MF_FMT(config->endpoint), MF_FMT(key)) : key;
}

static void set_services(struct environment *env, const struct mf_command_input *in)
{
    const struct mf_exec_config *config = in->config;
    struct mf_str endpoint = task_endpoint(env->arena, in);
    env->failed |= !endpoint.ptr;
    reserve(env, "_U_EP_OVERRIDE", endpoint);
    reserve(env, "_U_INSECURE", config->endpoint_tls ? MF_STR("false") : MF_STR("true"));
    if (config->endpoint_tls)
        reserve(env, "_U_INSECURE_SKIP_VERIFY",
                MF_STR("true")); /* it is our own process, by its loopback address */
    reserve(env, "_U_USE_ACTIONS", MF_STR("1"));
    set_c(env, "FSSPEC_FILE_AUTO_MKDIR", MF_STR("true"));
    set_c(env, "FLYTE_DISABLE_SENTRY", MF_STR("1"));
}

static enum mf_code set_storage(struct environment *env, const struct mf_command_input *in,
                                struct mf_error *err)
{
    struct mf_object_variables variables;
    enum mf_code code = mf_objects_variables(in->config->objects, env->arena, &variables, err);
    for (size_t i = 0; i < variables.count && code == MF_OK; i++)
        set_c(env, variables.items[i].name, variables.items[i].value);
    return code;
}

static void set_basics(struct environment *env, const struct mf_command_input *in)
{
    const struct mf_python *python = in->python;
    set_c(env, "PATH",
          python->bin.len > 0 ? mf_str_printf(env->arena, "%.*s:" SYSTEM_PATH, MF_FMT(python->bin))
                              : MF_STR(SYSTEM_PATH));
    if (python->venv.len > 0)
        set_c(env, "VIRTUAL_ENV", python->venv);
    set_c(env, "HOME", mf_str_printf(env->arena, "%.*s/home", MF_FMT(in->work_dir)));
    set_c(env, "TMPDIR", mf_str_printf(env->arena, "%.*s/tmp", MF_FMT(in->work_dir)));
    set_c(env, "LANG", MF_STR("C.UTF-8"));
    set_c(env, "PYTHONUNBUFFERED", MF_STR("1"));
    set_c(env, "PYTHONFAULTHANDLER", MF_STR("1"));
    set_c(env, "OMP_NUM_THREADS",
          mf_str_printf(env->arena, "%lld", (long long)((in->cpu_milli + 999) / 1000)));
}

/* False when the name is one of ours. */
static bool set_secret(struct environment *env, struct mf_str name, struct mf_str value)
{
    for (uint32_t i = 0; i < env->count; i++) {
        if (env->items[i].reserved && mf_str_eq(env->items[i].name, name))
            return false;
    }
    set(env, name, value, false);
    return true;
}

static enum mf_code set_secrets(struct environment *env, const struct mf_command_input *in,
                                const char **fault, struct mf_error *err)
{
    struct mf_task_secrets secrets;
    enum mf_code code = mf_task_secrets_find(env->arena, in, &secrets, fault, err);
    if (code != MF_OK || secrets.count == 0)
        return code;
    set_c(env, "FLYTE_SECRETS_ENV_PREFIX", MF_STR(MF_SECRETS_PREFIX));
    for (uint32_t i = 0; i < secrets.count; i++) {
        const struct mf_task_secret *secret = &secrets.items[i];
        if (!secret->file && !set_secret(env, secret->name, secret->value)) {
            *fault = "BadTaskSpecification";
            return mf_fail(
                err, MF_INVALID_ARGUMENT,
                "a secret cannot be the variable %.*s, which the server sets itself; choose another "
                "name with as_env_var",
                MF_FMT(secret->name));
        }
    }
    if (secrets.files == 0)
        return MF_OK;
    set_c(env, "FLYTE_SECRETS_DEFAULT_DIR",
          mf_str_printf(env->arena, "%.*s/" MF_SECRETS_FOLDER, MF_FMT(in->work_dir)));
    set_c(env, "FLYTE_SECRETS_FILE_PREFIX", MF_STR_EMPTY);
    return mf_task_secrets_write(env->arena, in, &secrets, err);
}

static enum mf_code build_env(struct mf_arena *arena, const struct mf_command_input *in,
                              const struct mf_command_names *names, struct mf_launch *launch,
                              const char **fault, struct mf_error *err)
{
    struct environment env = {.arena = arena,
                              .items = mf_arena_array(arena, VARIABLES_MAX, sizeof *env.items)};
    if (!env.items)
        return mf_fail_memory(err);
    set_identity(&env, in, names);
    set_services(&env, in);
    enum mf_code code = set_storage(&env, in, err);
    if (code != MF_OK)
        return code;
    set_basics(&env, in);
    const struct pb_core_Container *container = in->template->target.container;
    for (uint32_t i = 0; i < container->env.count; i++)
        set(&env, container->env.items[i]->key, container->env.items[i]->value, false);
    for (uint32_t i = 0; in->run_spec->envs && i < in->run_spec->envs->values.count; i++)
        set(&env, in->run_spec->envs->values.items[i]->key, in->run_spec->envs->values.items[i]->value,
            false);
    code = set_secrets(&env, in, fault, err);
    if (code != MF_OK)
        return code;
    launch->env = mf_arena_array(arena, env.count, sizeof *launch->env);
    launch->envc = env.count;
    for (uint32_t i = 0; launch->env && i < env.count; i++) {
        launch->env[i] =
            mf_str_printf(arena, "%.*s=%.*s", MF_FMT(env.items[i].name), MF_FMT(env.items[i].value));
        env.failed |= !launch->env[i].ptr;
    }
    return launch->env && !env.failed ? MF_OK : mf_fail_memory(err);
}

/* ---- command line ---- */

struct inputs_source {
    struct mf_arena *arena;
    const struct mf_command_input *in;
    struct mf_str uri;
    bool failed; /* the object store, not the task, is to blame */
};

static enum mf_code load_inputs(void *ctx, const struct pb_task_Inputs **out, struct mf_error *err)
{
    struct inputs_source *source = ctx;
    struct mf_str bytes;
    void *decoded = NULL;
    enum mf_code code =
        mf_object_read(source->in->config->objects, source->arena, source->uri, INPUTS_MAX, &bytes, err);
    source->failed = code == MF_UNAVAILABLE || code == MF_INTERNAL;
    if (code == MF_OK)
        code = pb_decode(source->arena, &pb_task_Inputs_type, bytes, &decoded, err);
    *out = decoded;
    return code;
}

/* A prefix that the run asks for (raw_data_storage), or the attempt's own folder. */
static struct mf_str raw_data_prefix(struct mf_arena *arena, const struct mf_command_input *in,
                                     const struct mf_command_names *names)
{
    const struct pb_task_RawDataStorage *storage = in->run_spec->raw_data_storage;
    struct mf_str prefix = storage ? storage->raw_data_prefix : MF_STR_EMPTY;
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;
    /* The object store's own root is what is filled in when nothing was asked for. */
    if (prefix.len == 0 || mf_str_eq(prefix, mf_objects_base(in->config->objects)))
        return names->prefix;
    return mf_str_printf(arena, "%.*s/%.*s/%.*s/%d", MF_FMT(prefix), MF_FMT(in->run->name),
                         MF_FMT(in->action->name), in->attempt);
}

/* Letters, digits and "_" only, beginning with a letter. */
static struct mf_str unique_key(struct mf_arena *arena, struct mf_str name)
{
    char *out = mf_arena_bytes(arena, name.len + 1);
    if (!out)
        return mf_str_make(NULL, 1);
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        out[i] = letter || (digit && i > 0) ? c : (i == 0 ? 'a' : '_');
    }
    return mf_str_make(out, name.len);
}

static enum mf_code build_argv(struct mf_arena *arena, const struct mf_command_input *in,
                               const struct mf_command_names *names, struct mf_launch *launch,
                               const char **fault, struct mf_error *err)
{
    const struct pb_core_Container *container = in->template->target.container;
    struct mf_str folder = in->action->input_uri;
    if (mf_str_ends(folder, MF_STR("/inputs.pb")))
        folder.len -= sizeof "/inputs.pb" - 1;
    struct inputs_source source = {.arena = arena, .in = in};
    source.uri = mf_str_printf(arena, "%.*s/inputs.pb", MF_FMT(folder));
    const struct mf_template_value values[] = {
        {"input", source.uri},
        {"inputPrefix", folder},
        {"outputPrefix", names->prefix},
        {"rawOutputDataPrefix", raw_data_prefix(arena, in, names)},
        {"checkpointOutputPrefix", mf_str_printf(arena, "%.*s/_flytecheckpoints", MF_FMT(names->prefix))},
        {"prevCheckpointPrefix", in->checkpoint.len > 0 ? in->checkpoint : MF_STR("\"\"")},
        {"perRetryUniqueKey", unique_key(arena, names->pod_name)},
        {"namespace", mf_str_printf(arena, "%.*s-%.*s", MF_FMT(in->run->project), MF_FMT(in->run->domain))},
        {"runName", in->run->name},
        {"actionName", in->action->name},
        {"runStartTime", in->run->start_time_ns != 0 ? mf_time_rfc3339(arena, in->run->start_time_ns, false)
                                                     : mf_time_rfc3339(arena, in->run->created_at, false)},
    };
    struct mf_template template = {.values = values,
                                   .count = sizeof values / sizeof values[0],
                                   .load_inputs = load_inputs,
                                   .ctx = &source};
    for (size_t i = 0; i < template.count; i++) {
        if (!values[i].value.ptr && values[i].value.len > 0)
            return mf_fail_memory(err);
    }
    launch->argc = container->command.count + container->args.count;
    launch->argv = mf_arena_array(arena, (size_t)launch->argc + 1, sizeof *launch->argv);
    if (!launch->argv)
        return mf_fail_memory(err);
    for (uint32_t i = 0; i < launch->argc; i++) {
        struct mf_str word = i < container->command.count
                                 ? container->command.items[i]
                                 : container->args.items[i - container->command.count];
        enum mf_code code = mf_template_render(arena, &template, word, &launch->argv[i], err);
        if (code != MF_OK) {
            *fault = source.failed || code == MF_RESOURCE_EXHAUSTED ? NULL : "BadTaskSpecification";
            return code;
        }
        if (mf_str_find_char(launch->argv[i], '\0') != SIZE_MAX) {
            *fault = "BadTaskSpecification";
            return mf_fail(err, MF_INVALID_ARGUMENT, "argument %u of the command line holds a NUL byte", i);
        }
    }
    return MF_OK;
}

static bool is_python_program(struct mf_str name)
{
    return mf_str_eq(name, MF_STR("a0")) || mf_str_eq(name, MF_STR("clustered")) ||
           mf_str_eq(name, MF_STR("flyte")) || mf_str_starts(name, MF_STR("python")) ||
           mf_str_starts(name, MF_STR("pyflyte"));
}

static enum mf_code find_program(struct mf_arena *arena, const struct mf_command_input *in,
                                 struct mf_launch *launch, const char **fault, struct mf_error *err)
{
    struct mf_str name = launch->argv[0];
    struct mf_str folders = in->python->bin.len > 0
                                ? mf_str_printf(arena, "%.*s:" SYSTEM_PATH, MF_FMT(in->python->bin))
                                : MF_STR(SYSTEM_PATH);
    if (!folders.ptr)
        return mf_fail_memory(err);
    if (mf_str_eq(name, MF_STR("a0")) && in->python->bin.len == 0) {
        *fault = "InvalidImageName";
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "there is no Python environment with the flyte package for image \"%.*s\"; install flyte and "
            "start mayfly with --python, or with that environment activated",
            MF_FMT(in->template->target.container->image));
    }
    const char *program = mf_program_find(arena, name, folders);
    if (!program) {
        *fault = is_python_program(name) ? "InvalidImageName" : "ContainerCannotRun";
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "there is no program \"%.*s\" in %.*s; tasks run as processes of this machine, so install it "
            "here (image \"%.*s\" is not used)",
            MF_FMT(mf_str_take(name, 200)), MF_FMT(folders), MF_FMT(in->template->target.container->image));
    }
    launch->program = mf_str_from_c(program);
    return MF_OK;
}

/* ---- what cannot run here ---- */

static enum mf_code check(const struct mf_command_input *in, const char **fault, struct mf_error *err)
{
    const struct pb_core_TaskTemplate *template = in->template;
    if (template->target_case != pb_core_TaskTemplate_tag_container) {
        *fault = "UnsupportedTaskType";
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "task type \"%.*s\" has no container; the local executor runs tasks with a container only",
            MF_FMT(template->type));
    }
    if (template->target.container->command.count == 0 && template->target.container->args.count == 0) {
        *fault = "BadTaskSpecification";
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "the container has neither command nor args; images are not used here, so the task must say "
            "what to run");
    }
    return MF_OK;
}

enum mf_code mf_command_build(struct mf_arena *arena, const struct mf_command_input *in,
                              struct mf_launch *launch, const char **fault, struct mf_error *err)
{
    struct mf_command_names names;
    *fault = NULL;
    enum mf_code code = check(in, fault, err);
    if (code == MF_OK)
        code = mf_command_names(arena, in->run, in->action->name, in->attempt, &names, err);
    if (code == MF_OK)
        code = build_argv(arena, in, &names, launch, fault, err);
    if (code == MF_OK)
        code = find_program(arena, in, launch, fault, err);
    if (code == MF_OK)
        code = build_env(arena, in, &names, launch, fault, err);
    if (code == MF_OK) {
        launch->work_dir = in->work_dir;
        launch->cwd = mf_str_printf(arena, "%.*s/cwd", MF_FMT(in->work_dir));
        if (!launch->cwd.ptr)
            code = mf_fail_memory(err);
    }
    return code;
}
