#include "objects/chunked.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#define LINE_MAX_BYTES 4096
#define TRAILERS_MAX 16
#define PIECE_MAX (UINT64_C(1) << 40)

enum state { SIZE, DATA, DATA_END, TRAILER, DONE };

struct mf_chunked {
    struct mf_arena *arena;
    bool (*take)(void *ctx, struct mf_str bytes);
    void *ctx;
    enum state state;
    bool is_signed, has_trailer;
    struct mf_sigv4_chain chain;
    char line[LINE_MAX_BYTES];
    size_t line_len;
    uint64_t left, size; /* of the piece, of the body */
    char signature[65];  /* of the piece, as sent */
    EVP_MD_CTX *hash;    /* of the piece, or of the trailer */
    struct mf_param trailers[TRAILERS_MAX];
    size_t trailer_count;
};

static const struct {
    const char *payload;
    bool is_signed, has_trailer;
} forms[] = {
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", true, false},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", true, true},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", false, true},
};

bool mf_chunked_known(struct mf_str payload)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (mf_str_eq_c(payload, forms[i].payload))
            return true;
    }
    return false;
}

static void free_hash(void *hash)
{
    EVP_MD_CTX_free(hash);
}

static bool begin_hash(struct mf_chunked *chunked)
{
    return !chunked->is_signed || EVP_DigestInit_ex(chunked->hash, EVP_sha256(), NULL) == 1;
}

static bool hash_add(struct mf_chunked *chunked, struct mf_str bytes)
{
    return !chunked->is_signed || bytes.len == 0 ||
           EVP_DigestUpdate(chunked->hash, bytes.ptr, bytes.len) == 1;
}

struct mf_chunked *mf_chunked_new(struct mf_arena *arena, const struct mf_sigv4_keys *keys,
                                  const struct mf_sigv4_request *request, struct mf_str payload,
                                  bool (*take)(void *ctx, struct mf_str bytes), void *ctx)
{
    struct mf_chunked *chunked = MF_NEW(arena, struct mf_chunked);
    if (!chunked)
        return NULL;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (mf_str_eq_c(payload, forms[i].payload)) {
            chunked->is_signed = forms[i].is_signed;
            chunked->has_trailer = forms[i].has_trailer;
        }
    }
    chunked->arena = arena;
    chunked->take = take;
    chunked->ctx = ctx;
    if (!chunked->is_signed)
        return chunked;
    chunked->hash = EVP_MD_CTX_new();
    if (!chunked->hash)
        return NULL;
    if (!mf_arena_defer(arena, free_hash, chunked->hash)) {
        EVP_MD_CTX_free(chunked->hash);
        return NULL;
    }
    return mf_sigv4_chain_begin(arena, keys, request, &chunked->chain) ? chunked : NULL;
}

static enum mf_chunked_fault check_signature(struct mf_chunked *chunked, const char *kind, const char *sent)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!chunked->is_signed)
        return MF_CHUNKED_OK;
    if (EVP_DigestFinal_ex(chunked->hash, digest, &len) != 1 ||
        !mf_sigv4_chain_next(&chunked->chain, kind, digest))
        return MF_CHUNKED_MEMORY;
    return CRYPTO_memcmp(chunked->chain.signature, sent, 64) == 0 ? MF_CHUNKED_OK : MF_CHUNKED_MISMATCH;
}

/* "<hex>[;chunk-signature=<64 hex>]" */
static bool read_size(struct mf_chunked *chunked, struct mf_str line)
{
    const struct mf_str mark = MF_STR("chunk-signature=");
    size_t end = mf_str_find_char(line, ';');
    struct mf_str digits = mf_str_take(line, end);
    struct mf_str rest = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(line, end + 1);
    chunked->left = 0;
    if (digits.len == 0 || digits.len > 16)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        uint64_t value = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A' + 10)
                                                : 16;
        if (value == 16)
            return false;
        chunked->left = chunked->left << 4 | value;
    }
    if (chunked->left > PIECE_MAX)
        return false;
    if (!chunked->is_signed)
        return true;
    if (!mf_str_starts(rest, mark) || rest.len != mark.len + 64)
        return false;
    memcpy(chunked->signature, rest.ptr + mark.len, 64);
    return true;
}

static enum mf_chunked_fault on_size(struct mf_chunked *chunked, struct mf_str line)
{
    if (!read_size(chunked, line))
        return MF_CHUNKED_MALFORMED;
    if (!begin_hash(chunked))
        return MF_CHUNKED_MEMORY;
    if (chunked->left > 0) {
        chunked->state = DATA;
        return MF_CHUNKED_OK;
    }
    chunked->state = TRAILER;
    enum mf_chunked_fault fault = check_signature(chunked, "PAYLOAD", chunked->signature);
    return fault == MF_CHUNKED_OK && !begin_hash(chunked) ? MF_CHUNKED_MEMORY : fault;
}

static enum mf_chunked_fault on_trailer(struct mf_chunked *chunked, struct mf_str line)
{
    size_t colon = mf_str_find_char(line, ':');
    if (line.len == 0) {
        /* A signed trailer ends with its signature, which has come before. */
        chunked->state = DONE;
        return chunked->is_signed && chunked->has_trailer && chunked->trailer_count > 0 ? MF_CHUNKED_MISMATCH
                                                                                        : MF_CHUNKED_OK;
    }
    if (!chunked->has_trailer || colon == SIZE_MAX || chunked->trailer_count == TRAILERS_MAX)
        return MF_CHUNKED_MALFORMED;
    struct mf_str name = mf_str_trim(mf_str_take(line, colon), MF_STR(" "));
    struct mf_str value = mf_str_trim(mf_str_skip(line, colon + 1), MF_STR(" "));
    if (mf_str_eq_nocase(name, MF_STR("x-amz-trailer-signature"))) {
        chunked->state = DONE;
        return chunked->is_signed && value.len == 64 ? check_signature(chunked, "TRAILER", value.ptr)
                                                     : MF_CHUNKED_MALFORMED;
    }
    struct mf_param *trailer = &chunked->trailers[chunked->trailer_count++];
    trailer->name = mf_str_copy(chunked->arena, name);
    trailer->value = mf_str_copy(chunked->arena, value);
    if (!trailer->name.ptr || !trailer->value.ptr || !hash_add(chunked, name) ||
        !hash_add(chunked, MF_STR(":")) || !hash_add(chunked, value) || !hash_add(chunked, MF_STR("\n")))
        return MF_CHUNKED_MEMORY;
    return MF_CHUNKED_OK;
}

static enum mf_chunked_fault on_line(struct mf_chunked *chunked)
{
    struct mf_str line = mf_str_make(chunked->line, chunked->line_len);
    chunked->line_len = 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (chunked->state == SIZE)
        return on_size(chunked, line);
    if (chunked->state == TRAILER)
        return on_trailer(chunked, line);
    if (chunked->state == DATA_END && line.len == 0) {
        chunked->state = SIZE;
        return check_signature(chunked, "PAYLOAD", chunked->signature);
    }
    /* After the signature of a trailer one empty line is left. */
    return chunked->state == DONE && line.len == 0 ? MF_CHUNKED_OK : MF_CHUNKED_MALFORMED;
}

static enum mf_chunked_fault add_data(struct mf_chunked *chunked, struct mf_str *bytes)
{
    struct mf_str piece =
        mf_str_take(*bytes, chunked->left < bytes->len ? (size_t)chunked->left : bytes->len);
    *bytes = mf_str_skip(*bytes, piece.len);
    chunked->left -= piece.len;
    chunked->size += piece.len;
    if (chunked->left == 0)
        chunked->state = DATA_END;
    if (!hash_add(chunked, piece))
        return MF_CHUNKED_MEMORY;
    return chunked->take(chunked->ctx, piece) ? MF_CHUNKED_OK : MF_CHUNKED_SINK;
}

enum mf_chunked_fault mf_chunked_add(struct mf_chunked *chunked, struct mf_str bytes)
{
    enum mf_chunked_fault fault = MF_CHUNKED_OK;
    while (fault == MF_CHUNKED_OK && bytes.len > 0) {
        if (chunked->state == DATA) {
            fault = add_data(chunked, &bytes);
            continue;
        }
        char c = bytes.ptr[0];
        bytes = mf_str_skip(bytes, 1);
        if (c == '\n')
            fault = on_line(chunked);
        else if (chunked->line_len == LINE_MAX_BYTES)
            fault = MF_CHUNKED_MALFORMED;
        else
            chunked->line[chunked->line_len++] = c;
    }
    return fault;
}

enum mf_chunked_fault mf_chunked_end(const struct mf_chunked *chunked)
{
    bool no_trailers = chunked->state == TRAILER && chunked->line_len == 0 && chunked->trailer_count == 0;
    return chunked->state == DONE || no_trailers ? MF_CHUNKED_OK : MF_CHUNKED_MALFORMED;
}

uint64_t mf_chunked_size(const struct mf_chunked *chunked)
{
    return chunked->size;
}

struct mf_str mf_chunked_trailer(const struct mf_chunked *chunked, struct mf_str name)
{
    for (size_t i = 0; i < chunked->trailer_count; i++) {
        if (mf_str_eq_nocase(chunked->trailers[i].name, name))
            return chunked->trailers[i].value;
    }
    return (struct mf_str){0};
}
