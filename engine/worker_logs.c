/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/worker_files.h"

enum {
    LOOK_MS = 200,
    PIECE = 1 << 16,
    LINE_MAX_BYTES = 1 << 20 /* a longer one comes in pieces */
};

struct log {
    const struct weft_worker_files *files;
    int fd;
    off_t at;
    struct weft_buf rest; /* a line that has no end yet */
    FILE *out;
};

static void put(struct log *l, char *line)
{
    weft_auto_free char *shown = weft_printable(line);

    fprintf(l->out, "%s\n", shown);
}

/* Write what has come since, whole lines of it. Returns 1, 0 where nothing had, or -1. */
static int go_on(struct log *l, struct weft_err **err)
{
    weft_auto_free char *piece = malloc(PIECE);
    char *end;
    ssize_t n;

    n = piece ? pread(l->fd, piece, PIECE, l->at) : -1;
    if (n < 0) {
        return weft_fail_sys(err, errno, "%s", l->files->log);
    }
    l->at += n;
    weft_buf_append(&l->rest, piece, (size_t)n);
    while (l->rest.len > 0 && (end = memchr(l->rest.data, '\n', l->rest.len))) {
        *end = '\0';
        put(l, l->rest.data);
        weft_buf_consume(&l->rest, (size_t)(end - l->rest.data) + 1);
    }
    if (l->rest.len > LINE_MAX_BYTES) {
        put(l, l->rest.data);
        weft_buf_clear(&l->rest);
    }
    if (fflush(l->out) != 0) {
        return weft_fail_sys(err, errno, "standard output");
    }
    return n > 0;
}

/* Go to where the last so many lines begin. */
static int skip(struct log *l, long lines, struct weft_err **err)
{
    weft_auto_free char *piece = malloc(PIECE);
    off_t size = lseek(l->fd, 0, SEEK_END);
    long ends = -1; /* the one at the very end ends the last line */

    if (!piece || size < 0) {
        return weft_fail_sys(err, errno, "%s", l->files->log);
    }
    for (l->at = size; lines >= 0 && l->at > 0;) {
        size_t want = l->at < PIECE ? (size_t)l->at : PIECE;
        off_t from = l->at - (off_t)want;
        ssize_t n = pread(l->fd, piece, want, from);

        if (n != (ssize_t)want) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "%s", l->files->log);
        }
        if (l->at == size && piece[want - 1] != '\n') {
            ends = 0;
        }
        while (want > 0) {
            if (piece[want - 1] == '\n' && ++ends >= lines) {
                l->at = from + (off_t)want;
                return 0;
            }
            want--;
        }
        l->at = from;
    }
    return 0;
}

static bool lives(const struct log *l)
{
    struct weft_worker_info info = {0};
    bool yes = weft_worker_info_read(l->files, &info) == 1 && weft_worker_info_lives(&info);

    weft_worker_info_finish(&info);
    return yes;
}

/* A worker that starts begins its log anew, in the same file; one that was removed in another. */
static bool begun_anew(const struct log *l)
{
    struct stat now, was;

    return fstat(l->fd, &was) < 0 || was.st_size < l->at || stat(l->files->log, &now) < 0 ||
           now.st_ino != was.st_ino;
}

static int follow(struct log *l, struct weft_err **err)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};

    for (;;) {
        bool up = lives(l); /* asked first: what it wrote before its end is there then */
        int got = go_on(l, err);

        if (got < 0) {
            return -1;
        }
        if (got == 1) {
            continue;
        }
        if (!up || begun_anew(l)) {
            return 0;
        }
        nanosleep(&pause, NULL);
    }
}

static int write_log(struct log *l, const struct weft_worker_logs *what, struct weft_err **err)
{
    int got = 1;

    if (what->lines >= 0 && skip(l, what->lines, err) < 0) {
        return -1;
    }
    while (!what->follow && got == 1) {
        got = go_on(l, err);
    }
    if (got < 0 || (what->follow && follow(l, err) < 0)) {
        return -1;
    }
    if (l->rest.len > 0) {
        put(l, l->rest.data);
    }
    return 1;
}

int weft_worker_logs_write(const char *slot, const struct weft_worker_logs *what, FILE *out,
                           struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    struct weft_worker_files f = {0};
    struct log l = {.files = &f, .fd = -1, .out = out};
    int rc;

    if (!weft_worker_slot_ok(slot)) {
        return 0;
    }
    if (weft_worker_roots(&runtime, &state, err) < 0) {
        return -1;
    }
    weft_worker_files_init(&f, runtime, state, slot);
    l.fd = open(f.log, O_RDONLY | O_CLOEXEC);
    if (l.fd < 0) {
        rc = errno == ENOENT ? 0 : weft_fail_sys(err, errno, "%s", f.log);
    } else {
        rc = write_log(&l, what, err);
        close(l.fd);
    }
    weft_buf_finish(&l.rest);
    weft_worker_files_finish(&f);
    return rc;
}
