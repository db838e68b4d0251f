/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* The interval leaves out as much on each side. */
#define TAIL 0.025

/* Marsaglia's xorshift with 64 bits. Where it starts does not matter, but has to be the same each
 * time. */
struct random {
    uint64_t state;
};

static const uint64_t seed = 88172645463325252ULL;

static size_t draw(struct random *r, size_t below)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (size_t)((r->state >> 11) % below);
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

static double median_of(const struct weft_stats_set *set, double *room)
{
    for (size_t i = 0; i < set->n; i++) {
        room[i] = set->ratios[i];
    }
    return weft_stats_median(room, set->n);
}

static double median_of_resample(const struct weft_stats_set *set, struct random *r, double *room)
{
    for (size_t i = 0; i < set->n; i++) {
        room[i] = set->ratios[draw(r, set->n)];
    }
    return weft_stats_median(room, set->n);
}

/* Neither end is beyond the ratio itself: with few pairs a percentile can be. */
static void set_interval(double *figures, struct weft_ratio *out)
{
    size_t cut = (size_t)(TAIL * WEFT_STATS_RESAMPLES);

    qsort(figures, WEFT_STATS_RESAMPLES, sizeof(*figures), compare);
    out->low = fmin(figures[cut], out->ratio);
    out->high = fmax(figures[WEFT_STATS_RESAMPLES - 1 - cut], out->ratio);
}

struct weft_ratio weft_stats_ratio(const double *ratios, size_t n)
{
    return weft_stats_mean(&(struct weft_stats_set){ratios, n}, 1);
}

struct weft_ratio weft_stats_mean(const struct weft_stats_set *sets, size_t n)
{
    weft_auto_free double *figures = weft_xcalloc(WEFT_STATS_RESAMPLES, sizeof(*figures));
    weft_auto_free double *room = NULL;
    struct weft_ratio out = {0};
    struct random r = {seed};
    size_t most = 0;
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        most = sets[k].n > most ? sets[k].n : most;
    }
    room = weft_xcalloc(most, sizeof(*room));
    for (size_t k = 0; k < n; k++) {
        sum += log(median_of(&sets[k], room));
    }
    out.ratio = exp(sum / (double)n);
    for (size_t i = 0; i < WEFT_STATS_RESAMPLES; i++) {
        sum = 0;
        for (size_t k = 0; k < n; k++) {
            sum += log(median_of_resample(&sets[k], &r, room));
        }
        figures[i] = exp(sum / (double)n);
    }
    set_interval(figures, &out);
    return out;
}
