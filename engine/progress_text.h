/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of BuildKit's progress stream: its times and base64, and the build's own output made fit
 * for a terminal. Pure.
 */
#ifndef WEFT_ENGINE_PROGRESS_TEXT_H
#define WEFT_ENGINE_PROGRESS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/** The decimal number of at most 9 digits at *s, which moves behind it; -1: there is none. */
long weft_text_number(const char **s);

/** RFC 3339 with a fraction, as Go writes times, in nanoseconds of Unix time; 0: NULL, malformed,
 * or Go's zero time. */
int64_t weft_text_time_ns(const char *s);

/** Append what s stands for, as far as it is base64. The bytes may hold NUL. */
void weft_text_base64(const char *s, struct weft_buf *out);

/** Where to cut s (of `len` bytes) so that at most `limit` bytes and only whole UTF-8 sequences
 * remain. */
size_t weft_text_cut(const char *s, size_t len, size_t limit);

/** s, or of one longer than `limit` bytes (16 at least) its beginning and its end with " ... "
 * between: an error quotes the command first and says at the end what happened. Caller frees. */
char *weft_text_shorten(const char *s, size_t limit);

/** At most `limit` bytes of s in one line that is safe for a terminal. Caller frees. */
char *weft_text_line(const char *s, size_t limit);

/**
 * Output made fit to show: escape sequences are removed, tabs become spaces, backspaces are
 * applied, and what remains of control characters and bytes that are not UTF-8 becomes \xHH. Caller
 * frees.
 */
char *weft_text_clean(const char *data, size_t len);

#endif
