#include "exec/kube/task_action.h"

#include "action/machine.h"
#include "base/encode.h"
#include "base/time.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/google/protobuf/wrappers.pb.h"
#include "identity/task_key.h"

#define LABEL_MAX 63
#define KEY_MAX 316 /* a prefix of 253 and a name of 63 */
#define SHARDS 36

/* ---- names ---- */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

struct mf_str mf_task_action_name(struct mf_arena *arena, struct mf_str run, struct mf_str action)
{
    return mf_str_printf(arena, "%.*s-%.*s", MF_FMT(run), MF_FMT(action));
}

struct mf_str mf_task_action_namespace(struct mf_arena *arena, struct mf_str template, struct mf_str project,
                                       struct mf_str domain)
{
    struct mf_str out = MF_STR_EMPTY;
    while (template.len > 0 && out.ptr) {
        if (mf_str_starts(template, MF_STR("{project}"))) {
            out = mf_str_printf(arena, "%.*s%.*s", MF_FMT(out), MF_FMT(project));
            template = mf_str_skip(template, sizeof "{project}" - 1);
        } else if (mf_str_starts(template, MF_STR("{domain}"))) {
            out = mf_str_printf(arena, "%.*s%.*s", MF_FMT(out), MF_FMT(domain));
            template = mf_str_skip(template, sizeof "{domain}" - 1);
        } else {
            out = mf_str_printf(arena, "%.*s%c", MF_FMT(out), template.ptr[0]);
            template = mf_str_skip(template, 1);
        }
    }
    char *text = out.ptr ? mf_arena_bytes(arena, out.len + 1) : NULL;
    for (size_t i = 0; text && i < out.len; i++) {
        char c = out.ptr[i];
        text[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : is_alnum(c) ? c : '-');
    }
    return mf_str_make(text, out.len);
}

/* The two letters are those of Flyte's executor: a hash of the resource's name. */
static struct mf_str shard(struct mf_arena *arena, struct mf_str namespace_, struct mf_str name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct mf_str full = mf_str_printf(arena, "%.*s/%.*s", MF_FMT(namespace_), MF_FMT(name));
    uint32_t hash = 2166136261U;
    for (size_t i = 0; full.ptr && i < full.len; i++)
        hash = (hash ^ (unsigned char)full.ptr[i]) * 16777619U;
    uint32_t index = hash % (SHARDS * SHARDS);
    return full.ptr ? mf_str_printf(arena, "%c%c", letters[index / SHARDS], letters[index % SHARDS]) : full;
}

/* A resource that begins with a later attempt must not find what an earlier one has left. */
static struct mf_str output_base(struct mf_arena *arena, const struct mf_run_row *run, int32_t first_attempt)
{
    struct mf_str base = run->output_base;
    if (first_attempt <= 1)
        return base;
    while (base.len > 0 && base.ptr[base.len - 1] == '/')
        base.len--;
    return mf_str_printf(arena, "%.*s/from-attempt-%d", MF_FMT(base), first_attempt);
}

struct mf_str mf_task_action_outputs(struct mf_arena *arena, const struct mf_mirror_config *config,
                                     const struct mf_run_row *run, struct mf_str action,
                                     int32_t first_attempt, int32_t attempt)
{
    struct mf_str base = output_base(arena, run, first_attempt);
    int32_t number = attempt - first_attempt + 1;
    size_t scheme = base.ptr ? mf_str_find(base, MF_STR("://")) : SIZE_MAX;
    if (!base.ptr || !config->sharded || scheme == SIZE_MAX)
        return base.ptr ? mf_action_output_folder(arena, base, action, number) : base;
    struct mf_str rest = mf_str_skip(base, scheme + 3);
    size_t slash = mf_str_find_char(rest, '/');
    struct mf_str bucket = mf_str_take(rest, slash);
    struct mf_str path =
        slash == SIZE_MAX ? MF_STR_EMPTY : mf_str_trim(mf_str_skip(rest, slash), MF_STR("/"));
    struct mf_str namespace_ = mf_task_action_namespace(arena, config->namespace_, run->project, run->domain);
    struct mf_str name = mf_task_action_name(arena, run->name, action);
    struct mf_str letters = namespace_.ptr && name.ptr ? shard(arena, namespace_, name) : (struct mf_str){0};
    return letters.ptr ? mf_str_printf(arena, "%.*s%.*s/%.*s/%.*s%s%.*s/%d",
                                       MF_FMT(mf_str_take(base, scheme + 3)), MF_FMT(bucket), MF_FMT(letters),
                                       MF_FMT(path), path.len > 0 ? "/" : "", MF_FMT(action), number)
                       : letters;
}

/* ---- labels and annotations ---- */

/* What is none becomes "-", and the ends are letters or digits. */
static struct mf_str label_value(struct mf_arena *arena, struct mf_str text)
{
    size_t len = text.len < LABEL_MAX ? text.len : LABEL_MAX;
    char *out = mf_arena_bytes(arena, len + 1);
    if (!out)
        return mf_str_make(NULL, 1);
    for (size_t i = 0; i < len; i++)
        out[i] = is_alnum(text.ptr[i]) || strchr("-_.", text.ptr[i]) ? text.ptr[i] : '-';
    size_t start = 0;
    while (start < len && !is_alnum(out[start]))
        start++;
    while (len > start && !is_alnum(out[len - 1]))
        len--;
    return mf_str_make(out + start, len - start);
}

/* Only roughly: the server checks by the letter. Reserved names are ours to give. */
static bool usable_key(struct mf_str key)
{
    bool ok = key.len > 0 && key.len <= KEY_MAX && is_alnum(key.ptr[0]) && is_alnum(key.ptr[key.len - 1]) &&
              !mf_str_starts(key, MF_STR("flyte.org/")) && !mf_str_starts(key, MF_STR("mayfly/")) &&
              !mf_str_starts(key, MF_STR("app.kubernetes.io/"));
    for (size_t i = 0; i < key.len && ok; i++)
        ok = is_alnum(key.ptr[i]) || strchr("-_./", key.ptr[i]) != NULL;
    return ok;
}

static void set_labels(struct mf_node_builder *b, mf_node *metadata, const struct mf_task_action_input *in)
{
    const struct mf_run_row *run = in->run;
    mf_node *labels = mf_node_set_object(b, metadata, "labels");
    for (uint32_t i = 0; in->run_spec->labels && i < in->run_spec->labels->values.count; i++) {
        struct mf_str key = in->run_spec->labels->values.items[i]->key;
        struct mf_str value = label_value(b->arena, in->run_spec->labels->values.items[i]->value);
        if (usable_key(key))
            mf_node_set(b, labels, key, mf_node_text_value(b, value));
    }
    mf_node_set_text(b, labels, "flyte.org/project", label_value(b->arena, run->project));
    mf_node_set_text(b, labels, "flyte.org/domain", label_value(b->arena, run->domain));
    mf_node_set_text(b, labels, "flyte.org/run", label_value(b->arena, run->name));
    mf_node_set_text(b, labels, "flyte.org/action", label_value(b->arena, in->action->name));
    mf_node_set_text(b, labels, "flyte.org/action-type", MF_STR("task"));
    mf_node_set_text(b, labels, "flyte.org/is-root",
                     in->action->parent.len == 0 ? MF_STR("true") : MF_STR("false"));
    mf_node_set_text(b, labels, MF_LABEL_MANAGER, MF_STR("mayfly"));
    mf_node_set_text(b, labels, MF_LABEL_INSTANCE, in->config->instance);
}

static void set_annotations(struct mf_node_builder *b, mf_node *metadata,
                            const struct mf_task_action_input *in)
{
    const struct mf_run_row *run = in->run;
    mf_node *annotations = mf_node_set_object(b, metadata, "annotations");
    for (uint32_t i = 0; in->run_spec->annotations && i < in->run_spec->annotations->values.count; i++) {
        struct mf_str key = in->run_spec->annotations->values.items[i]->key;
        if (usable_key(key))
            mf_node_set(b, annotations, key,
                        mf_node_text_value(b, in->run_spec->annotations->values.items[i]->value));
    }
    mf_node_set_text(b, annotations, MF_ANNOTATION_RUN,
                     mf_str_printf(b->arena, "%lld-%lld", (long long)run->id, (long long)run->created_at));
    mf_node_set_text(b, annotations, MF_ANNOTATION_ATTEMPT,
                     mf_str_printf(b->arena, "%d", in->action->attempts));
}

static void set_owner(struct mf_node_builder *b, mf_node *metadata, const struct mf_task_action_input *in)
{
    if (in->parent_uid.len == 0)
        return;
    mf_node *owner = mf_node_object(b);
    mf_node_push(b, mf_node_set_list(b, metadata, "ownerReferences"), owner);
    mf_node_set_text(b, owner, "apiVersion", MF_STR("flyte.org/v1"));
    mf_node_set_text(b, owner, "kind", MF_STR("TaskAction"));
    mf_node_set_text(b, owner, "name", mf_task_action_name(b->arena, in->run->name, in->action->parent));
    mf_node_set_text(b, owner, "uid", in->parent_uid);
    mf_node_set_bool(b, owner, "blockOwnerDeletion", true);
}

/* ---- the specification ---- */

/* The SDK writes the placeholder in this spelling only. */
static void fill_start_time(struct mf_node_builder *b, const struct mf_task_action_input *in,
                            struct mf_str *words, uint32_t count)
{
    static const struct mf_str placeholder = MF_STR("{{.runStartTime}}");
    const struct mf_run_row *run = in->run;
    struct mf_str time =
        mf_time_rfc3339(b->arena, run->start_time_ns != 0 ? run->start_time_ns : run->created_at, false);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = mf_str_find(words[i], placeholder);
        if (at == SIZE_MAX)
            continue;
        struct mf_str filled =
            mf_str_printf(b->arena, "%.*s%.*s%.*s", MF_FMT(mf_str_take(words[i], at)), MF_FMT(time),
                          MF_FMT(mf_str_skip(words[i], at + placeholder.len)));
        b->failed |= !filled.ptr || !time.ptr;
        words[i] = filled;
    }
}

static void set_services(struct mf_node_builder *b, mf_node *env, const struct mf_task_action_input *in)
{
    const struct mf_mirror_config *config = in->config;
    struct mf_str endpoint = config->endpoint;
    if (config->task_secret.len > 0) {
        struct mf_str key = mf_task_key_make(b->arena, config->task_secret, in->run->id);
        b->failed |= !key.ptr;
        endpoint = mf_str_printf(b->arena, "%.*s/task-key/%.*s", MF_FMT(endpoint), MF_FMT(key));
    }
    mf_node_set_text(b, env, "_U_EP_OVERRIDE", endpoint);
    mf_node_set_text(b, env, "_U_INSECURE", config->endpoint_tls ? MF_STR("false") : MF_STR("true"));
    mf_node_set_text(b, env, "_U_USE_ACTIONS", MF_STR("1"));
    if (config->s3_endpoint.len == 0)
        return;
    mf_node_set_text(b, env, "FLYTE_AWS_ENDPOINT", config->s3_endpoint);
    mf_node_set_text(b, env, "FLYTE_AWS_ACCESS_KEY_ID", config->s3_access_key);
    mf_node_set_text(b, env, "FLYTE_AWS_SECRET_ACCESS_KEY", config->s3_secret_key);
    mf_node_set_text(b, env, "AWS_REGION", MF_STR("us-east-1"));
}

static void set_env(struct mf_node_builder *b, mf_node *spec, const struct mf_task_action_input *in)
{
    mf_node *env = mf_node_set_object(b, spec, "envVars");
    for (uint32_t i = 0; in->run_spec->envs && i < in->run_spec->envs->values.count; i++)
        mf_node_set(b, env, in->run_spec->envs->values.items[i]->key,
                    mf_node_text_value(b, in->run_spec->envs->values.items[i]->value));
    set_services(b, env, in);
}

static void set_words(struct mf_node_builder *b, mf_node *object, const char *name, struct mf_str text,
                      size_t max)
{
    if (text.len > 0)
        mf_node_set_text(b, object, name, mf_str_take(text, mf_utf8_cut(text, max)));
}

static enum mf_code set_spec(struct mf_node_builder *b, mf_node *spec, const struct mf_task_action_input *in,
                             struct mf_error *err)
{
    const struct mf_action_row *action = in->action;
    struct pb_core_TaskTemplate *template = in->template;
    struct mf_str bytes = MF_STR_EMPTY;
    if (template->target_case == pb_core_TaskTemplate_tag_container) {
        struct pb_core_Container *container = template->target.container;
        fill_start_time(b, in, container->command.items, container->command.count);
        fill_start_time(b, in, container->args.items, container->args.count);
    }
    enum mf_code code = pb_encode(b->arena, &pb_core_TaskTemplate_type, template, &bytes, err);
    if (code != MF_OK)
        return code;
    mf_node_set_text(b, spec, "runName", in->run->name);
    mf_node_set_text(b, spec, "project", in->run->project);
    mf_node_set_text(b, spec, "domain", in->run->domain);
    mf_node_set_text(b, spec, "actionName", action->name);
    set_words(b, spec, "parentActionName", action->parent, SIZE_MAX);
    mf_node_set_text(b, spec, "actionType", MF_STR("task"));
    mf_node_set_text(b, spec, "inputUri", action->input_uri);
    mf_node_set_text(b, spec, "runOutputBase", output_base(b->arena, in->run, action->attempts));
    mf_node_set_text(b, spec, "taskTemplate", mf_base64(b->arena, bytes));
    mf_node_set_text(b, spec, "taskType", template->type);
    set_words(b, spec, "shortName", action->short_name, LABEL_MAX);
    set_words(b, spec, "cacheKey", action->cache_key, 256);
    set_words(b, spec, "group", action->group, 256);
    set_env(b, spec, in);
    if (in->run_spec->interruptible)
        mf_node_set_bool(b, spec, "interruptible", in->run_spec->interruptible->value);
    return MF_OK;
}

enum mf_code mf_task_action_build(struct mf_arena *arena, const struct mf_task_action_input *in,
                                  struct mf_str *out, struct mf_error *err)
{
    struct mf_node_builder b = {.arena = arena};
    if (in->template->type.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the task's template names no type");
    mf_node *root = mf_node_object(&b);
    mf_node_set_text(&b, root, "apiVersion", MF_STR("flyte.org/v1"));
    mf_node_set_text(&b, root, "kind", MF_STR("TaskAction"));
    mf_node *metadata = mf_node_set_object(&b, root, "metadata");
    mf_node_set_text(&b, metadata, "name", mf_task_action_name(arena, in->run->name, in->action->name));
    mf_node_set_text(
        &b, metadata, "namespace",
        mf_task_action_namespace(arena, in->config->namespace_, in->run->project, in->run->domain));
    set_labels(&b, metadata, in);
    set_annotations(&b, metadata, in);
    set_owner(&b, metadata, in);
    enum mf_code code = set_spec(&b, mf_node_set_object(&b, root, "spec"), in, err);
    return code == MF_OK ? mf_node_write(&b, root, out, err) : code;
}

/* ---- reading ---- */

/* "12-34" of the annotation. */
static void read_run(struct mf_str text, struct mf_task_action *out)
{
    size_t dash = mf_str_find_char(text, '-');
    if (dash == SIZE_MAX || !mf_str_to_i64(mf_str_take(text, dash), &out->run_id) ||
        !mf_str_to_i64(mf_str_skip(text, dash + 1), &out->run_created_at))
        out->run_id = out->run_created_at = 0;
}

static const mf_node *true_condition(const mf_node *object, const char *type)
{
    const mf_node *conditions = mf_node_at(object, "status/conditions");
    for (size_t i = 0; i < mf_node_count(conditions); i++) {
        const mf_node *condition = mf_node_item(conditions, i);
        if (mf_str_eq_c(mf_node_text(condition, "type"), type) &&
            mf_str_eq_c(mf_node_text(condition, "status"), "True"))
            return condition;
    }
    return NULL;
}

static int32_t progress(const mf_node *object, struct mf_str reason)
{
    static const struct {
        const char *reason;
        int32_t phase;
    } reasons[] = {
        {"Queued", MF_PHASE_QUEUED},
        {"Initializing", MF_PHASE_INITIALIZING},
        {"Executing", MF_PHASE_RUNNING},
        {"Paused", MF_PHASE_PAUSED},
    };
    if (mf_str_eq_c(reason, "Queued") &&
        mf_str_starts(mf_node_text(object, "status/pluginPhase"), MF_STR("WaitingFor")))
        return MF_PHASE_WAITING_FOR_RESOURCES;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (mf_str_eq_c(reason, reasons[i].reason))
            return reasons[i].phase;
    }
    return MF_PHASE_UNSPECIFIED; /* RetryableFailure: the next attempt is about to be queued */
}

static void read_failure(const mf_node *object, const mf_node *failed, struct mf_task_action *out)
{
    struct mf_str reason = mf_node_text(failed, "reason");
    const mf_node *error = mf_node_at(object, "status/errorState");
    out->phase = mf_str_eq_c(reason, "TimedOut")  ? MF_PHASE_TIMED_OUT
                 : mf_str_eq_c(reason, "Aborted") ? MF_PHASE_ABORTED
                                                  : MF_PHASE_FAILED;
    out->error_code = mf_node_text(error, "code");
    out->message = mf_node_text(error ? error : failed, "message");
    out->error_is_system = mf_str_eq_c(mf_node_text(error, "kind"), "SYSTEM");
    if (out->error_code.len == 0)
        out->error_code = reason.len > 0 ? reason : MF_STR("Unknown");
}

static void read_time(const mf_node *object, const mf_node *condition, struct mf_task_action *out)
{
    const mf_node *history = mf_node_at(object, "status/phaseHistory");
    size_t count = mf_node_count(history);
    struct mf_str text = count > 0 ? mf_node_text(mf_node_item(history, count - 1), "occurredAt")
                                   : mf_node_text(condition, "lastTransitionTime");
    if (!mf_time_parse_rfc3339(text, &out->at_ns))
        out->at_ns = 0;
}

void mf_task_action_read(const mf_node *object, struct mf_task_action *out)
{
    const mf_node *annotations = mf_node_at(object, "metadata/annotations");
    const mf_node *run = NULL;
    const mf_node *first = NULL;
    int64_t first_attempt = 1;
    int64_t attempts = mf_node_int(object, "status/attempts");
    *out = (struct mf_task_action){
        .namespace_ = mf_node_text(object, "metadata/namespace"),
        .name = mf_node_text(object, "metadata/name"),
        .action = mf_node_text(object, "spec/actionName"),
        .uid = mf_node_text(object, "metadata/uid"),
        .owned = mf_node_count(mf_node_at(object, "metadata/ownerReferences")) > 0,
        .removing = mf_node_at(object, "metadata/deletionTimestamp") != NULL,
        .cache_status = (int32_t)mf_node_int(object, "status/cacheStatus"),
    };
    run = mf_node_get(annotations, MF_ANNOTATION_RUN);
    first = mf_node_get(annotations, MF_ANNOTATION_ATTEMPT);
    read_run(mf_node_text(run, ""), out);
    if (!mf_str_to_i64(mf_node_text(first, ""), &first_attempt) || first_attempt < 1 ||
        first_attempt > MF_ATTEMPT_MAX)
        first_attempt = 1;
    if (attempts < 1 || attempts > MF_ATTEMPT_MAX)
        attempts = 1;
    out->first_attempt = (int32_t)first_attempt;
    out->attempt = (int32_t)(first_attempt + attempts - 1);
    const mf_node *succeeded = true_condition(object, "Succeeded");
    const mf_node *failed = true_condition(object, "Failed");
    const mf_node *progressing = true_condition(object, "Progressing");
    if (succeeded)
        out->phase = MF_PHASE_SUCCEEDED;
    else if (failed)
        read_failure(object, failed, out);
    else if (progressing)
        out->phase = progress(object, mf_node_text(progressing, "reason"));
    read_time(object, succeeded ? succeeded : failed ? failed : progressing, out);
}
