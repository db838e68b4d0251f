/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest program of each machine: a whole ELF file of some 100 bytes that exits with
 * WEFT_PROBE_EXIT and needs nothing. Running one shows what no table can: that this CPU and kernel
 * run a machine's programs, that a QEMU starts, that a CPU model is silent, that a handler works.
 */
#ifndef WEFT_BINFMT_PROBE_H
#define WEFT_BINFMT_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "platforms/catalogue.h"

struct weft_err;

enum {
    WEFT_PROBE_EXIT = 42
};

/** The program of a machine; every machine of the catalogue has one. Static. */
const unsigned char *weft_probe_program(const struct weft_machine *m, size_t *len);

/** The program as an open file (memfd, not close-on-exec so that an interpreter can read it; its
 * path is /proc/self/fd/N). Returns the descriptor (caller closes), or -1 WEFT_E_IO. */
int weft_probe_open(const struct weft_machine *m, struct weft_err **err);

/** Whether this CPU and kernel run programs of m themselves: a program that every binfmt_misc
 * handler leaves alone (its e_ident padding is marked) is run. */
bool weft_probe_native(const struct weft_machine *m);

/**
 * Run the program under an interpreter, as "INTERPRETER [ARG...] PROGRAM"; args NULL-terminated or
 * NULL. At most 10 s.
 * @param said what it wrote to stdout and stderr (at most 64 KiB), "" when silent; caller frees
 * Returns its exit code, or 128 + signal; -1 WEFT_E_CHILD where it cannot be started or hangs.
 */
int weft_probe_run(const struct weft_machine *m, const char *interpreter, char *const *args,
                   char **said, struct weft_err **err);

#endif
