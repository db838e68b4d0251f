/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which QEMU on which CPU model is measured for a platform: all that are at hand, or the one that a
 * build would use.
 */
#ifndef WEFT_BENCH_TARGET_H
#define WEFT_BENCH_TARGET_H

#include <stdbool.h>

#include "base/answers.h"
#include "base/str.h"
#include "bench/result.h"
#include "binfmt/qemu.h"
#include "platforms/cpu.h"
#include "platforms/speeds.h"

struct weft_err;

/** What targets are chosen from. All borrowed. */
struct weft_targets {
    struct weft_answers *answers;
    const struct weft_qemus *qemus;
    const struct weft_strv *wanted;        /* versions or directories of QEMUs; empty: all */
    const struct weft_cpu_choices *chosen; /* what a build would be given */
    const struct weft_speeds *speeds;      /* measured before, for the choice "fastest" */
    const struct weft_strv *candidates;    /* as of --cpu, each another one; empty: baseline, max */
    bool only_chosen; /* the QEMU and model of a build alone; `candidates` is not used */
};

/**
 * Add the targets of platform p to the result. Returns their number; 0 where there is no QEMU for
 * p's machine, or none with a model that is asked for: *why (caller frees). Errors: WEFT_E_USAGE (a
 * candidate that is no choice of a CPU model; only_chosen: as of weft_emulator_choose).
 */
int weft_targets_add(const struct weft_targets *from, const struct weft_platform_info *p,
                     struct weft_bench_result *result, char **why, struct weft_err **err);

#endif
