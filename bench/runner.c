/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "binfmt/health.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/unshare.h"

enum {
    PAIRS_MIN = 5,
    WARM_UP_PART = 8,   /* the warm-up is that part of a run */
    NATIVE_MS = 40,     /* a native run takes so long ... */
    PAIRS_MAX = 15,     /* while the ratio is not known well enough */
    RUN_MS = 60 * 1000, /* no run takes longer, or it is a failure */
    EMULATED_MS = 2000, /* ... unless the emulated one would take longer than this */
    KERNEL_MS = 60000,  /* no pair is begun later than so long after the first run of a kernel */
    EMULATED_MS_QUICK = 700,
    KERNEL_MS_QUICK = 7000,
};

/* Wider than this part of the ratio is noisy; so is a pair of which more was stolen. Ticks are 10
 * ms: a single one in a pair is no reason. */
static const double wide = 0.10;
static const double stolen_max = 0.05;

/* So is a kernel during which other programs had more of the CPU, seen over at least so many ticks.
 */
static const double shared_max = 0.05;
static const double ticks_least = 50;

/* Everything about one run of the benchmark. */
struct session {
    const struct weft_runner *runner;
    struct weft_bench_result *result;
    int root; /* "/" */
    size_t done, total;
};

/* One kernel under one target. */
struct unit {
    const struct session *s;
    const struct weft_bench_target *target;
    const struct weft_kernel *kernel;
    struct weft_kernel_side native, emulated;
    struct weft_bench_kernel *out;
    uint64_t started_ms;
    double ticks, others_ticks; /* of the CPU, during the samples: all, and those of others */
};

static bool cancelled(const struct session *s)
{
    return s->runner->cancel && atomic_load(s->runner->cancel);
}

/* A QEMU under which a program has come to a wrong result is one to keep builds away from. */
static void spoil(const struct unit *u)
{
    const struct weft_bench_target *t = u->target;
    weft_auto_free char *why = weft_fmt("weft bench, %s: %s", u->kernel->name, u->out->failure);

    weft_health_spoil(u->s->runner->answers, t->qemu, t->platform->machine, t->model, why);
}

/* One run. Gives 0; 1 where the kernel is done for, for which the reason is in u->out; -1 when
 * cancelled. */
static int run_side(struct unit *u, const struct weft_kernel_side *side, uint64_t iterations,
                    struct weft_kernel_run *run)
{
    const char *who = side->qemu ? "" : "natively: ";

    if (weft_kernel_run(u->kernel, side, iterations, RUN_MS, u->s->runner->cancel, run, NULL) < 0) {
        return -1;
    }
    if (run->failure) {
        u->out->failure = weft_fmt("%s%s", who, run->failure);
        if (run->wrong && side->qemu) {
            spoil(u);
        }
    } else if (run->skipped) {
        u->out->skipped = weft_fmt("%s%s", who, run->skipped);
    }
    return run->failure || run->skipped ? 1 : 0;
}

/* A native and an emulated run; `turn` says which is first. As run_side. */
static int run_pair(struct unit *u, uint64_t iterations, size_t turn, uint64_t *native_ns,
                    uint64_t *emulated_ns)
{
    const struct weft_kernel_side *sides[2] = {&u->native, &u->emulated};
    struct weft_kernel_run runs[2] = {0};
    int rc = 0;

    for (size_t i = 0; i < 2 && rc == 0; i++) {
        size_t which = (turn + i) % 2;

        rc = run_side(u, sides[which], iterations, &runs[which]);
    }
    if (rc == 0 && strcmp(runs[0].check, runs[1].check) != 0) {
        u->out->failure = weft_fmt("a wrong result: %s, natively %s", runs[1].check, runs[0].check);
        spoil(u);
        rc = 1;
    }
    *native_ns = runs[0].ns;
    *emulated_ns = runs[1].ns;
    weft_kernel_run_finish(&runs[0]);
    weft_kernel_run_finish(&runs[1]);
    return rc;
}

/* How many iterations, from what the warm-up took. */
static uint64_t choose_iterations(const struct unit *u, uint64_t warm, uint64_t native_ns,
                                  uint64_t emulated_ns)
{
    const double longest_ns = 1e6 * (u->s->result->quick ? EMULATED_MS_QUICK : EMULATED_MS);
    double iterations = (double)warm * 1e6 * NATIVE_MS / (double)native_ns;
    double most = (double)warm * longest_ns / (double)emulated_ns;

    if (iterations > most) {
        iterations = most;
    }
    return iterations < 1 ? 1 : (uint64_t)iterations;
}

static int warm_up(struct unit *u)
{
    uint64_t iterations = u->kernel->iterations / WARM_UP_PART;
    uint64_t native_ns, emulated_ns;
    int rc;

    iterations = iterations > 0 ? iterations : 1;
    rc = run_pair(u, iterations, 0, &native_ns, &emulated_ns);
    if (rc == 0) {
        u->out->iterations = choose_iterations(u, iterations, native_ns, emulated_ns);
    }
    return rc;
}

static double cpu_s(int who)
{
    struct rusage r;

    if (getrusage(who, &r) < 0) {
        return 0;
    }
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* CPU time of ours, and of the programs that we have run so far. */
static double own_ticks(void)
{
    return weft_ticks_per_s() * (cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN));
}

static void note_others(struct unit *u, const struct weft_ticks *before,
                        const struct weft_ticks *after, double own)
{
    if (after->total > before->total) {
        double all = (double)(after->total - before->total);

        /* of what it waited for disks the kernel may take some back */
        u->ticks += all;
        u->others_ticks += all - ((double)after->idle - (double)before->idle) -
                           ((double)after->steal - (double)before->steal) - own;
    }
}

static int add_sample(struct unit *u)
{
    struct weft_bench_kernel *out = u->out;
    struct weft_bench_sample sample = {0};
    struct weft_ticks before, after;
    int cpu = u->s->result->cpu;
    double own = own_ticks();
    int rc;

    weft_ticks_look(u->s->root, cpu, &before);
    rc = run_pair(u, out->iterations, out->n, &sample.native_ns, &sample.emulated_ns);
    if (rc != 0) {
        return rc;
    }
    weft_ticks_look(u->s->root, cpu, &after);
    note_others(u, &before, &after, own_ticks() - own);
    sample.stolen = weft_ticks_stolen(&before, &after);
    sample.counted = sample.stolen <= stolen_max;
    out->samples = weft_xrealloc(out->samples, out->n + 1, sizeof(*out->samples));
    out->samples[out->n++] = sample;
    return 0;
}

static bool is_wide(const struct weft_ratio *r)
{
    return r->high - r->low > wide * r->ratio;
}

/* Whether what there is will do, or no more can be had. */
static bool enough(const struct unit *u, size_t counted)
{
    bool quick = u->s->result->quick;

    if (counted >= PAIRS_MIN && !is_wide(&u->out->ratio)) {
        return true;
    }
    if (u->out->n >= PAIRS_MAX) {
        return true;
    }
    return u->out->n >= PAIRS_MIN &&
           weft_now_ms() - u->started_ms > (quick ? KERNEL_MS_QUICK : KERNEL_MS);
}

/* Where too few count, all of them do, and that is said. */
static void conclude(struct unit *u, size_t counted, bool interrupted)
{
    struct weft_bench_kernel *k = u->out;

    if (counted < k->n && counted < PAIRS_MIN) {
        for (size_t i = 0; i < k->n; i++) {
            k->samples[i].counted = true;
        }
        weft_strv_add(&k->noise, "the hypervisor took time from this CPU");
        counted = weft_bench_kernel_sum_up(k);
    }
    if (counted > 0 && is_wide(&k->ratio)) {
        weft_strv_add(&k->noise, "the pairs differ much");
    }
    if (u->ticks >= ticks_least && u->others_ticks > shared_max * u->ticks) {
        weft_strv_addf(&k->noise, "other programs had %.0f %% of the CPU",
                       100 * u->others_ticks / u->ticks);
    }
    if (counted > 0 && interrupted) {
        weft_strv_add(&k->noise, "interrupted");
    }
    k->mhz = weft_facts_mhz(u->s->root, u->s->result->cpu);
}

/* Gives -1 when cancelled. */
static int measure(struct unit *u)
{
    size_t counted = 0;
    int rc;

    u->started_ms = weft_now_ms();
    rc = warm_up(u);
    while (rc == 0 && !enough(u, counted)) {
        rc = add_sample(u);
        if (rc == 0) {
            counted = weft_bench_kernel_sum_up(u->out);
        }
    }
    if (rc > 0) { /* a failure: what came before it is no time either */
        u->out->n = 0;
        u->out->ratio = (struct weft_ratio){0};
        return 0;
    }
    conclude(u, counted, rc < 0);
    return rc;
}

/* --- what is measured --- */

static bool wanted(const struct session *s, const struct weft_kernel *k)
{
    if (s->runner->only->n > 0) {
        return weft_strv_has(s->runner->only, k->name);
    }
    return !s->result->quick || k->quick;
}

/* Whether a kernel is also measured as the compiler's defaults make it: only where the difference
 * is the point, which is what pointer authentication costs calls. */
static bool also_plain(const struct session *s, const struct weft_bench_target *t,
                       const struct weft_kernel *k)
{
    return !s->result->quick && strcmp(k->name, "calls") == 0 && t->programs &&
           weft_kernels_has_distribution(t->programs);
}

static struct weft_bench_kernel *new_kernel(struct weft_bench_target *t, const char *name,
                                            bool plain)
{
    t->kernels = weft_xrealloc(t->kernels, t->n + 1, sizeof(*t->kernels));
    t->kernels[t->n] = (struct weft_bench_kernel){.name = weft_xstrdup(name), .plain = plain};
    return &t->kernels[t->n++];
}

/* The last one, of which nothing is known. */
static void drop_kernel(struct weft_bench_target *t)
{
    weft_bench_kernel_finish(&t->kernels[--t->n]);
}

/* Have the kernel run programs of t's machine under t's QEMU and model. NULL: done; or why not.
 * Caller frees. */
static char *add_handler(const struct session *s, const struct weft_bench_target *t)
{
    const struct weft_runner *r = s->runner;
    const struct weft_machine *m = t->platform->machine;
    weft_auto_free char *copy = NULL;
    weft_auto_err err = NULL;

    if (!r->handlers) {
        return weft_xstrdup(r->no_handlers);
    }
    if (!t->model) {
        return weft_fmt("there is none for QEMU's default CPU model");
    }
    copy = weft_qemu_copy(r->copies_dir, r->answers, t->qemu, m, t->model, &err);
    if (!copy || weft_unshare_register(r->handlers, m, copy, &err) < 0) {
        return weft_xstrdup(err->msg);
    }
    return NULL;
}

static int measure_unit(struct session *s, struct weft_bench_target *t, const struct weft_kernel *k,
                        bool plain)
{
    struct unit u = {
        .s = s,
        .target = t,
        .kernel = k,
        .native = {.programs = weft_kernels_programs(s->runner->native), .plain = plain},
        .emulated = {.programs = t->programs,
                     .qemu = t->qemu,
                     .model = t->model,
                     .plain = plain,
                     .soft_float = weft_kernels_soft_float(t->platform, t->programs)},
    };

    weft_auto_free char *no_handler = NULL;
    int rc;

    if (cancelled(s)) {
        return -1;
    }
    if (s->runner->progress) {
        s->runner->progress(t, k->name, s->done, s->total, s->runner->data);
    }
    u.out = new_kernel(t, k->name, plain);
    s->done++;
    if (weft_kernel_needs_handler(k->name)) {
        no_handler = add_handler(s, t);
        u.emulated.no_handler = no_handler;
    }
    rc = measure(&u);
    if (weft_kernel_needs_handler(k->name) && !no_handler) {
        weft_unshare_clear(s->runner->handlers);
    }
    if (rc < 0 && u.out->n == 0) {
        drop_kernel(t);
    }
    return rc;
}

static size_t count_units(const struct session *s)
{
    size_t n = 0;

    for (size_t t = 0; t < s->result->n; t++) {
        for (size_t k = 0; k < s->runner->kernels->n; k++) {
            const struct weft_kernel *kernel = &s->runner->kernels->v[k];

            if (wanted(s, kernel)) {
                n += 1 + also_plain(s, &s->result->targets[t], kernel);
            }
        }
    }
    return n;
}

/* The targets of one platform take turns kernel by kernel, so that a machine that becomes slower
 * does so for all of them: targets [first, end). */
static int measure_platform(struct session *s, size_t first, size_t end)
{
    struct weft_bench_target *targets = s->result->targets;
    int rc = 0;

    for (size_t k = 0; k < s->runner->kernels->n; k++) {
        const struct weft_kernel *kernel = &s->runner->kernels->v[k];

        for (size_t t = first; t < end && wanted(s, kernel) && rc == 0; t++) {
            rc = measure_unit(s, &targets[t], kernel, false);
            if (rc == 0 && also_plain(s, &targets[t], kernel)) {
                rc = measure_unit(s, &targets[t], kernel, true);
            }
        }
    }
    for (size_t t = first; t < end; t++) {
        weft_bench_target_sum_up(&targets[t]);
    }
    return rc;
}

static void measure_all(struct session *s)
{
    const struct weft_bench_target *targets = s->result->targets;
    size_t end;
    int rc = 0;

    s->total = count_units(s);
    for (size_t first = 0; first < s->result->n && rc == 0; first = end) {
        end = first + 1;
        while (end < s->result->n && targets[end].platform == targets[first].platform) {
            end++;
        }
        rc = measure_platform(s, first, end);
    }
    s->result->interrupted = rc < 0;
    for (size_t t = 0; t < s->result->n; t++) {
        for (size_t k = 0; k < targets[t].n; k++) {
            s->result->failed = s->result->failed || targets[t].kernels[k].failure;
        }
    }
}

/* --- the CPU --- */

/* The last CPU that we may use: the first has most of the interrupts. Gives its number, or -1. */
static int last_cpu(const cpu_set_t *allowed)
{
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET(cpu, allowed)) {
            return cpu;
        }
    }
    return -1;
}

static int bind_to(int cpu, cpu_set_t *before, struct weft_err **err)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    *before = one;
    if (sched_getaffinity(0, sizeof(*before), before) < 0 ||
        sched_setaffinity(0, sizeof(one), &one) < 0) {
        weft_fail_sys(err, errno, "binding to CPU %d", cpu);
        return -1;
    }
    return 0;
}

int weft_runner_measure(const struct weft_runner *runner, struct weft_bench_result *result,
                        struct weft_err **err)
{
    struct session s = {.runner = runner, .result = result};
    weft_auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t started_ms = weft_now_ms();
    struct weft_ticks before, after;
    cpu_set_t allowed;

    if (root < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) < 0) {
        return weft_fail_sys(err, errno, "/");
    }
    s.root = root;
    result->cpu = last_cpu(&allowed);
    result->started = time(NULL);
    weft_facts_gather(root, &result->machine);
    if (bind_to(result->cpu, &allowed, err) < 0) {
        return -1;
    }
    result->load_before = weft_facts_load(root);
    weft_ticks_look(root, result->cpu, &before);
    measure_all(&s);
    weft_ticks_look(root, result->cpu, &after);
    result->stolen = weft_ticks_stolen(&before, &after);
    result->load_after = weft_facts_load(root);
    result->seconds = (double)(weft_now_ms() - started_ms) / 1000;
    sched_setaffinity(0, sizeof(allowed), &allowed);
    return 0;
}
