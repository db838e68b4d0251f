/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/disk_full.h"
#include "engine/worker_disk.h"
#include "tests/helpers.h"

static void test_said(void **state)
{
    (void)state;
    assert_true(weft_disk_full_said("write /a: No space left on device"));
    assert_true(weft_disk_full_said("dd: error writing '/x': No space left on device"));
    assert_true(weft_disk_full_said("no space left for /a: EOF"));
    assert_true(weft_disk_full_said("mkdir /a: disk quota exceeded"));
    assert_false(weft_disk_full_said("write /a: Input/output error"));
    assert_false(weft_disk_full_said(""));
    assert_false(weft_disk_full_said(NULL));
}

/* Nothing is full here, so it goes by what the text names. */
static void test_hint(void **state)
{
    const char *root = *state;
    static const struct {
        const char *text;
        const char *want; /* a part of the hint */
    } cases[] = {
        {"no space left on device", "weft prune --all"},
        {"write /proc/a b/c: no space left on device", "make room in the file system at /proc ("},
        {"no space left for /proc/x: EOF", "make room in the file system at /proc ("},
        {"/dir: mkdir \"/proc/x\": disk quota exceeded", "the file system at /proc ("},
        {"mount failed on /proc/containerd-mount1: write /proc/containerd-mount1/x: no space left "
         "on device",
         "weft prune --all"},
    };

    setenv("WEFT_STATE_DIR", root, 1);
    setenv("WEFT_RUNTIME_DIR", root, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *hint = weft_disk_full_hint(cases[i].text);

        if (!strstr(hint, cases[i].want)) {
            fail_msg("case %zu: %s", i, hint);
        }
    }
    setenv("WEFT_RUNTIME_DIR", "/proc", 1);
    {
        weft_auto_free char *hint = weft_disk_full_hint("write /proc/x: no space left on device");

        assert_non_null(strstr(hint, "WEFT_RUNTIME_DIR=DIR"));
    }
}

static void test_explain(void **state)
{
    static const struct {
        enum weft_code code;
        int sys;
        const char *msg;
        bool explained;
    } cases[] = {
        {WEFT_E_IO, ENOSPC, "cannot write", true},
        {WEFT_E_IO, EDQUOT, "cannot write", true},
        {WEFT_E_IO, EIO, "cannot write", false},
        {WEFT_E_CHILD, 0, "buildctl: no space left on device", true},
        {WEFT_E_NET, 0, "registry: no space left on device", false},
    };

    setenv("WEFT_STATE_DIR", *state, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_err err = NULL;

        weft_fail(&err, cases[i].code, "%s", cases[i].msg);
        err->sys = cases[i].sys;
        weft_err_hint(&err, "another");
        weft_disk_full_explain(err);
        assert_int_equal(strcmp(err->hint, "another") != 0, cases[i].explained);
    }
}

static void test_reserve(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "reserve");
    weft_auto_free char *nowhere = weft_path_join(*state, "no/reserve");
    struct stat st;

    assert_int_equal(weft_worker_disk_low(1000), 50);
    assert_int_equal(weft_worker_disk_low(UINT64_C(1) << 50), 2000000000);
    weft_worker_reserve_make(nowhere);
    weft_worker_reserve_make(path);
    if (stat(path, &st) < 0) {
        print_message("the test's file system is nearly full: no reserve was made\n");
        return;
    }
    assert_int_equal(st.st_size, 2 << 20);
    assert_true((uint64_t)st.st_blocks * 512 >= 2 << 20); /* and no hole */
    assert_int_equal(truncate(path, 1), 0);
    weft_worker_reserve_make(path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1); /* what is there is left alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said),
        temp_test(test_hint),
        temp_test(test_explain),
        temp_test(test_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
