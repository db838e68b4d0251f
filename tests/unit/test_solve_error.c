/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/solve_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

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

/* A step of very many lines: the error behind them is not lost, and the excerpt is one to look at.
 */
static void test_long(void **state)
{
    weft_auto_buf text = {0};
    struct weft_solve_error e = {0};
    weft_auto_strv lines = {0};
    char line[200];

    (void)state;
    weft_solve_error_add(&text, "Dockerfile:2", 12);
    weft_solve_error_add(&text, "--------------------", 20);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    for (int i = 0; i < 5000; i++) {
        weft_solve_error_add(&text, line, sizeof(line) - 1);
    }
    weft_solve_error_add(&text, "--------------------", 20);
    weft_solve_error_add(&text, "error: exit code: 3", 19);
    weft_solve_error_parse(text.data, &e);
    assert_string_equal(e.message, "exit code: 3");
    assert_int_equal(e.exit_code, 3);
    weft_split(e.excerpt, '\n', &lines);
    assert_int_equal(lines.n, 32);
    assert_string_equal(lines.v[0], "Dockerfile:2");
    assert_non_null(strstr(lines.v[30], "more lines)"));
    assert_string_equal(lines.v[31], "--------------------");
    weft_solve_error_finish(&e);
}

/* The end of an error that quotes an enormous command says what happened. */
static void test_long_command(void **state)
{
    const size_t len = 100000;
    weft_auto_free char *command = weft_xcalloc(len + 1, 1);
    weft_auto_free char *text = NULL;
    struct weft_solve_error e = {0};

    (void)state;
    for (size_t i = 0; i + 1 < len; i += 2) {
        memcpy(command + i, "\xc3\xa9", 2);
    }
    text = weft_fmt("error: process \"%s\" did not complete: exit code: 42", command);
    weft_solve_error_parse(text, &e);
    assert_int_equal(e.exit_code, 42);
    assert_in_range(strlen(e.message), 1000, 2100);
    assert_null(strstr(e.message, "\\x")); /* no character was cut apart */
    assert_int_equal(strncmp(e.message, "process", 7), 0);
    assert_non_null(strstr(e.message, "exit code: 42"));
    weft_solve_error_finish(&e);
}

/* A line longer than all that is kept. */
static void test_huge_line(void **state)
{
    const size_t len = 1u << 20;
    weft_auto_free char *line = weft_xcalloc(len + 1, 1);
    weft_auto_buf text = {0};
    struct weft_solve_error e = {0};

    (void)state;
    memset(line, 'x', len);
    memcpy(line, "error: ", 7);
    weft_solve_error_add(&text, line, len);
    assert_in_range(text.len, 1000, len - 1);
    weft_solve_error_parse(text.data, &e);
    assert_int_equal(strncmp(e.message, "xxx", 3), 0);
    weft_solve_error_finish(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_long_command),
                                       cmocka_unit_test(test_huge_line)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
