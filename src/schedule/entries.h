/*
 * The schedules that an engine holds: found by id, and in a heap by when each has to be looked at. An entry
 * takes about a hundred bytes, so a million of them fit anywhere. Not thread-safe.
 */
#ifndef MF_SCHEDULE_ENTRIES_H
#define MF_SCHEDULE_ENTRIES_H

#include "schedule/kinds.h"

struct mf_entry {
    int64_t id;
    int64_t seq;
    int64_t baseline_at, cursor_at, buffered_at, runs;
    int64_t offset_ns;
    int64_t look_at;  /* wall clock; INT64_MAX: never, not in the heap */
    int64_t retry_at; /* while why the last step failed is being recorded */
    struct mf_kind *kind;
    uint32_t place; /* in the heap; the set's */
    uint32_t noted; /* hash of the error that is recorded */
    uint8_t tries;  /* steps that failed in a row, as far as it counts */
    bool in_flight; /* a step is on its way */
    bool gone;      /* not active any more; freed when its step is back */
    bool release;   /* the run that the buffered due time waits for may have ended */
};

struct mf_entries;

enum mf_code mf_entries_new(struct mf_entries **out, struct mf_error *err) MF_CHECK_RESULT;
void mf_entries_free(struct mf_entries *entries); /* with all entries; NULL is fine */
size_t mf_entries_count(const struct mf_entries *entries);
struct mf_entry *mf_entries_get(const struct mf_entries *entries, int64_t id); /* NULL: there is none */
/* A new one, zeroed but for its id and look_at (never). NULL when memory ran out. */
struct mf_entry *mf_entries_add(struct mf_entries *entries, int64_t id);
void mf_entries_remove(struct mf_entries *entries, struct mf_entry *entry); /* frees it */
/* When to look at it next. Cannot fail. */
void mf_entries_set(struct mf_entries *entries, struct mf_entry *entry, int64_t look_at);
struct mf_entry *
mf_entries_first(const struct mf_entries *entries); /* by look_at, then id; NULL: nothing to look at */
/* How many are to be looked at up to and with at; stops counting at most. */
size_t mf_entries_due(const struct mf_entries *entries, int64_t at, size_t most);
/* Walks all, in no order; visit may change when to look at the entry it is given, and nothing else of the
 * set. */
void mf_entries_each(struct mf_entries *entries, void (*visit)(void *ctx, struct mf_entry *entry), void *ctx);

#endif
