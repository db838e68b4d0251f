/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/layout.h"

#include <fcntl.h>
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
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/merge.h"
#include "engine/outfile.h"
#include "engine/stage.h"
#include "image_fixture.h"
#include "rename_fault.h"

/* A result that is ready to be committed. */
struct result {
    struct weft_stage *stage;
    struct weft_descriptor root;
    struct weft_strv names;
    struct weft_layout_naming naming;
};

/* An image of two platforms; `salt` makes it differ from others, but for one shared layer. */
static void result_make(const struct fixture *f, const char *dest, const char *salt,
                        const char *name, struct result *r)
{
    static const char *const archs[] = {"amd64", "arm64"};
    struct weft_image images[2] = {{0}};

    memset(r, 0, sizeof(*r));
    r->stage = weft_stage_create(dest, NULL);
    assert_non_null(r->stage);
    for (int i = 0; i < 2; i++) {
        weft_auto_free char *layer = weft_fmt("%s on %s", salt, archs[i]);
        const char *const layers[] = {"shared", layer, NULL};
        char root[WEFT_DIGEST_SIZE];

        fixture_manifest(f, archs[i], layers, root);
        assert_int_equal(
            weft_stage_take_image(r->stage, f->blobs, root, NULL, NULL, &images[i], NULL), 0);
    }
    assert_int_equal(weft_merge(r->stage, images, 2, NULL, &r->root, NULL), 0);
    weft_image_finish(&images[0]);
    weft_image_finish(&images[1]);
    if (name) {
        weft_strv_add(&r->names, name);
    }
    r->naming.names = &r->names;
    r->naming.created_s = 86400;
}

static void result_finish(struct result *r)
{
    weft_stage_destroy(r->stage);
    weft_descriptor_finish(&r->root);
    weft_strv_finish(&r->names);
}

static int result_commit(struct result *r, const char *dest, const atomic_bool *cancel,
                         struct weft_err **err)
{
    return weft_layout_commit(r->stage, dest, &r->root, &r->naming, cancel, err);
}

static struct weft_json *index_of(const char *dest)
{
    weft_auto_free char *path = weft_path_join(dest, "index.json");
    struct weft_json *j = weft_json_load(path, NULL);

    assert_non_null(j);
    return j;
}

static char *digest_named(const char *dest, const char *image_name, const char *tag)
{
    weft_auto_json index = index_of(dest);
    const struct weft_json *list = weft_json_get(index, "manifests");
    char *found = NULL;

    for (size_t i = 0; i < weft_json_len(list); i++) {
        const struct weft_json *a = weft_json_get(weft_json_at(list, i), "annotations");

        if (weft_str_eq(weft_json_str(a, "io.containerd.image.name"), image_name) &&
            weft_str_eq(weft_json_str(a, "org.opencontainers.image.ref.name"), tag)) {
            assert_null(found); /* one descriptor per name */
            found = weft_xstrdup(weft_json_str(weft_json_at(list, i), "digest"));
        }
    }
    return found;
}

/* Every blob is what its name says, and all that the index names is there. */
static void check_layout(const struct fixture *f, const char *dest)
{
    weft_auto_free char *blobs = weft_path_join(dest, "blobs/sha256");
    weft_auto_free char *mark = weft_path_join(dest, "oci-layout");
    weft_auto_free char *mark_text = fixture_read(mark);
    weft_auto_free char *elsewhere = fixture_path(f, "check");
    weft_auto_json index = index_of(dest);
    const struct weft_json *list = weft_json_get(index, "manifests");
    struct weft_stage *s = weft_stage_create(elsewhere, NULL);

    assert_string_equal(mark_text, "{\"imageLayoutVersion\":\"1.0.0\"}");
    assert_int_equal(weft_json_int(index, "schemaVersion", 0), 2);
    for (size_t i = 0; i < weft_json_len(list); i++) {
        const char *digest = weft_json_str(weft_json_at(list, i), "digest");
        weft_auto_image image = {0};

        assert_int_equal(weft_stage_take_image(s, blobs, digest, NULL, NULL, &image, NULL), 0);
    }
    weft_stage_destroy(s);
}

static void test_new(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "deep/er/out");
    weft_auto_free char *home = fixture_path(f, "deep/er");
    weft_auto_free char *found = NULL;
    weft_auto_free char *before = fixture_snapshot(dest);
    weft_auto_free char *text = NULL;
    weft_auto_free char *path = weft_path_join(dest, "index.json");
    struct result r;
    struct stat st;

    assert_int_equal(weft_layout_check_dest(dest, NULL), 0);
    result_make(f, dest, "one", "localhost:5000/team/app:v1", &r);
    assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
    check_layout(f, dest);
    found = digest_named(dest, "localhost:5000/team/app:v1", "v1");
    assert_string_equal(found, r.root.digest);
    text = fixture_read(path);
    assert_non_null(strstr(text, "\"org.opencontainers.image.created\":\"1970-01-02T00:00:00Z\""));
    assert_int_equal(stat(dest, &st), 0);
    assert_int_equal(st.st_mode & 0700, 0700);
    result_finish(&r);
    {
        weft_auto_free char *around = fixture_snapshot(home);

        assert_null(strstr(around, ".weft-")); /* nothing is left beside it */
    }
    (void)before;
}

/* One plain manifest: no index, and the entry has its platform. */
static void test_plain(void **state)
{
    const struct fixture *f = *state;
    static const char *const layers[] = {"layer", NULL};
    weft_auto_free char *dest = fixture_path(f, "out");
    struct weft_stage *s = weft_stage_create(dest, NULL);
    const struct weft_layout_naming naming = {.names = NULL, .created_s = 0};
    struct weft_image image = {0};
    weft_auto_descriptor root = {0};
    weft_auto_json index = NULL;
    const struct weft_json *entry;
    weft_auto_free char *found = NULL;
    char digest[WEFT_DIGEST_SIZE];

    fixture_manifest(f, "riscv64", layers, digest);
    assert_int_equal(weft_stage_take_image(s, f->blobs, digest, NULL, NULL, &image, NULL), 0);
    assert_int_equal(weft_merge(s, &image, 1, NULL, &root, NULL), 0);
    assert_int_equal(weft_layout_commit(s, dest, &root, &naming, NULL, NULL), 0);
    index = index_of(dest);
    entry = weft_json_at(weft_json_get(index, "manifests"), 0);
    assert_string_equal(weft_json_str(entry, "mediaType"), WEFT_MEDIA_OCI_MANIFEST);
    assert_string_equal(weft_json_str(weft_json_get(entry, "platform"), "architecture"), "riscv64");
    found = digest_named(dest, NULL, "latest");
    assert_string_equal(found, digest);
    weft_image_finish(&image);
    weft_stage_destroy(s);
}

/* An empty directory stays that directory; another tag joins; the same tag is replaced; other
 * members stay. */
static void test_existing(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_free char *path = weft_path_join(dest, "index.json");
    struct stat before;
    struct stat after;
    char first[WEFT_DIGEST_SIZE];

    assert_int_equal(mkdir(dest, 0750), 0);
    assert_int_equal(stat(dest, &before), 0);
    for (int i = 0; i < 4; i++) {
        static const char *const salts[] = {"one", "two", "three", "four"};
        static const char *const names[] = {"docker.io/library/a:1", "docker.io/library/b:1",
                                            "docker.io/library/a:1", NULL};
        struct result r;

        assert_int_equal(weft_layout_check_dest(dest, NULL), 0);
        result_make(f, dest, salts[i], names[i], &r);
        assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
        check_layout(f, dest);
        if (i == 0) {
            weft_auto_json index = index_of(dest);
            weft_auto_free char *text = NULL;

            memcpy(first, r.root.digest, sizeof(first));
            weft_json_set_str(index, "x-other", "stays");
            text = weft_json_dump(index, 0);
            fixture_write(path, text);
        }
        result_finish(&r);
    }
    {
        weft_auto_free char *a = digest_named(dest, "docker.io/library/a:1", "1");
        weft_auto_free char *b = digest_named(dest, "docker.io/library/b:1", "1");
        weft_auto_free char *latest = digest_named(dest, NULL, "latest");
        weft_auto_json index = index_of(dest);

        assert_non_null(a);
        assert_non_null(b);
        assert_non_null(latest);
        assert_string_not_equal(a, first);
        assert_int_equal(weft_json_len(weft_json_get(index, "manifests")), 3);
        assert_string_equal(weft_json_str(index, "x-other"), "stays");
    }
    assert_int_equal(stat(dest, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
}

/* A blob that was there with the right name and the wrong bytes does not survive. */
static void test_repair(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_free char *blob = NULL;
    char digest[WEFT_DIGEST_SIZE];
    struct result r;

    weft_digest_bytes("shared", 6, digest);
    blob = weft_fmt("%s/blobs/sha256/%s", dest, weft_digest_hex(digest));
    result_make(f, dest, "one", "docker.io/library/a:1", &r);
    assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
    result_finish(&r);
    assert_int_equal(unlink(blob), 0);
    fixture_write(blob, "shaRed");
    result_make(f, dest, "two", "docker.io/library/a:2", &r);
    assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
    result_finish(&r);
    check_layout(f, dest);
}

static void test_wrong_dest(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *file = fixture_path(f, "file");
    weft_auto_free char *below = fixture_path(f, "file/out");
    weft_auto_free char *full = fixture_path(f, "full");
    weft_auto_free char *content = fixture_path(f, "full/src/main.c");
    weft_auto_free char *odd = fixture_path(f, "odd");
    weft_auto_free char *odd_index = fixture_path(f, "odd/index.json");
    weft_auto_free char *link = fixture_path(f, "link");
    const char *const cases[] = {file, below, full, odd, link};
    struct result r;

    fixture_write(file, "x");
    fixture_write(content, "int main(void);");
    fixture_write(odd_index, "{}");
    assert_int_equal(symlink("nowhere", link), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weft_auto_free char *before = fixture_snapshot(f->dir);
        weft_auto_free char *after = NULL;
        weft_auto_err err = NULL;

        assert_int_equal(weft_layout_check_dest(cases[i], &err), -1);
        assert_int_equal(err->code, WEFT_E_USAGE);
        after = fixture_snapshot(f->dir);
        assert_string_equal(before, after);
    }
    /* became one only after the check */
    result_make(f, full, "one", NULL, &r);
    {
        weft_auto_free char *before = fixture_snapshot(full);
        weft_auto_free char *after = NULL;
        weft_auto_err err = NULL;

        assert_int_equal(result_commit(&r, full, NULL, &err), -1);
        assert_int_equal(err->code, WEFT_E_USAGE);
        after = fixture_snapshot(full);
        assert_string_equal(before, after);
    }
    result_finish(&r);
}

/* index.json is broken: nothing is added. */
static void test_broken_index(void **state)
{
    static const char *const texts[] = {"{\"manifests\":", "{\"schemaVersion\":2}", "[]"};
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_free char *mark = weft_path_join(dest, "oci-layout");
    weft_auto_free char *index = weft_path_join(dest, "index.json");

    fixture_write(mark, "{\"imageLayoutVersion\":\"1.0.0\"}");
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        weft_auto_free char *before = NULL;
        weft_auto_free char *after = NULL;
        weft_auto_err err = NULL;
        struct result r;

        fixture_write(index, texts[i]);
        before = fixture_snapshot(dest);
        result_make(f, dest, "one", NULL, &r);
        assert_int_equal(result_commit(&r, dest, NULL, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        after = fixture_snapshot(dest);
        assert_string_equal(before, after);
        result_finish(&r);
    }
}

/* A run that was killed while it filled an empty directory does not block the next one. */
static void test_half_made(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_free char *mark = weft_path_join(dest, "oci-layout");
    weft_auto_free char *blob = weft_path_join(dest, "blobs/sha256/abc");
    struct result r;

    fixture_write(mark, "{\"imageLayoutVersion\":\"1.0.0\"}");
    fixture_write(blob, "x");
    assert_int_equal(weft_layout_check_dest(dest, NULL), 0);
    result_make(f, dest, "one", NULL, &r);
    assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
    result_finish(&r);
    check_layout(f, dest);
}

/* What the destination is before a fault: not there, an empty directory, a layout with a spoiled
 * blob in it. */
enum start {
    START_ABSENT,
    START_EMPTY,
    START_LAYOUT,
    N_STARTS
};

static void make_start(const struct fixture *f, const char *dest, enum start start)
{
    weft_auto_free char *blob = NULL;
    char digest[WEFT_DIGEST_SIZE];
    struct result r;

    assert_int_equal(weft_rmtree(dest, NULL), 0);
    if (start == START_EMPTY) {
        assert_int_equal(mkdir(dest, 0755), 0);
    }
    if (start == START_LAYOUT) {
        result_make(f, dest, "before", "docker.io/library/a:1", &r);
        assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
        result_finish(&r);
        weft_digest_bytes("shared", 6, digest);
        blob = weft_fmt("%s/blobs/sha256/%s", dest, weft_digest_hex(digest));
        assert_int_equal(unlink(blob), 0);
        fixture_write(blob, "spoiled");
    }
}

/*
 * Let the n-th rename fail, or be the moment of an interruption, for every n, until a run gets
 * through. After each failure the destination is as before and the same stage can be committed.
 */
static void faults(const struct fixture *f, enum start start, bool interrupt, bool no_flags)
{
    weft_auto_free char *dest = fixture_path(f, "out");
    int failures = 0;

    for (int n = 1;; n++) {
        weft_auto_free char *before = NULL;
        weft_auto_free char *after = NULL;
        atomic_bool cancel = false;
        weft_auto_err err = NULL;
        struct result r;
        int result;

        make_start(f, dest, start);
        before = fixture_snapshot(dest);
        result_make(f, dest, "new", "docker.io/library/a:1", &r);
        rename_fault = (struct rename_fault){.fail_at = interrupt ? 0 : n,
                                             .cancel_at = interrupt ? n : 0,
                                             .cancel = &cancel,
                                             .no_flags = no_flags};
        result = result_commit(&r, dest, &cancel, &err);
        rename_fault = (struct rename_fault){.no_flags = no_flags};
        if (result == 0) {
            result_finish(&r);
            rename_fault.no_flags = false;
            check_layout(f, dest);
            break;
        }
        failures++;
        assert_int_equal(err->code, interrupt ? WEFT_E_CANCELLED : WEFT_E_IO);
        after = fixture_snapshot(dest);
        assert_string_equal(before, after);
        assert_int_equal(result_commit(&r, dest, NULL, NULL), 0);
        check_layout(f, dest);
        result_finish(&r);
    }
    assert_true(failures >= (start == START_ABSENT ? 2 : 8));
}

static void test_faults(void **state)
{
    const struct fixture *f = *state;

    for (enum start start = 0; start < N_STARTS; start++) {
        faults(f, start, false, false);
        faults(f, start, true, false);
        faults(f, start, false, true);
        faults(f, start, true, true);
    }
}

struct committer {
    struct result r;
    const char *dest;
    int result;
};

static void *commit_one(void *data)
{
    struct committer *c = data;

    c->result = result_commit(&c->r, c->dest, NULL, NULL);
    return NULL;
}

/* Whether another run could get at the destination now, and whether all its blobs are there. */
struct watch {
    const char *dest;
    const char *blob; /* one that the layout had before */
    int looks, unlocked, missing;
};

static void watch_look(void *data)
{
    struct watch *w = data;
    weft_auto_fd fd = open(w->dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    w->looks++;
    w->unlocked += weft_lock_try(fd, true, NULL) == 1;
    w->missing += !weft_exists(w->blob);
}

/* What a run takes back, it takes back before the next one comes: that one may have found a blob
 * there which it has too, and refers to it. And a blob that was there is there at any time,
 * whatever the file system can do. */
static void test_undone_under_lock(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");

    for (int no_flags = 0; no_flags < 2; no_flags++) {
        for (int fail_at = 0; fail_at < 8; fail_at++) {
            weft_auto_free char *blob = NULL;
            struct watch w = {.dest = dest};
            char layer[WEFT_DIGEST_SIZE];
            struct result r;

            make_start(f, dest, START_LAYOUT);
            weft_digest_bytes("shared", 6, layer);
            blob = weft_fmt("%s/blobs/sha256/%s", dest, weft_digest_hex(layer));
            w.blob = blob;
            assert_true(weft_exists(blob)); /* spoiled: it is exchanged */
            result_make(f, dest, "new", "docker.io/library/a:1", &r);
            rename_fault = (struct rename_fault){
                .fail_at = fail_at, .no_flags = no_flags != 0, .look = watch_look, .data = &w};
            assert_int_equal(result_commit(&r, dest, NULL, NULL), fail_at == 0 ? 0 : -1);
            rename_fault = (struct rename_fault){0};
            assert_true(w.looks > 0);
            assert_int_equal(w.unlocked, 0);
            assert_int_equal(w.missing, 0);
            result_finish(&r);
            if (fail_at == 0) {
                check_layout(f, dest);
            }
        }
    }
}

/* Eight commits at once: all tags end up there, whoever is first. */
static void test_at_once(void **state)
{
    const struct fixture *f = *state;

    for (enum start start = 0; start < START_LAYOUT; start++) {
        weft_auto_free char *dest = fixture_path(f, "out");
        struct committer c[8];
        pthread_t threads[8];

        make_start(f, dest, start);
        for (int i = 0; i < 8; i++) {
            weft_auto_free char *salt = weft_fmt("salt %d", i);
            weft_auto_free char *name = weft_fmt("docker.io/library/a:%d", i);

            c[i].dest = dest;
            result_make(f, dest, salt, name, &c[i].r);
        }
        for (int i = 0; i < 8; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, commit_one, &c[i]), 0);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(c[i].result, 0);
        }
        for (int i = 0; i < 8; i++) {
            weft_auto_free char *name = weft_fmt("docker.io/library/a:%d", i);
            weft_auto_free char *tag = weft_fmt("%d", i);
            weft_auto_free char *found = digest_named(dest, name, tag);

            assert_non_null(found);
            assert_string_equal(found, c[i].r.root.digest);
            result_finish(&c[i].r);
        }
        check_layout(f, dest);
    }
}

static void write_tar(struct result *r, const char *path)
{
    struct weft_outfile *out = weft_outfile_open(path, NULL, NULL);

    assert_non_null(out);
    assert_int_equal(
        weft_layout_write_tar(r->stage, out->fd, path, &r->root, &r->naming, NULL, NULL), 0);
    assert_int_equal(weft_outfile_commit(&out, NULL), 0);
    assert_null(out);
}

static void test_tar(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *a = fixture_path(f, "a.tar");
    weft_auto_free char *b = fixture_path(f, "b.tar");
    weft_auto_free char *dir = fixture_path(f, "unpacked");
    char digest[2][WEFT_DIGEST_SIZE];

    for (int i = 0; i < 2; i++) {
        struct result r;
        weft_auto_free char *data = NULL;
        size_t len;

        result_make(f, a, "one", "docker.io/library/a:1", &r);
        write_tar(&r, i == 0 ? a : b);
        result_finish(&r);
        assert_int_equal(weft_read_file(i == 0 ? a : b, 1u << 24, &data, &len, NULL), 0);
        weft_digest_bytes(data, len, digest[i]);
    }
    assert_string_equal(digest[0], digest[1]);
    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(fixture_shell(f, "tar -xf a.tar -C unpacked; tar -tvf a.tar | "
                                      "grep -q '^-r--r--r-- 0/0 .* 1970-01-01 .* oci-layout$'"),
                     0);
    check_layout(f, dir);
}

/* A tar that is not finished leaves the old file, and nothing beside it. */
static void test_tar_cancelled(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *home = fixture_path(f, "home");
    weft_auto_free char *path = weft_path_join(home, "a.tar");
    weft_auto_free char *before = NULL;
    weft_auto_free char *after = NULL;
    atomic_bool cancel = true;
    struct weft_outfile *out;
    weft_auto_err err = NULL;
    struct result r;

    fixture_write(path, "old");
    before = fixture_snapshot(home);
    result_make(f, path, "one", NULL, &r);
    out = weft_outfile_open(path, NULL, NULL);
    assert_non_null(out);
    assert_int_equal(
        weft_layout_write_tar(r.stage, out->fd, path, &r.root, &r.naming, &cancel, &err), -1);
    assert_int_equal(err->code, WEFT_E_CANCELLED);
    weft_outfile_discard(out);
    result_finish(&r);
    after = fixture_snapshot(home);
    assert_string_equal(before, after);
}

/* A full disk is an error with its errno, also where only the last write fails. */
static void test_tar_full(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_fd full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    weft_auto_err err = NULL;
    struct result r;

    assert_true(full >= 0);
    result_make(f, dest, "one", NULL, &r);
    assert_int_equal(
        weft_layout_write_tar(r.stage, full, "/dev/full", &r.root, &r.naming, NULL, &err), -1);
    assert_int_equal(err->code, WEFT_E_IO);
    assert_int_equal(err->sys, ENOSPC);
    result_finish(&r);
}

static void test_outfile(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *home = fixture_path(f, "home");
    weft_auto_free char *file = weft_path_join(home, "file");
    weft_auto_free char *link = weft_path_join(home, "link");
    weft_auto_free char *dead = weft_path_join(home, ".file.weft-dEaD01");
    weft_auto_free char *nowhere = weft_path_join(home, "no/where");
    weft_auto_free char *text = NULL;
    struct weft_outfile *out;
    struct stat st;

    fixture_write(file, "old");
    fixture_write(dead, "left by a killed run");
    assert_int_equal(chmod(file, 0640), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(weft_outfile_check("-", NULL), 0);
    assert_int_equal(weft_outfile_check(file, NULL), 0);
    assert_int_equal(weft_outfile_check(home, NULL), -1);
    assert_int_equal(weft_outfile_check(nowhere, NULL), -1);

    out = weft_outfile_open(link, NULL, NULL);
    assert_non_null(out);
    assert_false(weft_exists(dead));
    assert_int_equal(write(out->fd, "new!", 4), 4);
    assert_int_equal(weft_outfile_commit(&out, NULL), 0);
    text = fixture_read(file);
    assert_string_equal(text, "new!");
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);

    /* a device is written to, not replaced */
    out = weft_outfile_open("/dev/null", NULL, NULL);
    assert_non_null(out);
    assert_null(out->temp);
    assert_int_equal(weft_outfile_commit(&out, NULL), 0);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new),           TEST(test_plain),
        TEST(test_existing),      TEST(test_repair),
        TEST(test_wrong_dest),    TEST(test_broken_index),
        TEST(test_half_made),     TEST(test_faults),
        TEST(test_at_once),       TEST(test_tar),
        TEST(test_tar_cancelled), TEST(test_tar_full),
        TEST(test_outfile),       TEST(test_undone_under_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
