#include "run/name.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label(struct mf_str name)
{
    if (name.len == 0 || !is_lower(name.ptr[0]) || name.ptr[name.len - 1] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_lower(c) && !is_digit(c) && c != '-')
            return false;
    }
    return true;
}

enum mf_code mf_run_name_check(struct mf_str name, struct mf_error *err)
{
    if (name.len > MF_RUN_NAME_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "invalid run name \"%.*s\": must be no more than %d characters",
                       MF_FMT(mf_str_take(name, 100)), MF_RUN_NAME_MAX);
    if (!is_label(name))
        return mf_fail(
            err, MF_INVALID_ARGUMENT,
            "invalid run name \"%.*s\": use lower case letters, digits and '-', begin with a letter and do "
            "not end with '-'",
            MF_FMT(name));
    return MF_OK;
}

void mf_run_name_make(const struct mf_sys *sys, char out[MF_RUN_NAME_MADE])
{
    static const char symbols[] = "bcdfghjklmnpqrstvwxz2456789";
    enum { SYMBOLS = sizeof symbols - 1, FAIR = 256 / SYMBOLS * SYMBOLS };
    unsigned char bytes[32];
    size_t used = sizeof bytes;
    out[0] = 'r';
    for (size_t i = 1; i < MF_RUN_NAME_MADE;) {
        if (used == sizeof bytes) {
            sys->random(sys->ctx, bytes, sizeof bytes);
            used = 0;
        }
        unsigned char byte = bytes[used++];
        if (byte < FAIR) /* the rest would make some symbols likelier */
            out[i++] = symbols[byte % SYMBOLS];
    }
}
