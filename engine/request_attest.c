/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine/request_parts.h"

static const char *const types[] = {"provenance", "sbom"};

/* What BuildKit's provenance takes. The scanner of an SBOM takes what it likes. */
static const char *const provenance_keys[] = {
    "mode",         "version",  "builder-id",    "filename",           "inline-only",
    "reproducible", "disabled", "capture-usage", "complete-materials",
};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int check_provenance(const char *key, const char *value, struct weft_err **err)
{
    static const char *const bools[] = {"inline-only", "reproducible", "capture-usage",
                                        "complete-materials"};
    bool b;

    for (size_t i = 0; i < N(bools); i++) {
        if (strcmp(key, bools[i]) == 0 && weft_parse_bool(value, &b) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, value);
        }
    }
    if (strcmp(key, "mode") == 0 && strcmp(value, "min") != 0 && strcmp(value, "max") != 0) {
        return weft_fail(err, WEFT_E_USAGE, "mode is min or max, not \"%s\"", value);
    }
    if (strcmp(key, "version") == 0 && strcmp(value, "v1") != 0 && strcmp(value, "v0.2") != 0) {
        return weft_fail(err, WEFT_E_USAGE, "version is v1 or v0.2, not \"%s\"", value);
    }
    return 0;
}

/* Add an attestation unless it is disabled; either way it is given, and may be only once. */
static int add(struct weft_request *r, const char *type, const char *attrs, bool disabled,
               struct weft_err **err)
{
    bool *given = strcmp(type, "provenance") == 0 ? &r->provenance_given : &r->sbom_given;

    if (*given) {
        return weft_fail(err, WEFT_E_USAGE, "%s is given twice", type);
    }
    *given = true;
    if (!disabled) {
        weft_strv_addf(&r->attests, "%s=%s", type, attrs);
    }
    return 0;
}

/* The type among the fields. Borrowed from them. */
static const char *find_type(const struct weft_strv *fields, struct weft_err **err)
{
    const char *type = NULL;

    for (size_t i = 0; i < fields->n; i++) {
        struct weft_request_field f = {0};

        if (weft_request_field_parse(fields->v[i], &f, err) < 0) {
            return NULL;
        }
        if (strcmp(f.key, "type") == 0) {
            type = f.value;
        }
        free(f.key);
    }
    if (!type) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        weft_err_hint(err, "type=provenance or type=sbom");
        return NULL;
    }
    for (size_t i = 0; i < N(types); i++) {
        if (strcmp(type, types[i]) == 0) {
            return type;
        }
    }
    weft_request_unknown_key(type, "attestations", types, N(types), err);
    return NULL;
}

static int add_field(const char *type, const char *text, struct weft_buf *attrs, bool *disabled,
                     struct weft_err **err)
{
    struct weft_request_field f = {0};
    weft_auto_free char *key = NULL;
    weft_auto_free char *pair = NULL;
    weft_auto_free char *field = NULL;
    bool provenance = strcmp(type, "provenance") == 0;

    if (weft_request_field_parse(text, &f, err) < 0) {
        return -1;
    }
    key = f.key;
    if (strcmp(key, "type") == 0) {
        return 0;
    }
    if (strcmp(key, "disabled") == 0) {
        if (weft_parse_bool(f.value, disabled) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "disabled is true or false, not \"%s\"", f.value);
        }
        return 0;
    }
    if (provenance) {
        bool known = false;

        for (size_t i = 0; i < N(provenance_keys); i++) {
            known |= strcmp(key, provenance_keys[i]) == 0;
        }
        if (!known) {
            return weft_request_unknown_key(key, "attributes of provenance", provenance_keys,
                                            N(provenance_keys), err);
        }
        if (check_provenance(key, f.value, err) < 0) {
            return -1;
        }
        pair = weft_fmt("%s=%s", key, f.value);
    } else {
        pair = weft_fmt("%s", text); /* a scanner's parameters keep their case */
    }
    field = weft_csv_field(pair);
    weft_buf_printf(attrs, "%s%s", attrs->len > 0 ? "," : "", field);
    return 0;
}

static int add_fields(struct weft_request *r, const char *type, const struct weft_strv *fields,
                      struct weft_err **err)
{
    weft_auto_buf attrs = {0};
    bool disabled = false;

    for (size_t i = 0; i < fields->n; i++) {
        if (add_field(type, fields->v[i], &attrs, &disabled, err) < 0) {
            return -1;
        }
    }
    return add(r, type, attrs.data ? attrs.data : "", disabled, err);
}

int weft_request_add_attest(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_strv fields = {0};
    const char *type;

    if (weft_csv_split(value, &fields, err) < 0) {
        return -1;
    }
    type = find_type(&fields, err);
    return type ? add_fields(r, type, &fields, err) : -1;
}

int weft_request_add_attest_short(struct weft_request *r, const char *type, const char *value,
                                  struct weft_err **err)
{
    weft_auto_strv fields = {0};
    bool on;

    if (!*value) {
        return 0; /* as if it had not been given: buildx's reading, for --sbom="$SBOM" in scripts */
    }
    if (weft_parse_bool(value, &on) == 0) {
        return add(r, type, "", !on, err);
    }
    if (weft_csv_split(value, &fields, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < fields.n; i++) {
        weft_auto_free char *key = NULL;
        struct weft_request_field f = {0};

        if (weft_request_field_parse(fields.v[i], &f, err) < 0) {
            return -1;
        }
        key = f.key;
        if (strcmp(key, "type") == 0) {
            return weft_fail(err, WEFT_E_USAGE, "the flag itself says the type");
        }
    }
    return add_fields(r, type, &fields, err);
}
