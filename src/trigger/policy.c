#include "trigger/policy.h"

#include "base/time.h"
#include "cron/cron.h"
#include "gen/flyteidl2/task/run.pb.h"

#include <inttypes.h>
#include <stdio.h>

#define HOUR_NS (3600 * MF_SECOND_NS)
#define TEXT_MAX 400 /* seven names of at most 20 bytes, each with a number or a word */

enum { CATCH_UP, WINDOW, OVERLAP, JITTER, END, RUNS, PAUSE, OPTIONS };
enum kind { WORD, DURATION, INSTANT, NUMBER };

/* Everything there is to know about an annotation. A word's value is its place among the words. */
static const struct option {
    const char *name; /* without the prefix */
    enum kind kind;
    const char *words[5];
    int64_t usual, min, max;
    int64_t step; /* the value is a multiple of it */
    const char *takes, *usual_text, *meaning;
} options[OPTIONS] = {
    [CATCH_UP] =
        {
            .name = "catch-up",
            .kind = WORD,
            .words = {"all", "latest", "none"},
            .usual = MF_CATCH_UP_ALL,
            .max = MF_CATCH_UP_NONE,
            .step = 1,
            .takes = "all, latest or none",
            .usual_text = "all",
            .meaning =
                "What is made up for when due times have passed unserved, because the server was "
                "stopped, say: each of them, only the latest, or none that is more than a minute late.",
        },
    [WINDOW] =
        {
            .name = "catch-up-window",
            .kind = DURATION,
            .usual = MF_CATCH_UP_WINDOW_NS,
            .min = MF_SECOND_NS,
            .max = 8784 * HOUR_NS,
            .step = 1,
            .takes = "a duration from 1s to 8784h",
            .usual_text = "24h",
            .meaning =
                "Due times older than this are given up. A fire that fails is tried again for as long.",
        },
    [OVERLAP] =
        {
            .name = "overlap",
            .kind = WORD,
            .words = {"allow", "skip", "buffer-one", "cancel-other"},
            .usual = MF_OVERLAP_ALLOW,
            .max = MF_OVERLAP_CANCEL,
            .step = 1,
            .takes = "allow, skip, buffer-one or cancel-other",
            .usual_text = "allow",
            .meaning =
                "What happens at a due time while an earlier run of the trigger is not over: both run; "
                "this one is left out; it waits for the end of that run, and any further one is left "
                "out; that run is aborted.",
        },
    [JITTER] =
        {
            .name = "jitter",
            .kind = DURATION,
            .max = 24 * HOUR_NS,
            .step = MF_MS_NS,
            .takes = "a duration up to 24h, in whole milliseconds",
            .usual_text = "0",
            .meaning = "Each run starts later than it is due by the same part of this, which differs from "
                       "trigger to trigger. The run still has its due time as its start time.",
        },
    [END] =
        {
            .name = "end-time",
            .kind = INSTANT,
            .min = 1,
            .max = INT64_MAX,
            .step = 1,
            .takes = "a time after 1970 as in 2027-01-31T00:00:00Z",
            .usual_text = "none",
            .meaning = "Nothing is due after it.",
        },
    [RUNS] =
        {
            .name = "max-runs",
            .kind = NUMBER,
            .min = 1,
            .max = 1000000000,
            .step = 1,
            .takes = "a number from 1 to 1000000000",
            .usual_text = "no limit",
            .meaning = "After so many runs nothing more is due. A change of the schedule or of one of these "
                       "annotations begins to count again.",
        },
    [PAUSE] =
        {
            .name = "pause-after-failures",
            .kind = NUMBER,
            .min = 1,
            .max = 1000,
            .step = 1,
            .takes = "a number from 1 to 1000",
            .usual_text = "never",
            .meaning = "The trigger is switched off when so many of its runs in a row have failed or timed "
                       "out. Aborted ones do not count.",
        },
};

static const struct option *find(struct mf_str name)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (mf_str_eq_c(name, options[i].name))
            return &options[i];
    }
    return NULL;
}

static bool read_word(const struct option *option, struct mf_str text, int64_t *value)
{
    for (int64_t i = 0; option->words[i]; i++) {
        if (mf_str_eq_c(text, option->words[i])) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool fits(const struct option *option, int64_t value)
{
    return value >= option->min && value <= option->max && value % option->step == 0;
}

/* As a person writes it. */
static bool read_value(const struct option *option, struct mf_str text, int64_t *value)
{
    bool read = false;
    switch (option->kind) {
    case WORD:
        read = read_word(option, text, value);
        break;
    case DURATION:
        read = mf_cron_duration(text, value);
        break;
    case INSTANT:
        read = mf_time_parse_rfc3339(text, value);
        break;
    case NUMBER:
        read = mf_str_to_i64(text, value);
        break;
    }
    return read && fits(option, *value);
}

static void set_usual(int64_t values[OPTIONS])
{
    for (size_t i = 0; i < OPTIONS; i++)
        values[i] = options[i].usual;
}

static struct mf_policy policy_of(const int64_t values[OPTIONS])
{
    return (struct mf_policy){
        .catch_up = (enum mf_catch_up)values[CATCH_UP],
        .overlap = (enum mf_overlap)values[OVERLAP],
        .window_ns = values[WINDOW],
        .jitter_ns = values[JITTER],
        .end_at = values[END],
        .max_runs = (uint32_t)values[RUNS],
        .pause_after = (uint32_t)values[PAUSE],
    };
}

/* "name=value" of all that is not usual, in the order of the table, blanks between; a word as it is, anything
 * else as a number. */
static struct mf_str write_text(struct mf_arena *arena, const int64_t values[OPTIONS])
{
    char text[TEXT_MAX] = "";
    size_t len = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &options[i];
        const char *gap = len > 0 ? " " : "";
        int added = 0;
        if (values[i] == option->usual)
            continue;
        if (option->kind == WORD)
            added = snprintf(text + len, sizeof text - len, "%s%s=%s", gap, option->name,
                             option->words[values[i]]);
        else
            added = snprintf(text + len, sizeof text - len, "%s%s=%" PRId64, gap, option->name, values[i]);
        len += (size_t)added;
    }
    return mf_str_copy(arena, mf_str_make(text, len));
}

#define ANNOTATION "spec.run_spec.annotations[\"%.*s\"]"

static enum mf_code unknown(struct mf_str key, struct mf_error *err)
{
    char names[TEXT_MAX] = "";
    size_t len = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "", options[i].name);
    return mf_fail(err, MF_INVALID_ARGUMENT, ANNOTATION " is not known; behind \"%.*s\" may stand: %s",
                   MF_FMT(key), MF_FMT(MF_POLICY_PREFIX), names);
}

enum mf_code mf_policy_read(struct mf_arena *arena, const struct pb_task_RunSpec *spec, struct mf_policy *out,
                            struct mf_str *text, struct mf_error *err)
{
    const struct pb_task_Annotations *annotations = spec ? spec->annotations : NULL;
    int64_t values[OPTIONS];
    set_usual(values);
    for (size_t i = 0; annotations && i < annotations->values.count; i++) {
        const struct pb_task_Annotations_ValuesEntry *entry = annotations->values.items[i];
        const struct mf_str key = mf_str_take(entry->key, mf_utf8_cut(entry->key, 100));
        if (!mf_str_starts(entry->key, MF_POLICY_PREFIX))
            continue;
        const struct option *option = find(mf_str_skip(entry->key, MF_POLICY_PREFIX.len));
        if (!option)
            return unknown(key, err);
        if (!read_value(option, entry->value, &values[option - options]))
            return mf_fail(err, MF_INVALID_ARGUMENT, ANNOTATION " must be %s, not \"%.*s\"", MF_FMT(key),
                           option->takes, MF_FMT(mf_str_take(entry->value, mf_utf8_cut(entry->value, 100))));
    }
    *out = policy_of(values);
    *text = write_text(arena, values);
    return text->ptr || text->len == 0 ? MF_OK : mf_fail_memory(err);
}

/* One "name=value" of write_text. */
static bool parse_part(struct mf_str part, int64_t values[OPTIONS])
{
    const size_t equals = mf_str_find_char(part, '=');
    const struct option *option = equals == SIZE_MAX ? NULL : find(mf_str_take(part, equals));
    if (!option)
        return false;
    const struct mf_str text = mf_str_skip(part, equals + 1);
    int64_t *value = &values[option - options];
    bool read = option->kind == WORD ? read_word(option, text, value) : mf_str_to_i64(text, value);
    return read && fits(option, *value);
}

enum mf_code mf_policy_parse(struct mf_str text, struct mf_policy *out, struct mf_error *err)
{
    int64_t values[OPTIONS];
    set_usual(values);
    for (struct mf_str rest = text; rest.len > 0;) {
        const size_t blank = mf_str_find_char(rest, ' ');
        const struct mf_str part = mf_str_take(rest, blank);
        if (!parse_part(part, values))
            return mf_fail(err, MF_DATA_LOSS,
                           "the policy of a schedule is damaged at \"%.*s\"; deploy its trigger again",
                           MF_FMT(mf_str_take(part, 100)));
        rest = mf_str_skip(rest, part.len + 1);
    }
    *out = policy_of(values);
    return MF_OK;
}

/* ---- jitter ---- */

/* FNV-1a; the part ends with a zero byte, so that no two keys give the same bytes. */
static uint64_t add_part(uint64_t hash, struct mf_str part)
{
    for (size_t i = 0; i <= part.len; i++) {
        unsigned char byte = i < part.len ? (unsigned char)part.ptr[i] : 0;
        hash = (hash ^ byte) * UINT64_C(1099511628211);
    }
    return hash;
}

int64_t mf_policy_offset(const struct mf_policy *policy, const struct mf_trigger_key *key)
{
    const uint64_t parts = (uint64_t)(policy->jitter_ns / MF_MS_NS);
    uint64_t hash = UINT64_C(14695981039346656037);
    if (parts == 0)
        return 0;
    hash = add_part(add_part(hash, key->project), key->domain);
    hash = add_part(add_part(hash, key->task_name), key->name);
    /* Names that differ in their last letters only are to be far apart. */
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return (int64_t)(hash % parts) * MF_MS_NS;
}

/* ---- for people ---- */

void mf_policy_docs(struct mf_buf *out)
{
    mf_buf_add_c(
        out,
        "# Policies of schedules\n\nMade by `mayfly config docs policies`; do not edit.\n\n"
        "What a schedule does beside firing at its times is said by annotations of its trigger, as texts: "
        "[schedules.md](schedules.md).\n\n"
        "| Annotation | Value | Usual | Meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &options[i];
        mf_buf_printf(out, "| `%.*s%s` | %s | %s | %s |\n", MF_FMT(MF_POLICY_PREFIX), option->name,
                      option->takes, option->usual_text, option->meaning);
    }
}
