/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/docker_config.h"

#include <stdbool.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/helpers.h"

static struct weft_docker_config *parse(const char *text)
{
    struct weft_err *err = NULL;
    struct weft_docker_config *c = weft_docker_config_parse(text, strlen(text), "c.json", &err);

    if (!c) {
        fail_msg("%s", err->msg);
    }
    return c;
}

/* "user:password", "id:TOKEN", "reg:TOKEN", or "" */
static char *found(const struct weft_docker_config *c, const char *host)
{
    struct weft_credentials w = {0};
    struct weft_err *err = NULL;
    char *text;

    if (weft_docker_config_credentials(c, host, NULL, &w, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    text = w.user             ? weft_fmt("%s:%s", w.user, w.password ? w.password : "-")
           : w.identity_token ? weft_fmt("id:%s", w.identity_token)
           : w.registry_token ? weft_fmt("reg:%s", w.registry_token)
                              : weft_xstrdup("");
    weft_credentials_finish(&w);
    assert_null(w.user);
    return text;
}

static void test_auths(void **state)
{
    static const struct {
        const char *config, *host, *wanted;
    } cases[] = {
        {"", "r.example", ""},
        {" \n", "r.example", ""},
        {"{}", "r.example", ""},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpwOnE=\"}}}", "r.example", "u:p:q"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpw\\nOnE=\"}}}", "r.example", "u:p:q"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpwAAA=\"}}}", "r.example", "u:p"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTo=\"}}}", "r.example", "u:"},
        {"{\"auths\":{\"https://r.example/v2/\":{\"auth\":\"dTpwOnE=\"}}}", "r.example", "u:p:q"},
        {"{\"auths\":{\"http://R.example\":{\"auth\":\"dTpwOnE=\"}}}", "r.example", "u:p:q"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpwOnE=\"}}}", "r.example:5000", ""},
        {"{\"auths\":{\"localhost:5000\":{\"username\":\"a\",\"password\":\"b\"}}}",
         "localhost:5000", "a:b"},
        {"{\"auths\":{\"r.example\":{\"auth\":\"dTpwOnE=\",\"username\":\"a\",\"password\":\"b\"}}"
         "}",
         "r.example", "u:p:q"},
        {"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpwOnE=\"}}}", "docker.io",
         "u:p:q"},
        {"{\"auths\":{\"docker.io\":{\"auth\":\"dTpwOnE=\"}}}", "docker.io", "u:p:q"},
        {"{\"auths\":{\"registry-1.docker.io\":{\"auth\":\"dTpwOnE=\"}}}", "index.docker.io",
         "u:p:q"},
        {"{\"auths\":{\"docker.io\":{\"username\":\"no\",\"password\":\"no\"},"
         "\"https://index.docker.io/v1/\":{\"auth\":\"dTpwOnE=\"}}}",
         "docker.io", "u:p:q"},
        {"{\"auths\":{\"https://r.example\":{},\"r.example/v1/\":{\"auth\":\"dTpwOnE=\"}}}",
         "r.example", "u:p:q"},
        {"{\"auths\":{\"r.example\":{\"identitytoken\":\"t\"}}}", "r.example", "id:t"},
        {"{\"auths\":{\"r.example\":{\"registrytoken\":\"t\"}}}", "r.example", "reg:t"},
        {"{\"auths\":{\"r.example\":7}}", "r.example", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_docker_config *c = parse(cases[i].config);
        weft_auto_free char *text = found(c, cases[i].host);

        if (strcmp(text, cases[i].wanted) != 0) {
            fail_msg("%s: '%s', not '%s'", cases[i].config, text, cases[i].wanted);
        }
        weft_docker_config_destroy(c);
    }
}

static void test_broken(void **state)
{
    static const char *const texts[] = {"{\"auths\":\"s3cret\"}", "[\"s3cret\"]",
                                        "{\"auths\": {\"x\": s3cret}}", "{\"s3cret", "7"};
    static const char *const auths[] = {
        "dTpwOnE", "dTpwOnE=x", "dTpw=nE=", "===", "dQ==", "OnA=", "dToAcA==", "dT=w", "d p="};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weft_err *err = NULL;

        assert_null(weft_docker_config_parse(texts[i], strlen(texts[i]), "c.json", &err));
        assert_null(strstr(err->msg, "s3cret"));
        assert_err(&err, WEFT_E_USAGE, 0, "c.json: ");
    }
    for (size_t i = 0; i < COUNT(auths); i++) {
        weft_auto_free char *text =
            weft_fmt("{\"auths\":{\"r.example\":{\"auth\":\"%s\"}}}", auths[i]);
        struct weft_docker_config *c = parse(text);
        struct weft_credentials w = {0};
        struct weft_err *err = NULL;

        if (weft_docker_config_credentials(c, "r.example", NULL, &w, &err) == 0) {
            fail_msg("%s was taken", auths[i]);
        }
        assert_null(strstr(err->msg, auths[i]));
        assert_err(&err, WEFT_E_USAGE, 0, "of r.example is not base64");
        /* whom it does not concern has no trouble with it */
        assert_int_equal(weft_docker_config_credentials(c, "other.example", NULL, &w, &err), 0);
        weft_docker_config_destroy(c);
    }
}

static void put_helper(const char *dir, const char *name, const char *script)
{
    weft_auto_free char *path = weft_fmt("%s/docker-credential-%s", dir, name);
    weft_auto_free char *text = weft_fmt("#!/bin/sh\n%s\n", script);

    put_file(path, text, strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
}

static void test_helpers(void **state)
{
    const char *old = getenv("PATH");
    weft_auto_free char *path = weft_fmt("%s:%s", (const char *)*state, old ? old : "/bin");
    weft_auto_free char *kept = weft_xstrdup_null(old);
    struct weft_docker_config *c;
    struct weft_credentials w = {0};
    struct weft_err *err = NULL;
    const atomic_bool cancel = true;
    weft_auto_free char *hub = NULL;
    weft_auto_free char *token = NULL;
    weft_auto_free char *none = NULL;
    weft_auto_free char *plain = NULL;

    setenv("PATH", path, 1);
    put_helper(*state, "all",
               "[ \"$1\" = get ] || exit 9\n"
               "host=$(cat)\n"
               "case $host in\n"
               "none.example | plain.example)\n"
               "    echo 'credentials not found in native keychain'; exit 1;;\n"
               "bad.example) echo 'the vault is shut'; echo more; exit 1;;\n"
               "odd.example) echo 's3cret'; exit 0;;\n"
               "late.example) echo '{\"Username\":\"u\",\"Secret\":\"s3cret\"}'; exit 1;;\n"
               "torn.example) printf '{\"Username\":\"u\",\"Secret\":\"s3cret'; exit 1;;\n"
               "slow.example) sleep 100; exit 1;;\n"
               "esac\n"
               "printf '{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"%s\"}' \"$host\"");
    put_helper(*state, "one", "echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}'");
    c = parse("{\"credsStore\":\"all\",\"credHelpers\":{\"one.example\":\"one\",\"gone.example\":"
              "\"gone\",\"up.example\":\"../x\"},\"auths\":{\"plain.example\":{\"auth\":"
              "\"dTpwOnE=\"}}}");
    hub = found(c, "docker.io");
    assert_string_equal(hub, "u:https://index.docker.io/v1/");
    token = found(c, "one.example");
    assert_string_equal(token, "id:t");
    none = found(c, "none.example");
    assert_string_equal(none, "");
    plain = found(c, "plain.example");
    assert_string_equal(plain, "u:p:q");
    assert_int_equal(weft_docker_config_credentials(c, "bad.example", NULL, &w, &err), -1);
    assert_null(strstr(err->msg, "more"));
    assert_err(&err, WEFT_E_CHILD, 0,
               "docker-credential-all gives no credentials: the vault is shut");
    assert_int_equal(weft_docker_config_credentials(c, "odd.example", NULL, &w, &err), -1);
    assert_null(strstr(err->msg, "s3cret"));
    assert_err(&err, WEFT_E_CHILD, 0, "is not JSON");
    assert_int_equal(weft_docker_config_credentials(c, "late.example", NULL, &w, &err), -1);
    assert_null(strstr(err->msg, "s3cret"));
    assert_err(&err, WEFT_E_CHILD, 0, "docker-credential-all gives no credentials");
    assert_int_equal(weft_docker_config_credentials(c, "torn.example", NULL, &w, &err), -1);
    assert_null(strstr(err->msg, "s3cret"));
    assert_err(&err, WEFT_E_CHILD, 0, "docker-credential-all gives no credentials");
    assert_int_equal(weft_docker_config_credentials(c, "slow.example", &cancel, &w, &err), -1);
    assert_err(&err, WEFT_E_CANCELLED, 0, "");
    assert_int_equal(weft_docker_config_credentials(c, "gone.example", NULL, &w, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "docker-credential-gone, which c.json names");
    assert_int_equal(weft_docker_config_credentials(c, "up.example", NULL, &w, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "no name of a credential helper");
    weft_docker_config_destroy(c);
    setenv("PATH", kept ? kept : "/bin", 1);
}

static void test_proxies(void **state)
{
    struct weft_docker_config *c =
        parse("{\"proxies\":{\"tcp://d:1\":{\"httpProxy\":\"http://d\"},\"default\":{\"noProxy\":"
              "\"n\",\"httpProxy\":\"http://h\",\"ftpProxy\":\"\"}}}");
    weft_auto_strv out = {0};
    weft_auto_free char *all = NULL;

    (void)state;
    weft_docker_config_proxies(c, NULL, &out);
    weft_docker_config_proxies(c, "tcp://d:1", &out);
    weft_docker_config_proxies(c, "tcp://e", &out);
    weft_docker_config_proxies(NULL, NULL, &out);
    all = weft_strv_join(&out, " ");
    assert_string_equal(all, "HTTP_PROXY=http://h NO_PROXY=n HTTP_PROXY=http://d "
                             "HTTP_PROXY=http://h NO_PROXY=n");
    weft_docker_config_destroy(c);
}

static void test_load(void **state)
{
    weft_auto_free char *home = weft_xstrdup_null(getenv("HOME"));
    weft_auto_free char *docker = weft_path_join(*state, ".docker");
    weft_auto_free char *file = weft_path_join(docker, "config.json");
    struct weft_docker_config *c;
    struct weft_err *err = NULL;
    weft_auto_free char *text = NULL;

    unsetenv("DOCKER_CONFIG");
    setenv("HOME", *state, 1);
    c = weft_docker_config_load(&err);
    assert_non_null(c);
    weft_docker_config_destroy(c);
    assert_int_equal(mkdir(docker, 0700), 0);
    put_file(file, "{\"auths\":{\"r.example\":{\"auth\":\"dTpwOnE=\"}}}", 43);
    c = weft_docker_config_load(&err);
    assert_non_null(c);
    text = found(c, "r.example");
    assert_string_equal(text, "u:p:q");
    weft_docker_config_destroy(c);
    setenv("DOCKER_CONFIG", *state, 1);
    c = weft_docker_config_load(&err);
    assert_non_null(c);
    weft_docker_config_destroy(c);
    setenv("DOCKER_CONFIG", docker, 1);
    put_file(file, "{", 1);
    assert_null(weft_docker_config_load(&err));
    assert_err(&err, WEFT_E_USAGE, 0, ".docker/config.json: not JSON at line 1");
    unsetenv("DOCKER_CONFIG");
    if (home) {
        setenv("HOME", home, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auths),   cmocka_unit_test(test_broken), temp_test(test_helpers),
        cmocka_unit_test(test_proxies), temp_test(test_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
