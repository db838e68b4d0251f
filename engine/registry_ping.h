/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a registry answers: one GET of /v2/, as the distribution specification has it. Sends no
 * credentials and follows no redirection.
 */
#ifndef WEFT_ENGINE_REGISTRY_PING_H
#define WEFT_ENGINE_REGISTRY_PING_H

#include <stdint.h>

struct weft_err;

/** Start from {0}. */
struct weft_registry_answer {
    char *url;        /* what was asked */
    int status;       /* of HTTP; 200, or 401 where credentials are wanted */
    int64_t date_s;   /* of its Date header, Unix time; -1: none */
    int64_t taken_ms; /* from the start to the answer */
};

/**
 * Ask HOST or HOST:PORT ("docker.io" as it is meant); by https, or by http where the host is this
 * machine (localhost, 127.0.0.0/8, ::1), as BuildKit does. "http://HOST" and "https://HOST" say
 * which. The proxies of the environment are used. Returns 0 where it answered as a registry does;
 * -1 otherwise. Errors: WEFT_E_USAGE (no host), WEFT_E_NET (with a hint what to look at: name, TLS,
 * clock, proxy, not a registry). Thread: any. Ownership: weft_registry_answer_finish, in both
 * cases.
 */
int weft_registry_ping(const char *host, long timeout_ms, struct weft_registry_answer *out,
                       struct weft_err **err);
void weft_registry_answer_finish(struct weft_registry_answer *a);

#endif
