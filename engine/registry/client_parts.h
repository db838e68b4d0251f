/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the registry client share: one request to the registry with all that it takes
 * (scheme, token, tries), and what an answer that is none of the expected ones means. Private to
 * them.
 */
#ifndef WEFT_ENGINE_REGISTRY_CLIENT_PARTS_H
#define WEFT_ENGINE_REGISTRY_CLIENT_PARTS_H

#include <pthread.h>

#include "engine/registry/client.h"
#include "engine/registry/http.h"

struct weft_auth;

enum {
    WEFT_REGISTRY_TRIES = 6
};

/** An upload that the registry has begun, where it would not mount the blob. */
struct weft_registry_session {
    char digest[WEFT_DIGEST_SIZE];
    char *location;
};

struct weft_registry {
    struct weft_registry_opts opts;
    char *name; /* "localhost:5000/app", for errors */
    char *host; /* that is asked: not that of the references for docker.io */
    struct weft_http_tls tls;
    struct weft_auth *auth;
    atomic_bool answered; /* it has, once: a lost connection may come back */

    pthread_mutex_t settling; /* of base */
    char *base;               /* "https://host/v2/"; NULL until it is known */

    pthread_mutex_t lock; /* of what follows */
    struct weft_http **idle;
    size_t n_idle;
    struct weft_registry_session *sessions;
    size_t n_sessions;
};

/** One request. */
struct weft_registry_call {
    const char *doing; /* "sending blob sha256:...", for errors */
    const char *method;
    const char *path; /* behind the repository: "blobs/sha256:..."; or NULL, and then */
    const char *url;  /* in full, as the registry gave it: credentials only to its own host */
    const struct weft_strv *headers; /* or NULL */
    const char *from;                /* another repository that it reads from; or NULL */
    const void *body;
    size_t body_len;
    int body_fd; /* as in struct weft_http_request */
    bool from_file;
    uint64_t body_offset, body_bytes;
    _Atomic int64_t *sent;
    uint64_t limit;
    weft_http_sink_fn *sink; /* as in struct weft_http_request; only with `once` */
    void *sink_data;
    bool once; /* tries are the caller's: a second one would have to be another request */
};

/**
 * Ask. Any status is an answer, but 401 is one only if new credentials do not help. Errors: as
 * engine/registry/client.h, with the repository and what was being done in front; a second `once`
 * is worth it where weft_registry_may_pass says so.
 */
int weft_registry_call(struct weft_registry *r, const struct weft_registry_call *call,
                       struct weft_http_answer *a, struct weft_err **err);

/** Fail for an answer that is none of the expected ones. Returns -1. */
int weft_registry_refused(struct weft_registry *r, const struct weft_registry_call *call,
                          const struct weft_http_answer *a, struct weft_err **err);

/** Whether an error, or an answer, is of a kind that passes. */
bool weft_registry_error_passes(const struct weft_registry *r, const struct weft_err *err);
bool weft_registry_answer_passes(const struct weft_http_answer *a);

/**
 * Wait before try `next` (2 to WEFT_REGISTRY_TRIES), longer each time, or as long as the answer
 * (may be NULL) says; `why` is for the notice. Errors: WEFT_E_CANCELLED, WEFT_E_NET (it asks for
 * more time than anybody waits).
 */
int weft_registry_pause(const struct weft_registry *r, int next, const char *why,
                        const struct weft_http_answer *a, struct weft_err **err);

/** "status 503: text". Caller frees. */
char *weft_registry_status_text(const struct weft_http_answer *a);

/** The upload begun for a digest, if there is one: it is the caller's from now on; or NULL. */
char *weft_registry_take_session(struct weft_registry *r, const char *digest);

/** Where an answer says the upload goes on: in full, and not without TLS if the answer had it.
 * Caller frees; NULL: nowhere. */
char *weft_registry_location(const struct weft_http_answer *a);

/** Whether an answer's Docker-Content-Digest, if it has one, is `digest`. Returns 0, or -1 with
 * WEFT_E_DIGEST. */
int weft_registry_check_digest(const struct weft_registry *r, const struct weft_registry_call *call,
                               const struct weft_http_answer *a, const char *digest,
                               struct weft_err **err);

#endif
