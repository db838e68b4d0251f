/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/result_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

enum {
    RESULT_MAX = 16 * 1024 * 1024, /* as of a file with a result */
    OTHER_MAX = 300                /* of a line that is kept */
};

static const char kind[] = "weft bench";

static bool has_kind(const char *text, size_t len)
{
    return memmem(text, len, "\"weft bench\"", sizeof(kind) + 1) != NULL;
}

static void take(struct weft_result_log *log, const char *text, size_t len)
{
    weft_auto_err err = NULL;
    struct weft_json *j = NULL;

    if (!has_kind(text, len)) {
        return; /* somebody else's object */
    }
    j = weft_json_parse(text, len, &err);
    if (!j) {
        free(log->broken);
        log->broken = weft_xstrdup(err->msg);
    } else if (weft_str_eq(weft_json_str(j, "kind"), kind)) {
        weft_json_free(log->found);
        log->found = j;
    } else {
        weft_json_free(j);
    }
}

static void add(struct weft_result_log *log, const char *line, size_t len)
{
    if (log->object.len + len > RESULT_MAX) {
        log->too_large = true;
        log->open = false;
        weft_buf_clear(&log->object);
        return;
    }
    weft_buf_append(&log->object, line, len);
    weft_buf_append(&log->object, "\n", 1);
}

/* A line inside of an object, as weft prints it: what its arrays hold is in quotes or braces. */
static bool is_inner(const char *line, size_t len)
{
    size_t i = 0;

    while (i < len && line[i] == ' ') {
        i++;
    }
    return i >= 2 && i < len && memchr("\"{}[]", line[i], 5) != NULL;
}

static void keep_other(struct weft_result_log *log, const char *line, size_t len)
{
    char **place = &log->last[log->n_other % WEFT_RESULT_LOG_LAST];
    weft_auto_free char *text = weft_xstrndup(line, len < OTHER_MAX ? len : OTHER_MAX);

    if (*text) {
        free(*place);
        *place = weft_printable(text);
        log->n_other++;
    }
}

void weft_result_log_line(struct weft_result_log *log, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r') {
        len--; /* the container had a terminal */
    }
    if (len == 1 && *line == '{') {
        log->cut = log->cut || log->open;
        log->open = true;
        log->inner = false;
        weft_buf_clear(&log->object);
        add(log, line, len);
    } else if (len == 1 && *line == '}') {
        if (log->open) {
            add(log, line, len);
            take(log, log->object.data, log->object.len);
        }
        log->headless = log->headless || (!log->open && log->inner);
        log->open = false;
        log->inner = false;
    } else if (is_inner(line, len)) {
        if (log->open) {
            add(log, line, len);
        } else {
            log->inner = true;
        }
    } else if (len > 0 && *line == '{' && has_kind(line, len)) {
        take(log, line, len); /* all of it on one line */
    } else {
        keep_other(log, line, len);
    }
}

int weft_result_log_end(struct weft_result_log *log, struct weft_bench_result *out,
                        struct weft_err **err)
{
    if (log->found) {
        return weft_bench_result_parse(log->found, out, err);
    }
    if (log->too_large) {
        return weft_fail(err, WEFT_E_FORMAT, "the result in the log is too large");
    }
    if (log->broken) {
        return weft_fail(err, WEFT_E_FORMAT, "the result in the log is damaged: %s", log->broken);
    }
    if (log->open || log->cut) {
        return weft_fail(err, WEFT_E_FORMAT, "the log ends in the middle of the result");
    }
    if (log->headless || log->inner) {
        return weft_fail(err, WEFT_E_FORMAT,
                         "the log begins in the middle of the result: its beginning was rotated "
                         "away (the kubelet's containerLogMaxSize)");
    }
    return weft_fail(err, WEFT_E_FORMAT, "there is no result in the log");
}

void weft_result_log_others(const struct weft_result_log *log, struct weft_strv *out)
{
    size_t first = log->n_other > WEFT_RESULT_LOG_LAST ? log->n_other - WEFT_RESULT_LOG_LAST : 0;

    for (size_t i = first; i < log->n_other; i++) {
        weft_strv_add(out, log->last[i % WEFT_RESULT_LOG_LAST]);
    }
}

void weft_result_log_finish(struct weft_result_log *log)
{
    weft_json_free(log->found);
    free(log->broken);
    weft_buf_finish(&log->object);
    for (size_t i = 0; i < WEFT_RESULT_LOG_LAST; i++) {
        free(log->last[i]);
    }
    *log = (struct weft_result_log){0};
}
