/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This machine's profile: what its kept results (bench/results.h) come to, in
 * STATE/bench/profile.json, so that a build need not read them. Written by `weft bench run`, read
 * by who chooses a QEMU or a CPU model, and by who tells a user what to expect.
 */
#ifndef WEFT_BENCH_PROFILE_H
#define WEFT_BENCH_PROFILE_H

#include "bench/result.h"
#include "platforms/speeds.h"

struct weft_err;

/**
 * Make it anew from the kept results of this machine (the same CPU): for each platform, QEMU and
 * CPU model the newest figure. So that those of a platform can be compared, each is the mean over
 * the kernels that all of them have, of the same weft and the same programs; one without the
 * kernels of a quick run is none, and one with a kernel that did wrong is none until a newer run
 * has figures: a wrong result is remembered elsewhere (weft_health_spoil). Errors: as of
 * weft_results_open.
 */
int weft_profile_update(const char *state, struct weft_err **err);

/** Read it. Leaves *out empty where there is none, it was made on another machine (the state may be
 * on a shared disk), or it cannot be read (a line in the debug log). */
void weft_profile_load(const char *state, struct weft_speeds *out);

/** How far two results of the same target are apart. */
struct weft_profile_change {
    time_t before;    /* when the earlier one was started */
    double part;      /* |now / then - 1| of the means over the kernels that both have */
    size_t n_kernels; /* that is how many; 0: there is no earlier one */
};

/** For each of the targets of a result the newest kept one before it that measured the same: the
 * same platform, programs, QEMU, version and model, on the same CPU, by the same weft.
 * @param out[now->n] filled */
void weft_profile_compare_last(const char *state, const struct weft_bench_result *now,
                               struct weft_profile_change *out);

#endif
