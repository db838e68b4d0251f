/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress_line.h"

#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* The next character of s in the locale of the thread: its bytes in *len, its columns. Never 0
 * bytes before the end. */
static size_t next_character(const char *s, bool utf8, size_t *len)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t n;
    int columns;

    *len = 1;
    if ((unsigned char)*s < 0x80) {
        return 1;
    }
    if (!utf8) {
        while (((unsigned char)s[*len] & 0xc0) == 0x80) {
            ++*len;
        }
        return SIZE_MAX;
    }
    n = mbrtowc(&wide, s, strlen(s), &state);
    if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
        return SIZE_MAX;
    }
    *len = n;
    columns = wcwidth(wide);
    return columns < 0 ? SIZE_MAX : (size_t)columns;
}

size_t weft_line_width(const char *s, bool utf8)
{
    size_t width = 0, len;

    for (; *s; s += len) {
        size_t columns = next_character(s, utf8, &len);

        width += columns == SIZE_MAX ? 1 : columns;
    }
    return width;
}

void weft_line_put(struct weft_line *l, size_t end, const char *style, const char *text)
{
    bool utf8 = l->utf8, styled = style && l->colour;
    size_t len;

    end = end < l->limit ? end : l->limit;
    if (!*text || l->columns >= end) {
        return;
    }
    if (styled) {
        weft_buf_puts(&l->text, style);
    }
    for (; *text; text += len) {
        size_t columns = next_character(text, utf8, &len);
        bool shown = columns != SIZE_MAX;
        bool last;

        columns = shown ? columns : 1;
        last = !text[len];
        if (l->columns + columns > end || (l->columns + columns == end && !last && columns &&
                                           weft_line_width(text + len, utf8))) {
            if (l->columns < end) {
                weft_buf_puts(&l->text, utf8 ? "…" : ">");
                l->columns++;
            }
            break;
        }
        if (shown) {
            weft_buf_append(&l->text, text, len);
        } else {
            weft_buf_puts(&l->text, "?");
        }
        l->columns += columns;
    }
    if (styled) {
        weft_buf_puts(&l->text, "\033[0m");
    }
}

void weft_line_pad(struct weft_line *l, size_t column)
{
    while (l->columns < column && l->columns < l->limit) {
        weft_buf_puts(&l->text, " ");
        l->columns++;
    }
}
