/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/request_parts.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum weft_output_type type;
} types[] = {
    {"oci", WEFT_OUTPUT_OCI},
    {"local", WEFT_OUTPUT_LOCAL},
    {"tar", WEFT_OUTPUT_TAR},
};

/* buildx's other ones. */
static const char *const later_types[] = {"image", "registry", "docker"};

/* What may stand beside type. BuildKit takes any attribute in silence, so that a typing error would
 * go unseen. */
static const char *const oci_keys[] = {
    "dest",
    "tar",
    "name",
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "oci-artifact",
    "rewrite-timestamp",
    "source-date-epoch",
};
static const char *const files_keys[] = {"dest", "attestation-prefix"};

static const char *const bool_keys[] = {"force-compression", "oci-mediatypes", "oci-artifact",
                                        "rewrite-timestamp"};
static const char *const compressions[] = {"uncompressed", "gzip", "estargz", "zstd"};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_attr(struct weft_output *o, const char *key, const char *value)
{
    char *pair = weft_fmt("%s=%s", key, value);
    size_t len = strlen(key) + 1;

    for (size_t i = 0; i < o->attrs.n; i++) {
        if (strncmp(o->attrs.v[i], pair, len) == 0) {
            free(o->attrs.v[i]);
            o->attrs.v[i] = pair;
            return;
        }
    }
    weft_strv_take(&o->attrs, pair);
}

/* The value of an attribute, or NULL. Borrowed. */
static const char *get_attr(const struct weft_output *o, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < o->attrs.n; i++) {
        if (strncmp(o->attrs.v[i], key, len) == 0 && o->attrs.v[i][len] == '=') {
            return o->attrs.v[i] + len + 1;
        }
    }
    return NULL;
}

static int parse_type(const char *value, enum weft_output_type *out, struct weft_err **err)
{
    const char *names[N(types)];

    for (size_t i = 0; i < N(types); i++) {
        if (strcmp(value, types[i].name) == 0) {
            *out = types[i].type;
            return 0;
        }
        names[i] = types[i].name;
    }
    if (strcmp(value, "cacheonly") == 0) {
        return weft_fail(err, WEFT_E_USAGE, "type=cacheonly has no attributes");
    }
    if (is_one_of(value, later_types, N(later_types))) {
        weft_fail(err, WEFT_E_USAGE, "type=%s is not supported by this version of weft", value);
        return weft_err_hint(err, "type=oci,dest=FILE");
    }
    return weft_request_unknown_key(value, "types of output", names, N(names), err);
}

static int check_attr(const char *key, const char *value, struct weft_err **err)
{
    long n;
    bool b;

    if (is_one_of(key, bool_keys, N(bool_keys)) && weft_parse_bool(value, &b) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, value);
    }
    if (strcmp(key, "compression") == 0 && !is_one_of(value, compressions, N(compressions))) {
        return weft_fail(err, WEFT_E_USAGE,
                         "compression is uncompressed, gzip, estargz or zstd, not \"%s\"", value);
    }
    if (strcmp(key, "compression-level") == 0) {
        return weft_parse_long(value, 0, 22, key, &n, err);
    }
    if (strcmp(key, "source-date-epoch") == 0) {
        return weft_parse_long(value, 0, WEFT_EPOCH_MAX_S, key, &n, err);
    }
    return 0;
}

/* A name attribute holds one or several names, with commas. */
static int add_names(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_strv names = {0};

    weft_split(value, ',', &names);
    for (size_t i = 0; i < names.n; i++) {
        if (weft_request_add_tag(r, names.v[i], err) < 0) {
            return weft_err_wrap(err, "name");
        }
    }
    return 0;
}

static int add_field(struct weft_request *r, struct weft_output *o, const char *text, char **dest,
                     struct weft_err **err)
{
    const char *const *known = o->type == WEFT_OUTPUT_OCI ? oci_keys : files_keys;
    size_t n = o->type == WEFT_OUTPUT_OCI ? N(oci_keys) : N(files_keys);
    struct weft_request_field f = {0};
    weft_auto_free char *key = NULL;

    if (weft_request_field_parse(text, &f, err) < 0) {
        return -1;
    }
    key = f.key;
    if (strcmp(key, "type") == 0) {
        return 0;
    }
    if (!is_one_of(key, known, n)) {
        return weft_request_unknown_key(
            key, o->type == WEFT_OUTPUT_OCI ? "attributes of type=oci" : "attributes of this type",
            known, n, err);
    }
    if (strcmp(key, "dest") == 0) {
        free(*dest);
        *dest = weft_xstrdup(f.value);
        return 0;
    }
    if (strcmp(key, "name") == 0) {
        return add_names(r, f.value, err);
    }
    if (strcmp(key, "tar") == 0) {
        if (weft_parse_bool(f.value, &o->tar) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "tar is true or false, not \"%s\"", f.value);
        }
        return 0;
    }
    put_attr(o, key, f.value);
    return check_attr(key, f.value, err);
}

/* gzip and what builds on it know the levels up to 9. */
static int check_level(const struct weft_output *o, struct weft_err **err)
{
    const char *level = get_attr(o, "compression-level");
    const char *kind = get_attr(o, "compression");
    long n;

    if (!level || weft_str_eq(kind, "zstd")) {
        return 0;
    }
    return weft_parse_long(level, 0, 9, "compression-level", &n, err);
}

static int set_dest(struct weft_output *o, const char *dest, struct weft_err **err)
{
    bool file = o->type == WEFT_OUTPUT_TAR || (o->type == WEFT_OUTPUT_OCI && o->tar);

    if (dest && *dest && strcmp(dest, "-") != 0) {
        o->dest = weft_path_abs(dest, err);
        return o->dest ? 0 : -1;
    }
    if (!file) {
        return weft_fail(err, WEFT_E_USAGE, "dest=DIR is %s",
                         dest && *dest ? "a directory, not standard output" : "missing");
    }
    if (isatty(STDOUT_FILENO)) {
        weft_fail(err, WEFT_E_USAGE, "a tar file is not written to a terminal");
        return weft_err_hint(err, "dest=FILE");
    }
    o->dest = weft_xstrdup("-");
    return 0;
}

/* The fields of a value. A lone field that does not begin with type= is a path, as in buildx. */
static int split(const char *value, struct weft_strv *fields, struct weft_err **err)
{
    weft_auto_free char *key = NULL;

    if (weft_csv_split(value, fields, err) < 0) {
        return -1;
    }
    if (fields->n != 1 || strcmp(fields->v[0], value) != 0 || weft_starts_with(value, "type=")) {
        return 0;
    }
    key = weft_xstrndup(value, strcspn(value, "="));
    if (value[strlen(key)] == '=' && is_one_of(key, oci_keys, N(oci_keys))) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        return weft_err_hint(err, "type=oci,%s (or ./%s for a directory of that name)", value,
                             value);
    }
    if (!*value) {
        return weft_fail(err, WEFT_E_USAGE, "it is empty");
    }
    weft_strv_finish(fields);
    weft_strv_add(fields, strcmp(value, "-") == 0 ? "type=tar" : "type=local");
    weft_strv_addf(fields, "dest=%s", value);
    return 0;
}

static int parse(struct weft_request *r, const char *value, struct weft_output *o,
                 struct weft_err **err)
{
    weft_auto_strv fields = {0};
    weft_auto_free char *dest = NULL;
    bool typed = false;

    if (split(value, &fields, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < fields.n; i++) { /* the type first: it says what the others may be */
        weft_auto_free char *key = NULL;
        struct weft_request_field f = {0};

        if (weft_request_field_parse(fields.v[i], &f, err) < 0) {
            return -1;
        }
        key = f.key;
        if (strcmp(key, "type") == 0) {
            typed = true;
            if (parse_type(f.value, &o->type, err) < 0) {
                return -1;
            }
        }
    }
    if (!typed) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        return weft_err_hint(err, "type=oci,%s", value);
    }
    o->tar = o->type == WEFT_OUTPUT_OCI;
    for (size_t i = 0; i < fields.n; i++) {
        if (add_field(r, o, fields.v[i], &dest, err) < 0) {
            return -1;
        }
    }
    return check_level(o, err) < 0 ? -1 : set_dest(o, dest, err);
}

int weft_request_add_output(struct weft_request *r, const char *value, struct weft_err **err)
{
    struct weft_output o = {0};

    if (strcmp(value, "type=cacheonly") == 0) {
        r->cache_only = true;
        return 0;
    }
    if (parse(r, value, &o, err) < 0) {
        free(o.dest);
        weft_strv_finish(&o.attrs);
        return weft_err_wrap(err, "\"%s\"", value);
    }
    r->outputs = weft_xrealloc(r->outputs, r->n_outputs + 1, sizeof(*r->outputs));
    r->outputs[r->n_outputs++] = o;
    return 0;
}

static bool same_attrs(const struct weft_output *a, const struct weft_output *b)
{
    if (a->attrs.n != b->attrs.n) {
        return false;
    }
    for (size_t i = 0; i < a->attrs.n; i++) {
        if (!weft_strv_has(&b->attrs, a->attrs.v[i])) {
            return false;
        }
    }
    return true;
}

static int check_iidfile(const struct weft_request *r, struct weft_err **err)
{
    bool image = false;

    if (!r->iidfile) {
        return 0;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (r->outputs[i].type != WEFT_OUTPUT_OCI) {
            return weft_fail(err, WEFT_E_USAGE,
                             "--iidfile: outputs of type local and tar have no image ID");
        }
        image = true;
    }
    if (!image) {
        weft_fail(err, WEFT_E_USAGE, "--iidfile: without an output there is no image");
        return weft_err_hint(err, "--output type=oci,dest=FILE");
    }
    return 0;
}

int weft_request_check_outputs(const struct weft_request *r, struct weft_err **err)
{
    const struct weft_output *oci = NULL;
    bool to_stdout = false;

    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *o = &r->outputs[i];

        if (strcmp(o->dest, "-") == 0) {
            if (to_stdout) {
                return weft_fail(err, WEFT_E_USAGE, "--output: two outputs go to standard output");
            }
            to_stdout = true;
        }
        if (o->type != WEFT_OUTPUT_OCI) {
            continue;
        }
        if (oci && !same_attrs(oci, o)) {
            return weft_fail(err, WEFT_E_USAGE,
                             "--output: outputs of type oci hold the same image, and so cannot "
                             "differ in attributes");
        }
        oci = o;
    }
    if (to_stdout && r->quiet) {
        weft_fail(err, WEFT_E_USAGE,
                  "--quiet prints the image's ID on standard output, where an output goes");
        return weft_err_hint(err, "--progress=quiet");
    }
    return check_iidfile(r, err);
}
