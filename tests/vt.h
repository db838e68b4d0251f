/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal for tests: takes what the progress display writes and holds what a screen would show.
 * Knows only the sequences that the display may use; any other one, and any character beyond the
 * right edge, is counted as an offence.
 */
#ifndef WEFT_TESTS_VT_H
#define WEFT_TESTS_VT_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    VT_MAX = 300
};

struct vt {
    size_t columns, rows;
    size_t x, y;
    wchar_t cells[VT_MAX][VT_MAX]; /* [row][column]; 0: blank */
    bool cursor_hidden;
    bool no_wrap;
    size_t scrolled; /* lines that left at the top */
    size_t colours;  /* SGR sequences seen */
    size_t escapes;  /* all sequences seen */
    size_t offences;
    const char *offence; /* what the first one was */
};

static inline void vt_offend(struct vt *t, const char *what)
{
    if (!t->offences++) {
        t->offence = what;
    }
}

static inline struct vt *vt_new(size_t columns, size_t rows)
{
    struct vt *t = weft_xcalloc(1, sizeof(*t));

    setlocale(LC_CTYPE, "C.UTF-8");
    t->columns = columns;
    t->rows = rows;
    return t;
}

static inline void vt_newline(struct vt *t)
{
    t->x = 0; /* the line discipline makes it "\r\n" */
    if (t->y + 1 < t->rows) {
        t->y++;
        return;
    }
    memmove(t->cells[0], t->cells[1], (t->rows - 1) * sizeof(t->cells[0]));
    memset(t->cells[t->rows - 1], 0, sizeof(t->cells[0]));
    t->scrolled++;
}

static inline void vt_erase(struct vt *t, size_t row, size_t from)
{
    for (size_t i = from; i < VT_MAX; i++) {
        t->cells[row][i] = 0;
    }
}

/* One sequence behind "\033["; gives the bytes that it has. */
static inline size_t vt_sequence(struct vt *t, const char *s, size_t len)
{
    size_t n = 0;
    long argument;

    while (n < len && ((unsigned char)s[n] < 0x40 || (unsigned char)s[n] > 0x7e)) {
        n++;
    }
    if (n == len) {
        vt_offend(t, "unfinished sequence");
        return len;
    }
    t->escapes++;
    argument = n ? strtol(s, NULL, 10) : 1;
    if (s[n] == 'm') {
        t->colours++;
    } else if (s[n] == 'A' && argument > 0) {
        if ((size_t)argument > t->y) {
            vt_offend(t, "cursor above the screen");
        }
        t->y -= (size_t)argument < t->y ? (size_t)argument : t->y;
    } else if (s[n] == 'K' && n == 0) {
        vt_erase(t, t->y, t->x);
    } else if (s[n] == 'J' && n == 0) {
        vt_erase(t, t->y, t->x);
        for (size_t row = t->y + 1; row < t->rows; row++) {
            vt_erase(t, row, 0);
        }
    } else if (n == 3 && memcmp(s, "?25", 3) == 0) {
        t->cursor_hidden = s[n] == 'l';
    } else if (n == 2 && memcmp(s, "?7", 2) == 0) {
        t->no_wrap = s[n] == 'l';
    } else if (!(n == 5 && memcmp(s, "?2026", 5) == 0)) {
        vt_offend(t, "unknown sequence");
    }
    return n + 1;
}

static inline void vt_write(struct vt *t, const char *s, size_t len)
{
    mbstate_t state = {0};
    wchar_t wide;

    for (size_t i = 0; i < len;) {
        size_t n;
        int width;

        if (s[i] == '\033') {
            if (i + 1 < len && s[i + 1] == '[') {
                i += 2 + vt_sequence(t, s + i + 2, len - i - 2);
            } else {
                vt_offend(t, "unknown escape");
                i++;
            }
            continue;
        }
        if (s[i] == '\n' || s[i] == '\r') {
            if (s[i] == '\n') {
                vt_newline(t);
            } else {
                t->x = 0;
            }
            i++;
            continue;
        }
        n = mbrtowc(&wide, s + i, len - i, &state);
        if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
            vt_offend(t, "bytes that are no UTF-8");
            return;
        }
        i += n;
        width = wcwidth(wide);
        if (width < 0) {
            vt_offend(t, "control character");
            continue;
        }
        if (t->x + (size_t)width > t->columns) {
            vt_offend(t, "line wider than the terminal");
            continue;
        }
        if (width > 0) {
            t->cells[t->y][t->x] = wide;
            t->x += (size_t)width;
        }
    }
}

/* What the screen shows: lines without trailing blanks, and no blank lines at the end. Caller
 * frees. */
static inline char *vt_text(const struct vt *t)
{
    struct weft_buf b = {0};
    size_t rows = 0;

    for (size_t row = 0; row < t->rows; row++) {
        for (size_t i = 0; i < t->columns; i++) {
            rows = t->cells[row][i] && t->cells[row][i] != L' ' ? row + 1 : rows;
        }
    }
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < t->columns; i++) {
            char bytes[16];
            wchar_t c = t->cells[row][i];
            bool wide = c && wcwidth(c) == 2;
            int n = c ? wctomb(bytes, c) : 0;

            weft_buf_append(&b, n > 0 ? bytes : " ", n > 0 ? (size_t)n : 1);
            i += wide;
        }
        while (b.len && b.data[b.len - 1] == ' ') {
            b.data[--b.len] = '\0';
        }
        weft_buf_puts(&b, "\n");
    }
    return weft_buf_steal(&b);
}

#endif
