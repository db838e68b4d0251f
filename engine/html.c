/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/html.h"

#include <string.h>

#include "base/cleanup.h"

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void weft_html_text(struct weft_buf *b, const char *s)
{
    weft_auto_free char *printable = weft_printable(s);
    const char *p = printable;

    while (*p) {
        size_t n = strcspn(p, "&<>\"'");

        weft_buf_append(b, p, n);
        p += n;
        if (*p) {
            weft_buf_puts(b, entity(*p++));
        }
    }
}

static void text_v(struct weft_buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void text_v(struct weft_buf *b, const char *fmt, va_list ap)
{
    weft_auto_free char *text = weft_vfmt(fmt, ap);

    weft_html_text(b, text);
}

void weft_html_textf(struct weft_buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    text_v(b, fmt, ap);
    va_end(ap);
}

void weft_html_element(struct weft_buf *b, const char *tag, const char *fmt, ...)
{
    va_list ap;

    weft_buf_printf(b, "<%s>", tag);
    va_start(ap, fmt);
    text_v(b, fmt, ap);
    va_end(ap);
    weft_buf_printf(b, "</%.*s>", (int)strcspn(tag, " "), tag);
}
