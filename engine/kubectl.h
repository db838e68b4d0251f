/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl, the program, which knows how to get at a cluster: it is found on $PATH, runs with an
 * event loop of its own, and is ended when weft is interrupted (SIGINT, SIGTERM, SIGHUP). Knows
 * nothing of what it is asked for.
 */
#ifndef WEFT_ENGINE_KUBECTL_H
#define WEFT_ENGINE_KUBECTL_H

#include "base/spawn.h"

struct weft_err;
struct weft_json;
struct weft_kubectl;

enum {
    WEFT_KUBECTL_JSON_MAX = 64 * 1024 * 1024 /* bytes of what is asked for as JSON */
};

/** @param context, namespace: NULL: kubectl's own. Borrowed. Errors: WEFT_E_UNSUPPORTED: there is
 * no kubectl; WEFT_E_IO. */
struct weft_kubectl *weft_kubectl_open(const char *context, const char *namespace,
                                       struct weft_err **err);
void weft_kubectl_close(struct weft_kubectl *k); /* NULL is fine */

/**
 * Run it with args[], NULL-terminated, until it ends, and pass on each line that it prints. Blocks.
 * Errors: WEFT_E_UNSUPPORTED: it failed, in its own words; WEFT_E_CANCELLED: interrupted, now or
 * before; WEFT_E_CHILD, WEFT_E_IO: it could not be started.
 */
int weft_kubectl_run(struct weft_kubectl *k, const char *const *args, weft_child_line_fn *on_line,
                     void *data, struct weft_err **err);

/** The same with what it prints read as JSON; an empty object where it prints nothing, as it does
 * where nothing is there and that was to be ignored. New value. Errors: also WEFT_E_FORMAT: it is
 * none, or more than WEFT_KUBECTL_JSON_MAX. */
struct weft_json *weft_kubectl_json(struct weft_kubectl *k, const char *const *args,
                                    struct weft_err **err);

#endif
