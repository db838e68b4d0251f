/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults in renames, for tests that are linked with -Wl,--wrap=rename,--wrap=renameat2
 * (tests/local.mk): the n-th one fails, or sets a cancellation flag, or the file system knows no
 * flags of renameat2.
 */
#ifndef WEFT_TESTS_UNIT_RENAME_FAULT_H
#define WEFT_TESTS_UNIT_RENAME_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

struct rename_fault {
    atomic_int calls; /* counted since the last reset */
    int fail_at;      /* this call fails with ENOSPC; 0: none */
    int cancel_at;    /* this call works, and sets *cancel before; 0: none */
    atomic_bool *cancel;
    bool no_flags;            /* renameat2 answers EINVAL, as on a file system without the flags */
    void (*look)(void *data); /* called before each call and after it; may be NULL */
    void *data;
};

extern struct rename_fault rename_fault;

#endif
