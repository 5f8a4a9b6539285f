#include "cron/zone.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/sys.h"
#include "cron/rule.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)
#define NAME_BYTES_MAX 128
#define ZONES_MAX 2000 /* the database has about 600 names */
#define HEADER_BYTES 44
#define LOCALTIME "/etc/localtime"
/* Until here the rule's changes are put into the table, where they are found faster: 1800 to 2263, which is
 * more than 64 bits of nanoseconds reach. */
#define TABLE_BEGIN INT64_C(-5364662400)
#define TABLE_END INT64_C(9246182400)
#define RULE_CHANGES_MAX 1024 /* two a year */

struct change {
    int64_t at;
    int32_t offset;
};

struct mf_zone {
    struct change *changes; /* in rising order */
    size_t count;
    int32_t first; /* offset before the first change */
    bool has_rule; /* what holds after the last change */
    struct mf_rule rule;
};

struct mf_zones {
    pthread_mutex_t lock;
    struct mf_map *by_name; /* struct mf_zone */
    const char *dir;
};

enum mf_code mf_zones_new(const char *dir, struct mf_zones **out, struct mf_error *err)
{
    static const char *const places[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                         "/usr/share/lib/zoneinfo", "/etc/zoneinfo"};
    struct mf_zones *zones = calloc(1, sizeof *zones);
    if (!zones)
        return mf_fail_memory(err);
    /* Names come from a few hundred files, so nobody can choose them to collide. */
    zones->by_name = mf_map_new(0);
    if (!zones->by_name) {
        free(zones);
        return mf_fail_memory(err);
    }
    zones->dir = dir;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !zones->dir; i++) {
        if (access(places[i], X_OK) == 0)
            zones->dir = places[i];
    }
    pthread_mutex_init(&zones->lock, NULL);
    *out = zones;
    return MF_OK;
}

static void free_zone(void *zone)
{
    mf_zone_free(zone);
}

void mf_zones_free(struct mf_zones *zones)
{
    if (!zones)
        return;
    mf_map_free(zones->by_name, free_zone);
    pthread_mutex_destroy(&zones->lock);
    free(zones);
}

void mf_zone_free(struct mf_zone *zone)
{
    if (!zone)
        return;
    free(zone->changes);
    free(zone);
}

/* ---- the file ---- */

struct reader {
    const unsigned char *at;
    size_t left;
};

/* One block of a file: how many there are of each thing. */
struct counts {
    uint32_t utc_flags, std_flags, leaps, times, types, chars;
};

static const unsigned char *take(struct reader *reader, size_t size)
{
    const unsigned char *at = reader->at;
    if (size > reader->left)
        return NULL;
    reader->at += size;
    reader->left -= size;
    return at;
}

static uint32_t number32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int64_t number(const unsigned char *bytes, size_t size)
{
    if (size == 4)
        return (int32_t)number32(bytes);
    return (int64_t)((uint64_t)number32(bytes) << 32 | number32(bytes + 4));
}

static bool read_header(struct reader *reader, struct counts *counts, unsigned char *version)
{
    const unsigned char *bytes = take(reader, HEADER_BYTES);
    if (!bytes || memcmp(bytes, "TZif", 4) != 0)
        return false;
    *version = bytes[4];
    *counts = (struct counts){number32(bytes + 20), number32(bytes + 24), number32(bytes + 28),
                              number32(bytes + 32), number32(bytes + 36), number32(bytes + 40)};
    return counts->times <= 10000 && counts->types > 0 && counts->types <= 256 && counts->chars <= 10000 &&
           counts->leaps <= 1000 && counts->utc_flags <= 256 && counts->std_flags <= 256;
}

/* The seconds of a table with leap seconds are not those of the clock, so such a file is refused. */
static bool read_block(struct reader *reader, const struct counts *counts, size_t size, struct mf_zone *zone)
{
    const unsigned char *times = take(reader, counts->times * size);
    const unsigned char *kinds = take(reader, counts->times);
    const unsigned char *types = take(reader, (size_t)counts->types * 6);
    if (!times || !kinds || !types || counts->leaps > 0 ||
        !take(reader, (size_t)counts->chars + counts->std_flags + counts->utc_flags))
        return false;
    zone->changes = calloc((size_t)counts->times + 1, sizeof *zone->changes);
    if (!zone->changes)
        return false;
    zone->first = (int32_t)number32(types);
    for (uint32_t i = 0; i < counts->times; i++) {
        if (kinds[i] >= counts->types)
            return false;
        zone->changes[i] =
            (struct change){number(times + i * size, size), (int32_t)number32(types + (size_t)kinds[i] * 6)};
        if (i > 0 && zone->changes[i].at <= zone->changes[i - 1].at)
            return false;
    }
    zone->count = counts->times;
    for (uint32_t i = 0; i < counts->types; i++) {
        if (abs((int32_t)number32(types + (size_t)i * 6)) > 26 * 3600)
            return false;
    }
    return true;
}

static bool read_footer(struct reader *reader, struct mf_zone *zone)
{
    struct mf_str rest = mf_str_make(reader->at, reader->left);
    if (rest.len < 2 || rest.ptr[0] != '\n')
        return false;
    rest = mf_str_skip(rest, 1);
    size_t end = mf_str_find_char(rest, '\n');
    if (end == SIZE_MAX)
        return false;
    zone->has_rule = end > 0;
    return end == 0 || mf_rule_parse(mf_str_take(rest, end), &zone->rule);
}

static bool read_file(struct reader *reader, struct mf_zone *zone)
{
    struct counts counts;
    unsigned char version = 0;
    if (!read_header(reader, &counts, &version))
        return false;
    if (version == 0)
        return read_block(reader, &counts, 4, zone);
    size_t old = counts.times * (size_t)5 + counts.types * (size_t)6 + counts.chars +
                 counts.leaps * (size_t)8 + counts.std_flags + counts.utc_flags;
    return take(reader, old) && read_header(reader, &counts, &version) &&
           read_block(reader, &counts, 8, zone) && read_footer(reader, zone);
}

/* The rule counts from the table's last change on; a zone without changes has it from the beginning. */
static enum mf_code extend_table(struct mf_zone *zone, struct mf_error *err)
{
    if (zone->count == 0 || !zone->has_rule || !zone->rule.has_summer ||
        zone->changes[zone->count - 1].at < TABLE_BEGIN)
        return MF_OK;
    struct change *all = calloc(zone->count + RULE_CHANGES_MAX, sizeof *all);
    if (!all)
        return mf_fail_memory(err);
    memcpy(all, zone->changes, zone->count * sizeof *all);
    free(zone->changes);
    int64_t until = 0;
    struct change *last = &all[zone->count - 1];
    last->offset = mf_rule_offset(&zone->rule, last->at, &until);
    for (size_t i = 0; i < RULE_CHANGES_MAX && until < TABLE_END; i++) {
        all[zone->count].at = until;
        all[zone->count].offset = mf_rule_offset(&zone->rule, until, &until);
        zone->count++;
    }
    struct change *fitting = realloc(all, zone->count * sizeof *all);
    zone->changes = fitting ? fitting : all;
    return MF_OK;
}

enum mf_code mf_zone_parse(struct mf_str bytes, struct mf_zone **out, struct mf_error *err)
{
    struct reader reader = {(const unsigned char *)bytes.ptr, bytes.len};
    struct mf_zone *zone = calloc(1, sizeof *zone);
    if (!zone)
        return mf_fail_memory(err);
    if (!read_file(&reader, zone)) {
        mf_zone_free(zone);
        return mf_fail(err, MF_INVALID_ARGUMENT, "the file of this time zone is not one");
    }
    enum mf_code code = extend_table(zone, err);
    if (code != MF_OK) {
        mf_zone_free(zone);
        return code;
    }
    *out = zone;
    return MF_OK;
}

/* ---- by name ---- */

static bool is_name(struct mf_str name)
{
    if (name.len == 0 || name.len > NAME_BYTES_MAX || name.ptr[0] == '/')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '+' || c == '-' || c == '/'))
            return false;
    }
    return true;
}

static enum mf_code unknown(struct mf_str name, struct mf_error *err)
{
    return mf_fail(err, MF_INVALID_ARGUMENT,
                   "unknown time zone \"%.*s\"; write a name as in \"Europe/Berlin\" or \"UTC\"",
                   MF_FMT(mf_str_take(name, 100)));
}

static enum mf_code load(const struct mf_zones *zones, struct mf_str name, struct mf_zone **out,
                         struct mf_error *err)
{
    struct mf_str bytes;
    struct mf_arena *arena = mf_arena_new(2 * FILE_MAX);
    if (!arena)
        return mf_fail_memory(err);
    bool local = mf_str_eq_c(name, "Local");
    struct mf_str path =
        local ? MF_STR(LOCALTIME "\0")
              : mf_str_printf(arena, "%s/%.*s%c", zones->dir ? zones->dir : "", MF_FMT(name), '\0');
    enum mf_code code = path.ptr ? mf_read_file(arena, path.ptr, FILE_MAX, &bytes, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_zone_parse(bytes, out, err);
    mf_arena_free(arena);
    if (code == MF_OK)
        return MF_OK;
    if (code == MF_RESOURCE_EXHAUSTED)
        return code;
    if (!zones->dir && !local)
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "time zone \"%.*s\": this machine has no time zone database; install tzdata, or use UTC",
            MF_FMT(mf_str_take(name, 100)));
    return unknown(name, err);
}

enum mf_code mf_zone_get(struct mf_zones *zones, struct mf_str name, const struct mf_zone **out,
                         struct mf_error *err)
{
    struct mf_zone *zone = NULL;
    enum mf_code code = MF_OK;
    *out = NULL;
    if (name.len == 0 || mf_str_eq_c(name, "UTC"))
        return MF_OK;
    if (mf_str_find(name, MF_STR("..")) != SIZE_MAX || name.ptr[0] == '/' || name.ptr[0] == '\\')
        return mf_fail(err, MF_INVALID_ARGUMENT, "invalid location name \"%.*s\"",
                       MF_FMT(mf_str_take(name, 100)));
    if (!is_name(name))
        return unknown(name, err);
    pthread_mutex_lock(&zones->lock);
    zone = mf_map_get(zones->by_name, name);
    if (!zone && mf_map_count(zones->by_name) >= ZONES_MAX)
        code = mf_fail(err, MF_RESOURCE_EXHAUSTED, "too many time zones are in use");
    else if (!zone)
        code = load(zones, name, &zone, err);
    if (code == MF_OK && !mf_map_get(zones->by_name, name) && !mf_map_put(zones->by_name, name, zone, NULL)) {
        mf_zone_free(zone);
        code = mf_fail_memory(err);
    }
    pthread_mutex_unlock(&zones->lock);
    if (code == MF_OK)
        *out = zone;
    return code;
}

/* ---- offsets ---- */

int32_t mf_zone_offset(const struct mf_zone *zone, int64_t at, int64_t *until)
{
    *until = INT64_MAX;
    if (!zone)
        return 0;
    size_t low = 0; /* changes before this one are at or before the instant */
    size_t high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < zone->count) {
        *until = zone->changes[low].at;
        return low > 0 ? zone->changes[low - 1].offset : zone->first;
    }
    if (zone->has_rule)
        return mf_rule_offset(&zone->rule, at, until);
    return zone->count > 0 ? zone->changes[zone->count - 1].offset : zone->first;
}
