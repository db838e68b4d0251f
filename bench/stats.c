/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* The interval leaves out as much on each side, and that is so many standard deviations away. */
#define TAIL 0.025
#define Z 1.959964

enum {
    FEW = 256 /* of which a draw from 16 bits is fair to a part in 256 */
};

/* Marsaglia's xorshift with 64 bits. Where it starts does not matter, but has to be the same each
 * time, and not 0. */
struct random {
    uint64_t state;
};

static const uint64_t seed = 88172645463325252ULL;

/* Streams start far from each other: Steele, Lea and Flood's mix of 64 bits. */
static struct random random_of(uint64_t stream)
{
    uint64_t x = stream * 0x9e3779b97f4a7c15ULL;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x = (x ^ (x >> 31)) ^ seed;
    return (struct random){x ? x : seed};
}

static uint64_t next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double weft_stats_median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double median_of_sorted(const struct weft_stats_set *set)
{
    const double *v = set->ratios;

    return set->n % 2 ? v[set->n / 2] : (v[set->n / 2 - 1] + v[set->n / 2]) / 2;
}

/* The n-th smallest, from 0, of what was drawn: `drawn` says of each how often. */
static double nth(const struct weft_stats_set *set, const size_t *drawn, size_t n)
{
    size_t i = 0;

    for (size_t sum = drawn[0]; sum <= n; sum += drawn[i]) {
        i++;
    }
    return set->ratios[i];
}

/* Draw n times one of n. Most of the time of a comparison goes here: 64 bits are good for four
 * draws from a few. */
static void draw_all(struct random *r, size_t n, size_t *drawn)
{
    size_t i = 0;

    memset(drawn, 0, n * sizeof(*drawn));
    for (; n <= FEW && i + 4 <= n; i += 4) {
        uint64_t bits = next(r);

        drawn[((bits & 0xffff) * n) >> 16]++;
        drawn[((bits >> 16 & 0xffff) * n) >> 16]++;
        drawn[((bits >> 32 & 0xffff) * n) >> 16]++;
        drawn[((bits >> 48) * n) >> 16]++;
    }
    for (; i < n; i++) {
        drawn[((next(r) >> 32) * n) >> 32]++;
    }
}

/* Of a sorted set. It is not sorted again. */
static double median_of_resample(const struct weft_stats_set *set, struct random *r, size_t *drawn)
{
    size_t n = set->n;

    draw_all(r, n, drawn);
    return n % 2 ? nth(set, drawn, n / 2)
                 : (nth(set, drawn, n / 2 - 1) + nth(set, drawn, n / 2)) / 2;
}

/*
 * What the interval of one median of n has to leave out on each side: with TAIL itself, that of
 * seven pairs has the true ratio in it in 87 % of all cases. So the percentiles are moved out by
 * what Student's t is beyond the normal distribution, and by the variance that a resample lacks
 * (Hesterberg's expanded percentiles); then it is at least 94 %, from five pairs on. The t is the
 * expansion by degrees of freedom, off by 1 % for 4.
 */
static double tail_of_median(size_t n)
{
    double df = (double)n - 1;
    double t = Z + (pow(Z, 3) + Z) / (4 * df) +
               (5 * pow(Z, 5) + 16 * pow(Z, 3) + 3 * Z) / (96 * df * df);

    return n > 1 ? erfc(t * sqrt((double)n / df) / sqrt(2)) / 2 : TAIL;
}

/* Neither end is beyond the ratio itself: with few pairs a percentile can be. */
static void set_interval(double *figures, double tail, struct weft_ratio *out)
{
    size_t cut = (size_t)(tail * WEFT_STATS_RESAMPLES);

    qsort(figures, WEFT_STATS_RESAMPLES, sizeof(*figures), compare);
    out->low = fmin(figures[cut], out->ratio);
    out->high = fmax(figures[WEFT_STATS_RESAMPLES - 1 - cut], out->ratio);
}

struct weft_ratio weft_stats_ratio(const double *ratios, size_t n)
{
    return weft_stats_mean(&(struct weft_stats_set){ratios, n}, 1);
}

/* Sorted copies of sets[n], which share one array: *values. Caller frees both. */
static struct weft_stats_set *sort_sets(const struct weft_stats_set *sets, size_t n,
                                        double **values)
{
    struct weft_stats_set *sorted = weft_xcalloc(n, sizeof(*sorted));
    size_t all = 0;
    double *at;

    for (size_t k = 0; k < n; k++) {
        all += sets[k].n;
    }
    at = *values = weft_xcalloc(all, sizeof(*at));
    for (size_t k = 0; k < n; k++) {
        memcpy(at, sets[k].ratios, sets[k].n * sizeof(*at));
        qsort(at, sets[k].n, sizeof(*at), compare);
        sorted[k] = (struct weft_stats_set){at, sets[k].n};
        at += sets[k].n;
    }
    return sorted;
}

void weft_stats_resample(const struct weft_stats_set *sets, size_t n, uint64_t stream,
                         struct weft_stats_spread *out)
{
    weft_auto_free double *values = NULL;
    weft_auto_free struct weft_stats_set *sorted = sort_sets(sets, n, &values);
    weft_auto_free size_t *drawn = NULL;
    struct random r = random_of(stream);
    size_t most = 0;
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        most = sorted[k].n > most ? sorted[k].n : most;
        sum += log(median_of_sorted(&sorted[k]));
    }
    drawn = weft_xcalloc(most, sizeof(*drawn));
    out->mean = exp(sum / (double)n);
    for (size_t i = 0; i < WEFT_STATS_RESAMPLES; i++) {
        sum = 0;
        for (size_t k = 0; k < n; k++) {
            sum += log(median_of_resample(&sorted[k], &r, drawn));
        }
        out->resampled[i] = exp(sum / (double)n);
    }
}

struct weft_ratio weft_stats_mean(const struct weft_stats_set *sets, size_t n)
{
    weft_auto_free struct weft_stats_spread *spread = weft_xcalloc(1, sizeof(*spread));
    struct weft_ratio out = {0};

    weft_stats_resample(sets, n, 0, spread);
    out.ratio = spread->mean;
    set_interval(spread->resampled, n == 1 ? tail_of_median(sets[0].n) : TAIL, &out);
    return out;
}

struct weft_ratio weft_stats_quotient(const struct weft_stats_spread *a,
                                      const struct weft_stats_spread *b)
{
    weft_auto_free double *figures = weft_xcalloc(WEFT_STATS_RESAMPLES, sizeof(*figures));
    struct weft_ratio out = {.ratio = a->mean / b->mean};

    for (size_t i = 0; i < WEFT_STATS_RESAMPLES; i++) {
        figures[i] = a->resampled[i] / b->resampled[i];
    }
    set_interval(figures, TAIL, &out);
    return out;
}
