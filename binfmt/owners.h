/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a registered handler belongs to: what binfmt-support's database and the files of systemd's
 * binfmt.d(5) say of its name, and whether that is what is registered. Only reads.
 */
#ifndef WEFT_BINFMT_OWNERS_H
#define WEFT_BINFMT_OWNERS_H

#include <stdbool.h>

#include "binfmt/existing.h"

enum weft_owner_kind {
    WEFT_OWNER_UNKNOWN,
    WEFT_OWNER_SUPPORT,  /* binfmt-support: update-binfmts(8) */
    WEFT_OWNER_BINFMT_D, /* systemd-binfmt.service(8) */
    WEFT_OWNER_WEFT,     /* weft, through the kernel's file: it ends with the next boot */
};

/** Start from {0}; end with weft_owner_finish. */
struct weft_owner {
    enum weft_owner_kind kind;
    char *package; /* SUPPORT: the package that registered it; NULL: the administrator */
    char *file;    /* where it is written down; NULL: nowhere */
    bool ours;     /* weft has registered it, whichever way */
};

/** "binfmt-support", "binfmt.d", "weft", "unknown". */
const char *weft_owner_name(enum weft_owner_kind kind);

/**
 * The owner of e. A file that has its name, but says something else than what is registered, is not
 * where it comes from. Files that cannot be read say nothing. `root`: what paths begin with, "/".
 */
void weft_owner_find(const char *root, const struct weft_existing *e, struct weft_owner *out);
void weft_owner_finish(struct weft_owner *o);

/** The name of the handler that weft registers for m. Caller frees. */
char *weft_owner_our_name(const struct weft_machine *m);

/**
 * Parse an entry of binfmt-support's database (a file of /var/lib/binfmts). *package: caller frees;
 * NULL: the administrator. Returns 0, or -1 WEFT_E_FORMAT.
 */
int weft_owner_parse_support(const char *name, const char *text, struct weft_existing *e,
                             char **package, struct weft_err **err);

/** Read binfmt-support's entry of this name. Returns 1; 0: there is none (or none that can be
 * read). */
int weft_owner_read_support(const char *root, const char *name, struct weft_existing *e,
                            char **package);

#endif
