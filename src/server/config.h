/*
 * The configuration: one table of keys, read from defaults, a file, the environment and flags, in rising
 * order of precedence. Key "some-key" is the flag --some-key, the variable MAYFLY_SOME_KEY and the line
 * "some-key = value" of the file. Help, documentation and "config show" are made from the same table.
 *
 * Immutable once read; any thread may look values up. Wrong input is MF_INVALID_ARGUMENT with the place it
 * came from (flag, variable, or file and line) and what is allowed.
 */
#ifndef MF_SERVER_CONFIG_H
#define MF_SERVER_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"

enum mf_config_type {
    MF_CONFIG_TEXT,
    MF_CONFIG_PATH,
    MF_CONFIG_LIST, /* words separated by commas */
    MF_CONFIG_INT,
    MF_CONFIG_REAL,
    MF_CONFIG_BOOL,     /* true or false; as a flag alone: true */
    MF_CONFIG_SIZE,     /* bytes; suffixes KiB, MiB, GiB */
    MF_CONFIG_DURATION, /* milliseconds; suffixes ms, s, m, h; without one: seconds */
    MF_CONFIG_LEVEL,    /* error, warn, info, debug */
};

/* X(key, name, type, smallest, largest, default, text). Sizes in bytes, durations in milliseconds. */
#define MF_CONFIG_KEYS(X)                                                                                    \
    X(DATA_DIR, "data-dir", PATH, 0, 0, "./mayfly-data",                                                     \
      "Folder that holds everything the server keeps: the database, objects, logs and work folders. Made "   \
      "when missing.")                                                                                       \
    X(STORE, "store", TEXT, 0, 0, "",                                                                        \
      "Where state is kept: left out, in the file mayfly.db of the data directory; or in a PostgreSQL "      \
      "database (14 or newer), as postgres://user@host/database. A database serves one server at a time.")   \
    X(STORE_PASSWORD_FILE, "store-password-file", PATH, 0, 0, "",                                            \
      "File with the password for the PostgreSQL server; else PGPASSFILE and ~/.pgpass count.")              \
    X(STORE_CONNECTIONS, "store-connections", INT, 2, 256, "16",                                             \
      "Connections to the PostgreSQL server that read; one more writes.")                                    \
    X(LISTEN, "listen", TEXT, 0, 0, "127.0.0.1:8090",                                                        \
      "Address and port for everything. Port 0 takes any free one. Without authentication only a loopback "  \
      "address is "                                                                                          \
      "accepted.")                                                                                           \
    X(ALLOW_UNAUTHENTICATED, "allow-unauthenticated", BOOL, 0, 0, "false",                                   \
      "Accept an address that other machines can reach although nobody has to sign in. Whoever reaches it "  \
      "can run any "                                                                                         \
      "program as the server's user.")                                                                       \
    X(AUTH_ISSUER, "auth-issuer", TEXT, 0, 0, "",                                                            \
      "URL of the OpenID Connect issuer whose tokens are accepted. With it, calls without a valid token "    \
      "are "                                                                                                 \
      "refused. "                                                                                            \
      "Empty: nobody has to sign in.")                                                                       \
    X(AUTH_AUDIENCE, "auth-audience", TEXT, 0, 0, "",                                                        \
      "Audience that a token must be for. Empty: any of the issuer's tokens is accepted.")                   \
    X(AUTH_SERVER, "auth-server", TEXT, 0, 0, "",                                                            \
      "URL of the authorization server that clients are sent to. Empty: the issuer.")                        \
    X(AUTH_METADATA, "auth-metadata", TEXT, 0, 0, ".well-known/oauth-authorization-server",                  \
      "URL of the authorization server's metadata; without a scheme, below auth-server.")                    \
    X(AUTH_CLIENT_ID, "auth-client-id", TEXT, 0, 0, "", "Client id that the CLI signs in with.")             \
    X(AUTH_REDIRECT_URI, "auth-redirect-uri", TEXT, 0, 0, "http://localhost:53593/callback",                 \
      "Where the authorization server sends the CLI's browser back to.")                                     \
    X(AUTH_SCOPES, "auth-scopes", LIST, 0, 0, "", "Scopes that the CLI asks for.")                           \
    X(AUTH_TOKEN_HEADER, "auth-token-header", TEXT, 0, 0, "authorization",                                   \
      "Header in which clients send their token.")                                                           \
    X(TRUST_IDENTITY_HEADERS, "trust-identity-headers", BOOL, 0, 0, "false",                                 \
      "Believe the headers below, and bearer tokens without checking them. Only behind a proxy that sets "   \
      "or "                                                                                                  \
      "removes "                                                                                             \
      "them: otherwise anyone can pose as anyone.")                                                          \
    X(IDENTITY_CLAIMS_HEADER, "identity-claims-header", TEXT, 0, 0, "x-amzn-oidc-data",                      \
      "Header in which the proxy puts the caller's claims as a JSON Web Token.")                             \
    X(IDENTITY_SUBJECT_HEADER, "identity-subject-header", TEXT, 0, 0, "x-amzn-oidc-identity",                \
      "Header in which the proxy puts the caller's subject.")                                                \
    X(IDENTITY_EMAIL_HEADER, "identity-email-header", TEXT, 0, 0, "",                                        \
      "Header in which the proxy puts the caller's e-mail address.")                                         \
    X(METRICS_TOKEN_FILE, "metrics-token-file", PATH, 0, 0, "",                                              \
      "File with a token that whoever reads /metrics must send as a bearer token. Empty: /metrics is open.") \
    X(OUTGOING_CA, "outgoing-ca", PATH, 0, 0, "",                                                            \
      "PEM file with the authorities that are trusted when this server calls others. Empty: the system's.")  \
    X(PYTHON, "python", PATH, 0, 0, "",                                                                      \
      "Python interpreter, or folder of an environment, in which tasks run. Empty: the one whose a0 is on "  \
      "the PATH, "                                                                                           \
      "else python3.")                                                                                       \
    X(ENDPOINT, "endpoint", TEXT, 0, 0, "",                                                                  \
      "URL under which tasks and clients reach this server. Empty: made from listen.")                       \
    X(TLS_CERT, "tls-cert", PATH, 0, 0, "",                                                                  \
      "PEM file with the certificate chain. With it, plain connections are refused.")                        \
    X(TLS_KEY, "tls-key", PATH, 0, 0, "", "PEM file with the private key of the certificate.")               \
    X(TLS_CLIENT_CA, "tls-client-ca", PATH, 0, 0, "",                                                        \
      "PEM file with authorities; clients must show a certificate signed by one of them.")                   \
    X(PROJECTS, "projects", LIST, 0, 0, "flytesnacks", "Projects that are made at start when missing.")      \
    X(DOMAINS, "domains", LIST, 0, 0, "development,staging,production",                                      \
      "Domains that every project has, in this order.")                                                      \
    X(REPLACE_TRIGGERS, "replace-triggers", BOOL, 0, 0, "false",                                             \
      "A deploy of a task that brings no triggers takes away those the task has. Otherwise they stay as "    \
      "they are, "                                                                                           \
      "since they may have been made on their own.")                                                         \
    X(FIRE_HISTORY, "fire-history", DURATION, 0, 315360000000, "2160h",                                      \
      "How long it is kept what became of each due time of a schedule. 0: for ever. Runs are not touched.")  \
    X(LOG_LEVEL, "log-level", LEVEL, 0, 0, "info", "Least severe lines to write to standard error.")         \
    X(IO_THREADS, "io-threads", INT, 0, 64, "0", "Threads that own sockets. 0: by the number of cores.")     \
    X(WORKERS, "workers", INT, 0, 512, "0", "Threads that run handlers. 0: by the number of cores.")         \
    X(CONNECTIONS, "connections", INT, 1, 1000000, "16384",                                                  \
      "Open connections; beyond, new ones are turned away.")                                                 \
    X(STREAMS, "streams", INT, 1, 100000, "1000", "Concurrent streams of one HTTP/2 connection.")            \
    X(HEADER_BYTES, "header-bytes", SIZE, 1024, 16777216, "64KiB", "Largest header section of a request.")   \
    X(BODY_BYTES, "body-bytes", SIZE, 1024, 1099511627776, "5GiB",                                           \
      "Largest body of a request; only uploads to the object store come near it.")                           \
    X(MESSAGE_BYTES, "message-bytes", SIZE, 1024, 1073741824, "64MiB",                                       \
      "Largest message of a call, unpacked.")                                                                \
    X(HEADER_TIMEOUT, "header-timeout", DURATION, 100, 3600000, "30s",                                       \
      "For the header section of a request to arrive.")                                                      \
    X(BODY_TIMEOUT, "body-timeout", DURATION, 100, 3600000, "60s", "Without progress of a request body.")    \
    X(REQUEST_TIMEOUT, "request-timeout", DURATION, 100, 86400000, "1h",                                     \
      "For a whole request to arrive, however steadily it trickles. Streams of messages are exempt.")        \
    X(SEND_TIMEOUT, "send-timeout", DURATION, 100, 3600000, "120s",                                          \
      "Without progress of output that waits.")                                                              \
    X(IDLE_TIMEOUT, "idle-timeout", DURATION, 100, 86400000, "120s", "For a connection without a request.")  \
    X(STREAM_IDLE_TIMEOUT, "stream-idle-timeout", DURATION, 0, 604800000, "0",                               \
      "For a stream of messages without a message. 0: none.")                                                \
    X(DRAIN_TIMEOUT, "drain-timeout", DURATION, 0, 3600000, "30s",                                           \
      "How long requests may go on after SIGTERM before their connections are closed.")                      \
    X(STALL_TIMEOUT, "stall-timeout", DURATION, 1000, 3600000, "10s",                                        \
      "/readyz fails when the writer, the executor or a loop has made no progress for so long.")             \
    X(CORS_ORIGINS, "cors-origins", LIST, 0, 0, "",                                                          \
      "Origins whose pages may call, such as http://localhost:3000.")                                        \
    X(BUCKET, "bucket", TEXT, 0, 0, "mayfly", "Bucket of the embedded object store: s3://<bucket>/…")        \
    X(OBJECT_STORE, "object-store", TEXT, 0, 0, "",                                                          \
      "Bucket that objects are kept in: s3://bucket/folder, or gs://bucket/folder. Empty: the embedded "     \
      "store. "                                                                                              \
      "Keys are found as AWS's own tools find them: variables, files, web identity, the role of a "          \
      "container or machine.")                                                                               \
    X(S3_ENDPOINT, "s3-endpoint", TEXT, 0, 0, "",                                                            \
      "URL of the server that has the bucket, such as https://minio.example:9000. Empty: AWS; for gs:// "    \
      "Google.")                                                                                             \
    X(S3_REGION, "s3-region", TEXT, 0, 0, "",                                                                \
      "Region of the bucket. Empty: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1; for gs:// auto.")        \
    X(S3_PATH_STYLE, "s3-path-style", TEXT, 0, 0, "auto",                                                    \
      "Where the bucket stands in the URL of an object: yes: in the path; no: before the host's name; "      \
      "auto: "                                                                                               \
      "in the path when s3-endpoint is set.")                                                                \
    X(S3_CA, "s3-ca", PATH, 0, 0, "",                                                                        \
      "PEM file with the authorities that are trusted when the bucket's server is called. Empty: the "       \
      "system's.")                                                                                           \
    X(OBJECT_BYTES, "object-bytes", SIZE, 1048576, 5497558138880, "5GiB",                                    \
      "Largest object of the embedded object store.")                                                        \
    X(DATA_BYTES, "data-bytes", SIZE, 1024, 1073741824, "64MiB",                                             \
      "Largest inputs and outputs of an action that are shown, and inputs that are uploaded.")               \
    X(LINK_EXPIRY, "link-expiry", DURATION, 1000, 604800000, "1h",                                           \
      "Longest life of a signed link for an upload or a download.")                                          \
    X(EXECUTOR, "executor", TEXT, 0, 0, "process",                                                           \
      "What runs tasks: process (on this machine) or kubernetes (as TaskActions in clusters).")              \
    X(KUBECONFIG, "kubeconfig", PATH, 0, 0, "",                                                              \
      "File that tells how to reach clusters. Empty: the server runs in a pod of its cluster.")              \
    X(KUBE_CONTEXTS, "kube-contexts", LIST, 0, 0, "",                                                        \
      "Contexts of that file, one for each cluster; a run goes to the one its queue names, else to "         \
      "the first. Empty: the current one.")                                                                  \
    X(KUBE_NAMESPACE, "kube-namespace", TEXT, 0, 0, "{project}-{domain}",                                    \
      "Namespace of a run's TaskActions. Without {project} and {domain} runs of one name collide.")          \
    X(KUBE_INSTANCE, "kube-instance", TEXT, 0, 0, "mayfly",                                                  \
      "Label that tells this server's TaskActions from those of others in the same cluster.")                \
    X(KUBE_CREATE_RATE, "kube-create-rate", INT, 1, 100000, "200",                                           \
      "TaskActions that are created in a second; runs take turns.")                                          \
    X(KUBE_RETENTION, "kube-retention", DURATION, 0, 31536000000, "1h",                                      \
      "How long finished TaskActions, and their pods, stay. History does not depend on them.")               \
    X(KUBE_SHARDED_OUTPUTS, "kube-sharded-outputs", BOOL, 0, 0, "true",                                      \
      "Outputs are below a folder of two letters, as Flyte's executor puts them.")                           \
    X(CPUS, "cpus", REAL, 0, 100000, "0",                                                                    \
      "CPUs that running tasks may ask for in all. 0: those of the machine.")                                \
    X(MEMORY, "memory", SIZE, 0, 1152921504606846976, "0",                                                   \
      "Memory that running tasks may ask for in all. 0: 80 % of the machine's.")                             \
    X(ABORT_GRACE, "abort-grace", DURATION, 0, 3600000, "10s",                                               \
      "Between SIGTERM and SIGKILL for the processes of an aborted task.")                                   \
    X(TASK_LOG_BYTES, "task-log-bytes", SIZE, 4096, 1099511627776, "100MiB",                                 \
      "What is kept of the log of one attempt.")                                                             \
    X(WRITE_QUEUE, "write-queue", INT, 16, 10000000, "65536", "Changes that may wait for the writer.")       \
    X(WRITE_BATCH, "write-batch", INT, 1, 100000, "256", "Changes that are made durable together.")          \
    X(UNSAFE_NO_FSYNC, "unsafe-no-fsync", BOOL, 0, 0, "false",                                               \
      "For tests only: answer before data is on the disk. A power cut loses or damages it.")

enum mf_config_key {
#define MF_CONFIG_ENUM(key, name, type, smallest, largest, initial, text) MF_CONF_##key,
    MF_CONFIG_KEYS(MF_CONFIG_ENUM)
#undef MF_CONFIG_ENUM
        MF_CONF_COUNT
};

struct mf_config;

/* What to read; every part may be empty. */
struct mf_config_input {
    int argc; /* flags only: without the names of program and command */
    const char *const *argv;
    const char *const *environ; /* NAME=value …, NULL at the end */
    const char *file;           /* read even without --config or MAYFLY_CONFIG; NULL: none */
};

/* Everything lives in the arena. --help and --check, when allowed there, are left for the caller to look up.
 */
enum mf_code mf_config_read(struct mf_arena *arena, const struct mf_config_input *input,
                            struct mf_config **out, struct mf_error *err) MF_CHECK_RESULT;
bool mf_config_wants_help(const struct mf_config *config); /* --help or -h was given */
bool mf_config_only_check(const struct mf_config *config); /* --check was given */

const char *mf_config_text(const struct mf_config *config, enum mf_config_key key); /* TEXT, PATH */
int64_t mf_config_int(const struct mf_config *config,
                      enum mf_config_key key); /* INT, BOOL, SIZE, DURATION, LEVEL */
double mf_config_real(const struct mf_config *config, enum mf_config_key key);
size_t mf_config_list(const struct mf_config *config, enum mf_config_key key, const struct mf_str **items);

/* Variables of the environment that begin with MAYFLY_ and are no key: worth a warning, not an error, since a
 * container platform may set some of its own. Returns how many there are. */
size_t mf_config_unknown_variables(const struct mf_config *config, const struct mf_str **names);

/* For people. */
void mf_config_help(struct mf_buf *out); /* the flags, for --help */
void mf_config_docs(struct mf_buf *out); /* docs/configuration.md */
void mf_config_show(const struct mf_config *config,
                    struct mf_buf *out); /* key = value, and where it came from */

#endif
