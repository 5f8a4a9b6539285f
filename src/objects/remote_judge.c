/* What the answer of an S3 server means, and what a person can do about it. */
#include "objects/checksum.h"
#include "objects/remote_state.h"
#include "objects/xml.h"

#include <stdio.h>

struct fault {
    struct mf_str code, message, region;
};

static bool note_element(void *ctx, struct mf_str name, struct mf_str text)
{
    struct fault *fault = ctx;
    if (mf_str_eq_c(name, "Code"))
        fault->code = text;
    else if (mf_str_eq_c(name, "Message"))
        fault->message = text;
    else if (mf_str_eq_c(name, "Region"))
        fault->region = text;
    return true;
}

static bool is(const struct fault *fault, const char *code)
{
    return mf_str_eq_c(fault->code, code);
}

/* ---- whole answers ---- */

/* Checksums of objects that came in parts are made of those of the parts, and tell nothing about the whole.
 */
static bool is_of_parts(const struct mf_fetch *fetch, struct mf_str sum)
{
    return mf_str_find_char(sum, '-') != SIZE_MAX ||
           mf_str_eq_c(mf_fetch_header(fetch, "x-amz-checksum-type"), "COMPOSITE");
}

static bool is_whole(const struct mf_remote_call *call)
{
    static const char *const names[] = {
        MF_CHECKSUM_PREFIX "sha256", MF_CHECKSUM_PREFIX "crc64nvme", MF_CHECKSUM_PREFIX "crc32c",
        MF_CHECKSUM_PREFIX "crc32",  MF_CHECKSUM_PREFIX "sha1",
    };
    bool reads = call->checksum && mf_str_eq_c(call->method, "GET");
    for (size_t i = 0; reads && i < sizeof names / sizeof names[0]; i++) {
        struct mf_str sum = mf_fetch_header(&call->fetch, names[i]);
        if (!sum.ptr || is_of_parts(&call->fetch, sum))
            continue;
        struct mf_checksum *checksum = mf_checksum_new(call->arena, mf_str_from_c(names[i]));
        if (checksum && mf_checksum_add(checksum, call->fetch.response))
            return mf_str_eq(mf_checksum_end(checksum, call->arena), sum);
    }
    return true;
}

/* ---- failures ---- */

static enum mf_code fail_size(const struct mf_remote_call *call, struct mf_error *err)
{
    return mf_fail(err, MF_RESOURCE_EXHAUSTED, "%.*s/%.*s has more than the %zu bytes that may be read here",
                   MF_FMT(call->remote->base), MF_FMT(call->name), call->answer_max);
}

static enum mf_code judge_transport(struct mf_remote_call *call, enum mf_code code,
                                    const struct mf_error *cause, bool *again, struct mf_error *err)
{
    const char *advice = "";
    if (code == MF_CANCELED)
        return mf_fail(err, MF_UNAVAILABLE, "the server is shutting down");
    if (call->fetch.too_long)
        return fail_size(call, err);
    if (code == MF_RESOURCE_EXHAUSTED || code == MF_INVALID_ARGUMENT)
        return mf_fail(err, code, "%s", cause->message);
    if (strstr(cause->message, "certificate has expired"))
        advice = "; renew the certificate of that server";
    else if (strstr(cause->message, "certificate"))
        advice = "; set s3-ca to a PEM file with the authority that has signed it";
    *again = advice[0] == '\0' || !call->strict;
    return mf_fail(err, MF_UNAVAILABLE, "the object store %.*s: %s%s", MF_FMT(call->remote->base),
                   cause->message, advice);
}

static const char *source_of(const struct mf_remote *remote)
{
    static const char *const names[] = {
        [MF_CREDENTIALS_ENVIRONMENT] = "of AWS_ACCESS_KEY_ID",
        [MF_CREDENTIALS_WEB_IDENTITY] = "of the role AWS_ROLE_ARN",
        [MF_CREDENTIALS_FILES] = "of the profile in the files of credentials",
        [MF_CREDENTIALS_CONTAINER] = "of this container's role",
        [MF_CREDENTIALS_INSTANCE] = "of this machine's role",
    };
    return names[mf_credentials_source(remote->credentials)];
}

static enum mf_code fail_denied(const struct mf_remote_call *call, enum mf_code code, struct mf_error *err)
{
    const struct mf_remote *remote = call->remote;
    return mf_fail(err, code,
                   "the object store %.*s: the keys %s may not do that (%.*s %.*s); allow s3:GetObject, "
                   "s3:PutObject and s3:AbortMultipartUpload on its objects and s3:ListBucket on the bucket",
                   MF_FMT(remote->base), source_of(remote), MF_FMT(call->method),
                   MF_FMT(call->name.ptr ? call->name : remote->bucket));
}

static enum mf_code fail_region(const struct mf_remote_call *call, const struct fault *fault,
                                enum mf_code code, struct mf_error *err)
{
    const struct mf_remote *remote = call->remote;
    struct mf_str region = mf_fetch_header(&call->fetch, "x-amz-bucket-region");
    if (!region.ptr)
        region = fault->region;
    return mf_fail(
        err, code,
        "the object store %.*s: the bucket is not in region %.*s; set s3-region to %.*s (the server "
        "says: %.*s)",
        MF_FMT(remote->base), MF_FMT(remote->region),
        MF_FMT(region.ptr ? region : MF_STR("the one it is in")), MF_FMT(fault->message));
}

static enum mf_code judge_fault(const struct mf_remote_call *call, const struct fault *fault,
                                enum mf_code code, struct mf_error *err)
{
    const struct mf_remote *remote = call->remote;
    int status = call->fetch.status;
    if (is(fault, "NoSuchBucket") || (status == 404 && fault->code.len == 0))
        return mf_fail(
            err, code,
            "the object store %.*s: there is no bucket \"%.*s\" at %.*s; make it, or correct object-store",
            MF_FMT(remote->base), MF_FMT(remote->bucket), MF_FMT(remote->host));
    if (is(fault, "InvalidAccessKeyId"))
        return mf_fail(err, code, "the object store %.*s: %.*s does not know the access key %s; correct it",
                       MF_FMT(remote->base), MF_FMT(remote->host), source_of(remote));
    if (is(fault, "SignatureDoesNotMatch"))
        return mf_fail(
            err, code,
            "the object store %.*s: the secret key %s does not belong to the access key; correct it",
            MF_FMT(remote->base), source_of(remote));
    if (is(fault, "RequestTimeTooSkewed"))
        return mf_fail(
            err, code,
            "the object store %.*s: the clock of this machine is wrong by more than 15 minutes; set it",
            MF_FMT(remote->base));
    if (is(fault, "AuthorizationHeaderMalformed") || is(fault, "PermanentRedirect") || status == 301 ||
        status == 307)
        return fail_region(call, fault, code, err);
    if (status == 403)
        return fail_denied(call, code, err);
    return mf_fail(err, code, "the object store %.*s answers %.*s %.*s with status %d: %.*s %.*s",
                   MF_FMT(remote->base), MF_FMT(call->method), MF_FMT(call->name), status,
                   MF_FMT(fault->code), MF_FMT(fault->message));
}

static bool is_passing(const struct mf_remote_call *call, const struct fault *fault)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (call->fetch.status == statuses[i])
            return true;
    }
    return is(fault, "RequestTimeout") || is(fault, "SlowDown") || is(fault, "OperationAborted");
}

/* Some servers answer with 404 when they know no such bucket or no such key of access. */
static bool is_absence(const struct mf_remote_call *call, const struct fault *fault)
{
    return (fault->code.len == 0 && mf_str_eq_c(call->method, "HEAD")) || is(fault, "NoSuchKey") ||
           is(fault, "NoSuchUpload") || is(fault, "NotFound");
}

enum mf_code mf_remote_judge(struct mf_remote_call *call, enum mf_code code, const struct mf_error *cause,
                             bool *again, bool *keys, struct mf_error *err)
{
    struct fault fault = {MF_STR_EMPTY, MF_STR_EMPTY, {0}};
    int status = call->fetch.status;
    *again = *keys = false;
    if (code != MF_OK)
        return judge_transport(call, code, cause, again, err);
    if (status >= 200 && status < 300 && call->fetch.response.len > call->answer_max)
        return fail_size(call, err);
    if (status >= 200 && status < 300) {
        *again = !is_whole(call);
        return *again ? mf_fail(err, MF_DATA_LOSS, "the object store %.*s: %.*s came damaged",
                                MF_FMT(call->remote->base), MF_FMT(call->name))
                      : MF_OK;
    }
    /* What cannot be read has no code, and the status has to do. */
    (void)mf_xml_each(call->arena, call->fetch.response, note_element, &fault);
    if (status == 404 && call->name.ptr && is_absence(call, &fault))
        return mf_fail(err, MF_NOT_FOUND, "object not found: %.*s/%.*s", MF_FMT(call->remote->base),
                       MF_FMT(call->name));
    *again = is_passing(call, &fault);
    *keys = is(&fault, "ExpiredToken") || is(&fault, "InvalidToken") || is(&fault, "TokenRefreshRequired") ||
            is(&fault, "InvalidAccessKeyId") || (status == 403 && fault.code.len == 0);
    return judge_fault(call, &fault, call->strict && !*again ? MF_FAILED_PRECONDITION : MF_UNAVAILABLE, err);
}
