/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/flags.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

/* The state of one call of weft_flags_parse. */
struct parser {
    const struct weft_flag *flags;
    size_t n;
    int argc;
    char *const *argv;
    int at; /* the argument that is being read */
    char *data;
    struct weft_err **err;
};

static const struct weft_flag *find_name(const struct parser *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->flags[i].name && strlen(p->flags[i].name) == len &&
            memcmp(p->flags[i].name, name, len) == 0) {
            return &p->flags[i];
        }
    }
    return NULL;
}

static const struct weft_flag *find_letter(const struct parser *p, char letter)
{
    for (size_t i = 0; i < p->n; i++) {
        if (letter && p->flags[i].letter == letter) {
            return &p->flags[i];
        }
    }
    return NULL;
}

/* `name` has no dashes. */
static int unknown_name(const struct parser *p, const char *name)
{
    weft_auto_strv names = {0};
    weft_auto_free char *shown = weft_printable(name);
    const char *near;

    for (size_t i = 0; i < p->n; i++) {
        if (p->flags[i].name) {
            weft_strv_add(&names, p->flags[i].name);
        }
    }
    weft_fail(p->err, WEFT_E_USAGE, "unknown flag --%s", shown);
    near = weft_nearest(name, (const char *const *)names.v, names.n);
    if (near) {
        return weft_err_hint(p->err, "--%s", near);
    }
    return weft_err_hint(p->err, "--help, which lists the flags");
}

static bool is_switch(const struct weft_flag *f)
{
    return f->kind == WEFT_FLAG_SWITCH || (f->kind == WEFT_FLAG_IGNORED && !f->metavar);
}

static int set_value(const struct parser *p, const struct weft_flag *f, const char *value)
{
    void *field = p->data + f->offset;
    bool on;

    if (is_switch(f) && weft_parse_bool(value, &on) < 0) {
        weft_auto_free char *shown = weft_printable(value);

        return weft_fail(p->err, WEFT_E_USAGE, "--%s takes true or false, not \"%s\"", f->name,
                         shown);
    }
    switch (f->kind) {
    case WEFT_FLAG_SWITCH:
        *(bool *)field = on;
        return 0;
    case WEFT_FLAG_IGNORED:
        if (!weft_strv_has(field, f->name)) {
            weft_strv_add(field, f->name);
        }
        return 0;
    case WEFT_FLAG_VALUE:
        free(*(char **)field);
        *(char **)field = weft_xstrdup(value);
        return 0;
    case WEFT_FLAG_LIST:
        weft_strv_add(field, value);
        return 0;
    case WEFT_FLAG_HEADING:
        break;
    }
    return weft_fail(p->err, WEFT_E_INTERNAL, "flag %s has no kind", f->name);
}

/* The value of f is the next argument. */
static int set_from_next(struct parser *p, const struct weft_flag *f)
{
    if (p->at + 1 >= p->argc) {
        return weft_fail(p->err, WEFT_E_USAGE, "--%s needs a value: --%s %s", f->name, f->name,
                         f->metavar);
    }
    p->at++;
    return set_value(p, f, p->argv[p->at]);
}

static int parse_long(struct parser *p, const char *text)
{
    size_t len = strcspn(text, "=");
    const struct weft_flag *f = find_name(p, text, len);

    if (!f) {
        weft_auto_free char *name = weft_xstrndup(text, len);

        return unknown_name(p, name);
    }
    if (text[len] == '=') {
        return set_value(p, f, text + len + 1);
    }
    return is_switch(f) ? set_value(p, f, "true") : set_from_next(p, f);
}

/* "-qD", "-t x", "-tx", "-t=x", "-q=false"; text is what follows the dash. */
static int parse_letters(struct parser *p, const char *text)
{
    for (; *text; text++) {
        const struct weft_flag *f = find_letter(p, *text);
        const char *rest = text + 1;

        if (!f && find_name(p, text, strcspn(text, "="))) {
            weft_fail(p->err, WEFT_E_USAGE, "unknown flag -%s", text);
            return weft_err_hint(p->err, "--%s", text);
        }
        if (!f) {
            char letter[2] = {*text, '\0'};
            weft_auto_free char *shown = weft_printable(letter);

            weft_fail(p->err, WEFT_E_USAGE, "unknown flag -%s", shown);
            return weft_err_hint(p->err, "--help, which lists the flags");
        }
        if (*rest == '=') {
            return set_value(p, f, rest + 1);
        }
        if (!is_switch(f)) {
            return *rest ? set_value(p, f, rest) : set_from_next(p, f);
        }
        if (set_value(p, f, "true") < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_flags_parse(const struct weft_flag *flags, size_t n, int argc, char *const *argv,
                     void *data, struct weft_strv *args, struct weft_err **err)
{
    struct parser p = {flags, n, argc, argv, 1, data, err};

    for (; p.at < argc; p.at++) {
        const char *arg = argv[p.at];
        int r = 0;

        if (strcmp(arg, "--") == 0) {
            p.at++;
            break;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            weft_strv_add(args, arg);
        } else if (arg[1] == '-') {
            r = parse_long(&p, arg + 2);
        } else {
            r = parse_letters(&p, arg + 1);
        }
        if (r < 0) {
            return -1;
        }
    }
    for (; p.at < argc; p.at++) {
        weft_strv_add(args, argv[p.at]);
    }
    return 0;
}

/* The column at which what a flag does begins; a longer flag gets a line of its own. */
enum {
    HELP_COLUMN = 30
};

void weft_flags_help(const struct weft_flag *flags, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct weft_flag *f = &flags[i];
        weft_auto_buf left = {0};
        const char *line = f->help;

        if (f->kind == WEFT_FLAG_HEADING) {
            fprintf(out, "\n%s:\n", f->help);
            continue;
        }
        if (f->letter) {
            weft_buf_printf(&left, "  -%c, --%s", f->letter, f->name);
        } else {
            weft_buf_printf(&left, "      --%s", f->name);
        }
        if (f->metavar) {
            weft_buf_printf(&left, " %s", f->metavar);
        }
        if (left.len + 2 > HELP_COLUMN) {
            fprintf(out, "%s\n%*s", left.data, HELP_COLUMN, "");
        } else {
            fprintf(out, "%-*s", HELP_COLUMN, left.data);
        }
        while (line) {
            size_t len = strcspn(line, "\n");

            fprintf(out, "%.*s\n", (int)len, line);
            line = line[len] ? line + len + 1 : NULL;
            if (line) {
                fprintf(out, "%*s", HELP_COLUMN, "");
            }
        }
    }
}
