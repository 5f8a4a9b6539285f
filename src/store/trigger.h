/*
 * The trigger tables: triggers as they are, and every revision they had. Who may call what: as in
 * store/project.h. Only src/trigger decides how a trigger changes.
 */
#ifndef MF_STORE_TRIGGER_H
#define MF_STORE_TRIGGER_H

#include "store/select.h"

struct mf_trigger_key {
    struct mf_str project, domain, task_name, name;
};

/* Numbers of flyteidl2.trigger.TriggerRevisionAction. */
enum mf_trigger_action {
    MF_TRIGGER_DEPLOY = 1,
    MF_TRIGGER_ACTIVATE = 2,
    MF_TRIGGER_DEACTIVATE = 3,
    MF_TRIGGER_DELETE = 4,
};

struct mf_trigger_row {
    struct mf_trigger_key key;
    int64_t revision; /* from 1 */
    struct mf_str task_version;
    bool active;              /* false when deleted */
    int32_t automation_type;  /* flyteidl2.task.TriggerAutomationSpecType */
    struct mf_str spec;       /* encoded flyteidl2.trigger.TriggerSpec as deployed: inputs or
                                 offloaded_input_data, run_spec. Its active and task_version are those of then:
                                 the members above count. */
    struct mf_str automation; /* encoded flyteidl2.task.TriggerAutomationSpec */
    struct mf_str description;
    struct mf_str deployed_by, updated_by; /* encoded flyteidl2.common.EnrichedIdentity; empty: unknown */
    int64_t created_at;                    /* first deploy */
    int64_t deployed_at;                   /* last deploy */
    int64_t updated_at;                    /* last time it was switched on or off */
    int64_t triggered_at;                  /* last run; 0: never */
    int64_t deleted_at;                    /* 0: it is there */
    int64_t baseline_at;  /* since when the present schedule counts; 0 in revisions made before it was kept
                             there: take recorded_at */
    int64_t seq;          /* of its last change; 0 in revisions */
    struct mf_str policy; /* trigger/policy.h; only in what is to be deployed, the schedule table keeps it */
};

/* A trigger that is there, active or not. An empty key.task_name finds it by its name alone: when several
 * tasks have a trigger of that name, MF_INVALID_ARGUMENT asks for the task's. MF_NOT_FOUND:
 * "trigger not found: p/d/task/name". */
enum mf_code mf_trigger_get(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                            struct mf_trigger_row *out, struct mf_error *err) MF_CHECK_RESULT;
/* The same, with deleted ones, by the whole key; *found tells whether there is a row. */
enum mf_code mf_trigger_find(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                             struct mf_trigger_row *out, bool *found, struct mf_error *err) MF_CHECK_RESULT;
/* MF_NOT_FOUND: "trigger revision not found: p/d/task/name@7". Deleted triggers have theirs too. */
enum mf_code mf_trigger_revision(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                 int64_t revision, struct mf_trigger_row *out,
                                 struct mf_error *err) MF_CHECK_RESULT;

typedef bool (*mf_trigger_revision_walk)(void *ctx, const struct mf_trigger_row *row,
                                         enum mf_trigger_action action, int64_t recorded_at);
/* Rising, from the one that was in effect at from_ns on: the newest recorded then or before, or the first of
 * all. Strings of the row are valid during the call; false stops the walk. */
enum mf_code mf_trigger_revisions(struct mf_db *db, const struct mf_trigger_key *key, int64_t from_ns,
                                  mf_trigger_revision_walk visit, void *ctx,
                                  struct mf_error *err) MF_CHECK_RESULT;

/* Writes the row as it is, and with it its revision, which is new. */
enum mf_code mf_trigger_put(struct mf_db *db, const struct mf_trigger_row *row, enum mf_trigger_action action,
                            int64_t now, struct mf_error *err) MF_CHECK_RESULT;
/* The trigger (whole key) has made a run. No new revision. MF_NOT_FOUND, as of mf_trigger_get, when it was
 * deleted. */
enum mf_code mf_trigger_fired(struct mf_db *db, const struct mf_trigger_key *key, int64_t now,
                              struct mf_error *err) MF_CHECK_RESULT;
/* Names of the triggers of a task (key.name is ignored) that are there, over all its versions. */
enum mf_code mf_trigger_names(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                              struct mf_str **names, size_t *count, struct mf_error *err) MF_CHECK_RESULT;

enum mf_code mf_trigger_count(struct mf_db *db, const struct mf_trigger_key *key, int64_t *count,
                              struct mf_error *err) MF_CHECK_RESULT;

/* What a version of a task says about its triggers. */
struct mf_trigger_summary {
    int64_t total, active;
    struct mf_str name, automation; /* when total is 1: of that trigger */
};

enum mf_code mf_trigger_summary(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                struct mf_str task_version, struct mf_trigger_summary *out,
                                struct mf_error *err) MF_CHECK_RESULT;

/* Which triggers a list is about; empty parts match everything. */
struct mf_trigger_scope {
    struct mf_str project, domain, task_name, task_version;
};

/* place: for the token of the page behind this row; see store/order.h. */
typedef bool (*mf_trigger_visit)(void *ctx, const struct mf_trigger_row *row, const struct mf_place *place);
typedef bool (*mf_trigger_revision_visit)(void *ctx, const struct mf_trigger_row *row,
                                          enum mf_trigger_action action, int64_t recorded_at,
                                          const struct mf_place *place);

/* Without spec. Active ones first, and of those the last updated, unless sorted. Fields:
 * store/trigger_list.c. */
enum mf_code mf_trigger_list(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_scope *scope,
                             const struct mf_page *page, mf_trigger_visit visit, void *ctx,
                             struct mf_error *err) MF_CHECK_RESULT;
/* Without spec and automation. Newest first unless sorted. */
enum mf_code mf_trigger_history(struct mf_db *db, struct mf_arena *arena, const struct mf_trigger_key *key,
                                const struct mf_page *page, mf_trigger_revision_visit visit, void *ctx,
                                struct mf_error *err) MF_CHECK_RESULT;

#endif
