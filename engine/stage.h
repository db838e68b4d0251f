/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage: where the images of all platforms come together, each blob once and each blob verified,
 * before anything of them can be seen at the destination. Entry points: weft_stage_create, then
 * weft_stage_take_image once per platform (from any number of threads at once), then engine/merge.h
 * and engine/layout.h.
 */
#ifndef WEFT_ENGINE_STAGE_H
#define WEFT_ENGINE_STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/descriptor.h"

struct weft_annotations;
struct weft_err;
struct weft_stage;

/** The image of one platform, as it was taken. */
struct weft_image_manifest {
    struct weft_descriptor desc; /* always with a platform */
    char config_digest[WEFT_DIGEST_SIZE];
    uint64_t layers_size_bytes; /* the sum of its layers */
    size_t n_layers;
};

/** What weft_stage_take_image found. Start from {0}; end with weft_image_finish. */
struct weft_image {
    bool was_index;                        /* the root was an index, not a plain manifest */
    struct weft_image_manifest *manifests; /* at least one */
    size_t n_manifests;
    struct weft_descriptor *attestations; /* byte-exact, in the order of the index */
    size_t n_attestations;
    struct weft_json *annotations; /* of the index, or NULL */
};

void weft_image_finish(struct weft_image *image);
#define weft_auto_image __attribute__((cleanup(weft_image_finish))) struct weft_image

/**
 * Make a stage on the file system of `dest` (absolute; see engine/workdir.h). For a tar or standard
 * output give a path in weft's state directory: there the blobs can be linked. Returns NULL on
 * failure. Errors: WEFT_E_IO. The caller ends it with weft_stage_destroy.
 */
struct weft_stage *weft_stage_create(const char *dest, struct weft_err **err);

/** Remove the stage and all that is in it; NULL is fine. No other thread may use it any more. */
void weft_stage_destroy(struct weft_stage *s);

/** The layout directory inside the stage, and its "blobs/sha256". Borrowed. */
const char *weft_stage_layout_dir(const struct weft_stage *s);
const char *weft_stage_blobs_dir(const struct weft_stage *s);

/** A directory inside the stage, outside the layout, for temporary files. Borrowed. */
const char *weft_stage_temp_dir(const struct weft_stage *s);

/** What becomes of an image's layers and configs. */
enum weft_stage_blobs {
    WEFT_STAGE_CHECK, /* each is read and checked: nothing else may be seen at a destination */
    WEFT_STAGE_PLACE, /* layers are placed, not read: whoever takes them from here checks them */
    WEFT_STAGE_LEAVE, /* layers stay where they are: what counts is the digest */
};

/** Say it before anything is taken; it is WEFT_STAGE_CHECK otherwise. */
void weft_stage_set_blobs(struct weft_stage *s, enum weft_stage_blobs blobs);
enum weft_stage_blobs weft_stage_blobs(const struct weft_stage *s);

/**
 * Take an image into the stage: everything that its root refers to, each blob's size and SHA-256
 * checked with one read and placed without a copy where the file system allows it. A blob that
 * another call has brought is not read again. `blobs_dir`: a ".../blobs/sha256" directory whose
 * files are named by their hex digest: BuildKit's content store, or that of a layout which buildctl
 * wrote. `root`: digest of a manifest or an index. `platform` (may be NULL): what was asked for; it
 * is written into the descriptor of a plain manifest, as BuildKit does. Without it the config is
 * asked. `cancel` (may be NULL): stops early once it is true. Errors: WEFT_E_DIGEST (a blob is
 * missing or is not what its descriptor says; the digest is named), WEFT_E_FORMAT, WEFT_E_IO,
 * WEFT_E_CANCELLED. A failed call leaves only verified blobs in the stage: call again with another
 * blobs_dir. Thread: any, several at once.
 */
int weft_stage_take_image(struct weft_stage *s, const char *blobs_dir, const char *root,
                          const struct weft_platform *platform, const atomic_bool *cancel,
                          struct weft_image *image, struct weft_err **err);

/** What a solve has made. All borrowed. */
struct weft_stage_result {
    const char *blobs_dir;
    const char *root;
    const struct weft_platform *platform;
    const struct weft_annotations *annotations; /* of which those for a manifest are put into it;
                                                   attestations follow it. Or NULL */
};

/**
 * Take what a solve has made and engine/merge.h is going to merge: as weft_stage_take_image, but
 * that its manifest is annotated, and that its own index is not kept, of which nothing refers to
 * it in the end. Errors and threads: as there.
 */
int weft_stage_take_result(struct weft_stage *s, const struct weft_stage_result *result,
                           const atomic_bool *cancel, struct weft_image *image,
                           struct weft_err **err);

/** Put bytes into the stage as a blob. `digest` receives its digest. Errors: WEFT_E_IO. Thread:
 * any. */
int weft_stage_add_bytes(struct weft_stage *s, const void *data, size_t len,
                         char digest[WEFT_DIGEST_SIZE], struct weft_err **err);

/** Bring one blob; with `check` it is read and checked. Errors: as weft_stage_take_image. Thread:
 * any. */
int weft_stage_add_blob(struct weft_stage *s, const char *blobs_dir,
                        const struct weft_descriptor *d, bool check, const atomic_bool *cancel,
                        struct weft_err **err);

/** Give the error of a blob in the place of `cause`, that of its file: one that is not there is a
 * wrong image and not a refusal of the kernel. Returns -1. */
int weft_stage_blob_failed(struct weft_err *cause, const char *digest, struct weft_err **err);

/** How many blobs the stage holds, and how many of them had to be copied (for -D and tests).
 * Thread: any. */
void weft_stage_counts(struct weft_stage *s, size_t *blobs, size_t *copied);

#endif
