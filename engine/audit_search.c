/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/audit_search.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"

enum {
    DIRS_LIMIT = 1000, /* in one list */
    INCLUDE_DEPTH = 4, /* of ld.so.conf */
    NAMES_LIMIT = 1 << 20,
    CONFIGS_LIMIT = 500, /* files that are read in all, the same ones again included */
};

void weft_audit_dirs_add(struct weft_audit_dirs *d, const struct weft_audit_walk *w, uint32_t from,
                         const char *path)
{
    uint32_t node = weft_tree_find(w->tree, from, path, true);

    if (!node || weft_tree_kind(w->tree, node) != WEFT_TREE_DIR || d->n >= DIRS_LIMIT) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        if (d->v[i] == node) {
            return;
        }
    }
    d->v = weft_xgrow(d->v, d->n, sizeof(*d->v));
    d->v[d->n++] = node;
}

void weft_audit_dirs_split(struct weft_audit_dirs *d, const struct weft_audit_walk *w,
                           const char *list, const char *sep)
{
    while (*list) {
        size_t len = strcspn(list, sep);
        weft_auto_free char *one = weft_xstrndup(list, len);

        if (*one == '/') {
            weft_audit_dirs_add(d, w, WEFT_TREE_ROOT, one);
        }
        list += len;
        list += strspn(list, sep);
    }
}

/* ---- ld.so.conf ---- */

/* One run of the reader. */
struct reader {
    struct weft_audit_walk *w;
    struct weft_audit_dirs *out;
    int files;
    int budget; /* names that are still compared */
};

static void read_config(struct reader *r, uint32_t node, int depth);

/* "include ld.so.conf.d/x*.conf": a pattern in the last part only, as distributions have it. */
static void include(struct reader *r, uint32_t dir, const char *pattern, int depth)
{
    const struct weft_tree *t = r->w->tree;
    const char *last = weft_path_base(pattern);
    weft_auto_free char *above = weft_xstrndup(pattern, (size_t)(last - pattern));
    weft_auto_buf path = {0};
    uint32_t where = *above ? weft_tree_find(t, dir, above, true) : dir;

    if (!where || weft_tree_kind(t, where) != WEFT_TREE_DIR) {
        return;
    }
    for (uint32_t n = weft_tree_first(t, where); n && r->files < CONFIGS_LIMIT && r->budget > 0;
         n = weft_tree_sibling(t, n)) {
        r->budget--;
        if (fnmatch(last, weft_audit_text(r->w, weft_tree_name(t, n)), FNM_NOESCAPE) == 0) {
            read_config(r, weft_tree_follow(t, n), depth + 1);
        }
    }
}

/* A line, cut by "#", with "=TYPE" behind a directory in old ones. */
static void read_line(struct reader *r, uint32_t dir, char *line, int depth)
{
    char *word = line + strspn(line, " \t\r");

    word[strcspn(word, "#")] = '\0';
    if (weft_starts_with(word, "include") && (word[7] == ' ' || word[7] == '\t')) {
        word += 7;
        while (*word) {
            size_t len = strcspn(word, " \t\r");
            weft_auto_free char *pattern = weft_xstrndup(word, len);

            if (len > 0 && depth < INCLUDE_DEPTH) {
                include(r, dir, pattern, depth);
            }
            word += len;
            word += strspn(word, " \t\r");
        }
        return;
    }
    if (weft_starts_with(word, "hwcap")) {
        return;
    }
    word[strcspn(word, "=")] = '\0';
    weft_audit_dirs_split(r->out, r->w, word, ": \t\r,");
}

static void read_config(struct reader *r, uint32_t node, int depth)
{
    const struct weft_tree *t = r->w->tree;
    weft_auto_free char *text = NULL;
    char *line;
    const char *kept;

    if (!node || weft_tree_kind(t, node) != WEFT_TREE_FILE || r->files >= CONFIGS_LIMIT) {
        return;
    }
    kept = r->w->infos[weft_tree_data(t, node)].text;
    if (!kept) {
        return;
    }
    r->files++;
    line = text = weft_xstrdup(kept);
    while (line) {
        char *end = strchr(line, '\n');

        if (end) {
            *end = '\0';
        }
        read_line(r, weft_tree_parent(t, node), line, depth);
        line = end ? end + 1 : NULL;
    }
}

/* ---- what is built in ---- */

/* Every port has its own: "/usr/lib64", and with Debian "/usr/lib/TRIPLET". */
static void add_built_in(struct weft_audit_dirs *d, const struct weft_audit_walk *w)
{
    static const char *const dirs[] = {
        "/lib",        "/usr/lib",    "/lib64",       "/usr/lib64",      "/lib32",
        "/usr/lib32",  "/libx32",     "/usr/libx32",  "/libo32",         "/libn32",
        "/usr/libo32", "/usr/libn32", "/lib64/lp64d", "/usr/lib64/lp64d"};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        uint32_t top;

        weft_audit_dirs_add(d, w, WEFT_TREE_ROOT, dirs[i]);
        top = i < 2 ? weft_tree_find(w->tree, WEFT_TREE_ROOT, dirs[i], true) : 0;
        if (!top) {
            continue;
        }
        for (size_t k = 0;; k++) {
            size_t n;
            const struct weft_platform_info *all = weft_catalogue(&n);

            if (k >= n) {
                break;
            }
            if (all[k].triplet) {
                /* Debian's i386 has the triplet of the oldest processors */
                weft_audit_dirs_add(d, w, top,
                                    strcmp(all[k].platform.arch, "386") == 0 ? "i386-linux-gnu"
                                                                             : all[k].triplet);
            }
        }
        weft_audit_dirs_add(d, w, top, "x86_64-linux-gnux32");
    }
}

/* /etc/ld-musl-ARCH.path stands for all of what is built in. */
static void add_musl(struct weft_audit_dirs *d, const struct weft_audit_walk *w)
{
    uint32_t etc = weft_tree_find(w->tree, WEFT_TREE_ROOT, "/etc", true);
    for (uint32_t n = etc ? weft_tree_first(w->tree, etc) : 0; n;
         n = weft_tree_sibling(w->tree, n)) {
        const char *name = weft_audit_text(w, weft_tree_name(w->tree, n));
        uint32_t file;

        if (!weft_starts_with(name, "ld-musl-") || !weft_ends_with(name, ".path")) {
            continue;
        }
        file = weft_tree_follow(w->tree, n);
        if (file && weft_tree_kind(w->tree, file) == WEFT_TREE_FILE &&
            w->infos[weft_tree_data(w->tree, file)].text) {
            weft_audit_dirs_split(d, w, w->infos[weft_tree_data(w->tree, file)].text, ":\n");
        }
    }
    if (d->n == 0) {
        weft_audit_dirs_split(d, w, "/lib:/usr/local/lib:/usr/lib", ":");
    }
}

void weft_audit_search_init(struct weft_audit_search *s, struct weft_audit_walk *w)
{
    struct reader r = {.w = w, .out = &s->glibc, .budget = NAMES_LIMIT};

    if (w->opts.library_path) {
        weft_audit_dirs_split(&s->given, w, w->opts.library_path, ":;");
    }
    read_config(&r, weft_tree_find(w->tree, WEFT_TREE_ROOT, "/etc/ld.so.conf", true), 0);
    add_built_in(&s->glibc, w);
    add_musl(&s->musl, w);
}

void weft_audit_search_finish(struct weft_audit_search *s)
{
    free(s->glibc.v);
    free(s->musl.v);
    free(s->given.v);
}
