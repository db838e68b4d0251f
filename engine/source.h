/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a build reads that is not on this machine yet, or comes from standard input: fetched, or
 * pinned to one commit or digest, once for all platforms. Knows no workers: what BuildKit fetches
 * itself, it fetches by what is found here.
 */
#ifndef WEFT_ENGINE_SOURCE_H
#define WEFT_ENGINE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>

struct weft_err;
struct weft_request;

/** Whether all that a request builds is in files of this machine. */
bool weft_source_is_local(const struct weft_request *r);

/**
 * Read standard input, download, ask git servers and registries, as the request needs it, and note
 * the result in it: `pinned`, `context`, `dockerfile`, and `pinned` of its named contexts. Files go
 * to `scratch`, a directory of this build; where weft_source_is_local it is not used, and may be
 * NULL. Errors: WEFT_E_USAGE (standard input is not what it should be; a git repository, ref,
 * directory or Dockerfile that is not there), WEFT_E_FORMAT (a damaged archive), WEFT_E_NET,
 * WEFT_E_UNSUPPORTED (there is no git here), WEFT_E_CHILD, WEFT_E_IO, WEFT_E_CANCELLED. Blocks;
 * Thread: any.
 */
int weft_source_fetch(struct weft_request *r, const char *scratch, const atomic_bool *cancel,
                      struct weft_err **err);

#endif
