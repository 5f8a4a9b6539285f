/*
 * The one way a function reports failure: it returns a code (MF_OK is zero) and, when the caller passed
 * an error to fill, leaves a message there that tells the reader what to do next.
 *
 * Codes and their numbers are those of gRPC and Connect, so a failure travels to the client unchanged.
 * An mf_error is plain memory of the caller's (usually on the stack); nothing in it needs freeing. Any
 * thread may use its own.
 */
#ifndef MF_BASE_STATUS_H
#define MF_BASE_STATUS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* X(symbol, number, word on the wire, HTTP status of a Connect unary error) */
#define MF_CODES(X)                                                                                          \
    X(MF_CANCELED, 1, "canceled", 499)                                                                       \
    X(MF_UNKNOWN, 2, "unknown", 500)                                                                         \
    X(MF_INVALID_ARGUMENT, 3, "invalid_argument", 400)                                                       \
    X(MF_DEADLINE_EXCEEDED, 4, "deadline_exceeded", 504)                                                     \
    X(MF_NOT_FOUND, 5, "not_found", 404)                                                                     \
    X(MF_ALREADY_EXISTS, 6, "already_exists", 409)                                                           \
    X(MF_PERMISSION_DENIED, 7, "permission_denied", 403)                                                     \
    X(MF_RESOURCE_EXHAUSTED, 8, "resource_exhausted", 429)                                                   \
    X(MF_FAILED_PRECONDITION, 9, "failed_precondition", 400)                                                 \
    X(MF_ABORTED, 10, "aborted", 409)                                                                        \
    X(MF_OUT_OF_RANGE, 11, "out_of_range", 400)                                                              \
    X(MF_UNIMPLEMENTED, 12, "unimplemented", 501)                                                            \
    X(MF_INTERNAL, 13, "internal", 500)                                                                      \
    X(MF_UNAVAILABLE, 14, "unavailable", 503)                                                                \
    X(MF_DATA_LOSS, 15, "data_loss", 500)                                                                    \
    X(MF_UNAUTHENTICATED, 16, "unauthenticated", 401)

enum mf_code {
    MF_OK = 0,
#define MF_CODE_ENUM(symbol, number, word, http) symbol = number,
    MF_CODES(MF_CODE_ENUM)
#undef MF_CODE_ENUM
};

#define MF_ERROR_MESSAGE_MAX 1024

struct mf_error {
    enum mf_code code;
    char message[MF_ERROR_MESSAGE_MAX]; /* NUL-terminated UTF-8, cut at a character boundary when too long */
};

#define MF_CHECK_RESULT __attribute__((warn_unused_result))

/* Fills err (which may be NULL) and returns code, so that "return mf_fail(...)" reads well. */
enum mf_code mf_fail(struct mf_error *err, enum mf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum mf_code mf_failv(struct mf_error *err, enum mf_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Puts text and ": " before the message that err already holds. Returns err's code. */
enum mf_code mf_fail_prefix(struct mf_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The usual answer to a failed allocation. */
enum mf_code mf_fail_memory(struct mf_error *err);

/* "not_found" and so on; "ok" for MF_OK, "unknown" for a number that is no code. */
const char *mf_code_word(enum mf_code code);
/* The code whose word this is, or MF_UNKNOWN. */
enum mf_code mf_code_from_word(const char *word, size_t len);
/* HTTP status that a Connect unary error of this code carries; 200 for MF_OK. */
int mf_code_http(enum mf_code code);

#endif
