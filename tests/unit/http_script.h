/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server on this machine that answers by a script: the requests that are to come, in their
 * order, and what each gets. It remembers what was asked.
 */
#ifndef WEFT_TESTS_UNIT_HTTP_SCRIPT_H
#define WEFT_TESTS_UNIT_HTTP_SCRIPT_H

#include <stddef.h>

struct http_script;

struct http_script *http_script_start(void);

/** "127.0.0.1:PORT" */
const char *http_script_host(const struct http_script *s);

/**
 * The next request has to begin with `wanted` ("GET /v2/app/manifests/1 "), and gets this status
 * line, headers ("Name: value\r\n" each, or "") and body.
 */
void http_script_add(struct http_script *s, const char *wanted, const char *status,
                     const char *headers, const char *body);

/** The next request: its connection ends after so many bytes of its body, with no answer. */
void http_script_add_drop(struct http_script *s, const char *wanted, size_t body_bytes);

/** The next request: an answer that says it has more bytes than come. */
void http_script_add_cut(struct http_script *s, const char *wanted, const char *body,
                         size_t said_bytes);

/** Request `i` so far: its head, and its body as far as it was read. Borrowed until the stop. */
const char *http_script_head(struct http_script *s, size_t i);
const char *http_script_body(struct http_script *s, size_t i);

/** Whether a request's head has this text. */
int http_script_has(struct http_script *s, size_t i, const char *text);

/** Stop; fails the test if a request was another than the script has, or one did not come. */
void http_script_stop(struct http_script *s);

#endif
