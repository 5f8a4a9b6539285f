#include "kube/yaml_node.h"

#include <dlfcn.h>
#include <pthread.h>
#include <yaml.h>

#define DEPTH_MAX 64

/* What is used of libyaml. */
static struct {
    __typeof__(yaml_parser_initialize) *initialize;
    __typeof__(yaml_parser_delete) *delete;
    __typeof__(yaml_parser_set_input_string) *set_input;
    __typeof__(yaml_parser_parse) *parse;
    __typeof__(yaml_event_delete) *event_delete;
    bool ready;
} yaml;
static pthread_once_t yaml_once = PTHREAD_ONCE_INIT;

/* The library stays open until the end. */
static void open_library(void)
{
    static const char *const names[] = {"libyaml-0.so.2", "libyaml-0.2.dylib"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    *(void **)&yaml.initialize = dlsym(library, "yaml_parser_initialize");
    *(void **)&yaml.delete = dlsym(library, "yaml_parser_delete");
    *(void **)&yaml.set_input = dlsym(library, "yaml_parser_set_input_string");
    *(void **)&yaml.parse = dlsym(library, "yaml_parser_parse");
    *(void **)&yaml.event_delete = dlsym(library, "yaml_event_delete");
    yaml.ready = yaml.initialize && yaml.delete &&yaml.set_input && yaml.parse && yaml.event_delete;
}

struct reader {
    yaml_parser_t parser;
    struct mf_node_builder builder;
    struct mf_error *err;
};

static enum mf_code next(struct reader *r, yaml_event_t *event)
{
    if (yaml.parse(&r->parser, event))
        return MF_OK;
    return mf_fail(r->err, MF_INVALID_ARGUMENT, "line %zu is no YAML: %s", r->parser.problem_mark.line + 1,
                   r->parser.problem ? r->parser.problem : "it cannot be read");
}

static mf_node *scalar(struct reader *r, const yaml_event_t *event)
{
    const yaml_char_t *text = event->data.scalar.value;
    return mf_node_text_value(&r->builder,
                              mf_str_copy(r->builder.arena, mf_str_make(text, event->data.scalar.length)));
}

static enum mf_code refuse(struct reader *r, const yaml_event_t *event, const char *what)
{
    return mf_fail(r->err, MF_INVALID_ARGUMENT, "line %zu: %s", event->start_mark.line + 1, what);
}

static bool has_anchor(const yaml_event_t *event)
{
    return (event->type == YAML_SCALAR_EVENT && event->data.scalar.anchor) ||
           (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.anchor) ||
           (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.anchor);
}

/* A value that is being filled: what comes next goes into it. */
struct level {
    mf_node *value;
    bool is_list, has_name;
    struct mf_str name;
};

struct levels {
    struct level items[DEPTH_MAX];
    size_t count;
    mf_node *root;
};

static enum mf_code add(struct reader *r, struct levels *levels, const yaml_event_t *event, mf_node *value)
{
    struct level *level = levels->count > 0 ? &levels->items[levels->count - 1] : NULL;
    if (r->builder.failed)
        return mf_fail_memory(r->err);
    if (!level) {
        levels->root = value;
    } else if (level->is_list) {
        mf_node_push(&r->builder, level->value, value);
    } else if (level->has_name) {
        mf_node_set(&r->builder, level->value, level->name, value);
        level->has_name = false;
    } else if (value->kind_case == pb_google_protobuf_Value_tag_string_value) {
        level->name = value->kind.string_value;
        level->has_name = true;
    } else {
        return refuse(r, event, "a name must be a text");
    }
    return r->builder.failed ? mf_fail_memory(r->err) : MF_OK;
}

static enum mf_code descend(struct reader *r, struct levels *levels, const yaml_event_t *event, bool is_list)
{
    mf_node *value = is_list ? mf_node_list(&r->builder) : mf_node_object(&r->builder);
    enum mf_code code = add(r, levels, event, value);
    if (code != MF_OK)
        return code;
    if (levels->count == DEPTH_MAX)
        return refuse(r, event, "this is nested too deeply");
    levels->items[levels->count++] = (struct level){.value = value, .is_list = is_list};
    return MF_OK;
}

static enum mf_code take(struct reader *r, struct levels *levels, const yaml_event_t *event)
{
    if (has_anchor(event) || event->type == YAML_ALIAS_EVENT)
        return refuse(r, event, "anchors and aliases are not read here; write the value out");
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return add(r, levels, event, scalar(r, event));
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return descend(r, levels, event, event->type == YAML_SEQUENCE_START_EVENT);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        levels->count--;
        return MF_OK;
    default:
        return MF_OK;
    }
}

enum mf_code mf_yaml_read(struct mf_arena *arena, struct mf_str text, const mf_node **out,
                          struct mf_error *err)
{
    struct reader r = {.builder = {.arena = arena}, .err = err};
    struct levels levels = {.count = 0};
    enum mf_code code = MF_OK;
    bool end = false;
    *out = NULL;
    pthread_once(&yaml_once, open_library);
    if (!yaml.ready)
        return mf_fail(err, MF_UNAVAILABLE,
                       "libyaml-0.so.2 is needed to read YAML; install it (Debian: libyaml-0-2)");
    if (!yaml.initialize(&r.parser))
        return mf_fail_memory(err);
    yaml.set_input(&r.parser, (const unsigned char *)text.ptr, text.len);
    while (code == MF_OK && !end) {
        yaml_event_t event;
        code = next(&r, &event);
        if (code != MF_OK)
            break;
        end = event.type == YAML_DOCUMENT_END_EVENT || event.type == YAML_STREAM_END_EVENT;
        code = take(&r, &levels, &event);
        yaml.event_delete(&event);
    }
    yaml.delete(&r.parser);
    if (code == MF_OK)
        *out = levels.root;
    return code;
}
