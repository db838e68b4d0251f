/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cache_filter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/docker_units.h"

static const char *const keys[] = {"until",     "unused-for", "id",      "parents",
                                   "type",      "inuse",      "mutable", "description",
                                   "immutable", "shared",     "private"};
static const char *const valued[] = {"id", "parents", "type", "description"};
static const char *const types[] = {
    "internal", "frontend", "source.local", "source.git.checkout", "regular", "exec.cachemount"};

enum {
    N_KEYS = sizeof(keys) / sizeof(keys[0]),
    N_VALUED = sizeof(valued) / sizeof(valued[0]),
    N_TYPES = sizeof(types) / sizeof(types[0])
};

/* One --filter, taken apart. */
struct part {
    char *key;      /* in lower case */
    const char *op; /* "=", "!=", "~="; "": there is no value */
    char *value;    /* or NULL */
};

static void part_finish(struct part *p)
{
    free(p->key);
    free(p->value);
}

/* Without the space around it. */
static char *trimmed(const char *s, size_t len)
{
    while (len > 0 && isspace((unsigned char)*s)) {
        s++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)s[len - 1])) {
        len--;
    }
    return weft_xstrndup(s, len);
}

static void split(const char *text, struct part *out)
{
    size_t len = strcspn(text, "=");
    const char *value = text[len] ? text + len + 1 : NULL;

    out->op = "";
    if (value) {
        out->op = "=";
        if (len > 0 && (text[len - 1] == '!' || text[len - 1] == '~')) {
            len--;
            out->op = text[len] == '!' ? "!=" : "~=";
        }
        out->value = trimmed(value, strlen(value));
    }
    out->key = trimmed(text, len);
    for (char *p = out->key; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
}

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int fail_unknown(const char *what, const char *word, const char *const *list, size_t n,
                        struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(word);
    const char *near = weft_nearest(word, list, n);
    weft_auto_strv all = {0};
    weft_auto_free char *names = NULL;

    weft_fail(err, WEFT_E_USAGE, "\"%s\" is no %s", shown, what);
    if (near) {
        return weft_err_hint(err, "%s", near);
    }
    for (size_t i = 0; i < n; i++) {
        weft_strv_add(&all, list[i]);
    }
    names = weft_strv_join(&all, ", ");
    return weft_err_hint(err, "one of %s", names);
}

/* "inuse"; buildx's own parser wants a value, so "inuse=true" is common. */
static int add_state(const struct part *p, struct weft_buf *out, struct weft_err **err)
{
    bool on = true;

    if (p->value && (strcmp(p->op, "=") != 0 || weft_parse_bool(p->value, &on) < 0 || !on)) {
        weft_fail(err, WEFT_E_USAGE, "%s takes no value", p->key);
        return strcmp(p->key, "inuse") == 0
                   ? -1
                   : weft_err_hint(err, "mutable, immutable, shared and private are filters");
    }
    weft_buf_printf(out, "%s%s", out->len ? "," : "", p->key);
    return 0;
}

/* As BuildKit unquotes it: Go's string literals. */
static void append_quoted(struct weft_buf *out, const char *value)
{
    weft_buf_puts(out, "\"");
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\') {
            weft_buf_printf(out, "\\%c", *p);
        } else if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            weft_buf_printf(out, "\\x%02x", (unsigned)*p);
        } else {
            weft_buf_append(out, p, 1);
        }
    }
    weft_buf_puts(out, "\"");
}

static int add_value(const struct part *p, struct weft_buf *out, struct weft_err **err)
{
    const char *op = strcmp(p->op, "=") != 0     ? p->op
                     : strcmp(p->key, "id") == 0 ? "~=" /* as buildx: a part of it will do */
                                                 : "==";

    if (!p->value || !*p->value) {
        weft_fail(err, WEFT_E_USAGE, "%s has no value", p->key);
        return weft_err_hint(err, "%s=VALUE, %s!=VALUE or %s~=REGEXP", p->key, p->key, p->key);
    }
    if (weft_utf8_bad(p->value)) {
        return weft_fail(err, WEFT_E_USAGE, "the value of %s is not UTF-8", p->key);
    }
    if (strcmp(p->key, "type") == 0 && strcmp(op, "~=") != 0 &&
        !is_one_of(p->value, types, N_TYPES)) {
        return fail_unknown("type of cache records", p->value, types, N_TYPES, err);
    }
    weft_buf_printf(out, "%s%s%s", out->len ? "," : "", p->key, op);
    append_quoted(out, p->value);
    return 0;
}

static int set_until(const struct part *p, struct weft_cache_filter *out, struct weft_err **err)
{
    if (strcmp(p->op, "=") != 0 || weft_docker_parse_duration(p->value, &out->until_ms) < 0) {
        weft_fail(err, WEFT_E_USAGE, "%s is a duration", p->key);
        return weft_err_hint(err, "%s=24h, %s=2h30m", p->key, p->key);
    }
    return 0;
}

static int add(const struct part *p, struct weft_strv *seen, struct weft_buf *text,
               struct weft_cache_filter *out, struct weft_err **err)
{
    bool is_until = strcmp(p->key, "until") == 0 || strcmp(p->key, "unused-for") == 0;
    weft_auto_free char *id =
        weft_fmt("%s%.1s", is_until ? "until" : p->key, strcmp(p->op, "=") == 0 ? "" : p->op);

    if (!is_one_of(p->key, keys, N_KEYS)) {
        return fail_unknown("filter", p->key, keys, N_KEYS, err);
    }
    if (weft_strv_has(seen, id)) {
        return weft_fail(err, WEFT_E_USAGE, "%s is given twice", p->key);
    }
    weft_strv_add(seen, id);
    if (is_until) {
        return set_until(p, out, err);
    }
    return is_one_of(p->key, valued, N_VALUED) ? add_value(p, text, err) : add_state(p, text, err);
}

int weft_cache_filter_parse(const struct weft_strv *values, struct weft_cache_filter *out,
                            struct weft_err **err)
{
    weft_auto_strv seen = {0};
    weft_auto_buf text = {0};
    struct weft_cache_filter made = {0};

    for (size_t i = 0; i < values->n; i++) {
        struct part p = {0};
        int rc;

        split(values->v[i], &p);
        rc = add(&p, &seen, &text, &made, err);
        part_finish(&p);
        if (rc < 0) {
            return weft_err_wrap(err, "--filter");
        }
    }
    made.text = text.len ? weft_buf_steal(&text) : NULL;
    *out = made;
    return 0;
}

void weft_cache_filter_finish(struct weft_cache_filter *f)
{
    free(f->text);
    *f = (struct weft_cache_filter){0};
}
