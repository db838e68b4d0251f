/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file from a web server, whole and with its digest. HTTP is engine/registry/http.h.
 */
#ifndef WEFT_ENGINE_DOWNLOAD_H
#define WEFT_ENGINE_DOWNLOAD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/digest.h"

struct weft_err;

/** All is borrowed. */
struct weft_download {
    const char *url;           /* http or https */
    const char *file;          /* written anew; NULL: only the digest is wanted */
    uint64_t limit;            /* bytes; 0: none */
    const char *authorization; /* value of that header; or NULL. Not sent to another host */
    const atomic_bool *cancel; /* or NULL */
};

/**
 * Get it, in up to three tries where the connection is lost or the server is not ready. A transfer
 * that the server compressed is what it was before, as BuildKit takes it. Errors: WEFT_E_NET (with
 * the server's status, where it is that), WEFT_E_IO, WEFT_E_CANCELLED. Messages have the URL
 * without password and query. Blocks; Thread: any.
 */
int weft_download(const struct weft_download *d, char digest[WEFT_DIGEST_SIZE],
                  struct weft_err **err);

/** The host of a URL without user and port, "example.org"; "" where there is none. Caller frees. */
char *weft_url_host(const char *url);

#endif
