/* SPDX-License-Identifier: Apache-2.0 */
/* The content of one file of a layer: what kind it is, where it is read from, what is kept of it.
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/audit_parts.h"

enum {
    MEMORY_BYTES = 8 << 20,   /* a file up to this is read in memory */
    CONFIG_BYTES = 64 << 10,  /* of a file of the dynamic loader's configuration */
    CONFIGS_LIMIT = 1000,     /* such files */
    NEEDED_LIMIT = 1 << 23,   /* libraries of all files together */
    VERDICTS_LIMIT = 1 << 20, /* of all files together */
};

/* Of an ELF file that is larger, what is behind is not looked at: its sections, that is. */
#define FILE_LIMIT_BYTES (UINT64_C(4) << 30)

/** Where a file is read from: memory, or a file without a name. One is enough for a reader. */
struct weft_audit_spool {
    unsigned char *bytes; /* MEMORY_BYTES */
    int fd;               /* or -1 */
    size_t n_configs;
};

void weft_audit_spool_destroy(struct weft_audit_spool *s)
{
    if (s) {
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s->bytes);
        free(s);
    }
}

static struct weft_audit_spool *spool_of(struct weft_audit_walk *w)
{
    if (!w->spool) {
        w->spool = weft_xcalloc(1, sizeof(*w->spool));
        w->spool->fd = -1;
        w->spool->bytes = weft_xmalloc(MEMORY_BYTES);
    }
    return w->spool;
}

/* An empty file without a name. */
static int open_unnamed(struct weft_audit_spool *s, struct weft_err **err)
{
    if (s->fd >= 0) {
        return ftruncate(s->fd, 0) < 0 ? weft_fail_sys(err, errno, "a temporary file") : 0;
    }
    s->fd = weft_temp_unnamed(err);
    return s->fd < 0 ? -1 : 0;
}

static int write_at(int fd, const unsigned char *data, size_t len, uint64_t offset,
                    struct weft_err **err)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "a temporary file");
        }
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* A piece of data. */
struct piece {
    const void *data;
    size_t len;
    uint64_t offset;
};

static int put_piece(struct weft_audit_spool *s, bool in_memory, struct piece p, uint64_t limit,
                     struct weft_err **err)
{
    size_t len;

    if (p.len == 0 || p.offset >= limit) {
        return 0;
    }
    len = p.len < limit - p.offset ? p.len : (size_t)(limit - p.offset);
    if (in_memory) {
        memcpy(s->bytes + p.offset, p.data, len);
        return 0;
    }
    return write_at(s->fd, p.data, len, p.offset, err);
}

/* The file's head, the piece that was read last, and the rest of the data, up to `limit` bytes of
 * the file, to where it can be read. */
static int spool(struct weft_audit_spool *s, struct weft_layer *l, struct piece head,
                 struct piece last, uint64_t limit, struct weft_elf_input *out,
                 struct weft_err **err)
{
    bool in_memory = limit <= MEMORY_BYTES;
    int r;

    if (in_memory) {
        memset(s->bytes, 0, (size_t)limit);
    } else if (open_unnamed(s, err) < 0) {
        return -1;
    } else if (ftruncate(s->fd, (off_t)limit) < 0) {
        return weft_fail_sys(err, errno, "a temporary file");
    }
    *out = (struct weft_elf_input){
        .image = in_memory ? s->bytes : NULL, .fd = in_memory ? -1 : s->fd, .size_bytes = limit};
    if (put_piece(s, in_memory, head, limit, err) < 0 ||
        put_piece(s, in_memory, last, limit, err) < 0) {
        return -1;
    }
    while ((r = weft_layer_data(l, &last.data, &last.len, &last.offset, err)) == 1 &&
           last.offset < limit) {
        if (put_piece(s, in_memory, last, limit, err) < 0) {
            return -1;
        }
    }
    return r < 0 ? -1 : 0;
}

/* ---- what is kept ---- */

static void keep_verdicts(struct weft_audit_walk *w, struct weft_audit_info *i,
                          const struct weft_audit_verdicts *v)
{
    i->verdicts = (uint32_t)w->n_verdicts;
    for (size_t k = 0; k < v->n && w->n_verdicts < VERDICTS_LIMIT; k++) {
        w->verdicts = weft_xgrow(w->verdicts, w->n_verdicts, sizeof(*w->verdicts));
        w->verdicts[w->n_verdicts++] =
            (struct weft_audit_kept){.found = weft_audit_name(w, v->v[k].found),
                                     .expected = weft_audit_name(w, v->v[k].expected),
                                     .rule = (uint8_t)v->v[k].rule,
                                     .severity = (uint8_t)v->v[k].severity};
        i->n_verdicts++;
    }
}

static void keep_needed(struct weft_audit_walk *w, struct weft_audit_info *i,
                        const struct weft_strv *needed)
{
    i->needed = (uint32_t)w->n_needed;
    for (size_t k = 0; k < needed->n && w->n_needed < NEEDED_LIMIT; k++) {
        uint32_t name = weft_audit_name(w, needed->v[k]);

        if (name) {
            w->needed = weft_xgrow(w->needed, w->n_needed, sizeof(*w->needed));
            w->needed[w->n_needed++] = name;
            i->n_needed++;
        }
    }
}

static uint32_t pack_version(const unsigned int v[3])
{
    uint32_t packed = 0;

    for (int k = 0; k < 3; k++) {
        packed = packed << 8 | (v[k] < 255 ? v[k] : 255);
    }
    return packed;
}

/* Whether it is for the platform. What another machine's programs lack goes without saying. */
static bool is_ours(const struct weft_audit_verdicts *v)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->v[i].rule == WEFT_AUDIT_MACHINE || v->v[i].rule == WEFT_AUDIT_COMPATIBLE ||
            v->v[i].rule == WEFT_AUDIT_OBJECT || v->v[i].rule == WEFT_AUDIT_FORMAT) {
            return false;
        }
    }
    return true;
}

static int keep_elf(struct weft_audit_walk *w, const struct weft_elf_input *in,
                    struct weft_audit_info *i, struct weft_err **err)
{
    weft_auto_audit_verdicts v = {0};
    weft_auto_elf_facts f = {0};
    weft_auto_free char *isa = NULL;
    weft_auto_err why = NULL;

    if (weft_elf_facts_read(in, &f, &why) < 0) {
        if (why->code != WEFT_E_FORMAT) {
            if (err) {
                *err = weft_steal(&why);
            }
            return -1;
        }
        i->kind = WEFT_AUDIT_OTHER; /* it begins like one, and nothing would take it for one */
        return 0;
    }
    weft_audit_elf(&w->target, &f, &v);
    isa = weft_audit_isa_text(&f);
    i->machine = f.machine;
    i->bits = (uint8_t)f.bits;
    i->big_endian = f.big_endian;
    i->interpreter = weft_audit_name(w, f.interpreter);
    i->rpath = weft_audit_name(w, f.rpath);
    i->runpath = weft_audit_name(w, f.runpath);
    i->soname = weft_audit_name(w, f.soname);
    i->glibc = weft_audit_name(w, f.glibc);
    i->isa = weft_audit_name(w, isa);
    i->damage = weft_audit_name(w, f.damage);
    i->no_default_dirs = f.no_default_dirs;
    i->kernel = f.has_kernel ? pack_version(f.kernel) : 0;
    i->is_ours = (f.type == ET_EXEC || f.type == ET_DYN) && !f.is_debug && is_ours(&v);
    i->is_linked = i->is_ours && (f.interpreter || f.is_dynamic);
    keep_verdicts(w, i, &v);
    if (i->is_linked) {
        keep_needed(w, i, &f.needed);
    }
    return 0;
}

static void keep_script(struct weft_audit_walk *w, const unsigned char *head, size_t len,
                        struct weft_audit_info *i)
{
    weft_auto_free char *argument = NULL;
    weft_auto_free char *program = weft_audit_script(head, len, &argument);

    i->interpreter = weft_audit_name(w, program);
    i->argument = weft_audit_name(w, argument);
}

/* Files of which the dynamic loader learns where libraries are. */
static bool is_config(const char *path)
{
    const char *name = weft_path_base(path);

    return weft_starts_with(name, "ld.so.conf") || strstr(path, "ld.so.conf.d/") ||
           (weft_starts_with(name, "ld-musl-") && weft_ends_with(name, ".path"));
}

static int64_t add_info(struct weft_audit_walk *w, const struct weft_audit_info *i)
{
    w->infos = weft_xgrow(w->infos, w->n_infos, sizeof(*w->infos));
    w->infos[w->n_infos] = *i;
    return (int64_t)w->n_infos++;
}

/* The first bytes of the file: head->len of them. `last`: the piece where they end; a file that
 * begins with a hole has none. Returns 0, or -1. */
static int read_head(struct weft_layer *l, unsigned char buf[WEFT_AUDIT_HEAD_BYTES],
                     struct piece *head, struct piece *last, struct weft_err **err)
{
    int r = 1;

    *head = (struct piece){.data = buf};
    while (head->len < WEFT_AUDIT_HEAD_BYTES) {
        size_t n;

        *last = (struct piece){0};
        r = weft_layer_data(l, &last->data, &last->len, &last->offset, err);
        if (r != 1 || last->offset != head->len) {
            break;
        }
        n = last->len < WEFT_AUDIT_HEAD_BYTES - head->len ? last->len
                                                          : WEFT_AUDIT_HEAD_BYTES - head->len;
        memcpy(buf + head->len, last->data, n);
        head->len += n;
    }
    return r < 0 ? -1 : 0;
}

int64_t weft_audit_content(struct weft_audit_walk *w, struct weft_layer *l,
                           const struct weft_layer_entry *e, struct weft_err **err)
{
    struct weft_audit_spool *s = spool_of(w);
    struct weft_audit_info i = {0};
    weft_auto_audit_verdicts v = {0};
    struct weft_elf_input in;
    struct piece head, last;
    uint64_t limit = e->size_bytes;
    unsigned char buf[WEFT_AUDIT_HEAD_BYTES];

    if (e->size_bytes < 3) {
        return 0;
    }
    if (read_head(l, buf, &head, &last, err) < 0) {
        return -1;
    }
    i.kind = (uint8_t)weft_audit_sniff(buf, head.len);
    switch ((enum weft_audit_kind)i.kind) {
    case WEFT_AUDIT_IS_ELF:
        limit = limit < FILE_LIMIT_BYTES ? limit : FILE_LIMIT_BYTES;
        if (spool(s, l, head, last, limit, &in, err) < 0 || keep_elf(w, &in, &i, err) < 0) {
            return -1;
        }
        return i.kind == WEFT_AUDIT_IS_ELF ? add_info(w, &i) : 0;
    case WEFT_AUDIT_IS_AR:
        limit = limit < FILE_LIMIT_BYTES ? limit : FILE_LIMIT_BYTES;
        if (spool(s, l, head, last, limit, &in, err) < 0) {
            return -1;
        }
        weft_audit_ar(&w->target, &in, &v);
        break;
    case WEFT_AUDIT_IS_PE:
        limit = limit < WEFT_AUDIT_PE_BYTES ? limit : WEFT_AUDIT_PE_BYTES;
        if (spool(s, l, head, last, limit, &in, err) < 0) {
            return -1;
        }
        weft_audit_pe(&w->target, &in, &v);
        break;
    case WEFT_AUDIT_IS_SCRIPT:
        if (e->is_executable) {
            keep_script(w, buf, head.len, &i);
            return i.interpreter ? add_info(w, &i) : 0;
        }
        return 0;
    case WEFT_AUDIT_OTHER:
        if (is_config(e->path) && s->n_configs < CONFIGS_LIMIT) {
            s->n_configs++;
            limit = limit < CONFIG_BYTES ? limit : CONFIG_BYTES;
            if (spool(s, l, head, last, limit, &in, err) < 0) {
                return -1;
            }
            i.text = weft_xstrndup(in.image, (size_t)limit);
            return add_info(w, &i);
        }
        return 0;
    }
    keep_verdicts(w, &i, &v);
    return i.n_verdicts > 0 ? add_info(w, &i) : 0;
}
