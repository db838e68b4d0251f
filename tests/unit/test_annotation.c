/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/annotation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/layout.h"
#include "engine/merge.h"
#include "engine/stage.h"
#include "image_fixture.h"

static const struct weft_platform arm64 = {"linux", "arm64", ""};
static const struct weft_platform s390x = {"linux", "s390x", ""};

static void put(struct weft_annotations *a, enum weft_annotation_level level,
                const struct weft_platform *platform, const char *key, const char *value)
{
    weft_annotations_put(a, level, platform, key, value);
}

static void test_for(void **state)
{
    struct weft_annotations a = {0};
    weft_auto_json base = weft_json_parse("{\"b\":\"base\",\"z\":\"base\"}", 23, NULL);
    static const struct {
        enum weft_annotation_level level;
        const struct weft_platform *platform;
        bool base;
        const char *want;
    } cases[] = {
        {WEFT_ANNOTATE_MANIFEST, &arm64, false, "{\"a\":\"arm64\",\"b\":\"all\",\"c\":\"only\"}"},
        {WEFT_ANNOTATE_MANIFEST, &s390x, false, "{\"a\":\"last\",\"b\":\"all\"}"},
        {WEFT_ANNOTATE_MANIFEST, NULL, true, "{\"a\":\"last\",\"b\":\"all\",\"z\":\"base\"}"},
        {WEFT_ANNOTATE_INDEX, NULL, false, "{\"i\":\"any\"}"},
        {WEFT_ANNOTATE_INDEX_DESCRIPTOR, NULL, false, NULL},
        {WEFT_ANNOTATE_INDEX_DESCRIPTOR, NULL, true, "{\"b\":\"base\",\"z\":\"base\"}"},
    };

    (void)state;
    assert_non_null(base);
    put(&a, WEFT_ANNOTATE_MANIFEST, &arm64, "c", "only");
    put(&a, WEFT_ANNOTATE_MANIFEST, &arm64, "a", "arm64");
    put(&a, WEFT_ANNOTATE_MANIFEST, NULL, "b", "all");
    put(&a, WEFT_ANNOTATE_MANIFEST, NULL, "a", "first");
    put(&a, WEFT_ANNOTATE_MANIFEST, NULL, "a", "last");
    put(&a, WEFT_ANNOTATE_INDEX, &arm64, "i", "any");
    assert_int_equal(a.n, 5);
    assert_true(weft_annotations_have(&a, WEFT_ANNOTATE_INDEX));
    assert_false(weft_annotations_have(&a, WEFT_ANNOTATE_INDEX_DESCRIPTOR));
    assert_false(weft_annotations_have(NULL, WEFT_ANNOTATE_INDEX));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_json got = weft_annotations_for(&a, cases[i].level, cases[i].platform,
                                                  cases[i].base ? base : NULL);
        weft_auto_free char *text = got ? weft_json_dump(got, 0) : NULL;

        if (!weft_str_eq(text, cases[i].want)) {
            fail_msg("case %zu: %s", i, text ? text : "nothing");
        }
    }
    weft_annotations_finish(&a);
}

/* The text is Go's, to the byte. */
static void test_manifest(void **state)
{
    static const char before[] = "{\n  \"schemaVersion\": 2,\n  \"layers\": []\n}";
    static const char after[] =
        "{\n  \"schemaVersion\": 2,\n  \"layers\": [],\n  \"annotations\": {\n"
        "    \"Title\": \"\\u003cb\\u003e R\\u0026D \\\"\xc3\xa9\\\" \\u2028\\u2029\"\n  }\n}";
    weft_auto_json annotations = weft_json_object();
    weft_auto_free char *text = NULL;
    weft_auto_err err = NULL;

    (void)state;
    weft_json_set_str(annotations, "Title", "<b> R&D \"\xc3\xa9\" \xe2\x80\xa8\xe2\x80\xa9");
    text = weft_annotate_manifest(before, strlen(before), annotations, NULL);
    assert_string_equal(text, after);
    assert_null(weft_annotate_manifest("{", 1, annotations, &err));
    assert_int_equal(err->code, WEFT_E_FORMAT);
}

static void test_descriptor(void **state)
{
    weft_auto_json annotations = weft_json_object();
    weft_auto_descriptor d = {0};
    weft_auto_free char *text = NULL;
    char digest[WEFT_DIGEST_SIZE];
    const char *at;

    (void)state;
    weft_digest_bytes("x", 1, digest);
    weft_descriptor_init(&d, WEFT_MEDIA_OCI_MANIFEST, digest, 7, &arm64);
    weft_json_set_str(annotations, "k", "v");
    weft_annotate_descriptor(&d, annotations);
    text = weft_json_dump(d.json, 0);
    at = strstr(text, "\"size\":");
    assert_non_null(at);
    assert_string_equal(at, "\"size\":7,\"annotations\":{\"k\":\"v\"},"
                            "\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}}");
    assert_string_equal(d.media_type, WEFT_MEDIA_OCI_MANIFEST);
    weft_annotate_descriptor(&d, NULL);
    assert_null(weft_descriptor_annotation(&d, "k"));
}

static void test_rename(void **state)
{
    struct weft_renamed r = {0};
    weft_auto_buf b = {0};
    weft_auto_buf want = {0};

    (void)state;
    weft_digest_bytes("old", 3, r.from);
    weft_digest_bytes("new", 3, r.to);
    weft_buf_printf(&b, "%s%s,%.63s", r.from, weft_digest_hex(r.from), weft_digest_hex(r.from));
    weft_buf_printf(&want, "%s%s,%.63s", r.to, weft_digest_hex(r.to), weft_digest_hex(r.from));
    assert_true(weft_rename_digests(b.data, b.len, &r, 1));
    assert_string_equal(b.data, want.data);
    assert_false(weft_rename_digests(b.data, b.len, &r, 1));
    assert_false(weft_rename_digests(b.data, 10, &r, 1));
}

/* ---- an image with an attestation ---- */

static struct weft_json *entry(const struct fixture *f, const char *digest, const char *os,
                               const char *arch)
{
    weft_auto_free char *path = weft_path_join(f->blobs, weft_digest_hex(digest));
    weft_auto_free char *text = fixture_read(path);
    struct weft_json *j = weft_json_object();
    struct weft_json *platform = weft_json_object();

    weft_json_set_str(j, "mediaType", WEFT_MEDIA_OCI_MANIFEST);
    weft_json_set_str(j, "digest", digest);
    weft_json_set_int(j, "size", (int64_t)strlen(text));
    weft_json_set_str(platform, "architecture", arch);
    weft_json_set_str(platform, "os", os);
    weft_json_set(j, "platform", platform);
    return j;
}

/* An attestation manifest for `image`; as an artifact it has a subject, otherwise its config names
 * its statement. */
static void make_attestation(const struct fixture *f, const char *image, bool artifact,
                             char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *statement = weft_fmt(
        "{\"subject\":[{\"digest\":{\"sha256\":\"%s\"}}],\"n\": 1.50}", weft_digest_hex(image));
    struct weft_json *layer = fixture_descriptor(f, "application/vnd.in-toto+json", statement);
    weft_auto_free char *config =
        artifact ? weft_xstrdup("{}")
                 : weft_fmt("{\"rootfs\":{\"diff_ids\":[\"%s\"]}}", weft_json_str(layer, "digest"));
    struct weft_json *doc = weft_json_object();
    struct weft_json *layers = weft_json_array();

    weft_json_append(layers, layer);
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set_str(doc, "mediaType", WEFT_MEDIA_OCI_MANIFEST);
    weft_json_set(doc, "config",
                  fixture_descriptor(f, "application/vnd.oci.empty.v1+json", config));
    weft_json_set(doc, "layers", layers);
    if (artifact) {
        struct weft_json *subject = entry(f, image, "linux", "arm64");

        weft_json_set(doc, "subject", subject);
    }
    fixture_document(f, doc, digest);
}

static void make_image(const struct fixture *f, bool artifact, char root[WEFT_DIGEST_SIZE],
                       char image[WEFT_DIGEST_SIZE])
{
    static const char *const layers[] = {"layer", NULL};
    struct weft_json *index = weft_json_object();
    struct weft_json *list = weft_json_array();
    struct weft_json *annotations = weft_json_object();
    struct weft_json *second;
    char attestation[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "arm64", layers, image);
    make_attestation(f, image, artifact, attestation);
    second = entry(f, attestation, "unknown", "unknown");
    weft_json_set_str(annotations, "vnd.docker.reference.digest", image);
    weft_json_set_str(annotations, "vnd.docker.reference.type", "attestation-manifest");
    weft_json_set(second, "annotations", annotations);
    weft_json_append(list, second); /* before the image: the order is not ours to rely on */
    weft_json_append(list, entry(f, image, "linux", "arm64"));
    weft_json_set_int(index, "schemaVersion", 2);
    weft_json_set_str(index, "mediaType", WEFT_MEDIA_OCI_INDEX);
    weft_json_set(index, "manifests", list);
    fixture_document(f, index, root);
}

/* A document in a stage, which has the digest and size that its descriptor says. */
static char *staged(struct weft_stage *s, const struct weft_json *descriptor)
{
    const char *digest = weft_json_str(descriptor, "digest");
    weft_auto_free char *path = weft_path_join(weft_stage_blobs_dir(s), weft_digest_hex(digest));

    assert_int_equal(weft_digest_check_file(
                         path, digest, (uint64_t)weft_json_int(descriptor, "size", 0), NULL, NULL),
                     0);
    return fixture_read(path);
}

static struct weft_json *parsed(char *text)
{
    struct weft_json *j = weft_json_parse(text, strlen(text), NULL);

    assert_non_null(j);
    free(text);
    return j;
}

/* The statement, what names it, and what names the manifest all follow the new digest. */
static void check_attestation(struct weft_stage *s, const struct weft_image *image,
                              const char *old_digest, bool artifact)
{
    const struct weft_descriptor *m = &image->manifests[0].desc;
    const struct weft_descriptor *a = &image->attestations[0];
    weft_auto_json doc = parsed(staged(s, a->json));
    const struct weft_json *layer = weft_json_at(weft_json_get(doc, "layers"), 0);
    weft_auto_free char *statement = staged(s, layer);
    weft_auto_free char *config = staged(s, weft_json_get(doc, "config"));
    weft_auto_free char *want = weft_fmt(
        "{\"subject\":[{\"digest\":{\"sha256\":\"%s\"}}],\"n\": 1.50}", weft_digest_hex(m->digest));

    assert_string_not_equal(m->digest, old_digest);
    assert_string_equal(weft_descriptor_annotation(a, "vnd.docker.reference.digest"), m->digest);
    assert_string_equal(statement, want);
    if (artifact) {
        const struct weft_json *subject = weft_json_get(doc, "subject");

        assert_string_equal(weft_json_str(subject, "digest"), m->digest);
        assert_int_equal(weft_json_int(subject, "size", 0), m->size_bytes);
    } else {
        assert_non_null(strstr(config, weft_json_str(layer, "digest")));
    }
}

static struct weft_stage *stage_for(const struct fixture *f)
{
    weft_auto_free char *dest = fixture_path(f, "out");
    struct weft_stage *s = weft_stage_create(dest, NULL);

    assert_non_null(s);
    return s;
}

static void test_image(void **state)
{
    const struct fixture *f = *state;

    for (int artifact = 0; artifact < 2; artifact++) {
        struct weft_annotations a = {0};
        struct weft_stage *s = stage_for(f);
        weft_auto_image image = {0};
        weft_auto_json doc = NULL;
        weft_auto_free char *text = NULL;
        char root[WEFT_DIGEST_SIZE];
        char digest[WEFT_DIGEST_SIZE];
        size_t blobs;
        size_t copied;

        make_image(f, artifact == 1, root, digest);
        put(&a, WEFT_ANNOTATE_MANIFEST, &arm64, "Key", "value");
        put(&a, WEFT_ANNOTATE_MANIFEST, &s390x, "other", "value");
        assert_int_equal(weft_stage_take_result(s,
                                                &(struct weft_stage_result){.blobs_dir = f->blobs,
                                                                            .root = root,
                                                                            .platform = &arm64,
                                                                            .annotations = &a},
                                                NULL, &image, NULL),
                         0);
        doc = parsed(staged(s, image.manifests[0].desc.json));
        text = weft_json_dump(weft_json_get(doc, "annotations"), 0);
        assert_string_equal(text, "{\"Key\":\"value\"}");
        check_attestation(s, &image, digest, artifact == 1);
        /* 2 manifests, 2 configs, layer, statement: nothing of what they were before */
        weft_stage_counts(s, &blobs, &copied);
        assert_int_equal(blobs, 6);
        weft_annotations_finish(&a);
        weft_stage_destroy(s);
    }
}

/* Without an annotation for it, a result is what BuildKit has made, to the byte. */
static void test_untouched(void **state)
{
    const struct fixture *f = *state;
    struct weft_annotations a = {0};
    struct weft_stage *s = stage_for(f);
    weft_auto_image image = {0};
    char root[WEFT_DIGEST_SIZE];
    char digest[WEFT_DIGEST_SIZE];

    make_image(f, true, root, digest);
    put(&a, WEFT_ANNOTATE_MANIFEST, &s390x, "other", "value");
    put(&a, WEFT_ANNOTATE_INDEX, NULL, "index", "value");
    assert_int_equal(weft_stage_take_result(s,
                                            &(struct weft_stage_result){.blobs_dir = f->blobs,
                                                                        .root = root,
                                                                        .platform = &arm64,
                                                                        .annotations = &a},
                                            NULL, &image, NULL),
                     0);
    assert_string_equal(image.manifests[0].desc.digest, digest);
    assert_string_equal(
        weft_descriptor_annotation(&image.attestations[0], "vnd.docker.reference.digest"), digest);
    weft_annotations_finish(&a);
    weft_stage_destroy(s);
}

/* The levels that the merge writes. */
static void test_merge(void **state)
{
    const struct fixture *f = *state;
    struct weft_annotations a = {0};
    struct weft_stage *s = stage_for(f);
    weft_auto_image image = {0};
    weft_auto_descriptor merged = {0};
    weft_auto_descriptor plain = {0};
    weft_auto_err err = NULL;
    weft_auto_json index = NULL;
    weft_auto_free char *text = NULL;
    const struct weft_json *list;
    char root[WEFT_DIGEST_SIZE];
    char digest[WEFT_DIGEST_SIZE];

    make_image(f, true, root, digest);
    put(&a, WEFT_ANNOTATE_MANIFEST_DESCRIPTOR, &arm64, "md", "1");
    put(&a, WEFT_ANNOTATE_MANIFEST_DESCRIPTOR, &s390x, "other", "1");
    put(&a, WEFT_ANNOTATE_INDEX, NULL, "i", "2");
    put(&a, WEFT_ANNOTATE_INDEX_DESCRIPTOR, NULL, "id", "3");
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, &arm64, NULL, &image, NULL), 0);
    assert_int_equal(weft_merge(s, &image, 1, &a, &merged, NULL), 0);
    assert_string_equal(weft_descriptor_annotation(&merged, "id"), "3");
    index = parsed(staged(s, merged.json));
    assert_string_equal(weft_json_str(weft_json_get(index, "annotations"), "i"), "2");
    list = weft_json_get(index, "manifests");
    text = weft_json_dump(weft_json_get(weft_json_at(list, 0), "annotations"), 0);
    assert_string_equal(text, "{\"md\":\"1\"}");
    assert_null(weft_json_str(weft_json_get(weft_json_at(list, 1), "annotations"), "md"));

    image.was_index = false; /* a plain manifest has no index */
    assert_int_equal(weft_merge(s, &image, 1, &a, &plain, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    weft_annotations_finish(&a);
    weft_stage_destroy(s);
}

/* What is placed is not read, and what is left is not there; manifests and configs always are. */
static void test_blobs(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    static const enum weft_stage_blobs modes[] = {WEFT_STAGE_CHECK, WEFT_STAGE_PLACE,
                                                  WEFT_STAGE_LEAVE};
    char root[WEFT_DIGEST_SIZE];
    char layer[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "arm64", layers, root);
    weft_digest_bytes("layer", 5, layer);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct weft_stage *s = stage_for(f);
        weft_auto_image image = {0};
        weft_auto_free char *source = weft_path_join(f->blobs, weft_digest_hex(layer));
        weft_auto_free char *path = weft_path_join(weft_stage_blobs_dir(s), weft_digest_hex(layer));
        int rc;

        fixture_write(source, "spoil");
        weft_stage_set_blobs(s, modes[i]);
        rc = weft_stage_take_result(
            s, &(struct weft_stage_result){.blobs_dir = f->blobs, .root = root, .platform = &arm64},
            NULL, &image, NULL);
        assert_int_equal(rc, modes[i] == WEFT_STAGE_CHECK ? -1 : 0);
        assert_int_equal(weft_exists(path), modes[i] == WEFT_STAGE_PLACE);
        weft_stage_destroy(s);
    }
}

/* docker load's tar holds the image and no more. */
static void test_docker_tar(void **state)
{
    const struct fixture *f = *state;
    struct weft_stage *s = stage_for(f);
    weft_auto_image image = {0};
    weft_auto_strv names = {0};
    weft_auto_free char *tar = fixture_path(f, "d.tar");
    char root[WEFT_DIGEST_SIZE];
    char digest[WEFT_DIGEST_SIZE];
    weft_auto_file file = fopen(tar, "w");

    make_image(f, true, root, digest);
    weft_strv_add(&names, "docker.io/library/app:latest");
    weft_strv_add(&names, "example.org/x/y:1");
    assert_non_null(file);
    assert_int_equal(weft_stage_take_image(s, f->blobs, root, &arm64, NULL, &image, NULL), 0);
    assert_int_equal(weft_layout_write_docker_tar(s, fileno(file), tar, &image.manifests[0].desc,
                                                  &(struct weft_layout_naming){.names = &names},
                                                  NULL, NULL),
                     0);
    assert_int_equal(
        fixture_shell(f, "mkdir d && tar -xf d.tar -C d && cd d\n"
                         "test $(ls blobs/sha256 | wc -l) = 3\n"
                         "m=$(sed -n 's/.*\"Config\":\"\\([^\"]*\\)\".*/\\1/p' manifest.json)\n"
                         "test -f $m\n"
                         "grep -q '\"RepoTags\":\\[\"app:latest\",\"example.org/x/y:1\"\\]' "
                         "manifest.json\n"
                         "grep -q '\"Layers\":\\[\"blobs/sha256/' manifest.json\n"
                         "grep -q '\"io.containerd.image.name\":\"docker.io/library/app:latest\"' "
                         "index.json\n"
                         "test -f oci-layout\n"),
        0);
    weft_stage_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_rename),
        cmocka_unit_test_setup_teardown(test_image, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_untouched, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_merge, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_blobs, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_docker_tar, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
