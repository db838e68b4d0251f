/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file destination (type=oci as tar, type=tar): written under a temporary name beside it and
 * renamed at the end, or standard output for "-". Until weft_outfile_commit the destination is as
 * it was.
 */
#ifndef WEFT_ENGINE_OUTFILE_H
#define WEFT_ENGINE_OUTFILE_H

#include <stdatomic.h>

struct weft_err;

struct weft_outfile {
    char *dest;
    char *temp; /* ".NAME.weft-XXXXXX" beside it; NULL for standard output, a device or a pipe */
    int fd;     /* write here */
};

/** Whether `dest` ("-", or an absolute path) can be written: its directory is there and writable,
 * and it is not a directory itself. Call it before anything is started. Errors: WEFT_E_USAGE. */
int weft_outfile_check(const char *dest, struct weft_err **err);

/** Open the destination for writing; a named pipe waits for its reader until `cancel` (may be NULL)
 * is true. Writes to a pipe do not block: see weft_write_until. Returns NULL on failure (WEFT_E_IO,
 * WEFT_E_CANCELLED). End it with commit or discard. */
struct weft_outfile *weft_outfile_open(const char *dest, const atomic_bool *cancel,
                                       struct weft_err **err);

/** Put the file in its place (mode 0666 less the umask; an existing file keeps its mode). *f is
 * freed and becomes NULL, whatever the outcome. Errors: WEFT_E_IO; the destination is as it was
 * then. */
int weft_outfile_commit(struct weft_outfile **f, struct weft_err **err);

/** Remove the temporary file; NULL is fine. */
void weft_outfile_discard(struct weft_outfile *f);

#endif
