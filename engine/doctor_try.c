/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/doctor_try.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    GRACE_MS = 2000, /* for a keeper to clear up, beyond the limit of its try */
    END_MS = 1000,   /* for the processes of a try to be gone */
};

/* Members of the facts that are the keeper's. */
static const char key_outcome[] = "outcome";

struct
try {
    struct weft_try_opts opts;
    struct weft_json *facts;
    struct weft_buf text; /* not yet a whole line */
    bool run;
    pid_t keeper;
    int fd; /* -1: not running */
    uint64_t until_ms;
};

struct weft_tries {
    struct try *v;
    size_t n;
};

struct weft_tries *weft_tries_create(void)
{
    return weft_xcalloc(1, sizeof(struct weft_tries));
}

void weft_tries_destroy(struct weft_tries *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        weft_json_free(t->v[i].facts);
        weft_buf_finish(&t->v[i].text);
    }
    free(t->v);
    free(t);
}

void weft_tries_add(struct weft_tries *t, const struct weft_try_opts *opts)
{
    t->v = weft_xrealloc(t->v, t->n + 1, sizeof(*t->v));
    t->v[t->n] = (struct try){.opts = *opts, .facts = weft_json_object(), .fd = -1};
    weft_json_set_int(t->v[t->n++].facts, key_outcome, WEFT_TRY_NOT_RUN);
}

void weft_try_tell(const struct weft_try_self *self)
{
    weft_auto_free char *text = weft_json_dump(self->facts, 0);
    weft_auto_free char *line = weft_fmt("%s\n", text);

    (void)weft_write_all(self->fd, line, strlen(line), "pipe", NULL);
}

/* Everything up to the parent's half runs in children. */

static void __attribute__((noreturn)) try_main(struct try *t, struct weft_try_self *self)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    setpgid(0, 0);
    for (int fd = 0; fd <= 2 && null_fd >= 0; fd++) {
        dup2(null_fd, fd);
    }
    t->opts.fn(self, t->opts.data);
    weft_json_set_int(self->facts, key_outcome, WEFT_TRY_DONE);
    weft_try_tell(self);
    _exit(0);
}

/* Ends what is left: the group, and orphans, which become the keeper's children. */
static void end_all(pid_t pid)
{
    uint64_t until = weft_now_ms() + END_MS;
    const struct timespec pause = {0, 5 * 1000000L};

    kill(-pid, SIGKILL);
    for (;;) {
        weft_auto_free char *path = weft_fmt("/proc/self/task/%d/children", (int)getpid());
        weft_auto_free char *text = NULL;
        pid_t got;

        while ((got = waitpid(-1, NULL, WNOHANG)) > 0) {
        }
        if (got < 0 || weft_now_ms() >= until) {
            return;
        }
        if (weft_read_file(path, 1 << 16, &text, NULL, NULL) == 0) {
            char *end;

            for (char *p = text; *p; p = end) {
                long child = strtol(p, &end, 10);

                if (end == p) {
                    break;
                }
                kill((pid_t)child, SIGKILL);
            }
        }
        nanosleep(&pause, NULL);
    }
}

/* How the try ended. */
static enum weft_try_outcome watch(pid_t pid, const sigset_t *signals, int limit_ms)
{
    uint64_t until = weft_now_ms() + (uint64_t)limit_ms;

    for (;;) {
        uint64_t now = weft_now_ms();
        uint64_t left = now < until ? until - now : 0;
        const struct timespec t = {(time_t)(left / 1000), (long)(left % 1000) * 1000000L};
        int status, sig;
        pid_t got;

        while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
            if (got == pid) {
                return WIFEXITED(status) ? WEFT_TRY_DONE : WEFT_TRY_DIED;
            }
        }
        if (left == 0) {
            return WEFT_TRY_TOO_LONG;
        }
        sig = sigtimedwait(signals, NULL, &t);
        if (sig > 0 && sig != SIGCHLD) {
            return WEFT_TRY_DIED; /* we are told to end */
        }
    }
}

static void remove_dir(const char *dir)
{
    if (dir) {
        (void)weft_rmtree(dir, NULL);
    }
}

static void __attribute__((noreturn)) keeper_main(struct try *t, int fd, pid_t parent)
{
    struct weft_try_self self = {.facts = t->facts, .fd = fd};
    weft_auto_free char *dir = NULL;
    weft_auto_free char *short_dir = NULL;
    weft_auto_err err = NULL;
    enum weft_try_outcome outcome = WEFT_TRY_DIED;
    sigset_t signals, none;
    pid_t pid;

    sigemptyset(&none);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        _exit(1);
    }
    if ((t->opts.dir && !(dir = weft_temp_dir(t->opts.dir, "weft-doctor", &err))) ||
        (t->opts.short_dir &&
         !(short_dir = weft_temp_dir(t->opts.short_dir, "weft-doctor", &err)))) {
        remove_dir(dir);
        weft_json_set_str(self.facts, "dir_error", err->msg);
        weft_json_set_int(self.facts, key_outcome, WEFT_TRY_DONE);
        weft_try_tell(&self);
        _exit(0);
    }
    self.dir = dir;
    self.short_dir = short_dir;
    pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        try_main(t, &self);
    }
    if (pid > 0) {
        setpgid(pid, pid);
        outcome = watch(pid, &signals, t->opts.limit_ms);
        end_all(pid);
    }
    remove_dir(dir);
    remove_dir(short_dir);
    if (outcome != WEFT_TRY_DONE) {
        weft_auto_json last = weft_json_object();

        self.facts = last;
        weft_json_set_int(last, key_outcome, outcome);
        weft_try_tell(&self);
    }
    _exit(0);
}

/* The parent's half. */

static int start(struct try *t, struct weft_err **err)
{
    int fds[2];
    pid_t parent = getpid();

    t->run = true;
    weft_json_set_int(t->facts, key_outcome, WEFT_TRY_DIED);
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    t->keeper = fork();
    if (t->keeper < 0) {
        int sys = errno;

        close(fds[0]);
        close(fds[1]);
        return weft_fail_sys(err, sys, "fork");
    }
    if (t->keeper == 0) {
        close(fds[0]);
        keeper_main(t, fds[1], parent);
    }
    close(fds[1]);
    t->fd = fds[0];
    t->until_ms = weft_now_ms() + (uint64_t)t->opts.limit_ms + GRACE_MS;
    return 0;
}

static void merge(const char *key, const struct weft_json *value, void *data)
{
    weft_json_set(data, key, weft_json_copy(value));
}

static void take_lines(struct try *t)
{
    char *end;

    while (t->text.data && (end = memchr(t->text.data, '\n', t->text.len))) {
        size_t len = (size_t)(end - t->text.data);
        weft_auto_json line = weft_json_parse(t->text.data, len, NULL);

        weft_json_each(line, merge, t->facts);
        weft_buf_consume(&t->text, len + 1);
    }
}

static void finish(struct try *t)
{
    close(weft_steal_fd(&t->fd));
    while (waitpid(t->keeper, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* It has said something, or is gone, or has taken too long. */
static void serve(struct try *t, bool readable)
{
    char buf[4096];

    if (readable) {
        ssize_t n = read(t->fd, buf, sizeof(buf));

        if (n > 0) {
            weft_buf_append(&t->text, buf, (size_t)n);
            take_lines(t);
            return;
        }
        if (n < 0 && errno == EINTR) {
            return;
        }
        finish(t);
    } else if (weft_now_ms() >= t->until_ms) {
        /* its keeper is stuck too, in the kernel: it goes when that lets go of it */
        weft_json_set_int(t->facts, key_outcome, WEFT_TRY_TOO_LONG);
        kill(t->keeper, SIGKILL);
        close(weft_steal_fd(&t->fd));
    }
}

static void wait_for_any(struct weft_tries *t)
{
    enum {
        TURN_MS = 100
    };
    struct pollfd *fds = weft_xcalloc(t->n, sizeof(*fds));

    for (size_t i = 0; i < t->n; i++) {
        fds[i] = (struct pollfd){.fd = t->v[i].fd, .events = POLLIN};
    }
    if (poll(fds, t->n, TURN_MS) >= 0) {
        for (size_t i = 0; i < t->n; i++) {
            if (t->v[i].fd >= 0) {
                serve(&t->v[i], fds[i].revents != 0);
            }
        }
    }
    free(fds);
}

int weft_tries_run(struct weft_tries *t, unsigned parallel, int budget_ms, struct weft_err **err)
{
    uint64_t until = weft_now_ms() + (uint64_t)budget_ms;
    size_t next = 0;
    int rc = 0;

    for (;;) {
        unsigned running = 0;

        for (size_t i = 0; i < t->n; i++) {
            running += t->v[i].fd >= 0;
        }
        for (; rc == 0 && next < t->n && running < parallel; next++) {
            if (!t->v[next].run && weft_now_ms() < until) {
                rc = start(&t->v[next], err);
                running += rc == 0;
            }
        }
        if (running == 0) {
            return rc;
        }
        wait_for_any(t);
    }
}

const struct weft_json *weft_tries_facts(const struct weft_tries *t, const char *name, size_t nth,
                                         enum weft_try_outcome *outcome)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].opts.name, name) == 0 && nth-- == 0) {
            if (outcome) {
                *outcome =
                    (enum weft_try_outcome)weft_json_int(t->v[i].facts, key_outcome, WEFT_TRY_DIED);
            }
            return t->v[i].facts;
        }
    }
    return NULL;
}
