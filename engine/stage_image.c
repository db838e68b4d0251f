/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/annotation.h"

#define REFERENCE_DIGEST "vnd.docker.reference.digest"

enum {
    CONFIG_LIMIT = 16 << 20,
    STATEMENT_LIMIT = 256 << 20, /* an SBOM of a large image has tens of megabytes */
    MANIFESTS_LIMIT = 10000,     /* per image: an index that names an index many times multiplies */
};

void weft_image_finish(struct weft_image *image)
{
    for (size_t i = 0; i < image->n_manifests; i++) {
        weft_descriptor_finish(&image->manifests[i].desc);
    }
    for (size_t i = 0; i < image->n_attestations; i++) {
        weft_descriptor_finish(&image->attestations[i]);
    }
    free(image->manifests);
    free(image->attestations);
    weft_json_free(image->annotations);
    memset(image, 0, sizeof(*image));
}

/* What a walk through one image carries along. */
struct walk {
    struct weft_stage *stage;
    const char *blobs_dir;
    const struct weft_platform *platform;
    const struct weft_annotations *annotations; /* NULL: the image is taken as it is */
    bool keep_indexes;
    const atomic_bool *cancel;
    struct weft_image *image;
    struct weft_renamed *renamed; /* manifests that were annotated */
    size_t n_renamed;
    size_t n_loaded;
};

/* A manifest or an index: its bytes, and what they say. */
struct document {
    char *data;
    size_t len;
    struct weft_manifest m;
};

static void document_finish(struct document *d)
{
    free(d->data);
    weft_manifest_finish(&d->m);
}

#define auto_document __attribute__((cleanup(document_finish))) struct document

static bool is_set(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* Read and check a blob of at most `limit` bytes. size_bytes < 0: not known. */
static int read_blob(const struct walk *w, const char *digest, int64_t size_bytes, size_t limit,
                     char **data, size_t *len, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(w->blobs_dir, weft_digest_hex(digest));
    weft_auto_err cause = NULL;
    char found[WEFT_DIGEST_SIZE];

    if (is_set(w->cancel)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (weft_read_file(path, limit, data, len, &cause) < 0) {
        return weft_stage_blob_failed(cause, digest, err);
    }
    weft_digest_bytes(*data, *len, found);
    if (strcmp(found, digest) != 0) {
        return weft_fail(err, WEFT_E_DIGEST, "blob %s has the digest %s", digest, found);
    }
    if (size_bytes >= 0 && (uint64_t)size_bytes != *len) {
        return weft_fail(err, WEFT_E_DIGEST, "blob %s has %zu bytes where %lld are due", digest,
                         *len, (long long)size_bytes);
    }
    return 0;
}

/* One read: what was checked is what is parsed, and what is staged later. */
static int load(struct walk *w, const char *digest, int64_t size_bytes, const char *media_type,
                struct document *out, struct weft_err **err)
{
    if (w->n_loaded++ >= MANIFESTS_LIMIT) {
        return weft_fail(err, WEFT_E_FORMAT, "more than %d manifests", MANIFESTS_LIMIT);
    }
    if (read_blob(w, digest, size_bytes, WEFT_MANIFEST_LIMIT, &out->data, &out->len, err) < 0) {
        return -1;
    }
    return weft_manifest_parse(out->data, out->len, media_type, &out->m, err) < 0
               ? weft_err_wrap(err, "%s", digest)
               : 0;
}

/* Put a document into the stage. */
static int keep(const struct walk *w, const char *data, size_t len, struct weft_err **err)
{
    char digest[WEFT_DIGEST_SIZE];

    return weft_stage_add_bytes(w->stage, data, len, digest, err);
}

static int take_layer(struct walk *w, const struct weft_descriptor *d, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(w->blobs_dir, weft_digest_hex(d->digest));
    enum weft_stage_blobs blobs = weft_stage_blobs(w->stage);

    if (blobs == WEFT_STAGE_LEAVE) {
        return 0;
    }
    if (weft_descriptor_is_foreign(d) && !weft_exists(path)) {
        return 0;
    }
    return weft_stage_add_blob(w->stage, w->blobs_dir, d, blobs == WEFT_STAGE_CHECK, w->cancel,
                               err);
}

/* Config and layers of a manifest. */
static int take_content(struct walk *w, const struct weft_manifest *m, struct weft_err **err)
{
    if (weft_stage_add_blob(w->stage, w->blobs_dir, &m->config, true, w->cancel, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < m->n_children; i++) {
        if (take_layer(w, &m->children[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Give a descriptor the platform that was asked for, or else that of the image's config; what the
 * config says of a version of Windows goes with it. */
static int set_platform(struct walk *w, const struct weft_manifest *m, struct weft_descriptor *d,
                        struct weft_err **err)
{
    weft_auto_free char *path =
        weft_path_join(weft_stage_blobs_dir(w->stage), weft_digest_hex(m->config.digest));
    weft_auto_free char *config = NULL;
    struct weft_platform platform = {0};
    size_t len;

    if (w->platform && strcmp(w->platform->os, "windows") != 0) {
        weft_descriptor_set_platform(d, w->platform);
        return 0;
    }
    if (weft_read_file(path, CONFIG_LIMIT, &config, &len, err) < 0) {
        return -1;
    }
    if (w->platform) {
        platform = *w->platform;
    } else if (weft_config_platform(config, len, &platform, err) < 0) {
        return weft_err_wrap(err, "image config %s", m->config.digest);
    }
    weft_descriptor_set_platform(d, &platform);
    if (strcmp(platform.os, "windows") == 0) {
        weft_descriptor_set_os(d, config, len);
    }
    return 0;
}

/* Append a platform's manifest to the image; gives it a platform if its descriptor has none. */
static int add_manifest(struct walk *w, const struct weft_descriptor *d,
                        const struct weft_manifest *m, struct weft_err **err)
{
    struct weft_image *image = w->image;
    struct weft_image_manifest *out;

    image->manifests =
        weft_xrealloc(image->manifests, image->n_manifests + 1, sizeof(*image->manifests));
    out = &image->manifests[image->n_manifests++];
    memset(out, 0, sizeof(*out));
    weft_descriptor_copy(&out->desc, d);
    if (!d->has_platform && set_platform(w, m, &out->desc, err) < 0) {
        return -1;
    }
    memcpy(out->config_digest, m->config.digest, WEFT_DIGEST_SIZE);
    out->n_layers = m->n_children;
    for (size_t i = 0; i < m->n_children; i++) {
        out->layers_size_bytes += m->children[i].size_bytes;
    }
    return 0;
}

/* ---- annotations, and what follows from them ---- */

static void put_renamed(struct weft_renamed **list, size_t *n, const char *from, const char *to)
{
    *list = weft_xrealloc(*list, *n + 1, sizeof(**list));
    memcpy((*list)[*n].from, from, WEFT_DIGEST_SIZE);
    memcpy((*list)[*n].to, to, WEFT_DIGEST_SIZE);
    (*n)++;
}

/* A document has become another one, `text`, of the same kind: put it into the stage, and its
 * digest and size into the descriptor. */
static int replace(struct walk *w, struct weft_descriptor *d, const char *text,
                   struct weft_err **err)
{
    size_t len = strlen(text);

    if (weft_stage_add_bytes(w->stage, text, len, d->digest, err) < 0) {
        return -1;
    }
    d->size_bytes = len;
    weft_json_set_str(d->json, "digest", d->digest);
    weft_json_set_int(d->json, "size", (int64_t)len);
    return 0;
}

/* The manifest of an image, with the annotations that its platform gets. */
static int take_annotated(struct walk *w, const struct weft_descriptor *d,
                          const struct document *doc, const struct weft_json *annotations,
                          struct weft_err **err)
{
    weft_auto_descriptor changed = {0};
    weft_auto_free char *text = weft_annotate_manifest(doc->data, doc->len, annotations, err);

    if (!text) {
        return weft_err_wrap(err, "%s", d->digest);
    }
    weft_descriptor_copy(&changed, d);
    if (replace(w, &changed, text, err) < 0) {
        return -1;
    }
    put_renamed(&w->renamed, &w->n_renamed, d->digest, changed.digest);
    return add_manifest(w, &changed, &doc->m, err);
}

static int take_image_manifest(struct walk *w, const struct weft_descriptor *d,
                               const struct document *doc, struct weft_err **err)
{
    const struct weft_platform *platform = d->has_platform ? &d->platform : w->platform;
    weft_auto_json wanted =
        weft_annotations_for(w->annotations, WEFT_ANNOTATE_MANIFEST, platform, NULL);
    weft_auto_json all = NULL;

    if (take_content(w, &doc->m, err) < 0) {
        return -1;
    }
    if (!wanted) {
        return keep(w, doc->data, doc->len, err) < 0 ? -1 : add_manifest(w, d, &doc->m, err);
    }
    all =
        weft_annotations_for(w->annotations, WEFT_ANNOTATE_MANIFEST, platform, doc->m.annotations);
    return take_annotated(w, d, doc, all, err);
}

static void add_attestation(struct weft_image *image, const struct weft_descriptor *d)
{
    image->attestations =
        weft_xrealloc(image->attestations, image->n_attestations + 1, sizeof(*image->attestations));
    weft_descriptor_copy(&image->attestations[image->n_attestations++], d);
}

/* One of the blobs of an attestation, in which digests that have changed are changed, too. */
static int take_renamed(struct walk *w, const struct weft_descriptor *d, size_t limit,
                        struct weft_renamed **renamed, size_t *n, struct weft_err **err)
{
    weft_auto_free char *data = NULL;
    char digest[WEFT_DIGEST_SIZE];
    size_t len;

    if (read_blob(w, d->digest, (int64_t)d->size_bytes, limit, &data, &len, err) < 0) {
        return -1;
    }
    weft_rename_digests(data, len, *renamed, *n);
    if (weft_stage_add_bytes(w->stage, data, len, digest, err) < 0) {
        return -1;
    }
    if (strcmp(digest, d->digest) != 0) {
        put_renamed(renamed, n, d->digest, digest);
    }
    return 0;
}

/* The image manifest that has become another one and that the attestation is for, or NULL. */
static const struct weft_renamed *renamed_subject(const struct walk *w,
                                                  const struct weft_descriptor *d)
{
    const char *subject = weft_descriptor_annotation(d, REFERENCE_DIGEST);

    for (size_t i = 0; i < w->n_renamed; i++) {
        if (weft_str_eq(w->renamed[i].from, subject)) {
            return &w->renamed[i];
        }
    }
    return NULL;
}

static const struct weft_descriptor *find_manifest(const struct weft_image *image,
                                                   const char *digest)
{
    for (size_t i = 0; i < image->n_manifests; i++) {
        if (strcmp(image->manifests[i].desc.digest, digest) == 0) {
            return &image->manifests[i].desc;
        }
    }
    return NULL;
}

/*
 * An attestation of a manifest that was annotated. Its statements name the manifest's digest, it
 * names theirs, and its config may do so, too: all of it is made again, as BuildKit would have made
 * it for the annotated manifest.
 */
static int take_moved_attestation(struct walk *w, const struct weft_descriptor *d,
                                  struct document *doc, const struct weft_renamed *subject,
                                  struct weft_renamed **renamed, struct weft_err **err)
{
    const struct weft_descriptor *manifest = find_manifest(w->image, subject->to);
    weft_auto_descriptor changed = {0};
    weft_auto_free char *text = NULL;
    size_t n = 0;

    put_renamed(renamed, &n, subject->from, subject->to);
    for (size_t i = 0; i < doc->m.n_children; i++) {
        if (take_renamed(w, &doc->m.children[i], STATEMENT_LIMIT, renamed, &n, err) < 0) {
            return -1;
        }
    }
    if (take_renamed(w, &doc->m.config, CONFIG_LIMIT, renamed, &n, err) < 0) {
        return -1;
    }
    text = weft_annotate_attestation(doc->data, doc->len, *renamed, n, manifest, err);
    if (!text) {
        return weft_err_wrap(err, "%s", d->digest);
    }
    weft_descriptor_copy(&changed, d);
    if (replace(w, &changed, text, err) < 0) {
        return -1;
    }
    weft_json_set_str(weft_json_get(changed.json, "annotations"), REFERENCE_DIGEST, subject->to);
    add_attestation(w->image, &changed);
    return 0;
}

static int take_attestation(struct walk *w, const struct weft_descriptor *d, struct document *doc,
                            struct weft_err **err)
{
    const struct weft_renamed *subject = renamed_subject(w, d);
    struct weft_renamed *renamed = NULL;
    int rc;

    if (subject) {
        rc = take_moved_attestation(w, d, doc, subject, &renamed, err);
        free(renamed);
        return rc;
    }
    if (take_content(w, &doc->m, err) < 0 || keep(w, doc->data, doc->len, err) < 0) {
        return -1;
    }
    add_attestation(w->image, d);
    return 0;
}

/* ---- the walk ---- */

static int take_index(struct walk *w, const struct document *index, int depth,
                      struct weft_err **err);

/* One entry of an index. */
static int take_entry(struct walk *w, const struct weft_descriptor *d, int depth,
                      struct weft_err **err)
{
    auto_document doc = {0};

    if (!weft_media_is_index(d->media_type) && !weft_media_is_manifest(d->media_type)) {
        weft_auto_free char *shown = weft_printable(d->media_type);

        return weft_fail(err, WEFT_E_FORMAT, "index entry %s of unknown type '%.100s'", d->digest,
                         shown);
    }
    if (load(w, d->digest, (int64_t)d->size_bytes, d->media_type, &doc, err) < 0) {
        return -1;
    }
    if (doc.m.is_index && depth >= WEFT_INDEX_DEPTH) {
        return weft_fail(err, WEFT_E_FORMAT, "index %s lies more than %d deep", d->digest,
                         WEFT_INDEX_DEPTH);
    }
    if (doc.m.is_index) {
        return take_index(w, &doc, depth + 1, err);
    }
    return weft_descriptor_is_attestation(d) ? take_attestation(w, d, &doc, err)
                                             : take_image_manifest(w, d, &doc, err);
}

/* Attestations come last: what they are for must be known. */
static int take_index(struct walk *w, const struct document *index, int depth,
                      struct weft_err **err)
{
    if (w->keep_indexes && keep(w, index->data, index->len, err) < 0) {
        return -1;
    }
    for (int attestations = 0; attestations < 2; attestations++) {
        for (size_t i = 0; i < index->m.n_children; i++) {
            const struct weft_descriptor *d = &index->m.children[i];

            if (weft_descriptor_is_attestation(d) == (attestations == 1) &&
                take_entry(w, d, depth, err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int take_root(struct walk *w, const char *root, struct weft_err **err)
{
    auto_document doc = {0};
    weft_auto_descriptor d = {0};

    if (load(w, root, -1, NULL, &doc, err) < 0) {
        return -1;
    }
    w->image->was_index = doc.m.is_index;
    if (!doc.m.is_index) {
        weft_descriptor_init(&d, doc.m.media_type, root, doc.len, NULL);
        return take_image_manifest(w, &d, &doc, err);
    }
    w->image->annotations = doc.m.annotations ? weft_json_copy(doc.m.annotations) : NULL;
    if (take_index(w, &doc, 1, err) < 0) {
        return -1;
    }
    return w->image->n_manifests > 0
               ? 0
               : weft_fail(err, WEFT_E_FORMAT, "index %s names no image", root);
}

static int take(struct walk *w, const char *root, struct weft_err **err)
{
    int rc;

    if (!weft_digest_valid(root)) {
        weft_auto_free char *shown = weft_printable(root ? root : "");

        return weft_fail(err, WEFT_E_FORMAT, "'%.100s' is not a sha256 digest", shown);
    }
    rc = take_root(w, root, err);
    free(w->renamed);
    if (rc < 0) {
        weft_image_finish(w->image);
        return weft_err_wrap(err, "image %s", root);
    }
    return 0;
}

int weft_stage_take_image(struct weft_stage *s, const char *blobs_dir, const char *root,
                          const struct weft_platform *platform, const atomic_bool *cancel,
                          struct weft_image *image, struct weft_err **err)
{
    struct walk w = {.stage = s,
                     .blobs_dir = blobs_dir,
                     .platform = platform,
                     .keep_indexes = true,
                     .cancel = cancel,
                     .image = image};

    return take(&w, root, err);
}

int weft_stage_take_result(struct weft_stage *s, const struct weft_stage_result *result,
                           const atomic_bool *cancel, struct weft_image *image,
                           struct weft_err **err)
{
    struct walk w = {.stage = s,
                     .blobs_dir = result->blobs_dir,
                     .platform = result->platform,
                     .annotations = result->annotations,
                     .cancel = cancel,
                     .image = image};

    return take(&w, result->root, err);
}
