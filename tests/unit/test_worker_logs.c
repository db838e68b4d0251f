/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "engine/worker_logs.h"
#include "tests/helpers.h"

/* What is written of a log. */
static char *shown(const char *slot, long lines, bool follow, int want)
{
    const struct weft_worker_logs what = {.lines = lines, .follow = follow};
    struct weft_err *err = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    int got = weft_worker_logs_write(slot, &what, f, &err);

    if (err) {
        fail_msg("%s", err->msg);
    }
    assert_int_equal(got, want);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void check(long lines, const char *want)
{
    weft_auto_free char *text = shown("group", lines, false, 1);
    weft_auto_free char *followed = shown("group", lines, true, 1); /* the worker is not up */

    assert_string_equal(text, want);
    assert_string_equal(followed, want);
}

static void test_lines(void **state)
{
    weft_auto_free char *dir = weft_path_join(*state, "workers/group");
    weft_auto_free char *path = weft_path_join(dir, "buildkitd.log");
    weft_auto_buf many = {0};
    weft_auto_free char *text = NULL;

    setenv("WEFT_STATE_DIR", *state, 1);
    setenv("WEFT_RUNTIME_DIR", *state, 1);
    assert_int_equal(weft_mkdirs(dir, 0700, NULL), 0);
    free(shown("group", -1, false, 0));
    free(shown("other", -1, false, 0));
    free(shown("../group", -1, false, 0));
    put_file(path, "", 0);
    check(-1, "");
    check(3, "");
    put_file(path, "a\nb\x1b[31m\nc\n", 11);
    check(-1, "a\nb\\x1b[31m\nc\n");
    check(0, "");
    check(1, "c\n");
    check(2, "b\\x1b[31m\nc\n");
    check(3, "a\nb\\x1b[31m\nc\n");
    check(4, "a\nb\\x1b[31m\nc\n");
    put_file(path, "a\nb", 3); /* it was killed in mid-line */
    check(-1, "a\nb\n");
    check(1, "b\n");
    check(2, "a\nb\n");

    /* more than is read at once */
    for (int i = 0; i < 40000; i++) {
        weft_buf_printf(&many, "line %d\n", i);
    }
    put_file(path, many.data, many.len);
    check(-1, many.data);
    text = shown("group", 30000, false, 1);
    assert_true(weft_starts_with(text, "line 10000\nline 10001\n"));
    assert_true(weft_ends_with(text, "line 39999\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
