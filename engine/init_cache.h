/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When weft-init has the worker's cache trimmed: once its last client has gone, when its share of
 * the disk has got smaller, and before it ends. BuildKit's own collector holds the cache to the
 * share of the worker's start, a second after a solve and at most once a minute; that does not
 * reach a worker that ends with its build, nor does it know of states added since.
 */
#ifndef WEFT_ENGINE_INIT_CACHE_H
#define WEFT_ENGINE_INIT_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/worker_files.h"

struct weft_init_cache {
    const struct weft_worker_files *files;
    const char *buildctl;
    uint64_t budget_bytes;  /* of all states, as the latest client has it; 0: not known yet */
    uint64_t share_bytes;   /* as of share_ms */
    uint64_t trimmed_bytes; /* the share that the cache was held to last */
    int64_t share_ms;
    int64_t trimmed_ms;
    pid_t trimmer; /* the child that trims; 0: none. Whoever reaps it sets this to 0. */
    bool used;     /* there was a client since the last trim */
};

/** share_bytes: what BuildKit was started with. The rest is borrowed. */
void weft_init_cache_init(struct weft_init_cache *c, const struct weft_worker_files *files,
                          const char *buildctl, uint64_t share_bytes, int64_t now_ms);

/** A client came, and wants all states together to have so much. */
void weft_init_cache_wish(struct weft_init_cache *c, uint64_t budget_bytes);

/** To be called often while the worker has clients. */
void weft_init_cache_busy(struct weft_init_cache *c, int64_t now_ms);

/** To be called often while it has none; it will stay idle_ms. Returns whether trimming is going
 * on. */
bool weft_init_cache_unused(struct weft_init_cache *c, int64_t unused_ms, int64_t idle_ms,
                            int64_t now_ms);

/** Before the end: trim unless that was done. Returns whether trimming is going on. */
bool weft_init_cache_last(struct weft_init_cache *c, int64_t now_ms);

#endif
