/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress_text.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
    TAB_COLUMNS = 8
};

/* A decimal number of at most 9 digits at *s, which moves behind it; -1 where there is none. */
long weft_text_number(const char **s)
{
    long n = 0;
    int digits = 0;

    while (isdigit((unsigned char)**s) && digits < 9) {
        n = n * 10 + (*(*s)++ - '0');
        digits++;
    }
    return digits && !isdigit((unsigned char)**s) ? n : -1;
}

/* RFC 3339 with a fraction, as Go writes times, to nanoseconds of Unix time; 0: absent or
 * malformed. */
int64_t weft_text_time_ns(const char *s)
{
    struct tm tm = {0};
    int64_t ns = 0, scale = 100000000, offset = 0;
    const char *end = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

    if (!end || tm.tm_year < 70 || tm.tm_year > 300) {
        return 0; /* Go's zero time is in year 1; an int64_t of nanoseconds ends in 2262 */
    }
    if (*end == '.') {
        for (end++; isdigit((unsigned char)*end); end++) {
            ns += (*end - '0') * scale;
            scale /= 10;
        }
    }
    if (*end == '+' || *end == '-') {
        int sign = *end++ == '-' ? -1 : 1;
        long hours = weft_text_number(&end);
        long minutes = *end == ':' ? (end++, weft_text_number(&end)) : 0;

        if (hours < 0 || hours > 24 || minutes < 0 || minutes > 59) {
            return 0;
        }
        offset = sign * (hours * 3600 + minutes * 60);
    } else if (*end != 'Z') {
        return 0;
    }
    return (timegm(&tm) - offset) * 1000000000 + ns;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decode as far as it is base64. The bytes may hold NUL. */
void weft_text_base64(const char *s, struct weft_buf *out)
{
    unsigned int bits = 0;
    int n = 0;

    for (; *s; s++) {
        int value = base64_value(*s);
        char byte;

        if (value < 0) {
            break;
        }
        bits = (bits << 6 | (unsigned int)value) & 0xffffff;
        n += 6;
        if (n >= 8) {
            n -= 8;
            byte = (char)(unsigned char)(bits >> n);
            weft_buf_append(out, &byte, 1);
        }
    }
}

/* Do not end a cut text in the middle of a UTF-8 sequence: the length to cut at, at most `limit`.
 */
size_t weft_text_cut(const char *s, size_t len, size_t limit)
{
    size_t cut = limit;

    if (len <= limit) {
        return len;
    }
    while (cut && limit - cut < 4 && ((unsigned char)s[cut] & 0xc0) == 0x80) {
        cut--;
    }
    return cut;
}

/* Text of BuildKit, of one line, at most `limit` bytes of it, safe for a terminal. Caller frees. */
char *weft_text_shorten(const char *s, size_t limit)
{
    size_t len = strlen(s);
    const char *end = s + len - limit / 4;

    if (len <= limit) {
        return weft_xstrdup(s);
    }
    while (((unsigned char)*end & 0xc0) == 0x80) { /* into a UTF-8 sequence */
        end++;
    }
    return weft_fmt("%.*s ... %s", (int)weft_text_cut(s, len, limit - limit / 4 - 5), s, end);
}

char *weft_text_line(const char *s, size_t limit)
{
    weft_auto_free char *cut = weft_xstrndup(s, weft_text_cut(s, strlen(s), limit));

    for (char *c = cut; *c; c++) {
        if (*c == '\n' || *c == '\r') {
            *c = ' ';
        }
    }
    return weft_printable(cut);
}

/* The length of the escape sequence at s (s[0] is ESC), as far as it is there. */
static size_t escape_length(const char *s, size_t len)
{
    size_t i = 2;

    if (len < 2) {
        return len;
    }
    if (s[1] == '[') { /* CSI: parameters, intermediates, one final byte */
        while (i < len && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] <= 0x3f) {
            i++;
        }
        return i < len ? i + 1 : len;
    }
    if (s[1] == ']' || s[1] == 'P' || s[1] == 'X' || s[1] == '^' || s[1] == '_') {
        for (; i < len; i++) { /* a string: up to BEL or ESC \ */
            if (s[i] == '\a') {
                return i + 1;
            }
            if (s[i] == '\033') {
                return i + 1 < len && s[i + 1] == '\\' ? i + 2 : i;
            }
        }
        return len;
    }
    while (i - 1 < len && (unsigned char)s[i - 1] >= 0x20 && (unsigned char)s[i - 1] <= 0x2f) {
        i++; /* ESC ( B: a character set */
    }
    return i < len ? i : len;
}

static void backspace(struct weft_buf *b)
{
    while (b->len && ((unsigned char)b->data[b->len - 1] & 0xc0) == 0x80) {
        b->len--;
    }
    if (b->len) {
        b->len--;
    }
}

char *weft_text_clean(const char *data, size_t len)
{
    weft_auto_buf text = {0};
    size_t column = 0;

    for (size_t i = 0; i < len; i++) {
        char c = data[i];

        if (c == '\033') {
            i += escape_length(data + i, len - i) - 1;
        } else if (c == '\b') {
            backspace(&text);
            column -= column ? 1 : 0;
        } else if (c == '\t') {
            do {
                weft_buf_puts(&text, " ");
            } while (++column % TAB_COLUMNS);
        } else if (c == '\0') {
            weft_buf_puts(&text, "\\x00");
            column += 4;
        } else if (c != '\a') {
            weft_buf_append(&text, &c, 1);
            column += ((unsigned char)c & 0xc0) != 0x80;
        }
    }
    if (text.data) {
        text.data[text.len] = '\0'; /* backspace() shortened it */
    }
    return weft_printable(text.data ? text.data : "");
}
