/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git says of the directory that is built: for provenance, and for labels where
 * BUILDX_GIT_LABELS asks for them, with the names and the switches that buildx has.
 */
#ifndef WEFT_ENGINE_VCS_H
#define WEFT_ENGINE_VCS_H

#include <stdbool.h>

struct weft_request;
struct weft_strv;

/**
 * Append options of the frontend, "vcs:revision=..." and "label:...=...", for a context that lies
 * in a git work tree; none for any other. `provenance`: there will be one. Runs git, where it is
 * wanted; where that fails in a work tree, a warning says so. Credentials in the remote's URL are
 * left out. Blocks; Thread: any.
 */
void weft_vcs_options(const struct weft_request *r, bool provenance, struct weft_strv *out);

/** The URL with what stands before its host replaced by as many "xxxxx" as it has parts. Caller
 * frees. */
char *weft_vcs_redact(const char *url);

#endif
