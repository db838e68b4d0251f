/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All outputs of one build: what each solve is told to export, where that goes meanwhile, and how
 * it comes to its destinations once every platform has succeeded. Until the commit no destination
 * is touched; what was made is removed by destroy, or by the next run if this one is killed.
 * Without an output of the request everything here is empty.
 */
#ifndef WEFT_ENGINE_OUTPUTS_H
#define WEFT_ENGINE_OUTPUTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weft_err;
struct weft_json;
struct weft_outputs;
struct weft_request;
struct weft_strv;

/** Whether every destination can be written. Call it before anything is started. Errors:
 * WEFT_E_USAGE. */
int weft_outputs_check(const struct weft_request *r, struct weft_err **err);

/**
 * Make the private directories beside the destinations; `scratch`: a directory in weft's state for
 * what has no destination on a file system. Both arguments are borrowed until destroy. Returns NULL
 * on failure (WEFT_E_IO).
 */
struct weft_outputs *weft_outputs_create(const struct weft_request *r, const char *scratch,
                                         struct weft_err **err);

/** Remove what is left; NULL is fine. */
void weft_outputs_destroy(struct weft_outputs *o);

/**
 * Append the values of --output for the solve of platform `i`. `export_layout`: the image is
 * written by buildctl as a layout, because its blobs could not be taken from the worker's content
 * store.
 */
void weft_outputs_solve_args(const struct weft_outputs *o, size_t i, bool export_layout,
                             struct weft_strv *out);

/** The destination whose file system has no room left, or NULL: BuildKit's exporters call that
 * "EOF". Borrowed. */
const char *weft_outputs_full(const struct weft_outputs *o);

/** Whether the solves make images (type=oci): then weft_outputs_take is due after each. */
bool weft_outputs_want_images(const struct weft_outputs *o);

/**
 * Take the image of platform i into the stage. `root`: its digest; `content_dir`: blobs/sha256 of
 * the worker's store, or NULL for the layout that buildctl wrote (export_layout). Errors: as
 * weft_stage_take_image. Thread: any, one per i.
 */
int weft_outputs_take(struct weft_outputs *o, size_t i, const char *content_dir, const char *root,
                      const atomic_bool *cancel, struct weft_err **err);

/** What a build gave. Start from {0}; end with weft_result_finish. */
struct weft_result {
    struct weft_json *
        metadata; /* --metadata-file's object, containerimage.* filled in where there is an image */
    char *image_id; /* what --iidfile and --quiet print; NULL without an image */
    char *digest;   /* of the image index or manifest; NULL without an image */
};
void weft_result_finish(struct weft_result *r);

/**
 * Merge, then bring everything to its destination; index.json and tags last. `cancel` is obeyed
 * until the first destination changes. After an error each destination is as it was, but for those
 * outputs that were complete when a later one failed (named in the error). Errors: WEFT_E_IO,
 * _FORMAT, _CANCELLED, _USAGE. Thread: any.
 */
int weft_outputs_commit(struct weft_outputs *o, const atomic_bool *cancel,
                        struct weft_result *result, struct weft_err **err);

#endif
