#include "testing.h"

#include "fake_http.h"

#include "base/list.h"
#include "base/sys.h"
#include "base/time.h"
#include "objects/credentials.h"
#include "objects/credentials_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START "2026-01-02T03:04:05Z"

struct world {
    char dir[64];
    struct mf_sys sys; /* with a clock of the test's */
    atomic_llong now_ns;
    const char *variables[16]; /* name, value, …, NULL */
    struct fake_http *http;
    struct mf_fetcher *fetcher;
    struct mf_arena *arena;
    struct mf_error err;
    /* of the fake servers */
    atomic_int requests, failing;
    char expiration[32];
    char last[4096]; /* method, target and body of the newest request */
    char token[128]; /* its header that proves something */
};

static int64_t world_wall(void *ctx)
{
    return atomic_load(&((struct world *)ctx)->now_ns);
}

static int64_t world_mono(void *ctx)
{
    return atomic_load(&((struct world *)ctx)->now_ns);
}

static const char *variable(void *ctx, const char *name)
{
    const struct world *w = ctx;
    for (size_t i = 0; w->variables[i]; i += 2) {
        if (strcmp(w->variables[i], name) == 0)
            return w->variables[i + 1];
    }
    return NULL;
}

static void answer_keys(struct world *w, struct fake_answer *answer, int number)
{
    snprintf(answer->body, sizeof answer->body,
             "{\"Code\":\"Success\",\"AccessKeyId\":\"AK%d\",\"SecretAccessKey\":\"SK%d\",\"Token\":\"T%d\","
             "\"Expiration\":\"%s\"}",
             number, number, number, w->expiration);
}

static void handle(void *ctx, const struct fake_request *request, struct fake_answer *answer)
{
    struct world *w = ctx;
    char room[128];
    int number = atomic_fetch_add(&w->requests, 1) + 1;
    snprintf(w->last, sizeof w->last, "%s %s %s", request->method, request->target, request->body);
    if (atomic_load(&w->failing) > 0) {
        atomic_fetch_sub(&w->failing, 1);
        answer->status = 503;
    } else if (strcmp(request->target, "/latest/api/token") == 0) {
        answer->status =
            fake_http_header(request, "x-aws-ec2-metadata-token-ttl-seconds", room, sizeof room)[0] ? 200
                                                                                                    : 400;
        strcpy(answer->body, "proof\n");
    } else if (strncmp(request->target, "/latest/", 8) == 0 &&
               strcmp(fake_http_header(request, "x-aws-ec2-metadata-token", room, sizeof room), "proof") !=
                   0) {
        answer->status = 401;
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        strcpy(answer->body, "my role");
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/my%20role") == 0 ||
               strcmp(request->target, "/container") == 0) {
        fake_http_header(request, "authorization", w->token, sizeof w->token);
        answer_keys(w, answer, number);
    } else if (strcmp(request->target, "/sts") == 0) {
        snprintf(answer->body, sizeof answer->body,
                 "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts/\"><AssumeRoleWithWebIdentityResult>"
                 "<Credentials><AccessKeyId>AK%d</AccessKeyId><SecretAccessKey>SK%d</SecretAccessKey>"
                 "<SessionToken>T%d</SessionToken><Expiration>%s</Expiration></Credentials>"
                 "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                 number, number, number, w->expiration);
    } else {
        answer->status = 404;
    }
}

static void set_expiration(struct world *w, int64_t seconds)
{
    struct mf_str text = mf_time_rfc3339(w->arena, atomic_load(&w->now_ns) + seconds * MF_SECOND_NS, false);
    snprintf(w->expiration, sizeof w->expiration, "%.*s", MF_FMT(text));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    int64_t now = 0;
    strcpy(w->dir, "/tmp/mayfly-keys-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_true(mf_time_parse_rfc3339(MF_STR(START), &now));
    atomic_store(&w->now_ns, now);
    w->sys = *mf_sys_real();
    w->sys.ctx = w;
    w->sys.wall_ns = world_wall;
    w->sys.mono_ns = world_mono;
    w->arena = mf_arena_new(0);
    w->http = fake_http_new(handle, w);
    /* Its own clock stands still, that of delays must not. */
    const struct mf_fetcher_config config = {.sys = mf_sys_real()};
    assert_int_equal(mf_fetcher_new(&config, &w->fetcher, &w->err), MF_OK);
    set_expiration(w, 3600);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    mf_fetcher_free(w->fetcher);
    fake_http_free(w->http);
    mf_arena_free(w->arena);
    assert_int_equal(mf_remove_tree(w->dir, NULL), MF_OK);
    free(w);
    return 0;
}

static enum mf_code open_keys(struct world *w, struct mf_credentials **out)
{
    const struct mf_credentials_config config = {.sys = &w->sys,
                                                 .fetcher = w->fetcher,
                                                 .region = MF_STR("us-east-1"),
                                                 .variable = variable,
                                                 .variable_ctx = w};
    return mf_credentials_new(&config, out, &w->err);
}

struct wanted {
    struct mf_keys_want want;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    enum mf_code code;
    struct mf_error err;
};

static void on_keys(struct mf_keys_want *want, enum mf_code code, const struct mf_error *err)
{
    struct wanted *wanted = MF_CONTAINER(want, struct wanted, want);
    pthread_mutex_lock(&wanted->lock);
    wanted->code = code;
    if (code != MF_OK)
        wanted->err = *err;
    wanted->done = true;
    pthread_cond_signal(&wanted->changed);
    pthread_mutex_unlock(&wanted->lock);
}

static void ask(struct mf_credentials *keys, struct wanted *wanted, struct mf_arena *arena)
{
    *wanted = (struct wanted){.want = {.arena = arena, .done = on_keys},
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .changed = PTHREAD_COND_INITIALIZER};
    mf_credentials_want(keys, &wanted->want);
}

static enum mf_code wait_for(struct wanted *wanted)
{
    pthread_mutex_lock(&wanted->lock);
    while (!wanted->done)
        pthread_cond_wait(&wanted->changed, &wanted->lock);
    pthread_mutex_unlock(&wanted->lock);
    return wanted->code;
}

static const char *write_text(struct world *w, const char *name, const char *text)
{
    char *path = mf_arena_bytes(w->arena, 128);
    snprintf(path, 128, "%s/%s", w->dir, name);
    assert_int_equal(mf_write_file(mf_sys_real(), path, mf_str_from_c(text), 0600, &w->err), MF_OK);
    return path;
}

static const char *url(struct world *w, const char *path)
{
    char *text = mf_arena_bytes(w->arena, 128);
    snprintf(text, 128, "%s%s", fake_http_url(w->http), path);
    return text;
}

static void expect_keys(struct world *w, enum mf_credentials_source source, const char *access,
                        const char *secret, const char *token)
{
    struct mf_credentials *keys = NULL;
    struct wanted wanted;
    assert_int_equal(open_keys(w, &keys), MF_OK);
    assert_int_equal(mf_credentials_source(keys), source);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_str(wanted.want.keys.access, access);
    assert_str(wanted.want.keys.secret, secret);
    assert_str(wanted.want.keys.token, token);
    mf_fetcher_stop(w->fetcher);
    mf_credentials_free(keys);
}

static void files_of_profiles_are_read(void **state)
{
    const struct mf_str text = MF_STR("# a comment\n[default]\naws_access_key_id = A1\n"
                                      "aws_secret_access_key=S1 \r\n s3 =\n  nested = no\n[profile two]\n"
                                      "; aws_access_key_id = no\naws_access_key_id\t=\tA2\n[ three ]\nx=\n");
    (void)state;
    assert_str(mf_profile_value(text, MF_STR("default"), "aws_access_key_id"), "A1");
    assert_str(mf_profile_value(text, MF_STR("default"), "aws_secret_access_key"), "S1");
    assert_null(mf_profile_value(text, MF_STR("default"), "nested").ptr);
    assert_str(mf_profile_value(text, MF_STR("profile two"), "aws_access_key_id"), "A2");
    assert_null(mf_profile_value(text, MF_STR("two"), "aws_access_key_id").ptr);
    assert_int_equal(mf_profile_value(text, MF_STR("three"), "x").len, 0);
    assert_true(mf_profile_exists(text, MF_STR("three")));
    assert_false(mf_profile_exists(text, MF_STR("four")));
    assert_false(mf_profile_exists(MF_STR("[unclosed\na=b"), MF_STR("unclosed")));
}

static void variables_come_first(void **state)
{
    struct world *w = *state;
    const char *const variables[] = {"AWS_ACCESS_KEY_ID",           "A", "AWS_SECRET_ACCESS_KEY", "S",
                                     "AWS_SESSION_TOKEN",           "T", "AWS_ROLE_ARN",          "r",
                                     "AWS_WEB_IDENTITY_TOKEN_FILE", "f"};
    memcpy(w->variables, variables, sizeof variables);
    expect_keys(w, MF_CREDENTIALS_ENVIRONMENT, "A", "S", "T");
    assert_int_equal(atomic_load(&w->requests), 0);
}

static void half_a_pair_of_variables_is_told(void **state)
{
    struct world *w = *state;
    struct mf_credentials *keys = NULL;
    struct wanted wanted;
    w->variables[0] = "AWS_ACCESS_KEY_ID";
    w->variables[1] = "A";
    assert_int_equal(open_keys(w, &keys), MF_OK);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(wanted.err.message, "AWS_SECRET_ACCESS_KEY is not"));
    mf_credentials_free(keys);
}

static void a_profile_is_found_in_either_file(void **state)
{
    struct world *w = *state;
    w->variables[0] = "AWS_SHARED_CREDENTIALS_FILE";
    w->variables[1] =
        write_text(w, "credentials", "[default]\naws_access_key_id=A1\naws_secret_access_key=S1\n");
    w->variables[2] = "AWS_CONFIG_FILE";
    w->variables[3] = write_text(w, "config",
                                 "[profile two]\naws_access_key_id=A2\naws_secret_access_key=S2\n"
                                 "aws_session_token=T2\n[profile none]\nregion=x\n");
    expect_keys(w, MF_CREDENTIALS_FILES, "A1", "S1", "");
    w->variables[4] = "AWS_PROFILE";
    w->variables[5] = "two";
    expect_keys(w, MF_CREDENTIALS_FILES, "A2", "S2", "T2");
    struct mf_credentials *keys = NULL;
    w->variables[5] = "three";
    assert_int_equal(open_keys(w, &keys), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(w->err.message, "no profile \"three\""));
    w->variables[5] = "none";
    assert_int_equal(open_keys(w, &keys), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(w->err.message, "neither"));
}

static void keys_of_a_file_are_read_again_when_they_are_refused(void **state)
{
    struct world *w = *state;
    struct mf_credentials *keys = NULL;
    struct wanted wanted;
    w->variables[0] = "AWS_SHARED_CREDENTIALS_FILE";
    w->variables[1] =
        write_text(w, "credentials", "[default]\naws_access_key_id=A1\naws_secret_access_key=S1\n");
    assert_int_equal(open_keys(w, &keys), MF_OK);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    write_text(w, "credentials", "[default]\naws_access_key_id=A9\naws_secret_access_key=S9\n");
    mf_credentials_refused(keys, MF_STR("other"));
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_str(wanted.want.keys.access, "A1");
    mf_credentials_refused(keys, MF_STR("A1"));
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_str(wanted.want.keys.access, "A9");
    mf_credentials_free(keys);
}

static void a_role_is_assumed_with_a_web_identity(void **state)
{
    struct world *w = *state;
    const char *const variables[] = {"AWS_WEB_IDENTITY_TOKEN_FILE",
                                     write_text(w, "token", "ey.token/+\n"),
                                     "AWS_ROLE_ARN",
                                     "arn:aws:iam::1:role/r",
                                     "AWS_ENDPOINT_URL_STS",
                                     url(w, "/sts")};
    memcpy(w->variables, variables, sizeof variables);
    atomic_store(&w->failing, 1);
    expect_keys(w, MF_CREDENTIALS_WEB_IDENTITY, "AK2", "SK2", "T2");
    assert_string_equal(w->last, "POST /sts Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                                 "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=mayfly"
                                 "&WebIdentityToken=ey.token%2F%2B");
}

static void a_container_has_an_agent(void **state)
{
    struct world *w = *state;
    const char *const variables[] = {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url(w, "/container"),
                                     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                     write_text(w, "auth", "Basic x\n")};
    memcpy(w->variables, variables, sizeof variables);
    expect_keys(w, MF_CREDENTIALS_CONTAINER, "AK1", "SK1", "T1");
    assert_string_equal(w->token, "Basic x");
}

static void keys_are_not_fetched_in_plain_from_afar(void **state)
{
    struct world *w = *state;
    static const char *const far[] = {"http://example.com/",        "http://127.evil.com/",
                                      "http://localhost.evil.com/", "http://a@127.0.0.1/",
                                      "ftp://127.0.0.1/",           "127.0.0.1/"};
    w->variables[0] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct mf_credentials *keys = NULL;
        struct wanted wanted;
        w->variables[1] = far[i];
        assert_int_equal(open_keys(w, &keys), MF_OK);
        ask(keys, &wanted, w->arena);
        assert_int_equal(wait_for(&wanted), MF_FAILED_PRECONDITION);
        assert_non_null(strstr(wanted.err.message, "neither https"));
        mf_credentials_free(keys);
    }
}

static void a_machine_has_a_role(void **state)
{
    struct world *w = *state;
    w->variables[0] = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    w->variables[1] = url(w, "/");
    expect_keys(w, MF_CREDENTIALS_INSTANCE, "AK3", "SK3", "T3");
}

static void no_keys_anywhere_is_told_with_what_to_do(void **state)
{
    struct world *w = *state;
    struct mf_credentials *keys = NULL;
    struct wanted wanted;
    w->variables[0] = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
    w->variables[1] = "http://127.0.0.1:1";
    assert_int_equal(open_keys(w, &keys), MF_OK);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(wanted.err.message, "set AWS_ACCESS_KEY_ID"));
    mf_fetcher_stop(w->fetcher);
    mf_credentials_free(keys);
    w->variables[0] = "AWS_EC2_METADATA_DISABLED";
    w->variables[1] = "true";
    assert_int_equal(open_keys(w, &keys), MF_FAILED_PRECONDITION);
    assert_non_null(strstr(w->err.message, "set AWS_ACCESS_KEY_ID"));
}

static void advance(struct world *w, int64_t seconds)
{
    atomic_fetch_add(&w->now_ns, seconds * MF_SECOND_NS);
}

static void temporary_keys_are_replaced_before_they_expire(void **state)
{
    struct world *w = *state;
    struct mf_credentials *keys = NULL;
    struct wanted wanted;
    w->variables[0] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    w->variables[1] = url(w, "/container");
    assert_int_equal(open_keys(w, &keys), MF_OK);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_str(wanted.want.keys.access, "AK1");
    advance(w, 3600 - 310);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_int_equal(mf_credentials_refreshes(keys), 1);
    /* The old ones are good for a while, and nobody waits for the new ones. */
    advance(w, 20);
    set_expiration(w, 3600);
    ask(keys, &wanted, w->arena);
    assert_true(wanted.done);
    assert_str(wanted.want.keys.access, "AK1");
    while (mf_credentials_refreshes(keys) < 2)
        usleep(1000);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    assert_str(wanted.want.keys.access, "AK2");
    /* Expired ones are not handed out, even when there are no others. */
    advance(w, 4000);
    atomic_store(&w->failing, 3);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_UNAVAILABLE);
    assert_non_null(strstr(wanted.err.message, "status 503"));
    set_expiration(w, 3600);
    ask(keys, &wanted, w->arena);
    assert_int_equal(wait_for(&wanted), MF_OK);
    mf_fetcher_stop(w->fetcher);
    mf_credentials_free(keys);
}

int main(void)
{
    setenv("no_proxy", "127.0.0.1", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_profiles_are_read),
        cmocka_unit_test_setup_teardown(variables_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_pair_of_variables_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_profile_is_found_in_either_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_a_file_are_read_again_when_they_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_role_is_assumed_with_a_web_identity, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_container_has_an_agent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_not_fetched_in_plain_from_afar, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_has_a_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_keys_anywhere_is_told_with_what_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(temporary_keys_are_replaced_before_they_expire, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
