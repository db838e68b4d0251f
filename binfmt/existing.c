/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/existing.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/probe.h"

enum {
    ENTRY_MAX = 8192
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Plain digits in pairs. The number of bytes, or -1. */
static int parse_hex(const char *s, unsigned char out[WEFT_HANDLER_MAGIC_MAX])
{
    int n = 0;

    for (; *s; s += 2, n++) {
        int high = hex_digit(s[0]);
        int low = high < 0 ? -1 : hex_digit(s[1]);

        if (low < 0 || n == WEFT_HANDLER_MAGIC_MAX) {
            return -1;
        }
        out[n] = (unsigned char)(high << 4 | low);
    }
    return n;
}

int weft_existing_parse_bytes(const char *text, unsigned char out[WEFT_HANDLER_MAGIC_MAX])
{
    int n = 0;

    while (*text) {
        int digit = text[0] == '\\' && text[1] == 'x' ? hex_digit(text[2]) : -1;

        if (n == WEFT_HANDLER_MAGIC_MAX) {
            return -1;
        }
        if (digit < 0) {
            out[n++] = (unsigned char)*text++;
            continue;
        }
        text += 3;
        if (hex_digit(*text) >= 0) {
            digit = digit << 4 | hex_digit(*text++);
        }
        out[n++] = (unsigned char)digit;
    }
    return n;
}

static const char *value_of(const char *line, const char *key)
{
    size_t n = strlen(key);

    return strncmp(line, key, n) == 0 ? line + n : NULL;
}

/* Flags in any order and number, as the kernel prints them: "POCF". C stands for O too. False: one
 * that is none. */
static bool parse_flags(const char *text, char out[8])
{
    bool has[4] = {false};
    size_t n = 0;

    for (; *text; text++) {
        const char *at = strchr("POCF", *text);

        if (!at) {
            return false;
        }
        has[at - "POCF"] = true;
        has[1] |= *at == 'C';
    }
    for (size_t i = 0; i < 4; i++) {
        if (has[i]) {
            out[n++] = "POCF"[i];
        }
    }
    out[n] = '\0';
    return true;
}

static bool parse_offset(const char *text, size_t *offset)
{
    long n;

    if (weft_parse_long(text, 0, WEFT_HANDLER_MAGIC_MAX - 1, "offset", &n, NULL) < 0) {
        return false;
    }
    *offset = (size_t)n;
    return true;
}

/* "offset N", "magic HEX", and "mask HEX" where there is one. */
static bool parse_magic(char *const *lines, size_t n, struct weft_existing *r)
{
    const char *offset = n > 0 ? value_of(lines[0], "offset ") : NULL;
    const char *magic = n > 1 ? value_of(lines[1], "magic ") : NULL;
    const char *mask = n > 2 ? value_of(lines[2], "mask ") : NULL;
    int len;

    if (!offset || !magic || (n > 2 && !mask) || n > 3 || !parse_offset(offset, &r->offset)) {
        return false;
    }
    len = parse_hex(magic, r->magic);
    if (len <= 0 || r->offset + (size_t)len > WEFT_HANDLER_MAGIC_MAX) {
        return false;
    }
    r->magic_len = (size_t)len;
    memset(r->mask, 0xff, r->magic_len);
    return !mask || parse_hex(mask, r->mask) == len;
}

int weft_existing_parse(const char *name, const char *text, struct weft_existing *e,
                        struct weft_err **err)
{
    weft_auto_strv lines = {0};
    struct weft_existing r = {0};
    const char *interpreter, *flags, *extension;
    bool fits;

    weft_split(text, '\n', &lines); /* the last is empty: behind the newline at the end */
    interpreter = lines.n > 1 ? value_of(lines.v[1], "interpreter ") : NULL;
    flags = lines.n > 2 ? value_of(lines.v[2], "flags: ") : NULL;
    extension = lines.n > 3 ? value_of(lines.v[3], "extension .") : NULL;
    r.enabled = strcmp(lines.v[0], "enabled") == 0;
    fits = (r.enabled || strcmp(lines.v[0], "disabled") == 0) && interpreter && *interpreter &&
           flags && parse_flags(flags, r.flags) && *lines.v[lines.n - 1] == '\0';
    if (fits) {
        fits = extension ? lines.n == 5 && *extension : parse_magic(lines.v + 3, lines.n - 4, &r);
    }
    if (!fits) {
        weft_auto_free char *shown = weft_printable(name);

        return weft_fail(err, WEFT_E_FORMAT, "handler %s is not what the kernel writes", shown);
    }
    r.name = weft_xstrdup(name);
    r.interpreter = weft_xstrdup(interpreter);
    r.extension = weft_xstrdup_null(extension);
    *e = r;
    return 0;
}

int weft_existing_parse_line(const char *line, struct weft_existing *e, struct weft_err **err)
{
    weft_auto_strv f = {0};
    struct weft_existing r = {.enabled = true};
    bool magic, fits;
    int len = 0, mask_len = 0;

    if (*line) {
        weft_split(line + 1, *line, &f);
    }
    if (f.n == 7) {
        f.v[6][strcspn(f.v[6], "\n")] = '\0';
    }
    magic = f.n == 7 && strcmp(f.v[1], "M") == 0;
    fits = f.n == 7 && *f.v[0] && *f.v[3] && *f.v[5] && (magic || strcmp(f.v[1], "E") == 0) &&
           parse_flags(f.v[6], r.flags);
    if (fits && magic) {
        len = weft_existing_parse_bytes(f.v[3], r.magic);
        mask_len = weft_existing_parse_bytes(f.v[4], r.mask);
        fits = (!*f.v[2] || parse_offset(f.v[2], &r.offset)) && len > 0 &&
               r.offset + (size_t)len <= WEFT_HANDLER_MAGIC_MAX &&
               (mask_len == 0 || mask_len == len);
    }
    if (!fits) {
        weft_auto_free char *shown = weft_printable(line);

        return weft_fail(err, WEFT_E_FORMAT, "not a line that registers a handler: %.200s", shown);
    }
    if (magic) {
        r.magic_len = (size_t)len;
        if (mask_len == 0) {
            memset(r.mask, 0xff, r.magic_len);
        }
    } else {
        r.extension = weft_xstrdup(f.v[3]);
    }
    r.name = weft_xstrdup(f.v[0]);
    r.interpreter = weft_xstrdup(f.v[5]);
    *e = r;
    return 0;
}

/* A separator that is in none of the fields. */
static char separator_for(const struct weft_existing *e)
{
    for (const char *c = ":,;|_+!%~@"; *c; c++) {
        if (!strchr(e->name, *c) && !strchr(e->interpreter, *c) &&
            !(e->extension && strchr(e->extension, *c))) {
            return *c;
        }
    }
    return '\0';
}

static void put_bytes(struct weft_buf *b, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(b, "\\x%02x", bytes[i]);
    }
}

char *weft_existing_line(const struct weft_existing *e)
{
    weft_auto_buf b = {0};
    char sep = e->unclear ? '\0' : separator_for(e);

    if (!sep) {
        return NULL;
    }
    if (e->extension) {
        weft_buf_printf(&b, "%c%s%cE%c%c%s%c%c", sep, e->name, sep, sep, sep, e->extension, sep,
                        sep);
    } else {
        bool masked = false;

        for (size_t i = 0; i < e->magic_len; i++) {
            masked |= e->mask[i] != 0xff;
        }
        weft_buf_printf(&b, "%c%s%cM%c%zu%c", sep, e->name, sep, sep, e->offset, sep);
        put_bytes(&b, e->magic, e->magic_len);
        weft_buf_printf(&b, "%c", sep);
        put_bytes(&b, e->mask, masked ? e->magic_len : 0);
        weft_buf_printf(&b, "%c", sep);
    }
    weft_buf_printf(&b, "%s%c%s", e->interpreter, sep, e->flags);
    return weft_buf_steal(&b);
}

bool weft_existing_same(const struct weft_existing *a, const struct weft_existing *b)
{
    if (a->unclear || b->unclear || !weft_str_eq(a->interpreter, b->interpreter) ||
        strcmp(a->flags, b->flags) != 0 || !weft_str_eq(a->extension, b->extension) ||
        a->offset != b->offset || a->magic_len != b->magic_len) {
        return false;
    }
    for (size_t i = 0; i < a->magic_len; i++) {
        if (a->mask[i] != b->mask[i] || ((a->magic[i] ^ b->magic[i]) & a->mask[i])) {
            return false;
        }
    }
    return true;
}

/* 1: read; 0: gone in the meantime. The files of binfmt_misc say that they have no bytes. */
static int read_at(int dir_fd, const char *name, char text[ENTRY_MAX], struct weft_err **err)
{
    weft_auto_fd fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;
    ssize_t n;

    if (fd < 0 && errno == ENOENT) {
        return 0;
    }
    if (fd < 0) {
        weft_auto_free char *shown = weft_printable(name);

        return weft_fail_sys(err, errno, "open handler %s", shown);
    }
    while (len < ENTRY_MAX - 1 && (n = read(fd, text + len, ENTRY_MAX - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR) {
            weft_auto_free char *shown = weft_printable(name);

            return weft_fail_sys(err, errno, "read handler %s", shown);
        }
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    return 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weft_existing *)a)->name, ((const struct weft_existing *)b)->name);
}

/* An entry that cannot be read for certain is one all the same. */
static void add_entry(struct weft_existing_table *out, const char *name, const char *text)
{
    struct weft_existing entry = {0};

    if (weft_existing_parse(name, text, &entry, NULL) < 0) {
        entry = (struct weft_existing){
            .name = weft_xstrdup(name),
            .unclear = weft_xstrdup("its text is not in the form that the kernel writes: a newline "
                                    "in its interpreter or extension?"),
            .enabled = weft_starts_with(text, "enabled"),
        };
    }
    out->v = weft_xrealloc(out->v, out->n + 1, sizeof(*out->v));
    out->v[out->n++] = entry;
}

int weft_existing_read(int dir_fd, struct weft_existing_table *out, struct weft_err **err)
{
    int own_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    weft_auto_dir dir = own_fd < 0 ? NULL : fdopendir(own_fd);
    char text[ENTRY_MAX];
    struct dirent *e;
    int got;

    if (!dir) {
        weft_fail_sys(err, errno, "read binfmt_misc");
        if (own_fd >= 0) {
            close(own_fd);
        }
        return -1;
    }
    got = read_at(dir_fd, "status", text, err);
    if (got <= 0) {
        return got;
    }
    out->mounted = true;
    out->enabled = weft_starts_with(text, "enabled");
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, "status") == 0 || strcmp(e->d_name, "register") == 0) {
            continue;
        }
        got = read_at(dir_fd, e->d_name, text, err);
        if (got < 0) {
            return -1;
        }
        if (got > 0) {
            add_entry(out, e->d_name, text);
        }
    }
    if (out->n > 1) {
        qsort(out->v, out->n, sizeof(*out->v), by_name);
    }
    return 0;
}

void weft_existing_entry_finish(struct weft_existing *e)
{
    free(e->name);
    free(e->unclear);
    free(e->interpreter);
    free(e->extension);
    *e = (struct weft_existing){0};
}

void weft_existing_finish(struct weft_existing_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        weft_existing_entry_finish(&t->v[i]);
    }
    free(t->v);
    *t = (struct weft_existing_table){0};
}

const struct weft_existing *weft_existing_named(const struct weft_existing_table *t,
                                                const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) == 0) {
            return &t->v[i];
        }
    }
    return NULL;
}

/* Whether e takes a file of whose first bytes `n` are known. An entry that looks further than these
 * is for something narrower. */
static bool takes(const struct weft_existing *e, const unsigned char *bytes, size_t n)
{
    if (e->unclear || e->extension) {
        return false;
    }
    for (size_t i = 0; i < e->magic_len; i++) {
        size_t at = e->offset + i;

        if (e->mask[i] == 0) {
            continue;
        }
        if (at >= n || ((bytes[at] ^ e->magic[i]) & e->mask[i])) {
            return false;
        }
    }
    return true;
}

bool weft_existing_takes(const struct weft_existing *e, const struct weft_machine *m)
{
    unsigned char program[WEFT_PROBE_SIZE_MAX] = {0};
    size_t low = m->magic[EI_DATA] == ELFDATA2LSB ? EI_NIDENT : EI_NIDENT + 1;
    /* the whole header: handlers of mips look at e_flags */
    size_t n = m->magic[EI_CLASS] == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);

    weft_probe_program(m, program);
    program[low] = ET_EXEC;
    if (!takes(e, program, n)) {
        return false;
    }
    program[low] = ET_DYN;
    return takes(e, program, n);
}

bool weft_existing_takes_bytes(const struct weft_existing *e,
                               const unsigned char bytes[WEFT_HANDLER_MAGIC_MAX])
{
    return takes(e, bytes, WEFT_HANDLER_MAGIC_MAX);
}

const struct weft_existing *weft_existing_find(const struct weft_existing_table *t,
                                               const struct weft_machine *m,
                                               const struct weft_existing **without_f)
{
    const struct weft_existing *found = NULL, *lame = NULL;

    for (size_t i = 0; t->enabled && i < t->n; i++) {
        const struct weft_existing *e = &t->v[i];

        if (!e->enabled || !weft_existing_takes(e, m)) {
            continue;
        }
        if (strchr(e->flags, 'F')) {
            found = found ? found : e;
        } else {
            lame = lame ? lame : e;
        }
    }
    if (without_f) {
        *without_f = found ? NULL : lame;
    }
    return found;
}

/* Change one free bit that `other` looks at, and keep it so. False: there is none. */
static bool dodge(const struct weft_existing *other,
                  unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX],
                  unsigned char bytes[WEFT_HANDLER_MAGIC_MAX])
{
    for (size_t i = 0; i < other->magic_len; i++) {
        size_t at = other->offset + i;
        unsigned char bits = other->mask[i] & free_bits[at];
        unsigned char bit = (unsigned char)(bits & -bits);

        if (bit) {
            bytes[at] ^= bit;
            free_bits[at] &= (unsigned char)~bit;
            return true;
        }
    }
    return false;
}

const struct weft_existing *
weft_existing_mark(const struct weft_existing_table *t, const struct weft_existing *e,
                   const unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX],
                   unsigned char bytes[WEFT_HANDLER_MAGIC_MAX])
{
    unsigned char mine[WEFT_HANDLER_MAGIC_MAX];
    const struct weft_existing *left = NULL;
    bool changed = true;

    memcpy(mine, free_bits, sizeof(mine));
    for (size_t i = 0; i < e->magic_len; i++) {
        size_t at = e->offset + i;

        bytes[at] = (unsigned char)((bytes[at] & ~e->mask[i]) | (e->magic[i] & e->mask[i]));
        mine[at] &= (unsigned char)~e->mask[i];
    }
    /* a change for one entry can bring in another; each change takes a bit away */
    while (changed) {
        changed = false;
        left = NULL;
        for (size_t i = 0; i < t->n; i++) {
            const struct weft_existing *other = &t->v[i];

            if (other == e || !other->enabled || !weft_existing_takes_bytes(other, bytes)) {
                continue;
            }
            if (dodge(other, mine, bytes)) {
                changed = true;
            } else if (!left) {
                left = other;
            }
        }
    }
    return left;
}
