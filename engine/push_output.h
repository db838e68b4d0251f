/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outputs of a build that are pushed: their registries are asked beforehand, the blobs of each
 * platform go up as soon as they are there, and the tags move at the end. Knows the request's
 * outputs; how a push is done is engine/registry/push.h.
 */
#ifndef WEFT_ENGINE_PUSH_OUTPUT_H
#define WEFT_ENGINE_PUSH_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_descriptor;
struct weft_err;
struct weft_image;
struct weft_pushes;
struct weft_request;
struct weft_strv;

/**
 * Make ready what the request pushes, which may be nothing. All is borrowed until destroy.
 * `bases`: references of images that the build is based on, whose repositories may have its blobs.
 * `verify`: the blobs have not been checked. `state_dir`: weft's state. Errors: WEFT_E_USAGE (also
 * docker's config file), WEFT_E_IO.
 */
struct weft_pushes *weft_pushes_create(const struct weft_request *r, const struct weft_strv *bases,
                                       bool verify, const char *state_dir,
                                       const atomic_bool *cancel, struct weft_err **err);
void weft_pushes_destroy(struct weft_pushes *p); /* NULL is fine */

/** Whether anything is pushed. */
bool weft_pushes_any(const struct weft_pushes *p);

/** Ask every registry whether it would take it. Errors: as weft_push_check. Blocks. */
int weft_pushes_check(struct weft_pushes *p, struct weft_err **err);

/**
 * Send the image of platform i, of which everything is in `blobs_dir`. No tag changes. Errors: as
 * weft_push_image. Thread: any, one per i. Blocks.
 */
int weft_pushes_send(struct weft_pushes *p, size_t i, const char *blobs_dir,
                     const struct weft_image *image, struct weft_err **err);

/** How far that is. `total_bytes` grows while it is found out what the registry lacks. Thread: any.
 */
void weft_pushes_bytes(const struct weft_pushes *p, size_t i, uint64_t *done_bytes,
                       uint64_t *total_bytes);

/**
 * Send what is missing of the result, then set the tags, or nothing but the digest. The names whose
 * turn is over are added to `done`, also on failure. Errors: as weft_push_commit. Blocks.
 */
int weft_pushes_commit(struct weft_pushes *p, const char *blobs_dir,
                       const struct weft_descriptor *root, struct weft_strv *done,
                       struct weft_err **err);

/** Whether a registry has been asked to set a tag: after a commit that has failed, one may have
 * moved. */
bool weft_pushes_tagging(const struct weft_pushes *p);

#endif
