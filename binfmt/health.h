/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of a QEMU program on this kernel: guest programs are run under it, which do what the
 * programs of a build do (start, static and dynamic; threads; fork and exec; signals; memory;
 * compiling). Found by running, since good and bad depend on QEMU, kernel and CPU together.
 */
#ifndef WEFT_BINFMT_HEALTH_H
#define WEFT_BINFMT_HEALTH_H

#include <stdatomic.h>

#include "base/answers.h"
#include "base/str.h"
#include "platforms/catalogue.h"

struct weft_err;

enum weft_health_verdict {
    WEFT_HEALTH_UNKNOWN, /* never checked on this kernel */
    WEFT_HEALTH_GOOD,    /* everything that could be tried worked */
    WEFT_HEALTH_PARTLY,  /* it starts the smallest program; no guest programs here to try more */
    WEFT_HEALTH_BAD,     /* something failed */
};

/** Start from {0}; end with weft_health_finish. */
struct weft_health {
    enum weft_health_verdict verdict;
    struct weft_strv tried;   /* "threads", "signals": what worked */
    struct weft_strv skipped; /* "dynamic: no guest program for loongarch64" */
    char *failure;            /* BAD: what failed, in one line: "threads: signal 11" */
};

/**
 * Check `program` (a QEMU, or a copy of one) for machine m on CPU model `model` (NULL: as the
 * program is). Takes up to about a second, at most 20. The verdict is kept under program, model,
 * kernel release and guest programs; that of a check which ran out of time, or in which somebody
 * killed a program, as a busy machine can do, only as long as `a` lives. It leaves no process and
 * no file. `cancel`: once true, the check is ended; or NULL. Errors: WEFT_E_CHILD (the program
 * cannot be run at all, or hangs, or was killed), WEFT_E_CANCELLED, WEFT_E_IO.
 */
int weft_health_check(struct weft_answers *a, const char *program, const struct weft_machine *m,
                      const char *model, const atomic_bool *cancel, struct weft_health *out,
                      struct weft_err **err);

/**
 * Let the compiler of a root file system of m, which lies in the directory `root`, compile a file
 * several times under `program` (cc1 alone, by qemu -L: no other program of it has to start), and
 * add to *out how that went. Takes seconds, at most 60. Nothing is kept. Errors: WEFT_E_IO.
 */
int weft_health_compile(const char *program, const struct weft_machine *m, const char *model,
                        const char *root, struct weft_health *out, struct weft_err **err);

/** Remember that `program` was found to be bad elsewhere, as a check that failed would: a program
 * that came to a wrong result under it. `failure`: one line. The next check has the last word. */
void weft_health_spoil(struct weft_answers *a, const char *program, const struct weft_machine *m,
                       const char *model, const char *failure);

/** What an earlier check found, without running anything. */
enum weft_health_verdict weft_health_recall(struct weft_answers *a, const char *program,
                                            const struct weft_machine *m, const char *model);

/** What failed, where that was WEFT_HEALTH_BAD; else NULL. Caller frees. */
char *weft_health_recall_failure(struct weft_answers *a, const char *program,
                                 const struct weft_machine *m, const char *model);

void weft_health_finish(struct weft_health *h);

/** "good", "partly", "bad", "unknown". */
const char *weft_health_name(enum weft_health_verdict v);

/** Where guest programs are: WEFT_LIBEXEC/guest/, or next to weft. Caller frees. */
char *weft_health_guest_dir(void);

#endif
