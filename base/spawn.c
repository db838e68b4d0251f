/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

extern char **environ;

enum {
    LINE_LIMIT_BYTES = 8 << 20,
    CAPTURE_LIMIT_BYTES = 1 << 20,
    DRAIN_MS = 1000, /* how long a pipe may stay open behind a child that is gone: a grandchild may
                        hold it */
};

struct stream {
    uv_pipe_t pipe;
    struct weft_child *child;
    weft_child_line_fn *on_line;
    struct weft_buf buf;
    int open;
    char chunk[65536];
};

struct weft_child {
    struct weft_loop *loop;
    pid_t pid;
    int pidfd;
    uv_poll_t exit_poll;
    struct stream out;
    struct stream err;
    int stdin_fd;
    int code;
    int exited;
    struct weft_timer *drain;
    int handles; /* that still have to be closed before the memory can go */
    weft_child_exit_fn *on_exit;
    void *data;
};

/* What the child of fork() needs, all prepared before: after fork only async-signal-safe calls are
 * allowed. */
struct exec_plan {
    const char *file;
    char *const *argv;
    char **envp;
    int in;
    int out;
    int err;
    int report; /* errno goes here when exec fails; close-on-exec tells the parent that it did not
                 */
    pid_t parent;
    int own_group;
};

static void exec_child(const struct exec_plan *p) __attribute__((noreturn));

static void exec_child(const struct exec_plan *p)
{
    sigset_t none;
    int e;

    if (p->own_group) {
        setpgid(0, 0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != p->parent) {
        _exit(127); /* the parent died between fork and prctl */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(p->in, 0) >= 0 && dup2(p->out, 1) >= 0 && dup2(p->err, 2) >= 0) {
        execve(p->file, p->argv, p->envp);
    }
    e = errno;
    (void)!write(p->report, &e, sizeof(e));
    _exit(127);
}

/* Our environment with the settings of `over` put over it. The vector is the caller's, the strings
 * are borrowed. */
static char **merged_env(const char *const *over)
{
    size_t n = 0;
    size_t m = 0;
    size_t used = 0;
    char **env;

    while (environ[n]) {
        n++;
    }
    while (over && over[m]) {
        m++;
    }
    env = weft_xcalloc(n + m + 1, sizeof(*env));
    for (size_t i = 0; i < n; i++) {
        size_t key = strcspn(environ[i], "=") + 1;
        size_t j = 0;

        while (j < m && strncmp(over[j], environ[i], key) != 0) {
            j++;
        }
        if (j == m) {
            env[used++] = environ[i];
        }
    }
    for (size_t j = 0; j < m; j++) {
        env[used++] =
            (char *)(uintptr_t)over[j]; /* execve takes char *, and writes to none of them */
    }
    return env;
}

/* fork and exec; waits until exec has succeeded or failed. Gives the pid or -1. */
static pid_t start(const struct exec_plan *plan, struct weft_err **err)
{
    struct exec_plan p = *plan;
    weft_auto_fd report_read = -1;
    int report[2];
    int child_errno = 0;
    sigset_t all;
    sigset_t old;
    ssize_t n;
    pid_t pid;

    if (pipe2(report, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    report_read = report[0];
    p.report = report[1];
    p.parent = getpid();
    /* no handler of ours may run in the child before exec */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0) {
        exec_child(&p);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (pid < 0) {
        return weft_fail_sys(err, errno, "fork");
    }
    do {
        n = read(report_read, &child_errno, sizeof(child_errno));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        waitpid(pid, NULL, 0);
        return weft_fail(err, WEFT_E_CHILD, "cannot run %s: %s", p.file, strerror(child_errno));
    }
    return pid;
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void deliver(struct stream *s, size_t len)
{
    char saved = s->buf.data[len];

    s->buf.data[len] = '\0';
    s->on_line(s->buf.data, len, s->child->data);
    s->buf.data[len] = saved;
}

static void split_lines(struct stream *s)
{
    size_t done = 0;
    struct weft_buf whole = s->buf;
    char *nl;

    while ((nl = memchr(whole.data + done, '\n', whole.len - done))) {
        s->buf = (struct weft_buf){whole.data + done, (size_t)(nl - whole.data) - done, 0};
        deliver(s, s->buf.len);
        done = (size_t)(nl - whole.data) + 1;
    }
    s->buf = whole;
    weft_buf_consume(&s->buf, done);
    if (s->buf.len > LINE_LIMIT_BYTES) {
        deliver(s, s->buf.len);
        weft_buf_clear(&s->buf);
    }
}

static void maybe_finish(struct weft_child *c);

static void on_closed(uv_handle_t *h)
{
    struct weft_child *c = h->data;

    if (--c->handles > 0) {
        return;
    }
    weft_buf_finish(&c->out.buf);
    weft_buf_finish(&c->err.buf);
    free(c);
}

static void close_stream(struct stream *s)
{
    if (s->open) {
        s->open = 0;
        if (s->buf.len > 0) {
            deliver(s, s->buf.len);
            weft_buf_clear(&s->buf);
        }
        s->pipe.data = s->child;
        uv_close((uv_handle_t *)&s->pipe, on_closed);
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = h->data;

    (void)suggested;
    *buf = uv_buf_init(s->chunk, sizeof(s->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = stream->data;

    if (n > 0) {
        weft_buf_append(&s->buf, buf->base, (size_t)n);
        split_lines(s);
    } else if (n < 0) {
        struct weft_child *c = s->child;

        close_stream(s);
        maybe_finish(c);
    }
}

static void on_drained(void *data)
{
    struct weft_child *c = data;

    close_stream(&c->out);
    close_stream(&c->err);
    maybe_finish(c);
}

static void maybe_finish(struct weft_child *c)
{
    if (!c->exited || !c->on_exit) {
        return;
    }
    if (c->out.open || c->err.open) {
        if (!c->drain) {
            c->drain = weft_timer_start(c->loop, DRAIN_MS, 0, 0, on_drained, c);
        }
        return;
    }
    weft_timer_stop(c->drain);
    c->drain = NULL;
    weft_child_close_stdin(c);
    {
        weft_child_exit_fn *fn = c->on_exit;

        c->on_exit = NULL;
        fn(c->code, c->data);
    }
    uv_close((uv_handle_t *)&c->exit_poll, on_closed);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
    struct weft_child *c = poll->data;
    int wait_status = 0;

    (void)status;
    (void)events;
    if (waitpid(c->pid, &wait_status, WNOHANG) != c->pid) {
        return;
    }
    uv_poll_stop(poll);
    close(c->pidfd);
    c->pidfd = -1;
    c->exited = 1;
    c->code = exit_code(wait_status);
    maybe_finish(c);
}

/* Read lines from fd, which belongs to the stream from now on. */
static void open_stream(struct weft_child *c, struct stream *s, int fd, weft_child_line_fn *fn)
{
    s->child = c;
    s->on_line = fn;
    uv_pipe_init(weft_loop_uv(c->loop), &s->pipe, 0);
    s->pipe.data = s;
    if (uv_pipe_open(&s->pipe, fd) < 0) {
        abort(); /* fd is a pipe that we made a moment ago */
    }
    s->open = 1;
    c->handles++;
    uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);
}

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid,
                        0); /* close-on-exec by itself; glibc has no wrapper before 2.36 */
}

/* The two ends of a new pipe, close-on-exec. */
static int make_pipe(int *read_end, int *write_end, struct weft_err **err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    *read_end = fds[0];
    *write_end = fds[1];
    return 0;
}

struct weft_child *weft_child_spawn(struct weft_loop *loop, const struct weft_child_opts *opts,
                                    struct weft_err **err)
{
    weft_auto_free char **env = merged_env(opts->env);
    weft_auto_fd null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    weft_auto_fd in_read = -1;
    weft_auto_fd in_write = -1;
    weft_auto_fd out_read = -1;
    weft_auto_fd out_write = -1;
    weft_auto_fd err_read = -1;
    weft_auto_fd err_write = -1;
    weft_auto_fd pidfd = -1;
    struct weft_child *c;
    pid_t pid;

    if (null_fd < 0) {
        weft_fail_sys(err, errno, "/dev/null");
        return NULL;
    }
    if ((opts->stdin_pipe && make_pipe(&in_read, &in_write, err) < 0) ||
        (opts->on_stdout && make_pipe(&out_read, &out_write, err) < 0) ||
        (opts->on_stderr && make_pipe(&err_read, &err_write, err) < 0)) {
        return NULL;
    }
    pid = start(
        &(struct exec_plan){
            .file = opts->file,
            .argv = opts->argv,
            .envp = env,
            .in = opts->stdin_pipe ? in_read : null_fd,
            .out = opts->on_stdout        ? out_write
                   : opts->stdout_fd >= 0 ? opts->stdout_fd
                                          : null_fd,
            .err = opts->on_stderr ? err_write : null_fd,
            .own_group = 1,
        },
        err);
    if (pid < 0) {
        return NULL;
    }
    pidfd = open_pidfd(pid);
    if (pidfd < 0) {
        weft_fail_sys(err, errno, "watch the child (pidfd_open)");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return NULL;
    }
    c = weft_xcalloc(1, sizeof(*c));
    c->loop = loop;
    c->pid = pid;
    c->pidfd = weft_steal_fd(&pidfd);
    c->stdin_fd = weft_steal_fd(&in_write);
    c->on_exit = opts->on_exit;
    c->data = opts->data;
    if (opts->on_stdout) {
        open_stream(c, &c->out, weft_steal_fd(&out_read), opts->on_stdout);
    }
    if (opts->on_stderr) {
        open_stream(c, &c->err, weft_steal_fd(&err_read), opts->on_stderr);
    }
    uv_poll_init(weft_loop_uv(loop), &c->exit_poll, c->pidfd);
    c->exit_poll.data = c;
    c->handles++;
    uv_poll_start(&c->exit_poll, UV_READABLE, on_pidfd);
    return c;
}

pid_t weft_child_pid(const struct weft_child *c)
{
    return c->pid;
}

void weft_child_kill(struct weft_child *c, int signum)
{
    if (!c->exited) {
        kill(-c->pid, signum);
    }
}

void weft_child_close_stdin(struct weft_child *c)
{
    if (c->stdin_fd >= 0) {
        close(weft_steal_fd(&c->stdin_fd));
    }
}

int weft_run_capture(const char *file, char *const *argv, int both, char **text,
                     struct weft_err **err)
{
    weft_auto_fd null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    weft_auto_fd read_end = -1;
    weft_auto_fd write_end = -1;
    weft_auto_free char **env = merged_env(NULL);
    weft_auto_buf buf = {0};
    char chunk[4096];
    int status = 0;
    ssize_t n;
    pid_t pid;

    if (null_fd < 0 || make_pipe(&read_end, &write_end, err) < 0) {
        return null_fd < 0 ? weft_fail_sys(err, errno, "/dev/null") : -1;
    }
    pid = start(&(struct exec_plan){.file = file,
                                    .argv = argv,
                                    .envp = env,
                                    .in = null_fd,
                                    .out = write_end,
                                    .err = both ? write_end : null_fd},
                err);
    if (pid < 0) {
        return -1;
    }
    close(weft_steal_fd(&write_end));
    while ((n = read(read_end, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n > 0 && buf.len < CAPTURE_LIMIT_BYTES) {
            weft_buf_append(&buf, chunk, (size_t)n);
        }
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    *text = weft_buf_steal(&buf);
    return exit_code(status);
}
