/*
 * The checksums that S3 clients send along, in x-amz-checksum-… headers or trailers: CRC-32, CRC-32C,
 * CRC-64/NVME, SHA-1 and SHA-256. Computed as the body comes. One thread at a time.
 */
#ifndef MF_OBJECTS_CHECKSUM_H
#define MF_OBJECTS_CHECKSUM_H

#include "base/arena.h"
#include "base/str.h"

struct mf_checksum;

#define MF_CHECKSUM_PREFIX "x-amz-checksum-"
#define MF_CHECKSUM_MAX 32 /* bytes of the longest */

/* header: "x-amz-checksum-crc32", in any case. Lives in the arena. NULL when there is no such algorithm or
 * memory ran out. */
struct mf_checksum *mf_checksum_new(struct mf_arena *arena, struct mf_str header);
struct mf_str mf_checksum_header(const struct mf_checksum *checksum); /* in lower case */
bool mf_checksum_add(struct mf_checksum *checksum, struct mf_str bytes);
/* Once: the checksum in base64, or .ptr NULL when memory ran out. */
struct mf_str mf_checksum_end(struct mf_checksum *checksum, struct mf_arena *arena);

#endif
