/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of handlers that is in force for this process, as far as it can be seen: the
 * binfmt_misc of the nearest user namespace that has one. Mounts nothing that anybody else could
 * see, and nothing at all where that would make a new, empty table.
 */
#ifndef WEFT_BINFMT_REGISTRY_H
#define WEFT_BINFMT_REGISTRY_H

#include <stdbool.h>

#include "binfmt/existing.h"

struct weft_err;

#define WEFT_REGISTRY_DIR "/proc/sys/fs/binfmt_misc"

enum weft_binfmt_registry_view {
    WEFT_REGISTRY_MOUNTED, /* at its place */
    WEFT_REGISTRY_PRIVATE, /* not mounted there; seen through a mount without a place, which goes
                              when the registry is closed */
    WEFT_REGISTRY_HIDDEN,  /* not mounted there, and cannot be looked at; the table is empty */
};

/** Start from {.dir_fd = -1}; end with weft_binfmt_registry_close. */
struct weft_binfmt_registry {
    enum weft_binfmt_registry_view view;
    char *why;  /* HIDDEN: in one line; else NULL */
    int dir_fd; /* the mounted file system; -1: HIDDEN */
    struct weft_existing_table table;
};

/** Look for the table and read it. `root`: what paths begin with, "/". Returns 0, or -1 WEFT_E_IO.
 */
int weft_binfmt_registry_open(const char *root, struct weft_binfmt_registry *out,
                              struct weft_err **err);

/** Read the table again. Returns 0, or -1 WEFT_E_IO. */
int weft_binfmt_registry_reread(struct weft_binfmt_registry *r, struct weft_err **err);

void weft_binfmt_registry_close(struct weft_binfmt_registry *r);

/** "mounted", "private", "hidden". */
const char *weft_binfmt_registry_view_name(enum weft_binfmt_registry_view view);

/** Whether this is the user namespace that the kernel has started with. */
bool weft_binfmt_registry_initial_namespace(void);

#endif
