/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers that are registered already: reads a binfmt_misc directory, given as a descriptor,
 * and says which entry takes the programs of a machine. Changes nothing.
 */
#ifndef WEFT_BINFMT_EXISTING_H
#define WEFT_BINFMT_EXISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "platforms/catalogue.h"

struct weft_err;

enum {
    WEFT_HANDLER_MAGIC_MAX = 256
};

/** One entry that matches by magic. */
struct weft_existing {
    char *name;
    char *interpreter;
    char flags[8];
    bool enabled;
    size_t offset;
    size_t magic_len; /* bytes of magic and mask */
    unsigned char magic[WEFT_HANDLER_MAGIC_MAX];
    unsigned char mask[WEFT_HANDLER_MAGIC_MAX];
};

/** A table. Start from {0}; end with weft_existing_finish. */
struct weft_existing_table {
    struct weft_existing *v; /* by name; entries that match by file name are left out */
    size_t n;
    bool mounted; /* false: no binfmt_misc is to be seen, which says nothing about the kernel's
                     table */
    bool enabled; /* its "status" */
};

/** Parse the text of one entry as the kernel shows it. Returns 0; 1 where it matches by file name
 * (e untouched); -1 WEFT_E_FORMAT. */
int weft_existing_parse(const char *name, const char *text, struct weft_existing *e,
                        struct weft_err **err);

/**
 * Read the table below dir_fd (/proc/sys/fs/binfmt_misc; not closed). A directory without "status"
 * is no binfmt_misc: mounted is false. Returns 0, or -1 with WEFT_E_IO or WEFT_E_FORMAT.
 */
int weft_existing_read(int dir_fd, struct weft_existing_table *out, struct weft_err **err);

void weft_existing_finish(struct weft_existing_table *t);

/**
 * The entry that takes every program of m, wherever it lies: enabled, and with flag F (without it
 * the interpreter would have to be inside each container). NULL: none. *without_f (may be NULL):
 * one that fails for want of F alone, or NULL.
 */
const struct weft_existing *weft_existing_find(const struct weft_existing_table *t,
                                               const struct weft_machine *m,
                                               const struct weft_existing **without_f);

#endif
