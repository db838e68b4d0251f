/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/catalogue.h"

#include <elf.h>
#include <string.h>

#include "platforms/match.h"

/*
 * The head of an ELF file. The mask lets through what the kernel itself does not look at: of
 * EI_OSABI the two low bits (0 System V, 3 GNU/Linux), all of EI_ABIVERSION (programs of mips and
 * loongarch carry others than 0). e_type may be ET_EXEC (2) or ET_DYN (3). The padding of e_ident
 * has to be zero, as it is in every file: it is where a copy of QEMU can be marked so that no
 * handler takes it.
 *
 * e_flags lie behind these bytes: the handlers of 32-bit mips take N32 programs too, which their
 * QEMU does not run; no platform has any.
 */
#define HEAD(class, data, type_hi, type_lo, machine_hi, machine_lo)                                \
    {                                                                                              \
        ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, data, EV_CURRENT, ELFOSABI_SYSV, 0, 0, 0, 0, 0, \
            0, 0, 0, type_hi, type_lo, machine_hi, machine_lo                                      \
    }
#define IDENT_MASK \
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

#define LITTLE(class, machine)                                                     \
    .elf_class = (class), .elf_data = ELFDATA2LSB, .elf_machine = (machine),       \
    .magic = HEAD(class, ELFDATA2LSB, ET_EXEC, 0, (machine)&0xff, (machine) >> 8), \
    .mask = {IDENT_MASK, 0xfe, 0xff, 0xff, 0xff}
#define BIG(class, machine)                                                        \
    .elf_class = (class), .elf_data = ELFDATA2MSB, .elf_machine = (machine),       \
    .magic = HEAD(class, ELFDATA2MSB, 0, ET_EXEC, (machine) >> 8, (machine)&0xff), \
    .mask = {IDENT_MASK, 0xff, 0xfe, 0xff, 0xff}

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/* What <elf.h> of glibc 2.36 has no names for. */
enum {
    RISCV_FLOAT_ABI_OR_RVE = 0xe, /* EF_RISCV_FLOAT_ABI, EF_RISCV_RVE */
    MIPS_ABI = 0xf000,            /* EF_MIPS_ABI: O32, O64, EABI; 0 is N32 or N64 */
    MIPS_ABI_O32 = 0x1000,
    MIPS_N32 = EF_MIPS_ABI2,
    LOONGARCH_FLOAT_ABI = 0x7, /* 1 soft, 2 single, 3 double */
    LOONGARCH_DOUBLE = 0x3,
};

#define FLAGS(value, bits) .elf_flags = (value), .elf_flags_mask = (bits)
#define EABI5 FLAGS(EF_ARM_EABI_VER5, EF_ARM_EABIMASK)
#define LP64D FLAGS(EF_RISCV_FLOAT_ABI_DOUBLE, RISCV_FLOAT_ABI_OR_RVE)
#define ELFV2 FLAGS(2, EF_PPC64_ABI)
#define ELFV1 FLAGS(0, 2) /* 1, and 0 in older files */
#define N64 FLAGS(0, MIPS_ABI | MIPS_N32)
#define O32 FLAGS(MIPS_ABI_O32, MIPS_ABI | MIPS_N32)
#define LOONG_LP64D FLAGS(LOONGARCH_DOUBLE, LOONGARCH_FLOAT_ABI)

static const struct weft_machine x86_64 = {"x86_64", LITTLE(ELFCLASS64, EM_X86_64)};
static const struct weft_machine i386 = {"i386", LITTLE(ELFCLASS32, EM_386)};
static const struct weft_machine aarch64 = {"aarch64", LITTLE(ELFCLASS64, EM_AARCH64)};
static const struct weft_machine arm = {"arm", LITTLE(ELFCLASS32, EM_ARM), EABI5};
static const struct weft_machine riscv64 = {"riscv64", LITTLE(ELFCLASS64, EM_RISCV), LP64D};
static const struct weft_machine ppc64le = {"ppc64le", LITTLE(ELFCLASS64, EM_PPC64), ELFV2};
static const struct weft_machine ppc64 = {"ppc64", BIG(ELFCLASS64, EM_PPC64), ELFV1};
static const struct weft_machine s390x = {"s390x", BIG(ELFCLASS64, EM_S390)};
static const struct weft_machine mips64el = {"mips64el", LITTLE(ELFCLASS64, EM_MIPS), N64};
static const struct weft_machine mips64 = {"mips64", BIG(ELFCLASS64, EM_MIPS), N64};
static const struct weft_machine mipsel = {"mipsel", LITTLE(ELFCLASS32, EM_MIPS), O32};
static const struct weft_machine mips = {"mips", BIG(ELFCLASS32, EM_MIPS), O32};
static const struct weft_machine loongarch64 = {"loongarch64", LITTLE(ELFCLASS64, EM_LOONGARCH),
                                                LOONG_LP64D};

static const struct weft_machine *const machines[] = {
    &x86_64, &i386,     &aarch64, &arm,    &riscv64, &ppc64le,     &ppc64,
    &s390x,  &mips64el, &mips64,  &mipsel, &mips,    &loongarch64,
};

#define FLOAT_ABI (EF_ARM_ABI_FLOAT_HARD | EF_ARM_ABI_FLOAT_SOFT)
#define HARD_FLOAT FLAGS(EF_ARM_ABI_FLOAT_HARD, FLOAT_ABI)
#define SOFT_FLOAT FLAGS(EF_ARM_ABI_FLOAT_SOFT, FLOAT_ABI)

/* Of each machine its plain platform stands first. The variants of amd64 and arm64 are those that
 * Go has (GOAMD64, GOARM64). */
static const struct weft_platform_info platforms[] = {
    {{"linux", "amd64", ""}, &x86_64, "x86_64-linux-gnu", "amd64"},
    {{"linux", "amd64", "v2"}, &x86_64, "x86_64-linux-gnu", "amd64"},
    {{"linux", "amd64", "v3"}, &x86_64, "x86_64-linux-gnu", "amd64"},
    {{"linux", "amd64", "v4"}, &x86_64, "x86_64-linux-gnu", "amd64"},
    {{"linux", "386", ""}, &i386, "i686-linux-gnu", "i386"},
    {{"linux", "arm64", ""}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.1"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.2"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.3"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.4"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.5"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.6"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.7"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.8"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v8.9"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9.1"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9.2"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9.3"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9.4"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm64", "v9.5"}, &aarch64, "aarch64-linux-gnu", "arm64"},
    {{"linux", "arm", "v7"}, &arm, "arm-linux-gnueabihf", "armhf", HARD_FLOAT},
    /* no port of Debian: its armhf is v7, its armel v5TE with another ABI */
    {{"linux", "arm", "v6"}, &arm, "arm-linux-gnueabihf", NULL, HARD_FLOAT},
    {{"linux", "arm", "v5"}, &arm, "arm-linux-gnueabi", "armel", SOFT_FLOAT},
    {{"linux", "riscv64", ""}, &riscv64, "riscv64-linux-gnu", "riscv64"},
    {{"linux", "ppc64le", ""}, &ppc64le, "powerpc64le-linux-gnu", "ppc64el"},
    {{"linux", "s390x", ""}, &s390x, "s390x-linux-gnu", "s390x"},
    {{"linux", "mips64le", ""}, &mips64el, "mips64el-linux-gnuabi64", "mips64el"},
    {{"linux", "loong64", ""}, &loongarch64, "loongarch64-linux-gnu", "loong64"},
    {{"linux", "ppc64", ""}, &ppc64, "powerpc64-linux-gnu", "ppc64"},
    {{"linux", "mips64", ""}, &mips64, "mips64-linux-gnuabi64", "mips64"},
    {{"linux", "mipsle", ""}, &mipsel, "mipsel-linux-gnu", "mipsel"},
    {{"linux", "mips", ""}, &mips, "mips-linux-gnu", "mips"},
    /* for images without RUN */
    {{"windows", "amd64", ""}, NULL, NULL, NULL},
};

const struct weft_platform_info *weft_catalogue_find(const struct weft_platform *p)
{
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        if (weft_platform_eq(&platforms[i].platform, p)) {
            return &platforms[i];
        }
    }
    return NULL;
}

const struct weft_platform_info *weft_catalogue(size_t *n)
{
    *n = sizeof(platforms) / sizeof(platforms[0]);
    return platforms;
}

const struct weft_platform_info *weft_catalogue_default_of(const struct weft_machine *m)
{
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        if (platforms[i].machine == m) {
            return &platforms[i];
        }
    }
    return NULL;
}

const struct weft_machine *const *weft_catalogue_machines(size_t *n)
{
    *n = sizeof(machines) / sizeof(machines[0]);
    return machines;
}

bool weft_catalogue_maybe_native(const struct weft_platform *host, const struct weft_platform *p)
{
    if (strcmp(host->os, p->os) == 0 && strcmp(host->arch, p->arch) == 0 &&
        strcmp(host->arch, "arm") != 0) {
        return true;
    }
    return weft_platform_matches(host, p, false);
}

bool weft_machine_matches(const struct weft_machine *m, const unsigned char *head, size_t len)
{
    if (len < WEFT_ELF_HEAD_SIZE) {
        return false;
    }
    for (size_t i = 0; i < WEFT_ELF_HEAD_SIZE; i++) {
        if ((head[i] ^ m->magic[i]) & m->mask[i]) {
            return false;
        }
    }
    return true;
}
