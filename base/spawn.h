/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children: the one place that starts programs from the event loop. Not uv_spawn, which cannot tie
 * a child's life to ours: a child that weft starts here gets SIGKILL from the kernel when weft
 * dies, however it dies (PR_SET_PDEATHSIG; the kernel goes by thread, so the one that spawns has to
 * live as long as the child: the loop's thread does). Each child is in a process group of its own,
 * so that Ctrl-C in a terminal reaches weft alone, which then decides.
 */
#ifndef WEFT_BASE_SPAWN_H
#define WEFT_BASE_SPAWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_err;
struct weft_loop;
struct weft_child;

/** A line (without its newline; NUL-terminated; len counts embedded NULs) or the unfinished rest at
 * the end. A line of over 8 MiB comes in pieces of that size. */
typedef void weft_child_line_fn(char *line, size_t len, void *data);

/** The child is gone and its pipes are read to the end; where a grandchild holds them open, they
 * are given up a second later. code: the child's exit code, or 128 + the signal that ended it, or
 * 255 where somebody else waited for it. The weft_child is freed when this returns. */
typedef void weft_child_exit_fn(int code, void *data);

enum {
    WEFT_CHILD_STDIN_BYTES = 32 << 10
};

struct weft_child_opts {
    const char *file;  /* path of the program; no search on PATH */
    char *const *argv; /* NULL-terminated */
    const char *const
        *env; /* "K=V" settings put over our own environment, NULL-terminated; may be NULL */
    weft_child_line_fn *on_stdout; /* NULL: see stdout_fd */
    weft_child_line_fn *on_stderr; /* NULL: /dev/null */
    int stdout_fd; /* without on_stdout: becomes the child's stdout (not closed here); -1: /dev/null
                    */
    int stdin_pipe; /* 1: the child's stdin is a pipe that stays open until weft_child_close_stdin;
                       0: /dev/null */
    weft_child_exit_fn *on_exit; /* mandatory */
    void *data;
};

/** Start a program. Returns NULL with WEFT_E_CHILD when it cannot be executed (sys: errno),
 * WEFT_E_IO when there are no descriptors or processes left; then no callback is called. */
struct weft_child *weft_child_spawn(struct weft_loop *loop, const struct weft_child_opts *opts,
                                    struct weft_err **err);

pid_t weft_child_pid(const struct weft_child *c);

/** Send a signal to the child's whole process group; nothing when it is gone already. */
void weft_child_kill(struct weft_child *c, int signum);

/** Write to the child's stdin, once and at most WEFT_CHILD_STDIN_BYTES, which a pipe takes without
 * a reader. Errors: WEFT_E_CHILD (it has closed its stdin, or there is none). */
int weft_child_write_stdin(struct weft_child *c, const void *data, size_t len,
                           struct weft_err **err);

/** Close the write end of the child's stdin (EOF for it). Nothing when there is none or it is
 * closed. */
void weft_child_close_stdin(struct weft_child *c);

/** How weft_run runs a program. Start from {0}. */
struct weft_run_opts {
    const char *file;       /* path of the program; no search on PATH */
    char *const *argv;      /* NULL-terminated */
    const char *const *env; /* its whole environment, "K=V", NULL-terminated; NULL: our own */
    const char *input;      /* what it reads from stdin, at most 4096 bytes; NULL: stdin_fd */
    bool both;              /* stderr is wanted too; else it goes to /dev/null */
    int stdin_fd;           /* > 2: becomes its stdin, without `input`; 0: /dev/null */
    int keep_fd;            /* > 2: stays open in the program, under this number; 0: none */
    long timeout_ms; /* > 0: it gets a process group of its own, which is killed after so long,
                        and also when the program ends before that; 0: none */
    const atomic_bool *cancel; /* with timeout_ms: killed likewise once this is true; or NULL */
};

/**
 * Run a short-lived program to its end, without a loop, and give what it wrote to stdout (and
 * stderr, when `both`), the first 1 MiB of it. What is left of the program's own children is not
 * waited for. Blocks; Thread: any. Returns its exit code (128 + signal), or -1: WEFT_E_CHILD when
 * it cannot be executed (sys: errno) or takes too long, WEFT_E_CANCELLED, WEFT_E_IO. Caller frees
 * *text.
 */
int weft_run(const struct weft_run_opts *opts, char **text, struct weft_err **err);

/** The same without the rarer options. */
int weft_run_capture(const char *file, char *const *argv, int both, char **text,
                     struct weft_err **err);

/**
 * Run a program `times` times, one after the other, with /dev/null for all three of its streams and
 * as little around it as can be (vfork, no pipe), and give the time that this took: for measuring
 * what its start costs. opts->timeout_ms (> 0) is for each run; `env`, `input`, `both`,
 * `stdin_fd` and `keep_fd` are not used. Stops at the first run that does not end with exit code 0.
 * Returns the exit code of the last run (128 + signal), or -1 as weft_run. Blocks; Thread: any.
 */
int weft_run_times(const struct weft_run_opts *opts, unsigned times, uint64_t *elapsed_ns,
                   struct weft_err **err);

#endif
