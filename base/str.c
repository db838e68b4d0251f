/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

char *weft_vfmt(const char *fmt, va_list ap)
{
    char *s = NULL;

    if (vasprintf(&s, fmt, ap) < 0) {
        abort();
    }
    return s;
}

char *weft_fmt(const char *fmt, ...)
{
    va_list ap;
    char *s;

    va_start(ap, fmt);
    s = weft_vfmt(fmt, ap);
    va_end(ap);
    return s;
}

bool weft_str_eq(const char *a, const char *b)
{
    if (!a || !b) {
        return a == b;
    }
    return strcmp(a, b) == 0;
}

bool weft_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool weft_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);

    return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* Room for `extra` more bytes and the NUL. */
static void buf_grow(struct weft_buf *b, size_t extra)
{
    size_t cap = b->cap ? b->cap : 64;

    if (extra > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        abort();
    }
    while (cap < b->len + extra + 1) {
        cap *= 2;
    }
    if (cap != b->cap) {
        b->data = weft_xrealloc(b->data, cap, 1);
        b->cap = cap;
    }
}

void weft_buf_append(struct weft_buf *b, const void *data, size_t len)
{
    buf_grow(b, len);
    if (len) {
        memcpy(b->data + b->len, data, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
}

void weft_buf_puts(struct weft_buf *b, const char *s)
{
    weft_buf_append(b, s, strlen(s));
}

void weft_buf_printf(struct weft_buf *b, const char *fmt, ...)
{
    weft_auto_free char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    s = weft_vfmt(fmt, ap);
    va_end(ap);
    weft_buf_puts(b, s);
}

void weft_buf_clear(struct weft_buf *b)
{
    b->len = 0;
    if (b->data) {
        b->data[0] = '\0';
    }
}

void weft_buf_consume(struct weft_buf *b, size_t n)
{
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *weft_buf_steal(struct weft_buf *b)
{
    char *s;

    buf_grow(b, 0);
    b->data[b->len] = '\0';
    s = b->data;
    *b = (struct weft_buf){0};
    return s;
}

void weft_buf_finish(struct weft_buf *b)
{
    free(b->data);
    *b = (struct weft_buf){0};
}

void weft_strv_take(struct weft_strv *s, char *item)
{
    s->v = weft_xrealloc(s->v, s->n + 2, sizeof(*s->v));
    s->v[s->n++] = item;
    s->v[s->n] = NULL;
}

void weft_strv_add(struct weft_strv *s, const char *item)
{
    weft_strv_take(s, weft_xstrdup(item));
}

void weft_strv_addf(struct weft_strv *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    weft_strv_take(s, weft_vfmt(fmt, ap));
    va_end(ap);
}

void weft_strv_concat(struct weft_strv *s, const struct weft_strv *other)
{
    for (size_t i = 0; i < other->n; i++) {
        weft_strv_add(s, other->v[i]);
    }
}

bool weft_strv_has(const struct weft_strv *s, const char *item)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i], item) == 0) {
            return true;
        }
    }
    return false;
}

char *weft_strv_join(const struct weft_strv *s, const char *sep)
{
    struct weft_buf b = {0};

    for (size_t i = 0; i < s->n; i++) {
        if (i) {
            weft_buf_puts(&b, sep);
        }
        weft_buf_puts(&b, s->v[i]);
    }
    return weft_buf_steal(&b);
}

char *weft_strv_some(const struct weft_strv *s, size_t most)
{
    size_t n = s->n > most + 1 ? most : s->n > 0 ? s->n - 1 : 0;
    struct weft_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&b, "%s%s", i > 0 ? ", " : "", s->v[i]);
    }
    if (n + 1 == s->n) {
        weft_buf_printf(&b, "%s%s", n > 0 ? " and " : "", s->v[n]);
    } else if (n < s->n) {
        weft_buf_printf(&b, " and %zu more", s->n - n);
    }
    return weft_buf_steal(&b);
}

void weft_strv_finish(struct weft_strv *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i]);
    }
    free(s->v);
    *s = (struct weft_strv){0};
}

void weft_split(const char *s, char sep, struct weft_strv *out)
{
    const char *end;

    while ((end = strchr(s, sep))) {
        weft_strv_take(out, weft_xstrndup(s, (size_t)(end - s)));
        s = end + 1;
    }
    weft_strv_add(out, s);
}

/* One quoted field; p stands behind the opening quote. Gives the place behind the closing one, or
 * NULL. */
static const char *csv_quoted(const char *p, struct weft_buf *field)
{
    for (; *p; p++) {
        if (*p != '"') {
            weft_buf_append(field, p, 1);
        } else if (p[1] == '"') {
            weft_buf_append(field, p++, 1);
        } else {
            return p + 1;
        }
    }
    return NULL;
}

static int csv_fail(struct weft_err **err, const char *what, const char *s)
{
    weft_auto_free char *shown = weft_printable(s);

    return weft_fail(err, WEFT_E_USAGE, "%s \"%s\"", what, shown);
}

int weft_csv_split(const char *s, struct weft_strv *out, struct weft_err **err)
{
    const char *p = s;

    for (;;) {
        weft_auto_buf field = {0};

        if (*p == '"') {
            p = csv_quoted(p + 1, &field);
            if (!p || (*p && *p != ',')) {
                return csv_fail(err, "unbalanced quote in", s);
            }
        } else {
            size_t n = strcspn(p, ",\"");

            if (p[n] == '"') {
                return csv_fail(err, "quote the whole field, not a part of it, in", s);
            }
            weft_buf_append(&field, p, n);
            p += n;
        }
        weft_strv_take(out, weft_buf_steal(&field));
        if (!*p) {
            return 0;
        }
        p++;
    }
}

char *weft_csv_field(const char *s)
{
    struct weft_buf b = {0};

    if (!*s || (!strpbrk(s, ",\"\r\n") && !isspace((unsigned char)*s))) {
        return weft_xstrdup(s);
    }
    weft_buf_puts(&b, "\"");
    for (; *s; s++) {
        if (*s == '"') {
            weft_buf_puts(&b, "\"");
        }
        weft_buf_append(&b, s, 1);
    }
    weft_buf_puts(&b, "\"");
    return weft_buf_steal(&b);
}

/* Levenshtein's distance of two words of at most 63 characters; longer ones are never near. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);
    size_t row[64];

    if (n > 63 || m > 63) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = replaced < best ? replaced : best;
        }
    }
    return row[m];
}

const char *weft_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t best_distance = SIZE_MAX;
    const char *best = NULL;
    size_t len = strlen(word);

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, candidates[i]);

        if (d < best_distance) {
            best_distance = d;
            best = candidates[i];
        }
    }
    /* less than its length: a word must share something with what is offered for it */
    return best && best_distance <= 1 + len / 3 && best_distance < len ? best : NULL;
}

/* The length of the well-formed UTF-8 sequence at s and the character that it is, or 0. */
static size_t utf8_decode(const unsigned char *s, unsigned long *c)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    *c = s[0];
    if (n == 1) {
        return n;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    *c &= 0xffu >> (n + 1);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        *c = *c << 6 | (s[i] & 0x3fu);
    }
    /* overlong forms, surrogates, what lies beyond Unicode */
    if ((n == 3 && *c < 0x800) || (n == 4 && *c < 0x10000) || (*c >= 0xd800 && *c < 0xe000) ||
        *c > 0x10ffff) {
        return 0;
    }
    return n;
}

/* The same where the character is printable: no control, and none of the marks that break a line
 * (U+2028, U+2029) or reorder its text. */
static size_t utf8_length(const unsigned char *s)
{
    unsigned long c;
    size_t n = utf8_decode(s, &c);

    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
        (c >= 0x2066 && c <= 0x2069) || c == 0x61c || c == 0x200e || c == 0x200f) {
        return 0;
    }
    return n;
}

const char *weft_utf8_bad(const char *s)
{
    while (*s) {
        unsigned long c;
        size_t n = utf8_decode((const unsigned char *)s, &c);

        if (n == 0) {
            return s;
        }
        s += n;
    }
    return NULL;
}

char *weft_printable(const char *s)
{
    struct weft_buf b = {0};

    while (*s) {
        size_t n = utf8_length((const unsigned char *)s);

        if (n) {
            weft_buf_append(&b, s, n);
            s += n;
        } else if (*s == '\t') {
            weft_buf_puts(&b, " ");
            s++;
        } else {
            weft_buf_printf(&b, "\\x%02x", (unsigned int)(unsigned char)*s++);
        }
    }
    return weft_buf_steal(&b);
}

char *weft_human_size(double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t i = 0;

    while (bytes >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        i++;
    }
    return weft_fmt(i && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[i]);
}

int weft_parse_long(const char *s, long min, long max, const char *what, long *out,
                    struct weft_err **err)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(s, &end, 10);
    if (errno || end == s || *end || isspace((unsigned char)*s) || v < min || v > max) {
        weft_auto_free char *shown = weft_printable(s);

        return weft_fail(err, WEFT_E_USAGE, "%s: \"%s\" is not a whole number from %ld to %ld",
                         what, shown, min, max);
    }
    *out = v;
    return 0;
}

int weft_parse_size(const char *s, uint64_t *bytes)
{
    static const char units[] = "kMGT";
    unsigned long long v;
    char *end;

    if (*s < '0' || *s > '9') {
        return -1;
    }
    errno = 0;
    v = strtoull(s, &end, 10);
    if (errno) {
        return -1;
    }
    if (*end) {
        const char *unit = strchr(units, *end == 'K' ? 'k' : *end);

        if (!unit || end[1]) {
            return -1;
        }
        for (const char *u = units; u <= unit; u++) {
            if (__builtin_mul_overflow(v, 1000ULL, &v)) {
                return -1;
            }
        }
    }
    *bytes = v;
    return 0;
}

int weft_parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
            *out = strcmp(s, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

char *weft_time_utc(time_t t)
{
    char text[sizeof("2026-11-23T21:45:00Z")];
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        return NULL;
    }
    return weft_xstrdup(text);
}

int weft_parse_time_utc(const char *s, time_t *t)
{
    struct tm tm = {0};
    weft_auto_free char *again = NULL;

    if (!strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        return -1;
    }
    *t = timegm(&tm);
    again = weft_time_utc(*t); /* also of days that no month has, and of what follows */
    return again && strcmp(s, again) == 0 ? 0 : -1;
}
