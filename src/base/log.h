/*
 * Log lines on standard error: time, level, module, text. Control bytes and broken UTF-8 in the text are
 * escaped, so that data of a user cannot forge a line. Any thread; a line is written with one call.
 */
#ifndef MF_BASE_LOG_H
#define MF_BASE_LOG_H

enum mf_log_level { MF_LOG_ERROR, MF_LOG_WARN, MF_LOG_INFO, MF_LOG_DEBUG };

/* Lines below this level are dropped. Set once by main before threads start. */
void mf_log_set_level(enum mf_log_level level);
void mf_log(enum mf_log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
