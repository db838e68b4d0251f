/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outputs type=local and type=tar: the trees or tars that buildctl exported for each platform,
 * put together at the destination as buildx has it: one folder "linux_arm64" per platform if there
 * are several.
 */
#ifndef WEFT_ENGINE_LOCAL_OUTPUT_H
#define WEFT_ENGINE_LOCAL_OUTPUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;
struct weft_outfile;

/** What was exported for one platform. */
struct weft_local_part {
    const char *path; /* type=local: a directory inside a working directory made for the destination
                         (engine/workdir.h); type=tar: a tar file */
    const char *prefix; /* folder that it goes to ("linux_arm64"); NULL: none */
};

/** Whether `dest` can take a tree: a directory, or one can be made there. Call it before anything
 * is started. Errors: WEFT_E_USAGE. */
int weft_local_check_dest(const char *dest, struct weft_err **err);

/**
 * Merge the trees of parts[n] into `dest` (absolute), by rename: directories are merged, files
 * replace files, what else is there stays. A directory that would meet a file, or a file a
 * directory, is an error, found before anything moves. On a failure or cancellation half-way
 * everything is moved back. `cancel` may be NULL. Errors: WEFT_E_IO (sys ENOTDIR or EISDIR for such
 * a conflict), WEFT_E_CANCELLED.
 */
int weft_local_commit(const struct weft_local_part *parts, size_t n, const char *dest,
                      const atomic_bool *cancel, struct weft_err **err);

/**
 * Write the tars of parts[n] to an open output file: one part without a prefix as it is (moved
 * where that is possible), else one tar, with a folder for each part that has a prefix, sorted by
 * prefix, or by path. `mtime_s` is the time of the folders: SOURCE_DATE_EPOCH, or 0. Errors:
 * WEFT_E_IO, WEFT_E_FORMAT, WEFT_E_CANCELLED. The caller commits or discards `out`.
 */
int weft_local_write_tar(const struct weft_local_part *parts, size_t n, struct weft_outfile *out,
                         int64_t mtime_s, const atomic_bool *cancel, struct weft_err **err);

#endif
