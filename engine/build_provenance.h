/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provenance that buildx writes to --metadata-file ("buildx.build.provenance"): that of the
 * worker's record of each build, which is there whether or not the image has an attestation.
 * `weft-session provenance` reads it once the solve is done. Private to the build's files. Thread:
 * the loop thread.
 */
#ifndef WEFT_ENGINE_BUILD_PROVENANCE_H
#define WEFT_ENGINE_BUILD_PROVENANCE_H

#include <stdbool.h>

struct weft_build;
struct weft_build_lane;
struct weft_json;
struct weft_request;

/** Whether --metadata-file is to have it: BUILDX_METADATA_PROVENANCE is not "disabled" or false. */
bool weft_build_wants_provenance(const struct weft_request *r);

/**
 * Ask the lane's worker, if the lane has a ref_file and was not asked before. Returns whether
 * `then` is going to be called, from the loop; a provenance that could not be had is a warning.
 */
bool weft_build_ask_provenance(struct weft_build_lane *l, void (*then)(struct weft_build_lane *l));

/** Put what was learnt into the object of --metadata-file. */
void weft_build_set_provenance(const struct weft_build *b, struct weft_json *metadata);

#endif
