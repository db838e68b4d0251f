/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/audit.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/* What <elf.h> of glibc 2.36 has no names for. */
enum {
    ARM_VFP_ARGS_REGISTERS = 1,
    MIPS_FP_SOFT = 3,
    MIPS_NAN2008 = 0x400, /* EF_MIPS_NAN2008 */
};

static const struct {
    const char *name;
    const char *text;
    enum weft_audit_severity severity;
} rules[WEFT_AUDIT_RULES] = {
    [WEFT_AUDIT_MACHINE] = {"wrong-machine", "The file is for another machine than the image.",
                            WEFT_AUDIT_ERROR},
    [WEFT_AUDIT_COMPATIBLE] = {"other-machine",
                               "The file is for another machine, whose programs most of the "
                               "platform's machines run as well.",
                               WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_ABI] = {"wrong-abi", "The file is of another ABI than the platform.",
                        WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_ISA] = {"isa-level",
                        "The file needs instructions that the platform does not promise.",
                        WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_FORMAT] = {"wrong-system", "The file is a program of another operating system.",
                           WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_OBJECT] = {"foreign-object",
                           "The object file or archive is for another machine than the image.",
                           WEFT_AUDIT_NOTICE},
    [WEFT_AUDIT_INTERPRETER] = {"missing-loader",
                                "The dynamic loader of the program is not in the image.",
                                WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_LIBRARY] = {"missing-library",
                            "A library that the file is linked to is not in the image.",
                            WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_SEARCH] = {"unsearched-library",
                           "A library that the program is linked to is in the image, but not "
                           "where the loader looks.",
                           WEFT_AUDIT_NOTICE},
    [WEFT_AUDIT_SCRIPT] = {"missing-interpreter",
                           "The program that runs the script is not in the image.",
                           WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_DAMAGE] = {"damaged", "The file or layer cannot be read as a whole.",
                           WEFT_AUDIT_WARNING},
    [WEFT_AUDIT_LIMIT] = {"limit", "There is more in the image than the audit looks at.",
                          WEFT_AUDIT_WARNING},
};

const char *weft_audit_rule_name(enum weft_audit_rule r)
{
    return rules[r].name;
}

const char *weft_audit_rule_text(enum weft_audit_rule r)
{
    return rules[r].text;
}

enum weft_audit_severity weft_audit_rule_severity(enum weft_audit_rule r)
{
    return rules[r].severity;
}

const char *weft_audit_severity_name(enum weft_audit_severity s)
{
    static const char *const names[] = {
        [WEFT_AUDIT_NOTICE] = "notice",
        [WEFT_AUDIT_WARNING] = "warning",
        [WEFT_AUDIT_ERROR] = "error",
    };

    return names[s];
}

void weft_audit_verdicts_finish(struct weft_audit_verdicts *v)
{
    for (size_t i = 0; i < v->n; i++) {
        free(v->v[i].found);
        free(v->v[i].expected);
    }
    free(v->v);
    *v = (struct weft_audit_verdicts){0};
}

void weft_audit_verdict_add(struct weft_audit_verdicts *out, enum weft_audit_rule rule, char *found,
                            char *expected)
{
    out->v = weft_xgrow(out->v, out->n, sizeof(*out->v));
    out->v[out->n++] = (struct weft_audit_verdict){
        .rule = rule, .severity = rules[rule].severity, .found = found, .expected = expected};
}

/* ---- platforms ---- */

void weft_audit_target_init(struct weft_audit_target *t, const struct weft_platform *p)
{
    struct weft_platform plain = *p;

    *t = (struct weft_audit_target){.platform = *p, .info = weft_catalogue_find(p)};
    if (!t->info) {
        /* a variant that is not in the catalogue: its machine is */
        plain.variant[0] = '\0';
        t->info = weft_catalogue_find(&plain);
    }
}

/* ---- machines ---- */

/* The machines of <elf.h> that files are found of, and how they are called here. */
static const struct {
    uint16_t machine;
    const char *names[2]; /* of 32 and of 64 bits; NULL: there is only the other */
    bool both_orders;     /* the name does not say which */
} machines[] = {
    {EM_386, {"i386", "i386 (64-bit)"}, false},
    {EM_X86_64, {"x86-64 (x32)", "x86-64"}, false},
    {EM_ARM, {"arm", "arm (64-bit)"}, true},
    {EM_AARCH64, {"aarch64 (ILP32)", "aarch64"}, true},
    {EM_PPC, {"ppc", "ppc (64-bit)"}, true},
    {EM_PPC64, {"ppc64 (32-bit)", "ppc64"}, true},
    {EM_S390, {"s390", "s390x"}, true},
    {EM_MIPS, {"mips", "mips64"}, true},
    {EM_RISCV, {"riscv32", "riscv64"}, true},
    {EM_LOONGARCH, {"loongarch32", "loongarch64"}, true},
    {EM_SPARC, {"sparc", "sparc (64-bit)"}, true},
    {EM_SPARCV9, {"sparc64 (32-bit)", "sparc64"}, true},
    {EM_IA_64, {"ia64 (32-bit)", "ia64"}, true},
    {EM_PARISC, {"hppa", "hppa64"}, true},
    {EM_68K, {"m68k", "m68k (64-bit)"}, true},
    {EM_SH, {"sh4", "sh4 (64-bit)"}, true},
    {EM_AVR, {"avr", "avr (64-bit)"}, true},
    {EM_BPF, {"bpf (32-bit)", "bpf"}, true},
    {EM_XTENSA, {"xtensa", "xtensa (64-bit)"}, true},
    {EM_CUDA, {"cuda (32-bit)", "cuda"}, false},
    {EM_AMDGPU, {"amdgpu (32-bit)", "amdgpu"}, false},
};

/* The byte order that a name without one means. */
static bool usual_order_is_big(uint16_t machine)
{
    return machine == EM_S390 || machine == EM_PPC || machine == EM_PPC64 || machine == EM_MIPS ||
           machine == EM_SPARC || machine == EM_SPARCV9 || machine == EM_PARISC ||
           machine == EM_68K;
}

static char *machine_text(uint16_t machine, unsigned int bits, bool big, bool is_n32)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (machines[i].machine == machine) {
            const char *name = machines[i].names[bits == 64];

            if (machine == EM_PPC64 && bits == 64 && !big) {
                return weft_xstrdup("ppc64le");
            }
            if (machine == EM_MIPS && is_n32) {
                return weft_fmt("mips64%s (n32)", big ? "" : "el");
            }
            if (machine == EM_MIPS && !big) {
                return weft_fmt("%sel", name);
            }
            if (machines[i].both_orders && big != usual_order_is_big(machine)) {
                return weft_fmt("%s, %s-endian", name, big ? "big" : "little");
            }
            return weft_xstrdup(name);
        }
    }
    return weft_fmt("machine %u, %u-bit, %s-endian", machine, bits, big ? "big" : "little");
}

char *weft_audit_machine_text(const struct weft_elf_facts *f)
{
    return machine_text(f->machine, f->bits, f->big_endian,
                        f->bits == 32 && (f->flags & EF_MIPS_ABI2));
}

static char *machine_expected(const struct weft_machine *m)
{
    return machine_text(m->elf_machine, m->elf_class == ELFCLASS64 ? 64 : 32,
                        m->elf_data == ELFDATA2MSB, false);
}

static bool is_of(const struct weft_machine *m, const struct weft_elf_facts *f)
{
    return f->machine == m->elf_machine && (f->bits == 64) == (m->elf_class == ELFCLASS64) &&
           f->big_endian == (m->elf_data == ELFDATA2MSB);
}

/* What x86-64 runs of i386 and x32, and aarch64 of arm: kernels and CPUs that do not are rare, but
 * there are some. */
static bool is_compatible(const struct weft_machine *m, const struct weft_elf_facts *f)
{
    return !f->big_endian && f->bits == 32 &&
           ((m->elf_machine == EM_X86_64 && (f->machine == EM_386 || f->machine == EM_X86_64)) ||
            (m->elf_machine == EM_AARCH64 && f->machine == EM_ARM));
}

/* Code for other processors, which lies in images to be loaded into them: graphics processors, the
 * kernel's virtual machine. */
static bool is_device_code(const struct weft_elf_facts *f)
{
    return f->machine == EM_BPF || f->machine == EM_CUDA || f->machine == EM_AMDGPU;
}

/* A kernel module (ET_REL) is none that a program is linked of, but runs on the kernel of the
 * machine only: the same notice does. */
static bool is_object(const struct weft_elf_facts *f)
{
    return f->type == ET_REL;
}

static void judge_machine(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                          struct weft_audit_verdicts *out)
{
    const struct weft_machine *m = t->info->machine;
    enum weft_audit_rule rule = is_object(f)          ? WEFT_AUDIT_OBJECT
                                : is_compatible(m, f) ? WEFT_AUDIT_COMPATIBLE
                                                      : WEFT_AUDIT_MACHINE;
    weft_auto_free char *found = weft_audit_machine_text(f);
    weft_auto_free char *expected = machine_expected(m);

    weft_audit_verdict_add(out, rule,
                           weft_fmt("%s for %s",
                                    is_object(f)        ? "an object"
                                    : f->interpreter    ? "a program"
                                    : f->soname         ? "a library"
                                    : f->type == ET_DYN ? "a library or program"
                                                        : "a program",
                                    found),
                           weft_xstrdup(expected));
}

/* ---- ABIs ---- */

static char *arm_float_text(bool hard)
{
    return weft_xstrdup(hard ? "the hard-float ABI" : "the soft-float ABI");
}

static void judge_arm(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                      struct weft_audit_verdicts *out)
{
    unsigned int eabi = (f->flags & EF_ARM_EABIMASK) >> 24;
    unsigned int said = f->flags & (EF_ARM_ABI_FLOAT_HARD | EF_ARM_ABI_FLOAT_SOFT);
    bool wanted_hard = t->info->elf_flags & EF_ARM_ABI_FLOAT_HARD;

    if (eabi != 5) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI,
                               eabi == 0 ? weft_xstrdup("the old ABI, before EABI")
                                         : weft_fmt("EABI version %u", eabi),
                               weft_xstrdup("EABI version 5"));
        return;
    }
    if (t->info->elf_flags_mask == 0) {
        return;
    }
    /* Flags are set by linkers since 2012; registers for arguments leave a mark besides. Soft float
     * leaves none that a file without any numbers does not have too. */
    if (said == 0 && f->has_arm_cpu && f->arm_vfp_args == ARM_VFP_ARGS_REGISTERS) {
        said = EF_ARM_ABI_FLOAT_HARD;
    }
    if (said == (wanted_hard ? EF_ARM_ABI_FLOAT_SOFT : EF_ARM_ABI_FLOAT_HARD)) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI, arm_float_text(!wanted_hard),
                               arm_float_text(wanted_hard));
    }
}

static void judge_riscv(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                        struct weft_audit_verdicts *out)
{
    static const char *const names[] = {"soft float", "single float", "double float", "quad float"};
    const struct weft_machine *m = t->info->machine;

    if ((f->flags ^ m->elf_flags) & m->elf_flags_mask) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI,
                               weft_fmt("the ABI lp64%s, %s", f->flags & EF_RISCV_RVE ? "e" : "",
                                        names[(f->flags & EF_RISCV_FLOAT_ABI) >> 1]),
                               weft_xstrdup("the ABI lp64d, double float"));
    }
}

static void judge_ppc64(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                        struct weft_audit_verdicts *out)
{
    unsigned int said = f->flags & EF_PPC64_ABI;
    unsigned int wanted = t->info->machine->elf_data == ELFDATA2LSB ? 2 : 1;

    /* 0: nothing that depends on it */
    if (said != 0 && said != wanted) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI, weft_fmt("ELF ABI version %u", said),
                               weft_fmt("version %u", wanted));
    }
}

static void judge_mips(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                       struct weft_audit_verdicts *out)
{
    const struct weft_machine *m = t->info->machine;

    if ((f->flags ^ m->elf_flags) & m->elf_flags_mask) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI, weft_xstrdup("another ABI"),
                               weft_xstrdup(f->bits == 64 ? "the ABI n64" : "the ABI o32"));
    } else if (f->mips.is_known && f->mips.fp_abi == MIPS_FP_SOFT) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI, weft_xstrdup("soft float"),
                               weft_xstrdup("hard float"));
    } else if (f->flags & MIPS_NAN2008) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI, weft_xstrdup("NaNs of IEEE 754-2008"),
                               weft_xstrdup("the NaNs of MIPS before release 6"));
    }
}

static void judge_loongarch(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                            struct weft_audit_verdicts *out)
{
    const struct weft_machine *m = t->info->machine;

    if ((f->flags ^ m->elf_flags) & m->elf_flags_mask) {
        weft_audit_verdict_add(out, WEFT_AUDIT_ABI,
                               weft_fmt("the ABI lp64%s", (f->flags & 7) == 1   ? "s"
                                                          : (f->flags & 7) == 2 ? "f"
                                                                                : ", unknown"),
                               weft_xstrdup("the ABI lp64d"));
    }
}

static void judge_abi(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                      struct weft_audit_verdicts *out)
{
    switch (f->machine) {
    case EM_ARM:
        judge_arm(t, f, out);
        break;
    case EM_RISCV:
        judge_riscv(t, f, out);
        break;
    case EM_PPC64:
        judge_ppc64(t, f, out);
        break;
    case EM_MIPS:
        judge_mips(t, f, out);
        break;
    case EM_LOONGARCH:
        judge_loongarch(t, f, out);
        break;
    default:
        break;
    }
}

void weft_audit_elf(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                    struct weft_audit_verdicts *out)
{
    const struct weft_machine *m = t->info ? t->info->machine : NULL;

    if (t->info && !m) {
        weft_auto_free char *found = weft_audit_machine_text(f);

        weft_audit_verdict_add(out, WEFT_AUDIT_FORMAT, weft_fmt("an ELF file, for %s", found),
                               weft_fmt("files of %s", t->platform.os));
        return;
    }
    if (!m || is_device_code(f)) {
        return;
    }
    if (!is_of(m, f)) {
        judge_machine(t, f, out);
        return;
    }
    /* what an object is good for is known when it is linked */
    if (!is_object(f)) {
        judge_abi(t, f, out);
        weft_audit_isa(t, f, out);
    }
}
