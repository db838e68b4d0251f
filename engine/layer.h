/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar archives, and the only place that knows libarchive. Writing is deterministic: owner 0, no
 * names, the times that the caller gives. Names are bytes, taken as UTF-8 where they are; the
 * program's locale does not matter.
 */
#ifndef WEFT_ENGINE_LAYER_H
#define WEFT_ENGINE_LAYER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_err;
struct weft_tar;

/**
 * Start writing a tar (ustar, with pax headers only for entries that need them) to `fd`, which
 * stays the caller's. `name`: for errors. `cancel` (may be NULL): writing fails with
 * WEFT_E_CANCELLED once it is true. Returns NULL on failure (WEFT_E_IO). A writer is used by one
 * thread, the one that made it.
 */
struct weft_tar *weft_tar_create(int fd, const char *name, const atomic_bool *cancel,
                                 struct weft_err **err);

/** Add a directory (path without a slash at its end), a file of these bytes, a file with the
 * content of file `src`. */
int weft_tar_add_dir(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                     struct weft_err **err);
int weft_tar_add_bytes(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                       const void *data, size_t len, struct weft_err **err);
int weft_tar_add_file(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                      const char *src, struct weft_err **err);

/**
 * Copy all entries of the tar file `src` below `prefix` ("linux_arm64"; "": as they are): paths and
 * targets of hard links get the prefix, targets of symbolic links do not. Owners, modes, times,
 * extended attributes, devices and holes are kept. Errors: WEFT_E_IO, WEFT_E_FORMAT (damaged, or a
 * path with
 * ".." in it), WEFT_E_CANCELLED.
 */
int weft_tar_add_tar(struct weft_tar *t, const char *src, const char *prefix,
                     struct weft_err **err);

/** Write the end of the archive. Errors as above. The writer is only good for destroy after. */
int weft_tar_finish(struct weft_tar *t, struct weft_err **err);

/** Free the writer; NULL is fine. Without weft_tar_finish before, the archive is incomplete. */
void weft_tar_destroy(struct weft_tar *t);
void weft_tar_destroyp(struct weft_tar **t);
#define weft_auto_tar __attribute__((cleanup(weft_tar_destroyp))) struct weft_tar *

#endif
