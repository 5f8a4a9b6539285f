#include "base/quantity.h"

#include <math.h>
#include <stdlib.h>

bool mf_quantity(struct mf_str text, double *out)
{
    static const struct {
        const char *suffix;
        double factor;
    } suffixes[] = {{"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},
                    {"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},
                    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
                    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
    char copy[64];
    char *end;
    if (text.len == 0 || text.len >= sizeof copy ||
        (text.ptr[0] < '0' && text.ptr[0] != '.' && text.ptr[0] != '+') || text.ptr[0] > '9' ||
        mf_str_find_char(text, 'x') != SIZE_MAX || mf_str_find_char(text, 'X') != SIZE_MAX ||
        mf_str_find_char(text, '\0') != SIZE_MAX)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, &end);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(end, suffixes[i].suffix) == 0 && end != copy && isfinite(value) && value >= 0) {
            *out = value * suffixes[i].factor;
            return true;
        }
    }
    return false;
}
