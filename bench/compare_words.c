/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "platforms/speeds.h"

enum {
    NAMES_SHOWN = 3
};

/* "23 %", "3.4 times". Caller frees. */
static char *by_how_much(double times)
{
    return times < 1.995 ? weft_fmt("%.*f %%", times < 1.0995 ? 1 : 0, 100 * (times - 1))
                         : weft_fmt("%.1f times", times);
}

static const char *name_of(const struct weft_comparison *c, const struct weft_compare_entry *e)
{
    return c->nodes[e->node].name;
}

/* "n1 is fastest, native", with those that tie. */
static void say_fastest(const struct weft_comparison *c, const struct weft_compare_platform *p,
                        struct weft_buf *b)
{
    const struct weft_compare_entry *first = &p->entries[0];
    weft_auto_free char *with = weft_compare_how(first);
    weft_auto_strv ties = {0};

    for (size_t i = 1; i < p->n && p->entries[i].rank == 1; i++) {
        weft_strv_add(&ties, name_of(c, &p->entries[i]));
    }
    weft_buf_printf(b, p->n == 1 ? "only %s has a figure, %s%s" : "%s is fastest, %s%s",
                    name_of(c, first), first->native ? "" : "under ", with);
    if (!first->native) {
        weft_buf_printf(b, ", where programs take %.1f times as long as native ones",
                        first->slowdown.ratio);
    }
    if (ties.n > 0) {
        weft_auto_free char *list = weft_strv_some(&ties, NAMES_SHOWN);

        weft_buf_printf(b, "; %s %s as fast, within the noise", list, ties.n > 1 ? "are" : "is");
    }
    weft_buf_puts(b, ".");
}

/* How far behind the others are: the first that does not tie, and the fastest emulated one where
 * natives are in front. */
static void say_others(const struct weft_comparison *c, const struct weft_compare_platform *p,
                       struct weft_buf *b)
{
    const struct weft_compare_entry *next = NULL, *emulated = NULL;

    for (size_t i = 1; i < p->n; i++) {
        const struct weft_compare_entry *e = &p->entries[i];

        next = !next && e->rank > 1 ? e : next;
        emulated = !emulated && !e->native ? e : emulated;
    }
    if (next && (next != emulated || !p->entries[0].native)) {
        weft_auto_free char *much = by_how_much(next->time.ratio);

        weft_buf_printf(b, " The next, %s, is %s slower.", name_of(c, next), much);
    }
    if (emulated && emulated->rank > 1 && p->entries[0].native) {
        weft_auto_free char *much = by_how_much(emulated->time.ratio);
        weft_auto_free char *with = weft_compare_how(emulated);

        weft_buf_printf(b, " Emulated it is fastest on %s (%s), %s slower.", name_of(c, emulated),
                        with, much);
    }
}

static size_t priced_pools(const struct weft_compare_platform *p)
{
    size_t n = 0;

    while (n < p->n_pools && p->pools[n].cost > 0) {
        n++;
    }
    return n;
}

static void say_cheapest(const struct weft_compare_platform *p, struct weft_buf *b)
{
    const struct weft_compare_pool *first = &p->pools[0];
    size_t n = priced_pools(p), next = 1;
    weft_auto_strv ties = {0};

    if (n == 0 || p->n_pools == 1) {
        return;
    }
    if (n == 1) {
        weft_buf_printf(b, " Only pool %s has a price.", first->name);
        return;
    }
    while (next < n && (p->pools[next].cost_low <= first->cost_high ||
                        p->pools[next].cost <= WEFT_SPEEDS_BETWEEN_RUNS * first->cost)) {
        weft_strv_add(&ties, p->pools[next++].name);
    }
    weft_buf_printf(b, " Builds cost least in pool %s", first->name);
    if (ties.n > 0) {
        weft_auto_free char *list = weft_strv_some(&ties, NAMES_SHOWN);

        weft_buf_printf(b, "; in %s as much, within the noise", list);
    }
    if (next < n && p->pools[next].cost < 1.995 * first->cost) {
        weft_buf_printf(b, "; in the next, %s, %.0f %% more", p->pools[next].name,
                        100 * (p->pools[next].cost / first->cost - 1));
    } else if (next < n) {
        weft_buf_printf(b, "; in the next, %s, %.1f times as much", p->pools[next].name,
                        p->pools[next].cost / first->cost);
    }
    weft_buf_puts(b, ".");
}

void weft_comparison_verdict(const struct weft_comparison *c, struct weft_strv *sentences)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct weft_compare_platform *p = &c->platforms[i];
        char name[WEFT_PLATFORM_SIZE];
        weft_auto_buf b = {0};

        weft_buf_printf(&b, "%s: ", weft_platform_format(&p->platform->platform, name));
        if (p->n == 0) {
            weft_buf_puts(&b, "no node has a figure.");
        } else {
            say_fastest(c, p, &b);
            say_others(c, p, &b);
            say_cheapest(p, &b);
        }
        weft_strv_take(sentences, weft_buf_steal(&b));
    }
}
