/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/solve_error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress_text.h"

/* BuildKit prints source excerpts between two such lines (solver/errdefs/source.go) */
static const char rule[] = "--------------------";

static const char exit_code_mark[] = "exit code: ";
static const char error_mark[] = "error: ";

enum {
    TEXT_LIMIT_BYTES = 256 << 10,
    EXCERPT_LINES = 30,
    MESSAGE_LIMIT_BYTES = 2048,
};

void weft_solve_error_add(struct weft_buf *text, const char *line, size_t len)
{
    bool kept = weft_starts_with(line, error_mark) || strcmp(line, rule) == 0;
    size_t limit = kept ? 2 * TEXT_LIMIT_BYTES : TEXT_LIMIT_BYTES;

    if (text->len >= limit) {
        return;
    }
    weft_buf_append(text, line, len < limit - text->len ? len : limit - text->len);
    weft_buf_puts(text, "\n");
}

/* The text behind the wrappings that say nothing to a reader: every failed solve carries them. */
static const char *unwrapped(const char *message)
{
    static const char *const wrappings[] = {
        "error: ", "failed to solve: ", "failed to solve with frontend dockerfile.v0: "};

    for (size_t i = 0; i < sizeof(wrappings) / sizeof(wrappings[0]); i++) {
        if (weft_starts_with(message, wrappings[i])) {
            message += strlen(wrappings[i]);
        }
    }
    return message;
}

int weft_solve_exit_code(const char *error)
{
    const char *last = NULL;
    long code;

    /* the command is quoted in the error before it, and may hold the same words */
    for (const char *p = error; (p = strstr(p, exit_code_mark)); p++) {
        last = p + strlen(exit_code_mark);
    }
    if (!last || *last < '0' || *last > '9') {
        return -1;
    }
    code = strtol(last, NULL, 10);
    return code <= 255 ? (int)code : -1;
}

void weft_solve_error_parse(const char *text, struct weft_solve_error *out)
{
    weft_auto_strv lines = {0};
    weft_auto_buf excerpt = {0};
    weft_auto_buf message = {0};
    size_t n = 0; /* lines of the excerpt */
    size_t left_out = 0;
    int inside = 0;

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_free char *line = weft_printable(lines.v[i]);
        int is_rule = strcmp(line, rule) == 0;

        if (inside || is_rule || (i + 1 < lines.n && strcmp(lines.v[i + 1], rule) == 0)) {
            if (++n > EXCERPT_LINES && !is_rule) {
                left_out++;
                continue;
            }
            if (left_out > 0) {
                weft_buf_printf(&excerpt, "\n     | (%zu more lines)", left_out);
                left_out = 0;
            }
            weft_buf_printf(&excerpt, "%s%s", excerpt.len ? "\n" : "", line);
            inside ^= is_rule;
        } else if (weft_starts_with(line, error_mark)) {
            weft_buf_clear(&message);
            weft_buf_puts(&message, line);
        } else if (*line && message.len) {
            weft_buf_printf(&message, " %s", line); /* an error of several lines */
        }
    }
    out->excerpt = excerpt.len ? weft_buf_steal(&excerpt) : NULL;
    out->message = message.len ? weft_text_shorten(unwrapped(message.data), MESSAGE_LIMIT_BYTES)
                               : weft_xstrdup("buildctl ended without saying why");
    out->exit_code = weft_solve_exit_code(out->message);
}

void weft_solve_error_finish(struct weft_solve_error *e)
{
    free(e->excerpt);
    free(e->message);
    *e = (struct weft_solve_error){0};
}
