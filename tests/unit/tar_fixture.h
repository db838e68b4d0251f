/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and ELF files that are laid out byte by byte, for tests of what reads them. */
#ifndef WEFT_TESTS_UNIT_TAR_FIXTURE_H
#define WEFT_TESTS_UNIT_TAR_FIXTURE_H

#include <stdint.h>

#include "base/str.h"

/** Add an entry: type '0' a file of data[len], '1' and '2' links to `target`, '5' a directory; any
 * other letter as it is. `target` may be NULL. */
void tar_add(struct weft_buf *tar, const char *path, char type, unsigned int mode,
             const char *target, const void *data, size_t len);

/** Add the end. */
void tar_end(struct weft_buf *tar);

/** What an ELF file shall be like. */
struct elf_recipe {
    uint16_t machine, type; /* 64 bits, little-endian */
    const char *interpreter;
    const char *runpath;
    const char *needed[4];
};

/** Append one. */
void elf_make(const struct elf_recipe *r, struct weft_buf *out);

#endif
