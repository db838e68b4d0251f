/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/local_output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"
#include "engine/outfile.h"
#include "engine/workdir.h"
#include "image_fixture.h"
#include "rename_fault.h"

/* ---- type=local ---- */

static void put(const char *dir, const char *name, const char *text)
{
    weft_auto_free char *path = weft_path_join(dir, name);

    fixture_write(path, text);
}

static void expect(const char *dir, const char *name, const char *text)
{
    weft_auto_free char *path = weft_path_join(dir, name);
    weft_auto_free char *found = fixture_read(path);

    assert_string_equal(found, text);
}

/* Two exported trees in a working directory for dest. */
struct trees {
    struct weft_workdir *workdir;
    char *a;
    char *b;
};

static struct trees trees_make(const char *dest)
{
    struct trees t = {.workdir = weft_workdir_create(dest, NULL)};

    assert_non_null(t.workdir);
    t.a = weft_path_join(t.workdir->path, "linux_amd64");
    t.b = weft_path_join(t.workdir->path, "linux_arm64");
    put(t.a, "bin/tool", "amd64");
    put(t.a, "etc/conf", "new");
    put(t.b, "bin/tool", "arm64");
    put(t.b, "only/b/deep/file", "b");
    return t;
}

static void trees_finish(struct trees *t)
{
    weft_workdir_destroy(t->workdir);
    free(t->a);
    free(t->b);
}

static void test_single(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "made/out");
    struct trees t = trees_make(dest);
    const struct weft_local_part part = {.path = t.a};

    assert_int_equal(weft_local_check_dest(dest, NULL), 0);
    assert_int_equal(weft_local_commit(&part, 1, dest, NULL, NULL), 0);
    expect(dest, "bin/tool", "amd64");
    trees_finish(&t);
}

/* Directories are merged, files replaced, what else is there stays; a link in the way is replaced,
 * not followed. */
static void test_merge(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    weft_auto_free char *link = weft_path_join(dest, "etc/conf");
    weft_auto_free char *outside = fixture_path(f, "outside");
    weft_auto_free char *outside_text = NULL;
    struct trees t = trees_make(dest);
    const struct weft_local_part part = {.path = t.a};

    put(dest, "bin/tool", "old");
    put(dest, "bin/other", "stays");
    put(dest, "etc/x", "stays");
    fixture_write(outside, "not ours");
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(weft_local_commit(&part, 1, dest, NULL, NULL), 0);
    trees_finish(&t);
    expect(dest, "bin/tool", "amd64");
    expect(dest, "bin/other", "stays");
    expect(dest, "etc/x", "stays");
    expect(dest, "etc/conf", "new");
    outside_text = fixture_read(outside);
    assert_string_equal(outside_text, "not ours");
}

static void test_several(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    struct trees t = trees_make(dest);
    const struct weft_local_part parts[] = {{.path = t.a, .prefix = "linux_amd64"},
                                            {.path = t.b, .prefix = "linux_arm64"}};
    weft_auto_free char *around = NULL;

    put(dest, "linux_arm64/bin/tool", "old");
    assert_int_equal(weft_local_commit(parts, 2, dest, NULL, NULL), 0);
    trees_finish(&t);
    expect(dest, "linux_amd64/bin/tool", "amd64");
    expect(dest, "linux_arm64/bin/tool", "arm64");
    expect(dest, "linux_arm64/only/b/deep/file", "b");
    around = fixture_snapshot(f->dir);
    assert_null(strstr(around, ".weft-"));
}

/* A directory that meets a file, a file that meets a directory, a link that meets a directory:
 * nothing is touched. */
static void test_conflicts(void **state)
{
    static const struct {
        const char *in_dest;
        const char *link_to; /* NULL: a file */
        const char *prefix;
        int sys;
    } cases[] = {
        {"bin", NULL, NULL, ENOTDIR},          {"etc/conf/x", NULL, NULL, EISDIR},
        {"bin", "/tmp", NULL, ENOTDIR},        {"folder", NULL, "folder", ENOTDIR},
        {"folder", "/tmp", "folder", ENOTDIR},
    };
    const struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        weft_auto_free char *name = weft_fmt("out%zu", i);
        weft_auto_free char *dest = fixture_path(f, name);
        weft_auto_free char *link = weft_path_join(dest, cases[i].in_dest);
        struct trees t = trees_make(dest);
        const struct weft_local_part part = {.path = t.a, .prefix = cases[i].prefix};
        weft_auto_free char *before = NULL;
        weft_auto_free char *after = NULL;
        weft_auto_err err = NULL;

        put(dest, "keep", "x");
        if (cases[i].link_to) {
            assert_int_equal(symlink(cases[i].link_to, link), 0);
        } else {
            fixture_write(link, "in the way");
        }
        before = fixture_snapshot(f->dir);
        assert_int_equal(weft_local_commit(&part, 1, dest, NULL, &err), -1);
        assert_int_equal(err->code, WEFT_E_IO);
        assert_int_equal(err->sys, cases[i].sys);
        after = fixture_snapshot(f->dir);
        assert_string_equal(before, after);
        trees_finish(&t);
    }
}

/* Without folders per platform, two platforms may not have the same file. */
static void test_no_split(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *dest = fixture_path(f, "out");
    struct trees t = trees_make(dest);
    const struct weft_local_part parts[] = {{.path = t.a}, {.path = t.b}};
    weft_auto_free char *clash = weft_path_join(t.b, "bin/tool");
    weft_auto_err err = NULL;

    assert_int_equal(weft_local_commit(parts, 2, dest, NULL, &err), -1);
    assert_non_null(strstr(err->msg, "tool"));
    assert_false(weft_exists(dest));
    assert_int_equal(unlink(clash), 0);
    assert_int_equal(weft_local_commit(parts, 2, dest, NULL, NULL), 0);
    expect(dest, "bin/tool", "amd64");
    expect(dest, "only/b/deep/file", "b");
    trees_finish(&t);
}

/* As in test_layout.c: every rename fails once, or is the moment of an interruption. */
static void local_faults(const struct fixture *f, bool exists, bool interrupt, bool no_flags)
{
    int failures = 0;

    for (int n = 1;; n++) {
        weft_auto_free char *dest = fixture_path(f, "out");
        weft_auto_free char *before = NULL;
        weft_auto_free char *after = NULL;
        struct trees t;
        struct weft_local_part parts[2];
        atomic_bool cancel = false;
        weft_auto_err err = NULL;
        int result;

        assert_int_equal(weft_rmtree(dest, NULL), 0);
        if (exists) {
            put(dest, "linux_amd64/bin/tool", "old");
            put(dest, "linux_arm64/only/x", "old");
        }
        t = trees_make(dest);
        parts[0] = (struct weft_local_part){.path = t.a, .prefix = "linux_amd64"};
        parts[1] = (struct weft_local_part){.path = t.b, .prefix = "linux_arm64"};
        before = fixture_snapshot(f->dir);
        rename_fault = (struct rename_fault){.fail_at = interrupt ? 0 : n,
                                             .cancel_at = interrupt ? n : 0,
                                             .cancel = &cancel,
                                             .no_flags = no_flags};
        result = weft_local_commit(parts, 2, dest, &cancel, &err);
        rename_fault = (struct rename_fault){0};
        if (result == 0) {
            expect(dest, "linux_amd64/bin/tool", "amd64");
            expect(dest, "linux_arm64/only/b/deep/file", "b");
            trees_finish(&t);
            break;
        }
        failures++;
        assert_int_equal(err->code, interrupt ? WEFT_E_CANCELLED : WEFT_E_IO);
        after = fixture_snapshot(f->dir);
        assert_string_equal(before, after); /* the working directory as well */
        trees_finish(&t);
    }
    assert_true(failures >= 4);
}

static void test_faults(void **state)
{
    for (int i = 0; i < 8; i++) {
        local_faults(*state, i & 1, i & 2, i & 4);
    }
}

static void test_bad_dest(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *file = fixture_path(f, "file");
    weft_auto_free char *below = fixture_path(f, "file/sub/out");
    weft_auto_err err = NULL;
    weft_auto_err err2 = NULL;

    fixture_write(file, "x");
    assert_int_equal(weft_local_check_dest(file, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    assert_int_equal(weft_local_check_dest(below, &err2), -1);
    assert_int_equal(err2->code, WEFT_E_USAGE);
}

/* ---- type=tar ---- */

static void join(const struct fixture *f, const char *const names[2], const char *dest)
{
    weft_auto_free char *a = fixture_path(f, names[0]);
    weft_auto_free char *b = fixture_path(f, names[1]);
    weft_auto_free char *path = fixture_path(f, dest);
    const struct weft_local_part parts[] = {{.path = b, .prefix = "linux_arm64"},
                                            {.path = a, .prefix = "linux_amd64"}};
    struct weft_outfile *out = weft_outfile_open(path, NULL, NULL);
    weft_auto_err err = NULL;

    assert_non_null(out);
    if (weft_local_write_tar(parts, 2, out, 0, NULL, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    assert_int_equal(weft_outfile_commit(&out, NULL), 0);
}

static void test_tar_join(void **state)
{
    static const char *const names[] = {"a.tar", "b.tar"};
    const struct fixture *f = *state;

    /* long names, names beyond ASCII and beyond UTF-8, hard and symbolic links, holes, attributes,
     * big owners */
    assert_int_equal(
        fixture_shell(
            f,
            "mkdir -p a/dir b\n"
            "echo one >a/dir/file; ln a/dir/file a/dir/hard; ln -s /dir/file a/soft\n"
            "long=$(printf 'x%.0s' $(seq 200)); echo long >a/$long; ln a/$long a/dir/$long\n"
            "echo umlaut >\"$(printf 'a/gr\\303\\274n')\"; echo latin >\"$(printf 'a/gr\\374n')\"\n"
            "truncate -s 3M a/sparse; echo end >>a/sparse\n"
            "mkfifo a/fifo; chmod 4711 a/dir/file\n"
            "tar --format=posix --pax-option=delete=atime,delete=ctime --sparse "
            "--mtime=@1600000000 "
            "--owner=:3000000 --group=:4000000 -cf a.tar -C a . \n"
            "echo two >b/file; tar --format=gnu -cf b.tar -C b file"),
        0);
    join(f, names, "one.tar");
    join(f, names, "two.tar");
    assert_int_equal(
        fixture_shell(
            f, "cmp one.tar two.tar\n"
               "tar='tar --warning=no-unknown-keyword --numeric-owner --full-time'\n"
               "$tar -tvf one.tar >list; head -n 1 list | grep -q ' linux_amd64/$'\n"
               "grep -q '^-rws--x--x 3000000/4000000 .* linux_amd64/dir/file$' list ||\n"
               "    grep -q '^hrws--x--x 3000000/4000000 .* linux_amd64/dir/file link to "
               "linux_amd64/dir/hard$' list\n"
               "grep -q '2020-09-13 .* linux_amd64/soft -> /dir/file$' list\n"
               "grep -q ' linux_arm64/file$' list\n"
               "mkdir out; tar --no-same-owner --warning=no-unknown-keyword -xf one.tar -C out\n"
               "for d in a b; do\n"
               "    case $d in a) p=linux_amd64 ;; b) p=linux_arm64 ;; esac\n"
               "    diff -r --no-dereference -x fifo $d out/$p\n"
               "done\n"
               "test -p out/linux_amd64/fifo\n"
               "test out/linux_amd64/dir/file -ef out/linux_amd64/dir/hard\n"
               "test $(stat -c %s one.tar) -lt 1000000"),
        0);
}

/* Append a member to a tar: a ustar header and its content. */
static void put_member(struct weft_buf *b, const char *name, char type, const char *content)
{
    char block[512] = {0};
    unsigned int sum = 8 * ' ';

    snprintf(block, 100, "%s", name);
    snprintf(block + 100, 8, "0000644");
    snprintf(block + 108, 8, "0000000");
    snprintf(block + 116, 8, "0000000");
    snprintf(block + 124, 12, "%011o", (unsigned int)strlen(content) & 0777);
    snprintf(block + 136, 12, "%011o", 0u);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof(block); i++) {
        sum += (unsigned char)block[i]; /* the eight bytes of the sum itself count as spaces */
    }
    snprintf(block + 148, 8, "%06o", sum);
    weft_buf_append(b, block, sizeof(block));
    memset(block, 0, sizeof(block));
    memcpy(block, content, strlen(content));
    weft_buf_append(b, block, sizeof(block));
}

/* Extended attributes, in the form in which Go's archive/tar writes them. */
static void test_tar_xattr(void **state)
{
    static const char *const names[] = {"x.tar", "x.tar"};
    const struct fixture *f = *state;
    weft_auto_free char *path = fixture_path(f, "x.tar");
    weft_auto_buf tar = {0};
    char end[1024] = {0};

    put_member(&tar, "PaxHeaders.0/tool", 'x', "32 SCHILY.xattr.user.weft=value\n");
    put_member(&tar, "tool", '0', "content");
    weft_buf_append(&tar, end, sizeof(end));
    assert_int_equal(weft_write_file(path, tar.data, tar.len, 0644, NULL), 0);
    join(f, names, "one.tar");
    assert_int_equal(
        fixture_shell(f,
                      "test $(grep -a -o '32 SCHILY.xattr.user.weft=value' one.tar | wc -l) = 2\n"
                      "! grep -a -q LIBARCHIVE one.tar"),
        0);
}

static void test_tar_damaged(void **state)
{
    static const struct {
        const char *script;
        enum weft_code code;
    } cases[] = {
        {"printf 'this is no tar, but it is longer than nothing' >bad.tar; truncate -s 2000 "
         "bad.tar",
         WEFT_E_FORMAT},
        {"head -c 100000 /dev/zero >big; tar -cf bad.tar big; truncate -s 50000 bad.tar",
         WEFT_E_FORMAT},
        {"echo x >file; tar -P --transform 's,^,a/../../,' -cf bad.tar file", WEFT_E_FORMAT},
        {"rm -f bad.tar", WEFT_E_IO},
    };
    const struct fixture *f = *state;
    weft_auto_free char *bad = fixture_path(f, "bad.tar");
    weft_auto_free char *path = fixture_path(f, "out.tar");

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct weft_local_part part = {.path = bad, .prefix = "linux_amd64"};
        struct weft_outfile *out = weft_outfile_open(path, NULL, NULL);
        weft_auto_err err = NULL;

        assert_int_equal(fixture_shell(f, cases[i].script), 0);
        assert_int_equal(weft_local_write_tar(&part, 1, out, 0, NULL, &err), -1);
        assert_int_equal(err->code, cases[i].code);
        weft_outfile_discard(out);
        assert_false(weft_exists(path));
    }
}

/* One platform: the file that buildctl wrote becomes the output, without a copy. */
static void test_tar_single(void **state)
{
    const struct fixture *f = *state;
    weft_auto_free char *src = fixture_path(f, "staged.tar");
    weft_auto_free char *path = fixture_path(f, "out.tar");
    weft_auto_free char *text = NULL;
    const struct weft_local_part part = {.path = src};
    struct weft_outfile *out;
    struct stat before;
    struct stat after;

    fixture_write(src, "a tar");
    assert_int_equal(stat(src, &before), 0);
    out = weft_outfile_open(path, NULL, NULL);
    assert_int_equal(weft_local_write_tar(&part, 1, out, 0, NULL, NULL), 0);
    assert_false(weft_exists(path));
    assert_int_equal(weft_outfile_commit(&out, NULL), 0);
    text = fixture_read(path);
    assert_string_equal(text, "a tar");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_single),    TEST(test_merge),       TEST(test_several),    TEST(test_conflicts),
        TEST(test_no_split),  TEST(test_faults),      TEST(test_bad_dest),   TEST(test_tar_join),
        TEST(test_tar_xattr), TEST(test_tar_damaged), TEST(test_tar_single),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
