/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of benchmarks, made by hand: each kernel takes as long natively, and under QEMU, as the
 * test says.
 */
#ifndef WEFT_TESTS_UNIT_BENCH_FIXTURE_H
#define WEFT_TESTS_UNIT_BENCH_FIXTURE_H

#include "bench/result.h"

/** A result of an amd64 machine with four CPUs that has run nothing. The caller finishes it. */
struct weft_bench_result bench_result(const char *node, const char *pool, const char *cpu);

/**
 * Add a target with the kernels of a quick run. Returns it; good until the next one is added.
 * @param native_ns, emulated_ns per iteration; the i-th kernel takes i + 1 times as long
 * @param spread 0.1: samples are up to 10 % off on either side
 * @param iterations of each run
 */
struct weft_bench_target *bench_target(struct weft_bench_result *r, const char *platform,
                                       const char *model, double native_ns, double emulated_ns,
                                       double spread, uint64_t iterations);

/** Add a kernel to a target. Returns it; good until the next one is added. */
struct weft_bench_kernel *bench_kernel(struct weft_bench_target *t, const char *name,
                                       double native_ns, double emulated_ns, double spread,
                                       uint64_t iterations);

/** Take the times of a kernel away, since it did wrong. */
void bench_fail(struct weft_bench_target *t, const char *kernel, const char *failure);

/** Take a kernel away. */
void bench_drop(struct weft_bench_target *t, const char *kernel);

#endif
