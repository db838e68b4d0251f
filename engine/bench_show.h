/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a benchmark as text: ratios with their intervals, and what they come to in words.
 */
#ifndef WEFT_ENGINE_BENCH_SHOW_H
#define WEFT_ENGINE_BENCH_SHOW_H

#include <stdio.h>

#include "bench/profile.h"
#include "bench/result.h"

/** Print all of it. */
void weft_bench_show(const struct weft_bench_result *r, FILE *out);

/** A ratio in three significant digits: "9.04x", "31.2x", "112x". Caller frees. */
char *weft_bench_show_times(double ratio);

/** "8.90x to 9.20x". Caller frees. */
char *weft_bench_show_interval(const struct weft_ratio *r);

/** Money: three significant digits or more, never in powers of ten; "" for none. Caller frees. */
char *weft_bench_show_cost(double cost);

/**
 * What was found out about the platform of targets[n], all of one platform, in words: how much
 * slower programs are under the best, and how the others compare to it. Targets with a kernel that
 * did wrong are not ranked; those whose intervals overlap, or that differ by no more than two runs
 * do, are called equal. Caller frees.
 */
char *weft_bench_show_verdict(const struct weft_bench_target *targets, size_t n);

/** How each target agrees with the last run on this machine that measured it too, a line each; and
 * that there is none to compare with, where no target has one. @param last[r->n] as of
 * weft_profile_compare_last */
void weft_bench_show_last(const struct weft_bench_result *r, const struct weft_profile_change *last,
                          FILE *out);

#endif
