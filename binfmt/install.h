/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registering handlers with the host, and removing them: through update-binfmts(8) where
 * binfmt-support is installed, else through the kernel's file. What is to be done is laid out as a
 * list of actions first, which can be shown, or done and undone.
 */
#ifndef WEFT_BINFMT_INSTALL_H
#define WEFT_BINFMT_INSTALL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/str.h"
#include "binfmt/registry.h"

struct weft_err;

/** One action: a program that is run, or a text that is written to a file of binfmt_misc. */
struct weft_action {
    struct weft_strv argv; /* the first is an absolute path; empty: */
    char *file;            /* a name in the table, or "register" */
    char *text;            /* all of it in one write(2) */
};

/** Actions, and for each one that takes something away the one that brings it back. Start from {0};
 * end with weft_actions_finish. */
struct weft_actions {
    struct weft_action_pair {
        struct weft_action act, undo; /* undo: empty where there is none */
    } * v;
    size_t n;
};

void weft_actions_finish(struct weft_actions *a);

/** Print them as lines for a shell, quoted. */
void weft_actions_print(const struct weft_actions *a, FILE *out);

/** Do them in their order. After one that fails, those before it are undone, and the error says
 * what failed. Errors: WEFT_E_IO, WEFT_E_CHILD, WEFT_E_UNSUPPORTED (the table cannot be written).
 */
int weft_actions_do(const struct weft_binfmt_registry *r, const struct weft_actions *a,
                    struct weft_err **err);

/** What is installed with. */
struct weft_install {
    const char *root;           /* what paths begin with, "/" */
    const char *update_binfmts; /* absolute path; NULL: binfmt-support is not installed */
    const struct weft_binfmt_registry *registry;
    bool replace; /* somebody else's handlers go */
};

/** update-binfmts of this machine: absolute path, caller frees. NULL: there is none. */
char *weft_install_find_support(void);

/**
 * Lay out what makes m's programs be run by `interpreter` (a static program, absolute path) with
 * `flags`. Returns 1; 0 where it is so already (nothing is added to out); -1. Errors: WEFT_E_USAGE
 * (the machine runs m's programs itself; the handler would take its own interpreter; somebody
 * else's handler takes them, and `replace` is false; flags that are none); WEFT_E_UNSUPPORTED (a
 * path that cannot be registered; a program that others than root could change; one that does not
 * run m's programs).
 */
int weft_install_plan(const struct weft_install *in, const struct weft_machine *m,
                      const char *interpreter, const char *flags, struct weft_actions *out,
                      struct weft_err **err);

/** The first entry that takes m's programs and is not weft's, or NULL. */
const struct weft_existing *weft_install_rival(const struct weft_install *in,
                                               const struct weft_machine *m);

/**
 * Lay out the removal of the handler `name`. Returns 1; 0 where there is none, neither in the table
 * nor in binfmt-support's database; -1. Errors: WEFT_E_USAGE (it is not weft's, and `replace` is
 * false).
 */
int weft_install_plan_removal(const struct weft_install *in, const char *name,
                              struct weft_actions *out, struct weft_err **err);

#endif
