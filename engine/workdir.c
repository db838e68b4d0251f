/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    NAME_LIMIT = 200, /* of the destination's name in ours: leaves room below NAME_MAX */
    SUFFIX_LEN = 6,   /* the XXXXXX */
    ATTEMPTS = 100,
};

static const char marker[] = ".weft-";

bool weft_workdir_is_name(const char *name)
{
    size_t len = strlen(name);
    size_t tail = strlen(marker) + SUFFIX_LEN;

    return name[0] == '.' && len > tail && strncmp(name + len - tail, marker, strlen(marker)) == 0;
}

char *weft_workdir_prefix(const char *dest)
{
    const char *end = dest + strlen(dest);
    const char *start;
    size_t len;

    while (end > dest && end[-1] == '/') {
        end--;
    }
    start = end;
    while (start > dest && start[-1] != '/') {
        start--;
    }
    len = (size_t)(end - start);
    return weft_fmt("%.*s.weft", (int)(len > NAME_LIMIT ? NAME_LIMIT : len), start);
}

/* The directory part of a path that may end with slashes. */
static char *parent_of(const char *path)
{
    weft_auto_free char *copy = weft_xstrdup(path);
    size_t len = strlen(copy);

    while (len > 1 && copy[len - 1] == '/') {
        copy[--len] = '\0';
    }
    return weft_path_dir(copy);
}

char *weft_workdir_existing(const char *path)
{
    char *p = weft_xstrdup(path);

    while (!weft_is_dir(p) && strcmp(p, "/") != 0 && strcmp(p, ".") != 0) {
        char *up = parent_of(p);

        free(p);
        p = up;
    }
    return p;
}

int weft_workdir_check_dest(const char *path, struct weft_err **err)
{
    weft_auto_free char *p = weft_xstrdup(path);
    struct stat st;

    while (lstat(p, &st) < 0) {
        char *up;

        if (errno != ENOENT) {
            return weft_fail(err, WEFT_E_USAGE, "%s: %s", path, strerror(errno));
        }
        up = parent_of(p);
        free(p);
        p = up;
    }
    if (!weft_is_dir(p)) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s is not a directory", path, p);
    }
    if (access(p, W_OK | X_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: cannot write to %s: %s", path, p, strerror(errno));
    }
    return 0;
}

/* Two mounts of one file system have one st_dev, but rename and link between them fail. */
static bool same_mount(const char *a, const char *b)
{
    struct statx sa;
    struct statx sb;

    if (statx(AT_FDCWD, a, 0, STATX_BASIC_STATS | STATX_MNT_ID, &sa) < 0 ||
        statx(AT_FDCWD, b, 0, STATX_BASIC_STATS | STATX_MNT_ID, &sb) < 0) {
        return false;
    }
    if (sa.stx_dev_major != sb.stx_dev_major || sa.stx_dev_minor != sb.stx_dev_minor) {
        return false;
    }
    return !(sa.stx_mask & sb.stx_mask & STATX_MNT_ID) || sa.stx_mnt_id == sb.stx_mnt_id;
}

/* Where the working directory of a destination goes. */
static char *home_of(const char *dest)
{
    weft_auto_free char *parent = NULL;

    if (!weft_is_dir(dest)) {
        return weft_workdir_existing(dest);
    }
    parent = parent_of(dest);
    if (access(parent, W_OK | X_OK) == 0 && same_mount(parent, dest)) {
        return weft_steal(&parent);
    }
    return weft_xstrdup(dest);
}

/* Remove one leftover, if it is ours and its owner does not live. */
static void sweep_one(const char *path)
{
    weft_auto_fd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
        (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) && weft_lock_try(fd, true, NULL) == 1) {
        (void)weft_rmtree(path, NULL);
    }
}

void weft_workdir_sweep(const char *dir, const char *prefix)
{
    weft_auto_free char *start = weft_fmt(".%s-", prefix);
    weft_auto_dir d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (weft_starts_with(e->d_name, start) && strlen(e->d_name) == strlen(start) + SUFFIX_LEN) {
            weft_auto_free char *path = weft_path_join(dir, e->d_name);

            sweep_one(path);
        }
    }
}

bool weft_workdir_claim(int fd, const char *path)
{
    struct stat by_fd;
    struct stat by_path;

    return weft_lock_try(fd, true, NULL) == 1 && fstat(fd, &by_fd) == 0 &&
           lstat(path, &by_path) == 0 && by_fd.st_ino == by_path.st_ino;
}

struct weft_workdir *weft_workdir_create(const char *dest, struct weft_err **err)
{
    weft_auto_free char *home = home_of(dest);
    weft_auto_free char *prefix = weft_workdir_prefix(dest);

    weft_workdir_sweep(home, prefix);
    for (int i = 0; i < ATTEMPTS; i++) {
        weft_auto_free char *path = weft_temp_dir(home, prefix, err);
        weft_auto_fd fd = -1;

        if (!path) {
            return NULL;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* another run's sweep may see it before it is locked, and take it for a leftover */
        if (fd >= 0 && weft_workdir_claim(fd, path)) {
            struct weft_workdir *w = weft_xcalloc(1, sizeof(*w));

            w->path = weft_steal(&path);
            w->lock_fd = weft_steal_fd(&fd);
            return w;
        }
        (void)weft_rmtree(path, NULL);
    }
    weft_fail(err, WEFT_E_IO, "cannot lock a directory in %s", home);
    return NULL;
}

void weft_workdir_destroy(struct weft_workdir *w)
{
    if (!w) {
        return;
    }
    (void)weft_rmtree(w->path, NULL);
    close(w->lock_fd);
    free(w->path);
    free(w);
}
