/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/descriptor.h"
#include "engine/image_source.h"
#include "engine/inspect.h"
#include "platforms/audit_file.h"

enum {
    CONFIG_LIMIT_BYTES = 16 << 20
};

/* What an image's config says. */
struct config {
    struct weft_json *doc;
    char *path, *library_path; /* of its environment; or NULL */
};

static void config_finish(struct config *c)
{
    weft_json_free(c->doc);
    free(c->path);
    free(c->library_path);
}

static void image_finish(struct weft_audited_image *i)
{
    for (size_t k = 0; k < i->n_layers; k++) {
        free(i->layers[k].step);
    }
    free(i->layers);
    weft_audit_report_finish(&i->report);
}

void weft_audited_finish(struct weft_audited *a)
{
    for (size_t i = 0; i < a->n; i++) {
        image_finish(&a->images[i]);
    }
    free(a->images);
    free(a->name);
    *a = (struct weft_audited){0};
}

/* ---- the history ---- */

char *weft_audit_step(const char *created_by)
{
    static const char nop[] = "/bin/sh -c #(nop) ";
    static const char shell[] = "/bin/sh -c ";
    static const char run_shell[] = "RUN /bin/sh -c ";
    static const char buildkit[] = " # buildkit";
    weft_auto_free char *text = weft_xstrdup(created_by);
    char *s = text;

    if (weft_ends_with(text, buildkit)) {
        text[strlen(text) - strlen(buildkit)] = '\0';
    }
    if (weft_starts_with(s, nop)) {
        s += strlen(nop);
        s += strspn(s, " ");
        return weft_xstrdup(s);
    }
    if (weft_starts_with(s, shell)) {
        return weft_fmt("RUN %s", s + strlen(shell));
    }
    if (weft_starts_with(s, run_shell)) {
        return weft_fmt("RUN %s", s + strlen(run_shell));
    }
    return weft_xstrdup(s);
}

/* Give the layers their steps: the entries of the history that made one, in order. A history of
 * another length belongs to other layers. */
static void read_history(const struct weft_json *config, struct weft_audited_image *i)
{
    const struct weft_json *history = weft_json_get(config, "history");
    size_t n = 0, layer = 0;

    for (size_t k = 0; k < weft_json_len(history); k++) {
        n += !weft_json_bool(weft_json_at(history, k), "empty_layer", false);
    }
    if (n != i->n_layers) {
        return;
    }
    for (size_t k = 0; k < weft_json_len(history); k++) {
        const struct weft_json *entry = weft_json_at(history, k);
        const char *by = weft_json_str(entry, "created_by");

        if (!weft_json_bool(entry, "empty_layer", false)) {
            i->layers[layer++].step = by && *by ? weft_audit_step(by) : NULL;
        }
    }
}

static char *variable(const struct weft_json *config, const char *name)
{
    const struct weft_json *env = weft_json_get(weft_json_get(config, "config"), "Env");
    size_t len = strlen(name);

    for (size_t k = 0; k < weft_json_len(env); k++) {
        const char *s = weft_json_value_str(weft_json_at(env, k));

        if (s && weft_starts_with(s, name) && s[len] == '=') {
            return weft_xstrdup(s + len + 1);
        }
    }
    return NULL;
}

static int read_config(struct weft_image_source *s, const char *digest, struct config *out,
                       struct weft_err **err)
{
    weft_auto_buf bytes = {0};
    enum weft_image_found f = weft_image_source_blob(s, digest, CONFIG_LIMIT_BYTES, &bytes, err);

    if (f == WEFT_IMAGE_ERROR) {
        return -1;
    }
    out->doc = f == WEFT_IMAGE_FOUND ? weft_json_parse(bytes.data, bytes.len, NULL) : NULL;
    out->path = variable(out->doc, "PATH");
    out->library_path = variable(out->doc, "LD_LIBRARY_PATH");
    return 0;
}

/* ---- layers ---- */

static int walk_layer(struct weft_image_source *s, struct weft_audit_walk *w,
                      const struct weft_descriptor *d, const atomic_bool *cancel,
                      struct weft_err **err)
{
    struct weft_image_file file = WEFT_IMAGE_FILE_NONE;
    struct weft_layer_input in = {.name = d->digest, .digest = d->digest, .cancel = cancel};
    enum weft_image_found f = weft_image_source_open_blob(s, d->digest, d->size_bytes, &file, err);
    int rc;

    if (f == WEFT_IMAGE_ERROR) {
        return -1;
    }
    if (f == WEFT_IMAGE_MISSING) {
        weft_fail(err, WEFT_E_FORMAT, "%s has no layer %s", weft_image_source_name(s), d->digest);
        return weft_descriptor_is_foreign(d)
                   ? weft_err_hint(err, "it is one that may not be distributed: nothing to audit")
                   : -1;
    }
    in.fd = file.fd;
    in.offset = file.offset;
    in.size_bytes = file.size_bytes;
    rc = weft_audit_walk_layer(w, &in, err);
    weft_image_file_finish(&file);
    return rc < 0 ? weft_err_wrap(err, "layer %s", d->digest) : 0;
}

static int walk_layers(struct weft_image_source *s, const struct weft_manifest *m,
                       const struct config *c, const struct weft_audit_opts *opts,
                       struct weft_audited_image *i, struct weft_err **err)
{
    const struct weft_audit_walk_opts how = {.platform = i->platform,
                                             .allow = opts->allow,
                                             .path = c->path,
                                             .library_path = c->library_path};
    struct weft_audit_walk *w = weft_audit_walk_create(&how);
    int rc = 0;

    for (size_t k = 0; k < m->n_children && rc == 0; k++) {
        rc = walk_layer(s, w, &m->children[k], opts->cancel, err);
    }
    if (rc == 0) {
        weft_audit_walk_finish(w, &i->report);
    }
    weft_audit_walk_destroy(w);
    return rc;
}

/* ---- images ---- */

static int audit_image(struct weft_image_source *s, const struct weft_inspected_image *from,
                       const struct weft_audit_opts *opts, struct weft_audited_image *i,
                       struct weft_err **err)
{
    weft_auto_free char *media_type = NULL;
    weft_auto_manifest m = {0};
    weft_auto_buf bytes = {0};
    struct config c = {0};
    char digest[WEFT_DIGEST_SIZE];
    enum weft_image_found f =
        weft_image_source_manifest(s, from->digest, &bytes, &media_type, digest, err);
    int rc;

    if (f != WEFT_IMAGE_FOUND) {
        return f == WEFT_IMAGE_MISSING ? weft_image_source_fail_missing(s, from->digest, err) : -1;
    }
    if (weft_manifest_parse(bytes.data, bytes.len, from->media_type, &m, err) < 0) {
        return weft_err_wrap(err, "%s", from->digest);
    }
    i->platform = from->platform;
    memcpy(i->digest, from->digest, WEFT_DIGEST_SIZE);
    i->layers = weft_xcalloc(m.n_children + 1, sizeof(*i->layers));
    i->n_layers = m.n_children;
    for (size_t k = 0; k < m.n_children; k++) {
        memcpy(i->layers[k].digest, m.children[k].digest, WEFT_DIGEST_SIZE);
        i->layers[k].size_bytes = m.children[k].size_bytes;
    }
    rc = read_config(s, m.config.digest, &c, err);
    if (rc == 0) {
        read_history(c.doc, i);
        rc = walk_layers(s, &m, &c, opts, i, err);
    }
    config_finish(&c);
    return rc;
}

static bool is_wanted(const struct weft_inspected_image *i, const struct weft_audit_opts *opts)
{
    return i->has_platform && (!opts->platform || weft_platform_eq(&i->platform, opts->platform));
}

static int fail_none(const struct weft_inspected *found, const struct weft_audit_opts *opts,
                     struct weft_err **err)
{
    weft_auto_strv names = {0};
    weft_auto_free char *list = NULL;
    char name[WEFT_PLATFORM_SIZE];

    if (!opts->platform) {
        return weft_fail(err, WEFT_E_USAGE, "%s has no image of a platform: nothing to audit",
                         found->name);
    }
    for (size_t k = 0; k < found->n_images; k++) {
        if (found->images[k].has_platform) {
            weft_strv_add(&names, weft_platform_format(&found->images[k].platform, name));
        }
    }
    list = weft_strv_join(&names, ", ");
    weft_fail(err, WEFT_E_USAGE, "--platform: %s has no image for %s", found->name,
              weft_platform_format(opts->platform, name));
    return *list ? weft_err_hint(err, "one of those that it has: %s", list) : -1;
}

int weft_audit(struct weft_inspection *x, const struct weft_audit_opts *opts,
               struct weft_audited *out, struct weft_err **err)
{
    struct weft_inspected found = {0};
    int rc = weft_inspect(x, true, &found, err);

    if (rc == 0) {
        out->name = weft_xstrdup(found.name);
        memcpy(out->digest, found.digest, WEFT_DIGEST_SIZE);
        out->images = weft_xcalloc(found.n_images + 1, sizeof(*out->images));
    }
    for (size_t k = 0; rc == 0 && k < found.n_images; k++) {
        char name[WEFT_PLATFORM_SIZE];

        if (is_wanted(&found.images[k], opts)) {
            rc = audit_image(weft_inspect_source(x), &found.images[k], opts, &out->images[out->n++],
                             err);
            if (rc < 0) {
                weft_err_wrap(err, "%s", weft_platform_format(&found.images[k].platform, name));
            }
        }
    }
    if (rc == 0 && out->n == 0) {
        rc = fail_none(&found, opts, err);
    }
    weft_inspected_finish(&found);
    return rc;
}

/* ---- findings ---- */

size_t weft_audited_count(const struct weft_audited *a, enum weft_audit_severity at_least)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < a->images[i].report.n; k++) {
            n += a->images[i].report.findings[k].severity >= at_least;
        }
    }
    return n;
}

const struct weft_audited_layer *weft_audited_layer(const struct weft_audited_image *i,
                                                    const struct weft_audit_finding *f)
{
    return f->layer >= 0 && (size_t)f->layer < i->n_layers ? &i->layers[f->layer] : NULL;
}

const char *weft_audited_cause(const struct weft_audited_image *i,
                               const struct weft_audit_finding *f)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);

    return weft_audit_cause(f->rule, l ? l->step : NULL);
}
