/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    CANCEL_POLL_MS = 100
};

bool weft_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool weft_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *weft_path_join(const char *dir, const char *name)
{
    return weft_fmt("%s%s%s", dir, *dir && !weft_ends_with(dir, "/") ? "/" : "", name);
}

char *weft_path_clean(const char *path)
{
    weft_auto_strv parts = {0};
    weft_auto_strv kept = {0};
    weft_auto_free char *joined = NULL;

    weft_split(path, '/', &parts);
    for (size_t i = 0; i < parts.n; i++) {
        const char *part = parts.v[i];

        if (!*part || strcmp(part, ".") == 0) {
            continue;
        }
        if (strcmp(part, "..") != 0) {
            weft_strv_add(&kept, part);
        } else if (kept.n > 0) {
            free(kept.v[--kept.n]);
            kept.v[kept.n] = NULL;
        }
    }
    joined = weft_strv_join(&kept, "/");
    return *joined ? weft_steal(&joined) : NULL;
}

char *weft_path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        return weft_xstrdup(".");
    }
    return weft_xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *weft_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

char *weft_path_abs(const char *path, struct weft_err **err)
{
    weft_auto_free char *cwd = NULL;

    if (*path == '/') {
        return weft_xstrdup(path);
    }
    cwd = getcwd(NULL, 0);
    if (!cwd) {
        weft_fail_sys(err, errno, "working directory");
        return NULL;
    }
    return strcmp(path, ".") == 0 ? weft_steal(&cwd) : weft_path_join(cwd, path);
}

/* A path without the slashes at its end: "link/" would be what the link points at. */
static char *without_slashes(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    return weft_xstrndup(path, n);
}

/* mkdir that takes a directory which is there already. Gives -1 with errno. */
static int make_dir(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0) {
        return 0;
    }
    if (errno == EEXIST) {
        if (weft_is_dir(path)) {
            return 0;
        }
        errno = EEXIST; /* and not ENOENT of a symbolic link that leads nowhere */
    }
    return -1;
}

int weft_mkdirs(const char *path, mode_t mode, struct weft_err **err)
{
    weft_auto_free char *name = without_slashes(path);
    weft_auto_free char *parent = weft_path_dir(name);

    if (make_dir(name, mode) == 0) {
        return 0;
    }
    if (errno != ENOENT || strcmp(parent, name) == 0) {
        return weft_fail_sys(err, errno, "make directory %s", path);
    }
    if (weft_mkdirs(parent, 0755, err) < 0) {
        return -1;
    }
    if (make_dir(name, mode) < 0) {
        return weft_fail_sys(err, errno, "make directory %s", path);
    }
    return 0;
}

int weft_private_dir(const char *path, struct weft_err **err)
{
    weft_auto_free char *name = without_slashes(path);
    struct stat st;

    if (weft_mkdirs(name, 0700, err) < 0) {
        return -1;
    }
    if (lstat(name, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
        weft_fail(err, WEFT_E_IO, "%s is not a directory that only you can enter", path);
        return weft_err_hint(err, "remove it, or: chmod 0700 %s", path);
    }
    return 0;
}

int weft_read_fd(int fd, const char *name, size_t limit, char **data, size_t *len,
                 struct weft_err **err)
{
    weft_auto_buf b = {0};
    char chunk[16384];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return weft_fail_sys(err, errno, "read %s", name);
        }
        if ((size_t)n > limit - b.len) {
            return weft_fail(err, WEFT_E_FORMAT, "%s is larger than %zu bytes", name, limit);
        }
        weft_buf_append(&b, chunk, (size_t)n);
    }
    if (len) {
        *len = b.len;
    }
    *data = weft_buf_steal(&b);
    return 0;
}

int weft_read_file(const char *path, size_t limit, char **data, size_t *len, struct weft_err **err)
{
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return weft_fail_sys(err, errno, "open %s", path);
    }
    return weft_read_fd(fd, path, limit, data, len, err);
}

int weft_write_until(int fd, const void *data, size_t len, const char *name,
                     const atomic_bool *cancel, struct weft_err **err)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n;

        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        n = write(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            (void)poll(&(struct pollfd){fd, POLLOUT, 0}, 1, cancel ? CANCEL_POLL_MS : -1);
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(err, errno, "write %s", name);
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int weft_write_all(int fd, const void *data, size_t len, const char *name, struct weft_err **err)
{
    return weft_write_until(fd, data, len, name, NULL, err);
}

int weft_write_file(const char *path, const void *data, size_t len, mode_t mode,
                    struct weft_err **err)
{
    weft_auto_free char *temp = NULL;
    weft_auto_fd fd = -1;
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            return weft_fail_sys(err, errno, "write %s", path);
        }
        return weft_write_all(fd, data, len, path, err);
    }
    temp = weft_fmt("%s.XXXXXX", path);
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        return weft_fail_sys(err, errno, "write %s", path);
    }
    if (weft_write_all(fd, data, len, path, err) < 0) {
        unlink(temp);
        return -1;
    }
    if (fchmod(fd, mode) < 0 || close(weft_steal_fd(&fd)) < 0 || rename(temp, path) < 0) {
        weft_fail_sys(err, errno, "write %s", path);
        unlink(temp);
        return -1;
    }
    return 0;
}

/* Descriptors and stack that a removal may use; what lies deeper is moved to its top first. */
enum {
    REMOVE_DEPTH = 64
};

struct removal {
    int top_fd;
    dev_t dev;
    unsigned int moved;
};

/*
 * Open a directory in order to empty it. Only what was opened is looked at and opened up: the name
 * may be exchanged meanwhile. A bind mount has the device number of its file system, so that is not
 * enough to know that we are still in our tree. Gives -1 with errno, EBUSY for a mount point.
 */
static int open_for_removal(int at, const char *name, dev_t *dev)
{
    weft_auto_fd fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statx sx = {0};
    dev_t found;

    if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx) < 0) {
        return -1;
    }
    found = makedev(sx.stx_dev_major, sx.stx_dev_minor);
    if ((*dev && found != *dev) ||
        (sx.stx_attributes & sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)) {
        errno = EBUSY;
        return -1;
    }
    *dev = found;
    if ((sx.stx_mode & 0700) != 0700) {
        char self[64];

        /* fchmod refuses O_PATH descriptors; if this does not help, openat says so */
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        (void)!chmod(self, 0700);
    }
    return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int empty_dir(struct removal *r, int dir_fd, unsigned int depth, const char *path,
                     struct weft_err **err);

/* Say why open_for_removal failed. why: what unlink said, which is right if it is no directory. */
static int removal_failed(int why, const char *path, struct weft_err **err)
{
    if (errno == ENOENT) {
        return 0; /* somebody else removes it too */
    }
    if (errno == EBUSY) {
        return weft_fail_sys(err, errno, "remove %s, a mount point", path);
    }
    return weft_fail_sys(err, errno == ENOTDIR ? why : errno, "remove %s", path);
}

/* Move the directory `name` of dir_fd to the top of the tree. */
static int move_to_top(struct removal *r, int dir_fd, const char *name)
{
    char moved[32];
    int rc;

    do {
        snprintf(moved, sizeof(moved), ".deep-%u", r->moved++);
        rc = renameat2(dir_fd, name, r->top_fd, moved, RENAME_NOREPLACE);
    } while (rc < 0 && errno == EEXIST);
    return rc;
}

/* Remove the directory `name` of dir_fd. why: as for removal_failed. */
static int remove_dir(struct removal *r, int dir_fd, const char *name, int why, unsigned int depth,
                      const char *path, struct weft_err **err)
{
    int fd = open_for_removal(dir_fd, name, &r->dev);

    if (fd < 0) {
        return removal_failed(why, path, err);
    }
    if (depth >= REMOVE_DEPTH) {
        close(fd);
        return move_to_top(r, dir_fd, name) < 0 ? weft_fail_sys(err, errno, "remove %s", path) : 0;
    }
    if (empty_dir(r, fd, depth, path, err) < 0) {
        return -1;
    }
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        return weft_fail_sys(err, errno, "remove %s", path);
    }
    return 0;
}

/* Remove what lies in dir_fd, which this function closes. */
static int empty_dir(struct removal *r, int dir_fd, unsigned int depth, const char *path,
                     struct weft_err **err)
{
    weft_auto_dir dir = fdopendir(dir_fd);
    struct dirent *e;

    if (!dir) {
        weft_fail_sys(err, errno, "read directory %s", path);
        close(dir_fd);
        return -1;
    }
    for (;;) {
        weft_auto_free char *sub = NULL;
        int why;

        errno = 0;
        e = readdir(dir);
        if (!e) {
            return errno ? weft_fail_sys(err, errno, "read directory %s", path) : 0;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            unlinkat(dir_fd, e->d_name, 0) == 0 || errno == ENOENT) {
            continue;
        }
        why = errno;
        sub = weft_path_join(path, e->d_name);
        if (why != EISDIR && why != EPERM) { /* EPERM: POSIX's answer for a directory */
            return weft_fail_sys(err, why, "remove %s", sub);
        }
        if (remove_dir(r, dir_fd, e->d_name, why, depth + 1, sub, err) < 0) {
            return -1;
        }
    }
}

int weft_rmtree(const char *path, struct weft_err **err)
{
    weft_auto_free char *name = without_slashes(path);
    struct removal r = {.top_fd = -1};
    unsigned int moved;
    int why;

    if (unlink(name) == 0 || errno == ENOENT) {
        return 0;
    }
    why = errno;
    if (why != EISDIR && why != EPERM) {
        return weft_fail_sys(err, why, "remove %s", path);
    }
    do {
        int fd = open_for_removal(AT_FDCWD, name, &r.dev);

        if (fd < 0) {
            return removal_failed(why, path, err);
        }
        moved = r.moved;
        r.top_fd = fd;
        if (empty_dir(&r, fd, 0, name, err) < 0) {
            return -1;
        }
    } while (r.moved > moved);
    if (rmdir(name) < 0 && errno != ENOENT) {
        return weft_fail_sys(err, errno, "remove %s", path);
    }
    return 0;
}

char *weft_temp_dir(const char *dir, const char *prefix, struct weft_err **err)
{
    weft_auto_free char *name = weft_fmt(".%s-XXXXXX", prefix);
    weft_auto_free char *path = weft_path_join(dir, name);

    if (!mkdtemp(path)) {
        weft_fail_sys(err, errno, "make a directory in %s", dir);
        return NULL;
    }
    return weft_steal(&path);
}

int weft_temp_unnamed(struct weft_err **err)
{
    const char *dir = getenv("TMPDIR");
    weft_auto_free char *name = NULL;
    int fd;

    dir = dir && *dir ? dir : "/tmp";
    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
        return fd;
    }
    /* a file system without such files */
    name = weft_path_join(dir, "weft.XXXXXX");
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        return weft_fail_sys(err, errno, "a temporary file in %s", dir);
    }
    unlink(name);
    return fd;
}

int weft_copy_fd(int in_fd, int out_fd, const char *name, const atomic_bool *cancel,
                 struct weft_err **err)
{
    weft_auto_free char *chunk = NULL;
    ssize_t n;

    /* In the kernel where both ends allow it. It moves the offsets of both files, so the loop below
     * goes on from wherever this stops. */
    while ((n = copy_file_range(in_fd, NULL, out_fd, NULL, 1u << 30, 0)) > 0) {
    }
    if (n == 0) {
        /* the kernel says 0 for files of /proc and the like whatever they hold: the loop finds the
         * true end */
    } else if (errno == EIO || errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
        return weft_fail_sys(err, errno, "copy %s", name);
    } /* all other errors say that this pair of files cannot be copied so */
    chunk = weft_xmalloc(1u << 17);
    while ((n = read(in_fd, chunk, 1u << 17)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(err, errno, "read %s", name);
        }
        if (weft_write_until(out_fd, chunk, (size_t)n, name, cancel, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Give the file `temp` the name `dst`, which must not exist. */
static int rename_to_new(const char *temp, const char *dst)
{
    if (renameat2(AT_FDCWD, temp, AT_FDCWD, dst, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    /* a file system that does not know the flag, as NFS */
    if (linkat(AT_FDCWD, temp, AT_FDCWD, dst, 0) < 0) {
        return -1;
    }
    (void)unlink(temp);
    return 0;
}

/* Fill the new file `temp` from `in`, by a reflink or a copy, and call it dst; or link dst to src.
 */
static int place_by_temp(int in, const char *src, const char *temp, const char *dst,
                         uint64_t size_bytes, struct weft_err **err)
{
    weft_auto_fd out = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    enum weft_placed how = WEFT_PLACED_REFLINK;
    struct stat st;

    if (out < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    if (ioctl(out, FICLONE, in) < 0) {
        if (linkat(AT_FDCWD, src, AT_FDCWD, dst, 0) == 0) {
            (void)unlink(temp);
            return WEFT_PLACED_LINK;
        }
        if (errno == EEXIST) {
            return weft_fail_sys(err, errno, "make %s", dst);
        }
        how = WEFT_PLACED_COPY;
        if (weft_copy_fd(in, out, dst, NULL, err) < 0) {
            return -1;
        }
    }
    if (fstat(out, &st) < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    if ((uint64_t)st.st_size != size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s changed while it was copied", src);
    }
    if (close(weft_steal_fd(&out)) < 0 || rename_to_new(temp, dst) < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    return (int)how;
}

int weft_place_file(const char *src, const char *dst, uint64_t size_bytes, struct weft_err **err)
{
    /* O_NONBLOCK: a FIFO in its place must not stop us */
    weft_auto_fd in = open(src, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    weft_auto_free char *temp = NULL;
    struct stat st;
    uint32_t tag = 0;
    int how;

    if (in < 0 || fstat(in, &st) < 0) {
        return weft_fail_sys(err, errno, "open %s", src);
    }
    if (!S_ISREG(st.st_mode)) {
        return weft_fail(err, WEFT_E_DIGEST, "%s is not a regular file", src);
    }
    if ((uint64_t)st.st_size != size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s has %lld bytes where %llu are due", src,
                         (long long)st.st_size, (unsigned long long)size_bytes);
    }
    if (getrandom(&tag, sizeof(tag), 0) < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    temp = weft_fmt("%s.%08x", dst, (unsigned int)tag);
    how = place_by_temp(in, src, temp, dst, size_bytes, err);
    if (how < 0) {
        (void)unlink(temp);
    }
    return how;
}

char *weft_find_program(const char *name)
{
    const char *path = getenv("PATH");
    weft_auto_strv dirs = {0};

    weft_split(path && *path ? path : "/usr/local/bin:/usr/bin:/bin", ':', &dirs);
    for (size_t i = 0; i < dirs.n; i++) {
        weft_auto_free char *p = weft_path_join(*dirs.v[i] ? dirs.v[i] : ".", name);

        if (access(p, X_OK) == 0 && !weft_is_dir(p)) {
            return weft_steal(&p);
        }
    }
    return NULL;
}
