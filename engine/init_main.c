/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft-init SPEC: makes a worker's namespaces, and is the first process in them: registers the
 * handlers, runs buildkitd, reaps what is orphaned, trims the cache, and ends it all when buildkitd
 * ends, on SIGTERM, and when no client has been there for long enough. weft-init --remove PATH...:
 * makes the same namespaces, and removes the trees. Started by weft (engine/worker_launch.c) with
 * its reports on descriptor 3 and the worker's log on 1 and 2.
 *
 * Reports are lines of JSON: {"pid":...} when the process exists, then {"ok":true,...} or
 * {"ok":false,"code":...,"msg":...}.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/idmap.h"
#include "binfmt/sandbox.h"
#include "binfmt/stuck.h"
#include "engine/buildkit.h"
#include "engine/init_cache.h"
#include "engine/init_runtime.h"
#include "engine/init_tasks.h"
#include "engine/worker_disk.h"
#include "engine/worker_files.h"
#include "engine/worker_state.h"

enum {
    REPORT_FD = 3,
    POLL_MS = 250,
    STUCK_MS = 1000,
    PING_MS = 200,
    START_MS = 60 * 1000,
    INSIST_MS = 1000,
    STOP_MS = 5000,
    LOCK_MS = 10 * 1000, /* for what is left of a worker before us to let go of the state */
    LOG_LINES = 12,
    TRIM_MS = 4000, /* for the cache, at the end; with STOP_MS less than weft waits */
};

struct init {
    struct weft_strv remove; /* --remove: the paths; nothing else of this is used then */
    struct weft_json *spec;
    struct weft_worker_files files;
    struct weft_worker_info info;
    sigset_t signals;
    int state_fd;
    bool has_state; /* the state is ours: we have its lock */
    int clients_fd;
    pid_t buildkitd;
    int status; /* of buildkitd, once it has ended */
    int64_t idle_ms;
    int64_t idle_since_ms;
    int64_t stuck_scan_ms;
    struct timespec wishes_mtime;
    struct weft_init_cache cache;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* weft may be gone by now: the worker then lives on, and ends when it has been idle. */
static void report(const struct weft_json *line)
{
    weft_auto_free char *text = weft_json_dump(line, 0);
    weft_auto_free char *whole = weft_fmt("%s\n", text);

    (void)weft_write_all(REPORT_FD, whole, strlen(whole), "report", NULL);
}

static void report_error(struct weft_err *error, void *data)
{
    weft_auto_json line = weft_json_object();

    (void)data;
    weft_json_set_bool(line, "ok", false);
    weft_json_set_int(line, "code", error->code);
    weft_json_set_int(line, "sys", error->sys);
    weft_json_set_str(line, "msg", error->msg);
    weft_json_set_str(line, "hint", error->hint);
    report(line);
    weft_error("%s", error->msg);
    weft_err_free(error);
}

/* Ends everybody who is left where no PID namespace does it for us: orphans become our children. */
static void kill_children(void)
{
    for (int round = 0; round < 1000; round++) {
        weft_auto_free char *path = weft_fmt("/proc/self/task/%d/children", (int)getpid());
        weft_auto_free char *text = NULL;
        char *p, *end;

        if (weft_read_file(path, 1 << 16, &text, NULL, NULL) < 0) {
            return;
        }
        for (p = text; *p; p = end) {
            long pid = strtol(p, &end, 10);

            if (end == p) {
                break;
            }
            if (pid > 1) {
                kill((pid_t)pid, SIGKILL);
            }
        }
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) {
            return;
        }
    }
}

/* Reaps whoever has ended. True: buildkitd has. */
static bool reap(struct init *in)
{
    int status;
    pid_t pid;
    bool ended = false;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == in->buildkitd) {
            in->status = status;
            in->buildkitd = 0;
            ended = true;
        } else if (pid == in->cache.trimmer) {
            in->cache.trimmer = 0;
        }
    }
    return ended;
}

/* A signal that came within the time, or 0. */
static int wait_signal(const struct init *in, int timeout_ms)
{
    const struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    int sig = sigtimedwait(&in->signals, NULL, &t);

    return sig < 0 ? 0 : sig;
}

static void stop_buildkitd(struct init *in)
{
    int64_t begun = now_ms();
    bool insisted = false;

    if (in->buildkitd > 0) {
        kill(in->buildkitd, SIGTERM);
    }
    while (in->buildkitd > 0 && now_ms() - begun < STOP_MS) {
        /* the second makes it stop waiting for steps that still run */
        if (!insisted && now_ms() - begun >= INSIST_MS) {
            kill(in->buildkitd, SIGTERM);
            insisted = true;
        }
        wait_signal(in, 50);
        reap(in);
    }
    if (in->buildkitd > 0) {
        weft_warn("buildkitd did not end within %d s of SIGTERM", STOP_MS / 1000);
        kill(in->buildkitd, SIGKILL);
    }
}

/* What the next start or `weft worker list` should not see. worker.json goes last: without it, the
 * next start writes its own files at once. What lies in a state that another worker has is its. */
static void clear_away(struct init *in, bool pid_ns)
{
    if (!pid_ns) {
        kill_children();
    }
    (void)weft_rmtree(in->files.registries, NULL);
    if (in->has_state) {
        unlink(in->files.socket);
        (void)weft_rmtree(in->files.tmp, NULL);
        unlink(in->files.info);
    }
}

/* Whether layers of this state lie in the store of a snapshotter of this name. */
static bool has_store(const struct init *in, const char *snapshotter)
{
    weft_auto_free char *dir = weft_fmt("%s/runc-%s", in->files.buildkit_root, snapshotter);

    return weft_is_dir(dir);
}

static void build_argv(const struct init *in, struct weft_strv *argv)
{
    weft_strv_add(argv, in->info.buildkitd);
    weft_strv_addf(argv, "--config=%s", in->files.config);
    weft_strv_add(argv, "--rootless");
    weft_strv_addf(argv, "--root=%s", in->files.buildkit_root);
    weft_strv_addf(argv, "--addr=unix://%s", in->files.socket);
    weft_strv_add(argv, "--oci-worker=true");
    weft_strv_add(argv, "--containerd-worker=false");
    weft_strv_addf(argv, "--oci-worker-binary=%s", in->info.runtime);
    weft_strv_add(argv, "--oci-worker-net=host");
    weft_strv_add(argv, "--allow-insecure-entitlement=network.host");
    weft_strv_add(argv, "--allow-insecure-entitlement=security.insecure");
    /* Left to itself, buildkitd tries overlay mounts at each start, and takes another snapshotter,
     * and so an empty store, where the disk is full. */
    if (has_store(in, "overlayfs") && !has_store(in, "native")) {
        weft_strv_add(argv, "--oci-worker-snapshotter=overlayfs");
    }
    if (!in->info.process_sandbox) {
        weft_strv_add(argv, "--oci-worker-no-process-sandbox");
    }
}

static void build_env(const struct init *in, struct weft_strv *env)
{
    const struct weft_json *passed = weft_json_get(in->spec, "env");

    weft_strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    weft_strv_add(env, "LANG=C.UTF-8");
    /* Not root: buildkitd and the runtime keep their sockets and state in XDG_RUNTIME_DIR only
     * then. */
    weft_strv_add(env, "USER=weft");
    weft_strv_addf(env, "HOME=%s", in->files.home);
    weft_strv_addf(env, "TMPDIR=%s", in->files.tmp);
    weft_strv_addf(env, "XDG_RUNTIME_DIR=%s", in->files.runtime_dir);
    for (size_t i = 0; i < weft_json_len(passed); i++) {
        const char *item = weft_json_value_str(weft_json_at(passed, i));

        if (item) {
            weft_strv_add(env, item);
        }
    }
}

static int start_buildkitd(struct init *in, struct weft_err **err)
{
    weft_auto_strv argv = {0};
    weft_auto_strv env = {0};
    pid_t parent = getpid();
    pid_t pid;

    build_argv(in, &argv);
    build_env(in, &env);
    pid = fork();
    if (pid < 0) {
        return weft_fail_sys(err, errno, "fork");
    }
    if (pid == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        setpgid(0, 0);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
            _exit(127);
        }
        execve(argv.v[0], argv.v, env.v);
        fprintf(stderr, "cannot run %s: %s\n", argv.v[0], strerror(errno));
        _exit(127);
    }
    in->buildkitd = pid;
    return 0;
}

static int fail_start(struct init *in, const char *what, struct weft_err **err)
{
    weft_auto_free char *tail = weft_file_tail(in->files.log, LOG_LINES);

    return weft_fail(err, WEFT_E_CHILD, "buildkitd %s; the end of %s:\n%s", what, in->files.log,
                     *tail ? tail : "(empty)");
}

static int wait_for_buildkitd(struct init *in, struct weft_err **err)
{
    int64_t until = now_ms() + START_MS;

    while (!weft_buildkit_ping(in->files.socket, PING_MS)) {
        int sig;

        if (reap(in)) {
            weft_auto_free char *how =
                WIFEXITED(in->status)
                    ? weft_fmt("ended at once with exit code %d", WEXITSTATUS(in->status))
                    : weft_fmt("was ended at once by signal %d", WTERMSIG(in->status));

            return fail_start(in, how, err);
        }
        while ((sig = wait_signal(in, 0))) {
            if (sig != SIGCHLD) {
                return weft_fail(err, WEFT_E_CANCELLED, "told to end while buildkitd started");
            }
        }
        if (now_ms() >= until) {
            weft_auto_free char *how = weft_fmt("did not answer within %d s", START_MS / 1000);

            return fail_start(in, how, err);
        }
    }
    if (chmod(in->files.socket, 0600) < 0) {
        return weft_fail_sys(err, errno, "chmod %s", in->files.socket);
    }
    return 0;
}

/* Whether the lock is that of the state, and not of one that was removed, or set aside, while we
 * waited for it. */
static bool is_locked(const struct init *in)
{
    struct stat ours, there;

    return fstat(in->state_fd, &ours) == 0 && stat(in->files.state_lock, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int take_state(struct init *in, struct weft_err **err)
{
    int got;

    in->state_fd = weft_lock_open(in->files.state_lock, err);
    in->clients_fd = in->state_fd < 0 ? -1 : weft_lock_open(in->files.clients_lock, err);
    if (in->clients_fd < 0) {
        return -1;
    }
    got = weft_lock_wait(in->state_fd, true, LOCK_MS, err);
    if (got < 0) {
        return -1;
    }
    if (got == 0) {
        weft_fail(err, WEFT_E_IO, "%s is in use by another process", in->files.state_dir);
        return weft_err_hint(err, "do two weft with different runtime directories share "
                                  "WEFT_STATE_DIR?");
    }
    if (!is_locked(in)) {
        weft_fail(err, WEFT_E_IO, "%s was removed while the worker started", in->files.state_dir);
        return weft_err_hint(err, "try again");
    }
    in->has_state = true;
    return 0;
}

/* What a worker that was killed has left. The files of tmp belong to ids of this namespace. */
static int clear_remains(const struct init *in, struct weft_err **err)
{
    static const char *const runtimes[] = {"runc", "crun"}; /* in XDG_RUNTIME_DIR */

    unlink(in->files.socket);
    for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
        weft_auto_free char *dir = weft_path_join(in->files.runtime_dir, runtimes[i]);

        if (weft_rmtree(dir, err) < 0) {
            return -1;
        }
    }
    return weft_rmtree(in->files.tmp, err);
}

/* weft wrote a configuration for a worker with handlers of its own. */
static int forget_platforms(const struct init *in, struct weft_err **err)
{
    uint64_t share = (uint64_t)weft_json_int(in->spec, "share_bytes", 0);
    weft_auto_free char *config =
        weft_buildkit_config(share, NULL, weft_json_str(in->spec, "registries"));

    return weft_write_file(in->files.config, config, strlen(config), 0600, err);
}

/* Two runtimes are new enough: the second is taken where the first does not work. With one there is
 * no choice, and buildkitd's own error is as good. */
static void choose_runtime(struct init *in)
{
    const char *other = weft_json_str(in->spec, "other_runtime");
    weft_auto_free char *why = NULL;

    if (other && !weft_init_runtime_works(in->info.runtime, weft_json_str(in->spec, "buildctl"),
                                          in->files.tmp, in->info.process_sandbox, &why)) {
        weft_info("%s does not work here: %s; taking %s", in->info.runtime, why, other);
        free(in->info.runtime);
        in->info.runtime = weft_xstrdup(other);
    }
}

static int prepare(struct init *in, struct weft_err **err)
{
    const struct weft_json *list = weft_json_get(in->spec, "handlers");
    weft_auto_strv lines = {0};

    if (take_state(in, err) < 0 ||
        weft_worker_state_give(&in->files, weft_json_str(in->spec, "buildkit_version"), err) < 0) {
        return -1;
    }
    if (in->info.scope == WEFT_SCOPE_NAMESPACE) {
        int own;

        for (size_t i = 0; i < weft_json_len(list); i++) {
            weft_strv_add(&lines, weft_json_value_str(weft_json_at(list, i)));
        }
        own = weft_sandbox_handlers(in->files.binfmt_dir, &lines, err);
        if (own < 0) {
            return -1;
        }
        if (own == 0) {
            in->info.scope = WEFT_SCOPE_EXISTING;
            if (forget_platforms(in, err) < 0) {
                return -1;
            }
        }
    }
    /* From here on the worker can be found, and ended by whoever finds it. */
    if (weft_worker_info_write(&in->files, &in->info, err) < 0) {
        return -1;
    }
    (void)weft_init_sweep(in->files.removing);
    if (clear_remains(in, err) < 0 || weft_mkdirs(in->files.tmp, 0700, err) < 0 ||
        weft_mkdirs(in->files.home, 0700, err) < 0) {
        return -1;
    }
    weft_worker_reserve_make(in->files.reserve);
    choose_runtime(in);
    return start_buildkitd(in, err);
}

static void load_wishes(struct init *in)
{
    struct stat st;
    weft_auto_free char *text = NULL;

    if (stat(in->files.wishes, &st) < 0 || (st.st_mtim.tv_sec == in->wishes_mtime.tv_sec &&
                                            st.st_mtim.tv_nsec == in->wishes_mtime.tv_nsec)) {
        return;
    }
    in->wishes_mtime = st.st_mtim;
    in->idle_since_ms = now_ms(); /* somebody was here, perhaps too shortly to be seen */
    weft_worker_reserve_make(in->files.reserve);
    if (weft_read_file(in->files.wishes, 64, &text, NULL, NULL) == 0) {
        char *end;

        in->idle_ms = strtoll(text, &end, 10);
        weft_init_cache_wish(&in->cache, strtoull(end, NULL, 10));
    }
}

/* Before buildkitd is ended. */
static void trim_last(struct init *in)
{
    int64_t until = now_ms() + TRIM_MS;

    load_wishes(in);
    if (in->buildkitd <= 0 || !weft_init_cache_last(&in->cache, now_ms())) {
        return;
    }
    while (in->cache.trimmer && now_ms() < until) {
        int sig = wait_signal(in, 50);

        if (reap(in) || (sig && sig != SIGCHLD)) {
            return;
        }
    }
}

/* True: nobody has been here for long enough, and nobody can come any more, since we keep the lock.
 */
static bool idle_too_long(struct init *in)
{
    int64_t unused_ms;

    load_wishes(in);
    if (weft_lock_try(in->clients_fd, true, NULL) != 1) {
        in->idle_since_ms = now_ms();
        weft_init_cache_busy(&in->cache, now_ms());
        return false;
    }
    unused_ms = now_ms() - in->idle_since_ms;
    if (!weft_init_cache_unused(&in->cache, unused_ms, in->idle_ms, now_ms()) &&
        unused_ms >= in->idle_ms) {
        return true;
    }
    weft_lock_release(in->clients_fd);
    return false;
}

static void end_stuck(pid_t pid, int signum, void *data)
{
    (void)data;
    weft_warn("process %d is the first of its container, and QEMU cannot end it with signal %d: "
              "killed",
              (int)pid, signum);
    kill(pid, SIGKILL);
}

/* Once a second: a step whose first program has crashed under QEMU would hang for ever
 * (binfmt/stuck.h). */
static void end_all_stuck(struct init *in)
{
    weft_auto_fd proc = -1;

    /* without a PID namespace of its own the worker would see, and end, what is not its own */
    if (!in->info.process_sandbox || now_ms() - in->stuck_scan_ms < STUCK_MS) {
        return;
    }
    in->stuck_scan_ms = now_ms();
    proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc >= 0) {
        weft_stuck_scan(proc, end_stuck, NULL);
    }
}

static void serve(struct init *in)
{
    in->idle_since_ms = now_ms();
    for (;;) {
        int sig = wait_signal(in, POLL_MS);

        end_all_stuck(in);

        if (reap(in)) {
            weft_error("buildkitd ended by itself (wait status %d)", in->status);
            return;
        }
        if (sig && sig != SIGCHLD) {
            weft_info("ending on signal %d", sig);
            return;
        }
        if (!sig && idle_too_long(in)) {
            weft_info("ending: no client for %lld ms", (long long)in->idle_ms);
            return;
        }
    }
}

/*
 * Without a PID namespace nobody ends the worker's processes when its init is killed. So there are
 * two: this one watches the other, which does the work, and each cleans up when the other is gone.
 * Returns in the other.
 */
static void guard(const struct init *in)
{
    pid_t parent = getpid();
    pid_t child = fork();
    int status = 0;

    if (child < 0) {
        return; /* then it has to go without */
    }
    if (child == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
        if (getppid() != parent) {
            _exit(1);
        }
        return;
    }
    prctl(PR_SET_NAME, "weft-guard");
    close(REPORT_FD);
    while (waitpid(child, &status, WNOHANG) != child) {
        int sig = wait_signal(in, POLL_MS);

        if (sig && sig != SIGCHLD) {
            kill(child, SIGTERM);
        }
    }
    kill_children();
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int inside(const struct weft_sandbox_self *self, void *data)
{
    struct init *in = data;
    struct weft_err *err = NULL;
    weft_auto_json line = weft_json_object();

    if (!self->pid_ns) {
        guard(in);
    }
    prctl(PR_SET_NAME, "weft-init");
    in->info.pid = self->pid;
    in->info.pid_start = self->pid_start;
    in->info.process_sandbox = self->pid_ns;
    weft_json_set_int(line, "pid", self->pid);
    weft_json_set_int(line, "pid_start", (int64_t)self->pid_start);
    report(line);
    if (prepare(in, &err) < 0 || wait_for_buildkitd(in, &err) < 0) {
        stop_buildkitd(in);
        clear_away(in, self->pid_ns);
        report_error(err, NULL);
        return 1;
    }
    in->info.ready = true;
    if (weft_worker_info_write(&in->files, &in->info, &err) < 0) {
        stop_buildkitd(in);
        clear_away(in, self->pid_ns);
        report_error(err, NULL);
        return 1;
    }
    weft_json_set_bool(line, "ok", true);
    weft_json_set_str(line, "scope", weft_scope_name(in->info.scope));
    weft_json_set_bool(line, "process_sandbox", in->info.process_sandbox);
    report(line);
    close(REPORT_FD);
    serve(in);
    /* Whoever ended us may be gone, and with it the lock that kept clients away. */
    in->info.ready = false;
    (void)weft_worker_info_write(&in->files, &in->info, NULL);
    trim_last(in);
    stop_buildkitd(in);
    clear_away(in, self->pid_ns);
    return 0;
}

/* The first process inside, for --remove. */
static int remove_inside(const struct weft_sandbox_self *self, void *data)
{
    const struct init *in = data;
    weft_auto_json line = weft_json_object();
    struct weft_err *err = NULL;
    uint64_t bytes;

    prctl(PR_SET_NAME, "weft-remove");
    weft_json_set_int(line, "pid", self->pid);
    weft_json_set_int(line, "pid_start", (int64_t)self->pid_start);
    report(line);
    if (weft_init_remove(&in->remove, REPORT_FD, &bytes, &err) < 0) {
        report_error(err, NULL);
        return 1;
    }
    weft_json_set_bool(line, "ok", true);
    weft_json_set_int(line, "bytes", (int64_t)bytes);
    report(line);
    return 0;
}

static int load_spec(struct init *in, const char *path, struct weft_err **err)
{
    const char *slot, *runtime_root, *state_root;
    int scope;

    in->spec = weft_json_load(path, err);
    if (!in->spec) {
        return -1;
    }
    slot = weft_json_str(in->spec, "slot");
    runtime_root = weft_json_str(in->spec, "runtime_root");
    state_root = weft_json_str(in->spec, "state_root");
    scope = weft_scope_parse(weft_json_str(in->spec, "scope"));
    in->info.identity = weft_xstrdup_null(weft_json_str(in->spec, "identity"));
    in->info.buildkitd = weft_xstrdup_null(weft_json_str(in->spec, "buildkitd"));
    in->info.runtime = weft_xstrdup_null(weft_json_str(in->spec, "runtime"));
    if (weft_json_int(in->spec, "schema", 0) != WEFT_WORKER_FORMAT || !slot || !runtime_root ||
        !state_root || scope < 0 || !in->info.identity || !in->info.buildkitd ||
        !in->info.runtime || !weft_json_str(in->spec, "buildctl")) {
        return weft_fail(err, WEFT_E_INTERNAL, "%s is not what this weft-init takes", path);
    }
    in->info.scope = (enum weft_scope)scope;
    in->info.started_s = time(NULL);
    weft_worker_files_init(&in->files, runtime_root, state_root, slot);
    weft_init_cache_init(&in->cache, &in->files, weft_json_str(in->spec, "buildctl"),
                         (uint64_t)weft_json_int(in->spec, "share_bytes", 0), now_ms());
    return 0;
}

int main(int argc, char **argv)
{
    struct init in = {.state_fd = -1, .clients_fd = -1};
    struct weft_idmaps maps = {0};
    struct weft_sandbox_self self;
    struct weft_err *err = NULL;
    weft_sandbox_fn *fn;

    for (int i = 2; i < argc && strcmp(argv[1], "--remove") == 0; i++) {
        weft_strv_add(&in.remove, argv[i]);
    }
    if ((argc != 2 && in.remove.n == 0) || fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "usage: weft-init SPEC\n       weft-init --remove PATH...\n"
                        "It is started by weft, not by hand.\n");
        return 2;
    }
    (void)close_range(REPORT_FD + 1, ~0u, 0);
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&in.signals);
    sigaddset(&in.signals, SIGCHLD);
    sigaddset(&in.signals, SIGTERM);
    sigaddset(&in.signals, SIGINT);
    sigaddset(&in.signals, SIGHUP);
    if (chdir("/") < 0) { /* not to keep a file system busy */
        weft_fail_sys(&err, errno, "chdir /");
        report_error(err, NULL);
        return 1;
    }
    if ((in.remove.n == 0 && load_spec(&in, argv[1], &err) < 0) ||
        weft_idmaps_detect(&maps, &err) < 0) {
        report_error(err, NULL);
        return 1;
    }
    /* blocked from here on: a first process of a PID namespace gets only signals that it blocks or
     * handles */
    sigprocmask(SIG_BLOCK, &in.signals, NULL);
    fn = in.remove.n > 0 ? remove_inside : inside;
    return weft_sandbox_enter(&maps, fn, report_error, &in, &self) < 0 ? 1 : 0;
}
