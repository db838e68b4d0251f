/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: what weft knows of each platform that it can build for: how its ELF files begin,
 * which QEMU program runs them. One constant table; knows nothing of the machine it runs on.
 */
#ifndef WEFT_PLATFORMS_CATALOGUE_H
#define WEFT_PLATFORMS_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "platforms/platform.h"

/* e_ident[16], e_type, e_machine: what a binfmt_misc handler can match a machine by */
enum {
    WEFT_ELF_HEAD_SIZE = 20
};

/** One ELF machine: what one binfmt_misc handler serves. */
struct weft_machine {
    const char *qemu;            /* QEMU's name: program "qemu-aarch64-static" or "qemu-aarch64" */
    unsigned char elf_class;     /* ELFCLASS32, ELFCLASS64 */
    unsigned char elf_data;      /* ELFDATA2LSB, ELFDATA2MSB */
    unsigned short elf_machine;  /* EM_... */
    unsigned int elf_flags;      /* e_flags that tell its ABI from others of the same EM_... */
    unsigned int elf_flags_mask; /* the bits of them that say so; 0: none do */
    unsigned char magic[WEFT_ELF_HEAD_SIZE]; /* first bytes of its programs ... */
    unsigned char mask[WEFT_ELF_HEAD_SIZE];  /* ... where the mask has bits */
};

/** One platform. */
struct weft_platform_info {
    struct weft_platform platform;
    const struct weft_machine *machine; /* NULL: nothing here runs its programs (windows) */
    const char *triplet;                /* GNU's: "aarch64-linux-gnu"; NULL: none */
    const char *debian_arch; /* dpkg's name of the programs' architecture; NULL: none fits */
    unsigned int elf_flags;  /* e_flags that tell it from others of its machine, in files that */
    unsigned int elf_flags_mask; /* have any of these bits: Go sets none; 0: there are none */
};

/** The entry of a platform in normal form, or NULL. */
const struct weft_platform_info *weft_catalogue_find(const struct weft_platform *p);

/** All entries, in the order in which they are shown. */
const struct weft_platform_info *weft_catalogue(size_t *n);

/** The platform that a machine's handler serves in a worker that builds for none of them: the
 * machine's plain one (linux/arm/v7 for arm, linux/amd64, linux/arm64). Never NULL. */
const struct weft_platform_info *weft_catalogue_default_of(const struct weft_machine *m);

/** All machines (each once). */
const struct weft_machine *const *weft_catalogue_machines(size_t *n);

/** Whether a machine of `host` may run programs of `p` without emulation: the same in any variant,
 * amd64 -> 386, arm64 -> arm, arm -> arm of a lower version. A hint, not a promise: 386 and arm are
 * to be confirmed by running a program (binfmt/probe.h), variants of amd64 and arm64 by what the
 * CPU has (platforms/level.h). */
bool weft_catalogue_maybe_native(const struct weft_platform *host, const struct weft_platform *p);

/** Whether a file that begins with these bytes is a program of this machine, as binfmt_misc would
 * match it. */
bool weft_machine_matches(const struct weft_machine *m, const unsigned char *head, size_t len);

#endif
