/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "image_fixture.h"

static struct weft_stage *stage_for(const struct fixture *f, const char *name)
{
    weft_auto_free char *dest = fixture_path(f, name);
    struct weft_stage *s = weft_stage_create(dest, NULL);

    assert_non_null(s);
    return s;
}

static char *blob_path(const char *dir, const char *digest)
{
    return weft_path_join(dir, weft_digest_hex(digest));
}

static void digest_of(const char *text, char digest[WEFT_DIGEST_SIZE])
{
    weft_digest_bytes(text, strlen(text), digest);
}

static void test_plain_manifest(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer one", "layer two!", NULL};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_free char *layer = NULL;
    char name[WEFT_PLATFORM_SIZE];
    char root[WEFT_DIGEST_SIZE];
    char one[WEFT_DIGEST_SIZE];
    struct stat st;
    size_t blobs;
    size_t copied;

    fixture_manifest(f, "arm64", layers, root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, NULL), 0);
    assert_false(image.was_index);
    assert_int_equal(image.n_manifests, 1);
    assert_int_equal(image.n_attestations, 0);
    assert_string_equal(image.manifests[0].desc.digest, root);
    assert_string_equal(weft_platform_format(&image.manifests[0].desc.platform, name),
                        "linux/arm64");
    assert_int_equal(image.manifests[0].n_layers, 2);
    assert_int_equal(image.manifests[0].layers_size_bytes, 9 + 10);
    weft_stage_counts(s, &blobs, &copied);
    assert_int_equal(blobs, 4);

    /* the layer is the store's own file, or shares its blocks */
    digest_of("layer one", one);
    layer = blob_path(weft_stage_blobs_dir(s), one);
    assert_int_equal(stat(layer, &st), 0);
    assert_int_equal(copied, 0);
    assert_int_equal(st.st_mode & 0222, 0);
    weft_stage_destroy(s);
}

/* What was asked for is the platform of a plain manifest, whatever its config says. */
static void test_given_platform(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    static const struct weft_platform asked = {"linux", "riscv64", ""};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    char root[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, &asked, NULL, &image, NULL), 0);
    assert_true(weft_platform_eq(&image.manifests[0].desc.platform, &asked));
    weft_stage_destroy(s);
}

static void test_attested(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_free char *text = NULL;
    char root[WEFT_DIGEST_SIZE];
    size_t blobs;
    size_t copied;

    fixture_attested(f, "s390x", "layer", root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, NULL), 0);
    assert_true(image.was_index);
    assert_int_equal(image.n_manifests, 1);
    assert_int_equal(image.n_attestations, 1);
    assert_string_equal(
        weft_descriptor_annotation(&image.attestations[0], "vnd.docker.reference.digest"),
        image.manifests[0].desc.digest);
    text = weft_json_dump(image.attestations[0].json, 0);
    assert_non_null(
        strstr(text, "\"artifactType\":\"application/vnd.example\"")); /* not known to weft */
    /* index, 2 manifests, 2 configs, layer, statement */
    weft_stage_counts(s, &blobs, &copied);
    assert_int_equal(blobs, 7);
    weft_stage_destroy(s);
}

/* Two platforms that share layers, from two stores: the shared one comes once. */
static void test_duplicates(void **state)
{
    const struct fixture *f = *state;
    static const char *const a[] = {"shared", "only a", "shared", NULL};
    static const char *const b[] = {"shared", "only b", NULL};
    struct weft_stage *s = stage_for(f, "out");
    struct fixture other = {.dir = f->dir};
    weft_auto_free char *other_blobs = fixture_path(f, "other/blobs/sha256");
    weft_auto_free char *shared = NULL;
    weft_auto_image ia = {0};
    weft_auto_image ib = {0};
    char ra[WEFT_DIGEST_SIZE];
    char rb[WEFT_DIGEST_SIZE];
    char digest[WEFT_DIGEST_SIZE];
    size_t blobs;
    size_t copied;

    other.blobs = other_blobs;
    assert_int_equal(weft_mkdirs(other_blobs, 0755, NULL), 0);
    fixture_manifest(f, "amd64", a, ra);
    fixture_manifest(&other, "arm64", b, rb);
    assert_int_equal(weft_stage_take_image(s, f->blobs, ra, NULL, NULL, &ia, NULL), 0);
    /* it is not read again: the second store's copy may even be gone */
    digest_of("shared", digest);
    shared = blob_path(other.blobs, digest);
    assert_int_equal(unlink(shared), 0);
    assert_int_equal(weft_stage_take_image(s, other.blobs, rb, NULL, NULL, &ib, NULL), 0);
    weft_stage_counts(s, &blobs, &copied);
    assert_int_equal(blobs, 7); /* 2 manifests, 2 configs, 3 layers */
    weft_stage_destroy(s);
}

/* Spoil the blob that holds `text` and see that the image is refused, and taken once it is good
 * again. */
static void spoil(const struct fixture *f, const char *text, const char *bad, enum weft_code code)
{
    static const char *const layers[] = {"a layer of some length", NULL};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_free char *path = NULL;
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];
    char digest[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, root);
    digest_of(text, digest);
    path = blob_path(f->blobs, digest);
    assert_int_equal(unlink(path), 0);
    if (bad) {
        fixture_write(path, bad);
    }
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, code);
    assert_non_null(strstr(err->msg, digest));
    assert_int_equal(image.n_manifests, 0);
    {
        weft_auto_free char *staged = blob_path(weft_stage_blobs_dir(s), digest);

        assert_false(weft_exists(staged));
    }
    /* the fallback of the caller: the same stage, the right bytes */
    fixture_write(path, text);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, NULL), 0);
    weft_stage_destroy(s);
}

static void test_spoiled(void **state)
{
    const struct fixture *f = *state;
    static const char layer[] = "a layer of some length";
    static const char one_bit[] = "a layer of some lengti";
    static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},"
                                 "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";

    assert_int_equal(layer[sizeof(layer) - 2] ^ one_bit[sizeof(one_bit) - 2], 1);
    spoil(f, layer, one_bit, WEFT_E_DIGEST);
    spoil(f, layer, "a layer of some lengt", WEFT_E_DIGEST);
    spoil(f, layer, "a layer of some length and more", WEFT_E_DIGEST);
    spoil(f, layer, "", WEFT_E_DIGEST);
    spoil(f, layer, NULL, WEFT_E_DIGEST);
    spoil(f, config, NULL, WEFT_E_DIGEST);
    spoil(f, config, "{}", WEFT_E_DIGEST);
}

/* The same for the manifest itself. */
static void test_spoiled_root(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_free char *path = NULL;
    weft_auto_free char *text = NULL;
    char root[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, root);
    path = blob_path(f->blobs, root);
    text = fixture_read(path);
    for (int i = 0; i < 2; i++) {
        weft_auto_err err = NULL;

        assert_int_equal(unlink(path), 0);
        if (i == 0) {
            text[strlen(text) - 1] = ' ';
            fixture_write(path, text);
        }
        assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
        assert_int_equal(err->code, WEFT_E_DIGEST);
    }
    weft_stage_destroy(s);
}

/* Two descriptors that disagree on the size of one blob. */
static void test_two_sizes(void **state)
{
    const struct fixture *f = *state;
    struct weft_json *doc = weft_json_object();
    struct weft_json *layers = weft_json_array();
    struct weft_json *wrong = fixture_descriptor(f, "a/layer", "layer");
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    weft_json_set_int(wrong, "size", 6);
    weft_json_append(layers, fixture_descriptor(f, "a/layer", "layer"));
    weft_json_append(layers, wrong);
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set(doc, "config",
                  fixture_descriptor(f, "a/config", "{\"os\":\"linux\",\"architecture\":\"386\"}"));
    weft_json_set(doc, "layers", layers);
    fixture_document(f, doc, root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_DIGEST);
    weft_stage_destroy(s);
}

static void test_hostile(void **state)
{
    const struct fixture *f = *state;
    static const char *const roots[] = {
        "sha256:../../x",
        "../../etc/passwd",
        "",
        "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    struct weft_stage *s = stage_for(f, "out");
    struct weft_json *layer = fixture_descriptor(f, "a/layer", "layer");
    struct weft_json *layers = weft_json_array();
    struct weft_json *doc = weft_json_object();
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
        weft_auto_err e = NULL;

        assert_int_equal(weft_stage_take_image(s, f->blobs, roots[i], NULL, NULL, &image, &e), -1);
        assert_int_equal(e->code, WEFT_E_FORMAT);
    }
    weft_json_set_str(layer, "digest", "sha256:../../x");
    weft_json_append(layers, layer);
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set(doc, "config", fixture_descriptor(f, "a/config", "{}"));
    weft_json_set(doc, "layers", layers);
    fixture_document(f, doc, root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_stage_destroy(s);
}

/* An index of the documents root[n], which replaces root[0]. */
static void wrap_in_index(const struct fixture *f, char root[WEFT_DIGEST_SIZE], const char *type,
                          int times)
{
    weft_auto_free char *path = blob_path(f->blobs, root);
    weft_auto_free char *text = fixture_read(path);
    struct weft_json *doc = weft_json_object();
    struct weft_json *list = weft_json_array();

    for (int i = 0; i < times; i++) {
        weft_json_append(list, fixture_descriptor(f, type, text));
    }
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set(doc, "manifests", list);
    fixture_document(f, doc, root);
}

static void test_nesting(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "ppc64le", layers, root);
    wrap_in_index(f, root, WEFT_MEDIA_OCI_MANIFEST, 1);
    wrap_in_index(f, root, WEFT_MEDIA_OCI_INDEX, 1);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, NULL), 0);
    assert_int_equal(image.n_manifests, 1); /* and the platform came from the config */
    assert_string_equal(image.manifests[0].desc.platform.arch, "ppc64le");
    weft_image_finish(&image);
    wrap_in_index(f, root, WEFT_MEDIA_OCI_INDEX, 1);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_stage_destroy(s);
}

/* 150 times 150 manifests in two small files. */
static void test_multiplied(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, root);
    wrap_in_index(f, root, WEFT_MEDIA_OCI_MANIFEST, 150);
    wrap_in_index(f, root, WEFT_MEDIA_OCI_INDEX, 150);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_stage_destroy(s);
}

static void test_empty_index(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f, "out");
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    fixture_blob(f, "{\"schemaVersion\":2,\"manifests\":[]}", root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_stage_destroy(s);
}

/* A layer that may not be distributed may be absent; where it is there it is taken, and must be
 * right. */
static void test_foreign(void **state)
{
    const struct fixture *f = *state;
    static const char *const contents[] = {NULL, "layer", "lbyer"};
    /* a manifest is staged after what it names: one that lacks something is not */
    static const size_t staged[] = {2, 3, 1};

    for (int i = 0; i < 3; i++) {
        struct weft_json *doc = weft_json_object();
        struct weft_json *layers = weft_json_array();
        struct weft_json *urls = weft_json_array();
        struct weft_json *layer = fixture_descriptor(
            f, "application/vnd.oci.image.layer.nondistributable.v1.tar", "layer");
        struct weft_stage *s = stage_for(f, "out");
        weft_auto_free char *path = NULL;
        weft_auto_image image = {0};
        char root[WEFT_DIGEST_SIZE];
        char digest[WEFT_DIGEST_SIZE];
        size_t blobs = 0;
        size_t copied;

        digest_of("layer", digest);
        path = blob_path(f->blobs, digest);
        assert_int_equal(unlink(path), 0);
        if (contents[i]) {
            fixture_write(path, contents[i]);
        }
        weft_json_append_str(urls, "https://example.org/layer");
        weft_json_set(layer, "urls", urls);
        weft_json_append(layers, layer);
        weft_json_set_int(doc, "schemaVersion", 2);
        weft_json_set(doc, "config",
                      fixture_descriptor(f, "a/config",
                                         "{\"os\":\"linux\","
                                         "\"architecture\":\"386\"}"));
        weft_json_set(doc, "layers", layers);
        fixture_document(f, doc, root);
        assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, NULL, &image, NULL),
                         i == 2 ? -1 : 0);
        weft_stage_counts(s, &blobs, &copied);
        assert_int_equal(blobs, staged[i]);
        weft_stage_destroy(s);
        if (contents[i]) {
            unlink(path);
        }
    }
}

static void test_cancelled(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    struct weft_stage *s = stage_for(f, "out");
    atomic_bool cancel = true;
    weft_auto_image image = {0};
    weft_auto_err err = NULL;
    char root[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "amd64", layers, root);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, NULL, &cancel, &image, &err), -1);
    assert_int_equal(err->code, WEFT_E_CANCELLED);
    weft_stage_destroy(s);
}

struct job {
    const struct fixture *f;
    struct weft_stage *stage;
    char root[WEFT_DIGEST_SIZE];
    int result;
};

static void *take_one(void *data)
{
    struct job *j = data;
    weft_auto_image image = {0};

    j->result = weft_stage_take_image(j->stage, j->f->blobs, j->root, NULL, NULL, &image, NULL);
    return NULL;
}

/* Eight platforms with one big layer in common, all at once. */
static void test_threads(void **state)
{
    const struct fixture *f = *state;
    static const char *const archs[] = {"amd64", "386",     "arm64", "arm",
                                        "s390x", "ppc64le", "mips",  "riscv64"};
    weft_auto_free char *big = weft_xcalloc(1, (8u << 20) + 1);
    struct weft_stage *s = stage_for(f, "out");
    struct job jobs[8];
    pthread_t threads[8];
    size_t blobs;
    size_t copied;

    memset(big, 'x', 8u << 20);
    for (int i = 0; i < 8; i++) {
        const char *const layers[] = {big, "small", archs[i], NULL};

        jobs[i] = (struct job){.f = f, .stage = s};
        fixture_manifest(f, archs[i], layers, jobs[i].root);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_one, &jobs[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].result, 0);
    }
    weft_stage_counts(s, &blobs, &copied);
    assert_int_equal(blobs, 8 * 3 + 2);
    weft_stage_destroy(s);
}

/* Nothing stays behind, and what a killed run left is removed by the next one; what lives is not.
 */
static void test_leftovers(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *home = fixture_path(f, "home");
    weft_auto_free char *dest = weft_path_join(home, "out");
    weft_auto_free char *dead = weft_path_join(home, ".out.weft-dEaD01/layout/blobs/x");
    weft_auto_free char *other = weft_path_join(home, ".other.weft-dEaD01/x");
    weft_auto_free char *before = NULL;
    weft_auto_free char *after = NULL;
    struct weft_stage *first;
    struct weft_stage *second;

    fixture_write(other, "another destination's");
    before = fixture_snapshot(home);
    fixture_write(dead, "x");
    first = weft_stage_create(dest, NULL);
    assert_non_null(first);
    assert_false(weft_exists(dead));
    second = weft_stage_create(dest, NULL);
    assert_non_null(second);
    assert_true(weft_is_dir(weft_stage_blobs_dir(first)));
    weft_stage_destroy(first);
    weft_stage_destroy(second);
    after = fixture_snapshot(home);
    assert_string_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_manifest), TEST(test_given_platform), TEST(test_attested),
        TEST(test_duplicates),     TEST(test_spoiled),        TEST(test_spoiled_root),
        TEST(test_two_sizes),      TEST(test_hostile),        TEST(test_nesting),
        TEST(test_multiplied),     TEST(test_empty_index),    TEST(test_foreign),
        TEST(test_cancelled),      TEST(test_threads),        TEST(test_leftovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
