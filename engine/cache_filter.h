/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --filter of `weft du` and `weft prune`: which records of a cache are meant. Syntax and keys are
 * buildx's; what it becomes is one filter of BuildKit's. Pure.
 */
#ifndef WEFT_ENGINE_CACHE_FILTER_H
#define WEFT_ENGINE_CACHE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct weft_err;

/** Start from {0}; end with weft_cache_filter_finish. */
struct weft_cache_filter {
    char *text;       /* for `buildctl --filter`; all parts have to hold; NULL: no filter */
    int64_t until_ms; /* only what was not used for so long; 0: all */
};

/**
 * Parse the values of --filter: "until=24h", "id=x", "parents=a;b", "description~=golang",
 * "type!=regular", "inuse", "mutable", "immutable", "shared", "private". Errors: WEFT_E_USAGE, with
 * what was meant as a hint.
 */
int weft_cache_filter_parse(const struct weft_strv *values, struct weft_cache_filter *out,
                            struct weft_err **err);
void weft_cache_filter_finish(struct weft_cache_filter *f);

#endif
