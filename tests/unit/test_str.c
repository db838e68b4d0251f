/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <limits.h>

#include "base/cleanup.h"
#include "tests/helpers.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(weft_str_eq(NULL, NULL));
    assert_false(weft_str_eq(NULL, ""));
    assert_false(weft_str_eq("", NULL));
    assert_true(weft_str_eq("a", "a"));
    assert_false(weft_str_eq("a", "ab"));
    assert_true(weft_starts_with("abc", "ab"));
    assert_true(weft_starts_with("abc", ""));
    assert_false(weft_starts_with("a", "ab"));
    assert_true(weft_ends_with("abc", "bc"));
    assert_true(weft_ends_with("abc", ""));
    assert_false(weft_ends_with("c", "bc"));
}

static void test_buf(void **state)
{
    weft_auto_buf b = {0};
    char *s;

    (void)state;
    weft_buf_clear(&b);
    weft_buf_consume(&b, 0);
    assert_null(b.data);
    weft_buf_append(&b, NULL, 0);
    assert_string_equal(b.data, "");
    weft_buf_append(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
    weft_buf_printf(&b, "%d", 42);
    weft_buf_puts(&b, "!");
    assert_memory_equal(b.data, "a\0b42!", 7);
    weft_buf_consume(&b, 2);
    assert_string_equal(b.data, "b42!");
    weft_buf_consume(&b, 4);
    assert_string_equal(b.data, "");
    weft_buf_puts(&b, "x");
    weft_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    weft_buf_puts(&b, "kept");
    s = weft_buf_steal(&b);
    assert_string_equal(s, "kept");
    free(s);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    s = weft_buf_steal(&b);
    assert_string_equal(s, "");
    free(s);
}

/* Every length around the doublings, one byte at a time: the sanitizer sees a missing NUL. */
static void test_buf_growth(void **state)
{
    weft_auto_buf b = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        weft_buf_append(&b, "x", 1);
        assert_int_equal(b.len, i + 1);
        assert_true(b.cap > b.len);
        assert_int_equal(b.data[b.len], '\0');
    }
    weft_buf_finish(&b);
    assert_null(b.data);
    weft_buf_finish(&b);
}

static void test_strv(void **state)
{
    weft_auto_strv a = {0};
    weft_auto_strv b = {0};
    char *s = weft_strv_join(&a, ",");

    (void)state;
    assert_string_equal(s, "");
    free(s);
    assert_false(weft_strv_has(&a, ""));
    weft_strv_concat(&a, &b);
    assert_null(a.v);
    weft_strv_add(&a, "x");
    weft_strv_addf(&a, "%s=%d", "y", 1);
    weft_strv_take(&a, weft_xstrdup(""));
    assert_int_equal(a.n, 3);
    assert_null(a.v[3]);
    weft_strv_concat(&b, &a);
    assert_true(b.v[0] != a.v[0]);
    assert_true(weft_strv_has(&b, "y=1"));
    assert_true(weft_strv_has(&b, ""));
    assert_false(weft_strv_has(&b, "y"));
    s = weft_strv_join(&b, ", ");
    assert_string_equal(s, "x, y=1, ");
    free(s);
}

static void test_strv_some(void **state)
{
    static const char *const wanted[] = {
        "", "a", "a and b", "a, b and c", "a, b and 2 more", "a, b and 3 more",
    };
    weft_auto_strv v = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        char *s = weft_strv_some(&v, 2);

        assert_string_equal(s, wanted[i]);
        free(s);
        weft_strv_addf(&v, "%c", (char)('a' + (int)i));
    }
}

static void test_split(void **state)
{
    static const struct {
        const char *text;
        const char *joined; /* with | */
        size_t n;
    } cases[] = {
        {"", "", 1},       {",", "|", 2},           {"a", "a", 1},
        {"a,b", "a|b", 2}, {",a,,b,", "|a||b|", 5}, {"a b", "a b", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_strv v = {0};
        weft_auto_free char *joined = NULL;

        weft_split(cases[i].text, ',', &v);
        joined = weft_strv_join(&v, "|");
        assert_int_equal(v.n, cases[i].n);
        assert_string_equal(joined, cases[i].joined);
    }
}

static void test_csv(void **state)
{
    static const struct {
        const char *text;
        const char *joined;
        size_t n;
    } good[] = {
        {"", "", 1},
        {"type=oci,dest=out", "type=oci|dest=out", 2},
        {"a,,b", "a||b", 3},
        {"a,", "a|", 2},
        {",", "|", 2},
        {"\"a,b\",c", "a,b|c", 2},
        {"\"\"", "", 1},
        {"\"\",x", "|x", 2},
        {"\"a\"\"b\"", "a\"b", 1},
        {"\"\"\"\"", "\"", 1},
        {" a , b", " a | b", 2},
        {"\"line\nbreak\",x", "line\nbreak|x", 2},
        {"\xc3\xa9,\xff", "\xc3\xa9|\xff", 2},
    };
    static const char *const bad[] = {
        "\"", "\"a", "a\"", "a\"b", "\"a\"b", "\"a\" ,b", "x,\"", "\"\"\"", "a,b\"", "\"a,b",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        weft_auto_strv v = {0};
        weft_auto_free char *joined = NULL;
        struct weft_err *err = NULL;

        assert_ok(weft_csv_split(good[i].text, &v, &err), &err);
        joined = weft_strv_join(&v, "|");
        assert_int_equal(v.n, good[i].n);
        assert_string_equal(joined, good[i].joined);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        weft_auto_strv v = {0};
        struct weft_err *err = NULL;

        assert_int_equal(weft_csv_split(bad[i], &v, &err), -1);
        assert_err(&err, WEFT_E_USAGE, 0, "quote");
    }
}

static void test_csv_error_is_printable(void **state)
{
    weft_auto_strv v = {0};
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_csv_split("a\033[31m\"", &v, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "a\\x1b[31m");
}

static void test_csv_field(void **state)
{
    static const struct {
        const char *field;
        const char *want;
    } cases[] = {
        {"", ""},           {"a b", "a b"},       {"a,b", "\"a,b\""},   {"a\"b", "\"a\"\"b\""},
        {" a", "\" a\""},   {"\ta", "\"\ta\""},   {"a\nb", "\"a\nb\""}, {"a\r", "\"a\r\""},
        {"\"", "\"\"\"\""}, {"x=\xff", "x=\xff"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *field = weft_csv_field(cases[i].field);
        weft_auto_free char *record = weft_fmt("first,%s,last", field);
        weft_auto_strv v = {0};
        struct weft_err *err = NULL;

        assert_string_equal(field, cases[i].want);
        assert_ok(weft_csv_split(record, &v, &err), &err);
        assert_int_equal(v.n, 3);
        assert_string_equal(v.v[1], cases[i].field);
    }
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"platform", "output", "progress", "pull", "push", "q"};
    char long_word[100];
    static const struct {
        const char *word;
        const char *want;
    } cases[] = {
        {"platfrom", "platform"},
        {"platform", "platform"},
        {"ouput", "output"},
        {"pul", "pull"},
        {"progres", "progress"},
        {"qq", "q"},
        {"xyz", NULL},
        {"completely", NULL},
        {"", NULL},
        {"f", NULL}, /* shares nothing with "q" */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = weft_nearest(cases[i].word, words, COUNT(words));

        if (!weft_str_eq(found, cases[i].want)) {
            fail_msg("%s: %s", cases[i].word, found ? found : "(none)");
        }
    }
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[99] = '\0';
    assert_null(weft_nearest(long_word, words, COUNT(words)));
    long_word[63] = '\0';
    assert_null(weft_nearest(long_word, words, COUNT(words)));
    assert_null(weft_nearest("x", words, 0));
    {
        const char *const long_words[] = {long_word};

        assert_ptr_equal(weft_nearest(long_word, long_words, 1), long_word);
    }
}

static void test_printable(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"", ""},
        {"plain ~", "plain ~"},
        {"a\tb", "a b"},
        {"a\nb\r", "a\\x0ab\\x0d"},
        {"\033[2J", "\\x1b[2J"},
        {"\x7f\x01", "\\x7f\\x01"},
        {"h\xc3\xa9llo", "h\xc3\xa9llo"},
        {"\xc2\xa0", "\xc2\xa0"}, /* U+00A0, the first above C1 */
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},                        /* C1: CSI as one character */
        {"\xe2\x82\xac", "\xe2\x82\xac"},         /* three bytes */
        {"\xf0\x9f\x90\x8b", "\xf0\x9f\x90\x8b"}, /* four bytes */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xc0\xaf", "\\xc0\\xaf"}, /* overlong */
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
        {"\x80", "\\x80"},                   /* a continuation alone */
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xe2\x82", "\\xe2\\x82"}, /* cut off at the end */
        {"\xf0\x9f\x90", "\\xf0\\x9f\\x90"},
        {"\xc3", "\\xc3"},
        {"\xc3(", "\\xc3("},
        {"\xe2\x80\xae"
         "x",
         "\\xe2\\x80\\xaex"},                /* U+202E reorders */
        {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"}, /* U+2066 */
        {"\xe2\x80\x8f", "\\xe2\\x80\\x8f"}, /* U+200F */
        {"\xd8\x9c", "\\xd8\\x9c"},          /* U+061C */
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* U+2028 breaks the line */
        {"\xe2\x80\x94", "\xe2\x80\x94"},    /* U+2014, a dash */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *s = weft_printable(cases[i].text);

        assert_string_equal(s, cases[i].want);
    }
}

/* Whatever the bytes are, nothing that a terminal acts on comes out. */
static void test_utf8_bad(void **state)
{
    static const struct {
        const char *text;
        int at; /* -1: nowhere */
    } cases[] = {
        {"", -1},
        {"plain\n\x1b\x7f", -1},
        {"\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xf4\x8f\xbf\xbf", -1},
        {"a\xff", 1},
        {"ab\xc3", 2},
        {"\xc3(", 0},
        {"\xc0\x80", 0},
        {"\xe0\x9f\xbf", 0},
        {"x\xed\xa0\x80", 1},
        {"\xf4\x90\x80\x80", 0},
        {"\xf8\x88\x80\x80\x80", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *bad = weft_utf8_bad(cases[i].text);

        if (bad != (cases[i].at < 0 ? NULL : cases[i].text + cases[i].at)) {
            fail_msg("case %zu", i);
        }
    }
}

static void test_printable_all_bytes(void **state)
{
    (void)state;
    for (int a = 1; a < 256; a++) {
        for (int b = 1; b < 256; b++) {
            const char text[] = {(char)a, (char)b, '\0'};
            weft_auto_free char *s = weft_printable(text);

            for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
                assert_true(*p >= 0x20 && *p != 0x7f);
                assert_false(p[0] == 0xc2 && p[1] < 0xa0);
            }
        }
    }
}

static void test_human_size(void **state)
{
    static const struct {
        double bytes;
        const char *want;
    } cases[] = {
        {0, "0 B"},         {1, "1 B"},          {999, "999 B"},     {999.5, "1.0 kB"},
        {1000, "1.0 kB"},   {1500000, "1.5 MB"}, {99900, "99.9 kB"}, {99960, "100 kB"},
        {999400, "999 kB"}, {999600, "1.0 MB"},  {3.2e9, "3.2 GB"},  {5e12, "5.0 TB"},
        {7e15, "7.0 PB"},   {2e18, "2000 PB"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *s = weft_human_size(cases[i].bytes);

        assert_string_equal(s, cases[i].want);
    }
}

static void test_parse_size(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1234567", 1234567},
        {"5k", 5000},
        {"5K", 5000},
        {"20M", 20000000},
        {"100G", UINT64_C(100000000000)},
        {"2T", UINT64_C(2000000000000)},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "", "G", "-1", "+1", " 1", "1 ", "1GB", "1x", "1.5G", "18446744073709551616", "99999999T",
    };
    uint64_t v;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(weft_parse_size(good[i].text, &v), 0);
        assert_int_equal(v, good[i].bytes);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(weft_parse_size(bad[i], &v), -1);
    }
}

static void test_parse_long(void **state)
{
    static const struct {
        const char *text;
        long min;
        long max;
        int ok;
        long want;
    } cases[] = {
        {"0", 0, 10, 1, 0},
        {"10", 0, 10, 1, 10},
        {"11", 0, 10, 0, 0},
        {"-1", 0, 10, 0, 0},
        {"-1", -1, 10, 1, -1},
        {"007", 0, 10, 1, 7},
        {"0x7", 0, 10, 0, 0},
        {"", 0, 10, 0, 0},
        {" 1", 0, 10, 0, 0},
        {"1 ", 0, 10, 0, 0},
        {"1m", 0, 10, 0, 0},
        {"1.0", 0, 10, 0, 0},
        {"9223372036854775807", 0, LONG_MAX, LONG_MAX > INT_MAX, LONG_MAX},
        {"9223372036854775808", LONG_MIN, LONG_MAX, 0, 0},
        {"-99999999999999999999", LONG_MIN, LONG_MAX, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_err *err = NULL;
        long v = 4711;
        int rc = weft_parse_long(cases[i].text, cases[i].min, cases[i].max, "--jobs", &v, &err);

        if (cases[i].ok) {
            assert_int_equal(rc, 0);
            assert_int_equal(v, cases[i].want);
        } else {
            assert_int_equal(rc, -1);
            assert_int_equal(v, 4711);
            assert_err(&err, WEFT_E_USAGE, 0, "--jobs");
        }
    }
}

static void test_parse_bool(void **state)
{
    static const struct {
        const char *text;
        int want; /* -1: neither */
    } cases[] = {
        {"1", 1}, {"t", 1},    {"T", 1},     {"TRUE", 1},  {"true", 1},   {"True", 1},
        {"0", 0}, {"f", 0},    {"F", 0},     {"FALSE", 0}, {"false", 0},  {"False", 0},
        {"", -1}, {"yes", -1}, {"tRUE", -1}, {"2", -1},    {"true ", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool v = cases[i].want == 0;

        assert_int_equal(weft_parse_bool(cases[i].text, &v), cases[i].want < 0 ? -1 : 0);
        if (cases[i].want >= 0) {
            assert_int_equal(v, cases[i].want);
        }
    }
}

static void test_time_utc(void **state)
{
    weft_auto_free char *text = weft_time_utc(1795470300);
    time_t t = 0;

    (void)state;
    assert_string_equal(text, "2026-11-23T21:45:00Z");
    assert_int_equal(weft_parse_time_utc(text, &t), 0);
    assert_int_equal(t, 1795470300);
    assert_int_equal(weft_parse_time_utc("2026-02-30T00:00:00Z", &t), -1);
    assert_int_equal(weft_parse_time_utc("2026-11-23T21:45:00", &t), -1);
    assert_int_equal(weft_parse_time_utc("2026-11-23T21:45:00Zx", &t), -1);
    assert_int_equal(weft_parse_time_utc(" 2026-11-23T21:45:00Z", &t), -1);
    assert_int_equal(weft_parse_time_utc("", &t), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_growth),
        cmocka_unit_test(test_strv),
        cmocka_unit_test(test_strv_some),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_error_is_printable),
        cmocka_unit_test(test_csv_field),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_utf8_bad),
        cmocka_unit_test(test_printable_all_bytes),
        cmocka_unit_test(test_human_size),
        cmocka_unit_test(test_parse_long),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_parse_bool),
        cmocka_unit_test(test_time_utc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
