/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest program of each machine: a whole ELF file of some 100 bytes that exits with
 * WEFT_PROBE_EXIT and needs nothing. Running one shows what no table can: that this CPU and kernel
 * run a machine's programs, that a QEMU starts, that a CPU model is silent, that a handler works.
 */
#ifndef WEFT_BINFMT_PROBE_H
#define WEFT_BINFMT_PROBE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "platforms/catalogue.h"

struct weft_err;

enum {
    WEFT_PROBE_EXIT = 42,
    WEFT_PROBE_SIZE_MAX = 192 /* no program is larger */
};

/** Lay out the program of a machine; every machine of the catalogue has one. Returns its length. */
size_t weft_probe_program(const struct weft_machine *m, unsigned char out[WEFT_PROBE_SIZE_MAX]);

/** Whether this CPU and kernel run programs of m themselves: a program that every binfmt_misc
 * handler leaves alone (its e_ident padding is marked) is run. At most 10 s. Thread: any. */
bool weft_probe_native(const struct weft_machine *m);

/**
 * Run the program under an interpreter, as "INTERPRETER [ARG...] PROGRAM". At most 10 s. Thread:
 * any. The program lies in $TMPDIR meanwhile.
 * @param args NULL-terminated; NULL: none
 * @param cancel once true, the run is ended; or NULL
 * @param said what it wrote to stdout and stderr (the first 1 MiB), "" when silent; caller frees
 * Returns its exit code, or 128 + signal. Errors: WEFT_E_CHILD (it cannot be started: sys is errno;
 * or hangs), WEFT_E_CANCELLED, WEFT_E_IO.
 */
int weft_probe_run(const struct weft_machine *m, const char *interpreter, char *const *args,
                   const atomic_bool *cancel, char **said, struct weft_err **err);

#endif
