/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which program emulates a platform: of the QEMUs at hand the one that is asked for or ranked
 * first, the CPU model that the user's choice comes to, and the copy of QEMU that holds to it. Puts
 * together binfmt/qemu.h, qemu_models.h, health.h and qemu_copy.h, and what was measured on this
 * machine.
 */
#ifndef WEFT_BINFMT_EMULATOR_H
#define WEFT_BINFMT_EMULATOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/answers.h"
#include "binfmt/qemu.h"
#include "platforms/cpu.h"
#include "platforms/speeds.h"

struct weft_err;

/** What an emulator is chosen from. All borrowed; may be used from several threads at once. */
struct weft_emulators {
    struct weft_answers *answers;
    const struct weft_qemus *qemus;
    const struct weft_cpu_choices *cpu;
    const struct weft_speeds *speeds; /* measured on this machine; NULL: nothing was */
    const char *qemu;                 /* version or directory asked for; NULL: weft chooses */
    const char *copies_dir;    /* STATE/qemu; NULL: no copy is made, `program` is the plain QEMU */
    const atomic_bool *cancel; /* once true, QEMUs that are asked are ended; or NULL */
};

/** Start from {0}; end with weft_emulator_finish. */
struct weft_emulator {
    const struct weft_platform_info *platform;
    char *qemu;    /* the QEMU program */
    char *version; /* of it; NULL: it does not say */
    char *model;   /* the CPU model; NULL: QEMU's default, since no copy can be made */
    char *program; /* what is registered: the copy, or the plain QEMU */
    char *why;     /* why there is no copy; else NULL */
    char *unwell; /* what its health check found wrong, taken for want of a better one; else NULL */
    bool unmeasured; /* the fastest model was asked for, and too little was measured to know it */
};

/**
 * The model that the choice for p in from->cpu comes to under QEMU q: weft_qemu_model_for, and the
 * policy fastest. That one is the model with the least ratio of those measured for p under this q
 * that it can be held to and is not known to be bad on. The baseline's is taken where none is known
 * to be faster: others tie with it, or it was not measured, or nothing else was though there is
 * more to measure; *unmeasured (may be NULL) is set in the last two cases, and else cleared.
 * *model: caller frees. Errors: as of weft_qemu_model_for.
 */
int weft_emulator_model(const struct weft_emulators *from, const struct weft_qemu *q,
                        const struct weft_platform_info *p, char **model, bool *unmeasured,
                        struct weft_err **err);

/** Warn that the fastest model of p is not known, with the command that measures. */
void weft_emulator_warn_unmeasured(const struct weft_platform_info *p);

/**
 * Choose for platform p, the best ranked QEMU that is not known to be bad: what was measured here
 * goes before the built-in ranking. `check`: where there are
 * several, one whose health is not known is checked before it is taken (a second each); without
 * it, unknown counts as good. Where all are bad the best ranked is taken, and said to be unwell.
 * Returns 1; 0 where there is no QEMU for p's machine (*out untouched); -1. Errors: WEFT_E_USAGE
 * (none of the version or directory that is asked for; a model that they do not have),
 * WEFT_E_UNSUPPORTED (a CPU choice was given, and no copy can be made); WEFT_E_CHILD, WEFT_E_IO;
 * WEFT_E_CANCELLED.
 */
int weft_emulator_choose(const struct weft_emulators *from, const struct weft_platform_info *p,
                         bool check, struct weft_emulator *out, struct weft_err **err);
void weft_emulator_finish(struct weft_emulator *e);

#endif
