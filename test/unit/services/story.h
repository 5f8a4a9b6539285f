/* A run in a store of its own, and short ways to tell what happens to its actions. */
#ifndef MF_TEST_STORY_H
#define MF_TEST_STORY_H

#include "../store/entity.h"

#include "action/machine.h"
#include "gen/flyteidl2/actions/actions_service.pb.h"
#include "gen/flyteidl2/common/identifier.pb.h"
#include "gen/flyteidl2/common/run.pb.h"
#include "gen/flyteidl2/core/execution.pb.h"
#include "gen/flyteidl2/core/identifier.pb.h"
#include "gen/flyteidl2/core/literals.pb.h"
#include "gen/flyteidl2/core/tasks.pb.h"
#include "gen/flyteidl2/core/types.pb.h"
#include "gen/flyteidl2/task/common.pb.h"
#include "gen/flyteidl2/task/run.pb.h"
#include "gen/flyteidl2/task/task_definition.pb.h"
#include "gen/flyteidl2/workflow/run_definition.pb.h"
#include "gen/google/protobuf/timestamp.pb.h"

/* ---- messages ---- */

struct story_action {
    struct pb_common_RunIdentifier run;
    struct pb_common_ActionIdentifier id;
    struct pb_core_TaskTemplate template;
    struct pb_task_TaskIdentifier task_id;
    struct pb_task_TaskSpec task_spec;
    struct pb_task_TraceSpec trace_spec;
    struct pb_workflow_TaskAction task;
    struct pb_workflow_TraceAction trace;
    struct pb_workflow_ConditionAction condition;
    struct pb_core_LiteralType type;
    struct pb_task_OutputReferences outputs;
    struct pb_google_protobuf_Timestamp start, end;
    struct pb_actions_Action action;
};

static inline void story_fill(struct story_action *a, const char *run, const char *name, const char *parent)
{
    *a = (struct story_action){
        .run = {.project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(run)},
        .id = {.name = mf_str_from_c(name)},
    };
    a->id.run = &a->run;
    a->action = (struct pb_actions_Action){
        .action_id = &a->id,
        .parent_action_name = mf_str_from_c(parent),
        .has_parent_action_name = parent[0] != '\0',
        .input_uri = MF_STR("s3://b/in/inputs.pb"),
        .run_output_base = MF_STR("s3://b/out"),
        .group = MF_STR("g"),
    };
}

static inline struct pb_actions_Action *story_task(struct story_action *a, const char *run, const char *name,
                                                   const char *parent)
{
    story_fill(a, run, name, parent);
    a->template.type = MF_STR("python");
    a->task_id = (struct pb_task_TaskIdentifier){
        .project = MF_STR("p"), .domain = MF_STR("d"), .name = MF_STR("env.work"), .version = MF_STR("v1")};
    a->task_spec.task_template = &a->template;
    a->task.id = &a->task_id;
    a->task.spec = &a->task_spec;
    a->action.spec_case = pb_actions_Action_tag_task;
    a->action.spec.task = &a->task;
    return &a->action;
}

static inline struct pb_actions_Action *story_trace(struct story_action *a, const char *run, const char *name,
                                                    const char *parent, int32_t phase)
{
    story_fill(a, run, name, parent);
    a->start.seconds = 100;
    a->end.seconds = 107;
    a->outputs.output_uri = MF_STR("s3://b/out/t/outputs.pb");
    a->trace = (struct pb_workflow_TraceAction){.name = MF_STR("traced"),
                                                .phase = phase,
                                                .start_time = &a->start,
                                                .end_time = &a->end,
                                                .outputs = &a->outputs,
                                                .spec = &a->trace_spec};
    a->action.spec_case = pb_actions_Action_tag_trace;
    a->action.spec.trace = &a->trace;
    return &a->action;
}

static inline struct pb_actions_Action *story_condition(struct story_action *a, const char *run,
                                                        const char *name, const char *parent, int32_t simple)
{
    story_fill(a, run, name, parent);
    a->type.type_case = pb_core_LiteralType_tag_simple;
    a->type.type.simple = simple;
    a->condition = (struct pb_workflow_ConditionAction){.name = MF_STR("approve"), .type = &a->type};
    a->action.spec_case = pb_actions_Action_tag_condition;
    a->action.spec.condition = &a->condition;
    return &a->action;
}

struct story_literal {
    struct pb_core_Primitive primitive;
    struct pb_core_Scalar scalar;
    struct pb_core_Literal literal;
};

static inline struct pb_core_Literal *story_literal(struct story_literal *l)
{
    l->scalar.value_case = pb_core_Scalar_tag_primitive;
    l->scalar.value.primitive = &l->primitive;
    l->literal.value_case = pb_core_Literal_tag_scalar;
    l->literal.value.scalar = &l->scalar;
    return &l->literal;
}

static inline struct pb_core_Literal *story_boolean(struct story_literal *l, bool value)
{
    *l = (struct story_literal){.primitive = {.value_case = pb_core_Primitive_tag_boolean}};
    l->primitive.value.boolean = value;
    return story_literal(l);
}

static inline struct pb_core_Literal *story_integer(struct story_literal *l, int64_t value)
{
    *l = (struct story_literal){.primitive = {.value_case = pb_core_Primitive_tag_integer}};
    l->primitive.value.integer = value;
    return story_literal(l);
}

/* ---- steps ---- */

static inline enum mf_code story_apply_run(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    struct mf_run_row *row = (struct mf_run_row *)(uintptr_t)data;
    row->id = mf_tx_next_seq(tx);
    row->created_at = mf_tx_now_ns(tx);
    return mf_run_insert(mf_tx_db(tx), row, err);
}

static inline struct mf_run_row story_run(struct entity *e, const char *name)
{
    struct mf_run_row row = {.project = MF_STR("p"), .domain = MF_STR("d"), .name = mf_str_from_c(name)};
    assert_int_equal(entity_write(e, story_apply_run, &row), MF_OK);
    return row;
}

struct story_enqueue {
    const struct mf_run_row *run;
    const struct pb_actions_Action *action;
};

static inline enum mf_code story_apply_enqueue(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct story_enqueue *step = data;
    return mf_action_enqueue(tx, step->run, step->action, err);
}

static inline enum mf_code story_enqueue(struct entity *e, const struct mf_run_row *run,
                                         const struct pb_actions_Action *action)
{
    const struct story_enqueue step = {run, action};
    return entity_write(e, story_apply_enqueue, &step);
}

/* A task, which must be accepted. */
static inline void story_add(struct entity *e, const struct mf_run_row *run, const char *name,
                             const char *parent)
{
    struct story_action a;
    char run_name[32];
    snprintf(run_name, sizeof run_name, "%.*s", MF_FMT(run->name));
    assert_int_equal(story_enqueue(e, run, story_task(&a, run_name, name, parent)), MF_OK);
}

struct story_advance {
    const struct mf_action_change *change;
    bool *applied;
};

static inline enum mf_code story_apply_advance(struct mf_tx *tx, const void *data, struct mf_error *err)
{
    const struct story_advance *step = data;
    return mf_action_advance(tx, step->change, step->applied, err);
}

static inline bool story_report(struct entity *e, const struct mf_action_change *change)
{
    bool applied = false;
    const struct story_advance step = {change, &applied};
    assert_int_equal(entity_write(e, story_apply_advance, &step), MF_OK);
    return applied;
}

static inline bool story_move(struct entity *e, const struct mf_run_row *run, const char *name,
                              int32_t attempt, int32_t phase)
{
    const struct mf_action_change change = {.run_id = run->id,
                                            .name = mf_str_from_c(name),
                                            .attempt = attempt,
                                            .phase = phase,
                                            .cache_status = -1};
    return story_report(e, &change);
}

static inline struct mf_action_row story_row(struct entity *e, const struct mf_run_row *run, const char *name)
{
    struct mf_action_row row;
    assert_int_equal(mf_action_get(e->db, e->arena, run->id, mf_str_from_c(name), &row, &e->err), MF_OK);
    return row;
}

static inline int32_t story_phase(struct entity *e, const struct mf_run_row *run, const char *name)
{
    return story_row(e, run, name).phase;
}

/* The history of an action as "attempt:PHASE ". */
static inline bool story_collect(void *ctx, const struct mf_event_row *row)
{
    char *text = ctx;
    size_t used = strlen(text);
    snprintf(text + used, 256 - used, "%d:%s%s ", (int)row->attempt, mf_phase_word(row->phase),
             row->error_kind == 1   ? "(user)"
             : row->error_kind == 2 ? "(system)"
                                    : "");
    return true;
}

static inline const char *story_history(struct entity *e, const struct mf_run_row *run, const char *name)
{
    char *text = mf_arena_alloc(e->arena, 256);
    assert_int_equal(
        mf_event_list(e->db, e->arena, run->id, mf_str_from_c(name), 0, story_collect, text, &e->err), MF_OK);
    return text;
}

#endif
