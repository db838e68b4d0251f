/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: the one contract of the tree. A function that can fail takes `struct weft_err **err`
 * last, gives 0 or a value on success and -1 or NULL on failure, and nothing else. `err` may be
 * NULL; it is untouched on success. The caller that receives an error owns it and frees it once.
 * Knows nothing of logging: whoever handles an error prints it.
 */
#ifndef WEFT_BASE_ERR_H
#define WEFT_BASE_ERR_H

#include <stdarg.h>

enum weft_code {
    WEFT_E_INTERNAL = 1, /* a defect in weft */
    WEFT_E_IO,           /* the kernel refused a file operation; `sys` holds errno */
    WEFT_E_FORMAT,       /* bytes that we did not write are not what they should be */
    WEFT_E_DIGEST,       /* content does not have the digest or size that its descriptor names */
    WEFT_E_UNSUPPORTED,  /* the machine lacks something that the work needs */
    WEFT_E_NET,          /* a peer could not be reached or broke the protocol */
    WEFT_E_CHILD,        /* a program that we started failed */
    WEFT_E_BUILD,        /* the user's build failed: not a defect, and reported in full elsewhere */
    WEFT_E_CANCELLED,    /* interrupted on request */
    WEFT_E_USAGE, /* the command line, or a file that the user wrote, is wrong; nothing was started
                   */
};

/** An error: what kind, which errno (0: none), what happened, and what the user can do (hint; may
 * be NULL). */
struct weft_err {
    enum weft_code code;
    int sys;
    char *msg;
    char *hint;
};

/**
 * Set *err. Asserts that *err was NULL: an error that is overwritten is an error lost.
 * Returns -1 always, so that callers can `return weft_fail(...)`.
 */
int weft_fail(struct weft_err **err, enum weft_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** As weft_fail with WEFT_E_IO; ": " and the text of errno value `sys` are appended to the message.
 * Returns -1. */
int weft_fail_sys(struct weft_err **err, int sys, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Put "context: " before the message of *err (no-op where err is NULL or unset). Returns -1. */
int weft_err_wrap(struct weft_err **err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Give *err a hint: one sentence or command that mends it. An earlier, more specific hint stays.
 * Returns -1. */
int weft_err_hint(struct weft_err **err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** The exit code of a command that ends with this error: 1, 2, 3 or 130 (docs/weft.1, "EXIT
 * STATUS"). */
int weft_err_exit_code(const struct weft_err *err);

/** Free an error; NULL is fine. */
void weft_err_free(struct weft_err *err);

void weft_err_freep(struct weft_err **err); /* *err is NULL after: good for a second try */
#define weft_auto_err __attribute__((cleanup(weft_err_freep))) struct weft_err *

#endif
