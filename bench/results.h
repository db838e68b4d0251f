/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results that are kept on this machine, in STATE/bench/results/TIME-PID.json; the oldest go
 * when there are too many. Files of other names there are somebody else's, and are left alone.
 */
#ifndef WEFT_BENCH_RESULTS_H
#define WEFT_BENCH_RESULTS_H

#include <stdbool.h>

#include "base/state.h"
#include "bench/result.h"

struct weft_err;

enum {
    WEFT_RESULTS_MAX = 100 /* kept */
};

/** STATE/bench. */
extern const struct weft_state_part weft_bench_state;

/**
 * Open the directory of benchmarks, made where it is missing.
 * @param state weft's state directory, made where it is missing
 * Returns STATE/bench; caller frees. NULL: WEFT_E_IO; WEFT_E_UNSUPPORTED (a newer weft keeps its
 * things there).
 */
char *weft_results_open(const char *state, struct weft_err **err);

/**
 * Keep a result, where an interrupted one is as welcome as others.
 * *path (caller frees): where it is. Errors: as of weft_results_open.
 */
int weft_results_keep(const char *state, const struct weft_bench_result *r, char **path,
                      struct weft_err **err);

/** A kept result, finished after the call: targets may be moved out of it, leaving {0}. Returns
 * whether to go on. */
typedef bool weft_results_fn(struct weft_bench_result *r, void *data);

/** Call fn for the kept results, the newest first, as weft_bench_result_parse_kept reads them; what
 * cannot be read is left out, with a line in the debug log. None, or none that can be listed: no
 * call. */
void weft_results_each(const char *state, weft_results_fn *fn, void *data);

#endif
