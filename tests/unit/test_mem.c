/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/helpers.h"

static void test_sizes(void **state)
{
    unsigned char *p;

    (void)state;
    p = weft_xmalloc(0);
    assert_non_null(p);
    free(p);
    p = weft_xcalloc(0, 8);
    assert_non_null(p);
    free(p);
    p = weft_xcalloc(3, 5);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(p[i], 0);
    }
    p[14] = 7;
    p = weft_xrealloc(p, 100, 3);
    assert_int_equal(p[14], 7);
    p = weft_xrealloc(p, 0, 3);
    assert_non_null(p);
    free(p);
}

static void test_strings(void **state)
{
    char *s;

    (void)state;
    s = weft_xstrdup("");
    assert_string_equal(s, "");
    free(s);
    s = weft_xstrndup("abc", 2);
    assert_string_equal(s, "ab");
    free(s);
    s = weft_xstrndup("abc", 9);
    assert_string_equal(s, "abc");
    free(s);
    assert_null(weft_xstrdup_null(NULL));
    s = weft_xstrdup_null("x");
    assert_string_equal(s, "x");
    free(s);
}

static void test_bounded(void **state)
{
    struct weft_err *err = NULL;
    unsigned char *p;

    (void)state;
    p = weft_alloc_bounded(16, 16, &err);
    assert_non_null(p);
    assert_null(err);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(p[i], 0);
    }
    free(p);
    p = weft_alloc_bounded(0, 0, &err);
    assert_non_null(p);
    free(p);
    assert_null(weft_alloc_bounded(17, 16, &err));
    assert_err(&err, WEFT_E_FORMAT, 0, "the limit is 16");
    assert_null(weft_alloc_bounded(SIZE_MAX, 16, NULL));
}

/* n * size does not fit: an abort, and not a small block. */
static void test_overflow_aborts(void **state)
{
    volatile size_t n = SIZE_MAX / 2;
    int status = 0;
    pid_t pid;

    (void)state;
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        close(2);
        free(weft_xrealloc(NULL, n, 4));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    /* by abort(), or, before it comes to that, by the address sanitizer */
    assert_true((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) ||
                (WIFEXITED(status) && WEXITSTATUS(status) != 0));
}

static void test_grow(void **state)
{
    size_t *v = NULL, moved = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        size_t *before = v;

        v = weft_xgrow(v, i, sizeof(*v));
        v[i] = i;
        moved += v != before;
    }
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(v[i], i);
    }
    assert_true(moved <= 11); /* not a thousand times */
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bounded),         cmocka_unit_test(test_grow),
        cmocka_unit_test(test_overflow_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
