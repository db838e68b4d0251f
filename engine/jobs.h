/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many solves to run at once where the user does not say: from the processors and the memory
 * that this process may use, which in a container is less than the machine has.
 */
#ifndef WEFT_ENGINE_JOBS_H
#define WEFT_ENGINE_JOBS_H

#include <stdint.h>

/** What a process may use. */
struct weft_capacity {
    long cpus;             /* at least 1 */
    uint64_t memory_bytes; /* 0: not known */
};

/**
 * Read the limits of this process's cgroup and of those above it (versions 1 and 2: the processor
 * quota, rounded up, and the memory limit) and the machine's memory. `root_fd`: a directory that
 * holds proc/ and sys/, "/" but for tests. `cpus`: how many processors the scheduler gives. Files
 * that are missing set no limit.
 */
void weft_capacity_read(int root_fd, long cpus, struct weft_capacity *out);

/**
 * max(1, min(2 * cpus, memory / 1 GiB)): a solve waits much for the network and the disk, and a
 * compiler under QEMU is content with about 1 GiB.
 */
long weft_jobs_from(const struct weft_capacity *c);

/** The two above for this process. */
long weft_jobs_default(void);

#endif
