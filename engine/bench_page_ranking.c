/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_page_parts.h"

#include <math.h>

#include "base/cleanup.h"
#include "engine/bench_show.h"
#include "engine/html.h"

enum {
    FIRST_ROWS = 12, /* of a longer ranking; the others are folded */
    TICKS = 5,       /* at most, of an axis */
    BAR_HEIGHT = 22, /* in pixels, as y below */
};

/* Of bars, which begin at 0. */
struct axis {
    double step; /* between ticks: 1, 2 or 5, times a power of 10 */
    int ticks;   /* behind 0; the last is the end */
};

static struct axis axis_for(double most)
{
    static const double steps[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(most / TICKS)));
    struct axis axis = {0};
    size_t i = 0;

    while (i < 3 && steps[i] * power * TICKS < most) {
        i++;
    }
    axis.step = steps[i] * power;
    axis.ticks = (int)ceil(most / axis.step);
    return axis;
}

static double percent(const struct axis *axis, double x)
{
    return 100 * x / (axis->step * axis->ticks);
}

static struct axis axis_of(const struct weft_compare_platform *p)
{
    double most = 1;

    for (size_t i = 0; i < p->n; i++) {
        most = fmax(most, p->entries[i].time.high);
    }
    for (size_t i = 0; i < p->n_pools; i++) {
        most = fmax(most, p->pools[i].time);
    }
    return axis_for(most);
}

static void svg_begin(struct weft_buf *b, const struct axis *axis)
{
    weft_buf_printf(b, "<svg aria-hidden='true' width='100%%' height='%d'>", BAR_HEIGHT);
    for (int i = 0; i <= axis->ticks; i++) {
        double x = percent(axis, axis->step * i);

        weft_buf_printf(b, "<line class='grid' x1='%.2f%%' x2='%.2f%%' y1='0' y2='100%%'/>", x, x);
    }
}

static void axis_head(struct weft_buf *b, const struct axis *axis)
{
    double end = axis->step * axis->ticks;

    weft_buf_printf(b, "<th scope='col' class='bar'><span class='hidden'>Bar, from 0 to %g</span>",
                    end);
    svg_begin(b, axis);
    for (int i = 0; i <= axis->ticks; i++) {
        const char *anchor = i == 0 ? "start" : i == axis->ticks ? "end" : "middle";

        weft_buf_printf(b, "<text x='%.2f%%' y='15' text-anchor='%s'>%g</text>",
                        percent(axis, axis->step * i), anchor, axis->step * i);
    }
    weft_buf_puts(b, "</svg></th>");
}

static void bar_rect(struct weft_buf *b, const struct axis *axis, double x, bool native)
{
    weft_buf_printf(b, "<rect class='%s' y='4' height='14' width='%.2f%%'/>",
                    native ? "native" : "emulated", percent(axis, x));
}

static void bar(struct weft_buf *b, const struct axis *axis, const struct weft_compare_entry *e)
{
    double low = percent(axis, e->time.low);
    double high = percent(axis, e->time.high);

    weft_buf_puts(b, "<td class='bar'>");
    svg_begin(b, axis);
    bar_rect(b, axis, e->time.ratio, e->native);
    weft_buf_printf(b,
                    "<line class='whisker' x1='%.2f%%' x2='%.2f%%' y1='11' y2='11'/>"
                    "<line class='whisker' x1='%.2f%%' x2='%.2f%%' y1='7' y2='15'/>"
                    "<line class='whisker' x1='%.2f%%' x2='%.2f%%' y1='7' y2='15'/>"
                    "</svg></td>",
                    low, high, low, low, high, high);
}

static void no_money(struct weft_buf *b)
{
    weft_buf_puts(b, "<td class='n'><span class='quiet'>not known</span></td>");
}

static void cost_cell(struct weft_buf *b, double cost, bool cheapest)
{
    weft_auto_free char *text = weft_bench_show_cost(cost);

    if (cost <= 0) {
        no_money(b);
    } else {
        weft_buf_printf(b, "<td class='n'>%s%s</td>",
                        cheapest ? "<span class='mark'>cheapest</span> " : "", text);
    }
}

static void price_cell(struct weft_buf *b, double price)
{
    if (price <= 0) {
        no_money(b);
    } else {
        weft_buf_printf(b, "<td class='n'>%.6g</td>", price);
    }
}

/* --- ranking --- */

/* What all rows of a ranking need. */
struct ranking {
    const struct weft_comparison *c;
    const struct weft_compare_platform *p;
    struct axis axis;
    bool prices, emulated; /* whether there are such columns */
    double cheapest;
};

static bool tied(const struct weft_compare_platform *p, size_t i)
{
    return (i > 0 && p->entries[i - 1].rank == p->entries[i].rank) ||
           (i + 1 < p->n && p->entries[i + 1].rank == p->entries[i].rank);
}

static void row(struct weft_buf *b, const struct ranking *r, size_t i)
{
    const struct weft_compare_entry *e = &r->p->entries[i];
    const struct weft_compare_node *node = &r->c->nodes[e->node];
    weft_auto_free char *time = weft_bench_show_times(e->time.ratio);
    weft_auto_free char *interval = weft_bench_show_interval(&e->time);

    weft_buf_printf(b, "<tr><td class='n'>%zu%s</td>", e->rank, tied(r->p, i) ? "\u00a0tie" : "");
    weft_buf_printf(b, "<th scope='row'><a href='#node-%zu'>", e->node);
    weft_html_text(b, node->name);
    weft_buf_puts(b, "</a> ");
    weft_html_element(b, "small", "%s", node->pool);
    weft_buf_puts(b, "</th>");
    weft_buf_printf(b, "<td class='n'>%s<strong>%s</strong> <small>%s</small></td>",
                    e->noisy ? "<span class='mark'>noisy</span> " : "", time, interval);
    bar(b, &r->axis, e);
    if (e->native) {
        weft_buf_puts(b, "<td class='how'><span>native</span></td>");
    } else {
        weft_auto_free char *what = weft_bench_target_how(e->target);

        weft_buf_puts(b, "<td class='how'><span>emulated</span> ");
        weft_html_element(b, "small", "%s", what);
        weft_buf_puts(b, "</td>");
    }
    if (r->emulated && e->slowdown.ratio > 0) {
        weft_auto_free char *slowdown = weft_bench_show_times(e->slowdown.ratio);

        weft_html_element(b, "td class='n'", "%s", slowdown);
    } else if (r->emulated) {
        weft_buf_puts(b, "<td class='n'><span class='quiet'>none</span></td>");
    }
    if (r->prices) {
        price_cell(b, node->price);
        cost_cell(b, e->cost, e->cost > 0 && e->cost <= r->cheapest);
    }
    weft_buf_puts(b, "</tr>\n");
}

static void rows(struct weft_buf *b, const struct ranking *r, size_t from, size_t to)
{
    char id[WEFT_PAGE_ID_SIZE], name[WEFT_PLATFORM_SIZE];
    weft_auto_free char *table_id =
        weft_fmt("%s-%s", weft_page_platform_id(r->p, id), from ? "ranking-rest" : "ranking");
    weft_auto_free char *caption =
        weft_fmt("Nodes for %s, fastest first: time, 1 is the fastest node's",
                 weft_platform_format(&r->p->platform->platform, name));

    weft_page_table_begin(b, table_id, caption);
    weft_buf_puts(b, "<thead><tr><th scope='col' class='n'>Rank</th><th scope='col'>Node</th>"
                     "<th scope='col' class='n'>Time <small>95 % interval</small></th>");
    axis_head(b, &r->axis);
    weft_buf_puts(b, "<th scope='col'>Runs it</th>");
    if (r->emulated) {
        weft_buf_puts(b, "<th scope='col' class='n'>Slowdown</th>");
    }
    if (r->prices) {
        weft_buf_puts(b, "<th scope='col' class='n'>Price per hour</th>"
                         "<th scope='col' class='n'>Cost</th>");
    }
    weft_buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = from; i < to; i++) {
        row(b, r, i);
    }
    weft_buf_puts(b, "</tbody>");
    weft_page_table_end(b);
}

static void explain(struct weft_buf *b, const struct ranking *r)
{
    weft_buf_puts(b, "<p class='key'><svg aria-hidden='true' width='28' height='14'>"
                     "<rect class='native' y='1' width='28' height='12'/></svg> native ");
    if (r->emulated) {
        weft_buf_puts(b, "<svg aria-hidden='true' width='28' height='14'><rect class='emulated' "
                         "y='1' width='28' height='12'/></svg> emulated ");
    }
    weft_buf_puts(b, "<svg aria-hidden='true' width='28' height='14'>"
                     "<line class='whisker' x1='2' x2='26' y1='7' y2='7'/>"
                     "<line class='whisker' x1='2' x2='2' y1='3' y2='11'/>"
                     "<line class='whisker' x1='26' x2='26' y1='3' y2='11'/></svg> 95 % interval"
                     "</p>\n<p class='note'>Shorter is better.");
    if (r->emulated) {
        weft_buf_puts(b, " Slowdown is emulated to native time on the node itself.");
    }
    if (r->prices) {
        weft_buf_puts(b, " Cost is that of the work which keeps one CPU of the fastest node busy "
                         "for an hour: the price of a CPU times the time.");
    }
    weft_buf_puts(b, "</p>\n");
}

void weft_page_ranking(struct weft_buf *b, const struct weft_comparison *c,
                       const struct weft_compare_platform *p)
{
    struct ranking r = {.c = c, .p = p, .axis = axis_of(p), .cheapest = INFINITY};
    size_t first = p->n > FIRST_ROWS + 2 ? FIRST_ROWS : p->n;

    for (size_t i = 0; i < p->n; i++) {
        r.emulated = r.emulated || !p->entries[i].native;
        if (p->entries[i].cost > 0) {
            r.prices = true;
            r.cheapest = fmin(r.cheapest, p->entries[i].cost);
        }
    }
    rows(b, &r, 0, first);
    if (first < p->n) {
        weft_buf_printf(b, "<details><summary>The other %zu nodes</summary>\n", p->n - first);
        rows(b, &r, first, p->n);
        weft_buf_puts(b, "</details>\n");
    }
    explain(b, &r);
}

/* --- pools --- */

void weft_page_pools(struct weft_buf *b, const struct weft_compare_platform *p)
{
    struct axis axis = axis_of(p);
    char id[WEFT_PAGE_ID_SIZE], name[WEFT_PLATFORM_SIZE];
    weft_auto_free char *table_id = weft_fmt("%s-pools", weft_page_platform_id(p, id));
    weft_auto_free char *caption = weft_fmt("Pools for %s: the medians over their nodes",
                                            weft_platform_format(&p->platform->platform, name));
    bool prices = p->n_pools > 0 && p->pools[0].cost > 0;

    if (p->n_pools < 2) {
        return;
    }
    weft_buf_puts(b, "<h3>Pools</h3>\n");
    weft_page_table_begin(b, table_id, caption);
    weft_buf_puts(b, "<thead><tr><th scope='col'>Pool</th><th scope='col' class='n'>Nodes</th>"
                     "<th scope='col' class='n'>Time</th>");
    axis_head(b, &axis);
    weft_buf_puts(b, prices ? "<th scope='col' class='n'>Cost</th>" : "");
    weft_buf_puts(b, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->n_pools; i++) {
        const struct weft_compare_pool *pool = &p->pools[i];
        weft_auto_free char *time = weft_bench_show_times(pool->time);

        weft_buf_puts(b, "<tr>");
        weft_html_element(b, "th scope='row'", "%s", pool->name);
        weft_buf_printf(b, "<td class='n'>%zu</td><td class='n'><strong>%s</strong></td>", pool->n,
                        time);
        weft_buf_puts(b, "<td class='bar'>");
        svg_begin(b, &axis);
        weft_buf_printf(b, "<rect class='pool' y='4' height='14' width='%.2f%%'/></svg></td>",
                        percent(&axis, pool->time));
        if (prices) {
            cost_cell(b, pool->cost, i == 0);
        }
        weft_buf_puts(b, "</tr>\n");
    }
    weft_buf_puts(b, "</tbody>");
    weft_page_table_end(b);
}
