/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a dynamic loader looks for libraries in an image: ld.so.conf and what it includes, the
 * directories that are built in, musl's path file. Private to engine/audit_*.c.
 */
#ifndef WEFT_ENGINE_AUDIT_SEARCH_H
#define WEFT_ENGINE_AUDIT_SEARCH_H

#include "engine/audit_parts.h"

/** Directories: nodes of the tree. */
struct weft_audit_dirs {
    uint32_t *v;
    size_t n;
};

/** Start from {0}; end with weft_audit_search_finish. */
struct weft_audit_search {
    struct weft_audit_dirs glibc, musl;
    struct weft_audit_dirs given; /* $LD_LIBRARY_PATH of the image's config */
};

/** Read the image's configuration. */
void weft_audit_search_init(struct weft_audit_search *s, struct weft_audit_walk *w);
void weft_audit_search_finish(struct weft_audit_search *s);

/** Add a directory to a list, if it is one, and not there yet. */
void weft_audit_dirs_add(struct weft_audit_dirs *d, const struct weft_audit_walk *w, uint32_t from,
                         const char *path);

/** Add those of a list with `sep` between them, "/a:/b". */
void weft_audit_dirs_split(struct weft_audit_dirs *d, const struct weft_audit_walk *w,
                           const char *list, const char *sep);

#endif
