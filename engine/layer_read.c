/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/layer_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    READ_BYTES = 128 << 10,
    HEADER_LIMIT_BYTES =
        4 << 20, /* that one entry's headers take: long names, pax, maps of holes */
};

/* What a layer may unpack to. gzip packs 1032 bytes into one at best, so that no gzip reaches it;
 * zstd can be a bomb. */
#define UNPACKED_FREE_BYTES (UINT64_C(1) << 30)
#define UNPACKED_RATIO UINT64_C(1100)

/*
 * Two readers of libarchive, one behind the other: the first unpacks, the second reads the tar. So
 * it is seen here how much the second takes: within a header it would take, and keep, as much as
 * the layer wants.
 */
struct weft_layer {
    struct weft_layer_input in;
    char *name;
    struct archive *unpack;
    struct archive *tar;
    locale_t utf8; /* as for struct weft_tar */
    unsigned char *buf;
    uint64_t at; /* bytes of the input that were read */
    struct weft_hash *hash;
    uint64_t unpacked_bytes, unpacked_limit;
    uint64_t header_from; /* unpacked_bytes where a header was begun */
    bool in_header;
    bool at_end;
    struct weft_err *read_err; /* what a callback met; libarchive only carries a text */
};

static void locale_leave(const locale_t *saved)
{
    if (*saved) {
        uselocale(*saved);
    }
}

#define in_utf8(l)                                                                \
    __attribute__((cleanup(locale_leave)))                                        \
    const locale_t saved_locale = (l)->utf8 ? uselocale((l)->utf8) : (locale_t)0; \
    (void)saved_locale

static int fail_damaged(const struct weft_layer *l, struct archive *a, struct weft_err **err)
{
    const char *text = archive_error_string(a);
    weft_auto_free char *shown = weft_printable(text ? text : "damaged");

    return weft_fail(err, WEFT_E_FORMAT, "%s: %s", l->name, shown);
}

/* The error of a reader: ours, if a callback failed. Whatever libarchive finds by itself is damage,
 * and its errno values (EINVAL, ENOMEM for a size that it will not take) say no more. */
static int reader_failed(struct weft_layer *l, struct archive *a, struct weft_err **err)
{
    if (!l->read_err) {
        return fail_damaged(l, a, err);
    }
    if (err) {
        *err = weft_steal(&l->read_err);
    }
    return -1;
}

/* ---- bytes ---- */

/* The next bytes of the input, in l->buf. 0: its end. */
static ssize_t read_input(struct weft_layer *l, const void **out, struct weft_err **err)
{
    uint64_t left = l->in.size_bytes - l->at;
    size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
    ssize_t n = (ssize_t)want;

    if (l->in.cancel && atomic_load_explicit(l->in.cancel, memory_order_relaxed)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (want == 0) {
        return 0;
    }
    if (l->in.bytes) {
        *out = (const unsigned char *)l->in.bytes + l->at;
    } else {
        do {
            n = pread(l->in.fd, l->buf, want, (off_t)(l->in.offset + l->at));
        } while (n < 0 && errno == EINTR);
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "%s", l->name);
        }
        *out = l->buf;
    }
    if (l->hash) {
        weft_hash_update(l->hash, *out, (size_t)n);
    }
    l->at += (uint64_t)n;
    return n;
}

static la_ssize_t give_packed(struct archive *a, void *data, const void **out)
{
    struct weft_layer *l = data;
    ssize_t n = l->read_err ? -1 : read_input(l, out, &l->read_err);

    if (n < 0) {
        archive_set_error(a, EIO, "read failed");
    }
    return n;
}

static la_ssize_t give_unpacked(struct archive *a, void *data, const void **out)
{
    struct weft_layer *l = data;
    la_int64_t offset;
    size_t n = 0;
    int r = l->read_err ? ARCHIVE_FATAL : archive_read_data_block(l->unpack, out, &n, &offset);

    if (r == ARCHIVE_EOF) {
        return 0;
    }
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
        if (!l->read_err) {
            fail_damaged(l, l->unpack, &l->read_err);
        }
    } else if (l->in_header && l->unpacked_bytes - l->header_from > HEADER_LIMIT_BYTES) {
        weft_fail(&l->read_err, WEFT_E_FORMAT, "%s: an entry with endless headers", l->name);
    } else if (l->unpacked_bytes > l->unpacked_limit) {
        weft_fail(&l->read_err, WEFT_E_UNSUPPORTED, "%s: it unpacks to more than %llu bytes",
                  l->name, (unsigned long long)l->unpacked_limit);
    } else {
        l->unpacked_bytes += n;
        return (la_ssize_t)n;
    }
    archive_set_error(a, EIO, "read failed");
    return -1;
}

/* ---- open and close ---- */

static int open_unpacker(struct weft_layer *l, struct weft_err **err)
{
    struct archive *a = l->unpack = archive_read_new();
    struct archive_entry *e;
    int r;

    if (!a) {
        abort();
    }
    /* a libarchive without a library for one of them would start a program: that is ARCHIVE_WARN */
    if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(a) != ARCHIVE_OK) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "libarchive has no gzip, or no zstd");
    }
    if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_read_support_format_empty(a) != ARCHIVE_OK ||
        archive_read_open2(a, l, NULL, give_packed, NULL, NULL) != ARCHIVE_OK) {
        return reader_failed(l, a, err);
    }
    r = archive_read_next_header(a, &e);
    l->at_end = r == ARCHIVE_EOF;
    return r == ARCHIVE_OK || l->at_end ? 0 : reader_failed(l, a, err);
}

static int open_tar(struct weft_layer *l, struct weft_err **err)
{
    struct archive *a = l->tar = archive_read_new();

    if (!a) {
        abort();
    }
    if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_support_format_empty(a) != ARCHIVE_OK ||
        archive_read_open2(a, l, NULL, give_unpacked, NULL, NULL) != ARCHIVE_OK) {
        return reader_failed(l, a, err);
    }
    return 0;
}

struct weft_layer *weft_layer_open(const struct weft_layer_input *in, struct weft_err **err)
{
    weft_auto_layer l = weft_xcalloc(1, sizeof(*l));
    weft_auto_err why = NULL;

    l->in = *in;
    l->name = weft_xstrdup(in->name);
    l->buf = in->bytes ? NULL : weft_xmalloc(READ_BYTES);
    l->hash = in->digest ? weft_hash_create() : NULL;
    l->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    l->unpacked_limit =
        in->size_bytes < UINT64_MAX / UNPACKED_RATIO ? in->size_bytes * UNPACKED_RATIO : UINT64_MAX;
    if (l->unpacked_limit < UNPACKED_FREE_BYTES) {
        l->unpacked_limit = UNPACKED_FREE_BYTES;
    }
    if (open_unpacker(l, &why) < 0 || (!l->at_end && open_tar(l, &why) < 0)) {
        /* that it is not what it should be says more than that it makes no sense */
        if (why->code == WEFT_E_FORMAT && weft_layer_check(l, err) < 0) {
            return NULL;
        }
        if (err) {
            *err = weft_steal(&why);
        }
        return NULL;
    }
    return weft_steal(&l);
}

void weft_layer_close(struct weft_layer *l)
{
    if (!l) {
        return;
    }
    if (l->tar) {
        archive_read_free(l->tar);
    }
    archive_read_free(l->unpack);
    if (l->utf8) {
        freelocale(l->utf8);
    }
    if (l->hash) {
        weft_hash_destroy(l->hash);
    }
    weft_err_free(l->read_err);
    free(l->name);
    free(l->buf);
    free(l);
}

void weft_layer_closep(struct weft_layer **l)
{
    weft_layer_close(*l);
}

/* ---- entries ---- */

static const char *bounded(const char *path)
{
    return path && strnlen(path, WEFT_LAYER_PATH_LIMIT) < WEFT_LAYER_PATH_LIMIT ? path : "";
}

static enum weft_layer_type type_of(struct archive_entry *e)
{
    if (archive_entry_hardlink(e)) {
        return WEFT_LAYER_HARDLINK;
    }
    switch (archive_entry_filetype(e)) {
    case AE_IFREG:
        return WEFT_LAYER_FILE;
    case AE_IFDIR:
        return WEFT_LAYER_DIR;
    case AE_IFLNK:
        return WEFT_LAYER_SYMLINK;
    default:
        return WEFT_LAYER_OTHER;
    }
}

static void fill_entry(struct archive_entry *a, struct weft_layer_entry *e)
{
    int64_t size = archive_entry_size_is_set(a) ? archive_entry_size(a) : 0;

    *e = (struct weft_layer_entry){
        .path = bounded(archive_entry_pathname(a)),
        .type = type_of(a),
        .is_executable = archive_entry_perm(a) & 0111,
        .size_bytes = size > 0 ? (uint64_t)size : 0,
    };
    if (e->type == WEFT_LAYER_HARDLINK) {
        e->target = bounded(archive_entry_hardlink(a));
    } else if (e->type == WEFT_LAYER_SYMLINK) {
        e->target = bounded(archive_entry_symlink(a));
    }
}

int weft_layer_next(struct weft_layer *l, struct weft_layer_entry *e, struct weft_err **err)
{
    struct archive_entry *a;
    const void *data;
    uint64_t offset;
    size_t len;
    int r = 1;
    in_utf8(l);

    /* not left to libarchive, so that its appetite is known for that of a header */
    while (!l->at_end && l->header_from > 0 && r == 1) {
        r = weft_layer_data(l, &data, &len, &offset, err);
    }
    if (r < 0) {
        return -1;
    }
    if (l->at_end) {
        return 0;
    }
    l->in_header = true;
    l->header_from = l->unpacked_bytes > 0 ? l->unpacked_bytes : 1;
    r = archive_read_next_header(l->tar, &a);
    l->in_header = false;
    if (r == ARCHIVE_EOF) {
        l->at_end = true;
        return 0;
    }
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
        return reader_failed(l, l->tar, err);
    }
    fill_entry(a, e);
    e->data_offset = (uint64_t)archive_filter_bytes(l->tar, 0);
    return 1;
}

int weft_layer_data(struct weft_layer *l, const void **data, size_t *len, uint64_t *offset,
                    struct weft_err **err)
{
    la_int64_t at = 0;
    int r;
    in_utf8(l);

    do {
        *len = 0;
        r = archive_read_data_block(l->tar, data, len, &at);
    } while ((r == ARCHIVE_OK || r == ARCHIVE_WARN) && *len == 0);
    if (r == ARCHIVE_EOF) {
        return 0;
    }
    if ((r != ARCHIVE_OK && r != ARCHIVE_WARN) || at < 0) {
        return reader_failed(l, l->tar, err);
    }
    *offset = (uint64_t)at;
    return 1;
}

bool weft_layer_is_packed(const struct weft_layer *l)
{
    return archive_filter_code(l->unpack, 0) != ARCHIVE_FILTER_NONE;
}

int weft_layer_check(struct weft_layer *l, struct weft_err **err)
{
    char found[WEFT_DIGEST_SIZE];
    const void *data;
    ssize_t n;

    if (!l->hash) {
        return 0;
    }
    while ((n = read_input(l, &data, err)) > 0) {
    }
    if (n < 0) {
        return -1;
    }
    weft_hash_final(l->hash, found);
    weft_hash_destroy(l->hash);
    l->hash = NULL;
    return strcmp(found, l->in.digest) == 0
               ? 0
               : weft_fail(err, WEFT_E_DIGEST, "%s: its content is %s", l->name, found);
}
