/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/stuck.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define STATUS(nspid, blocked, ignored, caught)                                          \
    "Name:\tsh\nState:\tS (sleeping)\nNSpid:\t" nspid "\nThreads:\t2\nSigBlk:\t" blocked \
    "\nSigIgn:\t" ignored "\nSigCgt:\t" caught "\n"

static const struct {
    const char *what;
    const char *status;
    int signum; /* 0: not stuck */
} cases[] = {
    /* read from QEMU 7.2 under Linux 6.18 */
    {"SIGSEGV", STATUS("1012\t1", "fffffffe7ffbfaff", "0000000080000000", "ffffffff7781faff"),
     SIGSEGV},
    {"deeper", STATUS("9\t5\t1", "fffffffe7ffbfaff", "0000000080000000", "ffffffff7781faff"),
     SIGSEGV},
    {"SIGABRT", STATUS("7\t1", "fffffffe7ffbfedf", "0", "0"), SIGABRT},
    {"its other thread", STATUS("7\t1", "fffffffe7ffbfa77", "80000000", "ffffffff7781faff"), 0},
    {"not process 1", STATUS("7\t2", "fffffffe7ffbfaff", "0", "0"), 0},
    {"process 1 of the reader's", STATUS("1", "fffffffe7ffbfaff", "0", "0"), 0},
    {"caught", STATUS("7\t1", "fffffffe7ffbfaff", "0", "0000000000000400"), 0},
    {"ignored", STATUS("7\t1", "fffffffe7ffbfaff", "0000000000000400", "0"), 0},
    {"waits for a child", STATUS("7\t1", "fffffffe7ffafeff", "0", "0"), 0},
    {"waits for two", STATUS("7\t1", "fffffffe7ffbf8ff", "0", "0"), 0},
    {"blocks all", STATUS("7\t1", "fffffffe7ffbfeff", "0", "0"), 0},
    {"blocks none", STATUS("7\t1", "0000000000000000", "0", "0"), 0},
    {"no field", "NSpid:\t7\t1\nSigBlk:\tfffffffe7ffbfaff\n", 0},
    {"no number", STATUS("7\tx", "fffffffe7ffbfaff", "0", "0"), 0},
    {"no mask", STATUS("7\t1", "zz", "0", "0"), 0},
    {"nothing", "", 0},
};

static void test_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int signum = 0;

        print_message("%s\n", cases[i].what);
        assert_int_equal(weft_stuck_status(cases[i].status, &signum), cases[i].signum != 0);
        assert_int_equal(signum, cases[i].signum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_status)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
