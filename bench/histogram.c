#include "histogram.h"

#include <stdlib.h>

bool bench_histogram_add(struct bench_histogram *histogram, int64_t ns)
{
    if (histogram->count == histogram->cap) {
        size_t cap = histogram->cap > 0 ? histogram->cap * 2 : 4096;
        int64_t *grown = realloc(histogram->values, cap * sizeof *grown);
        if (!grown)
            return false;
        histogram->values = grown;
        histogram->cap = cap;
    }
    histogram->values[histogram->count++] = ns;
    return true;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

double bench_histogram_ms(struct bench_histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    qsort(histogram->values, histogram->count, sizeof *histogram->values, by_value);
    size_t at = (size_t)(share * (double)histogram->count);
    return (double)histogram->values[at < histogram->count ? at : histogram->count - 1] / 1e6;
}

void bench_histogram_free(struct bench_histogram *histogram)
{
    free(histogram->values);
    *histogram = (struct bench_histogram){0};
}
