/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel, a seccomp filter, AppArmor or a limit refuse, asked for call by call. */
#include "config.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/doctor_check.h"

static const char try_seccomp_name[] = "seccomp";
static const char try_userns_name[] = "userns";

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

void weft_doctor_calls_start(struct weft_doctor *d)
{
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_seccomp_name,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = try_seccomp});
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_userns_name,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = try_userns});
}

static const char mend_seccomp[] =
    "give the container a seccomp profile that also allows unshare, mount, umount2, sethostname, "
    "setns, keyctl and pivot_root (pod: securityContext.seccompProfile of type Localhost; docker: "
    "--security-opt seccomp=FILE)";

void weft_doctor_seccomp(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, try_seccomp_name, 0, &outcome);
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
    if (!needed && weft_doctor_runtime_works(d)) {
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
    const struct weft_json *facts = weft_tries_facts(d->tries, try_userns_name, 0, &outcome);
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
