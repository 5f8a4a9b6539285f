#include "objects/checksum.h"

#include "base/encode.h"

#include <openssl/evp.h>
#include <zlib.h>

#define CRC32C 0x82f63b78U /* reflected polynomials */
#define CRC64_NVME UINT64_C(0x9a6c9329ac4bc9b5)

enum kind { CRC_32, CRC_32C, CRC_64, DIGEST };

struct mf_checksum {
    struct mf_str header;
    enum kind kind;
    uint64_t crc;
    uint64_t table[256];
    EVP_MD_CTX *digest;
};

static const struct {
    const char *header;
    enum kind kind;
    const char *digest;
} algorithms[] = {
    {MF_CHECKSUM_PREFIX "crc32", CRC_32, NULL},      {MF_CHECKSUM_PREFIX "crc32c", CRC_32C, NULL},
    {MF_CHECKSUM_PREFIX "crc64nvme", CRC_64, NULL},  {MF_CHECKSUM_PREFIX "sha1", DIGEST, "SHA1"},
    {MF_CHECKSUM_PREFIX "sha256", DIGEST, "SHA256"},
};

static void fill_table(struct mf_checksum *checksum)
{
    uint64_t polynomial = checksum->kind == CRC_64 ? CRC64_NVME : CRC32C;
    for (unsigned i = 0; i < 256; i++) {
        uint64_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ polynomial : value >> 1;
        checksum->table[i] = value;
    }
    checksum->crc = checksum->kind == CRC_64 ? UINT64_MAX : UINT32_MAX;
}

static void free_digest(void *digest)
{
    EVP_MD_CTX_free(digest);
}

static bool begin_digest(struct mf_checksum *checksum, struct mf_arena *arena, const char *name)
{
    checksum->digest = EVP_MD_CTX_new();
    if (!checksum->digest)
        return false;
    if (!mf_arena_defer(arena, free_digest, checksum->digest)) {
        EVP_MD_CTX_free(checksum->digest);
        return false;
    }
    return EVP_DigestInit_ex(checksum->digest, EVP_get_digestbyname(name), NULL) == 1;
}

struct mf_checksum *mf_checksum_new(struct mf_arena *arena, struct mf_str header)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        struct mf_str name = mf_str_from_c(algorithms[i].header);
        if (!mf_str_eq_nocase(header, name))
            continue;
        struct mf_checksum *checksum = MF_NEW(arena, struct mf_checksum);
        if (!checksum)
            return NULL;
        checksum->header = name;
        checksum->kind = algorithms[i].kind;
        if (checksum->kind == CRC_32C || checksum->kind == CRC_64)
            fill_table(checksum);
        else if (checksum->kind == DIGEST && !begin_digest(checksum, arena, algorithms[i].digest))
            return NULL;
        return checksum;
    }
    return NULL;
}

struct mf_str mf_checksum_header(const struct mf_checksum *checksum)
{
    return checksum->header;
}

bool mf_checksum_add(struct mf_checksum *checksum, struct mf_str bytes)
{
    if (bytes.len == 0)
        return true;
    if (checksum->kind == DIGEST)
        return EVP_DigestUpdate(checksum->digest, bytes.ptr, bytes.len) == 1;
    if (checksum->kind == CRC_32) {
        checksum->crc = crc32_z(checksum->crc, (const unsigned char *)bytes.ptr, bytes.len);
        return true;
    }
    for (size_t i = 0; i < bytes.len; i++)
        checksum->crc =
            checksum->crc >> 8 ^ checksum->table[(checksum->crc ^ (unsigned char)bytes.ptr[i]) & 0xff];
    return true;
}

struct mf_str mf_checksum_end(struct mf_checksum *checksum, struct mf_arena *arena)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = checksum->kind == CRC_64 ? 8 : 4;
    uint64_t crc = checksum->kind == CRC_32 ? checksum->crc : ~checksum->crc;
    if (checksum->kind == DIGEST) {
        if (EVP_DigestFinal_ex(checksum->digest, bytes, &len) != 1)
            return (struct mf_str){0};
    } else {
        for (unsigned i = 0; i < len; i++)
            bytes[i] = (unsigned char)(crc >> (8 * (len - 1 - i)));
    }
    return mf_base64(arena, mf_str_make(bytes, len));
}
