/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of what weft keeps. Its state directory (ROOT) has parts, a directory each
 * (ROOT/workers); the file "version" in a part says which format it has and which weft gave it
 * that. A newer format is refused, and nothing of it touched. An older one is migrated where there
 * is a way, else set aside: renamed to ROOT/workers.old-FORMAT-DATE. Nothing is ever deleted here.
 * Knows no part: each is described by the module that owns it.
 */
#ifndef WEFT_BASE_STATE_H
#define WEFT_BASE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

struct weft_err;

/** From one format to the next. */
struct weft_state_step {
    int from; /* to from + 1 */

    /** Change the part in `dir`. It may find its own work half done, or done: one that was killed
     * is run again. Returns 0, or -1: the part stays as it is, and the next weft tries again. */
    int (*run)(const char *dir, struct weft_err **err);
};

/** A part. static const. */
struct weft_state_part {
    const char *name; /* of its directory in ROOT */
    int format;       /* what this weft reads and writes; 1 or more */
    int unmarked;     /* the format of a directory without a version: parts had none at first */
    mode_t mode;      /* of the directory */
    bool ours;        /* refused where it belongs to another user, or others can write it: programs
                         are run from it */
    const struct weft_state_step *steps; /* in any order; an older format without an unbroken chain
                                            of them is set aside */
    size_t n_steps;

    /** Whether nobody uses the part, asked before it is migrated or set aside. Returns 0, or -1
     * with what to tell the user. May be NULL: files that are replaced as a whole. */
    int (*unused)(const char *dir, struct weft_err **err);

    const char *remove; /* the command that, with its name behind it, removes a part that was set
                           aside; NULL: "rm -rf PATH" does */
};

enum weft_state_is {
    WEFT_STATE_NONE,    /* there is no such directory, or nothing in it */
    WEFT_STATE_OURS,    /* of the format of this weft */
    WEFT_STATE_OLDER,   /* also one whose migration did not come to its end */
    WEFT_STATE_NEWER,   /* also one that a newer weft is migrating */
    WEFT_STATE_UNKNOWN, /* its version says nothing */
};

struct weft_state_look {
    enum weft_state_is is;
    int format;  /* that it has, or had before the migration that did not come to its end */
    bool marked; /* its version is that of `format` alone */
    char *by;    /* "weft 0.1.0"; NULL: not known */
};

/** Look at a part, and change nothing. Errors: WEFT_E_IO (its version cannot be read).
 * Caller: weft_state_look_finish. */
int weft_state_look(const char *root, const struct weft_state_part *part,
                    struct weft_state_look *out, struct weft_err **err);
void weft_state_look_finish(struct weft_state_look *look);

/**
 * For who only reads. Returns 1: it is of this weft's format; 0: there is nothing to read (no such
 * directory, or one that the next weft_state_open changes or sets aside); -1: WEFT_E_UNSUPPORTED (a
 * newer weft's), WEFT_E_IO.
 */
int weft_state_readable(const char *root, const struct weft_state_part *part,
                        struct weft_err **err);

/**
 * For who writes: make the part's directory, and ROOT (0700), where they are missing; migrate an
 * older part, or set it aside with a warning. Two that do it at once do it once, also in two
 * processes; one that is killed between any two steps leaves what the next call takes up. Errors:
 * WEFT_E_UNSUPPORTED (a newer weft's: the message names it, nothing was touched); WEFT_E_IO (also:
 * it is not ours); those of the part's own functions. Thread: any.
 */
int weft_state_open(const char *root, const struct weft_state_part *part, struct weft_err **err);

/** Add the names in ROOT of what was set aside of the part, in order of time. */
void weft_state_list_aside(const char *root, const struct weft_state_part *part,
                           struct weft_strv *names);

/** Whether the name is one that weft_state_open gives to what it sets aside of the part. */
bool weft_state_is_aside(const struct weft_state_part *part, const char *name);

/**
 * Read a version's text. `text` is NUL-terminated behind its `len` bytes. Returns 0 with *format
 * (INT_MAX: more than that), *from (0: none; else a migration from it did not come to its end) and
 * *by (NULL: not said; caller frees); -1: it is no version. For the fuzzer and tests too.
 */
int weft_state_parse(const char *text, size_t len, int *format, int *from, char **by);

#endif
