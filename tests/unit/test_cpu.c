/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/cpu.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

static const struct weft_platform arm64 = {"linux", "arm64", ""};
static const struct weft_platform armv6 = {"linux", "arm", "v6"};
static const struct weft_platform armv7 = {"linux", "arm", "v7"};

static void test_choices(void **state)
{
    struct weft_cpu_choices c = {0};
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_cpu_choices_for(&c, &arm64)->policy, WEFT_CPU_BASELINE);
    assert_false(c.given);

    assert_ok(weft_cpu_choices_add(&c, "max", &err), &err);
    assert_ok(weft_cpu_choices_add(&c, "aarch64=cortex-a53,aes=off", &err), &err);
    assert_ok(weft_cpu_choices_add(&c, "linux/arm/v6=baseline", &err), &err);
    assert_true(c.given);
    assert_int_equal(weft_cpu_choices_for(&c, &arm64)->policy, WEFT_CPU_MODEL);
    assert_string_equal(weft_cpu_choices_for(&c, &arm64)->model, "cortex-a53,aes=off");
    assert_int_equal(weft_cpu_choices_for(&c, &armv6)->policy, WEFT_CPU_BASELINE);
    assert_int_equal(weft_cpu_choices_for(&c, &armv7)->policy, WEFT_CPU_MAX);

    /* the later one holds */
    assert_ok(weft_cpu_choices_add(&c, "linux/arm64=max", &err), &err);
    assert_int_equal(weft_cpu_choices_for(&c, &arm64)->policy, WEFT_CPU_MAX);
    assert_null(weft_cpu_choices_for(&c, &arm64)->model);
    assert_ok(weft_cpu_choices_add(&c, "linux/arm64=qemu64,+sse3,-svm", &err), &err);
    assert_string_equal(weft_cpu_choices_for(&c, &arm64)->model, "qemu64,+sse3,-svm");
    assert_ok(weft_cpu_choices_add(&c, "baseline", &err), &err);
    assert_int_equal(weft_cpu_choices_for(&c, &armv7)->policy, WEFT_CPU_BASELINE);
    assert_int_equal(c.n, 2);
    assert_ok(weft_cpu_choices_add(&c, "fastest", &err), &err);
    assert_ok(weft_cpu_choices_add(&c, "linux/arm/v6=fastest", &err), &err);
    assert_int_equal(weft_cpu_choices_for(&c, &armv7)->policy, WEFT_CPU_FASTEST);
    assert_int_equal(weft_cpu_choices_for(&c, &armv6)->policy, WEFT_CPU_FASTEST);
    assert_null(weft_cpu_choices_for(&c, &armv6)->model);
    assert_string_equal(weft_cpu_choices_for(&c, &arm64)->model, "qemu64,+sse3,-svm");
    weft_cpu_choices_finish(&c);
    assert_int_equal(c.n, 0);
}

static void test_bad_choices(void **state)
{
    static const struct {
        const char *text;
        const char *msg;
        const char *hint; /* a part of it */
    } cases[] = {
        {"basline", "unknown CPU policy \"basline\"", "baseline"},
        {"cortex-a72", "unknown CPU policy \"cortex-a72\"", "linux/arm64=cortex-a72"},
        {"cortex-a53,aes=off", "unknown CPU policy", "one platform"},
        {"", "unknown CPU policy \"\"", "baseline, max or fastest"},
        {"fast", "unknown CPU policy \"fast\"", "baseline"},
        {"fastes", "unknown CPU policy \"fastes\"", "fastest"},
        {"linux/arm46=max", "linux/arm46=max: unknown platform \"linux/arm46\"", "linux/arm64"},
        {"=max", "is not a platform", "linux/arm64"},
        {"linux/arm64=", "\"\" is no CPU model", "cortex-a72"},
        {"linux/arm64=help", "\"help\" is no CPU model", "cortex-a72"},
        {"linux/arm64=?", "\"?\" is no CPU model", "cortex-a72"},
        {"linux/arm64=-cpu", "\"-cpu\" is no CPU model", "cortex-a72"},
        {"linux/arm64=aes=off", "\"aes=off\" is no CPU model", "cortex-a72"},
        {"linux/arm64=max,", "\"max,\" is no CPU model", "cortex-a72"},
        {"linux/arm64=a b", "\"a b\" is no CPU model", "cortex-a72"},
        {"linux/arm64=max,linux/386=max", "is no CPU model", "cortex-a72"},
        {"linux/arm64=a\033[1m", "\"a\\x1b[1m\" is no CPU model", "cortex-a72"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_cpu_choices c = {0};
        struct weft_err *err = NULL;

        assert_int_equal(weft_cpu_choices_add(&c, cases[i].text, &err), -1);
        assert_non_null(err->hint);
        if (!strstr(err->hint, cases[i].hint)) {
            fail_msg("%s: hint %s", cases[i].text, err->hint);
        }
        assert_err(&err, WEFT_E_USAGE, 0, cases[i].msg);
        assert_false(c.given);
        assert_int_equal(c.n, 0);
        weft_cpu_choices_finish(&c);
    }
}

/* A few lines of each format, as QEMU printed them. */
static void test_help(void **state)
{
    static const struct {
        const char *what;
        const char *text;
        const char *models;
    } cases[] = {
        {"7.2 x86_64",
         "Available CPUs:\n"
         "x86 486                   (alias configured by machine type)                        \n"
         "x86 Opteron_G1-v1         AMD Opteron 240 (Gen 1 Class Opteron)                     \n"
         "x86 base                  base CPU model type with no features enabled\n"
         "x86 max                   Enables all features supported by the accelerator in the "
         "current host\n\n"
         "Recognized CPUID flags:\n  3dnow 3dnowext 3dnowprefetch abm\n",
         "486 Opteron_G1-v1 base max"},
        {"11.1 x86_64",
         "Available CPUs:\n"
         "  486                   (alias configured by machine type)                        \n"
         "  qemu64-v1             QEMU Virtual CPU version 2.5+                             \n\n"
         "Recognized CPUID flags:\n  3dnow 3dnowext 3dnowprefetch abm\n",
         "486 qemu64-v1"},
        {"7.2 ppc64le",
         "PowerPC mpc5xx           PVR 00020020\n"
         "PowerPC rcpu             (alias for mpc5xx)\n"
         "PowerPC power7+          (alias for power7+_v2.1)\n",
         "mpc5xx rcpu power7+"},
        {"11.1 ppc64le",
         "Available CPUs:\n"
         "  power9_v2.2      PVR 004e1202\n"
         "  power9           (alias for power9_v2.2)\n",
         "power9_v2.2 power9"},
        {"7.2 s390x",
         "s390 qemu            QEMU Virtual CPU version 2.5+       (migration-safe)\n"
         "s390 max             Enables all features supported by the accelerator in the current "
         "host\n"
         "s390 z900.2-base     IBM zSeries 900 GA2                 (static, migration-safe)\n\n"
         "Recognized feature flags:\nesan3                Instructions marked as n3\n\n"
         "Recognized feature groups:\nplo                  Perform-locked-operation facility\n",
         "qemu max z900.2-base"},
        {"10.0 s390x",
         "Available CPUs:\n"
         "  gen15a          IBM z15 T01 GA1                     (migration-safe)\n\n"
         "Recognized feature flags:\n  esan3                Instructions marked as n3\n",
         "gen15a"},
        {"7.2 mips", "MIPS '4Kc'\nMIPS 'mips32r6-generic'\n", "4Kc mips32r6-generic"},
        {"10.0 mips", "Available CPUs:\n  24Kc\n  MIPS64R2-generic\n", "24Kc MIPS64R2-generic"},
        {"7.2 riscv64", "any\nrv64\nsifive-u54\n", "any rv64 sifive-u54"},
        {"10.0 riscv64", "Available CPUs:\n  max\n  thead-c906\n", "max thead-c906"},
        {"7.2 arm", "Available CPUs:\n  arm1136-r2\n  any\n", "arm1136-r2 any"},
        {"10.0 arm", "Available CPUs:\n  pxa270-c5 (deprecated)\n  sa1100\n", "pxa270-c5 sa1100"},
        {"7.2 loongarch64", "la464-loongarch-cpu\n", "la464-loongarch-cpu"},
        {"11.1 loongarch64", "Available CPUs:\n  la132\n  la464\n  max\n", "la132 la464 max"},
        {"no list", "qemu: \033[1mno\nMIPS 'a b'\n'x'y\n--help\n\n ()\n", "x"},
        {"nothing", "", ""},
        {"no newline", "  cortex-a53", "cortex-a53"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_strv models = {0};
        weft_auto_free char *found = NULL;

        weft_cpu_parse_help(cases[i].text, &models);
        found = weft_strv_join(&models, " ");
        if (strcmp(found, cases[i].models) != 0) {
            fail_msg("%s: %s", cases[i].what, found);
        }
    }
}

static void check_list(const struct weft_platform *p, const struct weft_cpu_model *list)
{
    char buf[WEFT_PLATFORM_SIZE];

    for (; list->model; list++) {
        weft_auto_free char *choice = weft_fmt("%s=%s", weft_platform_format(p, buf), list->model);
        struct weft_cpu_choices c = {0};
        struct weft_err *err = NULL;

        assert_non_null(list->exceeds);
        if (weft_cpu_too_weak(p, list->model)) {
            fail_msg("%s is too weak", choice);
        }
        /* what the catalogue names, a user can name too */
        if (weft_platform_parse(buf, &(struct weft_platform){0}, NULL) == 0) {
            assert_ok(weft_cpu_choices_add(&c, choice, &err), &err);
        }
        weft_cpu_choices_finish(&c);
    }
}

static void test_spec(void **state)
{
    static const struct weft_platform variants[] = {
        {"linux", "amd64", "v2"},   {"linux", "amd64", "v3"},   {"linux", "arm64", "v8.1"},
        {"linux", "arm64", "v8.4"}, {"linux", "arm64", "v8.9"}, {"linux", "arm64", "v9"},
        {"linux", "arm64", "v9.4"},
    };
    static const struct weft_platform v4 = {"linux", "amd64", "v4"};
    static const struct weft_platform windows = {"windows", "amd64", ""};
    size_t n = 0;
    const struct weft_platform_info *all = weft_catalogue(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const struct weft_cpu_spec *spec = weft_cpu_spec(&all[i].platform);

        if (!all[i].machine) {
            assert_null(spec);
            continue;
        }
        assert_non_null(spec);
        assert_true(*spec->promises && *spec->why);
        check_list(&all[i].platform, spec->baseline);
        check_list(&all[i].platform, spec->max);
        if (!weft_platform_eq(&all[i].platform, &v4)) {
            assert_non_null(spec->baseline->model);
            assert_non_null(spec->max->model);
        }
    }
    for (size_t i = 0; i < COUNT(variants); i++) {
        assert_non_null(weft_cpu_spec(&variants[i]));
        check_list(&variants[i], weft_cpu_spec(&variants[i])->baseline);
    }
    assert_null(weft_cpu_spec(&v4)->baseline->model);
    assert_null(weft_cpu_spec(&windows));
}

static void test_too_weak(void **state)
{
    static const struct {
        struct weft_platform platform;
        const char *model;
        bool weak;
    } cases[] = {
        {{"linux", "arm", "v7"}, "arm926", true},
        {{"linux", "arm", "v7"}, "arm1176", true},
        {{"linux", "arm", "v7"}, "cortex-m4", true},
        {{"linux", "arm", "v7"}, "cortex-a8", false},
        {{"linux", "arm", "v6"}, "arm926,vfp=off", true},
        {{"linux", "arm", "v6"}, "arm1136-r2", false},
        {{"linux", "arm", "v5"}, "arm926", false},
        {{"linux", "arm", "v5"}, "sa1110", true},
        {{"linux", "arm64", ""}, "cortex-a35", false},
        {{"linux", "arm64", "v8.2"}, "cortex-a72", true},
        {{"linux", "arm64", "v8.2"}, "cortex-a710", false},
        {{"linux", "arm64", "v8.4"}, "cortex-a76", true},
        {{"linux", "arm64", "v8.4"}, "neoverse-v1", false},
        {{"linux", "arm64", "v9"}, "neoverse-v1", true},
        {{"linux", "arm64", "v9"}, "neoverse-n2", false},
        {{"linux", "arm64", "v9.2"}, "neoverse-n2", true},
        {{"linux", "arm64", "v9.2"}, "max,sme=off", false},
        {{"linux", "amd64", ""}, "qemu32", true},
        {{"linux", "amd64", "v2"}, "qemu64", true},
        {{"linux", "amd64", "v2"}, "qemu64,ssse3=on", false}, /* nobody counts these */
        {{"linux", "amd64", "v2"}, "qemu64,+ssse3", false},
        {{"linux", "amd64", "v3"}, "Nehalem-v2", true},
        {{"linux", "386", ""}, "pentium3", true},
        {{"linux", "386", ""}, "n270", false},
        {{"linux", "riscv64", ""}, "sifive-e51", true},
        {{"linux", "riscv64", ""}, "rv64i,m=true", false},
        {{"linux", "ppc64le", ""}, "power7+_v2.1", true},
        {{"linux", "ppc64le", ""}, "e5500", true},
        {{"linux", "ppc64le", ""}, "power8nvl_v1.0", false},
        {{"linux", "ppc64", ""}, "power10", false},
        {{"linux", "ppc64", ""}, "970", true},
        {{"linux", "s390x", ""}, "z196.2-base", true},
        {{"linux", "s390x", ""}, "z13", false},
        {{"linux", "mips64le", ""}, "I6400", true},
        {{"linux", "mips64le", ""}, "MIPS64R2-generic", false},
        {{"linux", "mipsle", ""}, "4KEc", true},
        {{"linux", "mips", ""}, "34Kf", false},
        {{"linux", "loong64", ""}, "la132", true},
        {{"linux", "loong64", ""}, "la664", false}, /* unknown */
        {{"windows", "amd64", ""}, "486", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (weft_cpu_too_weak(&cases[i].platform, cases[i].model) != cases[i].weak) {
            fail_msg("%s/%s: %s", cases[i].platform.arch, cases[i].platform.variant,
                     cases[i].model);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),  cmocka_unit_test(test_bad_choices),
        cmocka_unit_test(test_help),     cmocka_unit_test(test_spec),
        cmocka_unit_test(test_too_weak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
