#include "base/status.h"

#include "base/str.h"

#include <stdio.h>

enum mf_code mf_failv(struct mf_error *err, enum mf_code code, const char *format, va_list args)
{
    if (!err)
        return code;
    err->code = code;
    int len = vsnprintf(err->message, sizeof err->message, format, args);
    if (len < 0)
        err->message[0] = '\0';
    else if ((size_t)len >= sizeof err->message)
        err->message[mf_utf8_cut(mf_str_make(err->message, sizeof err->message - 1),
                                 sizeof err->message - 1)] = '\0';
    return code;
}

enum mf_code mf_fail(struct mf_error *err, enum mf_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mf_failv(err, code, format, args);
    va_end(args);
    return code;
}

enum mf_code mf_fail_prefix(struct mf_error *err, const char *format, ...)
{
    if (!err)
        return MF_UNKNOWN;
    struct mf_error old = *err;
    va_list args;
    va_start(args, format);
    mf_failv(err, old.code, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    struct mf_error head = *err;
    return mf_fail(err, old.code, "%.*s: %s", (int)used, head.message, old.message);
}

enum mf_code mf_fail_memory(struct mf_error *err)
{
    return mf_fail(err, MF_RESOURCE_EXHAUSTED, "out of memory; send a smaller request or try again later");
}

struct code_row {
    enum mf_code code;
    const char *word;
    int http;
};

static const struct code_row codes[] = {{MF_OK, "ok", 200},
#define CODE_ROW(symbol, number, text, status) {symbol, text, status},
                                        MF_CODES(CODE_ROW)
#undef CODE_ROW
};

#define CODE_COUNT (sizeof codes / sizeof codes[0])

static const struct code_row *row_of(enum mf_code code)
{
    size_t i = (size_t)code;
    return i < CODE_COUNT ? &codes[i] : &codes[MF_UNKNOWN];
}

const char *mf_code_word(enum mf_code code)
{
    return row_of(code)->word;
}

enum mf_code mf_code_from_word(const char *word, size_t len)
{
    for (size_t i = 1; i < CODE_COUNT; i++) {
        if (mf_str_eq(mf_str_from_c(codes[i].word), mf_str_make(word, len)))
            return codes[i].code;
    }
    return MF_UNKNOWN;
}

int mf_code_http(enum mf_code code)
{
    return row_of(code)->http;
}
