/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/call.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress_text.h"
#include "engine/request.h"

enum {
    AROUND_ONE = 4, /* lines shown beside a range of one line, as BuildKit counts them ... */
    AROUND_MORE = 2 /* ... and of several */
};

struct weft_json *weft_call_parse(const char *text, size_t len, struct weft_err **err)
{
    struct weft_json *answer = weft_json_parse(text ? text : "", len, err);

    if (answer && !weft_json_is_object(answer)) {
        weft_json_free(answer);
        weft_fail(err, WEFT_E_FORMAT, "not an object");
        answer = NULL;
    }
    if (!answer) {
        weft_err_wrap(err, "the frontend's answer");
    }
    return answer;
}

/* A line of the frontend's, or of the Dockerfile, which may end as lines do elsewhere. Caller
 * frees. */
static char *clean_line(const char *line)
{
    size_t len = strlen(line);

    return weft_text_clean(line, len > 0 && line[len - 1] == '\r' ? len - 1 : len);
}

/* Text for people, of whoever made the frontend and the Dockerfile. */
static void print_text(const char *text, FILE *out)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_free char *safe = clean_line(lines.v[i]);

        fprintf(out, "%s%s", i > 0 ? "\n" : "", safe);
    }
}

/* ---- the lines of the Dockerfile that an error is about, as BuildKit prints them ---- */

struct span {
    int64_t first;
    int64_t last;
};

static struct span range_at(const struct weft_json *ranges, size_t i)
{
    const struct weft_json *range = weft_json_at(ranges, i);
    struct span s;

    s.first = weft_json_int(weft_json_get(range, "start"), "line", 0);
    s.last = weft_json_int(weft_json_get(range, "end"), "line", 0);
    s.last = s.last > s.first ? s.last : s.first;
    return s;
}

static bool in_ranges(const struct weft_json *ranges, int64_t line)
{
    for (size_t i = 0; i < weft_json_len(ranges); i++) {
        struct span s = range_at(ranges, i);

        if (s.first <= line && line <= s.last) {
            return true;
        }
    }
    return false;
}

/* From the first to the last line of all ranges. */
static struct span whole(const struct weft_json *ranges)
{
    struct span all = range_at(ranges, 0);

    for (size_t i = 1; i < weft_json_len(ranges); i++) {
        struct span s = range_at(ranges, i);

        all.first = s.first < all.first ? s.first : all.first;
        all.last = s.last > all.last ? s.last : all.last;
    }
    return all;
}

/* With some lines around, more where one side has none. */
static struct span widen(struct span s, int64_t n_lines)
{
    int pad = s.first == s.last ? AROUND_ONE : AROUND_MORE;

    for (int p = 0; p < pad; p++) {
        if (s.first > 1) {
            s.first--;
            p++;
        }
        if (s.last < n_lines) {
            s.last++;
            p++;
        }
    }
    return s;
}

static void append_source(struct weft_buf *b, const struct weft_json *source,
                          const struct weft_json *ranges)
{
    const char *name = weft_json_str(source, "filename");
    const char *data = weft_json_str(source, "data");
    weft_auto_buf text = {0};
    weft_auto_strv lines = {0};
    weft_auto_free char *shown = weft_printable(name ? name : "");
    struct span at, s;

    if (!data || weft_json_len(ranges) == 0) {
        return;
    }
    weft_text_base64(data, &text);
    weft_split(text.data ? text.data : "", '\n', &lines);
    at = whole(ranges);
    if (at.first < 1 || at.first > (int64_t)lines.n) {
        return;
    }
    at.last = at.last < (int64_t)lines.n ? at.last : (int64_t)lines.n;
    s = widen(at, (int64_t)lines.n);
    weft_buf_printf(b, "\n%s:%lld\n--------------------\n", shown, (long long)at.first);
    for (int64_t i = s.first; i <= s.last; i++) {
        weft_auto_free char *safe = clean_line(lines.v[i - 1]);

        weft_buf_printf(b, " %3lld | %s %s\n", (long long)i, in_ranges(ranges, i) ? ">>>" : "   ",
                        safe);
    }
    weft_buf_puts(b, "--------------------");
}

/* ---- lint ---- */

/* The error of a Dockerfile that could not be checked to its end. */
static int lint_failed(const struct weft_json *result, const struct weft_json *error,
                       struct weft_err **err)
{
    const struct weft_json *location = weft_json_get(error, "location");
    int64_t index = weft_json_int(location, "sourceIndex", 0);
    const struct weft_json *source =
        index >= 0 ? weft_json_at(weft_json_get(result, "sources"), (size_t)index) : NULL;
    const char *message = weft_json_str(error, "message");
    weft_auto_buf b = {0};
    weft_auto_free char *safe = NULL;

    safe = weft_text_clean(message ? message : "", message ? strlen(message) : 0);
    weft_buf_puts(&b, *safe ? safe : "the Dockerfile cannot be checked");
    append_source(&b, source, weft_json_get(location, "ranges"));
    return weft_fail(err, WEFT_E_BUILD, "%s", b.data);
}

static int print_lint(const struct weft_request *r, const char *json, const char *text, FILE *out,
                      struct weft_err **err)
{
    weft_auto_json result = weft_json_parse(json, strlen(json), err);
    const struct weft_json *error = weft_json_get(result, "buildError");
    size_t n = weft_json_len(weft_json_get(result, "warnings"));

    if (!result) {
        return weft_err_wrap(err, "the frontend's answer");
    }
    if (r->call_json) {
        fprintf(out, "%s\n", json);
    } else if (n > 0) {
        fprintf(out, "Check complete, %zu warning%s been found!\n", n, n == 1 ? " has" : "s have");
        print_text(text ? text : "", out);
    } else if (!error) {
        fputs("Check complete, no warnings found.\n", out);
    }
    if (error && !r->call_json && n > 0) {
        fputs("\n", out);
    }
    return error ? lint_failed(result, error, err) : 0;
}

static int print_other(const struct weft_request *r, const char *json, const char *text, FILE *out,
                       struct weft_err **err)
{
    if (r->call_json && json) {
        fprintf(out, "%s\n", json);
    } else if (text) {
        print_text(text, out);
    } else if (json) {
        fprintf(out, "%s\n", json);
    } else {
        return weft_fail(err, WEFT_E_FORMAT, "the frontend has no answer to %s", r->call);
    }
    return 0;
}

int weft_call_print(const struct weft_request *r, const struct weft_json *answer, FILE *out,
                    struct weft_err **err)
{
    const char *json = weft_json_str(answer, "result.json");
    const char *text = weft_json_str(answer, "result.txt");
    const char *status = weft_json_str(answer, "result.statuscode");
    int rc = strcmp(r->call, "lint") == 0 && json ? print_lint(r, json, text, out, err)
                                                  : print_other(r, json, text, out, err);

    if (rc == 0 && !r->call_ignore_status && status && strtol(status, NULL, 10) != 0) {
        return weft_fail(err, WEFT_E_BUILD, "%s", "");
    }
    return rc;
}

static void add_member(const char *key, const struct weft_json *value, void *data)
{
    struct weft_json *metadata = data;
    const char *text = weft_json_value_str(value);
    struct weft_json *inner = NULL;

    if (text && weft_ends_with(key, ".json")) {
        inner = weft_json_parse(text, strlen(text), NULL);
    }
    weft_json_set(metadata, key, inner ? inner : weft_json_copy(value));
}

void weft_call_metadata(const struct weft_json *answer, struct weft_json *metadata)
{
    weft_json_each(answer, add_member, metadata);
}
