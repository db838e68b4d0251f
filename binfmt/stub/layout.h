/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What weft and the stub agree on: the head of the stub, which weft fills in when it puts the stub
 * into a copy of QEMU. Read by C and by the assembler.
 */
#ifndef WEFT_BINFMT_STUB_LAYOUT_H
#define WEFT_BINFMT_STUB_LAYOUT_H

#define WEFT_STUB_MAGIC "weftstub" /* 8 bytes, no NUL */
#define WEFT_STUB_VERSION 1

#ifndef __ASSEMBLER__
#include <stdint.h>

/** At the stub's first byte. Offsets are from that byte, so that nothing has to be relocated. */
struct weft_stub_head {
    char magic[8];
    uint32_t version;
    uint32_t start;     /* where the stub's own code begins */
    int64_t qemu_entry; /* QEMU's entry point; filled in by weft */
    uint32_t model;     /* the CPU model, NUL-terminated, behind the code; filled in by weft */
    uint32_t size;      /* of all of it; filled in by weft */
};
#endif

#endif
