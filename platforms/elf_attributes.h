/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build attributes, as .ARM.attributes and .riscv.attributes hold them (Addenda to the ABI for the
 * Arm Architecture; RISC-V ELF psABI). Pure: bytes in, and none of them is trusted.
 */
#ifndef WEFT_PLATFORMS_ELF_ATTRIBUTES_H
#define WEFT_PLATFORMS_ELF_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

/** Those of the whole file that somebody asks for. */
struct weft_elf_attributes {
    bool has_cpu;
    unsigned int arm_cpu;      /* Tag_CPU_arch */
    unsigned int arm_vfp_args; /* Tag_ABI_VFP_args; 0 where it is not there */
    char *riscv_arch;          /* Tag_RISCV_arch; or NULL. Caller frees */
};

/**
 * Read those of a vendor ("aeabi", "riscv") from the section p[len]. What was read before the
 * damage is kept. Returns 0, or -1 for a section that is none.
 */
int weft_elf_attributes_read(const unsigned char *p, size_t len, bool big_endian,
                             const char *vendor, struct weft_elf_attributes *out);

#endif
