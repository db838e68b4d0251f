/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>

#include "tests/helpers.h"

static void test_fail(void **state)
{
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_fail(&err, WEFT_E_FORMAT, "%s %d", "layer", 7), -1);
    assert_non_null(err);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    assert_int_equal(err->sys, 0);
    assert_string_equal(err->msg, "layer 7");
    assert_null(err->hint);
    weft_err_free(err);
}

static void test_fail_sys(void **state)
{
    struct weft_err *err = NULL;
    char *want = weft_fmt("open x: %s", strerror(ENOSPC));

    (void)state;
    errno = EINTR;
    assert_int_equal(weft_fail_sys(&err, ENOSPC, "open %s", "x"), -1);
    assert_int_equal(err->code, WEFT_E_IO);
    assert_int_equal(err->sys, ENOSPC);
    assert_string_equal(err->msg, want);
    free(want);
    weft_err_free(err);
}

static void test_nobody_asks(void **state)
{
    struct weft_err *unset = NULL;

    (void)state;
    assert_int_equal(weft_fail(NULL, WEFT_E_IO, "x"), -1);
    assert_int_equal(weft_fail_sys(NULL, ENOENT, "x"), -1);
    assert_int_equal(weft_err_wrap(NULL, "x"), -1);
    assert_int_equal(weft_err_hint(NULL, "x"), -1);
    assert_int_equal(weft_err_wrap(&unset, "x"), -1);
    assert_int_equal(weft_err_hint(&unset, "x"), -1);
    assert_null(unset);
    weft_err_free(NULL);
}

static void test_wrap_and_hint(void **state)
{
    struct weft_err *err = NULL;

    (void)state;
    weft_fail_sys(&err, ENOENT, "open f");
    assert_int_equal(weft_err_wrap(&err, "layer %d", 1), -1);
    /* the context may quote the message that it stands before */
    assert_int_equal(weft_err_wrap(&err, "<%s>", "100%"), -1);
    assert_string_equal(err->msg, "<100%>: layer 1: open f: No such file or directory");
    assert_int_equal(err->sys, ENOENT);
    assert_int_equal(weft_err_hint(&err, "run %s", "apt"), -1);
    assert_int_equal(weft_err_hint(&err, "less specific"), -1);
    assert_string_equal(err->hint, "run apt");
    weft_err_free(err);

    err = NULL;
    weft_fail(&err, WEFT_E_NET, "inner");
    weft_err_wrap(&err, "%s", err->msg);
    assert_string_equal(err->msg, "inner: inner");
    weft_err_free(err);
}

static void test_exit_codes(void **state)
{
    static const struct {
        enum weft_code code;
        int exit;
    } cases[] = {
        {WEFT_E_INTERNAL, 1},    {WEFT_E_IO, 1},    {WEFT_E_FORMAT, 1}, {WEFT_E_DIGEST, 1},
        {WEFT_E_UNSUPPORTED, 3}, {WEFT_E_NET, 1},   {WEFT_E_CHILD, 1},  {WEFT_E_BUILD, 1},
        {WEFT_E_CANCELLED, 130}, {WEFT_E_USAGE, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_err *err = NULL;

        weft_fail(&err, cases[i].code, "x");
        weft_err_wrap(&err, "y");
        assert_int_equal(weft_err_exit_code(err), cases[i].exit);
        weft_err_free(err);
    }
}

/* A retry loop frees an error and goes on with the same variable. */
static void test_freep_clears(void **state)
{
    struct weft_err *err = NULL;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_null(err);
        weft_fail(&err, WEFT_E_IO, "x");
        weft_err_freep(&err);
    }
    assert_null(err);
    weft_err_freep(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),        cmocka_unit_test(test_fail_sys),
        cmocka_unit_test(test_nobody_asks), cmocka_unit_test(test_wrap_and_hint),
        cmocka_unit_test(test_exit_codes),  cmocka_unit_test(test_freep_clears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
