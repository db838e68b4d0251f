/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/sandbox_try.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/loop.h"
#include "base/str.h"
#include "binfmt/idmap.h"
#include "binfmt/sandbox.h"

enum {
    LIMIT_MS = 10 * 1000,
    REPORT_MAX = 64 * 1024,
    PARTS = 4 /* of the report of an error */
};

/* What the child reports: a scope, "namespace"; or an error as CODE, ERRNO, MESSAGE and HINT, each
 * with a NUL behind it. */

static void report_failure(struct weft_err *error, void *data)
{
    const int *fd = data;
    weft_auto_free char *code = weft_fmt("%d", (int)error->code);
    weft_auto_free char *sys = weft_fmt("%d", error->sys);
    const char *const parts[PARTS] = {code, sys, error->msg, error->hint ? error->hint : ""};
    weft_auto_buf b = {0};

    for (size_t i = 0; i < PARTS; i++) {
        weft_buf_append(&b, parts[i], strlen(parts[i]) + 1);
    }
    weft_write_all(*fd, b.data, b.len, "pipe", NULL);
    weft_err_free(error);
}

static int inside(const struct weft_sandbox_self *self, void *data)
{
    static const struct weft_strv no_lines;
    const int *fd = data;
    struct weft_err *err = NULL;
    /* what lies under the mount is of no interest any more */
    int got = weft_sandbox_handlers("/", &no_lines, &err);
    const char *scope = weft_scope_name(got == 1 ? WEFT_SCOPE_NAMESPACE : WEFT_SCOPE_EXISTING);

    (void)self;
    if (got < 0) {
        report_failure(err, data);
    } else {
        weft_write_all(*fd, scope, strlen(scope), "pipe", NULL);
    }
    return 0;
}

static void child(int fd, pid_t parent) __attribute__((noreturn));
static void child(int fd, pid_t parent)
{
    struct weft_idmaps maps = {0};
    struct weft_sandbox_self self;
    struct weft_err *err = NULL;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (weft_idmaps_detect(&maps, &err) < 0) {
        report_failure(err, &fd);
        _exit(0);
    }
    if (weft_sandbox_enter(&maps, inside, report_failure, &fd, &self) == 0) {
        while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR) {
        }
    }
    _exit(0);
}

/* All that is written until the last writer is gone. False: that took too long. */
static bool read_report(int fd, struct weft_buf *report)
{
    uint64_t deadline_ms = weft_now_ms() + LIMIT_MS;
    char chunk[4096];

    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        uint64_t now_ms = weft_now_ms();
        ssize_t n;

        if (now_ms >= deadline_ms || report->len > REPORT_MAX) {
            return false;
        }
        if (poll(&p, 1, (int)(deadline_ms - now_ms)) <= 0) {
            continue;
        }
        n = read(fd, chunk, sizeof(chunk));
        if (n == 0) {
            return true;
        }
        if (n > 0) {
            weft_buf_append(report, chunk, (size_t)n);
        } else if (errno != EINTR) {
            return false;
        }
    }
}

static int take_report(const struct weft_buf *report, enum weft_scope *scope, struct weft_err **err)
{
    const char *part[PARTS];
    size_t at = 0;
    int known = report->len > 0 ? weft_scope_parse(report->data) : -1;

    if (known >= 0) {
        *scope = (enum weft_scope)known;
        return 0;
    }
    for (size_t i = 0; i < PARTS; i++) {
        if (at >= report->len) {
            return weft_fail(err, WEFT_E_CHILD, "entering a worker's namespaces: the child died");
        }
        part[i] = report->data + at;
        at += strlen(part[i]) + 1;
    }
    weft_fail(err, (enum weft_code)strtol(part[0], NULL, 10), "%s", part[2]);
    if (err) {
        (*err)->sys = (int)strtol(part[1], NULL, 10);
    }
    return part[3][0] ? weft_err_hint(err, "%s", part[3]) : -1;
}

int weft_sandbox_try(enum weft_scope *scope, struct weft_err **err)
{
    weft_auto_buf report = {0};
    weft_auto_fd read_end = -1;
    pid_t parent = getpid();
    bool in_time;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    read_end = fds[0];
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        child(fds[1], parent);
    }
    close(fds[1]);
    if (pid < 0) {
        return weft_fail_sys(err, errno, "fork");
    }
    in_time = read_report(read_end, &report);
    if (!in_time) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL); /* it may not have its group yet */
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return in_time ? take_report(&report, scope, err)
                   : weft_fail(err, WEFT_E_CHILD, "entering a worker's namespaces takes too long");
}
