/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: lines on stderr, "weft: ..." Nothing below main() both logs and returns an error. While
 * a progress display owns the terminal it takes the lines through a sink, so that they do not tear
 * it.
 */
#ifndef WEFT_BASE_LOG_H
#define WEFT_BASE_LOG_H

enum weft_log_level {
    WEFT_LOG_ERROR,
    WEFT_LOG_WARN,
    WEFT_LOG_INFO,
    WEFT_LOG_DEBUG
};

/** Lines above this level are dropped (default WEFT_LOG_INFO). */
void weft_log_set_level(enum weft_log_level level);
enum weft_log_level weft_log_level(void);

/** Where lines go; NULL: stderr. The line has its prefix and no newline. Loop thread only. */
typedef void weft_log_sink_fn(enum weft_log_level level, const char *line, void *data);
void weft_log_set_sink(weft_log_sink_fn *sink, void *data);

/** Log one line. Thread: any; lines of other threads than the one that set the sink go to stderr.
 */
void weft_log(enum weft_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define weft_error(...) weft_log(WEFT_LOG_ERROR, __VA_ARGS__)
#define weft_warn(...) weft_log(WEFT_LOG_WARN, __VA_ARGS__)
#define weft_info(...) weft_log(WEFT_LOG_INFO, __VA_ARGS__)
#define weft_debug(...) weft_log(WEFT_LOG_DEBUG, __VA_ARGS__)

#endif
