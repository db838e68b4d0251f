/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/solve_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *text;
    const char *excerpt;
    const char *message;
    int exit_code;
} cases[] = {
    {"", NULL, "buildctl ended without saying why", -1},
    {"Dockerfile:2\n"
     "--------------------\n"
     "   1 |     FROM busybox\n"
     "   2 | >>> RUN false\n"
     "--------------------\n"
     "error: failed to solve: process \"/bin/sh -c false\" did not complete successfully: "
     "exit code: 1\n",
     "Dockerfile:2\n"
     "--------------------\n"
     "   1 |     FROM busybox\n"
     "   2 | >>> RUN false\n"
     "--------------------",
     "process \"/bin/sh -c false\" did not complete successfully: exit code: 1", 1},
    {"error: failed to solve: busybox: not found\n", NULL, "busybox: not found", -1},
    {"time=\"2026-01-01\" level=warning msg=x\nerror: a\n\nb\n", NULL, "a b", -1},
    {"error: first\nerror: exit code: 300\n", NULL, "exit code: 300", -1},
    {"error: exit code: 1: exit code: 139\n", NULL, "exit code: 1: exit code: 139", 139},
    /* a Dockerfile is not ours: nothing of it may move the cursor */
    {"error: \x1b[2Jx\n", NULL, "\\x1b[2Jx", -1},
    {"F:1\n--------------------\n 1 | >>> RUN \x1b]0;t\x07\n--------------------\nerror: e\n",
     "F:1\n--------------------\n 1 | >>> RUN \\x1b]0;t\\x07\n--------------------", "e", -1},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_solve_error e = {0};

        weft_solve_error_parse(cases[i].text, &e);
        assert_string_equal(e.message, cases[i].message);
        assert_int_equal(e.exit_code, cases[i].exit_code);
        if (cases[i].excerpt) {
            assert_non_null(e.excerpt);
            assert_string_equal(e.excerpt, cases[i].excerpt);
        } else {
            assert_null(e.excerpt);
        }
        weft_solve_error_finish(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
