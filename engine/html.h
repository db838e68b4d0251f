/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing HTML: text that may hold anything at all becomes text of a page, never markup. What is
 * written is also well-formed XML, so that a test can read it with a parser that forgives nothing.
 * Knows no page.
 */
#ifndef WEFT_ENGINE_HTML_H
#define WEFT_ENGINE_HTML_H

#include "base/str.h"

/**
 * Append s as text, fit for an element or an attribute's value in quotes. What is not printable
 * (weft_printable: control characters, invalid UTF-8, marks that reorder lines) becomes \xHH.
 */
void weft_html_text(struct weft_buf *b, const char *s);

/** printf and weft_html_text. */
void weft_html_textf(struct weft_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Append an element that holds nothing but text: "<tag>text</name>".
 * @param tag its name, with attributes where it has any, as it is: "td class=\"n\""
 */
void weft_html_element(struct weft_buf *b, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
