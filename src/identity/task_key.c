#include "identity/task_key.h"

#include "base/encode.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define ID_BYTES 8
#define MAC_BYTES 32
#define PURPOSE "mayfly task key 1"

struct key {
    unsigned char id[ID_BYTES];
    unsigned char mac[MAC_BYTES];
};

static bool sign(struct mf_str secret, struct key *key)
{
    unsigned char text[sizeof PURPOSE + ID_BYTES] = PURPOSE;
    unsigned int len = 0;
    memcpy(text + sizeof PURPOSE, key->id, ID_BYTES);
    return secret.len >= MF_TASK_SECRET_BYTES &&
           HMAC(EVP_sha256(), secret.ptr, (int)secret.len, text, sizeof text, key->mac, &len) &&
           len == MAC_BYTES;
}

struct mf_str mf_task_key_make(struct mf_arena *arena, struct mf_str secret, int64_t run_id)
{
    struct key key;
    for (int i = 0; i < ID_BYTES; i++)
        key.id[i] = (unsigned char)((uint64_t)run_id >> (8 * (ID_BYTES - 1 - i)));
    bool ok = sign(secret, &key);
    /* The executor's helpers end after OpenSSL has, and could not give back what it keeps for each thread. */
    OPENSSL_thread_stop();
    return ok ? mf_base64url(arena, mf_str_make(&key, sizeof key)) : (struct mf_str){0};
}

bool mf_task_key_read(struct mf_arena *arena, struct mf_str secret, struct mf_str text, int64_t *run_id)
{
    struct key given, key;
    struct mf_str bytes;
    uint64_t id = 0;
    if (text.len > 2 * sizeof key || !mf_base64_decode(arena, text, &bytes) || bytes.len != sizeof key)
        return false;
    memcpy(&given, bytes.ptr, sizeof given);
    key = given;
    if (!sign(secret, &key) || CRYPTO_memcmp(key.mac, given.mac, MAC_BYTES) != 0)
        return false;
    for (int i = 0; i < ID_BYTES; i++)
        id = id << 8 | given.id[i];
    *run_id = (int64_t)id;
    return true;
}
