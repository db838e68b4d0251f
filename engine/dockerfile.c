/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/dockerfile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/reference.h"

/* What is looked up one by one is kept in bounds; a Dockerfile with more of it has been made to
 * have it. */
enum {
    ARGS_MAX = 1000,
    NEEDS_MAX = 10000,
};

/* A part of the file; not NUL-terminated. */
struct span {
    const char *s;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trim_left(struct span t)
{
    while (t.len > 0 && is_blank(t.s[0])) {
        t.s++;
        t.len--;
    }
    return t;
}

static struct span trim_right(struct span t, const char *set)
{
    while (t.len > 0 && t.s[t.len - 1] && strchr(set, t.s[t.len - 1])) {
        t.len--;
    }
    return t;
}

/* Take one line, without its end, off the text. */
static bool next_line(struct span *text, struct span *line)
{
    const char *nl;

    if (text->len == 0) {
        return false;
    }
    nl = memchr(text->s, '\n', text->len);
    line->s = text->s;
    line->len = nl ? (size_t)(nl - text->s) : text->len;
    text->s += line->len + (nl != NULL);
    text->len -= line->len + (nl != NULL);
    *line = trim_right(*line, "\r");
    return true;
}

static bool has_prefix(struct span t, const char *prefix)
{
    return t.len >= strlen(prefix) && memcmp(t.s, prefix, strlen(prefix)) == 0;
}

static bool same_word(struct span t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.s, word, t.len) == 0;
}

/* Parser directives: "# name = value" lines at the top of a file. */
struct directives {
    const char *comment;
    bool done;
    bool seen_syntax;
    bool seen_escape;
    bool seen_check;
};

/*
 * Read a line as a directive. Any other line, an unknown name or a directive given twice ends the
 * directives. True with name and value set, where it is one.
 */
static bool read_directive(struct directives *d, struct span line, struct span *name,
                           struct span *value)
{
    bool *seen;
    struct span t;
    size_t n = 0;

    if (d->done || !has_prefix(line, d->comment)) {
        d->done = true;
        return false;
    }
    t = trim_left((struct span){line.s + strlen(d->comment), line.len - strlen(d->comment)});
    while (n < t.len && isalnum((unsigned char)t.s[n])) {
        n++;
    }
    *name = (struct span){t.s, n};
    *value = trim_left((struct span){t.s + n, t.len - n});
    seen = same_word(*name, "syntax")   ? &d->seen_syntax
           : same_word(*name, "escape") ? &d->seen_escape
           : same_word(*name, "check")  ? &d->seen_check
                                        : NULL;
    if (!seen || *seen || !has_prefix(*value, "=") || value->len == 1) {
        d->done = true;
        return false;
    }
    *seen = true;
    *value = trim_left((struct span){value->s + 1, value->len - 1});
    *value = trim_right(*value, " \t\f\r");
    return true;
}

/* The value of the syntax directive up to its first blank, or NULL. Caller frees. */
static char *directive_syntax(struct span text, const char *comment)
{
    struct directives d = {.comment = comment};
    struct span line;

    while (!d.done && next_line(&text, &line)) {
        struct span name;
        struct span value;

        if (read_directive(&d, line, &name, &value) && same_word(name, "syntax")) {
            const char *blank = memchr(value.s, ' ', value.len);

            return weft_xstrndup(value.s, blank ? (size_t)(blank - value.s) : value.len);
        }
    }
    return NULL;
}

/* "# syntax=", "// syntax=" or {"syntax": "..."}: whatever the file is, it can name its frontend.
 */
static char *detect_syntax(struct span text)
{
    char *syntax;
    struct span line;

    if (has_prefix(text, "#!")) {
        next_line(&text, &line);
    }
    syntax = directive_syntax(text, "#");
    if (!syntax) {
        syntax = directive_syntax(text, "//");
    }
    if (!syntax && has_prefix(trim_left(text), "{")) {
        weft_auto_json json = weft_json_parse(text.s, text.len, NULL);

        syntax = weft_xstrdup_null(weft_json_str(json, "syntax"));
    }
    return syntax;
}

/* The state of a scan. */
struct scan {
    struct span rest;
    int line;  /* the last one that was read, from 1 */
    int first; /* that on which the present instruction begins */
    int n_needs;
    struct directives directives;
    char escape;
    struct weft_dockerfile *out;
};

static bool scan_line(struct scan *s, struct span *line)
{
    if (!next_line(&s->rest, line)) {
        return false;
    }
    s->line++;
    return true;
}

static bool is_comment(struct span line)
{
    return has_prefix(trim_left(line), "#");
}

/* Cut the escape character that continues the line, if there is one. Doubled, it is none. */
static bool cut_continuation(const struct scan *s, struct span *line)
{
    struct span t = trim_right(*line, " \t");

    if (t.len == 0 || t.s[t.len - 1] != s->escape || (t.len > 1 && t.s[t.len - 2] == s->escape)) {
        return false;
    }
    line->len = t.len - 1;
    return true;
}

/* Read one instruction with its continuation lines into b. False at the end of the file. */
static bool next_instruction(struct scan *s, struct weft_buf *b)
{
    struct span line;
    struct span name;
    struct span value;
    bool more;

    weft_buf_clear(b);
    do {
        if (!scan_line(s, &line)) {
            return false;
        }
        line = trim_left(line);
        if (read_directive(&s->directives, line, &name, &value) && same_word(name, "escape") &&
            value.len == 1) {
            s->escape = value.s[0];
        }
        if (is_comment(line)) {
            line.len = 0;
        }
        more = cut_continuation(s, &line);
    } while (line.len == 0 && !more);
    s->first = s->line;
    weft_buf_append(b, line.s, line.len);
    while (more && scan_line(s, &line)) {
        if (is_comment(line) || trim_left(line).len == 0) {
            continue;
        }
        more = cut_continuation(s, &line);
        weft_buf_append(b, line.s, line.len);
    }
    return true;
}

/* Take the next word, up to a blank, off t. */
static struct span take_word(struct span *t)
{
    struct span word = trim_left(*t);
    size_t n = 0;

    while (n < word.len && !is_blank(word.s[n])) {
        n++;
    }
    t->s = word.s + n;
    t->len = word.len - n;
    word.len = n;
    return word;
}

/* Take the next word off t, unquoted (parts of it may be quoted or escaped), into b. */
static void take_unquoted(const struct scan *s, struct span *t, struct weft_buf *b)
{
    struct span rest = trim_left(*t);
    char quote = 0;

    weft_buf_clear(b);
    for (; rest.len > 0; rest.s++, rest.len--) {
        char c = rest.s[0];

        if (!quote && is_blank(c)) {
            break;
        }
        if (c == quote) {
            quote = 0;
        } else if (!quote && (c == '"' || c == '\'')) {
            quote = c;
        } else {
            if (c == s->escape && rest.len > 1) {
                rest.s++;
                rest.len--;
            }
            weft_buf_append(b, rest.s, 1);
        }
    }
    *t = rest;
}

/* Take the next flag, "--name=value", off t, unquoted, into b. False where the next word is none.
 */
static bool take_flag(const struct scan *s, struct span *t, struct weft_buf *b)
{
    weft_buf_clear(b);
    if (!has_prefix(trim_left(*t), "--")) {
        return false;
    }
    take_unquoted(s, t, b);
    return b->len != 2; /* "--" alone ends the flags */
}

static char *span_dup(struct span t)
{
    return weft_xstrndup(t.s, t.len);
}

static void read_from(struct scan *s, struct span args)
{
    weft_auto_buf flag = {0};
    struct weft_dockerfile_stage stage = {0};
    struct weft_dockerfile *out = s->out;
    struct span base;
    struct span as;
    struct span name;

    while (take_flag(s, &args, &flag)) {
        if (flag.data && weft_starts_with(flag.data, "--platform=")) {
            free(stage.platform);
            stage.platform = weft_xstrdup(flag.data + strlen("--platform="));
            out->pins_platform = true;
        }
    }
    base = take_word(&args);
    as = take_word(&args);
    name = take_word(&args);
    stage.base = span_dup(base);
    if (same_word(as, "as") && name.len > 0) {
        stage.name = span_dup(name);
        for (char *p = stage.name; *p; p++) {
            *p = (char)tolower((unsigned char)*p);
        }
    }
    out->stages = weft_xgrow(out->stages, out->n_stages, sizeof(*out->stages));
    out->stages[out->n_stages++] = stage;
}

/* An array of strings: the form without a shell, in which "<<" means nothing. */
static bool is_json_form(struct span args)
{
    weft_auto_json json = NULL;

    args = trim_left(args);
    if (!has_prefix(args, "[")) {
        return false;
    }
    json = weft_json_parse(args.s, args.len, NULL);
    if (!json) {
        return false;
    }
    for (size_t i = 0; i < weft_json_len(json); i++) {
        if (!weft_json_value_str(weft_json_at(json, i))) {
            return false;
        }
    }
    return true;
}

/* Pass a quoted part of a shell line, t.s[0] being the quote. False where it has no end. */
static bool skip_quoted(struct span *t)
{
    char quote = t->s[0];

    for (t->s++, t->len--; t->len > 0; t->s++, t->len--) {
        if (t->s[0] == quote) {
            return true;
        }
        if (quote == '"' && t->s[0] == '\\' && t->len > 1) {
            t->s++;
            t->len--;
        }
    }
    return false;
}

/* A word of a line as the shell splits it, with quotes and backslashes kept; blanks behind "<<"
 * belong to it. */
static bool take_shell_word(struct span *t, struct span *word)
{
    struct span rest = trim_left(*t);

    word->s = rest.s;
    while (rest.len > 0 && !is_blank(rest.s[0])) {
        if (has_prefix(rest, "<<")) {
            rest = trim_left((struct span){rest.s + 2, rest.len - 2});
            continue;
        }
        if (rest.s[0] == '\'' || rest.s[0] == '"') {
            if (!skip_quoted(&rest)) {
                return false;
            }
        } else if (rest.s[0] == '\\' && rest.len > 1) {
            rest.s++;
            rest.len--;
        }
        rest.s++;
        rest.len--;
    }
    word->len = (size_t)(rest.s - word->s);
    *t = rest;
    return true;
}

/* A heredoc that a line announces. */
struct heredoc {
    struct weft_buf end; /* the line that ends it */
    bool tabs;           /* "<<-": tabs before that line are passed over */
};

/* Read "3<<-'EOF'" into h (its buffer is cleared first). */
static bool read_heredoc(struct span word, struct heredoc *h)
{
    char quote = 0;

    weft_buf_clear(&h->end);
    while (word.len > 0 && isdigit((unsigned char)word.s[0])) {
        word.s++;
        word.len--;
    }
    if (!has_prefix(word, "<<")) {
        return false;
    }
    word.s += 2;
    word.len -= 2;
    h->tabs = has_prefix(word, "-");
    if (h->tabs) {
        word.s++;
        word.len--;
    }
    word = trim_left(word);
    if (word.len == 0 || memchr(word.s, '<', word.len)) {
        return false;
    }
    for (; word.len > 0; word.s++, word.len--) {
        char c = word.s[0];

        if (c == quote) {
            quote = 0;
            continue;
        }
        if (!quote && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (c == '\\' && quote != '\'' && word.len > 1) {
            word.s++;
            word.len--;
        }
        weft_buf_append(&h->end, word.s, 1);
    }
    return h->end.len > 0;
}

/* Pass the heredocs that `line` announces, one after the other. */
static void skip_heredocs(struct scan *s, struct span line)
{
    struct heredoc h = {0};
    struct span check = line;
    struct span word;

    while (check.len > 0) { /* a quote without an end: BuildKit sees no heredoc in the line */
        if (!take_shell_word(&check, &word)) {
            return;
        }
    }
    while (line.len > 0 && take_shell_word(&line, &word)) {
        struct span body;

        if (!read_heredoc(word, &h)) {
            continue;
        }
        while (scan_line(s, &body)) {
            while (h.tabs && has_prefix(body, "\t")) {
                body.s++;
                body.len--;
            }
            if (body.len == h.end.len && memcmp(body.s, h.end.data, body.len) == 0) {
                break;
            }
        }
    }
    weft_buf_finish(&h.end);
}

/* Whether a line expands one of the variables that BuildKit sets per platform: TARGETARCH and its
 * like. */
static bool names_target(struct span line)
{
    return memmem(line.s, line.len, "$TARGET", 7) || memmem(line.s, line.len, "${TARGET", 8);
}

/* ARG before the first FROM. */
static void read_arg(struct scan *s, struct span args)
{
    weft_auto_buf word = {0};

    if (s->out->n_stages > 0) {
        return;
    }
    for (args = trim_left(args); args.len > 0 && s->out->args.n < ARGS_MAX;
         args = trim_left(args)) {
        take_unquoted(s, &args, &word);
        if (word.data) {
            weft_strv_add(&s->out->args, word.data);
        }
    }
}

static void add_need(struct scan *s, struct weft_dockerfile_stage *stage, const char *name)
{
    if (s->n_needs < NEEDS_MAX) {
        s->n_needs++;
        weft_strv_add(&stage->needs, name);
    }
}

/* What a flag of COPY or RUN says about other stages. */
static void read_needs(struct scan *s, struct weft_dockerfile_stage *stage, const char *flag)
{
    weft_auto_strv fields = {0};

    if (weft_starts_with(flag, "--from=")) {
        add_need(s, stage, flag + strlen("--from="));
    }
    if (!weft_starts_with(flag, "--mount=") ||
        weft_csv_split(flag + strlen("--mount="), &fields, NULL) < 0) {
        return;
    }
    for (size_t i = 0; i < fields.n; i++) {
        if (weft_starts_with(fields.v[i], "from=")) {
            add_need(s, stage, fields.v[i] + strlen("from="));
        }
    }
}

/* COPY, ADD or RUN; args: what follows the word, and, afterwards, what follows its flags. */
static void read_step(struct scan *s, struct span word, struct span *args, bool onbuild)
{
    struct weft_dockerfile *out = s->out;
    struct weft_dockerfile_stage *stage = out->n_stages > 0 ? &out->stages[out->n_stages - 1]
                                                            : NULL;
    weft_auto_buf flag = {0};
    bool run = same_word(word, "run");

    if (stage && run && onbuild && stage->onbuild_line == 0) {
        stage->onbuild_line = s->first;
    }
    if (stage && run && !onbuild && stage->run_line == 0) {
        stage->run_line = s->first;
    }
    if (!run) {
        out->context_by_platform |= names_target(*args);
    }
    while (take_flag(s, args, &flag)) {
        if (!flag.data) {
            continue;
        }
        /* of RUN, what it mounts; its command may name the variables as it likes */
        out->context_by_platform |= names_target((struct span){flag.data, flag.len});
        if (stage && !onbuild) {
            read_needs(s, stage, flag.data);
        }
    }
}

static void read_instruction(struct scan *s, struct span line)
{
    struct span args = line;
    struct span word = take_word(&args);
    bool onbuild = same_word(word, "onbuild");

    if (same_word(word, "from")) {
        s->out->context_by_platform |= names_target(args);
        read_from(s, args);
        return;
    }
    if (same_word(word, "arg")) {
        read_arg(s, args);
        return;
    }
    if (onbuild) {
        word = take_word(&args);
    }
    if (!same_word(word, "run") && !same_word(word, "copy") && !same_word(word, "add")) {
        return;
    }
    read_step(s, word, &args, onbuild);
    if (memmem(line.s, line.len, "<<", 2) && !is_json_form(args)) {
        skip_heredocs(s, line);
    }
}

int weft_dockerfile_scan(const char *data, size_t len, struct weft_dockerfile *out,
                         struct weft_err **err)
{
    weft_auto_buf line = {0};
    struct span text = {data, len};
    struct scan s = {.directives.comment = "#", .escape = '\\', .out = out};

    if (len > WEFT_DOCKERFILE_LIMIT) {
        return weft_fail(err, WEFT_E_FORMAT, "a Dockerfile of more than %d MiB",
                         WEFT_DOCKERFILE_LIMIT / (1024 * 1024));
    }
    if (has_prefix(text, "\xef\xbb\xbf")) { /* a byte order mark */
        text.s += 3;
        text.len -= 3;
    }
    out->syntax = detect_syntax(text);
    s.rest = text;
    while (next_instruction(&s, &line)) {
        if (line.len > 0) {
            read_instruction(&s, (struct span){line.data, line.len});
        }
    }
    return 0;
}

int weft_dockerfile_load(const char *path, struct weft_dockerfile *out, struct weft_err **err)
{
    weft_auto_free char *data = NULL;
    weft_auto_err cause = NULL;
    size_t len = 0;

    if (weft_read_file(path, WEFT_DOCKERFILE_LIMIT, &data, &len, &cause) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "Dockerfile: %s", cause->msg);
    }
    return weft_dockerfile_scan(data, len, out, err);
}

void weft_dockerfile_finish(struct weft_dockerfile *d)
{
    for (size_t i = 0; i < d->n_stages; i++) {
        free(d->stages[i].base);
        free(d->stages[i].name);
        free(d->stages[i].platform);
        weft_strv_finish(&d->stages[i].needs);
    }
    free(d->stages);
    weft_strv_finish(&d->args);
    free(d->syntax);
    *d = (struct weft_dockerfile){0};
}

/* "1", "1.27" or "1.27.0": how many numbers were read (the others are 0), or 0 if s is anything
 * else. */
static size_t read_version(const char *s, long v[3])
{
    weft_auto_strv parts = {0};

    v[0] = v[1] = v[2] = 0;
    weft_split(s, '.', &parts);
    if (parts.n > 3) {
        return 0;
    }
    for (size_t i = 0; i < parts.n; i++) {
        size_t n = strspn(parts.v[i], "0123456789");

        if (n == 0 || n > 6 || parts.v[i][n] != '\0') {
            return 0;
        }
        v[i] = strtol(parts.v[i], NULL, 10);
    }
    return parts.n;
}

bool weft_syntax_builtin(const char *syntax, const char *builtin)
{
    size_t len;
    weft_auto_free char *image = NULL;
    weft_auto_reference ref = {0};
    long want[3];
    long have[3];
    size_t n;

    syntax += strspn(syntax, " \t\r\n");
    len = strcspn(syntax, " \t\r\n");
    image = weft_xstrndup(syntax, len);
    if (weft_reference_parse(image, &ref, NULL) < 0 || strcmp(ref.domain, "docker.io") != 0 ||
        strcmp(ref.path, "docker/dockerfile") != 0 || ref.digest || !ref.tag) {
        return false;
    }
    n = read_version(ref.tag, want);
    builtin += *builtin == 'v';
    if (n == 0 || read_version(builtin, have) != 3 || want[0] != have[0]) {
        return false;
    }
    if (n == 1 || want[1] < have[1]) {
        return true;
    }
    /* ":1.27" is the last 1.27: any of that line will do. */
    return want[1] == have[1] && (n == 2 || want[2] <= have[2]);
}
