/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock files (flock): the kernel drops a lock when its holder dies, however it dies. A lock belongs
 * to the open file: close the descriptor to release it. Never unlink a lock file that somebody may
 * wait for.
 */
#ifndef WEFT_BASE_LOCK_H
#define WEFT_BASE_LOCK_H

#include <stdbool.h>

struct weft_err;

/** Open (made 0600 where it is missing) a lock file. Returns a close-on-exec descriptor, or -1
 * (WEFT_E_IO). */
int weft_lock_open(const char *path, struct weft_err **err);

/** Try to take the lock, shared or exclusive, at once. Returns 1 got, 0 held by another, -1
 * WEFT_E_IO. A lock that fd holds already is converted, but not atomically: where the answer is 0
 * it is lost (flock(2)). */
int weft_lock_try(int fd, bool exclusive, struct weft_err **err);

/** As weft_lock_try, but tries again every 5 ms until `timeout_ms` is over (negative: for ever). 1,
 * 0 or -1. */
int weft_lock_wait(int fd, bool exclusive, int timeout_ms, struct weft_err **err);

/** Release a lock without closing the file. */
void weft_lock_release(int fd);

#endif
