#include "objects/name.h"

enum mf_code mf_object_name_check(struct mf_str name, struct mf_error *err)
{
    if (name.len == 0)
        return mf_fail(err, MF_INVALID_ARGUMENT, "the object's name is empty");
    if (name.len > MF_OBJECT_NAME_MAX)
        return mf_fail(err, MF_INVALID_ARGUMENT, "an object's name has at most %d bytes; this one has %zu",
                       MF_OBJECT_NAME_MAX, name.len);
    if (!mf_utf8_valid(name.ptr, name.len))
        return mf_fail(err, MF_INVALID_ARGUMENT, "the object's name is not UTF-8");
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return mf_fail(err, MF_INVALID_ARGUMENT, "the object's name holds a control character");
    }
    struct mf_str rest = name;
    for (;;) {
        size_t slash = mf_str_find_char(rest, '/');
        struct mf_str segment = mf_str_take(rest, slash);
        if (segment.len == 0 || mf_str_eq_c(segment, ".") || mf_str_eq_c(segment, ".."))
            return mf_fail(err, MF_INVALID_ARGUMENT,
                           "the object's name has an empty segment or one that is \".\" or \"..\": %.*s",
                           MF_FMT(name));
        if (slash == SIZE_MAX || slash + 1 == rest.len)
            return MF_OK;
        rest = mf_str_skip(rest, slash + 1);
    }
}

enum mf_code mf_object_uri_parse(struct mf_str uri, struct mf_str base, struct mf_str *name,
                                 struct mf_error *err)
{
    if (!mf_object_uri_within(uri, base))
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%.*s is not in this server's object store; its names begin with %.*s/", MF_FMT(uri),
                       MF_FMT(base));
    *name = mf_str_skip(uri, base.len + 1);
    return mf_object_name_check(*name, err);
}

bool mf_object_uri_within(struct mf_str uri, struct mf_str base)
{
    return mf_str_starts(uri, base) && uri.len > base.len && uri.ptr[base.len] == '/';
}

bool mf_bucket_name_ok(struct mf_str bucket)
{
    if (bucket.len < 3 || bucket.len > 63)
        return false;
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        bool inner = (c == '-' || c == '.') && i > 0 && i + 1 < bucket.len && bucket.ptr[i - 1] != '.';
        if (!inner && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return false;
    }
    return true;
}
