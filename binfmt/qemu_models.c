/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/qemu_models.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"

enum {
    TIMEOUT_MS = 10000,
    WHY_MAX = 200,  /* characters of what QEMU said that are shown */
    LISTED_MAX = 12 /* models that are shown */
};

/* A run of a program has failed. Returns -1. */
static int fail_run(struct weft_answers *a, const char *program, struct weft_err *failed,
                    struct weft_err **err)
{
    weft_qemu_note(a, program, failed);
    if (err) {
        *err = failed;
    } else {
        weft_err_free(failed);
    }
    return -1;
}

/* weft_probe_run, unless the program hangs. */
static int run_probe(struct weft_answers *a, const char *program, const struct weft_machine *m,
                     char *const *args, const atomic_bool *cancel, char **said,
                     struct weft_err **err)
{
    struct weft_err *failed = NULL;
    int code;

    if (weft_qemu_hung(a, program, err) < 0) {
        return -1;
    }
    code = weft_probe_run(m, program, args, cancel, said, &failed);
    return code < 0 ? fail_run(a, program, failed, err) : code;
}

int weft_qemu_models(struct weft_answers *a, const char *program, const atomic_bool *cancel,
                     struct weft_strv *models, struct weft_err **err)
{
    weft_auto_free char *list = weft_answers_recall(a, "cpu models", program);
    weft_auto_free char *help = NULL;
    weft_auto_strv found = {0};
    weft_auto_strv argv = {0};
    struct weft_err *failed = NULL;

    if (list) {
        weft_split(list, '\n', models);
        return 0;
    }
    if (weft_qemu_hung(a, program, err) < 0) {
        return -1;
    }
    weft_strv_add(&argv, program);
    weft_strv_add(&argv, "-cpu");
    weft_strv_add(&argv, "help");
    /* Its exit code is 1 in every version. */
    if (weft_run(
            &(struct weft_run_opts){
                .file = program, .argv = argv.v, .timeout_ms = TIMEOUT_MS, .cancel = cancel},
            &help, &failed) < 0) {
        return fail_run(a, program, failed, err);
    }
    weft_cpu_parse_help(help, &found);
    if (found.n == 0) {
        return weft_fail(err, WEFT_E_CHILD, "%s -cpu help lists no models", program);
    }
    list = weft_strv_join(&found, "\n");
    weft_answers_keep(a, "cpu models", program, list);
    weft_strv_concat(models, &found);
    return 0;
}

/* The first line of what a QEMU said, without the program's name. */
static char *first_line(const char *program, const char *said)
{
    const char *slash = strrchr(program, '/');
    weft_auto_free char *name = weft_fmt("%s: ", slash ? slash + 1 : program);
    const char *line = weft_starts_with(said, name) ? said + strlen(name) : said;
    size_t n = strcspn(line, "\n");
    weft_auto_free char *text = weft_xstrndup(line, n < WHY_MAX ? n : WHY_MAX);
    weft_auto_free char *shown = weft_printable(text);

    return n < WHY_MAX ? weft_steal(&shown) : weft_fmt("%s ...", shown);
}

/* How a run of the probe ended, with the first line of what was said: "exit code 1: no such CPU" */
static char *describe(const char *program, int code, const char *said)
{
    weft_auto_free char *line = first_line(program, said);

    return weft_fmt(code > 128 ? "killed by signal %d%s%s" : "exit code %d%s%s",
                    code > 128 ? code - 128 : code, *line ? ": " : "", line);
}

/* What is wrong with a model; "" where nothing is. Caller frees; NULL with *err where that cannot
 * be told. */
static char *try_model(struct weft_answers *a, const char *program, const struct weft_machine *m,
                       const char *model, const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_strv args = {0};
    weft_auto_free char *said = NULL;
    int code;

    weft_strv_add(&args, "-cpu");
    weft_strv_add(&args, model);
    code = run_probe(a, program, m, args.v, cancel, &said, err);
    if (code < 0) {
        return NULL;
    }
    if (code == 128 + SIGKILL || code == 128 + SIGTERM) { /* not its doing, nor forever so */
        weft_fail(err, WEFT_E_CHILD, "%s was killed by signal %d", program, code - 128);
        return NULL;
    }
    if (*said) {
        return first_line(program, said);
    }
    if (code != WEFT_PROBE_EXIT) {
        return weft_fmt("a program that exits with %d ends with %d", WEFT_PROBE_EXIT, code);
    }
    return weft_xstrdup("");
}

int weft_qemu_model_usable(struct weft_answers *a, const char *program,
                           const struct weft_machine *m, const char *model,
                           const atomic_bool *cancel, char **why, struct weft_err **err)
{
    weft_auto_free char *what = weft_fmt("cpu %s", model);
    weft_auto_free char *wrong = weft_answers_recall(a, what, program);

    if (!wrong) {
        wrong = try_model(a, program, m, model, cancel, err);
        if (!wrong) {
            return -1;
        }
        weft_answers_keep(a, what, program, wrong);
    }
    if (*wrong == '\0') {
        return 1;
    }
    if (why) {
        *why = weft_steal(&wrong);
    }
    return 0;
}

/* The first usable one. Returns 1, 0 where there is none, or -1. */
static int first_usable(struct weft_answers *a, const char *program,
                        const struct weft_platform_info *p, const struct weft_cpu_model *list,
                        const atomic_bool *cancel, char **model, struct weft_err **err)
{
    for (; list->model; list++) {
        int usable = weft_qemu_model_usable(a, program, p->machine, list->model, cancel, NULL, err);

        if (usable < 0) {
            return -1;
        }
        if (usable) {
            *model = weft_xstrdup(list->model);
            return 1;
        }
    }
    return 0;
}

/* "a, b, c" of those models that are strong enough for p; the first LISTED_MAX. */
static char *list_fitting(const struct weft_platform *p, const struct weft_strv *models)
{
    weft_auto_strv fitting = {0};

    for (size_t i = 0; i < models->n; i++) {
        if (weft_cpu_too_weak(p, models->v[i])) {
            continue;
        }
        if (fitting.n == LISTED_MAX) {
            weft_strv_add(&fitting, "...");
            break;
        }
        weft_strv_add(&fitting, models->v[i]);
    }
    return weft_strv_join(&fitting, ", ");
}

static int too_weak(struct weft_answers *a, const char *program, const struct weft_platform_info *p,
                    const char *model, const atomic_bool *cancel, struct weft_err **err)
{
    char buf[WEFT_PLATFORM_SIZE];
    weft_auto_strv models = {0};
    weft_auto_free char *fitting = NULL;

    if (weft_qemu_models(a, program, cancel, &models, err) < 0) {
        return -1;
    }
    fitting = list_fitting(&p->platform, &models);
    weft_fail(err, WEFT_E_USAGE, "%s: CPU model %s is too weak: the platform promises %s",
              weft_platform_format(&p->platform, buf), model,
              weft_cpu_spec(&p->platform)->promises);
    return *fitting ? weft_err_hint(err, "one of %s", fitting) : -1;
}

/* Where no model works, it may not be for the models: a file that was cut off, another program by
 * the name of a QEMU. Fails where the program runs nothing. */
static int check_runs(struct weft_answers *a, const char *program,
                      const struct weft_platform_info *p, const atomic_bool *cancel,
                      struct weft_err **err)
{
    weft_auto_free char *known = weft_answers_recall(a, "runs the probe", program);
    weft_auto_free char *said = NULL;
    weft_auto_free char *how = NULL;
    char buf[WEFT_PLATFORM_SIZE];
    int code;

    if (known) {
        return 0;
    }
    code = run_probe(a, program, p->machine, NULL, cancel, &said, err);
    if (code < 0) {
        return -1;
    }
    if (code == WEFT_PROBE_EXIT) {
        weft_answers_keep(a, "runs the probe", program, "yes");
        return 0;
    }
    how = describe(program, code, said);
    weft_fail(err, WEFT_E_UNSUPPORTED, "%s: %s does not run the smallest %s program: %s",
              weft_platform_format(&p->platform, buf), program, p->platform.arch, how);
    return weft_err_hint(err, "another QEMU: --qemu VERSION");
}

/* A model that the user named does not work: because there is none of that name, or because of
 * `why`. */
static int unusable(struct weft_answers *a, const char *program, const struct weft_platform_info *p,
                    const char *model, const char *why, const atomic_bool *cancel,
                    struct weft_err **err)
{
    char buf[WEFT_PLATFORM_SIZE];
    weft_auto_strv models = {0};
    weft_auto_free char *name = weft_xstrndup(model, strcspn(model, ","));
    weft_auto_free char *fitting = NULL;
    const char *near;

    if (check_runs(a, program, p, cancel, err) < 0 ||
        weft_qemu_models(a, program, cancel, &models, err) < 0) {
        return -1;
    }
    weft_platform_format(&p->platform, buf);
    if (weft_strv_has(&models, name)) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s does not run with CPU model %s: %s", buf, program,
                  model, why);
        return weft_err_hint(err, "--cpu %s=baseline, or another model", buf);
    }
    weft_fail(err, WEFT_E_USAGE, "%s: %s has no CPU model %s", buf, program, name);
    near = weft_nearest(name, (const char *const *)models.v, models.n);
    if (near && !weft_cpu_too_weak(&p->platform, near)) {
        return weft_err_hint(err, "%s", near);
    }
    fitting = list_fitting(&p->platform, &models);
    return weft_err_hint(err, "one of %s", fitting);
}

int weft_qemu_model_for(struct weft_answers *a, const char *program,
                        const struct weft_platform_info *p, const struct weft_cpu_choice *choice,
                        const atomic_bool *cancel, char **model, struct weft_err **err)
{
    const struct weft_cpu_spec *spec = weft_cpu_spec(&p->platform);
    char buf[WEFT_PLATFORM_SIZE];
    weft_auto_free char *why = NULL;
    int usable;

    weft_platform_format(&p->platform, buf);
    if (!spec || !p->machine) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "%s: QEMU runs no programs of it", buf);
    }
    if (choice->policy == WEFT_CPU_FASTEST) {
        return weft_fail(err, WEFT_E_INTERNAL, "%s: the fastest model is chosen elsewhere", buf);
    }
    if (choice->policy == WEFT_CPU_MODEL) {
        if (weft_cpu_too_weak(&p->platform, choice->model)) {
            return too_weak(a, program, p, choice->model, cancel, err);
        }
        usable = weft_qemu_model_usable(a, program, p->machine, choice->model, cancel, &why, err);
        if (usable == 0) {
            return unusable(a, program, p, choice->model, why, cancel, err);
        }
        if (usable > 0) {
            *model = weft_xstrdup(choice->model);
        }
    } else {
        usable = first_usable(a, program, p,
                              choice->policy == WEFT_CPU_MAX ? spec->max : spec->baseline, cancel,
                              model, err);
        if (usable == 0) {
            if (spec->baseline->model && check_runs(a, program, p, cancel, err) < 0) {
                return -1;
            }
            weft_fail(err, WEFT_E_UNSUPPORTED, "%s: %s has no CPU model for it: %s", buf, program,
                      spec->why);
            return spec->baseline->model ? weft_err_hint(err, "another QEMU: --qemu VERSION") : -1;
        }
    }
    return usable < 0 ? -1 : 0;
}
