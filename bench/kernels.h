/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest programs that are measured (bench/kernels/), as installed: for each machine, and for
 * armhf, a program with all kernels in it, and programs that do nothing but start. Knows which ones
 * are a platform's, how they are run, natively or under QEMU, and what they have to answer.
 */
#ifndef WEFT_BENCH_KERNELS_H
#define WEFT_BENCH_KERNELS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platforms/catalogue.h"

struct weft_err;

/** One kernel. */
struct weft_kernel {
    char *name;
    char *description;
    uint64_t iterations; /* that take about 40 ms natively; a guess for another CPU than ours */
    const char *start;   /* the program whose start is measured, "start-dynamic"; NULL: a kernel of
                            the program with all of them; static */
    bool quick;          /* one of the few that a quick run measures */
};

/** Start from {0}; end with weft_kernels_finish. */
struct weft_kernels {
    struct weft_kernel *v;
    size_t n;
};

/** How programs are run. All borrowed. */
struct weft_kernel_side {
    const char *programs;   /* as of weft_kernels_programs */
    const char *qemu;       /* NULL: natively */
    const char *model;      /* NULL: QEMU's default */
    const char *no_handler; /* why programs of the guest cannot start others; NULL: they can */
    bool plain;      /* the compiler's default code, also where there is that of a distribution */
    bool soft_float; /* as of weft_kernels_soft_float */
};

/** What a run came to. Start from {0}; end with weft_kernel_run_finish. */
struct weft_kernel_run {
    uint64_t ns;
    char check[17]; /* 16 hex digits; "": a start, which has none */
    char *failure;  /* it did not do what it should: how; one line */
    bool wrong;     /* that is: it has found itself that its result is wrong */
    char *skipped;  /* it cannot be run here: why; one line */
};

/** Where they are: libexec/bench/. Caller frees. */
char *weft_kernels_dir(void);

/** Whether the kernel of this name has programs of the guest start others, which takes a handler
 * that runs them under the same QEMU and CPU model. */
bool weft_kernel_needs_handler(const char *name);

/** The names of those that a quick run measures. Constant. */
const char *const *weft_kernels_quick(size_t *n);

/**
 * Which programs are measured for a platform with a machine: the name of their directory. Those of
 * its Debian port where that is one of several of its machine ("armhf"), else the machine's
 * ("aarch64"; "arm", which is soft float, and so runs on every ARM CPU). Borrowed from p; NULL:
 * there are none.
 */
const char *weft_kernels_programs(const struct weft_platform_info *p);

/** Whether these programs compute in software what those of p's users have the CPU for: then
 * nothing is learnt from kernels that are about floating point. */
bool weft_kernels_soft_float(const struct weft_platform_info *p, const char *programs);

/** Whether there are programs compiled as distributions do, besides those of the compiler's
 * defaults. @param programs as of weft_kernels_programs */
bool weft_kernels_has_distribution(const char *programs);

/**
 * The kernels, as the programs of p, the native platform, list them. Errors: WEFT_E_UNSUPPORTED
 * (there are none), WEFT_E_CHILD, WEFT_E_FORMAT.
 */
int weft_kernels_list(const struct weft_platform_info *p, struct weft_kernels *out,
                      struct weft_err **err);
void weft_kernels_finish(struct weft_kernels *k);

/**
 * Run a kernel once, on the CPU that the calling thread is bound to. What goes wrong is in *out,
 * but for cancelling. @param timeout_ms > 0. Returns 0, or -1 with WEFT_E_CANCELLED. Thread: any.
 */
int weft_kernel_run(const struct weft_kernel *k, const struct weft_kernel_side *side,
                    uint64_t iterations, long timeout_ms, const atomic_bool *cancel,
                    struct weft_kernel_run *out, struct weft_err **err);
void weft_kernel_run_finish(struct weft_kernel_run *r);

#endif
