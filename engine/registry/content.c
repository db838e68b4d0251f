/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

static bool has_blob(const struct weft_content *c, const char *digest)
{
    for (size_t i = 0; i < c->n_blobs; i++) {
        if (strcmp(c->blobs[i].digest, digest) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_manifest(const struct weft_content *c, const char *digest)
{
    for (size_t i = 0; i < c->n_manifests; i++) {
        if (strcmp(c->manifests[i].desc.digest, digest) == 0) {
            return true;
        }
    }
    return false;
}

static void add_blob(struct weft_content *c, const struct weft_descriptor *d)
{
    if (weft_descriptor_is_foreign(d) || has_blob(c, d->digest)) {
        return;
    }
    c->blobs = weft_xgrow(c->blobs, c->n_blobs, sizeof(*c->blobs));
    weft_descriptor_copy(&c->blobs[c->n_blobs++], d);
}

/* The bytes of a manifest, which are what the digest says. */
static int read_manifest(const char *blobs_dir, const char *digest, char **data, size_t *len,
                         struct weft_err **err)
{
    weft_auto_free char *file = weft_path_join(blobs_dir, weft_digest_hex(digest));
    weft_auto_free char *text = NULL;
    char found[WEFT_DIGEST_SIZE];

    if (weft_read_file(file, WEFT_MANIFEST_LIMIT, &text, len, err) < 0) {
        return -1;
    }
    weft_digest_bytes(text, *len, found);
    if (strcmp(found, digest) != 0) {
        return weft_fail(err, WEFT_E_DIGEST, "%s: expected %s, found %s", file, digest, found);
    }
    *data = weft_steal(&text);
    return 0;
}

int weft_content_root(const char *blobs_dir, const char *digest, struct weft_descriptor *out,
                      struct weft_err **err)
{
    weft_auto_manifest m = {0};
    weft_auto_free char *data = NULL;
    size_t len;

    if (read_manifest(blobs_dir, digest, &data, &len, err) < 0) {
        return -1;
    }
    if (weft_manifest_parse(data, len, NULL, &m, err) < 0) {
        return weft_err_wrap(err, "%s", digest);
    }
    weft_descriptor_init(out, m.media_type, digest, len, NULL);
    return 0;
}

static int walk(const char *blobs_dir, const struct weft_descriptor *d, int depth,
                struct weft_content *c, struct weft_err **err);

static int walk_children(const char *blobs_dir, const struct weft_manifest *m, int depth,
                         struct weft_content *c, struct weft_err **err)
{
    if (!m->is_index) {
        add_blob(c, &m->config);
        for (size_t i = 0; i < m->n_children; i++) {
            add_blob(c, &m->children[i]);
        }
        return 0;
    }
    if (depth >= WEFT_INDEX_DEPTH) {
        return weft_fail(err, WEFT_E_FORMAT, "indexes in indexes in indexes");
    }
    for (size_t i = 0; i < m->n_children; i++) {
        if (walk(blobs_dir, &m->children[i], depth + 1, c, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int walk(const char *blobs_dir, const struct weft_descriptor *d, int depth,
                struct weft_content *c, struct weft_err **err)
{
    weft_auto_manifest m = {0};
    weft_auto_free char *data = NULL;
    struct weft_content_manifest *own;
    size_t len;

    if (has_manifest(c, d->digest)) {
        return 0;
    }
    if (!weft_media_is_index(d->media_type) && !weft_media_is_manifest(d->media_type)) {
        weft_auto_free char *shown = weft_printable(d->media_type);

        return weft_fail(err, WEFT_E_FORMAT, "%s is of type '%.100s', which is no image", d->digest,
                         shown);
    }
    if (read_manifest(blobs_dir, d->digest, &data, &len, err) < 0) {
        return -1;
    }
    if (len != d->size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s has %zu bytes where %llu are due", d->digest, len,
                         (unsigned long long)d->size_bytes);
    }
    if (weft_manifest_parse(data, len, d->media_type, &m, err) < 0 ||
        walk_children(blobs_dir, &m, depth, c, err) < 0) {
        return weft_err_wrap(err, "%s", d->digest);
    }
    c->manifests = weft_xgrow(c->manifests, c->n_manifests, sizeof(*c->manifests));
    own = &c->manifests[c->n_manifests++];
    weft_descriptor_copy(&own->desc, d);
    own->data = weft_steal(&data);
    own->len = len;
    return 0;
}

int weft_content_read(const char *blobs_dir, const struct weft_descriptor *root,
                      struct weft_content *out, struct weft_err **err)
{
    return walk(blobs_dir, root, 0, out, err);
}

void weft_content_finish(struct weft_content *c)
{
    for (size_t i = 0; i < c->n_manifests; i++) {
        weft_descriptor_finish(&c->manifests[i].desc);
        free(c->manifests[i].data);
    }
    free(c->manifests);
    for (size_t i = 0; i < c->n_blobs; i++) {
        weft_descriptor_finish(&c->blobs[i]);
    }
    free(c->blobs);
    *c = (struct weft_content){0};
}
