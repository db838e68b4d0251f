/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulators of a command's workers: one for each machine, on the CPU model of its plain
 * platform, in all workers; and in the worker that builds for another platform of the machine
 * (linux/arm/v6), that platform's.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/emulator.h"
#include "binfmt/qemu_models.h"
#include "engine/worker.h"
#include "engine/worker_config.h"

enum {
    SALT_DIGITS = 16,
    THREADS_MAX = 8
};

struct weft_emulators weft_worker_config_emulators(const struct weft_worker_config *cfg)
{
    return (struct weft_emulators){
        .answers = cfg->answers,
        .qemus = &cfg->qemus,
        .cpu = cfg->cpu,
        .speeds = &cfg->speeds,
        .qemu = cfg->qemu,
        .copies_dir = cfg->copies_dir,
        .cancel = cfg->cancel,
    };
}

static bool serves(const struct weft_emulated *e, const char *slot)
{
    return !e->slot || (slot && strcmp(e->slot, slot) == 0);
}

/* The one whose handler for machine m the worker of a slot registers. */
static struct weft_emulated *of_machine(const struct weft_worker_config *cfg, const char *slot,
                                        const struct weft_machine *m)
{
    struct weft_emulated *found = NULL;

    for (size_t i = 0; i < cfg->n_emulated; i++) {
        if (serves(&cfg->emulated[i], slot) && cfg->emulated[i].emulator.platform->machine == m) {
            found = &cfg->emulated[i]; /* those of one slot stand behind those of all */
        }
    }
    return found;
}

const struct weft_emulator *weft_worker_config_emulator(const struct weft_worker_config *cfg,
                                                        const char *slot,
                                                        const struct weft_platform_info *p)
{
    const struct weft_emulated *e = of_machine(cfg, slot, p->machine);

    return e ? &e->emulator : NULL;
}

/* One for each machine, in the order of the catalogue. */
static void of_slot(const struct weft_worker_config *cfg, const char *slot, bool lines,
                    struct weft_strv *out)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n && cfg->scope == WEFT_SCOPE_NAMESPACE; i++) {
        const struct weft_emulated *e = of_machine(cfg, slot, machines[i]);

        if (e) {
            weft_strv_add(out, lines ? e->line : e->emulator.program);
        }
    }
}

void weft_worker_config_handlers(const struct weft_worker_config *cfg, const char *slot,
                                 struct weft_strv *lines)
{
    of_slot(cfg, slot, true, lines);
}

void weft_worker_config_programs(const struct weft_worker_config *cfg, const char *slot,
                                 struct weft_strv *programs)
{
    of_slot(cfg, slot, false, programs);
}

void weft_worker_config_identity(const struct weft_worker_config *cfg, const char *slot,
                                 char identity[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *canonical = weft_worker_config_canonical(cfg, slot);

    weft_digest_bytes(canonical, strlen(canonical), identity);
}

/* Takes the emulator over. */
static int add(struct weft_worker_config *cfg, struct weft_emulator *e, const char *slot,
               struct weft_err **err)
{
    /* P: argv[0] reaches the program; O, C: files that it may run but not read, its own
     * credentials; F: opened now */
    char *line = weft_handler_line(e->platform->machine, e->program, "POCF", err);

    if (!line) {
        return -1;
    }
    cfg->emulated = weft_xrealloc(cfg->emulated, cfg->n_emulated + 1, sizeof(*cfg->emulated));
    cfg->emulated[cfg->n_emulated++] =
        (struct weft_emulated){*e, line, weft_xstrdup_null(slot), false};
    *e = (struct weft_emulator){0};
    return 0;
}

/* A QEMU that is asked for is there, be it for a machine that nothing is built for now. */
static int check_qemu(const struct weft_worker_config *cfg, struct weft_err **err)
{
    weft_auto_strv there = {0};
    weft_auto_free char *list = NULL;

    for (size_t i = 0; cfg->qemu && i < cfg->qemus.n; i++) {
        const struct weft_qemu *q = &cfg->qemus.v[i];

        if (weft_qemu_is(q, cfg->qemu)) {
            return 0;
        }
        if (q->version && !weft_strv_has(&there, q->version)) {
            weft_strv_add(&there, q->version);
        }
    }
    if (!cfg->qemu || cfg->qemus.n == 0) {
        return 0; /* who builds for one is told that there is none */
    }
    list = weft_strv_join(&there, ", ");
    weft_fail(err, WEFT_E_USAGE, "there is no QEMU %s here; there is: %s", cfg->qemu, list);
    return weft_err_hint(err, "weft qemu list");
}

/* A CPU model that was asked for by the name of a platform is to be had, whether or not the
 * platform is built now: a stage may be pinned to it. */
static int check_choices(const struct weft_worker_config *cfg, struct weft_err **err)
{
    const struct weft_emulators from = weft_worker_config_emulators(cfg);

    for (size_t i = 0; i < cfg->cpu->n; i++) {
        const struct weft_platform *platform = &cfg->cpu->v[i].platform;
        const struct weft_platform_info *p = weft_catalogue_find(platform);
        struct weft_emulator e = {0};
        char name[WEFT_PLATFORM_SIZE];
        int rc;

        if (!p || !p->machine) {
            weft_fail(err, WEFT_E_USAGE, "--cpu %s=: QEMU runs no programs of it",
                      weft_platform_format(platform, name));
            return weft_err_hint(err, "leave it out");
        }
        if (weft_worker_config_native(cfg, p->machine)) {
            if (cfg->cpu->v[i].choice.policy != WEFT_CPU_MODEL) {
                continue;
            }
            weft_fail(err, WEFT_E_USAGE, "--cpu %s=%s: this machine runs %s itself, without QEMU",
                      weft_platform_format(platform, name), cfg->cpu->v[i].choice.model, name);
            return weft_err_hint(err,
                                 "leave it out; a CPU model is for platforms that are emulated");
        }
        rc = weft_emulator_choose(&from, p, false, &e, err);
        weft_emulator_finish(&e);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

/* The first time, a QEMU is read, copied and tried for each machine: 50 ms each, so side by side.
 */
struct search {
    struct weft_emulators from;
    const struct weft_machine *const *machines; /* NULL: native */
    size_t n;
    atomic_size_t next;
    struct weft_emulator *found; /* [n]; those without a program were not found */
};

/* For a machine that perhaps nothing is built for. Who builds for one that fails is told
 * (weft_worker_config_need); where only the version that was asked for is missing, a stage that is
 * pinned to it shall run all the same. */
static int find_common(const struct weft_emulators *from, const struct weft_machine *m,
                       struct weft_emulator *out, struct weft_err **err)
{
    const struct weft_platform_info *p = weft_catalogue_default_of(m);
    struct weft_emulators any = *from;

    any.qemu = NULL;
    if (weft_emulator_choose(from, p, false, out, from->qemu ? NULL : err) >= 0) {
        return 0;
    }
    return from->qemu && weft_emulator_choose(&any, p, false, out, err) >= 0 ? 0 : -1;
}

static void *search_on(void *data)
{
    struct search *s = data;

    for (size_t i; (i = atomic_fetch_add(&s->next, 1)) < s->n;) {
        const struct weft_machine *m = s->machines[i];
        weft_auto_err why = NULL;

        if (m && find_common(&s->from, m, &s->found[i], &why) < 0) {
            weft_debug("no emulator for %s: %s", m->qemu, why->msg);
        }
    }
    return NULL;
}

static void search(struct search *s)
{
    pthread_t threads[THREADS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int n = 0;

    while (n < THREADS_MAX && n < cpus - 1 &&
           pthread_create(&threads[n], NULL, search_on, s) == 0) {
        n++;
    }
    search_on(s);
    while (n > 0) {
        pthread_join(threads[--n], NULL);
    }
}

int weft_worker_config_find_emulators(struct weft_worker_config *cfg, struct weft_err **err)
{
    size_t n;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);
    weft_auto_free const struct weft_machine **machines = weft_xcalloc(n, sizeof(*machines));
    weft_auto_free struct weft_emulator *found = weft_xcalloc(n, sizeof(*found));
    struct search s = {
        .from = weft_worker_config_emulators(cfg), .machines = machines, .n = n, .found = found};
    int rc = 0;

    if (check_qemu(cfg, err) < 0) {
        return -1;
    }
    if (cfg->scope != WEFT_SCOPE_NAMESPACE) {
        return 0; /* the host's are used */
    }
    for (size_t i = 0; i < n; i++) {
        machines[i] = weft_worker_config_native(cfg, all[i]) ? NULL : all[i];
    }
    search(&s);
    if (cfg->cancel && atomic_load(cfg->cancel)) {
        rc = weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    for (size_t i = 0; i < n; i++) {
        if (found[i].program && rc == 0) {
            rc = add(cfg, &found[i], NULL, err);
        }
        weft_emulator_finish(&found[i]);
    }
    if (rc == 0) {
        rc = check_choices(cfg, err);
    }
    weft_answers_write(cfg->answers); /* what took long is known, however this command ends */
    return rc;
}

static void say_unwell(const struct weft_emulator *e)
{
    if (e->unwell) {
        weft_warn("%s %s does not work well on this kernel: %s; there is no better one here",
                  e->qemu, e->version ? e->version : "", e->unwell);
    }
}

int weft_worker_config_need(struct weft_worker_config *cfg, const char *slot,
                            const struct weft_platform_info *p, struct weft_err **err)
{
    const struct weft_emulators from = weft_worker_config_emulators(cfg);
    struct weft_emulated *serving;
    struct weft_emulator e = {0};
    int rc;

    if (cfg->scope != WEFT_SCOPE_NAMESPACE || !p->machine ||
        weft_worker_config_native(cfg, p->machine)) {
        return 0;
    }
    rc = weft_emulator_choose(&from, p, true, &e, err);
    if (rc <= 0) {
        return rc;
    }
    say_unwell(&e);
    if (e.unmeasured) {
        weft_emulator_warn_unmeasured(p);
    }
    serving = of_machine(cfg, slot, p->machine);
    rc = serving && strcmp(serving->emulator.program, e.program) == 0 &&
                 serving->emulator.platform == p
             ? 0
             : add(cfg, &e, slot, err);
    if (rc == 0) {
        of_machine(cfg, slot, p->machine)->built = true;
    }
    weft_emulator_finish(&e);
    return rc;
}

bool weft_worker_config_clashes(const struct weft_worker_config *cfg,
                                const struct weft_platform_info *p)
{
    const struct weft_emulators from = weft_worker_config_emulators(cfg);
    const struct weft_emulated *common = p->machine ? of_machine(cfg, NULL, p->machine) : NULL;
    struct weft_emulator e = {0};
    bool clashes;

    if (!common || common->emulator.platform == p ||
        weft_emulator_choose(&from, p, false, &e, NULL) != 1) {
        return false;
    }
    clashes = strcmp(common->emulator.program, e.program) != 0;
    weft_emulator_finish(&e);
    return clashes;
}

void weft_worker_config_free_emulators(struct weft_worker_config *cfg)
{
    for (size_t i = 0; i < cfg->n_emulated; i++) {
        weft_emulator_finish(&cfg->emulated[i].emulator);
        free(cfg->emulated[i].line);
        free(cfg->emulated[i].slot);
    }
    free(cfg->emulated);
    weft_qemus_finish(&cfg->qemus);
}

/* Whether a model is what the policy baseline comes to as well, under this QEMU. */
static bool is_baseline(const struct weft_worker_config *cfg, const struct weft_platform_info *p,
                        const char *qemu, const char *model)
{
    const struct weft_cpu_choice baseline = {.policy = WEFT_CPU_BASELINE};
    weft_auto_free char *usual = NULL;

    return weft_qemu_model_for(cfg->answers, qemu, p, &baseline, cfg->cancel, &usual, NULL) == 0 &&
           strcmp(usual, model) == 0;
}

/* The model that the fastest one is for p here; NULL where that is the baseline's, or there is
 * none. Caller frees. */
static char *fastest_model(const struct weft_worker_config *cfg, const struct weft_platform_info *p)
{
    struct weft_emulators from = weft_worker_config_emulators(cfg);
    struct weft_emulator e = {0};
    char *model = NULL;

    from.copies_dir = NULL;
    if (weft_emulator_choose(&from, p, false, &e, NULL) == 1 &&
        !is_baseline(cfg, p, e.qemu, e.model)) {
        model = weft_steal(&e.model);
    }
    weft_emulator_finish(&e);
    return model;
}

/* What is said of a choice for p: "max", or a model. NULL: it comes to the baseline. Caller frees.
 */
static char *name_choice(const struct weft_worker_config *cfg, const struct weft_platform_info *p,
                         const struct weft_cpu_choice *c)
{
    const struct weft_emulated *e = of_machine(cfg, NULL, p->machine);

    switch (c->policy) {
    case WEFT_CPU_MAX:
        return weft_xstrdup("max");
    case WEFT_CPU_FASTEST:
        return fastest_model(cfg, p);
    case WEFT_CPU_MODEL:
        return e && is_baseline(cfg, p, e->emulator.qemu, c->model) ? NULL : weft_xstrdup(c->model);
    case WEFT_CPU_BASELINE:
    default:
        return NULL;
    }
}

/* What was asked for p, where it is something else than what holds for all: max, or the baseline.
 */
static void add_choice(const struct weft_worker_config *cfg, const struct weft_platform_info *p,
                       struct weft_strv *parts)
{
    bool all_max = cfg->cpu->all.policy == WEFT_CPU_MAX;
    weft_auto_free char *text = NULL;
    char name[WEFT_PLATFORM_SIZE];

    if (!p || !p->machine || weft_worker_config_native(cfg, p->machine)) {
        return;
    }
    text = name_choice(cfg, p, weft_cpu_choices_for(cfg->cpu, &p->platform));
    if (!weft_str_eq(text, all_max ? "max" : NULL)) {
        weft_strv_addf(parts, "%s=%s", weft_platform_format(&p->platform, name),
                       text ? text : "baseline");
    }
}

/* The platforms for which --cpu=fastest can come to something: those with figures. Whether they are
 * built now makes no difference, as with other choices: a stage may be pinned to one. */
static void add_fastest(const struct weft_worker_config *cfg, struct weft_strv *parts)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        bool measured = false;

        for (size_t k = 0; k < cfg->speeds.n; k++) {
            measured |= cfg->speeds.v[k].platform == &all[i];
        }
        if (measured && weft_cpu_choices_for(cfg->cpu, &all[i].platform) == &cfg->cpu->all) {
            add_choice(cfg, &all[i], parts);
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *weft_worker_config_salt(const struct weft_worker_config *cfg)
{
    struct weft_strv parts = {0};
    weft_auto_free char *text = NULL;
    char digest[WEFT_DIGEST_SIZE];
    char name[WEFT_PLATFORM_SIZE];

    /* What was asked for, and not what is built now or what QEMUs are here: one platform's steps
     * are found again by a build of others too, and on another machine. But the fastest model is
     * another one elsewhere, and after another measurement. */
    if (cfg->cpu->all.policy == WEFT_CPU_MAX) {
        weft_strv_add(&parts, "max");
    }
    for (size_t i = 0; i < cfg->cpu->n; i++) {
        add_choice(cfg, weft_catalogue_find(&cfg->cpu->v[i].platform), &parts);
    }
    if (cfg->cpu->all.policy == WEFT_CPU_FASTEST) {
        add_fastest(cfg, &parts);
    }
    for (size_t i = 0; i < cfg->n_emulated; i++) {
        const struct weft_emulated *e = &cfg->emulated[i];

        if (e->built && !e->emulator.model) { /* no copy of QEMU could be made */
            weft_strv_addf(&parts,
                           "%s=", weft_platform_format(&e->emulator.platform->platform, name));
        }
    }
    if (parts.n > 0) { /* the order of --platform makes no difference */
        qsort(parts.v, parts.n, sizeof(*parts.v), by_text);
    }
    text = weft_strv_join(&parts, ";");
    weft_strv_finish(&parts);
    if (!*text) {
        return NULL;
    }
    weft_digest_bytes(text, strlen(text), digest);
    return weft_xstrndup(weft_digest_hex(digest), SALT_DIGITS);
}
