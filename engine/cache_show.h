/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of caches as `weft du` and `weft prune` print them: buildx's table, its block of lines,
 * its line of JSON, and ours. Strings of records are made safe for a terminal.
 */
#ifndef WEFT_ENGINE_CACHE_SHOW_H
#define WEFT_ENGINE_CACHE_SHOW_H

#include <stdint.h>
#include <stdio.h>

#include "engine/cache_record.h"

struct weft_json;

/** ID, RECLAIMABLE, SIZE, LAST ACCESSED: the headings, and a row. now_s: Unix time. */
void weft_cache_show_header(FILE *out);
void weft_cache_show_row(FILE *out, const struct weft_cache_record *r, int64_t now_s);

/** All that is known of a record, "Name: value" a line, and an empty line. */
void weft_cache_show_block(FILE *out, const struct weft_cache_record *r, int64_t now_s);

/** One line of JSON with buildx's names of fields, and "Worker". */
void weft_cache_show_json_line(FILE *out, const struct weft_cache_record *r, const char *worker);

/** Shared and Private (where something is shared), Reclaimable, Total. */
void weft_cache_show_totals(FILE *out, const struct weft_cache_totals *t);

/** As an object of our JSON. New. */
struct weft_json *weft_cache_record_json(const struct weft_cache_record *r);
struct weft_json *weft_cache_totals_json(const struct weft_cache_totals *t);

#endif
