/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/worker_files.h"

enum {
    POLL_MS = 50,
    REPORT_MAX = 1 << 20,
    REPORT_FD = 3,
    LOG_LINES = 12,
};

/*
 * weft-init lives as long as the worker, and steps that share its /proc could read its environment:
 * what weft has there (a CI job's tokens) is kept from it. It looks for newuidmap on PATH.
 */
static void init_env(struct weft_strv *env)
{
    static const char *const names[] = {"PATH", "LD_LIBRARY_PATH"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *v = getenv(names[i]);

        if (v) {
            weft_strv_addf(env, "%s=%s", names[i], v);
        }
    }
    weft_strv_add(env, "LANG=C.UTF-8");
}

/* A session of its own: a Ctrl-C in the terminal is for weft, not for its workers. */
static int spawn(struct weft_launch *l, char *const *argv, int report_fd, struct weft_err **err)
{
    weft_auto_strv env = {0};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int sys;

    init_env(&env);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, report_fd, REPORT_FD);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, l->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    sys = posix_spawn(&l->launcher, argv[0], &actions, &attr, argv, env.v);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (sys) {
        l->launcher = 0;
        return weft_fail(err, WEFT_E_CHILD, "cannot start %s: %s", argv[0], strerror(sys));
    }
    return 0;
}

int weft_launch_start(struct weft_launch *l, const char *program, const struct weft_strv *args,
                      const char *log, struct weft_err **err)
{
    weft_auto_strv argv = {0};
    weft_auto_fd write_end = -1;
    int ends[2];

    weft_strv_add(&argv, program);
    weft_strv_concat(&argv, args);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    l->report_fd = ends[0];
    write_end = ends[1];
    l->log = log;
    return spawn(l, argv.v, write_end, err);
}

static void read_line(struct weft_launch *l, const char *line, size_t len)
{
    struct weft_json *j = weft_json_parse(line, len, NULL);

    if (weft_json_get(j, "ok")) {
        weft_json_free(l->end);
        l->end = weft_steal(&j);
    } else if (weft_json_int(j, "pid", 0) > 0) {
        l->inside.pid = (pid_t)weft_json_int(j, "pid", 0);
        l->inside.start = (uint64_t)weft_json_int(j, "pid_start", 0);
    }
    weft_json_free(j);
}

/* Wait up to POLL_MS for more of it. */
static void read_report(struct weft_launch *l)
{
    struct pollfd p = {.fd = l->report_fd, .events = POLLIN};
    char chunk[4096];
    ssize_t n;
    char *end;

    if (poll(&p, 1, POLL_MS) <= 0) {
        return;
    }
    n = read(l->report_fd, chunk, sizeof(chunk));
    if (n == 0 || (n < 0 && errno != EINTR) || l->text.len > REPORT_MAX) {
        l->closed = true;
        return;
    }
    if (n > 0) {
        weft_buf_append(&l->text, chunk, (size_t)n);
    }
    while (l->text.data && (end = memchr(l->text.data, '\n', l->text.len))) {
        size_t len = (size_t)(end - l->text.data);

        read_line(l, l->text.data, len);
        weft_buf_consume(&l->text, len + 1);
    }
}

static int reported_error(const struct weft_launch *l, struct weft_err **err)
{
    const char *msg = weft_json_str(l->end, "msg");
    const char *hint = weft_json_str(l->end, "hint");
    weft_auto_free char *tail = NULL;

    if (msg) {
        weft_fail(err, (enum weft_code)weft_json_int(l->end, "code", WEFT_E_CHILD), "%s", msg);
        if (err && *err) {
            (*err)->sys = (int)weft_json_int(l->end, "sys", 0);
        }
        return hint ? weft_err_hint(err, "%s", hint) : -1;
    }
    tail = weft_file_tail(l->log, LOG_LINES);
    return weft_fail(err, WEFT_E_CHILD, "weft-init ended without a word; the end of %s:\n%s",
                     l->log, *tail ? tail : "(empty)");
}

int weft_launch_await(struct weft_launch *l, const atomic_bool *cancel, struct weft_err **err)
{
    bool ok, cancelled = false;

    while (!l->closed && !l->end) {
        read_report(l);
        if (!cancelled && l->inside.pid && cancel && atomic_load(cancel)) {
            weft_process_end(l->inside, false, NULL);
            cancelled = true;
        }
    }
    while (waitpid(l->launcher, NULL, 0) < 0 && errno == EINTR) {
    }
    cancelled = cancel && atomic_load(cancel);
    ok = weft_json_bool(l->end, "ok", false);
    if (ok && !cancelled) {
        return 0;
    }
    if (l->inside.pid) {
        weft_process_end(l->inside, false, NULL);
    }
    return cancelled ? weft_fail(err, WEFT_E_CANCELLED, "interrupted") : reported_error(l, err);
}

void weft_launch_finish(struct weft_launch *l)
{
    if (l->report_fd >= 0) {
        close(weft_steal_fd(&l->report_fd));
    }
    weft_json_free(weft_steal(&l->end));
    weft_buf_finish(&l->text);
}
