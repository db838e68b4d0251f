/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's user-mode programs on this machine: where they are, which version they say they are, and
 * which of several is to be preferred.
 */
#ifndef WEFT_BINFMT_QEMU_H
#define WEFT_BINFMT_QEMU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/answers.h"
#include "platforms/catalogue.h"

struct weft_err;

/**
 * The program that runs m: "qemu-ARCH-static", or a "qemu-ARCH" that is static too (it has to run
 * in any root file system). `dirs`: directories to look in, in this order, separated by ':'.
 * Absolute path, links resolved; caller frees. NULL: none.
 */
char *weft_qemu_find(const struct weft_machine *m, const char *dirs);

/** The directories to look in: $WEFT_QEMU_DIR alone, else $PATH and /usr/bin. Caller frees. */
char *weft_qemu_dirs(void);

/** Whether the file is an ELF program for the machine that weft runs on, and needs no dynamic
 * loader. */
bool weft_qemu_is_static(const char *path);

/** The version that "PROGRAM --version" says, as "7.2.22". Runs it, for at most 5 s. Caller frees;
 * NULL where it does not say. */
char *weft_qemu_ask_version(const char *program);

/** The version in the first line of such an answer. Caller frees; NULL: none. */
char *weft_qemu_parse_version(const char *answer);

/**
 * One that hangs costs seconds with each question, so it is asked nothing more by who shares `a`:
 * weft_qemu_hung fails with WEFT_E_CHILD where a run of `program` has timed out before, else gives
 * 0; weft_qemu_note is given the error that a run has failed with, and remembers a time-out.
 */
int weft_qemu_hung(struct weft_answers *a, const char *program, struct weft_err **err);
void weft_qemu_note(struct weft_answers *a, const char *program, const struct weft_err *e);

/** One program. */
struct weft_qemu {
    const struct weft_machine *machine;
    char *path;    /* absolute, links resolved */
    char *version; /* "7.2.22"; NULL: it does not say */
};

/** All programs at hand. Start from {0}; end with weft_qemus_finish. */
struct weft_qemus {
    struct weft_qemu *v;
    size_t n;
};

/** Every static QEMU program for a machine of the catalogue in `dirs` (as for weft_qemu_find), in
 * the order of the directories; each file once. Versions are asked for once and kept. */
void weft_qemu_scan(const char *dirs, struct weft_answers *a, struct weft_qemus *out);
void weft_qemus_finish(struct weft_qemus *q);

/**
 * Whether a program is what the user means by `want`: a version ("10", "10.0", "7.2.22": its parts
 * are equal as far as given) or a directory (absolute) that it lies in.
 */
bool weft_qemu_is(const struct weft_qemu *q, const char *want);

/**
 * The built-in ranking: which of two versions, each on a model (NULL: QEMU's default), runs
 * programs of m faster, from figures measured with bench/qemu_rank (docs/benchmarks.md). < 0: a;
 * > 0: b; 0: no difference known. NULL versions come last.
 */
int weft_qemu_rank(const struct weft_machine *m, const char *a, const char *model_a, const char *b,
                   const char *model_b);

#endif
