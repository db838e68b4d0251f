/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/merge.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/annotation.h"
#include "engine/stage.h"

/* The descriptors that the index will hold, borrowed from the images, each once. */
struct list {
    const struct weft_descriptor **v;
    size_t n;
    size_t n_images; /* the first ones are images, the others attestations */
};

static void list_finish(struct list *l)
{
    free(l->v);
}

#define auto_list __attribute__((cleanup(list_finish))) struct list

static void append(struct list *l, const struct weft_descriptor *d)
{
    l->v = weft_xrealloc(l->v, l->n + 1, sizeof(struct weft_descriptor *));
    l->v[l->n++] = d;
}

/* One entry per platform; the same manifest may serve two (an image pinned with FROM --platform).
 */
static int append_image(struct list *l, const struct weft_descriptor *d, struct weft_err **err)
{
    for (size_t i = 0; i < l->n; i++) {
        char name[WEFT_PLATFORM_SIZE];

        if (!weft_platform_eq(&l->v[i]->platform, &d->platform)) {
            continue;
        }
        if (strcmp(l->v[i]->digest, d->digest) == 0) {
            return 0;
        }
        return weft_fail(err, WEFT_E_FORMAT, "two images for %s: %s and %s",
                         weft_platform_format(&d->platform, name), l->v[i]->digest, d->digest);
    }
    append(l, d);
    return 0;
}

static void append_attestation(struct list *l, const struct weft_descriptor *d)
{
    for (size_t i = l->n_images; i < l->n; i++) {
        if (strcmp(l->v[i]->digest, d->digest) == 0) {
            return;
        }
    }
    append(l, d);
}

static int collect(const struct weft_image *images, size_t n, struct list *l, struct weft_err **err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < images[i].n_manifests; k++) {
            if (append_image(l, &images[i].manifests[k].desc, err) < 0) {
                return -1;
            }
        }
    }
    l->n_images = l->n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < images[i].n_attestations; k++) {
            append_attestation(l, &images[i].attestations[k]);
        }
    }
    return 0;
}

/* Annotations of the index are kept where every platform's result is an index and all have the
 * same. */
static const struct weft_json *common_annotations(const struct weft_image *images, size_t n)
{
    weft_auto_free char *first = NULL;

    if (!images[0].annotations) {
        return NULL;
    }
    first = weft_json_dump(images[0].annotations, 0);
    for (size_t i = 1; i < n; i++) {
        weft_auto_free char *other = NULL;

        if (!images[i].annotations) {
            return NULL;
        }
        other = weft_json_dump(images[i].annotations, 0);
        if (strcmp(first, other) != 0) {
            return NULL;
        }
    }
    return images[0].annotations;
}

/* A Docker list may hold nothing but Docker's types. */
static const char *index_type(const struct list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!weft_media_is_docker(l->v[i]->media_type)) {
            return WEFT_MEDIA_OCI_INDEX;
        }
    }
    return WEFT_MEDIA_DOCKER_LIST;
}

/* A copy of a manifest's descriptor with the annotations that are for it. */
static void annotated(const struct weft_descriptor *d, const struct weft_annotations *annotations,
                      struct weft_descriptor *out)
{
    weft_auto_json all = NULL;

    weft_descriptor_copy(out, d);
    if (!weft_annotations_have(annotations, WEFT_ANNOTATE_MANIFEST_DESCRIPTOR)) {
        return; /* its bytes stay as they are */
    }
    all = weft_annotations_for(annotations, WEFT_ANNOTATE_MANIFEST_DESCRIPTOR, &d->platform,
                               weft_json_get(d->json, "annotations"));
    if (all) {
        weft_annotate_descriptor(out, all);
    }
}

/* The index as BuildKit writes it: this order of keys. */
static char *index_text(const struct list *l, const char *media_type,
                        const struct weft_annotations *annotations,
                        const struct weft_json *of_images)
{
    weft_auto_json index = weft_json_object();
    struct weft_json *manifests = weft_json_array();

    for (size_t i = 0; i < l->n; i++) {
        weft_auto_descriptor d = {0};

        annotated(l->v[i], i < l->n_images ? annotations : NULL, &d);
        weft_json_append(manifests, weft_json_copy(d.json));
    }
    weft_json_set_int(index, "schemaVersion", 2);
    weft_json_set_str(index, "mediaType", media_type);
    weft_json_set(index, "manifests", manifests);
    weft_json_set(index, "annotations",
                  weft_annotations_for(annotations, WEFT_ANNOTATE_INDEX, NULL, of_images));
    return weft_document_text(index);
}

static bool is_plain(const struct weft_image *images, size_t n)
{
    return n == 1 && !images[0].was_index;
}

/* One plain manifest has no index that could be annotated; buildx's words. */
static int merge_plain(const struct weft_image *image, const struct weft_annotations *annotations,
                       struct weft_descriptor *root, struct weft_err **err)
{
    if (weft_annotations_have(annotations, WEFT_ANNOTATE_INDEX) ||
        weft_annotations_have(annotations, WEFT_ANNOTATE_INDEX_DESCRIPTOR)) {
        return weft_fail(err, WEFT_E_USAGE,
                         "index annotations are not supported for a single platform without "
                         "attestations, which has no index");
    }
    annotated(&image->manifests[0].desc, annotations, root);
    return 0;
}

int weft_merge(struct weft_stage *stage, const struct weft_image *images, size_t n,
               const struct weft_annotations *annotations, struct weft_descriptor *root,
               struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    weft_auto_json of_root = NULL;
    auto_list l = {0};
    char digest[WEFT_DIGEST_SIZE];
    const char *media_type;

    if (is_plain(images, n)) {
        return merge_plain(&images[0], annotations, root, err);
    }
    if (collect(images, n, &l, err) < 0) {
        return -1;
    }
    media_type = index_type(&l);
    text = index_text(&l, media_type, annotations, common_annotations(images, n));
    if (weft_stage_add_bytes(stage, text, strlen(text), digest, err) < 0) {
        return weft_err_wrap(err, "image index");
    }
    weft_descriptor_init(root, media_type, digest, strlen(text), NULL);
    of_root = weft_annotations_for(annotations, WEFT_ANNOTATE_INDEX_DESCRIPTOR, NULL, NULL);
    if (of_root) {
        weft_annotate_descriptor(root, of_root);
    }
    return 0;
}

/* The descriptor, with the annotation that BuildKit's exporter of layouts adds. */
static struct weft_json *dated_descriptor(const struct weft_descriptor *root, int64_t created_s)
{
    struct weft_json *descriptor = weft_json_copy(root->json);
    const struct weft_json *old = weft_json_get(descriptor, "annotations");
    struct weft_json *annotations;
    weft_auto_free char *created = NULL;

    if (created_s < 0 || weft_json_get(old, WEFT_ANNOTATION_CREATED)) {
        return descriptor;
    }
    annotations = old ? weft_json_copy(old) : weft_json_object();
    created = weft_time_utc((time_t)created_s);
    weft_json_set_str(annotations, WEFT_ANNOTATION_CREATED, created);
    weft_json_set(descriptor, "annotations", annotations);
    return descriptor;
}

struct weft_json *weft_merge_metadata(const struct weft_descriptor *root,
                                      const struct weft_image *images, size_t n,
                                      const struct weft_strv *names, int64_t created_s)
{
    struct weft_json *j = weft_json_object();

    if (is_plain(images, n)) {
        weft_json_set_str(j, "containerimage.config.digest", images[0].manifests[0].config_digest);
    }
    weft_json_set(j, "containerimage.descriptor", dated_descriptor(root, created_s));
    weft_json_set_str(j, "containerimage.digest", root->digest);
    if (names && names->n > 0) {
        weft_auto_free char *list = weft_strv_join(names, ",");

        weft_json_set_str(j, "image.name", list);
    }
    return j;
}

const char *weft_merge_image_id(const struct weft_descriptor *root, const struct weft_image *images,
                                size_t n)
{
    return is_plain(images, n) ? images[0].manifests[0].config_digest : root->digest;
}
