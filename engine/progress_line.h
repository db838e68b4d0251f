/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of the terminal display under construction: text and colours, counted in columns as a
 * terminal shows them. Knows nothing of lanes. Widths are those of the calling thread's locale
 * (uselocale), which is a UTF-8 one if `utf8`.
 */
#ifndef WEFT_ENGINE_PROGRESS_LINE_H
#define WEFT_ENGINE_PROGRESS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/** At most `limit` columns get into it. `text` is the owner's to steal or finish. */
struct weft_line {
    struct weft_buf text;
    size_t columns;
    size_t limit;
    bool utf8;   /* else what is not ASCII is shown as '?' */
    bool colour; /* else styles are ignored */
};

/** The columns that s takes. */
size_t weft_line_width(const char *s, bool utf8);

/** Append text, up to column `end` (or the limit, if that is less); if it does not fit, its end is
 * cut and marked. `style`: an SGR sequence around it, or NULL. */
void weft_line_put(struct weft_line *l, size_t end, const char *style, const char *text);

/** Append blanks up to `column`, or up to the limit. */
void weft_line_pad(struct weft_line *l, size_t column);

#endif
