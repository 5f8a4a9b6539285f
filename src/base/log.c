#include "base/log.h"

#include "base/arena.h"
#include "base/str.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 2048
#define LINE_MAX_BYTES (TEXT_MAX * 4 + 128)

/* The one piece of process-wide state: a log line must be possible everywhere, without a handle. */
static atomic_int lowest = MF_LOG_INFO;

void mf_log_set_level(enum mf_log_level level)
{
    atomic_store_explicit(&lowest, (int)level, memory_order_relaxed);
}

/* Copies text with control bytes and broken UTF-8 as \xHH; returns the bytes written. */
static size_t escape(char *out, size_t room, struct mf_str text)
{
    size_t n = 0;
    size_t i = 0;
    while (i < text.len && room - n > 4) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t width = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        bool whole = width <= text.len - i && mf_utf8_valid(text.ptr + i, width);
        /* U+0080 to U+009F are control characters too. */
        bool c1 = whole && width == 2 && c == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (whole && !c1 && c >= 0x20 && c != 0x7f) {
            memcpy(out + n, text.ptr + i, width);
            n += width;
            i += width;
        } else {
            n += (size_t)snprintf(out + n, room - n, "\\x%02x", (unsigned)c);
            i++;
        }
    }
    return n;
}

void mf_log(enum mf_log_level level, const char *module, const char *format, ...)
{
    static const char words[4][6] = {"ERROR", "WARN ", "INFO ", "DEBUG"};
    if ((int)level > atomic_load_explicit(&lowest, memory_order_relaxed))
        return;
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        return;
    size_t used = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t year;
    unsigned month, day;
    mf_civil_from_days(now.tv_sec / 86400, &year, &month, &day);
    unsigned second = (unsigned)(now.tv_sec % 86400);

    char line[LINE_MAX_BYTES];
    int head = snprintf(line, sizeof line, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ %s %s: ", (int)year, month,
                        day, second / 3600, second / 60 % 60, second % 60, (unsigned)(now.tv_nsec / 1000000),
                        words[level], module);
    size_t n = head > 0 ? (size_t)head : 0;
    n += escape(line + n, sizeof line - n - 1, mf_str_make(text, used));
    line[n++] = '\n';
    /* A log that cannot be written must not stop the server. */
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}
