/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this user can have workers here, and whose handlers they would use: found by making a
 * worker's namespaces and ending them. For programs that only want to know, and have one thread.
 */
#ifndef WEFT_BINFMT_SANDBOX_TRY_H
#define WEFT_BINFMT_SANDBOX_TRY_H

#include "binfmt/handler.h"

struct weft_err;

/**
 * Takes about 20 ms, at most 10 s. Returns 0 and the scope that a worker would have. Errors:
 * WEFT_E_UNSUPPORTED and others (namespaces or id maps cannot be had; the hint has the command),
 * WEFT_E_CHILD (it hangs or dies), WEFT_E_IO.
 */
int weft_sandbox_try(enum weft_scope *scope, struct weft_err **err);

#endif
