#include "run/groups.h"

#include "action/machine.h"
#include "base/map.h"

#include <stdlib.h>

#define GROUPS_MAX 10000
/* Runs that are remembered one by one. Those beyond cost reading their group anew when they change. */
#define OPEN_MAX 100000

/* A run that is not finished, and how it was counted. */
struct open_run {
    struct mf_group *group;
    int64_t created_at, running_at;
    int32_t phase;
    bool counted;
};

struct mf_groups {
    struct mf_groups_config config;
    struct mf_map *names; /* of the groups */
    struct mf_map *open;  /* by the number of the run */
    struct mf_group *first;
    size_t count;
    int64_t seq; /* of the newest change that was taken in */
    bool begun, reread;
    /* During an update. */
    struct mf_db *db;
    struct mf_arena *scratch;
    struct mf_group *only; /* the group that is read anew */
    enum mf_code code;
    struct mf_error *err;
};

double mf_group_failure_rate(const struct mf_group *group)
{
    return group->runs > 0 ? (double)group->phases[MF_PHASE_FAILED] / (double)group->runs : 0;
}

enum mf_code mf_groups_new(const struct mf_groups_config *config, struct mf_groups **out,
                           struct mf_error *err)
{
    struct mf_groups *groups = calloc(1, sizeof *groups);
    if (!groups)
        return mf_fail_memory(err);
    groups->config = *config;
    groups->names = mf_map_new(config->seed);
    groups->open = mf_map_new(config->seed);
    if (!groups->names || !groups->open) {
        mf_groups_free(groups);
        return mf_fail_memory(err);
    }
    *out = groups;
    return MF_OK;
}

static void free_text(struct mf_str *text)
{
    free((char *)(uintptr_t)text->ptr);
    *text = MF_STR_EMPTY;
}

static bool set_text(struct mf_str *text, struct mf_str value)
{
    if (mf_str_eq(*text, value))
        return true;
    char *copy = value.len > 0 ? malloc(value.len) : NULL;
    if (value.len > 0 && !copy)
        return false;
    if (copy)
        memcpy(copy, value.ptr, value.len);
    if (text->len > 0)
        free_text(text);
    *text = mf_str_make(copy, value.len);
    return true;
}

static void free_recent(struct mf_group_recent *recent)
{
    if (recent->run_name.len > 0)
        free_text(&recent->run_name);
    if (recent->created_by.len > 0)
        free_text(&recent->created_by);
}

static void free_group(struct mf_group *group)
{
    struct mf_str *const texts[] = {&group->task_name, &group->short_name, &group->environment_name};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i]->len > 0)
            free_text(texts[i]);
    }
    for (size_t i = 0; i < group->recent_count; i++)
        free_recent(&group->recent[i]);
    free(group);
}

void mf_groups_free(struct mf_groups *groups)
{
    if (!groups)
        return;
    mf_map_free(groups->open, free);
    mf_map_free(groups->names, NULL);
    while (groups->first) {
        struct mf_group *next = groups->first->next;
        free_group(groups->first);
        groups->first = next;
    }
    free(groups);
}

/* ---- counting ---- */

static void count_phase(struct mf_group *group, int32_t phase, int64_t sign)
{
    group->phases[phase >= 0 && phase < MF_GROUP_PHASES ? phase : 0] += sign;
    group->runs += sign;
}

static void count_start(struct mf_group *group, int64_t created_at, int64_t running_at, int sign)
{
    if (running_at <= 0)
        return;
    group->started += sign;
    group->started_ns += sign * (double)(running_at - created_at);
}

static void count_end(struct mf_group *group, const struct mf_run_group_row *row)
{
    if (row->error_kind >= 0)
        group->errors[row->error_kind < 3 ? row->error_kind : 0]++;
    if (row->ended_at <= 0)
        return;
    group->ended++;
    group->ended_ns += (double)(row->ended_at - row->created_at);
    if (row->ended_at > group->ended_at)
        group->ended_at = row->ended_at;
}

static struct mf_group_recent *find_recent(struct mf_group *group, int64_t run_id)
{
    for (size_t i = 0; i < group->recent_count; i++) {
        if (group->recent[i].run_id == run_id)
            return &group->recent[i];
    }
    return NULL;
}

static bool is_newer(const struct mf_run_group_row *row, const struct mf_group_recent *recent)
{
    if (row->created_at != recent->created_at)
        return row->created_at > recent->created_at;
    return mf_str_cmp(row->run_name, recent->run_name) > 0;
}

static enum mf_code insert_recent(struct mf_groups *groups, struct mf_group *group,
                                  const struct mf_run_group_row *row, struct mf_error *err)
{
    struct mf_str created_by;
    size_t at = group->recent_count;
    while (at > 0 && is_newer(row, &group->recent[at - 1]))
        at--;
    if (at == MF_GROUP_RECENT)
        return MF_OK;
    struct mf_group_recent recent = {
        .run_id = row->run_id, .created_at = row->created_at, .phase = row->phase};
    enum mf_code code = mf_run_group_creator(groups->db, groups->scratch, row->run_id, &created_by, err);
    if (code != MF_OK)
        return code;
    if (!set_text(&recent.run_name, row->run_name) || !set_text(&recent.created_by, created_by) ||
        (at == 0 && (!set_text(&group->short_name, row->short_name) ||
                     !set_text(&group->environment_name, row->environment_name)))) {
        free_recent(&recent);
        return mf_fail_memory(err);
    }
    if (group->recent_count == MF_GROUP_RECENT)
        free_recent(&group->recent[--group->recent_count]);
    memmove(&group->recent[at + 1], &group->recent[at], (group->recent_count - at) * sizeof group->recent[0]);
    group->recent[at] = recent;
    group->recent_count++;
    return MF_OK;
}

static enum mf_code count_run(struct mf_groups *groups, struct mf_group *group,
                              const struct mf_run_group_row *row, struct mf_error *err)
{
    struct mf_group_recent *recent = find_recent(group, row->run_id);
    count_phase(group, row->phase, 1);
    count_start(group, row->created_at, row->running_at, 1);
    count_end(group, row);
    if (row->created_at > group->newest_at)
        group->newest_at = row->created_at;
    if (recent)
        recent->phase = row->phase;
    return recent ? MF_OK : insert_recent(groups, group, row, err);
}

/* ---- taking in rows ---- */

static enum mf_code find_group(struct mf_groups *groups, struct mf_str name, struct mf_group **out,
                               struct mf_error *err)
{
    struct mf_group *group = mf_map_get(groups->names, name);
    *out = group;
    if (group)
        return MF_OK;
    if (groups->count == GROUPS_MAX)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                       "more than %d tasks have runs in this time; choose a later start_date or filter by "
                       "task_name",
                       GROUPS_MAX);
    group = calloc(1, sizeof *group);
    if (!group || !set_text(&group->task_name, name) || !mf_map_put(groups->names, name, group, NULL)) {
        if (group)
            free_group(group);
        return mf_fail_memory(err);
    }
    group->next = groups->first;
    groups->first = group;
    groups->count++;
    *out = group;
    return MF_OK;
}

static struct mf_str key_of(const int64_t *run_id)
{
    return mf_str_make(run_id, sizeof *run_id);
}

/* Without memory, or when there are too many, the run is not remembered and its group is read anew instead.
 */
static void remember(struct mf_groups *groups, struct mf_group *group, const struct mf_run_group_row *row,
                     struct open_run *run)
{
    bool fresh = run == NULL;
    if (fresh && mf_map_count(groups->open) < OPEN_MAX)
        run = malloc(sizeof *run);
    if (!run)
        return;
    *run = (struct open_run){.group = group,
                             .created_at = row->created_at,
                             .running_at = row->running_at,
                             .phase = row->phase,
                             .counted = row->counts};
    if (fresh && !mf_map_put(groups->open, key_of(&row->run_id), run, NULL))
        free(run);
}

static void forget(struct mf_groups *groups, const struct mf_run_group_row *row)
{
    free(mf_map_remove(groups->open, key_of(&row->run_id)));
}

/* A run that counted, and does not any more: what was the newest or among the recent has to be found again.
 */
static void uncount(struct mf_groups *groups, struct mf_group *group, const struct mf_run_group_row *row)
{
    if (find_recent(group, row->run_id) || row->created_at == group->newest_at) {
        group->reread = true;
        groups->reread = true;
    }
}

static enum mf_code take(struct mf_groups *groups, struct mf_group *group, const struct mf_run_group_row *row,
                         struct mf_error *err)
{
    enum mf_code code = MF_OK;
    struct open_run *run = mf_map_get(groups->open, key_of(&row->run_id));
    bool known = run || groups->only || !groups->begun || row->run_id > groups->seq;
    group->changed = group->changed || row->counts || (run && run->counted);
    if (!known || group->reread) {
        group->reread = true;
        groups->reread = true;
        return MF_OK;
    }
    if (run && run->counted) {
        count_phase(group, run->phase, -1);
        count_start(group, run->created_at, run->running_at, -1);
    }
    if (row->counts)
        code = count_run(groups, group, row, err);
    else if (run && run->counted)
        uncount(groups, group, row);
    if (mf_phase_is_terminal(row->phase))
        forget(groups, row);
    else
        remember(groups, group, row, run);
    return code;
}

static bool take_row(void *ctx, const struct mf_run_group_row *row)
{
    struct mf_groups *groups = ctx;
    const struct mf_run_group_range *range = &groups->config.range;
    struct mf_group *group = groups->only;
    if (row->created_at < range->from_ns || row->created_at > range->to_ns)
        return true;
    if (!group && !row->counts && !mf_map_get(groups->names, row->task_name))
        return true;
    if (!group)
        groups->code = find_group(groups, row->task_name, &group, groups->err);
    if (groups->code == MF_OK)
        groups->code = take(groups, group, row, groups->err);
    return groups->code == MF_OK;
}

struct dropping {
    struct mf_groups *groups;
    const struct mf_group *group;
    int64_t *ids;
    size_t count;
};

static bool note_open(void *ctx, struct mf_str key, void *value)
{
    struct dropping *dropping = ctx;
    const struct open_run *run = value;
    if (run->group == dropping->group)
        memcpy(&dropping->ids[dropping->count++], key.ptr, sizeof dropping->ids[0]);
    return true;
}

static enum mf_code empty_group(struct mf_groups *groups, struct mf_group *group, struct mf_error *err)
{
    struct dropping dropping = {.groups = groups, .group = group};
    dropping.ids = mf_arena_array(groups->scratch, mf_map_count(groups->open) + 1, sizeof *dropping.ids);
    if (!dropping.ids)
        return mf_fail_memory(err);
    mf_map_each(groups->open, note_open, &dropping);
    for (size_t i = 0; i < dropping.count; i++)
        free(mf_map_remove(groups->open, key_of(&dropping.ids[i])));
    for (size_t i = 0; i < group->recent_count; i++)
        free_recent(&group->recent[i]);
    *group = (struct mf_group){.task_name = group->task_name,
                               .short_name = group->short_name,
                               .environment_name = group->environment_name,
                               .changed = true,
                               .shown = group->shown,
                               .next = group->next};
    return MF_OK;
}

static enum mf_code reread(struct mf_groups *groups, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    for (struct mf_group *group = groups->first; group && code == MF_OK; group = group->next) {
        if (!group->reread)
            continue;
        code = empty_group(groups, group, err);
        groups->only = group;
        if (code == MF_OK)
            code = mf_run_group_rows(groups->db, groups->scratch, &groups->config.range, &group->task_name,
                                     take_row, groups, err);
        groups->only = NULL;
        if (code == MF_OK)
            code = groups->code;
    }
    groups->reread = false;
    return code;
}

/* In one view of the store: then a run has been counted exactly when its number, that of its creation, is not
 * above the newest change in view. */
static enum mf_code update(struct mf_groups *groups, struct mf_error *err)
{
    const struct mf_run_group_range *range = &groups->config.range;
    int64_t newest = 0;
    enum mf_code code = mf_run_group_newest(groups->db, range, &newest, err);
    if (code == MF_OK && groups->begun && newest > groups->seq)
        code = mf_run_group_changed(groups->db, groups->scratch, range, groups->seq, take_row, groups, err);
    else if (code == MF_OK && !groups->begun)
        code = mf_run_group_rows(groups->db, groups->scratch, range, NULL, take_row, groups, err);
    if (code == MF_OK)
        code = groups->code;
    if (code == MF_OK && groups->reread)
        code = reread(groups, err);
    if (code != MF_OK)
        return code;
    groups->begun = true;
    if (newest > groups->seq)
        groups->seq = newest;
    return MF_OK;
}

enum mf_code mf_groups_update(struct mf_groups *groups, struct mf_db *db, struct mf_arena *scratch,
                              struct mf_error *err)
{
    groups->db = db;
    groups->scratch = scratch;
    groups->code = MF_OK;
    groups->err = err;
    enum mf_code code = mf_db_snapshot_begin(db, err);
    if (code != MF_OK)
        return code;
    code = update(groups, err);
    mf_db_snapshot_end(db);
    return code;
}

/* ---- showing ---- */

static double average(double sum, int64_t count)
{
    return count > 0 ? sum / (double)count : 0;
}

static int compare_numbers(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_by(enum mf_group_order order, const struct mf_group *a, const struct mf_group *b)
{
    switch (order) {
    case MF_GROUPS_BY_NEWEST:
        return a->newest_at < b->newest_at ? -1 : a->newest_at > b->newest_at;
    case MF_GROUPS_BY_NAME:
        return mf_str_cmp(a->task_name, b->task_name);
    case MF_GROUPS_BY_RUNS:
        return a->runs < b->runs ? -1 : a->runs > b->runs;
    case MF_GROUPS_BY_DURATION:
        return compare_numbers(average(a->ended_ns, a->ended), average(b->ended_ns, b->ended));
    case MF_GROUPS_BY_FAILURES:
        return compare_numbers(mf_group_failure_rate(a), mf_group_failure_rate(b));
    case MF_GROUPS_BY_FINISH:
        return a->ended_at < b->ended_at ? -1 : a->ended_at > b->ended_at;
    }
    return 0;
}

struct sorted {
    struct mf_group *group;
    const struct mf_groups_config *config;
};

static int by_order(const void *left, const void *right)
{
    const struct sorted *a = left;
    const struct sorted *b = right;
    int order = compare_by(a->config->order, a->group, b->group);
    if (order == 0)
        return mf_str_cmp(a->group->task_name, b->group->task_name);
    return a->config->ascending ? order : -order;
}

enum mf_code mf_groups_look(struct mf_groups *groups, mf_group_visit visit, void *ctx, struct mf_error *err)
{
    struct sorted *sorted = calloc(groups->count + 1, sizeof *sorted);
    size_t count = 0;
    bool ok = sorted != NULL;
    for (struct mf_group *group = groups->first; group && ok; group = group->next) {
        if (group->runs > 0)
            sorted[count++] = (struct sorted){group, &groups->config};
        else if (group->shown)
            ok = visit(ctx, group, true);
        group->shown = group->shown && group->runs > 0;
    }
    if (ok)
        qsort(sorted, count, sizeof *sorted, by_order);
    for (size_t i = 0; i < count && ok; i++) {
        struct mf_group *group = sorted[i].group;
        bool show = i < groups->config.limit;
        if (show ? group->changed || !group->shown : group->shown)
            ok = visit(ctx, group, !show);
        group->shown = show;
        group->changed = false;
    }
    free(sorted);
    return ok ? MF_OK : mf_fail_memory(err);
}
