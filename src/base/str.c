#include "base/str.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

bool mf_str_eq_c(struct mf_str a, const char *b)
{
    return mf_str_eq(a, mf_str_from_c(b));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool mf_str_eq_nocase(struct mf_str a, struct mf_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

int mf_str_cmp(struct mf_str a, struct mf_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool mf_str_starts(struct mf_str s, struct mf_str prefix)
{
    return s.len >= prefix.len && mf_str_eq(mf_str_make(s.ptr, prefix.len), prefix);
}

bool mf_str_ends(struct mf_str s, struct mf_str suffix)
{
    return s.len >= suffix.len && mf_str_eq(mf_str_skip(s, s.len - suffix.len), suffix);
}

size_t mf_str_find(struct mf_str s, struct mf_str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return SIZE_MAX;
    const char *at = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

size_t mf_str_find_char(struct mf_str s, char c)
{
    const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : SIZE_MAX;
}

struct mf_str mf_str_trim(struct mf_str s, struct mf_str set)
{
    while (s.len > 0 && mf_str_find_char(set, s.ptr[0]) != SIZE_MAX)
        s = mf_str_skip(s, 1);
    while (s.len > 0 && mf_str_find_char(set, s.ptr[s.len - 1]) != SIZE_MAX)
        s.len--;
    return s;
}

struct mf_str mf_str_skip(struct mf_str s, size_t n)
{
    if (n >= s.len)
        return MF_STR_EMPTY;
    return mf_str_make(s.ptr + n, s.len - n);
}

struct mf_str mf_str_take(struct mf_str s, size_t n)
{
    return mf_str_make(s.ptr, n < s.len ? n : s.len);
}

struct mf_str mf_str_copy(struct mf_arena *arena, struct mf_str s)
{
    if (s.len == 0)
        return MF_STR_EMPTY;
    char *copy = mf_arena_bytes(arena, s.len);
    if (!copy)
        return mf_str_make(NULL, 0);
    memcpy(copy, s.ptr, s.len);
    return mf_str_make(copy, s.len);
}

char *mf_str_to_c(struct mf_arena *arena, struct mf_str s)
{
    char *copy = s.len < SIZE_MAX ? mf_arena_bytes(arena, s.len + 1) : NULL;
    if (!copy)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

struct mf_str mf_str_printf(struct mf_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = len >= 0 ? mf_arena_bytes(arena, (size_t)len + 1) : NULL;
    if (!out)
        return mf_str_make(NULL, 0);
    va_start(args, format);
    vsnprintf(out, (size_t)len + 1, format, args);
    va_end(args);
    return mf_str_make(out, (size_t)len);
}

bool mf_str_to_u64(struct mf_str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool mf_str_to_i64(struct mf_str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t size;
    if (!mf_str_to_u64(negative ? mf_str_skip(s, 1) : s, &size))
        return false;
    if (size > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

/* Bytes of the character that starts at p (at most left are there), or 0 when it is malformed. */
static size_t utf8_width(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t width = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < width)
        return 0;
    unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte: no overlong form, no surrogate */
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < width; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return width;
}

bool mf_utf8_valid(const void *ptr, size_t len)
{
    const unsigned char *p = ptr;
    size_t i = 0;
    while (i < len) {
        uint64_t word;
        while (len - i >= 8) { /* eight ASCII bytes at a time */
            memcpy(&word, p + i, 8);
            if (word & 0x8080808080808080)
                break;
            i += 8;
        }
        if (i >= len)
            break;
        size_t width = utf8_width(p + i, len - i);
        if (width == 0)
            return false;
        i += width;
    }
    return true;
}

size_t mf_utf8_cut(struct mf_str s, size_t max)
{
    if (s.len < max)
        return s.len;
    size_t n = max;
    if (n < s.len) {
        while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
            n--;
        return n;
    }
    /* All of s fits, but s itself may have been cut inside a character. */
    size_t start = n;
    while (start > 0 && n - start < 4 && ((unsigned char)s.ptr[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return n;
    start--;
    return utf8_width((const unsigned char *)s.ptr + start, n - start) == 0 ? start : n;
}

size_t mf_utf8_count(struct mf_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return count;
}
