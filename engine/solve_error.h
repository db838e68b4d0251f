/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What buildctl says on stderr besides its progress when a solve fails: the lines of the Dockerfile
 * that failed, and the error. Pure.
 */
#ifndef WEFT_ENGINE_SOLVE_ERROR_H
#define WEFT_ENGINE_SOLVE_ERROR_H

#include <stddef.h>

struct weft_buf;

/** Start from {0}; end with weft_solve_error_finish. */
struct weft_solve_error {
    char *excerpt; /* "Dockerfile:3" and the lines around it, lines separated by '\n'; or NULL */
    char *message; /* the error in one line, without "error: failed to solve: "; never NULL after
                      the parse */
    int exit_code; /* of the step's command; -1 where it is no such failure */
};

/** Add a line of len bytes to the text of stderr. Of an enormous text the error and the frame of
 * the excerpt are kept. */
void weft_solve_error_add(struct weft_buf *text, const char *line, size_t len);

/** Read the lines of stderr that were not JSON, separated by '\n'. Untrusted text comes out
 * printable; of a long excerpt (a heredoc is one step) the beginning is kept. */
void weft_solve_error_parse(const char *text, struct weft_solve_error *out);
void weft_solve_error_finish(struct weft_solve_error *e);

/** The exit code that an error of BuildKit names last ("... exit code: 2"), 0 to 255, or -1. */
int weft_solve_exit_code(const char *error);

#endif
