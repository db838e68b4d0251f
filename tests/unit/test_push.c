/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push against a registry in memory: this file has the functions of engine/registry/client.h, in
 * place of the real ones. tests/e2e/push*.sh do the same with a real registry.
 */
#include "config.h"

#include "engine/registry/push.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/json.h"
#include "engine/descriptor.h"
#include "engine/registry/client.h"
#include "image_fixture.h"
#include "tests/helpers.h"

/* ---- the registry ---- */

struct weft_registry {
    char *name; /* "HOST/PATH" */
};

static struct {
    pthread_mutex_t lock;
    struct weft_strv blobs;  /* "HOST/PATH DIGEST" */
    struct weft_strv log;    /* what was written, in its order */
    struct weft_strv refuse; /* lines of the log that fail */
    int uploads, uploads_most, checks;
    long upload_ms;
    const char *mounts_from; /* "HOST/PATH": the only repository that it mounts from; NULL: any */
    atomic_bool *cancel_at_upload;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void fake_reset(void)
{
    weft_strv_finish(&fake.blobs);
    weft_strv_finish(&fake.log);
    weft_strv_finish(&fake.refuse);
    fake.blobs = fake.log = fake.refuse = (struct weft_strv){0};
    fake.uploads = fake.uploads_most = fake.checks = 0;
    fake.upload_ms = 0;
    fake.mounts_from = NULL;
    fake.cancel_at_upload = NULL;
}

struct weft_registry *weft_registry_open(const struct weft_registry_opts *opts,
                                         struct weft_err **err)
{
    struct weft_registry *r = weft_xcalloc(1, sizeof(*r));

    (void)err;
    assert_true(opts->push);
    r->name = weft_fmt("%s/%s", opts->domain, opts->path);
    return r;
}

void weft_registry_close(struct weft_registry *r)
{
    if (r) {
        free(r->name);
        free(r);
    }
}

static bool has(const char *repository, const char *digest)
{
    weft_auto_free char *key = weft_fmt("%s %s", repository, digest);

    return weft_strv_has(&fake.blobs, key);
}

/* Note a change, or refuse it. The lock is held. */
static int change(const struct weft_registry *r, const char *what, const char *digest,
                  struct weft_err **err)
{
    weft_auto_free char *line = weft_fmt("%s %s %s", what, r->name, digest);

    if (weft_strv_has(&fake.refuse, line)) {
        return weft_fail(err, WEFT_E_NET, "refused");
    }
    weft_strv_add(&fake.log, line);
    if (strcmp(what, "tag") != 0) {
        weft_strv_addf(&fake.blobs, "%s %s", r->name, digest);
    }
    return 0;
}

int weft_registry_check(struct weft_registry *r, struct weft_err **err)
{
    weft_auto_free char *line = weft_fmt("check %s", r->name);

    fake.checks++;
    return weft_strv_has(&fake.refuse, line) ? weft_fail(err, WEFT_E_NET, "refused") : 0;
}

int weft_registry_has_blob(struct weft_registry *r, const char *digest, struct weft_err **err)
{
    int there;

    (void)err;
    pthread_mutex_lock(&fake.lock);
    there = has(r->name, digest);
    pthread_mutex_unlock(&fake.lock);
    return there;
}

int weft_registry_mount_blob(struct weft_registry *r, const char *digest, const char *from_path,
                             struct weft_err **err)
{
    const char *slash = strchr(r->name, '/');
    weft_auto_free char *from = weft_fmt("%.*s/%s", (int)(slash - r->name), r->name, from_path);
    int rc = 0;

    pthread_mutex_lock(&fake.lock);
    if (has(from, digest) && (!fake.mounts_from || strcmp(fake.mounts_from, from) == 0)) {
        rc = change(r, "mount", digest, err) < 0 ? -1 : 1;
    }
    pthread_mutex_unlock(&fake.lock);
    return rc;
}

int weft_registry_put_blob(struct weft_registry *r, const char *digest, uint64_t size_bytes,
                           const char *file, _Atomic int64_t *sent, struct weft_err **err)
{
    struct timespec t = {.tv_nsec = fake.upload_ms * 1000000L};
    int rc;

    assert_true(weft_exists(file));
    pthread_mutex_lock(&fake.lock);
    fake.uploads++;
    fake.uploads_most = fake.uploads > fake.uploads_most ? fake.uploads : fake.uploads_most;
    pthread_mutex_unlock(&fake.lock);
    if (fake.upload_ms > 0) {
        nanosleep(&t, NULL);
    }
    pthread_mutex_lock(&fake.lock);
    fake.uploads--;
    if (fake.cancel_at_upload) {
        atomic_store(fake.cancel_at_upload, true);
        rc = weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    } else {
        rc = change(r, "blob", digest, err);
    }
    if (rc == 0) {
        atomic_fetch_add(sent, (int64_t)size_bytes);
    }
    pthread_mutex_unlock(&fake.lock);
    return rc;
}

/* Takes no manifest that refers to something that is not there. */
int weft_registry_put_manifest(struct weft_registry *r, const char *tag_or_digest,
                               const char *media_type, const void *data, size_t len,
                               struct weft_err **err)
{
    weft_auto_manifest m = {0};
    char digest[WEFT_DIGEST_SIZE];
    int rc;

    assert_int_equal(weft_manifest_parse(data, len, media_type, &m, NULL), 0);
    weft_digest_bytes(data, len, digest);
    pthread_mutex_lock(&fake.lock);
    if (!m.is_index) {
        assert_true(has(r->name, m.config.digest));
    }
    for (size_t i = 0; i < m.n_children; i++) {
        assert_true(weft_descriptor_is_foreign(&m.children[i]) ||
                    has(r->name, m.children[i].digest));
    }
    if (weft_digest_valid(tag_or_digest)) {
        assert_string_equal(tag_or_digest, digest);
        rc = change(r, "manifest", digest, err);
    } else {
        weft_auto_free char *tagged = weft_fmt("%s=%s", tag_or_digest, digest);

        rc = change(r, "tag", tagged, err);
    }
    pthread_mutex_unlock(&fake.lock);
    return rc;
}

static int count(const char *prefix)
{
    int n = 0;

    for (size_t i = 0; i < fake.log.n; i++) {
        n += weft_starts_with(fake.log.v[i], prefix);
    }
    return n;
}

/* ---- the tests ---- */

static int setup(void **state)
{
    fake_reset();
    return fixture_setup(state);
}

static int teardown(void **state)
{
    fake_reset();
    return fixture_teardown(state);
}

#define push_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void add_names(struct weft_strv *names, const char *list)
{
    weft_split(list, ' ', names);
}

static void describe(const struct fixture *f, const char *media_type, const char *digest,
                     struct weft_descriptor *out)
{
    weft_auto_free char *path = weft_path_join(f->blobs, weft_digest_hex(digest));
    weft_auto_free char *text = fixture_read(path);

    weft_descriptor_init(out, media_type, digest, strlen(text), NULL);
}

/* An index of one image and its attestation: 4 blobs, 2 manifests. */
static void make_root(const struct fixture *f, const char *arch, const char *layer,
                      struct weft_descriptor *root)
{
    char digest[WEFT_DIGEST_SIZE];

    fixture_attested(f, arch, layer, digest);
    describe(f, WEFT_MEDIA_OCI_INDEX, digest, root);
}

struct pushed {
    int rc;
    struct weft_push_counts counts;
    struct weft_err *err;
};

/* Push `root` to names, parted by spaces. */
static void push(const struct fixture *f, const struct weft_descriptor *root, const char *list,
                 struct weft_push_opts opts, struct pushed *out)
{
    weft_auto_strv names = {0};
    struct weft_push *p;

    add_names(&names, list);
    opts.names = &names;
    *out = (struct pushed){.rc = -1};
    p = weft_push_create(&opts, &out->err);
    if (p) {
        out->rc = weft_push_commit(p, f->blobs, root, &out->counts, &out->err);
    }
    weft_push_destroy(p);
}

static void assert_counts(const struct weft_push_counts *c, int sent, int mounted, int there)
{
    assert_int_equal(c->blobs_sent, sent);
    assert_int_equal(c->blobs_mounted, mounted);
    assert_int_equal(c->blobs_there, there);
}

/* Children before parents is the fake's matter. Two tags are one upload, and come last. */
static void test_index(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    weft_auto_free char *one = NULL;
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    push(f, &root, "r.example/app:1 r.example/app", (struct weft_push_opts){0}, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 4, 0, 0);
    assert_int_equal(p.counts.sent_bytes, p.counts.total_bytes);
    assert_int_equal(count("manifest r.example/app "), 2);
    one = weft_fmt("tag r.example/app 1=%s", root.digest);
    assert_int_equal(fake.log.n, 4 + 2 + 2);
    assert_string_equal(fake.log.v[6], one);
    assert_true(weft_starts_with(fake.log.v[7], "tag r.example/app latest="));

    push(f, &root, "r.example/app:1", (struct weft_push_opts){0}, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 0, 0, 4);
}

static void test_by_digest(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    weft_auto_free char *last = NULL;
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    push(f, &root, "r.example/app", (struct weft_push_opts){.by_digest = true}, &p);
    assert_ok(p.rc, &p.err);
    last = weft_fmt("manifest r.example/app %s", root.digest);
    assert_string_equal(fake.log.v[fake.log.n - 1], last);
    assert_int_equal(count("tag "), 0);
    push(f, &root, "r.example/app:1", (struct weft_push_opts){.by_digest = true}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_USAGE, 0, "r.example/app:1");
}

static void test_names(void **state)
{
    static const char *const wrong[] = {
        "r.example/App:1", "",
        "r.example/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        push(f, &root, wrong[i], (struct weft_push_opts){0}, &p);
        assert_int_equal(p.rc, -1);
        assert_err(&p.err, WEFT_E_USAGE, 0, "");
    }
    assert_int_equal(fake.log.n, 0);
}

/* From another repository of this push, from one that an earlier push knew, from a base image's. */
static void test_mount(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *state_dir = fixture_path(f, "state");
    struct weft_push_opts opts = {.state_dir = state_dir};
    weft_auto_strv bases = {0};
    weft_auto_descriptor root = {0};
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    push(f, &root, "r.example/one r.example/two q.example/three", opts, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 8, 4, 0);
    assert_int_equal(count("mount r.example/two "), 4);
    assert_int_equal(count("blob q.example/three "), 4);

    push(f, &root, "r.example/four", opts, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 0, 4, 0);

    weft_strv_add(&bases, "r.example/one:latest");
    weft_strv_add(&bases, "docker.io/library/busybox");
    push(f, &root, "r.example/five", (struct weft_push_opts){.mount_from = &bases}, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 0, 4, 0);
}

/* A registry that would not mount is asked no more the next time. */
static void test_no_mount(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *state_dir = fixture_path(f, "state");
    weft_auto_free char *file = fixture_path(f, "state/registry/blobs.json");
    struct weft_push_opts opts = {.state_dir = state_dir};
    weft_auto_descriptor root = {0};
    weft_auto_free char *text = NULL;
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    push(f, &root, "r.example/one", opts, &p);
    assert_ok(p.rc, &p.err);
    fake.mounts_from = "r.example/none";
    push(f, &root, "r.example/two", opts, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 4, 0, 0);
    text = fixture_read(file);
    assert_null(strstr(text, "\"one\""));
    assert_non_null(strstr(text, "\"two\""));
}

/* Layers that may not be distributed stay where they are. */
static void test_foreign(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    struct weft_json *doc = weft_json_object();
    struct weft_json *layers = weft_json_array();
    struct weft_json *urls = weft_json_array();
    struct weft_json *foreign = fixture_descriptor(
        f, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "theirs");
    char digest[WEFT_DIGEST_SIZE];
    struct pushed p;

    weft_json_append_str(urls, "https://example.com/layer");
    weft_json_set(foreign, "urls", urls);
    weft_json_append(layers, foreign);
    weft_json_append(layers,
                     fixture_descriptor(f, "application/vnd.oci.image.layer.v1.tar+gzip", "ours"));
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set_str(doc, "mediaType", WEFT_MEDIA_OCI_MANIFEST);
    weft_json_set(doc, "config",
                  fixture_descriptor(f, "application/vnd.oci.image.config.v1+json", "{}"));
    weft_json_set(doc, "layers", layers);
    fixture_document(f, doc, digest);
    describe(f, WEFT_MEDIA_OCI_MANIFEST, digest, &root);
    push(f, &root, "r.example/app", (struct weft_push_opts){0}, &p);
    assert_ok(p.rc, &p.err);
    assert_counts(&p.counts, 2, 0, 0);
}

/* Put other bytes in the place of a blob. */
static void replace(const char *path, const char *text)
{
    assert_int_equal(unlink(path), 0);
    put_file(path, text, strlen(text));
}

/* What is damaged is found before anything of it is sent, and the file is named. */
static void test_damaged(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    char layer[WEFT_DIGEST_SIZE];
    weft_auto_free char *path = NULL;
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    weft_digest_bytes("layer", 5, layer);
    path = weft_path_join(f->blobs, weft_digest_hex(layer));
    replace(path, "lawyer");
    push(f, &root, "r.example/app", (struct weft_push_opts){0}, &p);
    assert_int_equal(p.rc, -1);
    assert_non_null(strstr(p.err->msg, path));
    assert_err(&p.err, WEFT_E_DIGEST, 0, "push r.example/app:latest: ");
    replace(path, "loyer");
    push(f, &root, "r.example/app", (struct weft_push_opts){.verify = true}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_DIGEST, 0, path);
    assert_int_equal(unlink(path), 0);
    push(f, &root, "r.example/app", (struct weft_push_opts){0}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_IO, ENOENT, path);
    assert_int_equal(count("tag "), 0);

    /* a manifest */
    free(weft_steal(&path));
    path = weft_path_join(f->blobs, weft_digest_hex(root.digest));
    replace(path, "{}");
    push(f, &root, "r.example/app", (struct weft_push_opts){0}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_DIGEST, 0, path);
}

/* The tags of before the failure are named; a failure before them changes none. */
static void test_failures(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    char layer[WEFT_DIGEST_SIZE];
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    weft_strv_addf(&fake.refuse, "tag q.example/app 2=%s", root.digest);
    push(f, &root, "r.example/app:1 q.example/app:2 q.example/app:3", (struct weft_push_opts){0},
         &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_NET, 0,
               "r.example/app:1 pushed, but then: push q.example/app:2: refused");
    assert_int_equal(count("tag "), 1);

    fake_reset();
    weft_digest_bytes("layer", 5, layer);
    weft_strv_addf(&fake.refuse, "blob q.example/app %s", layer);
    push(f, &root, "r.example/app:1 q.example/app:2", (struct weft_push_opts){0}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_NET, 0, "push q.example/app:2: refused");
    assert_int_equal(count("tag "), 0);
}

static void test_check(void **state)
{
    weft_auto_strv names = {0};
    struct weft_push_opts opts = {.names = &names};
    struct weft_push *p;
    struct weft_err *err = NULL;

    (void)state;
    add_names(&names, "r.example/app:1 r.example/app:2 q.example/app");
    p = weft_push_create(&opts, &err);
    assert_ok(p ? 0 : -1, &err);
    assert_ok(weft_push_check(p, &err), &err);
    assert_int_equal(fake.checks, 2);
    weft_strv_add(&fake.refuse, "check q.example/app");
    assert_int_equal(weft_push_check(p, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "push q.example/app:latest: refused");
    weft_push_destroy(p);
    assert_int_equal(fake.log.n, 0);
}

static void test_cancel(void **state)
{
    const struct fixture *f = *state;
    weft_auto_descriptor root = {0};
    atomic_bool cancel = false;
    struct pushed p;

    make_root(f, "arm64", "layer", &root);
    fake.cancel_at_upload = &cancel;
    push(f, &root, "r.example/app", (struct weft_push_opts){.cancel = &cancel}, &p);
    assert_int_equal(p.rc, -1);
    assert_err(&p.err, WEFT_E_CANCELLED, 0, "interrupted");
    assert_int_equal(fake.log.n, 0);
}

/* ---- several threads ---- */

enum {
    N_THREADS = 6
};

struct image_call {
    struct weft_push *p;
    const struct fixture *f;
    struct weft_descriptor root;
    struct weft_push_counts counts;
    int rc;
    pthread_t thread;
};

static void *push_image(void *data)
{
    struct image_call *c = data;

    c->rc = weft_push_image(c->p, c->f->blobs, &c->root, &c->counts, NULL);
    return NULL;
}

/* Platforms that share a layer, all at once: the layer is sent once, at most 4 uploads run, and no
 * tag moves before the commit, which finds all there. */
static void test_threads(void **state)
{
    static const char *const arch[N_THREADS] = {"amd64", "arm64", "arm", "386", "s390x", "riscv64"};
    const struct fixture *f = *state;
    weft_auto_strv names = {0};
    struct weft_push_opts opts = {.names = &names};
    struct image_call calls[N_THREADS] = {0};
    struct weft_push_counts rest = {0};
    char layer[WEFT_DIGEST_SIZE];
    weft_auto_free char *line = NULL;
    struct weft_err *err = NULL;
    struct weft_push *p;
    int sent = 0;

    add_names(&names, "r.example/app");
    p = weft_push_create(&opts, &err);
    assert_ok(p ? 0 : -1, &err);
    fake.upload_ms = 5;
    for (int i = 0; i < N_THREADS; i++) {
        calls[i] = (struct image_call){.p = p, .f = f};
        make_root(f, arch[i], "the same layer", &calls[i].root);
        assert_int_equal(pthread_create(&calls[i].thread, NULL, push_image, &calls[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(calls[i].thread, NULL);
        assert_int_equal(calls[i].rc, 0);
        sent += calls[i].counts.blobs_sent;
    }
    weft_digest_bytes("the same layer", strlen("the same layer"), layer);
    line = weft_fmt("blob r.example/app %s", layer);
    assert_int_equal(count(line), 1);
    assert_int_equal(sent, 2 + 2 * N_THREADS); /* also "{}" is one; a config and a statement each */
    assert_in_range(fake.uploads_most, 1, 4);
    assert_int_equal(count("manifest "), 2 * N_THREADS);
    assert_int_equal(count("tag "), 0);

    fake.upload_ms = 0;
    assert_ok(weft_push_commit(p, f->blobs, &calls[0].root, &rest, &err), &err);
    assert_counts(&rest, 0, 0, 0); /* known, without a question */
    assert_int_equal(count("tag "), 1);
    weft_push_destroy(p);
    for (int i = 0; i < N_THREADS; i++) {
        weft_descriptor_finish(&calls[i].root);
    }
}

/* Who waits for a blob that another thread fails to send tries it, too. */
static void test_other_failed(void **state)
{
    const struct fixture *f = *state;
    weft_auto_strv names = {0};
    struct weft_push_opts opts = {.names = &names};
    struct image_call calls[2] = {0};
    char layer[WEFT_DIGEST_SIZE];
    struct weft_err *err = NULL;
    struct weft_push *p;

    add_names(&names, "r.example/app");
    weft_digest_bytes("layer", 5, layer);
    weft_strv_addf(&fake.refuse, "blob r.example/app %s", layer);
    p = weft_push_create(&opts, &err);
    assert_ok(p ? 0 : -1, &err);
    fake.upload_ms = 20;
    for (int i = 0; i < 2; i++) {
        calls[i] = (struct image_call){.p = p, .f = f};
        make_root(f, i ? "arm64" : "amd64", "layer", &calls[i].root);
        assert_int_equal(pthread_create(&calls[i].thread, NULL, push_image, &calls[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(calls[i].thread, NULL);
        assert_int_equal(calls[i].rc, -1);
    }
    weft_strv_finish(&fake.refuse);
    fake.refuse = (struct weft_strv){0};
    for (int i = 0; i < 2; i++) {
        assert_ok(weft_push_image(p, f->blobs, &calls[i].root, NULL, &err), &err);
        weft_descriptor_finish(&calls[i].root);
    }
    assert_int_equal(count("manifest "), 4);
    weft_push_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        push_test(test_index),   push_test(test_by_digest), push_test(test_names),
        push_test(test_mount),   push_test(test_no_mount),  push_test(test_foreign),
        push_test(test_damaged), push_test(test_failures),  push_test(test_check),
        push_test(test_cancel),  push_test(test_threads),   push_test(test_other_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
