/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/helpers.h"

/* A path in the test's directory. Caller frees. */
static char *in(void **state, const char *name)
{
    return weft_path_join(*state, name);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static size_t entries_in(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 2;
}

/* Run fn in a child that is no longer root, if we are root. Gives its exit code. */
static int as_user(int (*fn)(void **state), void **state)
{
    int status = 0;
    pid_t pid;

    if (geteuid() == 0) {
        assert_int_equal(chown(*state, 65534, 65534), 0);
    }
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
                               setresuid(65534, 65534, 65534) < 0)) {
            _exit(99);
        }
        _exit(fn(state));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_path_names(void **state)
{
    static const struct {
        const char *dir;
        const char *name;
        const char *want;
    } joins[] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"},
    };
    static const struct {
        const char *path;
        const char *dir;
        const char *base;
    } parts[] = {
        {"a", ".", "a"}, {"/a", "/", "a"}, {"a/b", "a", "b"}, {"/a/b/c", "/a/b", "c"},
        {"a/", "a", ""}, {"/", "/", ""},   {"", ".", ""},
    };

    static const struct {
        const char *path;
        const char *want;
    } cleaned[] = {
        {"a", "a"},      {"/a//b/", "a/b"}, {"./a/./b/.", "a/b"},
        {"a/../b", "b"}, {"../../a", "a"},  {"a/b/../..", NULL},
        {"", NULL},      {"/", NULL},       {"..a/b..", "..a/b.."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cleaned); i++) {
        weft_auto_free char *s = weft_path_clean(cleaned[i].path);

        if (!weft_str_eq(s, cleaned[i].want)) {
            fail_msg("%s: %s", cleaned[i].path, s);
        }
    }
    for (size_t i = 0; i < COUNT(joins); i++) {
        weft_auto_free char *s = weft_path_join(joins[i].dir, joins[i].name);

        assert_string_equal(s, joins[i].want);
    }
    for (size_t i = 0; i < COUNT(parts); i++) {
        weft_auto_free char *s = weft_path_dir(parts[i].path);

        assert_string_equal(s, parts[i].dir);
        assert_string_equal(weft_path_base(parts[i].path), parts[i].base);
    }
}

static void test_path_abs(void **state)
{
    weft_auto_free char *cwd = getcwd(NULL, 0);
    weft_auto_free char *want = weft_path_join(cwd, "x/../y");
    weft_auto_free char *a = weft_path_abs("/x/./y", NULL);
    weft_auto_free char *b = weft_path_abs("x/../y", NULL);
    weft_auto_free char *c = weft_path_abs(".", NULL);
    weft_auto_free char *gone = in(state, "gone");
    struct weft_err *err = NULL;

    assert_string_equal(a, "/x/./y");
    assert_string_equal(b, want);
    assert_string_equal(c, cwd);
    assert_int_equal(mkdir(gone, 0700), 0);
    assert_int_equal(chdir(gone), 0);
    assert_int_equal(rmdir(gone), 0);
    assert_null(weft_path_abs("x", &err));
    assert_int_equal(chdir(cwd), 0);
    assert_err(&err, WEFT_E_IO, ENOENT, "working directory");
}

static void test_mkdirs(void **state)
{
    weft_auto_free char *deep = in(state, "a/b//c");
    weft_auto_free char *a = in(state, "a");
    weft_auto_free char *slashes = in(state, "s/t//");
    weft_auto_free char *s = in(state, "s");
    weft_auto_free char *t = in(state, "s/t");
    weft_auto_free char *file = in(state, "file");
    weft_auto_free char *below_file = in(state, "file/x");
    weft_auto_free char *dangling = in(state, "dangling");
    weft_auto_free char *below_dangling = in(state, "dangling/x");
    weft_auto_free char *link = in(state, "link");
    weft_auto_free char *below_link = in(state, "link/x");
    struct weft_err *err = NULL;

    assert_ok(weft_mkdirs(deep, 0700, &err), &err);
    assert_int_equal(mode_of(deep), 0700);
    assert_int_equal(mode_of(a), 0755);
    assert_ok(weft_mkdirs(deep, 0711, &err), &err); /* there already: left as it is */
    assert_int_equal(mode_of(deep), 0700);
    assert_ok(weft_mkdirs(slashes, 0700, &err), &err);
    assert_int_equal(mode_of(s), 0755);
    assert_int_equal(mode_of(t), 0700);
    assert_ok(weft_mkdirs("/", 0755, &err), &err);
    assert_ok(weft_mkdirs(".", 0755, &err), &err);
    assert_int_equal(weft_mkdirs("", 0755, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "make directory");

    put_file(file, "", 0);
    assert_int_equal(weft_mkdirs(file, 0755, &err), -1);
    assert_err(&err, WEFT_E_IO, EEXIST, "file");
    assert_int_equal(weft_mkdirs(below_file, 0755, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOTDIR, "file/x");
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_int_equal(weft_mkdirs(dangling, 0755, &err), -1);
    assert_err(&err, WEFT_E_IO, EEXIST, "dangling");
    assert_int_equal(weft_mkdirs(below_dangling, 0755, &err), -1);
    assert_err(&err, WEFT_E_IO, EEXIST, "dangling");
    assert_int_equal(symlink("a", link), 0);
    assert_ok(weft_mkdirs(link, 0755, &err), &err);
    assert_ok(weft_mkdirs(below_link, 0755, &err), &err);
    assert_true(weft_is_dir(below_link));
    assert_true(weft_exists(file));
    assert_false(weft_is_dir(file));
    assert_false(weft_exists(dangling));
}

static void test_private_dir(void **state)
{
    weft_auto_free char *dir = in(state, "run/weft");
    weft_auto_free char *slash = in(state, "other/weft/");
    weft_auto_free char *link = in(state, "link");
    struct weft_err *err = NULL;

    assert_ok(weft_private_dir(dir, &err), &err);
    assert_ok(weft_private_dir(dir, &err), &err);
    assert_int_equal(mode_of(dir), 0700);
    assert_ok(weft_private_dir(slash, &err), &err); /* as $WEFT_RUNTIME_DIR may be written */
    static const mode_t bad[] = {0710, 0701, 0750, 0777};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(chmod(dir, bad[i]), 0);
        assert_int_equal(weft_private_dir(dir, &err), -1);
        assert_non_null(err->hint);
        assert_err(&err, WEFT_E_IO, 0, "only you can enter");
    }
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(symlink("run/weft", link), 0);
    assert_int_equal(weft_private_dir(link, &err), -1);
    assert_err(&err, WEFT_E_IO, 0, "only you can enter");
    if (geteuid() == 0) {
        assert_int_equal(chown(dir, 65534, 65534), 0);
        assert_int_equal(weft_private_dir(dir, &err), -1);
        assert_err(&err, WEFT_E_IO, 0, "only you can enter");
    }
}

static void test_read_file(void **state)
{
    weft_auto_free char *path = in(state, "f");
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 100000};
    struct weft_err *err = NULL;
    char *data = NULL;
    size_t len;

    assert_int_equal(weft_read_file(path, 10, &data, &len, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "open ");
    assert_int_equal(weft_read_file(*state, 10, &data, &len, &err), -1);
    assert_err(&err, WEFT_E_IO, EISDIR, "read ");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        weft_auto_free char *want = weft_xmalloc(sizes[i]);

        memset(want, 0, sizes[i]);
        put_file(path, want, sizes[i]);
        assert_ok(weft_read_file(path, sizes[i], &data, &len, &err), &err);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(data, want, len);
        assert_int_equal(data[len], '\0');
        free(data);
        assert_ok(weft_read_file(path, SIZE_MAX, &data, NULL, &err), &err);
        free(data);
        data = NULL;
        if (sizes[i] > 0) {
            assert_int_equal(weft_read_file(path, sizes[i] - 1, &data, &len, &err), -1);
            assert_err(&err, WEFT_E_FORMAT, 0, "is larger than");
            assert_null(data);
        }
    }
    /* a file whose size the kernel does not say */
    assert_ok(weft_read_file("/proc/self/status", 1 << 20, &data, &len, &err), &err);
    assert_true(len > 100);
    free(data);
}

static void test_write_file(void **state)
{
    weft_auto_free char *path = in(state, "f");
    weft_auto_free char *link = in(state, "link");
    weft_auto_free char *missing = in(state, "no/f");
    struct weft_err *err = NULL;
    struct stat before;
    struct stat after;
    mode_t mask = umask(077);

    assert_ok(weft_write_file(path, "a\0b", 3, 0644, &err), &err);
    umask(mask);
    assert_file(path, "a\0b", 3);
    assert_int_equal(mode_of(path), 0644);
    assert_int_equal(stat(path, &before), 0);
    assert_ok(weft_write_file(path, "", 0, 0600, &err), &err);
    assert_file(path, "", 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino != after.st_ino); /* renamed, not written over */
    assert_int_equal(symlink("f", link), 0);
    assert_ok(weft_write_file(link, "new", 3, 0600, &err), &err);
    assert_file(link, "new", 3);
    assert_file(path, "", 0);
    assert_int_equal(weft_write_file(missing, "x", 1, 0600, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "no/f");
    assert_int_equal(weft_write_file(*state, "x", 1, 0600, &err), -1);
    assert_err(&err, WEFT_E_IO, EISDIR, "write ");
    assert_int_equal(entries_in(*state), 2); /* no temporary file is left */
}

/* --metadata-file /dev/null by root must not make a file of it. */
static void test_write_special(void **state)
{
    weft_auto_free char *link = in(state, "null");
    weft_auto_free char *fifo = in(state, "fifo");
    struct weft_err *err = NULL;
    struct stat st;
    char got[8];
    int fd;

    assert_int_equal(symlink("/dev/null", link), 0);
    assert_ok(weft_write_file(link, "x", 1, 0600, &err), &err);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(weft_write_file(fifo, "data", 4, 0600, &err), &err);
    assert_int_equal(read(fd, got, sizeof(got)), 4);
    assert_memory_equal(got, "data", 4);
    close(fd);
    assert_int_equal(entries_in(*state), 2);
}

static void test_write_all_full_disk(void **state)
{
    weft_auto_fd fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct weft_err *err = NULL;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(weft_write_all(fd, "x", 1, "out.tar", &err), -1);
    assert_err(&err, WEFT_E_IO, ENOSPC, "write out.tar");
    assert_ok(weft_write_all(fd, "", 0, "out.tar", &err), &err);
}

/* A pipe that does not block and is full for a while. */
static void test_write_all_waits(void **state)
{
    const size_t n = 1 << 20;
    weft_auto_free char *data = weft_xcalloc(1, n);
    struct weft_err *err = NULL;
    int status = 0;
    int fds[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        size_t total = 0;
        char chunk[5000];
        ssize_t r;

        close(fds[1]);
        usleep(50000);
        while ((r = read(fds[0], chunk, sizeof(chunk))) > 0) {
            total += (size_t)r;
        }
        _exit(total == n ? 0 : 1);
    }
    close(fds[0]);
    assert_ok(weft_write_all(fds[1], data, n, "pipe", &err), &err);
    close(fds[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_temp_dir(void **state)
{
    struct weft_err *err = NULL;
    weft_auto_free char *a = weft_temp_dir(*state, "weft", &err);
    weft_auto_free char *b = weft_temp_dir(*state, "weft", &err);
    weft_auto_free char *no = in(state, "no");

    assert_non_null(a);
    assert_non_null(b);
    assert_string_not_equal(a, b);
    assert_true(weft_starts_with(weft_path_base(a), ".weft-"));
    assert_int_equal(mode_of(a), 0700);
    assert_null(weft_temp_dir(no, "weft", &err));
    assert_err(&err, WEFT_E_IO, ENOENT, "make a directory in");
}

static void test_rmtree(void **state)
{
    weft_auto_free char *tree = in(state, "tree");
    weft_auto_free char *sub = in(state, "tree/a/b/c");
    weft_auto_free char *file = in(state, "tree/a/f");
    weft_auto_free char *fifo = in(state, "tree/a/b/fifo");
    weft_auto_free char *out_link = in(state, "tree/a/out");
    weft_auto_free char *dangling = in(state, "tree/a/dangling");
    weft_auto_free char *outside = in(state, "outside");
    weft_auto_free char *kept = in(state, "outside/kept");
    weft_auto_free char *link = in(state, "link");
    weft_auto_free char *link_slash = in(state, "link/");
    weft_auto_free char *tree_slash = in(state, "tree//");
    struct weft_err *err = NULL;
    int fds = open_fds();

    assert_ok(weft_rmtree(tree, &err), &err); /* nothing there */
    assert_int_equal(mkdir(outside, 0755), 0);
    put_file(kept, "x", 1);
    assert_ok(weft_mkdirs(sub, 0755, &err), &err);
    put_file(file, "x", 1);
    assert_int_equal(chmod(file, 0), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("../../outside", out_link), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_ok(weft_rmtree(tree, &err), &err);
    assert_false(weft_exists(tree));
    assert_true(weft_exists(kept));

    assert_int_equal(symlink("outside", link), 0);
    assert_ok(weft_rmtree(link_slash, &err), &err); /* the link, not what it points at */
    assert_int_equal(access(link, F_OK), -1);
    assert_true(weft_exists(kept));
    assert_ok(weft_mkdirs(sub, 0755, &err), &err);
    assert_ok(weft_rmtree(tree_slash, &err), &err);
    assert_false(weft_exists(tree));
    assert_ok(weft_rmtree(kept, &err), &err);
    assert_false(weft_exists(kept));
    put_file(kept, "x", 1);
    {
        weft_auto_free char *below = in(state, "outside/kept/x");

        assert_int_equal(weft_rmtree(below, &err), -1);
        assert_err(&err, WEFT_E_IO, ENOTDIR, "kept/x");
    }
    assert_int_equal(open_fds(), fds);
}

/* More levels than descriptors, and a path longer than PATH_MAX. */
static void test_rmtree_deep(void **state)
{
    weft_auto_free char *tree = in(state, "tree");
    weft_auto_free char *cwd = getcwd(NULL, 0);
    const struct rlimit few = {100, 100};
    int status = 0;
    pid_t pid;

    assert_int_equal(mkdir(tree, 0755), 0);
    assert_int_equal(chdir(tree), 0);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(mkdir("level", 0755), 0);
        put_file("file", "x", 1);
        if (i % 100 == 7) {
            assert_int_equal(mkdir(".deep-0", 0755), 0); /* a name that rmtree uses */
        }
        assert_int_equal(chdir("level"), 0);
    }
    assert_int_equal(chdir(cwd), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct weft_err *err = NULL;

        if (setrlimit(RLIMIT_NOFILE, &few) < 0) {
            _exit(2);
        }
        if (weft_rmtree(tree, &err) < 0) {
            print_error("%.200s\n", err->msg);
            _exit(1);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(weft_exists(tree));
}

/* Many entries in one directory: some file systems move them while they are removed. */
static void test_rmtree_wide(void **state)
{
    weft_auto_free char *tree = in(state, "tree");
    struct weft_err *err = NULL;

    assert_int_equal(mkdir(tree, 0755), 0);
    for (int i = 0; i < 3000; i++) {
        weft_auto_free char *name = weft_fmt("%s/entry-with-a-long-name-%d", tree, i);

        assert_int_equal(i % 3 ? mkdir(name, 0755) : symlink("x", name), 0);
    }
    assert_ok(weft_rmtree(tree, &err), &err);
    assert_false(weft_exists(tree));
}

static int closed_dirs(void **state)
{
    weft_auto_free char *tree = in(state, "tree");
    weft_auto_free char *sub = in(state, "tree/a/b");
    weft_auto_free char *a = in(state, "tree/a");
    weft_auto_free char *file = in(state, "tree/a/f");
    struct weft_err *err = NULL;

    if (weft_mkdirs(sub, 0755, &err) < 0) {
        return 2;
    }
    put_file(file, "x", 1);
    if (chmod(sub, 0) < 0 || chmod(a, 0500) < 0 || chmod(tree, 0) < 0) {
        return 3;
    }
    if (weft_rmtree(tree, &err) < 0) {
        print_error("%s\n", err->msg);
        weft_err_free(err);
        return 1;
    }
    return weft_exists(tree);
}

/* Go's module cache is such a tree. */
static void test_rmtree_closed_dirs(void **state)
{
    assert_int_equal(as_user(closed_dirs, state), 0);
}

static int foreign_dir(void **state)
{
    weft_auto_free char *tree = in(state, "foreign");
    struct weft_err *err = NULL;
    int rc;

    rc = weft_rmtree(tree, &err) == -1 && err->code == WEFT_E_IO && err->sys == EACCES ? 0 : 1;
    weft_err_free(err);
    return rc;
}

static void test_rmtree_foreign(void **state)
{
    weft_auto_free char *sub = in(state, "foreign/sub");
    weft_auto_free char *file = in(state, "foreign/sub/f");
    struct weft_err *err = NULL;

    if (geteuid() != 0) {
        return; /* an ordinary user cannot make somebody else's directory */
    }
    assert_ok(weft_mkdirs(sub, 0755, &err), &err);
    put_file(file, "x", 1);
    assert_int_equal(as_user(foreign_dir, state), 0);
    assert_true(weft_exists(file));
}

/* A bind mount of the same file system in the tree: what it shows must survive. */
static void test_rmtree_mounts(void **state)
{
    weft_auto_free char *point = in(state, "tree/a/mnt");
    weft_auto_free char *tree = in(state, "tree");
    weft_auto_free char *precious = in(state, "precious");
    weft_auto_free char *kept = in(state, "precious/kept");
    struct weft_err *err = NULL;
    int status = 0;
    pid_t pid;

    assert_ok(weft_mkdirs(point, 0755, &err), &err);
    assert_int_equal(mkdir(precious, 0755), 0);
    put_file(kept, "x", 1);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount(precious, point, NULL, MS_BIND, NULL) < 0) {
            _exit(77);
        }
        if (weft_rmtree(tree, &err) != -1 || err->code != WEFT_E_IO || err->sys != EBUSY ||
            !strstr(err->msg, "a mount point")) {
            _exit(1);
        }
        weft_err_freep(&err);
        if (weft_rmtree(point, &err) != -1 || err->sys != EBUSY) {
            _exit(2);
        }
        weft_err_freep(&err);
        if (umount(point) < 0 || mount("none", point, "tmpfs", 0, NULL) < 0) {
            _exit(77);
        }
        _exit(weft_rmtree(tree, NULL) == -1 ? 0 : 3); /* another file system */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("no mount namespace here: bind mounts are not tried\n");
        assert_null(getenv("WEFT_TESTS_MUST_RUN"));
    } else {
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_true(weft_exists(kept));
    assert_true(weft_exists(point));
}

static void test_place_file(void **state)
{
    weft_auto_free char *src = in(state, "src");
    weft_auto_free char *dst = in(state, "dst");
    weft_auto_free char *taken = in(state, "taken");
    weft_auto_free char *missing = in(state, "no/dst");
    weft_auto_free char *link = in(state, "link");
    weft_auto_free char *fifo = in(state, "fifo");
    struct weft_err *err = NULL;
    struct stat a;
    struct stat b;
    int fds = open_fds();
    int how;

    assert_int_equal(weft_place_file(src, dst, 3, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "open ");
    put_file(src, "a\0b", 3);
    how = weft_place_file(src, dst, 3, &err);
    assert_ok(how, &err);
    assert_true(how == WEFT_PLACED_REFLINK || how == WEFT_PLACED_LINK);
    assert_file(dst, "a\0b", 3);
    assert_int_equal(stat(src, &a), 0);
    assert_int_equal(stat(dst, &b), 0);
    assert_int_equal(a.st_ino == b.st_ino, how == WEFT_PLACED_LINK);

    put_file(taken, "old", 3);
    assert_int_equal(weft_place_file(src, taken, 3, &err), -1);
    assert_err(&err, WEFT_E_IO, EEXIST, "taken");
    assert_file(taken, "old", 3);
    assert_int_equal(weft_place_file(src, missing, 3, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "no/dst");
    assert_int_equal(unlink(dst), 0);
    assert_int_equal(weft_place_file(src, dst, 4, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "has 3 bytes where 4 are due");
    assert_int_equal(weft_place_file(*state, dst, 4, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "not a regular file");
    assert_int_equal(symlink("src", link), 0);
    assert_int_equal(weft_place_file(link, dst, 3, &err), -1);
    assert_err(&err, WEFT_E_IO, ELOOP, "link");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(weft_place_file(fifo, dst, 0, &err), -1); /* does not hang */
    assert_err(&err, WEFT_E_DIGEST, 0, "not a regular file");
    assert_false(weft_exists(dst));
    assert_int_equal(entries_in(*state), 4); /* src, taken, link, fifo: nothing half done */
    assert_int_equal(open_fds(), fds);
}

/* Across file systems, so that only a copy works. */
static void test_place_file_copies(void **state)
{
    const size_t n = (1 << 20) + 1;
    weft_auto_free char *shm = strdup("/dev/shm/weft-test-XXXXXX");
    weft_auto_free char *src = NULL;
    weft_auto_free char *dst = in(state, "dst");
    weft_auto_free char *data = weft_xmalloc(n);
    struct weft_err *err = NULL;
    struct stat here;
    struct stat there;

    assert_non_null(mkdtemp(shm));
    src = weft_path_join(shm, "src");
    assert_int_equal(stat(*state, &here), 0);
    assert_int_equal(stat(shm, &there), 0);
    for (size_t i = 0; i < n; i++) {
        data[i] = (char)(i % 253);
    }
    put_file(src, data, n);
    if (here.st_dev != there.st_dev) {
        int how = weft_place_file(src, dst, n, &err);

        assert_ok(how, &err);
        assert_int_equal(how, WEFT_PLACED_COPY);
        assert_file(dst, data, n);
        assert_int_equal(weft_place_file(src, dst, n, &err), -1);
        assert_err(&err, WEFT_E_IO, EEXIST, "dst");
        assert_int_equal(entries_in(*state), 1);
    } else {
        print_message("the test's directory is in /dev/shm: no copy is tried\n");
    }
    assert_ok(weft_rmtree(shm, &err), &err);
}

/* The disk is full in the middle of a copy: nothing is left at or beside dst. */
static void test_place_file_fails_half_way(void **state)
{
    const size_t n = 1 << 20;
    weft_auto_free char *shm = strdup("/dev/shm/weft-test-XXXXXX");
    weft_auto_free char *src = NULL;
    weft_auto_free char *dst = in(state, "dst");
    weft_auto_free char *data = weft_xcalloc(1, n);
    struct weft_err *err = NULL;
    const struct rlimit small = {n / 2, n / 2};
    int status = 0;
    pid_t pid;

    assert_non_null(mkdtemp(shm));
    src = weft_path_join(shm, "src");
    put_file(src, data, n);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &small) < 0) {
            _exit(2);
        }
        if (weft_place_file(src, dst, n, &err) == WEFT_PLACED_LINK) {
            _exit(unlink(dst)); /* one file system: no copy */
        }
        _exit(err && err->code == WEFT_E_IO && err->sys == EFBIG ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(entries_in(*state), 0);
    assert_ok(weft_rmtree(shm, &err), &err);
}

static void test_copy_fd(void **state)
{
    weft_auto_free char *src = in(state, "src");
    weft_auto_free char *dst = in(state, "dst");
    struct weft_err *err = NULL;
    char text[4096];
    ssize_t n;
    int in_fd;
    int out_fd;

    put_file(src, "0123456789", 10);
    /* from the present offset, behind what is there */
    in_fd = open(src, O_RDONLY | O_CLOEXEC);
    out_fd = open(dst, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(lseek(in_fd, 4, SEEK_SET), 4);
    assert_int_equal(write(out_fd, "ab", 2), 2);
    assert_ok(weft_copy_fd(in_fd, out_fd, "f", NULL, &err), &err);
    assert_file(dst, "ab456789", 8);
    close(out_fd);
    /* copy_file_range refuses O_APPEND */
    assert_int_equal(lseek(in_fd, 0, SEEK_SET), 0);
    out_fd = open(dst, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_ok(weft_copy_fd(in_fd, out_fd, "f", NULL, &err), &err);
    assert_file(dst, "ab4567890123456789", 18);
    close(in_fd);
    close(out_fd);
    /* a file of /proc has size 0 and bytes */
    in_fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    n = read(in_fd, text, sizeof(text));
    assert_true(n > 0);
    assert_int_equal(lseek(in_fd, 0, SEEK_SET), 0);
    out_fd = open(dst, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_ok(weft_copy_fd(in_fd, out_fd, "f", NULL, &err), &err);
    assert_file(dst, text, (size_t)n);
    close(in_fd);
    close(out_fd);
    /* pipes and devices */
    {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(write(fds[1], "piped", 5), 5);
        close(fds[1]);
        out_fd = open(dst, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_ok(weft_copy_fd(fds[0], out_fd, "f", NULL, &err), &err);
        assert_file(dst, "piped", 5);
        close(fds[0]);
        close(out_fd);
    }
    in_fd = open(src, O_RDONLY | O_CLOEXEC);
    out_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(weft_copy_fd(in_fd, out_fd, "f", NULL, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOSPC, "f");
    assert_int_equal(weft_copy_fd(in_fd, -1, "f", NULL, &err), 0); /* nothing is left to be read */
    assert_int_equal(lseek(in_fd, 0, SEEK_SET), 0);
    assert_int_equal(weft_copy_fd(in_fd, -1, "f", NULL, &err), -1);
    assert_err(&err, WEFT_E_IO, EBADF, "write f");
    assert_int_equal(weft_copy_fd(-1, out_fd, "f", NULL, &err), -1);
    assert_err(&err, WEFT_E_IO, EBADF, "read f");
    close(in_fd);
    close(out_fd);
}

static void test_find_program(void **state)
{
    weft_auto_free char *one = in(state, "one");
    weft_auto_free char *two = in(state, "two");
    weft_auto_free char *as_dir = in(state, "one/prog");
    weft_auto_free char *plain = in(state, "one/plain");
    weft_auto_free char *prog = in(state, "two/prog");
    weft_auto_free char *path = weft_fmt("/nonexistent:%s:%s", one, two);
    weft_auto_free char *saved = weft_xstrdup_null(getenv("PATH"));
    struct weft_err *err = NULL;
    char *found;

    assert_ok(weft_mkdirs(as_dir, 0755, &err), &err); /* x on a directory is no program */
    assert_int_equal(mkdir(two, 0755), 0);
    put_file(plain, "", 0);
    put_file(prog, "", 0);
    assert_int_equal(chmod(prog, 0755), 0);
    setenv("PATH", path, 1);
    found = weft_find_program("prog");
    assert_string_equal(found, prog);
    free(found);
    assert_null(weft_find_program("plain"));
    assert_null(weft_find_program("missing"));
    assert_null(weft_find_program(""));
    unsetenv("PATH");
    found = weft_find_program("sh");
    assert_non_null(found);
    assert_int_equal(*found, '/');
    free(found);
    setenv("PATH", saved ? saved : "/usr/bin:/bin", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_names),
        temp_test(test_path_abs),
        temp_test(test_mkdirs),
        temp_test(test_private_dir),
        temp_test(test_read_file),
        temp_test(test_write_file),
        temp_test(test_write_special),
        cmocka_unit_test(test_write_all_full_disk),
        cmocka_unit_test(test_write_all_waits),
        temp_test(test_temp_dir),
        temp_test(test_rmtree),
        temp_test(test_rmtree_deep),
        temp_test(test_rmtree_wide),
        temp_test(test_rmtree_closed_dirs),
        temp_test(test_rmtree_foreign),
        temp_test(test_rmtree_mounts),
        temp_test(test_place_file),
        temp_test(test_place_file_copies),
        temp_test(test_place_file_fails_half_way),
        temp_test(test_copy_fd),
        temp_test(test_find_program),
    };

    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
