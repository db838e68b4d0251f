/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/request_parts.h"

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static int set_format(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(value);

    r->call_json = strcmp(value, "json") == 0;
    if (!r->call_json && strcmp(value, "text") != 0) {
        return weft_fail(err, WEFT_E_USAGE, "format is json or text, not \"%s\"", shown);
    }
    return 0;
}

static int set_attribute(struct weft_request *r, const char *text, struct weft_err **err)
{
    static const char *const known[] = {"format", "ignorestatus"};
    struct weft_request_field field = {0};
    int rc;

    if (weft_request_field_parse(text, &field, err) < 0) {
        return -1;
    }
    if (strcmp(field.key, "format") == 0) {
        rc = set_format(r, field.value, err);
    } else if (strcmp(field.key, "ignorestatus") == 0) {
        rc = weft_parse_bool(field.value, &r->call_ignore_status);
        if (rc < 0) {
            weft_fail(err, WEFT_E_USAGE, "ignorestatus is true or false");
        }
    } else {
        rc = weft_request_unknown_key(field.key, "attributes", known,
                                      sizeof(known) / sizeof(known[0]), err);
    }
    free(field.key);
    return rc;
}

/* "METHOD[,format=json]" */
static int parse(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_strv fields = {0};

    if (weft_csv_split(value, &fields, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < fields.n; i++) {
        const char *field = fields.v[i];

        if (strchr(field, '=')) {
            if (set_attribute(r, field, err) < 0) {
                return -1;
            }
        } else if (r->call || !*field || field[strspn(field, name_chars)]) {
            weft_auto_free char *shown = weft_printable(value);

            weft_fail(err, WEFT_E_USAGE, "\"%s\" is not one method", shown);
            return weft_err_hint(err, "--call subrequests.describe, which lists the methods");
        } else {
            r->call = weft_xstrdup(field);
        }
    }
    if (!r->call) {
        return weft_fail(err, WEFT_E_USAGE, "the method is missing");
    }
    return 0;
}

/* One worker answers for all platforms, as buildx has it: the frontend is told of them all. */
static void keep_one_platform(struct weft_request *r)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < r->n_platforms; i++) {
        char name[WEFT_PLATFORM_SIZE];

        weft_strv_add(&names, weft_platform_format(&r->platforms[i], name));
    }
    r->call_platforms = weft_strv_join(&names, ",");
    r->n_platforms = 1;
}

/* Nothing is built, so nothing comes out. */
static void drop_outputs(struct weft_request *r)
{
    for (size_t i = 0; i < r->n_outputs; i++) {
        weft_request_output_finish(&r->outputs[i]);
    }
    r->n_outputs = 0;
    r->cache_only = true;
    weft_strv_finish(&r->attests);
    r->provenance_given = true;
}

int weft_request_set_call(struct weft_request *r, const char *value, bool check,
                          struct weft_err **err)
{
    if (value && *value && parse(r, value, err) < 0) {
        return weft_err_wrap(err, "--call");
    }
    if (r->call && strcmp(r->call, "check") == 0) { /* what buildx calls BuildKit's "lint" */
        free(r->call);
        r->call = weft_xstrdup("lint");
    }
    if (check && r->call && strcmp(r->call, "lint") != 0) {
        return weft_fail(err, WEFT_E_USAGE, "--check and --call=%s exclude each other", r->call);
    }
    if (check && !r->call) {
        r->call = weft_xstrdup("lint");
    }
    if (r->call && strcmp(r->call, "build") == 0) {
        free(weft_steal(&r->call));
    }
    if (r->call) {
        keep_one_platform(r);
        drop_outputs(r);
    }
    return 0;
}

int weft_request_set_log_dir(struct weft_request *r, const char *value, struct weft_err **err)
{
    if (!value) {
        return 0;
    }
    if (!*value) {
        return weft_fail(err, WEFT_E_USAGE, "--log-dir: the name is empty");
    }
    r->log_dir = weft_path_abs(value, err);
    if (!r->log_dir) {
        return -1;
    }
    if (weft_exists(r->log_dir) && !weft_is_dir(r->log_dir)) {
        return weft_fail(err, WEFT_E_USAGE, "--log-dir: %s is not a directory", r->log_dir);
    }
    return 0;
}
