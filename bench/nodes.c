/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "bench/kernels.h"

enum {
    NAMES_SHOWN = 3
};

/* A result and what is told of it. */
struct weft_nodes_source {
    struct weft_bench_result result;
    char *file;
    char *name;
    char *pool;
    char digest[WEFT_DIGEST_SIZE]; /* of the result; "": not needed yet */
    bool gone;                     /* into another one */
};

static void source_finish(struct weft_nodes_source *s)
{
    weft_bench_result_finish(&s->result);
    free(s->file);
    free(s->name);
    free(s->pool);
}

void weft_nodes_add(struct weft_nodes *nodes, const char *file, struct weft_bench_result *r)
{
    nodes->files = weft_xgrow(nodes->files, nodes->n_files, sizeof(*nodes->files));
    nodes->files[nodes->n_files++] =
        (struct weft_nodes_source){.result = *r, .file = weft_printable(file)};
    *r = (struct weft_bench_result){0};
}

void weft_nodes_finish(struct weft_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n_files; i++) {
        source_finish(&nodes->files[i]);
    }
    free(nodes->files);
    free(nodes->v);
    weft_strv_finish(&nodes->notes);
    *nodes = (struct weft_nodes){0};
}

static void drop(struct weft_nodes *nodes, size_t i)
{
    source_finish(&nodes->files[i]);
    nodes->n_files--;
    memmove(&nodes->files[i], &nodes->files[i + 1], (nodes->n_files - i) * sizeof(*nodes->files));
}

/* --- results of the same machine --- */

static bool same_machine(const struct weft_facts *a, const struct weft_facts *b)
{
    return a->node && *a->node && weft_str_eq(a->node, b->node) && weft_str_eq(a->cpu, b->cpu);
}

static const char *digest_of(struct weft_nodes_source *s)
{
    if (!*s->digest) {
        weft_auto_json j = weft_bench_result_json(&s->result);
        weft_auto_free char *text = weft_json_dump(j, 0);

        weft_digest_bytes(text, strlen(text), s->digest);
    }
    return s->digest;
}

static bool same_result(struct weft_nodes_source *x, struct weft_nodes_source *y)
{
    const struct weft_bench_result *a = &x->result, *b = &y->result;

    return a->started == b->started && a->n == b->n &&
           weft_str_eq(a->machine.node, b->machine.node) &&
           weft_str_eq(a->machine.cpu, b->machine.cpu) && strcmp(digest_of(x), digest_of(y)) == 0;
}

static void drop_copies(struct weft_nodes *nodes)
{
    for (size_t i = 0; i < nodes->n_files; i++) {
        for (size_t k = nodes->n_files - 1; k > i; k--) {
            if (same_result(&nodes->files[i], &nodes->files[k])) {
                weft_strv_addf(&nodes->notes, "%s is the same result as %s", nodes->files[k].file,
                               nodes->files[i].file);
                drop(nodes, k);
            }
        }
    }
}

/* Whether it has what a ranking takes, or shows that a kernel goes wrong. */
static bool tells(const struct weft_bench_target *t)
{
    size_t n, found = 0;
    const char *const *quick = weft_kernels_quick(&n);

    for (size_t i = 0; i < t->n; i++) {
        const struct weft_bench_kernel *k = &t->kernels[i];

        if (k->failure) {
            return true;
        }
        for (size_t q = 0; weft_bench_kernel_counts(k) && q < n; q++) {
            found += strcmp(k->name, quick[q]) == 0;
        }
    }
    return found >= n;
}

static bool same_target(const struct weft_bench_target *a, const struct weft_bench_target *b)
{
    return a->platform == b->platform && weft_str_eq(a->model, b->model) &&
           (a->version && b->version ? strcmp(a->version, b->version) == 0
                                     : weft_str_eq(a->qemu, b->qemu));
}

/* Take over a target of an older result of the same machine, unless it is known better. */
static void take_target(struct weft_bench_result *newer, struct weft_bench_target *t)
{
    for (size_t i = 0; i < newer->n; i++) {
        if (same_target(&newer->targets[i], t)) {
            if (!tells(&newer->targets[i]) && tells(t)) {
                struct weft_bench_target other = newer->targets[i];

                newer->targets[i] = *t;
                *t = other;
            }
            return;
        }
    }
    newer->targets = weft_xrealloc(newer->targets, newer->n + 1, sizeof(*newer->targets));
    newer->targets[newer->n++] = *t;
    *t = (struct weft_bench_target){0};
}

/* The newest first; of those of the same second the one that came last. */
static int by_age(const void *a, const void *b)
{
    const struct weft_nodes_source *x = *(struct weft_nodes_source *const *)a;
    const struct weft_nodes_source *y = *(struct weft_nodes_source *const *)b;

    if (x->result.started != y->result.started) {
        return x->result.started > y->result.started ? -1 : 1;
    }
    return (x < y) - (x > y);
}

static void merge(struct weft_nodes *nodes)
{
    weft_auto_free struct weft_nodes_source **sorted =
        weft_xcalloc(nodes->n_files + 1, sizeof(*sorted));
    weft_auto_strv names = {0};

    for (size_t i = 0; i < nodes->n_files; i++) {
        sorted[i] = &nodes->files[i];
    }
    qsort(sorted, nodes->n_files, sizeof(*sorted), by_age);
    for (size_t i = 0; i < nodes->n_files; i++) {
        struct weft_bench_result *older = &sorted[i]->result;
        size_t k = 0;

        while (k < i &&
               (sorted[k]->gone || !same_machine(&sorted[k]->result.machine, &older->machine))) {
            k++;
        }
        if (k == i) {
            continue;
        }
        for (size_t t = 0; t < older->n; t++) {
            take_target(&sorted[k]->result, &older->targets[t]);
        }
        sorted[i]->gone = true;
        if (!weft_strv_has(&names, older->machine.node)) {
            weft_strv_add(&names, older->machine.node);
        }
    }
    for (size_t i = nodes->n_files; i-- > 0;) {
        if (nodes->files[i].gone) {
            drop(nodes, i);
        }
    }
    if (names.n > 0) {
        weft_auto_free char *list = weft_strv_some(&names, NAMES_SHOWN);
        weft_auto_free char *shown = weft_printable(list);

        weft_strv_addf(&nodes->notes, "there are several results of %s: the newest count", shown);
    }
}

/* --- names --- */

/* The file's name without ".json". Caller frees. */
static char *stem_of(const char *file)
{
    const char *base = weft_path_base(file);
    size_t len = strlen(base);

    return weft_xstrndup(base, weft_ends_with(base, ".json") && len > 5 ? len - 5 : len);
}

/* The first that says something, in a form fit for a terminal. Caller frees. */
static char *first_of(const char *a, const char *b, const char *c, const char *otherwise)
{
    return weft_printable(a && *a ? a : b && *b ? b : c && *c ? c : otherwise);
}

static void set_name(struct weft_nodes_source *s)
{
    const struct weft_facts *f = &s->result.machine;
    weft_auto_free char *stem = stem_of(s->file);

    s->name = first_of(f->node, f->instance_type, stem, "unknown");
    s->pool = first_of(f->pool, f->instance_type, f->cpu, "unknown");
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct weft_nodes_source *const *)a)->name,
                  (*(struct weft_nodes_source *const *)b)->name);
}

/* What to tell nodes of the same name apart by, at the first try, the second ...; NULL: nothing.
 * Caller frees. */
static char *mark_of(const struct weft_nodes_source *s, int attempt, size_t i)
{
    weft_auto_free char *stem = stem_of(s->file);

    if (attempt == 0 && s->result.machine.node) {
        return s->result.machine.cpu ? weft_printable(s->result.machine.cpu) : NULL;
    }
    if (attempt == 0) {
        return strcmp(stem, s->name) != 0 ? weft_xstrdup(stem) : NULL;
    }
    return attempt == 1 ? weft_xstrdup(s->file) : weft_fmt("%zu", i + 1);
}

static void tell_apart(struct weft_nodes *nodes, int attempt)
{
    size_t n = nodes->n_files, end;
    weft_auto_free struct weft_nodes_source **sorted = weft_xcalloc(n + 1, sizeof(*sorted));

    for (size_t i = 0; i < n; i++) {
        sorted[i] = &nodes->files[i];
    }
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t first = 0; first < n; first = end) {
        end = first + 1;
        while (end < n && strcmp(sorted[first]->name, sorted[end]->name) == 0) {
            end++;
        }
        for (size_t i = first; end - first > 1 && i < end; i++) {
            weft_auto_free char *mark = mark_of(sorted[i], attempt, i - first);

            if (mark) {
                char *name = weft_fmt("%s (%s)", sorted[i]->name, mark);

                free(sorted[i]->name);
                sorted[i]->name = name;
            }
        }
    }
}

void weft_nodes_settle(struct weft_nodes *nodes)
{
    drop_copies(nodes);
    merge(nodes);
    for (size_t i = 0; i < nodes->n_files; i++) {
        set_name(&nodes->files[i]);
    }
    for (int attempt = 0; attempt < 3; attempt++) {
        tell_apart(nodes, attempt);
    }
    nodes->n = nodes->n_files;
    nodes->v = weft_xcalloc(nodes->n + 1, sizeof(*nodes->v));
    for (size_t i = 0; i < nodes->n; i++) {
        nodes->v[i] = (struct weft_compare_node){
            .result = &nodes->files[i].result,
            .name = nodes->files[i].name,
            .pool = nodes->files[i].pool,
        };
    }
}
