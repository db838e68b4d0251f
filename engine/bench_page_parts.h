/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the page of engine/bench_page.h, each appended to a buffer. What they share: a table
 * in a box that scrolls by itself, so that the page never does sideways, and the names of places
 * that others link to.
 */
#ifndef WEFT_ENGINE_BENCH_PAGE_PARTS_H
#define WEFT_ENGINE_BENCH_PAGE_PARTS_H

#include "bench/compare.h"
#include "platforms/platform.h"

/** What an id can be, and its NUL: "linux-arm-v7". */
enum {
    WEFT_PAGE_ID_SIZE = WEFT_PLATFORM_SIZE
};

/** The id of a platform's section, into buf. Returns buf. */
const char *weft_page_platform_id(const struct weft_compare_platform *p,
                                  char buf[WEFT_PAGE_ID_SIZE]);

/**
 * Begin a table, up to its caption. An id that is new on the page has to follow: it names the box,
 * too. @param id plain letters, digits and dashes
 */
void weft_page_table_begin(struct weft_buf *b, const char *id, const char *caption);
void weft_page_table_end(struct weft_buf *b);

/** A list of remarks; nothing where there are none. */
void weft_page_notes(struct weft_buf *b, const struct weft_strv *notes);

/** Of a platform: who is how fast, with bars. */
void weft_page_ranking(struct weft_buf *b, const struct weft_comparison *c,
                       const struct weft_compare_platform *p);

/** Of a platform: its pools. Nothing where there are fewer than two. */
void weft_page_pools(struct weft_buf *b, const struct weft_compare_platform *p);

/** Of a platform: what emulation costs each kernel, by QEMU and CPU model, on each node that
 * measured it. Nothing where none did. */
void weft_page_maps(struct weft_buf *b, const struct weft_comparison *c,
                    const struct weft_compare_platform *p);

/** The machines' facts; the id of node i is "node-I". */
void weft_page_machines(struct weft_buf *b, const struct weft_comparison *c);

#endif
