/*
 * A growable byte buffer on the heap with a bound. After the first failed append the buffer remembers the
 * failure (mf_buf_failed) and ignores further appends, so that a writer may check once at the end.
 */
#ifndef MF_BASE_BUF_H
#define MF_BASE_BUF_H

#include "base/str.h"

struct mf_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0: no bound but memory */
    bool failed;
};

#define MF_BUF_INIT(bound) ((struct mf_buf){.max = (bound)})

void mf_buf_free(struct mf_buf *buf);  /* leaves an empty usable buffer */
void mf_buf_clear(struct mf_buf *buf); /* keeps the memory, forgets content and failure */
/* Makes room for extra more bytes and returns where they go, or NULL. mf_buf_commit tells how many were used.
 */
char *mf_buf_reserve(struct mf_buf *buf, size_t extra);
void mf_buf_commit(struct mf_buf *buf, size_t used);
bool mf_buf_add(struct mf_buf *buf, const void *bytes, size_t len);
bool mf_buf_add_str(struct mf_buf *buf, struct mf_str s);
bool mf_buf_add_c(struct mf_buf *buf, const char *text);
bool mf_buf_add_char(struct mf_buf *buf, char c);
bool mf_buf_printf(struct mf_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes n bytes from the front. */
void mf_buf_drop(struct mf_buf *buf, size_t n);

static inline bool mf_buf_failed(const struct mf_buf *buf)
{
    return buf->failed;
}

static inline struct mf_str mf_buf_str(const struct mf_buf *buf)
{
    return mf_str_make(buf->ptr, buf->len);
}

#endif
