/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "tests/helpers.h"

static const char *const names[] = {
    "WEFT_STATE_DIR",  "WEFT_RUNTIME_DIR", "WEFT_LIBEXEC", "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",  "HOME"};

/* Make the environment hold these of ours and no others. */
static void set_env(const char *const *env)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        unsetenv(names[i]);
    }
    for (; env[0]; env += 2) {
        setenv(env[0], env[1], 1);
    }
}

struct dir_case {
    const char *env[9];
    const char *user; /* what an ordinary user gets; NULL: WEFT_E_USAGE */
    const char *root;
};

static const struct dir_case state_cases[] = {
    {{"WEFT_STATE_DIR", "/w", "XDG_STATE_HOME", "/x", "HOME", "/h"}, "/w", "/w"},
    {{"XDG_STATE_HOME", "/x", "HOME", "/h"}, "/x/weft", "/var/lib/weft"},
    {{"XDG_STATE_HOME", "/x/", "HOME", "/h"}, "/x/weft", "/var/lib/weft"},
    {{"HOME", "/h"}, "/h/.local/state/weft", "/var/lib/weft"},
    {{"WEFT_STATE_DIR", "", "XDG_STATE_HOME", "", "HOME", "/h"},
     "/h/.local/state/weft",
     "/var/lib/weft"},
    {{"WEFT_STATE_DIR", "rel", "XDG_STATE_HOME", "rel", "HOME", "/h"},
     "/h/.local/state/weft",
     "/var/lib/weft"},
    {{"HOME", "rel"}, NULL, "/var/lib/weft"},
    {{NULL}, NULL, "/var/lib/weft"},
};

static const struct dir_case runtime_cases[] = {
    {{"WEFT_RUNTIME_DIR", "/w", "XDG_RUNTIME_DIR", "/x"}, "/w", "/w"},
    {{"XDG_RUNTIME_DIR", "/x"}, "/x/weft", "/run/weft"},
    {{"XDG_RUNTIME_DIR", "x"}, "/tmp/weft-65534", "/run/weft"},
    {{NULL}, "/tmp/weft-65534", "/run/weft"},
};

/* The index of the first case that went wrong, plus one; 0. */
static int check_state(bool root)
{
    for (size_t i = 0; i < COUNT(state_cases); i++) {
        const char *want = root ? state_cases[i].root : state_cases[i].user;
        struct weft_err *err = NULL;
        weft_auto_free char *found = NULL;

        set_env(state_cases[i].env);
        found = weft_dir_state(&err);
        if (!weft_str_eq(found, want) ||
            (!want && (!err || err->code != WEFT_E_USAGE || !err->hint)) || (want && err)) {
            return (int)i + 1;
        }
        weft_err_free(err);
    }
    return 0;
}

static int check_runtime(bool root)
{
    for (size_t i = 0; i < COUNT(runtime_cases); i++) {
        weft_auto_free char *want =
            weft_xstrdup(root ? runtime_cases[i].root : runtime_cases[i].user);
        weft_auto_free char *found = NULL;

        if (!root && weft_starts_with(want, "/tmp/")) {
            free(want);
            want = weft_fmt("/tmp/weft-%u", (unsigned int)geteuid());
        }
        set_env(runtime_cases[i].env);
        found = weft_dir_runtime();
        if (!weft_str_eq(found, want)) {
            return (int)i + 1;
        }
    }
    return 0;
}

/* Both as whoever we are and, if that is root, as an ordinary user. */
static void check_as_both(int (*check)(bool root))
{
    int status = 0;
    pid_t pid;

    assert_int_equal(check(geteuid() == 0), 0);
    if (geteuid() != 0) {
        return;
    }
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(setresuid(65534, 65534, 65534) < 0 ? 99 : check(false));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_state(void **state)
{
    (void)state;
    check_as_both(check_state);
}

static void test_runtime(void **state)
{
    (void)state;
    check_as_both(check_runtime);
}

static void test_config(void **state)
{
    static const struct {
        const char *env[5];
        const char *dir;
    } cases[] = {
        {{"XDG_CONFIG_HOME", "/x", "HOME", "/h"}, "/x/weft"},
        {{"XDG_CONFIG_HOME", "x", "HOME", "/h"}, "/h/.config/weft"},
        {{"HOME", "/h"}, "/h/.config/weft"},
        {{"HOME", ""}, NULL},
        {{NULL}, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *found = NULL;

        set_env(cases[i].env);
        found = weft_dir_config();
        if (!weft_str_eq(found, cases[i].dir)) {
            fail_msg("case %zu: %s", i, found ? found : "NULL");
        }
    }
}

static void test_libexec(void **state)
{
    weft_auto_free char *own = NULL;
    weft_auto_free char *installed = NULL;
    const char *const set[] = {"WEFT_LIBEXEC", "/l", NULL};
    const char *const relative[] = {"WEFT_LIBEXEC", "l", NULL};

    (void)state;
    set_env(set);
    own = weft_dir_libexec();
    assert_string_equal(own, "/l");
    set_env(relative);
    installed = weft_dir_libexec(); /* no libexec/weft-init lies beside this test */
    assert_string_equal(installed, WEFT_LIBEXECDIR);
}

/* A program with libexec/weft-init beside it: this one, linked there. */
static void test_libexec_of_build_tree(void **state)
{
    weft_auto_free char *prog = weft_path_join(*state, "prog");
    weft_auto_free char *libexec = weft_path_join(*state, "libexec");
    weft_auto_free char *init = weft_path_join(libexec, "weft-init");
    weft_auto_free char *out = weft_path_join(*state, "out");
    struct weft_err *err = NULL;
    struct stat st;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int status = 0;
    pid_t pid;

    assert_true(n > 0);
    self[n] = '\0';
    assert_int_equal(stat(self, &st), 0);
    assert_ok(weft_place_file(self, prog, (uint64_t)st.st_size, &err), &err);
    assert_int_equal(chmod(prog, 0755), 0);
    assert_int_equal(mkdir(libexec, 0755), 0);
    put_file(init, "", 0);
    assert_int_equal(chmod(init, 0755), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen(out, "w", stdout)) {
            _exit(98);
        }
        unsetenv("WEFT_LIBEXEC");
        execl(prog, prog, "--print-libexec", (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_file(out, libexec, strlen(libexec));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),          cmocka_unit_test(test_runtime),
        cmocka_unit_test(test_config),         cmocka_unit_test(test_libexec),
        temp_test(test_libexec_of_build_tree),
    };

    if (argc > 1 && strcmp(argv[1], "--print-libexec") == 0) {
        char *s = weft_dir_libexec();

        fputs(s, stdout);
        free(s);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
