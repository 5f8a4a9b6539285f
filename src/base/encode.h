/*
 * Text encodings that several modules need: base64 (RFC 4648, standard and URL alphabets, padding optional
 * when reading), lower-case hex, percent-encoding (RFC 3986) and base32 (RFC 4648, padded).
 * Results live in the arena; .ptr is NULL when memory ran out.
 */
#ifndef MF_BASE_ENCODE_H
#define MF_BASE_ENCODE_H

#include "base/arena.h"
#include "base/str.h"

struct mf_str mf_base64(struct mf_arena *arena, struct mf_str bytes);    /* standard, padded */
struct mf_str mf_base64url(struct mf_arena *arena, struct mf_str bytes); /* URL alphabet, no padding */
/* Accepts either alphabet, with or without padding. False when the text is not base64 or memory ran out. */
bool mf_base64_decode(struct mf_arena *arena, struct mf_str text, struct mf_str *out);
size_t mf_base64_size(size_t bytes);                  /* padded text length */
void mf_base64_write(char *out, struct mf_str bytes); /* standard, padded, exactly mf_base64_size bytes */
struct mf_str mf_base32(struct mf_arena *arena, struct mf_str bytes);
struct mf_str mf_hex(struct mf_arena *arena, struct mf_str bytes);
/* Either case. False when the text is not hex or memory ran out. */
bool mf_hex_decode(struct mf_arena *arena, struct mf_str text, struct mf_str *out);
/* Leaves unreserved characters and those in keep as they are. */
struct mf_str mf_percent_encode(struct mf_arena *arena, struct mf_str text, const char *keep);
/* False on a malformed escape. plus_is_space: read "+" as a blank, as in form data. */
bool mf_percent_decode(struct mf_arena *arena, struct mf_str text, bool plus_is_space, struct mf_str *out);

#endif
