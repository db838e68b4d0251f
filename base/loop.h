/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: timers, signals, and blocking work in a thread pool. With spawn.c the only place
 * that knows libuv. Everything here is called on the loop's thread, but for the work functions
 * themselves. Objects that live in the loop are destroyed asynchronously: "stop" ends them at once
 * for the caller, their memory goes in the loop's next turn.
 */
#ifndef WEFT_BASE_LOOP_H
#define WEFT_BASE_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct weft_err;
struct weft_loop;

/** Make a loop, in which up to `works` (>= 1; more than 32 are 32) of weft_work run at once; the
 * others wait for their turn. Returns NULL with WEFT_E_IO. One per program is the use that is
 * foreseen: the first one's `works` are those of all. */
struct weft_loop *weft_loop_create(size_t works, struct weft_err **err);

/** Run until nothing is left that could call back, or weft_loop_stop. */
void weft_loop_run(struct weft_loop *loop);

/** Make weft_loop_run return once the callbacks of this turn have run (outside of weft_loop_run:
 * make the next one return at once). */
void weft_loop_stop(struct weft_loop *loop);

/** Close what is still in the loop (timers, signals, children's handles; no child is killed, no
 * on_exit called), wait for the work that runs (its `done` is called) and free it. NULL is fine. */
void weft_loop_destroy(struct weft_loop *loop);

/** Milliseconds of a monotonic clock, as of now (not of the loop's turn). Thread: any. */
uint64_t weft_now_ms(void);

typedef void weft_callback_fn(void *data);

/** Call fn after first_ms, then every repeat_ms (0: once). A timer keeps the loop alive unless it
 * is `weak`. Ownership: the caller's, until weft_timer_stop; also of one that has fired. */
struct weft_timer;
struct weft_timer *weft_timer_start(struct weft_loop *loop, uint64_t first_ms, uint64_t repeat_ms,
                                    int weak, weft_callback_fn *fn, void *data);
void weft_timer_stop(struct weft_timer *t); /* NULL is fine; fn is not called again */

/** Call fn for each signal `signum` that this process gets. Does not keep the loop alive. */
struct weft_signal;
struct weft_signal *weft_signal_watch(struct weft_loop *loop, int signum, weft_callback_fn *fn,
                                      void *data);
void weft_signal_stop(struct weft_signal *s); /* NULL is fine */

/** Run work(data) in a thread of the pool, then done(data) on the loop's thread. Keeps the loop
 * alive until then. */
void weft_work(struct weft_loop *loop, weft_callback_fn *work, weft_callback_fn *done, void *data);

/** For spawn.c: what the `data` of each handle in the loop points at. `close` is what
 * weft_loop_destroy calls for a handle that is open: it closes that handle, and frees its memory
 * when libuv lets go of it. */
struct weft_loop_item {
    void (*close)(struct weft_loop_item *item);
};

/** For spawn.c: the libuv loop (a uv_loop_t). */
void *weft_loop_uv(struct weft_loop *loop);

#endif
