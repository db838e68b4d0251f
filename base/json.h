/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, and the only place that knows jansson. `struct weft_json` is opaque and counted by jansson:
 * a value that a function returns as "new" is freed once with weft_json_free; "borrowed" ones live
 * as long as their parent. Readers are lenient about absence (NULL, default) and strict about
 * types: a string where a number is due is absent.
 */
#ifndef WEFT_BASE_JSON_H
#define WEFT_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;
struct weft_json;

/** Parse one JSON value that fills the text. New value, or NULL with WEFT_E_FORMAT (line and column
 * in the message). */
struct weft_json *weft_json_parse(const char *text, size_t len, struct weft_err **err);

/** Read and parse a file of at most 16 MiB. New value, or NULL with WEFT_E_IO or WEFT_E_FORMAT
 * naming the file. */
struct weft_json *weft_json_load(const char *path, struct weft_err **err);

/** The text of a value. indent 0: one line without spaces; else that many spaces. Key order is
 * insertion order. Caller frees. */
char *weft_json_dump(const struct weft_json *j, int indent);

struct weft_json *weft_json_copy(const struct weft_json *j); /* deep; new */
void weft_json_free(struct weft_json *j);                    /* NULL is fine */
void weft_json_freep(struct weft_json **j);
/** Free a value that nobody else holds a part of; its strings are overwritten first. NULL is fine.
 */
void weft_json_wipe(struct weft_json *j);
#define weft_auto_json __attribute__((cleanup(weft_json_freep))) struct weft_json *

/* Reading: every function takes NULL and wrong types for j and answers as if the key were absent.
 */
struct weft_json *weft_json_get(const struct weft_json *j, const char *key); /* borrowed or NULL */
const char *weft_json_str(const struct weft_json *j, const char *key);       /* borrowed or NULL */
int64_t weft_json_int(const struct weft_json *j, const char *key, int64_t absent);
double weft_json_real(const struct weft_json *j, const char *key, double absent); /* also of whole
                                                                                     numbers */
bool weft_json_bool(const struct weft_json *j, const char *key, bool absent);
size_t weft_json_len(const struct weft_json *j);                     /* of an array; else 0 */
struct weft_json *weft_json_at(const struct weft_json *j, size_t i); /* borrowed or NULL */
const char *weft_json_value_str(const struct weft_json *j); /* of a string value; else NULL */
bool weft_json_is_object(const struct weft_json *j);
bool weft_json_is_array(const struct weft_json *j);

/** Call fn for each member of an object in order. */
typedef void weft_json_member_fn(const char *key, const struct weft_json *value, void *data);
void weft_json_each(const struct weft_json *j, weft_json_member_fn *fn, void *data);

/* Building: objects and arrays are new; setters copy strings and take ownership of values (also of
 * NULL: ignored). In keys too, bytes that are not UTF-8 become U+FFFD. */
struct weft_json *weft_json_object(void);
struct weft_json *weft_json_array(void);
struct weft_json *weft_json_string(const char *s); /* bytes that are not UTF-8 become U+FFFD */
void weft_json_set(struct weft_json *j, const char *key, struct weft_json *value);
void weft_json_set_str(struct weft_json *j, const char *key, const char *s); /* NULL: not set */
void weft_json_set_int(struct weft_json *j, const char *key, int64_t v);
void weft_json_set_bool(struct weft_json *j, const char *key, bool v);
void weft_json_set_real(struct weft_json *j, const char *key, double v); /* not finite: null */
void weft_json_append(struct weft_json *array, struct weft_json *value);
void weft_json_append_str(struct weft_json *array, const char *s);

#endif
