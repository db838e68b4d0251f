/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the RUN steps of a build took, read from the progress of its platforms
 * (engine/progress_model.h), and how an emulated platform compares to a native one. Only steps that
 * were run count, none from the cache, and none of a stage that is pinned to another platform: that
 * one runs on another CPU. BuildKit names the platform of a stage in builds of several platforms
 * only. Pure.
 */
#ifndef WEFT_ENGINE_RUN_TIMES_H
#define WEFT_ENGINE_RUN_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/progress_model.h"
#include "platforms/platform.h"

enum {
    /* Native time that two platforms are compared from. Starting the container takes 0.1 s to 0.2 s
     * of a step on both sides alike: of less than this, that is too much. */
    WEFT_RUN_COMPARED_MS = 1000
};

/** Whether a RUN step of platform p has begun to run in its lane. */
bool weft_run_started(const struct weft_lane *lane, const struct weft_platform *p);

/** How long the RUN steps of p took, all together. */
int64_t weft_run_ms(const struct weft_lane *lane, const struct weft_platform *p);

/** How long those RUN steps took that ran on both of two platforms: the same instruction of the
 * same stage. */
struct weft_run_comparison {
    int64_t ms;
    int64_t native_ms;
};

/** Compare an emulated platform's lane to a native one's. Returns whether there is enough to
 * compare. */
bool weft_run_compare(const struct weft_lane *lane, const struct weft_platform *p,
                      const struct weft_lane *native, const struct weft_platform *native_p,
                      struct weft_run_comparison *out);

/** A ratio as precise as an expectation is: "1.4", "9", "31". Caller frees. */
char *weft_run_about(double ratio);

/**
 * "RUN steps took 52.1 s, 8.7 times as long as on linux/amd64 (expected about 9)".
 * @param expected 0: nothing was
 * Caller frees.
 */
char *weft_run_verdict(const struct weft_run_comparison *c, const struct weft_platform *native_p,
                       double expected);

#endif
