/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/layer_parts.h"
#include "engine/unpack.h"
#include "engine/unpack_parts.h"

enum {
    BLOCK_BYTES = 1 << 18,
    POLL_MS = 100, /* how late an interrupted wait ends */
    CHECKSUM_AT = 148,
    CHECKSUM_LEN = 8,
};

/* ---- what a file is ---- */

/* The number in a header's field for its check sum, or -1. */
static long checksum_field(const unsigned char *header)
{
    const unsigned char *f = header + CHECKSUM_AT;
    long n = 0;
    int i = 0;
    int digits = 0;

    while (i < CHECKSUM_LEN && f[i] == ' ') {
        i++;
    }
    for (; i < CHECKSUM_LEN && f[i] >= '0' && f[i] <= '7'; i++, digits++) {
        n = n * 8 + (f[i] - '0');
    }
    return digits > 0 && (i == CHECKSUM_LEN || f[i] == ' ' || f[i] == '\0') ? n : -1;
}

/* The oldest tars have no magic number. Some old writers took the bytes as signed ones. A block of
 * zeros ends a tar, here an empty one. */
static bool is_tar_header(const unsigned char *header)
{
    static const unsigned char end[WEFT_ARCHIVE_HEAD_BYTES];
    long want = checksum_field(header);
    long sum = 0;
    long signed_sum = 0;

    if (memcmp(header, end, sizeof(end)) == 0) {
        return true;
    }
    for (int i = 0; i < WEFT_ARCHIVE_HEAD_BYTES; i++) {
        unsigned char c = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN ? (unsigned char)' '
                                                                             : header[i];

        sum += c;
        signed_sum += c < 128 ? c : (long)c - 256;
    }
    return want > 0 && (want == sum || want == signed_sum);
}

enum weft_archive_kind weft_archive_kind(const void *head, size_t len)
{
    static const struct {
        enum weft_archive_kind kind;
        const char *magic;
        size_t len;
    } magics[] = {
        {WEFT_ARCHIVE_GZIP, "\x1f\x8b\x08", 3},
        {WEFT_ARCHIVE_BZIP2, "BZh", 3},
        {WEFT_ARCHIVE_XZ,
         "\xfd"
         "7zXZ\0",
         6},
        {WEFT_ARCHIVE_ZSTD, "\x28\xb5\x2f\xfd", 4},
    };

    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (len >= magics[i].len && memcmp(head, magics[i].magic, magics[i].len) == 0) {
            return magics[i].kind;
        }
    }
    return len >= WEFT_ARCHIVE_HEAD_BYTES && is_tar_header(head) ? WEFT_ARCHIVE_TAR
                                                                 : WEFT_ARCHIVE_NONE;
}

/* ---- reading ---- */

void weft_unpack_reader_finish(struct weft_unpack_reader *r)
{
    archive_read_free(r->archive);
    if (r->utf8) {
        freelocale(r->utf8);
    }
    weft_hash_destroy(r->hash);
    weft_err_free(r->err);
    free(r->buf);
}

/* The next bytes of the input into r->buf, whatever their number; 0 at its end. */
static ssize_t read_some(struct weft_unpack_reader *r)
{
    for (;;) {
        struct pollfd p = {r->in->fd, POLLIN, 0};
        ssize_t n;

        if (r->in->cancel && atomic_load(r->in->cancel)) {
            return weft_fail(&r->err, WEFT_E_CANCELLED, "interrupted");
        }
        if (r->in->cancel && poll(&p, 1, POLL_MS) == 0) {
            continue;
        }
        n = read(r->in->fd, r->buf, BLOCK_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(&r->err, errno, "%s", r->in->name);
        }
        weft_hash_update(r->hash, r->buf, (size_t)n);
        return n;
    }
}

static la_ssize_t read_block(struct archive *a, void *data, const void **block)
{
    struct weft_unpack_reader *r = data;
    ssize_t n;

    if (!r->head_given && r->in->head_len > 0) {
        r->head_given = true;
        weft_hash_update(r->hash, r->in->head, r->in->head_len);
        *block = r->in->head;
        return (la_ssize_t)r->in->head_len;
    }
    n = r->err ? -1 : read_some(r);
    if (n < 0) {
        archive_set_error(a, EIO, "read failed");
    }
    *block = r->buf;
    return n;
}

int weft_unpack_reader_failed(struct weft_unpack_reader *r, struct weft_err **err)
{
    if (r->err) {
        if (err) {
            *err = weft_steal(&r->err);
        }
        return -1;
    }
    return weft_err_from_archive(r->archive, r->in->name, err);
}

int weft_unpack_reader_open(struct weft_unpack_reader *r, const struct weft_archive_input *in,
                            struct weft_err **err)
{
    struct archive *a = archive_read_new();
    int rc;

    if (!a) {
        abort();
    }
    r->in = in;
    r->archive = a;
    r->hash = weft_hash_create();
    r->buf = weft_xmalloc(BLOCK_BYTES);
    r->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    {
        weft_in_locale(r->utf8);

        /* a library that lacks one of these would start a program for it, and warns */
        if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
            archive_read_support_format_empty(a) != ARCHIVE_OK ||
            archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
            archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
            archive_read_support_filter_xz(a) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(a) != ARCHIVE_OK) {
            return weft_err_from_archive(a, "libarchive", err);
        }
        rc = archive_read_open(a, r, NULL, read_block, NULL);
        return rc == ARCHIVE_OK ? 0 : weft_unpack_reader_failed(r, err);
    }
}

int weft_unpack_reader_next(struct weft_unpack_reader *r, struct archive_entry **e,
                            const char **name, struct weft_err **err)
{
    for (;;) {
        int rc = archive_read_next_header(r->archive, e);
        const char *path;
        bool root;

        if (rc == ARCHIVE_EOF) {
            return 0;
        }
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return weft_unpack_reader_failed(r, err);
        }
        path = archive_entry_pathname(*e);
        if (!path) {
            return weft_fail(err, WEFT_E_FORMAT, "%s: an entry whose name cannot be read",
                             r->in->name);
        }
        *name = weft_archive_name(path, &root, err);
        if (*name) {
            return 1;
        }
        if (!root) {
            return weft_err_wrap(err, "%s", r->in->name);
        }
    }
}

int weft_unpack_reader_drain(struct weft_unpack_reader *r, struct weft_err **err)
{
    ssize_t n;

    while ((n = read_some(r)) > 0) {
    }
    return n < 0 ? weft_unpack_reader_failed(r, err) : 0;
}

/* ---- one file ---- */

/* Read the data of the present entry, in the place of what *data had before. */
static int read_data(struct weft_unpack_reader *r, size_t limit, char **data, size_t *len,
                     struct weft_err **err)
{
    weft_auto_buf b = {0};

    for (;;) {
        char chunk[8192];
        la_ssize_t n = archive_read_data(r->archive, chunk, sizeof(chunk));

        if (n < 0) {
            return weft_unpack_reader_failed(r, err);
        }
        if (n == 0) {
            break;
        }
        if ((size_t)n > limit - b.len) {
            return weft_fail(err, WEFT_E_FORMAT, "%s: the file has more than %zu bytes",
                             r->in->name, limit);
        }
        weft_buf_append(&b, chunk, (size_t)n);
    }
    free(*data);
    *len = b.len;
    *data = weft_buf_steal(&b);
    return 0;
}

int weft_archive_read_file(const struct weft_archive_input *in, const char *const *names,
                           size_t limit, char **data, size_t *len, struct weft_err **err)
{
    weft_auto_unpack_reader r = {0};
    struct archive_entry *e;
    const char *path;
    weft_auto_free char *found = NULL;
    size_t found_len = 0;
    size_t best = SIZE_MAX; /* of names */
    bool is_file = false;
    int rc;

    if (weft_unpack_reader_open(&r, in, err) < 0) {
        return -1;
    }
    {
        weft_in_locale(r.utf8);

        while ((rc = weft_unpack_reader_next(&r, &e, &path, err)) > 0) {
            size_t i = 0;

            while (names[i] && strcmp(names[i], path) != 0) {
                i++;
            }
            if (!names[i] || i > best) {
                continue;
            }
            best = i; /* also in the place of an earlier entry of this name */
            is_file = !archive_entry_hardlink(e) && archive_entry_filetype(e) == AE_IFREG;
            if (is_file && read_data(&r, limit, &found, &found_len, err) < 0) {
                return -1;
            }
        }
    }
    if (rc < 0) {
        return -1;
    }
    if (best == SIZE_MAX || !is_file) {
        return best == SIZE_MAX ? 0 : 2;
    }
    *data = weft_steal(&found);
    *len = found_len;
    return 1;
}
