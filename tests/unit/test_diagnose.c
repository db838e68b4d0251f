/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/diagnose.h"

#include "tests/helpers.h"

static const struct {
    const char *error, *log;
    bool emulated;
    enum weft_cause cause;
    const char *what, *advice; /* parts of them */
} cases[] = {
    {"exit code: 139", "a\nqemu: uncaught target signal 11 (Segmentation fault) - core dumped\nb",
     true, WEFT_CAUSE_GUEST_SIGNAL,
     "signal 11 under QEMU, by a defect of QEMU or its own; linux/arm64 is emulated (QEMU 7.2.22)",
     "--qemu"},
    {"exit code: 132", "qemu: uncaught target signal 4 (Illegal instruction) - core dumped", true,
     WEFT_CAUSE_ILLEGAL, "instruction that the emulated CPU does not have", "linux/arm64"},
    {"exit code: 134", "qemu: uncaught target signal 6 (Aborted) - core dumped", true,
     WEFT_CAUSE_GUEST_SIGNAL, "aborted itself", "message above"},
    {"process \"/x\": exec /x: exec format error", NULL, true, WEFT_CAUSE_EXEC_FORMAT,
     "not one for linux/arm64", "#!/bin/sh"},
    {"exit code: 126", "sh: ./x: cannot execute binary file: Exec format error", false,
     WEFT_CAUSE_EXEC_FORMAT, "not one for linux/arm64", "another platform"},
    {"exit code: 255",
     "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
     true, WEFT_CAUSE_NO_LOADER, "dynamic loader", "readelf"},
    {"exit code: 1", "QEMU internal SIGSEGV {code=MAPERR, addr=0x20}", true,
     WEFT_CAUSE_QEMU_INTERNAL, "QEMU internal SIGSEGV {code=MAPERR, addr=0x20}", "--qemu"},
    {"exit code: 1", "x\nqemu: Unsupported syscall: 435\ny", true, WEFT_CAUSE_QEMU_INTERNAL,
     "\"qemu: Unsupported syscall: 435\"; linux/arm64", "natively"},
    {"exit code: 132", "sh: line 1: 7 Illegal instruction (core dumped) ./x", false,
     WEFT_CAUSE_ILLEGAL, "the machine's CPU", "-march=native"},
    {"did not complete successfully: exit code: 137", "x", false, WEFT_CAUSE_KILLED, "signal 9",
     "--jobs 1"},
    {"runc run failed: unable to start container process: error setting rlimit type 8: operation "
     "not permitted",
     NULL, false, WEFT_CAUSE_LIMIT, "than the worker has", "ulimit -Ha"},
    {"digest mismatch sha256:01: sha256:23", NULL, false, WEFT_CAUSE_MOVED, "other content",
     "build again"},
    {"exit code: 137: context canceled: context canceled", NULL, false, WEFT_CAUSE_UNKNOWN, "", ""},
    {"exit code: 2", "file.c:3: error: stray", true, WEFT_CAUSE_UNKNOWN, "", ""},
    {"exit code: 1", "apt-get install qemu-user-static\nqemu-img: Could not open 'disk'", true,
     WEFT_CAUSE_UNKNOWN, "", ""},
    {NULL, NULL, true, WEFT_CAUSE_UNKNOWN, "", ""},
};

static void test_causes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_failure_facts facts = {
            .platform = "linux/arm64",
            .emulated = cases[i].emulated,
            .note = cases[i].emulated ? "emulated (QEMU 7.2.22)" : "native",
            .error = cases[i].error,
            .log = cases[i].log,
        };
        struct weft_diagnosis d = {0};
        bool known = weft_diagnose(&facts, &d);

        assert_int_equal(d.cause, cases[i].cause);
        assert_int_equal(known, cases[i].cause != WEFT_CAUSE_UNKNOWN);
        if (known && (!strstr(d.what, cases[i].what) || !strstr(d.advice, cases[i].advice))) {
            fail_msg("case %zu: %s / %s", i, d.what, d.advice);
        }
        /* a native build has no QEMU to change */
        assert_true(!known || cases[i].emulated || !strstr(d.advice, "--qemu"));
        weft_diagnosis_finish(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_causes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
