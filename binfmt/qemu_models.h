/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU models a QEMU program has and starts with in silence, and which of them a choice of the
 * user comes to. Runs QEMU; what it said is kept (base/answers.h). `cancel`: once true, QEMU is
 * ended, with WEFT_E_CANCELLED; or NULL. One that has timed out is not run again (binfmt/qemu.h).
 */
#ifndef WEFT_BINFMT_QEMU_MODELS_H
#define WEFT_BINFMT_QEMU_MODELS_H

#include <stdatomic.h>

#include "base/answers.h"
#include "base/str.h"
#include "platforms/cpu.h"

struct weft_err;

/** The models that `program` lists. Errors: WEFT_E_CHILD. */
int weft_qemu_models(struct weft_answers *a, const char *program, const atomic_bool *cancel,
                     struct weft_strv *models, struct weft_err **err);

/**
 * Whether `program` starts with "-cpu MODEL", silently and in working order, shown by running the
 * machine's probe (binfmt/probe.h). What it prints it would print at each start, into the output of
 * the user's programs. Returns 1; 0 and *why (caller frees; one line); -1 WEFT_E_CHILD.
 */
int weft_qemu_model_usable(struct weft_answers *a, const char *program,
                           const struct weft_machine *m, const char *model,
                           const atomic_bool *cancel, char **why, struct weft_err **err);

/**
 * The model that `choice` comes to for platform p under `program`: the first usable one of the
 * catalogue's list for a policy, which is not WEFT_CPU_FASTEST (weft_emulator_model knows that
 * one); for a name, that one. *model (caller frees). Errors: WEFT_E_USAGE
 * (this QEMU has no such model: the nearest that it has; it is not silent; it is too weak for p:
 * those that fit); WEFT_E_UNSUPPORTED (no model of the policy; or the program
 * does not run the machine's probe at all: how it ended, and the first line it said);
 * WEFT_E_CHILD.
 */
int weft_qemu_model_for(struct weft_answers *a, const char *program,
                        const struct weft_platform_info *p, const struct weft_cpu_choice *choice,
                        const atomic_bool *cancel, char **model, struct weft_err **err);

#endif
