/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The build: from a request to its outputs. Owns the event loop, the workers, holders and solves of
 * one `weft build`, and puts all of them away again, whatever happens.
 */
#ifndef WEFT_ENGINE_BUILD_H
#define WEFT_ENGINE_BUILD_H

#include <stdio.h>

struct weft_err;
struct weft_request;

/**
 * Run a build. What the request leaves to be fetched is, and is noted in it (engine/source.h).
 * Progress and reports go to stderr; with --quiet the image's id goes to `out`.
 * Returns 0, or -1. Errors: WEFT_E_USAGE, _UNSUPPORTED (nothing was started), _BUILD (reported in
 * full already), _CANCELLED (SIGINT, SIGTERM, SIGHUP), and what outputs can give.
 */
int weft_build_run(struct weft_request *r, FILE *out, struct weft_err **err);

#endif
