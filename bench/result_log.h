/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result found again in the log of a container that printed it (weft bench run --json). The log
 * is put together from two streams, so other lines are before the result, behind it and between its
 * own. Takes any text, a line at a time, and keeps no more of it than a result may have.
 */
#ifndef WEFT_BENCH_RESULT_LOG_H
#define WEFT_BENCH_RESULT_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "bench/result.h"

struct weft_err;
struct weft_json;

enum {
    WEFT_RESULT_LOG_LAST = 5 /* other lines that are kept */
};

/** Start from {0}; end with weft_result_log_finish. */
struct weft_result_log {
    struct weft_json *found;          /* the last whole one; NULL: none yet */
    char *broken;                     /* what is wrong with one that is no JSON; NULL: none */
    struct weft_buf object;           /* the lines of the one that is being read */
    bool open;                        /* it is */
    bool cut;                         /* one had a beginning, but no end */
    bool headless;                    /* one had an end, but no beginning */
    bool too_large;                   /* one was */
    bool inner;                       /* lines as of a result have come outside of any */
    char *last[WEFT_RESULT_LOG_LAST]; /* other lines, printable: a ring */
    size_t n_other;                   /* how many there were */
};

/** The next line, without its newline. It may hold any bytes. */
void weft_result_log_line(struct weft_result_log *log, const char *line, size_t len);

/**
 * At the log's end: the result, the last one if there were several.
 * @param out zeroed; untouched on failure
 * Errors: WEFT_E_FORMAT: there is none, it is not whole, or not as a result has to be.
 */
int weft_result_log_end(struct weft_result_log *log, struct weft_bench_result *out,
                        struct weft_err **err);

/** Append the last lines that are not of a result, printable and short, in their order. */
void weft_result_log_others(const struct weft_result_log *log, struct weft_strv *out);

void weft_result_log_finish(struct weft_result_log *log);

#endif
