/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_page_parts.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/bench_show.h"
#include "engine/html.h"

/* Ratios from here on have the colour .hI of bench_page.css; each about twice the one before. */
static const double steps[] = {0, 1.5, 3, 6, 12, 25, 50};

enum {
    STEPS = sizeof(steps) / sizeof(steps[0]),
    FEW = 3, /* other nodes that are listed, each folded, without being folded all together */
};

static int step_of(double ratio)
{
    int i = STEPS - 1;

    while (i > 0 && ratio < steps[i]) {
        i--;
    }
    return i;
}

/* A node's targets of a platform, and all kernels that any of them has, each once. Borrowed. */
struct map {
    const struct weft_bench_target **targets;
    size_t n;
    const struct weft_bench_kernel **rows;
    size_t n_rows;
    struct weft_strv notes; /* what has no room in a cell */
};

static void finish(struct map *m)
{
    free(m->targets);
    free(m->rows);
    weft_strv_finish(&m->notes);
}

static bool same(const struct weft_bench_kernel *a, const struct weft_bench_kernel *b)
{
    return a->plain == b->plain && weft_str_eq(a->name, b->name);
}

static const struct weft_bench_kernel *find(const struct weft_bench_target *t,
                                            const struct weft_bench_kernel *like)
{
    for (size_t i = 0; i < t->n; i++) {
        if (same(&t->kernels[i], like)) {
            return &t->kernels[i];
        }
    }
    return NULL;
}

static void add_rows(struct map *m, const struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t at = 0;

        while (at < m->n_rows && !same(m->rows[at], &t->kernels[i])) {
            at++;
        }
        if (at == m->n_rows) {
            m->rows = weft_xgrow(m->rows, m->n_rows, sizeof(void *));
            m->rows[m->n_rows++] = &t->kernels[i];
        }
    }
}

static void gather(const struct weft_bench_result *r, const struct weft_platform_info *platform,
                   struct map *m)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->targets[i].platform == platform && r->targets[i].n > 0) {
            m->targets = weft_xgrow(m->targets, m->n, sizeof(void *));
            m->targets[m->n++] = &r->targets[i];
            add_rows(m, &r->targets[i]);
        }
    }
}

static bool measured(const struct weft_bench_result *r, const struct weft_platform_info *platform)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->targets[i].platform == platform && r->targets[i].n > 0) {
            return true;
        }
    }
    return false;
}

/* --- the table --- */

/* The targets from `from` on that are of one QEMU, which may have been replaced in its place. */
static size_t of_one_qemu(const struct map *m, size_t from)
{
    size_t to = from;

    while (to < m->n && weft_str_eq(m->targets[to]->qemu, m->targets[from]->qemu) &&
           weft_str_eq(m->targets[to]->version, m->targets[from]->version)) {
        to++;
    }
    return to - from;
}

static void head(struct weft_buf *b, const struct map *m)
{
    size_t n;

    weft_buf_puts(b, "<colgroup></colgroup>");
    for (size_t i = 0; i < m->n; i += n) {
        n = of_one_qemu(m, i);
        weft_buf_printf(b, "<colgroup span='%zu'></colgroup>", n);
    }
    weft_buf_puts(b, "\n<thead><tr><th scope='col' rowspan='2'>Kernel</th>");
    for (size_t i = 0; i < m->n; i += n) {
        n = of_one_qemu(m, i);
        weft_buf_printf(b, "<th scope='colgroup' colspan='%zu'>QEMU ", n);
        weft_html_text(b, m->targets[i]->version ? m->targets[i]->version : m->targets[i]->qemu);
        weft_buf_puts(b, "</th>");
    }
    weft_buf_puts(b, "</tr>\n<tr>");
    for (size_t i = 0; i < m->n; i++) {
        weft_html_element(b, "th scope='col'", "%s",
                          m->targets[i]->model ? m->targets[i]->model : "default model");
    }
    weft_buf_puts(b, "</tr></thead>\n");
}

static void ratio_cell(struct weft_buf *b, double ratio, bool noisy)
{
    weft_auto_free char *times = weft_bench_show_times(ratio);

    weft_buf_printf(b, "<td class='h%d'>%s%s</td>", step_of(ratio), times,
                    noisy ? " <small>noisy</small>" : "");
}

static void cell(struct weft_buf *b, const struct weft_bench_target *t,
                 const struct weft_bench_kernel *k, struct map *m)
{
    weft_auto_free char *what = weft_bench_target_how(t);
    const char *plain = k && k->plain ? ", plain" : "";

    if (!k || (!k->failure && !k->skipped && k->ratio.ratio <= 0)) {
        weft_buf_puts(b, "<td class='none'>not measured</td>");
    } else if (k->failure) {
        weft_buf_puts(b, "<td class='failed'>failed</td>");
        weft_strv_addf(&m->notes, "%s%s under %s failed: %s", k->name, plain, what, k->failure);
    } else if (k->skipped) {
        weft_auto_free char *why = weft_fmt("%s%s was skipped: %s", k->name, plain, k->skipped);

        weft_buf_puts(b, "<td class='none'>skipped</td>");
        if (!weft_strv_has(&m->notes, why)) {
            weft_strv_add(&m->notes, why);
        }
    } else {
        ratio_cell(b, k->ratio.ratio, k->noise.n > 0);
        if (k->noise.n > 0) {
            weft_auto_free char *noise = weft_strv_join(&k->noise, "; ");

            weft_strv_addf(&m->notes, "%s%s under %s is noisy: %s", k->name, plain, what, noise);
        }
    }
}

static bool did_wrong(const struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->kernels[i].failure) {
            return true;
        }
    }
    return false;
}

static void foot(struct weft_buf *b, const struct map *m)
{
    weft_buf_puts(b, "<tfoot><tr><th scope='row'>Geometric mean</th>");
    for (size_t i = 0; i < m->n; i++) {
        const struct weft_ratio *mean = &m->targets[i]->mean;

        if (did_wrong(m->targets[i])) {
            weft_buf_puts(b, "<td class='failed'>not ranked</td>");
        } else if (mean->ratio <= 0) {
            weft_buf_puts(b, "<td class='none'>not measured</td>");
        } else {
            weft_auto_free char *times = weft_bench_show_times(mean->ratio);
            weft_auto_free char *interval = weft_bench_show_interval(mean);

            weft_buf_printf(b, "<td class='h%d'><strong>%s</strong> <small>%s</small></td>",
                            step_of(mean->ratio), times, interval);
        }
    }
    weft_buf_puts(b, "</tr></tfoot>\n");
}

/* Of one node. */
static void map(struct weft_buf *b, const struct weft_comparison *c, size_t node,
                const struct weft_compare_platform *p)
{
    char id[WEFT_PAGE_ID_SIZE], name[WEFT_PLATFORM_SIZE];
    weft_auto_free char *table_id = weft_fmt("%s-map-%zu", weft_page_platform_id(p, id), node);
    weft_auto_free char *caption =
        weft_fmt("%s on %s: emulated to native time, by kernel, QEMU and CPU model",
                 weft_platform_format(&p->platform->platform, name), c->nodes[node].name);
    struct map m = {0};

    gather(c->nodes[node].result, p->platform, &m);
    weft_page_table_begin(b, table_id, caption);
    head(b, &m);
    weft_buf_puts(b, "<tbody>\n");
    for (size_t r = 0; r < m.n_rows; r++) {
        weft_buf_puts(b, "<tr>");
        weft_html_element(b, "th scope='row'", "%s%s", m.rows[r]->name,
                          m.rows[r]->plain ? ", plain" : "");
        for (size_t t = 0; t < m.n; t++) {
            cell(b, m.targets[t], find(m.targets[t], m.rows[r]), &m);
        }
        weft_buf_puts(b, "</tr>\n");
    }
    weft_buf_puts(b, "</tbody>\n");
    foot(b, &m);
    weft_page_table_end(b);
    weft_page_notes(b, &m.notes);
    finish(&m);
}

/* --- which nodes --- */

static void legend(struct weft_buf *b)
{
    weft_buf_puts(b, "<ul class='legend'>");
    for (int i = 0; i < STEPS; i++) {
        if (i == 0) {
            weft_buf_printf(b, "<li class='h%d'>below %gx</li>", i, steps[1]);
        } else if (i + 1 < STEPS) {
            weft_buf_printf(b, "<li class='h%d'>%gx to %gx</li>", i, steps[i], steps[i + 1]);
        } else {
            weft_buf_printf(b, "<li class='h%d'>%gx and more</li>", i, steps[i]);
        }
    }
    weft_buf_puts(b, "</ul>\n");
}

/* The one that is seen at once: the fastest of those that emulate; n_nodes: there is none. */
static size_t choose(const struct weft_comparison *c, const struct weft_compare_platform *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!p->entries[i].native) {
            return p->entries[i].node;
        }
    }
    for (size_t i = 0; i < c->n_nodes; i++) {
        if (measured(c->nodes[i].result, p->platform)) {
            return i;
        }
    }
    return c->n_nodes;
}

static void others(struct weft_buf *b, const struct weft_comparison *c, size_t chosen,
                   const struct weft_compare_platform *p)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_nodes; i++) {
        n += i != chosen && measured(c->nodes[i].result, p->platform);
    }
    if (n > FEW) {
        weft_buf_printf(b, "<details><summary>The same on %zu other nodes</summary>\n", n);
    }
    for (size_t i = 0; i < c->n_nodes; i++) {
        if (i != chosen && measured(c->nodes[i].result, p->platform)) {
            weft_buf_puts(b, "<details class='other'>");
            weft_html_element(b, "summary", n > FEW ? "%s" : "The same on %s", c->nodes[i].name);
            weft_buf_puts(b, "\n");
            map(b, c, i, p);
            weft_buf_puts(b, "</details>\n");
        }
    }
    weft_buf_puts(b, n > FEW ? "</details>\n" : "");
}

void weft_page_maps(struct weft_buf *b, const struct weft_comparison *c,
                    const struct weft_compare_platform *p)
{
    size_t chosen = choose(c, p);

    if (chosen == c->n_nodes) {
        return;
    }
    weft_buf_puts(b, "<h3>What emulation costs, by kernel</h3>\n<figure>\n");
    map(b, c, chosen, p);
    weft_buf_puts(b, "<figcaption>How many times longer programs take than natively.");
    legend(b);
    weft_buf_puts(b, "</figcaption>\n</figure>\n");
    others(b, c, chosen, p);
}
