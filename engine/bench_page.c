/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_page.h"

#include <string.h>

#include "base/cleanup.h"
#include "engine/bench_page_parts.h"
#include "engine/html.h"

/* The bytes of bench_page.css. */
static const char css[] = {
#include "engine/bench_page_css.h"
    0};

/* --- what the parts share --- */

const char *weft_page_platform_id(const struct weft_compare_platform *p,
                                  char buf[WEFT_PAGE_ID_SIZE])
{
    weft_platform_format(&p->platform->platform, buf);
    for (char *s = buf; *s; s++) {
        if (*s == '/') {
            *s = '-';
        }
    }
    return buf;
}

void weft_page_table_begin(struct weft_buf *b, const char *id, const char *caption)
{
    weft_buf_printf(b,
                    "<div class='scroll' role='region' tabindex='0' aria-labelledby='%s-caption'>"
                    "\n<table id='%s'>\n<caption id='%s-caption'>",
                    id, id, id);
    weft_html_element(b, "span", "%s", caption);
    weft_buf_puts(b, "</caption>\n");
}

void weft_page_table_end(struct weft_buf *b)
{
    weft_buf_puts(b, "</table>\n</div>\n");
}

void weft_page_notes(struct weft_buf *b, const struct weft_strv *notes)
{
    if (notes->n == 0) {
        return;
    }
    weft_buf_puts(b, "<ul class='notes'>\n");
    for (size_t i = 0; i < notes->n; i++) {
        weft_html_element(b, "li", "%s", notes->v[i]);
        weft_buf_puts(b, "\n");
    }
    weft_buf_puts(b, "</ul>\n");
}

/* --- the top --- */

/* Names come from files that anybody may have written. They are escaped; and with this policy even
 * one that were not could load, run and send nothing. */
static void head(struct weft_buf *b, const struct weft_comparison *c)
{
    weft_buf_puts(b, "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'/>\n"
                     "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\n"
                     "<meta name='viewport' content='width=device-width, initial-scale=1'/>\n"
                     "<meta name='color-scheme' content='light dark'/>\n"
                     "<meta name='referrer' content='no-referrer'/>\n");
    weft_html_element(b, "title", "weft bench: %zu node%s compared", c->n_nodes,
                      c->n_nodes == 1 ? "" : "s");
    weft_buf_printf(b, "\n<style>\n%s</style>\n</head>\n<body>\n", css);
    weft_buf_puts(b, "<a class='skip' href='#main'>Skip to the results</a>\n"
                     "<svg class='defs' aria-hidden='true' width='0' height='0'><defs>"
                     "<pattern id='hatch' width='6' height='6' patternUnits='userSpaceOnUse' "
                     "patternTransform='rotate(45)'><rect class='hatch-back' width='6' height='6'/>"
                     "<rect class='hatch-line' width='2' height='6'/></pattern></defs></svg>\n");
}

/* "measured 2026-11-20 to 2026-11-23" */
static void dates(struct weft_buf *b, const struct weft_comparison *c)
{
    time_t first = c->nodes[0].result->started, last = first;
    weft_auto_free char *from = NULL;
    weft_auto_free char *to = NULL;

    for (size_t i = 1; i < c->n_nodes; i++) {
        time_t t = c->nodes[i].result->started;

        first = t < first ? t : first;
        last = t > last ? t : last;
    }
    from = weft_time_utc(first);
    to = weft_time_utc(last);
    if (from && to) {
        weft_html_textf(b, ", measured %.10s", from);
        if (strncmp(from, to, 10) != 0) {
            weft_html_textf(b, " to %.10s", to);
        }
    }
}

static void contents(struct weft_buf *b, const struct weft_comparison *c)
{
    weft_buf_puts(b, "<nav aria-label='On this page'><ul>\n");
    for (size_t i = 0; i < c->n; i++) {
        char id[WEFT_PAGE_ID_SIZE], name[WEFT_PLATFORM_SIZE];

        weft_buf_printf(b, "<li><a href='#%s'>", weft_page_platform_id(&c->platforms[i], id));
        weft_html_text(b, weft_platform_format(&c->platforms[i].platform->platform, name));
        weft_buf_puts(b, "</a></li>\n");
    }
    weft_buf_puts(b, "<li><a href='#machines'>Machines</a></li>\n"
                     "<li><a href='#method'>Method</a></li>\n</ul></nav>\n");
}

/* One for each platform, whose name it begins with. */
static void sentences(struct weft_buf *b, const struct weft_comparison *c)
{
    weft_auto_strv verdict = {0};

    weft_comparison_verdict(c, &verdict);
    weft_buf_puts(b, "<ul class='sentences'>\n");
    for (size_t i = 0; i < verdict.n; i++) {
        const char *colon = strchr(verdict.v[i], ':');
        int n = colon ? (int)(colon - verdict.v[i]) : 0;

        weft_buf_puts(b, "<li>");
        weft_html_element(b, "strong", "%.*s", n, verdict.v[i]);
        weft_html_text(b, verdict.v[i] + n);
        weft_buf_puts(b, "</li>\n");
    }
    weft_buf_puts(b, "</ul>\n");
}

static void top(struct weft_buf *b, const struct weft_comparison *c)
{
    weft_buf_puts(b, "<header>\n<h1>What builds cost, node by node</h1>\n<p>");
    weft_html_textf(b, "%zu node%s, %zu platform%s", c->n_nodes, c->n_nodes == 1 ? "" : "s", c->n,
                    c->n == 1 ? "" : "s");
    dates(b, c);
    weft_buf_puts(b, "</p>\n</header>\n");
    contents(b, c);
    weft_buf_puts(b, "<main id='main' tabindex='-1'>\n<section class='verdict' "
                     "aria-labelledby='verdict'>\n<h2 id='verdict'>Verdict</h2>\n");
    sentences(b, c);
    weft_page_notes(b, &c->notes);
    weft_buf_puts(b, "</section>\n");
}

/* --- platforms --- */

static void missing(struct weft_buf *b, const struct weft_comparison *c,
                    const struct weft_compare_platform *p)
{
    if (p->n_missing == 0) {
        return;
    }
    weft_buf_puts(b, "<h3>Without a figure</h3>\n<ul class='notes'>\n");
    for (size_t i = 0; i < p->n_missing; i++) {
        const struct weft_compare_missing *m = &p->missing[i];

        weft_buf_printf(b, "<li>%s", m->failed ? "<strong class='failed'>failed</strong> " : "");
        weft_html_textf(b, "%s: %s", c->nodes[m->node].name, m->why);
        weft_buf_puts(b, "</li>\n");
    }
    weft_buf_puts(b, "</ul>\n");
}

static void platform(struct weft_buf *b, const struct weft_comparison *c,
                     const struct weft_compare_platform *p)
{
    char id[WEFT_PAGE_ID_SIZE], name[WEFT_PLATFORM_SIZE];
    weft_auto_free char *kernels = weft_strv_join(&p->kernels, ", ");

    weft_page_platform_id(p, id);
    weft_buf_printf(b, "<section aria-labelledby='%s'>\n<h2 id='%s'>", id, id);
    weft_html_text(b, weft_platform_format(&p->platform->platform, name));
    weft_buf_puts(b, "</h2>\n");
    if (p->n > 0) {
        weft_buf_puts(b, "<h3>Nodes</h3>\n");
        weft_page_ranking(b, c, p);
        weft_html_element(b, "p class='note'", "Averaged over %zu kernel%s: %s.", p->kernels.n,
                          p->kernels.n == 1 ? "" : "s", kernels);
        weft_buf_puts(b, "\n");
        weft_page_pools(b, p);
    } else {
        weft_buf_puts(b, "<p>No node has a figure.</p>\n");
    }
    weft_page_maps(b, c, p);
    missing(b, c, p);
    weft_buf_puts(b, "</section>\n");
}

/* --- the end --- */

static void method(struct weft_buf *b)
{
    weft_buf_puts(
        b, "<section aria-labelledby='method'>\n<h2 id='method'>How it was measured</h2>\n"
           "<p>A kernel is a small piece of work of one kind that builds do; each was run natively "
           "and under emulation in turn on one CPU, after a warm-up, and its ratio is the median "
           "of at least five such pairs, with a 95 % bootstrap interval. A node\u2019s time is the "
           "geometric mean over the kernels that all nodes compared for a platform have, relative "
           "to the fastest node; nodes that cannot be told apart within the noise share a rank, "
           "and a kernel with a wrong result has no time.</p>\n"
           "<p class='note'>docs/bench-kernels.md in weft\u2019s source says what each kernel "
           "does.</p>\n</section>\n");
}

char *weft_bench_page(const struct weft_comparison *c)
{
    struct weft_buf b = {0};

    head(&b, c);
    top(&b, c);
    for (size_t i = 0; i < c->n; i++) {
        platform(&b, c, &c->platforms[i]);
    }
    weft_buf_puts(&b, "<section aria-labelledby='machines'>\n<h2 id='machines'>Machines</h2>\n");
    weft_page_machines(&b, c);
    weft_buf_puts(&b, "</section>\n");
    method(&b);
    weft_buf_puts(&b, "</main>\n<footer>");
    weft_html_element(&b, "p", "Made by weft bench compare, weft %s.", PACKAGE_VERSION);
    weft_buf_puts(&b, "</footer>\n</body>\n</html>\n");
    return weft_buf_steal(&b);
}
