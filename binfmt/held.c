/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/held.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"

enum {
    CMDLINE_MAX = 65536,
    TRY_TIMEOUT_MS = 10000,
    DELETED_LEN = sizeof(" (deleted)") - 1
};

/* What the child says where it does not get to run a program. */
struct refusal {
    int sys;
    bool traced;
};

const char *weft_held_name(enum weft_held_state state)
{
    static const char *const names[] = {
        [WEFT_HELD_UNKNOWN] = "unknown",     [WEFT_HELD_CURRENT] = "current",
        [WEFT_HELD_REPLACED] = "replaced",   [WEFT_HELD_DELETED] = "deleted",
        [WEFT_HELD_ELSEWHERE] = "elsewhere", [WEFT_HELD_BY_PATH] = "by path",
        [WEFT_HELD_MISSING] = "missing",
    };

    return names[state];
}

bool weft_held_is_stale(enum weft_held_state state)
{
    return state == WEFT_HELD_REPLACED || state == WEFT_HELD_DELETED;
}

/* Never returns. After fork: async-signal-safe calls only. */
static void __attribute__((noreturn)) run_traced(const char *path, int report, pid_t parent)
{
    char name[] = "weft-probe";
    char *argv[] = {name, NULL};
    char *envp[] = {NULL};
    struct refusal r = {0};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    sigemptyset(&none); /* the stop is a SIGTRAP: blocked, it would not happen */
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0) {
        r.traced = true;
        execve(path, argv, envp);
    }
    r.sys = errno;
    (void)!write(report, &r, sizeof(r));
    _exit(127);
}

static void read_args(pid_t pid, struct weft_taken *out)
{
    weft_auto_free char *file = weft_fmt("/proc/%d/cmdline", (int)pid);
    weft_auto_free char *text = NULL;
    size_t len = 0;

    if (weft_read_file(file, CMDLINE_MAX, &text, &len, NULL) < 0) {
        return;
    }
    for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
        out->args = weft_xrealloc(out->args, out->n_args + 2, sizeof(*out->args));
        out->args[out->n_args++] = weft_xstrdup(text + at);
        out->args[out->n_args] = NULL;
    }
}

/* The process stands before its first instruction. */
static void look_at(pid_t pid, struct weft_taken *out)
{
    weft_auto_free char *exe = weft_fmt("/proc/%d/exe", (int)pid);
    char link[PATH_MAX];
    ssize_t len = readlink(exe, link, sizeof(link) - 1);
    struct stat held, now;

    read_args(pid, out);
    if (len < 0 || stat(exe, &held) < 0 || out->n_args == 0) {
        out->why = weft_fmt("cannot look at the process that runs it: %s", strerror(errno));
        return;
    }
    link[len] = '\0';
    out->ran = true;
    out->deleted = held.st_nlink == 0;
    if (out->deleted && weft_ends_with(link, " (deleted)")) {
        link[len - DELETED_LEN] = '\0';
    }
    out->path = weft_xstrdup(link);
    out->same_fs = stat(out->args[0], &now) == 0 && now.st_dev == held.st_dev;
    out->matches = out->same_fs && now.st_ino == held.st_ino;
    /* nothing but QEMU is asked: who knows what another program does with --version */
    if (strstr(weft_path_base(link), "qemu") || strstr(weft_path_base(out->args[0]), "qemu")) {
        out->version = weft_qemu_ask_version(exe);
    }
}

/* Whether /proc shows our own PID namespace; else its numbers are those of other processes. */
static bool proc_is_ours(void)
{
    char link[32];
    ssize_t len = readlink("/proc/self", link, sizeof(link) - 1);

    if (len <= 0) {
        return false;
    }
    link[len] = '\0';
    return strtol(link, NULL, 10) == (long)getpid();
}

void weft_taken_find(const char *path, struct weft_taken *out)
{
    struct refusal r = {0};
    pid_t parent = getpid(), pid, got;
    int report[2], status = 0;

    if (!proc_is_ours()) {
        out->why = weft_xstrdup("/proc is not there, or that of another PID namespace");
        return;
    }
    if (pipe2(report, O_CLOEXEC) < 0) {
        out->why = weft_fmt("pipe: %s", strerror(errno));
        return;
    }
    pid = fork();
    if (pid == 0) {
        run_traced(path, report[1], parent);
    }
    close(report[1]);
    if (pid < 0) {
        out->why = weft_fmt("fork: %s", strerror(errno));
        close(report[0]);
        return;
    }
    do {
        got = waitpid(pid, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got == pid && WIFSTOPPED(status)) {
        look_at(pid, out);
    } else if (read(report[0], &r, sizeof(r)) == (ssize_t)sizeof(r) && r.traced) {
        out->sys = r.sys;
        out->why = weft_fmt("the kernel does not run such a file: %s", strerror(r.sys));
    } else {
        out->why = weft_fmt("cannot trace a process: %s", strerror(r.sys ? r.sys : EPERM));
    }
    close(report[0]);
    if (got == pid && WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        do {
            got = waitpid(pid, &status, 0);
        } while (got == pid ? WIFSTOPPED(status) : errno == EINTR);
    }
}

void weft_taken_finish(struct weft_taken *t)
{
    for (size_t i = 0; i < t->n_args; i++) {
        free(t->args[i]);
    }
    free(t->args);
    free(t->why);
    free(t->path);
    free(t->version);
    *t = (struct weft_taken){0};
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

/* A file in memory: nothing is left of it, and no mount's noexec is in its way. */
static int memory_file(const void *bytes, size_t len)
{
    int fd = memfd_create("weft-probe", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0) {
        fd = memfd_create("weft-probe", MFD_CLOEXEC); /* before Linux 6.3 */
    }
    if (fd >= 0 && weft_write_all(fd, bytes, len, "memfd", NULL) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Execute these bytes under the name "weft-probe.EXTENSION", which an entry that goes by the name
 * is to see. */
static void take_named(const char *extension, const char *target, struct weft_taken *out)
{
    const char *base = getenv("TMPDIR");
    weft_auto_err err = NULL;
    weft_auto_free char *dir = weft_temp_dir(base && *base ? base : "/tmp", "weft-probe", &err);
    weft_auto_free char *name = weft_fmt("weft-probe.%s", extension);
    weft_auto_free char *path = dir ? weft_path_join(dir, name) : NULL;

    if (!dir) {
        out->why = weft_xstrdup(err->msg);
        return;
    }
    if (symlink(target, path) == 0) {
        weft_taken_find(path, out);
        unlink(path);
    } else {
        out->why = weft_fmt("cannot make a file with that extension: %s", strerror(errno));
    }
    rmdir(dir);
}

static void take_bytes(const void *bytes, size_t len, const char *extension, struct weft_taken *out)
{
    weft_auto_fd fd = memory_file(bytes, len);
    weft_auto_free char *path = weft_fmt("/proc/self/fd/%d", fd); /* the child's own, by then */

    if (fd < 0) {
        out->why = weft_fmt("memfd_create: %s", strerror(errno));
    } else if (extension) {
        take_named(extension, path, out);
    } else {
        weft_taken_find(path, out);
    }
}

/* Why e cannot be tried, or NULL. Caller frees. */
static char *untriable(const struct weft_existing_table *t, const struct weft_existing *e)
{
    if (e->unclear) {
        return weft_xstrdup(e->unclear);
    }
    if (!t->enabled) {
        return weft_xstrdup("all handlers are switched off");
    }
    if (!e->enabled) {
        return weft_xstrdup("it is switched off");
    }
    if (e->extension && strchr(e->extension, '.')) {
        return weft_xstrdup("its extension has a dot: the kernel compares what follows the last "
                            "one, it never takes a file");
    }
    return NULL;
}

/* The other entry that takes files by the same name, or NULL. */
static const struct weft_existing *same_extension(const struct weft_existing_table *t,
                                                  const struct weft_existing *e)
{
    for (size_t i = 0; i < t->n; i++) {
        if (&t->v[i] != e && t->v[i].enabled && weft_str_eq(t->v[i].extension, e->extension)) {
            return &t->v[i];
        }
    }
    return NULL;
}

/* Whether the process is one that e started: "INTERPRETER FILE ...", with P also the old argv[0].
 */
static bool started_by(const struct weft_existing *e, const struct weft_taken *taken)
{
    return strcmp(taken->args[0], e->interpreter) == 0 &&
           taken->n_args == (strchr(e->flags, 'P') ? 3 : 2);
}

static void judge(const struct weft_existing *e, const struct weft_existing *rival,
                  const struct weft_taken *taken, struct weft_held *out)
{
    bool fixed = strchr(e->flags, 'F') != NULL;

    if (!taken->ran) {
        out->state = !fixed && (taken->sys == ENOENT || taken->sys == EACCES) ? WEFT_HELD_MISSING
                                                                              : WEFT_HELD_UNKNOWN;
        out->why = weft_xstrdup(taken->why);
        return;
    }
    out->interpreter = weft_xstrdup(taken->args[0]);
    out->path = weft_xstrdup(taken->path);
    if (!started_by(e, taken)) {
        out->why = rival ? weft_fmt("the handler %s is before it", rival->name)
                         : weft_fmt("the kernel runs %s for it", taken->args[0]);
        return;
    }
    if (rival && weft_str_eq(rival->interpreter, e->interpreter) &&
        !strchr(rival->flags, 'P') == !strchr(e->flags, 'P')) {
        out->why =
            weft_fmt("the handler %s takes the same files with the same interpreter", rival->name);
        return;
    }
    out->version = weft_xstrdup_null(taken->version);
    if (!fixed) {
        out->state = WEFT_HELD_BY_PATH;
    } else if (taken->matches) {
        out->state = WEFT_HELD_CURRENT;
    } else if (!taken->deleted) {
        /* moved away, and another has the path; or one that never was under this path here */
        out->state = taken->same_fs ? WEFT_HELD_REPLACED : WEFT_HELD_ELSEWHERE;
    } else {
        out->state = weft_exists(e->interpreter) ? WEFT_HELD_REPLACED : WEFT_HELD_DELETED;
    }
}

void weft_held_find(const struct weft_existing_table *t, const struct weft_existing *e,
                    struct weft_held *out)
{
    unsigned char bytes[WEFT_HANDLER_MAGIC_MAX] = {0};
    unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX];
    const struct weft_existing *rival = NULL;
    struct weft_taken taken = {0};

    out->why = untriable(t, e);
    if (out->why) {
        return;
    }
    memset(free_bits, 0xff, sizeof(free_bits));
    if (e->extension) {
        /* a file that no entry takes by its bytes, if that can be had */
        struct weft_existing nothing = {0};

        rival = weft_existing_mark(t, &nothing, free_bits, bytes);
        rival = rival ? rival : same_extension(t, e);
    } else {
        rival = weft_existing_mark(t, e, free_bits, bytes);
    }
    take_bytes(bytes, sizeof(bytes), e->extension, &taken);
    judge(e, rival, &taken, out);
    weft_taken_finish(&taken);
}

void weft_held_find_unseen(const struct weft_machine *m, struct weft_held *out)
{
    unsigned char program[WEFT_PROBE_SIZE_MAX];
    size_t size = weft_probe_program(m, program);
    struct weft_taken taken = {0};

    take_bytes(program, size, NULL, &taken);
    if (!taken.ran || taken.n_args < 2) { /* with one argument it is run by the CPU */
        out->why = weft_xstrdup(taken.ran ? "the CPU runs it" : taken.why);
    } else {
        out->interpreter = weft_xstrdup(taken.args[0]);
        out->path = weft_xstrdup(taken.path);
        out->version = weft_xstrdup_null(taken.version);
        out->state = taken.matches ? WEFT_HELD_CURRENT
                                   : (taken.deleted ? WEFT_HELD_DELETED : WEFT_HELD_ELSEWHERE);
    }
    weft_taken_finish(&taken);
}

/* A real file with these bytes, executable: QEMU resolves the path of what it runs. Returns its
 * path (caller removes and frees), or NULL. */
static char *file_in(const char *dir, const void *bytes, size_t len)
{
    weft_auto_free char *path = weft_path_join(dir, "weft-probe-XXXXXX");
    weft_auto_fd fd = mkostemp(path, O_CLOEXEC);
    struct statvfs fs;

    if (fd < 0) {
        return NULL;
    }
    if (fstatvfs(fd, &fs) < 0 || (fs.f_flag & ST_NOEXEC) ||
        weft_write_all(fd, bytes, len, path, NULL) < 0 || fchmod(fd, 0700) < 0) {
        unlink(path);
        return NULL;
    }
    return weft_steal(&path);
}

static char *temporary_file(const void *bytes, size_t len, char **why)
{
    const char *base = getenv("TMPDIR");
    const char *const dirs[] = {base && *base ? base : "/tmp", "/tmp", "/var/tmp", "/dev/shm",
                                "/run"};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char *path = file_in(dirs[i], bytes, len);

        if (path) {
            return path;
        }
    }
    *why = weft_fmt("no place for a program to run: %s cannot be written, or is mounted noexec",
                    dirs[0]);
    return NULL;
}

static int run_file(const char *path, char **why)
{
    weft_auto_free char *said = NULL;
    weft_auto_free char *shown = NULL;
    weft_auto_err err = NULL;
    char name[] = "weft-probe";
    char *argv[] = {name, NULL};
    int code = weft_run(
        &(struct weft_run_opts){
            .file = path, .argv = argv, .both = true, .timeout_ms = TRY_TIMEOUT_MS},
        &said, &err);

    if (code < 0) {
        *why = weft_xstrdup(err->sys == ENOEXEC ? "no handler takes its programs" : err->msg);
        return 0;
    }
    said[strcspn(said, "\n")] = '\0';
    shown = weft_printable(said);
    if (code == WEFT_PROBE_EXIT) {
        *why = *shown ? weft_fmt("it prints at each start: %.200s", shown) : NULL;
        return 1;
    }
    *why = code > 128 ? weft_fmt("a program that does nothing dies of signal %d (%s)%s%.200s",
                                 code - 128, strsignal(code - 128), *shown ? ": " : "", shown)
                      : weft_fmt("a program that exits with %d exits with %d%s%.200s",
                                 (int)WEFT_PROBE_EXIT, code, *shown ? ": " : "", shown);
    return 0;
}

int weft_held_try(const struct weft_existing_table *t, const struct weft_existing *e,
                  const struct weft_machine *m, char **why)
{
    unsigned char bytes[WEFT_HANDLER_MAGIC_MAX] = {0};
    unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX] = {0};
    size_t size = weft_probe_program(m, bytes);
    weft_auto_free char *path = NULL;
    const struct weft_existing *rival;
    struct weft_taken taken = {0};
    struct weft_held held = {0};
    int ok = 0;

    *why = untriable(t, e);
    if (*why) {
        return 0;
    }
    /* what neither kernel nor QEMU looks at: EI_OSABI and what is behind it */
    memset(free_bits + EI_OSABI, 0xff, EI_NIDENT - EI_OSABI);
    rival = weft_existing_mark(t, e, free_bits, bytes);
    path = temporary_file(bytes, size, why);
    if (!path) {
        return 0;
    }
    weft_taken_find(path, &taken);
    judge(e, rival, &taken, &held);
    if (!taken.ran || !started_by(e, &taken)) {
        *why = held.state == WEFT_HELD_MISSING
                   ? weft_fmt("its interpreter cannot be started: %s", strerror(taken.sys))
                   : weft_steal(&held.why);
    } else {
        ok = run_file(path, why);
    }
    unlink(path);
    weft_taken_finish(&taken);
    weft_held_finish(&held);
    return ok;
}

int weft_held_try_any(const struct weft_machine *m, char **why)
{
    unsigned char program[WEFT_PROBE_SIZE_MAX];
    size_t size = weft_probe_program(m, program);
    weft_auto_free char *path = temporary_file(program, size, why);
    int ok = 0;

    if (path) {
        ok = run_file(path, why);
        unlink(path);
    }
    return ok;
}

void weft_held_finish(struct weft_held *h)
{
    free(h->why);
    free(h->interpreter);
    free(h->path);
    free(h->version);
    *h = (struct weft_held){0};
}
