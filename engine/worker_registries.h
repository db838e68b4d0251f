/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registries of the config file as a worker's buildkitd has them: a part of buildkitd.toml, and
 * copies of the certificates and keys, since a worker may not see or read the files themselves. The
 * copies are named by their content, so that the part of buildkitd.toml says all there is to say.
 */
#ifndef WEFT_ENGINE_WORKER_REGISTRIES_H
#define WEFT_ENGINE_WORKER_REGISTRIES_H

#include "engine/registry/hosts.h"

struct weft_err;
struct weft_worker_registries;

/** Read the files of all hosts. `hosts` is borrowed; NULL: none. Errors: WEFT_E_USAGE. Ownership:
 * caller, weft_worker_registries_destroy. */
struct weft_worker_registries *weft_worker_registries_load(const struct weft_registry_hosts *hosts,
                                                           struct weft_err **err);
void weft_worker_registries_destroy(struct weft_worker_registries *r);

/** The part of buildkitd.toml, for files in the absolute directory `dir`; "" for no registries.
 * NULL `r` has none. Caller frees. */
char *weft_worker_registries_toml(const struct weft_worker_registries *r, const char *dir);

/** Put the files into `dir`, which is made, or emptied first; where there are none, it is gone
 * afterwards. Errors: WEFT_E_IO. */
int weft_worker_registries_write(const struct weft_worker_registries *r, const char *dir,
                                 struct weft_err **err);

#endif
