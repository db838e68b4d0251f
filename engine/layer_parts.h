/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that know libarchive share: layer.c, which writes, unpack.c and unpack_read.c.
 * Private to them.
 */
#ifndef WEFT_ENGINE_LAYER_PARTS_H
#define WEFT_ENGINE_LAYER_PARTS_H

#include <locale.h>
#include <stdbool.h>

struct archive;
struct weft_err;

/*
 * libarchive converts names through the locale of the thread; a program in the C locale would lose
 * all names that are not ASCII. So every call runs in C.UTF-8. Names that are not UTF-8 go through
 * as bytes.
 */
static inline void weft_locale_leave(const locale_t *saved)
{
    if (*saved) {
        uselocale(*saved);
    }
}

#define weft_in_locale(utf8)                                              \
    __attribute__((cleanup(weft_locale_leave)))                           \
    const locale_t saved_locale = (utf8) ? uselocale(utf8) : (locale_t)0; \
    (void)saved_locale

/** Convert an error of libarchive, which met it with `name`: damage is -1 or EILSEQ there, the rest
 * is errno. Returns -1. */
int weft_err_from_archive(struct archive *a, const char *name, struct weft_err **err);

/** The name of an entry without "/" and "./" at its beginning. Borrowed from it. NULL, with *root
 * set, for the root itself, or without where a ".." in it leads out (WEFT_E_FORMAT). */
const char *weft_archive_name(const char *path, bool *root, struct weft_err **err);

#endif
