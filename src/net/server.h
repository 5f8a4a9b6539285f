/*
 * Listens on one address and speaks HTTP/1.1 and HTTP/2 there, plain or TLS, on any number of I/O threads.
 * The first bytes of a connection decide: TLS record (ALPN h2 or http/1.1), HTTP/2 preface, else HTTP/1.1.
 */
#ifndef MF_NET_SERVER_H
#define MF_NET_SERVER_H

#include "net/http.h"

struct mf_server;

/* Every limit has a default that fits a small machine; 0 in a field means that default. */
struct mf_net_limits {
    size_t header_bytes;    /* header section; 64 KiB; beyond: 431 or stream error */
    size_t body_bytes;      /* whole request body; 256 MiB; beyond: 413 */
    uint32_t streams;       /* concurrent HTTP/2 streams of a connection; 1000 */
    uint32_t connections;   /* 16384; beyond: accepted and closed at once with 503 on HTTP/1.1 */
    uint32_t idle_ms;       /* connection without an exchange; 120 s */
    uint32_t header_ms;     /* from the first byte of a request to the end of its headers; 30 s */
    uint32_t body_ms;       /* without progress of a request body that somebody reads; 60 s */
    uint32_t request_ms;    /* from the head of a request to the end of its body, however it trickles; 1 h */
    uint32_t send_ms;       /* without progress of queued output; 120 s */
    size_t send_high_water; /* per exchange; 256 KiB; the low one is half of it */
};

struct mf_net_config {
    const char *host; /* numeric address or name */
    uint16_t port;    /* 0: any; see mf_server_port */
    int threads;      /* I/O threads; 0: one per core up to 8, then cores/4 with at least 8 and at most 16 */
    struct mf_net_limits limits;
    struct mf_str tls_cert_pem; /* both empty: plain only. With TLS, plain connections are refused. */
    struct mf_str tls_key_pem;
    struct mf_str tls_client_ca_pem; /* not empty: clients must show a certificate signed by it */
};

struct mf_net_stats {
    uint64_t connections_total, connections_open, exchanges_total, exchanges_open, refused_total;
    uint64_t bytes_in, bytes_out;
};

/* Binds and listens but accepts nothing yet. app is passed to on_request. */
enum mf_code mf_server_new(const struct mf_net_config *config, mf_on_request on_request, void *app,
                           struct mf_server **out, struct mf_error *err);
enum mf_code mf_server_start(struct mf_server *server, struct mf_error *err);
uint16_t mf_server_port(const struct mf_server *server);
int mf_server_loop_count(const struct mf_server *server);
struct mf_loop *mf_server_loop(struct mf_server *server, int index);
void mf_server_stats(const struct mf_server *server, struct mf_net_stats *out); /* any thread */
/* Graceful: stops accepting, tells HTTP/2 peers (GOAWAY), lets running exchanges finish for at most grace_ms,
 * then closes the rest and joins the threads. Any thread but an I/O thread. */
void mf_server_stop(struct mf_server *server, uint32_t grace_ms);
void mf_server_free(struct mf_server *server);

#endif
