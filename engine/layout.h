/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outputs type=oci and docker: a stage becomes, or joins, an OCI layout directory, or is
 * written as a tar file. The destination changes only at the end; on failure or interruption it is
 * as it was. Tags are written as BuildKit's oci exporter does: one descriptor per name in
 * index.json, with io.containerd.image.name and org.opencontainers.image.ref.name.
 */
#ifndef WEFT_ENGINE_LAYOUT_H
#define WEFT_ENGINE_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

struct weft_descriptor;
struct weft_err;
struct weft_stage;
struct weft_strv;

/** How the result is called. */
struct weft_layout_naming {
    const struct weft_strv *names; /* full references "docker.io/library/app:1"; none: "latest" in a
                                      directory, and no name in a tar */
    int64_t created_s;             /* org.opencontainers.image.created, in seconds since 1970:
                                      SOURCE_DATE_EPOCH, or the             present time */
};

/**
 * Whether `dest` can take a layout: it does not exist, is an empty directory, or is an OCI layout.
 * Call it before anything is started. Errors: WEFT_E_USAGE.
 */
int weft_layout_check_dest(const char *dest, struct weft_err **err);

/**
 * Put the stage's layout at `dest` (absolute; the path that the stage was made for). A `dest` that
 * does not exist comes into being by one rename. Into an existing layout the blobs are renamed one
 * by one, and index.json is replaced last: descriptors of the same names are replaced, others stay.
 * Other weft runs for the same directory wait meanwhile. This uses the stage up: write tar files
 * before. `cancel` (may be NULL) is looked at until the last rename. Errors: WEFT_E_USAGE (dest has
 * become something else), WEFT_E_FORMAT (its index.json), WEFT_E_IO, WEFT_E_CANCELLED. After an
 * error the destination is as before, and so is the stage.
 */
int weft_layout_commit(struct weft_stage *stage, const char *dest,
                       const struct weft_descriptor *root, const struct weft_layout_naming *naming,
                       const atomic_bool *cancel, struct weft_err **err);

/**
 * Write the stage's layout as a tar to `fd` (name: for errors), in the order and with the modes of
 * containerd's exporter, all times 0: the same stage and naming give the same bytes. The stage
 * stays usable. Errors: WEFT_E_IO, WEFT_E_CANCELLED.
 */
int weft_layout_write_tar(struct weft_stage *stage, int fd, const char *name,
                          const struct weft_descriptor *root,
                          const struct weft_layout_naming *naming, const atomic_bool *cancel,
                          struct weft_err **err);

/**
 * Write one image of the stage, of the manifest `root`, as what `docker load` takes and `docker
 * save` gives: the same, with a manifest.json, and with no blobs but that image's. Errors:
 * WEFT_E_IO, WEFT_E_FORMAT, WEFT_E_CANCELLED.
 */
int weft_layout_write_docker_tar(struct weft_stage *stage, int fd, const char *name,
                                 const struct weft_descriptor *root,
                                 const struct weft_layout_naming *naming, const atomic_bool *cancel,
                                 struct weft_err **err);

#endif
