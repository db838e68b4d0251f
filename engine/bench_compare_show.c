/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_compare_show.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/bench_show.h"

enum {
    COLUMNS_MAX = 9,
    NAME_LONG = 24, /* columns of a name, where others would be left out for more of it */
    NAME_LEAST = 8, /* that it keeps */
    NAMES_SHOWN = 8,
};

/* --- tables --- */

/* One column. */
struct column {
    const char *title;
    bool right;   /* numbers */
    int leave;    /* the order in which columns are left out where it is narrow; 0: never */
    bool shorten; /* names: they are cut */
};

struct table {
    const struct column *columns;
    size_t n_columns;
    struct weft_strv cells; /* row by row */
};

/* The columns that a text takes on a terminal: its characters. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* Where the n-th character of s ends. */
static size_t bytes_of(const char *s, size_t n)
{
    size_t i = 0;

    while (s[i] && (n > 0 || ((unsigned char)s[i] & 0xc0) == 0x80)) {
        n -= ((unsigned char)s[i] & 0xc0) != 0x80;
        i++;
    }
    return i;
}

/* A column in which nothing is said is none. */
static void measure(const struct table *t, size_t *widths)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        widths[c] = 0;
    }
    for (size_t i = 0; i < t->cells.n; i++) {
        size_t n = width_of(t->cells.v[i]);

        widths[i % t->n_columns] = n > widths[i % t->n_columns] ? n : widths[i % t->n_columns];
    }
    for (size_t c = 0; c < t->n_columns; c++) {
        if (widths[c] > 0 && widths[c] < strlen(t->columns[c].title)) {
            widths[c] = strlen(t->columns[c].title);
        }
    }
}

static size_t total_of(const size_t *widths, size_t n)
{
    size_t total = 0;

    for (size_t c = 0; c < n; c++) {
        total += widths[c] > 0 ? widths[c] + 2 : 0; /* two spaces in front */
    }
    return total;
}

/* Cut names down to `least` as far as that is needed. */
static void cut_names(const struct table *t, size_t *widths, size_t width, size_t least)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t total = total_of(widths, t->n_columns);

        if (t->columns[c].shorten && total > width && widths[c] > least) {
            size_t over = total - width;

            widths[c] = widths[c] > over + least ? widths[c] - over : least;
        }
    }
}

/* Cut very long names, then leave columns out until the rest fits, then cut what names are left. */
static void fit(const struct table *t, size_t *widths, size_t width)
{
    int last = 0;

    for (size_t c = 0; c < t->n_columns; c++) {
        last = t->columns[c].leave > last ? t->columns[c].leave : last;
    }
    cut_names(t, widths, width, NAME_LONG);
    for (int i = 1; i <= last && total_of(widths, t->n_columns) > width; i++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            if (t->columns[c].leave == i) {
                widths[c] = 0;
            }
        }
    }
    cut_names(t, widths, width, NAME_LEAST);
}

/* Of a name that is too long the middle is left out: nodes differ at either end. */
static void put_cell(const struct column *c, const char *text, size_t width, bool last,
                     struct weft_buf *out)
{
    size_t n = width_of(text);
    size_t pad = n < width ? width - n : 0;

    weft_buf_puts(out, "  ");
    for (size_t i = 0; c->right && i < pad; i++) {
        weft_buf_puts(out, " ");
    }
    if (n > width) {
        size_t end = (width - 2) / 2;

        weft_buf_append(out, text, bytes_of(text, width - 2 - end));
        weft_buf_puts(out, "..");
        weft_buf_puts(out, text + bytes_of(text, n - end));
    } else {
        weft_buf_puts(out, text);
    }
    for (size_t i = 0; !c->right && !last && i < pad; i++) {
        weft_buf_puts(out, " ");
    }
}

static void put_row(const struct table *t, const size_t *widths, char *const *cells,
                    struct weft_buf *out)
{
    size_t last = 0;

    for (size_t c = 0; c < t->n_columns; c++) {
        const char *text = cells ? cells[c] : t->columns[c].title;

        last = widths[c] > 0 && *text ? c : last;
    }
    for (size_t c = 0; c <= last; c++) {
        if (widths[c] > 0) {
            put_cell(&t->columns[c], cells ? cells[c] : t->columns[c].title, widths[c], c == last,
                     out);
        }
    }
    weft_buf_puts(out, "\n");
}

static void put_table(const struct table *t, size_t width, struct weft_buf *out)
{
    size_t widths[COLUMNS_MAX];

    measure(t, widths);
    if (width > 0) {
        fit(t, widths, width);
    }
    put_row(t, widths, NULL, out);
    for (size_t i = 0; i < t->cells.n; i += t->n_columns) {
        put_row(t, widths, t->cells.v + i, out);
    }
}

/* Words in lines of at most `width`, with further lines indented; 0: in one line. */
static void put_words(const char *text, size_t width, struct weft_buf *out)
{
    size_t at = 0;

    while (*text) {
        size_t len = strcspn(text, " ");
        weft_auto_free char *word = weft_xstrndup(text, len);
        size_t n = width_of(word);

        if (at > 0 && width > 0 && at + 1 + n > width) {
            weft_buf_puts(out, "\n  ");
            at = 2;
        } else if (at > 0) {
            weft_buf_puts(out, " ");
            at++;
        }
        weft_buf_puts(out, word);
        at += n;
        text += len;
        text += *text == ' ';
    }
    weft_buf_puts(out, "\n");
}

/* --- text --- */

static void add_entry(const struct weft_comparison *c, const struct weft_compare_entry *e,
                      bool fastest, struct weft_strv *cells)
{
    const struct weft_compare_node *n = &c->nodes[e->node];

    weft_strv_addf(cells, "%zu", e->rank);
    weft_strv_add(cells, n->name);
    weft_strv_add(cells, strcmp(n->pool, n->name) != 0 ? n->pool : "");
    weft_strv_take(cells, weft_compare_how(e));
    weft_strv_take(cells, weft_bench_show_times(e->time.ratio));
    weft_strv_take(cells, fastest ? weft_xstrdup("")
                                  : weft_fmt("%.2f to %.2f", e->time.low, e->time.high));
    weft_strv_take(cells, e->native ? weft_xstrdup("") : weft_bench_show_times(e->slowdown.ratio));
    weft_strv_take(cells, weft_bench_show_cost(e->cost));
    weft_strv_add(cells, e->noisy ? "noisy" : "");
}

static void put_entries(const struct weft_comparison *c, const struct weft_compare_platform *p,
                        size_t width, struct weft_buf *out)
{
    static const struct column columns[] = {
        {"RANK", true, 0, false},     {"NODE", false, 0, true}, {"POOL", false, 1, true},
        {"HOW", false, 4, false},     {"TIME", true, 0, false}, {"95 % INTERVAL", false, 3, false},
        {"SLOWDOWN", true, 2, false}, {"COST", true, 6, false}, {"", false, 5, false},
    };
    struct table t = {.columns = columns, .n_columns = sizeof(columns) / sizeof(columns[0])};

    for (size_t i = 0; i < p->n; i++) {
        add_entry(c, &p->entries[i], i == 0, &t.cells);
    }
    put_table(&t, width, out);
    weft_strv_finish(&t.cells);
}

static void put_pools(const struct weft_compare_platform *p, size_t width, struct weft_buf *out)
{
    static const struct column columns[] = {
        {"POOL", false, 0, true},
        {"NODES", true, 1, false},
        {"TIME", true, 0, false},
        {"COST", true, 0, false},
    };
    struct table t = {.columns = columns, .n_columns = sizeof(columns) / sizeof(columns[0])};

    for (size_t i = 0; i < p->n_pools; i++) {
        weft_strv_add(&t.cells, p->pools[i].name);
        weft_strv_addf(&t.cells, "%zu", p->pools[i].n);
        weft_strv_take(&t.cells, weft_bench_show_times(p->pools[i].time));
        weft_strv_take(&t.cells, weft_bench_show_cost(p->pools[i].cost));
    }
    weft_buf_puts(out, "\n");
    put_table(&t, width, out);
    weft_strv_finish(&t.cells);
}

/* The nodes that lack a figure for one reason, in a line; the first of them is missing[first]. */
static void put_reason(const struct weft_comparison *c, const struct weft_compare_platform *p,
                       size_t first, size_t width, struct weft_buf *out)
{
    const char *why = p->missing[first].why;
    weft_auto_strv names = {0};
    weft_auto_free char *list = NULL;
    weft_auto_free char *line = NULL;

    for (size_t i = 0; i < p->n_missing; i++) {
        if (strcmp(p->missing[i].why, why) == 0) {
            if (i < first) {
                return; /* it has been said */
            }
            weft_strv_add(&names, c->nodes[p->missing[i].node].name);
        }
    }
    list = weft_strv_some(&names, p->missing[first].failed ? names.n : NAMES_SHOWN);
    line = weft_fmt("no figure for %s: %s", list, why);
    put_words(line, width, out);
}

static void put_platform(const struct weft_comparison *c, const struct weft_compare_platform *p,
                         size_t width, struct weft_buf *out)
{
    char name[WEFT_PLATFORM_SIZE];
    bool priced = p->n_pools > 0 && p->pools[0].cost > 0;

    weft_buf_printf(out, "\n%s, %zu kernels\n", weft_platform_format(&p->platform->platform, name),
                    p->kernels.n);
    if (p->n > 0) {
        put_entries(c, p, width, out);
    }
    if (p->n_pools > 1 || priced) {
        put_pools(p, width, out);
    }
    if (priced) {
        weft_auto_free char *line =
            weft_fmt("COST: of the work that keeps a CPU of %s busy for an hour",
                     c->nodes[p->entries[0].node].name);

        put_words(line, width, out);
    }
    for (size_t i = 0; i < p->n_missing; i++) {
        put_reason(c, p, i, width, out);
    }
}

char *weft_bench_compare_text(const struct weft_comparison *c, size_t width)
{
    weft_auto_strv verdict = {0};
    struct weft_buf out = {0};

    weft_comparison_verdict(c, &verdict);
    for (size_t i = 0; i < verdict.n; i++) {
        put_words(verdict.v[i], width, &out);
    }
    for (size_t i = 0; i < c->notes.n; i++) {
        weft_auto_free char *note = weft_fmt("note: %s", c->notes.v[i]);

        put_words(note, width, &out);
    }
    for (size_t i = 0; i < c->n; i++) {
        put_platform(c, &c->platforms[i], width, &out);
    }
    return weft_buf_steal(&out);
}

/* --- JSON --- */

static struct weft_json *strings(const struct weft_strv *v)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < v->n; i++) {
        weft_json_append_str(list, v->v[i]);
    }
    return list;
}

static struct weft_json *ratio_json(const struct weft_ratio *r)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_real(j, "ratio", r->ratio);
    weft_json_set_real(j, "low", r->low);
    weft_json_set_real(j, "high", r->high);
    return j;
}

static struct weft_json *node_json(const struct weft_compare_node *n)
{
    const struct weft_bench_result *r = n->result;
    struct weft_json *j = weft_json_object();
    weft_auto_free char *started = weft_time_utc(r->started);
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "name", n->name);
    weft_json_set_str(j, "pool", n->pool);
    weft_json_set_str(j, "instance_type", r->machine.instance_type);
    weft_json_set_str(j, "platform", weft_platform_format(&r->machine.platform, name));
    weft_json_set_str(j, "cpu", r->machine.cpu);
    weft_json_set_int(j, "cpus", r->machine.cpus);
    if (n->price > 0) {
        weft_json_set_real(j, "price", n->price);
    }
    weft_json_set_str(j, "weft", r->weft ? r->weft : PACKAGE_VERSION);
    weft_json_set_str(j, "started", started);
    return j;
}

static struct weft_json *entry_json(const struct weft_comparison *c,
                                    const struct weft_compare_platform *p,
                                    const struct weft_compare_entry *e)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *kernels = weft_json_object();

    weft_json_set_int(j, "rank", (int64_t)e->rank);
    weft_json_set_str(j, "node", c->nodes[e->node].name);
    weft_json_set_bool(j, "native", e->native);
    if (!e->native) {
        struct weft_json *qemu = weft_json_object();

        weft_json_set_str(qemu, "path", e->target->qemu);
        weft_json_set_str(qemu, "version", e->target->version);
        weft_json_set(j, "qemu", qemu);
        weft_json_set_str(j, "cpu_model", e->target->model);
        weft_json_set(j, "slowdown", ratio_json(&e->slowdown));
    }
    weft_json_set(j, "time", ratio_json(&e->time));
    if (e->cost > 0) {
        weft_json_set_real(j, "cost", e->cost);
    }
    weft_json_set_bool(j, "noisy", e->noisy);
    for (size_t i = 0; i < p->kernels.n; i++) {
        weft_json_set_real(kernels, p->kernels.v[i], e->by_kernel[i]);
    }
    weft_json_set(j, "kernels", kernels);
    return j;
}

static struct weft_json *pools_json(const struct weft_compare_platform *p)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < p->n_pools; i++) {
        struct weft_json *j = weft_json_object();

        weft_json_set_str(j, "name", p->pools[i].name);
        weft_json_set_int(j, "nodes", (int64_t)p->pools[i].n);
        weft_json_set_real(j, "time", p->pools[i].time);
        if (p->pools[i].cost > 0) {
            weft_json_set_real(j, "cost", p->pools[i].cost);
        }
        weft_json_append(list, j);
    }
    return list;
}

static struct weft_json *platform_json(const struct weft_comparison *c,
                                       const struct weft_compare_platform *p, const char *verdict)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *entries = weft_json_array();
    struct weft_json *missing = weft_json_array();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform", weft_platform_format(&p->platform->platform, name));
    weft_json_set_str(j, "verdict", verdict);
    weft_json_set(j, "kernels", strings(&p->kernels));
    for (size_t i = 0; i < p->n; i++) {
        weft_json_append(entries, entry_json(c, p, &p->entries[i]));
    }
    weft_json_set(j, "ranking", entries);
    weft_json_set(j, "pools", pools_json(p));
    for (size_t i = 0; i < p->n_missing; i++) {
        struct weft_json *one = weft_json_object();

        weft_json_set_str(one, "node", c->nodes[p->missing[i].node].name);
        weft_json_set_str(one, "why", p->missing[i].why);
        weft_json_set_bool(one, "failed", p->missing[i].failed);
        weft_json_append(missing, one);
    }
    weft_json_set(j, "missing", missing);
    return j;
}

char *weft_bench_compare_json(const struct weft_comparison *c)
{
    weft_auto_json j = weft_json_object();
    struct weft_json *nodes = weft_json_array();
    struct weft_json *platforms = weft_json_array();
    weft_auto_strv verdict = {0};
    weft_auto_free char *text = NULL;

    weft_comparison_verdict(c, &verdict);
    weft_json_set_int(j, "schema", 1);
    weft_json_set_str(j, "kind", "weft bench compare");
    weft_json_set_str(j, "weft", PACKAGE_VERSION);
    weft_json_set(j, "notes", strings(&c->notes));
    for (size_t i = 0; i < c->n_nodes; i++) {
        weft_json_append(nodes, node_json(&c->nodes[i]));
    }
    weft_json_set(j, "nodes", nodes);
    for (size_t i = 0; i < c->n; i++) {
        weft_json_append(platforms, platform_json(c, &c->platforms[i], verdict.v[i]));
    }
    weft_json_set(j, "platforms", platforms);
    text = weft_json_dump(j, 2);
    return weft_fmt("%s\n", text);
}

/* --- CSV --- */

/* A field of text: spreadsheets run what begins like a formula. */
static void put_field(const char *text, struct weft_buf *out)
{
    weft_auto_free char *harmless =
        weft_fmt("%s%s", *text && strchr("=+-@\t\r", *text) ? "'" : "", text);
    weft_auto_free char *field = weft_csv_field(harmless);

    weft_buf_printf(out, ",%s", field);
}

static void put_number(double v, struct weft_buf *out)
{
    weft_buf_printf(out, v > 0 ? ",%.6g" : ",", v);
}

static void put_csv_node(const struct weft_comparison *c, size_t node, struct weft_buf *out)
{
    const struct weft_compare_node *n = &c->nodes[node];

    put_field(n->name, out);
    put_field(n->pool, out);
    put_field(n->result->machine.cpu ? n->result->machine.cpu : "", out);
    weft_buf_printf(out, ",%ld", n->result->machine.cpus);
    put_number(n->price, out);
}

static void put_csv_entry(const struct weft_comparison *c, const char *platform,
                          const struct weft_compare_entry *e, struct weft_buf *out)
{
    const struct weft_bench_target *t = e->target;

    weft_buf_printf(out, "%s,%zu", platform, e->rank);
    put_csv_node(c, e->node, out);
    weft_buf_puts(out, e->native ? ",true" : ",false");
    put_field(t ? t->version ? t->version : t->qemu : "", out);
    put_field(t && t->model ? t->model : "", out);
    put_number(e->time.ratio, out);
    put_number(e->time.low, out);
    put_number(e->time.high, out);
    put_number(e->slowdown.ratio, out);
    put_number(e->slowdown.low, out);
    put_number(e->slowdown.high, out);
    put_number(e->cost, out);
    weft_buf_puts(out, e->noisy ? ",true," : ",false,");
    weft_buf_puts(out, "\r\n");
}

char *weft_bench_compare_csv(const struct weft_comparison *c)
{
    struct weft_buf out = {0};

    weft_buf_puts(&out, "platform,rank,node,pool,cpu,cpus,price,native,qemu,cpu_model,"
                        "time,time_low,time_high,slowdown,slowdown_low,slowdown_high,cost,noisy,"
                        "no_figure\r\n");
    for (size_t i = 0; i < c->n; i++) {
        const struct weft_compare_platform *p = &c->platforms[i];
        char name[WEFT_PLATFORM_SIZE];

        weft_platform_format(&p->platform->platform, name);
        for (size_t k = 0; k < p->n; k++) {
            put_csv_entry(c, name, &p->entries[k], &out);
        }
        for (size_t k = 0; k < p->n_missing; k++) {
            weft_buf_printf(&out, "%s,", name);
            put_csv_node(c, p->missing[k].node, &out);
            weft_buf_puts(&out, ",,,,,,,,,,,");
            put_field(p->missing[k].why, &out);
            weft_buf_puts(&out, "\r\n");
        }
    }
    return weft_buf_steal(&out);
}
