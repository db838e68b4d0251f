/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers for this process alone, and for the programs that it starts: a user namespace in which
 * only its own user is known, and a binfmt_misc in it. Needs no privileges and no id maps of
 * others, where binfmt/sandbox.h makes what a worker needs. Linux >= 6.7.
 */
#ifndef WEFT_BINFMT_UNSHARE_H
#define WEFT_BINFMT_UNSHARE_H

#include "platforms/catalogue.h"

struct weft_err;

/**
 * Move this process into new user and mount namespaces with an empty binfmt_misc on `dir`, an empty
 * directory. It is root in there, and has no rights that it has not had. It has to have one thread.
 * Tried in a child first. Returns 1; 0 where it cannot be had: nothing is changed, and *why (caller
 * frees) says what is refused.
 */
int weft_unshare_handlers(const char *dir, char **why);

/** There: let `interpreter` run the programs of m. Errors: WEFT_E_UNSUPPORTED. */
int weft_unshare_register(const char *dir, const struct weft_machine *m, const char *interpreter,
                          struct weft_err **err);

/** Remove all handlers from it. */
void weft_unshare_clear(const char *dir);

/** Unmount it, so that `dir` can be removed. The process stays in its namespaces. */
void weft_unshare_end(const char *dir);

#endif
