/* Temporary keys from servers: the token service, a container's agent, the metadata service of a machine. */
#include "base/encode.h"
#include "base/list.h"
#include "base/time.h"
#include "identity/object.h"
#include "objects/credentials_state.h"
#include "objects/xml.h"

#define ANSWER_MAX ((size_t)64 << 10)
#define TOKEN_FILE_MAX ((size_t)64 << 10)
#define TRIES 3
#define RETRY_MS 300
#define METADATA_TIMEOUT_MS 2000
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

static void fail(struct mf_credentials *c, const struct mf_error *err)
{
    mf_credentials_finish(c, err->code, NULL, err);
}

/* ---- asking ---- */

static void on_done(struct mf_fetch *fetch, enum mf_code code, const struct mf_error *cause)
{
    struct mf_credentials *c = MF_CONTAINER(fetch, struct mf_credentials, fetch);
    struct mf_error err;
    bool again = code == MF_UNAVAILABLE || code == MF_DEADLINE_EXCEEDED ||
                 (code == MF_OK && (fetch->status >= 500 || fetch->status == 429));
    if (code != MF_OK)
        err = *cause;
    if (again && ++c->tries < TRIES) {
        fetch->delay_ms = (uint32_t)(RETRY_MS * c->tries);
        mf_fetch_start(c->config.fetcher, fetch);
        return;
    }
    if (code == MF_OK && fetch->status != 200) {
        code = again ? MF_UNAVAILABLE : MF_FAILED_PRECONDITION;
        mf_fail(&err, code, "%s answers with status %d: %.*s", c->asked, fetch->status,
                (int)(fetch->response.len < 300 ? fetch->response.len : 300), fetch->response.ptr);
    } else if (code != MF_OK && c->source == MF_CREDENTIALS_INSTANCE && !c->current) {
        code = MF_FAILED_PRECONDITION;
        mf_fail(&err, code, "there are no keys: " MF_CREDENTIALS_ADVICE " (%s)", cause->message);
    } else if (code != MF_OK) {
        mf_fail(&err, MF_UNAVAILABLE, "%s: %s", c->asked, cause->message);
    }
    if (code != MF_OK)
        fail(c, &err);
    else
        c->answered(c);
}

static void ask(struct mf_credentials *c, struct mf_str url, const char *asked,
                void (*answered)(struct mf_credentials *c))
{
    struct mf_error err;
    c->fetch.url = url.ptr ? mf_str_to_c(c->work, url) : NULL;
    c->fetch.headers = c->headers;
    c->fetch.response_bytes = ANSWER_MAX;
    c->fetch.done = on_done;
    c->asked = asked;
    c->answered = answered;
    c->tries = 0;
    if (!c->fetch.url) {
        mf_fail_memory(&err);
        fail(c, &err);
        return;
    }
    mf_fetch_start(c->config.fetcher, &c->fetch);
}

/* The answer is forgotten when its request is used again. */
static struct mf_str keep_answer(struct mf_credentials *c)
{
    return mf_str_copy(c->work, mf_str_trim(c->fetch.response, MF_STR(" \r\n")));
}

static void take(struct mf_credentials *c, struct mf_keys *keys, struct mf_str expiration)
{
    struct mf_error err;
    if (keys->access.len > 0 && keys->secret.len > 0 &&
        mf_time_parse_rfc3339(expiration, &keys->expires_ns)) {
        mf_credentials_finish(c, MF_OK, keys, NULL);
        return;
    }
    mf_fail(&err, MF_UNAVAILABLE, "%s has answered something that holds no temporary keys", c->asked);
    fail(c, &err);
}

static void on_json(struct mf_credentials *c)
{
    const struct pb_google_protobuf_Struct *object = NULL;
    struct mf_keys keys = {.token = MF_STR_EMPTY};
    struct mf_str expiration = MF_STR_EMPTY;
    bool ok = mf_json_object(c->work, c->fetch.response, &object) &&
              mf_object_text(object, "AccessKeyId", &keys.access) &&
              mf_object_text(object, "SecretAccessKey", &keys.secret) &&
              mf_object_text(object, "Token", &keys.token) &&
              mf_object_text(object, "Expiration", &expiration);
    take(c, &keys, ok ? expiration : MF_STR_EMPTY);
}

/* ---- the token service ---- */

struct answer {
    struct mf_keys keys;
    struct mf_str expiration;
};

static bool note_element(void *ctx, struct mf_str name, struct mf_str text)
{
    struct answer *answer = ctx;
    if (mf_str_eq_c(name, "AccessKeyId"))
        answer->keys.access = text;
    else if (mf_str_eq_c(name, "SecretAccessKey"))
        answer->keys.secret = text;
    else if (mf_str_eq_c(name, "SessionToken"))
        answer->keys.token = text;
    else if (mf_str_eq_c(name, "Expiration"))
        answer->expiration = text;
    return true;
}

static void on_assumed(struct mf_credentials *c)
{
    struct answer answer = {.keys = {.token = MF_STR_EMPTY}};
    bool ok = mf_xml_each(c->work, c->fetch.response, note_element, &answer);
    take(c, &answer.keys, ok ? answer.expiration : MF_STR_EMPTY);
}

void mf_credentials_assume(struct mf_credentials *c, struct mf_str role, struct mf_str token_file)
{
    struct mf_error err;
    struct mf_str token;
    struct mf_arena *arena = c->work;
    const char *file = mf_str_to_c(arena, token_file);
    struct mf_str session = mf_credentials_variable(c, "AWS_ROLE_SESSION_NAME");
    struct mf_str url = mf_credentials_variable(c, "AWS_ENDPOINT_URL_STS");
    enum mf_code code = file ? mf_read_file(arena, file, TOKEN_FILE_MAX, &token, &err) : mf_fail_memory(&err);
    if (code != MF_OK) {
        mf_fail_prefix(&err, "AWS_WEB_IDENTITY_TOKEN_FILE");
        err.code = MF_FAILED_PRECONDITION;
        fail(c, &err);
        return;
    }
    token = mf_percent_encode(arena, mf_str_trim(token, MF_STR(" \r\n")), "");
    role = mf_percent_encode(arena, role, "");
    session = mf_percent_encode(arena, session.len > 0 ? session : MF_STR("mayfly"), "");
    if (url.len == 0)
        url = mf_str_printf(arena, "https://sts.%.*s.amazonaws.com%s/", MF_FMT(c->config.region),
                            mf_str_starts(c->config.region, MF_STR("cn-")) ? ".cn" : "");
    struct mf_str body =
        mf_str_printf(arena,
                      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%.*s&RoleSessionName=%.*s"
                      "&WebIdentityToken=%.*s",
                      MF_FMT(role), MF_FMT(session), MF_FMT(token));
    if (!token.ptr || !role.ptr || !session.ptr || !body.ptr) {
        mf_fail_memory(&err);
        fail(c, &err);
        return;
    }
    c->headers[0] = (struct mf_header){MF_STR("content-type"), MF_STR("application/x-www-form-urlencoded")};
    c->fetch = (struct mf_fetch){.method = MF_STR("POST"), .body = body, .header_count = 1};
    ask(c, url, "the token service", on_assumed);
}

/* ---- a container's agent ---- */

/* A name that merely begins like a loopback address is none. */
static bool is_loopback(struct mf_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9'))
            return false;
    }
    return mf_str_starts(host, MF_STR("127."));
}

/* Keys may travel unencrypted only within the machine, or to the agents of the clouds. */
static bool is_near(struct mf_str url)
{
    static const char *const hosts[] = {"localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};
    const struct mf_str scheme = MF_STR("http://");
    struct mf_str rest = mf_str_skip(url, scheme.len);
    struct mf_str host = mf_str_take(rest, mf_str_find_char(rest, '/'));
    if (mf_str_starts(url, MF_STR("https://")))
        return true;
    if (!mf_str_starts(url, scheme) || mf_str_find_char(host, '@') != SIZE_MAX)
        return false;
    if (mf_str_starts(host, MF_STR("[")) && mf_str_find_char(host, ']') != SIZE_MAX)
        host = mf_str_take(host, mf_str_find_char(host, ']') + 1);
    else
        host = mf_str_take(host, mf_str_find_char(host, ':'));
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (mf_str_eq_c(host, hosts[i]))
            return true;
    }
    return is_loopback(host);
}

void mf_credentials_ask_container(struct mf_credentials *c)
{
    struct mf_error err;
    enum mf_code code = MF_OK;
    struct mf_str relative = mf_credentials_variable(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct mf_str url = mf_credentials_variable(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct mf_str token = mf_credentials_variable(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct mf_str file = mf_credentials_variable(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (relative.len > 0)
        url = mf_str_printf(c->work, CONTAINER_HOST "%.*s", MF_FMT(relative));
    if (file.len > 0) {
        const char *path = mf_str_to_c(c->work, file);
        code = path ? mf_read_file(c->work, path, TOKEN_FILE_MAX, &token, &err) : mf_fail_memory(&err);
        token = code == MF_OK ? mf_str_trim(token, MF_STR(" \r\n")) : MF_STR_EMPTY;
        if (code != MF_OK)
            mf_fail_prefix(&err, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    }
    if (code == MF_OK && url.ptr && !is_near(url))
        code = mf_fail(&err, MF_FAILED_PRECONDITION,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI: \"%.*s\" is neither https nor on this machine",
                       MF_FMT(url));
    if (code != MF_OK) {
        fail(c, &err);
        return;
    }
    c->headers[0] = (struct mf_header){MF_STR("authorization"), token};
    c->fetch =
        (struct mf_fetch){.header_count = token.len > 0, .timeout_ms = METADATA_TIMEOUT_MS, .direct = true};
    ask(c, url, "the container's agent", on_json);
}

/* ---- the metadata service ---- */

static struct mf_str instance_url(struct mf_credentials *c, const char *path, struct mf_str rest)
{
    struct mf_str host = mf_credentials_variable(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    if (host.len == 0)
        host = MF_STR(INSTANCE_HOST);
    if (mf_str_ends(host, MF_STR("/")))
        host.len--;
    return mf_str_printf(c->work, "%.*s%s%.*s", MF_FMT(host), path, MF_FMT(rest));
}

static void on_role(struct mf_credentials *c)
{
    struct mf_str role = keep_answer(c);
    role = mf_str_take(role, mf_str_find_char(role, '\n'));
    role = mf_percent_encode(c->work, role, "");
    ask(c, role.ptr ? instance_url(c, ROLE_PATH, role) : role, "the machine's metadata service", on_json);
}

static void on_token(struct mf_credentials *c)
{
    c->headers[0] = (struct mf_header){MF_STR("x-aws-ec2-metadata-token"), keep_answer(c)};
    c->fetch = (struct mf_fetch){.header_count = 1, .timeout_ms = METADATA_TIMEOUT_MS, .direct = true};
    ask(c, instance_url(c, ROLE_PATH, MF_STR_EMPTY), "the machine's metadata service", on_role);
}

void mf_credentials_ask_instance(struct mf_credentials *c)
{
    c->headers[0] = (struct mf_header){MF_STR("x-aws-ec2-metadata-token-ttl-seconds"), MF_STR("300")};
    c->fetch = (struct mf_fetch){
        .method = MF_STR("PUT"), .header_count = 1, .timeout_ms = METADATA_TIMEOUT_MS, .direct = true};
    ask(c, instance_url(c, "/latest/api/token", MF_STR_EMPTY), "the machine's metadata service", on_token);
}
