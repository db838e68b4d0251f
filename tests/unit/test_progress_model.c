/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress_model.h"

#include "base/cleanup.h"
#include "engine/progress_text.h"
#include "tests/helpers.h"

#define VERTEX(digest, name, more) "{\"digest\":\"" digest "\",\"name\":\"" name "\"" more "}"
#define STARTED ",\"started\":\"2026-01-02T03:04:05.5Z\""
#define COMPLETED ",\"completed\":\"2026-01-02T03:04:07.75Z\""

static bool feed(struct weft_lane *lane, const char *line)
{
    return weft_lane_feed(lane, line, strlen(line));
}

/* Feed one vertex as the JSON of its object. */
static void feed_vertex(struct weft_lane *lane, const char *vertex)
{
    weft_auto_free char *line = weft_fmt("{\"vertexes\":[%s]}\n", vertex);

    assert_true(feed(lane, line));
}

/* Feed output of vertex "a", in base64. */
static void feed_log(struct weft_lane *lane, const char *base64)
{
    weft_auto_free char *line = weft_fmt(
        "{\"logs\":[{\"vertex\":\"a\",\"data\":\"%s\",\"timestamp\":\"2026-01-02T03:04:06Z\"}]}",
        base64);

    assert_true(feed(lane, line));
}

static void test_garbage(void **state)
{
    static const char *const lines[] = {
        "",
        "\n",
        "time=\"2026\" level=warning",
        "error: failed to solve",
        "[]",
        "null",
        "{",
        "{]",
        "{\"vertexes\":",
        "\xff\xfe",
        "{\"a\":\"\xff\"}",
    };
    static const char *const harmless[] = {
        "{}",
        "{\"vertexes\":null,\"logs\":3,\"statuses\":\"x\",\"warnings\":{}}",
        "{\"vertexes\":[null,1,{},{\"digest\":3},{\"name\":\"x\"}]}",
        "{\"logs\":[{\"vertex\":\"nobody\",\"data\":\"eA==\"},{}]}",
        "{\"statuses\":[{\"id\":\"x\",\"vertex\":\"nobody\"},{\"id\":3}]}",
        "{\"warnings\":[{},{\"short\":4}]}",
    };
    struct weft_lane lane;

    (void)state;
    weft_lane_init(&lane, NULL, NULL);
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_false(feed(&lane, lines[i]));
    }
    for (size_t i = 0; i < COUNT(harmless); i++) {
        assert_true(feed(&lane, harmless[i]));
    }
    assert_int_equal(lane.n_vertexes, 0);
    assert_int_equal(lane.n_warnings, 0);
    weft_lane_finish(&lane);
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *shown, *stage;
        unsigned int n, total; /* 0: not a step */
    } cases[] = {
        {"[2/5] RUN x", "[2/5] RUN x", "", 2, 5},
        {"[ 2/12] RUN x", "[2/12] RUN x", "", 2, 12},
        {"[builder 2/5] RUN x", "[builder 2/5] RUN x", "builder", 2, 5},
        {"[builder  2/12] RUN [x]", "[builder 2/12] RUN [x]", "builder", 2, 12},
        {"[linux/arm64 2/5] RUN x", "[2/5] RUN x", "", 2, 5},
        {"[linux/arm/v7 builder 2/5] RUN x", "[builder 2/5] RUN x", "builder", 2, 5},
        {"[linux/amd64->arm64 builder  2/15] RUN x", "[builder 2/15] RUN x", "builder", 2, 15},
        {"[internal] load .dockerignore", "[internal] load .dockerignore", NULL, 0, 0},
        {"[context base] OCI load from client", "[context base] OCI load from client", NULL, 0, 0},
        {"exporting to image", "exporting to image", NULL, 0, 0},
        {"[6/5] RUN x", "[6/5] RUN x", NULL, 0, 0},
        {"[0/5] RUN x", "[0/5] RUN x", NULL, 0, 0},
        {"[a/b] RUN x", "[a/b] RUN x", NULL, 0, 0},
        {"[2/5", "[2/5", NULL, 0, 0},
        {"[2/99999999999] x", "[2/99999999999] x", NULL, 0, 0},
        {"[] x", "[] x", NULL, 0, 0},
        {"", "", NULL, 0, 0},
        {"[1/2] RUN a\\nb\\u001b[2J", "[1/2] RUN a b\\x1b[2J", "", 1, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *vertex = weft_fmt("{\"digest\":\"a\",\"name\":\"%s\"}", cases[i].name);
        struct weft_lane lane;

        weft_lane_init(&lane, NULL, NULL);
        feed_vertex(&lane, vertex);
        assert_int_equal(lane.n_vertexes, 1);
        assert_string_equal(lane.vertexes[0]->name, cases[i].shown);
        assert_int_equal(lane.n_steps, cases[i].n ? 1 : 0);
        if (cases[i].n) {
            assert_int_equal(lane.vertexes[0]->step, 0);
            assert_string_equal(lane.steps[0].stage, cases[i].stage);
            assert_int_equal(lane.steps[0].n, cases[i].n);
            assert_int_equal(lane.steps[0].total, cases[i].total);
        }
        weft_lane_finish(&lane);
    }
}

static void test_states(void **state)
{
    struct weft_lane_stats stats;
    struct weft_lane lane;
    const struct weft_vertex *v;

    (void)state;
    weft_lane_init(&lane, NULL, NULL);
    feed_vertex(&lane, VERTEX("a", "[1/3] A", ""));
    v = lane.vertexes[0];
    assert_int_equal(v->state, WEFT_VERTEX_WAITING);
    lane.now_ms = 77;
    feed_vertex(&lane, VERTEX("a", "[1/3] A", STARTED));
    assert_int_equal(v->state, WEFT_VERTEX_RUNNING);
    assert_int_equal(v->seen_ms, 77);
    feed_vertex(&lane, VERTEX("a", "[1/3] A", STARTED COMPLETED));
    assert_int_equal(v->state, WEFT_VERTEX_DONE);
    assert_int_equal(weft_vertex_spent_ms(v), 2250);
    feed_vertex(&lane, VERTEX("a", "[1/3] A", "")); /* announced again: no change */
    assert_int_equal(v->state, WEFT_VERTEX_DONE);
    /* a second run is added to the first */
    feed_vertex(&lane, VERTEX("a", "", ",\"started\":\"2026-01-02T04:04:10+01:00\""));
    assert_int_equal(v->state, WEFT_VERTEX_RUNNING);
    feed_vertex(&lane, VERTEX("a", "",
                              ",\"started\":\"2026-01-02T03:04:10Z\",\"completed\":"
                              "\"2026-01-02T03:04:11Z\""));
    assert_int_equal(weft_vertex_spent_ms(v), 3250);

    feed_vertex(&lane, VERTEX("b", "[2/3] B", STARTED COMPLETED ",\"cached\":true"));
    assert_int_equal(lane.vertexes[1]->state, WEFT_VERTEX_CACHED);
    feed_vertex(&lane, VERTEX("c", "[3/3] C", STARTED));
    feed_vertex(&lane, VERTEX("d", "[internal] d", STARTED COMPLETED));
    weft_lane_stats(&lane, &stats);
    assert_int_equal(stats.steps, 3);
    assert_int_equal(stats.completed, 2);
    assert_int_equal(stats.cached, 1);

    assert_null(weft_lane_failed(&lane));
    feed_vertex(&lane, VERTEX("e", "E",
                              STARTED COMPLETED ",\"error\":\"exit code: 137: context "
                                                "canceled: context canceled\""));
    assert_int_equal(lane.vertexes[4]->state, WEFT_VERTEX_CANCELLED);
    assert_null(weft_lane_failed(&lane));
    feed_vertex(&lane,
                VERTEX("c", "[3/3] C",
                       STARTED COMPLETED ",\"error\":\"process \\\"echo exit code: 9\\\" did "
                                         "not complete successfully: exit code: 2\""));
    assert_ptr_equal(weft_lane_failed(&lane), lane.vertexes[2]);
    assert_int_equal(weft_vertex_exit_code(lane.vertexes[2]), 2);
    assert_int_equal(weft_vertex_exit_code(lane.vertexes[0]), -1);
    feed_vertex(&lane, VERTEX("c", "[3/3] C", STARTED COMPLETED)); /* a failure stays one */
    assert_ptr_equal(weft_lane_failed(&lane), lane.vertexes[2]);
    weft_lane_finish(&lane);
}

static void collect(struct weft_lane *lane, struct weft_vertex *v, int64_t since_ms,
                    const char *line, void *data)
{
    (void)lane;
    (void)v;
    weft_buf_printf(data, "%d %s|", (int)since_ms, line);
}

static void test_log_lines(void **state)
{
    static const struct weft_lane_events events = {.log = collect};
    weft_auto_buf got = {0};
    struct weft_lane lane;

    (void)state;
    weft_lane_init(&lane, &events, &got);
    feed_vertex(&lane, VERTEX("a", "x", STARTED));
    feed_log(&lane, "b25lCnR3"); /* "one\ntw" */
    assert_string_equal(got.data, "500 one|");
    feed_log(&lane, "bwo="); /* "o\n" */
    assert_string_equal(got.data, "500 one|500 two|");
    weft_buf_clear(&got);
    feed_log(&lane, "MTAlDTIwJQ=="); /* "10%\r20%" */
    assert_int_equal(got.len, 0);
    assert_int_equal(lane.vertexes[0]->partial.len, 3);
    feed_log(&lane, "DQ==");     /* "\r" */
    feed_log(&lane, "CmENCg=="); /* "\na\r\n" */
    assert_string_equal(got.data, "500 20%|500 a|");
    weft_buf_clear(&got);
    feed_log(&lane, "ZW5k"); /* "end", without a newline */
    feed_vertex(&lane, VERTEX("a", "x", STARTED COMPLETED));
    assert_string_equal(got.data, "500 end|");
    weft_buf_clear(&got);
    feed_log(&lane, "bGF0ZQ=="); /* "late", after the end */
    assert_string_equal(got.data, "500 late|");
    weft_lane_finish(&lane);
}

static void test_clean(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"\033[1;31mred\033[0m\033[K", "red"},
        {"\033]0;title\007x\033]8;;http://h\033\\y\033]8;;\033\\", "xy"},
        {"\033(Bx\033=y\033Mz", "xyz"},
        {"a\tb\n", "a       b\\x0a"},
        {"12345678\tx", "12345678        x"},
        {"ab\bc", "ac"},
        {"\xc3\xa9\bx\b\b\by", "y"},
        {"caf\xc3\xa9 \xe2\x9c\x94", "caf\xc3\xa9 \xe2\x9c\x94"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"bell\a\x01", "bell\\x01"},
        {"cut \033", "cut "},
        {"cut \033[12", "cut "},
        {"cut \033]0;", "cut "},
        {"\033[31\033[0mx", "[0mx"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *got = weft_text_clean(cases[i].in, strlen(cases[i].in));

        assert_string_equal(got, cases[i].out);
    }
    weft_auto_free char *zero = weft_text_clean("a\0b", 3);
    assert_string_equal(zero, "a\\x00b");
}

static void test_bounds(void **state)
{
    weft_auto_buf base64 = {0};
    weft_auto_buf got = {0};
    static const struct weft_lane_events events = {.log = collect};
    struct weft_lane lane;
    const struct weft_vertex *v;

    (void)state;
    weft_lane_init(&lane, &events, &got);
    feed_vertex(&lane, VERTEX("a", "x", STARTED));
    v = lane.vertexes[0];
    for (int i = 0; i < 10000; i++) {
        weft_buf_puts(&base64, "eHh4"); /* "xxx" */
    }
    feed_log(&lane, base64.data); /* 30000 bytes without a newline */
    assert_in_range(v->partial.len, 1, WEFT_LANE_LINE_BYTES);
    assert_in_range(v->n_tail, 7, 8);
    assert_int_equal(strlen(weft_vertex_tail(v, 0)), WEFT_LANE_TAIL_LINE_BYTES);
    for (int i = 0; i < 100; i++) {
        feed_log(&lane, "Cg==");
    }
    feed_log(&lane, "bGFzdAo=");
    assert_int_equal(v->n_tail, WEFT_LANE_TAIL_LINES);
    assert_string_equal(weft_vertex_tail(v, WEFT_LANE_TAIL_LINES - 1), "last");
    for (int i = 0; i < WEFT_LANE_MAX_VERTEXES + 50; i++) {
        weft_auto_free char *vertex = weft_fmt("{\"digest\":\"v%d\",\"name\":\"n\"}", i);
        weft_auto_free char *status =
            weft_fmt("{\"statuses\":[{\"id\":\"s%d\",\"vertex\":\"a\",\"current\":%d}]}", i, i);
        weft_auto_free char *warning = weft_fmt(
            "{\"warnings\":[{\"short\":\"eA==\",\"range\":[{\"start\":{\"line\":%d}}]}]}", i);

        feed_vertex(&lane, vertex);
        assert_true(feed(&lane, status));
        assert_true(feed(&lane, warning));
    }
    assert_int_equal(lane.n_vertexes, WEFT_LANE_MAX_VERTEXES);
    assert_int_equal(v->n_transfers, WEFT_LANE_MAX_TRANSFERS);
    assert_int_equal(lane.n_warnings, WEFT_LANE_MAX_WARNINGS);
    weft_lane_finish(&lane);
}

static void test_warnings(void **state)
{
    /* "Rule: text (line 3)" */
    static const char line[] =
        "{\"warnings\":[{\"vertex\":\"a\",\"level\":1,\"short\":\"UnVsZTogdGV4dCAobGluZSAzKQ==\","
        "\"sourceInfo\":{\"filename\":\"sub/Dockerfile\"},\"range\":[{\"start\":{\"line\":3}}]}]}";
    struct weft_lane lane;

    (void)state;
    weft_lane_init(&lane, NULL, NULL);
    assert_true(feed(&lane, line));
    assert_true(feed(&lane, line));
    assert_int_equal(lane.n_warnings, 1);
    assert_string_equal(lane.warnings[0].text, "Rule: text");
    assert_string_equal(lane.warnings[0].file, "Dockerfile");
    assert_int_equal(lane.warnings[0].line, 3);
    weft_lane_finish(&lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_states),   cmocka_unit_test(test_log_lines),
        cmocka_unit_test(test_clean),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_warnings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
