#include "schedule/words.h"

#include <stddef.h>

static const char *const fires[] = {
    [MF_FIRE_SCHEDULED] = "scheduled",
    [MF_FIRE_BUFFERED] = "buffered",
    [MF_FIRE_BACKFILL] = "backfill",
    [MF_FIRE_FOUND] = "found",
};

static const struct {
    const char *word, *text;
} gaps[] = {
    [MF_GAP_WINDOW] = {"window", "older than the catch-up window when it could be looked at"},
    [MF_GAP_LATEST] = {"latest", "a later due time was caught up instead (catch-up: latest)"},
    [MF_GAP_NO_CATCH_UP] = {"no-catch-up", "too late, and nothing is caught up (catch-up: none)"},
    [MF_GAP_OVERLAP] = {"overlap", "an earlier run was not over (overlap: skip)"},
    [MF_GAP_BUFFER] = {"buffer", "an earlier run was not over, and another due time waited already "
                                 "(overlap: buffer-one)"},
    [MF_GAP_MAX_RUNS] = {"max-runs", "as many runs as max-runs allows were made"},
    [MF_GAP_PAUSED] = {"paused", "the trigger was switched off, because its last runs had failed "
                                 "(pause-after-failures)"},
    [MF_GAP_FAILED] = {"failed", "every try failed until the catch-up window had ended"},
};

const char *mf_fire_word(enum mf_fire_kind kind)
{
    size_t at = (size_t)kind;
    return at < sizeof fires / sizeof fires[0] && fires[at] ? fires[at] : "unknown";
}

const char *mf_gap_word(enum mf_gap_reason reason)
{
    size_t at = (size_t)reason;
    return at < sizeof gaps / sizeof gaps[0] && gaps[at].word ? gaps[at].word : "unknown";
}

const char *mf_gap_text(enum mf_gap_reason reason)
{
    size_t at = (size_t)reason;
    return at < sizeof gaps / sizeof gaps[0] && gaps[at].text ? gaps[at].text : "unknown";
}
