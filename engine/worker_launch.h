/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running weft-init, and hearing from it: it is started in a session of its own, without our
 * environment, and reports on a pipe. Shared by the start of a worker and the removal of its state.
 */
#ifndef WEFT_ENGINE_WORKER_LAUNCH_H
#define WEFT_ENGINE_WORKER_LAUNCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"
#include "engine/worker_end.h"

struct weft_err;
struct weft_json;

/** One weft-init. Start from {.report_fd = -1}; end with weft_launch_finish. */
struct weft_launch {
    pid_t launcher; /* our child; it ends when the process inside has reported, or before */
    int report_fd;
    const char *log; /* where its words go; borrowed */
    struct weft_process inside;
    struct weft_json *end; /* the report with "ok" */
    struct weft_buf text;  /* not yet a whole line */
    bool closed;
};

/**
 * Start "PROGRAM ARG...". log: a file that its stdout and stderr go to, emptied first. Returns 0,
 * or -1 (WEFT_E_CHILD, WEFT_E_IO).
 */
int weft_launch_start(struct weft_launch *l, const char *program, const struct weft_strv *args,
                      const char *log, struct weft_err **err);

/**
 * Wait for its report. Returns 0 and l->end; or -1 with the error that it reported, WEFT_E_CHILD
 * where it ended without one, WEFT_E_CANCELLED: then nothing of it is left. cancel: may be NULL.
 */
int weft_launch_await(struct weft_launch *l, const atomic_bool *cancel, struct weft_err **err);

void weft_launch_finish(struct weft_launch *l);

#endif
