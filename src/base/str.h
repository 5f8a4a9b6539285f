/*
 * A string is a pointer and a length; it is not NUL-terminated, may hold any byte, and owns nothing.
 * The memory belongs to whoever made it: an arena, a request buffer, or the program text.
 */
#ifndef MF_BASE_STR_H
#define MF_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mf_arena;

struct mf_str {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

#define MF_STR(literal) ((struct mf_str){.ptr = "" literal, .len = sizeof(literal) - 1})
#define MF_STR_EMPTY ((struct mf_str){.ptr = "", .len = 0})
/* For printf's "%.*s". */
#define MF_FMT(s) (int)(s).len, ((s).len > 0 ? (s).ptr : "")

static inline struct mf_str mf_str_make(const void *ptr, size_t len)
{
    return (struct mf_str){.ptr = (const char *)ptr, .len = len};
}

static inline struct mf_str mf_str_from_c(const char *text)
{
    return (struct mf_str){.ptr = text, .len = text ? strlen(text) : 0};
}

static inline bool mf_str_eq(struct mf_str a, struct mf_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool mf_str_eq_c(struct mf_str a, const char *b);
bool mf_str_eq_nocase(struct mf_str a, struct mf_str b); /* ASCII only */
int mf_str_cmp(struct mf_str a, struct mf_str b);        /* byte order */
bool mf_str_starts(struct mf_str s, struct mf_str prefix);
bool mf_str_ends(struct mf_str s, struct mf_str suffix);
/* Offset of the first occurrence, or SIZE_MAX. */
size_t mf_str_find(struct mf_str s, struct mf_str needle);
size_t mf_str_find_char(struct mf_str s, char c);
struct mf_str mf_str_trim(struct mf_str s, struct mf_str set);
/* s without its first n bytes; n beyond the end gives the empty string. */
struct mf_str mf_str_skip(struct mf_str s, size_t n);
struct mf_str mf_str_take(struct mf_str s, size_t n);

/* Copies into the arena; .ptr is NULL (with len > 0 asked for) only when memory ran out. */
struct mf_str mf_str_copy(struct mf_arena *arena, struct mf_str s);
/* NUL-terminated copy, or NULL when memory ran out. An inner NUL is kept and ends the C string early. */
char *mf_str_to_c(struct mf_arena *arena, struct mf_str s);
/* printf into the arena; .ptr NULL when memory ran out. */
struct mf_str mf_str_printf(struct mf_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Decimal integer of the whole string; false when it is not one or does not fit. */
bool mf_str_to_i64(struct mf_str s, int64_t *out);
bool mf_str_to_u64(struct mf_str s, uint64_t *out);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
bool mf_utf8_valid(const void *ptr, size_t len);
/* Largest length <= max that does not cut a character of valid UTF-8. */
size_t mf_utf8_cut(struct mf_str s, size_t max);
/* Number of code points of valid UTF-8. */
size_t mf_utf8_count(struct mf_str s);

#endif
