/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the images of several platforms to the one thing that a tag names, as buildx has it: the
 * manifest itself where there is one plain manifest, else one index: images in the order given,
 * attestation manifests behind all of them.
 */
#ifndef WEFT_ENGINE_MERGE_H
#define WEFT_ENGINE_MERGE_H

#include <stddef.h>
#include <stdint.h>

struct weft_annotations;
struct weft_descriptor;
struct weft_err;
struct weft_image;
struct weft_json;
struct weft_stage;
struct weft_strv;

/**
 * Merge images[n] (n >= 1, all taken into `stage`, in the order of the request). The index is
 * written into the stage. The same input gives the same bytes. `annotations` (or NULL): those of
 * descriptors and of the index are put there, over those that the images have; those of manifests
 * are in the images already (weft_stage_take_result). `root` receives the descriptor of the result
 * (caller finishes it): with the platform for a plain manifest, without one for an index. Errors:
 * WEFT_E_FORMAT (two different manifests for one platform), WEFT_E_IO, WEFT_E_USAGE (annotations
 * for an index where there is none).
 */
int weft_merge(struct weft_stage *stage, const struct weft_image *images, size_t n,
               const struct weft_annotations *annotations, struct weft_descriptor *root,
               struct weft_err **err);

/**
 * What --metadata-file gets about the result, with buildx's keys: containerimage.digest,
 * containerimage.descriptor, containerimage.config.digest (plain manifest only), image.name
 * (names[]; comma list). The descriptor is annotated with created_s, seconds since 1970, as
 * BuildKit does where an output is an OCI layout; -1: not. Caller frees.
 */
struct weft_json *weft_merge_metadata(const struct weft_descriptor *root,
                                      const struct weft_image *images, size_t n,
                                      const struct weft_strv *names, int64_t created_s);

/** What --iidfile and --quiet print, as buildx has it: the config digest of a plain manifest, else
 * the root's digest. Borrowed from root or images. */
const char *weft_merge_image_id(const struct weft_descriptor *root, const struct weft_image *images,
                                size_t n);

#endif
