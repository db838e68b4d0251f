/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry_ping.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    STATUS_OK = 200,
    STATUS_UNAUTHORIZED = 401,
    STATUS_TOO_MANY = 429
};

static void cleanup_curl(CURL **c)
{
    curl_easy_cleanup(*c);
}

static bool is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || weft_starts_with(host, "localhost:") ||
           weft_starts_with(host, "127.") || weft_starts_with(host, "[::1]");
}

/* Caller frees; NULL: that is no host. */
static char *url_of(const char *host)
{
    const char *scheme = is_local(host) ? "http" : "https";

    if (weft_starts_with(host, "http://") || weft_starts_with(host, "https://")) {
        scheme = host[4] == 's' ? "https" : "http";
        host = strstr(host, "://") + 3;
    }
    if (*host == '\0' || strpbrk(host, "/?#@ \\")) {
        return NULL;
    }
    if (strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0) {
        host = "registry-1.docker.io"; /* where that name's API is */
    }
    return weft_fmt("%s://%s/v2/", scheme, host);
}

/* "Date:" of the last answer; a proxy's own answer may come before it. */
static size_t on_header(char *line, size_t size, size_t n, void *data)
{
    static const char name[] = "date:";
    int64_t *date_s = data;
    size_t len = size * n;

    if (len >= sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0) {
        weft_auto_free char *text =
            weft_xstrndup(line + sizeof(name) - 1, len - (sizeof(name) - 1));

        *date_s = (int64_t)curl_getdate(text, NULL);
    }
    return len;
}

static size_t on_body(char *body, size_t size, size_t n, void *data)
{
    (void)body;
    (void)data;
    return size * n;
}

/* What to look at. */
static const char *hint_of(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "is the name right, and does DNS work here? getent hosts HOST";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "the proxy of HTTPS_PROXY or HTTP_PROXY has no such name";
    case CURLE_COULDNT_CONNECT:
        return "nothing listens there, or a firewall is between; is a proxy needed (HTTPS_PROXY)?";
    case CURLE_OPERATION_TIMEDOUT:
        return "a firewall may drop it; is a proxy needed (HTTPS_PROXY)?";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "its certificate is not of an authority that is known here (SSL_CERT_FILE=FILE "
               "names "
               "others; sudo apt-get install ca-certificates), is for another name, or the clock "
               "is "
               "wrong";
    case CURLE_SSL_CONNECT_ERROR:
        return "it may speak plain HTTP: http://HOST";
    default:
        return NULL;
    }
}

static int ask(CURL *curl, struct weft_registry_answer *out, struct weft_err **err)
{
    char text[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode code;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        const char *hint = hint_of(code);

        weft_fail(err, WEFT_E_NET, "%s: %s", out->url, *text ? text : curl_easy_strerror(code));
        return hint ? weft_err_hint(err, "%s", hint) : -1;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    if (status == STATUS_OK || status == STATUS_UNAUTHORIZED || status == STATUS_TOO_MANY) {
        return 0;
    }
    weft_fail(err, WEFT_E_NET, "%s: answers with status %ld, not as a registry does", out->url,
              status);
    return weft_err_hint(err, status >= 500 ? "the registry, or a proxy before it, is in trouble"
                                            : "is that the host of a registry?");
}

int weft_registry_ping(const char *host, long timeout_ms, struct weft_registry_answer *out,
                       struct weft_err **err)
{
    __attribute__((cleanup(cleanup_curl))) CURL *curl = NULL;
    uint64_t begun = weft_now_ms();
    const char *ca_file = getenv("SSL_CERT_FILE"), *ca_dir = getenv("SSL_CERT_DIR");
    int rc;

    out->date_s = -1;
    out->url = url_of(host);
    if (!out->url) {
        weft_auto_free char *shown = weft_printable(host);

        return weft_fail(err, WEFT_E_USAGE, "\"%s\" is no HOST or HOST:PORT of a registry", shown);
    }
    curl = curl_easy_init();
    if (!curl) {
        return weft_fail(err, WEFT_E_INTERNAL, "libcurl cannot be set up");
    }
    curl_easy_setopt(curl, CURLOPT_URL, out->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weft/" PACKAGE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &out->date_s);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    if (ca_file && *ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    }
    if (ca_dir && *ca_dir) {
        curl_easy_setopt(curl, CURLOPT_CAPATH, ca_dir);
    }
    rc = ask(curl, out, err);
    out->taken_ms = (int64_t)(weft_now_ms() - begun);
    return rc;
}

void weft_registry_answer_finish(struct weft_registry_answer *a)
{
    free(a->url);
    *a = (struct weft_registry_answer){0};
}
