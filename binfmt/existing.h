/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers that are registered already: reads a binfmt_misc directory, given as a descriptor,
 * and says which entry takes the programs of a machine. Also the two other forms of an entry: the
 * line that registers it, and the bytes of a file that it takes. Changes nothing.
 */
#ifndef WEFT_BINFMT_EXISTING_H
#define WEFT_BINFMT_EXISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "platforms/catalogue.h"

struct weft_err;

enum {
    WEFT_HANDLER_MAGIC_MAX = 256 /* the kernel looks at so many bytes of a file */
};

/** One entry. Start from {0}; end with weft_existing_entry_finish. */
struct weft_existing {
    char *name;
    char *unclear; /* why its text says nothing for certain (then nothing but the name and `enabled`
                      is set); else NULL */
    char *interpreter;
    char flags[8]; /* of "POCF", as the kernel prints them */
    bool enabled;
    char *extension; /* it takes files by name: what follows the last dot; NULL: by magic */
    size_t offset;
    size_t magic_len; /* bytes of magic and mask */
    unsigned char magic[WEFT_HANDLER_MAGIC_MAX];
    unsigned char mask[WEFT_HANDLER_MAGIC_MAX];
};

/** A table. Start from {0}; end with weft_existing_finish. */
struct weft_existing_table {
    struct weft_existing *v; /* by name */
    size_t n;
    bool mounted; /* false: no binfmt_misc is to be seen, which says nothing about the kernel's
                     table */
    bool enabled; /* its "status" */
};

/**
 * Parse the text of one entry as the kernel shows it, and nothing else: names, interpreters and
 * extensions may hold newlines, and so pretend to be other lines. Returns 0, or -1 WEFT_E_FORMAT (e
 * untouched).
 */
int weft_existing_parse(const char *name, const char *text, struct weft_existing *e,
                        struct weft_err **err);

/**
 * Parse a line that registers an entry, ":NAME:TYPE:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS", as the
 * kernel and binfmt.d(5) take it; the first character is the separator. The entry is enabled.
 * Returns 0, or -1 WEFT_E_FORMAT (e untouched).
 */
int weft_existing_parse_line(const char *line, struct weft_existing *e, struct weft_err **err);

/** Bytes as registration lines hold them, "\x7fELF", into out. Returns their number, or -1: there
 * are more than WEFT_HANDLER_MAGIC_MAX. */
int weft_existing_parse_bytes(const char *text, unsigned char out[WEFT_HANDLER_MAGIC_MAX]);

/** The line that registers e again. Caller frees. NULL: an unclear entry. */
char *weft_existing_line(const struct weft_existing *e);

/** Whether both say the same of the same files; names and `enabled` are left out. */
bool weft_existing_same(const struct weft_existing *a, const struct weft_existing *b);

/**
 * Read the table below dir_fd (/proc/sys/fs/binfmt_misc; not closed). A directory without "status"
 * is no binfmt_misc: mounted is false. Returns 0, or -1 with WEFT_E_IO.
 */
int weft_existing_read(int dir_fd, struct weft_existing_table *out, struct weft_err **err);

void weft_existing_finish(struct weft_existing_table *t);
void weft_existing_entry_finish(struct weft_existing *e);

/** The entry of this name, or NULL. */
const struct weft_existing *weft_existing_named(const struct weft_existing_table *t,
                                                const char *name);

/** Whether e, were it enabled, takes every program of m, of fixed address and
 * position-independent. */
bool weft_existing_takes(const struct weft_existing *e, const struct weft_machine *m);

/** Whether e, were it enabled, takes a file that begins with these bytes. */
bool weft_existing_takes_bytes(const struct weft_existing *e,
                               const unsigned char bytes[WEFT_HANDLER_MAGIC_MAX]);

/**
 * The entry that takes every program of m, wherever it lies: enabled, and with flag F (without it
 * the interpreter would have to be inside each container). NULL: none. *without_f (may be NULL):
 * one that fails for want of F alone, or NULL.
 */
const struct weft_existing *weft_existing_find(const struct weft_existing_table *t,
                                               const struct weft_machine *m,
                                               const struct weft_existing **without_f);

/**
 * Change the bytes of a file so that e takes it, and no other enabled entry of t if that can be
 * had: e's own bytes are set; what e does not look at is changed as far as `free_bits` allows.
 * Returns the first entry that still takes it as well, or NULL.
 */
const struct weft_existing *
weft_existing_mark(const struct weft_existing_table *t, const struct weft_existing *e,
                   const unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX],
                   unsigned char bytes[WEFT_HANDLER_MAGIC_MAX]);

#endif
