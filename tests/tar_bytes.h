/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tars made header by header, so that they can hold what no tar program would write. For the tests
 * and the fuzz target of engine/unpack.h.
 */
#ifndef WEFT_TESTS_TAR_BYTES_H
#define WEFT_TESTS_TAR_BYTES_H

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum {
    TAR_BLOCK = 512
};

/* Append an entry: type '0' file, '1' hard link, '2' symbolic link, '3' device, '5' directory. */
static inline void tar_entry(struct weft_buf *b, char type, const char *name, const char *link,
                             unsigned mode, const void *data, size_t len)
{
    char h[TAR_BLOCK + 1] = {0};
    unsigned sum = 0;

    memcpy(h, name, strnlen(name, 100));
    snprintf(h + 100, 8, "%07o", mode & 07777777);
    snprintf(h + 108, 8, "%07o", 0u);
    snprintf(h + 116, 8, "%07o", 0u);
    snprintf(h + 124, 12, "%011o", (unsigned)len);
    snprintf(h + 136, 12, "%011o", 86400u);
    h[156] = type;
    if (link) {
        memcpy(h + 157, link, strnlen(link, 100));
    }
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++) {
        sum += (unsigned char)h[i];
    }
    snprintf(h + 148, 8, "%06o", sum);
    weft_buf_append(b, h, TAR_BLOCK);
    if (len > 0) {
        static const char zeros[TAR_BLOCK];

        weft_buf_append(b, data, len);
        weft_buf_append(b, zeros, (TAR_BLOCK - len % TAR_BLOCK) % TAR_BLOCK);
    }
}

static inline void tar_file(struct weft_buf *b, const char *name, const char *text)
{
    tar_entry(b, '0', name, NULL, 0644, text, strlen(text));
}

static inline void tar_end(struct weft_buf *b)
{
    static const char zeros[2 * TAR_BLOCK];

    weft_buf_append(b, zeros, sizeof(zeros));
}

#endif
