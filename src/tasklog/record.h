/*
 * How a log lies on disk; private to tasklog. All numbers are little-endian.
 *
 * A log is one or two segments: <attempt>.log is being written, <attempt>.log.1 is the one before it. A
 * segment begins with 16 bytes: "MFLOG1\r\n" and its number (u64, from 1). When a segment has half of the
 * bytes allowed it becomes <attempt>.log.1 in place of the one that had this name, and the next number is
 * begun; so a reader that knows the number it wants sees whether it has missed one. After the head come
 * records:
 *
 *     u32 length of the text   u32 check   i64 time   u8 source   text
 *
 * check is FNV-1a over time, source and text. A record of source 0 has no text and ends the log. Bytes that
 * make no whole record with a right check are a record that has not been written yet.
 */
#ifndef MF_TASKLOG_RECORD_H
#define MF_TASKLOG_RECORD_H

#include "tasklog/tasklog.h"

#include <endian.h>

#define MF_TASKLOG_MAGIC "MFLOG1\r\n"
#define MF_TASKLOG_HEAD 16
#define MF_TASKLOG_RECORD 17
#define MF_TASKLOG_TEXT_MAX ((size_t)64 << 10)
#define MF_TASKLOG_END 0
#define MF_TASKLOG_OLDER ".1"

struct mf_tasklog_record {
    uint32_t len;
    int64_t time_ns;
    uint8_t source;
    const char *text; /* inside the bytes given */
};

static inline uint32_t mf_tasklog_check(const char *bytes, size_t len)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 16777619U;
    return hash;
}

static inline void mf_tasklog_encode_head(char out[MF_TASKLOG_HEAD], uint64_t number)
{
    uint64_t le = htole64(number);
    memcpy(out, MF_TASKLOG_MAGIC, 8);
    memcpy(out + 8, &le, 8);
}

/* False when the bytes are no head (yet). */
static inline bool mf_tasklog_decode_head(const char *bytes, size_t len, uint64_t *number)
{
    uint64_t le;
    if (len < MF_TASKLOG_HEAD || memcmp(bytes, MF_TASKLOG_MAGIC, 8) != 0)
        return false;
    memcpy(&le, bytes + 8, 8);
    *number = le64toh(le);
    return *number > 0;
}

/* Writes MF_TASKLOG_RECORD + text.len bytes to out. */
static inline void mf_tasklog_encode(char *out, int64_t time_ns, uint8_t source, struct mf_str text)
{
    uint32_t len = htole32((uint32_t)text.len);
    uint64_t time = htole64((uint64_t)time_ns);
    memcpy(out, &len, 4);
    memcpy(out + 8, &time, 8);
    out[16] = (char)source;
    if (text.len > 0)
        memcpy(out + MF_TASKLOG_RECORD, text.ptr, text.len);
    uint32_t check = htole32(mf_tasklog_check(out + 8, 9 + text.len));
    memcpy(out + 4, &check, 4);
}

/* The record at the start of bytes; false when there is no whole one. */
static inline bool mf_tasklog_decode(const char *bytes, size_t len, struct mf_tasklog_record *out)
{
    uint32_t text;
    uint32_t check;
    uint64_t time;
    if (len < MF_TASKLOG_RECORD)
        return false;
    memcpy(&text, bytes, 4);
    memcpy(&check, bytes + 4, 4);
    memcpy(&time, bytes + 8, 8);
    text = le32toh(text);
    if (text > MF_TASKLOG_TEXT_MAX || len - MF_TASKLOG_RECORD < text ||
        mf_tasklog_check(bytes + 8, 9 + text) != le32toh(check))
        return false;
    *out = (struct mf_tasklog_record){.len = text,
                                      .time_ns = (int64_t)le64toh(time),
                                      .source = (uint8_t)bytes[16],
                                      .text = bytes + MF_TASKLOG_RECORD};
    return true;
}

#endif
