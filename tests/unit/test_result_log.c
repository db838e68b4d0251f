/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/helpers.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "bench/result_log.h"

/* A result as weft prints it, with its node's name to tell it by. */
static char *result_text(const char *node, int indent)
{
    struct weft_bench_result r = {0};
    struct weft_json *j = NULL;
    char *text = NULL;

    r.machine.platform = (struct weft_platform){.os = "linux", .arch = "amd64"};
    r.machine.cpus = 1;
    r.machine.cpus_allowed = 1;
    r.machine.node = weft_xstrdup(node);
    weft_strv_add(&r.machine.flags, "sse2");
    weft_strv_add(&r.skipped, "linux/386: it runs natively");
    j = weft_bench_result_json(&r);
    text = weft_json_dump(j, indent);
    weft_json_free(j);
    weft_bench_result_finish(&r);
    return text;
}

static void feed(struct weft_result_log *log, const char *text)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_result_log_line(log, lines.v[i], strlen(lines.v[i]));
    }
}

/* The log's result has this node. */
static void check_node(struct weft_result_log *log, const char *node)
{
    struct weft_bench_result r = {0};
    weft_auto_err err = NULL;

    if (weft_result_log_end(log, &r, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    assert_string_equal(r.machine.node, node);
    assert_string_equal(r.machine.flags.v[0], "sse2");
    weft_bench_result_finish(&r);
    weft_result_log_finish(log);
}

/* The log has no result, and the reason has these words. */
static void check_none(struct weft_result_log *log, const char *words)
{
    struct weft_bench_result r = {0};
    weft_auto_err err = NULL;

    assert_int_equal(weft_result_log_end(log, &r, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    if (!strstr(err->msg, words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, err->msg);
    }
    weft_result_log_finish(log);
}

static void test_alone(void **state)
{
    weft_auto_free char *text = result_text("n1", 2);
    struct weft_result_log log = {0};

    (void)state;
    feed(&log, text);
    assert_int_equal(log.n_other, 0);
    check_node(&log, "n1");
}

/* The other stream's lines may be anywhere, whole. */
static void test_between(void **state)
{
    weft_auto_free char *text = result_text("n1", 2);
    weft_auto_strv lines = {0};

    (void)state;
    weft_split(text, '\n', &lines);
    for (size_t at = 0; at <= lines.n; at++) {
        struct weft_result_log log = {0};
        weft_auto_strv others = {0};

        for (size_t i = 0; i <= lines.n; i++) {
            if (i == at) {
                feed(&log, "weft: kept as /tmp/x.json\n\tindented by a tab\n  and by spaces\n"
                           "{\"level\":\"info\"}\n}x\n{}");
            }
            if (i < lines.n) {
                feed(&log, lines.v[i]);
            }
        }
        weft_result_log_others(&log, &others);
        assert_int_equal(others.n, WEFT_RESULT_LOG_LAST);
        assert_string_equal(others.v[0], " indented by a tab");
        assert_string_equal(others.v[4], "{}");
        check_node(&log, "n1");
    }
}

static void test_forms(void **state)
{
    weft_auto_free char *line = result_text("n1", 0);
    weft_auto_free char *text = result_text("n2", 2);
    struct weft_result_log log = {0};
    weft_auto_strv lines = {0};

    (void)state;
    feed(&log, line);
    check_node(&log, "n1");
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) { /* a terminal's line ends */
        weft_auto_free char *with_return = weft_fmt("%s\r", lines.v[i]);

        weft_result_log_line(&log, with_return, strlen(with_return));
    }
    check_node(&log, "n2");
    feed(&log, text); /* the last one counts */
    feed(&log, line);
    check_node(&log, "n1");
    feed(&log, "{\n  \"kind\": \"something else\"\n}"); /* of another program */
    feed(&log, text);
    feed(&log, "{\n  \"kind\": \"something else\"\n}");
    check_node(&log, "n2");
}

static void test_cut(void **state)
{
    weft_auto_free char *text = result_text("n1", 2);
    struct weft_result_log log = {0};
    size_t len = strlen(text);

    (void)state;
    check_none(&log, "no result in the log");
    feed(&log, "weft: error: there is nothing to measure\n{\n  \"a\": 1\n}\n{\"b\":2}");
    check_none(&log, "no result in the log");
    for (size_t cut = 1; cut < len; cut += 7) { /* its end is missing */
        weft_auto_free char *start = weft_xstrndup(text, cut);

        feed(&log, start);
        check_none(&log, "ends in the middle");
    }
    for (const char *at = strchr(text, '\n'); at && at[1]; at = strchr(at + 1, '\n')) {
        if (strcmp(at, "\n}") != 0) { /* its beginning is */
            feed(&log, at + 1);
            check_none(&log, "begins in the middle");
        }
    }
    feed(&log, "{\n  \"kind\": \"weft bench\",");
    feed(&log, text); /* a second try in the same log */
    check_node(&log, "n1");
}

static void test_damaged(void **state)
{
    struct weft_result_log log = {0};
    weft_auto_buf deep = {0};

    (void)state;
    feed(&log, "{\n  \"kind\": \"weft bench\",\n  \"schema\": 1,\n}");
    check_none(&log, "damaged");
    feed(&log, "{\n  \"kind\": \"weft bench\",\n  \"schema\": 1\n}");
    check_none(&log, "");
    weft_buf_puts(&deep, "{\"weft bench\":");
    for (int i = 0; i < 100000; i++) {
        weft_buf_puts(&deep, "[");
    }
    feed(&log, deep.data);
    check_none(&log, "damaged");
}

/* Nothing without an end is kept without one. */
static void test_bounded(void **state)
{
    struct weft_result_log log = {0};
    char line[1024];

    (void)state;
    memset(line, ' ', sizeof(line));
    line[sizeof(line) - 1] = '"';
    weft_result_log_line(&log, "{", 1);
    for (int i = 0; i < 40 * 1024; i++) {
        weft_result_log_line(&log, line, sizeof(line));
    }
    assert_true(log.object.cap <= 64u * 1024 * 1024);
    assert_false(log.open);
    check_none(&log, "too large");
    for (int i = 0; i < 1000; i++) { /* also bytes that are no text */
        weft_result_log_line(&log, "a\033[2J\0b\377", 9);
    }
    assert_string_equal(log.last[0], "a\\x1b[2J");
    check_none(&log, "no result");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),   cmocka_unit_test(test_between),
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
