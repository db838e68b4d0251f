/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/kernels.h"
#include "binfmt/emulator.h"

/* Gives 1 where it is new. */
static int add(struct weft_bench_result *result, const struct weft_platform_info *p,
               const char *qemu, const char *version, const char *model)
{
    for (size_t i = 0; i < result->n; i++) {
        const struct weft_bench_target *t = &result->targets[i];

        if (t->platform == p && strcmp(t->qemu, qemu) == 0 && weft_str_eq(t->model, model)) {
            return 0;
        }
    }
    result->targets = weft_xrealloc(result->targets, result->n + 1, sizeof(*result->targets));
    result->targets[result->n++] = (struct weft_bench_target){
        .platform = p,
        .qemu = weft_xstrdup(qemu),
        .version = weft_xstrdup_null(version),
        .model = weft_xstrdup_null(model),
        .programs = weft_xstrdup_null(weft_kernels_programs(p)),
    };
    return 1;
}

/* The one of a build: of each QEMU that is asked for, if any is. */
static int add_chosen(const struct weft_targets *from, const struct weft_platform_info *p,
                      struct weft_bench_result *result, struct weft_err **err)
{
    size_t times = from->wanted->n > 0 ? from->wanted->n : 1;
    int n = 0;

    for (size_t i = 0; i < times; i++) {
        const struct weft_emulators emulators = {
            .answers = from->answers,
            .qemus = from->qemus,
            .cpu = from->chosen,
            .speeds = from->speeds,
            .qemu = from->wanted->n > 0 ? from->wanted->v[i] : NULL,
        };
        struct weft_emulator e = {0};
        int got = weft_emulator_choose(&emulators, p, false, &e, err);

        if (got < 0) {
            return -1;
        }
        if (got > 0 && e.unmeasured && i == 0) {
            weft_emulator_warn_unmeasured(p);
        }
        if (got > 0) {
            n += add(result, p, e.qemu, e.version, e.model);
        }
        weft_emulator_finish(&e);
    }
    return n;
}

static bool wanted(const struct weft_targets *from, const struct weft_qemu *q)
{
    for (size_t i = 0; i < from->wanted->n; i++) {
        if (weft_qemu_is(q, from->wanted->v[i])) {
            return true;
        }
    }
    return from->wanted->n == 0;
}

/* The models of one candidate under every QEMU. *why: why the first of them has none. */
static int add_candidate(const struct weft_targets *from, const struct weft_platform_info *p,
                         const char *candidate, struct weft_bench_result *result, char **why,
                         struct weft_err **err)
{
    struct weft_cpu_choices choices = {0};
    const struct weft_emulators emulators = {
        .answers = from->answers, .qemus = from->qemus, .cpu = &choices, .speeds = from->speeds};
    bool any_unmeasured = false;
    int n = 0;

    if (weft_cpu_choices_add(&choices, candidate, err) < 0) {
        weft_cpu_choices_finish(&choices);
        return -1;
    }
    for (size_t i = 0; i < from->qemus->n; i++) {
        const struct weft_qemu *q = &from->qemus->v[i];
        weft_auto_free char *model = NULL;
        weft_auto_err failed = NULL;
        bool unmeasured;

        /* one for another platform says nothing of this one */
        if (q->machine != p->machine || !wanted(from, q) ||
            (choices.n > 0 && !weft_platform_eq(&choices.v[0].platform, &p->platform))) {
            continue;
        }
        if (weft_emulator_model(&emulators, q, p, &model, &unmeasured, &failed) == 0) {
            n += add(result, p, q->path, q->version, model);
            any_unmeasured |= unmeasured;
        } else if (!*why) {
            *why = weft_xstrdup(failed->msg);
        }
    }
    weft_cpu_choices_finish(&choices);
    if (any_unmeasured) {
        weft_emulator_warn_unmeasured(p);
    }
    return n;
}

int weft_targets_add(const struct weft_targets *from, const struct weft_platform_info *p,
                     struct weft_bench_result *result, char **why, struct weft_err **err)
{
    weft_auto_strv candidates = {0};
    int n = 0;

    *why = NULL;
    weft_strv_concat(&candidates, from->candidates);
    if (candidates.n == 0) {
        weft_strv_add(&candidates, "baseline");
        weft_strv_add(&candidates, "max");
    }
    if (from->only_chosen) {
        n = add_chosen(from, p, result, err);
    }
    for (size_t i = 0; i < candidates.n && !from->only_chosen && n >= 0; i++) {
        int added = add_candidate(from, p, candidates.v[i], result, why, err);

        n = added < 0 ? -1 : n + added;
    }
    if (n == 0 && !*why) {
        *why = weft_fmt("there is no QEMU for its programs");
    }
    if (n != 0) {
        free(weft_steal(why));
    }
    return n;
}
