/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"

/*
 * The steps, and who does them:
 *
 *   launcher                     helper (its child)            process inside (the helper's child)
 *   ----------------------------------------------------------------------------------------------
 *                                unshare user, mount
 *                          <---  "unshared"
 *   writes the id maps     --->  "mapped"
 *                                unshare pid, fork
 *                          <---  pid of the process inside
 *   struct weft_sandbox_self  ------------------------------>  mounts private, own /proc
 *                          <---------------------------------  "inside", or "no /proc"
 *                                (has exited)                  fn()
 *
 * unshare(2) and not clone(2) with flags: seccomp profiles of containers can be told to allow the
 * first, and refuse the second by its arguments.
 */

enum {
    MSG_UNSHARED = 'u',
    MSG_MAPPED = 'm',
    MSG_INSIDE = 'i',
    MSG_NO_PROC = 'p'
};

enum entered {
    ENTERED,
    ENTER_FAILED,
    ENTER_WITHOUT_PID_NS
};

struct enter {
    const struct weft_idmaps *maps;
    weft_sandbox_fn *fn;
    weft_sandbox_fail_fn *fail;
    void *data;
    bool pid_ns;
    int to_launcher[2]; /* pipes: [0] is read, [1] is written */
    int to_helper[2];
    int to_inside[2];
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(weft_steal_fd(fd));
    }
}

static bool send_bytes(int fd, const void *data, size_t len)
{
    return weft_write_all(fd, data, len, "pipe", NULL) == 0;
}

/* False at the end of the pipe: the other side is gone. */
static bool receive_bytes(int fd, void *data, size_t len)
{
    char *p = data;

    while (len > 0) {
        ssize_t n = read(fd, p, len);

        if (n == 0 || (n < 0 && errno != EINTR)) {
            return false;
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static bool send_byte(int fd, char c)
{
    return send_bytes(fd, &c, 1);
}

static bool expect_byte(int fd, char want)
{
    char c;

    return receive_bytes(fd, &c, 1) && c == want;
}

static bool file_says(const char *path, const char *want)
{
    weft_auto_free char *text = NULL;

    return weft_read_file(path, 64, &text, NULL, NULL) == 0 && weft_starts_with(text, want);
}

/* What hinders user namespaces, as far as the machine says. */
static void hint_user_namespace(struct weft_err **err, int sys)
{
    if (file_says("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
        weft_err_hint(err, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    } else if (file_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
        weft_err_hint(err, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    } else if (sys == ENOSPC) {
        weft_err_hint(err, "sudo sysctl -w user.max_user_namespaces=15000 (and "
                           "user.max_pid_namespaces, user.max_mnt_namespaces)");
    } else if (sys == EPERM) {
        weft_err_hint(err, "a seccomp profile refuses it: the container needs one that allows "
                           "unshare, mount, umount2, sethostname, setns, keyctl and pivot_root");
    }
}

static int fail_unshare(int sys, const char *what, struct weft_err **err)
{
    weft_fail(err, WEFT_E_UNSUPPORTED, "cannot make a %s namespace: %s", what, strerror(sys));
    hint_user_namespace(err, sys);
    return -1;
}

static int write_map(pid_t pid, const char *name, const struct weft_idmap *map,
                     struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("/proc/%d/%s", (int)pid, name);
    weft_auto_free char *text = weft_idmap_text(map);
    weft_auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

    /* one write() or none: the kernel takes a map only whole */
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        int sys = errno;

        weft_fail(err, WEFT_E_UNSUPPORTED, "cannot write %s: %s", path, strerror(sys));
        return weft_err_hint(err, "root needs the capabilities SETUID, SETGID and SETFCAP here "
                                  "(in a container: capabilities.add)");
    }
    return 0;
}

static int run_mapper(const char *program, pid_t pid, const struct weft_idmap *map,
                      struct weft_err **err)
{
    weft_auto_free char *said = NULL;
    weft_auto_strv argv = {0};
    int code;

    weft_strv_add(&argv, program);
    weft_strv_addf(&argv, "%d", (int)pid);
    for (size_t i = 0; i < map->n; i++) {
        weft_strv_addf(&argv, "%" PRIu32, map->v[i].inside);
        weft_strv_addf(&argv, "%" PRIu32, map->v[i].outside);
        weft_strv_addf(&argv, "%" PRIu32, map->v[i].count);
    }
    code = weft_run_capture(program, argv.v, 1, &said, err);
    if (code < 0) {
        return -1;
    }
    if (code > 0) {
        weft_auto_free char *shown = NULL;

        said[strcspn(said, "\n")] = '\0';
        shown = weft_printable(said);
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s failed with exit code %d: %s", program, code, shown);
        return weft_err_hint(err,
                             "is %s setuid root (or has cap_setuid, cap_setgid), and do "
                             "/etc/subuid and /etc/subgid agree? sudo apt-get install "
                             "--reinstall uidmap",
                             program);
    }
    return 0;
}

static int write_maps(pid_t pid, const struct weft_idmaps *maps, struct weft_err **err)
{
    if (maps->newuidmap) {
        return run_mapper(maps->newuidmap, pid, &maps->uid, err) < 0
                   ? -1
                   : run_mapper(maps->newgidmap, pid, &maps->gid, err);
    }
    return write_map(pid, "uid_map", &maps->uid, err) < 0
               ? -1
               : write_map(pid, "gid_map", &maps->gid, err);
}

bool weft_process_parse_stat(const char *text, uint64_t *start)
{
    const char *p = strrchr(text, ')'); /* the name before it can hold anything */
    char state;

    if (!p || p[1] != ' ') {
        return false;
    }
    p += 2;
    state = *p;
    for (int field = 3; field < 22; field++) {
        p = strchr(p, ' ');
        if (!p) {
            return false;
        }
        p++;
    }
    *start = strtoull(p, NULL, 10);
    return state != 'Z' && state != 'X';
}

bool weft_process_start(pid_t pid, uint64_t *start)
{
    weft_auto_free char *path = weft_fmt("/proc/%d/stat", (int)pid);
    weft_auto_free char *text = NULL;

    return pid > 0 && weft_read_file(path, 4096, &text, NULL, NULL) == 0 &&
           weft_process_parse_stat(text, start);
}

/* Everything from here to the launcher's half runs in children: they end with _exit. */

static void __attribute__((noreturn)) child_fail(const struct enter *e, struct weft_err *err)
{
    e->fail(err, e->data);
    _exit(1);
}

static void __attribute__((noreturn)) inside_main(struct enter *e)
{
    struct weft_sandbox_self self;
    struct weft_err *err = NULL;

    close_fd(&e->to_launcher[0]);
    close_fd(&e->to_helper[0]);
    if (!receive_bytes(e->to_inside[0], &self, sizeof(self))) {
        _exit(1);
    }
    close_fd(&e->to_inside[0]);
    /* Slave: what is unmounted outside goes away here too, and is not held busy by a worker. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        weft_fail(&err, WEFT_E_UNSUPPORTED, "cannot make the worker's mounts private: %s",
                  strerror(errno));
        hint_user_namespace(&err, errno);
        child_fail(e, err);
    }
    if (e->pid_ns) {
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
            (void)send_byte(e->to_launcher[1], MSG_NO_PROC);
            _exit(0);
        }
    } else if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        weft_fail_sys(&err, errno, "PR_SET_CHILD_SUBREAPER");
        child_fail(e, err);
    }
    if (!send_byte(e->to_launcher[1], MSG_INSIDE)) {
        _exit(1);
    }
    close_fd(&e->to_launcher[1]);
    _exit(e->fn(&self, e->data));
}

static void __attribute__((noreturn)) helper_main(struct enter *e)
{
    struct weft_err *err = NULL;
    pid_t pid;

    close_fd(&e->to_launcher[0]);
    close_fd(&e->to_helper[1]);
    close_fd(&e->to_inside[1]);
    if (unshare(CLONE_NEWUSER) < 0) {
        fail_unshare(errno, "user", &err);
        child_fail(e, err);
    }
    if (unshare(CLONE_NEWNS) < 0) {
        fail_unshare(errno, "mount", &err);
        child_fail(e, err);
    }
    if (!send_byte(e->to_launcher[1], MSG_UNSHARED) || !expect_byte(e->to_helper[0], MSG_MAPPED)) {
        _exit(1);
    }
    if (getuid() != 0 || geteuid() != 0) {
        weft_fail(&err, WEFT_E_INTERNAL, "the id map does not make us root");
        child_fail(e, err);
    }
    if (e->pid_ns && unshare(CLONE_NEWPID) < 0) {
        fail_unshare(errno, "PID", &err);
        child_fail(e, err);
    }
    pid = fork();
    if (pid < 0) {
        weft_fail_sys(&err, errno, "fork");
        child_fail(e, err);
    }
    if (pid == 0) {
        inside_main(e);
    }
    _exit(send_bytes(e->to_launcher[1], &pid, sizeof(pid)) ? 0 : 1);
}

/* The launcher's half of the steps. */
static enum entered guide(struct enter *e, pid_t helper, struct weft_sandbox_self *self,
                          struct weft_err **err)
{
    char answer;

    close_fd(&e->to_launcher[1]);
    close_fd(&e->to_helper[0]);
    close_fd(&e->to_inside[0]);
    if (!expect_byte(e->to_launcher[0], MSG_UNSHARED) || write_maps(helper, e->maps, err) < 0 ||
        !send_byte(e->to_helper[1], MSG_MAPPED)) {
        return ENTER_FAILED;
    }
    *self = (struct weft_sandbox_self){.pid_ns = e->pid_ns};
    if (!receive_bytes(e->to_launcher[0], &self->pid, sizeof(self->pid)) ||
        !weft_process_start(self->pid, &self->pid_start) ||
        !send_bytes(e->to_inside[1], self, sizeof(*self)) ||
        !receive_bytes(e->to_launcher[0], &answer, 1)) {
        return ENTER_FAILED;
    }
    if (answer == MSG_NO_PROC) {
        return ENTER_WITHOUT_PID_NS;
    }
    return answer == MSG_INSIDE ? ENTERED : ENTER_FAILED;
}

static enum entered try_enter(struct enter *e, struct weft_sandbox_self *self,
                              struct weft_err **err)
{
    enum entered result = ENTER_FAILED;
    pid_t helper = -1;

    e->to_launcher[0] = e->to_launcher[1] = -1;
    e->to_helper[0] = e->to_helper[1] = -1;
    e->to_inside[0] = e->to_inside[1] = -1;
    if (pipe2(e->to_launcher, O_CLOEXEC) < 0 || pipe2(e->to_helper, O_CLOEXEC) < 0 ||
        pipe2(e->to_inside, O_CLOEXEC) < 0) {
        weft_fail_sys(err, errno, "pipe");
    } else if ((helper = fork()) < 0) {
        weft_fail_sys(err, errno, "fork");
    } else if (helper == 0) {
        helper_main(e);
    } else {
        result = guide(e, helper, self, err);
    }
    for (int i = 0; i < 2; i++) {
        close_fd(&e->to_launcher[i]);
        close_fd(&e->to_helper[i]);
        close_fd(&e->to_inside[i]);
    }
    while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR) {
    }
    return result;
}

int weft_sandbox_enter(const struct weft_idmaps *maps, weft_sandbox_fn *fn,
                       weft_sandbox_fail_fn *fail, void *data, struct weft_sandbox_self *self)
{
    struct enter e = {.maps = maps, .fn = fn, .fail = fail, .data = data, .pid_ns = true};
    struct weft_err *err = NULL;
    enum entered result = try_enter(&e, self, &err);

    if (result == ENTER_WITHOUT_PID_NS) {
        e.pid_ns = false;
        result = try_enter(&e, self, &err);
    }
    if (err) {
        fail(err, data);
    }
    return result == ENTERED ? 0 : -1;
}

int weft_sandbox_handlers(const char *dir, const struct weft_strv *lines, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "register");

    /* MS_NOATIME has no effect here; it marks this mount for a test that denies it (deny-mount.c).
     */
    if (mount("binfmt_misc", dir, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME,
              NULL) < 0) {
        if (errno == EPERM || errno == EACCES || errno == ENODEV || errno == EINVAL) {
            return 0;
        }
        return weft_fail_sys(err, errno, "mount binfmt_misc on %s", dir);
    }
    for (size_t i = 0; i < lines->n; i++) {
        const char *line = lines->v[i];
        weft_auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
            return weft_fail(err, WEFT_E_UNSUPPORTED, "the kernel refuses the handler %s: %s", line,
                             strerror(errno));
        }
    }
    return 1;
}
