/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/download.h"

#include "base/cleanup.h"
#include "http_script.h"
#include "tests/helpers.h"

static int get(struct http_script *s, const char *file, uint64_t limit, char *digest,
               struct weft_err **err)
{
    weft_auto_free char *url = weft_fmt("http://u:secret@%s/x?token=secret", http_script_host(s));
    int rc = weft_download(&(struct weft_download){.url = url, .file = file, .limit = limit},
                           digest, err);

    if (err && *err) {
        assert_null(strstr((*err)->msg, "secret"));
    }
    return rc;
}

static void test_whole(void **state)
{
    weft_auto_free char *file = weft_path_join(*state, "x");
    struct http_script *s = http_script_start();
    char digest[WEFT_DIGEST_SIZE];
    char want[WEFT_DIGEST_SIZE];

    weft_digest_bytes("whole", 5, want);
    http_script_add_cut(s, "GET /x?token=secret ", "longer than what comes", 100);
    http_script_add(s, "GET /x?token=secret ", "200 OK", "", "whole");
    assert_int_equal(get(s, file, 50, digest, NULL), 0);
    assert_string_equal(digest, want);
    assert_file(file, "whole", 5);
    assert_true(http_script_has(s, 0, "Accept-Encoding: gzip"));
    http_script_add(s, "GET ", "200 OK", "", "whole");
    assert_int_equal(get(s, NULL, 0, digest, NULL), 0);
    assert_string_equal(digest, want);
    http_script_stop(s);
}

static void test_refused(void **state)
{
    static const struct {
        const char *status;
        const char *in_hint;
    } cases[] = {
        {"404 Not Found", "is the URL right"},
        {"403 Forbidden", "id=HTTP_AUTH_TOKEN_127.0.0.1"},
        {"304 Not Modified", NULL},
    };
    struct http_script *s = http_script_start();
    char digest[WEFT_DIGEST_SIZE];
    weft_auto_err big = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_err err = NULL;

        http_script_add(s, "GET ", cases[i].status, "", "");
        assert_int_equal(get(s, NULL, 0, digest, &err), -1);
        assert_int_equal(err->code, WEFT_E_NET);
        assert_non_null(strstr(err->msg, "the server says status"));
        assert_true(cases[i].in_hint ? strstr(err->hint, cases[i].in_hint) != NULL : !err->hint);
    }
    http_script_add(s, "GET ", "200 OK", "", "123456");
    assert_int_equal(get(s, NULL, 5, digest, &big), -1);
    assert_non_null(strstr(big->msg, "more than 5 bytes"));
    http_script_stop(s);
}

static void test_host(void **state)
{
    static const char *const cases[][2] = {
        {"http://h/x", "h"},          {"http://h:80", "h"},  {"https://u:p@h.org:1/x@y:2", "h.org"},
        {"http://[::1]:80/x", "::1"}, {"http://h?a@b", "h"}, {"nothing", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *host = weft_url_host(cases[i][0]);

        assert_string_equal(host, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_whole),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
