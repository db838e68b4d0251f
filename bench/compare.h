/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many nodes' results against each other: for each platform, on which node its builds take least
 * time, and where they cost least. Pure: knows neither files nor how it is shown.
 *
 * A node runs a platform natively, or under the best QEMU and CPU model that it has measured. Its
 * figure is the time of the kernels (native runs, or emulated ones), per iteration, relative to the
 * node that is fastest for the platform: the geometric mean over the kernels that all nodes
 * compared for the platform have, with a 95 % bootstrap interval from the samples of both. Two
 * nodes are a tie where the interval of one's time relative to the other's has 1 in it, or they
 * differ by 2 % at most, as two runs of one node may.
 */
#ifndef WEFT_BENCH_COMPARE_H
#define WEFT_BENCH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "bench/result.h"
#include "bench/stats.h"

struct weft_err;

/** What is compared. Borrowed. The strings are fit for a terminal. */
struct weft_compare_node {
    const struct weft_bench_result *result;
    const char *name; /* unique; from the result (node, instance type) or its file's name */
    const char *pool; /* nodes of one kind: the pool, else the instance type, else the CPU */
    double price;     /* per hour, in whatever money; 0: not known */
};

/** A node's figure for a platform. */
struct weft_compare_entry {
    size_t node;                            /* index */
    bool native;                            /* else by: */
    const struct weft_bench_target *target; /* NULL: native; borrowed */
    struct weft_ratio time;                 /* 1: the fastest node's; more is slower */
    size_t rank;       /* from 1; those that tie with the first of a group share it: 1, 1, 3 */
    double *by_kernel; /* for each of the platform's kernels, its time; 1: the first entry's */
    struct weft_ratio slowdown; /* emulated to native on this very node; 0: native */
    double cost; /* of the work that keeps one CPU of the fastest node busy for an hour:
                    price / CPUs x time; 0: there is no price */
    bool noisy;  /* a kernel of it was marked as noisy */
};

/** A pool's figure for a platform: the medians over its nodes. */
struct weft_compare_pool {
    const char *name; /* borrowed from a node */
    size_t n;         /* nodes of it that run the platform */
    double time;
    double cost;                /* 0: no node of it has a price */
    double cost_low, cost_high; /* medians of the ends of the intervals */
};

/** A node without a figure. */
struct weft_compare_missing {
    size_t node;
    char *why;   /* "interp failed: a wrong result ...", "not measured" */
    bool failed; /* a kernel did wrong */
};

/** Ranking for one platform. */
struct weft_compare_platform {
    const struct weft_platform_info *platform;
    struct weft_strv kernels;           /* over which is averaged */
    struct weft_compare_entry *entries; /* fastest first */
    size_t n;                           /* 0: no node has a figure, and `missing` says why */
    struct weft_compare_pool *pools;    /* cheapest first; then those without a price, fastest
                                           first */
    size_t n_pools;
    struct weft_compare_missing *missing; /* in the order of the nodes */
    size_t n_missing;
};

/** Start from {0}; end with weft_comparison_finish, before the nodes and results go. */
struct weft_comparison {
    const struct weft_compare_node *nodes;
    size_t n_nodes;
    struct weft_compare_platform *platforms; /* in the order of the catalogue */
    size_t n;
    struct weft_strv notes; /* what to know when reading it, a sentence each */
};

/**
 * Compare nodes[n], n >= 1.
 * @param only names of platforms in normal form, the only ones to compare; empty: all that a node
 * has measured or runs natively
 * A figure takes the kernels of a quick run at least, none of which went wrong. Errors:
 * WEFT_E_USAGE (two nodes of the same name; one of `only` is not known, or no node has a figure for
 * it; no node has any figure).
 */
int weft_compare(const struct weft_compare_node *nodes, size_t n, const struct weft_strv *only,
                 struct weft_comparison *out, struct weft_err **err);
void weft_comparison_finish(struct weft_comparison *c);

/** What runs the programs: "native", "QEMU 7.2.22 on cortex-a53". Fit for a terminal. Caller frees.
 */
char *weft_compare_how(const struct weft_compare_entry *e);

/** What it comes to in plain words, a sentence or two for each platform: the fastest, what ties
 * with it, the cheapest. One string per platform. */
void weft_comparison_verdict(const struct weft_comparison *c, struct weft_strv *sentences);

#endif
