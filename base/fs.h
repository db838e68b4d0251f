/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: reading and writing whole ones, trees, and putting a file in its place without a copy.
 * Every descriptor is born close-on-exec. Paths are NUL-terminated; errors name the path.
 */
#ifndef WEFT_BASE_FS_H
#define WEFT_BASE_FS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_err;

bool weft_exists(const char *path); /* follows symbolic links */
bool weft_is_dir(const char *path);

/** "dir/name" in a new string, with one slash between. Caller frees. */
char *weft_path_join(const char *dir, const char *name);

/** A path as one below some root: without slashes in front and behind, "." and ".."; the latter
 * lead no further up than the root. NULL: it is the root. Caller frees. */
char *weft_path_clean(const char *path);

/** The directory part of a path, "." where there is none. Caller frees. */
char *weft_path_dir(const char *path);

/** The part behind the last slash. Borrowed. */
const char *weft_path_base(const char *path);

/** `path` made absolute against the working directory, symbolic links untouched. NULL on failure.
 * Caller frees. */
char *weft_path_abs(const char *path, struct weft_err **err);

/** Make a directory and what it lies in. Those that exist are fine. `mode` goes to the last one,
 * 0755 to the others, both less the umask. Errors: WEFT_E_IO. */
int weft_mkdirs(const char *path, mode_t mode, struct weft_err **err);

/** A directory that only its owner may enter: made with 0700, or checked to be ours and to have no
 * group or other bits. */
int weft_private_dir(const char *path, struct weft_err **err);

/**
 * Read a whole file of at most `limit` bytes. *data is NUL-terminated behind its *len bytes (len
 * may be NULL). Errors: WEFT_E_IO (sys: errno), WEFT_E_FORMAT when larger. Caller frees *data.
 */
int weft_read_file(const char *path, size_t limit, char **data, size_t *len, struct weft_err **err);

/** The same for what is left to read of an open file, a pipe or a terminal. `name` is for the
 * error. */
int weft_read_fd(int fd, const char *name, size_t limit, char **data, size_t *len,
                 struct weft_err **err);

/** Write all of it to fd, whatever the number of write() calls; waits where fd does not block.
 * `name` is for the error. */
int weft_write_all(int fd, const void *data, size_t len, const char *name, struct weft_err **err);

/** The same, but where fd is set not to block (O_NONBLOCK) a reader that takes nothing does not
 * hold it up: it stops with WEFT_E_CANCELLED within 100 ms once `cancel` (may be NULL) is true. */
int weft_write_until(int fd, const void *data, size_t len, const char *name,
                     const atomic_bool *cancel, struct weft_err **err);

/** Write a file so that `path` holds either its old or its new content at any time (temporary file,
 * rename; not fsynced). What exists and is no regular file, as /dev/stdout, is written to as it is.
 * A symbolic link to a file is replaced by the file. */
int weft_write_file(const char *path, const void *data, size_t len, mode_t mode,
                    struct weft_err **err);

/**
 * Remove a tree (or a file); what does not exist is fine. Follows no symbolic link and enters no
 * mount point, also not one of the same file system: that is WEFT_E_IO with sys EBUSY. Directories
 * without write permission are opened up first. A tree may be of any depth.
 */
int weft_rmtree(const char *path, struct weft_err **err);

/** Make an empty directory of an unused name ".PREFIX-XXXXXX" in `dir`. Returns its path (caller
 * frees) or NULL. */
char *weft_temp_dir(const char *dir, const char *prefix, struct weft_err **err);

/** Open an empty file without a name in $TMPDIR, or /tmp: it is gone when it is closed. Returns its
 * descriptor, or -1 with WEFT_E_IO. */
int weft_temp_unnamed(struct weft_err **err);

/** How weft_place_file got a file to its place. */
enum weft_placed {
    WEFT_PLACED_REFLINK = 1,
    WEFT_PLACED_LINK,
    WEFT_PLACED_COPY
};

/**
 * Make `dst` (which must not exist; EEXIST counts as WEFT_E_IO with sys EEXIST) hold what `src`
 * holds, the cheapest way that works: a reflink, a hard link, a copy. dst is never seen half
 * written; a process that is killed may leave "DST.XXXXXXXX" beside it. `size_bytes`: the size that
 * src must have. Returns one of enum weft_placed, or -1. Errors: WEFT_E_IO; WEFT_E_DIGEST when the
 * size differs. Thread: any.
 */
int weft_place_file(const char *src, const char *dst, uint64_t size_bytes, struct weft_err **err);

/** Copy all of in_fd from its present offset to out_fd. `cancel`: see weft_write_until. */
int weft_copy_fd(int in_fd, int out_fd, const char *name, const atomic_bool *cancel,
                 struct weft_err **err);

/** The first executable `name` on $PATH, as a path that the caller frees; NULL where there is none
 * (no error). */
char *weft_find_program(const char *name);

#endif
