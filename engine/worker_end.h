/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending a worker's init by its process id without hitting another process that has got the number
 * since.
 */
#ifndef WEFT_ENGINE_WORKER_END_H
#define WEFT_ENGINE_WORKER_END_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_err;

struct weft_process {
    pid_t pid;
    uint64_t start; /* field 22 of /proc/PID/stat */
};

/**
 * SIGTERM, and SIGKILL after `patient ? 10 s : 3 s`; returns when the process is gone, and with it
 * all of its PID namespace. Already gone is fine. Errors: WEFT_E_IO.
 */
int weft_process_end(struct weft_process p, bool patient, struct weft_err **err);

#endif
