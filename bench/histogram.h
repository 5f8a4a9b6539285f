/* Latencies: every one is kept, so that percentiles are exact. One thread. */
#ifndef MF_BENCH_HISTOGRAM_H
#define MF_BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_histogram {
    int64_t *values; /* nanoseconds */
    size_t count, cap;
};

bool bench_histogram_add(struct bench_histogram *histogram, int64_t ns);
/* Sorts; share is between 0 and 1. In milliseconds; 0 when empty. */
double bench_histogram_ms(struct bench_histogram *histogram, double share);
void bench_histogram_free(struct bench_histogram *histogram);

#endif
