/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison of nodes as text, as JSON (bench/compare.schema.json) and as CSV.
 */
#ifndef WEFT_ENGINE_BENCH_COMPARE_SHOW_H
#define WEFT_ENGINE_BENCH_COMPARE_SHOW_H

#include <stddef.h>

#include "bench/compare.h"

/**
 * As text: what it comes to in words, then a table for each platform.
 * @param width of the terminal in columns: tables leave out columns that do not fit; 0: none
 * Caller frees.
 */
char *weft_bench_compare_text(const struct weft_comparison *c, size_t width);

/** As JSON, schema 1. Caller frees. */
char *weft_bench_compare_json(const struct weft_comparison *c);

/** As CSV (RFC 4180): a header, and a row for each platform and node, also for those without a
 * figure. A text that a spreadsheet would take for a formula begins with an apostrophe. Caller
 * frees. */
char *weft_bench_compare_csv(const struct weft_comparison *c);

#endif
