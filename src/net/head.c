#include "net/head.h"

#include <stdlib.h>

#define KEPT_BYTES 16384 /* a spare head does not hold on to what one large request needed */
#define KEPT_FIELDS 256

struct mf_head *mf_head_new(void)
{
    return calloc(1, sizeof(struct mf_head));
}

void mf_head_free(struct mf_head *head)
{
    if (!head)
        return;
    mf_buf_free(&head->bytes);
    free(head->fields);
    free(head);
}

void mf_head_reset(struct mf_head *head, size_t max)
{
    struct mf_buf bytes = head->bytes;
    struct mf_head_field *fields = head->fields;
    size_t cap = head->cap;
    if (bytes.cap > KEPT_BYTES)
        mf_buf_free(&bytes);
    if (cap > KEPT_FIELDS) {
        free(fields);
        fields = NULL;
        cap = 0;
    }
    mf_buf_clear(&bytes);
    *head = (struct mf_head){.bytes = bytes, .fields = fields, .cap = cap, .max = max};
}

void mf_head_put(struct mf_head *head, const void *bytes, size_t len)
{
    if (head->too_large || head->failed)
        return;
    if (len > head->max - head->size) {
        head->too_large = true;
        return;
    }
    head->size += len;
    if (!mf_buf_add(&head->bytes, bytes, len))
        head->failed = true;
}

void mf_head_put_lower(struct mf_head *head, const void *bytes, size_t len)
{
    size_t at = head->bytes.len;
    mf_head_put(head, bytes, len);
    for (; at < head->bytes.len; at++) {
        char *c = head->bytes.ptr + at;
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
}

uint32_t mf_head_at(const struct mf_head *head)
{
    return (uint32_t)head->bytes.len;
}

struct mf_span mf_head_span(const struct mf_head *head, uint32_t at)
{
    return (struct mf_span){.at = at, .len = mf_head_at(head) - at};
}

void mf_head_field(struct mf_head *head, struct mf_span name, struct mf_span value)
{
    if (head->too_large || head->failed)
        return;
    if (head->max - head->size < MF_HEAD_FIELD_COST) {
        head->too_large = true;
        return;
    }
    head->size += MF_HEAD_FIELD_COST;
    if (head->count == head->cap) {
        size_t cap = head->cap ? head->cap * 2 : 32;
        struct mf_head_field *grown = reallocarray(head->fields, cap, sizeof *grown);
        if (!grown) {
            head->failed = true;
            return;
        }
        head->fields = grown;
        head->cap = cap;
    }
    head->fields[head->count++] = (struct mf_head_field){name, value};
}

struct mf_str mf_head_str(const struct mf_head *head, struct mf_span span)
{
    return span.len > 0 ? mf_str_make(head->bytes.ptr + span.at, span.len) : MF_STR_EMPTY;
}
