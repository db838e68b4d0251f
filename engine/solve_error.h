/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What buildctl says on stderr besides its progress when a solve fails: the lines of the Dockerfile
 * that failed, and the error. Pure.
 */
#ifndef WEFT_ENGINE_SOLVE_ERROR_H
#define WEFT_ENGINE_SOLVE_ERROR_H

struct weft_buf;

/** Start from {0}; end with weft_solve_error_finish. */
struct weft_solve_error {
    char *excerpt; /* "Dockerfile:3" and the lines around it, lines separated by '\n'; or NULL */
    char *message; /* the error in one line, without "error: failed to solve: "; never NULL after
                      the parse */
    int exit_code; /* of the step's command; -1 where it is no such failure */
};

/** Read the lines of stderr that were not JSON, separated by '\n'. Untrusted text comes out
 * printable. */
void weft_solve_error_parse(const char *text, struct weft_solve_error *out);
void weft_solve_error_finish(struct weft_solve_error *e);

#endif
