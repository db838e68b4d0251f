/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions: what a file says that it needs, and what a platform promises. */
#include "config.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "platforms/audit.h"

/* ---- x86 ---- */

/* The highest level in the bits of GNU_PROPERTY_X86_ISA_1_NEEDED: 0 where there is none. Bits that
 * are not known are above all. */
static unsigned int x86_level(uint32_t needed)
{
    unsigned int level = 0;

    for (unsigned int bit = 0; bit < 32; bit++) {
        if (needed & UINT32_C(1) << bit) {
            level = bit + 1;
        }
    }
    return level;
}

static char *x86_text(unsigned int level)
{
    if (level > 4) {
        return weft_xstrdup("an x86-64 level above v4");
    }
    return level > 1 ? weft_fmt("x86-64-v%u", level) : weft_xstrdup("x86-64 baseline");
}

static void judge_x86(const struct weft_platform *p, const struct weft_elf_facts *f,
                      struct weft_audit_verdicts *out)
{
    unsigned int needed = x86_level(f->x86_needed);
    unsigned int promised = 1;

    if (strcmp(p->arch, "amd64") == 0 && p->variant[0] == 'v' && p->variant[1] >= '2' &&
        p->variant[1] <= '4') {
        promised = (unsigned int)(p->variant[1] - '0');
    }
    if (needed > promised) {
        weft_auto_free char *above = x86_text(needed);
        weft_auto_free char *most = strcmp(p->arch, "386") == 0 ? weft_xstrdup("i686")
                                                                : x86_text(promised);

        weft_audit_verdict_add(out, WEFT_AUDIT_ISA, weft_fmt("it needs %s", above),
                               weft_fmt("at most %s", most));
    }
}

/* ---- arm ---- */

/* By Tag_CPU_arch: name, and the architecture version whose application processors have it; 0: no
 * processor that runs Linux with an MMU does. */
static const struct {
    const char *name;
    unsigned int version;
} arm_cpus[] = {
    {"before ARMv4", 3}, {"ARMv4", 4},     {"ARMv4T", 4},   {"ARMv5T", 5},    {"ARMv5TE", 5},
    {"ARMv5TEJ", 5},     {"ARMv6", 6},     {"ARMv6KZ", 6},  {"ARMv6T2", 7},   {"ARMv6K", 6},
    {"ARMv7", 7},        {"ARMv6-M", 0},   {"ARMv6S-M", 0}, {"ARMv7E-M", 0},  {"ARMv8-A", 8},
    {"ARMv8-R", 0},      {"ARMv8-M", 0},   {"ARMv8-M", 0},  {"ARMv8.1-A", 8}, {"ARMv8.2-A", 8},
    {"ARMv8.3-A", 8},    {"ARMv8.1-M", 0}, {"ARMv9-A", 9},
};

static const char *arm_name(unsigned int cpu)
{
    return cpu < sizeof(arm_cpus) / sizeof(arm_cpus[0]) ? arm_cpus[cpu].name
                                                        : "an architecture after ARMv9";
}

static void judge_arm(const struct weft_platform *p, const struct weft_elf_facts *f,
                      struct weft_audit_verdicts *out)
{
    unsigned int version =
        f->arm_cpu < sizeof(arm_cpus) / sizeof(arm_cpus[0]) ? arm_cpus[f->arm_cpu].version : 0;
    unsigned int promised = p->variant[0] == 'v' ? (unsigned int)(p->variant[1] - '0') : 7;

    if (!f->has_arm_cpu || (version != 0 && version <= promised)) {
        return;
    }
    weft_audit_verdict_add(out, WEFT_AUDIT_ISA,
                           weft_fmt("it was built for %s", arm_name(f->arm_cpu)),
                           weft_fmt("at most ARMv%u", promised));
    /* A library may choose what it runs when it runs, as libcrypto does, and its mark is the
     * highest of all its parts: no reason for a warning. */
    if (!f->interpreter && f->type == ET_DYN) {
        out->v[out->n - 1].severity = WEFT_AUDIT_NOTICE;
    }
}

/* ---- riscv ---- */

/* rv64gc, what its parts are called where they are named one by one, and what any of its processors
 * that Linux runs on does. */
static const char *const riscv_promised[] = {
    "i",        "m",       "a",        "f",       "d",      "c",       "g",      "zicsr",
    "zifencei", "zmmul",   "zaamo",    "zalrsc",  "zca",    "zcd",     "zicntr", "zihpm",
    "ziccif",   "ziccrse", "ziccamoa", "zicclsm", "za64rs", "za128rs",
};

static bool riscv_promises(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(riscv_promised) / sizeof(riscv_promised[0]); i++) {
        if (strlen(riscv_promised[i]) == len && memcmp(riscv_promised[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The length of an extension's name at s, without the version behind it ("2p1"). In the first word
 * a letter is an extension by itself. */
static size_t riscv_name_len(const char *s, bool single)
{
    size_t len = strcspn(s, "_");
    size_t end = len;

    if (single) {
        return 1;
    }
    while (end > 0 && isdigit((unsigned char)s[end - 1])) {
        end--;
    }
    if (end == len || end == 0) {
        return len;
    }
    if (s[end - 1] == 'p' && end > 1 && isdigit((unsigned char)s[end - 2])) {
        end--;
        while (end > 0 && isdigit((unsigned char)s[end - 1])) {
            end--;
        }
        return end;
    }
    /* a number that belongs to the name: zve64d has a letter behind it, zvl128b as well */
    return len;
}

/* Past a version, "2p1", and an underscore. */
static const char *riscv_skip(const char *s)
{
    while (isdigit((unsigned char)*s)) {
        s++;
    }
    if (s[0] == 'p' && isdigit((unsigned char)s[1])) {
        s++;
        while (isdigit((unsigned char)*s)) {
            s++;
        }
    }
    return *s == '_' ? s + 1 : s;
}

/* The extensions of "rv64i2p1_m2p0_zba1p0" that rv64gc does not have. */
static void riscv_above(const char *arch, struct weft_strv *out)
{
    const char *s = arch +
                    (weft_starts_with(arch, "rv64") || weft_starts_with(arch, "rv32") ? 4 : 0);

    while (*s) {
        bool single = *s != 'z' && *s != 's' && *s != 'x';
        size_t len = riscv_name_len(s, single);

        if (len > 0 && *s != '_' && !riscv_promises(s, len)) {
            weft_auto_free char *name = weft_xstrndup(s, len);

            if (!weft_strv_has(out, name) && out->n < 64) {
                weft_strv_add(out, name);
            }
        }
        s = riscv_skip(s + (len > 0 ? len : 1));
    }
}

static void judge_riscv(const struct weft_elf_facts *f, struct weft_audit_verdicts *out)
{
    weft_auto_strv above = {0};

    if (!f->riscv_arch) {
        return;
    }
    riscv_above(f->riscv_arch, &above);
    if (above.n > 0) {
        weft_auto_free char *names = weft_strv_some(&above, 6);
        weft_auto_free char *shown = weft_printable(names);

        weft_audit_verdict_add(out, WEFT_AUDIT_ISA, weft_fmt("it was built for %s", shown),
                               weft_xstrdup("rv64gc"));
        if (!f->interpreter && f->type == ET_DYN) {
            out->v[out->n - 1].severity = WEFT_AUDIT_NOTICE; /* as for arm */
        }
    }
}

/* ---- mips ---- */

/* The release of MIPS32 or MIPS64 that it is for, by its ABI flags or the ELF header's; 0: an older
 * architecture. */
static unsigned int mips_release(const struct weft_elf_facts *f)
{
    if (f->mips.is_known) {
        return f->mips.isa_level >= 32 ? f->mips.isa_rev : 0;
    }
    switch (f->flags & EF_MIPS_ARCH) {
    case 0x50000000: /* 32 */
    case 0x60000000: /* 64 */
        return 1;
    case 0x70000000:
    case 0x80000000:
        return 2;
    case 0x90000000:
    case 0xa0000000:
        return 6;
    default:
        return 0;
    }
}

static void judge_mips(const struct weft_elf_facts *f, struct weft_audit_verdicts *out)
{
    unsigned int release = mips_release(f);

    if (release > 2) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ISA,
                               weft_fmt("it needs MIPS%u release %u", f->bits, release),
                               weft_xstrdup("at most release 2"));
    }
}

/* ---- all ---- */

void weft_audit_isa(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                    struct weft_audit_verdicts *out)
{
    switch (f->machine) {
    case EM_X86_64:
    case EM_386:
        judge_x86(&t->platform, f, out);
        break;
    case EM_ARM:
        judge_arm(&t->platform, f, out);
        break;
    case EM_RISCV:
        judge_riscv(f, out);
        break;
    case EM_MIPS:
        judge_mips(f, out);
        break;
    default:
        break; /* nothing in the file says it */
    }
}

char *weft_audit_isa_text(const struct weft_elf_facts *f)
{
    switch (f->machine) {
    case EM_X86_64:
        return x86_level(f->x86_needed) > 0 ? x86_text(x86_level(f->x86_needed)) : NULL;
    case EM_386:
        return x86_level(f->x86_needed) > 1 ? x86_text(x86_level(f->x86_needed)) : NULL;
    case EM_ARM:
        return f->has_arm_cpu ? weft_xstrdup(arm_name(f->arm_cpu)) : NULL;
    case EM_RISCV: {
        weft_auto_strv above = {0};
        weft_auto_free char *names = NULL;

        if (!f->riscv_arch) {
            return NULL;
        }
        riscv_above(f->riscv_arch, &above);
        names = weft_strv_join(&above, "_");
        return weft_fmt("rv64gc%s%s", above.n > 0 ? "_" : "", names);
    }
    case EM_MIPS:
        return mips_release(f) > 0 ? weft_fmt("MIPS%u release %u", f->bits, mips_release(f)) : NULL;
    default:
        return NULL;
    }
}
