/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "engine/registry/hosts.h"
#include "engine/worker_registries.h"
#include "tests/helpers.h"

static void test_host_ok(void **state)
{
    static const char *const good[] = {
        "docker.io", "localhost",   "localhost:5000", "a",         "a-b.example:1", "a_b:65535",
        "127.0.0.1", "10.0.0.1:80", "[::1]",          "[::1]:443", "EXAMPLE.COM",
    };
    static const char *const wrong[] = {
        "",    ".",      "a..b",    "-a",          "a-",  "a.",       ":5000", "a:",
        "a:x", "a:0",    "a:65536", "a:500000",    "a/b", "http://a", "a b",   "[::1",
        "[x]", "[::1]5", "::1",     "[127.0.0.1]", "a\n", "u@host",   "a:1:2", "[::1]:",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!weft_registry_host_ok(good[i])) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        if (weft_registry_host_ok(wrong[i])) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
}

static void test_local(void **state)
{
    static const char *const here[] = {"localhost",    "localhost:5000", "LOCALHOST",  "127.0.0.1",
                                       "127.1.2.3:80", "[::1]",          "[::1]:5000", "::1"};
    static const char *const elsewhere[] = {"docker.io", "localhost.example", "10.0.0.1:5000",
                                            "128.0.0.1", "[::2]:5000",        "127.0.0.1.example"};

    (void)state;
    for (size_t i = 0; i < COUNT(here); i++) {
        assert_true(weft_registry_host_is_local(here[i]));
        assert_true(weft_registry_host_plain(NULL, here[i]));
    }
    for (size_t i = 0; i < COUNT(elsewhere); i++) {
        assert_false(weft_registry_host_is_local(elsewhere[i]));
        assert_false(weft_registry_host_plain(NULL, elsewhere[i]));
    }
}

static char hub[] = "docker.io";
static char local[] = "localhost:5000";

static void test_find(void **state)
{
    struct weft_registry_host v[] = {{.host = hub}, {.host = local, .https = true}};
    const struct weft_registry_hosts hosts = {v, COUNT(v)};

    (void)state;
    assert_ptr_equal(weft_registry_hosts_find(&hosts, "docker.io"), &v[0]);
    assert_ptr_equal(weft_registry_hosts_find(&hosts, "index.docker.io"), &v[0]);
    assert_ptr_equal(weft_registry_hosts_find(&hosts, "registry-1.docker.io"), &v[0]);
    assert_ptr_equal(weft_registry_hosts_find(&hosts, "LOCALHOST:5000"), &v[1]);
    assert_null(weft_registry_hosts_find(&hosts, "localhost"));
    assert_null(weft_registry_hosts_find(&hosts, "localhost:5001"));
    assert_null(weft_registry_hosts_find(NULL, "docker.io"));
    assert_false(weft_registry_host_plain(&v[1], v[1].host));
    assert_true(weft_registry_host_plain(&(struct weft_registry_host){.http = true}, "a.example"));
    assert_false(weft_registry_host_plain(&(struct weft_registry_host){.insecure = true}, local));
}

/* What buildkitd.toml says, and the files that it names. */
static void test_toml(void **state)
{
    weft_auto_free char *ca = weft_path_join(*state, "ca.pem");
    weft_auto_free char *key = weft_path_join(*state, "key.pem");
    weft_auto_free char *dir = weft_path_join(*state, "copies");
    weft_auto_free char *copy = NULL;
    weft_auto_free char *toml = NULL;
    weft_auto_free char *again = NULL;
    struct weft_registry_host v[] = {
        {.host = hub},
        {.host = local, .https = true, .ca_file = ca, .cert_file = key, .key_file = key},
    };
    const struct weft_registry_hosts hosts = {v, COUNT(v)};
    struct weft_err *err = NULL;
    struct weft_worker_registries *r;

    put_file(ca, "authority", 9);
    put_file(key, "key", 3);
    weft_strv_add(&v[0].mirrors, "m.example:5000");
    weft_strv_add(&v[0].mirrors, "n.example/hub");
    r = weft_worker_registries_load(&hosts, &err);
    assert_non_null(r);
    toml = weft_worker_registries_toml(r, "/d \"\\\n");
    assert_string_equal(toml,
                        "[registry.\"docker.io\"]\n"
                        "mirrors = [\"m.example:5000\", \"n.example/hub\"]\n"
                        "[registry.\"localhost:5000\"]\n"
                        "http = false\n"
                        "ca = [\"/d \\\"\\\\\\u000a/"
                        "8f76fd501bb68ef71f4e276bc28f29bce1003b0c2c9d9478de81b5bfc0cde1e9.pem\"]\n"
                        "[[registry.\"localhost:5000\".keypair]]\n"
                        "cert = \"/d \\\"\\\\\\u000a/"
                        "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.pem\"\n"
                        "key = \"/d \\\"\\\\\\u000a/"
                        "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.pem\"\n");
    assert_ok(weft_worker_registries_write(r, dir, &err), &err);
    copy =
        weft_path_join(dir, "8f76fd501bb68ef71f4e276bc28f29bce1003b0c2c9d9478de81b5bfc0cde1e9.pem");
    assert_file(copy, "authority", 9);
    weft_worker_registries_destroy(r);

    /* another content is another text */
    put_file(ca, "another", 7);
    r = weft_worker_registries_load(&hosts, &err);
    again = weft_worker_registries_toml(r, "/d \"\\\n");
    assert_string_not_equal(toml, again);
    assert_ok(weft_worker_registries_write(r, dir, &err), &err);
    assert_false(weft_exists(copy));
    weft_worker_registries_destroy(r);

    /* without any, the directory goes */
    r = weft_worker_registries_load(NULL, &err);
    assert_ok(weft_worker_registries_write(r, dir, &err), &err);
    assert_false(weft_exists(dir));
    weft_worker_registries_destroy(r);

    assert_int_equal(unlink(key), 0);
    assert_null(weft_worker_registries_load(&hosts, &err));
    assert_err(&err, WEFT_E_USAGE, 0, "key.pem");
    weft_strv_finish(&v[0].mirrors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_ok),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_find),
        temp_test(test_toml),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
