/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session holder: one weft-session per worker and build, which serves the context, the
 * Dockerfile and named directory contexts to that worker once, whatever the number of platforms
 * (design: "The context is sent once"). Loop thread only.
 */
#ifndef WEFT_ENGINE_HOLDER_H
#define WEFT_ENGINE_HOLDER_H

#include <stdint.h>

struct weft_err;
struct weft_holder;
struct weft_loop;
struct weft_request;
struct weft_strv;

/** The session has its id (valid for the call). Called at most once. */
typedef void weft_holder_ready_fn(const char *session_id, void *data);

/** The holder is gone and its memory with it. Bytes that it wrote to the worker, or -1 where it
 * could not say; error: what it complained of (valid for the call), or NULL. Called exactly once.
 */
typedef void weft_holder_exit_fn(int64_t sent_bytes, const char *error, void *data);

/**
 * Append the directories of a request as NAME=DIR: what `--local` of weft-session takes, and under
 * which names weft_solve_argv asks for them.
 */
void weft_holder_locals(const struct weft_request *r, struct weft_strv *out);

/** The name under which the directory of a named context is served: never "context" or
 * "dockerfile". Caller frees. */
char *weft_holder_local_name(const char *context_name);

/** The key by which BuildKit finds what earlier builds of the same project have sent. Caller frees.
 */
char *weft_holder_shared_key(const struct weft_request *r);

/** Where a holder takes the place of its worker (weft_holder_start): "unix:///...", beside the
 * worker's socket. Caller frees. */
char *weft_holder_relay_address(const char *worker_address);

/**
 * Start a holder. `program`: path of weft-session; `address`: "unix:///..." of the worker.
 * `relay`: NULL, or where it also listens, and passes all that comes on to the worker, with the
 * request's secrets put in, those of caches for their marks and those of proxies (proxy_args.h) as
 * further build arguments: so they are on nobody's command line. What it has to say of the
 * directories becomes warnings.
 * Returns NULL with WEFT_E_CHILD; then no callback is called.
 */
struct weft_holder *weft_holder_start(struct weft_loop *loop, const char *program,
                                      const char *address, const char *relay,
                                      const struct weft_request *r, weft_holder_ready_fn *ready,
                                      weft_holder_exit_fn *exit, void *data, struct weft_err **err);

/** Ask it to end; `exit` is called when it has. */
void weft_holder_stop(struct weft_holder *h);

/** End it at once (SIGKILL); `exit` is called when it is gone. */
void weft_holder_kill(struct weft_holder *h);

#endif
