/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/registry/http.h"

enum {
    TRIES = 3,
    PAUSE_MS = 1000, /* before the second try; the next ones wait longer */
    POLL_MS = 100,
};

/* What arrives. */
struct arrival {
    const struct weft_download *d;
    const char *shown;
    int fd; /* -1: nowhere */
    uint64_t bytes;
    struct weft_hash *hash;
};

static int on_bytes(const void *data, size_t len, void *user, struct weft_err **err)
{
    struct arrival *a = user;

    a->bytes += len;
    if (a->d->limit > 0 && a->bytes > a->d->limit) {
        return weft_fail(err, WEFT_E_NET, "%s has more than %" PRIu64 " bytes", a->shown,
                         a->d->limit);
    }
    weft_hash_update(a->hash, data, len);
    return a->fd < 0 ? 0 : weft_write_all(a->fd, data, len, a->d->file, err);
}

static int refused(const struct arrival *a, int status, struct weft_err **err)
{
    weft_auto_free char *host = weft_url_host(a->d->url);

    weft_fail(err, WEFT_E_NET, "%s: the server says status %d", a->shown, status);
    if ((status == 429 || status >= 500) && err && *err) {
        (*err)->sys = EAGAIN;
    }
    if (status == 401 || status == 403) {
        return weft_err_hint(err, "--secret id=HTTP_AUTH_TOKEN_%s,env=VARIABLE", host);
    }
    return status == 404 ? weft_err_hint(err, "is the URL right? curl -I URL") : -1;
}

static int get(struct weft_http *h, struct arrival *a, char digest[WEFT_DIGEST_SIZE],
               struct weft_err **err)
{
    struct weft_http_answer answer = {0};
    int rc;

    if (a->fd >= 0 && (ftruncate(a->fd, 0) < 0 || lseek(a->fd, 0, SEEK_SET) < 0)) {
        return weft_fail_sys(err, errno, "%s", a->d->file);
    }
    a->bytes = 0;
    weft_hash_destroy(a->hash);
    a->hash = weft_hash_create();
    rc = weft_http_ask(h,
                       &(struct weft_http_request){.method = "GET",
                                                   .url = a->d->url,
                                                   .authorization = a->d->authorization,
                                                   .sink = on_bytes,
                                                   .sink_data = a,
                                                   .gzip = true},
                       &answer, err);
    if (rc == 0 && (answer.status < 200 || answer.status > 299)) {
        rc = refused(a, answer.status, err);
    }
    weft_http_answer_finish(&answer);
    if (rc == 0) {
        weft_hash_final(a->hash, digest);
    }
    return rc;
}

static int pause_before(const struct weft_download *d, int next, struct weft_err **err)
{
    for (int left_ms = PAUSE_MS * (2 * next - 3); left_ms > 0; left_ms -= POLL_MS) {
        if (d->cancel && atomic_load(d->cancel)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        poll(NULL, 0, POLL_MS);
    }
    return 0;
}

int weft_download(const struct weft_download *d, char digest[WEFT_DIGEST_SIZE],
                  struct weft_err **err)
{
    static const struct weft_http_tls tls;
    weft_auto_free char *shown = weft_http_url_shown(d->url);
    struct weft_http *h = weft_http_create(&tls, d->cancel, err);
    struct arrival a = {.d = d, .shown = shown, .fd = -1};
    int rc = h ? 0 : -1;

    if (rc == 0 && d->file) {
        a.fd = open(d->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        rc = a.fd < 0 ? weft_fail_sys(err, errno, "%s", d->file) : 0;
    }
    for (int i = 1; rc == 0; i++) {
        weft_auto_err failed = NULL;

        if (get(h, &a, digest, &failed) == 0) {
            break;
        }
        if (failed->sys != EAGAIN || i == TRIES) {
            rc = -1;
            if (err) {
                *err = weft_steal(&failed);
            }
            break;
        }
        weft_info("%s; trying again", failed->msg);
        rc = pause_before(d, i + 1, err);
    }
    weft_hash_destroy(a.hash);
    if (a.fd >= 0) {
        close(a.fd);
    }
    weft_http_destroy(h);
    return rc;
}

char *weft_url_host(const char *url)
{
    const char *from = strstr(url, "://");
    const char *at;
    size_t len;

    from = from ? from + 3 : "";
    len = strcspn(from, "/?#");
    at = memrchr(from, '@', len);
    if (at) {
        len -= (size_t)(at + 1 - from);
        from = at + 1;
    }
    if (*from == '[') { /* IPv6 */
        return weft_xstrndup(from + 1, strcspn(from + 1, "]"));
    }
    return weft_xstrndup(from, strcspn(from, ":/?#") < len ? strcspn(from, ":/?#") : len);
}
