/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/workdir.h"

enum {
    ATTEMPTS = 100,
    READER_POLL_MS = 50,
};

int weft_outfile_check(const char *dest, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_dir(dest);

    if (strcmp(dest, "-") == 0) {
        return 0;
    }
    if (weft_is_dir(dest) || *weft_path_base(dest) == '\0') {
        return weft_fail(err, WEFT_E_USAGE, "%s is a directory, and the output is a file", dest);
    }
    if (!weft_is_dir(dir)) {
        return weft_fail(err, WEFT_E_USAGE, "%s: there is no directory %s", dest, dir);
    }
    if (access(dir, W_OK | X_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "cannot write to %s: %s", dir, strerror(errno));
    }
    return 0;
}

/* The mode that open() would give a new file here. umask() cannot be read without changing it for
 * all threads. */
static mode_t new_file_mode(void)
{
    unsigned int mask = 022;
    weft_auto_free char *text = NULL;
    const char *line;

    if (weft_read_file("/proc/self/status", 1u << 16, &text, NULL, NULL) == 0 &&
        (line = strstr(text, "\nUmask:"))) {
        mask = (unsigned int)strtoul(line + strlen("\nUmask:"), NULL, 8);
    }
    return (mode_t)(0666 & ~mask);
}

/* A temporary file that is locked, so that no other run takes it for a leftover. */
static int open_temp(struct weft_outfile *f, const char *dir, const char *prefix,
                     struct weft_err **err)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        weft_auto_free char *name = weft_fmt(".%s-XXXXXX", prefix);
        weft_auto_free char *path = weft_path_join(dir, name);
        weft_auto_fd fd = mkostemp(path, O_CLOEXEC);

        if (fd < 0) {
            return weft_fail_sys(err, errno, "make a file in %s", dir);
        }
        if (weft_workdir_claim(fd, path)) {
            f->temp = weft_steal(&path);
            f->fd = weft_steal_fd(&fd);
            return 0;
        }
        unlink(path);
    }
    return weft_fail(err, WEFT_E_IO, "cannot lock a file in %s", dir);
}

/* Open a device or a pipe: it is written to, never replaced. */
static int open_special(struct weft_outfile *f, bool fifo, const atomic_bool *cancel,
                        struct weft_err **err)
{
    while ((f->fd = open(f->dest, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        if (!fifo || errno != ENXIO) { /* ENXIO: nobody reads the pipe yet */
            return weft_fail_sys(err, errno, "open %s", f->dest);
        }
        if (cancel && atomic_load(cancel)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        (void)poll(NULL, 0, READER_POLL_MS);
    }
    return 0;
}

/*
 * Standard output. A pipe is opened anew, so that it does not block us and stays as it is for
 * others who have it.
 */
static void open_stdout(struct weft_outfile *f)
{
    struct stat st;

    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode)) {
        f->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    }
    if (f->fd < 0) {
        f->fd = STDOUT_FILENO;
    }
}

/* Open f->dest, which is not standard output. */
static int open_dest(struct weft_outfile *f, const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free char *dir = NULL;
    weft_auto_free char *prefix = NULL;
    char *real = realpath(f->dest, NULL);
    mode_t mode = 0;
    struct stat st;

    if (real) { /* it exists: what a symbolic link points to is replaced, not the link */
        free(f->dest);
        f->dest = real;
    }
    if (stat(f->dest, &st) == 0) {
        if (!S_ISREG(st.st_mode)) {
            return open_special(f, S_ISFIFO(st.st_mode), cancel, err);
        }
        mode = st.st_mode & 0777;
    } else {
        mode = new_file_mode();
    }
    dir = weft_path_dir(f->dest);
    prefix = weft_workdir_prefix(f->dest);
    weft_workdir_sweep(dir, prefix);
    if (open_temp(f, dir, prefix, err) < 0) {
        return -1;
    }
    return fchmod(f->fd, mode) < 0 ? weft_fail_sys(err, errno, "%s", f->temp) : 0;
}

struct weft_outfile *weft_outfile_open(const char *dest, const atomic_bool *cancel,
                                       struct weft_err **err)
{
    struct weft_outfile *f = weft_xcalloc(1, sizeof(*f));

    f->dest = weft_xstrdup(dest);
    f->fd = -1;
    if (strcmp(dest, "-") == 0) {
        free(f->dest);
        f->dest = weft_xstrdup("standard output");
        open_stdout(f);
    } else if (open_dest(f, cancel, err) < 0) {
        weft_outfile_discard(f);
        return NULL;
    }
    return f;
}

int weft_outfile_commit(struct weft_outfile **f, struct weft_err **err)
{
    struct weft_outfile *o = weft_steal(f);
    int r = 0;

    if (o->temp && rename(o->temp, o->dest) < 0) {
        r = weft_fail_sys(err, errno, "make %s", o->dest);
    } else {
        free(o->temp);
        o->temp = NULL;
    }
    weft_outfile_discard(o);
    return r;
}

void weft_outfile_discard(struct weft_outfile *f)
{
    if (!f) {
        return;
    }
    if (f->temp) {
        unlink(f->temp);
    }
    if (f->fd >= 0 && f->fd != STDOUT_FILENO) {
        close(f->fd);
    }
    free(f->temp);
    free(f->dest);
    free(f);
}
