/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private directory for what a run makes before it is put in its place: on the same file system
 * and mount as the destination, so that the last step is a rename. Named ".NAME.weft-XXXXXX" beside
 * the destination, or inside it where it is a mount point or its parent is not writable. It is
 * locked while its owner lives: one that a killed run left is removed by the next run for the same
 * destination.
 */
#ifndef WEFT_ENGINE_WORKDIR_H
#define WEFT_ENGINE_WORKDIR_H

#include <stdbool.h>

struct weft_err;

struct weft_workdir {
    char *path; /* mode 0700 */
    int lock_fd;
};

/**
 * Make a working directory for `dest` (absolute path; need not exist, nor its parents) and remove
 * dead ones. Returns NULL on failure. Errors: WEFT_E_IO. The caller ends it with
 * weft_workdir_destroy. Thread: any.
 */
struct weft_workdir *weft_workdir_create(const char *dest, struct weft_err **err);

/** Remove the directory with all that is in it; NULL is fine. Failures are ignored: the next run
 * tries again. */
void weft_workdir_destroy(struct weft_workdir *w);

/** Whether a file name is that of a working directory: to be passed over when a destination is
 * looked at. */
bool weft_workdir_is_name(const char *name);

/** The nearest directory above `path`, or itself, that exists. Caller frees. */
char *weft_workdir_existing(const char *path);

/** Whether a directory `path` exists or can be made. Errors: WEFT_E_USAGE. For checks before
 * anything starts. */
int weft_workdir_check_dest(const char *path, struct weft_err **err);

/* For engine/outfile.c, whose temporary files have the same names and the same locks. */

/** "NAME.weft", the part of the name that all leftovers for `dest` share (weft_temp_dir adds "."
 * and "-XXXXXX"). Caller frees. */
char *weft_workdir_prefix(const char *dest);

/** Remove what killed runs left in `dir` under this prefix. */
void weft_workdir_sweep(const char *dir, const char *prefix);

/** Lock an open file of ours and see that it is still at `path`: false if a sweep was faster. */
bool weft_workdir_claim(int fd, const char *path);

#endif
