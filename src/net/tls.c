#include "net/connection.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define RECORD_BYTES 16384 /* of plain text in one TLS record */

struct mf_tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method; /* reads from tls->feed, writes to conn->wire: no copy in between */
};

struct mf_tls {
    SSL *ssl;
    struct mf_connection *conn;
    struct mf_str feed; /* what arrived and was not read yet */
    bool ready;
    bool failed; /* after an error nothing may be sent, not even the closing alert */
};

/* ---- bytes in and out ---- */

static int bio_read(BIO *bio, char *to, size_t len, size_t *done)
{
    struct mf_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->feed.len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *done = len < tls->feed.len ? len : tls->feed.len;
    memcpy(to, tls->feed.ptr, *done);
    tls->feed = mf_str_skip(tls->feed, *done);
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t len, size_t *done)
{
    struct mf_tls *tls = BIO_get_data(bio);
    mf_io_buf_take(tls->conn->io, &tls->conn->wire);
    if (!mf_buf_add(&tls->conn->wire, from, len))
        return 0;
    *done = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
    (void)bio;
    (void)number;
    (void)ptr;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
    if (method && (!BIO_meth_set_read_ex(method, bio_read) || !BIO_meth_set_write_ex(method, bio_write) ||
                   !BIO_meth_set_ctrl(method, bio_ctrl) || !BIO_meth_set_create(method, bio_create))) {
        BIO_meth_free(method);
        method = NULL;
    }
    return method;
}

/* ---- certificates ---- */

static enum mf_code fail(struct mf_error *err, const char *what)
{
    char text[200];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    return mf_fail(err, MF_INVALID_ARGUMENT, "%s: %s", what, text);
}

/* Instead of the question on the terminal that OpenSSL would ask. */
static int no_password(char *buf, int size, int writing, void *user)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static BIO *reader(struct mf_str pem)
{
    return pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

/* The server's certificate and those that lead to its authority. */
static enum mf_code use_chain(SSL_CTX *ctx, struct mf_str pem, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    BIO *bio = reader(pem);
    if (!bio)
        return mf_fail_memory(err);
    X509 *leaf = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1)
        code = fail(
            err, "the TLS certificate cannot be used; give a PEM file with the server's certificate first");
    X509_free(leaf);
    while (code == MF_OK) {
        X509 *next = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!next)
            break; /* the end of the file */
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            code = fail(err, "the chain of the TLS certificate cannot be used");
        }
    }
    ERR_clear_error();
    BIO_free(bio);
    return code;
}

static enum mf_code use_key(SSL_CTX *ctx, struct mf_str pem, struct mf_error *err)
{
    enum mf_code code = MF_OK;
    BIO *bio = reader(pem);
    if (!bio)
        return mf_fail_memory(err);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    if (!key)
        code = fail(err, "the TLS key cannot be read; give an unencrypted PEM file");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        code = fail(err, "the TLS key does not belong to the certificate");
    EVP_PKEY_free(key);
    BIO_free(bio);
    return code;
}

static enum mf_code ask_for_clients(SSL_CTX *ctx, struct mf_str pem, struct mf_error *err)
{
    static const unsigned char session_context[] = "mayfly";
    enum mf_code code = MF_OK;
    size_t count = 0;
    BIO *bio = reader(pem);
    if (!bio)
        return mf_fail_memory(err);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (X509 *ca; code == MF_OK && (ca = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL; count++) {
        if (X509_STORE_add_cert(store, ca) != 1 || SSL_CTX_add_client_CA(ctx, ca) != 1)
            code = fail(err, "a certificate of the clients' authority cannot be used");
        X509_free(ca);
    }
    ERR_clear_error();
    BIO_free(bio);
    if (code == MF_OK && count == 0)
        code =
            mf_fail(err, MF_INVALID_ARGUMENT,
                    "the file of the clients' certificate authority holds no certificate; give a PEM file");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    return code;
}

static bool offers(const unsigned char *list, unsigned len, struct mf_str protocol, const unsigned char **at)
{
    for (unsigned i = 0; i < len && i + 1u + list[i] <= len; i += 1u + list[i]) {
        *at = list + i + 1;
        if (mf_str_eq(mf_str_make(*at, list[i]), protocol))
            return true;
    }
    return false;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *list, unsigned len, void *arg)
{
    static const struct mf_str known[] = {{"h2", 2}, {"http/1.1", 8}};
    (void)ssl;
    (void)arg;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (offers(list, len, known[i], out)) {
            *out_len = (unsigned char)known[i].len;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

enum mf_code mf_tls_context_new(const struct mf_net_config *config, struct mf_tls_context **out,
                                struct mf_error *err)
{
    struct mf_tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return mf_fail_memory(err);
    context->ctx = SSL_CTX_new(TLS_server_method());
    context->method = make_method();
    if (!context->ctx || !context->method) {
        mf_tls_context_free(context);
        return mf_fail_memory(err);
    }
    SSL_CTX_set_min_proto_version(context->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(context->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                          SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                          SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_OFF); /* tickets do the same without memory */
    SSL_CTX_set_num_tickets(context->ctx, 1);
    SSL_CTX_set_alpn_select_cb(context->ctx, choose_protocol, NULL);
    enum mf_code code = use_chain(context->ctx, config->tls_cert_pem, err);
    if (code == MF_OK)
        code = use_key(context->ctx, config->tls_key_pem, err);
    if (code == MF_OK && config->tls_client_ca_pem.len > 0)
        code = ask_for_clients(context->ctx, config->tls_client_ca_pem, err);
    if (code != MF_OK) {
        mf_tls_context_free(context);
        return code;
    }
    *out = context;
    return MF_OK;
}

void mf_tls_context_free(struct mf_tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ctx);
    BIO_meth_free(context->method);
    free(context);
}

/* ---- a connection ---- */

struct mf_tls *mf_tls_new(struct mf_tls_context *context, struct mf_connection *conn)
{
    struct mf_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    BIO *bio = BIO_new(context->method);
    tls->conn = conn;
    tls->ssl = SSL_new(context->ctx);
    if (!bio || !tls->ssl) {
        BIO_free(bio);
        mf_tls_free(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void mf_tls_free(struct mf_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    free(tls);
}

/* True while the peer just has to send more. */
static bool wants_more(struct mf_tls *tls, int rc)
{
    int error = SSL_get_error(tls->ssl, rc);
    if (error == SSL_ERROR_WANT_READ)
        return true;
    tls->failed = true;
    ERR_clear_error();
    return false;
}

static bool shake_hands(struct mf_tls *tls)
{
    int rc = SSL_do_handshake(tls->ssl);
    if (rc == 1)
        tls->ready = true;
    return rc == 1 || wants_more(tls, rc);
}

bool mf_tls_receive(struct mf_tls *tls, struct mf_str bytes)
{
    struct mf_connection *conn = tls->conn;
    tls->feed = bytes;
    ERR_clear_error(); /* what another connection of this thread left behind */
    if (!tls->ready && (!shake_hands(tls) || !tls->ready))
        return !tls->failed;
    for (;;) {
        int n = SSL_read(tls->ssl, conn->io->plain_bytes, MF_IO_READ_BYTES);
        if (n > 0) {
            mf_connection_receive(conn, mf_str_make(conn->io->plain_bytes, (size_t)n));
            continue;
        }
        if (SSL_get_error(tls->ssl, n) == SSL_ERROR_ZERO_RETURN)
            return false; /* the peer says that it ends */
        return wants_more(tls, n);
    }
}

bool mf_tls_send(struct mf_tls *tls)
{
    struct mf_buf *out = &tls->conn->out;
    size_t at = 0;
    if (!tls->ready || tls->failed)
        return out->len == 0 || !tls->failed;
    ERR_clear_error();
    while (at < out->len) {
        size_t len = out->len - at < RECORD_BYTES ? out->len - at : RECORD_BYTES;
        int n = SSL_write(tls->ssl, out->ptr + at, (int)len);
        if (n <= 0) {
            tls->failed = true;
            ERR_clear_error();
            return false;
        }
        at += (size_t)n;
    }
    mf_io_buf_give(tls->conn->io, out);
    return true;
}

void mf_tls_close(struct mf_tls *tls)
{
    if (tls->failed || !tls->ready)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* whether the peer answers does not matter */
    ERR_clear_error();
}

bool mf_tls_ready(const struct mf_tls *tls)
{
    return tls->ready;
}

bool mf_tls_is_h2(const struct mf_tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0;
}
