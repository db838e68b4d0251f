/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry_ping.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "engine/registry/hosts.h"
#include "engine/registry/http.h"

enum {
    STATUS_OK = 200,
    STATUS_UNAUTHORIZED = 401,
    STATUS_TOO_MANY = 429
};

/* Caller frees; NULL: that is no host. */
static char *url_of(const char *host)
{
    const char *scheme = weft_registry_host_is_local(host) ? "http" : "https";

    if (weft_starts_with(host, "http://") || weft_starts_with(host, "https://")) {
        scheme = host[4] == 's' ? "https" : "http";
        host = strstr(host, "://") + 3;
    }
    if (*host == '\0' || strpbrk(host, "/?#@ \\")) {
        return NULL;
    }
    if (strcmp(weft_registry_host_name(host), "docker.io") == 0) {
        host = "registry-1.docker.io"; /* where that name's API is */
    }
    return weft_fmt("%s://%s/v2/", scheme, host);
}

static int ask(struct weft_http *http, long timeout_ms, struct weft_registry_answer *out,
               struct weft_err **err)
{
    const struct weft_http_request q = {
        .method = "GET", .url = out->url, .timeout_ms = timeout_ms, .stay = true};
    struct weft_http_answer a = {0};
    weft_auto_err why = NULL;
    const char *date;

    if (weft_http_ask(http, &q, &a, &why) < 0) {
        if (why->sys == EPROTO) {
            weft_err_hint(&why, "it may speak plain HTTP: http://HOST");
        }
        if (err) {
            *err = weft_steal(&why);
        }
        return -1;
    }
    out->status = a.status;
    date = weft_http_header(&a, "date");
    out->date_s = date ? weft_http_date(date) : -1;
    weft_http_answer_finish(&a);
    if (out->status == STATUS_OK || out->status == STATUS_UNAUTHORIZED ||
        out->status == STATUS_TOO_MANY) {
        return 0;
    }
    weft_fail(err, WEFT_E_NET, "%s: answers with status %d, not as a registry does", out->url,
              out->status);
    return weft_err_hint(err, out->status >= 500
                                  ? "the registry, or a proxy before it, is in trouble"
                                  : "is that the host of a registry?");
}

int weft_registry_ping(const char *host, long timeout_ms, struct weft_registry_answer *out,
                       struct weft_err **err)
{
    static const struct weft_http_tls tls = {0};
    uint64_t begun = weft_now_ms();
    struct weft_http *http;
    int rc;

    out->date_s = -1;
    out->url = url_of(host);
    if (!out->url) {
        weft_auto_free char *shown = weft_printable(host);

        return weft_fail(err, WEFT_E_USAGE, "\"%s\" is no HOST or HOST:PORT of a registry", shown);
    }
    http = weft_http_create(&tls, NULL, err);
    if (!http) {
        return -1;
    }
    rc = ask(http, timeout_ms, out, err);
    weft_http_destroy(http);
    out->taken_ms = (int64_t)(weft_now_ms() - begun);
    return rc;
}

void weft_registry_answer_finish(struct weft_registry_answer *a)
{
    free(a->url);
    *a = (struct weft_registry_answer){0};
}
