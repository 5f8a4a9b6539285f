#include "server/metrics.h"

#include "server/objects_metrics.h"
#include "server/page.h"
#include "server/schedule_metrics.h"
#include "server/version.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE_MAX ((size_t)16 << 20)

/* One reading of everything, so that a page is consistent in itself. */
struct reading {
    const struct mf_metrics *from;
    struct mf_net_stats net;
    struct mf_mirror_stats mirror;
    double cpu_seconds;
    double resident_bytes;
};

struct metric {
    const char *name;
    const char *type;
    const char *text;
    double (*read)(const struct reading *reading);
};

static double build(const struct reading *r)
{
    (void)r;
    return 1;
}

static double started(const struct reading *r)
{
    return (double)r->from->started_ns / 1e9;
}

static double cpu(const struct reading *r)
{
    return r->cpu_seconds;
}

static double resident(const struct reading *r)
{
    return r->resident_bytes;
}

static double connections_open(const struct reading *r)
{
    return (double)r->net.connections_open;
}

static double connections_total(const struct reading *r)
{
    return (double)r->net.connections_total;
}

static double refused_total(const struct reading *r)
{
    return (double)r->net.refused_total;
}

static double requests_open(const struct reading *r)
{
    return (double)r->net.exchanges_open;
}

static double requests_total(const struct reading *r)
{
    return (double)r->net.exchanges_total;
}

static double bytes_in(const struct reading *r)
{
    return (double)r->net.bytes_in;
}

static double bytes_out(const struct reading *r)
{
    return (double)r->net.bytes_out;
}

static double commits(const struct reading *r)
{
    return (double)mf_writer_turns(mf_store_writer(r->from->store));
}

static double commands_waiting(const struct reading *r)
{
    return (double)mf_writer_waiting(mf_store_writer(r->from->store));
}

static double change_number(const struct reading *r)
{
    return (double)mf_store_seq(r->from->store);
}

static double kubernetes_actions(const struct reading *r)
{
    return (double)r->mirror.actions;
}

static double kubernetes_created(const struct reading *r)
{
    return (double)r->mirror.created;
}

static double kubernetes_removed(const struct reading *r)
{
    return (double)r->mirror.removed;
}

static double kubernetes_failed(const struct reading *r)
{
    return (double)r->mirror.failed;
}

static double kubernetes_stragglers(const struct reading *r)
{
    return (double)r->mirror.stragglers;
}

static double kubernetes_unreachable(const struct reading *r)
{
    return (double)r->mirror.unreachable;
}

static const struct metric metrics_table[] = {
    {"mayfly_build_info{version=\"" MF_VERSION "\"}", "gauge", "Always 1; the version is a label.", build},
    {"process_start_time_seconds", "gauge", "When the server started, in seconds since 1970.", started},
    {"process_cpu_seconds_total", "counter", "CPU time the server itself has used; tasks are not in it.",
     cpu},
    {"process_resident_memory_bytes", "gauge", "Memory the server itself holds.", resident},
    {"mayfly_connections_open", "gauge", "Open connections.", connections_open},
    {"mayfly_connections_total", "counter", "Connections accepted.", connections_total},
    {"mayfly_refused_total", "counter", "Connections and requests refused by a limit.", refused_total},
    {"mayfly_http_requests_open", "gauge", "Requests in progress, streams included.", requests_open},
    {"mayfly_http_requests_total", "counter", "Requests begun.", requests_total},
    {"mayfly_received_bytes_total", "counter", "Bytes received.", bytes_in},
    {"mayfly_sent_bytes_total", "counter", "Bytes sent.", bytes_out},
    {"mayfly_commits_total", "counter", "Transactions made durable; one holds the changes of many calls.",
     commits},
    {"mayfly_commands_waiting", "gauge", "Changes that wait for the writer.", commands_waiting},
    {"mayfly_change_number", "counter", "Newest number of the change sequence.", change_number},
    {"mayfly_kubernetes_actions", "gauge",
     "Actions that are looked after in clusters, finished ones in their retention too.", kubernetes_actions},
    {"mayfly_kubernetes_created_total", "counter", "TaskActions created.", kubernetes_created},
    {"mayfly_kubernetes_removed_total", "counter", "TaskActions deleted.", kubernetes_removed},
    {"mayfly_kubernetes_failed_total", "counter", "Requests to create or delete one that have failed.",
     kubernetes_failed},
    {"mayfly_kubernetes_stragglers", "gauge",
     "TaskActions that were deleted a while ago and are still there; their executor has to let go of them.",
     kubernetes_stragglers},
    {"mayfly_kubernetes_clusters_unreachable", "gauge", "Clusters that cannot be followed now.",
     kubernetes_unreachable},
};
#define METRIC_COUNT (sizeof metrics_table / sizeof metrics_table[0])

/* Metrics with a label for each method, written by write_method in this order. */
static const struct {
    const char *name;
    const char *type;
    const char *text;
} method_metrics[] = {
    {"mayfly_rpc_started_total", "counter", "Calls begun, by method."},
    {"mayfly_rpc_ok_total", "counter", "Calls that ended well, by method."},
    {"mayfly_rpc_failed_total", "counter", "Calls that ended with an error, by method."},
    {"mayfly_rpc_seconds", "histogram", "From the request to the end of the answer, by method."},
};
#define METHOD_METRIC_COUNT (sizeof method_metrics / sizeof method_metrics[0])

struct walk {
    struct mf_buf *out;
    size_t metric;
};

static void write_histogram(struct mf_buf *out, const struct mf_rpc_method_stats *stats)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof stats->buckets / sizeof stats->buckets[0]; i++) {
        sum += stats->buckets[i];
        mf_buf_printf(out, "mayfly_rpc_seconds_bucket{method=\"%s\",le=\"%.6f\"} %llu\n", stats->path,
                      64e-6 * (double)(UINT64_C(1) << i), (unsigned long long)sum);
    }
    uint64_t all = stats->ok + stats->failed > sum ? stats->ok + stats->failed : sum;
    mf_buf_printf(out, "mayfly_rpc_seconds_bucket{method=\"%s\",le=\"+Inf\"} %llu\n", stats->path,
                  (unsigned long long)all);
    mf_buf_printf(out, "mayfly_rpc_seconds_count{method=\"%s\"} %llu\n", stats->path,
                  (unsigned long long)all);
}

static void write_method(void *ctx, const struct mf_rpc_method_stats *stats)
{
    const struct walk *walk = ctx;
    const uint64_t numbers[] = {stats->started, stats->ok, stats->failed};
    if (stats->started == 0)
        return;
    if (walk->metric == METHOD_METRIC_COUNT - 1)
        write_histogram(walk->out, stats);
    else
        mf_buf_printf(walk->out, "%s{method=\"%s\"} %llu\n", method_metrics[walk->metric].name, stats->path,
                      (unsigned long long)numbers[walk->metric]);
}

static double resident_bytes(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    return second ? strtod(second, NULL) * (double)sysconf(_SC_PAGESIZE) : 0;
}

static struct reading take_reading(const struct mf_metrics *metrics)
{
    struct reading reading = {.from = metrics, .resident_bytes = resident_bytes()};
    struct rusage usage;
    if (metrics->net)
        mf_server_stats(metrics->net, &reading.net);
    if (metrics->mirror)
        mf_mirror_stats(metrics->mirror, &reading.mirror);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        reading.cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return reading;
}

/* The name without its labels. */
static int bare(const char *name)
{
    return (int)strcspn(name, "{");
}

void mf_metrics_write(const struct mf_metrics *metrics, struct mf_buf *out)
{
    struct reading reading = take_reading(metrics);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric *m = &metrics_table[i];
        mf_buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n%s %.17g\n", bare(m->name), m->name, m->text,
                      bare(m->name), m->name, m->type, m->name, m->read(&reading));
    }
    mf_schedule_metrics_write(metrics->scheduler, out);
    mf_objects_metrics_write(metrics->objects, out);
    for (size_t i = 0; i < METHOD_METRIC_COUNT; i++) {
        struct walk walk = {.out = out, .metric = i};
        mf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", method_metrics[i].name, method_metrics[i].text,
                      method_metrics[i].name, method_metrics[i].type);
        mf_rpc_each_method(metrics->rpc, write_method, &walk);
    }
}

void mf_metrics_docs(struct mf_buf *out)
{
    mf_buf_add_c(out, "# Metrics\n\nMade by `mayfly config docs metrics`; do not edit.\n\n"
                      "`GET /metrics` answers in the Prometheus text format.\n\n"
                      "| Metric | Type | Meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < METRIC_COUNT; i++)
        mf_buf_printf(out, "| `%.*s` | %s | %s |\n", bare(metrics_table[i].name), metrics_table[i].name,
                      metrics_table[i].type, metrics_table[i].text);
    mf_schedule_metrics_docs(out);
    mf_objects_metrics_docs(out);
    for (size_t i = 0; i < METHOD_METRIC_COUNT; i++)
        mf_buf_printf(out, "| `%s` | %s | %s |\n", method_metrics[i].name, method_metrics[i].type,
                      method_metrics[i].text);
}

static bool may_read(const struct mf_metrics *metrics, struct mf_exchange *exchange)
{
    struct mf_str scheme = MF_STR("bearer ");
    struct mf_str value = mf_exchange_header(exchange, "authorization");
    if (metrics->token.len == 0)
        return true;
    if (!mf_str_eq_nocase(mf_str_take(value, scheme.len), scheme))
        return false;
    struct mf_str token = mf_str_trim(mf_str_skip(value, scheme.len), MF_STR(" "));
    return token.len == metrics->token.len && CRYPTO_memcmp(token.ptr, metrics->token.ptr, token.len) == 0;
}

static void on_metrics(void *app, struct mf_exchange *exchange)
{
    struct mf_buf page = MF_BUF_INIT(PAGE_MAX);
    if (!mf_page_is_read(exchange))
        return;
    if (!may_read(app, exchange)) {
        mf_page_reply(exchange, 401, "text/plain",
                      MF_STR("send the token of metrics-token-file as a bearer token\n"));
        return;
    }
    mf_metrics_write(app, &page);
    if (mf_buf_failed(&page))
        mf_page_reply(exchange, 503, "text/plain", MF_STR("out of memory\n"));
    else
        mf_page_reply(exchange, 200, "text/plain; version=0.0.4", mf_buf_str(&page));
    mf_buf_free(&page);
}

enum mf_code mf_metrics_serve(struct mf_metrics *metrics, struct mf_rpc *rpc, struct mf_error *err)
{
    metrics->rpc = rpc;
    return mf_rpc_route(rpc, "/metrics", on_metrics, metrics, err);
}
