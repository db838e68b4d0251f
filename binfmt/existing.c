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

enum {
    ENTRY_MAX = 8192
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of bytes, or -1. */
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

static const char *value_of(const char *line, const char *key)
{
    size_t n = strlen(key);

    return strncmp(line, key, n) == 0 ? line + n : NULL;
}

int weft_existing_parse(const char *name, const char *text, struct weft_existing *e,
                        struct weft_err **err)
{
    weft_auto_strv lines = {0};
    weft_auto_free char *shown = weft_printable(name);
    weft_auto_free char *interpreter = NULL;
    struct weft_existing r = {0};
    int magic_len = -1, mask_len = -1;
    bool has_status = false;

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        const char *line = lines.v[i], *v;

        if (strcmp(line, "enabled") == 0 || strcmp(line, "disabled") == 0) {
            r.enabled = *line == 'e';
            has_status = true;
        } else if ((v = value_of(line, "interpreter "))) {
            free(interpreter);
            interpreter = weft_xstrdup(v);
        } else if ((v = value_of(line, "flags: "))) {
            strncpy(r.flags, v, sizeof(r.flags) - 1);
        } else if ((v = value_of(line, "offset "))) {
            r.offset = strtoul(v, NULL, 10);
        } else if ((v = value_of(line, "magic "))) {
            magic_len = parse_hex(v, r.magic);
        } else if ((v = value_of(line, "mask "))) {
            mask_len = parse_hex(v, r.mask);
            if (mask_len < 0) {
                return weft_fail(err, WEFT_E_FORMAT, "handler %s: bad mask", shown);
            }
        } else if (value_of(line, "extension ")) {
            return 1;
        }
    }
    if (!has_status || !interpreter || magic_len <= 0 || (mask_len >= 0 && mask_len != magic_len)) {
        return weft_fail(err, WEFT_E_FORMAT, "handler %s is not what the kernel writes", shown);
    }
    r.magic_len = (size_t)magic_len;
    if (mask_len < 0) {
        memset(r.mask, 0xff, r.magic_len);
    }
    r.name = weft_xstrdup(name);
    r.interpreter = weft_steal(&interpreter);
    *e = r;
    return 0;
}

/* 1: read; 0: gone in the meantime. The files of binfmt_misc say that they have no bytes. */
static int read_at(int dir_fd, const char *name, char text[ENTRY_MAX], struct weft_err **err)
{
    weft_auto_fd fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;
    ssize_t n;

    if (fd < 0) {
        return errno == ENOENT ? 0 : weft_fail_sys(err, errno, "open handler %s", name);
    }
    while (len < ENTRY_MAX - 1 && (n = read(fd, text + len, ENTRY_MAX - 1 - len)) != 0) {
        if (n < 0 && errno != EINTR) {
            return weft_fail_sys(err, errno, "read handler %s", name);
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
        struct weft_existing entry;

        if (e->d_name[0] == '.' || strcmp(e->d_name, "status") == 0 ||
            strcmp(e->d_name, "register") == 0) {
            continue;
        }
        got = read_at(dir_fd, e->d_name, text, err);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            continue;
        }
        got = weft_existing_parse(e->d_name, text, &entry, err);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            out->v = weft_xrealloc(out->v, out->n + 1, sizeof(*out->v));
            out->v[out->n++] = entry;
        }
    }
    if (out->n > 1) {
        qsort(out->v, out->n, sizeof(*out->v), by_name);
    }
    return 0;
}

void weft_existing_finish(struct weft_existing_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->v[i].name);
        free(t->v[i].interpreter);
    }
    free(t->v);
    *t = (struct weft_existing_table){0};
}

/* Whether e takes a program whose first bytes are `head`. An entry that looks further than these
 * is for something narrower than a machine. */
static bool takes(const struct weft_existing *e, const unsigned char head[WEFT_ELF_HEAD_SIZE])
{
    for (size_t i = 0; i < e->magic_len; i++) {
        size_t at = e->offset + i;

        if (e->mask[i] == 0) {
            continue;
        }
        if (at >= WEFT_ELF_HEAD_SIZE || ((head[at] ^ e->magic[i]) & e->mask[i])) {
            return false;
        }
    }
    return true;
}

const struct weft_existing *weft_existing_find(const struct weft_existing_table *t,
                                               const struct weft_machine *m,
                                               const struct weft_existing **without_f)
{
    const struct weft_existing *found = NULL, *lame = NULL;
    unsigned char exec[WEFT_ELF_HEAD_SIZE], dyn[WEFT_ELF_HEAD_SIZE];
    size_t low = m->magic[EI_DATA] == ELFDATA2LSB ? EI_NIDENT : EI_NIDENT + 1;

    /* both kinds of program: fixed address and position-independent */
    memcpy(exec, m->magic, sizeof(exec));
    memcpy(dyn, m->magic, sizeof(dyn));
    exec[low] = ET_EXEC;
    dyn[low] = ET_DYN;
    for (size_t i = 0; t->enabled && i < t->n; i++) {
        const struct weft_existing *e = &t->v[i];

        if (!e->enabled || !takes(e, exec) || !takes(e, dyn)) {
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
