/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/proxy.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

static void assert_proxy(const struct weft_proxies *p, bool https, const char *host, int port,
                         const char *wanted)
{
    weft_auto_free char *found = weft_proxy_for(p, https, host, port);

    if (!weft_str_eq(found, wanted)) {
        fail_msg("%s:%d: %s, not %s", host, port, found ? found : "none", wanted ? wanted : "none");
    }
}

static void test_forms(void **state)
{
    static const struct {
        const char *proxy, *wanted;
    } cases[] = {
        {"proxy", "http://proxy:80"},
        {"proxy:3128", "http://proxy:3128"},
        {"http://proxy", "http://proxy:80"},
        {"HTTP://proxy:8080/", "http://proxy:8080"},
        {"https://proxy", "https://proxy:443"},
        {"http://u:p%40@proxy", "http://u:p%40@proxy:80"},
        {"http://u:p@proxy:1/path?x", "http://u:p@proxy:1"},
        {"socks5://proxy", "socks5h://proxy:1080"},
        {"socks5h://u:p@proxy:9", "socks5h://u:p@proxy:9"},
        {"http://[::1]", "http://[::1]:80"},
        {"http://[::1/]:9", "http://[::1:80"},
        {"http://[::1]:81", "http://[::1]:81"},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct weft_proxies p = {.https = cases[i].proxy};

        assert_proxy(&p, true, "registry.example", 443, cases[i].wanted);
        assert_proxy(&p, false, "registry.example", 80, NULL);
    }
}

static void test_exceptions(void **state)
{
    static const struct {
        const char *no, *host;
        int port;
        bool is_direct;
    } cases[] = {
        {NULL, "localhost", 443, true},
        {NULL, "LOCALHOST", 5000, true},
        {NULL, "127.1.2.3", 443, true},
        {NULL, "[::1]", 443, true},
        {NULL, "::1", 443, true},
        {NULL, "localhost.example", 443, false},
        {"*", "registry.example", 443, true},
        {"example", "example", 443, true},
        {"example", "registry.example", 443, true},
        {"example", "myexample", 443, false},
        {"EXAMPLE", "registry.example", 443, true},
        {".example", "registry.example", 443, true},
        {".example", "example", 443, false},
        {"*.example", "a.b.example", 443, true},
        {"*.example", "example", 443, false},
        {" a.example , b.example ", "b.example", 443, true},
        {"a.example,,b.example", "c.example", 443, false},
        {"b.example:443", "b.example", 443, true},
        {"b.example:444", "b.example", 443, false},
        {".example:444", "b.example", 444, true},
        {"10.0.0.0/8", "10.1.2.3", 443, true},
        {"10.0.0.0/8", "11.1.2.3", 443, false},
        {"10.1.2.0/23", "10.1.3.255", 443, true},
        {"10.1.2.0/23", "10.1.4.0", 443, false},
        {"0.0.0.0/0", "8.8.8.8", 443, true},
        {"0.0.0.0/0", "registry.example", 443, false},
        {"10.0.0.0/33", "10.1.2.3", 443, false},
        {"10.1.2.3", "10.1.2.3", 443, true},
        {"10.1.2.3:443", "10.1.2.3", 443, true},
        {"10.1.2.3:80", "10.1.2.3", 443, false},
        {"fd00::/8", "[fd01::5]", 443, true},
        {"fd00::/8", "[fe01::5]", 443, false},
        {"[fd01::5]:443", "[fd01::5]", 443, true},
        {"fd01::5", "[fd01:0::5]", 443, true},
        {":443", "registry.example", 443, false},
        {"[", "registry.example", 443, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct weft_proxies p = {.https = "proxy:1", .no = cases[i].no};

        assert_proxy(&p, true, cases[i].host, cases[i].port,
                     cases[i].is_direct ? NULL : "http://proxy:1");
    }
}

static void test_environment(void **state)
{
    static const char *const names[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY",   "https_proxy",
                                        "NO_PROXY",   "no_proxy",   "REQUEST_METHOD"};
    struct weft_proxies p;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        unsetenv(names[i]);
    }
    p = weft_proxies_of_environment();
    assert_null(p.http);
    setenv("http_proxy", "lower", 1);
    setenv("https_proxy", "lower", 1);
    setenv("HTTPS_PROXY", "upper", 1);
    setenv("NO_PROXY", "", 1);
    setenv("no_proxy", "lower", 1);
    p = weft_proxies_of_environment();
    assert_string_equal(p.http, "lower");
    assert_string_equal(p.https, "upper");
    assert_string_equal(p.no, "lower");
    setenv("REQUEST_METHOD", "GET", 1);
    assert_null(weft_proxies_of_environment().http);
    for (size_t i = 0; i < COUNT(names); i++) {
        unsetenv(names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
