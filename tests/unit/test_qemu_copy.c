/* SPDX-License-Identifier: Apache-2.0 */
/* What needs a QEMU is in tests/e2e/qemu_copy.sh. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/stub.h"
#include "tests/helpers.h"

static const struct weft_machine *some_machine(void)
{
    size_t n;

    return weft_catalogue_machines(&n)[0];
}

static size_t entries(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    size_t n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    }
    closedir(d);
    return n;
}

static void test_refuses(void **state)
{
    weft_auto_free char *script = weft_path_join(*state, "qemu-script");
    weft_auto_free char *empty = weft_path_join(*state, "qemu-empty");
    weft_auto_free char *none = weft_path_join(*state, "qemu-none");
    weft_auto_free char *dir = weft_path_join(*state, "copies");
    struct weft_answers *a = weft_answers_create(NULL);
    const struct {
        const char *program;
        enum weft_code code;
        int sys;
        const char *why;
    } cases[] = {
        {script, WEFT_E_UNSUPPORTED, 0, "qemu-script cannot be given a CPU model: not an ELF file"},
        {empty, WEFT_E_UNSUPPORTED, 0, "is no program"},
        {*state, WEFT_E_UNSUPPORTED, 0, "is no program"},
        {none, WEFT_E_IO, ENOENT, "open"},
        {"/proc/self/exe", WEFT_E_UNSUPPORTED, 0, "it is not static: it needs a dynamic loader"},
    };
    int fds = open_fds();

    put_file(script, "#!/bin/sh\n", 10);
    put_file(empty, "", 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_err *err = NULL;

        assert_null(weft_qemu_copy(dir, a, cases[i].program, some_machine(), "max", &err));
        if (weft_stub_here()) {
            assert_err(&err, cases[i].code, cases[i].sys, cases[i].why);
            assert_int_equal(entries(dir), 1); /* the lock */
        } else {
            assert_err(&err, WEFT_E_UNSUPPORTED, 0, "no stub for this machine");
        }
        assert_null(weft_qemu_copy(dir, a, cases[i].program, some_machine(), "max", NULL));
    }
    weft_answers_destroy(a);
    assert_int_equal(open_fds(), fds);
}

static void make_copy(const char *dir, const char *name, int age_days)
{
    weft_auto_free char *sub = weft_path_join(dir, name);
    weft_auto_free char *file = weft_path_join(sub, "qemu-arm");
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL)}};

    assert_int_equal(mkdir(sub, 0700), 0);
    put_file(file, "x", 1);
    times[1].tv_sec -= (time_t)age_days * 24 * 60 * 60;
    assert_int_equal(utimensat(AT_FDCWD, sub, times, 0), 0);
}

static bool is_there(const char *dir, const char *name)
{
    weft_auto_free char *path = weft_path_join(dir, name);

    return weft_exists(path);
}

static void test_trim(void **state)
{
    static const char old[] = "0123456789abcdef0123456789abcdef";
    static const char fresh[] = "ffff456789abcdef0123456789abcdef";
    weft_auto_free char *temp = weft_path_join(*state, ".new-AbCdEf");
    weft_auto_free char *lock = weft_path_join(*state, "lock");
    weft_auto_fd holder = -1;

    make_copy(*state, old, 31);
    make_copy(*state, fresh, 29);
    make_copy(*state, "something-else", 100);
    put_file(temp, "half", 4);
    /* one that is being made */
    holder = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(holder >= 0);
    assert_int_equal(flock(holder, LOCK_SH), 0);
    weft_qemu_copies_trim(*state, 30);
    assert_true(is_there(*state, old));
    assert_true(weft_exists(temp));
    assert_int_equal(flock(holder, LOCK_UN), 0);
    weft_qemu_copies_trim(*state, 30);
    assert_false(is_there(*state, old));
    assert_false(weft_exists(temp));
    assert_true(is_there(*state, fresh));
    assert_true(is_there(*state, "something-else"));
    weft_qemu_copies_trim("/nonexistent", 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_refuses),
        temp_test(test_trim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
