/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `weft bench compare --html`: a comparison as one HTML page that needs nothing else: no network,
 * no script, no font. Every picture is there as text, too.
 */
#ifndef WEFT_ENGINE_BENCH_PAGE_H
#define WEFT_ENGINE_BENCH_PAGE_H

#include "bench/compare.h"

/** The page. Caller frees. */
char *weft_bench_page(const struct weft_comparison *c);

#endif
