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
#include <stdint.h>

#include "base/str.h"

struct weft_err;
struct weft_json;
struct weft_outputs;
struct weft_request;

/** Whether every destination on this machine can be written. Call it before anything is started.
 * Errors: WEFT_E_USAGE, WEFT_E_UNSUPPORTED (nothing to load an image into). */
int weft_outputs_check(const struct weft_request *r, struct weft_err **err);

/** What outputs need besides the request. All is borrowed until destroy. */
struct weft_outputs_opts {
    const char *scratch;   /* a directory in weft's state for what has no destination on a file
                              system */
    const char *state_dir; /* weft's state */
    const struct weft_strv *bases; /* references of images that the build is based on */
    const atomic_bool *cancel;     /* of the pushes */
};

/**
 * Make the private directories beside the destinations. The request is borrowed until destroy.
 * Returns NULL on failure (WEFT_E_IO, WEFT_E_USAGE).
 */
struct weft_outputs *weft_outputs_create(const struct weft_request *r,
                                         const struct weft_outputs_opts *opts,
                                         struct weft_err **err);

/** Ask the registries that the result is for whether they would take it; nothing where it is for
 * none. Blocks; Thread: any. Errors: as weft_push_check. */
int weft_outputs_ask(struct weft_outputs *o, struct weft_err **err);

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

/** Whether the solves make images: then weft_outputs_take is due after each. */
bool weft_outputs_want_images(const struct weft_outputs *o);

/**
 * Take the image of platform i into the stage. `root`: its digest; `content_dir`: blobs/sha256 of
 * the worker's store, or NULL for the layout that buildctl wrote (export_layout). Errors: as
 * weft_stage_take_image. Thread: any, one per i.
 */
int weft_outputs_take(struct weft_outputs *o, size_t i, const char *content_dir, const char *root,
                      const atomic_bool *cancel, struct weft_err **err);

/** Whether images are pushed: then weft_outputs_push is due once one has been taken. */
bool weft_outputs_want_push(const struct weft_outputs *o);

/** Send the image of platform i ahead; tags stay as they are. Errors: as weft_push_image. Thread:
 * any, one per i. Blocks. */
int weft_outputs_push(struct weft_outputs *o, size_t i, struct weft_err **err);

/** How many bytes of it have gone, of how many as far as is known. Thread: any. */
void weft_outputs_push_bytes(const struct weft_outputs *o, size_t i, uint64_t *done_bytes,
                             uint64_t *total_bytes);

/** Platform i has failed, and the rest is written without it. Before the commit, which needs at
 * least one platform. */
void weft_outputs_leave_out(struct weft_outputs *o, size_t i);

/** What a build gave. Start from {0}; end with weft_result_finish. */
struct weft_result {
    struct weft_json *
        metadata; /* --metadata-file's object, containerimage.* filled in where there is an image */
    char *image_id;           /* what --iidfile and --quiet print; NULL without an image */
    char *digest;             /* of the image index or manifest; NULL without an image */
    struct weft_strv written; /* destinations, as in "wrote A, B" */
    struct weft_strv pushed;  /* names */
    char *loader;             /* the program that has loaded the image; or NULL */
    bool begun; /* a destination has changed, or may have, also where the commit failed */
};
void weft_result_finish(struct weft_result *r);

/**
 * Merge, prepare everything that takes time, then bring it to its destination: images are loaded,
 * tags set, files put in their places, index.json last. `cancel` is obeyed until the first
 * destination changes, and by a push that waits for its registry later on, too. After an error each
 * destination is as it was, but for those outputs that were complete when a later one failed (named
 * in the error). Errors: WEFT_E_IO, _FORMAT, _CANCELLED, _USAGE, _CHILD (docker load), and those of
 * a push. Thread: any.
 */
int weft_outputs_commit(struct weft_outputs *o, const atomic_bool *cancel,
                        struct weft_result *result, struct weft_err **err);

#endif
