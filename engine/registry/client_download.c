/* SPDX-License-Identifier: Apache-2.0 */
/* Getting a blob into a file: from the beginning again where the connection is lost. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/registry/client_parts.h"

struct download {
    int fd;
    uint64_t at, size_bytes;
};

static int put(const void *data, size_t len, void *user, struct weft_err **err)
{
    struct download *d = user;
    const char *p = data;

    if (len > d->size_bytes - d->at) {
        return weft_fail(err, WEFT_E_DIGEST,
                         "it has more than the %" PRIu64 " bytes that it should", d->size_bytes);
    }
    while (len > 0) {
        ssize_t n = pwrite(d->fd, p, len, (off_t)d->at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "a temporary file");
        }
        p += n;
        len -= (size_t)n;
        d->at += (uint64_t)n;
    }
    return 0;
}

/* One try. Returns 1, 0 (not there), -1, or 2 for one that may be repeated, which has waited. */
static int try(struct weft_registry *r, const struct weft_registry_call *call, struct download *d,
               int next, struct weft_err **err)
{
    struct weft_http_answer a = {0};
    weft_auto_err why = NULL;
    weft_auto_free char *text = NULL;
    int rc = 2;

    if (ftruncate(d->fd, 0) < 0) {
        return weft_fail_sys(err, errno, "a temporary file");
    }
    d->at = 0;
    if (weft_registry_call(r, call, &a, &why) < 0) {
        if (next > WEFT_REGISTRY_TRIES || !weft_registry_error_passes(r, why)) {
            if (err) {
                *err = weft_steal(&why);
            }
            return -1;
        }
    } else if (a.status == 200) {
        rc = d->at == d->size_bytes
                 ? 1
                 : weft_fail(err, WEFT_E_DIGEST,
                             "%s: %s: it has %" PRIu64 " bytes, and should have %" PRIu64, r->name,
                             call->doing, d->at, d->size_bytes);
    } else if (a.status == 404) {
        rc = 0;
    } else if (next > WEFT_REGISTRY_TRIES || !weft_registry_answer_passes(&a)) {
        rc = weft_registry_refused(r, call, &a, err);
    } else {
        weft_auto_free char *status = weft_registry_status_text(&a);

        text = weft_fmt("%s: %s", r->opts.domain, status);
    }
    if (rc == 2 && weft_registry_pause(r, next, why ? why->msg : text, why ? NULL : &a, err) < 0) {
        rc = -1;
    }
    weft_http_answer_finish(&a);
    return rc;
}

int weft_registry_get_blob_file(struct weft_registry *r, const char *digest, uint64_t size_bytes,
                                int fd, struct weft_err **err)
{
    struct download d = {.fd = fd, .size_bytes = size_bytes};
    weft_auto_free char *path = weft_fmt("blobs/%s", digest);
    weft_auto_free char *doing = weft_fmt("getting blob %s", digest);
    const struct weft_registry_call call = {
        .doing = doing, .method = "GET", .path = path, .sink = put, .sink_data = &d, .once = true};
    int rc = 2;

    for (int next = 2; rc == 2; next++) {
        rc = try(r, &call, &d, next, err);
    }
    return rc;
}
