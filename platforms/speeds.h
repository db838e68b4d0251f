/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What emulation costs on this machine, as far as it was measured: a table of QEMU programs and CPU
 * models for each platform, with how many times longer programs take under them. Pure;
 * bench/profile.h fills it.
 */
#ifndef WEFT_PLATFORMS_SPEEDS_H
#define WEFT_PLATFORMS_SPEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "platforms/catalogue.h"

/** Two runs of the same on one machine may differ by this factor, which the interval of either does
 * not show: less is a tie. */
#define WEFT_SPEEDS_BETWEEN_RUNS 1.02

/** One QEMU on one CPU model. Figures of one platform are comparable to each other. */
struct weft_speed {
    const struct weft_platform_info *platform;
    char *qemu;       /* its path */
    char *version;    /* or NULL */
    char *model;      /* or NULL: QEMU's default */
    double ratio;     /* to native, geometric mean; > 0 */
    double low, high; /* its 95 % interval */
    time_t measured;
};

/** Start from {0}; end with weft_speeds_finish. */
struct weft_speeds {
    struct weft_speed *v;
    size_t n;
};

/** Add one; strings are copied. One of the same platform, QEMU, version and model is replaced. */
void weft_speeds_add(struct weft_speeds *s, const struct weft_speed *one);
void weft_speeds_finish(struct weft_speeds *s);

/** The figure for exactly this; NULL: it was not measured. Borrowed; `s` may be NULL. */
const struct weft_speed *weft_speeds_find(const struct weft_speeds *s,
                                          const struct weft_platform_info *p, const char *qemu,
                                          const char *version, const char *model);

/**
 * Which of two is faster: < 0: a; > 0: b; 0: not known (one of them is NULL), or a tie: their
 * intervals overlap, or they differ by 2 % at most.
 */
int weft_speeds_rank(const struct weft_speed *a, const struct weft_speed *b);

#endif
