#include "rpc/pb_path.h"
#include "rpc/pb_rule.h"
#include "rpc/pb_table.h"

#include <inttypes.h>
#include <stdio.h>

/* One value of a field: of the field itself, of a list or of a map's entry. */
struct value {
    const struct pb_field *field; /* that says what kind it is */
    const void *at;
};

static struct mf_str text_of(struct value v)
{
    struct mf_str text;
    memcpy(&text, v.at, sizeof text);
    return text;
}

static int32_t enum_of(struct value v)
{
    int32_t number;
    memcpy(&number, v.at, sizeof number);
    return number;
}

/* ---- text ---- */

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_among(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static bool matches(const struct pb_pattern *pattern, struct mf_str text)
{
    if (text.len < pattern->min_len || (pattern->max_len > 0 && text.len > pattern->max_len))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || is_digit(c) || (pattern->upper && c >= 'A' && c <= 'Z');
        bool edge = pattern->edges && (i == 0 || i + 1 == text.len);
        if (!plain && (edge || !is_among(c, pattern->extra)))
            return false;
    }
    return true;
}

/* Characters of RFC 3986 and whole escapes only; '[' and ']' stand around an IP address and nowhere else. */
static bool is_uri_text(struct mf_str text, const char *extra)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            if (text.len - i < 3 || !is_hex(text.ptr[i + 1]) || !is_hex(text.ptr[i + 2]))
                return false;
            i += 2;
        } else if (!is_alpha(c) && !is_digit(c) && !is_among(c, "-._~!$&'()*+,;=:@") && !is_among(c, extra)) {
            return false;
        }
    }
    return true;
}

static bool is_authority(struct mf_str text)
{
    size_t at = mf_str_find_char(text, '@');
    struct mf_str host = at == SIZE_MAX ? text : mf_str_skip(text, at + 1);
    if (at != SIZE_MAX && !is_uri_text(mf_str_take(text, at), ""))
        return false;
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t close = mf_str_find_char(host, ']');
        if (close == SIZE_MAX || close < 3 || !is_uri_text(mf_str_take(mf_str_skip(host, 1), close - 1), ""))
            return false;
        host = mf_str_skip(host, close + 1);
        if (host.len > 0 && host.ptr[0] != ':')
            return false;
    }
    size_t colon = mf_str_find_char(host, ':');
    struct mf_str port = colon == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(host, colon + 1);
    for (size_t i = 0; i < port.len; i++) {
        if (!is_digit(port.ptr[i]))
            return false;
    }
    return is_uri_text(mf_str_take(host, colon), "") &&
           mf_str_find_char(mf_str_take(host, colon), '@') == SIZE_MAX;
}

static bool is_uri(struct mf_str text)
{
    size_t colon = mf_str_find_char(text, ':');
    if (colon == SIZE_MAX || colon == 0 || !is_alpha(text.ptr[0]))
        return false;
    for (size_t i = 1; i < colon; i++) {
        if (!is_alpha(text.ptr[i]) && !is_digit(text.ptr[i]) && !is_among(text.ptr[i], "+-."))
            return false;
    }
    struct mf_str rest = mf_str_skip(text, colon + 1);
    size_t hash = mf_str_find_char(rest, '#');
    if (hash != SIZE_MAX && !is_uri_text(mf_str_skip(rest, hash + 1), "/?"))
        return false;
    rest = mf_str_take(rest, hash);
    if (mf_str_starts(rest, MF_STR("//"))) {
        rest = mf_str_skip(rest, 2);
        size_t end = 0;
        while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
            end++;
        if (!is_authority(mf_str_take(rest, end)))
            return false;
        rest = mf_str_skip(rest, end);
    }
    return is_uri_text(rest, "/?");
}

/* ---- numbers ---- */

static int order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* The sign of a duration less the limit of the rule; an absent message is a duration of zero. */
static int compare_duration(const struct pb_rule *rule, struct value v)
{
    const char *msg;
    int64_t seconds = 0;
    int32_t nanos = 0;
    const struct pb_field *seconds_field = pb_field_by_number(v.field->type, 1);
    const struct pb_field *nanos_field = pb_field_by_number(v.field->type, 2);
    memcpy(&msg, v.at, sizeof msg);
    if (msg && seconds_field && nanos_field) {
        memcpy(&seconds, msg + seconds_field->offset, sizeof seconds);
        memcpy(&nanos, msg + nanos_field->offset, sizeof nanos);
    }
    return seconds != rule->number ? order(seconds, rule->number) : order(nanos, rule->nanos);
}

static double real_of(struct value v)
{
    double wide;
    float narrow;
    if (v.field->kind == PB_DOUBLE) {
        memcpy(&wide, v.at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, v.at, sizeof narrow);
    return (double)narrow;
}

/* Limits of unsigned fields are never negative, so both sides compare as what they are. */
static int compare_unsigned(const struct pb_rule *rule, struct value v)
{
    uint64_t number = 0;
    memcpy(&number, v.at, pb_kind_size((enum pb_kind)v.field->kind));
    uint64_t limit = (uint64_t)rule->number;
    return number < limit ? -1 : number > limit;
}

static int compare_signed(const struct pb_rule *rule, struct value v)
{
    int64_t number;
    if (pb_kind_size((enum pb_kind)v.field->kind) == sizeof number)
        memcpy(&number, v.at, sizeof number);
    else
        number = enum_of(v);
    return order(number, rule->number);
}

static bool is_unsigned(enum pb_kind kind)
{
    return kind == PB_UINT32 || kind == PB_FIXED32 || kind == PB_UINT64 || kind == PB_FIXED64;
}

static bool holds(enum pb_rule_kind kind, int sign)
{
    switch ((int)kind) {
    case PB_RULE_GT:
        return sign > 0;
    case PB_RULE_GTE:
        return sign >= 0;
    case PB_RULE_LT:
        return sign < 0;
    default:
        return sign <= 0;
    }
}

static bool is_in_range(const struct pb_rule *rule, struct value v)
{
    enum pb_kind kind = (enum pb_kind)v.field->kind;
    if (kind == PB_DOUBLE || kind == PB_FLOAT) {
        double number = real_of(v); /* NaN is in no range */
        return number == number &&
               holds((enum pb_rule_kind)rule->kind, number < rule->real ? -1 : number > rule->real);
    }
    int sign = kind == PB_MESSAGE  ? compare_duration(rule, v)
               : is_unsigned(kind) ? compare_unsigned(rule, v)
                                   : compare_signed(rule, v);
    return holds((enum pb_rule_kind)rule->kind, sign);
}

static enum mf_code fail_range(const struct pb_rule *rule, struct value v, const struct pb_path *path,
                               struct mf_error *err)
{
    static const char *const words[] = {[PB_RULE_GT] = "greater than",
                                        [PB_RULE_GTE] = "greater than or equal to",
                                        [PB_RULE_LT] = "less than",
                                        [PB_RULE_LTE] = "less than or equal to"};
    const char *word = words[rule->kind];
    if (v.field->kind == PB_DOUBLE || v.field->kind == PB_FLOAT)
        return pb_path_fail(err, path, "value must be %s %g", word, rule->real);
    if (v.field->kind != PB_MESSAGE)
        return pb_path_fail(err, path, "value must be %s %" PRId64, word, rule->number);
    double seconds = (double)rule->number + (double)rule->nanos / 1e9;
    return pb_path_fail(err, path, "value must be %s %gs", word, seconds);
}

/* ---- enums ---- */

static const char *enum_name(const struct pb_enum *enumeration, int32_t number)
{
    for (uint32_t i = 0; enumeration && i < enumeration->count; i++) {
        if (enumeration->values[i].number == number)
            return enumeration->values[i].name;
    }
    return NULL;
}

static bool is_in_set(const struct pb_rule *rule, int32_t number)
{
    for (uint32_t i = 0; i < rule->set_count; i++) {
        if (rule->set[i] == number)
            return true;
    }
    return false;
}

static enum mf_code fail_set(const struct pb_rule *rule, struct value v, const struct pb_path *path,
                             struct mf_error *err)
{
    char list[512];
    size_t len = 0;
    for (uint32_t i = 0; i < rule->set_count && len + 1 < sizeof list; i++) {
        const char *name = enum_name(v.field->enumeration, rule->set[i]);
        int n = name ? snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", name)
                     : snprintf(list + len, sizeof list - len, "%s%d", i > 0 ? ", " : "", rule->set[i]);
        len += n < 0 ? 0 : (size_t)n;
    }
    return pb_path_fail(err, path,
                        rule->kind == PB_RULE_IN ? "value must be one of %s" : "value must not be %s", list);
}

/* ---- rules of one value ---- */

static enum mf_code check_length(const struct pb_rule *rule, struct value v, const struct pb_path *path,
                                 struct mf_error *err)
{
    bool bytes = v.field->kind == PB_BYTES;
    const char *unit = bytes ? "bytes" : "characters";
    struct mf_str text = text_of(v);
    int64_t limit = rule->number;
    /* Characters are at most as many as bytes, which spares counting in the usual case of a short text. */
    int64_t len = (int64_t)(bytes || (rule->kind == PB_RULE_MAX_LEN && (int64_t)text.len <= limit)
                                ? text.len
                                : mf_utf8_count(text));
    if (rule->kind == PB_RULE_LEN && len != limit)
        return pb_path_fail(err, path, "value length must be %" PRId64 " %s", limit, unit);
    if (rule->kind == PB_RULE_MIN_LEN && len < limit)
        return pb_path_fail(err, path, "value length must be at least %" PRId64 " %s", limit, unit);
    if (rule->kind == PB_RULE_MAX_LEN && len > limit)
        return pb_path_fail(err, path, "value length must be at most %" PRId64 " %s", limit, unit);
    return MF_OK;
}

static enum mf_code check_value(const struct pb_rule *rule, struct value v, const struct pb_path *path,
                                struct mf_error *err)
{
    bool is_text = v.field->kind == PB_STRING || v.field->kind == PB_BYTES;
    if (rule->skip_empty && is_text && text_of(v).len == 0)
        return MF_OK;
    switch ((enum pb_rule_kind)rule->kind) {
    case PB_RULE_LEN:
    case PB_RULE_MIN_LEN:
    case PB_RULE_MAX_LEN:
        return check_length(rule, v, path, err);
    case PB_RULE_PATTERN:
        return matches(rule->pattern, text_of(v))
                   ? MF_OK
                   : pb_path_fail(err, path, "value must match the pattern %s", rule->pattern->regex);
    case PB_RULE_URI:
        return is_uri(text_of(v)) ? MF_OK : pb_path_fail(err, path, "value must be a valid URI");
    case PB_RULE_GT:
    case PB_RULE_GTE:
    case PB_RULE_LT:
    case PB_RULE_LTE:
        if (is_in_range(rule, v))
            return MF_OK;
        return rule->text ? pb_path_fail(err, path, "%s", rule->text) : fail_range(rule, v, path, err);
    case PB_RULE_IN:
    case PB_RULE_NOT_IN:
        return is_in_set(rule, enum_of(v)) == (rule->kind == PB_RULE_IN) ? MF_OK
                                                                         : fail_set(rule, v, path, err);
    case PB_RULE_DEFINED_ONLY:
        return enum_name(v.field->enumeration, enum_of(v))
                   ? MF_OK
                   : pb_path_fail(err, path, "value must be one of the defined enum values");
    case PB_RULE_REQUIRED:
    case PB_RULE_OPAQUE:
    case PB_RULE_MIN_ITEMS:
    case PB_RULE_MAX_ITEMS:
    case PB_RULE_UNIQUE:
    case PB_RULE_NEEDS:
    case PB_RULE_ANY_OF:
    case PB_RULE_ORDERED:
    case PB_RULE_ALONE:
        break; /* not of a single value */
    }
    return MF_OK;
}

/* ---- rules of lists and maps ---- */

static const void *item_at(const struct pb_field *field, const struct pb_list *list, uint32_t i)
{
    return (const char *)list->items + (size_t)i * pb_kind_size((enum pb_kind)field->kind);
}

/* More elements than the enum has names means a repetition (or an element without a name), so that the
 * comparison of all pairs stays short whatever is sent. */
static bool is_unique(const struct pb_field *field, const struct pb_list *list)
{
    const int32_t *items = list->items;
    if (list->count > field->enumeration->count)
        return false;
    for (uint32_t i = 1; i < list->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (items[i] == items[j])
                return false;
        }
    }
    return true;
}

static enum mf_code check_list(const struct pb_rule *rule, const struct pb_field *field,
                               const struct pb_list *list, const struct pb_path *path, struct mf_error *err)
{
    const char *unit = field->shape == PB_MAP ? "entries" : "items";
    if (rule->kind == PB_RULE_MIN_ITEMS && list->count < rule->number)
        return pb_path_fail(err, path, "value must contain at least %" PRId64 " %s", rule->number, unit);
    if (rule->kind == PB_RULE_MAX_ITEMS && list->count > rule->number)
        return pb_path_fail(err, path, "value must contain at most %" PRId64 " %s", rule->number, unit);
    if (rule->kind == PB_RULE_UNIQUE && !is_unique(field, list))
        return pb_path_fail(err, path, "value must contain each item only once");
    return MF_OK;
}

/* The step that names one element, by its index or by its key where that is text. */
static struct pb_path element_step(const struct pb_field *field, const struct pb_list *list, uint32_t i,
                                   const struct pb_path *up)
{
    struct pb_path step = {.up = up, .step = PB_STEP_INDEX, .index = i};
    if (field->shape == PB_MAP) {
        const struct pb_field *key = pb_field_by_number(field->type, 1);
        const char *entry = ((char *const *)list->items)[i];
        if (key && key->kind == PB_STRING) {
            step.step = PB_STEP_KEY;
            memcpy(&step.name, entry + key->offset, sizeof step.name);
        }
    }
    return step;
}

static enum mf_code check_elements(const struct pb_rule *rule, const struct pb_field *field,
                                   const struct pb_list *list, const struct pb_path *path,
                                   struct mf_error *err)
{
    enum mf_code code = MF_OK;
    const struct pb_field *part = field;
    if (rule->on != PB_ON_ITEM)
        part = pb_field_by_number(field->type, rule->on == PB_ON_KEY ? 1 : 2);
    for (uint32_t i = 0; part && i < list->count && code == MF_OK; i++) {
        struct pb_path step = element_step(field, list, i, path);
        struct value v = {part, item_at(field, list, i)};
        if (rule->on != PB_ON_ITEM)
            v.at = ((char *const *)list->items)[i] + part->offset;
        code = check_value(rule, v, &step, err);
    }
    return code;
}

/* ---- rules between the fields of a message ---- */

static bool is_set(const struct pb_type *type, const void *msg, uint32_t number)
{
    const struct pb_field *field = pb_field_by_number(type, number);
    return field && pb_field_is_set(field, msg);
}

static struct value value_of(const struct pb_type *type, const void *msg, uint32_t number)
{
    const struct pb_field *field = pb_field_by_number(type, number);
    return (struct value){field, field ? (const char *)msg + field->offset : NULL};
}

static bool is_needed(const struct pb_rule *rule, const struct pb_type *type, const void *msg)
{
    struct value a = value_of(type, msg, rule->a);
    return is_set(type, msg, rule->a) && (a.field->kind != PB_DOUBLE || real_of(a) > rule->real);
}

static bool is_ordered(const struct pb_rule *rule, const struct pb_type *type, const void *msg)
{
    struct value a = value_of(type, msg, rule->a);
    struct value b = value_of(type, msg, rule->b);
    if (!a.field || !b.field)
        return true;
    const struct pb_rule limit = {.number = enum_of(a)}; /* an int32_t is read as an enum is */
    return compare_signed(&limit, b) >= 0;
}

static bool is_alone(const struct pb_rule *rule, const struct pb_type *type, const void *msg)
{
    struct value a = value_of(type, msg, rule->a);
    if (!a.field)
        return true;
    struct pb_list list;
    memcpy(&list, a.at, sizeof list);
    for (uint32_t i = 0; i < list.count; i++) {
        if (((const int32_t *)list.items)[i] == rule->number)
            return list.count == 1;
    }
    return true;
}

static enum mf_code check_message_rule(const struct pb_rule *rule, const struct pb_type *type,
                                       const void *msg, const struct pb_path *path, struct mf_error *err)
{
    bool good = true;
    if (rule->kind == PB_RULE_NEEDS)
        good = !is_needed(rule, type, msg) || is_set(type, msg, rule->b);
    else if (rule->kind == PB_RULE_ANY_OF)
        good = is_set(type, msg, rule->a) || is_set(type, msg, rule->b);
    else if (rule->kind == PB_RULE_ORDERED)
        good = is_ordered(rule, type, msg);
    else if (rule->kind == PB_RULE_ALONE)
        good = is_alone(rule, type, msg);
    return good ? MF_OK : pb_path_fail(err, path, "%s", rule->text);
}

/* ---- the walk ---- */

static enum mf_code check_message(const struct pb_type *type, const void *msg, const struct pb_path *path,
                                  unsigned depth, struct mf_error *err);

static enum mf_code check_below(const struct pb_field *field, const void *at, const struct pb_path *path,
                                unsigned depth, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (field->shape != PB_REPEATED && field->shape != PB_MAP) {
        const void *below;
        memcpy(&below, at, sizeof below);
        return below ? check_message(field->type, below, path, depth + 1, err) : MF_OK;
    }
    struct pb_list list;
    memcpy(&list, at, sizeof list);
    for (uint32_t i = 0; i < list.count && code == MF_OK; i++) {
        struct pb_path step = element_step(field, &list, i, path);
        code = check_message(field->type, ((void *const *)list.items)[i], &step, depth + 1, err);
    }
    return code;
}

static enum mf_code check_field(const struct pb_field *field, const void *msg, const struct pb_path *up,
                                unsigned depth, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct pb_path path = pb_path_name(up, field->name);
    const void *at = (const char *)msg + field->offset;
    bool list = field->shape == PB_REPEATED || field->shape == PB_MAP;
    bool set = pb_field_is_set(field, msg);
    bool counts = set || (field->shape == PB_IMPLICIT && field->kind != PB_MESSAGE);
    bool opaque = false;

    for (uint32_t i = 0; i < field->rule_count && code == MF_OK; i++) {
        const struct pb_rule *rule = &field->rules[i];
        if (rule->kind == PB_RULE_OPAQUE)
            opaque = true;
        else if (rule->kind == PB_RULE_REQUIRED)
            code = set ? MF_OK : pb_path_fail(err, &path, "value is required");
        else if (list && rule->on == PB_ON_FIELD)
            code = check_list(rule, field, at, &path, err);
        else if (list)
            code = check_elements(rule, field, at, &path, err);
        else if (counts)
            code = check_value(rule, (struct value){field, at}, &path, err);
    }
    bool descend =
        set && !opaque && field->type && (field->kind == PB_MESSAGE || list) && field->type->validated;
    return code == MF_OK && descend ? check_below(field, at, &path, depth, err) : code;
}

static enum mf_code fail_oneof(const struct pb_type *type, uint32_t oneof, const struct pb_path *path,
                               struct mf_error *err)
{
    char list[400] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < type->field_count && len + 1 < sizeof list; i++) {
        const struct pb_field *field = &type->fields[i];
        if (field->shape != PB_ONEOF || field->oneof != oneof)
            continue;
        int n = snprintf(list + len, sizeof list - len, "%s%s", len > 0 ? ", " : "", field->name);
        len += n < 0 ? 0 : (size_t)n;
    }
    struct pb_path step = pb_path_name(path, type->oneofs[oneof].name);
    return pb_path_fail(err, &step, "one of %s is required", list);
}

static enum mf_code check_message(const struct pb_type *type, const void *msg, const struct pb_path *path,
                                  unsigned depth, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    if (depth > PB_DEPTH_MAX)
        return pb_path_fail(err, path, "messages are nested deeper than %d", PB_DEPTH_MAX);
    for (uint32_t i = 0; i < type->rule_count && code == MF_OK; i++)
        code = check_message_rule(&type->rules[i], type, msg, path, err);
    for (uint32_t i = 0; i < type->oneof_count && code == MF_OK; i++) {
        int32_t number;
        memcpy(&number, (const char *)msg + type->oneofs[i].case_offset, sizeof number);
        if (type->oneofs[i].required && number == 0)
            code = fail_oneof(type, i, path, err);
    }
    for (uint32_t i = 0; i < type->field_count && code == MF_OK; i++) {
        const struct pb_field *field = &type->fields[i];
        if (field->rule_count > 0 || (field->type && field->type->validated))
            code = check_field(field, msg, path, depth, err);
    }
    return code;
}

enum mf_code pb_validate(const struct pb_type *type, const void *msg, struct mf_error *err)
{
    return type->validated ? check_message(type, msg, NULL, 1, err) : MF_OK;
}
