/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What machines cost per hour, in whatever money: as a user gives it, on the command line or in a
 * file, and which node that is the price of. Pure.
 */
#ifndef WEFT_BENCH_PRICES_H
#define WEFT_BENCH_PRICES_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/nodes.h"

struct weft_err;

/** What a machine costs per hour. */
struct weft_price {
    char *name; /* of a node, a pool, or an instance type */
    double price;
    bool listed; /* in a file, which may have the prices of other machines too */
};

/** Start from {0}; end with weft_prices_finish. */
struct weft_prices {
    struct weft_price *v;
    size_t n;
};

/** Add "NAME=0.34"; the name may have a "=" in it. Errors: WEFT_E_USAGE. */
int weft_prices_add(struct weft_prices *prices, const char *text, struct weft_err **err);

/**
 * Add those of a CSV file: a line is NAME,PRICE; empty ones and those that begin with # say
 * nothing, and the first one may be a header.
 * @param text of len bytes; `path` is for errors
 * Errors: WEFT_E_USAGE (with the line; there is no price in it).
 */
int weft_prices_read(struct weft_prices *prices, const char *text, size_t len, const char *path,
                     struct weft_err **err);

void weft_prices_finish(struct weft_prices *prices);

/**
 * Give each node its price: that of its name, else of its pool, else of its instance type; where
 * one is given several times, the last one. Errors: WEFT_E_USAGE (a price that is not of a list, or
 * each of a list, is of no node; with the nearest name).
 */
int weft_nodes_set_prices(struct weft_nodes *nodes, const struct weft_prices *prices,
                          struct weft_err **err);

#endif
