#include "translate/translate.h"

#include "gen/flyteidl2/trigger/trigger_definition.pb.h"
#include "gen/flyteidl2/workflow/run_service.pb.h"
#include "gen/flyteidl2/workflow/translator_service.pb.h"
#include "run/data.h"
#include "run/inputs.h"
#include "store/trigger.h"
#include "translate/convert.h"

#include <stdlib.h>

#define TITLE "Launch Form"

struct mf_translate {
    struct mf_translate_config config;
};

/* ---- forms ---- */

struct form {
    struct pb_google_protobuf_Struct *root, *properties;
    struct pb_google_protobuf_ListValue *required;
};

static enum mf_code form_new(struct mf_conv *c, struct form *form)
{
    form->root = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    form->properties = MF_NEW(c->arena, struct pb_google_protobuf_Struct);
    form->required = MF_NEW(c->arena, struct pb_google_protobuf_ListValue);
    if (!form->root || !form->properties || !form->required ||
        !mf_value_put(c->arena, form->root, "type", mf_value_text(c->arena, "object")) ||
        !mf_value_put(c->arena, form->root, "title", mf_value_text(c->arena, TITLE)) ||
        !mf_value_put(c->arena, form->root, "properties", mf_value_object(c->arena, form->properties)) ||
        !mf_value_put(c->arena, form->root, "required", mf_value_list(c->arena, form->required)))
        return mf_fail_memory(c->err);
    return MF_OK;
}

static enum mf_code form_add(struct mf_conv *c, struct form *form,
                             const struct pb_core_VariableEntry *variable,
                             const struct pb_core_Literal *literal)
{
    struct mf_conv_place place = {.name = variable->key};
    struct pb_google_protobuf_Struct *property = NULL;
    bool required = false;
    enum mf_code code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
    if (code == MF_OK)
        code = mf_conv_property(c, variable->key, variable->value, literal, &property, &required);
    mf_conv_leave(c, &place, MF_CONV_OBJECT);
    if (code == MF_OK &&
        !mf_value_append(c->arena, form->properties, variable->key, mf_value_object(c->arena, property)))
        code = mf_fail_memory(c->err);
    if (code != MF_OK || !required)
        return code;
    struct pb_google_protobuf_Value *name = mf_value_string(c->arena, variable->key);
    return name && PB_PUSH(c->arena, form->required->values, name) ? MF_OK : mf_fail_memory(c->err);
}

/* The first of that name; NULL: none. */
static enum mf_code find_literal(struct mf_conv *c, const struct pb_task_Inputs *inputs, struct mf_str name,
                                 const struct pb_task_NamedLiteral **out)
{
    *out = NULL;
    enum mf_code code = mf_conv_step(c, 1 + inputs->literals.count);
    for (uint32_t i = 0; code == MF_OK && i < inputs->literals.count && !*out; i++) {
        if (mf_str_eq(inputs->literals.items[i]->name, name))
            *out = inputs->literals.items[i];
    }
    return code;
}

static enum mf_code form_of(struct mf_conv *c, const struct pb_core_VariableMap *variables,
                            const struct pb_task_Inputs *inputs, struct pb_google_protobuf_Struct **out)
{
    struct form form = {0};
    enum mf_code code = form_new(c, &form);
    for (uint32_t i = 0; variables && code == MF_OK && i < variables->variables.count; i++) {
        const struct pb_core_VariableEntry *variable = variables->variables.items[i];
        const struct pb_task_NamedLiteral *given = NULL;
        static const struct pb_core_Literal empty;
        code = find_literal(c, inputs, variable->key, &given);
        if (code == MF_OK)
            code = form_add(c, &form, variable, !given ? NULL : given->value ? given->value : &empty);
    }
    *out = form.root;
    return code;
}

/* ---- where literals come from ---- */

static enum mf_code read_literals(struct mf_translate *translate, struct mf_arena *arena, struct mf_str uri,
                                  const struct pb_task_Inputs **out, struct mf_error *err)
{
    struct mf_str bytes;
    void *inputs = NULL;
    enum mf_code code =
        mf_object_read(translate->config.objects, arena, uri, translate->config.literals_max, &bytes, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_task_Inputs_type, bytes, &inputs, err);
    else if (code == MF_NOT_FOUND)
        return mf_fail(err, MF_NOT_FOUND, "there are no literals at %.*s", MF_FMT(uri));
    *out = inputs;
    return code == MF_INVALID_ARGUMENT
               ? mf_fail(err, MF_DATA_LOSS, "%.*s does not hold literals", MF_FMT(uri))
               : code;
}

/* The full name of what a request means: the folder that holds the file is as good as the file. */
static struct mf_str known_uri(struct mf_arena *arena, const struct mf_run_data *data, struct mf_str asked)
{
    struct mf_str inputs = mf_run_inputs_file(arena, asked);
    struct mf_str outputs = mf_run_outputs_file(arena, asked);
    if (data->inputs_uri.len > 0 && inputs.ptr && mf_str_eq(inputs, data->inputs_uri))
        return data->inputs_uri;
    if (data->outputs_uri.len > 0 &&
        (mf_str_eq(asked, data->outputs_uri) || (outputs.ptr && mf_str_eq(outputs, data->outputs_uri))))
        return data->outputs_uri;
    return MF_STR_EMPTY;
}

static enum mf_code literals_of_action(struct mf_translate *translate, struct mf_arena *arena,
                                       const struct pb_common_ActionIdentifier *id, struct mf_str asked,
                                       const struct pb_task_Inputs **out, struct mf_error *err)
{
    struct mf_action_row row;
    struct mf_run_data data;
    enum mf_code code = mf_run_action_row(translate->config.store, arena, id, &row, err);
    if (code == MF_OK)
        code = mf_run_data_uris(arena, &row, &data, err);
    if (code != MF_OK)
        return code;
    struct mf_str uri = known_uri(arena, &data, asked);
    if (uri.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "literals_uri is neither the inputs nor the outputs of action %.*s", MF_FMT(row.name));
    return read_literals(translate, arena, uri, out, err);
}

static enum mf_code read_trigger(struct mf_translate *translate, struct mf_arena *arena,
                                 const struct pb_common_TriggerIdentifier *id, struct mf_trigger_row *row,
                                 struct mf_error *err)
{
    struct mf_db *db = NULL;
    if (!id->name || id->name->name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "trigger_id.name is required, with its project, domain and name");
    if (id->revision > INT64_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger_id.revision is beyond any that exists");
    struct mf_trigger_key key = {id->name->project, id->name->domain, id->name->task_name, id->name->name};
    enum mf_code code = mf_store_reader(translate->config.store, &db, err);
    if (code == MF_OK && (id->revision == 0 || key.task_name.len == 0)) {
        code = mf_trigger_get(db, arena, &key, row, err);
        key = row->key;
    }
    if (code == MF_OK && id->revision != 0)
        code = mf_trigger_revision(db, arena, &key, (int64_t)id->revision, row, err);
    mf_store_reader_done(translate->config.store, db);
    return code;
}

/* Revision 0: the newest. */
static enum mf_code literals_of_trigger(struct mf_translate *translate, struct mf_arena *arena,
                                        const struct pb_common_TriggerIdentifier *id,
                                        const struct pb_task_Inputs **out, struct mf_error *err)
{
    struct mf_trigger_row row = {0};
    void *decoded = NULL;
    enum mf_code code = read_trigger(translate, arena, id, &row, err);
    if (code == MF_OK)
        code = pb_decode(arena, &pb_trigger_TriggerSpec_type, row.spec, &decoded, err);
    if (code != MF_OK)
        return code;
    const struct pb_trigger_TriggerSpec *spec = decoded;
    if (spec->input_wrapper_case == pb_trigger_TriggerSpec_tag_inputs) {
        *out = spec->input_wrapper.inputs;
        return MF_OK;
    }
    if (spec->input_wrapper_case != pb_trigger_TriggerSpec_tag_offloaded_input_data)
        return mf_fail(err, MF_INVALID_ARGUMENT, "trigger %.*s has no offloaded input data and no inputs",
                       MF_FMT(id->name->name));
    struct mf_str uri = mf_run_inputs_file(arena, spec->input_wrapper.offloaded_input_data->uri);
    return uri.ptr ? read_literals(translate, arena, uri, out, err) : mf_fail_memory(err);
}

static enum mf_code find_literals(struct mf_translate *translate, struct mf_arena *arena,
                                  const struct pb_workflow_LiteralsToLaunchFormJsonRequest *request,
                                  const struct pb_task_Inputs **out, struct mf_error *err)
{
    struct pb_task_Inputs *inlined;
    if (request->owner_case == pb_workflow_LiteralsToLaunchFormJsonRequest_tag_trigger_id)
        return literals_of_trigger(translate, arena, request->owner.trigger_id, out, err);
    if (request->literals_uri.len > 0) {
        if (request->owner_case != pb_workflow_LiteralsToLaunchFormJsonRequest_tag_action_id)
            return mf_fail(
                err, MF_INVALID_ARGUMENT,
                "action_id is required with literals_uri: the action whose inputs or outputs it names");
        return literals_of_action(translate, arena, request->owner.action_id, request->literals_uri, out,
                                  err);
    }
    inlined = MF_NEW(arena, struct pb_task_Inputs);
    if (!inlined)
        return mf_fail_memory(err);
    inlined->literals.items = request->literals.items;
    inlined->literals.count = request->literals.count;
    *out = inlined;
    return MF_OK;
}

/* ---- the calls ---- */

static struct mf_conv conversion(struct mf_call *call, struct mf_error *err)
{
    return (struct mf_conv){.arena = mf_call_arena(call), .err = err};
}

static void on_literals_to_form(void *service, struct mf_call *call)
{
    const struct pb_workflow_LiteralsToLaunchFormJsonRequest *request = mf_call_request(call);
    struct pb_workflow_LiteralsToLaunchFormJsonResponse response = {0};
    const struct pb_task_Inputs *inputs = NULL;
    struct mf_error err;
    struct mf_conv c = conversion(call, &err);
    enum mf_code code = find_literals(service, c.arena, request, &inputs, &err);
    if (code == MF_OK)
        code = form_of(&c, request->variables, inputs, &response.json);
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static void on_spec_to_form(void *service, struct mf_call *call)
{
    const struct pb_workflow_TaskSpecToLaunchFormJsonRequest *request = mf_call_request(call);
    const struct pb_core_TaskTemplate *template =
        request->task_spec ? request->task_spec->task_template : NULL;
    const struct pb_core_TypedInterface *interface = template ? template->interface : NULL;
    struct pb_workflow_TaskSpecToLaunchFormJsonResponse response = {0};
    const struct pb_task_Inputs *defaults;
    struct mf_error err;
    struct mf_conv c = conversion(call, &err);
    enum mf_code code = MF_OK;
    (void)service;
    if (!request->task_spec)
        code = mf_fail(&err, MF_INVALID_ARGUMENT, "task_spec is required");
    defaults = code == MF_OK ? mf_run_inputs_with_defaults(c.arena, NULL, request->task_spec) : NULL;
    if (code == MF_OK && !defaults)
        code = mf_fail_memory(&err);
    if (code == MF_OK)
        code = form_of(&c, interface ? interface->inputs : NULL, defaults, &response.json);
    if (code == MF_OK)
        mf_call_reply(call, &response);
    else
        mf_call_fail_error(call, &err);
}

static enum mf_code push_named(struct mf_conv *c, struct pb_task_Inputs *out, struct mf_str name,
                               struct pb_core_Literal *value)
{
    struct pb_task_NamedLiteral *literal = MF_NEW(c->arena, struct pb_task_NamedLiteral);
    if (!literal || !PB_PUSH(c->arena, out->literals, literal))
        return mf_fail_memory(c->err);
    literal->name = name;
    literal->value = value;
    return MF_OK;
}

static enum mf_code literals_of_form(struct mf_conv *c, const struct pb_google_protobuf_Struct *form,
                                     struct pb_task_Inputs *out)
{
    const struct pb_google_protobuf_Struct *properties =
        mf_value_fields(mf_value_get(form, MF_STR("properties")));
    enum mf_code code = MF_OK;
    if (!properties)
        return mf_fail(c->err, MF_INVALID_ARGUMENT, "json.properties is required and must be an object");
    for (uint32_t i = 0; code == MF_OK && i < properties->fields.count; i++) {
        struct mf_conv_place place = {.name = properties->fields.items[i]->key};
        struct pb_core_Literal *literal = NULL;
        code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = mf_conv_property_literal(c, properties->fields.items[i]->value, &literal);
        mf_conv_leave(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK && literal)
            code = push_named(c, out, place.name, literal);
    }
    return code;
}

static void on_form_to_literals(void *service, struct mf_call *call)
{
    const struct pb_workflow_LaunchFormJsonToLiteralsRequest *request = mf_call_request(call);
    struct pb_workflow_LaunchFormJsonToLiteralsResponse response = {0};
    struct pb_task_Inputs out = {0};
    struct mf_error err;
    struct mf_conv c = conversion(call, &err);
    (void)service;
    if (literals_of_form(&c, request->json, &out) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    response.literals.items = out.literals.items;
    response.literals.count = out.literals.count;
    mf_call_reply(call, &response);
}

static enum mf_code literal_of_value(struct mf_conv *c, const struct pb_core_VariableEntry *variable,
                                     const struct pb_google_protobuf_Struct *values,
                                     struct pb_core_Literal **out)
{
    const struct pb_core_LiteralType *type = variable->value ? variable->value->type : NULL;
    const struct pb_google_protobuf_Value *value;
    enum mf_code code = mf_conv_step(c, 1 + values->fields.count);
    if (code != MF_OK)
        return code;
    value = mf_value_get(values, variable->key);
    if (!value && mf_conv_null_variant(type))
        return mf_conv_none_literal(c, mf_conv_null_variant(type), out);
    if (!value)
        return mf_fail(c->err, MF_INVALID_ARGUMENT, "missing value for variable \"%.*s\" in JSON payload",
                       (int)mf_utf8_cut(variable->key, 80), variable->key.len ? variable->key.ptr : "");
    return mf_conv_json_to_literal(c, type, value, out);
}

static enum mf_code literals_of_values(struct mf_conv *c,
                                       const struct pb_workflow_JsonValuesToLiteralsRequest *request,
                                       struct pb_task_Inputs *out)
{
    enum mf_code code = MF_OK;
    if (!request->values)
        return mf_fail(c->err, MF_INVALID_ARGUMENT, "values cannot be nil; give an object, {} for no values");
    for (uint32_t i = 0; request->variables && code == MF_OK && i < request->variables->variables.count;
         i++) {
        const struct pb_core_VariableEntry *variable = request->variables->variables.items[i];
        struct mf_conv_place place = {.name = variable->key.len > 0 ? variable->key : MF_STR_EMPTY};
        struct pb_core_Literal *literal = NULL;
        code = mf_conv_enter(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = literal_of_value(c, variable, request->values, &literal);
        mf_conv_leave(c, &place, MF_CONV_OBJECT);
        if (code == MF_OK)
            code = push_named(c, out, variable->key, literal);
    }
    return code;
}

static void on_values_to_literals(void *service, struct mf_call *call)
{
    struct pb_workflow_JsonValuesToLiteralsResponse response = {0};
    struct pb_task_Inputs out = {0};
    struct mf_error err;
    struct mf_conv c = conversion(call, &err);
    (void)service;
    if (literals_of_values(&c, mf_call_request(call), &out) != MF_OK) {
        mf_call_fail_error(call, &err);
        return;
    }
    response.literals.items = out.literals.items;
    response.literals.count = out.literals.count;
    mf_call_reply(call, &response);
}

enum mf_code mf_translate_serve(const struct mf_translate_config *config, struct mf_rpc *rpc,
                                struct mf_translate **out, struct mf_error *err)
{
    static const struct {
        size_t method;
        mf_handler handler;
    } methods[] = {
        {pb_workflow_TranslatorService_LiteralsToLaunchFormJson, on_literals_to_form},
        {pb_workflow_TranslatorService_LaunchFormJsonToLiterals, on_form_to_literals},
        {pb_workflow_TranslatorService_TaskSpecToLaunchFormJson, on_spec_to_form},
        {pb_workflow_TranslatorService_JsonValuesToLiterals, on_values_to_literals},
    };
    enum mf_code code = MF_OK;
    struct mf_translate *translate = calloc(1, sizeof *translate);
    if (!translate)
        return mf_fail_memory(err);
    translate->config = *config;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0] && code == MF_OK; i++)
        code = mf_rpc_handle(rpc, &pb_workflow_TranslatorService_service, methods[i].method,
                             methods[i].handler, translate, err);
    if (code == MF_OK)
        *out = translate;
    else
        free(translate);
    return code;
}

void mf_translate_free(struct mf_translate *translate)
{
    free(translate);
}
