/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/descriptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define DESC "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3}"

static void test_descriptor(void **state)
{
    static const char text[] =
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST
        "\",\"size\":9007199254740993,\"x-unknown\":[1,{}],\"annotations\":{"
        "\"k\":\"v\"},\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","
        "\"variant\":\"v7\"}}";
    weft_auto_json j = weft_json_parse(text, strlen(text), NULL);
    weft_auto_descriptor d = {0};
    weft_auto_free char *again = NULL;
    char name[WEFT_PLATFORM_SIZE];

    (void)state;
    assert_int_equal(weft_descriptor_parse(j, &d, NULL), 0);
    assert_string_equal(d.media_type, "a/b");
    assert_string_equal(d.digest, DIGEST);
    assert_true(d.size_bytes == 9007199254740993u);
    assert_true(d.has_platform);
    assert_string_equal(weft_platform_format(&d.platform, name), "linux/arm/v7");
    assert_string_equal(weft_descriptor_annotation(&d, "k"), "v");
    assert_null(weft_descriptor_annotation(&d, "l"));
    assert_false(weft_descriptor_is_attestation(&d));
    again = weft_json_dump(d.json, 0);
    assert_string_equal(again, text);
}

static void test_bad_descriptors(void **state)
{
    static const char *const cases[] = {
        "[]",
        "\"text\"",
        "{}",
        "{\"digest\":\"" DIGEST "\",\"size\":3}",
        "{\"mediaType\":\"\",\"digest\":\"" DIGEST "\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"digest\":\"sha256:../../x\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"digest\":\"sha256:../" HEX "\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "/\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"digest\":\"sha512:" HEX HEX "\",\"size\":3}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\"}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":-1}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3.5}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":\"3\"}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3,\"annotations\":[]}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3,\"platform\":\"linux\"}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3,\"platform\":{\"os\":\"l\"}}",
        "{\"mediaType\":\"a/b\",\"digest\":\"" DIGEST "\",\"size\":3,\"platform\":{\"os\":"
        "\"linux\",\"architecture\":\"a-name-that-is-too-long\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weft_auto_json j = weft_json_parse(cases[i], strlen(cases[i]), NULL);
        weft_auto_descriptor d = {0};
        weft_auto_err err = NULL;

        assert_non_null(j);
        assert_int_equal(weft_descriptor_parse(j, &d, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        assert_null(d.json);
    }
}

static void test_made_descriptor(void **state)
{
    const struct weft_platform p = {"linux", "arm", "v6"};
    weft_auto_descriptor d = {0};
    weft_auto_descriptor copy = {0};
    weft_auto_free char *text = NULL;

    (void)state;
    weft_descriptor_init(&d, WEFT_MEDIA_OCI_MANIFEST, DIGEST, 42, &p);
    weft_descriptor_copy(&copy, &d);
    text = weft_json_dump(copy.json, 0);
    assert_string_equal(text, "{\"mediaType\":\"" WEFT_MEDIA_OCI_MANIFEST "\",\"digest\":\"" DIGEST
                              "\",\"size\":42,\"platform\":{\"architecture\":\"arm\",\"os\":"
                              "\"linux\",\"variant\":\"v6\"}}");
    assert_string_equal(copy.media_type, WEFT_MEDIA_OCI_MANIFEST);
    assert_true(copy.has_platform);
}

static void test_foreign(void **state)
{
    static const struct {
        const char *type;
        const char *urls;
        bool foreign;
    } cases[] = {
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "[\"https://a\"]", true},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "[\"https://a\"]", true},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "[]", false},
        {"application/vnd.oci.image.layer.v1.tar+gzip", "[\"https://a\"]", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weft_auto_free char *text = weft_fmt("{\"mediaType\":\"%s\",\"digest\":\"" DIGEST
                                             "\",\"size\":1,\"urls\":%s}",
                                             cases[i].type, cases[i].urls);
        weft_auto_json j = weft_json_parse(text, strlen(text), NULL);
        weft_auto_descriptor d = {0};

        assert_int_equal(weft_descriptor_parse(j, &d, NULL), 0);
        assert_int_equal(weft_descriptor_is_foreign(&d), cases[i].foreign);
    }
}

#define INDEX "\"schemaVersion\":2,\"manifests\":[" DESC "]"
#define MANIFEST "\"schemaVersion\":2,\"config\":" DESC ",\"layers\":[" DESC "," DESC "]"
#define TYPE(t) ",\"mediaType\":\"" t "\""

static void test_documents(void **state)
{
    static const struct {
        const char *text;
        const char *given; /* the descriptor's media type */
        const char *found; /* NULL: refused */
        size_t n;
    } cases[] = {
        {"{" INDEX "}", NULL, WEFT_MEDIA_OCI_INDEX, 1},
        {"{" INDEX TYPE(WEFT_MEDIA_DOCKER_LIST) "}", NULL, WEFT_MEDIA_DOCKER_LIST, 1},
        {"{" INDEX "}", WEFT_MEDIA_DOCKER_LIST, WEFT_MEDIA_DOCKER_LIST, 1},
        {"{" MANIFEST "}", NULL, WEFT_MEDIA_OCI_MANIFEST, 2},
        {"{" MANIFEST TYPE(WEFT_MEDIA_DOCKER_MANIFEST) "}", WEFT_MEDIA_DOCKER_MANIFEST,
         WEFT_MEDIA_DOCKER_MANIFEST, 2},
        {"{\"schemaVersion\":2,\"manifests\":[]}", NULL, WEFT_MEDIA_OCI_INDEX, 0},
        {"{" INDEX TYPE(WEFT_MEDIA_OCI_MANIFEST) "}", NULL, NULL, 0},
        {"{" INDEX "}", WEFT_MEDIA_OCI_MANIFEST, NULL, 0},
        {"{" INDEX TYPE(WEFT_MEDIA_DOCKER_LIST) "}", WEFT_MEDIA_OCI_INDEX, NULL, 0},
        {"{" INDEX ",\"layers\":[]}", NULL, NULL, 0},
        {"{" INDEX ",\"config\":" DESC "}", NULL, NULL, 0},
        {"{" MANIFEST TYPE("application/x") "}", NULL, NULL, 0},
        {"{\"schemaVersion\":1,\"manifests\":[]}", NULL, NULL, 0},
        {"{\"schemaVersion\":2}", NULL, NULL, 0},
        {"{\"schemaVersion\":2,\"manifests\":{}}", NULL, NULL, 0},
        {"{\"schemaVersion\":2,\"layers\":[]}", NULL, NULL, 0},
        {"{\"schemaVersion\":2,\"config\":" DESC "}", NULL, NULL, 0},
        {"{\"schemaVersion\":2,\"manifests\":[" DESC ",{}]}", NULL, NULL, 0},
        {"{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[]}", NULL, NULL, 0},
        {"[]", NULL, NULL, 0},
        {"{", NULL, NULL, 0},
        {"", NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weft_auto_manifest m = {0};
        weft_auto_err err = NULL;
        int r = weft_manifest_parse(cases[i].text, strlen(cases[i].text), cases[i].given, &m, &err);

        assert_int_equal(r, cases[i].found ? 0 : -1);
        if (cases[i].found) {
            assert_string_equal(m.media_type, cases[i].found);
            assert_int_equal(m.n_children, cases[i].n);
            assert_int_equal(m.is_index, weft_media_is_index(m.media_type));
        } else {
            assert_int_equal(err->code, WEFT_E_FORMAT);
            assert_int_equal(m.n_children, 0);
        }
    }
}

/* One byte more than a manifest may have, and more entries than anybody has. */
static void test_limits(void **state)
{
    weft_auto_buf big = {0};
    weft_auto_buf many = {0};
    weft_auto_manifest m = {0};
    weft_auto_err err = NULL;

    (void)state;
    weft_buf_puts(&big, "{" INDEX "}");
    while (big.len < WEFT_MANIFEST_LIMIT) {
        weft_buf_puts(&big, " ");
    }
    assert_int_equal(weft_manifest_parse(big.data, big.len, NULL, &m, NULL), 0);
    weft_manifest_finish(&m);
    weft_buf_puts(&big, " ");
    assert_int_equal(weft_manifest_parse(big.data, big.len, NULL, &m, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_err_freep(&err);
    err = NULL;

    weft_buf_puts(&many, "{\"schemaVersion\":2,\"manifests\":[{}");
    for (int i = 0; i < 20000; i++) {
        weft_buf_puts(&many, ",{}");
    }
    weft_buf_puts(&many, "]}");
    assert_int_equal(weft_manifest_parse(many.data, many.len, NULL, &m, &err), -1);
    assert_non_null(strstr(err->msg, "20001 entries"));
}

static void test_config_platform(void **state)
{
    static const char good[] = "{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}";
    static const char bad[] = "{\"os\":\"linux\"}";
    struct weft_platform p;
    weft_auto_err err = NULL;
    char name[WEFT_PLATFORM_SIZE];

    (void)state;
    assert_int_equal(weft_config_platform(good, strlen(good), &p, NULL), 0);
    assert_string_equal(weft_platform_format(&p, name), "linux/arm64");
    assert_int_equal(weft_config_platform(bad, strlen(bad), &p, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
}

/* A version of Windows goes from the config to the descriptor, in any shape but the wrong one. */
static void test_set_os(void **state)
{
    static const struct {
        const char *config;
        const char *want; /* the descriptor's platform */
    } cases[] = {
        {"{\"os\":\"windows\",\"os.version\":\"10.0.20348.1\"}",
         "{\"architecture\":\"amd64\",\"os\":\"windows\",\"os.version\":\"10.0.20348.1\"}"},
        {"{\"os.version\":\"10.0\",\"os.features\":[\"win32k\",\"x\"]}",
         "{\"architecture\":\"amd64\",\"os\":\"windows\",\"os.version\":\"10.0\","
         "\"os.features\":[\"win32k\",\"x\"]}"},
        {"{}", "{\"architecture\":\"amd64\",\"os\":\"windows\"}"},
        {"{\"os.version\":10,\"os.features\":[\"a\",1]}",
         "{\"architecture\":\"amd64\",\"os\":\"windows\"}"},
        {"{\"os.features\":[]}", "{\"architecture\":\"amd64\",\"os\":\"windows\"}"},
        {"no JSON", "{\"architecture\":\"amd64\",\"os\":\"windows\"}"},
    };
    static const struct weft_platform windows = {"windows", "amd64", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_descriptor d = {0};
        weft_auto_free char *text = NULL;

        weft_descriptor_init(&d, WEFT_MEDIA_OCI_MANIFEST, DIGEST, 1, &windows);
        weft_descriptor_set_os(&d, cases[i].config, strlen(cases[i].config));
        text = weft_json_dump(weft_json_get(d.json, "platform"), 0);
        assert_string_equal(text, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor),      cmocka_unit_test(test_bad_descriptors),
        cmocka_unit_test(test_made_descriptor), cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_documents),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_config_platform), cmocka_unit_test(test_set_os),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
