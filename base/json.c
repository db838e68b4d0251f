/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    FILE_LIMIT_BYTES = 16 << 20
};

static json_t *in(struct weft_json *j)
{
    return (json_t *)j;
}

static const json_t *cin(const struct weft_json *j)
{
    return (const json_t *)j;
}

static struct weft_json *out(json_t *j)
{
    if (!j) {
        abort(); /* jansson gives NULL only when memory is out, after the checks that callers make
                  */
    }
    return (struct weft_json *)j;
}

/* jansson's getters give a mutable child of a const parent; so do ours */
static struct weft_json *child(json_t *j)
{
    return (struct weft_json *)j;
}

struct weft_json *weft_json_parse(const char *text, size_t len, struct weft_err **err)
{
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);

    if (!j) {
        weft_auto_free char *what = weft_printable(e.text);

        weft_fail(err, WEFT_E_FORMAT, "not JSON at line %d, column %d: %s", e.line, e.column, what);
        return NULL;
    }
    return out(j);
}

struct weft_json *weft_json_load(const char *path, struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    struct weft_json *j;
    size_t len;

    if (weft_read_file(path, FILE_LIMIT_BYTES, &text, &len, err) < 0) {
        return NULL;
    }
    j = weft_json_parse(text, len, err);
    if (!j) {
        weft_err_wrap(err, "%s", path);
    }
    return j;
}

char *weft_json_dump(const struct weft_json *j, int indent)
{
    char *s = json_dumps(cin(j), JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent) : JSON_COMPACT));

    if (!s) {
        abort();
    }
    return s;
}

struct weft_json *weft_json_copy(const struct weft_json *j)
{
    return out(json_deep_copy(cin(j)));
}

void weft_json_free(struct weft_json *j)
{
    json_decref(in(j));
}

void weft_json_freep(struct weft_json **j)
{
    weft_json_free(*j);
    *j = NULL;
}

static void wipe_strings(json_t *j)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(j)) {
        /* the bytes are jansson's own, on the heap */
        explicit_bzero((void *)(uintptr_t)json_string_value(j), json_string_length(j));
    }
    json_array_foreach(j, i, value)
    {
        wipe_strings(value);
    }
    json_object_foreach(j, key, value)
    {
        wipe_strings(value);
    }
}

void weft_json_wipe(struct weft_json *j)
{
    if (j) {
        wipe_strings(in(j));
        weft_json_free(j);
    }
}

struct weft_json *weft_json_get(const struct weft_json *j, const char *key)
{
    return child(json_object_get(cin(j), key));
}

const char *weft_json_str(const struct weft_json *j, const char *key)
{
    return json_string_value(json_object_get(cin(j), key));
}

int64_t weft_json_int(const struct weft_json *j, const char *key, int64_t absent)
{
    const json_t *v = json_object_get(cin(j), key);

    return json_is_integer(v) ? json_integer_value(v) : absent;
}

double weft_json_real(const struct weft_json *j, const char *key, double absent)
{
    const json_t *v = json_object_get(cin(j), key);

    return json_is_number(v) ? json_number_value(v) : absent;
}

bool weft_json_bool(const struct weft_json *j, const char *key, bool absent)
{
    const json_t *v = json_object_get(cin(j), key);

    return json_is_boolean(v) ? json_is_true(v) : absent;
}

size_t weft_json_len(const struct weft_json *j)
{
    return json_array_size(cin(j));
}

struct weft_json *weft_json_at(const struct weft_json *j, size_t i)
{
    return child(json_array_get(cin(j), i));
}

const char *weft_json_value_str(const struct weft_json *j)
{
    return json_string_value(cin(j));
}

bool weft_json_is_object(const struct weft_json *j)
{
    return json_is_object(cin(j));
}

bool weft_json_is_array(const struct weft_json *j)
{
    return json_is_array(cin(j));
}

void weft_json_each(const struct weft_json *j, weft_json_member_fn *fn, void *data)
{
    const char *key;
    json_t *value;

    if (!json_is_object(cin(j))) {
        return;
    }
    /* the macro wants a mutable object to iterate; nothing is changed */
    json_object_foreach(in((struct weft_json *)(uintptr_t)j), key, value)
    {
        fn(key, child(value), data);
    }
}

struct weft_json *weft_json_object(void)
{
    return out(json_object());
}

struct weft_json *weft_json_array(void)
{
    return out(json_array());
}

/* Bytes that are no UTF-8 (a path may hold any) replaced, since jansson refuses the whole string.
 */
static char *utf8_repaired(const char *s)
{
    struct weft_buf b = {0};

    while (*s) {
        size_t n = 1;
        size_t max = strnlen(s, 4);
        json_t *one = NULL;

        while (n <= max && !(one = json_stringn(s, n))) {
            n++;
        }
        if (one) {
            weft_buf_append(&b, s, n);
            json_decref(one);
            s += n;
        } else {
            weft_buf_puts(&b, "\xef\xbf\xbd");
            s++;
        }
    }
    return weft_buf_steal(&b);
}

struct weft_json *weft_json_string(const char *s)
{
    json_t *j = json_string(s);

    if (!j) {
        weft_auto_free char *repaired = utf8_repaired(s);

        j = json_string(repaired);
    }
    return out(j);
}

void weft_json_set(struct weft_json *j, const char *key, struct weft_json *value)
{
    if (!value) {
        return;
    }
    /* this one leaves us the value when it refuses the key */
    if (json_object_set(in(j), key, in(value)) < 0) {
        weft_auto_free char *repaired = utf8_repaired(key);

        if (json_object_set(in(j), repaired, in(value)) < 0) {
            abort();
        }
    }
    json_decref(in(value));
}

void weft_json_set_str(struct weft_json *j, const char *key, const char *s)
{
    if (s) {
        weft_json_set(j, key, weft_json_string(s));
    }
}

void weft_json_set_int(struct weft_json *j, const char *key, int64_t v)
{
    weft_json_set(j, key, out(json_integer(v)));
}

void weft_json_set_bool(struct weft_json *j, const char *key, bool v)
{
    weft_json_set(j, key, out(json_boolean(v)));
}

void weft_json_set_real(struct weft_json *j, const char *key, double v)
{
    weft_json_set(j, key, out(isfinite(v) ? json_real(v) : json_null()));
}

void weft_json_append(struct weft_json *array, struct weft_json *value)
{
    if (value && json_array_append_new(in(array), in(value)) < 0) {
        abort();
    }
}

void weft_json_append_str(struct weft_json *array, const char *s)
{
    weft_json_append(array, weft_json_string(s));
}
