/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/proxy_args.h"

#include <stdbool.h>

#include "base/cleanup.h"
#include "engine/request.h"
#include "tests/helpers.h"

static const char *const variables[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
                                        "NO_PROXY",   "no_proxy",   "FTP_PROXY",   "ftp_proxy"};

/* A configuration of this text, and no proxy in the environment. */
static void configure(const char *dir, const char *text)
{
    weft_auto_free char *path = weft_path_join(dir, "config.json");

    setenv("DOCKER_CONFIG", dir, 1);
    unsetenv("DOCKER_HOST");
    for (size_t i = 0; i < COUNT(variables); i++) {
        unsetenv(variables[i]);
    }
    put_file(path, text, strlen(text));
}

static const char two_daemons[] =
    "{\"proxies\":{\"default\":{\"httpProxy\":\"http://u:p@h:1\",\"httpsProxy\":\"h:2\","
    "\"noProxy\":\"n\",\"ftpProxy\":\"f\",\"allProxy\":\"a\"},"
    "\"tcp://d:1\":{\"httpProxy\":\"http://d\"}}}";

static char *loaded(struct weft_request *r)
{
    weft_proxy_args_load(r);
    return weft_strv_join(&r->proxy_args, " ");
}

static void test_load(void **state)
{
    struct weft_request all = {0}, given = {0}, other = {0}, broken = {0};
    weft_auto_free char *of_all = NULL;
    weft_auto_free char *of_given = NULL;
    weft_auto_free char *of_other = NULL;

    configure(*state, two_daemons);
    of_all = loaded(&all);
    assert_string_equal(of_all, "HTTP_PROXY=http://u:p@h:1 HTTPS_PROXY=h:2 NO_PROXY=n FTP_PROXY=f");

    /* what is given by hand wins, in whatever case; a longer name is another */
    weft_strv_add(&given.build_args, "http_proxy=");
    weft_strv_add(&given.build_args, "No_Proxy=x");
    weft_strv_add(&given.build_args, "HTTPS_PROXY_X=1");
    of_given = loaded(&given);
    assert_string_equal(of_given, "HTTPS_PROXY=h:2 FTP_PROXY=f");

    setenv("DOCKER_HOST", "tcp://d:1", 1);
    of_other = loaded(&other);
    assert_string_equal(of_other, "HTTP_PROXY=http://d");

    configure(*state, "{hush");
    weft_proxy_args_load(&broken);
    assert_int_equal(broken.proxy_args.n, 0);
    assert_int_equal(broken.notices.n, 1);
    assert_non_null(strstr(broken.notices.v[0], "config.json"));
    assert_null(strstr(broken.notices.v[0], "hush"));
    weft_request_finish(&all);
    weft_request_finish(&given);
    weft_request_finish(&other);
    weft_request_finish(&broken);
}

static void test_adopt(void **state)
{
    configure(*state, two_daemons);
    setenv("NO_PROXY", "", 1); /* by hand: none */
    weft_proxy_env_adopt();
    assert_string_equal(getenv("http_proxy"), "http://u:p@h:1");
    assert_string_equal(getenv("https_proxy"), "h:2");
    assert_null(getenv("no_proxy"));
    assert_null(getenv("ftp_proxy"));
    assert_null(getenv("HTTP_PROXY"));

    configure(*state, "{\"proxies\":{\"default\":{\"httpProxy\":\"x\"}}}");
    setenv("HTTP_PROXY", "mine", 1);
    weft_proxy_env_adopt();
    assert_null(getenv("http_proxy"));

    configure(*state, "{");
    weft_proxy_env_adopt();
    assert_null(getenv("http_proxy"));
}

static void test_secret(void **state)
{
    static const struct {
        const char *arg;
        bool secret;
    } cases[] = {
        {"HTTP_PROXY=http://u:p@h:1", true},
        {"http_Proxy=u:p@h:1", true},
        {"ALL_PROXY=socks5://u@h", true},
        {"https_proxy=http://u:p@h/x", true},
        {"HTTP_PROXY=http://h:1", false},
        {"HTTP_PROXY=http://h/a@b", false},
        {"HTTP_PROXY=", false},
        {"NO_PROXY=localhost,.corp", false},
        {"URL=http://u:p@h:1", false},
        {"HTTP_PROXY_2=http://u:p@h", false},
    };
    struct weft_request r = {0};
    weft_auto_strv secret = {0};
    weft_auto_free char *all = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (weft_proxy_arg_is_secret(cases[i].arg) != cases[i].secret) {
            fail_msg("%s", cases[i].arg);
        }
    }
    weft_strv_add(&r.build_args, "A=b");
    weft_strv_add(&r.proxy_args, "NO_PROXY=n");
    assert_false(weft_proxy_args_need_relay(&r));
    weft_strv_add(&r.build_args, "http_proxy=u:p@a");
    weft_strv_add(&r.proxy_args, "HTTPS_PROXY=u:p@b");
    assert_true(weft_proxy_args_need_relay(&r));
    weft_proxy_args_secret(&r, &secret);
    all = weft_strv_join(&secret, " ");
    assert_string_equal(all, "http_proxy=u:p@a HTTPS_PROXY=u:p@b");
    weft_request_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_load),
        temp_test(test_adopt),
        cmocka_unit_test(test_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
