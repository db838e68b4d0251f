/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build needs before anything of it runs: the Dockerfile read, platforms and destinations
 * checked, workers planned, slots and lanes laid out. It starts no worker and changes no
 * destination.
 */
#ifndef WEFT_ENGINE_BUILD_SETUP_H
#define WEFT_ENGINE_BUILD_SETUP_H

struct weft_build;
struct weft_err;

/**
 * Fill in a build that has its request and its loop. The caller ends it with weft_build_teardown,
 * also after a failure. Errors: WEFT_E_USAGE (a destination, a platform that weft does not know),
 * WEFT_E_UNSUPPORTED (the hint has the command that mends it), WEFT_E_IO, WEFT_E_FORMAT,
 * WEFT_E_CANCELLED (b->interrupted).
 */
int weft_build_setup(struct weft_build *b, struct weft_err **err);

/** Remove what a build has left in working directories and free all of it, the loop too. Nothing of
 * it may run any more. */
void weft_build_teardown(struct weft_build *b);

#endif
