/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives that somebody else made, read: a tar, plain or compressed, as a directory, or one file
 * of it. What an archive holds is not trusted: nothing is written outside of the directory, and no
 * symbolic link is followed. Writing archives is engine/layer.h.
 */
#ifndef WEFT_ENGINE_UNPACK_H
#define WEFT_ENGINE_UNPACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/str.h"

struct weft_err;

enum weft_archive_kind {
    WEFT_ARCHIVE_NONE,
    WEFT_ARCHIVE_TAR, /* v7, ustar, GNU or pax */
    WEFT_ARCHIVE_GZIP,
    WEFT_ARCHIVE_BZIP2,
    WEFT_ARCHIVE_XZ,
    WEFT_ARCHIVE_ZSTD
};

enum {
    WEFT_ARCHIVE_HEAD_BYTES = 512 /* of a file, that tell what it is */
};

/** What a file is that begins with these `len` bytes: an archive, by its magic number or the check
 * sum of a tar's first header; WEFT_ARCHIVE_NONE for all else. */
enum weft_archive_kind weft_archive_kind(const void *head, size_t len);

/** Where an archive comes from. All is borrowed. */
struct weft_archive_input {
    int fd;           /* a file or a pipe, not closed here; read to its end */
    const char *name; /* for errors: "standard input" */
    const void *head; /* what was read of it already; or NULL */
    size_t head_len;
    const atomic_bool *cancel; /* or NULL */
};

/** What was not unpacked. Start from {0}; end with weft_unpacked_finish. */
struct weft_unpacked {
    char digest[WEFT_DIGEST_SIZE]; /* of all bytes of the input */
    size_t n_left_out;             /* devices, named pipes, sockets */
    char *left_out;                /* the first of them; or NULL */
};
void weft_unpacked_finish(struct weft_unpacked *u);

/**
 * Unpack into `dir`, an empty directory of ours. Modes, times, holes, hard and symbolic links are
 * kept; owners and extended attributes are not. A name that begins with "/" is taken as one in
 * `dir`; of two entries with one name the later counts. Errors: WEFT_E_FORMAT (damaged; a name or a
 * hard link that leads out of the archive or through a symbolic link), WEFT_E_IO (a full disk, with
 * sys ENOSPC), WEFT_E_CANCELLED. `dir` may hold a part then. Blocks; Thread: any.
 */
int weft_unpack(const struct weft_archive_input *in, const char *dir, struct weft_unpacked *out,
                struct weft_err **err);

/**
 * Read the file of an archive that has the first of `names` ("Dockerfile", NULL-terminated) that
 * there is. Returns 1 with *data (caller frees) and *len; 0 where it has none of them; 2 where it
 * has one, which is a link or something else that is no file. Errors: WEFT_E_FORMAT (damaged, or
 * over `limit` bytes), WEFT_E_IO, WEFT_E_CANCELLED.
 */
int weft_archive_read_file(const struct weft_archive_input *in, const char *const *names,
                           size_t limit, char **data, size_t *len, struct weft_err **err);

#endif
