#include "server/schedule_metrics.h"

#include "schedule/words.h"

#include <inttypes.h>
#include <math.h>

struct number {
    const char *name;
    const char *type;
    const char *text;
    uint64_t (*read)(const struct mf_engine_stats *stats);
};

static uint64_t schedules(const struct mf_engine_stats *stats)
{
    return stats->schedules;
}

static uint64_t in_flight(const struct mf_engine_stats *stats)
{
    return stats->in_flight;
}

static uint64_t due(const struct mf_engine_stats *stats)
{
    return stats->due;
}

static uint64_t failing(const struct mf_engine_stats *stats)
{
    return stats->failing;
}

static uint64_t buffered(const struct mf_engine_stats *stats)
{
    return stats->buffered;
}

static uint64_t caught_up(const struct mf_engine_stats *stats)
{
    return stats->caught_up;
}

static uint64_t failures(const struct mf_engine_stats *stats)
{
    return stats->failures;
}

static uint64_t paused(const struct mf_engine_stats *stats)
{
    return stats->paused;
}

static const struct number numbers[] = {
    {"mayfly_schedules", "gauge", "Triggers that are active and have a schedule.", schedules},
    {"mayfly_schedule_due", "gauge", "Schedules with a due time that has not been begun with.", due},
    {"mayfly_schedule_in_flight", "gauge", "Schedules whose due times are being written.", in_flight},
    {"mayfly_schedule_failing", "gauge", "Schedules whose last due time could not be fired yet.", failing},
    {"mayfly_schedule_buffered", "gauge", "Due times that wait for the end of an earlier run.", buffered},
    {"mayfly_schedule_caught_up_total", "counter", "Due times that were fired more than a minute late.",
     caught_up},
    {"mayfly_schedule_failures_total", "counter", "Tries to fire that failed.", failures},
    {"mayfly_schedule_paused_total", "counter", "Triggers that were switched off because their runs failed.",
     paused},
};
#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

#define FIRES "mayfly_schedule_fires_total"
#define FIRES_TEXT "Due times that got their run, by how."
#define SKIPS "mayfly_schedule_skips_total"
#define SKIPS_TEXT "Due times, or stretches of them, that were given up, by reason."
#define LATENESS "mayfly_schedule_lateness_seconds"
#define LATENESS_TEXT "From the due time (and the trigger's jitter) to its run."

static void head(struct mf_buf *out, const char *name, const char *type, const char *text)
{
    mf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, text, name, type);
}

static void write_lateness(struct mf_buf *out, const struct mf_engine_stats *stats)
{
    uint64_t sum = 0;
    head(out, LATENESS, "histogram", LATENESS_TEXT);
    for (size_t i = 0; i < MF_LATENESS_BUCKETS; i++) {
        sum += stats->lateness[i];
        if (isinf(mf_lateness_bounds[i]))
            mf_buf_printf(out, LATENESS "_bucket{le=\"+Inf\"} %" PRIu64 "\n", sum);
        else
            mf_buf_printf(out, LATENESS "_bucket{le=\"%g\"} %" PRIu64 "\n", mf_lateness_bounds[i], sum);
    }
    mf_buf_printf(out, LATENESS "_sum %.17g\n" LATENESS "_count %" PRIu64 "\n", stats->lateness_sum, sum);
}

void mf_schedule_metrics_write(struct mf_scheduler *scheduler, struct mf_buf *out)
{
    struct mf_engine_stats stats;
    mf_scheduler_stats(scheduler, &stats);
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        head(out, numbers[i].name, numbers[i].type, numbers[i].text);
        mf_buf_printf(out, "%s %" PRIu64 "\n", numbers[i].name, numbers[i].read(&stats));
    }
    head(out, FIRES, "counter", FIRES_TEXT);
    for (enum mf_fire_kind kind = MF_FIRE_SCHEDULED; kind <= MF_FIRE_FOUND; kind++)
        mf_buf_printf(out, FIRES "{kind=\"%s\"} %" PRIu64 "\n", mf_fire_word(kind), stats.fired[kind]);
    head(out, SKIPS, "counter", SKIPS_TEXT);
    for (enum mf_gap_reason reason = MF_GAP_WINDOW; reason <= MF_GAP_FAILED; reason++)
        mf_buf_printf(out, SKIPS "{reason=\"%s\"} %" PRIu64 "\n", mf_gap_word(reason), stats.skipped[reason]);
    write_lateness(out, &stats);
}

void mf_schedule_metrics_docs(struct mf_buf *out)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        mf_buf_printf(out, "| `%s` | %s | %s |\n", numbers[i].name, numbers[i].type, numbers[i].text);
    mf_buf_printf(out, "| `%s` | counter | %s |\n| `%s` | counter | %s |\n| `%s` | histogram | %s |\n", FIRES,
                  FIRES_TEXT, SKIPS, SKIPS_TEXT, LATENESS, LATENESS_TEXT);
}
