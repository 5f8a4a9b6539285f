#include "run/inputs.h"

#include "base/encode.h"
#include "base/time.h"
#include "run/message.h"

#include <openssl/evp.h>

static bool has_literal(const struct pb_task_Inputs *inputs, struct mf_str name)
{
    for (uint32_t i = 0; i < inputs->literals.count; i++) {
        if (mf_str_eq(inputs->literals.items[i]->name, name))
            return true;
    }
    return false;
}

static bool add_default(struct mf_arena *arena, struct pb_task_Inputs *inputs,
                        const struct pb_task_NamedParameter *named)
{
    const struct pb_core_Parameter *parameter = named->parameter;
    if (!parameter || parameter->behavior_case != pb_core_Parameter_tag_default ||
        !parameter->behavior.default_ || has_literal(inputs, named->name))
        return true;
    struct pb_task_NamedLiteral *literal = MF_NEW(arena, struct pb_task_NamedLiteral);
    if (!literal)
        return false;
    literal->name = named->name;
    literal->value = parameter->behavior.default_;
    return PB_PUSH(arena, inputs->literals, literal);
}

struct pb_task_Inputs *mf_run_inputs_with_defaults(struct mf_arena *arena,
                                                   const struct pb_task_Inputs *inputs,
                                                   const struct pb_task_TaskSpec *task)
{
    struct pb_task_Inputs *out = MF_NEW(arena, struct pb_task_Inputs);
    if (!out)
        return NULL;
    if (inputs) {
        *out = *inputs;
        out->literals.cap = out->literals.count; /* growing must not write behind the list of the request */
    }
    for (uint32_t i = 0; i < task->default_inputs.count; i++) {
        if (!add_default(arena, out, task->default_inputs.items[i]))
            return NULL;
    }
    return out;
}

static struct mf_str without_slashes(struct mf_str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    return text;
}

struct mf_str mf_run_output_base(struct mf_arena *arena, struct mf_str base,
                                 const struct pb_common_RunIdentifier *run)
{
    return mf_str_printf(arena, "%.*s/%.*s/%.*s/%.*s/", MF_FMT(without_slashes(base)), MF_FMT(run->project),
                         MF_FMT(run->domain), MF_FMT(run->name));
}

static struct mf_str file_in(struct mf_arena *arena, struct mf_str uri, const char *file)
{
    struct mf_str folder = without_slashes(uri);
    size_t len = strlen(file);
    if (folder.len > len && folder.ptr[folder.len - len - 1] == '/' &&
        mf_str_ends(folder, mf_str_make(file, len)))
        return folder;
    return mf_str_printf(arena, "%.*s/%s", MF_FMT(folder), file);
}

struct mf_str mf_run_inputs_file(struct mf_arena *arena, struct mf_str uri)
{
    return file_in(arena, uri, "inputs.pb");
}

struct mf_str mf_run_outputs_file(struct mf_arena *arena, struct mf_str uri)
{
    return file_in(arena, uri, "outputs.pb");
}

bool mf_run_sha256(struct mf_str bytes, unsigned char out[32])
{
    unsigned int len = 0;
    return EVP_Digest(bytes.len > 0 ? bytes.ptr : "", bytes.len, out, &len, EVP_sha256(), NULL) == 1 &&
           len == 32;
}

static enum mf_code base64_sha256(struct mf_arena *arena, struct mf_str bytes, struct mf_str *out,
                                  struct mf_error *err)
{
    unsigned char digest[32];
    if (!mf_run_sha256(bytes, digest))
        return mf_fail(err, MF_INTERNAL, "SHA-256 is not available");
    *out = mf_base64(arena, mf_str_make(digest, sizeof digest));
    return out->ptr ? MF_OK : mf_fail_memory(err);
}

static bool ignored(const struct pb_core_TaskMetadata *metadata, struct mf_str name)
{
    for (uint32_t i = 0; i < metadata->cache_ignore_input_vars.count; i++) {
        if (mf_str_eq(metadata->cache_ignore_input_vars.items[i], name))
            return true;
    }
    return false;
}

enum mf_code mf_run_inputs_hash(struct mf_arena *arena, const struct pb_task_Inputs *inputs,
                                const struct pb_core_TaskMetadata *metadata, struct mf_str *out,
                                struct mf_error *err)
{
    struct pb_task_Inputs kept = {0};
    struct mf_str bytes = MF_STR_EMPTY;
    for (uint32_t i = 0; i < inputs->literals.count; i++) {
        if (!ignored(metadata, inputs->literals.items[i]->name) &&
            !PB_PUSH(arena, kept.literals, inputs->literals.items[i]))
            return mf_fail_memory(err);
    }
    enum mf_code code = pb_encode_stable(arena, &pb_task_Inputs_type, &kept, &bytes, err);
    return code == MF_OK ? base64_sha256(arena, bytes, out, err) : code;
}

/* As Go's RFC3339Nano writes it: the fraction without zeros at its end. */
static struct mf_str nano_time(struct mf_arena *arena, int64_t ns)
{
    struct mf_str text = mf_time_rfc3339(arena, ns, true);
    if (!text.ptr || mf_str_find_char(text, '.') == SIZE_MAX)
        return text;
    size_t end = text.len - 1; /* the "Z" */
    while (text.ptr[end - 1] == '0')
        end--;
    return mf_str_printf(arena, "%.*sZ", (int)end, text.ptr);
}

enum mf_code mf_run_inputs_hash_at(struct mf_arena *arena, struct mf_str hash, struct mf_str kickoff,
                                   const struct pb_google_protobuf_Timestamp *start,
                                   const struct pb_core_TaskMetadata *metadata, struct mf_str *out,
                                   struct mf_error *err)
{
    *out = hash;
    if (kickoff.len == 0 || !start || ignored(metadata, kickoff))
        return MF_OK;
    struct mf_str time = nano_time(arena, mf_run_timestamp_ns(start));
    *out = time.ptr ? mf_str_printf(arena, "%.*s|runStartTime=%.*s", MF_FMT(hash), MF_FMT(time))
                    : (struct mf_str){0};
    return out->ptr ? MF_OK : mf_fail_memory(err);
}

enum mf_code mf_run_cache_key(struct mf_arena *arena, const struct pb_task_TaskSpec *task,
                              struct mf_str task_name, struct mf_str inputs_hash, struct mf_str *out,
                              struct mf_error *err)
{
    const struct pb_core_TaskTemplate *template = task->task_template;
    struct mf_str interface = MF_STR_EMPTY;
    enum mf_code code = MF_OK;
    *out = MF_STR_EMPTY;
    if (!template || !template->metadata || !template->metadata->discoverable)
        return MF_OK;
    if (template->interface) {
        code = pb_encode_stable(arena, &pb_core_TypedInterface_type, template->interface, &interface, err);
        if (code == MF_OK)
            code = base64_sha256(arena, interface, &interface, err);
    }
    if (code != MF_OK)
        return code;
    struct mf_str parts = mf_str_printf(arena, "%.*s%.*s%.*s%.*s", MF_FMT(inputs_hash), MF_FMT(task_name),
                                        MF_FMT(interface), MF_FMT(template->metadata->discovery_version));
    return parts.ptr ? base64_sha256(arena, parts, out, err) : mf_fail_memory(err);
}
