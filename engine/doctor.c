/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/doctor.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "binfmt/qemu_copy.h"
#include "engine/doctor_check.h"
#include "engine/worker.h"
#include "engine/worker_config.h"

/* In the order of the lines. Later ones look at earlier ones: what cannot be tried is not blamed.
 */
static const struct {
    void (*start)(struct weft_doctor *d);  /* may be NULL */
    void (*report)(struct weft_doctor *d); /* may be NULL */
} checks[] = {
    {NULL, weft_doctor_kernel},
    {NULL, weft_doctor_machine},
    {NULL, weft_doctor_native},
    {weft_doctor_calls_start, weft_doctor_seccomp},
    {NULL, weft_doctor_userns},
    {weft_doctor_sandbox_start, weft_doctor_idmap},
    {NULL, weft_doctor_handlers},
    {NULL, weft_doctor_host_handlers},
    {NULL, weft_doctor_proc},
    {NULL, weft_doctor_config},
    {NULL, weft_doctor_state},
    {NULL, weft_doctor_runtime_dir},
    {NULL, weft_doctor_disk},
    {NULL, weft_doctor_overlay},
    {NULL, weft_doctor_cgroup},
    {weft_doctor_programs_start, weft_doctor_programs},
    {NULL, weft_doctor_runtime},
    {weft_doctor_qemu_start, weft_doctor_qemu},
    {weft_doctor_cpu_start, weft_doctor_cpu_models},
    {NULL, weft_doctor_clock},
    {NULL, weft_doctor_platforms},
    {weft_doctor_registry_start, weft_doctor_registry},
    {weft_doctor_build_start, weft_doctor_build},
};

enum {
    N_CHECKS = sizeof(checks) / sizeof(checks[0])
};

const char *weft_doctor_status_name(enum weft_doctor_status s)
{
    static const char *const names[] = {"ok", "warn", "fail", "skip"};

    return names[s];
}

void weft_doctor_add(struct weft_doctor *d, const char *id, const char *subject,
                     enum weft_doctor_status status, char *found, char *mend)
{
    struct weft_doctor_report *r = d->report;

    r->v = weft_xrealloc(r->v, r->n + 1, sizeof(*r->v));
    r->v[r->n++] = (struct weft_doctor_line){
        .id = id,
        .subject = subject ? weft_printable(subject) : NULL,
        .status = status,
        .found = weft_printable(found),
        .mend = mend ? weft_printable(mend) : NULL,
    };
    free(found);
    free(mend);
}

void weft_doctor_add_err(struct weft_doctor *d, const char *id, enum weft_doctor_status status,
                         const struct weft_err *err)
{
    weft_doctor_add(d, id, NULL, status, weft_xstrdup(err->msg), weft_xstrdup_null(err->hint));
}

bool weft_doctor_is_bad(const struct weft_doctor *d, const char *id)
{
    for (size_t i = 0; i < d->report->n; i++) {
        const struct weft_doctor_line *l = &d->report->v[i];

        if (strcmp(l->id, id) == 0 &&
            (l->status == WEFT_DOCTOR_FAIL || l->status == WEFT_DOCTOR_SKIP)) {
            return true;
        }
    }
    return false;
}

const char *weft_doctor_outcome_text(enum weft_try_outcome o)
{
    switch (o) {
    case WEFT_TRY_TOO_LONG:
        return ": it hangs";
    case WEFT_TRY_DIED:
        return ": it was killed";
    case WEFT_TRY_NOT_RUN:
        return ": there was no time to try it";
    case WEFT_TRY_DONE:
        break;
    }
    return "";
}

char *weft_doctor_first_line(const char *path)
{
    weft_auto_free char *text = NULL;

    if (weft_read_file(path, 1 << 16, &text, NULL, NULL) < 0) {
        return NULL;
    }
    text[strcspn(text, "\n")] = '\0';
    return weft_steal(&text);
}

size_t weft_doctor_count(const struct weft_doctor_report *r, enum weft_doctor_status s)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++) {
        n += r->v[i].status == s;
    }
    return n;
}

void weft_doctor_report_finish(struct weft_doctor_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->v[i].subject);
        free(r->v[i].found);
        free(r->v[i].mend);
    }
    free(r->v);
    *r = (struct weft_doctor_report){0};
}

/* The directory itself, or the nearest one above it that exists. Caller frees. */
static char *nearest_dir(const char *path)
{
    char *dir = weft_xstrdup(path);

    while (!weft_exists(dir)) {
        char *up = weft_path_dir(dir);

        free(dir);
        dir = up;
    }
    return dir;
}

static void gather(struct weft_doctor *d)
{
    weft_auto_err err = NULL;
    weft_auto_free char *state = weft_dir_state(&err);
    weft_auto_free char *runtime = weft_dir_runtime();
    weft_auto_free char *answers = NULL;
    struct weft_platform platform;

    d->state_root = state ? weft_path_abs(state, &err) : NULL;
    if (d->state_root) {
        weft_auto_free char *dir = weft_path_join(d->state_root, "qemu");

        d->state_near = nearest_dir(d->state_root);
        if (access(dir, W_OK) == 0 &&
            weft_state_readable(d->state_root, &weft_qemu_state, NULL) == 1) {
            answers = weft_path_join(dir, "answers.json"); /* as workers have it */
        }
    } else {
        d->state_why = weft_xstrdup(err->msg);
        d->state_near = weft_xstrdup("/tmp");
    }
    /* where there is no state yet, what programs say is not kept */
    d->answers = weft_answers_create(answers);
    d->runtime_root = weft_path_abs(runtime, NULL);
    d->tmp = getenv("TMPDIR") && *getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    d->try_dir = access(d->state_near, W_OK | X_OK) == 0 ? d->state_near : d->tmp;
    (void)weft_buildkit_find_one("buildkitd", "WEFT_BUILDKITD", &d->programs.buildkitd,
                                 &d->why_buildkitd);
    (void)weft_buildkit_find_one("buildctl", "WEFT_BUILDCTL", &d->programs.buildctl,
                                 &d->why_buildctl);
    (void)weft_buildkit_find_one("weft-init", NULL, &d->programs.init, &d->why_init);
    (void)weft_buildkit_find_one("weft-session", NULL, &d->programs.session, &d->why_session);
    (void)weft_buildkit_find_runtimes(&d->programs.runtimes, &d->why_runtimes);
    (void)weft_settings_load(&d->settings, &d->why_settings);
    d->qemu_dirs = weft_worker_config_qemu_dirs(&(struct weft_worker_options){
        .qemu = d->settings.qemu, .qemu_dirs = &d->settings.qemu_dirs});
    weft_platform_host(&platform);
    weft_platform_format(&platform, d->host);
}

static void finish(struct weft_doctor *d)
{
    weft_tries_destroy(d->tries);
    weft_answers_destroy(d->answers);
    weft_buildkit_finish(&d->programs);
    weft_err_free(d->why_buildkitd);
    weft_err_free(d->why_buildctl);
    weft_err_free(d->why_init);
    weft_err_free(d->why_session);
    weft_err_free(d->why_runtimes);
    while (d->health) {
        struct weft_doctor_health *h = d->health;

        d->health = h->next;
        free(h->failure);
        free(h);
    }
    weft_err_free(d->why_settings);
    weft_settings_finish(&d->settings);
    free(d->qemu_dirs);
    free(d->state_root);
    free(d->state_why);
    free(d->state_near);
    free(d->runtime_root);
}

static int check_options(const struct weft_doctor_options *o, struct weft_err **err)
{
    for (size_t i = 0; o->platforms && i < o->platforms->n; i++) {
        struct weft_platform p;

        if (weft_platform_parse(o->platforms->v[i], &p, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_doctor_run(const struct weft_doctor_options *options, struct weft_doctor_report *out,
                    struct weft_err **err)
{
    struct weft_doctor d = {.options = options, .report = out, .tries = weft_tries_create()};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned parallel = cpus > 0 ? (unsigned)cpus + 2 : 4; /* some of them wait rather than work */
    int rc;

    rc = check_options(options, err);
    if (rc == 0) {
        gather(&d);
        for (size_t i = 0; i < N_CHECKS; i++) {
            if (checks[i].start) {
                checks[i].start(&d);
            }
        }
        rc = weft_tries_run(d.tries, parallel, INT_MAX, err);
    }
    if (rc == 0) {
        weft_doctor_probe_start(&d);
        rc = weft_tries_run(d.tries, parallel, INT_MAX, err);
    }
    if (rc == 0) {
        weft_doctor_health_start(&d);
        rc = weft_tries_run(d.tries, cpus > 0 ? (unsigned)cpus : 1, WEFT_DOCTOR_HEALTH_MS, err);
    }
    for (size_t i = 0; rc == 0 && i < N_CHECKS; i++) {
        checks[i].report(&d);
    }
    finish(&d);
    return rc;
}
