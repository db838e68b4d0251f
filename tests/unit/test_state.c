/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/state.h"
#include "tests/helpers.h"

/* --- ended by SIGKILL at a call of this number --- */

static int calls;
static int kill_at; /* 0: never */

static void may_die(void)
{
    if (++calls == kill_at) {
        raise(SIGKILL);
    }
}

int __real_rename(const char *from, const char *to);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int __wrap_mkdir(const char *path, mode_t mode);

int __wrap_rename(const char *from, const char *to)
{
    int rc;

    may_die();
    rc = __real_rename(from, to);
    may_die();
    return rc;
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    int rc;

    may_die();
    rc = __real_renameat2(from_fd, from, to_fd, to, flags);
    may_die();
    return rc;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    int rc;

    may_die();
    rc = __real_mkdir(path, mode);
    may_die();
    return rc;
}

/* --- a part whose format has changed twice --- */

/* format 1: "name"; 2: "Name"; 3: "name.d/Name" */
static int one_to_two(const char *dir, struct weft_err **err)
{
    weft_auto_free char *old = weft_path_join(dir, "name");
    weft_auto_free char *new = weft_path_join(dir, "Name");

    return rename(old, new) < 0 && errno != ENOENT ? weft_fail_sys(err, errno, "%s", old) : 0;
}

static int two_to_three(const char *dir, struct weft_err **err)
{
    weft_auto_free char *old = weft_path_join(dir, "Name");
    weft_auto_free char *sub = weft_path_join(dir, "name.d");
    weft_auto_free char *new = weft_path_join(sub, "Name");

    if (weft_mkdirs(sub, 0700, err) < 0) {
        return -1;
    }
    return rename(old, new) < 0 && errno != ENOENT ? weft_fail_sys(err, errno, "%s", old) : 0;
}

/* One line for each run, to count them over processes. */
static int count_run(const char *dir, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "runs");
    weft_auto_fd fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)err;
    return write(fd, "r", 1) == 1 ? 0 : -1;
}

static bool broken; /* whether fails() fails */

static int fails(const char *dir, struct weft_err **err)
{
    (void)dir;
    return broken ? weft_fail(err, WEFT_E_IO, "the disk is full") : 0;
}

static bool used; /* what unused() says */

static int unused(const char *dir, struct weft_err **err)
{
    return used ? weft_fail(err, WEFT_E_USAGE, "%s is in use", dir) : 0;
}

static const struct weft_state_step all_steps[] = {{2, two_to_three}, {1, one_to_two}};
static const struct weft_state_step count_steps[] = {{1, count_run}};
static const struct weft_state_step fail_steps[] = {{1, one_to_two}, {2, fails}};

static const struct weft_state_part format_1 = {
    .name = "p", .format = 1, .unmarked = 1, .mode = 0700};
static const struct weft_state_part format_3 = {
    .name = "p", .format = 3, .unmarked = 1, .mode = 0700, .steps = all_steps, .n_steps = 2};
static const struct weft_state_part last_step_only = {.name = "p",
                                                      .format = 3,
                                                      .unmarked = 1,
                                                      .mode = 0700,
                                                      .steps = all_steps,
                                                      .n_steps = 1,
                                                      .unused = unused,
                                                      .remove = "tool remove"};
static const struct weft_state_part counted = {
    .name = "p", .format = 2, .unmarked = 1, .mode = 0700, .steps = count_steps, .n_steps = 1};
static const struct weft_state_part failing = {
    .name = "p", .format = 3, .unmarked = 1, .mode = 0700, .steps = fail_steps, .n_steps = 2};

static char *in(const char *root, const char *name)
{
    return weft_path_join(root, name);
}

static void put(const char *root, const char *name, const char *text)
{
    weft_auto_free char *path = in(root, name);
    weft_auto_free char *dir = weft_path_dir(path);

    assert_int_equal(weft_mkdirs(dir, 0700, NULL), 0);
    put_file(path, text, strlen(text));
}

static void assert_text(const char *root, const char *name, const char *want)
{
    weft_auto_free char *path = in(root, name);

    assert_file(path, want, strlen(want));
}

static void assert_there(const char *root, const char *name, bool want)
{
    weft_auto_free char *path = in(root, name);

    assert_int_equal(weft_exists(path), want);
}

static void assert_look(const char *root, const struct weft_state_part *part,
                        enum weft_state_is want, int format)
{
    struct weft_state_look look;
    struct weft_err *err = NULL;

    assert_ok(weft_state_look(root, part, &look, &err), &err);
    assert_int_equal(look.is, want);
    assert_int_equal(look.format, format);
    weft_state_look_finish(&look);
}

/* --- */

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int rc, format, from;
        const char *by;
    } cases[] = {
        {"1\n", 0, 1, 0, NULL}, /* as wefts wrote it at first */
        {"1", 0, 1, 0, NULL},
        {"12\nweft 0.1.0\n", 0, 12, 0, "weft 0.1.0"},
        {"2\nweft 0.2.0\nand what a newer one has to say\n", 0, 2, 0, "weft 0.2.0"},
        {"2 from 1\nweft 0.2.0\n", 0, 2, 1, "weft 0.2.0"},
        {"9999999999999999999999\n", 0, INT_MAX, 0, NULL},
        {"3\n\x1b[31mred\n", 0, 3, 0, "\\x1b[31mred"},
        {"3\n0123456789012345678901234567890123456789+", 0, 3, 0,
         "0123456789012345678901234567890123456789"},
        {"", -1, 0, 0, NULL},
        {"\n", -1, 0, 0, NULL},
        {"0\n", -1, 0, 0, NULL},
        {"-1\n", -1, 0, 0, NULL},
        {" 1\n", -1, 0, 0, NULL},
        {"one\n", -1, 0, 0, NULL},
        {"1 \n", -1, 0, 0, NULL},
        {"1 from 1\n", -1, 0, 0, NULL},
        {"1 from 2\n", -1, 0, 0, NULL},
        {"2 from \n", -1, 0, 0, NULL},
        {"2 from 0\n", -1, 0, 0, NULL},
        {"2 from 1.5\n", -1, 0, 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *by = NULL;
        int format, from;
        int rc = weft_state_parse(cases[i].text, strlen(cases[i].text), &format, &from, &by);

        if (rc != cases[i].rc ||
            (rc == 0 && (format != cases[i].format || from != cases[i].from ||
                         strcmp(by ? by : "-", cases[i].by ? cases[i].by : "-") != 0))) {
            fail_msg("case %zu: %d, %d from %d, by %s", i, rc, format, from, by ? by : "-");
        }
    }
    {
        weft_auto_free char *by = NULL;
        int format, from;

        assert_int_equal(weft_state_parse("1\n\0", 3, &format, &from, &by), -1);
    }
}

static void test_made(void **state)
{
    weft_auto_free char *root = in(*state, "new/root");
    weft_auto_free char *version = in(root, "p/version");
    struct weft_err *err = NULL;
    struct stat before, after;

    assert_look(root, &format_3, WEFT_STATE_NONE, 0);
    assert_int_equal(weft_state_readable(root, &format_3, &err), 0);
    assert_ok(weft_state_open(root, &format_3, &err), &err);
    assert_text(root, "p/version", "3\nweft " PACKAGE_VERSION "\n");
    assert_int_equal(stat(version, &before), 0);
    assert_true(before.st_size <= 64); /* which wefts before base/state.c read */
    assert_ok(weft_state_open(root, &format_3, &err), &err);
    assert_int_equal(stat(version, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(weft_state_readable(root, &format_3, &err), 1);
}

/* A directory without a version, an empty one, and one of zeros: of the first format. */
static void test_unmarked(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } versions[] = {{NULL, 0}, {"", 0}, {"\0\0\0", 3}};
    struct weft_err *err = NULL;

    for (size_t i = 0; i < COUNT(versions); i++) {
        weft_auto_free char *root = weft_fmt("%s/%zu", (char *)*state, i);
        weft_auto_free char *version = in(root, "p/version");

        put(root, "p/name", "x");
        if (versions[i].text) {
            put_file(version, versions[i].text, versions[i].len);
        }
        assert_look(root, &format_1, WEFT_STATE_OURS, 1);
        assert_int_equal(weft_state_readable(root, &format_1, &err), 1);
        assert_look(root, &format_3, WEFT_STATE_OLDER, 1);
        assert_ok(weft_state_open(root, &format_1, &err), &err);
        assert_text(root, "p/name", "x");
        assert_text(root, "p/version", "1\nweft " PACKAGE_VERSION "\n");
    }
}

static void test_newer(void **state)
{
    static const char *const versions[] = {"4\nweft 9.9\n", "4 from 3\nweft 9.9\n",
                                           "4 from 1\nweft 9.9\n"};
    char *root = *state;
    struct weft_err *err = NULL;

    put(root, "p/name", "x");
    for (size_t i = 0; i < COUNT(versions); i++) {
        put(root, "p/version", versions[i]);
        assert_int_equal(weft_state_open(root, &format_3, &err), -1);
        assert_non_null(strstr(err->hint, "WEFT_STATE_DIR"));
        assert_non_null(strstr(err->msg, root));
        assert_err(&err, WEFT_E_UNSUPPORTED, 0, "a newer weft (weft 9.9, format 4; this is weft");
        assert_int_equal(weft_state_readable(root, &format_3, &err), -1);
        assert_err(&err, WEFT_E_UNSUPPORTED, 0, "format 3)");
        assert_text(root, "p/version", versions[i]);
        assert_text(root, "p/name", "x");
        assert_there(root, "lock", false);
    }
}

static void test_migrated(void **state)
{
    char *root = *state;
    struct weft_err *err = NULL;

    put(root, "p/version", "1\n");
    put(root, "p/name", "x");
    assert_int_equal(weft_state_readable(root, &format_3, &err), 0);
    assert_text(root, "p/version", "1\n");
    assert_ok(weft_state_open(root, &format_3, &err), &err);
    assert_text(root, "p/name.d/Name", "x");
    assert_there(root, "p/name", false);
    assert_text(root, "p/version", "3\nweft " PACKAGE_VERSION "\n");
    /* the weft that made it is the older one now */
    assert_int_equal(weft_state_open(root, &format_1, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "format 3; this is");
}

static void test_step_fails(void **state)
{
    char *root = *state;
    struct weft_err *err = NULL;

    put(root, "p/version", "1\n");
    put(root, "p/name", "x");
    broken = true;
    assert_int_equal(weft_state_open(root, &failing, &err), -1);
    assert_err(&err, WEFT_E_IO, 0, "p from format 2: the disk is full");
    assert_text(root, "p/Name", "x");
    assert_look(root, &format_3, WEFT_STATE_OLDER, 2);
    assert_look(root, &format_1, WEFT_STATE_NEWER, 3);
    broken = false;
    assert_ok(weft_state_open(root, &failing, &err), &err);
    assert_look(root, &format_3, WEFT_STATE_OURS, 3);
}

static size_t n_aside(const char *root, char **first)
{
    weft_auto_strv names = {0};

    weft_state_list_aside(root, &format_1, &names);
    *first = names.n > 0 ? weft_xstrdup(names.v[0]) : NULL;
    return names.n;
}

/* No way from format 1, or a version that says nothing: set aside, and nothing is lost. */
static void test_set_aside(void **state)
{
    static const char *const versions[] = {"1\n", "no number\n", "1\n"};
    char *root = *state;
    struct weft_err *err = NULL;

    for (size_t i = 0; i < COUNT(versions); i++) {
        weft_auto_free char *name = NULL;
        weft_auto_free char *kept = NULL;

        put(root, "p/version", versions[i]);
        put(root, "p/name", "x");
        used = true;
        assert_int_equal(weft_state_open(root, &last_step_only, &err), -1);
        assert_err(&err, WEFT_E_USAGE, 0, "p is in use");
        assert_text(root, "p/version", versions[i]);
        used = false;
        assert_ok(weft_state_open(root, &last_step_only, &err), &err);
        assert_int_equal(n_aside(root, &name), i + 1);
        assert_true(weft_state_is_aside(&format_1, name));
        kept = weft_fmt("%s/name", name);
        assert_text(root, kept, "x");
        assert_there(root, "p/name", false);
        assert_look(root, &format_3, WEFT_STATE_OURS, 3);
    }
    assert_false(weft_state_is_aside(&format_1, "p"));
    assert_false(weft_state_is_aside(&format_1, "pp.old-1-20261130-000000"));
    assert_false(weft_state_is_aside(&format_1, "p.old-1/.."));
}

/* Format 2 has a way to 3. */
static void test_short_way(void **state)
{
    char *root = *state;
    struct weft_err *err = NULL;

    put(root, "p/version", "2\nweft 0.1\n");
    put(root, "p/Name", "x");
    assert_ok(weft_state_open(root, &last_step_only, &err), &err);
    assert_text(root, "p/name.d/Name", "x");
}

/* In a child that dies at that call. Returns whether it did. */
static bool dies_at(int call, const char *root, const struct weft_state_part *part)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        calls = 0;
        kill_at = call;
        _exit(weft_state_open(root, part, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return WIFSIGNALED(status);
}

/* What is there after a kill is never taken for what it is not by a weft of the old format. */
static void test_killed_migrating(void **state)
{
    struct weft_err *err = NULL;
    bool died = true;
    int n;

    for (n = 1; died; n++) {
        weft_auto_free char *root = weft_fmt("%s/%d", (char *)*state, n);
        struct weft_state_look look;

        put(root, "p/version", "1\n");
        put(root, "p/name", "x");
        died = dies_at(n, root, &format_3);
        assert_ok(weft_state_look(root, &format_1, &look, &err), &err);
        if (look.is == WEFT_STATE_OURS) {
            assert_text(root, "p/name", "x");
        } else {
            assert_int_equal(look.is, WEFT_STATE_NEWER);
        }
        weft_state_look_finish(&look);
        assert_ok(weft_state_open(root, &format_3, &err), &err);
        assert_text(root, "p/name.d/Name", "x");
        assert_look(root, &format_3, WEFT_STATE_OURS, 3);
    }
    /* before and after: 4 marks, 2 renames and a mkdir of the steps */
    assert_true(n > 14);
}

static void test_killed_setting_aside(void **state)
{
    struct weft_err *err = NULL;
    bool died = true;
    int n;

    for (n = 1; died; n++) {
        weft_auto_free char *root = weft_fmt("%s/%d", (char *)*state, n);
        weft_auto_free char *name = NULL;
        weft_auto_free char *kept = NULL;

        put(root, "p/version", "1\n");
        put(root, "p/name", "x");
        died = dies_at(n, root, &last_step_only);
        assert_ok(weft_state_open(root, &last_step_only, &err), &err);
        assert_int_equal(n_aside(root, &name), 1); /* and not also what was being made anew */
        kept = weft_fmt("%s/name", name);
        assert_text(root, kept, "x");
        assert_look(root, &format_3, WEFT_STATE_OURS, 3);
    }
    assert_true(n > 6);
}

static void test_at_once(void **state)
{
    enum {
        PROCESSES = 8
    };
    char *root = *state;
    pid_t pids[PROCESSES];

    put(root, "p/version", "1\n");
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            _exit(weft_state_open(root, &counted, NULL) < 0);
        }
        assert_true(pids[i] > 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_text(root, "p/runs", "r");
}

/* What cannot be read is no reason to set anything aside. */
static void test_unreadable(void **state)
{
    char *root = *state;
    weft_auto_free char *version = in(root, "p/version");
    struct weft_err *err = NULL;

    assert_int_equal(weft_mkdirs(version, 0700, NULL), 0);
    assert_int_equal(weft_state_open(root, &format_1, &err), -1);
    assert_non_null(strstr(err->hint, "WEFT_STATE_DIR"));
    assert_err(&err, WEFT_E_IO, EISDIR, "p/version");
    assert_int_equal(weft_state_readable(root, &format_1, NULL), -1);
    assert_there(root, "lock", false);
}

/* Where nothing can be written: what lacks only its version is as good as it is. */
static void test_no_lock(void **state)
{
    char *root = *state;
    weft_auto_free char *lock = in(root, "lock");
    struct weft_err *err = NULL;

    assert_int_equal(mkdir(lock, 0700), 0);
    put(root, "p/name", "x");
    assert_ok(weft_state_open(root, &format_1, &err), &err);
    assert_there(root, "p/version", false);
    assert_int_equal(weft_state_open(root, &format_3, &err), -1);
    assert_non_null(strstr(err->hint, "WEFT_STATE_DIR"));
    assert_err(&err, WEFT_E_IO, EISDIR, "lock");
    assert_text(root, "p/name", "x");
}

static void test_no_directory(void **state)
{
    char *root = *state;
    struct weft_err *err = NULL;

    put(root, "p", "a file");
    assert_int_equal(weft_state_open(root, &format_1, &err), -1);
    assert_err(&err, WEFT_E_IO, EEXIST, "p");
    assert_text(root, "p", "a file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     temp_test(test_made),
        temp_test(test_unmarked),         temp_test(test_newer),
        temp_test(test_migrated),         temp_test(test_step_fails),
        temp_test(test_set_aside),        temp_test(test_short_way),
        temp_test(test_killed_migrating), temp_test(test_killed_setting_aside),
        temp_test(test_at_once),          temp_test(test_unreadable),
        temp_test(test_no_directory),     temp_test(test_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
