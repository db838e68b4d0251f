/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "binfmt/sandbox.h"
#include "engine/buildkit.h"
#include "engine/worker.h"
#include "engine/worker_config.h"
#include "engine/worker_disk.h"
#include "engine/worker_end.h"
#include "engine/worker_files.h"
#include "engine/worker_state.h"
#include "tests/helpers.h"

static void put_program(const char *dir, const char *name)
{
    char *path = weft_path_join(dir, name);

    put_file(path, "#!/bin/sh\n", 10);
    chmod(path, 0755);
    free(path);
}

/* A machine with BuildKit, a runtime and no QEMU, in dir. */
static void make_machine(const char *dir)
{
    static const char *const programs[] = {"buildkitd", "buildctl", "weft-init", "runc"};
    static const char *const unset[] = {
        "WEFT_BUILDKITD", "WEFT_BUILDCTL", "HTTP_PROXY",    "HTTPS_PROXY",
        "NO_PROXY",       "ALL_PROXY",     "http_proxy",    "https_proxy",
        "no_proxy",       "all_proxy",     "SSL_CERT_FILE",
    };
    char *runtime = weft_path_join(dir, "runc");
    char *state = weft_path_join(dir, "state");
    char *run = weft_path_join(dir, "run");

    for (size_t i = 0; i < COUNT(programs); i++) {
        put_program(dir, programs[i]);
    }
    for (size_t i = 0; i < COUNT(unset); i++) {
        unsetenv(unset[i]);
    }
    setenv("WEFT_LIBEXEC", dir, 1);
    setenv("WEFT_QEMU_DIR", dir, 1);
    setenv("WEFT_RUNTIME", runtime, 1);
    setenv("WEFT_STATE_DIR", state, 1);
    setenv("WEFT_RUNTIME_DIR", run, 1);
    free(runtime);
    free(state);
    free(run);
}

static char *identity(const struct weft_worker_options *options)
{
    struct weft_err *err = NULL;
    struct weft_worker_config *cfg = weft_worker_config_create(options, &err);
    char id[WEFT_DIGEST_SIZE];

    if (!cfg) {
        fail_msg("%s", err->msg);
        return NULL;
    }
    weft_worker_config_identity(cfg, "linux_amd64", id);
    weft_worker_config_destroy(cfg);
    return weft_xstrdup(id);
}

static void assert_identity(const char *base, const struct weft_worker_options *options, bool same)
{
    char *now = identity(options);

    assert_int_equal(strcmp(base, now) == 0, same);
    free(now);
}

static void test_identity(void **state)
{
    struct weft_worker_options short_idle = {.idle_ms = 5};
    struct weft_worker_options existing = {.scope = WEFT_SCOPE_EXISTING, .idle_ms = 5};
    char *buildkitd = weft_path_join(*state, "buildkitd");
    char *base;

    make_machine(*state);
    base = identity(NULL);
    assert_identity(base, NULL, true);
    assert_identity(base, &short_idle, true); /* how long it stays is no setting of a worker */
    assert_identity(base, &existing, false);

    setenv("http_proxy", "http://proxy:3128", 1);
    assert_identity(base, NULL, false);
    unsetenv("http_proxy");
    assert_identity(base, NULL, true);

    /* another file in the same place */
    put_file(buildkitd, "#!/bin/sh\n\n", 11);
    assert_identity(base, NULL, false);
    free(base);
    free(buildkitd);
}

static void test_missing_programs(void **state)
{
    struct weft_err *err = NULL;
    char *init = weft_path_join(*state, "weft-init");

    make_machine(*state);
    unlink(init);
    setenv("PATH", "/nonexistent", 1);
    assert_null(weft_worker_config_create(NULL, &err));
    assert_non_null(err->hint);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "weft-init is missing");
    put_program(*state, "weft-init");
    setenv("WEFT_BUILDKITD", "/nonexistent/buildkitd", 1);
    assert_null(weft_worker_config_create(NULL, &err));
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "WEFT_BUILDKITD=/nonexistent/buildkitd");
    unsetenv("WEFT_BUILDKITD");
    setenv("WEFT_RUNTIME", "no-such-runtime", 1);
    assert_null(weft_worker_config_create(NULL, &err));
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "WEFT_RUNTIME=no-such-runtime");
    free(init);
}

static void test_buildkit_numbers(void **state)
{
    static const struct {
        const char *line, *number;
    } lines[] = {
        {"buildkitd github.com/moby/buildkit v0.32.2 73ed6825c", "v0.32.2"},
        {"buildkitd github.com/moby/buildkit v0.33.0-rc1 \n", "v0.33.0-rc1"},
        {"v0.9.0\n", "v0.9.0"},
        {"buildkitd github.com/moby/buildkit 0.0.0+unknown ", NULL},
        {"buildkitd v1.2", NULL},
        {"version v", NULL},
        {"", NULL},
    };
    static const struct {
        const char *a, *b;
        bool older;
    } pairs[] = {
        {"v0.32.2", "v0.32.2", false},     {"v0.32.2", "v0.32.10", true},
        {"v0.32.10", "v0.32.2", false},    {"v0.9.0", "v0.32.0", true},
        {"v0.32.2", "v1.0.0", true},       {"v1.0.0", "v0.32.2", false},
        {"v0.33.0-rc1", "v0.33.0", false}, {"v0.32.2", "v0.33.0-rc1", true},
        {"v0.32.2", "a fork", false},      {"a fork", "v0.32.2", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        weft_auto_free char *number = weft_buildkit_number(lines[i].line);

        assert_string_equal(number ? number : "-", lines[i].number ? lines[i].number : "-");
    }
    for (size_t i = 0; i < COUNT(pairs); i++) {
        if (weft_buildkit_older(pairs[i].a, pairs[i].b) != pairs[i].older) {
            fail_msg("%s, %s", pairs[i].a, pairs[i].b);
        }
    }
}

/* A state goes up with BuildKit, and not down. */
static void test_state_of_buildkit(void **state)
{
    struct weft_worker_files f = {0};
    struct weft_err *err = NULL;
    char *newer = NULL;

    weft_worker_files_init(&f, *state, *state, "group");
    assert_ok(weft_mkdirs(f.state_dir, 0700, &err), &err);
    assert_true(weft_worker_state_fits(&f, "v0.1.0", NULL)); /* one of before they were noted */
    assert_ok(weft_worker_state_give(&f, "v0.32.2", &err), &err);
    assert_file(f.buildkit_version, "v0.32.2\n", 8);
    assert_ok(weft_worker_state_give(&f, NULL, &err), &err); /* it does not say: as it was */
    assert_file(f.buildkit_version, "v0.32.2\n", 8);
    assert_ok(weft_worker_state_give(&f, "v0.33.0", &err), &err);
    assert_file(f.buildkit_version, "v0.33.0\n", 8);
    assert_false(weft_worker_state_fits(&f, "v0.32.2", &newer));
    assert_string_equal(newer, "v0.33.0");
    free(newer);
    assert_int_equal(weft_worker_state_give(&f, "v0.32.2", &err), -1);
    assert_non_null(strstr(err->hint, "weft worker remove group"));
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "last used by BuildKit v0.33.0, and v0.32.2");
    assert_file(f.buildkit_version, "v0.33.0\n", 8);
    put_file(f.buildkit_version, "", 0); /* spoilt: not known */
    assert_true(weft_worker_state_fits(&f, "v0.32.2", NULL));
    weft_worker_files_finish(&f);
}

/* States are not renamed below a worker, whichever weft has started it. */
static void test_states_in_use(void **state)
{
    weft_auto_free char *workers = weft_path_join(*state, "workers");
    weft_auto_free char *slot = weft_path_join(workers, "group");
    weft_auto_free char *lock = weft_path_join(slot, "lock");
    struct weft_err *err = NULL;
    int fd;

    assert_ok(weft_worker_state.unused(workers, &err), &err);
    assert_ok(weft_mkdirs(slot, 0700, &err), &err);
    assert_ok(weft_worker_state.unused(workers, &err), &err);
    fd = weft_lock_open(lock, &err);
    assert_true(fd >= 0);
    assert_int_equal(weft_lock_try(fd, true, &err), 1);
    assert_int_equal(weft_worker_state.unused(workers, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "worker group still uses it");
    close(fd);
    assert_ok(weft_worker_state.unused(workers, &err), &err);
}

static void test_runs(void **state)
{
    size_t n;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);
    struct weft_worker_config *cfg;
    struct weft_err *err = NULL;
    int native = 0, not = 0;

    make_machine(*state);
    cfg = weft_worker_config_create(NULL, &err);
    assert_non_null(cfg);
    for (size_t i = 0; i < n; i++) {
        struct weft_runs r;

        assert_ok(weft_worker_runs(cfg, NULL, weft_catalogue_default_of(all[i]), &r, &err), &err);
        native += r.how == WEFT_RUNS_NATIVE;
        not += r.how == WEFT_RUNS_NOT && strstr(r.mend, "apt-get install qemu-user-static") != NULL;
        weft_runs_finish(&r);
    }
    assert_true(native >= 1);
    assert_int_equal(native + not, n);
    weft_worker_config_destroy(cfg);
}

static void test_help_has_keep(void **state)
{
    (void)state;
    assert_true(
        weft_buildkit_help_has_keep("   --keep                  do not delete the container\n"));
    assert_true(weft_buildkit_help_has_keep("--keep"));
    /* crun 1.8.1 */
    assert_false(
        weft_buildkit_help_has_keep("      --no-new-keyring       keep the same session key\n"));
    assert_false(weft_buildkit_help_has_keep("  --keep-fds=N\n  --no--keep\n  --keeper\n"));
    assert_false(weft_buildkit_help_has_keep(""));
}

static void test_budget(void **state)
{
    static const char *const bad[] = {"0", "999999", "100", "10%", "-5G", "5GB", "\x1b[2J"};
    struct weft_worker_config *cfg;
    struct weft_err *err = NULL;
    uint64_t bytes = 0;
    char *base;

    make_machine(*state);
    unsetenv("WEFT_WORKER_DISK");
    base = identity(NULL);
    for (size_t i = 0; i < COUNT(bad); i++) {
        setenv("WEFT_WORKER_DISK", bad[i], 1);
        assert_null(weft_worker_config_create(NULL, &err));
        assert_non_null(err->hint);
        assert_err(&err, WEFT_E_USAGE, 0, "WEFT_WORKER_DISK");
    }
    setenv("WEFT_WORKER_DISK", "20M", 1);
    assert_identity(base, NULL, true); /* a worker that is up takes the new budget */
    cfg = weft_worker_config_create(NULL, &err);
    assert_ok(weft_worker_config_budget(cfg, &bytes, &err), &err);
    assert_int_equal(bytes, 20000000);
    weft_worker_config_destroy(cfg);
    unsetenv("WEFT_WORKER_DISK");
    free(base);
}

static void test_usage(void **state)
{
    struct weft_worker_usage u = {UINT64_C(5000000000), 7}, v = {0};
    static const char negative[] = "{\"schema\":1,\"used_bytes\":-1,\"share_bytes\":2}";
    char *path = weft_path_join(*state, "usage.json");
    struct weft_err *err = NULL;

    assert_int_equal(weft_worker_usage_read(path, &v), 0);
    assert_ok(weft_worker_usage_write(path, &u, &err), &err);
    assert_int_equal(weft_worker_usage_read(path, &v), 1);
    assert_int_equal(v.used_bytes, u.used_bytes);
    assert_int_equal(v.share_bytes, u.share_bytes);
    put_file(path, negative, strlen(negative));
    assert_int_equal(weft_worker_usage_read(path, &v), 0);
    free(path);
}

static void test_share(void **state)
{
    const uint64_t gb = 1000000000;
    char *config = weft_buildkit_config(50 * gb, NULL, NULL);

    char *workers = weft_path_join(*state, "workers");
    char *sub;

    assert_int_equal(weft_worker_disk_default(1000 * gb), 100 * gb);
    assert_int_equal(weft_worker_disk_default(10 * gb), 8 * gb);
    assert_int_equal(weft_worker_disk_share(10 * gb, *state), 10 * gb); /* no state yet */
    for (int i = 0; i < 4; i++) {
        sub = weft_fmt("%s/s%d", workers, i);
        assert_int_equal(weft_mkdirs(sub, 0700, NULL), 0);
        free(sub);
    }
    sub = weft_path_join(workers, ".s1.removing");
    assert_int_equal(weft_mkdirs(sub, 0700, NULL), 0);
    free(sub);
    sub = weft_path_join(workers, "version");
    put_file(sub, "1", 1);
    free(sub);
    assert_int_equal(weft_worker_disk_share(10 * gb, *state), 10 * gb / 4);
    free(workers);
    assert_non_null(strstr(config, "maxUsedSpace = \"50000000000\""));
    assert_null(strstr(config, "platforms"));
    free(config);
    config = weft_buildkit_config(50 * gb, "linux/amd64", NULL);
    assert_non_null(strstr(config, "\nplatforms = [\"linux/amd64\"]\n[worker.containerd]\n"));
    free(config);
}

static void test_files(void **state)
{
    struct weft_worker_files f = {0};
    struct weft_err *err = NULL;
    char long_dir[100];

    (void)state;
    weft_worker_files_init(&f, "/run/weft", "/var/lib/weft", "linux_arm_v7");
    assert_string_equal(f.socket, "/run/weft/workers/linux_arm_v7/buildkitd.sock");
    assert_string_equal(f.log, "/var/lib/weft/workers/linux_arm_v7/buildkitd.log");
    assert_ok(weft_worker_files_check(&f, &err), &err);
    weft_worker_files_finish(&f);
    memset(long_dir, 'd', sizeof(long_dir) - 1);
    long_dir[0] = '/';
    long_dir[sizeof(long_dir) - 1] = '\0';
    weft_worker_files_init(&f, long_dir, "/var/lib/weft", "group");
    assert_int_equal(weft_worker_files_check(&f, &err), -1);
    assert_non_null(strstr(err->hint, "WEFT_RUNTIME_DIR"));
    assert_err(&err, WEFT_E_USAGE, 0, "107");
    weft_worker_files_finish(&f);
}

static void test_info(void **state)
{
    static const char *const foreign[] = {
        "", "{}", "[1]", "{\"schema\":1}",
        "{\"schema\":9,\"identity\":\"i\",\"scope\":\"namespace\"}"};
    struct weft_worker_files f = {0};
    struct weft_worker_info info = {.pid = getpid(),
                                    .ready = true,
                                    .scope = WEFT_SCOPE_EXISTING,
                                    .started_s = 1234567890,
                                    .identity = weft_xstrdup("abc"),
                                    .buildkitd = weft_xstrdup("/bin/b")};
    struct weft_worker_info back = {0};
    struct weft_err *err = NULL;

    weft_worker_files_init(&f, *state, *state, "group");
    assert_ok(weft_mkdirs(f.runtime_dir, 0700, &err), &err);
    assert_int_equal(weft_worker_info_read(&f, &back), 0);
    assert_true(weft_process_start(getpid(), &info.pid_start));
    assert_ok(weft_worker_info_write(&f, &info, &err), &err);
    assert_int_equal(weft_worker_info_read(&f, &back), 1);
    assert_int_equal(back.pid, getpid());
    assert_int_equal(back.started_s, 1234567890);
    assert_int_equal(back.scope, WEFT_SCOPE_EXISTING);
    assert_true(back.ready);
    assert_false(back.process_sandbox);
    assert_string_equal(back.identity, "abc");
    assert_string_equal(back.buildkitd, "/bin/b");
    assert_null(back.runtime);
    assert_true(weft_worker_info_lives(&back));
    back.pid_start++; /* the number went to another process */
    assert_false(weft_worker_info_lives(&back));
    weft_worker_info_finish(&back);
    weft_worker_info_finish(&info);
    for (size_t i = 0; i < COUNT(foreign); i++) {
        put_file(f.info, foreign[i], strlen(foreign[i]));
        assert_int_equal(weft_worker_info_read(&f, &back), 0);
    }
    weft_worker_files_finish(&f);
}

static void test_tail(void **state)
{
    static const struct {
        const char *text;
        int lines;
        const char *want;
    } cases[] = {
        {"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 2, "b\nc"}, {"a\n", 5, "a\n"}, {"", 3, ""},
        {"\n\n", 1, "\n"},
    };
    char *path = weft_path_join(*state, "log");

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *tail;

        put_file(path, cases[i].text, strlen(cases[i].text));
        tail = weft_file_tail(path, cases[i].lines);
        assert_string_equal(tail, cases[i].want);
        free(tail);
    }
    free(path);
    path = weft_file_tail("/nonexistent", 3);
    assert_string_equal(path, "");
    free(path);
}

/* A socket that takes connections and says nothing is no server; one that sends SETTINGS is. */
static void test_ping(void **state)
{
    static const unsigned char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char *path = weft_path_join(*state, "s");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    assert_false(weft_buildkit_ping(path, 20));
    memcpy(addr.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_false(weft_buildkit_ping(path, 50));
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_IGN); /* the first in the queue has gone */
        for (;;) {
            int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

            if (write(client, settings, 4) != 4 || write(client, settings + 4, 5) != 5) {
                close(client);
            }
        }
    }
    assert_true(weft_buildkit_ping(path, 5000));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
    free(path);
}

static void test_end(void **state)
{
    struct weft_err *err = NULL;
    struct weft_process p, other;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    p.pid = pid;
    assert_true(weft_process_start(pid, &p.start));
    other = p;
    other.start++;
    assert_ok(weft_process_end(other, true, &err), &err);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* another process: it was left alone */
    assert_ok(weft_process_end(p, true, &err), &err);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), pid);
    assert_ok(weft_process_end(p, true, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_identity),
        temp_test(test_missing_programs),
        temp_test(test_runs),
        cmocka_unit_test(test_help_has_keep),
        temp_test(test_share),
        cmocka_unit_test(test_files),
        temp_test(test_budget),
        temp_test(test_usage),
        temp_test(test_info),
        temp_test(test_tail),
        temp_test(test_ping),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_buildkit_numbers),
        temp_test(test_state_of_buildkit),
        temp_test(test_states_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
