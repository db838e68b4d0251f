/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/idmap.h"
#include "binfmt/sandbox.h"
#include "tests/helpers.h"

static void assert_text(const struct weft_idmap *map, const char *want)
{
    char *text = weft_idmap_text(map);

    assert_string_equal(text, want);
    free(text);
}

static void test_from_proc(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        /* the initial namespace: not all ids, which BuildKit would take for the initial namespace
         */
        {"         0          0 4294967295\n", "0 0 4294967294\n"},
        {"0 100000 65536\n", "0 0 65536\n"},
        {"0 1000 1\n1 100000 65536\n", "0 0 1\n1 1 65536\n"},
        {"0 0 1000\n4294967000 5 295\n", "0 0 1000\n4294967000 4294967000 294\n"},
        {"4294967294 0 1\n", ""},
        {"", ""},
    };
    struct weft_idmap map;
    struct weft_err *err = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_ok(weft_idmap_from_proc(cases[i].text, &map, &err), &err);
        assert_text(&map, cases[i].want);
    }
    assert_int_equal(weft_idmap_from_proc("0 0\n", &map, &err), -1);
    assert_err(&err, WEFT_E_FORMAT, 0, "id map");
    assert_int_equal(weft_idmap_from_proc("4294967295 0 2\n", &map, &err), -1);
    assert_err(&err, WEFT_E_FORMAT, 0, "id map");
}

static void test_from_subid(void **state)
{
    static const struct {
        const char *text;
        unsigned ids;
        const char *want;
    } cases[] = {
        {"ann:100000:65536\n", 65536, "0 1000 1\n1 100000 65536\n"},
        {"bob:100000:65536\n1000:200000:65536\n", 65536, "0 1000 1\n1 200000 65536\n"},
        {"ann:100000:10\nann:300000:20", 30, "0 1000 1\n1 100000 10\n11 300000 20\n"},
        {"anna:100000:65536\n", 0, "0 1000 1\n"},
        {"#ann:100000:65536\n", 0, "0 1000 1\n"},
        {"ann:100000\nann:x:5\nann:5:-1\nann:1:0\nann:4294967290:10\n", 0, "0 1000 1\n"},
        {"", 0, "0 1000 1\n"},
    };
    struct weft_idmap map;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(weft_idmap_from_subid(cases[i].text, "ann", 1000, 1000, &map),
                         cases[i].ids);
        assert_text(&map, cases[i].want);
    }
}

/* More ranges than a map of ours has lines. */
static void test_many_ranges(void **state)
{
    struct weft_buf b = {0};
    struct weft_idmap map;

    (void)state;
    for (int i = 0; i < 100; i++) {
        weft_buf_printf(&b, "ann:%d:10\n", 100000 + 10 * i);
    }
    assert_int_equal(weft_idmap_from_subid(b.data, "ann", 1000, 1000, &map),
                     (WEFT_IDMAP_RANGES_MAX - 1) * 10);
    assert_int_equal(map.n, WEFT_IDMAP_RANGES_MAX);
    weft_buf_finish(&b);
}

static void test_from_getsubids(void **state)
{
    struct weft_idmap map;

    (void)state;
    assert_int_equal(weft_idmap_from_getsubids("0: ann 100000 65536\n1: ann 5 3\n", 7, &map),
                     65539);
    assert_text(&map, "0 7 1\n1 100000 65536\n65537 5 3\n");
    assert_int_equal(weft_idmap_from_getsubids("Error fetching ranges\n", 7, &map), 0);
}

static void test_process_stat(void **state)
{
    uint64_t start = 0;

    (void)state;
    assert_true(weft_process_parse_stat("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "
                                        "8591 170 3 18446744073709551615",
                                        &start));
    assert_int_equal(start, 8591);
    assert_false(weft_process_parse_stat("7 (a) Z 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 8591",
                                         &start));
    assert_false(weft_process_parse_stat("7 (a) S 1 7", &start));
    assert_false(weft_process_parse_stat("", &start));
    assert_true(weft_process_start(getpid(), &start));
    assert_true(start > 0);
    assert_false(weft_process_start(0, &start));
}

static void test_first_free(void **state)
{
    static const struct {
        const char *text;
        uint64_t first;
    } cases[] = {
        {"", 100000},
        {"a:100000:65536\n", 165536},
        {"a:165536:65536\nb:100000:65536\n", 231072},
        {"a:1000:10\n", 100000},
        {"# a:200000:65536\n", 100000},
        {"a:4294967000:65536\n", 100000}, /* no room behind it */
        {"a:x:y\nnonsense\n", 100000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(weft_idmap_first_free(cases[i].text), cases[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_proc),    cmocka_unit_test(test_from_subid),
        cmocka_unit_test(test_many_ranges),  cmocka_unit_test(test_from_getsubids),
        cmocka_unit_test(test_process_stat), cmocka_unit_test(test_first_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
