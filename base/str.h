/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: formatting, a growing buffer, a NULL-terminated vector, the CSV of buildx's flags, and
 * the nearest word for "did you mean". Knows no I/O. Everything here aborts when memory is out;
 * sizes from input are checked by callers.
 */
#ifndef WEFT_BASE_STR_H
#define WEFT_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct weft_err;

/** printf into a new string that the caller frees. */
char *weft_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *weft_vfmt(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

bool weft_str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool weft_starts_with(const char *s, const char *prefix);
bool weft_ends_with(const char *s, const char *suffix);

/** A byte buffer; `data` is NUL-terminated whenever it is not NULL. Start from {0}, end with
 * weft_buf_finish. */
struct weft_buf {
    char *data;
    size_t len;
    size_t cap;
};

void weft_buf_append(struct weft_buf *b, const void *data, size_t len);
void weft_buf_puts(struct weft_buf *b, const char *s);
void weft_buf_printf(struct weft_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void weft_buf_clear(struct weft_buf *b);             /* len = 0, memory kept */
void weft_buf_consume(struct weft_buf *b, size_t n); /* drop the first n bytes, n <= len */
char *weft_buf_steal(struct weft_buf *b); /* never NULL; the buffer is empty after; caller frees */
void weft_buf_finish(struct weft_buf *b);
#define weft_auto_buf __attribute__((cleanup(weft_buf_finish))) struct weft_buf

/** A vector of owned strings; `v` is NULL-terminated whenever it is not NULL (fit for execv). Start
 * from {0}. */
struct weft_strv {
    char **v;
    size_t n;
};

void weft_strv_add(struct weft_strv *s, const char *item);
void weft_strv_addf(struct weft_strv *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void weft_strv_take(struct weft_strv *s, char *item); /* the vector owns item from now on */
void weft_strv_concat(struct weft_strv *s, const struct weft_strv *other); /* copies */
bool weft_strv_has(const struct weft_strv *s, const char *item);
char *weft_strv_join(const struct weft_strv *s, const char *sep); /* caller frees */
/** "a", "a and b", "a, b, c and 4 more": at most `most` (>= 1) of them by name, or one more where
 * that is the last one. "" for none. Caller frees. */
char *weft_strv_some(const struct weft_strv *s, size_t most);
void weft_strv_finish(struct weft_strv *s);
#define weft_auto_strv __attribute__((cleanup(weft_strv_finish))) struct weft_strv

/** Append the parts of s between the characters `sep`; empty parts are kept; an empty s gives one
 * empty part. */
void weft_split(const char *s, char sep, struct weft_strv *out);

/**
 * Append the fields of one CSV record (RFC 4180, as Go's encoding/csv reads the flags of buildx: a
 * field may be quoted as a whole, a doubled quote stands for one). Errors: WEFT_E_USAGE for a bare
 * or unclosed quote.
 */
int weft_csv_split(const char *s, struct weft_strv *out, struct weft_err **err);

/** s as one CSV field: quoted where it has to be. Caller frees. */
char *weft_csv_field(const char *s);

/** The candidate nearest to `word` by edit distance, or NULL when none is near enough to be meant.
 * Borrowed. */
const char *weft_nearest(const char *word, const char *const *candidates, size_t n);

/**
 * s made safe for a terminal and for one line: control characters, escape sequences, invalid UTF-8
 * and the marks that break or reorder lines become \xHH per byte, a tab becomes a space. For every
 * string that weft did not write. Caller frees.
 */
char *weft_printable(const char *s);

/** Where s is not well-formed UTF-8, or NULL. Borrowed. */
const char *weft_utf8_bad(const char *s);

/** "1.5 MB" (SI, as buildx prints sizes). Caller frees. */
char *weft_human_size(double bytes);

/** Parse a whole decimal number in [min, max]. Returns 0, or -1 with WEFT_E_USAGE naming `what`. */
int weft_parse_long(const char *s, long min, long max, const char *what, long *out,
                    struct weft_err **err);

/** Parse a size: a whole number of bytes, or one with k, M, G or T behind it (powers of 1000, as
 * weft_human_size prints them). Returns 0, or -1 if it is none or too large. */
int weft_parse_size(const char *s, uint64_t *bytes);

/** Go's strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False. Returns 0, or -1 if it is
 * neither. */
int weft_parse_bool(const char *s, bool *out);

/** "2026-11-23T21:45:00Z" (RFC 3339, in UTC). Caller frees; NULL: the year has more than 4 digits.
 */
char *weft_time_utc(time_t t);

/** Parse exactly that form. Returns 0, or -1 if it is not of it. */
int weft_parse_time_utc(const char *s, time_t *t);

#endif
