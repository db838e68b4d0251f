/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/run_times.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

static const struct weft_platform amd64 = {"linux", "amd64", ""};
static const struct weft_platform arm64 = {"linux", "arm64", ""};

enum how {
    RUNNING,
    DONE,
    CACHED,
    FAILED
};

/* A vertex in this state, after so many seconds of 0 to 59. */
static void feed(struct weft_lane *lane, const char *name, enum how how, double seconds)
{
    weft_auto_free char *completed =
        how == RUNNING ? weft_xstrdup("")
                       : weft_fmt(",\"completed\":\"2026-01-02T03:04:%06.3fZ\"", seconds);
    weft_auto_free char *line =
        weft_fmt("{\"vertexes\":[{\"digest\":\"%s %d\",\"name\":\"%s\",\"started\":"
                 "\"2026-01-02T03:04:00.000Z\"%s%s%s}]}",
                 name, how == RUNNING ? DONE : (int)how, name, completed,
                 how == CACHED ? ",\"cached\":true" : "",
                 how == FAILED ? ",\"error\":\"exit code: 1\"" : "");

    assert_true(weft_lane_feed(lane, line, strlen(line)));
}

static void test_started(void **state)
{
    struct weft_lane lane;

    (void)state;
    weft_lane_init(&lane, NULL, NULL);
    assert_false(weft_run_started(&lane, &arm64));
    feed(&lane, "[internal] load RUN", DONE, 2);
    feed(&lane, "[linux/arm64 1/4] FROM busybox", DONE, 2);
    feed(&lane, "[linux/arm64 2/4] COPY RUN /", DONE, 2);
    feed(&lane, "[linux/arm64 3/4] RUN make", CACHED, 0);
    feed(&lane, "[linux/amd64->arm64 host 3/4] RUN make", RUNNING, 0); /* pinned: not emulated */
    feed(&lane, "[nonsense/x host 4/4] RUN make", RUNNING, 0);
    assert_false(weft_run_started(&lane, &arm64));
    feed(&lane, "[linux/arm64 4/4] RUN make install", RUNNING, 0);
    assert_true(weft_run_started(&lane, &arm64));
    weft_lane_finish(&lane);

    weft_lane_init(&lane, NULL, NULL); /* a build of one platform does not name it */
    feed(&lane, "[stage-1 2/2] RUN make", RUNNING, 0);
    assert_true(weft_run_started(&lane, &arm64));
    weft_lane_finish(&lane);
}

static void test_compare(void **state)
{
    struct weft_run_comparison c;
    struct weft_lane native, emulated;

    (void)state;
    weft_lane_init(&native, NULL, NULL);
    weft_lane_init(&emulated, NULL, NULL);
    assert_false(weft_run_compare(&emulated, &arm64, &native, &amd64, &c));

    /* both: the text has the value of an ARG */
    feed(&native, "[linux/amd64 b 2/9] RUN make amd64", DONE, 0.75);
    feed(&emulated, "[linux/arm64 b 2/9] RUN make arm64", DONE, 6.75);
    assert_false(weft_run_compare(&emulated, &arm64, &native, &amd64, &c)); /* too short */
    assert_int_equal(c.native_ms, 750);
    feed(&native, "[linux/amd64 b 3/9] RUN test", DONE, 0.25);
    feed(&emulated, "[linux/arm64 b 3/9] RUN test", DONE, 2.25);
    assert_true(weft_run_compare(&emulated, &arm64, &native, &amd64, &c));

    /* only one of them, or not emulated, or no RUN, or of other stages */
    feed(&native, "[linux/amd64 b 4/9] RUN x", CACHED, 0);
    feed(&emulated, "[linux/arm64 b 4/9] RUN x", DONE, 30);
    feed(&native, "[linux/amd64 b 5/9] RUN y", DONE, 30);
    feed(&emulated, "[linux/arm64 b 5/9] RUN y", CACHED, 0);
    feed(&native, "[linux/amd64 p 2/9] RUN pinned", DONE, 20);
    feed(&emulated, "[linux/amd64->arm64 p 2/9] RUN pinned", DONE, 20);
    feed(&native, "[linux/amd64 b 6/9] COPY x", DONE, 10);
    feed(&emulated, "[linux/arm64 b 6/9] COPY x", DONE, 10);
    feed(&native, "[linux/amd64 b 7/9] RUN z", DONE, 10);
    feed(&emulated, "[linux/arm64 b 7/9] RUN z", FAILED, 10);
    feed(&native, "[linux/amd64 b-amd64 8/9] RUN z", DONE, 10);
    feed(&emulated, "[linux/arm64 b-arm64 8/9] RUN z", DONE, 10);
    assert_true(weft_run_compare(&emulated, &arm64, &native, &amd64, &c));
    assert_int_equal(c.native_ms, 1000);
    assert_int_equal(c.ms, 9000);

    assert_int_equal(weft_run_ms(&native, &amd64), 750 + 250 + 30000 + 20000 + 10000 + 10000);
    assert_int_equal(weft_run_ms(&emulated, &arm64), 6750 + 2250 + 30000 + 10000);
    weft_lane_finish(&native);
    weft_lane_finish(&emulated);
}

static void test_text(void **state)
{
    static const struct {
        struct weft_run_comparison c;
        double expected;
        const char *text;
    } cases[] = {
        {{52130, 6000},
         9.04,
         "RUN steps took 52.1 s, 8.7 times as long as on linux/amd64 "
         "(expected about 9)"},
        {{52130, 6000}, 0, "RUN steps took 52.1 s, 8.7 times as long as on linux/amd64"},
        {{59949, 4000},
         2.94,
         "RUN steps took 59.9 s, 15 times as long as on linux/amd64 "
         "(expected about 2.9)"},
        {{59950, 6026},
         2.96,
         "RUN steps took 1 min 0 s, 9.9 times as long as on linux/amd64 "
         "(expected about 3)"},
        {{3725400, 100000},
         31.4,
         "RUN steps took 62 min 5 s, 37 times as long as on linux/amd64 "
         "(expected about 31)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *text = weft_run_verdict(&cases[i].c, &amd64, cases[i].expected);

        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
