/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/prices.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    NAMES_SHOWN = 3,
    PRICES_MAX = 10000, /* of a file */
    PRICE_MAX = 1000000,
};

void weft_prices_finish(struct weft_prices *prices)
{
    for (size_t i = 0; i < prices->n; i++) {
        free(prices->v[i].name);
    }
    free(prices->v);
    *prices = (struct weft_prices){0};
}

/* s without white space around it. Caller frees. */
static char *trimmed(const char *s, size_t len)
{
    while (len > 0 && strchr(" \t\r", *s)) {
        s++;
        len--;
    }
    while (len > 0 && strchr(" \t\r", s[len - 1])) {
        len--;
    }
    return weft_xstrndup(s, len);
}

static int add_price(struct weft_prices *prices, const char *name, const char *text, bool listed,
                     struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(text);
    char *end = NULL;
    double price;

    if (!*name) {
        return weft_fail(err, WEFT_E_USAGE, "the price %s is of nothing", shown);
    }
    price = strtod(text, &end);
    if (!*text || strspn(text, "0123456789.") != strlen(text) || *end || price <= 0 ||
        price > PRICE_MAX) {
        return weft_fail(err, WEFT_E_USAGE,
                         "\"%s\" is no price: a number above 0, of at most %d, as 0.34", shown,
                         PRICE_MAX);
    }
    prices->v = weft_xgrow(prices->v, prices->n, sizeof(*prices->v));
    prices->v[prices->n++] =
        (struct weft_price){.name = weft_xstrdup(name), .price = price, .listed = listed};
    return 0;
}

int weft_prices_add(struct weft_prices *prices, const char *text, struct weft_err **err)
{
    const char *sign = strrchr(text, '=');
    weft_auto_free char *name = NULL;
    weft_auto_free char *price = NULL;

    if (!sign) {
        weft_auto_free char *shown = weft_printable(text);

        weft_fail(err, WEFT_E_USAGE, "\"%s\" has no price", shown);
        return weft_err_hint(err, "NAME=PRICE, as m6g.large=0.077");
    }
    name = trimmed(text, (size_t)(sign - text));
    price = trimmed(sign + 1, strlen(sign + 1));
    return add_price(prices, name, price, false, err);
}

static bool is_header(const char *price)
{
    return *price && !strchr("0123456789.+-", *price);
}

static int add_line(struct weft_prices *prices, const char *line, bool first, struct weft_err **err)
{
    weft_auto_strv fields = {0};
    weft_auto_free char *name = NULL;
    weft_auto_free char *price = NULL;

    if (weft_csv_split(line, &fields, err) < 0) {
        return -1;
    }
    if (fields.n != 2) {
        return weft_fail(err, WEFT_E_USAGE, "there are %zu fields, not NAME,PRICE", fields.n);
    }
    name = trimmed(fields.v[0], strlen(fields.v[0]));
    price = trimmed(fields.v[1], strlen(fields.v[1]));
    if (first && is_header(price)) {
        return 0;
    }
    for (size_t i = 0; i < prices->n; i++) {
        if (prices->v[i].listed && strcmp(prices->v[i].name, name) == 0) {
            weft_auto_free char *shown = weft_printable(name);

            return weft_fail(err, WEFT_E_USAGE, "%s has a price already", shown);
        }
    }
    return add_price(prices, name, price, true, err);
}

int weft_prices_read(struct weft_prices *prices, const char *text, size_t len, const char *path,
                     struct weft_err **err)
{
    static const char bom[] = "\xef\xbb\xbf";
    size_t before = prices->n, number = 0;
    bool first = true;

    if (weft_starts_with(text, bom)) {
        text += strlen(bom);
        len -= strlen(bom);
    }
    if (strlen(text) != len) {
        return weft_fail(err, WEFT_E_USAGE, "%s is no text", path);
    }
    while (*text) {
        size_t n = strcspn(text, "\n");
        weft_auto_free char *line = trimmed(text, n);

        text += n + (text[n] == '\n');
        number++;
        if (!*line || *line == '#') {
            continue;
        }
        if (prices->n - before >= PRICES_MAX) {
            return weft_fail(err, WEFT_E_USAGE, "%s has more than %d prices", path, PRICES_MAX);
        }
        if (add_line(prices, line, first, err) < 0) {
            return weft_err_wrap(err, "%s, line %zu", path, number);
        }
        first = false;
    }
    return prices->n > before ? 0 : weft_fail(err, WEFT_E_USAGE, "%s has no prices", path);
}

/* How closely a price's name is that of a node: 3: its name, 2: its pool, 1: its instance type. */
static int closeness(const struct weft_compare_node *node, const char *name)
{
    const char *type = node->result->machine.instance_type;

    return strcmp(name, node->name) == 0   ? 3
           : strcmp(name, node->pool) == 0 ? 2
           : weft_str_eq(name, type)       ? 1
                                           : 0;
}

static bool is_of_any(const struct weft_nodes *nodes, const char *name)
{
    for (size_t i = 0; i < nodes->n; i++) {
        if (closeness(&nodes->v[i], name) > 0) {
            return true;
        }
    }
    return false;
}

static int fail_unknown(const struct weft_nodes *nodes, const char *name, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(name);
    weft_auto_free const char **names = weft_xcalloc(3 * nodes->n + 1, sizeof(*names));
    const char *near;
    size_t n = 0;

    for (size_t i = 0; i < nodes->n; i++) {
        names[n++] = nodes->v[i].name;
        names[n++] = nodes->v[i].pool;
        if (nodes->v[i].result->machine.instance_type) {
            names[n++] = nodes->v[i].result->machine.instance_type;
        }
    }
    near = weft_nearest(name, names, n);
    return weft_fail(err, WEFT_E_USAGE, "no node, pool or instance type is called \"%s\"%s%s%s",
                     shown, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* A list may well have others' prices; one that has none of ours is the wrong one. */
static int check_prices(struct weft_nodes *nodes, const struct weft_prices *prices,
                        struct weft_err **err)
{
    weft_auto_strv others = {0};
    size_t listed = 0;

    for (size_t i = 0; i < prices->n; i++) {
        const struct weft_price *p = &prices->v[i];

        listed += p->listed;
        if (is_of_any(nodes, p->name)) {
            continue;
        }
        if (!p->listed) {
            return fail_unknown(nodes, p->name, err);
        }
        weft_strv_take(&others, weft_printable(p->name));
    }
    if (others.n > 0 && others.n == listed) {
        return fail_unknown(nodes, others.v[0], err);
    }
    if (others.n > 0) {
        weft_auto_free char *list = weft_strv_some(&others, NAMES_SHOWN);

        weft_strv_addf(&nodes->notes, "of the prices, those of %s are of no node here", list);
    }
    return 0;
}

int weft_nodes_set_prices(struct weft_nodes *nodes, const struct weft_prices *prices,
                          struct weft_err **err)
{
    weft_auto_strv without = {0};

    if (check_prices(nodes, prices, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < nodes->n; i++) {
        int best = 1;

        for (size_t k = 0; k < prices->n; k++) {
            int c = closeness(&nodes->v[i], prices->v[k].name);

            if (c >= best) {
                best = c;
                nodes->v[i].price = prices->v[k].price;
            }
        }
        if (prices->n > 0 && nodes->v[i].price <= 0) {
            weft_strv_add(&without, nodes->v[i].name);
        }
    }
    if (without.n > 0) {
        weft_auto_free char *list = weft_strv_some(&without, NAMES_SHOWN);

        weft_strv_addf(&nodes->notes, "there is no price of %s", list);
    }
    return 0;
}
