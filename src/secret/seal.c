#include "secret/seal.h"

#include <openssl/evp.h>

#define NONCE 12
#define TAG 16
#define WRAPPED (NONCE + MF_SEAL_KEY + TAG)

/* Bound to the sealed text: what it is, and whose. Lengths stand before the names, so that no two triples
 * give the same bytes. */
struct binding {
    const char *what;
    const struct mf_secret_id *id;
};

void mf_wipe(struct mf_str bytes)
{
    if (bytes.len > 0)
        explicit_bzero((void *)(uintptr_t)bytes.ptr, bytes.len);
}

static bool bind(EVP_CIPHER_CTX *ctx, const struct binding *binding, bool sealing)
{
    const struct mf_str parts[] = {mf_str_from_c(binding->what), binding->id->domain, binding->id->project,
                                   binding->id->name};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        unsigned char size[4];
        int ignored;
        for (size_t b = 0; b < sizeof size; b++)
            size[b] = (unsigned char)(parts[i].len >> (8 * b));
        if (parts[i].len > INT32_MAX ||
            !(sealing ? EVP_EncryptUpdate(ctx, NULL, &ignored, size, sizeof size)
                      : EVP_DecryptUpdate(ctx, NULL, &ignored, size, sizeof size)))
            return false;
        const unsigned char *bytes = (const unsigned char *)parts[i].ptr;
        int len = (int)parts[i].len;
        if (len > 0 && !(sealing ? EVP_EncryptUpdate(ctx, NULL, &ignored, bytes, len)
                                 : EVP_DecryptUpdate(ctx, NULL, &ignored, bytes, len)))
            return false;
    }
    return true;
}

/* out has room for text.len + MF_SEAL_EXTRA bytes. */
static enum mf_code encrypt(const struct mf_sys *sys, const unsigned char *key, const struct binding *binding,
                            struct mf_str text, unsigned char *out, struct mf_error *err)
{
    int len = 0;
    int rest = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    sys->random(sys->ctx, out, NONCE);
    bool ok = ctx && text.len <= INT32_MAX && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, out) &&
              bind(ctx, binding, true) &&
              EVP_EncryptUpdate(ctx, out + NONCE, &len, (const unsigned char *)text.ptr, (int)text.len) &&
              EVP_EncryptFinal_ex(ctx, out + NONCE + len, &rest) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, out + NONCE + text.len);
    EVP_CIPHER_CTX_free(ctx);
    return ok ? MF_OK : mf_fail_memory(err);
}

/* out has room for what is between nonce and tag. */
static bool decrypt(const unsigned char *key, const struct binding *binding, struct mf_str sealed,
                    unsigned char *out)
{
    const unsigned char *bytes = (const unsigned char *)sealed.ptr;
    unsigned char tag[TAG];
    int len = 0;
    int rest = 0;
    if (sealed.len < MF_SEAL_EXTRA || sealed.len > INT32_MAX)
        return false;
    int size = (int)sealed.len - MF_SEAL_EXTRA;
    memcpy(tag, bytes + NONCE + size, TAG);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, bytes) &&
              bind(ctx, binding, false) && EVP_DecryptUpdate(ctx, out, &len, bytes + NONCE, size) &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) &&
              EVP_DecryptFinal_ex(ctx, out + len, &rest);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        explicit_bzero(out, (size_t)size);
    return ok;
}

static enum mf_code wrap(const struct mf_sys *sys, struct mf_arena *arena, const struct mf_seal_key *master,
                         const struct mf_seal_key *own, struct mf_secret_row *row, struct mf_error *err)
{
    const struct binding binding = {"mayfly secret key 1", &row->id};
    char *out = mf_arena_bytes(arena, WRAPPED);
    if (!out)
        return mf_fail_memory(err);
    row->wrapped = mf_str_make(out, WRAPPED);
    return encrypt(sys, master->bytes, &binding, mf_str_make(own->bytes, sizeof own->bytes),
                   (unsigned char *)out, err);
}

static bool unwrap(const struct mf_seal_key *master, const struct mf_secret_row *row, struct mf_seal_key *own)
{
    const struct binding binding = {"mayfly secret key 1", &row->id};
    return row->wrapped.len == WRAPPED && decrypt(master->bytes, &binding, row->wrapped, own->bytes);
}

enum mf_code mf_seal(const struct mf_sys *sys, struct mf_arena *arena, const struct mf_seal_key *master,
                     struct mf_str value, struct mf_secret_row *row, struct mf_error *err)
{
    const struct binding binding = {"mayfly secret 1", &row->id};
    struct mf_seal_key own;
    char *out = mf_arena_bytes(arena, value.len + MF_SEAL_EXTRA);
    if (!out)
        return mf_fail_memory(err);
    sys->random(sys->ctx, own.bytes, sizeof own.bytes);
    row->body = mf_str_make(out, value.len + MF_SEAL_EXTRA);
    enum mf_code code = encrypt(sys, own.bytes, &binding, value, (unsigned char *)out, err);
    if (code == MF_OK)
        code = wrap(sys, arena, master, &own, row, err);
    explicit_bzero(&own, sizeof own);
    return code;
}

static enum mf_code does_not_open(const struct mf_secret_row *row, struct mf_error *err)
{
    return mf_fail(
        err, MF_DATA_LOSS,
        "secret \"%.*s\" does not open with the key it was sealed with: its row is damaged; set its "
        "value anew",
        MF_FMT(row->id.name));
}

enum mf_code mf_unseal(struct mf_arena *arena, const struct mf_seal_key *master,
                       const struct mf_secret_row *row, struct mf_str *value, struct mf_error *err)
{
    const struct binding binding = {"mayfly secret 1", &row->id};
    struct mf_seal_key own;
    if (row->body.len < MF_SEAL_EXTRA)
        return does_not_open(row, err);
    size_t size = row->body.len - MF_SEAL_EXTRA;
    char *out = mf_arena_bytes(arena, size + 1);
    if (!out)
        return mf_fail_memory(err);
    bool ok = unwrap(master, row, &own) && decrypt(own.bytes, &binding, row->body, (unsigned char *)out);
    explicit_bzero(&own, sizeof own);
    *value = mf_str_make(out, size);
    return ok ? MF_OK : does_not_open(row, err);
}

bool mf_seal_fits(const struct mf_seal_key *master, const struct mf_secret_row *row)
{
    struct mf_seal_key own;
    bool fits = unwrap(master, row, &own);
    explicit_bzero(&own, sizeof own);
    return fits;
}

enum mf_code mf_reseal(const struct mf_sys *sys, struct mf_arena *arena, const struct mf_seal_key *old,
                       const struct mf_seal_key *master, struct mf_str key_id, struct mf_secret_row *row,
                       struct mf_error *err)
{
    struct mf_seal_key own;
    enum mf_code code =
        unwrap(old, row, &own) ? wrap(sys, arena, master, &own, row, err) : does_not_open(row, err);
    explicit_bzero(&own, sizeof own);
    row->key_id = key_id;
    return code;
}
