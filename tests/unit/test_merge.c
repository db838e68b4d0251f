/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"
#include "engine/stage.h"
#include "image_fixture.h"

enum kind {
    PLAIN,
    DOCKER,
    ATTESTED
};

static struct weft_stage *stage_for(const struct fixture *f)
{
    weft_auto_free char *dest = fixture_path(f, "out");
    struct weft_stage *s = weft_stage_create(dest, NULL);

    assert_non_null(s);
    return s;
}

static void take(const struct fixture *f, struct weft_stage *s, enum kind kind, const char *arch,
                 struct weft_image *image)
{
    const char *const layers[] = {arch, NULL};
    char root[WEFT_DIGEST_SIZE];

    switch (kind) {
    case PLAIN:
        fixture_manifest(f, arch, layers, root);
        break;
    case DOCKER:
        fixture_docker_manifest(f, arch, layers, root);
        break;
    case ATTESTED:
        fixture_attested(f, arch, arch, root);
        break;
    }
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, image, NULL), 0);
}

static struct weft_json *read_root(struct weft_stage *s, const struct weft_descriptor *root)
{
    weft_auto_free char *path =
        weft_path_join(weft_stage_blobs_dir(s), weft_digest_hex(root->digest));
    struct weft_json *j = weft_json_load(path, NULL);

    assert_int_equal(weft_digest_check_file(path, root->digest, root->size_bytes, NULL, NULL), 0);
    assert_non_null(j);
    return j;
}

/* "arch arch ..." of the index, attestations as "of:arch" of the image they belong to. */
static char *shape(const struct weft_json *index)
{
    const struct weft_json *list = weft_json_get(index, "manifests");
    weft_auto_strv words = {0};

    for (size_t i = 0; i < weft_json_len(list); i++) {
        const struct weft_json *d = weft_json_at(list, i);
        const char *of =
            weft_json_str(weft_json_get(d, "annotations"), "vnd.docker.reference.digest");

        if (!of) {
            weft_strv_add(&words, weft_json_str(weft_json_get(d, "platform"), "architecture"));
            continue;
        }
        for (size_t k = 0; k < weft_json_len(list); k++) {
            const struct weft_json *image = weft_json_at(list, k);

            if (strcmp(weft_json_str(image, "digest"), of) == 0) {
                weft_strv_addf(&words, "of:%s",
                               weft_json_str(weft_json_get(image, "platform"), "architecture"));
            }
        }
    }
    return weft_strv_join(&words, " ");
}

static void test_shapes(void **state)
{
    static const struct {
        enum kind kind[3];
        const char *arch[3];
        const char *type;  /* of the result */
        const char *shape; /* NULL: the manifest itself */
    } cases[] = {
        {{PLAIN}, {"amd64"}, WEFT_MEDIA_OCI_MANIFEST, NULL},
        {{DOCKER}, {"amd64"}, WEFT_MEDIA_DOCKER_MANIFEST, NULL},
        {{ATTESTED}, {"amd64"}, WEFT_MEDIA_OCI_INDEX, "amd64 of:amd64"},
        {{PLAIN, PLAIN, PLAIN},
         {"s390x", "amd64", "arm64"},
         WEFT_MEDIA_OCI_INDEX,
         "s390x amd64 arm64"},
        {{ATTESTED, ATTESTED, PLAIN},
         {"s390x", "amd64", "arm64"},
         WEFT_MEDIA_OCI_INDEX,
         "s390x amd64 arm64 of:s390x of:amd64"},
        {{DOCKER, DOCKER}, {"amd64", "arm64"}, WEFT_MEDIA_DOCKER_LIST, "amd64 arm64"},
        {{DOCKER, PLAIN}, {"amd64", "arm64"}, WEFT_MEDIA_OCI_INDEX, "amd64 arm64"},
        {{DOCKER, ATTESTED}, {"amd64", "arm64"}, WEFT_MEDIA_OCI_INDEX, "amd64 arm64 of:arm64"},
    };
    const struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct weft_stage *s = stage_for(f);
        struct weft_image images[3] = {{0}};
        weft_auto_descriptor root = {0};
        size_t n = 0;

        for (; n < 3 && cases[i].arch[n]; n++) {
            take(f, s, cases[i].kind[n], cases[i].arch[n], &images[n]);
        }
        assert_int_equal(weft_merge(s, images, n, NULL, &root, NULL), 0);
        assert_string_equal(root.media_type, cases[i].type);
        if (cases[i].shape) {
            weft_auto_json index = read_root(s, &root);
            weft_auto_free char *found = shape(index);

            assert_string_equal(found, cases[i].shape);
            assert_string_equal(weft_json_str(index, "mediaType"), cases[i].type);
            assert_false(root.has_platform);
        } else {
            assert_string_equal(root.digest, images[0].manifests[0].desc.digest);
            assert_true(root.has_platform);
        }
        for (size_t k = 0; k < n; k++) {
            weft_image_finish(&images[k]);
        }
        weft_stage_destroy(s);
    }
}

/* BuildKit's own index of one platform comes out byte for byte. */
static void test_same_bytes(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f);
    struct weft_image image = {0};
    weft_auto_descriptor root = {0};
    weft_auto_descriptor again = {0};
    char source[WEFT_DIGEST_SIZE];

    fixture_attested(f, "arm64", "layer", source);
    assert_int_equal(weft_stage_take_image(s, f->blobs, source, NULL, NULL, &image, NULL), 0);
    assert_int_equal(weft_merge(s, &image, 1, NULL, &root, NULL), 0);
    assert_int_equal(weft_merge(s, &image, 1, NULL, &again, NULL), 0);
    assert_string_equal(root.digest, source);
    assert_string_equal(root.digest, again.digest);
    weft_image_finish(&image);
    weft_stage_destroy(s);
}

static void test_same_platform(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f);
    struct weft_image images[3] = {{0}};
    weft_auto_descriptor root = {0};
    weft_auto_descriptor twice = {0};
    weft_auto_json index = NULL;
    weft_auto_free char *found = NULL;
    weft_auto_err err = NULL;

    take(f, s, PLAIN, "arm64", &images[0]);
    take(f, s, DOCKER, "arm64", &images[1]);
    assert_int_equal(weft_merge(s, images, 2, NULL, &root, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    assert_non_null(strstr(err->msg, "linux/arm64"));

    /* the very same image, twice */
    weft_image_finish(&images[1]);
    take(f, s, PLAIN, "arm64", &images[1]);
    take(f, s, ATTESTED, "amd64", &images[2]);
    assert_int_equal(weft_merge(s, images, 3, NULL, &twice, NULL), 0);
    index = read_root(s, &twice);
    found = shape(index);
    assert_string_equal(found, "arm64 amd64 of:amd64");
    for (int i = 0; i < 3; i++) {
        weft_image_finish(&images[i]);
    }
    weft_stage_destroy(s);
}

/* One manifest that serves two platforms is listed for both. */
static void test_shared_manifest(void **state)
{
    static const struct weft_platform asked[] = {{"linux", "amd64", ""}, {"linux", "386", ""}};
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f);
    static const char *const layers[] = {"layer", NULL};
    struct weft_image images[2] = {{0}};
    weft_auto_descriptor root = {0};
    weft_auto_json index = NULL;
    weft_auto_free char *found = NULL;
    char source[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, source);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            weft_stage_take_image(s, f->blobs, source, &asked[i], NULL, &images[i], NULL), 0);
    }
    assert_int_equal(weft_merge(s, images, 2, NULL, &root, NULL), 0);
    index = read_root(s, &root);
    found = shape(index);
    assert_string_equal(found, "amd64 386");
    weft_image_finish(&images[0]);
    weft_image_finish(&images[1]);
    weft_stage_destroy(s);
}

/* Annotations of the index survive where all results agree on them. */
static void test_annotations(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        const char *kept;
    } cases[] = {{"x", "x", "x"}, {"x", "y", NULL}, {"x", NULL, NULL}, {NULL, NULL, NULL}};
    const struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *const values[] = {cases[i].a, cases[i].b};
        const char *const archs[] = {"amd64", "arm64"};
        struct weft_stage *s = stage_for(f);
        struct weft_image images[2] = {{0}};
        weft_auto_descriptor root = {0};
        weft_auto_json index = NULL;

        for (int k = 0; k < 2; k++) {
            take(f, s, ATTESTED, archs[k], &images[k]);
            if (values[k]) {
                images[k].annotations = weft_json_object();
                weft_json_set_str(images[k].annotations, "key", values[k]);
            }
        }
        assert_int_equal(weft_merge(s, images, 2, NULL, &root, NULL), 0);
        index = read_root(s, &root);
        assert_true(
            weft_str_eq(weft_json_str(weft_json_get(index, "annotations"), "key"), cases[i].kept));
        weft_image_finish(&images[0]);
        weft_image_finish(&images[1]);
        weft_stage_destroy(s);
    }
}

static void test_metadata(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f);
    struct weft_image images[2] = {{0}};
    weft_auto_descriptor one = {0};
    weft_auto_descriptor two = {0};
    weft_auto_strv names = {0};
    weft_auto_json j = NULL;
    weft_auto_json k = NULL;
    const struct weft_json *descriptor;

    weft_strv_add(&names, "docker.io/library/a:1");
    weft_strv_add(&names, "docker.io/library/b:2");
    take(f, s, PLAIN, "arm64", &images[0]);
    take(f, s, PLAIN, "amd64", &images[1]);
    assert_int_equal(weft_merge(s, images, 1, NULL, &one, NULL), 0);
    j = weft_merge_metadata(&one, images, 1, &names, -1);
    assert_string_equal(weft_json_str(j, "containerimage.digest"), one.digest);
    assert_string_equal(weft_json_str(j, "containerimage.config.digest"),
                        images[0].manifests[0].config_digest);
    assert_string_equal(weft_json_str(weft_json_get(j, "containerimage.descriptor"), "digest"),
                        one.digest);
    assert_null(weft_json_get(weft_json_get(j, "containerimage.descriptor"), "annotations"));
    assert_string_equal(weft_json_str(j, "image.name"),
                        "docker.io/library/a:1,docker.io/library/b:2");
    assert_string_equal(weft_merge_image_id(&one, images, 1), images[0].manifests[0].config_digest);

    assert_int_equal(weft_merge(s, images, 2, NULL, &two, NULL), 0);
    k = weft_merge_metadata(&two, images, 2, NULL, 0);
    descriptor = weft_json_get(k, "containerimage.descriptor");
    assert_string_equal(
        weft_json_str(weft_json_get(descriptor, "annotations"), "org.opencontainers.image.created"),
        "1970-01-01T00:00:00Z");
    assert_string_equal(weft_json_str(k, "containerimage.digest"), two.digest);
    assert_null(weft_json_get(k, "containerimage.config.digest"));
    assert_null(weft_json_get(k, "image.name"));
    assert_string_equal(weft_merge_image_id(&two, images, 2), two.digest);
    weft_image_finish(&images[0]);
    weft_image_finish(&images[1]);
    weft_stage_destroy(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shapes),          TEST(test_same_bytes),  TEST(test_same_platform),
        TEST(test_shared_manifest), TEST(test_annotations), TEST(test_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
