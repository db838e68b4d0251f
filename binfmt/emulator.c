/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/emulator.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/health.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/qemu_models.h"

/* A QEMU, and what the choice of the user comes to under it. */
struct candidate {
    const struct weft_qemu *qemu;
    char *model;
    bool unmeasured;
    const struct weft_speed *speed; /* of both; NULL: not measured */
};

struct candidates {
    struct candidate *v;
    size_t n;
    size_t of_machine; /* how many there are, whatever was asked for */
};

void weft_emulator_finish(struct weft_emulator *e)
{
    free(e->qemu);
    free(e->version);
    free(e->model);
    free(e->program);
    free(e->why);
    free(e->unwell);
    *e = (struct weft_emulator){0};
}

static void candidates_finish(struct candidates *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].model);
    }
    free(c->v);
}

static bool cancelled(const struct weft_emulators *from)
{
    return from->cancel && atomic_load(from->cancel);
}

static int fail_not_at_hand(const struct weft_emulators *from, const struct weft_machine *m,
                            struct weft_err **err)
{
    weft_auto_strv there = {0};
    weft_auto_free char *list = NULL;

    for (size_t i = 0; i < from->qemus->n; i++) {
        const struct weft_qemu *q = &from->qemus->v[i];

        if (q->machine == m) {
            weft_strv_addf(&there, "%s (%s)", q->version ? q->version : "no version", q->path);
        }
    }
    list = weft_strv_join(&there, ", ");
    weft_fail(err, WEFT_E_USAGE, "there is no QEMU %s for %s; there is: %s", from->qemu, m->qemu,
              list);
    return weft_err_hint(err, "weft qemu list");
}

/* ---- the fastest model ---- */

/* The figures that there are for p under q, of models that q can be held to and is not known to be
 * bad on. Caller frees. */
static const struct weft_speed **measured(const struct weft_emulators *from,
                                          const struct weft_qemu *q,
                                          const struct weft_platform_info *p, size_t *n)
{
    const struct weft_speeds *all = from->speeds;
    const struct weft_speed **found = weft_xcalloc(all ? all->n + 1 : 1, sizeof(*found));

    *n = 0;
    for (size_t i = 0; all && i < all->n; i++) {
        const struct weft_speed *s = &all->v[i];
        struct weft_cpu_choice choice = {WEFT_CPU_MODEL, s->model};
        weft_auto_free char *model = NULL;
        weft_auto_err why = NULL;

        if (s->platform != p || !s->model || strcmp(s->qemu, q->path) != 0 ||
            !weft_str_eq(s->version, q->version)) {
            continue;
        }
        if (weft_qemu_model_for(from->answers, q->path, p, &choice, from->cancel, &model, &why) <
            0) {
            weft_debug("%s was measured, but cannot be used: %s", s->model, why->msg);
            continue;
        }
        if (weft_health_recall(from->answers, q->path, p->machine, model) == WEFT_HEALTH_BAD) {
            weft_debug("%s was measured, but is known to be bad", s->model);
            continue;
        }
        found[(*n)++] = s;
    }
    return found;
}

/* Whether one of v[n] is known to be faster than s. */
static bool is_beaten(const struct weft_speed *const *v, size_t n, const struct weft_speed *s)
{
    for (size_t i = 0; i < n; i++) {
        if (weft_speeds_rank(v[i], s) < 0) {
            return true;
        }
    }
    return false;
}

/* Of those that none is known to beat, the one with the least ratio; or `usual`, if it is among
 * them. */
static const struct weft_speed *fastest_of(const struct weft_speed *const *v, size_t n,
                                           const struct weft_speed *usual)
{
    const struct weft_speed *best = usual; /* not yet another */

    if (!is_beaten(v, n, usual)) {
        return usual;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_beaten(v, n, v[i]) &&
            (best == usual || v[i]->ratio < best->ratio ||
             (v[i]->ratio <= best->ratio && strcmp(v[i]->model, best->model) < 0))) {
            best = v[i];
        }
    }
    return best;
}

/* Whether weft bench run has another model of p to measure than the baseline's. */
static bool has_other(const struct weft_emulators *from, const struct weft_qemu *q,
                      const struct weft_platform_info *p, const char *usual)
{
    static const struct weft_cpu_choice max = {WEFT_CPU_MAX, NULL};
    weft_auto_free char *model = NULL;

    return weft_qemu_model_for(from->answers, q->path, p, &max, from->cancel, &model, NULL) == 0 &&
           strcmp(model, usual) != 0;
}

static int fastest_model(const struct weft_emulators *from, const struct weft_qemu *q,
                         const struct weft_platform_info *p, char **model, bool *unmeasured,
                         struct weft_err **err)
{
    static const struct weft_cpu_choice baseline = {WEFT_CPU_BASELINE, NULL};
    weft_auto_free const struct weft_speed **v = NULL;
    weft_auto_free char *usual = NULL;
    const struct weft_speed *speed;
    size_t n;

    if (weft_qemu_model_for(from->answers, q->path, p, &baseline, from->cancel, &usual, err) < 0) {
        return -1;
    }
    speed = weft_speeds_find(from->speeds, p, q->path, q->version, usual);
    v = measured(from, q, p, &n);
    *unmeasured = !speed || (n < 2 && has_other(from, q, p, usual));
    *model = speed ? weft_xstrdup(fastest_of(v, n, speed)->model) : weft_steal(&usual);
    return 0;
}

int weft_emulator_model(const struct weft_emulators *from, const struct weft_qemu *q,
                        const struct weft_platform_info *p, char **model, bool *unmeasured,
                        struct weft_err **err)
{
    const struct weft_cpu_choice *choice = weft_cpu_choices_for(from->cpu, &p->platform);
    bool ignored;

    unmeasured = unmeasured ? unmeasured : &ignored;
    *unmeasured = false;
    return choice->policy == WEFT_CPU_FASTEST
               ? fastest_model(from, q, p, model, unmeasured, err)
               : weft_qemu_model_for(from->answers, q->path, p, choice, from->cancel, model, err);
}

void weft_emulator_warn_unmeasured(const struct weft_platform_info *p)
{
    char name[WEFT_PLATFORM_SIZE];

    weft_platform_format(&p->platform, name);
    weft_warn("the fastest CPU model of %s is not known, since this machine has not measured them: "
              "it is the baseline's; try: weft bench run --platform %s",
              name, name);
}

/* ---- the QEMU ---- */

/* Those that are asked for and have the model. *first_error: why the first of the others has not.
 */
static void gather(const struct weft_emulators *from, const struct weft_platform_info *p,
                   struct candidates *c, struct weft_err **first_error)
{
    c->v = weft_xcalloc(from->qemus->n + 1, sizeof(*c->v));
    for (size_t i = 0; i < from->qemus->n && !cancelled(from); i++) {
        const struct weft_qemu *q = &from->qemus->v[i];
        weft_auto_err why = NULL;
        char *model = NULL;
        bool unmeasured;

        if (q->machine != p->machine) {
            continue;
        }
        c->of_machine++;
        if (from->qemu && !weft_qemu_is(q, from->qemu)) {
            continue;
        }
        if (weft_emulator_model(from, q, p, &model, &unmeasured, &why) == 0) {
            c->v[c->n++] =
                (struct candidate){q, model, unmeasured,
                                   weft_speeds_find(from->speeds, p, q->path, q->version, model)};
        } else if (!*first_error) {
            *first_error = weft_steal(&why);
        }
    }
}

static int rank_built_in(const struct weft_machine *m, const struct candidate *a,
                         const struct candidate *b)
{
    return weft_qemu_rank(m, a->qemu->version, a->model, b->qemu->version, b->model);
}

/* The best of those from v[first] on: by the built-in ranking, of those than which none is known to
 * be faster here. Among equals the first, by the order of the directories. */
static size_t best_of(const struct candidates *c, size_t first, const struct weft_machine *m)
{
    size_t best = c->n;

    for (size_t i = first; i < c->n; i++) {
        bool beaten = false;

        for (size_t k = first; k < c->n && !beaten; k++) {
            beaten = weft_speeds_rank(c->v[k].speed, c->v[i].speed) < 0;
        }
        if (!beaten && (best == c->n || rank_built_in(m, &c->v[i], &c->v[best]) < 0)) {
            best = i;
        }
    }
    return best < c->n ? best : first;
}

/*
 * Best first. Who is known to be faster stands before who is slower: that is a partial order. What
 * it leaves open (a tie, or one that was not measured) the built-in ranking decides, place by
 * place; as a comparison of two, both together would go round in circles.
 */
static void sort(struct candidates *c, const struct weft_machine *m)
{
    for (size_t i = 0; i < c->n; i++) {
        size_t best = best_of(c, i, m);
        struct candidate moved = c->v[best];

        memmove(&c->v[i + 1], &c->v[i], (best - i) * sizeof(*c->v));
        c->v[i] = moved;
    }
}

static enum weft_health_verdict health_of(const struct weft_emulators *from,
                                          const struct weft_machine *m, const struct candidate *c,
                                          bool check, char **failure)
{
    enum weft_health_verdict v = weft_health_recall(from->answers, c->qemu->path, m, c->model);

    if (v == WEFT_HEALTH_UNKNOWN && check) {
        struct weft_health h = {0};
        weft_auto_err err = NULL;

        if (weft_health_check(from->answers, c->qemu->path, m, c->model, from->cancel, &h, &err) <
            0) {
            v = WEFT_HEALTH_BAD;
            *failure = weft_xstrdup(err->msg);
        } else {
            v = h.verdict;
            *failure = weft_xstrdup_null(h.failure);
        }
        weft_health_finish(&h);
    } else if (v == WEFT_HEALTH_BAD) {
        *failure = weft_health_recall_failure(from->answers, c->qemu->path, m, c->model);
    }
    return v;
}

/* *unwell: what is wrong with the one that is taken all the same; caller frees. */
static const struct candidate *first_well(const struct weft_emulators *from,
                                          const struct weft_machine *m, const struct candidates *c,
                                          bool check, char **unwell)
{
    weft_auto_free char *first_failure = NULL;

    *unwell = NULL;
    for (size_t i = 0; i < c->n && !cancelled(from); i++) {
        weft_auto_free char *failure = NULL;

        /* the only one there is need not be checked: it is taken anyway */
        if (health_of(from, m, &c->v[i], check && c->n > 1, &failure) != WEFT_HEALTH_BAD) {
            return &c->v[i];
        }
        if (!first_failure) {
            first_failure = failure ? weft_steal(&failure)
                                    : weft_fmt("an earlier check on this kernel found it bad");
        }
    }
    *unwell = weft_steal(&first_failure);
    return &c->v[0];
}

static char *copy(const struct weft_emulators *from, const struct weft_platform_info *p,
                  const struct candidate *c, struct weft_err **why)
{
    if (strpbrk(from->copies_dir, ":\n")) {
        weft_fail(why, WEFT_E_UNSUPPORTED,
                  "binfmt_misc takes no program whose path has a ':' or newline, as that of the "
                  "copies in %s; WEFT_STATE_DIR can name another directory",
                  from->copies_dir);
        return NULL;
    }
    return weft_qemu_copy(from->copies_dir, from->answers, c->qemu->path, p->machine, c->model,
                          why);
}

/* Take a candidate: with its model in force if that can be done, else plain. */
static int take(const struct weft_emulators *from, const struct weft_platform_info *p,
                const struct candidate *c, struct weft_emulator *out, struct weft_err **err)
{
    struct weft_err *why = NULL;
    char name[WEFT_PLATFORM_SIZE];

    if (cancelled(from)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    out->program = from->copies_dir ? copy(from, p, c, &why) : weft_xstrdup(c->qemu->path);
    if (!out->program && from->cpu->given) {
        if (err) {
            *err = why;
        } else {
            weft_err_free(why);
        }
        weft_err_wrap(err, "%s: the CPU model %s cannot be held to",
                      weft_platform_format(&p->platform, name), c->model);
        return weft_err_hint(err, "leave --cpu out, and take QEMU's own default");
    }
    out->platform = p;
    out->qemu = weft_xstrdup(c->qemu->path);
    out->version = weft_xstrdup_null(c->qemu->version);
    if (out->program) {
        out->model = weft_xstrdup(c->model);
    } else {
        out->program = weft_xstrdup(c->qemu->path);
        out->why = weft_xstrdup(why->msg);
        weft_err_free(why);
    }
    return 1;
}

int weft_emulator_choose(const struct weft_emulators *from, const struct weft_platform_info *p,
                         bool check, struct weft_emulator *out, struct weft_err **err)
{
    struct candidates c = {0};
    struct weft_err *why_not = NULL;
    int rc = 0;

    gather(from, p, &c, &why_not);
    if (cancelled(from)) {
        rc = weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    } else if (c.n > 0) {
        weft_auto_free char *unwell = NULL;
        const struct candidate *taken;

        sort(&c, p->machine);
        taken = first_well(from, p->machine, &c, check, &unwell);
        rc = take(from, p, taken, out, err);
        if (rc == 1) {
            out->unwell = weft_steal(&unwell);
            out->unmeasured = taken->unmeasured;
        }
    } else if (why_not) {
        rc = -1;
        if (err) {
            *err = weft_steal(&why_not);
        }
    } else if (c.of_machine > 0) {
        rc = fail_not_at_hand(from, p->machine, err);
    }
    weft_err_free(why_not);
    candidates_finish(&c);
    return rc;
}
