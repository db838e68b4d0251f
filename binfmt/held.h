/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel runs for a registered handler, found by making it do so: a file that the handler
 * takes is executed under ptrace(2), and stopped before the interpreter's first instruction. What
 * /proc says of that process is no guess. The file under the interpreter's path may be another one:
 * with flag F the kernel keeps the file that it opened when the handler was registered.
 */
#ifndef WEFT_BINFMT_HELD_H
#define WEFT_BINFMT_HELD_H

#include <stdbool.h>
#include <stddef.h>

#include "binfmt/existing.h"

enum weft_held_state {
    WEFT_HELD_UNKNOWN,   /* `why` says what hinders */
    WEFT_HELD_CURRENT,   /* F: the file that has the interpreter's path */
    WEFT_HELD_REPLACED,  /* F: a file that had the path before the one that has it now */
    WEFT_HELD_DELETED,   /* F: a file that is deleted; nothing has the path now */
    WEFT_HELD_ELSEWHERE, /* F: a file of another root file system or mount (a container's) */
    WEFT_HELD_BY_PATH,   /* no F: looked up at each start, and there */
    WEFT_HELD_MISSING,   /* no F, and nothing to be run under the path */
};

/** Start from {0}; end with weft_held_finish. */
struct weft_held {
    enum weft_held_state state;
    char *why;         /* in one line; NULL: the state says all */
    char *interpreter; /* the interpreter's path, as the process was given it; NULL: none was run */
    char *path;        /* of the file that runs, as the kernel names it, links resolved; or NULL */
    char *version;     /* QEMU's, asked of just that file; NULL: it is none, or does not say */
};

/** "current", "replaced", "deleted", "elsewhere", "by path", "missing", "unknown". */
const char *weft_held_name(enum weft_held_state state);

/** Whether programs that e takes are not run by the file that has its interpreter's path. */
bool weft_held_is_stale(enum weft_held_state state);

/**
 * What runs for entry e of t. The table has to be the one in force. Nothing of it is changed, no
 * interpreter gets to run but for "--version" of one that is called qemu. Cannot fail: what hinders
 * it is in out->why. Thread: any.
 */
void weft_held_find(const struct weft_existing_table *t, const struct weft_existing *e,
                    struct weft_held *out);

/** What runs for programs of m, whatever the table, which need not be in sight. The state is
 * CURRENT (which here says nothing of F), DELETED, ELSEWHERE, or UNKNOWN: nothing takes them. */
void weft_held_find_unseen(const struct weft_machine *m, struct weft_held *out);

/**
 * Run the smallest program of m (binfmt/probe.h) through entry e of t, which takes such programs.
 * Returns 1: it works; *why (caller frees) is NULL, or what it prints all the same. 0: it does not,
 * and *why says why, in one line.
 */
int weft_held_try(const struct weft_existing_table *t, const struct weft_existing *e,
                  const struct weft_machine *m, char **why);

/** The same for a program of m that nothing is changed in: whatever takes it. */
int weft_held_try_any(const struct weft_machine *m, char **why);

/** What the kernel does with one file. */
struct weft_taken {
    bool ran;    /* an interpreter, or the file itself, was started */
    int sys;     /* else: the error of execve(2); 0: it was not come so far */
    char *why;   /* else: what hindered */
    char **args; /* NULL-terminated: of the process */
    size_t n_args;
    char *path;    /* /proc/PID/exe */
    bool deleted;  /* it has no name any more */
    bool same_fs;  /* the file under args[0] lies in the same file system */
    bool matches;  /* it is the file under args[0] */
    char *version; /* of a QEMU */
};

/** Execute the file `path` (argv[0] "weft-probe") up to the stop. Start from {0}; end with
 * weft_taken_finish. */
void weft_taken_find(const char *path, struct weft_taken *out);
void weft_taken_finish(struct weft_taken *t);

void weft_held_finish(struct weft_held *h);

#endif
