/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a file system that is put together from layers, without its content: 40 bytes and a
 * share of a name for each. Entries are put where an extractor would put them: below what their
 * directories are by then, symbolic links followed, never outside of the root. Nodes are numbers; 0
 * is none.
 */
#ifndef WEFT_ENGINE_AUDIT_TREE_H
#define WEFT_ENGINE_AUDIT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_buf;
struct weft_intern;
struct weft_tree;

enum {
    WEFT_TREE_ROOT = 1,
    WEFT_TREE_NODES_LIMIT = 1 << 20,
    WEFT_TREE_STEPS_LIMIT = 1 << 30,
    WEFT_TREE_LINKS_LIMIT = 40, /* symbolic links that one path may lead over, as for Linux */
};

enum weft_tree_kind {
    WEFT_TREE_DIR,
    WEFT_TREE_FILE,
    WEFT_TREE_LINK,  /* symbolic */
    WEFT_TREE_OTHER, /* a device and the like */
};

/** `names`: where its names are kept; borrowed. */
struct weft_tree *weft_tree_create(struct weft_intern *names);
void weft_tree_destroy(struct weft_tree *t);

/**
 * Put an entry of layer number `layer` (0 is the lowest) there, in place of what is there; of a
 * directory over a directory the children stay. Returns its node; 0 where it has no place: it leads
 * out of the root ("..": *why says so), or a limit is reached (weft_tree_is_full).
 */
uint32_t weft_tree_put(struct weft_tree *t, const char *path, enum weft_tree_kind kind,
                       unsigned int layer, const char **why);

/** Remove what lower layers than `layer` have at `path`, or with `children` below it: whiteouts,
 * and opaque directories. What the layer itself has put there stays. */
void weft_tree_remove(struct weft_tree *t, const char *path, bool children, unsigned int layer);

/** Find a path, beginning at directory `from`. Returns 0 where there is nothing, or links lead
 * nowhere or in a circle. A link at its end is followed with `follow`. */
uint32_t weft_tree_find(const struct weft_tree *t, uint32_t from, const char *path, bool follow);

/** A child by the number of its name; a link is not followed. */
uint32_t weft_tree_child(const struct weft_tree *t, uint32_t dir, uint32_t name);
/** What a node is, links followed. */
uint32_t weft_tree_follow(const struct weft_tree *t, uint32_t node);

enum weft_tree_kind weft_tree_kind(const struct weft_tree *t, uint32_t node);
uint32_t weft_tree_name(const struct weft_tree *t, uint32_t node); /* a number of `names` */
uint32_t weft_tree_parent(const struct weft_tree *t, uint32_t node);
unsigned int weft_tree_layer(const struct weft_tree *t, uint32_t node);
/** The caller's number of a file, and its size; of a link the number of its target's name. */
uint32_t weft_tree_data(const struct weft_tree *t, uint32_t node);
uint64_t weft_tree_size(const struct weft_tree *t, uint32_t node);
void weft_tree_set(struct weft_tree *t, uint32_t node, uint32_t data, uint64_t size_bytes);

/** The node after `node` when all are visited, parents before children; WEFT_TREE_ROOT is the
 * first, and 0 comes after the last. */
uint32_t weft_tree_next(const struct weft_tree *t, uint32_t node);

/** The children of a directory, one after the other; 0 after the last. */
uint32_t weft_tree_first(const struct weft_tree *t, uint32_t dir);
uint32_t weft_tree_sibling(const struct weft_tree *t, uint32_t node);

/** The absolute path of a node, in place of what is in `out`. */
void weft_tree_path(const struct weft_tree *t, uint32_t node, struct weft_buf *out);

/** Whether an entry was not put for want of room, or of time: all paths together lead over more
 * than WEFT_TREE_STEPS_LIMIT names. Nothing more is found or put then. */
bool weft_tree_is_full(const struct weft_tree *t);

#endif
