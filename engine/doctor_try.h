/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying something out in a child: whatever it does, hangs in, mounts or starts, nothing of it is
 * left afterwards, and what it found out until then is known. Each try has a keeper, a process that
 * waits for it for as long as it may take, ends all that came of it, and removes its directory;
 * also when weft itself is killed. Tries run side by side. For a program of one thread.
 */
#ifndef WEFT_ENGINE_DOCTOR_TRY_H
#define WEFT_ENGINE_DOCTOR_TRY_H

#include <stdbool.h>
#include <stddef.h>

struct weft_err;
struct weft_json;

/** The side of the child. */
struct weft_try_self {
    struct weft_json *facts; /* an object, to be filled */
    const char *dir;         /* an empty directory of its own; NULL where it asked for none */
    const char *short_dir;   /* another one, likewise */
    int fd;                  /* internal */
};

/** What is tried. Its stdin, stdout and stderr are /dev/null. Whether it returns, exits or is
 * killed is all the same, but for weft_try_outcome. */
typedef void weft_try_fn(struct weft_try_self *self, const void *data);

/** Make what is in `facts` known at once: for what comes before a step that may hang. May be called
 * in children of the try as well. Members of later calls replace those of earlier ones. */
void weft_try_tell(const struct weft_try_self *self);

struct weft_tries;

struct weft_tries *weft_tries_create(void);
void weft_tries_destroy(struct weft_tries *t); /* NULL is fine */

/** What to try. All borrowed until weft_tries_run has returned. */
struct weft_try_opts {
    const char *name; /* by which its facts are found; several may have the same */
    int limit_ms;     /* then it is ended */
    const char *dir;  /* where to make its directory; NULL: none. Where that fails the try is not
                         run,  and its facts are "dir_error" */
    const char *short_dir; /* where to make another one: its path is to be short; NULL: none */
    weft_try_fn *fn;
    const void *data;
};

void weft_tries_add(struct weft_tries *t, const struct weft_try_opts *opts);

/** Run those that were added since the last call, at most `parallel` at once; none is begun any
 * more when budget_ms are over. Errors: WEFT_E_IO (no processes or descriptors are left); those
 * that did run are known all the same. */
int weft_tries_run(struct weft_tries *t, unsigned parallel, int budget_ms, struct weft_err **err);

enum weft_try_outcome {
    WEFT_TRY_DONE,
    WEFT_TRY_TOO_LONG, /* it was ended after limit_ms */
    WEFT_TRY_DIED,     /* a signal, or an exit of its own */
    WEFT_TRY_NOT_RUN,  /* its turn did not come */
};

/** The facts of the nth (from 0) try of a name; an object that lives as long as t; NULL: there is
 * no such try. *outcome may be NULL. */
const struct weft_json *weft_tries_facts(const struct weft_tries *t, const char *name, size_t nth,
                                         enum weft_try_outcome *outcome);

#endif
