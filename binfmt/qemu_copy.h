/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU under control: a copy of a static QEMU program with one more segment, the stub
 * (binfmt/stub/), at which it starts: it puts "-cpu MODEL" behind argv[0] and goes on to QEMU's own
 * entry. binfmt_misc passes no arguments, and the environment does not reach everywhere. Copies are
 * made once, named by content, and tried before they are used.
 */
#ifndef WEFT_BINFMT_QEMU_COPY_H
#define WEFT_BINFMT_QEMU_COPY_H

#include "base/answers.h"
#include "platforms/catalogue.h"

struct weft_err;

/**
 * The copy of `program` that runs programs of m on `model`, in the directory `dir` (made where it
 * is missing, 0700). Makes it unless it is there: written under another name, run once, then
 * renamed, so that two that make it at once do no harm. Returns its path (caller frees), or NULL.
 * Errors: WEFT_E_UNSUPPORTED (no program that this can be done to: the message says why);
 * WEFT_E_CHILD (the copy does not run); WEFT_E_IO.
 */
char *weft_qemu_copy(const char *dir, struct weft_answers *a, const char *program,
                     const struct weft_machine *m, const char *model, struct weft_err **err);

/** Remove the copies in dir that were not used for `days`. Best effort. */
void weft_qemu_copies_trim(const char *dir, int days);

#endif
