/* Google's implementation (libprotobuf), for targets that compare ours with it. */
#ifndef MF_FUZZ_REFERENCE_H
#define MF_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Decodes a sample.Everything and encodes it again with maps in order. False when the bytes do not decode.
 * The result is the caller's to free().
 */
bool reference_recode(const void *bytes, size_t size, void **out, size_t *out_size);

#ifdef __cplusplus
}
#endif

#endif
