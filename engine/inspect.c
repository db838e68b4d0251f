/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/descriptor.h"
#include "engine/image_source.h"

enum {
    CONFIG_LIMIT_BYTES = 16 << 20
};

struct weft_inspection {
    struct weft_image_source *source;
};

bool weft_inspect_is_layout(const char *name)
{
    return weft_image_source_is_local(name);
}

struct weft_inspection *weft_inspect_open(const struct weft_inspect_opts *opts,
                                          struct weft_err **err)
{
    const struct weft_image_source_opts where = {.name = opts->name,
                                                 .insecure = opts->insecure,
                                                 .hosts = opts->hosts,
                                                 .docker = opts->docker,
                                                 .cancel = opts->cancel};
    struct weft_image_source *source = weft_image_source_open(&where, err);
    struct weft_inspection *x;

    if (!source) {
        return NULL;
    }
    x = weft_xcalloc(1, sizeof(*x));
    x->source = source;
    return x;
}

void weft_inspect_close(struct weft_inspection *x)
{
    if (x) {
        weft_image_source_close(x->source);
        free(x);
    }
}

struct weft_image_source *weft_inspect_source(struct weft_inspection *x)
{
    return x->source;
}

/* ---- reading ---- */

static enum weft_image_found read_manifest(const struct weft_inspection *x, const char *wanted,
                                           struct weft_buf *out, char **media_type,
                                           char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    return weft_image_source_manifest(x->source, wanted, out, media_type, digest, err);
}

int weft_inspect_raw(struct weft_inspection *x, const char *digest, struct weft_buf *out,
                     struct weft_err **err)
{
    weft_auto_free char *media_type = NULL;
    char found[WEFT_DIGEST_SIZE];
    enum weft_image_found f = read_manifest(x, digest, out, &media_type, found, err);

    return f == WEFT_IMAGE_FOUND     ? 0
           : f == WEFT_IMAGE_MISSING ? weft_image_source_fail_missing(x->source, digest, err)
                                     : -1;
}

/* ---- attestations ---- */

static void add_attestation(struct weft_inspected_attestation **list, size_t *n,
                            struct weft_inspected_attestation *a)
{
    *list = weft_xgrow(*list, *n, sizeof(**list));
    (*list)[(*n)++] = *a;
    *a = (struct weft_inspected_attestation){0};
}

static void attestations_finish(struct weft_inspected_attestation *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        weft_strv_finish(&list[i].predicates);
    }
    free(list);
}

static int inspect_attestation(const struct weft_inspection *x, const struct weft_descriptor *d,
                               struct weft_inspected *out, struct weft_err **err)
{
    const char *subject = weft_descriptor_annotation(d, "vnd.docker.reference.digest");
    struct weft_inspected_attestation a = {0};
    weft_auto_free char *media_type = NULL;
    weft_auto_manifest m = {0};
    weft_auto_buf bytes = {0};

    if (read_manifest(x, d->digest, &bytes, &media_type, a.digest, err) == WEFT_IMAGE_ERROR) {
        return -1;
    }
    memcpy(a.digest, d->digest, WEFT_DIGEST_SIZE);
    if (bytes.len > 0 && weft_manifest_parse(bytes.data, bytes.len, d->media_type, &m, err) < 0) {
        return weft_err_wrap(err, "attestation %s", d->digest);
    }
    for (size_t i = 0; i < m.n_children; i++) {
        const char *type = weft_descriptor_annotation(&m.children[i], "in-toto.io/predicate-type");

        weft_strv_add(&a.predicates, type ? type : m.children[i].media_type);
    }
    for (size_t i = 0; i < out->n_images; i++) {
        struct weft_inspected_image *image = &out->images[i];

        if (weft_str_eq(subject, image->digest)) {
            add_attestation(&image->attestations, &image->n_attestations, &a);
            return 0;
        }
    }
    add_attestation(&out->others, &out->n_others, &a);
    return 0;
}

/* ---- images ---- */

static void image_finish(struct weft_inspected_image *i)
{
    free(i->media_type);
    free(i->os_version);
    weft_json_free(i->annotations);
    weft_json_free(i->here_annotations);
    attestations_finish(i->attestations, i->n_attestations);
}

void weft_inspected_finish(struct weft_inspected *i)
{
    for (size_t k = 0; k < i->n_images; k++) {
        image_finish(&i->images[k]);
    }
    free(i->images);
    attestations_finish(i->others, i->n_others);
    weft_json_free(i->annotations);
    weft_buf_finish(&i->raw);
    free(i->name);
    *i = (struct weft_inspected){0};
}

/* A manifest with no descriptor that names its platform: its config does. One that is no image's
 * config names none. */
static int platform_from_config(const struct weft_inspection *x, struct weft_inspected_image *i,
                                struct weft_err **err)
{
    weft_auto_buf bytes = {0};
    weft_auto_json doc = NULL;

    if (weft_image_source_blob(x->source, i->config_digest, CONFIG_LIMIT_BYTES, &bytes, err) ==
        WEFT_IMAGE_ERROR) {
        return -1;
    }
    i->has_platform = bytes.len > 0 &&
                      weft_config_platform(bytes.data, bytes.len, &i->platform, NULL) == 0;
    doc = bytes.len > 0 ? weft_json_parse(bytes.data, bytes.len, NULL) : NULL;
    i->os_version = weft_xstrdup_null(weft_json_str(doc, "os.version"));
    return 0;
}

static int fill_image(const struct weft_inspection *x, const struct weft_manifest *m,
                      struct weft_inspected_image *i, struct weft_err **err)
{
    memcpy(i->config_digest, m->config.digest, WEFT_DIGEST_SIZE);
    i->n_layers = m->n_children;
    for (size_t k = 0; k < m->n_children; k++) {
        i->layers_bytes += m->children[k].size_bytes;
    }
    i->annotations = m->annotations ? weft_json_copy(m->annotations) : NULL;
    return i->has_platform ? 0 : platform_from_config(x, i, err);
}

static struct weft_inspected_image *new_image(struct weft_inspected *out)
{
    out->images = weft_xgrow(out->images, out->n_images, sizeof(*out->images));
    out->images[out->n_images] = (struct weft_inspected_image){0};
    return &out->images[out->n_images++];
}

static int inspect_index(const struct weft_inspection *x, const struct weft_manifest *m, int depth,
                         struct weft_inspected *out, struct weft_err **err);

/* What an index names, if it is no attestation: an image, or another index. */
static int inspect_child(const struct weft_inspection *x, const struct weft_descriptor *d,
                         int depth, struct weft_inspected *out, struct weft_err **err)
{
    weft_auto_free char *media_type = NULL;
    weft_auto_manifest m = {0};
    weft_auto_buf bytes = {0};
    char digest[WEFT_DIGEST_SIZE];
    struct weft_inspected_image *image;
    const struct weft_json *annotations = weft_json_get(d->json, "annotations");
    bool is_known = weft_media_is_index(d->media_type) || weft_media_is_manifest(d->media_type);
    enum weft_image_found f = is_known
                                  ? read_manifest(x, d->digest, &bytes, &media_type, digest, err)
                                  : WEFT_IMAGE_MISSING;

    if (f == WEFT_IMAGE_ERROR ||
        (f == WEFT_IMAGE_FOUND &&
         weft_manifest_parse(bytes.data, bytes.len, d->media_type, &m, err) < 0)) {
        return weft_err_wrap(err, "%s", d->digest);
    }
    if (m.is_index) {
        return depth > 0 ? inspect_index(x, &m, depth - 1, out, err)
                         : weft_fail(err, WEFT_E_FORMAT, "indexes within indexes within indexes");
    }
    image = new_image(out);
    memcpy(image->digest, d->digest, WEFT_DIGEST_SIZE);
    image->media_type = weft_xstrdup(d->media_type);
    image->size_bytes = d->size_bytes;
    image->has_platform = d->has_platform;
    image->platform = d->platform;
    image->os_version =
        weft_xstrdup_null(weft_json_str(weft_json_get(d->json, "platform"), "os.version"));
    image->here_annotations = annotations ? weft_json_copy(annotations) : NULL;
    image->is_missing = is_known && f == WEFT_IMAGE_MISSING;
    image->is_other = !is_known;
    return f == WEFT_IMAGE_MISSING ? 0 : fill_image(x, &m, image, err);
}

static int inspect_index(const struct weft_inspection *x, const struct weft_manifest *m, int depth,
                         struct weft_inspected *out, struct weft_err **err)
{
    for (size_t i = 0; i < m->n_children; i++) {
        if (!weft_descriptor_is_attestation(&m->children[i]) &&
            inspect_child(x, &m->children[i], depth, out, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < m->n_children; i++) {
        if (weft_descriptor_is_attestation(&m->children[i]) &&
            inspect_attestation(x, &m->children[i], out, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int inspect_root(const struct weft_inspection *x, const struct weft_manifest *m,
                        struct weft_inspected *out, struct weft_err **err)
{
    struct weft_inspected_image *image;

    if (m->is_index) {
        return inspect_index(x, m, WEFT_INDEX_DEPTH - 1, out, err);
    }
    image = new_image(out);
    memcpy(image->digest, out->digest, WEFT_DIGEST_SIZE);
    image->media_type = weft_xstrdup(m->media_type);
    image->size_bytes = out->raw.len;
    return fill_image(x, m, image, err);
}

int weft_inspect(struct weft_inspection *x, bool all, struct weft_inspected *out,
                 struct weft_err **err)
{
    weft_auto_free char *media_type = NULL;
    weft_auto_manifest m = {0};
    enum weft_image_found f = read_manifest(x, weft_image_source_wanted(x->source), &out->raw,
                                            &media_type, out->digest, err);

    if (f != WEFT_IMAGE_FOUND) {
        return f == WEFT_IMAGE_MISSING ? weft_image_source_fail_missing(
                                             x->source, weft_image_source_wanted(x->source), err)
                                       : -1;
    }
    out->name = weft_xstrdup(weft_image_source_name(x->source));
    if (weft_manifest_parse(out->raw.data, out->raw.len,
                            weft_media_is_index(media_type) || weft_media_is_manifest(media_type)
                                ? media_type
                                : NULL,
                            &m, err) < 0) {
        return weft_err_wrap(err, "%s", weft_image_source_name(x->source));
    }
    out->media_type = m.media_type;
    out->is_index = m.is_index;
    if (m.is_index && m.annotations) {
        out->annotations = weft_json_copy(m.annotations);
    }
    return all ? inspect_root(x, &m, out, err) : 0;
}
