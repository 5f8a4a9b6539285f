/*
 * The header section of a request while it arrives, for the files of this folder only. Fields are collected
 * in one buffer; when the section is complete, mf_exchange_new makes one block of memory of all of it.
 *
 * Each I/O thread keeps a few spare heads, since a section mostly arrives in one piece.
 */
#ifndef MF_NET_HEAD_H
#define MF_NET_HEAD_H

#include "base/buf.h"
#include "net/http.h"

/* A piece of mf_head's bytes. */
struct mf_span {
    uint32_t at, len;
};

struct mf_head_field {
    struct mf_span name, value;
};

struct mf_head {
    struct mf_head *next_spare;
    struct mf_buf bytes;
    struct mf_head_field *fields;
    size_t count, cap;
    size_t size; /* as HTTP/2 counts it: names, values and 32 for each field */
    size_t max;  /* beyond this size nothing is kept */
    bool too_large;
    bool failed; /* memory ran out */
    struct mf_span method, target, authority;
};

/* What a field costs beyond its bytes; RFC 9113 6.5.2. It also bounds the number of fields. */
#define MF_HEAD_FIELD_COST 32

struct mf_head *mf_head_new(void);
void mf_head_free(struct mf_head *head);
void mf_head_reset(struct mf_head *head, size_t max);
/* Appends bytes to whatever is being collected and counts them. */
void mf_head_put(struct mf_head *head, const void *bytes, size_t len);
void mf_head_put_lower(struct mf_head *head, const void *bytes, size_t len);
/* The piece from at to the end of what was put. */
struct mf_span mf_head_span(const struct mf_head *head, uint32_t at);
uint32_t mf_head_at(const struct mf_head *head);
void mf_head_field(struct mf_head *head, struct mf_span name, struct mf_span value);
struct mf_str mf_head_str(const struct mf_head *head, struct mf_span span);

#endif
