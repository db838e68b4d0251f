/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"
#include "tests/helpers.h"

/* A program begins as programs of its machine do, and as those of no other. */
static void test_heads(void **state)
{
    size_t n = 0;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);

    (void)state;
    assert_int_equal(n, 13);
    for (size_t i = 0; i < n; i++) {
        unsigned char program[WEFT_PROBE_SIZE_MAX];
        size_t size = weft_probe_program(all[i], program);

        assert_in_range(size, 64, WEFT_PROBE_SIZE_MAX);
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(weft_machine_matches(all[j], program, size), i == j);
        }
    }
}

/* Nothing is left to reap. */
static void assert_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Each program runs under QEMU and says nothing. */
static void test_under_qemu(void **state)
{
    weft_auto_free char *dirs = weft_qemu_dirs();
    size_t n = 0;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *qemu = weft_qemu_find(all[i], dirs);
        weft_auto_free char *said = NULL;
        weft_auto_err err = NULL;
        int code;

        if (!qemu && getenv("WEFT_TESTS_MUST_RUN")) {
            fail_msg("no QEMU for %s in %s", all[i]->qemu, dirs);
        }
        if (!qemu) { /* where only what the build needs is installed */
            print_message("no QEMU for %s\n", all[i]->qemu);
            continue;
        }
        code = weft_probe_run(all[i], qemu, NULL, NULL, &said, &err);
        if (code != WEFT_PROBE_EXIT || strcmp(said, "") != 0) {
            fail_msg("%s: %d, \"%s\", %s", qemu, code, said, err ? err->msg : "no error");
        }
    }
    assert_no_children();
}

/* Arguments come before the program; what the interpreter says and gives comes back. */
static void test_interpreter(void **state)
{
    weft_auto_free char *first = weft_xstrdup("-c");
    weft_auto_free char *script =
        weft_xstrdup("head -c 4 \"$0\" | tail -c 3; echo said >&2; exit 7");
    weft_auto_free char *die = weft_xstrdup("kill -KILL $$");
    char *args[] = {first, script, NULL};
    weft_auto_free char *said = NULL;
    weft_auto_free char *nothing = NULL;
    weft_auto_err err = NULL;

    (void)state;
    assert_int_equal(weft_probe_run(machine_named("mips"), "/bin/sh", args, NULL, &said, NULL), 7);
    assert_string_equal(said, "ELFsaid\n");
    args[1] = die;
    assert_int_equal(weft_probe_run(machine_named("mips"), "/bin/sh", args, NULL, &nothing, NULL),
                     128 + 9);
    assert_int_equal(
        weft_probe_run(machine_named("mips"), "/nonexistent", NULL, NULL, &nothing, &err), -1);
    assert_int_equal(err->code, WEFT_E_CHILD);
    assert_no_children();
}

/* An interpreter that hangs is ended, and takes its time. */
static void test_hangs(void **state)
{
    weft_auto_free char *first = weft_xstrdup("-c");
    weft_auto_free char *script = weft_xstrdup("exec sleep 100");
    char *args[] = {first, script, NULL};
    weft_auto_free char *said = NULL;
    weft_auto_err err = NULL;
    uint64_t start_ms = weft_now_ms();

    (void)state;
    assert_int_equal(weft_probe_run(machine_named("mips"), "/bin/sh", args, NULL, &said, &err), -1);
    assert_int_equal(err->code, WEFT_E_CHILD);
    assert_in_range(weft_now_ms() - start_ms, 10000, 60000);
    assert_no_children();
}

/* The machine that this was built for runs; of the others at most its 32-bit one. */
static void test_native(void **state)
{
    struct weft_platform host;
    size_t n = 0;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);

    (void)state;
    weft_platform_host(&host);
    for (size_t i = 0; i < n; i++) {
        bool runs = weft_probe_native(all[i]);

        if (all[i] == weft_catalogue_find(&host)->machine) {
            assert_true(runs);
        } else if (runs && !weft_catalogue_maybe_native(
                               &host, &weft_catalogue_default_of(all[i])->platform)) {
            fail_msg("%s runs here?", all[i]->qemu);
        }
    }
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),       cmocka_unit_test(test_under_qemu),
        cmocka_unit_test(test_interpreter), cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_native),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
