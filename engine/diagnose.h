/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a failed build step means, where its error and output show a known sign: a program that died
 * under QEMU, a program of another architecture. Pure: text in, text out. Entry point:
 * weft_diagnose.
 */
#ifndef WEFT_ENGINE_DIAGNOSE_H
#define WEFT_ENGINE_DIAGNOSE_H

#include <stdbool.h>

enum weft_cause {
    WEFT_CAUSE_UNKNOWN,
    WEFT_CAUSE_QEMU_INTERNAL, /* QEMU itself crashed or met what it cannot do */
    WEFT_CAUSE_GUEST_SIGNAL,  /* the emulated program died of a signal */
    WEFT_CAUSE_ILLEGAL,       /* an instruction that the CPU, emulated or real, does not have */
    WEFT_CAUSE_NO_LOADER,     /* QEMU did not find the program's dynamic loader */
    WEFT_CAUSE_EXEC_FORMAT,   /* the kernel could not run the program: another architecture, or no
                                 program */
    WEFT_CAUSE_LIMIT,         /* --ulimit asked for more than the worker has itself */
    WEFT_CAUSE_KILLED,        /* SIGKILL, as the out-of-memory killer sends it */
    WEFT_CAUSE_MOVED,         /* a URL's content is not what it was when the build began */
};

struct weft_failure_facts {
    const char *platform; /* "linux/arm64" */
    bool emulated;        /* the platform's programs run under QEMU */
    const char *note;     /* "emulated (QEMU 7.2.22)", or NULL */
    const char *error;    /* of BuildKit, or NULL */
    const char *log;      /* the last lines of the step's output, or NULL */
};

struct weft_diagnosis {
    enum weft_cause cause;
    char *what;   /* one sentence */
    char *advice; /* lines of what to try, separated by newlines */
};

/** Look for a known cause, the most specific first. Start from an empty *out; what it holds is
 * freed with weft_diagnosis_finish. Returns whether there is one; if not, *out is empty. */
bool weft_diagnose(const struct weft_failure_facts *facts, struct weft_diagnosis *out);

void weft_diagnosis_finish(struct weft_diagnosis *d);

#endif
