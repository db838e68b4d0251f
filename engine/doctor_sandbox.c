/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker's namespaces need: asked of the kernel call by call, then all of it together, as
 * weft-init does it.
 */
#include "config.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "binfmt/idmap.h"
#include "binfmt/sandbox.h"
#include "engine/doctor_check.h"
#include "engine/init_runtime.h"

/*
 * System calls. Arguments are such that the kernel refuses them for what they are (EINVAL, EFAULT,
 * EBADF) and nothing happens; a seccomp filter refuses them before that, with EPERM.
 */

static long call_unshare(void)
{
    return syscall(SYS_unshare, 1);
}

static long call_mount(void)
{
    return syscall(SYS_mount, NULL, NULL, NULL, 0, NULL);
}

static long call_umount2(void)
{
    return syscall(SYS_umount2, NULL, 0xffff);
}

static long call_setns(void)
{
    return syscall(SYS_setns, -1, 0);
}

static long call_keyctl(void)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static long call_sethostname(void)
{
    return syscall(SYS_sethostname, NULL, -1);
}

static long call_pivot_root(void)
{
    return syscall(SYS_pivot_root, NULL, NULL);
}

struct call {
    const char *name;
    long (*fn)(void);
    bool inside;     /* asked for in a user namespace, where we have the capability */
    bool by_runtime; /* only the OCI runtime makes it, and not every one */
    bool optional;   /* ENOSYS is fine */
};

static const struct call calls[] = {
    {"unshare", call_unshare, false, false, false},
    {"mount", call_mount, false, false, false},
    {"umount2", call_umount2, false, true, false},
    {"setns", call_setns, false, true, false},
    {"keyctl", call_keyctl, false, true, true},
    {"sethostname", call_sethostname, true, true, false},
    {"pivot_root", call_pivot_root, true, true, false},
};

enum {
    N_CALLS = sizeof(calls) / sizeof(calls[0])
};

static void ask_calls(struct weft_json *facts, bool inside)
{
    for (size_t i = 0; i < N_CALLS; i++) {
        if (calls[i].inside == inside) {
            errno = 0;
            (void)calls[i].fn();
            weft_json_set_bool(facts, calls[i].name,
                               errno == EPERM || errno == EACCES ||
                                   (errno == ENOSYS && !calls[i].optional));
        }
    }
}

/* Facts: "mode" (of seccomp, from /proc), and for each call whether it is refused. */
static void try_seccomp(struct weft_try_self *self, const void *data)
{
    (void)data;
    weft_json_set_int(self->facts, "mode", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
    ask_calls(self->facts, false);
    weft_try_tell(self); /* a filter may kill instead of refusing */
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) == 0) {
        ask_calls(self->facts, true);
    }
}

/* In this order; each needs the first. */
static const struct {
    const char *name;
    int flag;
} namespaces[] = {
    {"user", CLONE_NEWUSER},     {"mount", CLONE_NEWNS}, {"PID", CLONE_NEWPID},
    {"IPC", CLONE_NEWIPC},       {"UTS", CLONE_NEWUTS},  {"network", CLONE_NEWNET},
    {"cgroup", CLONE_NEWCGROUP},
};

enum {
    N_NAMESPACES = sizeof(namespaces) / sizeof(namespaces[0])
};

/* Facts: "failed", the first namespace that is refused, or "private mounts"; and "errno". */
static void try_userns(struct weft_try_self *self, const void *data)
{
    (void)data;
    for (size_t i = 0; i < N_NAMESPACES; i++) {
        if (unshare(namespaces[i].flag) < 0) {
            weft_json_set_int(self->facts, "errno", errno);
            weft_json_set_str(self->facts, "failed", namespaces[i].name);
            return;
        }
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        weft_json_set_int(self->facts, "errno", errno);
        weft_json_set_str(self->facts, "failed", "private mounts");
    }
}

/* The sandbox. */

struct sandbox {
    struct weft_try_self *self;
    const struct weft_doctor *d;
};

static void sandbox_failed(struct weft_err *error, void *data)
{
    const struct sandbox *s = data;

    weft_json_set_str(s->self->facts, "error", error->msg);
    weft_json_set_str(s->self->facts, "hint", error->hint);
    weft_try_tell(s->self);
    weft_err_free(error);
}

static void try_handlers(const struct sandbox *s)
{
    weft_auto_free char *dir = weft_path_join(s->self->dir, "binfmt");
    weft_auto_err err = NULL;
    weft_auto_strv lines = {0};
    int got;

    weft_strv_add(&lines, ":weft-doctor:M::\\x7fweft-doctor::/bin/true:");
    if (weft_mkdirs(dir, 0700, &err) < 0 || (got = weft_sandbox_handlers(dir, &lines, &err)) < 0) {
        weft_json_set_str(s->self->facts, "handlers_error", err->msg);
        return;
    }
    weft_json_set_bool(s->self->facts, "handlers", got == 1);
    if (got == 1) {
        umount2(dir, MNT_DETACH);
    }
}

/* Mount layers as BuildKit does, and write through them. NULL: it works. Caller frees. */
static char *overlay_why(const char *dir)
{
    weft_auto_free char *merged = weft_path_join(dir, "merged");
    weft_auto_free char *file = weft_path_join(merged, "file");
    weft_auto_free char *moved = weft_path_join(merged, "moved");
    weft_auto_free char *lower_file = weft_path_join(dir, "lower/file");
    weft_auto_err err = NULL;
    bool works = false;

    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = {"lower", "lower2", "upper", "work", "merged"};
        weft_auto_free char *sub = weft_path_join(dir, names[i]);

        if (weft_mkdirs(sub, 0755, &err) < 0) {
            return weft_fmt("%s", err->msg);
        }
    }
    if (weft_write_file(lower_file, "x", 1, 0644, &err) < 0) {
        return weft_fmt("%s", err->msg);
    }
    for (size_t i = 0; i < 2 && !works; i++) {
        weft_auto_free char *options =
            weft_fmt("lowerdir=%s/lower:%s/lower2,upperdir=%s/upper,workdir=%s/work%s", dir, dir,
                     dir, dir, i == 0 ? ",userxattr" : "");

        works = mount("overlay", merged, "overlay", 0, options) == 0;
    }
    if (!works) {
        return weft_fmt("mount: %s", strerror(errno));
    }
    if (rename(file, moved) < 0 || unlink(moved) < 0) {
        works = false;
    }
    umount2(merged, MNT_DETACH);
    return works ? NULL : weft_fmt("writing through it: %s", strerror(errno));
}

static void try_runtimes(const struct sandbox *s, bool pid_ns)
{
    const struct weft_strv *runtimes = &s->d->programs.runtimes;
    struct weft_json *list = weft_json_array();

    weft_json_set(s->self->facts, "trials", list);
    for (size_t i = 0; i < runtimes->n; i++) {
        const struct weft_json *fits = weft_json_at(weft_json_get(s->self->facts, "fits"), i);
        weft_auto_free char *why = NULL;

        if (weft_json_value_str(fits)[0] != 'y') {
            weft_json_append_str(list, "");
        } else if (!weft_init_runtime_works(runtimes->v[i], s->d->programs.buildctl, s->self->dir,
                                            pid_ns, &why)) {
            weft_json_append_str(list, why);
        } else {
            weft_json_append_str(list, "works");
            break; /* the others are not needed */
        }
        weft_try_tell(s->self);
    }
}

static int inside(const struct weft_sandbox_self *sandbox, void *data)
{
    const struct sandbox *s = data;
    struct weft_json *facts = s->self->facts;
    weft_auto_free char *why = NULL;
    /* as in weft-init */
    static const char *const env[][2] = {
        {"USER", "weft"},
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    };

    for (size_t i = 0; i < 2; i++) {
        setenv(env[i][0], env[i][1], 1);
    }
    setenv("XDG_RUNTIME_DIR", s->self->dir, 1);
    weft_json_set_bool(facts, "entered", true);
    weft_json_set_bool(facts, "proc", sandbox->pid_ns);
    weft_try_tell(s->self);
    try_handlers(s);
    weft_try_tell(s->self);
    why = overlay_why(s->self->dir);
    weft_json_set_str(facts, "overlay", why ? why : "works");
    weft_try_tell(s->self);
    if (s->d->programs.buildctl) {
        try_runtimes(s, sandbox->pid_ns);
    }
    weft_try_tell(s->self);
    return 0;
}

/*
 * Facts: "ids", or "error" and "hint"; "fits" (of the runtimes: y, n, ?); "entered"; "proc",
 * "handlers", "overlay" ("works" or why not), "trials" (of the runtimes: "works", why not, "" for
 * those that are too old; ends with the first that works).
 */
static void try_sandbox(struct weft_try_self *self, const void *data)
{
    struct sandbox s = {self, data};
    struct weft_idmaps maps = {0};
    struct weft_sandbox_self sandbox;
    struct weft_err *err = NULL;
    struct weft_json *fits = weft_json_array();
    uint64_t ids = 0;

    weft_json_set(self->facts, "fits", fits);
    for (size_t i = 0; i < s.d->programs.runtimes.n; i++) {
        int fit = weft_buildkit_runtime_fits(s.d->programs.runtimes.v[i]);

        weft_json_append_str(fits, fit > 0 ? "y" : fit == 0 ? "n" : "?");
        weft_try_tell(self);
    }
    if (weft_idmaps_detect(&maps, &err) < 0) {
        sandbox_failed(err, &s);
        return;
    }
    for (size_t i = 0; i < maps.uid.n; i++) {
        ids += maps.uid.v[i].count;
    }
    weft_json_set_int(self->facts, "ids", (int64_t)ids);
    weft_json_set_str(self->facts, "newuidmap", maps.newuidmap);
    weft_try_tell(self);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (weft_sandbox_enter(&maps, inside, sandbox_failed, &s, &sandbox) == 0) {
        while (waitpid(sandbox.pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    weft_idmaps_finish(&maps);
}

void weft_doctor_sandbox_start(struct weft_doctor *d)
{
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = WEFT_TRY_SECCOMP,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = try_seccomp});
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = WEFT_TRY_USERNS,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = try_userns});
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = WEFT_TRY_SANDBOX,
                                                     .limit_ms = WEFT_DOCTOR_LONG_MS,
                                                     .dir = d->state_near,
                                                     .fn = try_sandbox,
                                                     .data = d});
}

static const struct weft_json *facts_of(const struct weft_doctor *d, const char *name)
{
    return weft_tries_facts(d->tries, name, 0, NULL);
}

static bool sandbox_entered(const struct weft_doctor *d)
{
    return weft_json_bool(facts_of(d, WEFT_TRY_SANDBOX), "entered", false);
}

/* What the sandbox needs and has not got, for lines that cannot be tried. */
static void skip(struct weft_doctor *d, const char *id, const char *what)
{
    weft_doctor_add(d, id, NULL, WEFT_DOCTOR_SKIP, weft_fmt("%s: not tried, see above", what),
                    NULL);
}

static bool runtime_works(const struct weft_doctor *d)
{
    const struct weft_json *trials = weft_json_get(facts_of(d, WEFT_TRY_SANDBOX), "trials");
    size_t n = weft_json_len(trials);

    return n > 0 && weft_str_eq(weft_json_value_str(weft_json_at(trials, n - 1)), "works");
}

static const char mend_seccomp[] =
    "give the container a seccomp profile that also allows unshare, mount, umount2, sethostname, "
    "setns, keyctl and pivot_root (pod: securityContext.seccompProfile of type Localhost; docker: "
    "--security-opt seccomp=FILE)";

void weft_doctor_seccomp(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, WEFT_TRY_SECCOMP, 0, &outcome);
    weft_auto_strv refused = {0};
    weft_auto_free char *list = NULL;
    bool needed = false;

    if (outcome == WEFT_TRY_DIED) {
        weft_doctor_add(d, "seccomp", NULL, WEFT_DOCTOR_FAIL,
                        weft_fmt("a filter kills programs that make namespaces"),
                        weft_xstrdup(mend_seccomp));
        return;
    }
    for (size_t i = 0; i < N_CALLS; i++) {
        if (weft_json_bool(facts, calls[i].name, false)) {
            weft_strv_add(&refused, calls[i].name);
            needed = needed || !calls[i].by_runtime;
        }
    }
    if (refused.n == 0) {
        weft_doctor_add(d, "seccomp", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("%s", weft_json_int(facts, "mode", 0) > 0
                                           ? "a filter is set; it refuses nothing that builds need"
                                           : "no filter"),
                        NULL);
        return;
    }
    list = weft_strv_join(&refused, ", ");
    if (!needed && runtime_works(d)) {
        weft_doctor_add(d, "seccomp", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("refuses %s, which the OCI runtime here does without", list),
                        NULL);
        return;
    }
    weft_doctor_add(d, "seccomp", NULL, WEFT_DOCTOR_FAIL,
                    weft_fmt("these calls are refused: %s", list), weft_xstrdup(mend_seccomp));
}

static bool sysctl_is(const char *name, const char *value)
{
    weft_auto_free char *path = weft_fmt("/proc/sys/%s", name);
    weft_auto_free char *is = weft_doctor_first_line(path);

    return weft_str_eq(is, value);
}

/* The AppArmor profile that we are under, or NULL. Caller frees. */
static char *apparmor_profile(void)
{
    char *name = weft_doctor_first_line("/proc/self/attr/apparmor/current");

    if (name && strcmp(name, "unconfined") == 0) {
        free(weft_steal(&name));
    }
    return name;
}

/* What mends refused namespaces. Caller frees. */
static char *mend_userns(const struct weft_doctor *d, int sys, const char *profile)
{
    if (weft_doctor_is_bad(d, "seccomp")) {
        return weft_fmt("the seccomp profile, as above");
    }
    if (sysctl_is("kernel/unprivileged_userns_clone", "0")) {
        return weft_fmt("sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if (sysctl_is("kernel/apparmor_restrict_unprivileged_userns", "1")) {
        return weft_fmt("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if (profile) {
        return weft_fmt("give the container an AppArmor profile with userns, mount and pivot_root "
                        "(pod: securityContext.appArmorProfile)");
    }
    if (sys == ENOSPC) {
        return weft_fmt("sudo sysctl -w user.max_user_namespaces=15000 (and "
                        "user.max_{mnt,pid,ipc,uts,net,cgroup}_namespaces)");
    }
    return sys == EINVAL || sys == ENOSYS
               ? weft_fmt("a kernel with user namespaces (CONFIG_USER_NS)")
               : NULL;
}

void weft_doctor_userns(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, WEFT_TRY_USERNS, 0, &outcome);
    const char *failed = weft_json_str(facts, "failed");
    int sys = (int)weft_json_int(facts, "errno", 0);
    weft_auto_free char *limit = weft_doctor_first_line("/proc/sys/user/max_user_namespaces");
    weft_auto_free char *profile = apparmor_profile();
    weft_auto_free char *under = profile ? weft_fmt(" (AppArmor profile %s)", profile)
                                         : weft_fmt("%s", "");

    if (outcome != WEFT_TRY_DONE) {
        weft_doctor_add(d, "userns", NULL, WEFT_DOCTOR_FAIL,
                        weft_fmt("making namespaces%s", weft_doctor_outcome_text(outcome)),
                        mend_userns(d, 0, profile));
        return;
    }
    if (failed) {
        const char *what = strcmp(failed, "private mounts") == 0 ? "" : " namespaces";

        /* the limit that counts may be one of a namespace around this one */
        weft_doctor_add(
            d, "userns", NULL, WEFT_DOCTOR_FAIL,
            weft_fmt("%s%s are refused: %s%s", failed, what,
                     sys == ENOSPC ? "the limit is reached (user.max_*_namespaces)" : strerror(sys),
                     under),
            mend_userns(d, sys, profile));
        return;
    }
    weft_doctor_add(
        d, "userns", NULL, WEFT_DOCTOR_OK,
        weft_fmt("can be made%s%s%s", limit ? "; at most " : "", limit ? limit : "", under), NULL);
}

void weft_doctor_idmap(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, WEFT_TRY_SANDBOX, 0, &outcome);
    const char *error = weft_json_str(facts, "error");
    const char *hint = weft_json_str(facts, "hint");
    const char *newuidmap = weft_json_str(facts, "newuidmap");
    long long ids = (long long)weft_json_int(facts, "ids", 0);

    if (sandbox_entered(d)) {
        weft_doctor_add(d, "idmap", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("%lld user and group ids%s%s", ids, newuidmap ? ", by " : "",
                                 newuidmap ? newuidmap : ""),
                        NULL);
    } else if (ids > 0 && weft_doctor_is_bad(d, "userns")) {
        skip(d, "idmap", "writing the id maps");
    } else if (error) {
        weft_doctor_add(d, "idmap", NULL, WEFT_DOCTOR_FAIL, weft_fmt("%s", error),
                        weft_xstrdup_null(hint));
    } else if (weft_json_str(facts, "dir_error")) {
        skip(d, "idmap", "writing the id maps");
    } else {
        weft_doctor_add(
            d, "idmap", NULL, WEFT_DOCTOR_FAIL,
            weft_fmt("entering a worker's namespaces%s", weft_doctor_outcome_text(outcome)), NULL);
    }
}

void weft_doctor_handlers(struct weft_doctor *d)
{
    const struct weft_json *facts = facts_of(d, WEFT_TRY_SANDBOX);
    const char *error = weft_json_str(facts, "handlers_error");

    if (!sandbox_entered(d)) {
        skip(d, "handlers", "a worker's own binfmt_misc");
    } else if (weft_json_bool(facts, "handlers", false)) {
        d->own_handlers = true;
        weft_doctor_add(d, "handlers", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("workers have a binfmt_misc of their own"), NULL);
    } else {
        weft_doctor_add(d, "handlers", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("%s; only platforms that the host has handlers for",
                                 error ? error
                                       : "the kernel refuses workers a binfmt_misc of their own "
                                         "(Linux >= 6.7 does not)"),
                        weft_fmt("a newer kernel, or: sudo weft binfmt install"));
    }
}

void weft_doctor_proc(struct weft_doctor *d)
{
    if (!sandbox_entered(d)) {
        skip(d, "proc", "mounting /proc");
    } else if (weft_json_bool(facts_of(d, WEFT_TRY_SANDBOX), "proc", false)) {
        weft_doctor_add(d, "proc", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("can be mounted: steps see their own processes only"), NULL);
    } else {
        weft_doctor_add(d, "proc", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("masked, as in a container: steps see the worker's processes"),
                        weft_fmt("pod: securityContext.procMount: Unmasked; docker: --security-opt "
                                 "systempaths=unconfined"));
    }
}

void weft_doctor_overlay(struct weft_doctor *d)
{
    enum {
        TMPFS = 0x01021994
    };
    const char *how = weft_json_str(facts_of(d, WEFT_TRY_SANDBOX), "overlay");
    struct statfs st;

    if (!how) {
        skip(d, "overlay", "stacking layers");
    } else if (strcmp(how, "works") != 0) {
        weft_doctor_add(d, "overlay", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("%s: layers are copied, which is slow (%s)", d->state_near, how),
                        weft_fmt("WEFT_STATE_DIR=DIR with a directory on a disk (container: a "
                                 "volume)"));
    } else if (statfs(d->state_near, &st) == 0 && st.f_type == TMPFS) {
        weft_doctor_add(
            d, "overlay", NULL, WEFT_DOCTOR_WARN,
            weft_fmt("%s is in memory: some moves of directories fail in RUN", d->state_near),
            weft_fmt("WEFT_STATE_DIR=DIR with a directory on a disk (container: a "
                     "volume)"));
    } else {
        weft_doctor_add(d, "overlay", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("layers are stacked, not copied"), NULL);
    }
}

/* Of runtime i, in a few words; *works is set where it is the one that is taken. Caller frees. */
static char *describe_runtime(const struct weft_doctor *d, const struct weft_json *facts, size_t i,
                              bool *works)
{
    const char *path = d->programs.runtimes.v[i];
    const char *fits = weft_json_value_str(weft_json_at(weft_json_get(facts, "fits"), i));
    const char *trial = weft_json_value_str(weft_json_at(weft_json_get(facts, "trials"), i));
    weft_auto_free char *name = weft_fmt("runtime%zu", i);
    const char *said = weft_json_str(weft_tries_facts(d->tries, name, 0, NULL), "version");
    weft_auto_free char *version = weft_xstrdup(said ? said : weft_path_base(path));
    char *word = strstr(version, " version ");

    *works = weft_str_eq(trial, "works");
    if (word) {
        memmove(word + 1, word + 9, strlen(word + 9) + 1);
    }
    if (!fits) {
        return weft_fmt("%s hangs", version);
    }
    if (*fits != 'y') {
        return weft_fmt("%s %s", version,
                        *fits == 'n' ? "is too old for BuildKit" : "does not run");
    }
    if (*works) {
        return weft_fmt("%s works", version);
    }
    return trial && *trial ? weft_fmt("%s fails: %s", version, trial)
                           : weft_fmt("%s not tried", version);
}

void weft_doctor_runtime(struct weft_doctor *d)
{
    const struct weft_json *facts = facts_of(d, WEFT_TRY_SANDBOX);
    weft_auto_strv words = {0};
    bool any_fits = false, any_works = false;
    char *found;

    if (d->why_runtimes) {
        weft_doctor_add_err(d, "runtime", WEFT_DOCTOR_FAIL, d->why_runtimes);
        return;
    }
    for (size_t i = 0; i < d->programs.runtimes.n; i++) {
        const char *fits = weft_json_value_str(weft_json_at(weft_json_get(facts, "fits"), i));
        bool works;

        weft_strv_take(&words, describe_runtime(d, facts, i, &works));
        any_fits = any_fits || (fits && *fits == 'y');
        any_works = any_works || works;
    }
    found = weft_strv_join(&words, "; ");
    if (any_works) {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_OK, found, NULL);
    } else if (!any_fits) {
        weft_doctor_add(d, "runtime", NULL,
                        weft_json_str(facts, "dir_error") ? WEFT_DOCTOR_SKIP : WEFT_DOCTOR_FAIL,
                        found, weft_fmt("sudo apt-get install runc"));
    } else if (!sandbox_entered(d) || !d->programs.buildctl) {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_SKIP, found, NULL);
    } else {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_FAIL, found,
                        weft_doctor_is_bad(d, "seccomp")
                            ? weft_fmt("the seccomp profile, as above")
                            : weft_fmt("WEFT_RUNTIME=PATH, where PATH is a runtime that works"));
    }
}
