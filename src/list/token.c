#include "list/token.h"

#include "base/encode.h"

/* "k", then base64 of: the list and the rows to skip (8 bytes each), and for each key its kind, and a number
 * (8 bytes) or a length (4) and text. */
#define MARK 'k'
enum { NUMBER = 0, TEXT = 1 };

static char *put_u64(char *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        *out++ = (char)(value >> (8 * i));
    return out;
}

static uint64_t get(const char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return value;
}

static size_t size_of(const struct mf_place *place)
{
    size_t size = 16;
    for (size_t i = 0; i < place->key_count; i++)
        size += 9 + place->keys[i].text.len;
    return size;
}

struct mf_str mf_token_write(struct mf_arena *arena, const struct mf_place *place)
{
    char *bytes = mf_arena_bytes(arena, size_of(place));
    if (!bytes)
        return (struct mf_str){0};
    char *at = put_u64(put_u64(bytes, place->list), place->skip);
    for (size_t i = 0; i < place->key_count; i++) {
        const struct mf_place_key *key = &place->keys[i];
        *at++ = key->is_int ? NUMBER : TEXT;
        at = put_u64(at, key->is_int ? (uint64_t)key->number : key->text.len);
        if (!key->is_int && key->text.len > 0) {
            memcpy(at, key->text.ptr, key->text.len);
            at += key->text.len;
        }
    }
    struct mf_str text = mf_base64url(arena, mf_str_make(bytes, (size_t)(at - bytes)));
    return text.ptr ? mf_str_printf(arena, "%c%.*s", MARK, MF_FMT(text)) : text;
}

static bool read_key(struct mf_str *bytes, struct mf_place_key *key)
{
    if (bytes->len < 9)
        return false;
    key->is_int = bytes->ptr[0] == NUMBER;
    uint64_t value = get(bytes->ptr + 1, 8);
    *bytes = mf_str_skip(*bytes, 9);
    if (key->is_int) {
        key->number = (int64_t)value;
        return true;
    }
    if (value > bytes->len)
        return false;
    key->text = mf_str_take(*bytes, (size_t)value);
    *bytes = mf_str_skip(*bytes, (size_t)value);
    return mf_utf8_valid(key->text.ptr, key->text.len);
}

static bool read_place(struct mf_str bytes, struct mf_place *place)
{
    if (bytes.len < 16)
        return false;
    place->list = get(bytes.ptr, 8);
    place->skip = get(bytes.ptr + 8, 8);
    bytes = mf_str_skip(bytes, 16);
    while (bytes.len > 0) {
        if (place->key_count == MF_PLACE_KEYS_MAX || !read_key(&bytes, &place->keys[place->key_count]))
            return false;
        place->key_count++;
    }
    return true;
}

enum mf_code mf_token_read(struct mf_arena *arena, struct mf_str token, const struct mf_place **after,
                           size_t *offset, struct mf_error *err)
{
    uint64_t number = 0;
    struct mf_str bytes;
    *after = NULL;
    *offset = 0;
    if (token.len == 0)
        return MF_OK;
    struct mf_place *place = MF_NEW(arena, struct mf_place);
    if (!place)
        return mf_fail_memory(err);
    if (token.ptr[0] == MARK && mf_base64_decode(arena, mf_str_skip(token, 1), &bytes) &&
        read_place(bytes, place)) {
        *after = place;
        return MF_OK;
    }
    if (!mf_str_to_u64(token, &number) || number > INT32_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "invalid token: \"%.*s\"; pass on what the page before has given",
                       MF_FMT(mf_str_take(token, 100)));
    *offset = (size_t)number;
    return MF_OK;
}
