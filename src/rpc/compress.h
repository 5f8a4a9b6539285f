/*
 * Compression of messages: gzip and zstd, with contexts that are kept for re-use.
 *
 * A pool may be used by any thread; it keeps a bounded number of contexts and makes more when all are out.
 */
#ifndef MF_RPC_COMPRESS_H
#define MF_RPC_COMPRESS_H

#include "base/arena.h"
#include "base/status.h"
#include "base/str.h"

enum mf_compression { MF_COMPRESSION_NONE, MF_COMPRESSION_GZIP, MF_COMPRESSION_ZSTD, MF_COMPRESSION_COUNT };

/* What we offer, for accept-encoding headers. */
#define MF_COMPRESSIONS_OFFERED "gzip, zstd"

struct mf_compressor;

struct mf_compressor *mf_compressor_new(void); /* NULL when memory ran out */
void mf_compressor_free(struct mf_compressor *pool);

/* "", "identity", "gzip", "zstd"; false when the name is another. */
bool mf_compression_find(struct mf_str name, enum mf_compression *out);
struct mf_str mf_compression_name(enum mf_compression compression);
/* The first of ours in an accept-encoding list (entries with q=0 do not count), else none. */
enum mf_compression mf_compression_choose(struct mf_str accepted);

/* The result lives in the arena and is at most max bytes long; a longer one: MF_RESOURCE_EXHAUSTED. Broken
 * data: MF_INVALID_ARGUMENT. */
enum mf_code mf_decompress(struct mf_compressor *pool, enum mf_compression compression,
                           struct mf_arena *arena, struct mf_str bytes, size_t max, struct mf_str *out,
                           struct mf_error *err) MF_CHECK_RESULT;
enum mf_code mf_compress(struct mf_compressor *pool, enum mf_compression compression, struct mf_arena *arena,
                         struct mf_str bytes, struct mf_str *out, struct mf_error *err) MF_CHECK_RESULT;

#endif
