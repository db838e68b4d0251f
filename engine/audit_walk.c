/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/audit_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/audit_parts.h"

enum {
    NAMES_LIMIT = 256 << 20, /* bytes of all names and texts */
    PENDING_LIMIT = 10000,   /* hard links of a layer to what comes later */
};

static const char whiteout[] = ".wh.";
static const char whiteout_meta[] = ".wh..wh.";
static const char whiteout_opaque[] = ".wh..wh..opq";

/* A hard link that waits for its target. */
struct pending {
    char *path, *target;
};

/* What is counted while a layer is read, to be one finding each. */
struct layer_state {
    struct pending *pending;
    size_t n_pending, n_lost; /* lost: the target is not there */
    size_t n_unreadable;      /* names */
    size_t n_misplaced;
    char *lost, *misplaced; /* the first of them */
    const char *why;        /* it is misplaced. Static */
};

/* ---- names and findings ---- */

uint32_t weft_audit_name(struct weft_audit_walk *w, const char *s)
{
    return s ? weft_intern_add(w->names, s, strlen(s)) : 0;
}

const char *weft_audit_text(const struct weft_audit_walk *w, uint32_t id)
{
    return id ? weft_intern_text(w->names, id) : NULL;
}

static bool is_allowed(const struct weft_audit_walk *w, const char *path, enum weft_audit_rule rule)
{
    for (size_t i = 0; w->opts.allow && i < w->opts.allow->n; i++) {
        if (weft_audit_path_matches(w->opts.allow->v[i], path)) {
            return true;
        }
    }
    return weft_audit_known(path, rule) != NULL;
}

void weft_audit_add(struct weft_audit_walk *w, enum weft_audit_rule rule,
                    enum weft_audit_severity severity, int layer, const char *path, char *found,
                    char *expected)
{
    struct weft_audit_report *r = &w->report;

    if (path && is_allowed(w, path, rule)) {
        r->n_allowed++;
    } else if (r->n >= WEFT_AUDIT_FINDINGS_LIMIT && rule != WEFT_AUDIT_LIMIT) {
        w->n_dropped++;
        w->dropped = severity > w->dropped ? severity : w->dropped;
    } else {
        r->findings = weft_xgrow(r->findings, r->n, sizeof(*r->findings));
        r->findings[r->n++] = (struct weft_audit_finding){.rule = rule,
                                                          .severity = severity,
                                                          .layer = layer,
                                                          .path = weft_xstrdup_null(path),
                                                          .found = weft_steal(&found),
                                                          .expected = weft_steal(&expected)};
    }
    free(found);
    free(expected);
}

void weft_audit_report_finish(struct weft_audit_report *r)
{
    struct weft_audit_summary *s = &r->summary;

    for (size_t i = 0; i < r->n; i++) {
        free(r->findings[i].path);
        free(r->findings[i].found);
        free(r->findings[i].expected);
    }
    free(r->findings);
    for (size_t i = 0; i < s->n_biggest; i++) {
        free(s->biggest[i].path);
    }
    free(s->isa);
    free(s->glibc);
    free(s->kernel);
    *r = (struct weft_audit_report){0};
}

/* ---- the walk ---- */

struct weft_audit_walk *weft_audit_walk_create(const struct weft_audit_walk_opts *opts)
{
    struct weft_audit_walk *w = weft_xcalloc(1, sizeof(*w));

    w->opts = *opts;
    weft_audit_target_init(&w->target, &opts->platform);
    w->names = weft_intern_create(NAMES_LIMIT);
    w->tree = weft_tree_create(w->names);
    w->infos = weft_xgrow(NULL, 0, sizeof(*w->infos));
    w->infos[w->n_infos++] = (struct weft_audit_info){0};
    return w;
}

void weft_audit_walk_destroy(struct weft_audit_walk *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->n_infos; i++) {
        free(w->infos[i].text);
    }
    free(w->infos);
    free(w->needed);
    free(w->verdicts);
    weft_audit_report_finish(&w->report);
    weft_audit_spool_destroy(w->spool);
    weft_tree_destroy(w->tree);
    weft_intern_destroy(w->names);
    free(w);
}

/* ---- entries ---- */

static void stop(struct weft_audit_walk *w)
{
    if (!w->is_stopped) {
        w->is_stopped = true;
        weft_audit_add(
            w, WEFT_AUDIT_LIMIT, WEFT_AUDIT_WARNING, (int)w->n_layers, NULL,
            weft_fmt("more than %zu files and directories: the rest was not looked at", w->entries),
            NULL);
    }
}

static void misplaced(struct layer_state *s, const char *path, const char *why)
{
    if (s->n_misplaced++ == 0) {
        s->misplaced = weft_xstrdup(path);
        s->why = why;
    }
}

/* Put an entry into the tree. 0: it is not there. */
static uint32_t put(struct weft_audit_walk *w, struct layer_state *s, const char *path,
                    enum weft_tree_kind kind)
{
    const char *why;
    uint32_t node = weft_tree_put(w->tree, path, kind, w->n_layers, &why);

    if (!node && weft_tree_is_full(w->tree)) {
        stop(w);
    } else if (!node && why) {
        misplaced(s, path, why);
    }
    return node == WEFT_TREE_ROOT ? 0 : node;
}

/* Whether it is a whiteout, which is done with then. */
static bool take_whiteout(struct weft_audit_walk *w, const char *path)
{
    const char *name = weft_path_base(path);
    weft_auto_free char *dir = NULL;
    weft_auto_free char *removed = NULL;

    if (!weft_starts_with(name, whiteout)) {
        return false;
    }
    dir = weft_xstrndup(path, (size_t)(name - path));
    if (strcmp(name, whiteout_opaque) == 0) {
        weft_tree_remove(w->tree, dir, true, w->n_layers);
    } else if (!weft_starts_with(name, whiteout_meta) && name[strlen(whiteout)]) {
        removed = weft_fmt("%s%s", dir, name + strlen(whiteout));
        weft_tree_remove(w->tree, removed, false, w->n_layers);
    }
    return true;
}

/* The same file, or the same symbolic link, by another name. Returns whether it is there. */
static bool link_to(struct weft_audit_walk *w, struct layer_state *s, const char *path,
                    const char *target)
{
    uint32_t from = weft_tree_find(w->tree, WEFT_TREE_ROOT, target, false);
    uint32_t data, node;
    uint64_t size;
    enum weft_tree_kind kind;

    if (!from || weft_tree_kind(w->tree, from) == WEFT_TREE_DIR) {
        return false;
    }
    if (weft_tree_find(w->tree, WEFT_TREE_ROOT, path, false) == from) {
        return true; /* to itself */
    }
    data = weft_tree_data(w->tree, from);
    size = weft_tree_size(w->tree, from);
    kind = weft_tree_kind(w->tree, from);
    node = put(w, s, path, kind);
    if (node) {
        weft_tree_set(w->tree, node, data, size);
    }
    return true;
}

static void take_hard_link(struct weft_audit_walk *w, struct layer_state *s,
                           const struct weft_layer_entry *e)
{
    if (link_to(w, s, e->path, e->target)) {
        return;
    }
    if (s->n_pending >= PENDING_LIMIT) {
        s->n_lost++;
        return;
    }
    s->pending = weft_xgrow(s->pending, s->n_pending, sizeof(*s->pending));
    s->pending[s->n_pending++] =
        (struct pending){.path = weft_xstrdup(e->path), .target = weft_xstrdup(e->target)};
}

static int take_file(struct weft_audit_walk *w, struct layer_state *s, struct weft_layer *l,
                     const struct weft_layer_entry *e, struct weft_err **err)
{
    uint32_t node = put(w, s, e->path, WEFT_TREE_FILE);
    int64_t info = weft_audit_content(w, l, e, err);

    if (info < 0) {
        return -1;
    }
    if (node) {
        weft_tree_set(w->tree, node, (uint32_t)info, e->size_bytes);
    }
    return 0;
}

static int take_entry(struct weft_audit_walk *w, struct layer_state *s, struct weft_layer *l,
                      const struct weft_layer_entry *e, struct weft_err **err)
{
    uint32_t node;

    if (!*e->path || (e->target && !*e->target)) {
        s->n_unreadable++;
        return 0;
    }
    if (take_whiteout(w, e->path)) {
        return 0;
    }
    switch (e->type) {
    case WEFT_LAYER_FILE:
        return take_file(w, s, l, e, err);
    case WEFT_LAYER_DIR:
        put(w, s, e->path, WEFT_TREE_DIR);
        break;
    case WEFT_LAYER_SYMLINK:
        node = put(w, s, e->path, WEFT_TREE_LINK);
        if (node) {
            uint32_t target = weft_audit_name(w, e->target);

            weft_tree_set(w->tree, node, target ? target : weft_audit_name(w, "/"), 0);
        }
        break;
    case WEFT_LAYER_HARDLINK:
        take_hard_link(w, s, e);
        break;
    case WEFT_LAYER_OTHER:
        put(w, s, e->path, WEFT_TREE_OTHER);
        break;
    }
    return 0;
}

static int read_entries(struct weft_audit_walk *w, struct layer_state *s, struct weft_layer *l,
                        struct weft_err **err)
{
    struct weft_layer_entry e;
    int r = 1;

    while (!w->is_stopped && (r = weft_layer_next(l, &e, err)) == 1) {
        if (++w->entries > WEFT_AUDIT_ENTRIES_LIMIT) {
            stop(w);
        } else if (take_entry(w, s, l, &e, err) < 0) {
            return -1;
        }
    }
    return r < 0 ? -1 : 0;
}

/* ---- layers ---- */

static void finish_layer(struct weft_audit_walk *w, struct layer_state *s)
{
    int layer = (int)w->n_layers;

    for (size_t i = 0; i < s->n_pending; i++) {
        if (!w->is_stopped && !link_to(w, s, s->pending[i].path, s->pending[i].target) &&
            s->n_lost++ == 0) {
            s->lost = weft_fmt("%s, a link to %s", s->pending[i].path, s->pending[i].target);
        }
        free(s->pending[i].path);
        free(s->pending[i].target);
    }
    free(s->pending);
    if (s->n_lost > 0) {
        weft_audit_add(w, WEFT_AUDIT_DAMAGE, WEFT_AUDIT_WARNING, layer, NULL,
                       weft_fmt("%zu hard links to what is not there%s%s", s->n_lost,
                                s->lost ? ": " : "", s->lost ? s->lost : ""),
                       NULL);
    }
    if (s->n_misplaced > 0) {
        weft_audit_add(
            w, WEFT_AUDIT_DAMAGE, WEFT_AUDIT_WARNING, layer, NULL,
            weft_fmt("%zu entries without a place: %s: %s", s->n_misplaced, s->misplaced, s->why),
            NULL);
    }
    if (s->n_unreadable > 0) {
        weft_audit_add(
            w, WEFT_AUDIT_DAMAGE, WEFT_AUDIT_WARNING, layer, NULL,
            weft_fmt("%zu entries whose names cannot be read, or are longer than %d bytes",
                     s->n_unreadable, WEFT_LAYER_PATH_LIMIT - 1),
            NULL);
    }
    free(s->lost);
    free(s->misplaced);
}

/* What is wrong with a layer, and no fault of this machine: a finding. Returns 0, or -1 for what is
 * an error. */
static int report_layer(struct weft_audit_walk *w, struct weft_err **why, struct weft_err **err)
{
    switch ((*why)->code) {
    case WEFT_E_FORMAT:
        weft_audit_add(w, WEFT_AUDIT_DAMAGE, WEFT_AUDIT_ERROR, (int)w->n_layers, NULL,
                       weft_fmt("the layer cannot be read: %s", (*why)->msg), NULL);
        return 0;
    case WEFT_E_UNSUPPORTED:
        weft_audit_add(w, WEFT_AUDIT_LIMIT, WEFT_AUDIT_WARNING, (int)w->n_layers, NULL,
                       weft_fmt("%s: the rest was not looked at", (*why)->msg), NULL);
        return 0;
    case WEFT_E_INTERNAL:
    case WEFT_E_IO:
    case WEFT_E_DIGEST:
    case WEFT_E_NET:
    case WEFT_E_CHILD:
    case WEFT_E_BUILD:
    case WEFT_E_CANCELLED:
    case WEFT_E_USAGE:
        break;
    }
    if (err) {
        *err = weft_steal(why);
    }
    return -1;
}

int weft_audit_walk_layer(struct weft_audit_walk *w, const struct weft_layer_input *in,
                          struct weft_err **err)
{
    struct layer_state s = {0};
    weft_auto_layer l = NULL;
    weft_auto_err why = NULL;
    int rc = 0;

    if (w->is_stopped) {
        return 0;
    }
    if (w->n_layers >= WEFT_AUDIT_LAYERS_LIMIT) {
        stop(w);
        return 0;
    }
    l = weft_layer_open(in, &why);
    if (!l || read_entries(w, &s, l, &why) < 0) {
        rc = report_layer(w, &why, err);
    }
    finish_layer(w, &s);
    if (rc == 0 && l && !w->is_stopped) {
        rc = weft_layer_check(l, err);
    }
    w->n_layers++;
    return rc;
}

/* ---- what is left of the layers ---- */

static void judge_file(struct weft_audit_walk *w, uint32_t node, const char *path)
{
    const struct weft_audit_info *i = &w->infos[weft_tree_data(w->tree, node)];
    int layer = (int)weft_tree_layer(w->tree, node);

    for (uint32_t k = 0; k < i->n_verdicts; k++) {
        const struct weft_audit_kept *v = &w->verdicts[i->verdicts + k];
        const char *found = weft_audit_text(w, v->found),
                   *expected = weft_audit_text(w, v->expected);

        weft_audit_add(w, (enum weft_audit_rule)v->rule, (enum weft_audit_severity)v->severity,
                       layer, path, weft_xstrdup(found ? found : "?"), weft_xstrdup_null(expected));
    }
    if (i->damage) {
        weft_audit_add(w, WEFT_AUDIT_DAMAGE, WEFT_AUDIT_NOTICE, layer, path,
                       weft_fmt("an ELF file that cannot be read as a whole: %s",
                                weft_audit_text(w, i->damage)),
                       NULL);
    }
}

static void judge_all(struct weft_audit_walk *w)
{
    weft_auto_buf path = {0};

    for (uint32_t n = WEFT_TREE_ROOT; n; n = weft_tree_next(w->tree, n)) {
        uint32_t info = weft_tree_kind(w->tree, n) == WEFT_TREE_FILE ? weft_tree_data(w->tree, n)
                                                                     : 0;

        /* a file of many names is one finding */
        if (info && !w->infos[info].is_seen) {
            w->infos[info].is_seen = true;
            if (w->infos[info].n_verdicts > 0 || w->infos[info].damage) {
                weft_tree_path(w->tree, n, &path);
                judge_file(w, n, path.data);
            }
        }
    }
}

/* ---- the summary ---- */

static void keep_highest(char **best, const char *text, int (*cmp)(const char *, const char *))
{
    if (text && (!*best || cmp(text, *best) > 0)) {
        free(*best);
        *best = weft_xstrdup(text);
    }
}

static void sum_libc(struct weft_audit_summary *s, const char *interpreter)
{
    const char *name = strrchr(interpreter, '/');

    name = name ? name + 1 : interpreter;
    if (weft_starts_with(name, "ld-musl-")) {
        s->libc = "musl";
    } else if (weft_starts_with(name, "ld-linux") || weft_starts_with(name, "ld64.so") ||
               weft_starts_with(name, "ld.so")) {
        s->libc = "glibc";
    } else if (strcmp(s->libc, "none") == 0) {
        s->libc = "another";
    }
}

static void sum_elf(struct weft_audit_walk *w, uint32_t node, const struct weft_audit_info *i)
{
    struct weft_audit_summary *s = &w->report.summary;
    weft_auto_buf path = {0};

    s->elf_files++;
    if (!i->is_ours) {
        return;
    }
    if (i->interpreter) {
        sum_libc(s, weft_audit_text(w, i->interpreter));
    }
    if (!weft_str_eq(weft_audit_text(w, i->soname), "libc.so.6")) {
        keep_highest(&s->glibc, weft_audit_text(w, i->glibc), weft_version_cmp);
    }
    if (i->kernel) {
        weft_auto_free char *v =
            weft_fmt("%u.%u.%u", i->kernel >> 16, i->kernel >> 8 & 255, i->kernel & 255);

        keep_highest(&s->kernel, v, weft_version_cmp);
    }
    weft_tree_path(w->tree, node, &path);
    if (!weft_audit_known(path.data, WEFT_AUDIT_ISA)) {
        keep_highest(&s->isa, weft_audit_text(w, i->isa), strcmp);
    }
}

static void sum_size(struct weft_audit_walk *w, uint32_t node)
{
    struct weft_audit_summary *s = &w->report.summary;
    uint64_t size = weft_tree_size(w->tree, node);
    size_t at = s->n_biggest;
    weft_auto_buf path = {0};

    while (at > 0 && s->biggest[at - 1].size_bytes < size) {
        at--;
    }
    if (at >= WEFT_AUDIT_BIGGEST) {
        return;
    }
    if (s->n_biggest == WEFT_AUDIT_BIGGEST) {
        free(s->biggest[--s->n_biggest].path);
    }
    memmove(&s->biggest[at + 1], &s->biggest[at], (s->n_biggest - at) * sizeof(s->biggest[0]));
    s->n_biggest++;
    weft_tree_path(w->tree, node, &path);
    s->biggest[at] = (struct weft_audit_big){weft_buf_steal(&path), size};
}

static void sum_all(struct weft_audit_walk *w)
{
    w->report.summary.libc = "none";
    for (size_t i = 0; i < w->n_infos; i++) {
        w->infos[i].is_seen = false;
    }
    for (uint32_t n = WEFT_TREE_ROOT; n; n = weft_tree_next(w->tree, n)) {
        struct weft_audit_info *i;

        if (weft_tree_kind(w->tree, n) != WEFT_TREE_FILE) {
            continue;
        }
        i = &w->infos[weft_tree_data(w->tree, n)];
        w->report.summary.files++;
        if (i != w->infos && i->is_seen) {
            continue; /* another name of it */
        }
        sum_size(w, n);
        i->is_seen = i != w->infos;
        if (i->kind == WEFT_AUDIT_IS_ELF) {
            sum_elf(w, n, i);
        }
    }
}

/* ---- the end ---- */

static int compare(const void *a, const void *b)
{
    const struct weft_audit_finding *x = a, *y = b;

    if (x->severity != y->severity) {
        return x->severity > y->severity ? -1 : 1;
    }
    if (!x->path != !y->path) {
        return x->path ? 1 : -1;
    }
    if (x->path && strcmp(x->path, y->path) != 0) {
        return strcmp(x->path, y->path);
    }
    if (x->rule != y->rule) {
        return x->rule < y->rule ? -1 : 1;
    }
    return x->layer < y->layer ? -1 : x->layer > y->layer ? 1 : strcmp(x->found, y->found);
}

void weft_audit_walk_finish(struct weft_audit_walk *w, struct weft_audit_report *out)
{
    struct weft_audit_report *r = &w->report;

    judge_all(w);
    weft_audit_links(w);
    sum_all(w);
    if (!w->target.info) {
        weft_audit_add(w, WEFT_AUDIT_LIMIT, WEFT_AUDIT_WARNING, -1, NULL,
                       weft_xstrdup("weft does not know the platform: machines were not compared"),
                       NULL);
    }
    if (w->n_dropped > 0) {
        /* as grave as what it stands for */
        weft_audit_add(w, WEFT_AUDIT_LIMIT,
                       w->dropped > WEFT_AUDIT_WARNING ? w->dropped : WEFT_AUDIT_WARNING, -1, NULL,
                       weft_fmt("%zu findings more", w->n_dropped), NULL);
    }
    if (r->n > 0) {
        qsort(r->findings, r->n, sizeof(*r->findings), compare);
    }
    r->entries = w->entries;
    *out = *r;
    *r = (struct weft_audit_report){0};
}
