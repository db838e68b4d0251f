/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive while it is read, entry by entry: what unpack_read.c does for unpack.c. Private to
 * them.
 */
#ifndef WEFT_ENGINE_UNPACK_PARTS_H
#define WEFT_ENGINE_UNPACK_PARTS_H

#include <locale.h>
#include <stdbool.h>

struct archive;
struct archive_entry;
struct weft_archive_input;
struct weft_err;
struct weft_hash;

/** Start from {0}. */
struct weft_unpack_reader {
    struct archive *archive;
    const struct weft_archive_input *in;
    locale_t utf8; /* what calls of libarchive run in (layer_parts.h) */
    struct weft_hash *hash;
    struct weft_err *err; /* of the callback; libarchive only carries a text */
    char *buf;
    bool head_given;
};
void weft_unpack_reader_finish(struct weft_unpack_reader *r);
#define weft_auto_unpack_reader \
    __attribute__((cleanup(weft_unpack_reader_finish))) struct weft_unpack_reader

int weft_unpack_reader_open(struct weft_unpack_reader *r, const struct weft_archive_input *in,
                            struct weft_err **err);

/** Returns 1 with the next entry, and its name in the archive (weft_archive_name), both good until
 * the next call; 0 at the end. The root is passed over. */
int weft_unpack_reader_next(struct weft_unpack_reader *r, struct archive_entry **e,
                            const char **name, struct weft_err **err);

/** Read on to the end of the input: who writes to our pipe should not be ended by it, and the
 * digest is that of all bytes. */
int weft_unpack_reader_drain(struct weft_unpack_reader *r, struct weft_err **err);

/** Convert what libarchive met: ours, if the callback failed. Returns -1. */
int weft_unpack_reader_failed(struct weft_unpack_reader *r, struct weft_err **err);

#endif
