/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binfmt_misc handlers as text: the line that registers one. Makes no system call; the sandbox
 * (binfmt/sandbox.h) writes the lines, binfmt/existing.h reads what is registered already.
 */
#ifndef WEFT_BINFMT_HANDLER_H
#define WEFT_BINFMT_HANDLER_H

#include "platforms/catalogue.h"

struct weft_err;

/** Which handlers a worker uses. */
enum weft_scope {
    WEFT_SCOPE_NAMESPACE, /* its own, in its own user namespace (Linux >= 6.7) */
    WEFT_SCOPE_EXISTING,  /* the host's, untouched */
};

/** "namespace", "existing". */
const char *weft_scope_name(enum weft_scope scope);

/** The scope of a name, or -1. */
int weft_scope_parse(const char *name);

enum {
    WEFT_HANDLER_LINE_MAX = 1920
}; /* the kernel takes no longer line */

/**
 * The registration line ":NAME:M::MAGIC:MASK:INTERPRETER:FLAGS" of a machine. `interpreter`:
 * absolute path without ':'. `flags`: of "POCF". Returns the line without newline (caller frees),
 * or NULL. Errors: WEFT_E_UNSUPPORTED (a path that the kernel's syntax cannot hold, a line that is
 * too long).
 */
char *weft_handler_line(const struct weft_machine *m, const char *interpreter, const char *flags,
                        struct weft_err **err);

#endif
