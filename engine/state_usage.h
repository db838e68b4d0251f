/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the state directory takes on disk, part by part, as `du -s` counts: blocks, and a file with
 * several names once. BuildKit's own count of a cache (engine/cache_record.h) is another one: it
 * knows nothing of databases, logs, and what is not weft's workers'.
 */
#ifndef WEFT_ENGINE_STATE_USAGE_H
#define WEFT_ENGINE_STATE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;

/** A directory or file in the state directory; of "workers", one in that. */
struct weft_state_part {
    char *path;       /* relative: "workers/linux_arm64", "qemu" */
    const char *what; /* "copies of QEMU"; "" for what weft did not make */
    uint64_t bytes;
    bool is_whole; /* false: something of it is out of this user's reach, and not counted */
};

/** Start from {0}; end with weft_state_usage_finish. */
struct weft_state_usage {
    struct weft_state_part *v;
    size_t n;
    uint64_t total_bytes; /* of all parts, and the directories that they are in */
    bool is_whole;
};

/** Count. A state directory that is not there is empty. */
void weft_state_usage_count(const char *state_root, struct weft_state_usage *out);
void weft_state_usage_finish(struct weft_state_usage *u);

#endif
