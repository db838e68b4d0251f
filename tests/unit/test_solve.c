/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/solve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/request.h"

/* The argument vector of a solve of `r`, joined by newlines so that a test can look for whole
 * arguments. */
static char *joined(const struct weft_request *r, const char *builtin, bool index, bool use_cache)
{
    const char *outputs[] = {"type=image,push=false"};
    weft_auto_strv argv = {0};
    char *text;

    weft_solve_argv(&(struct weft_solve){.request = r,
                                         .platform = &r->platforms[0],
                                         .address = "unix:///run/w/s",
                                         .session_id = "SESSION",
                                         .outputs = outputs,
                                         .n_outputs = 1,
                                         .metadata_file = "/m.json",
                                         .builtin_syntax = builtin,
                                         .index = index,
                                         .use_cache = use_cache},
                    &argv);
    weft_strv_add(&argv, "");
    text = weft_strv_join(&argv, "\n");
    return text;
}

static void assert_has(const char *text, const char *args)
{
    if (!strstr(text, args)) {
        fail_msg("\"%s\" is missing in:\n%s", args, text);
    }
}

static void assert_lacks(const char *text, const char *args)
{
    if (strstr(text, args)) {
        fail_msg("\"%s\" stands in:\n%s", args, text);
    }
}

/* A request for linux/arm64 and `n` - 1 more, with the fields that parsing always sets. */
static struct weft_request request(struct weft_platform platforms[], size_t n)
{
    static char context[] = "/src";
    static char dockerfile[] = "/src/sub/my.Dockerfile";

    return (struct weft_request){
        .context = context, .dockerfile = dockerfile, .platforms = platforms, .n_platforms = n};
}

static struct weft_platform two[] = {{"linux", "arm", "v7"}, {"linux", "amd64", ""}};

/* --os-version is for the windows platforms alone. */
static void test_os_version(void **state)
{
    static char version[] = "10.0.20348.1";
    struct weft_platform windows[] = {{"windows", "amd64", ""}};
    struct weft_request r = request(windows, 1);
    struct weft_request other = request(two, 1);
    char *text = joined(&r, NULL, false, false);

    (void)state;
    assert_has(text, "\n--opt\nplatform=windows/amd64\n");
    free(text);
    r.os_version = version;
    text = joined(&r, NULL, false, false);
    assert_has(text, "\n--opt\nplatform=windows(10.0.20348.1)/amd64\n");
    free(text);
    other.os_version = version;
    text = joined(&other, NULL, false, false);
    assert_has(text, "\n--opt\nplatform=linux/arm/v7\n");
    free(text);
}

static void test_least(void **state)
{
    struct weft_request r = request(two, 1);
    char *text = joined(&r, NULL, false, false);

    (void)state;
    assert_true(weft_starts_with(text, "buildctl\n--addr=unix:///run/w/s\nbuild\n"));
    assert_has(text, "\n--progress=rawjson\n");
    assert_has(text, "\n--opt\nplatform=linux/arm/v7\n");
    assert_has(text, "\n--opt\nfilename=my.Dockerfile\n");
    assert_has(text, "\n--opt\nlocal-sessionid:context=SESSION\n");
    assert_has(text, "\n--opt\nlocal-sessionid:dockerfile=SESSION\n");
    assert_has(text, "\n--output\ntype=image,push=false\n");
    assert_has(text, "\n--metadata-file\n/m.json\n");
    assert_lacks(text, "multi-platform");
    assert_lacks(text, "attest");
    assert_lacks(text, "--no-cache");
    free(text);
}

static void test_flags(void **state)
{
    struct weft_request r = request(two, 2);
    char target[] = "final";
    char network[] = "host";
    char *text;

    (void)state;
    r.target = target;
    r.network = network;
    r.no_cache = true;
    r.pull = true;
    weft_strv_add(&r.build_args, "A=1,2");
    weft_strv_add(&r.labels, "l=x");
    weft_strv_add(&r.secrets, "id=s,src=/s");
    weft_strv_add(&r.ssh, "default");
    text = joined(&r, NULL, true, false);
    assert_has(text, "\n--opt\ntarget=final\n");
    assert_has(text, "\n--opt\nbuild-arg:A=1,2\n");
    assert_has(text, "\n--opt\nlabel:l=x\n");
    assert_has(text, "\n--secret\nid=s,src=/s\n");
    assert_has(text, "\n--ssh\ndefault\n");
    assert_has(text, "\n--no-cache\n");
    assert_has(text, "\n--opt\nimage-resolve-mode=pull\n");
    assert_has(text, "\n--opt\nforce-network-mode=host\n");
    assert_has(text, "\n--allow\nnetwork.host\n");
    assert_has(text, "\n--opt\nmulti-platform=true\n");
    free(text);
    /* the second solve, which only exports, must find what the first has made */
    text = joined(&r, NULL, true, true);
    assert_lacks(text, "--no-cache");
    free(text);
    weft_strv_finish(&r.build_args);
    weft_strv_finish(&r.labels);
    weft_strv_finish(&r.secrets);
    weft_strv_finish(&r.ssh);
}

/* Passwords of URLs are not for logs; the TLS of registries is for the tokens that buildctl gets.
 */
static void test_shown(void **state)
{
    static char host[] = "r.example:5000";
    static char ca[] = "/c,a.pem";
    struct weft_registry_host hosts[] = {{.host = host, .ca_file = ca},
                                         {.host = host, .insecure = true},
                                         {.host = host, .http = true}};
    struct weft_request r = request(two, 2);
    weft_auto_strv argv = {0};
    char *text;

    (void)state;
    weft_strv_add(&argv, "build-arg:HTTP_PROXY=http://user:p@ss@proxy:3128/x:y@z");
    weft_strv_add(&argv, "https://token@host/a:b@c");
    weft_strv_add(&argv, "a,b=socks5://:pw@h,c=ftp://u:@h");
    weft_strv_add(&argv, "build-arg:P=http://u:p,'w@proxy");
    weft_strv_add(&argv, "ssh://git@host/a http://host:80/a@b https://@host");
    text = weft_solve_shown(&argv);
    assert_string_equal(text, "build-arg:HTTP_PROXY=http://user:***@proxy:3128/x:y@z "
                              "https://***@host/a:b@c a,b=socks5://:***@h,c=ftp://u:***@h "
                              "build-arg:P=http://u:***@proxy "
                              "ssh://git@host/a http://host:80/a@b https://@host");
    free(text);
    r.registries = (struct weft_registry_hosts){hosts, 3};
    text = joined(&r, NULL, true, false);
    assert_has(text, "\n--registry-auth-tlscontext\nhost=r.example:5000,\"ca=/c,a.pem\"\n"
                     "--registry-auth-tlscontext\nhost=r.example:5000,insecure=true\n");
    free(text);
}

static void test_contexts(void **state)
{
    struct weft_request r = request(two, 1);
    char n1[] = "base";
    char p1[] = "/layout";
    char d1[] = "sha256:0123456789012345678901234567890123456789012345678901234567890123";
    char n2[] = "lib";
    char p2[] = "/lib";
    struct weft_named_context contexts[] = {
        {.name = n1, .kind = WEFT_CONTEXT_OCI_LAYOUT, .path = p1, .digest = d1},
        {.name = n2, .kind = WEFT_CONTEXT_DIR, .path = p2},
    };
    char *text;
    const char *store;
    char id[17];

    (void)state;
    r.contexts = contexts;
    r.n_contexts = 2;
    text = joined(&r, NULL, false, false);
    assert_has(text, "\n--opt\ncontext:lib=local:named:lib\n");
    assert_has(text, "\n--opt\nlocal-sessionid:named:lib=SESSION\n");
    store = strstr(text, "\ncontext:base=oci-layout://");
    assert_non_null(store);
    store += strlen("\ncontext:base=oci-layout://");
    memcpy(id, store, 16);
    id[16] = '\0';
    assert_true(weft_starts_with(store + 16, "@sha256:0123"));
    {
        char *layout = weft_fmt("\n--oci-layout\n%s=/layout\n", id);

        assert_has(text, layout);
        free(layout);
    }
    free(text);
}

/* What is fetched, by which names, and what an older frontend is told. */
static void test_remote(void **state)
{
    struct weft_request r = request(two, 1);
    char url[] = "https://h/x.git";
    char query[] = "https://h/x.git?checksum=1";
    char plain[] = "https://h/x.git#1";
    char name[] = "lib";
    char image[] = "docker-image://lib@sha256:1";
    char policy[] = "/policy.json";
    struct weft_named_context contexts[] = {
        {.name = name, .kind = WEFT_CONTEXT_IMAGE, .url = image, .pinned = image},
        {.name = name, .kind = WEFT_CONTEXT_GIT, .url = url, .pinned = query},
    };
    weft_auto_strv argv = {0};
    char *text;

    (void)state;
    r.source = WEFT_SOURCE_GIT;
    r.context_url = url;
    r.pinned = (struct weft_pinned){.context = query, .context_plain = plain, .policy = policy};
    text = joined(&r, NULL, false, false);
    assert_has(text, "\n--opt\ncontext=https://h/x.git?checksum=1\n");
    assert_has(text, "\n--opt\ndockerfilekey=dockerfile\n");
    assert_has(text, "\n--opt\nfrontend.caps=moby.buildkit.frontend.gitquerystring\n");
    assert_has(text, "\n--source-policy-file\n/policy.json\n");
    assert_lacks(text, "local-sessionid:context");
    free(text);

    r.dockerfile = NULL;
    r.contexts = contexts;
    r.n_contexts = 2;
    text = joined(&r, NULL, false, false);
    assert_has(text, "\n--opt\nfilename=Dockerfile\n");
    assert_has(text, "\n--opt\ncontext:lib=docker-image://lib@sha256:1\n");
    assert_has(text, "\n--opt\nfrontend.caps=moby.buildkit.frontend.contexts+forward,"
                     "moby.buildkit.frontend.gitquerystring+forward\n");
    assert_lacks(text, "dockerfilekey");
    assert_lacks(text, "local-sessionid:dockerfile");
    free(text);

    r.n_contexts = 1;
    r.dockerfile_name = name;
    weft_solve_argv(&(struct weft_solve){.request = &r,
                                         .platform = &two[0],
                                         .address = "unix:///s",
                                         .session_id = "SESSION",
                                         .forwarded = true,
                                         .metadata_file = "/m"},
                    &argv);
    text = weft_strv_join(&argv, "\n");
    assert_has(text, "\n--opt\nfilename=lib\n");
    assert_has(text, "\n--opt\ncontext=https://h/x.git#1\n");
    assert_lacks(text, "gitquerystring");
    free(text);
}

static void test_context_slot(void **state)
{
    struct weft_request r = request(two, 1);
    weft_auto_strv argv = {0};
    char *text;

    (void)state;
    weft_solve_argv(&(struct weft_solve){.request = &r,
                                         .platform = &two[0],
                                         .address = "unix:///s",
                                         .session_id = "SESSION",
                                         .context_slot = "linux_arm_v7",
                                         .metadata_file = "/m"},
                    &argv);
    text = weft_strv_join(&argv, "\n");
    assert_has(text, "\n--opt\nlocal-sessionid:context=linux_arm_v7:SESSION\n");
    assert_has(text, "\n--opt\nlocal-sessionid:dockerfile=SESSION\n");
    free(text);
}

static void test_syntax(void **state)
{
    struct weft_request r = request(two, 1);
    char *text;

    (void)state;
    weft_strv_add(&r.build_args, "BUILDKIT_SYNTAX=docker/dockerfile:1");
    text = joined(&r, "docker/dockerfile:1", false, false);
    assert_has(text, "\n--opt\ncmdline=docker/dockerfile:1\n");
    assert_lacks(text, "BUILDKIT_SYNTAX");
    free(text);
    text = joined(&r, NULL, false, false);
    assert_has(text, "\n--opt\nbuild-arg:BUILDKIT_SYNTAX=docker/dockerfile:1\n");
    assert_lacks(text, "cmdline");
    free(text);
    weft_strv_finish(&r.build_args);
}

/* A call: of another program, with what a build has but for what comes out of it. */
static void test_call(void **state)
{
    static char method[] = "lint", platforms[] = "linux/arm/v7,linux/amd64";
    struct weft_request r = request(two, 1);
    char *text;

    (void)state;
    r.call = method;
    r.call_platforms = platforms;
    r.no_cache = true;
    weft_strv_add(&r.build_args, "A=1");
    weft_strv_add(&r.secrets, "id=x,src=/x");
    weft_strv_add(&r.attests, "provenance=mode=max");
    text = joined(&r, NULL, false, false);
    assert_true(strncmp(text, "weft-session\ncall\n--addr=unix:///run/w/s\n", 41) == 0);
    assert_has(text,
               "\n--opt\nrequestid=frontend.lint\n--opt\nplatform=linux/arm/v7,linux/amd64\n");
    assert_has(text, "\n--opt\nbuild-arg:A=1\n");
    assert_has(text, "\n--opt\nlocal-sessionid:context=SESSION\n");
    assert_has(text, "\n--no-cache\n");
    assert_has(text, "\n--secret\nid=x,src=/x\n");
    assert_lacks(text, "--output");
    assert_lacks(text, "--metadata-file");
    assert_lacks(text, "--progress");
    assert_lacks(text, "--frontend");
    assert_lacks(text, "attest:");
    free(text);
    weft_strv_finish(&r.build_args);
    weft_strv_finish(&r.secrets);
    weft_strv_finish(&r.attests);
}

#define DEFAULT "provenance=mode=min,inline-only=true"

static void test_attests(void **state)
{
    static const struct {
        size_t n_platforms;
        bool given;
        const char *attest;
        enum weft_output_type output;
        const char *arg;
        const char *expected;
    } cases[] = {
        {1, false, NULL, WEFT_OUTPUT_OCI, NULL, ""},
        {1, false, NULL, WEFT_OUTPUT_DOCKER, NULL, ""},
        {1, false, NULL, WEFT_OUTPUT_OCI, "BUILDKIT_MULTI_PLATFORM=1", DEFAULT},
        {1, false, NULL, WEFT_OUTPUT_OCI, "BUILDKIT_MULTI_PLATFORM=false", ""},
        {1, false, NULL, WEFT_OUTPUT_IMAGE, NULL, DEFAULT},
        {1, true, NULL, WEFT_OUTPUT_IMAGE, NULL, ""},
        {2, false, NULL, WEFT_OUTPUT_OCI, NULL, DEFAULT},
        {2, true, NULL, WEFT_OUTPUT_OCI, NULL, ""},
        {1, true, "provenance=", WEFT_OUTPUT_IMAGE, NULL, "provenance="},
        {2, true, "provenance=mode=max", WEFT_OUTPUT_OCI, NULL, "provenance=mode=max"},
        {2, false, "sbom=", WEFT_OUTPUT_OCI, NULL, DEFAULT "\nsbom="},
        {1, false, "sbom=", WEFT_OUTPUT_OCI, NULL, DEFAULT "\nsbom="},
        {1, true, "sbom=", WEFT_OUTPUT_OCI, NULL, "sbom="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = request(two, cases[i].n_platforms);
        struct weft_output output = {.type = cases[i].output};
        weft_auto_strv out = {0};
        char *text;

        r.outputs = &output;
        r.n_outputs = 1;
        if (cases[i].arg) {
            weft_strv_add(&r.build_args, cases[i].arg);
        }
        r.provenance_given = cases[i].given;
        if (cases[i].attest) {
            weft_strv_add(&r.attests, cases[i].attest);
        }
        weft_solve_attests(&r, &out);
        text = weft_strv_join(&out, "\n");
        assert_string_equal(text, cases[i].expected);
        free(text);
        weft_strv_finish(&r.attests);
        weft_strv_finish(&r.build_args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),        cmocka_unit_test(test_os_version),
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_contexts),     cmocka_unit_test(test_remote),
        cmocka_unit_test(test_context_slot), cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_attests),      cmocka_unit_test(test_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
