/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <math.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tests/helpers.h"

static struct weft_json *parse(const char *text)
{
    struct weft_err *err = NULL;
    struct weft_json *j = weft_json_parse(text, strlen(text), &err);

    if (!j) {
        fail_msg("%s", err->msg);
    }
    assert_null(err);
    return j;
}

static void assert_dump(const struct weft_json *j, const char *want)
{
    weft_auto_free char *text = weft_json_dump(j, 0);

    assert_string_equal(text, want);
}

static void test_parse_and_dump(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"{}", "{}"},
        {" [ 1 , -2 ] ", "[1,-2]"},
        {"\"x\"", "\"x\""},
        {"null", "null"},
        {"true", "true"},
        {"0", "0"},
        {"{\"z\":1,\"a\":2,\"m\":{\"y\":[],\"b\":null}}",
         "{\"z\":1,\"a\":2,\"m\":{\"y\":[],\"b\":null}}"},
        {"9223372036854775807", "9223372036854775807"},
        {"\"\\u00e9\\n\\\"\"", "\"\xc3\xa9\\n\\\"\""},
        {"\"a/b\"", "\"a/b\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_json j = parse(cases[i].text);

        assert_dump(j, cases[i].want);
    }
    {
        weft_auto_json j = parse("{\"a\":[1]}");
        weft_auto_free char *text = weft_json_dump(j, 2);

        assert_string_equal(text, "{\n  \"a\": [\n    1\n  ]\n}");
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "{\"a\":1",
        "{} x",
        "{}{}",
        "[1,]",
        "{'a':1}",
        "nul",
        "\xef\xbb\xbf{}",
        "{\"a\":1,\"a\":2}",   /* two answers to one question */
        "\"\xff\"",            /* not UTF-8 */
        "\"\xed\xa0\x80\"",    /* a surrogate */
        "\"a\\u0000b\"",       /* would be cut where C reads it */
        "9223372036854775808", /* fits no int64 */
        "01",
        "\"tab\tinside\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_err *err = NULL;

        if (weft_json_parse(cases[i], strlen(cases[i]), &err)) {
            fail_msg("taken: %s", cases[i]);
        }
        assert_err(&err, WEFT_E_FORMAT, 0, "not JSON at line ");
    }
    assert_null(weft_json_parse("{", 1, NULL));
}

static void test_error_place(void **state)
{
    struct weft_err *err = NULL;

    (void)state;
    assert_null(weft_json_parse("{\n \"a\": x}", 10, &err));
    assert_err(&err, WEFT_E_FORMAT, 0, "line 2, column 7");
    /* what stands there is quoted, and is not ours */
    assert_null(weft_json_parse("{\"a\": \033[31m}", 12, &err));
    assert_non_null(err);
    assert_null(strchr(err->msg, '\033'));
    weft_err_free(err);
}

/* len bytes are the text: a NUL and what follows it belongs to it or not. */
static void test_length_counts(void **state)
{
    struct weft_err *err = NULL;
    struct weft_json *j;

    (void)state;
    j = weft_json_parse("[1]garbage", 3, &err);
    assert_non_null(j);
    weft_json_free(j);
    assert_null(weft_json_parse("[1]\0x", 5, &err));
    assert_err(&err, WEFT_E_FORMAT, 0, "not JSON");
}

static void test_deep(void **state)
{
    const size_t n = 1 << 20;
    weft_auto_free char *text = weft_xmalloc(n);
    struct weft_err *err = NULL;

    (void)state;
    memset(text, '[', n);
    assert_null(weft_json_parse(text, n, &err)); /* and no stack overflow */
    assert_err(&err, WEFT_E_FORMAT, 0, "depth");
}

static void test_readers(void **state)
{
    weft_auto_json j = parse("{\"s\":\"x\",\"i\":-5,\"r\":1.5,\"t\":true,\"f\":false,\"n\":null,"
                             "\"a\":[\"p\",2],\"o\":{\"k\":\"v\"}}");
    const struct weft_json *a = weft_json_get(j, "a");

    (void)state;
    assert_string_equal(weft_json_str(j, "s"), "x");
    assert_int_equal(weft_json_int(j, "i", 9), -5);
    assert_true(weft_json_bool(j, "t", false));
    assert_false(weft_json_bool(j, "f", true));
    assert_int_equal(weft_json_len(a), 2);
    assert_string_equal(weft_json_value_str(weft_json_at(a, 0)), "p");
    assert_null(weft_json_value_str(weft_json_at(a, 1)));
    assert_null(weft_json_at(a, 2));
    assert_null(weft_json_at(a, SIZE_MAX));
    assert_string_equal(weft_json_str(weft_json_get(j, "o"), "k"), "v");
    assert_true(weft_json_is_object(j));
    assert_true(weft_json_is_array(a));
    assert_false(weft_json_is_object(a));
    assert_false(weft_json_is_array(j));
    assert_non_null(weft_json_get(j, "n")); /* null is a value */

    /* another type is absence */
    static const char *const keys[] = {"s", "i", "r", "t", "n", "a", "o", "missing"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strcmp(keys[i], "s") != 0) {
            assert_null(weft_json_str(j, keys[i]));
        }
        if (strcmp(keys[i], "i") != 0) {
            assert_int_equal(weft_json_int(j, keys[i], 77), 77);
        }
        if (strcmp(keys[i], "t") != 0) {
            assert_true(weft_json_bool(j, keys[i], true));
            assert_false(weft_json_bool(j, keys[i], false));
        }
        if (strcmp(keys[i], "a") != 0) {
            assert_int_equal(weft_json_len(weft_json_get(j, keys[i])), 0);
        }
    }
}

static void fail_member(const char *key, const struct weft_json *value, void *data)
{
    (void)value;
    (void)data;
    fail_msg("called for %s", key);
}

static void test_readers_of_nothing(void **state)
{
    weft_auto_json text = parse("\"text\"");
    weft_auto_json array = parse("[1]");
    const struct weft_json *const none[] = {NULL, text, array};

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        assert_null(weft_json_get(none[i], "k"));
        assert_null(weft_json_str(none[i], "k"));
        assert_int_equal(weft_json_int(none[i], "k", 3), 3);
        assert_true(weft_json_bool(none[i], "k", true));
        assert_false(weft_json_is_object(none[i]));
        weft_json_each(none[i], fail_member, NULL);
    }
    assert_int_equal(weft_json_len(NULL), 0);
    assert_int_equal(weft_json_len(text), 0);
    assert_null(weft_json_at(NULL, 0));
    assert_null(weft_json_at(text, 0));
    assert_null(weft_json_value_str(NULL));
    assert_null(weft_json_value_str(array));
    assert_false(weft_json_is_array(NULL));
    weft_json_free(NULL);
}

static void note_member(const char *key, const struct weft_json *value, void *data)
{
    weft_auto_free char *text = weft_json_dump(value, 0);

    weft_buf_printf(data, "%s=%s;", key, text);
}

static void test_each(void **state)
{
    weft_auto_json j = parse("{\"z\":1,\"a\":\"x\",\"m\":[2]}");
    weft_auto_buf b = {0};

    (void)state;
    weft_json_each(j, note_member, &b);
    assert_string_equal(b.data, "z=1;a=\"x\";m=[2];");
}

static void test_build(void **state)
{
    weft_auto_json j = weft_json_object();
    weft_auto_json copy = NULL;
    struct weft_json *a = weft_json_array();

    (void)state;
    weft_json_set_str(j, "s", "x");
    weft_json_set_str(j, "none", NULL);
    weft_json_set(j, "none", NULL);
    weft_json_set_int(j, "i", INT64_MIN);
    weft_json_set_bool(j, "b", true);
    weft_json_set_real(j, "r", 0.5);
    weft_json_append_str(a, "p");
    weft_json_append(a, NULL);
    weft_json_append(a, weft_json_object());
    weft_json_set(j, "a", a);
    copy = weft_json_copy(j);
    weft_json_set_str(j, "s", "replaced");
    weft_json_append_str(a, "later");
    assert_dump(j, "{\"s\":\"replaced\",\"i\":-9223372036854775808,\"b\":true,\"r\":0.5,"
                   "\"a\":[\"p\",{},\"later\"]}");
    assert_dump(copy, "{\"s\":\"x\",\"i\":-9223372036854775808,\"b\":true,\"r\":0.5,"
                      "\"a\":[\"p\",{}]}");
}

/* Paths, labels and arguments may be any bytes. */
static void test_not_utf8(void **state)
{
    static const struct {
        const char *bytes;
        const char *want;
    } cases[] = {
        {"caf\xe9", "caf\xef\xbf\xbd"},
        {"\xff\xff", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3\xa9\xc3", "\xc3\xa9\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x90\x8b!", "\xf0\x9f\x90\x8b!"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_json s = weft_json_string(cases[i].bytes);
        weft_auto_json j = weft_json_object();

        assert_string_equal(weft_json_value_str(s), cases[i].want);
        weft_json_set_str(j, cases[i].bytes, cases[i].bytes);
        weft_json_set_int(j, cases[i].bytes, 3);
        assert_int_equal(weft_json_int(j, cases[i].want, 0), 3);
    }
}

static void test_not_finite(void **state)
{
    weft_auto_json j = weft_json_object();

    (void)state;
    weft_json_set_real(j, "nan", (double)NAN);
    weft_json_set_real(j, "inf", (double)INFINITY);
    assert_dump(j, "{\"nan\":null,\"inf\":null}");
}

/* What is on the heap afterwards cannot be looked at; that nothing is freed twice can. */
static void test_wipe(void **state)
{
    static const char text[] = "{\"a\":[\"s\",1,{\"b\":\"\"}],\"c\":null}";

    (void)state;
    weft_json_wipe(NULL);
    weft_json_wipe(weft_json_parse(text, strlen(text), NULL));
    weft_json_wipe(weft_json_string("s"));
}

static void test_load(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "f.json");
    const size_t limit = 16 << 20;
    weft_auto_free char *big = weft_xmalloc(limit + 1);
    struct weft_err *err = NULL;
    struct weft_json *j;

    assert_null(weft_json_load(path, &err));
    assert_err(&err, WEFT_E_IO, ENOENT, "f.json");
    put_file(path, "{\"a\":1}\n", 8);
    j = weft_json_load(path, &err);
    assert_int_equal(weft_json_int(j, "a", 0), 1);
    weft_json_freep(&j);
    assert_null(j);
    put_file(path, "{", 1);
    assert_null(weft_json_load(path, &err));
    assert_err(&err, WEFT_E_FORMAT, 0, "f.json: not JSON");
    memset(big, ' ', limit + 1);
    big[0] = '1';
    put_file(path, big, limit);
    j = weft_json_load(path, &err);
    assert_non_null(j);
    weft_json_free(j);
    put_file(path, big, limit + 1);
    assert_null(weft_json_load(path, &err));
    assert_err(&err, WEFT_E_FORMAT, 0, "f.json is larger");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_dump),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_error_place),
        cmocka_unit_test(test_length_counts),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_readers_of_nothing),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_wipe),
        temp_test(test_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
