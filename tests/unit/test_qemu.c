/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/qemu.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#include "tests/helpers.h"

static const struct weft_machine sparrow = {.qemu = "sparrow"};

/* A program of this machine with one segment of this type, in dir. */
static char *put_program(const char *dir, const char *name, uint32_t segment)
{
    char *path = weft_path_join(dir, name);
    unsigned char image[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr)] = {0};
    unsigned char self[sizeof(Elf64_Ehdr)];
    FILE *f = fopen("/proc/self/exe", "re");

    /* machine, class and byte order are those of this test */
    assert_non_null(f);
    assert_int_equal(fread(self, 1, sizeof(self), f), sizeof(self));
    fclose(f);
    memcpy(image, self, EI_NIDENT);
    memcpy(image + offsetof(Elf64_Ehdr, e_machine), self + offsetof(Elf64_Ehdr, e_machine), 2);
    if (self[EI_CLASS] == ELFCLASS64) {
        Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)image;
        Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(image + sizeof(*eh));

        eh->e_type = ET_EXEC;
        eh->e_phoff = sizeof(*eh);
        eh->e_phentsize = sizeof(*ph);
        eh->e_phnum = 1;
        ph->p_type = segment;
    } else {
        Elf32_Ehdr *eh = (Elf32_Ehdr *)(void *)image;
        Elf32_Phdr *ph = (Elf32_Phdr *)(void *)(image + sizeof(*eh));

        eh->e_type = ET_EXEC;
        eh->e_phoff = sizeof(*eh);
        eh->e_phentsize = sizeof(*ph);
        eh->e_phnum = 1;
        ph->p_type = segment;
    }
    put_file(path, image, sizeof(image));
    chmod(path, 0755);
    return path;
}

static void test_static(void **state)
{
    char *fixed = put_program(*state, "fixed", PT_LOAD);
    char *dynamic = put_program(*state, "dynamic", PT_INTERP);
    char *text = weft_path_join(*state, "text");
    char *other = put_program(*state, "other", PT_LOAD);
    int fd = open(other, O_WRONLY | O_CLOEXEC);

    /* one that was built for another machine: none of them is EM_68K */
    assert_int_equal(
        pwrite(fd, (const unsigned char[]){EM_68K, EM_68K}, 2, offsetof(Elf64_Ehdr, e_machine)), 2);
    close(fd);
    assert_false(weft_qemu_is_static(other));
    put_file(text, "#!/bin/sh\n", 10);
    assert_true(weft_qemu_is_static(fixed));
    assert_false(weft_qemu_is_static(dynamic));
    assert_false(weft_qemu_is_static(text));
    assert_false(weft_qemu_is_static("/nonexistent"));
    free(fixed);
    free(dynamic);
    free(other);
    free(text);
}

static void test_find(void **state)
{
    const char *dir = *state;
    char *first = weft_path_join(dir, "first");
    char *second = weft_path_join(dir, "second");
    char *dirs = weft_fmt("relative:%s::%s:/nonexistent", first, second);
    char *want, *found;

    assert_int_equal(mkdir(first, 0755), 0);
    assert_int_equal(mkdir(second, 0755), 0);
    assert_null(weft_qemu_find(&sparrow, dirs));
    free(put_program(first, "qemu-sparrow", PT_INTERP));
    want = put_program(second, "qemu-sparrow", PT_LOAD);
    found = weft_qemu_find(&sparrow, dirs);
    assert_string_equal(found, want);
    free(found);
    free(want);
    want = put_program(second, "qemu-sparrow-static", PT_LOAD);
    found = weft_qemu_find(&sparrow, dirs);
    assert_string_equal(found, want);
    free(found);
    /* not executable: not a program */
    chmod(want, 0644);
    found = weft_qemu_find(&sparrow, dirs);
    assert_true(weft_ends_with(found, "second/qemu-sparrow"));
    free(found);
    free(want);
    free(dirs);
    free(first);
    free(second);
}

static void test_dirs(void **state)
{
    char *dirs;

    (void)state;
    setenv("WEFT_QEMU_DIR", "/opt/qemu", 1);
    dirs = weft_qemu_dirs();
    assert_string_equal(dirs, "/opt/qemu");
    free(dirs);
    unsetenv("WEFT_QEMU_DIR");
    setenv("PATH", "/a:/b", 1);
    dirs = weft_qemu_dirs();
    assert_string_equal(dirs, "/a:/b:/usr/bin");
    free(dirs);
}

static void test_version(void **state)
{
    static const struct {
        const char *answer;
        const char *want;
    } cases[] = {
        {"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright", "7.2.22"},
        {"qemu-arm version 10.0.2\n", "10.0.2"},
        {"qemu-arm\nthe version 1", NULL},
        {"qemu version x", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *version = weft_qemu_parse_version(cases[i].answer);

        assert_true(weft_str_eq(version, cases[i].want));
        free(version);
    }
}

static void test_scan(void **state)
{
    const char *dir = *state;
    char *first = weft_path_join(dir, "first");
    char *second = weft_path_join(dir, "second");
    char *link = weft_path_join(dir, "second/qemu-arm");
    char *dirs = weft_fmt("%s:relative:%s:%s", first, second, first);
    char *arm_static, *arm, *s390x;
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_qemus q = {0};

    assert_int_equal(mkdir(first, 0755), 0);
    assert_int_equal(mkdir(second, 0755), 0);
    arm_static = put_program(first, "qemu-arm-static", PT_LOAD);
    arm = put_program(first, "qemu-arm", PT_LOAD);
    s390x = put_program(second, "qemu-s390x", PT_LOAD);
    free(put_program(second, "qemu-mips", PT_INTERP));
    free(put_program(second, "qemu-sparrow", PT_LOAD));
    assert_int_equal(symlink(arm, link), 0);
    weft_answers_keep(a, "version", arm, "10.0.13"); /* so it is not asked */
    weft_qemu_scan(dirs, a, &q);
    assert_int_equal(q.n, 3);
    assert_string_equal(q.v[0].path, arm_static);
    assert_ptr_equal(q.v[0].machine, machine_named("arm"));
    assert_null(q.v[0].version); /* it does not start */
    assert_string_equal(q.v[1].path, arm);
    assert_string_equal(q.v[1].version, "10.0.13");
    assert_string_equal(q.v[2].path, s390x);
    /* a directory that it lies in, or is linked from */
    assert_true(weft_qemu_is(&q.v[1], first));
    assert_true(weft_qemu_is(&q.v[1], second));
    assert_false(weft_qemu_is(&q.v[2], first));
    assert_false(weft_qemu_is(&q.v[2], "/nonexistent"));
    weft_qemus_finish(&q);
    assert_int_equal(q.n, 0);
    weft_answers_destroy(a);
    free(arm_static);
    free(arm);
    free(s390x);
    free(link);
    free(dirs);
    free(first);
    free(second);
}

static void test_is(void **state)
{
    static const struct {
        const char *version;
        const char *want;
        bool is;
    } cases[] = {
        {"10.0.13", "10", true},      {"10.0.13", "10.0", true}, {"10.0.13", "10.0.13", true},
        {"10.0.13", "10.0.1", false}, {"10.0.13", "1", false},   {"10.0.13", "10.0.13.1", false},
        {"10.0.13", "10.", false},    {"10.0.13", "", false},    {"10.0.13", "7.2", false},
        {NULL, "10", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *version = weft_xstrdup_null(cases[i].version);
        struct weft_qemu q = {.machine = machine_named("arm"), .version = version};

        if (weft_qemu_is(&q, cases[i].want) != cases[i].is) {
            fail_msg("%s, %s", cases[i].version, cases[i].want);
        }
        free(version);
    }
}

/* What bench/qemu_rank has measured: docs/benchmarks.md. */
static void test_rank(void **state)
{
    static const struct {
        const char *machine, *model, *a, *b;
        int want;
    } cases[] = {
        {"aarch64", "cortex-a53", "7.2.22", "10.0.13", -1},
        {"aarch64", "cortex-a53", "11.1.3", "7.2.22", 1},
        {"aarch64", "cortex-a53", "10.0.13", "11.1.3", -1},
        {"aarch64", "max", "7.2.22", "10.0.13", 1},
        {"aarch64", "max", "7.2.22", "11.1.3", 1},
        {"aarch64", "max,sve=off", "10.0.13", "7.2.22", -1},
        {"aarch64", NULL, "7.2.22", "10.0.13", 1},
        {"aarch64", "max,pauth-impdef=on", "7.2.22", "10.0.13", -1},
        {"aarch64", "maximum", "7.2.22", "10.0.13", -1},
        {"arm", "max", "7.2.22", "10.0.13", -1},
        {"s390x", NULL, "7.2.22", "11.1.3", -1},
        {"riscv64", "rv64", "10.0.13", "10.1.0", 0},
        {"riscv64", "rv64", "7.2.22", "7.2.22", 0},
        {"riscv64", "rv64", NULL, "11.1.3", 1},
        {"riscv64", "rv64", "11.1.3", NULL, -1},
        {"riscv64", "rv64", NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct weft_machine *m = machine_named(cases[i].machine);
        int got = weft_qemu_rank(m, cases[i].a, cases[i].model, cases[i].b, cases[i].model);
        int back = weft_qemu_rank(m, cases[i].b, cases[i].model, cases[i].a, cases[i].model);

        if ((got > 0) - (got < 0) != cases[i].want || (back > 0) - (back < 0) != -cases[i].want) {
            fail_msg("case %zu: %d, %d", i, got, back);
        }
    }
    /* each on its own model */
    assert_true(weft_qemu_rank(machine_named("aarch64"), "7.2.22", "max", "10.0.13", "cortex-a53") >
                0);
    assert_true(weft_qemu_rank(machine_named("aarch64"), "7.2.22", "cortex-a53", "10.0.13", "max") <
                0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_static),         temp_test(test_find), cmocka_unit_test(test_dirs),
        cmocka_unit_test(test_version), temp_test(test_scan), cmocka_unit_test(test_is),
        cmocka_unit_test(test_version), temp_test(test_scan), cmocka_unit_test(test_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
