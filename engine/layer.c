/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
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
#include "engine/layer_parts.h"

enum {
    BLOCK_BYTES = 1 << 18
};

struct weft_tar {
    struct archive *archive;
    locale_t
        utf8; /* (locale_t)0 where the system has none: names that are not ASCII stay bytes then */
    int fd;
    char *name;
    const atomic_bool *cancel;
    struct weft_err *write_err; /* what the write callback met; libarchive only carries a text */
    bool abandoned;
    char *buf;
};

/* ---- libarchive's conventions ---- */

static void reader_freep(struct archive **a)
{
    archive_read_free(*a);
}

static void entry_freep(struct archive_entry **e)
{
    archive_entry_free(*e);
}

#define auto_reader __attribute__((cleanup(reader_freep))) struct archive *
#define auto_entry __attribute__((cleanup(entry_freep))) struct archive_entry *

#define in_utf8(t) weft_in_locale((t)->utf8)

int weft_err_from_archive(struct archive *a, const char *name, struct weft_err **err)
{
    int e = archive_errno(a);
    const char *text = archive_error_string(a);
    weft_auto_free char *shown = weft_printable(text ? text : "damaged");

    if (e > 0 && e != EILSEQ) {
        return weft_fail_sys(err, e, "%s", name);
    }
    return weft_fail(err, WEFT_E_FORMAT, "%s: %s", name, shown);
}

/* The error of the writer: ours, if the callback failed. */
static int writer_failed(struct weft_tar *t, struct weft_err **err)
{
    if (!t->write_err) {
        return weft_err_from_archive(t->archive, t->name, err);
    }
    if (err) {
        *err = weft_steal(&t->write_err);
    }
    return -1;
}

static la_ssize_t write_block(struct archive *a, void *data, const void *block, size_t len)
{
    struct weft_tar *t = data;

    if (t->write_err || t->abandoned) {
        return -1; /* the first of several calls said why */
    }
    if (weft_write_until(t->fd, block, len, t->name, t->cancel, &t->write_err) == 0) {
        return (la_ssize_t)len;
    }
    archive_set_error(a, EIO, "write failed");
    return -1;
}

/* ---- the writer ---- */

struct weft_tar *weft_tar_create(int fd, const char *name, const atomic_bool *cancel,
                                 struct weft_err **err)
{
    weft_auto_tar t = weft_xcalloc(1, sizeof(*t));
    struct archive *a;

    t->fd = fd;
    t->name = weft_xstrdup(name);
    t->cancel = cancel;
    t->buf = weft_xmalloc(BLOCK_BYTES);
    t->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    t->archive = a = archive_write_new();
    if (!a) {
        abort();
    }
    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_set_format_option(a, NULL, "xattrheader", "SCHILY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(a, BLOCK_BYTES) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
        archive_write_open(a, t, NULL, write_block, NULL) != ARCHIVE_OK) {
        writer_failed(t, err);
        return NULL;
    }
    return weft_steal(&t);
}

void weft_tar_destroy(struct weft_tar *t)
{
    if (!t) {
        return;
    }
    if (t->archive) {
        /* Closing writes the end of an archive that was not finished, which would make it look
         * whole: no more writes. archive_write_fail() would prevent that too, but libarchive 3.6
         * leaks its buffer then. */
        t->abandoned = true;
        archive_write_close(t->archive);
        archive_write_free(t->archive);
    }
    if (t->utf8) {
        freelocale(t->utf8);
    }
    weft_err_free(t->write_err);
    free(t->name);
    free(t->buf);
    free(t);
}

void weft_tar_destroyp(struct weft_tar **t)
{
    weft_tar_destroy(*t);
}

/* ARCHIVE_WARN: a name that is not UTF-8, written as bytes. */
static int put_header(struct weft_tar *t, struct archive_entry *e, struct weft_err **err)
{
    int r = archive_write_header(t->archive, e);

    return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 0 : writer_failed(t, err);
}

static int put_data(struct weft_tar *t, const void *data, size_t len, struct weft_err **err)
{
    la_ssize_t n = len > 0 ? archive_write_data(t->archive, data, len) : 0;

    if (n < 0) {
        return writer_failed(t, err);
    }
    return (size_t)n == len ? 0
                            : weft_fail(err, WEFT_E_IO, "%s: more data than announced", t->name);
}

static struct archive_entry *new_entry(const char *path, mode_t type, mode_t mode, int64_t mtime_s,
                                       int64_t size_bytes)
{
    struct archive_entry *e = archive_entry_new();

    if (!e) {
        abort();
    }
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, (unsigned int)type);
    archive_entry_set_perm(e, mode);
    archive_entry_set_mtime(e, (time_t)mtime_s, 0);
    archive_entry_set_size(e, size_bytes);
    return e;
}

int weft_tar_add_dir(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                     struct weft_err **err)
{
    auto_entry e = new_entry(path, AE_IFDIR, mode, mtime_s, 0);
    in_utf8(t);

    return put_header(t, e, err);
}

int weft_tar_add_bytes(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                       const void *data, size_t len, struct weft_err **err)
{
    auto_entry e = new_entry(path, AE_IFREG, mode, mtime_s, (int64_t)len);
    in_utf8(t);

    return put_header(t, e, err) < 0 ? -1 : put_data(t, data, len, err);
}

int weft_tar_add_file(struct weft_tar *t, const char *path, mode_t mode, int64_t mtime_s,
                      const char *src, struct weft_err **err)
{
    auto_entry e = NULL;
    weft_auto_fd fd = open(src, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    int64_t left;
    in_utf8(t);

    if (fd < 0 || fstat(fd, &st) < 0) {
        return weft_fail_sys(err, errno, "open %s", src);
    }
    e = new_entry(path, AE_IFREG, mode, mtime_s, st.st_size);
    if (put_header(t, e, err) < 0) {
        return -1;
    }
    for (left = st.st_size; left > 0;) {
        ssize_t n = read(fd, t->buf, left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "read %s", src);
        }
        if (put_data(t, t->buf, (size_t)n, err) < 0) {
            return -1;
        }
        left -= n;
    }
    return 0;
}

int weft_tar_finish(struct weft_tar *t, struct weft_err **err)
{
    in_utf8(t);

    return archive_write_close(t->archive) == ARCHIVE_OK ? 0 : writer_failed(t, err);
}

/* ---- one tar into another ---- */

const char *weft_archive_name(const char *path, bool *root, struct weft_err **err)
{
    const char *p = path;

    *root = false;
    for (;;) {
        if (*p == '/') {
            p++;
        } else if (p[0] == '.' && (p[1] == '/' || p[1] == '\0')) {
            p++;
        } else {
            break;
        }
    }
    if (*p == '\0') {
        *root = true;
        return NULL;
    }
    for (const char *c = p; c; c = strchr(c, '/')) {
        c += *c == '/';
        if (c[0] == '.' && c[1] == '.' && (c[2] == '/' || c[2] == '\0')) {
            weft_auto_free char *shown = weft_printable(path);

            weft_fail(err, WEFT_E_FORMAT, "path '%s' leads out of the archive", shown);
            return NULL;
        }
    }
    return p;
}

/* "prefix/path" for a path of an archive; NULL (with *root set) for the root itself, or with an
 * error. */
static char *prefixed(const char *path, const char *prefix, bool *root, struct weft_err **err)
{
    const char *name = weft_archive_name(path, root, err);

    return name ? weft_path_join(prefix, name) : NULL;
}

/* Put the entry below prefix. 1: done, 0: it is the root, which the prefix stands for, -1: error.
 */
static int move_entry(struct archive_entry *e, const char *prefix, struct weft_err **err)
{
    const char *path = archive_entry_pathname(e);
    const char *target = archive_entry_hardlink(e);
    weft_auto_free char *new_path = NULL;
    weft_auto_free char *new_target = NULL;
    bool root;

    if (!path) {
        return weft_fail(err, WEFT_E_FORMAT, "an entry whose name cannot be read");
    }
    new_path = prefixed(path, prefix, &root, err);
    if (!new_path) {
        return root ? 0 : -1;
    }
    if (target) {
        new_target = prefixed(target, prefix, &root, err);
        if (!new_target) {
            return root ? weft_fail(err, WEFT_E_FORMAT, "a hard link to the root") : -1;
        }
        archive_entry_set_hardlink(e, new_target);
    }
    archive_entry_set_pathname(e, new_path);
    return 1;
}

static int copy_data(struct weft_tar *t, struct archive *in, const char *src, struct weft_err **err)
{
    for (;;) {
        /* fills holes with zeros; the writer leaves them out again by the entry's own list */
        la_ssize_t n = archive_read_data(in, t->buf, BLOCK_BYTES);

        if (n == 0) {
            return 0;
        }
        if (n < 0) {
            return weft_err_from_archive(in, src, err);
        }
        if (put_data(t, t->buf, (size_t)n, err) < 0) {
            return -1;
        }
    }
}

static int open_reader(struct archive *in, const char *src, struct weft_err **err)
{
    if (archive_read_support_format_tar(in) != ARCHIVE_OK ||
        archive_read_support_filter_none(in) != ARCHIVE_OK ||
        archive_read_support_format_empty(in) != ARCHIVE_OK ||
        archive_read_open_filename(in, src, BLOCK_BYTES) != ARCHIVE_OK) {
        return weft_err_from_archive(in, src, err);
    }
    return 0;
}

int weft_tar_add_tar(struct weft_tar *t, const char *src, const char *prefix, struct weft_err **err)
{
    auto_reader in = archive_read_new();
    struct archive_entry *e;
    int r;
    in_utf8(t);

    if (!in) {
        abort();
    }
    if (open_reader(in, src, err) < 0) {
        return -1;
    }
    while ((r = archive_read_next_header(in, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        int moved = move_entry(e, prefix, err);

        if (moved < 0) {
            return weft_err_wrap(err, "%s", src);
        }
        if (moved == 0) {
            continue;
        }
        if (put_header(t, e, err) < 0 || copy_data(t, in, src, err) < 0) {
            return -1;
        }
    }
    return r == ARCHIVE_EOF ? 0 : weft_err_from_archive(in, src, err);
}
