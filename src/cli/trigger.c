/* mayfly trigger next, audit and backfill: what ScheduleService says, for people or as JSON. */
#include "action/machine.h"
#include "base/time.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/when.h"
#include "gen/mayfly/schedule/v1/schedule.pb.h"

#include <stdio.h>

#define PAGE 1000 /* due times in one answer, the most a server gives */
#define LIMIT_USUAL 1000
#define LIMIT_MAX 100000
#define NEXT_USUAL 10
#define DAY_NS (INT64_C(86400) * MF_SECOND_NS)

/* One of the commands on its way. */
struct run {
    const struct mf_cli_args *args;
    struct mf_arena *arena;
    struct mf_api_target target;
    struct mf_api *api;
    struct mf_table table;
    struct mf_buf summary; /* below the table */
    bool json;
    int64_t now;
};

/* ---- reading the command line ---- */

static enum mf_code read_time(const struct run *run, const char *flag, int64_t otherwise,
                              struct pb_google_protobuf_Timestamp **out, struct mf_error *err)
{
    const char *text = mf_cli_flag(run->args, flag);
    int64_t ns = otherwise;
    enum mf_code code = text ? mf_when_read(flag, mf_str_from_c(text), run->now, &ns, err) : MF_OK;
    if (code != MF_OK)
        return code;
    *out = MF_NEW(run->arena, struct pb_google_protobuf_Timestamp);
    if (!*out)
        return mf_fail_memory(err);
    int64_t below = ns % MF_SECOND_NS < 0; /* the second is rounded down, also before 1970 */
    (*out)->seconds = ns / MF_SECOND_NS - below;
    (*out)->nanos = (int32_t)(ns - (*out)->seconds * MF_SECOND_NS);
    return MF_OK;
}

static enum mf_code read_limit(const struct run *run, uint32_t otherwise, uint32_t most, uint32_t *out,
                               struct mf_error *err)
{
    const char *text = mf_cli_flag(run->args, "limit");
    uint64_t number = otherwise;
    if (text && (!mf_str_to_u64(mf_str_from_c(text), &number) || number == 0 || number > most))
        return mf_fail(err, MF_INVALID_ARGUMENT, "--limit: \"%.100s\" is no number from 1 to %u", text, most);
    *out = (uint32_t)number;
    return MF_OK;
}

/* NAME, TASK/NAME or PROJECT/DOMAIN/TASK/NAME. */
static enum mf_code read_trigger(const struct run *run, struct pb_common_TriggerName **out,
                                 struct mf_error *err)
{
    struct mf_str rest = mf_str_from_c(run->args->value_count > 0 ? run->args->values[0] : "");
    struct mf_str parts[4];
    size_t count = 0;
    bool whole = rest.len > 0;
    for (bool more = true; whole && more; count++) {
        size_t slash = mf_str_find_char(rest, '/');
        more = slash != SIZE_MAX;
        whole = count < 4;
        if (whole)
            parts[count] = mf_str_take(rest, slash);
        whole = whole && parts[count].len > 0;
        rest = more ? mf_str_skip(rest, slash + 1) : MF_STR_EMPTY;
    }
    if (!whole || count == 3)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "which trigger? write its NAME, TASK/NAME or PROJECT/DOMAIN/TASK/NAME");
    struct pb_common_TriggerName *name = MF_NEW(run->arena, struct pb_common_TriggerName);
    if (!name)
        return mf_fail_memory(err);
    name->name = parts[count - 1];
    name->task_name = count > 1 ? parts[count - 2] : MF_STR_EMPTY;
    name->project = count == 4 ? parts[0] : run->target.project;
    name->domain = count == 4 ? parts[1] : run->target.domain;
    if (name->project.len == 0 || name->domain.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "which project and domain? give --project and --domain, or PROJECT/DOMAIN/TASK/NAME");
    *out = name;
    return MF_OK;
}

/* "5m", "2h" or "1d". */
static enum mf_code read_rate(struct mf_str text, struct pb_task_FixedRate *out, struct mf_error *err)
{
    static const struct {
        char letter;
        int32_t unit;
    } units[] = {{'m', pb_task_FIXED_RATE_UNIT_MINUTE},
                 {'h', pb_task_FIXED_RATE_UNIT_HOUR},
                 {'d', pb_task_FIXED_RATE_UNIT_DAY}};
    uint64_t value = 0;
    for (size_t i = 0; text.len > 1 && i < sizeof units / sizeof units[0]; i++) {
        if (text.ptr[text.len - 1] == units[i].letter)
            out->unit = units[i].unit;
    }
    if (out->unit == 0 || !mf_str_to_u64(mf_str_take(text, text.len - 1), &value) || value == 0 ||
        value > UINT32_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "--rate: \"%.*s\" is no rate; write a number of minutes, hours or days: 5m, 2h, 1d",
                       MF_FMT(mf_str_take(text, 100)));
    out->value = (uint32_t)value;
    return MF_OK;
}

/* A schedule to try, of --cron and --timezone or --rate. */
static enum mf_code read_schedule(const struct run *run, struct pb_google_protobuf_Timestamp *from,
                                  struct pb_task_TriggerAutomationSpec **out, struct mf_error *err)
{
    const char *cron = mf_cli_flag(run->args, "cron");
    const char *zone = mf_cli_flag(run->args, "timezone");
    const char *rate = mf_cli_flag(run->args, "rate");
    struct pb_task_TriggerAutomationSpec *spec = MF_NEW(run->arena, struct pb_task_TriggerAutomationSpec);
    struct pb_task_Schedule *schedule = MF_NEW(run->arena, struct pb_task_Schedule);
    struct pb_task_Cron *of_cron = MF_NEW(run->arena, struct pb_task_Cron);
    struct pb_task_FixedRate *of_rate = MF_NEW(run->arena, struct pb_task_FixedRate);
    if (run->args->value_count > 0 || (cron && rate) || (zone && !cron))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "give a trigger, or --cron with or without --timezone, or --rate: one of them");
    if (!spec || !schedule || !of_cron || !of_rate)
        return mf_fail_memory(err);
    spec->type = pb_task_TYPE_SCHEDULE;
    spec->automation_case = pb_task_TriggerAutomationSpec_tag_schedule;
    spec->automation.schedule = schedule;
    *out = spec;
    if (cron) {
        of_cron->expression = mf_str_from_c(cron);
        of_cron->timezone = mf_str_from_c(zone ? zone : "");
        schedule->expression_case = pb_task_Schedule_tag_cron;
        schedule->expression.cron = of_cron;
        return MF_OK;
    }
    of_rate->start_time = from;
    schedule->expression_case = pb_task_Schedule_tag_rate;
    schedule->expression.rate = of_rate;
    return read_rate(mf_str_from_c(rate), of_rate, err);
}

/* ---- asking and writing ---- */

static enum mf_code call(struct run *run, size_t index, const void *request, void *response,
                         struct mf_error *err)
{
    struct mf_str json;
    enum mf_code code = MF_OK;
    if (!run->api)
        code = mf_api_open(run->arena, &run->target, &run->api, err);
    if (code == MF_OK)
        code = mf_api_call(run->api, &pb_mayfly_schedule_v1_ScheduleService_service.methods[index], request,
                           response, &json, err);
    if (code == MF_OK && run->json)
        printf("%.*s\n", MF_FMT(json));
    return code;
}

static void write_name(struct run *run, const struct pb_common_TriggerName *name)
{
    struct mf_buf *out = &run->summary;
    if (!name)
        return;
    const struct mf_str parts[] = {name->project, name->domain, name->task_name, name->name};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        mf_buf_add_c(out, i > 0 ? "/" : "");
        mf_table_text(out, parts[i]);
    }
    mf_buf_add_c(out, ": ");
}

static int64_t instant(const struct pb_google_protobuf_Timestamp *time)
{
    return time ? time->seconds * MF_SECOND_NS + time->nanos : 0;
}

/* Prints what there is, complete or not, and ends the command. */
static int finish(struct run *run, enum mf_code code, const struct mf_error *err)
{
    struct mf_buf out = MF_BUF_INIT(0);
    int status = MF_EXIT_DONE;
    if (!run->json) {
        mf_table_write(&run->table, &out);
        mf_buf_add_str(&out, mf_buf_str(&run->summary));
        status = mf_buf_failed(&run->summary) ? MF_EXIT_FAILED : MF_EXIT_DONE;
    }
    if (mf_cli_print(&out) != MF_EXIT_DONE)
        status = MF_EXIT_FAILED;
    if (code != MF_OK)
        status = mf_cli_complain(err);
    mf_buf_free(&run->summary);
    mf_api_close(run->api);
    return status;
}

static enum mf_code begin(struct run *run, const struct mf_cli_args *args, struct mf_error *err)
{
    *run = (struct run){
        .args = args,
        .arena = args->arena,
        .summary = MF_BUF_INIT(0),
        .json = mf_cli_flag(args, "json") != NULL,
        .now = mf_wall_ns(mf_sys_real()),
    };
    return mf_api_target(args, &run->target, err);
}

/* ---- next ---- */

static enum mf_code add_due(struct run *run, const struct pb_mayfly_schedule_v1_DueTime *due,
                            struct mf_error *err)
{
    int64_t later = instant(due->fires_at) - instant(due->due_at);
    struct mf_str offset = later > 0 ? mf_when_span(run->arena, later) : MF_STR_EMPTY;
    const struct mf_str cells[] = {due->local_time, offset, due->run_name};
    return offset.ptr && mf_table_add(&run->table, cells) ? MF_OK : mf_fail_memory(err);
}

static void sum_up_next(struct run *run, const struct pb_mayfly_schedule_v1_NextResponse *response)
{
    static const struct {
        const char *word, *text;
    } ends[] = {{"never", "it never fires"},
                {"end-time", "its end-time lets nothing more be due"},
                {"max-runs", "its max-runs lets nothing more be due"}};
    const char *text = NULL;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (mf_str_eq_c(response->ends, ends[i].word))
            text = ends[i].text;
    }
    if (response->due.count > 0 && text == ends[0].text)
        text = "it never fires again";
    if (!response->active && response->trigger) {
        write_name(run, response->trigger);
        mf_buf_add_c(&run->summary, "switched off; these are its times if it were switched on\n");
    }
    if (text) {
        write_name(run, response->trigger);
        mf_buf_printf(&run->summary, "%s\n", text);
    }
}

static enum mf_code next(struct run *run, struct mf_error *err)
{
    static const char *const heads[] = {"DUE", "FIRES LATER BY", "RUN"};
    struct pb_mayfly_schedule_v1_NextRequest request = {0};
    void *answer = NULL;
    bool tries = mf_cli_flag(run->args, "cron") || mf_cli_flag(run->args, "rate") ||
                 mf_cli_flag(run->args, "timezone");
    mf_table_init(&run->table, run->arena, heads, sizeof heads / sizeof heads[0]);
    enum mf_code code = read_limit(run, NEXT_USUAL, PAGE, &request.limit, err);
    if (code == MF_OK)
        code = read_time(run, "from", run->now, &request.from, err);
    request.target_case = tries ? pb_mayfly_schedule_v1_NextRequest_tag_automation_spec
                                : pb_mayfly_schedule_v1_NextRequest_tag_trigger;
    if (code == MF_OK)
        code = tries ? read_schedule(run, request.from, &request.target.automation_spec, err)
                     : read_trigger(run, &request.target.trigger, err);
    if (code == MF_OK)
        code = call(run, pb_mayfly_schedule_v1_ScheduleService_Next, &request, &answer, err);
    const struct pb_mayfly_schedule_v1_NextResponse *response = answer;
    for (uint32_t i = 0; code == MF_OK && i < response->due.count; i++)
        code = add_due(run, response->due.items[i], err);
    if (code == MF_OK)
        sum_up_next(run, response);
    return code;
}

int mf_cli_trigger_next(const struct mf_cli_args *args)
{
    struct run run;
    struct mf_error err;
    enum mf_code code = begin(&run, args, &err);
    if (code == MF_OK)
        code = next(&run, &err);
    return finish(&run, code, &err);
}

/* ---- audit ---- */

static const char *const verdicts[] = {
    [pb_mayfly_schedule_v1_VERDICT_UNSPECIFIED] = "?",
    [pb_mayfly_schedule_v1_VERDICT_ON_TIME] = "on time",
    [pb_mayfly_schedule_v1_VERDICT_LATE] = "late",
    [pb_mayfly_schedule_v1_VERDICT_CAUGHT_UP] = "caught up",
    [pb_mayfly_schedule_v1_VERDICT_BUFFERED] = "waited",
    [pb_mayfly_schedule_v1_VERDICT_BACKFILLED] = "backfilled",
    [pb_mayfly_schedule_v1_VERDICT_FOUND] = "found",
    [pb_mayfly_schedule_v1_VERDICT_SKIPPED] = "skipped",
    [pb_mayfly_schedule_v1_VERDICT_MISSED] = "missed",
    [pb_mayfly_schedule_v1_VERDICT_DUE] = "due",
    [pb_mayfly_schedule_v1_VERDICT_UPCOMING] = "upcoming",
    [pb_mayfly_schedule_v1_VERDICT_UNKNOWN] = "unknown",
};
#define VERDICTS (sizeof verdicts / sizeof verdicts[0])

static struct mf_str in_lower_case(struct mf_arena *arena, const char *word)
{
    char *text = mf_str_to_c(arena, mf_str_from_c(word));
    for (char *at = text; at && *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    return mf_str_make(text, text ? strlen(text) : 0);
}

static enum mf_code add_judged(struct run *run, const struct pb_mayfly_schedule_v1_AuditEntry *entry,
                               uint32_t *counts, struct mf_error *err)
{
    size_t verdict = (size_t)entry->verdict < VERDICTS ? (size_t)entry->verdict : 0;
    struct mf_str late = MF_STR_EMPTY;
    struct mf_str phase = MF_STR_EMPTY;
    counts[verdict]++;
    if (entry->lateness)
        late = mf_when_span(run->arena, entry->lateness->seconds * MF_SECOND_NS + entry->lateness->nanos);
    if (entry->run_id)
        phase = in_lower_case(run->arena, mf_phase_word(entry->phase));
    else if (entry->fired_at)
        phase = MF_STR("deleted");
    const struct mf_str cells[] = {entry->local_time,
                                   mf_str_from_c(verdicts[verdict]),
                                   late,
                                   entry->fired_at ? entry->run_name : MF_STR_EMPTY,
                                   phase,
                                   entry->explanation};
    return late.ptr && phase.ptr && mf_table_add(&run->table, cells) ? MF_OK : mf_fail_memory(err);
}

static void sum_up_audit(struct run *run, const struct pb_mayfly_schedule_v1_AuditResponse *last,
                         const uint32_t *counts, bool more)
{
    const char *before = "";
    write_name(run, last->trigger);
    for (size_t i = 0; i < VERDICTS; i++) {
        if (counts[i] == 0)
            continue;
        mf_buf_printf(&run->summary, "%s%u %s", before, counts[i], verdicts[i]);
        before = ", ";
    }
    if (before[0] == '\0')
        mf_buf_add_c(&run->summary, "nothing was due");
    mf_buf_printf(&run->summary, "%s%s\n", more ? "; there are more, see --limit" : "",
                  last->deleted   ? "; it is deleted"
                  : !last->active ? "; it is switched off"
                                  : "");
}

static enum mf_code audit(struct run *run, struct mf_error *err)
{
    static const char *const heads[] = {"DUE", "WHAT BECAME OF IT", "LATE BY", "RUN", "PHASE", "WHY"};
    struct pb_mayfly_schedule_v1_AuditRequest request = {0};
    const struct pb_mayfly_schedule_v1_AuditResponse *response = NULL;
    uint32_t counts[VERDICTS] = {0};
    uint32_t left = 0;
    bool more = true;
    mf_table_init(&run->table, run->arena, heads, sizeof heads / sizeof heads[0]);
    enum mf_code code = read_limit(run, LIMIT_USUAL, LIMIT_MAX, &left, err);
    if (code == MF_OK)
        code = read_time(run, "from", run->now - DAY_NS, &request.from, err);
    if (code == MF_OK)
        code = read_time(run, "to", run->now, &request.to, err);
    if (code == MF_OK)
        code = read_trigger(run, &request.trigger, err);
    while (code == MF_OK && more && left > 0) {
        void *answer = NULL;
        request.limit = left < PAGE ? left : PAGE;
        code = call(run, pb_mayfly_schedule_v1_ScheduleService_Audit, &request, &answer, err);
        if (code != MF_OK)
            break;
        response = answer;
        for (uint32_t i = 0; code == MF_OK && i < response->entries.count; i++)
            code = add_judged(run, response->entries.items[i], counts, err);
        left -= response->entries.count < left ? response->entries.count : left;
        request.token = response->token;
        more = response->token.len > 0;
    }
    if (response)
        sum_up_audit(run, response, counts, more);
    return code;
}

int mf_cli_trigger_audit(const struct mf_cli_args *args)
{
    struct run run;
    struct mf_error err;
    enum mf_code code = begin(&run, args, &err);
    if (code == MF_OK)
        code = audit(&run, &err);
    return finish(&run, code, &err);
}

/* ---- backfill ---- */

static const char *const results[] = {
    [pb_mayfly_schedule_v1_BACKFILLED_UNSPECIFIED] = "?",
    [pb_mayfly_schedule_v1_BACKFILLED_MADE] = "made",
    [pb_mayfly_schedule_v1_BACKFILLED_EXISTS] = "there already",
    [pb_mayfly_schedule_v1_BACKFILLED_WOULD_MAKE] = "would be made",
};
#define RESULTS (sizeof results / sizeof results[0])

static void sum_up_backfill(struct run *run, const struct pb_mayfly_schedule_v1_BackfillResponse *last,
                            const uint32_t *counts, bool more)
{
    const char *before = "";
    write_name(run, last->trigger);
    for (size_t i = 0; i < RESULTS; i++) {
        if (counts[i] == 0)
            continue;
        mf_buf_printf(&run->summary, "%s%u %s", before, counts[i], results[i]);
        before = ", ";
    }
    mf_buf_printf(&run->summary, "%s%s\n", before[0] ? "" : "nothing was due",
                  more ? "; there are more, see --limit" : "");
}

static enum mf_code backfill(struct run *run, struct mf_error *err)
{
    static const char *const heads[] = {"DUE", "RUN", "WHAT"};
    struct pb_mayfly_schedule_v1_BackfillRequest request = {.dry_run =
                                                                mf_cli_flag(run->args, "dry-run") != NULL};
    const struct pb_mayfly_schedule_v1_BackfillResponse *response = NULL;
    uint32_t counts[RESULTS] = {0};
    uint32_t left = 0;
    bool more = true;
    mf_table_init(&run->table, run->arena, heads, sizeof heads / sizeof heads[0]);
    if (!mf_cli_flag(run->args, "from"))
        return mf_fail(err, MF_INVALID_ARGUMENT, "since when? give --from TIME: " MF_WHEN_FORMS);
    enum mf_code code = read_limit(run, LIMIT_USUAL, LIMIT_MAX, &left, err);
    if (code == MF_OK)
        code = read_time(run, "from", 0, &request.from, err);
    if (code == MF_OK)
        code = read_time(run, "to", run->now, &request.to, err);
    if (code == MF_OK)
        code = read_trigger(run, &request.trigger, err);
    while (code == MF_OK && more && left > 0) {
        void *answer = NULL;
        request.limit = left < PAGE ? left : PAGE;
        code = call(run, pb_mayfly_schedule_v1_ScheduleService_Backfill, &request, &answer, err);
        if (code != MF_OK)
            break;
        response = answer;
        for (uint32_t i = 0; code == MF_OK && i < response->entries.count; i++) {
            const struct pb_mayfly_schedule_v1_BackfillEntry *entry = response->entries.items[i];
            size_t result = (size_t)entry->result < RESULTS ? (size_t)entry->result : 0;
            const struct mf_str cells[] = {entry->local_time, entry->run_name,
                                           mf_str_from_c(results[result])};
            counts[result]++;
            code = mf_table_add(&run->table, cells) ? MF_OK : mf_fail_memory(err);
        }
        left -= response->entries.count < left ? response->entries.count : left;
        request.token = response->token;
        more = response->token.len > 0;
    }
    if (response)
        sum_up_backfill(run, response, counts, more);
    return code;
}

int mf_cli_trigger_backfill(const struct mf_cli_args *args)
{
    struct run run;
    struct mf_error err;
    enum mf_code code = begin(&run, args, &err);
    if (code == MF_OK)
        code = backfill(&run, &err);
    return finish(&run, code, &err);
}
