/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the audit wants to know of one ELF file: for which machine and ABI it is, which instructions
 * it says that it needs, what it is linked to. Every byte of the file may be hostile: each part is
 * read by itself, with a bound of its own, and what is wrong in one does not hide the others. The
 * second place that knows libelf (the first is platforms/elf.c).
 */
#ifndef WEFT_PLATFORMS_ELF_FACTS_H
#define WEFT_PLATFORMS_ELF_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct weft_err;

/** The bytes of a file: in memory, or where `image` is NULL in an open file, whose offset is
 * neither used nor changed. */
struct weft_elf_input {
    const void *image;
    int fd;
    uint64_t size_bytes;
};

/** Copy len bytes from `offset`. Returns 0, or -1 with WEFT_E_FORMAT (they are not in the file),
 * WEFT_E_IO. */
int weft_elf_input_read(const struct weft_elf_input *in, uint64_t offset, void *buf, size_t len,
                        struct weft_err **err);

enum {
    WEFT_ELF_STRING_LIMIT = 4096, /* bytes of a name in it, with the NUL */
    WEFT_ELF_NEEDED_LIMIT = 1024, /* libraries */
};

/** .MIPS.abiflags. Numbers as in binutils' documentation of it. */
struct weft_elf_mips {
    bool is_known;
    uint8_t isa_level; /* 1 to 5, 32, 64 */
    uint8_t isa_rev;   /* 0; 1 to 6 for levels 32 and 64 */
    uint8_t fp_abi;    /* 3: soft float */
};

/** Numbers as in <elf.h>. Start from {0}; end with weft_elf_facts_finish. */
struct weft_elf_facts {
    unsigned int bits; /* 32 or 64 */
    bool big_endian;
    uint8_t os_abi;
    uint16_t type;
    uint16_t machine;
    uint32_t flags;

    bool is_debug;        /* its code was split off: only symbols are left, nothing is linked */
    bool is_dynamic;      /* it has a dynamic section */
    bool no_default_dirs; /* DF_1_NODEFLIB: its libraries are not in the system's directories */
    char *interpreter;    /* or NULL */
    char *soname;         /* or NULL */
    char *rpath;          /* or NULL; as the others, as it is in the file */
    char *runpath;        /* or NULL */
    struct weft_strv needed;
    char *glibc; /* the highest version of a GLIBC_ symbol that it needs, "2.34"; or NULL */

    uint32_t x86_needed;       /* GNU_PROPERTY_X86_ISA_1_NEEDED: bit 0 baseline, 1 v2, 2 v3, 3 v4 */
    bool has_arm_cpu;          /* .ARM.attributes, with ... */
    unsigned int arm_cpu;      /* Tag_CPU_arch */
    unsigned int arm_vfp_args; /* Tag_ABI_VFP_args; 0 where it says nothing */
    char *riscv_arch;          /* "rv64i2p1_m2p0_..."; or NULL */
    struct weft_elf_mips mips;

    bool has_kernel;        /* NT_GNU_ABI_TAG for Linux: the oldest kernel that it runs on */
    unsigned int kernel[3]; /* 3, 2, 0 */

    const char *damage; /* what could not be read of it; NULL: nothing. Static */
};

/**
 * Read the facts. A file whose heads are whole is one, whatever else is wrong with it.
 * Errors: WEFT_E_FORMAT (no ELF file), WEFT_E_IO. Thread: any, once one call has returned.
 */
int weft_elf_facts_read(const struct weft_elf_input *in, struct weft_elf_facts *out,
                        struct weft_err **err);
void weft_elf_facts_finish(struct weft_elf_facts *f);
#define weft_auto_elf_facts __attribute__((cleanup(weft_elf_facts_finish))) struct weft_elf_facts

/** Compare versions of decimal numbers with dots, "2.4" < "2.34": less than, equal to or greater
 * than 0. */
int weft_version_cmp(const char *a, const char *b);

#endif
