/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `weft binfmt list` and `check` print: the handlers of the table in force, decoded, and what
 * a guest program of each does.
 */
#ifndef WEFT_ENGINE_BINFMT_SHOW_H
#define WEFT_ENGINE_BINFMT_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"
#include "binfmt/registry.h"

struct weft_err;

/** Print all handlers, as a table or as JSON. */
void weft_binfmt_list(const struct weft_binfmt_registry *r, bool json, FILE *out);

/**
 * Run a guest program of each of `wanted` (names of handlers, platforms; none: all that are
 * enabled), and print what came of it. Returns 0; -1 WEFT_E_BUILD with an empty message where one
 * failed, WEFT_E_USAGE for a word that is neither.
 */
int weft_binfmt_check(const struct weft_binfmt_registry *r, const struct weft_strv *wanted,
                      bool json, FILE *out, struct weft_err **err);

/** The machine that a word on the command line names as a platform. NULL: WEFT_E_USAGE. */
const struct weft_machine *weft_binfmt_machine(const char *word, struct weft_err **err);

#endif
