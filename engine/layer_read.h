/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of layers: a tar, packed with gzip or zstd or not at all, as a stream of entries. The
 * layer may be hostile: what it unpacks to is bounded in bytes, and what one header takes as well.
 * One read serves its digest, too. Knows no image, and gives no meaning to names: whiteouts and
 * links are the caller's. With engine/layer.c the only place that knows libarchive.
 */
#ifndef WEFT_ENGINE_LAYER_READ_H
#define WEFT_ENGINE_LAYER_READ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;
struct weft_layer; /* belongs to one thread at a time */

enum {
    WEFT_LAYER_PATH_LIMIT = 4096, /* bytes of a path or a target, with a NUL, as for the kernel */
};

/** Where a layer is. All is borrowed until weft_layer_close. */
struct weft_layer_input {
    const char *name;   /* for errors */
    const char *digest; /* that it must have; or NULL: nobody knows */
    const void *bytes;  /* in memory; or NULL, and then */
    int fd;             /* in a file, whose offset is neither used nor changed */
    uint64_t offset;
    uint64_t size_bytes;
    const atomic_bool *cancel; /* or NULL */
};

enum weft_layer_type {
    WEFT_LAYER_FILE,
    WEFT_LAYER_DIR,
    WEFT_LAYER_SYMLINK,
    WEFT_LAYER_HARDLINK,
    WEFT_LAYER_OTHER, /* a device, a pipe, a socket */
};

/** An entry. Strings are borrowed until the next call. */
struct weft_layer_entry {
    const char *path;   /* as it is in the tar; "" where it cannot be read, or is over the limit */
    const char *target; /* of a link, as path; or NULL */
    enum weft_layer_type type;
    bool is_executable;   /* for anybody */
    uint64_t size_bytes;  /* of a file, holes included */
    uint64_t data_offset; /* of its data, in what the input unpacks to */
};

/** Errors: WEFT_E_FORMAT (damaged from the beginning on), WEFT_E_DIGEST (the same, and it is not
 * what it should be), WEFT_E_IO, WEFT_E_CANCELLED, WEFT_E_UNSUPPORTED (a libarchive without gzip or
 * zstd).
 */
struct weft_layer *weft_layer_open(const struct weft_layer_input *in, struct weft_err **err);
void weft_layer_close(struct weft_layer *l);
void weft_layer_closep(struct weft_layer **l);
#define weft_auto_layer __attribute__((cleanup(weft_layer_closep))) struct weft_layer *

/**
 * The next entry; what was not read of the last one's data is skipped. Returns 1, 0 at the end, or
 * -1. Errors: WEFT_E_FORMAT (damaged, no tar at all), WEFT_E_UNSUPPORTED (it unpacks to more than
 * weft reads), WEFT_E_IO, WEFT_E_CANCELLED.
 */
int weft_layer_next(struct weft_layer *l, struct weft_layer_entry *e, struct weft_err **err);

/** A piece of the entry's data, at `offset` in the file; holes are left out. Returns 1, 0 at the
 * end, or -1. Borrowed until the next call. Errors: as above. */
int weft_layer_data(struct weft_layer *l, const void **data, size_t *len, uint64_t *offset,
                    struct weft_err **err);

/** Whether the input is packed: else data_offset is one of the input. */
bool weft_layer_is_packed(const struct weft_layer *l);

/** Read what is behind the tar's end, and check the digest. Errors: WEFT_E_DIGEST, WEFT_E_IO,
 * WEFT_E_CANCELLED. */
int weft_layer_check(struct weft_layer *l, struct weft_err **err);

#endif
