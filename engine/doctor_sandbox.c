/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's namespaces, made as weft-init makes them, and what works inside. */
#include "config.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "binfmt/idmap.h"
#include "binfmt/sandbox.h"
#include "engine/doctor_check.h"
#include "engine/init_runtime.h"

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
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = WEFT_TRY_SANDBOX,
                                                     .limit_ms = WEFT_DOCTOR_LONG_MS,
                                                     .dir = d->try_dir,
                                                     .fn = try_sandbox,
                                                     .data = d});
}

static const struct weft_json *facts_of(const struct weft_doctor *d, const char *name)
{
    return weft_tries_facts(d->tries, name, 0, NULL);
}

bool weft_doctor_entered(const struct weft_doctor *d)
{
    return weft_json_bool(facts_of(d, WEFT_TRY_SANDBOX), "entered", false);
}

void weft_doctor_skip(struct weft_doctor *d, const char *id, const char *what)
{
    weft_doctor_add(d, id, NULL, WEFT_DOCTOR_SKIP, weft_fmt("%s: not tried, see above", what),
                    NULL);
}

/* The capabilities that writing the maps takes root, and that it has not. Caller frees; NULL: none.
 */
static char *missing_capabilities(void)
{
    static const struct {
        const char *name;
        int bit;
    } needed[] = {{"SETGID", CAP_SETGID}, {"SETUID", CAP_SETUID}, {"SETFCAP", CAP_SETFCAP}};
    static const char key[] = "\nCapEff:";
    weft_auto_free char *text = NULL;
    weft_auto_strv missing = {0};
    unsigned long long has;
    const char *p;

    if (geteuid() != 0 || weft_read_file("/proc/self/status", 1 << 16, &text, NULL, NULL) < 0 ||
        !(p = strstr(text, key))) {
        return NULL;
    }
    has = strtoull(p + sizeof(key) - 1, NULL, 16);
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!(has & 1ULL << needed[i].bit)) {
            weft_strv_add(&missing, needed[i].name);
        }
    }
    return missing.n > 0 ? weft_strv_join(&missing, ", ") : NULL;
}

/* Where namespaces are refused: what else is going to be missing. */
static void foresee_idmap(struct weft_doctor *d)
{
    weft_auto_free char *missing = missing_capabilities();

    if (!missing) {
        weft_doctor_skip(d, "idmap", "writing the id maps");
        return;
    }
    weft_doctor_add(d, "idmap", NULL, WEFT_DOCTOR_FAIL,
                    weft_fmt("root lacks the capabilities %s", missing),
                    weft_fmt("grant the container these too (pod: capabilities.add; docker: "
                             "--cap-add)"));
}

void weft_doctor_idmap(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, WEFT_TRY_SANDBOX, 0, &outcome);
    const char *error = weft_json_str(facts, "error");
    const char *hint = weft_json_str(facts, "hint");
    const char *newuidmap = weft_json_str(facts, "newuidmap");
    long long ids = (long long)weft_json_int(facts, "ids", 0);

    if (weft_doctor_entered(d)) {
        weft_doctor_add(d, "idmap", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("%lld user and group ids%s%s", ids, newuidmap ? ", by " : "",
                                 newuidmap ? newuidmap : ""),
                        NULL);
    } else if (ids > 0 && weft_doctor_is_bad(d, "userns")) {
        foresee_idmap(d);
    } else if (error) {
        weft_doctor_add(d, "idmap", NULL, WEFT_DOCTOR_FAIL, weft_fmt("%s", error),
                        weft_xstrdup_null(hint));
    } else if (weft_json_str(facts, "dir_error")) {
        weft_doctor_skip(d, "idmap", "writing the id maps");
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

    if (!weft_doctor_entered(d)) {
        weft_doctor_skip(d, "handlers", "a worker's own binfmt_misc");
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
    if (!weft_doctor_entered(d)) {
        weft_doctor_skip(d, "proc", "mounting /proc");
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

    if (!how || d->try_dir != d->state_near) {
        weft_doctor_skip(d, "overlay", "stacking layers");
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
