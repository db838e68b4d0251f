/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "platforms/catalogue.h"
#include "platforms/platform.h"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"linux/amd64", "linux/amd64"},
        {"amd64", "linux/amd64"},
        {"x86_64", "linux/amd64"},
        {"linux/x86-64", "linux/amd64"},
        {"linux/amd64/v1", "linux/amd64"},
        {"Linux/AMD64", "linux/amd64"},
        {"i386", "linux/386"},
        {"linux/386", "linux/386"},
        {"linux/arm64", "linux/arm64"},
        {"aarch64", "linux/arm64"},
        {"linux/arm64/v8", "linux/arm64"},
        {"linux/aarch64/8", "linux/arm64"},
        {"linux/arm", "linux/arm/v7"},
        {"arm", "linux/arm/v7"},
        {"armhf", "linux/arm/v7"},
        {"armel", "linux/arm/v6"},
        {"linux/armhf/v5", "linux/arm/v7"},
        {"linux/arm/5", "linux/arm/v5"},
        {"linux/arm/v6", "linux/arm/v6"},
        {"linux/arm/V7", "linux/arm/v7"},
        {"riscv64", "linux/riscv64"},
        {"linux/ppc64le", "linux/ppc64le"},
        {"linux/s390x", "linux/s390x"},
        {"linux/mips64le", "linux/mips64le"},
        {"linux/loong64", "linux/loong64"},
        {"linux/mipsle", "linux/mipsle"},
        {"linux/amd64/v2", "linux/amd64/v2"},
        {"linux/x86_64/V3", "linux/amd64/v3"},
        {"linux/arm64/v8.0", "linux/arm64"},
        {"linux/arm64/v8.2", "linux/arm64/v8.2"},
        {"linux/arm64/v9", "linux/arm64/v9"},
        {"linux/arm64/9", "linux/arm64/v9"},
        {"linux/arm64/9.0", "linux/arm64/v9"},
        {"linux/aarch64/v9.0", "linux/arm64/v9"},
        {"linux/arm64/v9.5", "linux/arm64/v9.5"},
        {"i686", "linux/386"},
        {"linux/i586", "linux/386"},
        {"armv7l", "linux/arm/v7"},
        {"linux/armv6l", "linux/arm/v6"},
        {"armv5tel", "linux/arm/v5"},
        {"ppc64el", "linux/ppc64le"},
        {"powerpc64le", "linux/ppc64le"},
        {"linux/powerpc64", "linux/ppc64"},
        {"mips64el", "linux/mips64le"},
        {"linux/mipsel", "linux/mipsle"},
        {"loongarch64", "linux/loong64"},
        {"windows/amd64", "windows/amd64"},
        {"Windows/x86_64", "windows/amd64"},
        {"windows/amd64/v1", "windows/amd64"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_platform p = {0};
        struct weft_err *err = NULL;
        char buf[WEFT_PLATFORM_SIZE];

        assert_int_equal(weft_platform_parse(cases[i].text, &p, &err), 0);
        assert_null(err);
        assert_string_equal(weft_platform_format(&p, buf), cases[i].want);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *in_msg;
        const char *in_hint;
    } cases[] = {
        {"", "is not a platform", "linux/arm64"},
        {"/", "is not a platform", "linux/arm64"},
        {"linux/", "is not a platform", "linux/arm64"},
        {"/arm64", "is not a platform", "linux/arm64"},
        {"linux/arm/v7/x", "is not a platform", "linux/arm64"},
        {"linux/arm64 ", "is not a platform", "linux/arm64"},
        {"linux/arm\x1b[1m", "\"linux/arm\\x1b[1m\" is not a platform", "linux/arm64"},
        {"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "is not a platform", "linux/arm64"},
        {"linux/arn64", "unknown platform \"linux/arn64\"", "linux/arm64"},
        {"risc64", "unknown platform", "linux/riscv64"},
        {"linux/ppc64lx", "unknown platform", "linux/ppc64"},
        {"x86-64/v4", "for linux, and for windows/amd64", "linux/amd64/v4"},
        {"linux/amd64/2", "unknown platform", "linux/amd64/v2"},
        {"linux/amd64/v5", "unknown platform", "linux/amd64/v"},
        {"linux/arm64/8.2", "unknown platform", "linux/arm64/v8.2"},
        {"linux/arm64/v9.6", "unknown platform", "linux/arm64/v"},
        {"linux/arm/v8", "unknown platform", "linux/arm/v"},
        {"linux/arm/v9", "unknown platform", "linux/arm/v"},
        {"windows/arm64", "for linux, and for windows/amd64", "windows/amd64"},
        {"darwin/arm64", "for linux, and for windows/amd64", "linux/arm64"},
        {"zzzzzz", "unknown platform", "one of linux/amd64, linux/386, linux/arm64, linux/arm/v7"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_platform p = {0};
        struct weft_err *err = NULL;

        assert_int_equal(weft_platform_parse(cases[i].text, &p, &err), -1);
        assert_non_null(err);
        assert_int_equal(err->code, WEFT_E_USAGE);
        if (!strstr(err->msg, cases[i].in_msg)) {
            fail_msg("\"%s\": message \"%s\"", cases[i].text, err->msg);
        }
        if (!err->hint || !strstr(err->hint, cases[i].in_hint)) {
            fail_msg("\"%s\": hint \"%s\"", cases[i].text, err->hint);
        }
        assert_string_equal(p.os, "");
        weft_err_free(err);
    }
}

static void test_fields(void **state)
{
    struct weft_platform p;
    struct weft_platform host;
    struct weft_platform parsed;
    char buf[WEFT_PLATFORM_SIZE];

    (void)state;
    weft_platform_from_fields("linux", "arm", "7", &p);
    assert_string_equal(weft_platform_dirname(&p, buf), "linux_arm_v7");
    weft_platform_from_fields("unknown", "unknown", NULL, &p);
    assert_string_equal(weft_platform_format(&p, buf), "unknown/unknown");
    weft_platform_from_fields(NULL, NULL, NULL, &p);
    assert_string_equal(p.os, "");
    weft_platform_from_fields("linux", "a-name-longer-than-the-field", "", &p);
    assert_string_equal(p.arch, "a-name-longer-t");

    /* images do not speak Debian */
    weft_platform_from_fields("linux", "ppc64el", NULL, &p);
    assert_string_equal(weft_platform_format(&p, buf), "linux/ppc64el");
    weft_platform_from_fields("linux", "arm64", "v8.0", &p);
    assert_string_equal(weft_platform_format(&p, buf), "linux/arm64");

    weft_platform_host(&host);
    assert_non_null(weft_catalogue_find(&host));
    assert_int_equal(weft_platform_parse("linux", &parsed, NULL), 0);
    assert_true(weft_platform_eq(&host, &parsed));
}

/* First bytes of real programs, as `head -c 20 | xxd -p` shows them (Debian's busybox-static). */
static const struct {
    const char *platform;
    const char *head;
} heads[] = {
    {"linux/amd64", "7f454c4602010103000000000000000002003e00"},
    {"linux/386", "7f454c4601010103000000000000000002000300"},
    {"linux/arm64", "7f454c460201010300000000000000000200b700"},
    {"linux/arm64", "7f454c460201010000000000000000000300b700"}, /* PIE */
    {"linux/arm/v7", "7f454c4601010103000000000000000002002800"},
    {"linux/arm/v5", "7f454c4601010100000000000000000003002800"},
    {"linux/riscv64", "7f454c460201010300000000000000000200f300"},
    {"linux/ppc64le", "7f454c4602010103000000000000000002001500"},
    {"linux/ppc64", "7f454c4602020103000000000000000000020015"},
    {"linux/s390x", "7f454c4602020103000000000000000000020016"},
    {"linux/mips64le", "7f454c4602010103000000000000000002000800"},
    {"linux/mips64le", "7f454c4602010100010000000000000002000800"}, /* EI_ABIVERSION 1 */
    {"linux/mips64le", "7f454c4602010103050000000000000003000800"}, /* and 5, PIE */
    {"linux/mips64", "7f454c4602020103000000000000000000020008"},
    {"linux/mipsle", "7f454c4601010103000000000000000002000800"},
    {"linux/mips", "7f454c4601020103000000000000000000020008"},
    {"linux/loong64", "7f454c4602010103000000000000000002000201"},
};

static void from_hex(const char *hex, unsigned char head[WEFT_ELF_HEAD_SIZE])
{
    assert_int_equal(strlen(hex), 2 * WEFT_ELF_HEAD_SIZE);
    for (size_t i = 0; i < WEFT_ELF_HEAD_SIZE; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        head[i] = (unsigned char)strtol(byte, NULL, 16);
    }
}

static void test_machines(void **state)
{
    size_t n_machines = 0;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n_machines);

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct weft_platform p;
        const struct weft_platform_info *info;
        unsigned char head[WEFT_ELF_HEAD_SIZE];
        unsigned char changed[WEFT_ELF_HEAD_SIZE];
        size_t matches = 0;

        assert_int_equal(weft_platform_parse(heads[i].platform, &p, NULL), 0);
        info = weft_catalogue_find(&p);
        assert_non_null(info);
        from_hex(heads[i].head, head);
        assert_true(weft_machine_matches(info->machine, head, sizeof(head)));
        for (size_t m = 0; m < n_machines; m++) {
            matches += weft_machine_matches(machines[m], head, sizeof(head));
        }
        assert_int_equal(matches, 1);
        assert_false(weft_machine_matches(info->machine, head, sizeof(head) - 1));

        /* FreeBSD's OSABI, a marked padding byte, a core file, a relocatable object. */
        memcpy(changed, head, sizeof(head));
        changed[7] = 9;
        assert_false(weft_machine_matches(info->machine, changed, sizeof(changed)));
        memcpy(changed, head, sizeof(head));
        changed[15] = 1;
        assert_false(weft_machine_matches(info->machine, changed, sizeof(changed)));
        for (unsigned char type = 0; type < 5; type++) {
            memcpy(changed, head, sizeof(head));
            changed[head[5] == 1 ? 16 : 17] = type;
            assert_int_equal(weft_machine_matches(info->machine, changed, sizeof(changed)),
                             type == 2 || type == 3);
        }
    }
}

static void test_catalogue(void **state)
{
    size_t n = 0;
    size_t n_machines = 0;
    const struct weft_platform_info *all = weft_catalogue(&n);
    const struct weft_machine *const *machines = weft_catalogue_machines(&n_machines);
    size_t seen;

    (void)state;
    assert_true(n >= 10);
    for (size_t i = 0; i < n; i++) {
        struct weft_platform p;
        char buf[WEFT_PLATFORM_SIZE];

        /* Every name is in normal form, and found. */
        assert_int_equal(weft_platform_parse(weft_platform_format(&all[i].platform, buf), &p, NULL),
                         0);
        assert_ptr_equal(weft_catalogue_find(&p), &all[i]);
        seen = 0;
        for (size_t m = 0; m < n_machines; m++) {
            seen += machines[m] == all[i].machine;
        }
        assert_int_equal(seen, strcmp(p.os, "windows") == 0 ? 0 : 1);
        assert_int_equal(all[i].triplet != NULL, seen);
        for (size_t j = 0; j < i; j++) {
            assert_false(weft_platform_eq(&all[i].platform, &all[j].platform));
        }
    }
    for (size_t m = 0; m < n_machines; m++) {
        const struct weft_platform_info *plain = weft_catalogue_default_of(machines[m]);
        const char *variant = plain->platform.variant;

        assert_ptr_equal(plain->machine, machines[m]);
        assert_string_equal(variant, strcmp(plain->platform.arch, "arm") == 0 ? "v7" : "");
        /* magic and fields are one */
        assert_int_equal(machines[m]->magic[4], machines[m]->elf_class);
        assert_int_equal(machines[m]->magic[5], machines[m]->elf_data);
        assert_int_equal(machines[m]->magic[18] | machines[m]->magic[19],
                         (machines[m]->elf_machine & 0xff) | machines[m]->elf_machine >> 8);
        assert_int_equal(machines[m]->elf_flags & ~machines[m]->elf_flags_mask, 0);
    }
}

static void test_native(void **state)
{
    static const struct {
        const char *host;
        const char *platform;
        bool want;
    } cases[] = {
        {"amd64", "amd64", true},      {"amd64", "386", true},      {"386", "amd64", false},
        {"arm64", "arm64", true},      {"arm64", "arm/v7", true},   {"arm64", "arm/v5", true},
        {"arm/v7", "arm/v6", true},    {"arm/v6", "arm/v7", false}, {"arm/v7", "arm64", false},
        {"amd64", "arm64", false},     {"amd64", "arm/v7", false},  {"ppc64le", "ppc64", false},
        {"mips64le", "mipsle", false}, {"amd64", "amd64/v4", true}, {"arm64", "arm64/v9.2", true},
        {"arm/v7", "arm/v7", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_platform host;
        struct weft_platform p;
        char text[WEFT_PLATFORM_SIZE];

        snprintf(text, sizeof(text), "linux/%s", cases[i].host);
        assert_int_equal(weft_platform_parse(text, &host, NULL), 0);
        snprintf(text, sizeof(text), "linux/%s", cases[i].platform);
        assert_int_equal(weft_platform_parse(text, &p, NULL), 0);
        assert_int_equal(weft_catalogue_maybe_native(&host, &p), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_machines),
        cmocka_unit_test(test_catalogue), cmocka_unit_test(test_native),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
