/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU under control: a copy of a static QEMU program with one more segment, the stub
 * (binfmt/stub/), at which it starts: it puts "-cpu MODEL" behind argv[0] and goes on to QEMU's own
 * entry. binfmt_misc passes no arguments, and the environment does not reach everywhere. Copies are
 * made once, named by content, and tried before they are used.
 */
#ifndef WEFT_BINFMT_QEMU_COPY_H
#define WEFT_BINFMT_QEMU_COPY_H

#include <stdbool.h>

#include "base/answers.h"
#include "base/state.h"
#include "platforms/catalogue.h"

struct weft_err;

/** STATE/qemu: the copies, and what is known of QEMUs. It can be removed at any time while no
 * worker is up. */
extern const struct weft_state_part weft_qemu_state;

/**
 * What QEMUs have said and been found to do, in the state directory `state` (NULL: in memory only).
 * @param make the directory where it is missing; else what is found then is kept in memory only
 * Where it cannot be used, but for another reason than a newer weft, it goes without. Errors:
 * WEFT_E_UNSUPPORTED. Caller: weft_answers_destroy.
 */
struct weft_answers *weft_qemu_answers(const char *state, bool make, struct weft_err **err);

/**
 * The copy of `program` that runs programs of m on `model`, in the directory `dir` (made where it
 * is missing, 0700): DIR/HASH/qemu-aarch64, readable by all. Makes it unless it is there and good:
 * written under another name, run with a model that does not exist and with this one, then renamed,
 * so that two that make it at once do no harm; one that is there already is not replaced by an
 * equal one. Some 50 ms; later calls look at two files. Returns its path (caller frees), or NULL.
 * Errors: WEFT_E_UNSUPPORTED (no program that this can be done to: the message says why);
 * WEFT_E_CHILD (the copy does not run, or has no such model); WEFT_E_USAGE (a model that is not one
 * word); WEFT_E_IO. Thread: any.
 */
char *weft_qemu_copy(const char *dir, struct weft_answers *a, const char *program,
                     const struct weft_machine *m, const char *model, struct weft_err **err);

/** Remove the copies in dir that weft_qemu_copy has not given out for `days`, and what is left of
 * attempts; nothing while another process makes one. Best effort. */
void weft_qemu_copies_trim(const char *dir, int days);

#endif
