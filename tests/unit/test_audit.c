/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit's rules on facts that are written here; tests/e2e/audit_rules.sh has the same of what
 * compilers make.
 */
#include "config.h"

#include <elf.h>

#include "base/cleanup.h"
#include "platforms/audit_file.h"
#include "platforms/elf_attributes.h"
#include "tests/helpers.h"

static void target(const char *platform, struct weft_audit_target *t)
{
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(platform, &p, NULL), 0);
    weft_audit_target_init(t, &p);
}

/* "rule severity: found (expected); ..." or "fits" */
static char *text_of(const struct weft_audit_verdicts *v)
{
    struct weft_buf b = {0};

    for (size_t i = 0; i < v->n; i++) {
        weft_buf_printf(&b, "%s%s %s: %s (%s)", i ? "; " : "", weft_audit_rule_name(v->v[i].rule),
                        weft_audit_severity_name(v->v[i].severity), v->v[i].found,
                        v->v[i].expected);
    }
    return v->n > 0 ? weft_buf_steal(&b) : weft_xstrdup("fits");
}

static const struct {
    const char *platform;
    const char *verdict;
    struct weft_elf_facts f;
} rules[] = {
#define X86(...)                                                       \
    {                                                                  \
        .bits = 64, .type = ET_EXEC, .machine = EM_X86_64, __VA_ARGS__ \
    }
    {"linux/amd64", "fits", X86(.flags = 0)},
    {"linux/arm64", "wrong-machine error: a program for x86-64 (aarch64)", X86(.flags = 0)},
    {"linux/386", "wrong-machine error: a program for x86-64 (i386)", X86(.flags = 0)},
    {"windows/amd64", "wrong-system warning: an ELF file, for x86-64 (files of windows)",
     X86(.flags = 0)},
    {"linux/amd64", "fits", X86(.x86_needed = 1)},
    {"linux/amd64", "isa-level warning: it needs x86-64-v2 (at most x86-64 baseline)",
     X86(.x86_needed = 3)},
    {"linux/amd64/v2", "fits", X86(.x86_needed = 3)},
    {"linux/amd64/v2", "isa-level warning: it needs x86-64-v3 (at most x86-64-v2)",
     X86(.x86_needed = 7)},
    {"linux/amd64/v3", "fits", X86(.x86_needed = 7)},
    {"linux/amd64/v3", "isa-level warning: it needs x86-64-v4 (at most x86-64-v3)",
     X86(.x86_needed = 15)},
    {"linux/amd64/v4", "fits", X86(.x86_needed = 15)},
    {"linux/amd64/v4", "isa-level warning: it needs an x86-64 level above v4 (at most x86-64-v4)",
     X86(.x86_needed = 0x80000000)},
    /* class: x32, and what else its machines run */
    {"linux/amd64",
     "other-machine warning: a program for x86-64 (x32) (x86-64)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_X86_64}},
    {"linux/amd64",
     "other-machine warning: a program for i386 (x86-64)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_386}},
    {"linux/386", "fits", {.bits = 32, .type = ET_EXEC, .machine = EM_386, .x86_needed = 1}},
    {"linux/386",
     "isa-level warning: it needs x86-64-v2 (at most i686)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_386, .x86_needed = 2}},
    {"linux/arm64", "fits", {.bits = 64, .type = ET_DYN, .machine = EM_AARCH64}},
    {"linux/arm64/v9", "fits", {.bits = 64, .type = ET_DYN, .machine = EM_AARCH64}},
    {"linux/arm64",
     "wrong-machine error: a library or program for aarch64 (ILP32) (aarch64)",
     {.bits = 32, .type = ET_DYN, .machine = EM_AARCH64}},
    /* byte order */
    {"linux/arm64",
     "wrong-machine error: a library or program for aarch64, big-endian (aarch64)",
     {.bits = 64, .type = ET_DYN, .machine = EM_AARCH64, .big_endian = true}},
    {"linux/s390x", "fits", {.bits = 64, .type = ET_DYN, .machine = EM_S390, .big_endian = true}},
    {"linux/s390x",
     "wrong-machine error: a library or program for s390 (s390x)",
     {.bits = 32, .type = ET_DYN, .machine = EM_S390, .big_endian = true}},
    {"linux/ppc64le",
     "wrong-machine error: a program for ppc64 (ppc64le)",
     {.bits = 64, .type = ET_EXEC, .machine = EM_PPC64, .big_endian = true, .flags = 1}},
    {"linux/mips64le",
     "wrong-machine error: a program for mips64 (mips64el)",
     {.bits = 64, .type = ET_EXEC, .machine = EM_MIPS, .big_endian = true}},
    /* objects are no reason to fail, and what they need is seen when they are linked */
    {"linux/arm64",
     "foreign-object notice: an object for x86-64 (aarch64)",
     {.bits = 64, .type = ET_REL, .machine = EM_X86_64}},
    {"linux/amd64", "fits", {.bits = 64, .type = ET_REL, .machine = EM_X86_64, .x86_needed = 15}},
    {"linux/amd64", "fits", {.bits = 64, .type = ET_REL, .machine = EM_BPF}},
#define ARM(f, ...)                                                               \
    {                                                                             \
        .bits = 32, .type = ET_EXEC, .machine = EM_ARM, .flags = (f), __VA_ARGS__ \
    }
#define EABI5 0x05000000u
    {"linux/arm/v7", "fits",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 10)},
    {"linux/arm/v5",
     "wrong-abi warning: the hard-float ABI (the soft-float ABI); "
     "isa-level warning: it was built for ARMv7 (at most ARMv5)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 10)},
    {"linux/arm/v7", "wrong-abi warning: the soft-float ABI (the hard-float ABI)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_SOFT, .has_arm_cpu = true, .arm_cpu = 3)},
    {"linux/arm/v5", "fits", ARM(EABI5 | EF_ARM_ABI_FLOAT_SOFT, .has_arm_cpu = true, .arm_cpu = 4)},
    {"linux/arm/v5", "fits", ARM(EABI5, .has_arm_cpu = false)}, /* Go */
    {"linux/arm/v5", "wrong-abi warning: the hard-float ABI (the soft-float ABI)",
     ARM(EABI5, .has_arm_cpu = true, .arm_cpu = 4, .arm_vfp_args = 1)},
    {"linux/arm/v6", "fits", ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 7)},
    {"linux/arm/v6", "isa-level warning: it was built for ARMv6T2 (at most ARMv6)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 8)},
    {"linux/arm/v6", "isa-level warning: it was built for ARMv6-M (at most ARMv6)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 11)},
    {"linux/arm/v7", "isa-level warning: it was built for ARMv8-A (at most ARMv7)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 14)},
    {"linux/arm/v7",
     "isa-level warning: it was built for an architecture after ARMv9 (at most ARMv7)",
     ARM(EABI5 | EF_ARM_ABI_FLOAT_HARD, .has_arm_cpu = true, .arm_cpu = 99)},
    {"linux/arm/v7", "wrong-abi warning: EABI version 4 (EABI version 5)",
     ARM(0x04000000, .has_arm_cpu = false)},
    {"linux/arm/v5", "wrong-abi warning: the old ABI, before EABI (EABI version 5)",
     ARM(0, .has_arm_cpu = false)},
    {"linux/arm64", "other-machine warning: a program for arm (aarch64)",
     ARM(EABI5, .has_arm_cpu = false)},
    {"linux/arm/v5",
     "isa-level notice: it was built for ARMv7 (at most ARMv5)",
     {.bits = 32,
      .type = ET_DYN,
      .machine = EM_ARM,
      .flags = EABI5,
      .has_arm_cpu = true,
      .arm_cpu = 10}},
#define RISCV(f, arch)                                                                         \
    {                                                                                          \
        .bits = 64, .type = ET_EXEC, .machine = EM_RISCV, .flags = (f), .riscv_arch = (char[]) \
        {                                                                                      \
            arch                                                                               \
        }                                                                                      \
    }
    {"linux/riscv64", "fits", RISCV(5, "rv64i2p0_m2p0_a2p0_f2p0_d2p0_c2p0")},
    {"linux/riscv64", "fits",
     RISCV(5, "rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_zicsr2p0_zifencei2p0_zmmul1p0_zca1p0_zcd1p0")},
    {"linux/riscv64", "fits", RISCV(5, "rv64imafdc")},
    {"linux/riscv64", "fits", RISCV(5, "")},
    {"linux/riscv64", "isa-level warning: it was built for v, zba and zvl128b (rv64gc)",
     RISCV(5, "rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0_v1p0_zicsr2p0_zba1p0_zvl128b1p0")},
    {"linux/riscv64", "isa-level warning: it was built for zba (rv64gc)", RISCV(5, "rv64gc_zba")},
    {"linux/riscv64", "wrong-abi warning: the ABI lp64, soft float (the ABI lp64d, double float)",
     RISCV(1, "")},
    {"linux/riscv64",
     "wrong-machine error: a program for riscv32 (riscv64)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_RISCV, .flags = 5}},
#define PPC(big, f)                                                                         \
    {                                                                                       \
        .bits = 64, .type = ET_EXEC, .machine = EM_PPC64, .big_endian = (big), .flags = (f) \
    }
    {"linux/ppc64le", "fits", PPC(false, 2)},
    {"linux/ppc64le", "fits", PPC(false, 0)},
    {"linux/ppc64le", "wrong-abi warning: ELF ABI version 1 (version 2)", PPC(false, 1)},
    {"linux/ppc64", "fits", PPC(true, 1)},
    {"linux/ppc64", "wrong-abi warning: ELF ABI version 2 (version 1)", PPC(true, 2)},
#define MIPS64(f, ...)                                                                         \
    {                                                                                          \
        .bits = 64, .type = ET_EXEC, .machine = EM_MIPS, .flags = (f), .mips = { __VA_ARGS__ } \
    }
    {"linux/mips64le", "fits", MIPS64(0x80000000, true, 64, 2, 1)},
    {"linux/mips64le", "fits", MIPS64(0x20000000, 0)},
    {"linux/mips64le", "wrong-abi warning: soft float (hard float)",
     MIPS64(0x80000000, true, 64, 2, 3)},
    {"linux/mips64le",
     "wrong-abi warning: NaNs of IEEE 754-2008 (the NaNs of MIPS before release 6); "
     "isa-level warning: it needs MIPS64 release 6 (at most release 2)",
     MIPS64(0xa0000400, true, 64, 6, 1)},
    {"linux/mips64le", "isa-level warning: it needs MIPS64 release 6 (at most release 2)",
     MIPS64(0xa0000000, 0)},
    {"linux/mips64le",
     "wrong-machine error: a program for mips64el (n32) (mips64el)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_MIPS, .flags = EF_MIPS_ABI2}},
    {"linux/mipsle",
     "fits",
     {.bits = 32, .type = ET_EXEC, .machine = EM_MIPS, .flags = 0x70001000}},
    {"linux/mipsle",
     "wrong-abi warning: another ABI (the ABI o32)",
     {.bits = 32, .type = ET_EXEC, .machine = EM_MIPS, .flags = 0x70003000}},
    {"linux/loong64", "fits", {.bits = 64, .type = ET_EXEC, .machine = 258, .flags = 0x43}},
    {"linux/loong64",
     "wrong-abi warning: the ABI lp64s (the ABI lp64d)",
     {.bits = 64, .type = ET_EXEC, .machine = 258, .flags = 0x41}},
    {"linux/amd64",
     "wrong-machine error: a program for machine 9999, 32-bit, big-endian (x86-64)",
     {.bits = 32, .type = ET_EXEC, .machine = 9999, .big_endian = true}},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct weft_audit_target t;
        weft_auto_audit_verdicts v = {0};
        weft_auto_free char *text = NULL;

        target(rules[i].platform, &t);
        weft_audit_elf(&t, &rules[i].f, &v);
        text = text_of(&v);
        if (strcmp(text, rules[i].verdict) != 0) {
            fail_msg("row %zu, %s: '%s', not '%s'", i, rules[i].platform, text, rules[i].verdict);
        }
    }
}

static void test_unknown_platform(void **state)
{
    static const struct weft_platform p = {"linux", "sparc64", ""};
    const struct weft_elf_facts f = {.bits = 64, .machine = EM_X86_64};
    struct weft_audit_target t;
    weft_auto_audit_verdicts v = {0};

    (void)state;
    weft_audit_target_init(&t, &p);
    assert_null(t.info);
    weft_audit_elf(&t, &f, &v);
    assert_int_equal(v.n, 0);
}

static const struct {
    const char *text;
    struct weft_elf_facts f;
} isa_texts[] = {
    {NULL, {.machine = EM_X86_64}},
    {"x86-64 baseline", {.machine = EM_X86_64, .x86_needed = 1}},
    {"x86-64-v3", {.machine = EM_X86_64, .x86_needed = 7}},
    {NULL, {.machine = EM_386, .x86_needed = 1}},
    {"ARMv7", {.machine = EM_ARM, .has_arm_cpu = true, .arm_cpu = 10}},
    {"rv64gc", {.machine = EM_RISCV, .riscv_arch = (char[]){"rv64imafdc"}}},
    {"rv64gc_v_zba", {.machine = EM_RISCV, .riscv_arch = (char[]){"rv64gcv_zba1p0"}}},
    {"MIPS64 release 2", {.bits = 64, .machine = EM_MIPS, .mips = {true, 64, 2, 1}}},
    {NULL, {.machine = EM_S390}},
};

static void test_isa_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(isa_texts); i++) {
        weft_auto_free char *text = weft_audit_isa_text(&isa_texts[i].f);

        if (!weft_str_eq(text, isa_texts[i].text)) {
            fail_msg("row %zu: '%s'", i, text ? text : "NULL");
        }
    }
}

static void test_version_cmp(void **state)
{
    (void)state;
    assert_true(weft_version_cmp("2.4", "2.34") < 0);
    assert_true(weft_version_cmp("2.34", "2.4") > 0);
    assert_true(weft_version_cmp("2.2.5", "2.2") > 0);
    assert_int_equal(weft_version_cmp("2.36", "2.36"), 0);
    assert_true(weft_version_cmp("2.x", "2.y") < 0);
}

/* ---- files that are no ELF files ---- */

static void test_sniff(void **state)
{
    unsigned char pe[64] = {'M', 'Z'};

    (void)state;
    assert_int_equal(weft_audit_sniff((const unsigned char *)"\177ELF", 4), WEFT_AUDIT_IS_ELF);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"\177EL", 3), WEFT_AUDIT_OTHER);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"!<arch>\n", 8), WEFT_AUDIT_IS_AR);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"!<thin>\n", 8), WEFT_AUDIT_OTHER);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"#!/bin/sh", 9), WEFT_AUDIT_IS_SCRIPT);
    assert_int_equal(weft_audit_sniff(pe, sizeof(pe)), WEFT_AUDIT_IS_PE);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"MZ", 2), WEFT_AUDIT_OTHER);
    assert_int_equal(weft_audit_sniff((const unsigned char *)"", 0), WEFT_AUDIT_OTHER);
}

static void test_script(void **state)
{
    static const struct {
        const char *head, *program, *argument;
    } cases[] = {
        {"#!/bin/sh\necho", "/bin/sh", NULL},
        {"#! /usr/bin/env python3 -u\n", "/usr/bin/env", "python3 -u"},
        {"#!/bin/sh", "/bin/sh", NULL},
        {"#!/bin/sh\r\n", "/bin/sh\r", NULL},
        {"#!\t/usr/bin/perl\t-w\n", "/usr/bin/perl", "-w"},
        {"#!perl\n", NULL, NULL},
        {"#!\n/bin/sh\n", NULL, NULL},
        {"#/bin/sh\n", NULL, NULL},
    };
    char endless[300];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *argument = NULL;
        weft_auto_free char *program = weft_audit_script((const unsigned char *)cases[i].head,
                                                         strlen(cases[i].head), &argument);

        if (!weft_str_eq(program, cases[i].program) || !weft_str_eq(argument, cases[i].argument)) {
            fail_msg("row %zu: '%s' '%s'", i, program ? program : "", argument ? argument : "");
        }
    }
    memset(endless, 'x', sizeof(endless));
    memcpy(endless, "#!/", 3);
    assert_null(weft_audit_script((unsigned char *)endless, sizeof(endless), NULL));
}

/* The heads of a PE file. */
static void put_pe(unsigned char *p, size_t len, uint16_t machine, bool cli)
{
    memset(p, 0, len);
    memcpy(p, "MZ", 2);
    p[0x3c] = 0x80;
    memcpy(p + 0x80, "PE\0\0", 4);
    p[0x84] = (unsigned char)machine;
    p[0x85] = (unsigned char)(machine >> 8);
    p[0x98] = 0x0b;
    p[0x99] = 0x02;
    p[0x98 + 112 + 14 * 8] = cli;
    p[0x98 + 112 + 14 * 8 + 4] = cli;
}

static void test_pe(void **state)
{
    static const struct {
        const char *platform;
        uint16_t machine;
        bool cli;
        const char *verdict;
    } cases[] = {
        {"linux/amd64", 0x8664, false,
         "wrong-system warning: a PE file, for x86-64 (files of linux)"},
        {"linux/arm64", 0x1234, false,
         "wrong-system warning: a PE file, for an unknown machine (files of linux)"},
        {"linux/amd64", 0x14c, true, "fits"},
        {"windows/amd64", 0x8664, false, "fits"},
        {"windows/amd64", 0x14c, false, "fits"},
        {"windows/amd64", 0xaa64, false, "wrong-machine error: a PE file for arm64 (amd64)"},
    };
    unsigned char bytes[512];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct weft_elf_input in = {.image = bytes, .fd = -1, .size_bytes = sizeof(bytes)};
        weft_auto_audit_verdicts v = {0};
        weft_auto_free char *text = NULL;
        struct weft_audit_target t;

        target(cases[i].platform, &t);
        put_pe(bytes, sizeof(bytes), cases[i].machine, cases[i].cli);
        weft_audit_pe(&t, &in, &v);
        text = text_of(&v);
        assert_string_equal(text, cases[i].verdict);
    }
}

/* Nothing behind "MZ", or an offset that leads out of the file: nothing to say. */
static void test_pe_none(void **state)
{
    unsigned char bytes[128] = {'M', 'Z'};
    const struct weft_elf_input in = {.image = bytes, .fd = -1, .size_bytes = sizeof(bytes)};
    weft_auto_audit_verdicts v = {0};
    struct weft_audit_target t;

    (void)state;
    target("linux/amd64", &t);
    weft_audit_pe(&t, &in, &v);
    memset(bytes + 0x3c, 0xff, 4);
    weft_audit_pe(&t, &in, &v);
    assert_int_equal(v.n, 0);
}

static void test_ar_hostile(void **state)
{
    static const char *const archives[] = {
        "!<arch>\n",
        "!<arch>\nx",
        "!<arch>\na/              0           0     0     644     -5        `\n",
        "!<arch>\na/              0           0     0     644     9999999999`\n",
        "!<arch>\na/              0           0     0     644     4         `\n\177ELF",
    };
    struct weft_audit_target t;

    (void)state;
    target("linux/amd64", &t);
    for (size_t i = 0; i < COUNT(archives); i++) {
        const struct weft_elf_input in = {
            .image = archives[i], .fd = -1, .size_bytes = strlen(archives[i])};
        weft_auto_audit_verdicts v = {0};

        weft_audit_ar(&t, &in, &v);
        assert_int_equal(v.n, 0);
    }
}

/* ---- attributes ---- */

static void test_attributes(void **state)
{
    static const unsigned char arm[] =
        "A\x1e\0\0\0aeabi\0\1\x14\0\0\0\5\67-A\0\6\xa\x1c\1\x20\1x\0";
    struct weft_elf_attributes a = {0};
    unsigned char copy[sizeof(arm) - 1];
    const size_t len = sizeof(copy);

    (void)state;
    memcpy(copy, arm, len);
    copy[1] = (unsigned char)(len - 1);
    copy[12] = (unsigned char)(len - 11);
    assert_int_equal(weft_elf_attributes_read(copy, len, false, "aeabi", &a), 0);
    assert_true(a.has_cpu);
    assert_int_equal(a.arm_cpu, 10);
    assert_int_equal(a.arm_vfp_args, 1);
    a = (struct weft_elf_attributes){0};
    assert_int_equal(weft_elf_attributes_read(copy, len, false, "riscv", &a), 0);
    assert_false(a.has_cpu);
    /* cut off anywhere, it is an error or says less */
    for (size_t i = 0; i < len; i++) {
        struct weft_elf_attributes cut = {0};

        weft_elf_attributes_read(copy, i, false, "aeabi", &cut);
        free(cut.riscv_arch);
    }
    assert_int_equal(weft_elf_attributes_read(copy, 0, false, "aeabi", &a), -1);
    copy[0] = 'B';
    assert_int_equal(weft_elf_attributes_read(copy, len, false, "aeabi", &a), -1);
}

/* ---- paths ---- */

static void test_paths(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"/usr/lib/grub/*", "/usr/lib/grub/i386-pc/kernel.img", true},
        {"/usr/lib/grub/*", "/opt/usr/lib/grub/x", false},
        {"*/testdata/*", "/go/src/debug/elf/testdata/gcc-386", true},
        {"*.ko", "/lib/modules/x.ko", true},
        {"firmware/?.bin", "/opt/firmware/a.bin", true},
        {"firmware/?.bin", "/opt/firmware/ab.bin", false},
        {"a[bc]", "/ab", true},
        {"b", "/ab", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (weft_audit_path_matches(cases[i].pattern, cases[i].path) != cases[i].matches) {
            fail_msg("%s, %s", cases[i].pattern, cases[i].path);
        }
    }
    assert_non_null(weft_audit_known("/usr/lib/grub/i386-pc/kernel.img", WEFT_AUDIT_MACHINE));
    assert_null(weft_audit_known("/usr/lib/libz.so", WEFT_AUDIT_MACHINE));
    /* a level is fine where the loader chooses by it, another machine is not */
    assert_non_null(weft_audit_known("/usr/lib/glibc-hwcaps/x86-64-v3/libz.so", WEFT_AUDIT_ISA));
    assert_null(weft_audit_known("/usr/lib/glibc-hwcaps/x86-64-v3/libz.so", WEFT_AUDIT_MACHINE));
}

static void test_texts(void **state)
{
    (void)state;
    for (int r = 0; r < WEFT_AUDIT_RULES; r++) {
        assert_non_null(weft_audit_rule_name((enum weft_audit_rule)r));
        assert_non_null(weft_audit_rule_text((enum weft_audit_rule)r));
    }
    assert_non_null(strstr(weft_audit_cause(WEFT_AUDIT_MACHINE, "COPY /app /"), "$BUILDPLATFORM"));
    assert_non_null(strstr(weft_audit_cause(WEFT_AUDIT_MACHINE, "RUN curl"), "download"));
    assert_non_null(weft_audit_cause(WEFT_AUDIT_MACHINE, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),      cmocka_unit_test(test_unknown_platform),
        cmocka_unit_test(test_isa_text),   cmocka_unit_test(test_version_cmp),
        cmocka_unit_test(test_sniff),      cmocka_unit_test(test_script),
        cmocka_unit_test(test_pe),         cmocka_unit_test(test_pe_none),
        cmocka_unit_test(test_ar_hostile), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
