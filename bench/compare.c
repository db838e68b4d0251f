/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/compare.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/kernels.h"
#include "platforms/catalogue.h"
#include "platforms/speeds.h"

/* A kernel's times, in nanoseconds per iteration. */
struct set {
    const char *kernel;
    size_t order; /* in which it was measured */
    double *ns;   /* sorted */
    size_t n;
    double median;
    bool noisy;
};

/* What may be a node's figure for a platform. */
struct candidate {
    size_t node;
    const struct weft_bench_target *target; /* NULL: native */
    struct set *sets;                       /* by the kernel's name */
    size_t n;
    double *values;                  /* of all sets */
    struct weft_stats_spread *times; /* over the kernels that are compared */
};

static void candidate_finish(struct candidate *c)
{
    free(c->sets);
    free(c->values);
    free(c->times);
    *c = (struct candidate){0};
}

static const struct set *find_set(const struct candidate *c, const char *kernel)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int d = strcmp(kernel, c->sets[middle].kernel);

        if (d == 0) {
            return &c->sets[middle];
        }
        low = d > 0 ? middle + 1 : low;
        high = d > 0 ? high : middle;
    }
    return NULL;
}

/* --- what a node has measured --- */

/* A kernel of a target, in the order of measuring. */
struct part {
    const struct weft_bench_kernel *kernel;
    size_t order;
};

static int by_kernel(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    int d = strcmp(x->kernel->name, y->kernel->name);

    return d ? d : (x->order > y->order) - (x->order < y->order);
}

static void add_parts(const struct weft_bench_target *t, struct part *parts, size_t *n)
{
    for (size_t i = 0; i < t->n; i++) {
        if (weft_bench_kernel_counts(&t->kernels[i])) {
            parts[*n] = (struct part){&t->kernels[i], *n};
            (*n)++;
        }
    }
}

static void add_times(struct set *set, const struct weft_bench_kernel *k, bool native)
{
    for (size_t i = 0; i < k->n; i++) {
        const struct weft_bench_sample *s = &k->samples[i];

        if (s->counted) {
            set->ns[set->n++] = (double)(native ? s->native_ns : s->emulated_ns) /
                                (double)k->iterations;
        }
    }
    set->noisy = set->noisy || k->noise.n > 0;
}

/* Fill c for its target. Native runs were made beside those of each target, of as many iterations
 * as that one took: all of them count. */
static void gather(struct candidate *c, const struct weft_bench_result *r)
{
    weft_auto_free struct part *parts = NULL;
    size_t n = 0, kernels = 0, samples = 0;

    for (size_t t = 0; t < r->n; t++) {
        kernels += r->targets[t].n;
        for (size_t k = 0; k < r->targets[t].n; k++) {
            samples += r->targets[t].kernels[k].n;
        }
    }
    parts = weft_xcalloc(kernels + 1, sizeof(*parts));
    c->sets = weft_xcalloc(kernels + 1, sizeof(*c->sets));
    c->values = weft_xcalloc(samples + 1, sizeof(*c->values));
    for (size_t t = 0; t < r->n; t++) {
        if (!c->target || c->target == &r->targets[t]) {
            add_parts(&r->targets[t], parts, &n);
        }
    }
    qsort(parts, n, sizeof(*parts), by_kernel);
    for (size_t i = 0; i < n; i++) {
        struct set *last = c->n > 0 ? &c->sets[c->n - 1] : NULL;

        if (!last || strcmp(last->kernel, parts[i].kernel->name) != 0) {
            c->sets[c->n++] = (struct set){
                .kernel = parts[i].kernel->name,
                .order = parts[i].order,
                .ns = last ? last->ns + last->n : c->values,
            };
        }
        add_times(&c->sets[c->n - 1], parts[i].kernel, !c->target);
    }
    for (size_t i = 0; i < c->n; i++) {
        c->sets[i].median = weft_stats_median(c->sets[i].ns, c->sets[i].n);
    }
}

/* The kernels of a quick run that it lacks: a mean without them says little about builds. Those
 * that have it are in all candidates, so any two can be compared. */
static void lacking(const struct candidate *c, struct weft_strv *out)
{
    size_t n;
    const char *const *quick = weft_kernels_quick(&n);

    for (size_t i = 0; i < n; i++) {
        if (!find_set(c, quick[i])) {
            weft_strv_add(out, quick[i]);
        }
    }
}

/* How many times longer a takes than b, over the kernels that both have. */
static double relative(const struct candidate *a, const struct candidate *b)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        const struct set *other = find_set(b, a->sets[i].kernel);

        if (other) {
            sum += log(a->sets[i].median / other->median);
            n++;
        }
    }
    return exp(sum / (double)n);
}

/* --- which figure is a node's --- */

static const struct weft_bench_kernel *first_failed(const struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->kernels[i].failure) {
            return &t->kernels[i];
        }
    }
    return NULL;
}

char *weft_compare_how(const struct weft_compare_entry *e)
{
    return e->native ? weft_xstrdup("native") : weft_bench_target_how(e->target);
}

/* Why a kernel was not run, or NULL. */
static const char *why_skipped(const struct weft_bench_target *t, const char *kernel)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->kernels[i].name, kernel) == 0 && t->kernels[i].skipped) {
            return t->kernels[i].skipped;
        }
    }
    return NULL;
}

/* "too few kernels under QEMU 7.2.22 on max: without calls, start-dynamic (there is ...)". */
static char *why_lacking(const struct weft_bench_target *t, const struct weft_strv *names)
{
    weft_auto_free char *list = weft_strv_join(names, ", ");
    weft_auto_free char *with = t ? weft_bench_target_how(t) : NULL;
    const char *skipped = NULL;
    weft_auto_free char *shown = NULL;

    for (size_t i = 0; t && !skipped && i < names->n; i++) {
        skipped = why_skipped(t, names->v[i]);
    }
    shown = weft_printable(skipped ? skipped : "");
    return weft_fmt("too few kernels were measured%s%s: not %s%s%s%s", with ? " under " : "",
                    with ? with : "", list, *shown ? " (" : "", shown, *shown ? ")" : "");
}

/* What a result says about a platform that it has not measured; NULL: nothing. Borrowed. */
static const char *said(const struct weft_bench_result *r, const char *platform)
{
    size_t len = strlen(platform);

    for (size_t i = 0; i < r->skipped.n; i++) {
        if (weft_starts_with(r->skipped.v[i], platform) &&
            weft_starts_with(r->skipped.v[i] + len, ": ")) {
            return r->skipped.v[i] + len + 2;
        }
    }
    return NULL;
}

/* What a platform's ranking is made from. */
struct ranking {
    const struct weft_comparison *c;
    struct weft_compare_platform *out;
    struct weft_strv *notes;
    char name[WEFT_PLATFORM_SIZE];
    struct candidate *v; /* one for each of the nodes that have a figure */
    size_t n;
};

static void add_missing(struct ranking *r, size_t node, char *why, bool failed)
{
    struct weft_compare_platform *p = r->out;

    p->missing = weft_xgrow(p->missing, p->n_missing, sizeof(*p->missing));
    p->missing[p->n_missing++] = (struct weft_compare_missing){node, why, failed};
}

static bool runs_natively(const struct weft_bench_result *r, const struct weft_platform_info *p)
{
    return weft_platform_eq(&r->machine.platform, &p->platform);
}

/* Take over what is in *c as the node's figure if there are enough kernels, and it is faster than
 * the one before. *why is set where it cannot be one. */
static void offer(struct candidate *best, struct candidate *c, char **why)
{
    weft_auto_strv names = {0};

    lacking(c, &names);
    if (names.n > 0) {
        if (!*why) {
            *why = why_lacking(c->target, &names);
        }
        candidate_finish(c);
    } else if (best->sets && relative(c, best) >= 1) {
        candidate_finish(c);
    } else {
        candidate_finish(best);
        *best = *c;
        *c = (struct candidate){0};
    }
}

/* A QEMU under which a kernel goes wrong is in no ranking, whatever its times. */
static void find_emulated(struct ranking *r, size_t node, struct candidate *best, char **why,
                          char **failed)
{
    const struct weft_compare_node *n = &r->c->nodes[node];

    for (size_t t = 0; t < n->result->n; t++) {
        const struct weft_bench_target *target = &n->result->targets[t];
        const struct weft_bench_kernel *wrong = first_failed(target);
        struct candidate c = {.node = node, .target = target};

        if (target->platform != r->out->platform) {
            continue;
        }
        if (wrong) {
            weft_auto_free char *with = weft_bench_target_how(target);
            weft_auto_free char *what = weft_printable(wrong->failure);
            weft_auto_free char *kernel = weft_printable(wrong->name);

            free(*failed);
            *failed = weft_fmt("%s failed under %s: %s", kernel, with, what);
            continue;
        }
        gather(&c, n->result);
        offer(best, &c, why);
    }
}

static void add_node(struct ranking *r, size_t node)
{
    const struct weft_compare_node *n = &r->c->nodes[node];
    struct candidate best = {0}, native = {.node = node};
    weft_auto_free char *why = NULL;
    weft_auto_free char *failed = NULL;
    const char *reason;

    if (runs_natively(n->result, r->out->platform)) {
        gather(&native, n->result);
        offer(&best, &native, &why);
    } else {
        find_emulated(r, node, &best, &why, &failed);
    }
    if (best.sets) {
        if (failed) {
            weft_strv_addf(r->notes, "%s, %s: not ranked: %s", r->name, n->name, failed);
        }
        r->v = weft_xgrow(r->v, r->n, sizeof(*r->v));
        r->v[r->n++] = best;
        return;
    }
    if (failed) {
        add_missing(r, node, weft_steal(&failed), true);
    } else if (why) {
        add_missing(r, node, weft_steal(&why), false);
    } else {
        reason = said(n->result, r->name);
        add_missing(r, node, reason ? weft_printable(reason) : weft_xstrdup("not measured"), false);
    }
}

/* --- the ranking --- */

static int set_by_order(const void *a, const void *b)
{
    const struct set *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

/* The kernels that all have, in the order in which the first node measured them. */
static void find_kernels(struct ranking *r)
{
    const struct candidate *first = &r->v[0];
    weft_auto_free struct set *ordered = weft_xcalloc(first->n + 1, sizeof(*ordered));

    memcpy(ordered, first->sets, first->n * sizeof(*ordered));
    qsort(ordered, first->n, sizeof(*ordered), set_by_order);
    for (size_t i = 0; i < first->n; i++) {
        bool all = true;

        for (size_t k = 1; all && k < r->n; k++) {
            all = find_set(&r->v[k], ordered[i].kernel) != NULL;
        }
        if (all) {
            weft_strv_add(&r->out->kernels, ordered[i].kernel);
        }
    }
}

/* A stream of random numbers for each name: the order of the nodes does not matter. FNV-1a. */
static uint64_t stream_of(const char *name)
{
    uint64_t h = 0xcbf29ce484222325ULL;

    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 0x100000001b3ULL;
    }
    return h;
}

static void sum_up(const struct ranking *r, struct candidate *c)
{
    size_t n = r->out->kernels.n;
    weft_auto_free struct weft_stats_set *sets = weft_xcalloc(n, sizeof(*sets));

    for (size_t i = 0; i < n; i++) {
        const struct set *set = find_set(c, r->out->kernels.v[i]);

        sets[i] = (struct weft_stats_set){set->ns, set->n};
    }
    c->times = weft_xcalloc(1, sizeof(*c->times));
    weft_stats_resample(sets, n, stream_of(r->c->nodes[c->node].name), c->times);
}

static int candidate_by_time(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->times->mean < y->times->mean || x->times->mean > y->times->mean) {
        return x->times->mean < y->times->mean ? -1 : 1;
    }
    return (x->node > y->node) - (x->node < y->node);
}

/* What emulation costs on the node itself, over the kernels that are compared. */
static struct weft_ratio slowdown_of(const struct ranking *r, const struct weft_bench_target *t)
{
    weft_auto_free const struct weft_bench_kernel **kernels =
        weft_xcalloc(t->n + 1, sizeof(*kernels));
    size_t n = 0, counting = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (weft_bench_kernel_counts(&t->kernels[i])) {
            counting++;
            if (weft_strv_has(&r->out->kernels, t->kernels[i].name)) {
                kernels[n++] = &t->kernels[i];
            }
        }
    }
    if (n == counting) {
        return t->mean;
    }
    return weft_bench_kernels_mean(kernels, n);
}

static void fill_entry(const struct ranking *r, const struct candidate *c,
                       struct weft_compare_entry *e)
{
    const struct weft_compare_node *node = &r->c->nodes[c->node];
    const struct candidate *first = &r->v[0];
    const struct weft_strv *kernels = &r->out->kernels;

    e->node = c->node;
    e->native = !c->target;
    e->target = c->target;
    e->time = weft_stats_quotient(c->times, first->times);
    e->by_kernel = weft_xcalloc(kernels->n, sizeof(*e->by_kernel));
    for (size_t i = 0; i < kernels->n; i++) {
        const struct set *set = find_set(c, kernels->v[i]);

        e->by_kernel[i] = set->median / find_set(first, kernels->v[i])->median;
        e->noisy = e->noisy || set->noisy;
    }
    if (c->target) {
        e->slowdown = slowdown_of(r, c->target);
    }
    if (node->price > 0 && node->result->machine.cpus > 0) {
        e->cost = node->price / (double)node->result->machine.cpus * e->time.ratio;
    }
}

/* Ties are not transitive: each is held against the first of the group before it. */
static void set_ranks(const struct ranking *r)
{
    size_t first = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct weft_ratio q = weft_stats_quotient(r->v[i].times, r->v[first].times);

        if (q.low > 1 && q.ratio > WEFT_SPEEDS_BETWEEN_RUNS) {
            first = i;
        }
        r->out->entries[i].rank = first + 1;
    }
}

static int pool_by_cost(const void *a, const void *b)
{
    const struct weft_compare_pool *x = a, *y = b;
    double p, q;

    if ((x->cost > 0) != (y->cost > 0)) {
        return x->cost > 0 ? -1 : 1;
    }
    p = x->cost > 0 ? x->cost : x->time;
    q = x->cost > 0 ? y->cost : y->time;
    return p < q ? -1 : p > q ? 1 : strcmp(x->name, y->name);
}

static void fill_pool(const struct ranking *r, struct weft_compare_pool *pool)
{
    weft_auto_free double *room = weft_xcalloc(4 * r->n, sizeof(*room));
    double *times = room, *costs = room + r->n, *lows = costs + r->n, *highs = lows + r->n;
    size_t priced = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct weft_compare_entry *e = &r->out->entries[i];

        if (strcmp(r->c->nodes[e->node].pool, pool->name) != 0) {
            continue;
        }
        times[pool->n++] = e->time.ratio;
        if (e->cost > 0) {
            costs[priced] = e->cost;
            lows[priced] = e->cost * e->time.low / e->time.ratio;
            highs[priced++] = e->cost * e->time.high / e->time.ratio;
        }
    }
    pool->time = weft_stats_median(times, pool->n);
    if (priced > 0) {
        pool->cost = weft_stats_median(costs, priced);
        pool->cost_low = weft_stats_median(lows, priced);
        pool->cost_high = weft_stats_median(highs, priced);
    }
}

static void make_pools(const struct ranking *r)
{
    struct weft_compare_platform *p = r->out;
    weft_auto_strv names = {0};

    for (size_t i = 0; i < r->n; i++) {
        const char *name = r->c->nodes[p->entries[i].node].pool;

        if (!weft_strv_has(&names, name)) {
            weft_strv_add(&names, name);
            p->pools = weft_xgrow(p->pools, p->n_pools, sizeof(*p->pools));
            p->pools[p->n_pools] = (struct weft_compare_pool){.name = name};
            fill_pool(r, &p->pools[p->n_pools++]);
        }
    }
    if (p->n_pools > 0) {
        qsort(p->pools, p->n_pools, sizeof(*p->pools), pool_by_cost);
    }
}

/* linux/arm/v7 may have been measured with programs for soft float, or for hard float. */
static void note_programs(const struct ranking *r)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < r->n; i++) {
        const struct weft_bench_target *t = r->v[i].target;

        if (t && t->programs && !weft_strv_has(&names, t->programs)) {
            weft_strv_add(&names, t->programs);
        }
    }
    if (names.n > 1) {
        weft_auto_free char *joined = weft_strv_join(&names, ", ");
        weft_auto_free char *list = weft_printable(joined);

        weft_strv_addf(r->notes, "%s was measured with different programs: %s", r->name, list);
    }
}

static void rank(struct ranking *r)
{
    note_programs(r);
    find_kernels(r);
    for (size_t i = 0; i < r->n; i++) {
        sum_up(r, &r->v[i]);
    }
    qsort(r->v, r->n, sizeof(*r->v), candidate_by_time);
    r->out->n = r->n;
    r->out->entries = weft_xcalloc(r->n, sizeof(*r->out->entries));
    for (size_t i = 0; i < r->n; i++) {
        fill_entry(r, &r->v[i], &r->out->entries[i]);
    }
    set_ranks(r);
    make_pools(r);
}

/* --- all platforms --- */

static void compare_platform(struct weft_comparison *c, const struct weft_platform_info *p)
{
    struct ranking r = {.c = c, .notes = &c->notes};

    c->platforms = weft_xgrow(c->platforms, c->n, sizeof(*c->platforms));
    r.out = &c->platforms[c->n++];
    *r.out = (struct weft_compare_platform){.platform = p};
    weft_platform_format(&p->platform, r.name);
    for (size_t i = 0; i < c->n_nodes; i++) {
        add_node(&r, i);
    }
    if (r.n > 0) {
        rank(&r);
    }
    for (size_t i = 0; i < r.n; i++) {
        candidate_finish(&r.v[i]);
    }
    free(r.v);
}

/* Whether a node has run anything of it. */
static bool has_platform(const struct weft_comparison *c, const struct weft_platform_info *p)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct weft_bench_result *r = c->nodes[i].result;

        if (r->n > 0 && runs_natively(r, p)) {
            return true;
        }
        for (size_t t = 0; t < r->n; t++) {
            if (r->targets[t].platform == p) {
                return true;
            }
        }
    }
    return false;
}

static void note_versions(struct weft_comparison *c)
{
    weft_auto_strv versions = {0};
    weft_auto_free char *list = NULL;

    for (size_t i = 0; i < c->n_nodes; i++) {
        const char *version = c->nodes[i].result->weft;
        weft_auto_free char *shown = weft_printable(version ? version : PACKAGE_VERSION);

        if (!weft_strv_has(&versions, shown)) {
            weft_strv_add(&versions, shown);
        }
    }
    if (versions.n > 1) {
        list = weft_strv_join(&versions, ", ");
        weft_strv_addf(&c->notes,
                       "the results are of several versions of weft, whose kernels may differ: %s",
                       list);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const struct weft_compare_node *nodes, size_t n, struct weft_err **err)
{
    weft_auto_free const char **names = weft_xcalloc(n + 1, sizeof(*names));

    for (size_t i = 0; i < n; i++) {
        names[i] = nodes[i].name;
    }
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return weft_fail(err, WEFT_E_USAGE, "two nodes are called \"%s\"", names[i]);
        }
    }
    return 0;
}

static int check_platforms(const struct weft_strv *only, struct weft_err **err)
{
    for (size_t i = 0; i < only->n; i++) {
        struct weft_platform p;

        if (weft_platform_parse(only->v[i], &p, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The first platform of which no node has a figure, with what the nodes say. */
static int check_figures(const struct weft_comparison *c, bool each, struct weft_err **err)
{
    char name[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < c->n; i++) {
        const struct weft_compare_platform *p = &c->platforms[i];

        if (p->n > 0) {
            if (!each) {
                return 0;
            }
        } else if (each || i + 1 == c->n) {
            return weft_fail(err, WEFT_E_USAGE, "no node has a figure for %s: %s: %s",
                             weft_platform_format(&p->platform->platform, name),
                             c->nodes[p->missing[0].node].name, p->missing[0].why);
        }
    }
    return c->n > 0 ? 0 : weft_fail(err, WEFT_E_USAGE, "no node has measured anything");
}

int weft_compare(const struct weft_compare_node *nodes, size_t n, const struct weft_strv *only,
                 struct weft_comparison *out, struct weft_err **err)
{
    struct weft_comparison c = {.nodes = nodes, .n_nodes = n};
    size_t n_all;
    const struct weft_platform_info *all = weft_catalogue(&n_all);

    if (check_names(nodes, n, err) < 0 || check_platforms(only, err) < 0) {
        return -1;
    }
    note_versions(&c);
    for (size_t i = 0; i < n_all; i++) {
        char name[WEFT_PLATFORM_SIZE];

        weft_platform_format(&all[i].platform, name);
        if (only->n > 0 ? weft_strv_has(only, name) : has_platform(&c, &all[i])) {
            compare_platform(&c, &all[i]);
        }
    }
    if (check_figures(&c, only->n > 0, err) < 0) {
        weft_comparison_finish(&c);
        return -1;
    }
    *out = c;
    return 0;
}

void weft_comparison_finish(struct weft_comparison *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct weft_compare_platform *p = &c->platforms[i];

        weft_strv_finish(&p->kernels);
        for (size_t k = 0; k < p->n; k++) {
            free(p->entries[k].by_kernel);
        }
        free(p->entries);
        free(p->pools);
        for (size_t k = 0; k < p->n_missing; k++) {
            free(p->missing[k].why);
        }
        free(p->missing);
    }
    free(c->platforms);
    weft_strv_finish(&c->notes);
    *c = (struct weft_comparison){0};
}
