/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

extern char **environ;

enum {
    LINE_LIMIT_BYTES = 8 << 20,
    INPUT_LIMIT_BYTES = 4096, /* a pipe holds at least as much */
    CAPTURE_LIMIT_BYTES = 1 << 20,
    REST_LIMIT_BYTES = 1 << 20, /* as much as an unprivileged pipe can hold */
    DRAIN_MS = 1000,  /* how long a pipe may stay open behind a child that is gone: a grandchild may
                         hold it */
    POLL_PID_MS = 20, /* between looks at a child where there are no pidfds (Linux < 5.3) */
    POLL_CANCEL_MS = 50, /* between looks at what can cancel a run */
};

struct stream {
    uv_pipe_t pipe;
    weft_child_line_fn *on_line;
    struct weft_buf buf;
    int open;
    char chunk[65536];
};

struct weft_child {
    struct weft_loop_item item; /* first: the handles' data points here */
    struct weft_loop *loop;
    pid_t pid;
    int pidfd; /* exit_poll is open as long as this is */
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
    int keep;   /* stays open under its number; 0: none */
    int report; /* errno goes here when exec fails; close-on-exec tells the parent that it did not
                 */
    pid_t parent;
    int own_group;
};

static void exec_child(const struct exec_plan *p) __attribute__((noreturn));

/* Handlers back to default, before signals are let in: libuv's handler would write into the pipe
 * that it shares with the parent, and the child would live on. What is ignored stays so (nohup),
 * but for the two that programs expect to work. */
static void reset_signals(void)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++) {
        struct sigaction sa;

        if (sigaction(s, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL &&
            (sa.sa_handler != SIG_IGN || s == SIGPIPE || s == SIGCHLD)) {
            signal(s, SIG_DFL);
        }
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A copy of fd above 2, so that no dup2 onto 0, 1 and 2 hits a source of the next one, or is none
 * at all (dup2(1, 1) leaves close-on-exec set): we may have been started without these three. */
static int clear_of_stdio(int fd)
{
    return fd > 2 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void exec_child(const struct exec_plan *p)
{
    int report = clear_of_stdio(p->report);
    int in = clear_of_stdio(p->in);
    int out = clear_of_stdio(p->out);
    int err = clear_of_stdio(p->err);
    int e;

    if (p->own_group) {
        setpgid(0, 0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != p->parent) {
        _exit(127); /* the parent died between fork and prctl */
    }
    reset_signals();
    if (p->keep > 0) {
        fcntl(p->keep, F_SETFD, 0);
    }
    if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(err, 2) >= 0) {
        execve(p->file, p->argv, p->envp);
    }
    e = errno;
    (void)!write(report, &e, sizeof(e));
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

    while (environ && environ[n]) { /* NULL after clearenv() */
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

/* Where SIGCHLD is ignored, as some parents leave it to us, the kernel reaps children by itself and
 * their exit codes are lost. */
static void keep_exit_codes(void)
{
    struct sigaction sa;

    if (sigaction(SIGCHLD, NULL, &sa) == 0 &&
        (sa.sa_handler == SIG_IGN || (sa.sa_flags & SA_NOCLDWAIT))) {
        signal(SIGCHLD, SIG_DFL);
    }
}

/* waitpid without EINTR. Gives 1 with the exit code (255 where somebody else waited), 0 where the
 * child still runs (WNOHANG only). */
static int reap(pid_t pid, int flags, int *code)
{
    int status = 0;
    pid_t got;

    do {
        got = waitpid(pid, &status, flags);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        return 0;
    }
    if (got < 0) {
        *code = 255;
    } else {
        *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return 1;
}

/* fork and exec; waits until exec has succeeded or failed. Gives the pid or -1. */
static pid_t start(const struct exec_plan *plan, struct weft_err **err)
{
    struct exec_plan p = *plan;
    weft_auto_fd report_read = -1;
    int report[2];
    int child_errno = 0;
    int code;
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
    keep_exit_codes();
    /* no handler of ours may run in the child before exec */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0) {
        exec_child(&p);
    }
    if (pid < 0) {
        weft_fail_sys(err, errno, "fork");
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (pid < 0) {
        return -1;
    }
    do {
        n = read(report_read, &child_errno, sizeof(child_errno));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        reap(pid, 0, &code);
        weft_fail(err, WEFT_E_CHILD, "cannot run %s: %s", p.file, strerror(child_errno));
        if (err) {
            (*err)->sys = child_errno;
        }
        return -1;
    }
    return pid;
}

/* The children's stream that a pipe handle belongs to. */
static struct stream *stream_of(const void *pipe, struct weft_child *c)
{
    return pipe == &c->out.pipe ? &c->out : &c->err;
}

/* Hand out the len bytes at `line`, in pieces where they are too many. A byte follows them. */
static void deliver(struct weft_child *c, const struct stream *s, char *line, size_t len)
{
    do {
        size_t n = len < LINE_LIMIT_BYTES ? len : LINE_LIMIT_BYTES;
        char saved = line[n];

        line[n] = '\0';
        s->on_line(line, n, c->data);
        line[n] = saved;
        line += n;
        len -= n;
    } while (len > 0);
}

/* Take n more bytes and hand out the lines that are whole. The last LINE_LIMIT_BYTES are kept back
 * even if they have no end yet: a newline may follow. */
static void take_bytes(struct weft_child *c, struct stream *s, const char *bytes, size_t n)
{
    size_t searched = s->buf.len; /* no newline before here */
    size_t done = 0;
    char *nl;

    weft_buf_append(&s->buf, bytes, n);
    while ((nl = memchr(s->buf.data + searched, '\n', s->buf.len - searched))) {
        size_t end = (size_t)(nl - s->buf.data);

        deliver(c, s, s->buf.data + done, end - done);
        done = end + 1;
        searched = done;
    }
    weft_buf_consume(&s->buf, done);
    if (s->buf.len > LINE_LIMIT_BYTES) {
        deliver(c, s, s->buf.data, LINE_LIMIT_BYTES);
        weft_buf_consume(&s->buf, LINE_LIMIT_BYTES);
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
        uv_close((uv_handle_t *)&s->pipe, on_closed);
    }
}

/* The stream has no more bytes: hand out the rest and close it. */
static void end_stream(struct weft_child *c, struct stream *s)
{
    if (s->open && s->buf.len > 0) {
        deliver(c, s, s->buf.data, s->buf.len);
        weft_buf_clear(&s->buf);
    }
    close_stream(s);
}

/* Stop watching for the child's end. The descriptor is closed last: libuv takes it out of its epoll
 * set by number, which must not be another's by then. */
static void close_exit_poll(struct weft_child *c)
{
    if (c->pidfd >= 0) {
        uv_close((uv_handle_t *)&c->exit_poll, on_closed);
        close(weft_steal_fd(&c->pidfd));
    }
}

/* The loop is destroyed: let go of everything, call nobody. */
static void abandon(struct weft_loop_item *item)
{
    struct weft_child *c = (struct weft_child *)item; /* its first member */

    c->on_exit = NULL;
    weft_timer_stop(c->drain);
    c->drain = NULL;
    weft_child_close_stdin(c);
    close_stream(&c->out);
    close_stream(&c->err);
    close_exit_poll(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = stream_of(h, h->data);

    (void)suggested;
    *buf = uv_buf_init(s->chunk, sizeof(s->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct weft_child *c = stream->data;
    struct stream *s = stream_of(stream, c);

    if (n > 0) {
        take_bytes(c, s, buf->base, (size_t)n);
    } else if (n < 0) {
        end_stream(c, s);
        maybe_finish(c);
    }
}

/* What lies in the pipe now: the loop may have stood still for so long that the drain timer came
 * first. Bounded, because a grandchild may write without end. */
static void read_rest(struct weft_child *c, struct stream *s)
{
    uv_os_fd_t fd;

    if (!s->open || uv_fileno((uv_handle_t *)&s->pipe, &fd) < 0) {
        return;
    }
    for (size_t total = 0; total < REST_LIMIT_BYTES;) {
        ssize_t n = read(fd, s->chunk, sizeof(s->chunk));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        take_bytes(c, s, s->chunk, (size_t)n);
        total += (size_t)n;
    }
}

static void on_drained(void *data)
{
    struct weft_child *c = data;

    read_rest(c, &c->out);
    end_stream(c, &c->out);
    read_rest(c, &c->err);
    end_stream(c, &c->err);
    maybe_finish(c);
}

static void maybe_finish(struct weft_child *c)
{
    weft_child_exit_fn *on_exit_fn;

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
    on_exit_fn = c->on_exit;
    c->on_exit = NULL;
    on_exit_fn(c->code, c->data);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
    struct weft_child *c = poll->data;

    (void)status;
    (void)events;
    if (reap(c->pid, WNOHANG, &c->code) == 0) {
        return;
    }
    c->exited = 1;
    close_exit_poll(c); /* frees c in the loop's next turn at the earliest */
    maybe_finish(c);
}

/* Read lines from fd, which belongs to the stream from now on. */
static void open_stream(struct weft_child *c, struct stream *s, int fd, weft_child_line_fn *fn)
{
    s->on_line = fn;
    uv_pipe_init(weft_loop_uv(c->loop), &s->pipe, 0);
    s->pipe.data = c;
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
    int code;
    int rc;

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
    c = weft_xcalloc(1, sizeof(*c));
    pidfd = open_pidfd(pid);
    rc = pidfd < 0 ? -errno : uv_poll_init(weft_loop_uv(loop), &c->exit_poll, pidfd);
    if (rc < 0) {
        weft_fail_sys(err, -rc, "watch %s (pidfd_open, epoll)", opts->file);
        kill(-pid, SIGKILL);
        reap(pid, 0, &code);
        free(c);
        return NULL;
    }
    c->item.close = abandon;
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

int weft_child_write_stdin(struct weft_child *c, const void *data, size_t len,
                           struct weft_err **err)
{
    ssize_t n;

    if (c->stdin_fd < 0 || len > WEFT_CHILD_STDIN_BYTES) {
        return weft_fail(err, WEFT_E_CHILD, "%s",
                         c->stdin_fd < 0 ? "the program has no standard input"
                                         : "too much for a program's standard input");
    }
    do {
        n = write(c->stdin_fd, data, len);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)len) { /* a pipe of nobody else's has room for it all */
        return weft_fail(err, WEFT_E_CHILD, "the program's standard input: %s",
                         n < 0 ? strerror(errno) : "it takes no more");
    }
    return 0;
}

void weft_child_close_stdin(struct weft_child *c)
{
    if (c->stdin_fd >= 0) {
        close(weft_steal_fd(&c->stdin_fd));
    }
}

/* How long weft_run goes on. */
struct limit {
    uint64_t deadline_ms;      /* 0: none */
    const atomic_bool *cancel; /* NULL: none */
};

/* What poll may wait: until the deadline (0: for ever), and no longer than `most` (-1: no limit).
 */
static int poll_ms(const struct limit *l, int most)
{
    uint64_t now;

    if (l->cancel && (most < 0 || most > POLL_CANCEL_MS)) {
        most = POLL_CANCEL_MS;
    }
    if (l->deadline_ms == 0) {
        return most;
    }
    now = weft_now_ms();
    if (now >= l->deadline_ms) {
        return 0;
    }
    return most >= 0 && l->deadline_ms - now > (uint64_t)most ? most : (int)(l->deadline_ms - now);
}

static bool cancelled(const struct limit *l)
{
    return l->cancel && atomic_load(l->cancel);
}

static bool past(const struct limit *l)
{
    return cancelled(l) || (l->deadline_ms > 0 && weft_now_ms() >= l->deadline_ms);
}

/* Read the pipe until its end, or until the child is gone and all that it wrote is read, or until
 * the limit. */
static void capture(int read_end, int pidfd, const struct limit *limit, struct weft_buf *buf)
{
    struct pollfd fds[2] = {{read_end, POLLIN, 0}, {pidfd, POLLIN, 0}};
    size_t rest = REST_LIMIT_BYTES; /* of what a grandchild may go on writing */
    char chunk[4096];

    for (;;) {
        ssize_t n;

        if (poll(fds, 2, poll_ms(limit, -1)) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return;
        }
        n = read(read_end, chunk, sizeof(chunk));
        if (n > 0) {
            size_t room = CAPTURE_LIMIT_BYTES - buf->len;

            weft_buf_append(buf, chunk, (size_t)n < room ? (size_t)n : room);
            if (fds[1].revents) {
                rest -= (size_t)n < rest ? (size_t)n : rest;
            }
        }
        if (n == 0 || rest == 0 || (n < 0 && errno == EAGAIN && fds[1].revents) ||
            (n < 0 && errno != EAGAIN && errno != EINTR) || past(limit)) {
            return;
        }
    }
}

/* Wait for the end of the child, which is not reaped. Gives false at the limit. */
static bool ends_before(pid_t pid, int pidfd, const struct limit *limit)
{
    for (;;) {
        struct pollfd fd = {pidfd, POLLIN, 0};
        siginfo_t info = {0};

        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 && errno != EINTR) {
            return true; /* somebody else waited for it */
        }
        if (info.si_pid != 0) {
            return true;
        }
        if (past(limit)) {
            return false;
        }
        poll(&fd, 1, poll_ms(limit, pidfd < 0 ? POLL_PID_MS : -1));
    }
}

static struct limit limit_of(const struct weft_run_opts *opts)
{
    struct limit l = {0};

    if (opts->timeout_ms > 0) {
        l.deadline_ms = weft_now_ms() + (uint64_t)opts->timeout_ms;
        l.cancel = opts->cancel;
    }
    return l;
}

/* A program was killed at its limit. */
static int fail_limit(const struct weft_run_opts *opts, const struct limit *limit,
                      struct weft_err **err)
{
    if (cancelled(limit)) {
        return weft_fail(err, WEFT_E_CANCELLED, "%s was interrupted", opts->file);
    }
    return weft_fail(err, WEFT_E_CHILD, "%s did not end within %.3g s", opts->file,
                     (double)opts->timeout_ms / 1000);
}

/* A pipe that holds the program's whole input: nobody has to write while it runs. */
static int input_of(const struct weft_run_opts *opts, struct weft_err **err)
{
    weft_auto_fd read_end = -1;
    weft_auto_fd write_end = -1;
    size_t len = strlen(opts->input);

    if (len > INPUT_LIMIT_BYTES) {
        return weft_fail(err, WEFT_E_INTERNAL, "an input of %zu bytes for %s", len, opts->file);
    }
    if (make_pipe(&read_end, &write_end, err) < 0 ||
        weft_write_all(write_end, opts->input, len, "pipe", err) < 0) {
        return -1;
    }
    return weft_steal_fd(&read_end);
}

/* execve takes char *, and writes to none of them. */
static char **whole_env(const char *const *env)
{
    return (char **)(uintptr_t)env;
}

int weft_run(const struct weft_run_opts *opts, char **text, struct weft_err **err)
{
    weft_auto_free char **env = merged_env(NULL);
    weft_auto_fd null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    weft_auto_fd in = -1;
    weft_auto_fd read_end = -1;
    weft_auto_fd write_end = -1;
    weft_auto_fd pidfd = -1;
    weft_auto_buf buf = {0};
    struct limit limit;
    bool ended = true;
    int code = 0;
    pid_t pid;

    if (null_fd < 0) {
        return weft_fail_sys(err, errno, "/dev/null");
    }
    if (opts->input && (in = input_of(opts, err)) < 0) {
        return -1;
    }
    if (make_pipe(&read_end, &write_end, err) < 0) {
        return -1;
    }
    if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    limit = limit_of(opts);
    pid = start(&(struct exec_plan){.file = opts->file,
                                    .argv = opts->argv,
                                    .envp = opts->env ? whole_env(opts->env) : env,
                                    .in = in >= 0              ? in
                                          : opts->stdin_fd > 2 ? opts->stdin_fd
                                                               : null_fd,
                                    .out = write_end,
                                    .err = opts->both ? write_end : null_fd,
                                    .keep = opts->keep_fd,
                                    .own_group = limit.deadline_ms > 0},
                err);
    if (pid < 0) {
        return -1;
    }
    close(weft_steal_fd(&write_end));
    pidfd = open_pidfd(pid); /* without one (-1, which poll leaves out) the pipe's end has to do */
    capture(read_end, pidfd, &limit, &buf);
    close(weft_steal_fd(&read_end)); /* who writes on gets SIGPIPE, and no full pipe */
    if (limit.deadline_ms > 0) {
        ended = ends_before(pid, pidfd, &limit);
        kill(-pid, SIGKILL); /* it is not reaped yet: the number is still that of its group */
    }
    reap(pid, 0, &code);
    if (!ended) {
        return fail_limit(opts, &limit, err);
    }
    *text = weft_buf_steal(&buf);
    return code;
}

int weft_run_capture(const char *file, char *const *argv, int both, char **text,
                     struct weft_err **err)
{
    return weft_run(&(struct weft_run_opts){.file = file, .argv = argv, .both = both != 0}, text,
                    err);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* How weft_run_times starts its program each time. */
struct spawn_plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char **env;
};

static void spawn_plan_init(struct spawn_plan *p)
{
    sigset_t none, defaults;

    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&p->actions);
    posix_spawn_file_actions_addopen(&p->actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&p->actions, 0, 1);
    posix_spawn_file_actions_adddup2(&p->actions, 0, 2);
    posix_spawnattr_init(&p->attr);
    posix_spawnattr_setflags(&p->attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&p->attr, 0);
    posix_spawnattr_setsigmask(&p->attr, &none);
    posix_spawnattr_setsigdefault(&p->attr, &defaults);
    p->env = merged_env(NULL);
}

static void spawn_plan_finish(struct spawn_plan *p)
{
    posix_spawnattr_destroy(&p->attr);
    posix_spawn_file_actions_destroy(&p->actions);
    free(p->env);
}

/* Its exit code, or -1. */
static int run_spawned(const struct weft_run_opts *opts, const struct spawn_plan *plan,
                       struct weft_err **err)
{
    struct limit limit = limit_of(opts);
    bool ended = true;
    int code = 0;
    pid_t pid;
    int sys = posix_spawn(&pid, opts->file, &plan->actions, &plan->attr, opts->argv, plan->env);

    if (sys) {
        weft_fail(err, WEFT_E_CHILD, "cannot run %s: %s", opts->file, strerror(sys));
        if (err) {
            (*err)->sys = sys;
        }
        return -1;
    }
    if (limit.deadline_ms > 0) {
        weft_auto_fd pidfd = open_pidfd(pid);

        ended = ends_before(pid, pidfd, &limit);
        kill(-pid, SIGKILL); /* as in weft_run */
    }
    reap(pid, 0, &code);
    return ended ? code : fail_limit(opts, &limit, err);
}

int weft_run_times(const struct weft_run_opts *opts, unsigned times, uint64_t *elapsed_ns,
                   struct weft_err **err)
{
    struct spawn_plan plan;
    uint64_t from_ns;
    int code = 0;

    keep_exit_codes();
    spawn_plan_init(&plan);
    from_ns = now_ns();
    for (unsigned i = 0; i < times && code == 0; i++) {
        code = run_spawned(opts, &plan, err);
    }
    *elapsed_ns = now_ns() - from_ns;
    spawn_plan_finish(&plan);
    return code;
}
