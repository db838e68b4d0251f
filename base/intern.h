/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings that are kept once each and known by a number: for structures of very many names, of
 * which most are alike. Nothing is ever removed. Names may come from somebody hostile: the hash is
 * seeded.
 */
#ifndef WEFT_BASE_INTERN_H
#define WEFT_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct weft_intern;

/** `limit`: bytes of all strings together, at most 2^31. */
struct weft_intern *weft_intern_create(size_t limit);
void weft_intern_destroy(struct weft_intern *t);

/** The number of the string s[len], which holds no NUL; it is added if it is new. Numbers count
 * from
 * 1. Returns 0 where the limit is reached. */
uint32_t weft_intern_add(struct weft_intern *t, const char *s, size_t len);

/** The number of a string, or 0: it is not there. */
uint32_t weft_intern_find(const struct weft_intern *t, const char *s, size_t len);

/** The string of a number that was given. Borrowed until the next weft_intern_add. */
const char *weft_intern_text(const struct weft_intern *t, uint32_t id);

/** How many there are: the highest number. */
uint32_t weft_intern_count(const struct weft_intern *t);

#endif
