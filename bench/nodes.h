/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes of a comparison: from results that were read, with a name and a pool for each. Knows
 * how several results of one machine become one. Pure.
 */
#ifndef WEFT_BENCH_NODES_H
#define WEFT_BENCH_NODES_H

#include <stddef.h>

#include "base/str.h"
#include "bench/compare.h"

struct weft_nodes_source;

/** Start from {0}; end with weft_nodes_finish. */
struct weft_nodes {
    struct weft_compare_node *v; /* after weft_nodes_settle */
    size_t n;
    struct weft_strv notes;          /* what became of the results, a sentence each */
    struct weft_nodes_source *files; /* one for each of v, after settling; else for each result */
    size_t n_files;
};

/** Add a result, whose content this takes; *r is {0} after. @param file where it is from: a path,
 * or "-" */
void weft_nodes_add(struct weft_nodes *nodes, const char *file, struct weft_bench_result *r);

/**
 * Make nodes of the results, once.
 *
 * A result is left out if it is the same as another one. Results that have the same machine.node
 * and the same CPU are of one node; of each target (platform, QEMU version, CPU model) the newest
 * counts, but one with too few kernels for a ranking only where there is no other. All others are
 * nodes of their own: their name is machine.node, else the instance type, else the file's name
 * without ".json". Where several have the same name, the CPU (of the same machine.node), the file's
 * name or its path is added.
 */
void weft_nodes_settle(struct weft_nodes *nodes);

void weft_nodes_finish(struct weft_nodes *nodes);

#endif
