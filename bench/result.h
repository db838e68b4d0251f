/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a benchmark: what was measured on which machine, every sample of it, as data and as
 * JSON (bench/result.schema.json), written and read. Measures nothing, and knows no directory.
 */
#ifndef WEFT_BENCH_RESULT_H
#define WEFT_BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/str.h"
#include "bench/facts.h"
#include "bench/stats.h"
#include "platforms/catalogue.h"

struct weft_err;
struct weft_json;

enum {
    WEFT_BENCH_SCHEMA = 1
};

/** A native and an emulated run of the same work, one right after the other. */
struct weft_bench_sample {
    uint64_t native_ns;
    uint64_t emulated_ns;
    double stolen; /* of the CPU's time meanwhile, 0 to 1 */
    bool counted;  /* false: too much was stolen, and there are others */
};

/** A kernel under one target. */
struct weft_bench_kernel {
    char *name;
    bool plain;          /* the compiler's default code, where others are a distribution's */
    uint64_t iterations; /* of each run; 0: it never got so far */
    struct weft_bench_sample *samples;
    size_t n;
    struct weft_ratio ratio; /* of the counted samples; 0: there are none */
    double mhz;              /* of the CPU, after the last sample; 0: not known */
    struct weft_strv noise;  /* why the ratio is not to be trusted much; none: it is */
    char *failure;           /* it did wrong: how. It has no time then */
    char *skipped;           /* it was not run: why */
};

/** What emulates a platform: a QEMU on a CPU model. */
struct weft_bench_target {
    const struct weft_platform_info *platform;
    char *qemu;    /* path */
    char *version; /* NULL: not known */
    char *model;
    char *programs; /* that were run (bench/kernels.h): "aarch64", "armhf"; NULL: not known */
    struct weft_bench_kernel *kernels;
    size_t n;
    struct weft_ratio mean; /* geometric, over the kernels that have a ratio; 0: none has */
};

/** Start from {0}; end with weft_bench_result_finish. */
struct weft_bench_result {
    char *weft; /* version that measured; NULL: this one */
    struct weft_facts machine;
    time_t started;
    double seconds;
    bool quick;
    bool interrupted;
    bool failed; /* a kernel did wrong */
    int cpu;     /* that everything ran on */
    double load_before, load_after;
    double stolen; /* of the CPU's time, over all of it */
    struct weft_bench_target *targets;
    size_t n;
    struct weft_strv skipped; /* "linux/386: runs natively": what was not measured at all */
};

void weft_bench_kernel_finish(struct weft_bench_kernel *k);
void weft_bench_target_finish(struct weft_bench_target *t);
void weft_bench_result_finish(struct weft_bench_result *r);

/** What a target is, as the beginning of a JSON object: platform, QEMU and CPU model. New value. */
struct weft_json *weft_bench_target_json(const struct weft_bench_target *t);

/** "QEMU 7.2.22 on cortex-a53". Fit for a terminal. Caller frees. */
char *weft_bench_target_how(const struct weft_bench_target *t);

/** Whether both are the same platform, QEMU program, version and CPU model. */
bool weft_bench_target_same(const struct weft_bench_target *a, const struct weft_bench_target *b);

/** Whether the kernel has a ratio that counts in a mean: it did right, and is of the code that a
 * distribution has. */
bool weft_bench_kernel_counts(const struct weft_bench_kernel *k);

/** Set k->ratio from its samples that count. Returns their number. */
size_t weft_bench_kernel_sum_up(struct weft_bench_kernel *k);

/** The geometric mean of the ratios of kernels[n], each of which has samples that count; 0: n is 0.
 */
struct weft_ratio weft_bench_kernels_mean(const struct weft_bench_kernel *const *kernels, size_t n);

/** Set target->mean from its kernels. */
void weft_bench_target_sum_up(struct weft_bench_target *target);

/** As JSON, schema WEFT_BENCH_SCHEMA. New value. */
struct weft_json *weft_bench_result_json(const struct weft_bench_result *r);

/**
 * Read such a JSON, which anybody may have written: of another weft, cut off, or made to harm. What
 * is not as the schema says is an error; keys that are not known are left out, and so are targets
 * of platforms that are not in the catalogue. Ratios and means that are not those of the samples
 * are computed anew.
 * @param out zeroed; untouched on failure
 * Errors: WEFT_E_FORMAT (where in it, and what is wrong; a schema of a newer weft).
 */
int weft_bench_result_parse(const struct weft_json *j, struct weft_bench_result *out,
                            struct weft_err **err);

/** The same, but ratios and means are those that are written there: for what this machine's weft
 * has kept, of which a hundred are to be read in no time. */
int weft_bench_result_parse_kept(const struct weft_json *j, struct weft_bench_result *out,
                                 struct weft_err **err);

/** As weft_bench_result_parse for a file, of at most 16 MiB, or "-": standard input. Errors: also
 * WEFT_E_IO; all name the file. */
int weft_bench_result_load(const char *path, struct weft_bench_result *out, struct weft_err **err);

#endif
