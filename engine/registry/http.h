/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP, and the only place that knows libcurl: one request at a time on one connection cache, with
 * the proxies of the environment (engine/registry/proxy.h), certificates, time limits and
 * cancellation. Retries are the caller's (engine/registry/client.h), who knows what may be sent
 * twice; credentials never follow a redirection to another host.
 */
#ifndef WEFT_ENGINE_REGISTRY_HTTP_H
#define WEFT_ENGINE_REGISTRY_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct weft_err;
struct weft_http; /* belongs to one thread at a time */

/** How a server proves itself, and we to it. Borrowed by weft_http_create until destroy. */
struct weft_http_tls {
    bool insecure;
    const char *ca_file; /* besides the machine's authorities (SSL_CERT_FILE, SSL_CERT_DIR) */
    const char *cert_file;
    const char *key_file;
};

/** Nothing is sent yet. Errors: WEFT_E_IO (ca_file), WEFT_E_INTERNAL. */
struct weft_http *weft_http_create(const struct weft_http_tls *tls, const atomic_bool *cancel,
                                   struct weft_err **err);
void weft_http_destroy(struct weft_http *h);

/** Gets the body of an answer of 200 to 299, piece by piece. Returns 0, or -1 with *err set to end
 * the transfer. */
typedef int weft_http_sink_fn(const void *data, size_t len, void *user, struct weft_err **err);

struct weft_http_request {
    const char *method; /* "GET", "HEAD", "POST", "PATCH", "PUT", "DELETE" */
    const char *url;
    const char *authorization;       /* value of that header; or NULL. Not sent to another host */
    const struct weft_strv *headers; /* "Name: value"; or NULL */
    const void *body;                /* to send from memory; or NULL */
    size_t body_len;
    int body_fd; /* to send from a file; looked at where `from_file` */
    bool from_file;
    uint64_t body_offset, body_bytes; /* which part of the file */
    _Atomic int64_t *sent;            /* grows with what goes out of the file; or NULL */
    weft_http_sink_fn *sink;          /* NULL: the body is kept in the answer */
    void *sink_data;
    uint64_t limit;  /* bytes of a body that is kept; 0: 4 MiB */
    long timeout_ms; /* of the whole; 0: none, but a stall ends it */
    long stall_ms;   /* how long nothing may move; 0: a minute */
    bool stay;       /* a redirection is the answer */
    bool secret;     /* the body is: a redirection to another host is the answer */
    bool gzip;       /* the server may compress the body on its way */
};

/** Start from {0}; end with weft_http_answer_finish. */
struct weft_http_answer {
    int status;
    struct weft_strv headers; /* of the last answer: "name: value", names in lower case */
    struct weft_buf body;
    char *url; /* the last one, after redirections */
};
void weft_http_answer_finish(struct weft_http_answer *a);

/** A header's value, or NULL. Borrowed. */
const char *weft_http_header(const struct weft_http_answer *a, const char *name);

/**
 * Ask. Any status is an answer. Redirections are followed, up to 10, http to https but not back: of
 * GET and HEAD all, of the others those that keep method and body (307, 308). Of a body that is
 * kept, what is over the limit is an error if the status is 200 to 299, and else left out. Errors:
 * WEFT_E_NET, WEFT_E_IO (the file), WEFT_E_CANCELLED (within a second), or the sink's. With
 * WEFT_E_NET `sys` is EAGAIN where the connection was lost or stalled, so that it may help to try
 * again; ECONNREFUSED where none came about (name, port, time out); EPROTO where TLS did not, for
 * another reason than a certificate; else 0. The hint says what to look at. Messages hold the URL
 * without its query, which can be a secret.
 */
int weft_http_ask(struct weft_http *h, const struct weft_http_request *q,
                  struct weft_http_answer *a, struct weft_err **err);

/** The Unix time of an HTTP date, or -1. */
int64_t weft_http_date(const char *text);

/** A URL, which may be relative to `base`, in full. Caller frees; NULL: it is none, or neither http
 * nor https. */
char *weft_http_url(const char *base, const char *url);

/** Whether two URLs in full have one scheme, host and port. */
bool weft_http_same_origin(const char *a, const char *b);

/** A URL as it may be shown: without user, password, query and fragment. Caller frees. */
char *weft_http_url_shown(const char *url);

#endif
