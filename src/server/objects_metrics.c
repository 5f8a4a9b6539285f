#include "server/objects_metrics.h"

static double usable(const struct mf_objects_stats *stats)
{
    return stats->usable ? 1 : 0;
}

static double requests(const struct mf_objects_stats *stats)
{
    return (double)stats->requests;
}

static double retries(const struct mf_objects_stats *stats)
{
    return (double)stats->retries;
}

static double failures(const struct mf_objects_stats *stats)
{
    return (double)stats->failures;
}

static double sent(const struct mf_objects_stats *stats)
{
    return (double)stats->sent_bytes;
}

static double received(const struct mf_objects_stats *stats)
{
    return (double)stats->received_bytes;
}

static double refreshes(const struct mf_objects_stats *stats)
{
    return (double)stats->refreshes;
}

static const struct {
    const char *name;
    const char *type;
    const char *text;
    double (*read)(const struct mf_objects_stats *stats);
} metrics[] = {
    {"mayfly_bucket_usable", "gauge", "1 when the bucket of object-store can be read and written, else 0.",
     usable},
    {"mayfly_bucket_requests_total", "counter", "Requests to the bucket that were answered.", requests},
    {"mayfly_bucket_retries_total", "counter", "Requests to the bucket that were sent again.", retries},
    {"mayfly_bucket_failures_total", "counter", "Requests to the bucket that were given up.", failures},
    {"mayfly_bucket_sent_bytes_total", "counter", "Bytes of objects the server has written to the bucket.",
     sent},
    {"mayfly_bucket_received_bytes_total", "counter", "Bytes of objects the server has read from the bucket.",
     received},
    {"mayfly_bucket_key_refreshes_total", "counter", "Times that keys for the bucket were fetched.",
     refreshes},
};
#define COUNT (sizeof metrics / sizeof metrics[0])

void mf_objects_metrics_write(struct mf_objects *objects, struct mf_buf *out)
{
    struct mf_objects_stats stats;
    mf_objects_stats(objects, &stats);
    for (size_t i = 0; i < COUNT && stats.external; i++)
        mf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", metrics[i].name, metrics[i].text,
                      metrics[i].name, metrics[i].type, metrics[i].name, metrics[i].read(&stats));
}

void mf_objects_metrics_docs(struct mf_buf *out)
{
    for (size_t i = 0; i < COUNT; i++)
        mf_buf_printf(out, "| `%s` | %s | %s |\n", metrics[i].name, metrics[i].type, metrics[i].text);
}
