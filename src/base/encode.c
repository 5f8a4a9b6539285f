#include "base/encode.h"

static const char base64_standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char hex_digits[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

static const struct mf_str no_memory = {.ptr = NULL, .len = 0};

size_t mf_base64_size(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Writes without padding and returns how many characters that were. */
static size_t base64_put(char *out, struct mf_str bytes, const char *alphabet)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    char *start = out;
    size_t i = 0;
    for (; i + 3 <= bytes.len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (bytes.len - i == 1) {
        *out++ = alphabet[in[i] >> 2];
        *out++ = alphabet[(in[i] & 3) << 4];
    } else if (bytes.len - i == 2) {
        uint32_t v = (uint32_t)in[i] << 8 | in[i + 1];
        *out++ = alphabet[v >> 10];
        *out++ = alphabet[v >> 4 & 63];
        *out++ = alphabet[(v & 15) << 2];
    }
    return (size_t)(out - start);
}

void mf_base64_write(char *out, struct mf_str bytes)
{
    size_t len = base64_put(out, bytes, base64_standard);
    while (len < mf_base64_size(bytes.len))
        out[len++] = '=';
}

struct mf_str mf_base64(struct mf_arena *arena, struct mf_str bytes)
{
    size_t size = mf_base64_size(bytes.len);
    char *out = mf_arena_bytes(arena, size);
    if (!out)
        return no_memory;
    mf_base64_write(out, bytes);
    return mf_str_make(out, size);
}

struct mf_str mf_base64url(struct mf_arena *arena, struct mf_str bytes)
{
    char *out = mf_arena_bytes(arena, mf_base64_size(bytes.len));
    if (!out)
        return no_memory;
    return mf_str_make(out, base64_put(out, bytes, base64_url));
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool mf_base64_decode(struct mf_arena *arena, struct mf_str text, struct mf_str *out)
{
    size_t len = text.len;
    size_t padding = 0;
    while (len > 0 && text.ptr[len - 1] == '=') {
        len--;
        padding++;
    }
    if (len % 4 == 1 || padding > 2 || (padding > 0 && (len + padding) % 4 != 0))
        return false;
    unsigned char *bytes = (unsigned char *)mf_arena_bytes(arena, len / 4 * 3 + 2);
    if (!bytes)
        return false;
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[n++] = (unsigned char)(bits >> have & 0xff);
        }
    }
    *out = mf_str_make(bytes, n);
    return true;
}

struct mf_str mf_base32(struct mf_arena *arena, struct mf_str bytes)
{
    size_t size = (bytes.len + 4) / 5 * 8;
    char *out = mf_arena_bytes(arena, size);
    if (!out)
        return no_memory;
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (unsigned char)bytes.ptr[i];
        have += 8;
        while (have >= 5) {
            have -= 5;
            out[n++] = base32_alphabet[bits >> have & 31];
        }
    }
    if (have > 0)
        out[n++] = base32_alphabet[bits << (5 - have) & 31];
    while (n < size)
        out[n++] = '=';
    return mf_str_make(out, size);
}

struct mf_str mf_hex(struct mf_arena *arena, struct mf_str bytes)
{
    char *out = mf_arena_bytes(arena, bytes.len * 2);
    if (!out)
        return no_memory;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        out[2 * i] = hex_digits[c >> 4];
        out[2 * i + 1] = hex_digits[c & 15];
    }
    return mf_str_make(out, bytes.len * 2);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool mf_hex_decode(struct mf_arena *arena, struct mf_str text, struct mf_str *out)
{
    char *bytes = text.len % 2 == 0 ? mf_arena_bytes(arena, text.len / 2 + 1) : NULL;
    if (!bytes)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.ptr[i]);
        int low = hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high * 16 + low);
    }
    *out = mf_str_make(bytes, text.len / 2);
    return true;
}

static bool unreserved(char c, const char *keep)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    if (c == '-' || c == '.' || c == '_' || c == '~')
        return true;
    return c != '\0' && keep && strchr(keep, c) != NULL;
}

struct mf_str mf_percent_encode(struct mf_arena *arena, struct mf_str text, const char *keep)
{
    size_t escapes = 0;
    for (size_t i = 0; i < text.len; i++)
        escapes += !unreserved(text.ptr[i], keep);
    char *out = mf_arena_bytes(arena, text.len + 2 * escapes);
    if (!out)
        return no_memory;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (unreserved(text.ptr[i], keep)) {
            out[n++] = text.ptr[i];
        } else {
            out[n++] = '%';
            out[n++] = hex_upper[c >> 4];
            out[n++] = hex_upper[c & 15];
        }
    }
    return mf_str_make(out, n);
}

bool mf_percent_decode(struct mf_arena *arena, struct mf_str text, bool plus_is_space, struct mf_str *out)
{
    char *bytes = mf_arena_bytes(arena, text.len);
    if (!bytes)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        bytes[n++] = c;
    }
    *out = mf_str_make(bytes, n);
    return true;
}
