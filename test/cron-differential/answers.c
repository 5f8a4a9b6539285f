/*
 * Answers what the Go side of the differential test asks, a line for a line, until its input ends:
 *
 *   TEXT ZONE AFTER COUNT    TEXT and ZONE are in hexadecimal, "-" is the empty one; AFTER in nanoseconds
 *
 * with "refused: MESSAGE", or with COUNT times, each counted from the one before; "none" ends them.
 */
#include "cron/cron.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 1000

/* Decodes in place. */
static struct mf_str unhex(char *text)
{
    size_t len = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        text[i] = (char)strtoul(digits, NULL, 16);
    }
    return mf_str_make(text, len);
}

static void answer(struct mf_zones *zones, struct mf_str text, struct mf_str zone, int64_t after, int count)
{
    struct mf_cron cron;
    struct mf_error err;
    if (mf_cron_parse(zones, text, zone, &cron, &err) != MF_OK) {
        for (char *c = err.message; *c; c++)
            *c = *c == '\n' || *c == '\r' ? ' ' : *c;
        printf("refused: %s\n", err.message);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (!mf_cron_next(&cron, after, &after)) {
            printf("none");
            break;
        }
        printf("%" PRId64 " ", after);
    }
    printf("\n");
}

int main(void)
{
    struct mf_zones *zones = NULL;
    struct mf_error err;
    char text[TEXT_MAX + 1];
    char zone[TEXT_MAX + 1];
    int64_t after = 0;
    int count = 0;
    if (mf_zones_new(NULL, &zones, &err) != MF_OK) {
        fprintf(stderr, "answers: %s\n", err.message);
        return 1;
    }
    while (scanf("%1000s %1000s %" SCNd64 " %d", text, zone, &after, &count) == 4)
        answer(zones, unhex(text), unhex(zone), after, count);
    mf_zones_free(zones);
    return 0;
}
