/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of paired times: how many times longer something takes under emulation, and how well
 * that is known. A ratio is the median over pairs of runs that were made one right after the other;
 * its interval is a 95 % bootstrap interval. Pure and deterministic: the same pairs give the same
 * figures on every machine.
 */
#ifndef WEFT_BENCH_STATS_H
#define WEFT_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

enum {
    WEFT_STATS_RESAMPLES = 2000
};

/** A ratio and the ends of its interval: low <= ratio <= high. */
struct weft_ratio {
    double ratio;
    double low;
    double high;
};

/** The median of v[n], n >= 1, which is sorted by it. */
double weft_stats_median(double *v, size_t n);

/** The median of the ratios[n] of pairs, n >= 1, each > 0, and its interval, from
 * WEFT_STATS_RESAMPLES samples drawn with replacement, wide enough for so few pairs. */
struct weft_ratio weft_stats_ratio(const double *ratios, size_t n);

/** The ratios of the pairs of one kernel. */
struct weft_stats_set {
    const double *ratios; /* each > 0; or times, for weft_stats_resample */
    size_t n;             /* >= 1 */
};

/** The geometric mean over sets[n] of the medians, n >= 1, and its interval, from samples drawn
 * from each set anew. */
struct weft_ratio weft_stats_mean(const struct weft_stats_set *sets, size_t n);

/** Such a mean, of ratios or of times, and what samples drawn anew make of it: to compare means of
 * measurements that have nothing to do with each other, as those of two machines. */
struct weft_stats_spread {
    double mean;
    double resampled[WEFT_STATS_RESAMPLES];
};

/**
 * Fill *out from sets[n], n >= 1.
 * @param stream any number, but another one for each of those that are compared: the same one would
 * draw alike from both
 */
void weft_stats_resample(const struct weft_stats_set *sets, size_t n, uint64_t stream,
                         struct weft_stats_spread *out);

/** a's mean divided by b's, and its interval. */
struct weft_ratio weft_stats_quotient(const struct weft_stats_spread *a,
                                      const struct weft_stats_spread *b);

#endif
