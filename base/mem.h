/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Small allocations of sizes that weft itself chooses abort when memory is out; sizes that
 * come from input go through weft_alloc_bounded, which refuses instead.
 */
#ifndef WEFT_BASE_MEM_H
#define WEFT_BASE_MEM_H

#include <stddef.h>

struct weft_err;

/** malloc, calloc, realloc (of n elements of `size` bytes), strdup and strndup that abort instead
 * of giving NULL. */
void *weft_xmalloc(size_t size);
void *weft_xcalloc(size_t n, size_t size);
void *weft_xrealloc(void *p, size_t n, size_t size);
char *weft_xstrdup(const char *s);
char *weft_xstrndup(const char *s, size_t n);

/**
 * Room for one more element in an array of n, which was grown by this function from NULL and one at
 * a time: its size doubles, so that many cost no more than their number. Returns the array; aborts
 * where memory is out.
 */
void *weft_xgrow(void *p, size_t n, size_t size);

/** strdup that gives NULL for NULL. */
char *weft_xstrdup_null(const char *s);

/**
 * Allocate n bytes whose number comes from input.
 * Returns zeroed memory that the caller frees; NULL with WEFT_E_FORMAT when n exceeds limit,
 * WEFT_E_IO when memory is out.
 */
void *weft_alloc_bounded(size_t n, size_t limit, struct weft_err **err);

#endif
