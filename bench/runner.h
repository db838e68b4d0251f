/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures: each kernel natively and under each target, in pairs of runs on one CPU, until the
 * ratio is known well enough or it has taken too long. Fills a result that says what is to be
 * measured. Knows no command line and draws nothing.
 */
#ifndef WEFT_BENCH_RUNNER_H
#define WEFT_BENCH_RUNNER_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/answers.h"
#include "bench/kernels.h"
#include "bench/result.h"

struct weft_err;

/** A kernel under a target begins; `done` of `total` are over. Thread: the one that measures. */
typedef void weft_runner_progress_fn(const struct weft_bench_target *target, const char *kernel,
                                     size_t done, size_t total, void *data);

/** How to measure. All borrowed. */
struct weft_runner {
    const struct weft_platform_info *native; /* whose kernels are the measure */
    const struct weft_kernels *kernels;
    const struct weft_strv *only; /* names of kernels; empty: all, or the quick ones */
    const char *handlers;    /* a binfmt_misc of our own (binfmt/unshare.h); NULL: there is none */
    const char *no_handlers; /* then: why */
    const char *copies_dir;  /* of QEMU (binfmt/qemu_copy.h), for handlers */
    struct weft_answers *answers;
    const atomic_bool *cancel;
    weft_runner_progress_fn *progress; /* or NULL */
    void *data;
};

/**
 * Measure what result->targets asks for; result->quick is as the caller has set it. Binds the
 * calling thread to one CPU meanwhile. What goes wrong with a kernel is in the result; when
 * cancelled, what has been measured so far, and it says so. Errors: WEFT_E_UNSUPPORTED (no CPU can
 * be bound to). Thread: any; all children are its own.
 */
int weft_runner_measure(const struct weft_runner *runner, struct weft_bench_result *result,
                        struct weft_err **err);

#endif
