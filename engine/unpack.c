/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/layer_parts.h"
#include "engine/unpack_parts.h"

/* A directory that was unpacked: it gets its mode and time when all is in it. */
struct unpacked_dir {
    char *path;
    mode_t mode;
    struct timespec mtime;
};

struct unpack {
    struct weft_unpack_reader *r;
    int root;
    mode_t always_file, always_dir; /* bits that we need to read it afterwards */
    struct unpacked_dir *dirs;
    size_t n_dirs;
    struct weft_unpacked *out;
};

static int fail_at(const struct unpack *u, const char *path, int sys, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(path);

    return weft_fail_sys(err, sys, "%s: unpacking '%s'", u->r->in->name, shown);
}

/*
 * Open the directory that `path` lies in, step by step, so that no symbolic link is followed, and
 * give the last part of its name. `make`: with the directories that are missing, which tars need
 * not list.
 */
static int open_parent(const struct unpack *u, const char *path, bool make, const char **name,
                       struct weft_err **err)
{
    weft_auto_fd at = fcntl(u->root, F_DUPFD_CLOEXEC, 0);
    const char *p = path;

    if (at < 0) {
        return fail_at(u, path, errno, err);
    }
    for (;;) {
        size_t len = strcspn(p, "/");
        size_t slashes = strspn(p + len, "/");
        weft_auto_free char *part = weft_xstrndup(p, len);
        int next;

        if (p[len + slashes] == '\0') {
            *name = p;
            return weft_steal_fd(&at);
        }
        next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno == ENOENT && make) {
            if (mkdirat(at, part, 0755) < 0) {
                return fail_at(u, path, errno, err);
            }
            next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (next < 0 && (errno == ELOOP || errno == ENOTDIR)) {
            weft_auto_free char *shown = weft_printable(path);

            return weft_fail(err, WEFT_E_FORMAT,
                             "%s: path '%s' goes through a symbolic link, or a file",
                             u->r->in->name, shown);
        }
        if (next < 0) {
            return fail_at(u, path, errno, err);
        }
        close(at);
        at = next;
        p += len + slashes;
    }
}

/* The last part of a name, without slashes behind it. Caller frees. */
static char *last_part(const char *name)
{
    return weft_xstrndup(name, strcspn(name, "/"));
}

static struct timespec mtime_of(struct archive_entry *e)
{
    struct timespec t = {0, UTIME_OMIT};

    if (archive_entry_mtime_is_set(e)) {
        t.tv_sec = archive_entry_mtime(e);
        t.tv_nsec = archive_entry_mtime_nsec(e);
    }
    return t;
}

/* A file's time; what the file system cannot hold is no reason to fail. */
static void set_mtime(int at, const char *name, struct timespec mtime)
{
    struct timespec times[2] = {{0, UTIME_OMIT}, mtime};

    (void)utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Make room for an entry: what has its name goes, but a directory. */
static int make_room(const struct unpack *u, int at, const char *name, const char *path,
                     struct weft_err **err)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno == EISDIR || errno == EPERM) {
        weft_auto_free char *shown = weft_printable(path);

        return weft_fail(err, WEFT_E_FORMAT, "%s: '%s' is a directory and something else, too",
                         u->r->in->name, shown);
    }
    return fail_at(u, path, errno, err);
}

static int write_at(int fd, const char *data, size_t len, int64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -1;
        }
        data += n;
        len -= (size_t)n;
        offset += n;
    }
    return 0;
}

static int write_data(struct unpack *u, int fd, const char *path, struct weft_err **err)
{
    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int rc = archive_read_data_block(u->r->archive, &data, &len, &offset);

        if (rc == ARCHIVE_EOF) {
            /* there may be a hole at the end */
            return ftruncate(fd, offset) < 0 ? fail_at(u, path, errno, err) : 0;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return weft_unpack_reader_failed(u->r, err);
        }
        if (write_at(fd, data, len, offset) < 0) {
            return fail_at(u, path, errno, err);
        }
    }
}

static int unpack_file(struct unpack *u, struct archive_entry *e, int at, const char *name,
                       const char *path, struct weft_err **err)
{
    mode_t mode = (archive_entry_mode(e) & 07777) | u->always_file;
    weft_auto_fd fd = -1;

    if (make_room(u, at, name, path, err) < 0) {
        return -1;
    }
    fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_at(u, path, errno, err);
    }
    if (write_data(u, fd, path, err) < 0) {
        return -1;
    }
    if (fchmod(fd, mode) < 0) {
        return fail_at(u, path, errno, err);
    }
    set_mtime(at, name, mtime_of(e));
    return 0;
}

static int unpack_dir(struct unpack *u, struct archive_entry *e, int at, const char *name,
                      const char *path, struct weft_err **err)
{
    weft_auto_fd fd = -1;

    if (mkdirat(at, name, 0700) < 0) {
        if (errno != EEXIST) {
            return fail_at(u, path, errno, err);
        }
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            weft_auto_free char *shown = weft_printable(path);

            return weft_fail(err, WEFT_E_FORMAT, "%s: '%s' is a directory and something else, too",
                             u->r->in->name, shown);
        }
    }
    u->dirs = weft_xgrow(u->dirs, u->n_dirs, sizeof(*u->dirs));
    u->dirs[u->n_dirs++] = (struct unpacked_dir){
        .path = weft_xstrdup(path), .mode = archive_entry_mode(e) & 07777, .mtime = mtime_of(e)};
    return 0;
}

static int unpack_symlink(struct unpack *u, struct archive_entry *e, int at, const char *name,
                          const char *path, struct weft_err **err)
{
    const char *target = archive_entry_symlink(e);

    if (!target || !*target) {
        weft_auto_free char *shown = weft_printable(path);

        return weft_fail(err, WEFT_E_FORMAT, "%s: the symbolic link '%s' leads nowhere",
                         u->r->in->name, shown);
    }
    if (make_room(u, at, name, path, err) < 0) {
        return -1;
    }
    if (symlinkat(target, at, name) < 0) {
        return fail_at(u, path, errno, err);
    }
    set_mtime(at, name, mtime_of(e));
    return 0;
}

/* The target is a file that was unpacked before: nothing else has been put into our directory. */
static int unpack_hardlink(struct unpack *u, const char *target, int at, const char *name,
                           const char *path, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(path);
    weft_auto_free char *shown_target = weft_printable(target);
    weft_auto_free char *target_name = NULL;
    weft_auto_fd target_at = -1;
    const char *target_path;
    const char *last;
    bool root;

    target_path = weft_archive_name(target, &root, err);
    if (!target_path) {
        return root ? weft_fail(err, WEFT_E_FORMAT, "%s: '%s' is a hard link to the root",
                                u->r->in->name, shown)
                    : weft_err_wrap(err, "%s: hard link '%s'", u->r->in->name, shown);
    }
    if (strcmp(target_path, path) == 0) {
        return 0; /* making room for it would remove it */
    }
    target_at = open_parent(u, target_path, false, &last, err);
    if (target_at < 0) {
        return weft_err_wrap(err, "hard link '%s'", shown);
    }
    target_name = last_part(last);
    if (make_room(u, at, name, path, err) < 0) {
        return -1;
    }
    if (linkat(target_at, target_name, at, name, 0) < 0) {
        return errno == ENOENT || errno == EPERM
                   ? weft_fail(err, WEFT_E_FORMAT,
                               "%s: '%s' is a hard link to '%s', which is no file before it",
                               u->r->in->name, shown, shown_target)
                   : fail_at(u, path, errno, err);
    }
    return 0;
}

static int unpack_entry(struct unpack *u, struct archive_entry *e, const char *path,
                        struct weft_err **err)
{
    const char *target = archive_entry_hardlink(e);
    mode_t type = archive_entry_filetype(e);
    weft_auto_free char *name = NULL;
    weft_auto_fd at = -1;
    const char *last;

    if (!target && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
        if (u->out->n_left_out++ == 0) {
            u->out->left_out = weft_xstrdup(path);
        }
        return 0;
    }
    at = open_parent(u, path, true, &last, err);
    if (at < 0) {
        return -1;
    }
    name = last_part(last);
    return target             ? unpack_hardlink(u, target, at, name, path, err)
           : type == AE_IFDIR ? unpack_dir(u, e, at, name, path, err)
           : type == AE_IFLNK ? unpack_symlink(u, e, at, name, path, err)
                              : unpack_file(u, e, at, name, path, err);
}

/* From the last to the first, so that the outer ones are still open to us. */
static int settle_dirs(const struct unpack *u, struct weft_err **err)
{
    for (size_t i = u->n_dirs; i-- > 0;) {
        const struct unpacked_dir *d = &u->dirs[i];
        const char *last;
        weft_auto_fd at = open_parent(u, d->path, false, &last, err);
        weft_auto_free char *name = NULL;
        weft_auto_fd fd = -1;

        if (at < 0) {
            return -1;
        }
        name = last_part(last);
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchmod(fd, d->mode | u->always_dir) < 0) {
            return fail_at(u, d->path, errno, err);
        }
        set_mtime(at, name, d->mtime);
    }
    return 0;
}

static int unpack_all(struct unpack *u, struct weft_err **err)
{
    struct archive_entry *e;
    const char *path;
    int rc;
    weft_in_locale(u->r->utf8);

    while ((rc = weft_unpack_reader_next(u->r, &e, &path, err)) > 0) {
        weft_auto_free char *own = weft_xstrdup(path); /* the entry's is of the next read */

        if (u->r->in->cancel && atomic_load(u->r->in->cancel)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        if (unpack_entry(u, e, own, err) < 0) {
            return -1;
        }
    }
    return rc;
}

static void unpack_finish(struct unpack *u)
{
    for (size_t i = 0; i < u->n_dirs; i++) {
        free(u->dirs[i].path);
    }
    free(u->dirs);
    if (u->root >= 0) {
        close(u->root);
    }
}

int weft_unpack(const struct weft_archive_input *in, const char *dir, struct weft_unpacked *out,
                struct weft_err **err)
{
    weft_auto_unpack_reader r = {0};
    __attribute__((cleanup(unpack_finish))) struct unpack u = {.r = &r, .root = -1, .out = out};

    u.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u.root < 0) {
        return weft_fail_sys(err, errno, "%s", dir);
    }
    if (geteuid() != 0) { /* who serves the directory must be able to read it */
        u.always_file = 0400;
        u.always_dir = 0700;
    }
    if (weft_unpack_reader_open(&r, in, err) < 0 || unpack_all(&u, err) < 0 ||
        settle_dirs(&u, err) < 0 || weft_unpack_reader_drain(&r, err) < 0) {
        return -1;
    }
    weft_hash_final(r.hash, out->digest);
    return 0;
}

void weft_unpacked_finish(struct weft_unpacked *u)
{
    free(u->left_out);
    *u = (struct weft_unpacked){0};
}
