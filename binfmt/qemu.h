/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's user-mode programs on this machine: where they are and which version they say they are.
 */
#ifndef WEFT_BINFMT_QEMU_H
#define WEFT_BINFMT_QEMU_H

#include <stdbool.h>

#include "platforms/catalogue.h"

/**
 * The program that runs m: "qemu-ARCH-static", or a "qemu-ARCH" that is static too (it has to run
 * in any root file system). `dirs`: directories to look in, in this order, separated by ':'.
 * Absolute path, links resolved; caller frees. NULL: none.
 */
char *weft_qemu_find(const struct weft_machine *m, const char *dirs);

/** The directories to look in: $WEFT_QEMU_DIR alone, else $PATH and /usr/bin. Caller frees. */
char *weft_qemu_dirs(void);

/** Whether the file is an ELF program for this machine that needs no dynamic loader. */
bool weft_qemu_is_static(const char *path);

/** The version that "PROGRAM --version" says, as "7.2.22". Runs it. Caller frees; NULL where it
 * does not say. */
char *weft_qemu_ask_version(const char *program);

/** The version in the first line of such an answer. Caller frees; NULL: none. */
char *weft_qemu_parse_version(const char *answer);

#endif
