/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/spawn.h"
#include "tests/helpers.h"

enum {
    LIMIT = 8 << 20,
    WATCHDOG_MS = 60000
};

/* What became of one child. */
struct run {
    struct weft_loop *loop;
    struct weft_child *child;
    struct weft_buf out; /* each line as "<length:bytes>"; long ones without their bytes */
    struct weft_buf err;
    int code;
    int exits;
    uint64_t end_ms;
    void (*on_line)(struct run *r); /* called after each line of stdout; may be NULL */
};

static void note_line(struct weft_buf *b, const char *line, size_t len)
{
    assert_int_equal(line[len], '\0');
    if (len > 1000) {
        for (size_t i = 0; i < len; i++) {
            if (line[i] != 'x') {
                fail_msg("byte %zu of %zu is wrong", i, len);
            }
        }
        weft_buf_printf(b, "<%zu>", len);
    } else {
        weft_buf_printf(b, "<%zu:", len);
        weft_buf_append(b, line, len);
        weft_buf_puts(b, ">");
    }
}

static void on_out(char *line, size_t len, void *data)
{
    struct run *r = data;

    note_line(&r->out, line, len);
    if (r->on_line) {
        r->on_line(r);
    }
}

static void on_err(char *line, size_t len, void *data)
{
    struct run *r = data;

    note_line(&r->err, line, len);
}

static void on_exit_of(int code, void *data)
{
    struct run *r = data;

    weft_child_kill(r->child, SIGKILL); /* gone already: nothing happens */
    weft_child_close_stdin(r->child);
    r->code = code;
    r->exits++;
    r->end_ms = weft_now_ms();
    r->child = NULL;
}

static struct weft_loop *new_loop(void)
{
    struct weft_err *err = NULL;
    struct weft_loop *loop = weft_loop_create(4, &err);

    if (!loop) {
        fail_msg("%s", err->msg);
    }
    return loop;
}

static void hangs(void *data)
{
    (void)data;
    fail_msg("the loop hangs");
}

/* Start `sh -c script`; what opts does not say is filled in. */
static void start_sh(struct run *r, const char *script, struct weft_child_opts opts)
{
    char *argv[] = {weft_xstrdup("sh"), weft_xstrdup("-c"), weft_xstrdup(script), NULL};
    struct weft_err *err = NULL;

    opts.file = "/bin/sh";
    opts.argv = argv;
    opts.on_exit = on_exit_of;
    opts.data = r;
    r->child = weft_child_spawn(r->loop, &opts, &err);
    if (!r->child) {
        fail_msg("%s", err->msg);
    }
    for (int i = 0; argv[i]; i++) {
        free(argv[i]);
    }
}

static struct weft_child_opts both_pipes(void)
{
    return (struct weft_child_opts){.on_stdout = on_out, .on_stderr = on_err, .stdout_fd = -1};
}

static void finish_run(struct run *r)
{
    weft_buf_finish(&r->out);
    weft_buf_finish(&r->err);
    *r = (struct run){0};
}

/* Run the loop to its end; a child that does not end fails the test. */
static void run_loop(struct weft_loop *loop)
{
    struct weft_timer *watchdog = weft_timer_start(loop, WATCHDOG_MS, 0, 1, hangs, NULL);

    weft_loop_run(loop);
    weft_timer_stop(watchdog);
}

/* Every test ends with the descriptors that it began with, and without children. */
static int count_setup(void **state)
{
    int *fds = weft_xmalloc(sizeof(*fds));

    *fds = open_fds();
    *state = fds;
    return 0;
}

static int count_teardown(void **state)
{
    int *fds = *state;
    int now = open_fds();
    int rc = 0;

    if (now != *fds) {
        print_error("%d descriptors before, %d after\n", *fds, now);
        rc = -1;
    }
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
        print_error("a child is left\n");
        rc = -1;
    }
    free(fds);
    *state = NULL;
    return rc;
}

#define spawn_test(fn) cmocka_unit_test_setup_teardown(fn, count_setup, count_teardown)

/* libuv keeps some descriptors for the rest of the process once they are made. make(1) gives us
 * some that are not close-on-exec, and who starts us in the background may ignore signals. */
static int warm_up(void **state)
{
    struct weft_loop *loop = new_loop();

    (void)state;
    for (int fd = 3; fd < 1000; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    for (int s = 1; s < 32; s++) {
        struct sigaction sa;

        if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN) {
            signal(s, SIG_DFL);
        }
    }
    weft_signal_stop(weft_signal_watch(loop, SIGUSR2, hangs, NULL));
    weft_loop_run(loop);
    weft_loop_destroy(loop);
    return 0;
}

static void test_exit_codes(void **state)
{
    static const struct {
        const char *script;
        int code;
    } cases[] = {
        {"exit 0", 0},
        {"exit 1", 1},
        {"exit 127", 127},
        {"exit 255", 255},
        {"kill -TERM $$", 143},
        {"kill -KILL $$", 137},
        {"kill -PIPE $$", 141},
        {"exec 1>&- 2>&-; exit 3", 3}, /* the pipes end before it does */
        {"exec 1>&- 2>&-; sleep 0.1; kill -HUP $$", 129},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int piped = 0; piped < 2; piped++) {
            struct run r = {.loop = new_loop()};

            start_sh(&r, cases[i].script,
                     piped ? both_pipes() : (struct weft_child_opts){.stdout_fd = -1});
            run_loop(r.loop);
            assert_int_equal(r.exits, 1);
            assert_int_equal(r.code, cases[i].code);
            weft_loop_destroy(r.loop);
            finish_run(&r);
        }
    }
}

static void test_lines(void **state)
{
    static const struct {
        const char *format; /* for printf(1) */
        const char *want;
        size_t want_len;
    } cases[] = {
#define LINES(format, want) {format, want, sizeof(want) - 1}
        LINES("", ""),
        LINES("a", "<1:a>"),
        LINES("a\\n", "<1:a>"),
        LINES("a\\nb", "<1:a><1:b>"),
        LINES("\\n", "<0:>"),
        LINES("\\n\\n\\na\\n\\n", "<0:><0:><0:><1:a><0:>"),
        LINES("a\\r\\nb\\r", "<2:a\r><2:b\r>"),
        LINES("a\\000b\\n\\000", "<3:a\0b><1:\0>"),
        LINES("\\377\\376\\n\\303", "<2:\xff\xfe><1:\xc3>"),
#undef LINES
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *script =
            weft_fmt("printf '%s'; printf '%s' >&2", cases[i].format, cases[i].format);
        struct run r = {.loop = new_loop()};

        weft_buf_puts(&r.out, "");
        weft_buf_puts(&r.err, "");
        start_sh(&r, script, both_pipes());
        run_loop(r.loop);
        assert_int_equal(r.code, 0);
        assert_int_equal(r.out.len, cases[i].want_len);
        assert_memory_equal(r.out.data, cases[i].want, cases[i].want_len);
        assert_int_equal(r.err.len, cases[i].want_len);
        assert_memory_equal(r.err.data, cases[i].want, cases[i].want_len);
        weft_loop_destroy(r.loop);
        finish_run(&r);
    }
}

/* A line that comes in many small writes is one line. */
static void test_slow_line(void **state)
{
    struct run r = {.loop = new_loop()};

    (void)state;
    start_sh(&r, "printf a; sleep 0.05; printf b; sleep 0.05; printf 'c\\nd'; sleep 0.05; echo e",
             both_pipes());
    run_loop(r.loop);
    assert_string_equal(r.out.data, "<3:abc><2:de>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void test_long_lines(void **state)
{
    static const struct {
        size_t len;
        const char *end;
        const char *want;
    } cases[] = {
        {100000, "\\n", "<100000>"},
        {LIMIT - 1, "\\n", "<8388607>"},
        {LIMIT, "\\n", "<8388608>"},
        {LIMIT, "", "<8388608>"},
        {LIMIT + 1, "\\n", "<8388608><1:x>"},
        {LIMIT + 1, "", "<8388608><1:x>"},
        {LIMIT + 40000, "\\n", "<8388608><40000>"}, /* the newline is in the read that goes over */
        {2 * LIMIT, "\\nx\\n", "<8388608><8388608><1:x>"},
        {2 * LIMIT + 5000, "", "<8388608><8388608><5000>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *script = weft_fmt("head -c %zu /dev/zero | tr '\\000' x; printf '%s'",
                                               cases[i].len, cases[i].end);
        struct run r = {.loop = new_loop()};

        start_sh(&r, script, both_pipes());
        run_loop(r.loop);
        assert_int_equal(r.code, 0);
        assert_string_equal(r.out.data, cases[i].want);
        weft_loop_destroy(r.loop);
        finish_run(&r);
    }
}

static void test_many_lines(void **state)
{
    struct run r = {.loop = new_loop()};
    weft_auto_buf want = {0};

    (void)state;
    for (int i = 1; i <= 20000; i++) {
        weft_auto_free char *n = weft_fmt("%d", i);

        weft_buf_printf(&want, "<%zu:%s>", strlen(n), n);
    }
    start_sh(&r, "seq 20000; seq 20000 >&2", both_pipes());
    run_loop(r.loop);
    assert_string_equal(r.out.data, want.data);
    assert_string_equal(r.err.data, want.data);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void test_no_stdin(void **state)
{
    struct run r = {.loop = new_loop()};

    (void)state;
    start_sh(&r, "readlink /proc/self/fd/0; cat; echo end", both_pipes());
    run_loop(r.loop);
    assert_string_equal(r.out.data, "<9:/dev/null><3:end>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void end_stdin(struct run *r)
{
    weft_child_close_stdin(r->child);
    weft_child_close_stdin(r->child);
}

static void test_stdin_pipe(void **state)
{
    struct run r = {.loop = new_loop(), .on_line = end_stdin};
    struct weft_child_opts opts = both_pipes();

    (void)state;
    opts.stdin_pipe = 1;
    start_sh(&r, "echo up; cat; exit 5", opts);
    run_loop(r.loop);
    assert_int_equal(r.code, 5);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void write_stdin(struct run *r)
{
    weft_auto_err err = NULL;
    static char much[WEFT_CHILD_STDIN_BYTES + 1];

    assert_int_equal(weft_child_write_stdin(r->child, much, sizeof(much), &err), -1);
    assert_string_equal(err->msg, "too much for a program's standard input");
    weft_err_freep(&err);
    assert_int_equal(weft_child_write_stdin(r->child, "some\n", 5, &err), 0);
    r->on_line = end_stdin;
}

static void test_write_stdin(void **state)
{
    struct run r = {.loop = new_loop(), .on_line = write_stdin};
    struct weft_child_opts opts = both_pipes();

    (void)state;
    opts.stdin_pipe = 1;
    start_sh(&r, "echo up; cat; echo end", opts);
    run_loop(r.loop);
    assert_string_equal(r.out.data, "<2:up><4:some><3:end>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* The child goes while its stdin is still open here. */
static void test_stdin_left_open(void **state)
{
    struct run r = {.loop = new_loop()};
    struct weft_child_opts opts = both_pipes();

    (void)state;
    opts.stdin_pipe = 1;
    start_sh(&r, "exit 0", opts);
    run_loop(r.loop);
    assert_int_equal(r.exits, 1);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void test_stdout_fd(void **state)
{
    char path[] = "/tmp/weft-test-XXXXXX";
    struct run r = {.loop = new_loop()};
    int fd = mkostemp(path, O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    start_sh(&r, "echo out; echo err >&2", (struct weft_child_opts){.stdout_fd = fd});
    run_loop(r.loop);
    assert_int_equal(write(fd, "more\n", 5), 5); /* still ours */
    assert_file(path, "out\nmore\n", 9);
    close(fd);
    assert_int_equal(unlink(path), 0);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void test_env(void **state)
{
    static const char *const over[] = {"WEFT_TEST_A=new", "WEFT_TEST_C=x=y", "WEFT_TEST_D=", NULL};
    struct run r = {.loop = new_loop()};
    struct weft_child_opts opts = both_pipes();

    (void)state;
    setenv("WEFT_TEST_A", "old", 1);
    setenv("WEFT_TEST_AB", "kept", 1);
    unsetenv("WEFT_TEST_C");
    opts.env = over;
    start_sh(&r, "env | grep ^WEFT_TEST_ | sort", opts);
    run_loop(r.loop);
    assert_string_equal(r.out.data, "<15:WEFT_TEST_A=new><17:WEFT_TEST_AB=kept>"
                                    "<15:WEFT_TEST_C=x=y><12:WEFT_TEST_D=>");
    assert_string_equal(getenv("WEFT_TEST_A"), "old");
    unsetenv("WEFT_TEST_A");
    unsetenv("WEFT_TEST_AB");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* Nothing of ours but the three goes to the child, and no signal is blocked or set up strangely. */
static void test_inheritance(void **state)
{
    struct run r = {.loop = new_loop()};
    void (*old_hup)(int) = signal(SIGHUP, SIG_IGN);
    void (*old_pipe)(int) = signal(SIGPIPE, SIG_IGN);
    struct weft_signal *watch = weft_signal_watch(r.loop, SIGUSR1, hangs, NULL);
    sigset_t block;
    sigset_t old;

    (void)state;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    start_sh(&r,
             "ls /proc/$$/fd;"
             "sed -n 's/^Sig\\(Blk\\|Ign\\|Cgt\\):.*\\(.\\{7\\}\\)$/\\1 \\2/p' /proc/self/status",
             both_pipes());
    run_loop(r.loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGHUP, old_hup);
    signal(SIGPIPE, old_pipe);
    weft_signal_stop(watch);
    /* signals 1 to 28: SIGHUP is ignored (nohup), SIGPIPE is not */
    assert_string_equal(r.out.data, "<1:0><1:1><1:2>"
                                    "<11:Blk 0000000><11:Ign 0000001><11:Cgt 0000000>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static int handler_pipe[2];

static void write_to_pipe(int signum)
{
    (void)signum;
    (void)!write(handler_pipe[1], "x", 1);
}

static volatile sig_atomic_t raise_in_child;

static void after_fork(void)
{
    if (raise_in_child) {
        raise(SIGUSR1);
    }
}

/* A signal that comes between fork and exec: our handler, which would tell the parent of it through
 * a shared pipe, must not run. */
static void test_signal_before_exec(void **state)
{
    struct run r = {.loop = new_loop()};
    void (*old)(int);
    char c;

    (void)state;
    assert_int_equal(pipe2(handler_pipe, O_CLOEXEC | O_NONBLOCK), 0);
    old = signal(SIGUSR1, write_to_pipe);
    raise_in_child = 1;
    start_sh(&r, "exit 0", both_pipes());
    raise_in_child = 0;
    run_loop(r.loop);
    signal(SIGUSR1, old);
    assert_int_equal(read(handler_pipe[0], &c, 1), -1);
    assert_int_equal(r.code, 128 + SIGUSR1);
    close(handler_pipe[0]);
    close(handler_pipe[1]);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void test_exec_failure(void **state)
{
    char path[] = "/tmp/weft-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct weft_loop *loop = new_loop();
    char *argv[] = {path, NULL};
    const struct {
        const char *file;
        const char *why;
        int sys;
    } cases[] = {
        {"/nonexistent/prog", "No such file", ENOENT},
        {"/tmp", "Permission denied", EACCES},
        {"prog-not-searched-on-path", "No such file", ENOENT},
        {path, "Permission denied", EACCES},
        {path, "Exec format error", ENOEXEC}, /* executable, and empty */
    };

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_err *err = NULL;
        struct weft_child_opts opts = both_pipes();
        char *text = NULL;

        if (i == COUNT(cases) - 1) {
            assert_int_equal(chmod(path, 0755), 0);
        }
        opts.file = cases[i].file;
        opts.argv = argv;
        opts.stdin_pipe = 1;
        opts.on_exit = on_exit_of;
        assert_null(weft_child_spawn(loop, &opts, &err));
        assert_non_null(strstr(err->msg, cases[i].file));
        assert_err(&err, WEFT_E_CHILD, cases[i].sys, cases[i].why);
        assert_int_equal(weft_run_capture(cases[i].file, argv, 1, &text, &err), -1);
        assert_err(&err, WEFT_E_CHILD, cases[i].sys, cases[i].why);
        assert_null(text);
        assert_null(weft_child_spawn(loop, &opts, NULL));
    }
    run_loop(loop); /* no callback comes: data is NULL */
    weft_loop_destroy(loop);
    assert_int_equal(unlink(path), 0);
}

static void kill_it(struct run *r)
{
    weft_child_kill(r->child, SIGTERM);
}

/* The signal goes to the group: the grandchild, which holds the pipe, goes too, so that there is no
 * waiting for it. */
static void test_kill_group(void **state)
{
    struct run r = {.loop = new_loop(), .on_line = kill_it};
    uint64_t start_ms = weft_now_ms();

    (void)state;
    start_sh(&r, "sleep 50 & echo up; wait", both_pipes());
    assert_int_equal(getpgid(weft_child_pid(r.child)), weft_child_pid(r.child));
    run_loop(r.loop);
    assert_int_equal(r.code, 143);
    assert_true(r.end_ms - start_ms < 40000);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* A grandchild that outlives the child gets a moment to write, and no more than that. */
static void test_grandchild_holds_pipe(void **state)
{
    struct run r = {.loop = new_loop()};
    uint64_t start_ms = weft_now_ms();
    pid_t group;

    (void)state;
    start_sh(&r, "(sleep 0.3; echo late; printf rest; exec sleep 50) & echo early; exit 4",
             both_pipes());
    group = weft_child_pid(r.child);
    run_loop(r.loop);
    assert_int_equal(kill(-group, SIGKILL), 0); /* it is there still */
    assert_int_equal(r.code, 4);
    assert_string_equal(r.out.data, "<5:early><4:late><4:rest>");
    assert_in_range(r.end_ms - start_ms, 900, 30000);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

static void half_a_second(void *data)
{
    (void)data;
    usleep(500000);
}

static void stall(void *data)
{
    (void)data;
    usleep(900000);
}

/* The loop stands still, in a callback behind which timers come first, while the grandchild writes
 * and the drain timer runs out. */
static void test_stalled_loop(void **state)
{
    struct run r = {.loop = new_loop()};
    pid_t group;

    (void)state;
    start_sh(&r, "(sleep 0.7; echo late; exec sleep 50) & exit 0", both_pipes());
    group = weft_child_pid(r.child);
    weft_work(r.loop, half_a_second, stall, NULL);
    run_loop(r.loop);
    assert_int_equal(kill(-group, SIGKILL), 0);
    assert_string_equal(r.out.data, "<4:late>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* Any amount that a grandchild goes on writing does not keep us. */
static void test_grandchild_floods(void **state)
{
    struct run r = {.loop = new_loop()};
    pid_t group;

    (void)state;
    start_sh(&r, "yes '' 2>/dev/null & exit 6",
             (struct weft_child_opts){.stdout_fd = -1, .on_stderr = on_err});
    group = weft_child_pid(r.child);
    run_loop(r.loop);
    kill(-group, SIGKILL);
    assert_int_equal(r.code, 6);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

struct pair {
    struct run a;
    struct run b;
    int pidfd; /* the number that a's had */
};

static int find_pidfd(void)
{
    for (int fd = 3; fd < 1000; fd++) {
        char link[64];
        char target[64] = "";

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof(target) - 1) > 0 && strstr(target, "pidfd")) {
            return fd;
        }
    }
    return -1;
}

/* Start b so that its stdout pipe gets the number that a's pidfd had. */
static void start_second(void *data)
{
    struct pair *p = data;
    struct weft_child_opts opts = both_pipes();
    int taken[1000];
    size_t n = 0;
    int fd;

    assert_int_equal(p->a.exits, 0); /* gone, but its pipe is open */
    while ((fd = dup(2)) < p->pidfd) {
        taken[n++] = fd;
    }
    close(fd); /* the pidfd's own number, if it is free, or a higher one */
    if (n > 0) {
        close(taken[--n]); /* for /dev/null */
    }
    opts.on_stderr = NULL;
    start_sh(&p->b, "sleep 1; echo hello; sleep 0.1", opts);
    while (n > 0) {
        close(taken[--n]);
    }
}

/* A child that is gone, whose pipe a grandchild holds, must leave alone the descriptors that
 * another child got meanwhile. */
static void test_pidfd_number_used_again(void **state)
{
    struct pair p = {.a = {.loop = new_loop()}};
    struct weft_timer *t;
    uint64_t start_ms;

    (void)state;
    p.b.loop = p.a.loop;
    start_sh(&p.a, "sleep 0.6 & exit 0", both_pipes());
    p.pidfd = find_pidfd();
    assert_true(p.pidfd > 0);
    t = weft_timer_start(p.a.loop, 300, 0, 0, start_second, &p);
    start_ms = weft_now_ms();
    run_loop(p.a.loop);
    assert_int_equal(p.a.exits, 1);
    assert_int_equal(p.b.exits, 1);
    assert_string_equal(p.b.out.data, "<5:hello>");
    assert_true(p.b.end_ms - start_ms >= 1300);
    weft_timer_stop(t);
    weft_loop_destroy(p.a.loop);
    finish_run(&p.a);
    finish_run(&p.b);
}

static void test_many_children(void **state)
{
    struct run runs[40] = {{0}};
    struct weft_loop *loop = new_loop();

    (void)state;
    for (int i = 0; i < 40; i++) {
        weft_auto_free char *script = weft_fmt("echo %d; exit %d", i, i);

        runs[i].loop = loop;
        start_sh(&runs[i], script, both_pipes());
    }
    run_loop(loop);
    for (int i = 0; i < 40; i++) {
        weft_auto_free char *want = weft_fmt("<%d:%d>", i < 10 ? 1 : 2, i);

        assert_int_equal(runs[i].exits, 1);
        assert_int_equal(runs[i].code, i);
        assert_string_equal(runs[i].out.data, want);
        finish_run(&runs[i]);
    }
    weft_loop_destroy(loop);
}

/* The loop goes while children run: no callback, no leak, and the child stays. */
static void test_destroy_with_children(void **state)
{
    struct run r = {.loop = new_loop()};
    struct run drained = {.loop = r.loop};
    struct weft_child_opts opts = both_pipes();
    struct weft_timer *t;
    pid_t group;
    pid_t pid;

    (void)state;
    opts.stdin_pipe = 1;
    start_sh(&r, "printf unfinished; exec sleep 50", opts);
    pid = weft_child_pid(r.child);
    start_sh(&drained, "sleep 50 & exit 0", both_pipes());
    group = weft_child_pid(drained.child);
    t = weft_timer_start(r.loop, 300, 0, 0, (weft_callback_fn *)weft_loop_stop, r.loop);
    weft_loop_run(r.loop);
    weft_timer_stop(t);
    weft_loop_destroy(r.loop);
    assert_int_equal(r.exits, 0);
    assert_int_equal(drained.exits, 0);
    assert_null(r.out.data);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    kill(-group, SIGKILL);
    finish_run(&r);
}

/* Somebody who is killed takes his children along. */
static void test_parent_dies(void **state)
{
    int status = 0;
    int ends[2];
    pid_t weft;
    pid_t pid;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that we get to wait for it */
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    weft = fork();
    assert_true(weft >= 0);
    if (weft == 0) {
        struct run r = {.loop = new_loop()};

        start_sh(&r, "exec sleep 50", both_pipes());
        pid = weft_child_pid(r.child);
        if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid)) {
            _exit(1);
        }
        weft_loop_run(r.loop);
        _exit(2);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
    close(ends[0]);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(kill(weft, SIGKILL), 0);
    assert_int_equal(waitpid(weft, &status, 0), weft);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* sh -c script by weft_run_capture. */
static int capture_sh(const char *script, int both, char **text)
{
    weft_auto_free char *sh = weft_xstrdup("sh");
    weft_auto_free char *c = weft_xstrdup("-c");
    weft_auto_free char *arg = weft_xstrdup(script);
    char *argv[] = {sh, c, arg, NULL};
    struct weft_err *err = NULL;
    int code = weft_run_capture("/bin/sh", argv, both, text, &err);

    if (code < 0) {
        print_error("%s\n", err->msg);
        weft_err_free(err);
    }
    return code;
}

static void test_capture(void **state)
{
    static const struct {
        const char *script;
        int both;
        int code;
        const char *want;
    } cases[] = {
        {"exit 0", 0, 0, ""},
        {"echo out; echo err >&2; exit 9", 0, 9, "out\n"},
        {"echo out; echo err >&2; exit 9", 1, 9, "out\nerr\n"},
        {"printf x; kill -KILL $$", 0, 137, "x"},
        {"cat; echo end", 0, 0, "end\n"},
        {"exec 1>&-; sleep 0.1; exit 3", 0, 3, ""},
        {"printf a; sleep 0.1; printf b", 0, 0, "ab"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = NULL;

        assert_int_equal(capture_sh(cases[i].script, cases[i].both, &text), cases[i].code);
        assert_string_equal(text, cases[i].want);
        free(text);
    }
}

static void test_capture_limit(void **state)
{
    static const size_t sizes[] = {(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        weft_auto_free char *script =
            weft_fmt("head -c %zu /dev/zero | tr '\\000' x; exit 2", sizes[i]);
        char *text = NULL;

        assert_int_equal(capture_sh(script, 0, &text), 2); /* not stopped by a full pipe */
        assert_int_equal(strlen(text), sizes[i] < 1 << 20 ? sizes[i] : 1 << 20);
        free(text);
    }
}

/* What the program leaves behind is not waited for, whether it is silent or not. */
static void test_capture_grandchild(void **state)
{
    static const char *const scripts[] = {
        "sleep 40 & echo $!; exit 8",
        "(while :; do echo x; done) 2>/dev/null & echo $! >&2; exit 8",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(scripts); i++) {
        uint64_t start_ms = weft_now_ms();
        char *text = NULL;

        assert_int_equal(capture_sh(scripts[i], 0, &text), 8);
        assert_true(weft_now_ms() - start_ms < 30000);
        if (i == 0) {
            assert_int_equal(kill((pid_t)strtol(text, NULL, 10), SIGKILL), 0);
        }
        free(text); /* the second is ended by SIGPIPE */
    }
}

/* sh -c script by weft_run, with a limit and an inherited descriptor. */
static int run_sh(const char *script, int keep_fd, long timeout_ms, char **text,
                  struct weft_err **err)
{
    weft_auto_free char *sh = weft_xstrdup("sh");
    weft_auto_free char *c = weft_xstrdup("-c");
    weft_auto_free char *arg = weft_xstrdup(script);
    char *argv[] = {sh, c, arg, NULL};

    return weft_run(
        &(struct weft_run_opts){
            .file = "/bin/sh", .argv = argv, .keep_fd = keep_fd, .timeout_ms = timeout_ms},
        text, err);
}

/* A program gets its input, and then an end, whether it reads it or not. */
static void test_run_input(void **state)
{
    weft_auto_free char *name = weft_xstrdup("sh");
    weft_auto_free char *c = weft_xstrdup("-c");
    weft_auto_free char *deaf = weft_xstrdup(":");
    weft_auto_free char *cat = weft_xstrdup("cat; echo .");
    weft_auto_free char *most = weft_xcalloc(4096 + 2, 1);
    char *argv[] = {name, c, cat, NULL};
    struct weft_run_opts opts = {.file = "/bin/sh", .argv = argv};
    struct weft_err *err = NULL;
    char *text = NULL;

    (void)state;
    opts.input = "a\nb";
    assert_int_equal(weft_run(&opts, &text, &err), 0);
    assert_string_equal(text, "a\nb.\n");
    free(text);
    opts.input = "";
    assert_int_equal(weft_run(&opts, &text, &err), 0);
    assert_string_equal(text, ".\n");
    free(text);
    memset(most, 'x', 4096);
    opts.input = most;
    argv[2] = deaf;
    assert_int_equal(weft_run(&opts, &text, &err), 0);
    free(text);
    most[4096] = 'x';
    assert_int_equal(weft_run(&opts, &text, &err), -1);
    assert_err(&err, WEFT_E_INTERNAL, 0, "4097 bytes");
}

static void test_run_env(void **state)
{
    static const char *const env[] = {"A=b", "PATH=/usr/bin:/bin", NULL};
    weft_auto_free char *name = weft_xstrdup("env");
    char *argv[] = {name, NULL};
    weft_auto_free char *text = NULL;

    (void)state;
    setenv("WEFT_TEST_A", "ours", 1);
    assert_int_equal(
        weft_run(&(struct weft_run_opts){.file = "/usr/bin/env", .argv = argv, .env = env}, &text,
                 NULL),
        0);
    unsetenv("WEFT_TEST_A");
    assert_string_equal(text, "A=b\nPATH=/usr/bin:/bin\n");
}

/* Waits for the end of a process that is no child of ours. */
static bool goes_away(pid_t pid)
{
    for (int i = 0; i < 200; i++) {
        if (kill(pid, 0) < 0) {
            return true;
        }
        usleep(50 * 1000);
    }
    return false;
}

/* A program that takes too long is killed, with what it started; so is what one leaves that ends in
 * time. */
static void test_run_timeout(void **state)
{
    static const char *const slow[] = {
        "sleep 40 & echo $! >&%d; wait",
        "exec >&-; sleep 40 & echo $! >&%d; wait",
        "echo $$ >&%d; while :; do echo flood; done",
        "echo $$ >&%d; exec sleep 40",
        "trap '' TERM INT; echo $$ >&%d; sleep 40",
    };

    (void)state;
    for (size_t i = 0; i <= COUNT(slow); i++) {
        weft_auto_free char *script = NULL;
        weft_auto_err err = NULL;
        uint64_t start_ms = weft_now_ms();
        char *text = NULL;
        char pid[32] = {0};
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        if (i < COUNT(slow)) {
            const char *mark = strstr(slow[i], "%d");

            script = weft_fmt("%.*s%d%s", (int)(mark - slow[i]), slow[i], fds[1], mark + 2);
            assert_int_equal(run_sh(script, fds[1], 300, &text, &err), -1);
            assert_int_equal(err->code, WEFT_E_CHILD);
            assert_non_null(strstr(err->msg, "did not end within 0.3 s"));
            assert_null(text);
            assert_true(weft_now_ms() - start_ms >= 300);
        } else {
            script = weft_fmt("sleep 40 >&- & echo $! >&%d; echo done; exit 6", fds[1]);
            assert_int_equal(run_sh(script, fds[1], 30000, &text, &err), 6);
            assert_string_equal(text, "done\n");
            free(text);
        }
        assert_true(weft_now_ms() - start_ms < 20000);
        assert_true(read(fds[0], pid, sizeof(pid) - 1) > 0);
        assert_true(goes_away((pid_t)strtol(pid, NULL, 10)));
        close(fds[0]);
        close(fds[1]);
    }
}

struct cancel_later {
    atomic_bool flag;
};

static void *set_flag(void *data)
{
    struct cancel_later *c = data;

    usleep(200 * 1000);
    atomic_store(&c->flag, true);
    return NULL;
}

/* The same for both ways to run a program: killed with what it started, long before its limit. */
static void test_run_cancel(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct cancel_later c = {0};
        char sh[] = "sh", flag[] = "-c", script[] = "sleep 40; sleep 40";
        char *argv[] = {sh, flag, script, NULL};
        const struct weft_run_opts opts = {
            .file = "/bin/sh", .argv = argv, .timeout_ms = 30000, .cancel = &c.flag};
        weft_auto_err err = NULL;
        uint64_t start_ms = weft_now_ms(), ns;
        char *text = NULL;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, set_flag, &c), 0);
        assert_int_equal(
            way == 0 ? weft_run(&opts, &text, &err) : weft_run_times(&opts, 3, &ns, &err), -1);
        pthread_join(thread, NULL);
        assert_int_equal(err->code, WEFT_E_CANCELLED);
        assert_null(text);
        assert_true(weft_now_ms() - start_ms < 20000);
    }
}

static void test_run_times(void **state)
{
    char sh[] = "sh", flag[] = "-c", sleeps[] = "sleep 0.05", fails[] = "exit 7",
         slow[] = "sleep 9";
    char *argv[] = {sh, flag, sleeps, NULL};
    struct weft_run_opts opts = {.file = "/bin/sh", .argv = argv, .timeout_ms = 20000};
    weft_auto_err err = NULL;
    uint64_t ns = 0;

    (void)state;
    assert_int_equal(weft_run_times(&opts, 3, &ns, &err), 0);
    assert_true(ns >= 150 * 1000000ULL && ns < 20000 * 1000000ULL);
    argv[2] = fails;
    assert_int_equal(weft_run_times(&opts, 1000000, &ns, &err), 7);
    argv[2] = slow;
    opts.timeout_ms = 100;
    assert_int_equal(weft_run_times(&opts, 3, &ns, &err), -1);
    assert_int_equal(err->code, WEFT_E_CHILD);
    weft_err_freep(&err);
    opts.file = "/nonexistent";
    assert_int_equal(weft_run_times(&opts, 3, &ns, &err), -1);
    assert_int_equal(err->sys, ENOENT);
}

static void capture_work(void *data)
{
    char *text = NULL;
    int *ok = data;

    *ok = capture_sh("echo hello; exit 11", 1, &text) == 11 && strcmp(text, "hello\n") == 0;
    free(text);
}

static void ignore_done(void *data)
{
    (void)data;
}

static void test_capture_in_threads(void **state)
{
    struct run r = {.loop = new_loop()};
    int ok[30] = {0};

    (void)state;
    for (int i = 0; i < 30; i++) {
        weft_work(r.loop, capture_work, ignore_done, &ok[i]);
    }
    start_sh(&r, "seq 3", both_pipes()); /* and a child of the loop at the same time */
    run_loop(r.loop);
    for (int i = 0; i < 30; i++) {
        assert_true(ok[i]);
    }
    assert_string_equal(r.out.data, "<1:1><1:2><1:3>");
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* Our own parent may ignore SIGCHLD; exit codes must not get lost. */
static void test_sigchld_ignored(void **state)
{
    struct run r = {.loop = new_loop()};
    void (*old)(int) = signal(SIGCHLD, SIG_IGN);
    char *text = NULL;

    (void)state;
    assert_int_equal(capture_sh("exit 7", 0, &text), 7);
    free(text);
    signal(SIGCHLD, SIG_IGN);
    start_sh(&r, "sh -c 'exit 5'; exit $?", both_pipes());
    run_loop(r.loop);
    assert_int_equal(r.code, 5);
    signal(SIGCHLD, old);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* Somebody else takes the exit code: an answer, and no endless loop. */
static void test_reaped_by_others(void **state)
{
    struct run r = {.loop = new_loop()};
    pid_t pid;

    (void)state;
    start_sh(&r, "exit 0", both_pipes());
    pid = weft_child_pid(r.child);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    run_loop(r.loop);
    assert_int_equal(r.code, 255);
    weft_loop_destroy(r.loop);
    finish_run(&r);
}

/* Started with some of 0, 1 and 2 closed, the pipes get these numbers; none may hit another. */
static void test_without_stdio(void **state)
{
    (void)state;
    for (int closed = 0; closed < 8; closed++) {
        int status = 0;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct run r = {.loop = new_loop()};
            char *text = NULL;
            int code;

            for (int fd = 0; fd < 3; fd++) {
                if (closed & 1 << fd) {
                    close(fd);
                }
            }
            code = capture_sh("readlink /proc/self/fd/0; echo out; echo err >&2", 1, &text);
            if (code != 0 || strcmp(text, "/dev/null\nout\nerr\n") != 0) {
                _exit(1);
            }
            free(text);
            code = capture_sh("echo out; echo err >&2 || exit 4", 0, &text);
            if (code != 0 || strcmp(text, "out\n") != 0) {
                _exit(2);
            }
            free(text);
            start_sh(&r, "readlink /proc/self/fd/0; echo err >&2", both_pipes());
            weft_loop_run(r.loop);
            if (r.code != 0 || !weft_str_eq(r.out.data, "<9:/dev/null>") ||
                !weft_str_eq(r.err.data, "<3:err>")) {
                _exit(3);
            }
            text = NULL;
            {
                char *argv[] = {NULL, NULL};
                struct weft_err *err = NULL;

                if (weft_run_capture("/nonexistent", argv, 0, &text, &err) != -1 ||
                    err->code != WEFT_E_CHILD) {
                    _exit(4);
                }
            }
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0) {
            fail_msg("closed %d: status %#x", closed, (unsigned int)status);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        spawn_test(test_exit_codes),
        spawn_test(test_lines),
        spawn_test(test_slow_line),
        spawn_test(test_long_lines),
        spawn_test(test_many_lines),
        spawn_test(test_no_stdin),
        spawn_test(test_stdin_pipe),
        spawn_test(test_write_stdin),
        spawn_test(test_stdin_left_open),
        spawn_test(test_stdout_fd),
        spawn_test(test_env),
        spawn_test(test_inheritance),
        spawn_test(test_signal_before_exec),
        spawn_test(test_exec_failure),
        spawn_test(test_kill_group),
        spawn_test(test_grandchild_holds_pipe),
        spawn_test(test_stalled_loop),
        spawn_test(test_grandchild_floods),
        spawn_test(test_pidfd_number_used_again),
        spawn_test(test_many_children),
        spawn_test(test_destroy_with_children),
        spawn_test(test_parent_dies),
        spawn_test(test_capture),
        spawn_test(test_capture_limit),
        spawn_test(test_capture_grandchild),
        spawn_test(test_run_input),
        spawn_test(test_run_env),
        spawn_test(test_run_timeout),
        spawn_test(test_run_cancel),
        spawn_test(test_run_times),
        spawn_test(test_capture_in_threads),
        spawn_test(test_sigchld_ignored),
        spawn_test(test_reaped_by_others),
        spawn_test(test_without_stdio),
    };

    pthread_atfork(NULL, NULL, after_fork);
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
