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

enum mf_code mf_object_uri_parse(struct mf_str uri, struct mf_str bucket, struct mf_str *name,
                                 struct mf_error *err)
{
    const struct mf_str scheme = MF_STR("s3://");
    struct mf_str rest = mf_str_skip(uri, scheme.len);
    if (!mf_str_starts(uri, scheme) || !mf_str_starts(rest, bucket) || rest.len <= bucket.len ||
        rest.ptr[bucket.len] != '/')
        return mf_fail(err, MF_INVALID_ARGUMENT,
                       "%.*s is not in this server's object store; its names begin with s3://%.*s/",
                       MF_FMT(uri), MF_FMT(bucket));
    *name = mf_str_skip(rest, bucket.len + 1);
    return mf_object_name_check(*name, err);
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
