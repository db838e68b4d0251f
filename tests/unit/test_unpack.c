/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "tests/helpers.h"
#include "tests/tar_bytes.h"

/* Unpack the bytes into DIR/in. */
static int unpack(const char *dir, const void *data, size_t len, size_t head_len,
                  struct weft_unpacked *out, struct weft_err **err)
{
    weft_auto_free char *file = weft_path_join(dir, "tar");
    weft_auto_free char *in_dir = weft_path_join(dir, "in");
    weft_auto_fd fd = -1;

    assert_int_equal(weft_write_file(file, data, len, 0600, NULL), 0);
    assert_int_equal(weft_mkdirs(in_dir, 0700, NULL), 0);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, (off_t)head_len, SEEK_SET), head_len);
    return weft_unpack(
        &(struct weft_archive_input){
            .fd = fd, .name = "the archive", .head = head_len ? data : NULL, .head_len = head_len},
        in_dir, out, err);
}

static char *text_of(const char *dir, const char *name)
{
    weft_auto_free char *path = weft_fmt("%s/in/%s", dir, name);
    char *text = NULL;

    assert_int_equal(weft_read_file(path, 1 << 20, &text, NULL, NULL), 0);
    return text;
}

static struct stat stat_of(const char *dir, const char *name)
{
    weft_auto_free char *path = weft_fmt("%s/in/%s", dir, name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static void test_kind(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        enum weft_archive_kind kind;
    } cases[] = {
        {"", 0, WEFT_ARCHIVE_NONE},
        {"FROM busybox\n", 13, WEFT_ARCHIVE_NONE},
        {"BZ", 2, WEFT_ARCHIVE_NONE},
        {"BZh9", 4, WEFT_ARCHIVE_BZIP2},
        {"\x1f\x8b\x08", 3, WEFT_ARCHIVE_GZIP},
        {"\x1f\x8b\x09", 3, WEFT_ARCHIVE_NONE},
        {"\xfd"
         "7zXZ\0",
         6, WEFT_ARCHIVE_XZ},
        {"\x28\xb5\x2f\xfd", 4, WEFT_ARCHIVE_ZSTD},
    };
    weft_auto_buf tar = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(weft_archive_kind(cases[i].data, cases[i].len), cases[i].kind);
    }
    tar_file(&tar, "Dockerfile", "FROM scratch\n");
    assert_int_equal(weft_archive_kind(tar.data, tar.len), WEFT_ARCHIVE_TAR);
    assert_int_equal(weft_archive_kind(tar.data, 511), WEFT_ARCHIVE_NONE);
    memset(tar.data + 257, 0, 8); /* v7 has no magic, and another sum */
    assert_int_equal(weft_archive_kind(tar.data, tar.len), WEFT_ARCHIVE_NONE);
    memset(tar.data, 0, 512);
    assert_int_equal(weft_archive_kind(tar.data, tar.len), WEFT_ARCHIVE_TAR);
}

static void test_content(void **state)
{
    const char *dir = *state;
    weft_auto_buf tar = {0};
    struct weft_unpacked out = {0};
    weft_auto_free char *a = NULL;
    weft_auto_free char *b = NULL;
    weft_auto_free char *deep = NULL;
    weft_auto_free char *link_path = weft_fmt("%s/in/link", dir);
    char target[16] = {0};
    char digest[WEFT_DIGEST_SIZE];

    tar_entry(&tar, '5', "./", NULL, 0700, NULL, 0);
    tar_file(&tar, "./a", "first");
    tar_file(&tar, "a", "second");
    tar_entry(&tar, '5', "sub/", NULL, 0555, NULL, 0);
    tar_entry(&tar, '0', "sub/x", NULL, 04755, "x", 1);
    tar_file(&tar, "/etc/not/listed", "deep");
    tar_entry(&tar, '1', "b", "./a", 0644, NULL, 0);
    tar_entry(&tar, '2', "link", "/etc/passwd", 0777, NULL, 0);
    tar_entry(&tar, '3', "dev/null", NULL, 0666, NULL, 0);
    tar_entry(&tar, '6', "pipe", NULL, 0666, NULL, 0);
    tar_end(&tar);
    weft_buf_puts(&tar, "what comes behind the end");
    assert_int_equal(unpack(dir, tar.data, tar.len, 512, &out, NULL), 0);
    a = text_of(dir, "a");
    b = text_of(dir, "b");
    deep = text_of(dir, "etc/not/listed");
    assert_string_equal(a, "second");
    assert_string_equal(b, "second");
    assert_string_equal(deep, "deep");
    assert_int_equal(stat_of(dir, "a").st_nlink, 2);
    assert_int_equal(stat_of(dir, "a").st_mtime, 86400);
    assert_int_equal(stat_of(dir, "sub/x").st_mode & 07777, 04755);
    assert_int_equal(stat_of(dir, "sub").st_mode & 07777, geteuid() == 0 ? 0555 : 0755);
    assert_int_equal(stat_of(dir, "sub").st_mtime, 86400);
    assert_int_equal(readlink(link_path, target, sizeof(target) - 1), 11);
    assert_string_equal(target, "/etc/passwd");
    assert_int_equal(out.n_left_out, 2);
    assert_string_equal(out.left_out, "dev/null");
    weft_digest_bytes(tar.data, tar.len, digest);
    assert_string_equal(out.digest, digest);
    weft_unpacked_finish(&out);
}

/* A tar of entries, each "TYPE NAME [LINK]", that is refused. */
static void refused(const char *const *entries, const char *in_msg)
{
    void *dir = NULL;
    weft_auto_buf tar = {0};
    struct weft_unpacked out = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *outside = NULL;
    weft_auto_free char *text = NULL;

    assert_int_equal(temp_setup(&dir), 0);
    outside = weft_path_join(dir, "victim");
    assert_int_equal(weft_write_file(outside, "safe", 4, 0600, NULL), 0);
    for (; *entries; entries++) {
        weft_auto_strv words = {0};

        weft_split(*entries, ' ', &words);
        tar_entry(&tar, words.v[0][0], words.v[1], words.n > 2 ? words.v[2] : NULL, 0755, "evil",
                  words.v[0][0] == '0' ? 4 : 0);
    }
    tar_end(&tar);
    assert_int_equal(unpack(dir, tar.data, tar.len, 0, &out, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    if (!strstr(err->msg, in_msg)) {
        fail_msg("'%s' is not in '%s'", in_msg, err->msg);
    }
    assert_int_equal(weft_read_file(outside, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "safe");
    weft_unpacked_finish(&out);
    assert_int_equal(temp_teardown(&dir), 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *entries[5];
        const char *in_msg;
    } cases[] = {
        {{"0 ../victim"}, "leads out"},
        {{"0 a/../../victim"}, "leads out"},
        {{"0 /../victim"}, "leads out"},
        {{"5 .."}, "leads out"},
        {{"2 l ..", "0 l/victim"}, "through a symbolic link"},
        {{"2 l ..", "5 l/victim/d"}, "through a symbolic link"},
        {{"5 d", "2 d/l ../..", "0 d/l/victim"}, "through a symbolic link"},
        {{"2 l ../victim", "5 l"}, "something else"},
        {{"1 h ../victim"}, "leads out"},
        {{"2 l ..", "1 h l/victim"}, "through a symbolic link"},
        {{"1 h none"}, "no file before it"},
        {{"1 h ."}, "the root"},
        {{"5 d", "1 h d"}, "no file before it"},
        {{"0 f", "0 f/x"}, "through a symbolic link, or a file"},
        {{"5 d", "0 d"}, "is a directory and something else"},
        {{"0 d", "5 d"}, "is a directory and something else"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        refused(cases[i].entries, cases[i].in_msg);
    }
}

/* A link over a link is replaced, and not written through. */
static void test_replaced(void **state)
{
    const char *dir = *state;
    weft_auto_buf tar = {0};
    struct weft_unpacked out = {0};
    weft_auto_free char *victim = weft_path_join(dir, "victim");
    weft_auto_free char *text = NULL;
    weft_auto_free char *file = NULL;

    assert_int_equal(weft_write_file(victim, "safe", 4, 0600, NULL), 0);
    tar_entry(&tar, '2', "l", "../victim", 0777, NULL, 0);
    tar_file(&tar, "l", "evil");
    tar_entry(&tar, '2', "m", "../victim", 0777, NULL, 0);
    tar_entry(&tar, '1', "n", "m", 0777, NULL, 0); /* a second name of the link itself */
    tar_file(&tar, "n", "evil");
    tar_entry(&tar, '1', "l", "l", 0777, NULL, 0);
    tar_end(&tar);
    assert_int_equal(unpack(dir, tar.data, tar.len, 0, &out, NULL), 0);
    assert_int_equal(weft_read_file(victim, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "safe");
    file = text_of(dir, "l");
    assert_string_equal(file, "evil");
    assert_true(S_ISLNK(stat_of(dir, "m").st_mode));
    weft_unpacked_finish(&out);
}

static void test_damaged(void **state)
{
    const char *dir = *state;
    weft_auto_buf tar = {0};
    char big[3000];

    memset(big, 'x', sizeof(big));
    tar_file(&tar, "a", "1");
    tar_entry(&tar, '0', "b", NULL, 0644, big, sizeof(big));
    for (size_t len = 1024 + 512; len < tar.len; len += 700) {
        struct weft_unpacked out = {0};
        weft_auto_err err = NULL;

        assert_int_equal(unpack(dir, tar.data, len, 0, &out, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        assert_non_null(strstr(err->msg, "the archive"));
        weft_unpacked_finish(&out);
    }
    {
        struct weft_unpacked out = {0};
        weft_auto_err err = NULL;

        assert_int_equal(unpack(dir, "\x1f\x8b\x08 and no more", 16, 0, &out, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        weft_unpacked_finish(&out);
    }
}

static void test_cancelled(void **state)
{
    const char *dir = *state;
    const atomic_bool cancel = true;
    struct weft_unpacked out = {0};
    weft_auto_err err = NULL;
    int fds[2];

    assert_int_equal(pipe(fds), 0); /* nobody writes */
    assert_int_equal(
        weft_unpack(&(struct weft_archive_input){.fd = fds[0], .name = "pipe", .cancel = &cancel},
                    dir, &out, &err),
        -1);
    assert_int_equal(err->code, WEFT_E_CANCELLED);
    close(fds[0]);
    close(fds[1]);
    weft_unpacked_finish(&out);
}

static int read_one(const char *dir, const struct weft_buf *tar, const char *const *names,
                    char **data, struct weft_err **err)
{
    weft_auto_free char *file = weft_path_join(dir, "tar");
    weft_auto_fd fd = -1;
    size_t len = 0;
    int rc;

    assert_int_equal(weft_write_file(file, tar->data, tar->len, 0600, NULL), 0);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    rc = weft_archive_read_file(&(struct weft_archive_input){.fd = fd, .name = "the archive"},
                                names, 8, data, &len, err);
    if (rc == 1) {
        assert_int_equal(strlen(*data), len);
    }
    return rc;
}

static void test_read_file(void **state)
{
    static const char *const names[] = {"Dockerfile", "dockerfile", NULL};
    static const char *const link[] = {"link", NULL};
    static const char *const none[] = {"none", NULL};
    static const char *const big[] = {"big", NULL};
    const char *dir = *state;
    weft_auto_buf tar = {0};
    weft_auto_free char *text = NULL;
    weft_auto_err err = NULL;

    tar_file(&tar, "dockerfile", "lower");
    tar_file(&tar, "./Dockerfile", "old");
    tar_file(&tar, "big", "123456789");
    tar_entry(&tar, '2', "link", "Dockerfile", 0777, NULL, 0);
    tar_file(&tar, "Dockerfile", "new");
    tar_end(&tar);
    assert_int_equal(read_one(dir, &tar, names, &text, NULL), 1);
    assert_string_equal(text, "new");
    assert_int_equal(read_one(dir, &tar, none, &text, NULL), 0);
    assert_int_equal(read_one(dir, &tar, link, &text, NULL), 2);
    assert_int_equal(read_one(dir, &tar, big, &text, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind), temp_test(test_content), cmocka_unit_test(test_refused),
        temp_test(test_replaced),    temp_test(test_damaged), temp_test(test_cancelled),
        temp_test(test_read_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
