/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/emulator.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/health.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/qemu_models.h"

/* A QEMU, and what the choice of the user comes to under it. */
struct candidate {
    const struct weft_qemu *qemu;
    char *model;
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

/* Those that are asked for and have the model. *first_error: why the first of the others has not.
 */
static void gather(const struct weft_emulators *from, const struct weft_platform_info *p,
                   struct candidates *c, struct weft_err **first_error)
{
    const struct weft_cpu_choice *choice = weft_cpu_choices_for(from->cpu, &p->platform);

    c->v = weft_xcalloc(from->qemus->n + 1, sizeof(*c->v));
    for (size_t i = 0; i < from->qemus->n && !cancelled(from); i++) {
        const struct weft_qemu *q = &from->qemus->v[i];
        weft_auto_err why = NULL;
        char *model = NULL;

        if (q->machine != p->machine) {
            continue;
        }
        c->of_machine++;
        if (from->qemu && !weft_qemu_is(q, from->qemu)) {
            continue;
        }
        if (weft_qemu_model_for(from->answers, q->path, p, choice, from->cancel, &model, &why) ==
            0) {
            c->v[c->n++] = (struct candidate){q, model};
        } else if (!*first_error) {
            *first_error = weft_steal(&why);
        }
    }
}

/* Best first; among equals the order of the directories stays. */
static void sort(struct candidates *c, const struct weft_machine *m)
{
    for (size_t i = 1; i < c->n; i++) {
        struct candidate moved = c->v[i];
        size_t k = i;

        while (k > 0 &&
               weft_qemu_rank(m, moved.model, moved.qemu->version, c->v[k - 1].qemu->version) < 0) {
            c->v[k] = c->v[k - 1];
            k--;
        }
        c->v[k] = moved;
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
