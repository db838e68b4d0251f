/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of a worker: a user namespace in which it is root, a mount namespace whose mounts
 * nobody outside sees, a PID namespace whose first process takes the others with it when it ends,
 * and a binfmt_misc of its own. For weft-init, which has one thread. Knows nothing of BuildKit.
 */
#ifndef WEFT_BINFMT_SANDBOX_H
#define WEFT_BINFMT_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "binfmt/idmap.h"

struct weft_err;

/** What the process inside is told. */
struct weft_sandbox_self {
    pid_t pid;          /* its own, as seen from outside */
    uint64_t pid_start; /* field 22 of /proc/PID/stat */
    bool pid_ns;        /* it is process 1 of a PID namespace of its own, with a /proc of its own */
};

/** Runs inside, as root of the user namespace, mounts private. The process ends with what it
 * returns. */
typedef int weft_sandbox_fn(const struct weft_sandbox_self *self, void *data);

/** Called in whichever process found an error, so that one report leaves by one pipe. Owns `error`.
 */
typedef void weft_sandbox_fail_fn(struct weft_err *error, void *data);

/**
 * Start a process in new namespaces and run fn there. Where /proc cannot be mounted (a container
 * whose own /proc is masked), the process gets no PID namespace, and adopts orphans
 * (PR_SET_CHILD_SUBREAPER) instead. Returns 0 in the caller when fn has begun, with *self (which fn
 * gets too); or -1: `fail` has been called, here or in a child.
 */
int weft_sandbox_enter(const struct weft_idmaps *maps, weft_sandbox_fn *fn,
                       weft_sandbox_fail_fn *fail, void *data, struct weft_sandbox_self *self);

/**
 * Inside: mount binfmt_misc on `dir` and register `lines` in their order (the last is matched
 * first). Returns 1; 0 where the kernel does not let a user namespace have a binfmt_misc (EPERM,
 * EACCES, ENODEV, EINVAL): nothing is mounted then; -1 with WEFT_E_UNSUPPORTED naming the handler
 * that the kernel refused.
 */
int weft_sandbox_handlers(const char *dir, const struct weft_strv *lines, struct weft_err **err);

/** Field 22 (start time) of /proc/PID/stat into *start. False: there is no such process, or it is a
 * zombie. */
bool weft_process_start(pid_t pid, uint64_t *start);

/** The same for the text of a stat file. */
bool weft_process_parse_stat(const char *text, uint64_t *start);

#endif
