/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/reply.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

static const char *or_none(const char *s)
{
    return s ? s : "-";
}

static void test_challenges(void **state)
{
    static const struct {
        const char *header, *wanted; /* "KIND realm service scope error" */
    } cases[] = {
        {"Bearer realm=\"https://a.example/t\",service=\"s\",scope=\"repository:x:pull\"",
         "2 https://a.example/t s repository:x:pull -"},
        {"bearer  REALM = \"http://a/t?x=1\" , error=invalid_token",
         "2 http://a/t?x=1 - - invalid_token"},
        {"Basic realm=\"a \\\"b\\\", c\"", "1 a \"b\", c - - -"},
        {"Basic", "1 - - - -"},
        {"Basic realm=x", "1 x - - -"},
        {"Negotiate", "0 - - - -"},
        {"Negotiate dG9rZW4=, Basic realm=\"x\"", "1 x - - -"},
        {"Basic realm=\"x\", Bearer realm=\"https://a/t\"", "2 https://a/t - - -"},
        {"Bearer realm=\"https://a/t\", charset=\"UTF-8\", Basic realm=\"x\"",
         "2 https://a/t - - -"},
        {"Digest a=b, Negotiate , Basic", "1 - - - -"},
        {", ,Bearer realm=\"https://a/t\",,service=s", "2 https://a/t s - -"},
        {"", "0 - - - -"},
        {"Bearer realm=\"https://[::1]:5001/t\"", "2 https://[::1]:5001/t - - -"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_challenge c = {0};
        struct weft_err *err = NULL;
        weft_auto_free char *found = NULL;

        if (weft_challenge_parse(cases[i].header, &c, &err) < 0) {
            fail_msg("%s", err->msg);
        }
        found = weft_fmt("%d %s %s %s %s", (int)c.kind, or_none(c.realm), or_none(c.service),
                         or_none(c.scope), or_none(c.error));
        assert_string_equal(found, cases[i].wanted);
        weft_challenge_finish(&c);
    }
}

static void test_bad_challenges(void **state)
{
    static const char *const cases[] = {
        "Bearer",
        "Bearer service=\"x\"",
        "Bearer realm=\"\"",
        "Bearer realm=\"ftp://a/t\"",
        "Bearer realm=\"https://\"",
        "Bearer realm=\"https:///t\"",
        "Bearer realm=\"https://a/t\\r\\n\" x",
        "Bearer realm=\"https://a b/\"",
        "Bearer realm=\"https://a/#x\"",
        "Bearer realm=\"https://a/t",
        "Bearer realm=\"https://a/t\\",
        "Bearer realm=\"https://a/\" service=x",
        "Bearer realm=\"https://a/\",realm=\"https://b/\"",
        "Bearer realm=",
        "Bearer realm=\"https://a/\001\"",
        "=",
        "\"x\"",
        "Bearer realm=\"https://a/t\", \"x\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_challenge c = {0};
        struct weft_err *err = NULL;

        if (weft_challenge_parse(cases[i], &c, &err) == 0) {
            fail_msg("%s was taken", cases[i]);
        }
        assert_null(c.realm);
        assert_err(&err, WEFT_E_FORMAT, 0, "WWW-Authenticate");
    }
}

static void test_urls(void **state)
{
    char realm[] = "https://a/t", realm2[] = "https://a/t?", service[] = "s/\xc3\xa4&";
    const struct weft_challenge c = {
        .kind = WEFT_CHALLENGE_BEARER, .realm = realm, .service = service};
    const struct weft_challenge bare = {.kind = WEFT_CHALLENGE_BEARER, .realm = realm2};
    const char *const scopes[] = {"repository:a/b:pull,push", "repository:c:pull"};
    weft_auto_free char *url = weft_challenge_url(&c, "me", scopes, 2);
    weft_auto_free char *short_url = weft_challenge_url(&bare, NULL, scopes, 1);
    weft_auto_free char *empty = weft_challenge_url(&bare, NULL, NULL, 0);
    weft_auto_free char *form = weft_challenge_form(&c, "t&=", scopes, 2);
    weft_auto_free char *with = weft_url_with("/u?a=b", "digest", "sha256:1");

    (void)state;
    assert_string_equal(url, "https://a/t?service=s%2F%C3%A4%26&account=me&"
                             "scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%3Apull");
    assert_string_equal(short_url, "https://a/t?scope=repository%3Aa%2Fb%3Apull%2Cpush");
    assert_string_equal(empty, "https://a/t?");
    assert_string_equal(form, "grant_type=refresh_token&client_id=weft&service=s%2F%C3%A4%26&"
                              "scope=repository%3Aa%2Fb%3Apull%2Cpush%20repository%3Ac%3Apull&"
                              "refresh_token=t%26%3D");
    assert_string_equal(with, "/u?a=b&digest=sha256%3A1");
}

static void test_basic(void **state)
{
    static const struct {
        const char *user, *password, *wanted;
    } cases[] = {{"u", "", "dTo="},
                 {"u", "p", "dTpw"},
                 {"u", "pq", "dTpwcQ=="},
                 {"u", "\xff\xfe\xfd", "dTr//v0="}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *found = weft_basic_of(cases[i].user, cases[i].password);

        assert_string_equal(found, cases[i].wanted);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *body, *code, *text;
        bool disk_full;
    } cases[] = {
        {"{\"errors\":[{\"code\":\"A\",\"message\":\"m\",\"detail\":\"d\"},{\"code\":\"B\"}]}", "A",
         "m: d (A); B", false},
        {"{\"errors\":[{\"code\":\"A\",\"message\":\"\",\"detail\":{\"x\":1}}]}", "A", "A", false},
        {"{\"errors\":[{\"message\":\"a\\u001b[2Jb\\nc\"}]}", NULL, "a\\x1b[2Jb\\x0ac", false},
        {"{\"errors\":[{\"code\":\"U\",\"detail\":{\"Enclosed\":{\"Err\":28}}}]}", "U", "U", true},
        {"{\"errors\":[{\"code\":\"U\",\"detail\":[{\"a\":\"No space left on device\"}]}]}", "U",
         "U", true},
        {"{\"details\":\"wrong\"}", NULL, "wrong", false},
        {"{\"error\":\"e\",\"error_description\":\"d\"}", NULL, "d", false},
        {"{\"errors\":[]}", NULL, NULL, false},
        {"{\"errors\":7}", NULL, NULL, false},
        {"[7]", NULL, NULL, false},
        {"{\"broken", NULL, NULL, false},
        {"  plain words\r\nmore", NULL, "plain words", false},
        {"write: no space left on device", NULL, "write: no space left on device", true},
        {"<html>", NULL, NULL, false},
        {"\xff\xfe", NULL, NULL, false},
        {"", NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_refusal r = {0};

        weft_refusal_read(cases[i].body, strlen(cases[i].body), &r);
        if (!weft_str_eq(r.code, cases[i].code) || !weft_str_eq(r.text, cases[i].text) ||
            r.disk_full != cases[i].disk_full) {
            fail_msg("%s: %s, %s, %d", cases[i].body, or_none(r.code), or_none(r.text),
                     r.disk_full);
        }
        weft_refusal_finish(&r);
    }
}

static void test_retry_after(void **state)
{
    (void)state;
    assert_int_equal(weft_retry_after("0", -1, 100), 0);
    assert_int_equal(weft_retry_after("120", -1, 100), 120);
    assert_int_equal(weft_retry_after("99999999999999999999", -1, 100), INT32_MAX);
    assert_int_equal(weft_retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 130, 100), 30);
    assert_int_equal(weft_retry_after("Fri, 31 Dec 1999 23:59:59 GMT", 70, 100), 0);
    assert_int_equal(weft_retry_after("soon", -1, 100), -1);
    assert_int_equal(weft_retry_after("", -1, 100), -1);
    assert_int_equal(weft_retry_after("-5", -1, 100), -1);
}

static void test_ranges(void **state)
{
    static const struct {
        const char *value;
        int rc;
        uint64_t bytes;
    } cases[] = {
        {"0-0", 0, 0},        {"0-1023", 0, 1024},
        {"bytes=0-9", 0, 10}, {"0-9223372036854775806", 0, 9223372036854775807u},
        {"0-", -1, 7},        {"1-5", -1, 7},
        {"0-5x", -1, 7},      {"0--5", -1, 7},
        {"", -1, 7},          {"0-18446744073709551615", -1, 7},
        {"0- 5", -1, 7},      {"0-99999999999999999999", -1, 7},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t bytes = 7;

        assert_int_equal(weft_upload_range(cases[i].value, &bytes), cases[i].rc);
        assert_true(bytes == cases[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenges), cmocka_unit_test(test_bad_challenges),
        cmocka_unit_test(test_urls),       cmocka_unit_test(test_basic),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
