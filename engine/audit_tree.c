/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/audit_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    FIRST_BUCKETS = 1024, /* a power of two */
    DEAD = 0xff,          /* the kind of a node that was removed */
    PATH_LIMIT = 1 << 20, /* bytes of a path that is shown */
};

struct node {
    uint32_t parent;
    uint32_t child, next, prev; /* the first child; siblings */
    uint32_t hash_next;
    uint32_t name;
    uint32_t data;
    uint16_t layer;
    uint8_t kind;
    uint64_t size_bytes;
};

struct weft_tree {
    struct weft_intern *names;
    struct node *nodes; /* [0] is not used, [1] is the root */
    uint32_t n;
    uint32_t free; /* the first of those that were removed, by `next` */
    uint32_t *buckets;
    uint32_t n_buckets;
    bool is_full;
    uint32_t *steps; /* names that were looked up: a pointer, since looking changes nothing else */
};

struct weft_tree *weft_tree_create(struct weft_intern *names)
{
    struct weft_tree *t = weft_xcalloc(1, sizeof(*t));

    t->names = names;
    t->steps = weft_xcalloc(1, sizeof(*t->steps));
    t->n_buckets = FIRST_BUCKETS;
    t->buckets = weft_xcalloc(t->n_buckets, sizeof(*t->buckets));
    for (int i = 0; i < 2; i++) {
        t->nodes = weft_xgrow(t->nodes, t->n, sizeof(*t->nodes));
        t->nodes[t->n++] = (struct node){.kind = WEFT_TREE_DIR};
    }
    t->nodes[WEFT_TREE_ROOT].parent = WEFT_TREE_ROOT;
    return t;
}

void weft_tree_destroy(struct weft_tree *t)
{
    if (t) {
        free(t->nodes);
        free(t->buckets);
        free(t->steps);
        free(t);
    }
}

/* Count a step. false: there were too many. */
static bool step(const struct weft_tree *t)
{
    if (*t->steps >= WEFT_TREE_STEPS_LIMIT) {
        return false;
    }
    ++*t->steps;
    return true;
}

/* ---- nodes ---- */

/* Both numbers are given by us, in the order in which things come: no one can aim at a bucket
 * without filling the others. */
static uint32_t *bucket_of(const struct weft_tree *t, uint32_t dir, uint32_t name)
{
    uint64_t h = ((uint64_t)dir << 32 | name) * UINT64_C(0x9e3779b97f4a7c15);

    return &t->buckets[(h >> 32) & (t->n_buckets - 1)];
}

uint32_t weft_tree_child(const struct weft_tree *t, uint32_t dir, uint32_t name)
{
    for (uint32_t i = *bucket_of(t, dir, name); i; i = t->nodes[i].hash_next) {
        if (t->nodes[i].parent == dir && t->nodes[i].name == name) {
            return i;
        }
    }
    return 0;
}

static void hash_in(struct weft_tree *t, uint32_t i)
{
    uint32_t *bucket = bucket_of(t, t->nodes[i].parent, t->nodes[i].name);

    t->nodes[i].hash_next = *bucket;
    *bucket = i;
}

static void grow(struct weft_tree *t)
{
    t->n_buckets *= 2;
    free(t->buckets);
    t->buckets = weft_xcalloc(t->n_buckets, sizeof(*t->buckets));
    for (uint32_t i = WEFT_TREE_ROOT + 1; i < t->n; i++) {
        if (t->nodes[i].kind != DEAD) {
            hash_in(t, i);
        }
    }
}

static uint32_t add_child(struct weft_tree *t, uint32_t dir, uint32_t name,
                          enum weft_tree_kind kind, unsigned int layer)
{
    uint32_t i = t->free;
    uint32_t first = t->nodes[dir].child;

    if (i) {
        t->free = t->nodes[i].next;
    } else if (t->n >= WEFT_TREE_NODES_LIMIT) {
        t->is_full = true;
        return 0;
    } else {
        t->nodes = weft_xgrow(t->nodes, t->n, sizeof(*t->nodes));
        i = t->n++;
    }
    t->nodes[i] = (struct node){.parent = dir,
                                .next = first,
                                .name = name,
                                .layer = (uint16_t)layer,
                                .kind = (uint8_t)kind};
    if (first) {
        t->nodes[first].prev = i;
    }
    t->nodes[dir].child = i;
    if (t->n > t->n_buckets) {
        grow(t); /* takes the new one in */
    } else {
        hash_in(t, i);
    }
    return i;
}

/* Remove one that has no children. */
static void drop(struct weft_tree *t, uint32_t i)
{
    struct node *n = &t->nodes[i];
    uint32_t *at = bucket_of(t, n->parent, n->name);

    while (*at != i) {
        at = &t->nodes[*at].hash_next;
    }
    *at = n->hash_next;
    if (n->prev) {
        t->nodes[n->prev].next = n->next;
    } else {
        t->nodes[n->parent].child = n->next;
    }
    if (n->next) {
        t->nodes[n->next].prev = n->prev;
    }
    *n = (struct node){.kind = DEAD, .next = t->free};
    t->free = i;
}

/* Remove what is of lower layers than `layer` below `top`; depth has no bound. */
static void drop_below(struct weft_tree *t, uint32_t top, unsigned int layer)
{
    uint32_t i = t->nodes[top].child;

    while (i && i != top) {
        uint32_t next;

        if (t->nodes[i].child) {
            i = t->nodes[i].child;
            continue;
        }
        /* a leaf: on to the next sibling, or up to its directory, whose turn it is then */
        for (;;) {
            uint32_t parent = t->nodes[i].parent;
            bool lower = t->nodes[i].layer < layer;

            next = t->nodes[i].next;
            if (lower && !t->nodes[i].child) {
                drop(t, i);
            }
            i = next ? next : parent;
            if (next || i == top) {
                break;
            }
        }
    }
}

/* ---- paths ---- */

/* The next part of a path, and past it. false: there is none. */
static bool take_part(const char **path, const char **part, size_t *len)
{
    *path += strspn(*path, "/");
    *part = *path;
    *len = strcspn(*path, "/");
    *path += *len;
    return *len > 0;
}

static bool is_dot(const char *part, size_t len)
{
    return len == 1 && part[0] == '.';
}

static bool is_dots(const char *part, size_t len)
{
    return len == 2 && part[0] == '.' && part[1] == '.';
}

static bool is_last(const char *rest)
{
    return rest[strspn(rest, "/")] == '\0';
}

static uint32_t walk(const struct weft_tree *t, uint32_t at, const char *path, bool follow,
                     unsigned int *links)
{
    const char *part;
    size_t len;

    if (*path == '/') {
        at = WEFT_TREE_ROOT;
    }
    while (at && take_part(&path, &part, &len)) {
        uint32_t name, next;

        if (t->nodes[at].kind != WEFT_TREE_DIR || !step(t)) {
            return 0;
        }
        if (is_dot(part, len)) {
            continue;
        }
        if (is_dots(part, len)) {
            at = t->nodes[at].parent;
            continue;
        }
        name = weft_intern_find(t->names, part, len);
        next = name ? weft_tree_child(t, at, name) : 0;
        if (next && t->nodes[next].kind == WEFT_TREE_LINK && (follow || !is_last(path))) {
            if (++*links > WEFT_TREE_LINKS_LIMIT) {
                return 0;
            }
            next = walk(t, at, weft_intern_text(t->names, t->nodes[next].data), true, links);
        }
        at = next;
    }
    return at;
}

uint32_t weft_tree_find(const struct weft_tree *t, uint32_t from, const char *path, bool follow)
{
    unsigned int links = 0;

    return walk(t, from, path, follow, &links);
}

uint32_t weft_tree_follow(const struct weft_tree *t, uint32_t node)
{
    unsigned int links = 1;

    if (t->nodes[node].kind != WEFT_TREE_LINK) {
        return node;
    }
    return walk(t, t->nodes[node].parent, weft_intern_text(t->names, t->nodes[node].data), true,
                &links);
}

/* A directory as an extractor makes it, with those above it, in the place of files; a link that
 * leads nowhere gets its target. */
static uint32_t make_dirs(struct weft_tree *t, uint32_t at, const char *path, size_t path_len,
                          unsigned int layer, unsigned int *links)
{
    const char *end = path + path_len;
    const char *part;
    size_t len;

    if (path_len > 0 && *path == '/') {
        at = WEFT_TREE_ROOT;
    }
    while (at && path < end && take_part(&path, &part, &len) && part < end) {
        uint32_t name, next;

        if (!step(t)) {
            return 0;
        }
        if (is_dot(part, len)) {
            continue;
        }
        if (is_dots(part, len)) {
            at = t->nodes[at].parent;
            continue;
        }
        name = weft_intern_add(t->names, part, len);
        if (!name) {
            t->is_full = true;
            return 0;
        }
        next = weft_tree_child(t, at, name);
        if (next && t->nodes[next].kind == WEFT_TREE_LINK) {
            /* a copy: names move when one is added */
            char *target = weft_xstrdup(weft_intern_text(t->names, t->nodes[next].data));

            next = ++*links > WEFT_TREE_LINKS_LIMIT
                       ? 0
                       : make_dirs(t, at, target, strlen(target), layer, links);
            free(target);
            if (!next) {
                return 0;
            }
        } else if (!next) {
            next = add_child(t, at, name, WEFT_TREE_DIR, layer);
        } else if (t->nodes[next].kind != WEFT_TREE_DIR) {
            t->nodes[next].kind = WEFT_TREE_DIR;
            t->nodes[next].layer = (uint16_t)layer;
            t->nodes[next].data = 0;
        }
        at = next;
    }
    return at;
}

/* Cut a path into the directory and the last part. false: it has none, as "/" and "a/..". */
static bool cut(const char *path, size_t *dir_len, const char **last, size_t *last_len)
{
    size_t len = strlen(path);

    for (;;) {
        while (len > 0 && path[len - 1] == '/') {
            len--;
        }
        if (len >= 2 && path[len - 1] == '.' && path[len - 2] == '/') {
            len--; /* "dir/." */
            continue;
        }
        break;
    }
    *last_len = 0;
    while (*last_len < len && path[len - *last_len - 1] != '/') {
        ++*last_len;
    }
    *last = path + len - *last_len;
    *dir_len = len - *last_len;
    return *last_len > 0 && !is_dot(*last, *last_len) && !is_dots(*last, *last_len);
}

/* Whether a path, taken by its letters, leads above where it begins. */
static bool leads_out(const char *path)
{
    const char *part;
    size_t len;
    int depth = 0;

    while (take_part(&path, &part, &len)) {
        if (is_dots(part, len)) {
            depth--;
        } else if (!is_dot(part, len)) {
            depth++;
        }
        if (depth < 0) {
            return true;
        }
    }
    return false;
}

uint32_t weft_tree_put(struct weft_tree *t, const char *path, enum weft_tree_kind kind,
                       unsigned int layer, const char **why)
{
    unsigned int links = 0;
    const char *last;
    size_t dir_len, last_len;
    uint32_t dir, name, old;

    *why = NULL;
    if (leads_out(path)) {
        *why = "it leads out of the layer";
        return 0;
    }
    if (!cut(path, &dir_len, &last, &last_len)) {
        return kind == WEFT_TREE_DIR ? WEFT_TREE_ROOT : 0;
    }
    dir = make_dirs(t, WEFT_TREE_ROOT, path, dir_len, layer, &links);
    if (!dir) {
        *why = weft_tree_is_full(t) ? NULL : "its directory is a link in a circle";
        return 0;
    }
    name = weft_intern_add(t->names, last, last_len);
    if (!name) {
        t->is_full = true;
        return 0;
    }
    old = weft_tree_child(t, dir, name);
    if (!old) {
        return add_child(t, dir, name, kind, layer);
    }
    if (kind != WEFT_TREE_DIR) {
        drop_below(t, old, UINT16_MAX + 1u);
    }
    t->nodes[old].kind = (uint8_t)kind;
    t->nodes[old].layer = (uint16_t)layer;
    t->nodes[old].data = 0;
    t->nodes[old].size_bytes = 0;
    return old;
}

void weft_tree_remove(struct weft_tree *t, const char *path, bool children, unsigned int layer)
{
    uint32_t node = leads_out(path) ? 0 : weft_tree_find(t, WEFT_TREE_ROOT, path, children);

    if (!node) {
        return;
    }
    drop_below(t, node, layer);
    if (!children && node != WEFT_TREE_ROOT && t->nodes[node].layer < layer &&
        !t->nodes[node].child) {
        drop(t, node);
    }
}

/* ---- reading ---- */

enum weft_tree_kind weft_tree_kind(const struct weft_tree *t, uint32_t node)
{
    return (enum weft_tree_kind)t->nodes[node].kind;
}

uint32_t weft_tree_name(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].name;
}

uint32_t weft_tree_parent(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].parent;
}

unsigned int weft_tree_layer(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].layer;
}

uint32_t weft_tree_data(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].data;
}

uint64_t weft_tree_size(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].size_bytes;
}

void weft_tree_set(struct weft_tree *t, uint32_t node, uint32_t data, uint64_t size_bytes)
{
    t->nodes[node].data = data;
    t->nodes[node].size_bytes = size_bytes;
}

uint32_t weft_tree_next(const struct weft_tree *t, uint32_t node)
{
    if (t->nodes[node].child) {
        return t->nodes[node].child;
    }
    while (node != WEFT_TREE_ROOT) {
        if (t->nodes[node].next) {
            return t->nodes[node].next;
        }
        node = t->nodes[node].parent;
    }
    return 0;
}

uint32_t weft_tree_first(const struct weft_tree *t, uint32_t dir)
{
    return t->nodes[dir].child;
}

uint32_t weft_tree_sibling(const struct weft_tree *t, uint32_t node)
{
    return t->nodes[node].next;
}

void weft_tree_path(const struct weft_tree *t, uint32_t node, struct weft_buf *out)
{
    size_t len = 0;
    char *text;

    for (uint32_t i = node; i != WEFT_TREE_ROOT && len < PATH_LIMIT; i = t->nodes[i].parent) {
        len += 1 + strlen(weft_intern_text(t->names, t->nodes[i].name));
    }
    text = weft_xmalloc(len + 1);
    text[len] = '\0';
    for (uint32_t i = node; i != WEFT_TREE_ROOT && len > 0; i = t->nodes[i].parent) {
        const char *name = weft_intern_text(t->names, t->nodes[i].name);
        size_t n = strlen(name);

        len -= n;
        memcpy(text + len, name, n);
        text[--len] = '/';
    }
    weft_buf_clear(out);
    weft_buf_puts(out, *text ? text : "/");
    free(text);
}

bool weft_tree_is_full(const struct weft_tree *t)
{
    return t->is_full || *t->steps >= WEFT_TREE_STEPS_LIMIT;
}
