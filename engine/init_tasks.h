/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What weft-init does beside running buildkitd: it keeps the cache within the worker's share of the
 * disk, and removes states. Both need the worker's id maps, so they are done in its namespaces.
 */
#ifndef WEFT_ENGINE_INIT_TASKS_H
#define WEFT_ENGINE_INIT_TASKS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct weft_err;
struct weft_worker_files;

/**
 * Start a child that has BuildKit delete what was used least recently until its cache has at most
 * share_bytes, and writes files->usage (engine/worker_disk.h). Where the disk is nearly full, it
 * also has BuildKit remove what failed steps have left, and then of the cache until it is no more.
 * Its words go to stderr. Returns its id, or -1 (WEFT_E_IO).
 */
pid_t weft_init_trim(const char *buildctl, const struct weft_worker_files *files,
                     uint64_t share_bytes, struct weft_err **err);

/** Start a child that removes a tree. Returns its id; 0: there is nothing to remove, or no child
 * could be made. */
pid_t weft_init_sweep(const char *path);

/**
 * Remove trees; *bytes is the disk space that they had. The process is ended within 200 ms once
 * nobody reads report_fd any more. Returns 0, or -1 (WEFT_E_IO; the rest is still there).
 */
int weft_init_remove(const struct weft_strv *paths, int report_fd, uint64_t *bytes,
                     struct weft_err **err);

#endif
