/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/local_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/journal.h"
#include "engine/layer.h"
#include "engine/outfile.h"
#include "engine/workdir.h"

/* ---- type=local ---- */

int weft_local_check_dest(const char *dest, struct weft_err **err)
{
    return weft_workdir_check_dest(dest, err);
}

static int stop_if_cancelled(const atomic_bool *cancel, struct weft_err **err)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed)
               ? weft_fail(err, WEFT_E_CANCELLED, "interrupted")
               : 0;
}

/* The names in a directory, so that it may change while they are gone through. */
static int list_dir(const char *path, struct weft_strv *names, struct weft_err **err)
{
    weft_auto_dir d = opendir(path);
    struct dirent *e;

    if (!d) {
        return weft_fail_sys(err, errno, "open %s", path);
    }
    errno = 0;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            weft_strv_add(names, e->d_name);
        }
    }
    return errno == 0 ? 0 : weft_fail_sys(err, errno, "read directory %s", path);
}

/* What two trees say of one name. */
enum meeting {
    MEET_NOTHING,
    MEET_DIRS,
    MEET_FILES
};

/* What is at src and dst (symbolic links are not followed): enum meeting, or -1 for a directory and
 * a file. */
static int meet(const char *src, const char *dst, struct weft_err **err)
{
    struct stat a;
    struct stat b;

    if (lstat(src, &a) < 0) {
        return weft_fail_sys(err, errno, "%s", src);
    }
    if (lstat(dst, &b) < 0) {
        return errno == ENOENT ? MEET_NOTHING : weft_fail_sys(err, errno, "%s", dst);
    }
    if (S_ISDIR(a.st_mode) != S_ISDIR(b.st_mode)) {
        weft_fail_sys(err, S_ISDIR(a.st_mode) ? ENOTDIR : EISDIR,
                      "%s is in the way: the build's result has a %s of that name", dst,
                      S_ISDIR(a.st_mode) ? "directory" : "file");
        return weft_err_hint(err, "remove it, or choose another dest=");
    }
    if (!S_ISDIR(a.st_mode)) {
        return MEET_FILES;
    }
    if (a.st_dev != b.st_dev) {
        return weft_fail(err, WEFT_E_IO, "%s is on another file system than what it lies in", dst);
    }
    return MEET_DIRS;
}

/* Walk src beside dst and find what would go wrong. `files_clash`: a file in both is an error as
 * well. */
static int check_tree(const char *src, const char *dst, bool files_clash, struct weft_err **err)
{
    weft_auto_strv names = {0};

    if (list_dir(src, &names, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_free char *s = weft_path_join(src, names.v[i]);
        weft_auto_free char *d = weft_path_join(dst, names.v[i]);
        int m = meet(s, d, err);

        if (m < 0) {
            return -1;
        }
        if (m == MEET_FILES && files_clash) {
            return weft_fail(err, WEFT_E_IO,
                             "two platforms have a file %s, and there is no folder "
                             "per platform",
                             names.v[i]);
        }
        if (m == MEET_DIRS && check_tree(s, d, files_clash, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Move what lies in src into dst, a directory. */
static int move_tree(struct weft_journal *j, const char *src, const char *dst,
                     const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_strv names = {0};

    if (list_dir(src, &names, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_free char *s = weft_path_join(src, names.v[i]);
        weft_auto_free char *d = weft_path_join(dst, names.v[i]);
        int m = meet(s, d, err);
        int r = -1;

        if (m < 0 || stop_if_cancelled(cancel, err) < 0) {
            return -1;
        }
        switch ((enum meeting)m) {
        case MEET_NOTHING:
            r = weft_journal_move(j, s, d, err);
            break;
        case MEET_FILES:
            r = weft_journal_replace(j, s, d, err);
            break;
        case MEET_DIRS:
            r = move_tree(j, s, d, cancel, err);
            break;
        }
        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

/* Where a part goes. Caller frees. */
static char *target_of(const struct weft_local_part *part, const char *dest)
{
    return part->prefix ? weft_path_join(dest, part->prefix) : weft_xstrdup(dest);
}

static int check_parts(const struct weft_local_part *parts, size_t n, const char *dest,
                       struct weft_err **err)
{
    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *target = target_of(&parts[i], dest);
        struct stat st;

        for (size_t k = 0; k < i; k++) {
            if (weft_str_eq(parts[i].prefix, parts[k].prefix) &&
                check_tree(parts[i].path, parts[k].path, true, err) < 0) {
                return -1;
            }
        }
        /* the destination itself may be a symbolic link to a directory; a platform's folder in it
         * may not */
        if (!parts[i].prefix && weft_is_dir(target)) {
            if (check_tree(parts[i].path, target, false, err) < 0) {
                return -1;
            }
        } else if (lstat(target, &st) == 0) {
            int m = meet(parts[i].path, target, err);

            if (m < 0 || check_tree(parts[i].path, target, false, err) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int move_parts(struct weft_journal *j, const struct weft_local_part *parts, size_t n,
                      const char *dest, const atomic_bool *cancel, struct weft_err **err)
{
    if (weft_journal_mkdirs(j, dest, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *target = target_of(&parts[i], dest);

        if (weft_journal_mkdirs(j, target, err) < 0 ||
            move_tree(j, parts[i].path, target, cancel, err) < 0) {
            return -1;
        }
    }
    return stop_if_cancelled(cancel, err);
}

int weft_local_commit(const struct weft_local_part *parts, size_t n, const char *dest,
                      const atomic_bool *cancel, struct weft_err **err)
{
    struct weft_journal *j;
    int r;

    if (stop_if_cancelled(cancel, err) < 0 || check_parts(parts, n, dest, err) < 0) {
        return -1;
    }
    j = weft_journal_create();
    r = move_parts(j, parts, n, dest, cancel, err);
    if (r < 0) {
        weft_auto_err undo_err = NULL;

        if (weft_journal_undo(j, &undo_err) < 0) {
            weft_err_hint(err, "%s is left half-written: %s", dest, undo_err->msg);
        }
    }
    weft_journal_destroy(j);
    return r;
}

/* ---- type=tar ---- */

static int compare_parts(const void *a, const void *b)
{
    const struct weft_local_part *pa = a;
    const struct weft_local_part *pb = b;

    return strcmp(pa->prefix ? pa->prefix : pa->path, pb->prefix ? pb->prefix : pb->path);
}

/* Let src become the output's temporary file. False where it cannot: nothing has happened then. */
static bool adopt(const char *src, int *in, struct weft_outfile *out)
{
    struct stat st;

    if (!out->temp || fstat(out->fd, &st) < 0 || fchmod(*in, st.st_mode & 0777) < 0 ||
        !weft_workdir_claim(*in, src) || rename(src, out->temp) < 0) {
        return false;
    }
    close(out->fd);
    out->fd = weft_steal_fd(in);
    return true;
}

static int take_whole(const char *src, struct weft_outfile *out, const atomic_bool *cancel,
                      struct weft_err **err)
{
    weft_auto_fd in = open(src, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (in < 0) {
        return weft_fail_sys(err, errno, "open %s", src);
    }
    return adopt(src, &in, out) ? 0 : weft_copy_fd(in, out->fd, out->dest, cancel, err);
}

int weft_local_write_tar(const struct weft_local_part *parts, size_t n, struct weft_outfile *out,
                         int64_t mtime_s, const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free struct weft_local_part *sorted = NULL;
    weft_auto_tar t = NULL;

    if (n == 1 && !parts[0].prefix) {
        return stop_if_cancelled(cancel, err) < 0 ? -1
                                                  : take_whole(parts[0].path, out, cancel, err);
    }
    sorted = weft_xcalloc(n, sizeof(*sorted));
    memcpy(sorted, parts, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_parts);
    t = weft_tar_create(out->fd, out->dest, cancel, err);
    if (!t) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        const char *prefix = sorted[i].prefix;

        if ((prefix && weft_tar_add_dir(t, prefix, 0755, mtime_s, err) < 0) ||
            weft_tar_add_tar(t, sorted[i].path, prefix ? prefix : "", err) < 0) {
            return -1;
        }
    }
    return weft_tar_finish(t, err);
}
