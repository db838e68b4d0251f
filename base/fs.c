/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

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

int weft_mkdirs(const char *path, mode_t mode, struct weft_err **err)
{
    weft_auto_free char *parent = NULL;

    if (mkdir(path, mode) == 0) {
        return 0;
    }
    if (errno == EEXIST && weft_is_dir(path)) {
        return 0;
    }
    if (errno != ENOENT) {
        return weft_fail_sys(err, errno, "make directory %s", path);
    }
    parent = weft_path_dir(path);
    if (strcmp(parent, path) == 0 || weft_mkdirs(parent, 0755, err) < 0) {
        return -1;
    }
    if (mkdir(path, mode) < 0 && errno != EEXIST) {
        return weft_fail_sys(err, errno, "make directory %s", path);
    }
    return 0;
}

int weft_private_dir(const char *path, struct weft_err **err)
{
    struct stat st;

    if (weft_mkdirs(path, 0700, err) < 0) {
        return -1;
    }
    if (lstat(path, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", path);
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
        weft_fail(err, WEFT_E_IO, "%s is not a directory that only you can enter", path);
        return weft_err_hint(err, "remove it, or: chmod 0700 %s", path);
    }
    return 0;
}

int weft_read_file(const char *path, size_t limit, char **data, size_t *len, struct weft_err **err)
{
    weft_auto_buf b = {0};
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    char chunk[16384];
    ssize_t n;

    if (fd < 0) {
        return weft_fail_sys(err, errno, "open %s", path);
    }
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return weft_fail_sys(err, errno, "read %s", path);
        }
        if ((size_t)n > limit - b.len) {
            return weft_fail(err, WEFT_E_FORMAT, "%s is larger than %zu bytes", path, limit);
        }
        weft_buf_append(&b, chunk, (size_t)n);
    }
    if (len) {
        *len = b.len;
    }
    *data = weft_buf_steal(&b);
    return 0;
}

int weft_write_all(int fd, const void *data, size_t len, const char *name, struct weft_err **err)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR) {
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

int weft_write_file(const char *path, const void *data, size_t len, mode_t mode,
                    struct weft_err **err)
{
    weft_auto_free char *temp = weft_fmt("%s.XXXXXX", path);
    weft_auto_fd fd = mkostemp(temp, O_CLOEXEC);

    if (fd < 0) {
        return weft_fail_sys(err, errno, "write %s", path);
    }
    if (weft_write_all(fd, data, len, path, err) < 0) {
        unlink(temp);
        return -1;
    }
    if (fchmod(fd, mode) < 0 || rename(temp, path) < 0) {
        weft_fail_sys(err, errno, "write %s", path);
        unlink(temp);
        return -1;
    }
    return 0;
}

/* Remove what lies in dir_fd, which this function closes. */
static int empty_dir(int dir_fd, dev_t dev, const char *path, struct weft_err **err)
{
    weft_auto_dir dir = fdopendir(dir_fd);
    struct dirent *e;

    if (!dir) {
        close(dir_fd);
        return weft_fail_sys(err, errno, "read directory %s", path);
    }
    while ((e = readdir(dir))) {
        weft_auto_free char *sub = NULL;
        struct stat st;
        int fd;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dir_fd, e->d_name, 0) == 0 || errno == ENOENT) {
            continue;
        }
        if (errno != EISDIR && errno != EPERM && errno != EACCES) {
            return weft_fail_sys(err, errno, "remove %s/%s", path, e->d_name);
        }
        sub = weft_path_join(path, e->d_name);
        if (fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
            return weft_fail_sys(err, EACCES, "remove %s", sub);
        }
        if (st.st_dev != dev) {
            return weft_fail(err, WEFT_E_IO, "remove %s: it is on another file system", sub);
        }
        if ((st.st_mode & 0700) != 0700) {
            (void)!fchmodat(dir_fd, e->d_name, 0700, 0); /* if it does not help, openat says so */
        }
        fd = openat(dir_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            return weft_fail_sys(err, errno, "open %s", sub);
        }
        if (empty_dir(fd, dev, sub, err) < 0) {
            return -1;
        }
        if (unlinkat(dir_fd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
            return weft_fail_sys(err, errno, "remove %s", sub);
        }
    }
    return 0;
}

int weft_rmtree(const char *path, struct weft_err **err)
{
    struct stat st;
    int fd;

    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 0 : weft_fail_sys(err, errno, "remove %s", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        return unlink(path) == 0 || errno == ENOENT ? 0
                                                    : weft_fail_sys(err, errno, "remove %s", path);
    }
    if ((st.st_mode & 0700) != 0700) {
        (void)!chmod(path, 0700);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return weft_fail_sys(err, errno, "open %s", path);
    }
    if (empty_dir(fd, st.st_dev, path, err) < 0) {
        return -1;
    }
    if (rmdir(path) < 0 && errno != ENOENT) {
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

int weft_copy_fd(int in_fd, int out_fd, const char *name, struct weft_err **err)
{
    weft_auto_free char *chunk = NULL;
    ssize_t n;

    /* in the kernel where both ends allow it; a fall-through to the loop below is always right,
     * nothing was moved yet */
    while ((n = copy_file_range(in_fd, NULL, out_fd, NULL, 1u << 30, 0)) > 0) {
    }
    if (n == 0) {
        /* the kernel says 0 for files of /proc and the like whatever they hold: the loop finds the
         * true end */
    } else if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP &&
               errno != EBADF && errno != EPERM && errno != EINTR) {
        return weft_fail_sys(err, errno, "copy %s", name);
    }
    chunk = weft_xmalloc(1u << 17);
    while ((n = read(in_fd, chunk, 1u << 17)) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(err, errno, "read %s", name);
        }
        if (weft_write_all(out_fd, chunk, (size_t)n, name, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_place_file(const char *src, const char *dst, uint64_t size_bytes, struct weft_err **err)
{
    weft_auto_fd in = open(src, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    weft_auto_fd out = -1;
    struct stat st;

    if (in < 0 || fstat(in, &st) < 0) {
        return weft_fail_sys(err, errno, "open %s", src);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s has %lld bytes where %llu are due", src,
                         (long long)st.st_size, (unsigned long long)size_bytes);
    }
    out = open(dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    if (ioctl(out, FICLONE, in) == 0) {
        return WEFT_PLACED_REFLINK;
    }
    if (unlink(dst) < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    if (linkat(AT_FDCWD, src, AT_FDCWD, dst, 0) == 0) {
        return WEFT_PLACED_LINK;
    }
    if (errno == EEXIST) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    close(weft_steal_fd(&out));
    out = open(dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0) {
        return weft_fail_sys(err, errno, "make %s", dst);
    }
    if (weft_copy_fd(in, out, dst, err) < 0) {
        unlink(dst);
        return -1;
    }
    return WEFT_PLACED_COPY;
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
