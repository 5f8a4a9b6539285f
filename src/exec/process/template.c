#include "exec/process/template.h"

#include "base/buf.h"
#include "base/time.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/task/common.pb.h"

#include <stdio.h>
#include <stdlib.h>

#define ARGUMENT_MAX ((size_t)4 << 20)
#define DEPTH_MAX 16

static void put_float(struct mf_buf *buf, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) // NOLINT: the same number is what is looked for
            break;
    }
    mf_buf_add_c(buf, text);
}

static bool put_primitive(struct mf_arena *arena, struct mf_buf *buf,
                          const struct pb_core_Primitive *primitive)
{
    switch (primitive->value_case) {
    case pb_core_Primitive_tag_integer:
        return mf_buf_printf(buf, "%lld", (long long)primitive->value.integer);
    case pb_core_Primitive_tag_float_value:
        put_float(buf, primitive->value.float_value);
        return true;
    case pb_core_Primitive_tag_string_value:
        return mf_buf_add_str(buf, primitive->value.string_value);
    case pb_core_Primitive_tag_boolean:
        return mf_buf_add_c(buf, primitive->value.boolean ? "true" : "false");
    case pb_core_Primitive_tag_datetime:
        return mf_buf_add_str(buf, mf_time_rfc3339(arena,
                                                   primitive->value.datetime->seconds * MF_SECOND_NS +
                                                       primitive->value.datetime->nanos,
                                                   true));
    case pb_core_Primitive_tag_duration:
        put_float(buf, (double)primitive->value.duration->seconds + primitive->value.duration->nanos / 1e9);
        return mf_buf_add_char(buf, 's');
    default:
        return false;
    }
}

static bool put_literal(struct mf_arena *arena, struct mf_buf *buf, const struct pb_core_Literal *literal,
                        int depth)
{
    if (!literal || depth > DEPTH_MAX)
        return false;
    if (literal->value_case == pb_core_Literal_tag_collection) {
        const struct pb_core_LiteralCollection *list = literal->value.collection;
        mf_buf_add_char(buf, '[');
        for (uint32_t i = 0; i < list->literals.count; i++) {
            if (i > 0)
                mf_buf_add_char(buf, ',');
            if (!put_literal(arena, buf, list->literals.items[i], depth + 1))
                return false;
        }
        return mf_buf_add_char(buf, ']');
    }
    if (literal->value_case != pb_core_Literal_tag_scalar)
        return false;
    const struct pb_core_Scalar *scalar = literal->value.scalar;
    switch (scalar->value_case) {
    case pb_core_Scalar_tag_primitive:
        return put_primitive(arena, buf, scalar->value.primitive);
    case pb_core_Scalar_tag_blob:
        return mf_buf_add_str(buf, scalar->value.blob->uri);
    case pb_core_Scalar_tag_schema:
        return mf_buf_add_str(buf, scalar->value.schema->uri);
    case pb_core_Scalar_tag_structured_dataset:
        return mf_buf_add_str(buf, scalar->value.structured_dataset->uri);
    case pb_core_Scalar_tag_union:
        return put_literal(arena, buf, scalar->value.union_->value, depth + 1);
    default:
        return false;
    }
}

static enum mf_code put_input(struct mf_arena *arena, struct mf_template *template, struct mf_str name,
                              struct mf_buf *buf, struct mf_error *err)
{
    if (!template->inputs) {
        enum mf_code code = template->load_inputs(template->ctx, &template->inputs, err);
        if (code != MF_OK)
            return code;
    }
    for (uint32_t i = 0; i < template->inputs->literals.count; i++) {
        const struct pb_task_NamedLiteral *input = template->inputs->literals.items[i];
        if (!mf_str_eq(input->name, name))
            continue;
        if (put_literal(arena, buf, input->value, 0))
            return MF_OK;
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "input %.*s has a type that cannot stand in a command line; read it from {{.input}}",
                       MF_FMT(name));
    }
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "the command line names the input %.*s, which the task does not have", MF_FMT(name));
}

static enum mf_code put_named(struct mf_arena *arena, struct mf_template *template, struct mf_str whole,
                              struct mf_str name, struct mf_buf *buf, struct mf_error *err)
{
    if (name.len > 7 && mf_str_eq_nocase(mf_str_take(name, 7), MF_STR("inputs.")) && template->load_inputs)
        return put_input(arena, template, mf_str_skip(name, 7), buf, err);
    for (size_t i = 0; i < template->count; i++) {
        if (mf_str_eq_nocase(name, mf_str_from_c(template->values[i].name))) {
            mf_buf_add_str(buf, template->values[i].value);
            return MF_OK;
        }
    }
    mf_buf_add_str(buf, whole);
    return MF_OK;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* The placeholder at the start of text: its whole length and its name. 0 when there is none. */
static size_t placeholder(struct mf_str text, struct mf_str *name)
{
    size_t at = 2;
    if (!mf_str_starts(text, MF_STR("{{")))
        return 0;
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    if (at >= text.len || (text.ptr[at] != '.' && text.ptr[at] != '$'))
        return 0;
    size_t start = ++at;
    while (at < text.len && is_name_char(text.ptr[at]))
        at++;
    *name = mf_str_make(text.ptr + start, at - start);
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    return name->len > 0 && mf_str_starts(mf_str_skip(text, at), MF_STR("}}")) ? at + 2 : 0;
}

enum mf_code mf_template_render(struct mf_arena *arena, struct mf_template *template, struct mf_str text,
                                struct mf_str *out, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct mf_buf buf = MF_BUF_INIT(ARGUMENT_MAX);
    while (code == MF_OK && text.len > 0) {
        struct mf_str name;
        size_t plain = mf_str_find(text, MF_STR("{{"));
        size_t len = 0;
        if (plain == SIZE_MAX)
            plain = text.len;
        mf_buf_add_str(&buf, mf_str_take(text, plain));
        text = mf_str_skip(text, plain);
        if (text.len > 0)
            len = placeholder(text, &name);
        if (len > 0)
            code = put_named(arena, template, mf_str_take(text, len), name, &buf, err);
        else if (text.len > 0)
            mf_buf_add_str(&buf, mf_str_take(text, len = 1));
        text = mf_str_skip(text, len);
    }
    if (code == MF_OK && mf_buf_failed(&buf))
        code = mf_fail(err, MF_INVALID_ARGUMENT,
                       "an argument of the command line is longer than %zu MiB; pass it as an "
                       "input",
                       ARGUMENT_MAX >> 20);
    if (code == MF_OK) {
        *out = buf.len > 0 ? mf_str_copy(arena, mf_buf_str(&buf)) : MF_STR_EMPTY;
        if (!out->ptr)
            code = mf_fail_memory(err);
    }
    mf_buf_free(&buf);
    return code;
}
