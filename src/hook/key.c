#include "base/encode.h"
#include "hook/hook.h"

#include <string.h>

#define FILE_MAX_BYTES 4096

static enum mf_code make_key(struct mf_arena *arena, const struct mf_sys *sys, const char *file,
                             unsigned char key[MF_HOOK_KEY_BYTES], struct mf_error *err)
{
    sys->random(sys->ctx, key, MF_HOOK_KEY_BYTES);
    struct mf_str text =
        mf_str_printf(arena, "%.*s\n", MF_FMT(mf_base64url(arena, mf_str_make(key, MF_HOOK_KEY_BYTES))));
    return text.ptr ? mf_write_file(sys, file, text, 0600, err) : mf_fail_memory(err);
}

enum mf_code mf_hook_key_load(const struct mf_sys *sys, const char *file,
                              unsigned char key[MF_HOOK_KEY_BYTES], struct mf_error *err)
{
    struct mf_arena *arena = mf_arena_new(0);
    struct mf_str text = MF_STR_EMPTY;
    struct mf_str bytes = MF_STR_EMPTY;
    enum mf_code code = arena ? mf_read_file(arena, file, FILE_MAX_BYTES, &text, err) : mf_fail_memory(err);
    if (code == MF_NOT_FOUND) {
        code = make_key(arena, sys, file, key, err);
    } else if (code == MF_OK) {
        if (mf_base64_decode(arena, mf_str_trim(text, MF_STR(" \r\n")), &bytes) &&
            bytes.len == MF_HOOK_KEY_BYTES)
            memcpy(key, bytes.ptr, MF_HOOK_KEY_BYTES);
        else
            code = mf_fail(
                err, MF_DATA_LOSS,
                "%s must hold 32 bytes in base64; remove it to have a new key made (addresses that were "
                "sent out before are then refused)",
                file);
    }
    mf_arena_free(arena);
    return code;
}
