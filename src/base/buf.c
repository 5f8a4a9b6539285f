#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SMALLEST ((size_t)64)

void mf_buf_free(struct mf_buf *buf)
{
    free(buf->ptr);
    *buf = MF_BUF_INIT(buf->max);
}

void mf_buf_clear(struct mf_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *mf_buf_reserve(struct mf_buf *buf, size_t extra)
{
    size_t need;
    if (buf->failed)
        return NULL;
    if (__builtin_add_overflow(buf->len, extra, &need) || (buf->max > 0 && need > buf->max)) {
        buf->failed = true;
        return NULL;
    }
    if (need > buf->cap || !buf->ptr) {
        size_t cap = buf->cap > SIZE_MAX / 2 ? need : buf->cap * 2;
        if (cap < SMALLEST)
            cap = SMALLEST;
        if (cap < need)
            cap = need;
        char *grown = realloc(buf->ptr, cap);
        if (!grown) {
            buf->failed = true;
            return NULL;
        }
        buf->ptr = grown;
        buf->cap = cap;
    }
    return buf->ptr + buf->len;
}

void mf_buf_commit(struct mf_buf *buf, size_t used)
{
    buf->len += used;
}

bool mf_buf_add(struct mf_buf *buf, const void *bytes, size_t len)
{
    char *to = mf_buf_reserve(buf, len);
    if (!to)
        return false;
    if (len > 0)
        memcpy(to, bytes, len);
    buf->len += len;
    return true;
}

bool mf_buf_add_str(struct mf_buf *buf, struct mf_str s)
{
    return mf_buf_add(buf, s.ptr, s.len);
}

bool mf_buf_add_c(struct mf_buf *buf, const char *text)
{
    return mf_buf_add(buf, text, strlen(text));
}

bool mf_buf_add_char(struct mf_buf *buf, char c)
{
    return mf_buf_add(buf, &c, 1);
}

bool mf_buf_printf(struct mf_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
        return false;
    }
    char *to = mf_buf_reserve(buf, (size_t)len + 1); /* vsnprintf also writes a NUL */
    if (!to)
        return false;
    va_start(args, format);
    vsnprintf(to, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return true;
}

void mf_buf_drop(struct mf_buf *buf, size_t n)
{
    if (n >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->ptr, buf->ptr + n, buf->len - n);
    buf->len -= n;
}
