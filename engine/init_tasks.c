/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/init_tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/spawn.h"
#include "engine/worker_disk.h"
#include "engine/worker_files.h"

enum {
    WATCH_MS = 200
};

/* A child of ours: 0 there, and it ends when we do. */
static pid_t fork_task(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
            _exit(1);
        }
        (void)setpriority(PRIO_PROCESS, 0, 10);
    }
    return pid;
}

static int run_buildctl(const char *buildctl, struct weft_strv *argv, char **text,
                        struct weft_err **err)
{
    int code = weft_run_capture(buildctl, argv->v, 1, text, err);

    if (code > 0) {
        weft_auto_free char *shown = weft_printable(*text);

        return weft_fail(err, WEFT_E_CHILD, "%s %s: exit code %d: %s", argv->v[0], argv->v[2], code,
                         shown);
    }
    return code;
}

/* As BuildKit's own collector: internal records only if the others do not suffice. free_bytes > 0:
 * until so much of the disk is free. */
static int prune(const char *buildctl, const char *socket_path, uint64_t share_bytes,
                 uint64_t free_bytes, bool all, struct weft_err **err)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;

    weft_strv_add(&argv, "buildctl");
    weft_strv_addf(&argv, "--addr=unix://%s", socket_path);
    weft_strv_add(&argv, "prune");
    /* in units of 10^6 bytes */
    weft_strv_addf(&argv, "--keep-storage=%" PRIu64 ".%06" PRIu64, share_bytes / 1000000,
                   share_bytes % 1000000);
    if (free_bytes > 0) {
        weft_strv_addf(&argv, "--free-storage=%" PRIu64, free_bytes / 1000000 + 1);
    }
    if (all) {
        weft_strv_add(&argv, "--all");
    }
    return run_buildctl(buildctl, &argv, &text, err);
}

/* The sum that BuildKit compares with the limit. */
static int ask_used(const char *buildctl, const char *socket_path, uint64_t *used_bytes,
                    struct weft_err **err)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;
    char *p, *end;

    weft_strv_add(&argv, "buildctl");
    weft_strv_addf(&argv, "--addr=unix://%s", socket_path);
    weft_strv_add(&argv, "du");
    weft_strv_add(&argv, "--format={{range .}}{{if not .Shared}}{{.Size}} {{end}}{{end}}");
    if (run_buildctl(buildctl, &argv, &text, err) < 0) {
        return -1;
    }
    *used_bytes = 0;
    for (p = text; *p; p = end) {
        uint64_t size = strtoull(p, &end, 10);

        if (end == p) {
            break;
        }
        *used_bytes += size;
    }
    return 0;
}

/* How much is to be free, where less is; 0: enough is. */
static uint64_t lacking(const char *dir)
{
    struct statvfs st;
    uint64_t low;

    if (statvfs(dir, &st) < 0) {
        return 0;
    }
    low = weft_worker_disk_low((uint64_t)st.f_blocks * st.f_frsize);
    return (uint64_t)st.f_bavail * st.f_frsize < low ? low : 0;
}

/* The first prune also has BuildKit collect the garbage that it does not count: snapshots of failed
 * steps. */
static int trim_low(const char *buildctl, const struct weft_worker_files *f, uint64_t share_bytes,
                    struct weft_err **err)
{
    if (unlink(f->reserve) < 0 && errno != ENOENT) {
        weft_warn("%s: %s", f->reserve, strerror(errno));
    }
    for (int all = 0; all <= 1; all++) {
        uint64_t wanted;

        if (prune(buildctl, f->socket, share_bytes, 0, all, err) < 0) {
            return -1;
        }
        wanted = lacking(f->state_dir);
        if (wanted > 0 && prune(buildctl, f->socket, share_bytes, wanted, all, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int trim(const char *buildctl, const struct weft_worker_files *f, uint64_t share_bytes,
                struct weft_err **err)
{
    struct weft_worker_usage u = {.share_bytes = share_bytes};

    if (lacking(f->state_dir) > 0 && trim_low(buildctl, f, share_bytes, err) < 0) {
        return -1;
    }
    if (ask_used(buildctl, f->socket, &u.used_bytes, err) < 0) {
        return -1;
    }
    if (u.used_bytes > share_bytes && (prune(buildctl, f->socket, share_bytes, 0, false, err) < 0 ||
                                       prune(buildctl, f->socket, share_bytes, 0, true, err) < 0 ||
                                       ask_used(buildctl, f->socket, &u.used_bytes, err) < 0)) {
        return -1;
    }
    weft_worker_reserve_make(f->reserve);
    return weft_worker_usage_write(f->usage, &u, err);
}

pid_t weft_init_trim(const char *buildctl, const struct weft_worker_files *files,
                     uint64_t share_bytes, struct weft_err **err)
{
    pid_t pid = fork_task();

    if (pid < 0) {
        return weft_fail_sys(err, errno, "fork");
    }
    if (pid == 0) {
        struct weft_err *error = NULL;

        if (trim(buildctl, files, share_bytes, &error) < 0) {
            weft_warn("the cache was not trimmed: %s", error->msg);
            _exit(1);
        }
        _exit(0);
    }
    return pid;
}

pid_t weft_init_sweep(const char *path)
{
    pid_t pid;

    if (!weft_exists(path)) {
        return 0;
    }
    pid = fork_task();
    if (pid == 0) {
        struct weft_err *error = NULL;

        if (weft_rmtree(path, &error) < 0) {
            weft_warn("what is left of a removed state: %s", error->msg);
            _exit(1);
        }
        _exit(0);
    }
    return pid < 0 ? 0 : pid;
}

static int watched_fd = -1;

static void look_for_reader(int sig)
{
    struct pollfd p = {.fd = watched_fd};

    (void)sig;
    if (poll(&p, 1, 0) > 0 && (p.revents & POLLERR)) {
        _exit(1);
    }
}

/* Nothing else comes by while a tree is removed. */
static void watch(int report_fd)
{
    const struct itimerval often = {{0, WATCH_MS * 1000L}, {0, WATCH_MS * 1000L}};
    struct sigaction sa = {.sa_handler = look_for_reader, .sa_flags = SA_RESTART};

    watched_fd = report_fd;
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

int weft_init_remove(const struct weft_strv *paths, int report_fd, uint64_t *bytes,
                     struct weft_err **err)
{
    watch(report_fd);
    *bytes = 0;
    for (size_t i = 0; i < paths->n; i++) {
        bool whole;

        *bytes += weft_worker_disk_walk(paths->v[i], &whole);
        if (weft_rmtree(paths->v[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}
