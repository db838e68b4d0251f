/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who weft is to one registry: the credentials, and the tokens that are got with them and renewed
 * in time. May be used from several threads at once; who comes while a token is got waits for it.
 * Knows no requests but those for tokens.
 */
#ifndef WEFT_ENGINE_REGISTRY_AUTH_H
#define WEFT_ENGINE_REGISTRY_AUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weft_auth;
struct weft_docker_config;
struct weft_err;
struct weft_http;
struct weft_http_answer;
struct weft_http_request;

/** How it asks a token server: as weft_http_ask, with the registry's retries. */
typedef int weft_auth_ask_fn(struct weft_http *http, const struct weft_http_request *q,
                             struct weft_http_answer *a, void *data, struct weft_err **err);

/** All is borrowed until weft_auth_destroy. */
struct weft_auth_opts {
    const char *domain;                      /* of the references */
    bool insecure;                           /* a token server may be asked without TLS */
    const struct weft_docker_config *docker; /* or NULL: no credentials */
    const atomic_bool *cancel;               /* or NULL */
    weft_auth_ask_fn *ask;
    void *ask_data;
};

struct weft_auth *weft_auth_create(const struct weft_auth_opts *opts);
void weft_auth_destroy(struct weft_auth *a);

/**
 * The value of the Authorization header for a request that needs scopes[n]
 * ("repository:PATH:pull"); *header is NULL as long as the registry has asked for none. Gets a
 * token where there is none that is good for some seconds more. Caller wipes and frees,
 * weft_auth_header_free. Errors: WEFT_E_NET (wrong password, none at all, the token server),
 * WEFT_E_CHILD, WEFT_E_USAGE, WEFT_E_CANCELLED.
 */
int weft_auth_header(struct weft_auth *a, struct weft_http *http, const char *const *scopes,
                     size_t n, char **header, struct weft_err **err);
void weft_auth_header_free(char *header);

/**
 * A request with `header` (NULL: without) was answered 401: learn how the registry wants it.
 * Returns 1 where another try may go better, 0 where it will not, -1 for an answer that makes no
 * sense (WEFT_E_NET).
 */
int weft_auth_refused(struct weft_auth *a, const char *header,
                      const struct weft_http_answer *answer, struct weft_err **err);

/** Whether there are credentials for the registry; looked up by the first use of a header. */
bool weft_auth_has_credentials(struct weft_auth *a);

/** Whether the registry wants tokens, and not a password. */
bool weft_auth_is_bearer(struct weft_auth *a);

#endif
