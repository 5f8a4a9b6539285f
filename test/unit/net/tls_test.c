#include "app.h"
#include "testing.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

/* ---- certificates made for the test ---- */

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    struct mf_buf key_pem, cert_pem;
};

static struct identity authority, leaf, stranger;

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void keep_pem(BIO *bio, struct mf_buf *to)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    assert_true(mf_buf_add(to, bytes, (size_t)len));
    BIO_free(bio);
}

/* issuer NULL: signed by itself, an authority. */
static void make_identity(struct identity *identity, const char *name, const struct identity *issuer,
                          long serial)
{
    *identity = (struct identity){.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    assert_non_null(identity->key);
    X509 *cert = identity->cert;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, identity->key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
    add_extension(cert, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    assert_true(X509_sign(cert, issuer ? issuer->key : identity->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    keep_pem(bio, &identity->cert_pem);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL), 1);
    keep_pem(bio, &identity->key_pem);
}

static void free_identity(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->cert);
    mf_buf_free(&identity->key_pem);
    mf_buf_free(&identity->cert_pem);
}

static int setup(void **state)
{
    (void)state;
    make_identity(&authority, "authority", NULL, 1);
    make_identity(&leaf, "localhost", &authority, 2);
    make_identity(&stranger, "stranger", NULL, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_identity(&authority);
    free_identity(&leaf);
    free_identity(&stranger);
    return 0;
}

/* ---- a client ---- */

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

/* A system call that a signal has interrupted shows as a wish to try again. */
static bool again(struct client *client, int rc)
{
    int error = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(client->ssl, rc);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static int tls_read(struct client *client, void *to, int room)
{
    int n;
    do {
        n = SSL_read(client->ssl, to, room);
    } while (again(client, n));
    return n;
}

static int tls_write(struct client *client, const void *bytes, int len)
{
    int n;
    do {
        n = SSL_write(client->ssl, bytes, len);
    } while (again(client, n));
    return n;
}

/* protocols: as ALPN wants them. Returns what the handshake says. */
static bool open_client(struct client *client, uint16_t port, const char *protocols,
                        const struct identity *me)
{
    client->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(client->ctx);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client->ctx), authority.cert);
    SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
    if (protocols)
        assert_int_equal(SSL_CTX_set_alpn_protos(client->ctx, (const unsigned char *)protocols,
                                                 (unsigned)strlen(protocols)),
                         0);
    if (me) {
        assert_int_equal(SSL_CTX_use_certificate(client->ctx, me->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(client->ctx, me->key), 1);
    }
    client->fd = client_connect(port);
    client->ssl = SSL_new(client->ctx);
    assert_non_null(client->ssl);
    SSL_set_fd(client->ssl, client->fd);
    int rc;
    do {
        rc = SSL_connect(client->ssl);
    } while (again(client, rc));
    return rc == 1;
}

static void close_client(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
    close(client->fd);
}

static void tls_send(struct client *client, const char *text)
{
    assert_int_equal(tls_write(client, text, (int)strlen(text)), (int)strlen(text));
}

/* Until text has come, or the end when it is NULL; false when the connection ends before. */
static bool tls_expect(struct client *client, struct mf_buf *got, const char *text)
{
    while (!text || !client_contains(got, text)) {
        char *to = mf_buf_reserve(got, 65536);
        assert_non_null(to);
        int n = tls_read(client, to, 65536);
        if (n <= 0)
            return !text;
        mf_buf_commit(got, (size_t)n);
    }
    return true;
}

static struct mf_net_config config_of(const struct identity *identity)
{
    return (struct mf_net_config){.host = "127.0.0.1",
                                  .threads = 2,
                                  .tls_cert_pem = mf_buf_str(&identity->cert_pem),
                                  .tls_key_pem = mf_buf_str(&identity->key_pem)};
}

/* ---- tests ---- */

static void the_client_chooses_the_protocol(void **state)
{
    const struct mf_net_config config = config_of(&leaf);
    struct app app;
    struct client client;
    struct mf_buf got = MF_BUF_INIT(0);
    const unsigned char *name;
    unsigned len;
    (void)state;
    app_start_with(&app, &config);
    static const char *const offers[] = {NULL, "\x08http/1.1", "\x03xyz\x08http/1.1"};
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        assert_true(open_client(&client, app.port, offers[i], NULL));
        tls_send(&client, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        mf_buf_clear(&got);
        assert_true(tls_expect(&client, &got, "\r\n\r\nhello"));
        close_client(&client);
    }
    assert_true(open_client(&client, app.port, "\x08http/1.1\x02h2", NULL));
    SSL_get0_alpn_selected(client.ssl, &name, &len);
    assert_int_equal(len, 2);
    assert_memory_equal(name, "h2", 2);
    mf_buf_clear(&got);
    assert_int_equal(tls_write(&client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33), 33);
    while (got.len < 9) {
        char *to = mf_buf_reserve(&got, 4096);
        int n = tls_read(&client, to, 4096);
        assert_true(n > 0);
        mf_buf_commit(&got, (size_t)n);
    }
    assert_int_equal(got.ptr[3], 4); /* SETTINGS come first */
    close_client(&client);
    assert_false(open_client(&client, app.port, "\x03xyz", NULL));
    close_client(&client);
    mf_buf_free(&got);
    app_stop(&app);
}

static void much_goes_both_ways(void **state)
{
    enum { BODY = 1 << 20 };
    const struct mf_net_config config = config_of(&leaf);
    static char body[BODY];
    struct app app;
    struct client client;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    memset(body, 'b', BODY);
    app_start_with(&app, &config);
    assert_true(open_client(&client, app.port, NULL, NULL));
    tls_send(&client,
             "POST /collect HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n");
    assert_int_equal(tls_write(&client, body, BODY), BODY);
    assert_true(tls_expect(&client, &got, NULL));
    assert_true(got.len > BODY && got.len < BODY + 4096);
    close_client(&client);
    assert_true(open_client(&client, app.port, NULL, NULL));
    mf_buf_clear(&got);
    tls_send(&client, "GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(tls_expect(&client, &got, NULL));
    assert_true(got.len > BIG_BYTES && got.len < BIG_BYTES + 65536);
    assert_int_equal(SSL_get_shutdown(client.ssl), SSL_RECEIVED_SHUTDOWN); /* not cut off */
    close_client(&client);
    mf_buf_free(&got);
    app_stop(&app);
}

static void plain_clients_are_told(void **state)
{
    const struct mf_net_config config = config_of(&leaf);
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    app_start_with(&app, &config);
    client_ask(app.port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &got);
    assert_true(client_contains(&got, " 400 "));
    assert_true(client_contains(&got, "https://"));
    assert_int_equal(app.opened, 0);
    mf_buf_clear(&got);
    client_ask(app.port, "\x16garbage that is no handshake at all", &got);
    assert_int_equal(app.opened, 0);
    mf_buf_free(&got);
    app_stop(&app);
}

static void clients_show_their_certificates(void **state)
{
    struct mf_net_config config = config_of(&leaf);
    struct app app;
    struct client client;
    struct mf_buf got = MF_BUF_INIT(0);
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    (void)state;
    config.tls_client_ca_pem = mf_buf_str(&authority.cert_pem);
    app_start_with(&app, &config);
    const struct identity *refused[] = {NULL, &stranger};
    for (int i = 0; i < 2; i++) {
        /* With TLS 1.3 the client learns it only when it reads. */
        if (open_client(&client, app.port, NULL, refused[i])) {
            (void)tls_write(&client, request, sizeof request - 1);
            assert_false(tls_expect(&client, &got, "hello"));
        }
        close_client(&client);
    }
    assert_int_equal(app.opened, 0);
    assert_true(open_client(&client, app.port, NULL, &leaf));
    tls_send(&client, request);
    assert_true(tls_expect(&client, &got, "hello"));
    close_client(&client);
    mf_buf_free(&got);
    app_stop(&app);
}

static void a_handshake_has_a_deadline(void **state)
{
    struct mf_net_config config = config_of(&leaf);
    struct app app;
    struct mf_buf got = MF_BUF_INIT(0);
    (void)state;
    config.limits.header_ms = 200;
    app_start_with(&app, &config);
    int fd = client_connect(app.port);
    client_send_bytes(fd, "\x16\x03\x01\x02\x00\x01", 6);
    client_read_all(fd, &got);
    close(fd);
    mf_buf_free(&got);
    app_stop(&app);
}

static void what_cannot_be_used_is_refused(void **state)
{
    struct mf_net_config config = config_of(&leaf);
    struct mf_server *server;
    struct mf_error err;
    (void)state;
    config.tls_key_pem = mf_buf_str(&stranger.key_pem);
    assert_int_equal(mf_server_new(&config, NULL, NULL, &server, &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "key"));
    config.tls_key_pem = MF_STR("nonsense");
    assert_int_equal(mf_server_new(&config, NULL, NULL, &server, &err), MF_INVALID_ARGUMENT);
    config = config_of(&leaf);
    config.tls_cert_pem = MF_STR("nonsense");
    assert_int_equal(mf_server_new(&config, NULL, NULL, &server, &err), MF_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "certificate"));
    config = config_of(&leaf);
    config.tls_client_ca_pem = MF_STR("nonsense");
    assert_int_equal(mf_server_new(&config, NULL, NULL, &server, &err), MF_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_chooses_the_protocol), cmocka_unit_test(much_goes_both_ways),
        cmocka_unit_test(plain_clients_are_told),          cmocka_unit_test(clients_show_their_certificates),
        cmocka_unit_test(a_handshake_has_a_deadline),      cmocka_unit_test(what_cannot_be_used_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
