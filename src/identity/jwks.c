#include "identity/jwks.h"

#include "base/encode.h"
#include "identity/object.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#define KID_MAX 256
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define P256_BYTES 32

enum algorithm { NONE, RS256, ES256 };

struct key {
    char kid[KID_MAX];
    size_t kid_len;
    enum algorithm algorithm;
    EVP_PKEY *public;
};

struct mf_jwks {
    struct key keys[MF_JWKS_KEYS_MAX];
    size_t count;
};

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    if (context && (EVP_PKEY_fromdata_init(context) != 1 ||
                    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1))
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct mf_str modulus, struct mf_str exponent)
{
    if (modulus.len > RSA_BITS_MAX / 8 + 1 || exponent.len > 8)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.ptr, (int)modulus.len, NULL);
    BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.ptr, (int)exponent.len, NULL);
    if (build && n && e && BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX && BN_is_odd(e) &&
        !BN_is_one(e) && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        key = make_key("RSA", build);
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *ec_key(struct mf_str x, struct mf_str y)
{
    unsigned char point[1 + 2 * P256_BYTES] = {4}; /* not compressed */
    if (x.len != P256_BYTES || y.len != P256_BYTES)
        return NULL;
    memcpy(point + 1, x.ptr, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.ptr, P256_BYTES);
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
        key = make_key("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* Empty when it is no text: then it fits nothing. */
static struct mf_str text_of(const struct pb_google_protobuf_Struct *object, const char *name)
{
    struct mf_str text;
    return mf_object_text(object, name, &text) ? text : MF_STR_EMPTY;
}

static void add_key(struct mf_arena *arena, const struct pb_google_protobuf_Struct *object,
                    struct mf_jwks *set)
{
    struct mf_str a, b;
    struct mf_str kid = text_of(object, "kid");
    struct mf_str type = text_of(object, "kty");
    struct mf_str use = text_of(object, "use");
    struct mf_str alg = text_of(object, "alg");
    struct key key = {.kid_len = kid.len};
    bool rsa = mf_str_eq_c(type, "RSA");
    if (set->count == MF_JWKS_KEYS_MAX || kid.len > sizeof key.kid ||
        (use.len > 0 && !mf_str_eq_c(use, "sig")) ||
        (alg.len > 0 && !mf_str_eq_c(alg, rsa ? "RS256" : "ES256")) ||
        (!rsa && (!mf_str_eq_c(type, "EC") || !mf_str_eq_c(text_of(object, "crv"), "P-256"))) ||
        !mf_base64_decode(arena, text_of(object, rsa ? "n" : "x"), &a) ||
        !mf_base64_decode(arena, text_of(object, rsa ? "e" : "y"), &b))
        return;
    if (kid.len > 0)
        memcpy(key.kid, kid.ptr, kid.len);
    key.algorithm = rsa ? RS256 : ES256;
    key.public = rsa ? rsa_key(a, b) : ec_key(a, b);
    if (key.public)
        set->keys[set->count++] = key;
}

enum mf_code mf_jwks_read(struct mf_arena *arena, struct mf_str json, struct mf_jwks **out,
                          struct mf_error *err)
{
    const struct pb_google_protobuf_Struct *object = NULL;
    if (!mf_json_object(arena, json, &object))
        return mf_fail(err, MF_UNAVAILABLE, "the issuer's key set is no JSON object");
    struct mf_jwks *set = calloc(1, sizeof *set);
    if (!set)
        return mf_fail_memory(err);
    const struct pb_google_protobuf_Value *keys = mf_object_find(object, "keys");
    bool list = keys && keys->kind_case == pb_google_protobuf_Value_tag_list_value && keys->kind.list_value;
    for (uint32_t i = 0; list && i < keys->kind.list_value->values.count; i++) {
        const struct pb_google_protobuf_Value *key = keys->kind.list_value->values.items[i];
        if (key->kind_case == pb_google_protobuf_Value_tag_struct_value)
            add_key(arena, key->kind.struct_value, set);
    }
    ERR_clear_error();
    if (set->count == 0) {
        mf_jwks_free(set);
        return mf_fail(err, MF_UNAVAILABLE, "the issuer's key set holds no key for RS256 or ES256");
    }
    *out = set;
    return MF_OK;
}

void mf_jwks_free(struct mf_jwks *set)
{
    for (size_t i = 0; set && i < set->count; i++)
        EVP_PKEY_free(set->keys[i].public);
    free(set);
}

/* A token carries the two numbers side by side, OpenSSL wants them in ASN.1. */
static size_t ec_signature(struct mf_str raw, unsigned char **out)
{
    size_t len = 0;
    *out = NULL;
    if (raw.len != (size_t)2 * P256_BYTES)
        return 0;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.ptr, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.ptr + P256_BYTES, P256_BYTES, NULL);
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* they are the signature's now */
        int written = i2d_ECDSA_SIG(signature, out);
        len = written > 0 ? (size_t)written : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return len;
}

static bool holds(const struct key *key, const struct mf_jwt *jwt)
{
    unsigned char *made = NULL;
    const unsigned char *signature = (const unsigned char *)jwt->signature.ptr;
    size_t len = jwt->signature.len;
    if (key->algorithm == ES256) {
        len = ec_signature(jwt->signature, &made);
        signature = made;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && len > 0 &&
              EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->public) == 1 &&
              EVP_DigestVerify(context, signature, len, (const unsigned char *)jwt->signed_text.ptr,
                               jwt->signed_text.len) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(made);
    ERR_clear_error();
    return ok;
}

enum mf_code mf_jwks_verify(const struct mf_jwks *set, const struct mf_jwt *jwt, struct mf_error *err)
{
    enum algorithm algorithm = mf_str_eq_c(jwt->alg, "RS256")   ? RS256
                               : mf_str_eq_c(jwt->alg, "ES256") ? ES256
                                                                : NONE;
    bool tried = false;
    if (algorithm == NONE)
        return mf_fail(err, MF_UNAUTHENTICATED,
                       "the token is signed with \"%.*s\"; only RS256 and ES256 are accepted",
                       MF_FMT(mf_str_take(jwt->alg, mf_utf8_cut(jwt->alg, 20))));
    for (size_t i = 0; i < set->count; i++) {
        const struct key *key = &set->keys[i];
        if (key->algorithm != algorithm ||
            (jwt->kid.len > 0 && !mf_str_eq(jwt->kid, mf_str_make(key->kid, key->kid_len))))
            continue;
        tried = true;
        if (holds(key, jwt))
            return MF_OK;
    }
    if (tried)
        return mf_fail(err, MF_UNAUTHENTICATED, "the signature of the token does not hold; sign in again");
    return mf_fail(err, MF_NOT_FOUND, "the issuer has no key \"%.*s\"",
                   MF_FMT(mf_str_take(jwt->kid, mf_utf8_cut(jwt->kid, 100))));
}
