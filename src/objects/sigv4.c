#include "objects/sigv4.h"

#include "base/encode.h"
#include "base/time.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SKEW_NS (INT64_C(15) * 60 * MF_SECOND_NS)
#define UNSIGNED MF_STR("UNSIGNED-PAYLOAD")

bool mf_sigv4_params(struct mf_arena *arena, struct mf_str query, size_t max, struct mf_param **params,
                     size_t *count)
{
    size_t found = 0;
    *count = 0;
    *params = mf_arena_array(arena, max, sizeof **params);
    if (!*params)
        return false;
    while (query.len > 0) {
        size_t end = mf_str_find_char(query, '&');
        struct mf_str pair = mf_str_take(query, end);
        size_t equals = mf_str_find_char(pair, '=');
        query = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(query, end + 1);
        if (pair.len == 0)
            continue;
        if (found == max)
            return false;
        struct mf_param *param = &(*params)[found++];
        param->value = MF_STR_EMPTY;
        if (!mf_percent_decode(arena, mf_str_take(pair, equals), true, &param->name) ||
            (equals != SIZE_MAX &&
             !mf_percent_decode(arena, mf_str_skip(pair, equals + 1), true, &param->value)))
            return false;
    }
    *count = found;
    return true;
}

/* ---- the canonical request ---- */

static int compare_params(const void *a, const void *b)
{
    const struct mf_param *x = a;
    const struct mf_param *y = b;
    int order = mf_str_cmp(x->name, y->name);
    return order ? order : mf_str_cmp(x->value, y->value);
}

static struct mf_str canonical_query(struct mf_arena *arena, const struct mf_sigv4_request *request)
{
    struct mf_param *sorted = mf_arena_array(arena, request->param_count + 1, sizeof *sorted);
    size_t count = 0;
    size_t size = 1;
    if (!sorted)
        return (struct mf_str){0};
    for (size_t i = 0; i < request->param_count; i++) {
        if (mf_str_eq_c(request->params[i].name, "X-Amz-Signature"))
            continue;
        struct mf_param *param = &sorted[count++];
        param->name = mf_percent_encode(arena, request->params[i].name, "");
        param->value = mf_percent_encode(arena, request->params[i].value, "");
        if (!param->name.ptr || !param->value.ptr)
            return (struct mf_str){0};
        size += param->name.len + param->value.len + 2;
    }
    qsort(sorted, count, sizeof *sorted, compare_params);
    char *text = mf_arena_bytes(arena, size);
    size_t len = 0;
    if (!text)
        return (struct mf_str){0};
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, size - len, "%s%.*s=%.*s", i ? "&" : "", MF_FMT(sorted[i].name),
                                MF_FMT(sorted[i].value));
    }
    return mf_str_make(text, len);
}

/* Outer blanks removed, inner runs of them made one. Returns the length written. */
static size_t canonical_value(char *out, struct mf_str value)
{
    size_t len = 0;
    value = mf_str_trim(value, MF_STR(" \t"));
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != ' ' || value.ptr[i - 1] != ' ')
            out[len++] = value.ptr[i];
    }
    return len;
}

/* "name:value\n" with the values of equal names joined by commas; 0 when there is no such header. */
static size_t canonical_header(char *out, const struct mf_sigv4_request *request, struct mf_str name)
{
    size_t len = name.len;
    bool found = false;
    memcpy(out, name.ptr, name.len);
    out[len++] = ':';
    if (mf_str_eq_c(name, "host")) {
        len += canonical_value(out + len, request->host);
        found = request->host.len > 0;
    }
    for (size_t i = 0; i < request->header_count && !mf_str_eq_c(name, "host"); i++) {
        if (!mf_str_eq(request->headers[i].name, name))
            continue;
        if (found)
            out[len++] = ',';
        len += canonical_value(out + len, request->headers[i].value);
        found = true;
    }
    out[len++] = '\n';
    return found ? len : 0;
}

static enum mf_code canonical_headers(struct mf_arena *arena, const struct mf_sigv4_request *request,
                                      struct mf_str names, struct mf_str *out, struct mf_error *err)
{
    size_t size = 2 * (request->host.len + names.len + 16);
    size_t len = 0;
    for (size_t i = 0; i < request->header_count; i++)
        size += request->headers[i].name.len + request->headers[i].value.len + 3;
    char *text = mf_arena_bytes(arena, size);
    if (!text)
        return mf_fail_memory(err);
    struct mf_str last = MF_STR_EMPTY;
    while (names.len > 0) {
        size_t end = mf_str_find_char(names, ';');
        struct mf_str name = mf_str_take(names, end);
        names = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(names, end + 1);
        /* Rising order keeps a name from standing there twice, and with that the text within its size. */
        size_t added =
            name.len > 0 && mf_str_cmp(last, name) < 0 ? canonical_header(text + len, request, name) : 0;
        if (added == 0)
            return mf_fail(err, MF_INVALID_ARGUMENT, "the signed header \"%.*s\" is missing or out of order",
                           MF_FMT(name));
        last = name;
        len += added;
    }
    *out = mf_str_make(text, len);
    return MF_OK;
}

static bool sha256_hex(struct mf_str bytes, char hex[65])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(bytes.ptr, bytes.len, hash, &len, EVP_sha256(), NULL) != 1)
        return false;
    for (unsigned i = 0; i < len; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", hash[i]);
    return true;
}

static bool hmac(const void *key, size_t key_len, struct mf_str data, unsigned char out[32])
{
    unsigned len = 32;
    return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)data.ptr, data.len, out, &len) !=
           NULL;
}

static bool signing_key(struct mf_arena *arena, struct mf_str secret, struct mf_str date,
                        struct mf_str region, unsigned char key[32])
{
    struct mf_str first = mf_str_printf(arena, "AWS4%.*s", MF_FMT(secret));
    return first.ptr && hmac(first.ptr, first.len, mf_str_take(date, 8), key) && hmac(key, 32, region, key) &&
           hmac(key, 32, MF_STR("s3"), key) && hmac(key, 32, MF_STR("aws4_request"), key);
}

static bool sign_text(struct mf_arena *arena, struct mf_str secret, const struct mf_sigv4_scope *scope,
                      struct mf_str text, unsigned char out[32])
{
    unsigned char key[32];
    return signing_key(arena, secret, scope->date, scope->region, key) && hmac(key, sizeof key, text, out);
}

enum mf_code mf_sigv4_sign(struct mf_arena *arena, struct mf_str secret,
                           const struct mf_sigv4_request *request, const struct mf_sigv4_scope *scope,
                           char signature[65], struct mf_error *err)
{
    char hash[65];
    unsigned char mac[32];
    struct mf_str headers = MF_STR_EMPTY;
    enum mf_code code = canonical_headers(arena, request, scope->signed_headers, &headers, err);
    if (code != MF_OK)
        return code;
    struct mf_str query = canonical_query(arena, request);
    struct mf_str path = mf_percent_encode(arena, request->path, "/");
    if (!query.ptr || !path.ptr)
        return mf_fail_memory(err);
    struct mf_str canonical =
        mf_str_printf(arena, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s\n%.*s", MF_FMT(request->method), MF_FMT(path),
                      MF_FMT(query), MF_FMT(headers), MF_FMT(scope->signed_headers), MF_FMT(scope->payload));
    if (!canonical.ptr || !sha256_hex(canonical, hash))
        return mf_fail_memory(err);
    struct mf_str text = mf_str_printf(arena, ALGORITHM "\n%.*s\n%.8s/%.*s/s3/aws4_request\n%s",
                                       MF_FMT(scope->date), scope->date.ptr, MF_FMT(scope->region), hash);
    if (!text.ptr || !sign_text(arena, secret, scope, text, mac))
        return mf_fail_memory(err);
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(signature + 2 * i, 3, "%02x", mac[i]);
    return MF_OK;
}

/* ---- checking ---- */

struct claim {
    struct mf_str credential, date, signature, expires;
    struct mf_sigv4_scope scope;
    bool query;
};

static struct mf_str param(const struct mf_sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++) {
        if (mf_str_eq_c(request->params[i].name, name))
            return request->params[i].value;
    }
    return (struct mf_str){0};
}

static struct mf_str header(const struct mf_sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (mf_str_eq_c(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return (struct mf_str){0};
}

/* "Credential=…, SignedHeaders=…, Signature=…" after the algorithm. */
static bool read_authorization(struct mf_str text, struct claim *claim)
{
    const struct {
        struct mf_str name;
        struct mf_str *value;
    } parts[] = {
        {MF_STR("Credential="), &claim->credential},
        {MF_STR("SignedHeaders="), &claim->scope.signed_headers},
        {MF_STR("Signature="), &claim->signature},
    };
    const struct mf_str algorithm = MF_STR(ALGORITHM " ");
    if (!mf_str_starts(text, algorithm))
        return false;
    text = mf_str_skip(text, algorithm.len);
    while (text.len > 0) {
        size_t end = mf_str_find_char(text, ',');
        struct mf_str part = mf_str_trim(mf_str_take(text, end), MF_STR(" "));
        text = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(text, end + 1);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            if (mf_str_starts(part, parts[i].name))
                *parts[i].value = mf_str_skip(part, parts[i].name.len);
        }
    }
    return claim->credential.len > 0 && claim->scope.signed_headers.len > 0 && claim->signature.len > 0;
}

static enum mf_sigv4_fault read_claim(const struct mf_sigv4_request *request, struct claim *claim)
{
    struct mf_str authorization = header(request, "authorization");
    struct mf_str algorithm = param(request, "X-Amz-Algorithm");
    struct mf_str payload = header(request, "x-amz-content-sha256");
    if (!authorization.ptr && !algorithm.ptr)
        return MF_SIGV4_MISSING;
    if (authorization.ptr && algorithm.ptr)
        return MF_SIGV4_MALFORMED;
    claim->query = algorithm.ptr != NULL;
    if (claim->query) {
        claim->credential = param(request, "X-Amz-Credential");
        claim->scope.date = param(request, "X-Amz-Date");
        claim->expires = param(request, "X-Amz-Expires");
        claim->scope.signed_headers = param(request, "X-Amz-SignedHeaders");
        claim->signature = param(request, "X-Amz-Signature");
        if (!payload.ptr)
            payload = param(request, "X-Amz-Content-Sha256");
        claim->scope.payload = payload.ptr ? payload : UNSIGNED;
        return mf_str_eq_c(algorithm, ALGORITHM) ? MF_SIGV4_OK : MF_SIGV4_MALFORMED;
    }
    claim->scope.date = header(request, "x-amz-date");
    claim->scope.payload = payload;
    return read_authorization(authorization, claim) && payload.len > 0 ? MF_SIGV4_OK : MF_SIGV4_MALFORMED;
}

/* "20260102T030405Z" */
static bool read_date(struct mf_str text, int64_t *ns)
{
    char rfc3339[32];
    if (text.len != 16 || text.ptr[8] != 'T' || text.ptr[15] != 'Z')
        return false;
    snprintf(rfc3339, sizeof rfc3339, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text.ptr, text.ptr + 4, text.ptr + 6,
             text.ptr + 9, text.ptr + 11, text.ptr + 13);
    return mf_time_parse_rfc3339(mf_str_from_c(rfc3339), ns);
}

/* "<access key>/<date>/<region>/s3/aws4_request"; keys hold no "/". */
static bool read_credential(struct claim *claim, struct mf_str *access)
{
    struct mf_str rest = claim->credential;
    struct mf_str parts[5];
    for (size_t i = 0; i < 5; i++) {
        size_t slash = mf_str_find_char(rest, '/');
        if ((slash == SIZE_MAX) != (i == 4))
            return false;
        parts[i] = mf_str_take(rest, slash);
        rest = slash == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(rest, slash + 1);
    }
    *access = parts[0];
    claim->scope.region = parts[2];
    return mf_str_eq(parts[1], mf_str_take(claim->scope.date, 8)) && mf_str_eq_c(parts[3], "s3") &&
           mf_str_eq_c(parts[4], "aws4_request");
}

static enum mf_sigv4_fault check_time(const struct claim *claim, int64_t now_ns)
{
    int64_t date;
    int64_t expires;
    if (!read_date(claim->scope.date, &date))
        return MF_SIGV4_MALFORMED;
    if (!claim->query)
        return date > now_ns + SKEW_NS || date < now_ns - SKEW_NS ? MF_SIGV4_SKEW : MF_SIGV4_OK;
    if (!mf_str_to_i64(claim->expires, &expires) || expires < 0 || expires > MF_SIGV4_EXPIRY_MAX_S)
        return MF_SIGV4_MALFORMED;
    if (date > now_ns + SKEW_NS)
        return MF_SIGV4_EARLY;
    return now_ns > date + expires * MF_SECOND_NS ? MF_SIGV4_EXPIRED : MF_SIGV4_OK;
}

static bool is_signed(struct mf_str names, struct mf_str name)
{
    while (names.len > 0) {
        size_t end = mf_str_find_char(names, ';');
        if (mf_str_eq(mf_str_take(names, end), name))
            return true;
        names = end == SIZE_MAX ? MF_STR_EMPTY : mf_str_skip(names, end + 1);
    }
    return false;
}

/* Headers that change what is done must be covered, or whoever holds a signed URL could add some. */
static bool all_signed(const struct mf_sigv4_request *request, const struct claim *claim)
{
    if (!is_signed(claim->scope.signed_headers, MF_STR("host")))
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        struct mf_str name = request->headers[i].name;
        if (mf_str_starts(name, MF_STR("x-amz-")) && !is_signed(claim->scope.signed_headers, name) &&
            !(claim->query && mf_str_eq_c(name, "x-amz-content-sha256")))
            return false;
    }
    return true;
}

enum mf_sigv4_fault mf_sigv4_verify(struct mf_arena *arena, const struct mf_sigv4_keys *keys, int64_t now_ns,
                                    const struct mf_sigv4_request *request, struct mf_str *payload)
{
    struct claim claim = {0};
    struct mf_str access;
    struct mf_error err;
    char signature[65];
    enum mf_sigv4_fault fault = read_claim(request, &claim);
    if (fault == MF_SIGV4_OK)
        fault = check_time(&claim, now_ns);
    if (fault != MF_SIGV4_OK)
        return fault;
    if (!read_credential(&claim, &access))
        return MF_SIGV4_MALFORMED;
    if (!mf_str_eq(access, keys->access))
        return MF_SIGV4_KEY;
    enum mf_code code = mf_sigv4_sign(arena, keys->secret, request, &claim.scope, signature, &err);
    if (code != MF_OK)
        return code == MF_INVALID_ARGUMENT ? MF_SIGV4_MISMATCH : MF_SIGV4_MEMORY;
    if (claim.signature.len != 64 || CRYPTO_memcmp(claim.signature.ptr, signature, 64) != 0)
        return MF_SIGV4_MISMATCH;
    /* Told only to who holds a key. */
    if (!all_signed(request, &claim))
        return MF_SIGV4_UNSIGNED;
    *payload = claim.scope.payload;
    return MF_SIGV4_OK;
}

/* ---- bodies signed piece by piece ---- */

bool mf_sigv4_chain_begin(struct mf_arena *arena, const struct mf_sigv4_keys *keys,
                          const struct mf_sigv4_request *request, struct mf_sigv4_chain *chain)
{
    struct claim claim = {0};
    struct mf_str access;
    if (read_claim(request, &claim) != MF_SIGV4_OK || claim.query || !read_credential(&claim, &access) ||
        claim.signature.len != 64)
        return false;
    memcpy(chain->signature, claim.signature.ptr, 64);
    chain->signature[64] = '\0';
    chain->date = claim.scope.date;
    chain->scope =
        mf_str_printf(arena, "%.8s/%.*s/s3/aws4_request", claim.scope.date.ptr, MF_FMT(claim.scope.region));
    return chain->scope.ptr &&
           signing_key(arena, keys->secret, claim.scope.date, claim.scope.region, chain->key);
}

bool mf_sigv4_chain_next(struct mf_sigv4_chain *chain, const char *kind, const unsigned char hash[32])
{
    /* Longer than any text there is: the kind, a date, a scope with a region of sane size, three hashes. */
    char text[640];
    char empty[65];
    char hex[65];
    unsigned char mac[32];
    bool is_piece = strcmp(kind, "PAYLOAD") == 0;
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    if (!sha256_hex(MF_STR_EMPTY, empty))
        return false;
    int len =
        snprintf(text, sizeof text, ALGORITHM "-%s\n%.*s\n%.*s\n%s\n%s%s%s", kind, MF_FMT(chain->date),
                 MF_FMT(chain->scope), chain->signature, is_piece ? empty : "", is_piece ? "\n" : "", hex);
    if (len < 0 || (size_t)len >= sizeof text ||
        !hmac(chain->key, sizeof chain->key, mf_str_make(text, (size_t)len), mac))
        return false;
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(chain->signature + 2 * i, 3, "%02x", mac[i]);
    return true;
}
