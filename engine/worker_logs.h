/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the buildkitd of a worker has written: STATE/workers/SLOT/buildkitd.log, which begins anew
 * when the worker starts.
 */
#ifndef WEFT_ENGINE_WORKER_LOGS_H
#define WEFT_ENGINE_WORKER_LOGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

struct weft_err;

/** How much of it. */
struct weft_worker_logs {
    long lines;  /* the last so many; -1: all */
    bool follow; /* go on until the worker has ended */
};

/**
 * Write the log of a slot's worker to `out`, each line made safe for a terminal. `slot` is an exact
 * name. Returns 1; 0 where there is no such worker, or it has no log; -1. Errors: WEFT_E_IO.
 */
int weft_worker_logs_write(const char *slot, const struct weft_worker_logs *what, FILE *out,
                           struct weft_err **err);

#endif
