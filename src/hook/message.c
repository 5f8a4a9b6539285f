#include "hook/message.h"

#include "action/machine.h"
#include "base/encode.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/protobuf/struct.pb.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define PLACEHOLDER MF_STR("{callback_uri}")

struct mf_str mf_hook_token(struct mf_arena *arena, const unsigned char key[MF_HOOK_KEY_BYTES],
                            const struct mf_action_row *row)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    /* The run's number is never used again, so that the token dies with the run; the length of the name keeps
     * the parts apart. */
    struct mf_str text = mf_str_printf(arena, "condition %lld %zu %.*s %d", (long long)row->run_id,
                                       row->name.len, MF_FMT(row->name), row->attempts);
    if (!text.ptr ||
        !HMAC(EVP_sha256(), key, MF_HOOK_KEY_BYTES, (const unsigned char *)text.ptr, text.len, mac, &len))
        return (struct mf_str){0};
    return mf_base64url(arena, mf_str_make(mac, len));
}

struct mf_str mf_hook_callback(struct mf_arena *arena, struct mf_str url,
                               const unsigned char key[MF_HOOK_KEY_BYTES], const struct mf_action_row *row)
{
    struct mf_str project = mf_percent_encode(arena, row->project, "");
    struct mf_str domain = mf_percent_encode(arena, row->domain, "");
    struct mf_str run = mf_percent_encode(arena, row->run_name, "");
    struct mf_str action = mf_percent_encode(arena, row->name, "");
    struct mf_str token = mf_hook_token(arena, key, row);
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    if (!project.ptr || !domain.ptr || !run.ptr || !action.ptr || !token.ptr)
        return (struct mf_str){0};
    return mf_str_printf(arena, "%.*s" MF_HOOK_CALLBACK "%.*s/%.*s/%.*s/%.*s?token=%.*s", MF_FMT(url),
                         MF_FMT(project), MF_FMT(domain), MF_FMT(run), MF_FMT(action), MF_FMT(token));
}

/* ---- what is sent ---- */

static bool replace_text(struct mf_arena *arena, struct mf_str *text, struct mf_str by)
{
    struct mf_str rest = *text;
    struct mf_str out = MF_STR_EMPTY;
    size_t at = mf_str_find(rest, PLACEHOLDER);
    if (at == SIZE_MAX)
        return true;
    for (; at != SIZE_MAX; at = mf_str_find(rest, PLACEHOLDER)) {
        out = mf_str_printf(arena, "%.*s%.*s%.*s", MF_FMT(out), (int)at, rest.ptr, MF_FMT(by));
        if (!out.ptr)
            return false;
        rest = mf_str_skip(rest, at + PLACEHOLDER.len);
    }
    *text = mf_str_printf(arena, "%.*s%.*s", MF_FMT(out), MF_FMT(rest));
    return text->ptr != NULL;
}

static bool replace_in_struct(struct mf_arena *arena, struct pb_google_protobuf_Struct *object,
                              struct mf_str by);

/* As deep as the decoder has let the message be. */
static bool replace_in_value(struct mf_arena *arena, struct pb_google_protobuf_Value *value, struct mf_str by)
{
    bool ok = true;
    switch (value ? value->kind_case : 0) {
    case pb_google_protobuf_Value_tag_string_value:
        return replace_text(arena, &value->kind.string_value, by);
    case pb_google_protobuf_Value_tag_struct_value:
        return replace_in_struct(arena, value->kind.struct_value, by);
    case pb_google_protobuf_Value_tag_list_value:
        for (uint32_t i = 0; ok && i < value->kind.list_value->values.count; i++)
            ok = replace_in_value(arena, value->kind.list_value->values.items[i], by);
        return ok;
    default:
        return true;
    }
}

static bool replace_in_struct(struct mf_arena *arena, struct pb_google_protobuf_Struct *object,
                              struct mf_str by)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < object->fields.count; i++)
        ok = replace_in_value(arena, object->fields.items[i]->value, by);
    return ok;
}

static bool put(struct mf_arena *arena, struct pb_google_protobuf_Struct *object, struct mf_str key,
                struct mf_str text)
{
    struct pb_google_protobuf_Struct_FieldsEntry *entry =
        pb_new(arena, &pb_google_protobuf_Struct_FieldsEntry_type);
    struct pb_google_protobuf_Value *value = pb_new(arena, &pb_google_protobuf_Value_type);
    if (!entry || !value)
        return false;
    value->kind_case = pb_google_protobuf_Value_tag_string_value;
    value->kind.string_value = text;
    entry->key = key;
    entry->value = value;
    return PB_PUSH(arena, object->fields, entry);
}

enum mf_code mf_hook_question(struct mf_arena *arena, const struct pb_workflow_ConditionAction *condition,
                              const struct mf_action_row *row, struct mf_str callback, struct mf_str *out,
                              struct mf_error *err)
{
    struct pb_google_protobuf_Struct *object = pb_new(arena, &pb_google_protobuf_Struct_type);
    const struct {
        struct mf_str key, text;
    } entries[] = {
        {MF_STR("condition"), condition->name},
        {MF_STR("type"), mf_str_from_c(mf_hook_type_word(condition))},
        {MF_STR("prompt"), condition->prompt},
        {MF_STR("description"), condition->description},
        {MF_STR("project"), row->project},
        {MF_STR("domain"), row->domain},
        {MF_STR("run"), row->run_name},
        {MF_STR("action"), row->name},
        {MF_STR("phase"), mf_str_from_c(mf_phase_word(row->phase))},
        {MF_STR("callback_uri"), callback},
    };
    bool ok = object != NULL;
    for (size_t i = 0; ok && i < sizeof entries / sizeof entries[0]; i++)
        ok = entries[i].text.len == 0 || put(arena, object, entries[i].key, entries[i].text);
    return ok ? pb_to_json(arena, &pb_google_protobuf_Struct_type, object, NULL, out, err)
              : mf_fail_memory(err);
}

enum mf_code mf_hook_body(struct mf_arena *arena, struct pb_workflow_ConditionAction *condition,
                          const struct mf_action_row *row, struct mf_str callback, struct mf_str *out,
                          struct mf_error *err)
{
    struct pb_google_protobuf_Struct *payload = condition->webhook ? condition->webhook->payload : NULL;
    if (!payload)
        return mf_hook_question(arena, condition, row, callback, out, err);
    if (!replace_in_struct(arena, payload, callback))
        return mf_fail_memory(err);
    return pb_to_json(arena, &pb_google_protobuf_Struct_type, payload, NULL, out, err);
}

/* ---- what is answered ---- */

static int32_t value_case_of(const struct pb_workflow_ConditionAction *condition)
{
    struct mf_error err;
    int32_t value_case = 0;
    return mf_condition_type(condition, &value_case, &err) == MF_OK ? value_case : 0;
}

const char *mf_hook_type_word(const struct pb_workflow_ConditionAction *condition)
{
    return mf_condition_word(value_case_of(condition));
}

static bool read_bool(struct mf_str text, bool *out)
{
    *out = mf_str_eq_c(text, "true");
    return *out || mf_str_eq_c(text, "false");
}

static bool read_int(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *out = value;
    return errno == 0 && end != text && *end == '\0';
}

static bool read_float(const char *text, double *out)
{
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool from_text(struct mf_arena *arena, struct mf_str text, int32_t value_case,
                      struct pb_core_Primitive *out)
{
    struct mf_str bare = mf_str_trim(text, MF_STR(" \r\n\t"));
    const char *word = mf_str_to_c(arena, bare);
    out->value_case = value_case;
    switch (word ? value_case : 0) {
    case pb_core_Primitive_tag_boolean:
        return read_bool(bare, &out->value.boolean);
    case pb_core_Primitive_tag_integer:
        return read_int(word, &out->value.integer);
    case pb_core_Primitive_tag_float_value:
        return read_float(word, &out->value.float_value);
    case pb_core_Primitive_tag_string_value:
        out->value.string_value = text;
        return true;
    default:
        return false;
    }
}

/* A number of JSON is a double here; whoever needs more digits of an integer sends it as a string. */
static bool from_value(struct mf_arena *arena, const struct pb_google_protobuf_Value *value,
                       int32_t value_case, struct pb_core_Primitive *out)
{
    double number = 0;
    out->value_case = value_case;
    switch (value->kind_case) {
    case pb_google_protobuf_Value_tag_bool_value:
        out->value.boolean = value->kind.bool_value;
        return value_case == pb_core_Primitive_tag_boolean;
    case pb_google_protobuf_Value_tag_number_value:
        number = value->kind.number_value;
        if (value_case == pb_core_Primitive_tag_float_value) {
            out->value.float_value = number;
            return true;
        }
        if (value_case != pb_core_Primitive_tag_integer || number != floor(number) || fabs(number) > 0x1p53)
            return false;
        out->value.integer = (int64_t)number;
        return true;
    case pb_google_protobuf_Value_tag_string_value:
        return from_text(arena, value->kind.string_value, value_case, out);
    default:
        return false;
    }
}

static const struct pb_google_protobuf_Value *unwrap(const struct pb_google_protobuf_Value *value)
{
    const struct pb_google_protobuf_Struct *object =
        value->kind_case == pb_google_protobuf_Value_tag_struct_value ? value->kind.struct_value : NULL;
    for (uint32_t i = 0; object && i < object->fields.count; i++) {
        if (mf_str_eq_c(object->fields.items[i]->key, "value"))
            return object->fields.items[i]->value;
    }
    return value;
}

enum mf_code mf_hook_value(struct mf_arena *arena, const struct pb_workflow_ConditionAction *condition,
                           struct mf_str text, bool json, struct mf_str *out, struct mf_error *err)
{
    struct pb_core_Primitive primitive = {0};
    struct pb_core_Scalar scalar = {.value_case = pb_core_Scalar_tag_primitive,
                                    .value.primitive = &primitive};
    const struct pb_core_Literal literal = {.value_case = pb_core_Literal_tag_scalar,
                                            .value.scalar = &scalar};
    int32_t value_case = value_case_of(condition);
    void *decoded = NULL;
    bool ok = false;
    if (json) {
        enum mf_code code = pb_from_json(arena, &pb_google_protobuf_Value_type, text, NULL, &decoded, err);
        if (code != MF_OK)
            return code;
        ok = from_value(arena, unwrap(decoded), value_case, &primitive);
    } else {
        ok = from_text(arena, text, value_case, &primitive);
    }
    if (!ok)
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "value: condition %.*s takes a %s; send {\"value\": …} as application/json, or the bare value "
            "as text/plain",
            MF_FMT(condition->name), mf_condition_word(value_case));
    return pb_encode(arena, &pb_core_Literal_type, &literal, out, err);
}
