/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk space of workers' states. One budget is for all states together; each has an equal share
 * of it, which gets smaller as states are added. Shared by weft, which says what the budget is, and
 * weft-init, which keeps its state within the share (docs/workers.md, "Disk space").
 */
#ifndef WEFT_ENGINE_WORKER_DISK_H
#define WEFT_ENGINE_WORKER_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct weft_err;

/** min(80 % of the file system, 100 GB): the budget where the user does not say. */
uint64_t weft_worker_disk_default(uint64_t fs_size_bytes);

/** A budget that a user wrote: "50G", at least 1M. `what`: what it is called, "WEFT_WORKER_DISK".
 * Errors: WEFT_E_USAGE. */
int weft_worker_disk_parse(const char *what, const char *text, uint64_t *bytes,
                           struct weft_err **err);

/** $WEFT_WORKER_DISK into *bytes; 0: not set. Errors: WEFT_E_USAGE. */
int weft_worker_disk_from_env(uint64_t *bytes, struct weft_err **err);

/** The budget, and the file system that the states are on. */
struct weft_worker_room {
    uint64_t budget_bytes;
    const char *said_by; /* "WEFT_WORKER_DISK", "the config file"; NULL: nobody, the default */
    uint64_t fs_bytes;
    uint64_t free_bytes; /* for this user */
    bool no_files;       /* no more files can be made in it */
};

/**
 * Look. Where the state directory is not there yet, what it will be made in is looked at.
 * set_bytes: of the config file; 0: not said. Errors: WEFT_E_USAGE (the variable), WEFT_E_IO.
 */
int weft_worker_room_look(const char *state_root, uint64_t set_bytes, struct weft_worker_room *out,
                          struct weft_err **err);

/** What all states together were last counted to have (struct weft_worker_usage). */
uint64_t weft_worker_disk_used(const char *state_root);

/** With less than this free, a file system of that size counts as nearly full: min(5 %, 2 GB). */
uint64_t weft_worker_disk_low(uint64_t fs_size_bytes);

/**
 * Databases need room to delete in, too. So each state has a file of 2 MB that is worth nothing: it
 * is made while there is room (else nothing is done), and removed before a cache on a full disk is
 * trimmed.
 */
void weft_worker_reserve_make(const char *path);

/** How many states lie in STATE_ROOT/workers; at least 1. */
unsigned weft_worker_disk_count(const char *state_root);

/** What each state may have of `budget_bytes`, with as many states as there are now. */
uint64_t weft_worker_disk_share(uint64_t budget_bytes, const char *state_root);

/** Sum of the disk blocks below a directory (each hard link its part). *whole becomes false where
 * something was out of reach, as files of the worker's other ids are for an ordinary user. */
uint64_t weft_worker_disk_walk(const char *dir, bool *whole);

/** What a worker has written down about its state: what BuildKit counted when the cache was last
 * trimmed, and to which share. */
struct weft_worker_usage {
    uint64_t used_bytes;
    uint64_t share_bytes;
};

/** Returns 1, or 0 where there is no such file. */
int weft_worker_usage_read(const char *path, struct weft_worker_usage *u);
int weft_worker_usage_write(const char *path, const struct weft_worker_usage *u,
                            struct weft_err **err);

#endif
