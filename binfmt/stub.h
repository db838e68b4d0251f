/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub (binfmt/stub/) as weft sees it: a flat binary, built for this machine, that goes into a
 * copy of QEMU as one more segment. Puts it together for one QEMU and one CPU model; writes no file
 * (binfmt/qemu_copy.h).
 */
#ifndef WEFT_BINFMT_STUB_H
#define WEFT_BINFMT_STUB_H

#include <stddef.h>
#include <stdint.h>

#include "platforms/elf.h"

struct weft_err;

/** A stub as it was built. */
struct weft_stub {
    const unsigned char *code;
    size_t len;
    uint16_t machine; /* ELF's number of the machine that it runs on */
};

/** The stub for this machine; NULL: there is none. Static. */
const struct weft_stub *weft_stub_here(void);

/** What has to be written into a copy of a QEMU. End with weft_stub_patch_finish. */
struct weft_stub_patch {
    struct weft_elf_insertion where;
    unsigned char *segment; /* goes to where.offset */
    size_t segment_len;
};

/**
 * Make the stub ready for the QEMU program image[len] and `model`.
 * Errors: WEFT_E_UNSUPPORTED (as of weft_elf_insert; it has a stub already), WEFT_E_USAGE (a model
 * that is no argument of -cpu), WEFT_E_FORMAT.
 */
int weft_stub_prepare(const struct weft_stub *s, const void *image, size_t len, const char *model,
                      struct weft_stub_patch *out, struct weft_err **err);
void weft_stub_patch_finish(struct weft_stub_patch *p);
#define weft_auto_stub_patch __attribute__((cleanup(weft_stub_patch_finish))) struct weft_stub_patch

#endif
