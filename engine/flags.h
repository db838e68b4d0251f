/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags: one table per command drives its parser and its help. Syntax is that of docker's commands:
 * flags may follow arguments, "--name=value" or "--name value", "-n value" or "-nvalue" or
 * "-n=value", switches take "=true" or
 * "=false" and may share a dash, "--" ends the flags. Knows no flag itself.
 */
#ifndef WEFT_ENGINE_FLAGS_H
#define WEFT_ENGINE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/str.h"

struct weft_err;

enum weft_flag_kind {
    WEFT_FLAG_HEADING, /* no flag: `help` is the title of those that follow */
    WEFT_FLAG_SWITCH,  /* a bool */
    WEFT_FLAG_VALUE,   /* a char *, NULL until it is given; the last one counts */
    WEFT_FLAG_LIST,    /* a struct weft_strv; may be given again and again */
    WEFT_FLAG_IGNORED, /* a struct weft_strv: its name, if it was given; a switch without metavar */
};

/** One row of a table. */
struct weft_flag {
    enum weft_flag_kind kind;
    char letter;         /* or 0 */
    const char *name;    /* without dashes */
    const char *metavar; /* what the help calls the value; NULL: it takes none, a switch */
    size_t offset;       /* of the field in the caller's struct */
    const char *help;    /* lines end with '\n' but for the last */
};

/**
 * Parse argv[1] to argv[argc - 1]. Values go to the fields of `data` as the table says, which the
 * caller has zeroed and frees also on failure; the other arguments to `args`. Errors: WEFT_E_USAGE
 * (unknown flag, with the nearest known one as a hint; missing or unwanted value).
 */
int weft_flags_parse(const struct weft_flag *flags, size_t n, int argc, char *const *argv,
                     void *data, struct weft_strv *args, struct weft_err **err);

/** Print the table as help text: headings, flags, what they do. */
void weft_flags_help(const struct weft_flag *flags, size_t n, FILE *out);

#endif
