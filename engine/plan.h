/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: which platform is built on which worker. Reads the request and the context's size;
 * starts nothing.
 */
#ifndef WEFT_ENGINE_PLAN_H
#define WEFT_ENGINE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/request.h"

/** Why `--workers=auto` chose as it did; also for the debug log. */
enum weft_plan_reason {
    WEFT_PLAN_ASKED,       /* the user chose */
    WEFT_PLAN_SINGLE,      /* one platform: nothing to choose */
    WEFT_PLAN_APART,       /* nothing to share: a worker each, for isolation */
    WEFT_PLAN_PINNED,      /* stages pinned to a platform run once where workers are shared */
    WEFT_PLAN_BIG_CONTEXT, /* a context that is worth sending once only */
    WEFT_PLAN_REMOTE,      /* one that each worker would fetch */
};

/** Start from {0}; end with weft_plan_finish. */
struct weft_plan {
    enum weft_plan_reason reason;
    char **slots; /* names of the workers needed, each once */
    size_t n_slots;
    size_t *slot_of; /* for each platform of the request, an index into slots */
    size_t n_platforms;
};

enum {
    WEFT_PLAN_BIG_CONTEXT_BYTES = 100 * 1000 * 1000
};

/**
 * Spread the platforms of r over workers; its sources are fetched already. `clashes`: for each of
 * them, whether its handler keeps it out of a worker shared with others
 * (weft_worker_config_clashes); NULL: none. `pinned`: the Dockerfile has a `FROM --platform=`;
 * `context_bytes`: how much there is to send, as far as it was counted.
 */
void weft_plan_make(const struct weft_request *r, const bool *clashes, bool pinned,
                    uint64_t context_bytes, struct weft_plan *out);
void weft_plan_finish(struct weft_plan *p);

/** "stages pinned to a platform are shared" and so on. Static. */
const char *weft_plan_reason_text(enum weft_plan_reason reason);

/**
 * How many bytes the regular files below `dir` hold; stops counting once there are more than
 * `enough`, and after 200,000 files. What cannot be read counts as nothing: the build will say so.
 */
uint64_t weft_tree_bytes(const char *dir, uint64_t enough);

#endif
