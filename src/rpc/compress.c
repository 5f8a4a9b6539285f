#include "rpc/compress.h"

#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* More contexts than this wait for use only when the machine has more workers than any we know. */
#define CONTEXTS_KEPT 32
#define GZIP_LEVEL 1
#define ZSTD_LEVEL 1
#define GZIP_WINDOW (15 + 16)  /* 16 asks zlib for the gzip wrapper */
#define ZSTD_WINDOW_LOG_MAX 23 /* RFC 9659: a decoder of HTTP content needs no more than 8 MiB */

enum kind { INFLATE, DEFLATE, ZSTD_IN, ZSTD_OUT, KINDS };

struct context {
    struct context *next;
    enum kind kind;
    z_stream zlib;
    ZSTD_DCtx *zstd_in;
    ZSTD_CCtx *zstd_out;
};

struct mf_compressor {
    pthread_mutex_t lock;
    struct context *idle[KINDS]; /* guarded by lock, as is count */
    int count[KINDS];
};

static void context_free(struct context *context)
{
    if (context->kind == INFLATE)
        inflateEnd(&context->zlib);
    else if (context->kind == DEFLATE)
        deflateEnd(&context->zlib);
    ZSTD_freeDCtx(context->zstd_in);
    ZSTD_freeCCtx(context->zstd_out);
    free(context);
}

static struct context *context_new(enum kind kind)
{
    struct context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->kind = kind;
    bool ok = false;
    switch (kind) {
    case INFLATE:
        ok = inflateInit2(&context->zlib, GZIP_WINDOW) == Z_OK;
        break;
    case DEFLATE:
        ok = deflateInit2(&context->zlib, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
        break;
    case ZSTD_IN:
        context->zstd_in = ZSTD_createDCtx();
        ok = context->zstd_in && !ZSTD_isError(ZSTD_DCtx_setParameter(context->zstd_in, ZSTD_d_windowLogMax,
                                                                      ZSTD_WINDOW_LOG_MAX));
        break;
    case ZSTD_OUT:
        context->zstd_out = ZSTD_createCCtx();
        ok = context->zstd_out != NULL;
        break;
    case KINDS:
        break;
    }
    if (!ok) {
        context_free(context);
        return NULL;
    }
    return context;
}

static struct context *context_take(struct mf_compressor *pool, enum kind kind)
{
    pthread_mutex_lock(&pool->lock);
    struct context *context = pool->idle[kind];
    if (context) {
        pool->idle[kind] = context->next;
        pool->count[kind]--;
    }
    pthread_mutex_unlock(&pool->lock);
    return context ? context : context_new(kind);
}

static void context_give(struct mf_compressor *pool, struct context *context)
{
    pthread_mutex_lock(&pool->lock);
    bool keep = pool->count[context->kind] < CONTEXTS_KEPT;
    if (keep) {
        context->next = pool->idle[context->kind];
        pool->idle[context->kind] = context;
        pool->count[context->kind]++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!keep)
        context_free(context);
}

struct mf_compressor *mf_compressor_new(void)
{
    struct mf_compressor *pool = calloc(1, sizeof *pool);
    if (pool && pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return NULL;
    }
    return pool;
}

void mf_compressor_free(struct mf_compressor *pool)
{
    if (!pool)
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        while (pool->idle[kind]) {
            struct context *context = pool->idle[kind];
            pool->idle[kind] = context->next;
            context_free(context);
        }
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static const struct mf_str names[MF_COMPRESSION_COUNT] = {
    [MF_COMPRESSION_NONE] = MF_STR("identity"),
    [MF_COMPRESSION_GZIP] = MF_STR("gzip"),
    [MF_COMPRESSION_ZSTD] = MF_STR("zstd"),
};

bool mf_compression_find(struct mf_str name, enum mf_compression *out)
{
    *out = MF_COMPRESSION_NONE;
    if (name.len == 0)
        return true;
    for (int i = 0; i < MF_COMPRESSION_COUNT; i++) {
        if (mf_str_eq_nocase(name, names[i])) {
            *out = (enum mf_compression)i;
            return true;
        }
    }
    return false;
}

struct mf_str mf_compression_name(enum mf_compression compression)
{
    return names[compression];
}

/* "q=0", "q=0.0" and so on, after a semicolon. */
static bool refused(struct mf_str parameters)
{
    size_t at = mf_str_find(parameters, MF_STR("q="));
    if (at == SIZE_MAX)
        return false;
    for (size_t i = at + 2; i < parameters.len; i++) {
        if (parameters.ptr[i] >= '1' && parameters.ptr[i] <= '9')
            return false;
    }
    return true;
}

enum mf_compression mf_compression_choose(struct mf_str accepted)
{
    while (accepted.len > 0) {
        size_t comma = mf_str_find_char(accepted, ',');
        struct mf_str entry = comma == SIZE_MAX ? accepted : mf_str_take(accepted, comma);
        accepted = comma == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(accepted, comma + 1);
        size_t semicolon = mf_str_find_char(entry, ';');
        struct mf_str parameters = semicolon == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(entry, semicolon + 1);
        struct mf_str name =
            mf_str_trim(semicolon == SIZE_MAX ? entry : mf_str_take(entry, semicolon), MF_STR(" \t"));
        enum mf_compression found = MF_COMPRESSION_NONE;
        if (name.len > 0 && mf_compression_find(name, &found) && !refused(parameters))
            return found;
    }
    return MF_COMPRESSION_NONE;
}

/* One growing result in the arena, never longer than max + 1 (the extra byte shows that there was more). */
struct growth {
    struct mf_arena *arena;
    char *ptr;
    size_t len, cap, max;
};

static bool growth_room(struct growth *g, size_t first)
{
    if (g->len < g->cap)
        return true;
    size_t cap = g->cap ? g->cap * 2 : first;
    if (cap > g->max + 1)
        cap = g->max + 1;
    char *grown = g->ptr ? mf_arena_grow(g->arena, g->ptr, g->cap, cap) : mf_arena_bytes(g->arena, cap);
    if (!grown)
        return false;
    g->ptr = grown;
    g->cap = cap;
    return true;
}

static enum mf_code too_long(size_t max, struct mf_error *err)
{
    return mf_fail(err, MF_RESOURCE_EXHAUSTED,
                   "the decompressed message is longer than the limit of %zu bytes; send less at a time",
                   max);
}

static enum mf_code broken(struct mf_str name, struct mf_error *err)
{
    return mf_fail(err, MF_INVALID_ARGUMENT, "the message is marked as %.*s but is not valid %.*s data",
                   MF_FMT(name), MF_FMT(name));
}

static enum mf_code gunzip(z_stream *z, struct mf_str bytes, struct growth *g, struct mf_error *err)
{
    if (bytes.len > UINT32_MAX || inflateReset(z) != Z_OK)
        return broken(names[MF_COMPRESSION_GZIP], err);
    z->next_in = (Bytef *)(uintptr_t)bytes.ptr;
    z->avail_in = (uInt)bytes.len;
    for (;;) {
        if (!growth_room(g, bytes.len < 1024 ? 4096 : bytes.len * 4))
            return mf_fail_memory(err);
        size_t room = g->cap - g->len < UINT32_MAX ? g->cap - g->len : UINT32_MAX;
        z->next_out = (Bytef *)g->ptr + g->len;
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        g->len += room - z->avail_out;
        if (g->len > g->max)
            return too_long(g->max, err);
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0)
                return MF_OK;
            if (inflateReset(z) != Z_OK) /* a further gzip member follows */
                return broken(names[MF_COMPRESSION_GZIP], err);
        } else if (rc == Z_MEM_ERROR) {
            return mf_fail_memory(err);
        } else if (rc != Z_OK || (z->avail_in == 0 && z->avail_out > 0)) {
            return broken(names[MF_COMPRESSION_GZIP], err);
        }
    }
}

static enum mf_code zstd_in(ZSTD_DCtx *z, struct mf_str bytes, struct growth *g, struct mf_error *err)
{
    if (ZSTD_isError(ZSTD_DCtx_reset(z, ZSTD_reset_session_only)))
        return broken(names[MF_COMPRESSION_ZSTD], err);
    ZSTD_inBuffer in = {.src = bytes.ptr, .size = bytes.len};
    for (;;) {
        if (!growth_room(g, bytes.len < 1024 ? 4096 : bytes.len * 4))
            return mf_fail_memory(err);
        ZSTD_outBuffer out = {.dst = g->ptr + g->len, .size = g->cap - g->len};
        size_t rc = ZSTD_decompressStream(z, &out, &in);
        g->len += out.pos;
        if (g->len > g->max)
            return too_long(g->max, err);
        if (ZSTD_isError(rc))
            return broken(names[MF_COMPRESSION_ZSTD], err);
        if (rc == 0 && in.pos == in.size)
            return MF_OK;
        if (in.pos == in.size && out.pos < out.size)
            return broken(names[MF_COMPRESSION_ZSTD], err);
    }
}

enum mf_code mf_decompress(struct mf_compressor *pool, enum mf_compression compression,
                           struct mf_arena *arena, struct mf_str bytes, size_t max, struct mf_str *out,
                           struct mf_error *err)
{
    if (compression == MF_COMPRESSION_NONE || bytes.len == 0) {
        if (bytes.len > max)
            return too_long(max, err);
        *out = bytes;
        return MF_OK;
    }
    struct context *context = context_take(pool, compression == MF_COMPRESSION_GZIP ? INFLATE : ZSTD_IN);
    if (!context)
        return mf_fail_memory(err);
    struct growth g = {.arena = arena, .max = max};
    enum mf_code code = compression == MF_COMPRESSION_GZIP ? gunzip(&context->zlib, bytes, &g, err)
                                                           : zstd_in(context->zstd_in, bytes, &g, err);
    context_give(pool, context);
    if (code == MF_OK)
        *out = mf_str_make(g.ptr, g.len);
    return code;
}

enum mf_code mf_compress(struct mf_compressor *pool, enum mf_compression compression, struct mf_arena *arena,
                         struct mf_str bytes, struct mf_str *out, struct mf_error *err)
{
    bool gzip = compression == MF_COMPRESSION_GZIP;
    if (compression == MF_COMPRESSION_NONE || bytes.len > UINT32_MAX / 2) {
        *out = bytes;
        return MF_OK;
    }
    struct context *context = context_take(pool, gzip ? DEFLATE : ZSTD_OUT);
    if (!context)
        return mf_fail_memory(err);
    enum mf_code code = MF_OK;
    /* Before deflateBound, which after a finished stream would forget the size of the wrapper. */
    bool ok = !gzip || deflateReset(&context->zlib) == Z_OK;
    size_t cap = gzip ? deflateBound(&context->zlib, (uLong)bytes.len) : ZSTD_compressBound(bytes.len);
    char *result = mf_arena_bytes(arena, cap);
    if (!result) {
        code = mf_fail_memory(err);
        goto give;
    }
    if (gzip) {
        z_stream *z = &context->zlib;
        z->next_in = (Bytef *)(uintptr_t)bytes.ptr;
        z->avail_in = (uInt)bytes.len;
        z->next_out = (Bytef *)result;
        z->avail_out = (uInt)cap;
        if (!ok || deflate(z, Z_FINISH) != Z_STREAM_END)
            code = mf_fail(err, MF_INTERNAL, "the response could not be compressed");
        *out = mf_str_make(result, cap - z->avail_out);
    } else {
        size_t n = ZSTD_compressCCtx(context->zstd_out, result, cap, bytes.ptr, bytes.len, ZSTD_LEVEL);
        if (ZSTD_isError(n))
            code = mf_fail(err, MF_INTERNAL, "the response could not be compressed");
        else
            *out = mf_str_make(result, n);
    }
give:
    context_give(pool, context);
    return code;
}
