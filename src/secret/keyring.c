#include "secret/keyring.h"

#include "base/buf.h"
#include "base/encode.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES 8192
#define KEY_TEXT 43 /* characters of a key in base64 without padding */

struct entry {
    char id[MF_KEY_ID + 1];
    struct mf_seal_key key;
};

struct mf_keyring {
    const struct mf_sys *sys;
    const char *path;
    size_t count;
    struct entry entries[MF_KEYS_MAX];
};

/* Pages of its own, so that they can be kept out of core dumps and swap. */
static struct mf_keyring *new_ring(const struct mf_sys *sys, const char *path)
{
    struct mf_keyring *ring =
        mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED)
        return NULL;
    (void)madvise(ring, sizeof *ring, MADV_DONTDUMP);
    (void)mlock(ring, sizeof *ring);
    ring->sys = sys;
    ring->path = path;
    return ring;
}

void mf_keyring_free(struct mf_keyring *ring)
{
    if (!ring)
        return;
    explicit_bzero(ring, sizeof *ring);
    munmap(ring, sizeof *ring);
}

static void make_entry(const struct mf_sys *sys, struct entry *entry)
{
    unsigned char random[MF_KEY_ID / 2];
    static const char digits[] = "0123456789abcdef";
    sys->random(sys->ctx, random, sizeof random);
    sys->random(sys->ctx, entry->key.bytes, sizeof entry->key.bytes);
    for (size_t i = 0; i < sizeof random; i++) {
        entry->id[2 * i] = digits[random[i] >> 4];
        entry->id[2 * i + 1] = digits[random[i] & 15];
    }
    entry->id[MF_KEY_ID] = '\0';
}

/* Writes the first count keys. */
static enum mf_code save(const struct mf_keyring *ring, size_t count, struct mf_error *err)
{
    struct mf_buf text = MF_BUF_INIT(FILE_MAX_BYTES);
    struct mf_arena *arena = mf_arena_new(0);
    bool ok = arena != NULL && mf_buf_reserve(&text, FILE_MAX_BYTES / 2) != NULL;
    mf_buf_add_c(&text,
                 "# Master keys of the secrets in mayfly.db. Keep a copy in a safe place: without this file "
                 "nobody can read them.\n");
    for (size_t i = 0; ok && i < count; i++) {
        const struct entry *entry = &ring->entries[i];
        struct mf_str key = mf_base64url(arena, mf_str_make(entry->key.bytes, sizeof entry->key.bytes));
        ok = key.ptr != NULL;
        if (ok)
            mf_buf_printf(&text, "%s %.*s\n", entry->id, MF_FMT(key));
        if (ok)
            mf_wipe(key);
    }
    enum mf_code code = ok && !mf_buf_failed(&text)
                            ? mf_write_file(ring->sys, ring->path, mf_buf_str(&text), 0600, err)
                            : mf_fail_memory(err);
    mf_wipe(mf_str_make(text.ptr, text.cap));
    mf_buf_free(&text);
    mf_arena_free(arena);
    return code;
}

/* False when the line is no key. */
static bool parse_line(struct mf_arena *arena, struct mf_str line, struct mf_keyring *ring)
{
    struct mf_str key = MF_STR_EMPTY;
    struct mf_str text = mf_str_skip(line, MF_KEY_ID + 1);
    if (ring->count == MF_KEYS_MAX || line.len != MF_KEY_ID + 1 + KEY_TEXT || line.ptr[MF_KEY_ID] != ' ' ||
        !mf_base64_decode(arena, text, &key) || key.len != MF_SEAL_KEY)
        return false;
    struct entry *entry = &ring->entries[ring->count++];
    memcpy(entry->id, line.ptr, MF_KEY_ID);
    memcpy(entry->key.bytes, key.ptr, MF_SEAL_KEY);
    mf_wipe(key);
    return true;
}

static enum mf_code parse(struct mf_arena *arena, struct mf_str text, struct mf_keyring *ring,
                          struct mf_error *err)
{
    bool ok = true;
    while (ok && text.len > 0) {
        struct mf_str line = mf_str_take(text, mf_str_find_char(text, '\n'));
        text = mf_str_skip(text, line.len + 1);
        line = mf_str_trim(line, MF_STR(" \r\t"));
        if (line.len > 0 && line.ptr[0] != '#')
            ok = parse_line(arena, line, ring);
    }
    if (ok && ring->count > 0)
        return MF_OK;
    return mf_fail(
        err, MF_DATA_LOSS,
        "%s is damaged: each of its lines must be the name of a key and the key; put back the copy "
        "you have kept",
        ring->path);
}

static enum mf_code check_mode(const char *path, struct mf_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        return mf_fail(
            err, MF_FAILED_PRECONDITION,
            "others can read %s, which holds the keys of the secrets: chmod 600 it, and change the "
            "keys with \"mayfly secret rotate-key\" if somebody may have read it",
            path);
    return MF_OK;
}

enum mf_code mf_keyring_load(const struct mf_sys *sys, const char *path, struct mf_keyring **out,
                             struct mf_error *err)
{
    struct mf_str text = MF_STR_EMPTY;
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_keyring *ring = new_ring(sys, path);
    enum mf_code code = arena && ring ? check_mode(path, err) : mf_fail_memory(err);
    if (code == MF_OK)
        code = mf_read_file(arena, path, FILE_MAX_BYTES, &text, err);
    if (code == MF_OK)
        code = parse(arena, text, ring, err);
    mf_wipe(text);
    mf_arena_free(arena);
    if (code == MF_OK)
        *out = ring;
    else
        mf_keyring_free(ring);
    return code;
}

enum mf_code mf_keyring_create(const struct mf_sys *sys, const char *path, struct mf_keyring **out,
                               struct mf_error *err)
{
    struct mf_keyring *ring = new_ring(sys, path);
    if (!ring)
        return mf_fail_memory(err);
    make_entry(sys, &ring->entries[0]);
    ring->count = 1;
    enum mf_code code = save(ring, 1, err);
    if (code == MF_OK)
        *out = ring;
    else
        mf_keyring_free(ring);
    return code;
}

size_t mf_keyring_count(const struct mf_keyring *ring)
{
    return ring->count;
}

struct mf_str mf_keyring_primary(const struct mf_keyring *ring)
{
    return mf_str_make(ring->entries[0].id, MF_KEY_ID);
}

const struct mf_seal_key *mf_keyring_find(const struct mf_keyring *ring, struct mf_str id)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (mf_str_eq_c(id, ring->entries[i].id))
            return &ring->entries[i].key;
    }
    return NULL;
}

enum mf_code mf_keyring_add(struct mf_keyring *ring, struct mf_error *err)
{
    if (ring->count == MF_KEYS_MAX)
        return mf_fail(err, MF_RESOURCE_EXHAUSTED, "%s holds %d keys already; restart the server first",
                       ring->path, MF_KEYS_MAX);
    memmove(&ring->entries[1], &ring->entries[0], ring->count * sizeof ring->entries[0]);
    make_entry(ring->sys, &ring->entries[0]);
    ring->count++;
    enum mf_code code = save(ring, ring->count, err);
    if (code != MF_OK) {
        ring->count--;
        memmove(&ring->entries[0], &ring->entries[1], ring->count * sizeof ring->entries[0]);
    }
    return code;
}

enum mf_code mf_keyring_prune(struct mf_keyring *ring, struct mf_error *err)
{
    return save(ring, 1, err);
}
