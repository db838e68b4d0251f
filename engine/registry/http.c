/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/registry/proxy.h"

enum {
    KEPT_LIMIT_BYTES = 4 << 20,      /* of a body, where the caller names no limit */
    REFUSAL_LIMIT_BYTES = 64 << 10,  /* of the body of an answer that is none of 200 to 299 */
    HEADERS_LIMIT_BYTES = 256 << 10, /* of one answer */
    AUTHORITIES_LIMIT_BYTES = 16 << 20,
    SEND_BUFFER_BYTES = 512 << 10,
    RECEIVE_BUFFER_BYTES = 256 << 10,
    /* a document that is sent before the server has said that it wants it: asking (100-continue)
     * takes longer than sending it in vain. Not so a blob: with no answer on a connection that was
     * used before, libcurl sends all of it again by itself, which an upload is not to be given. */
    UNASKED_BYTES = 64 << 10,
    CONNECT_LIMIT_MS = 30000,
    STALL_LIMIT_MS = 60000,
    REDIRECTS_LIMIT = 10,
};

/* OpenSSL's numbers of what can be wrong with a certificate, as libcurl hands them on. */
enum {
    CERT_NOT_YET_VALID = 9,
    CERT_EXPIRED = 10,
    CERT_SELF_SIGNED = 18,
    CERT_SELF_SIGNED_IN_CHAIN = 19,
    CERT_NO_LOCAL_ISSUER = 20,
    CERT_UNVERIFIED_LEAF = 21,
};

struct weft_http {
    CURL *curl;
    const struct weft_http_tls *tls;
    const atomic_bool *cancel;
    struct weft_buf authorities; /* PEM: the machine's and those of tls->ca_file; or empty */
};

/* One request and its answer; what libcurl's callbacks work on. */
struct transfer {
    struct weft_http *http;
    const struct weft_http_request *q;
    struct weft_http_answer *a;
    const char *shown; /* its URL, for errors */
    uint64_t sent_bytes;
    size_t headers_bytes;
    struct weft_err *err; /* of a callback, which ended the transfer */
};

static void url_freep(CURLU **u)
{
    curl_url_cleanup(*u);
}
#define auto_url __attribute__((cleanup(url_freep))) CURLU *

static void slist_freep(struct curl_slist **l)
{
    for (struct curl_slist *i = *l; i; i = i->next) {
        explicit_bzero(i->data, strlen(i->data)); /* Authorization is one of them */
    }
    curl_slist_free_all(*l);
}
#define auto_slist __attribute__((cleanup(slist_freep))) struct curl_slist *

static bool is_set(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

static bool is_success(long status)
{
    return status >= 200 && status < 300;
}

/* ---- URLs ---- */

/* A part of a URL; caller frees. NULL: it has none. */
static char *part_of(CURLU *u, CURLUPart part, unsigned flags)
{
    char *theirs = NULL;
    char *ours;

    if (curl_url_get(u, part, &theirs, flags) != CURLUE_OK) {
        return NULL;
    }
    ours = weft_xstrdup(theirs);
    curl_free(theirs);
    return ours;
}

char *weft_http_url(const char *base, const char *url)
{
    auto_url u = curl_url();
    weft_auto_free char *scheme = NULL;
    weft_auto_free char *host = NULL;

    if (!u || (base && curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK) ||
        curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
        return NULL;
    }
    scheme = part_of(u, CURLUPART_SCHEME, 0);
    host = part_of(u, CURLUPART_HOST, 0);
    if (!host || !*host || (!weft_str_eq(scheme, "http") && !weft_str_eq(scheme, "https"))) {
        return NULL;
    }
    return part_of(u, CURLUPART_URL, 0);
}

/* "https://host:443" */
static char *origin_of(const char *url)
{
    auto_url u = curl_url();
    weft_auto_free char *scheme = NULL;
    weft_auto_free char *host = NULL;
    weft_auto_free char *port = NULL;

    if (!u || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
        return NULL;
    }
    scheme = part_of(u, CURLUPART_SCHEME, 0);
    host = part_of(u, CURLUPART_HOST, 0);
    port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    return scheme && host && port ? weft_fmt("%s://%s:%s", scheme, host, port) : NULL;
}

bool weft_http_same_origin(const char *a, const char *b)
{
    weft_auto_free char *origin_a = origin_of(a);
    weft_auto_free char *origin_b = origin_of(b);

    return origin_a && origin_b && strcasecmp(origin_a, origin_b) == 0;
}

char *weft_http_url_shown(const char *url)
{
    auto_url u = curl_url();
    weft_auto_free char *bare = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_set(u, CURLUPART_USER, NULL, 0);
        curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(u, CURLUPART_QUERY, NULL, 0);
        curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
        bare = part_of(u, CURLUPART_URL, 0);
    }
    return weft_printable(bare ? bare : "a malformed URL");
}

int64_t weft_http_date(const char *text)
{
    return (int64_t)curl_getdate(text, NULL);
}

/* ---- set up ---- */

static const char *variable(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

/* libcurl takes authorities from a file or from memory: for more than the machine's, both are put
 * together. The machine's directory of them counts in any case. */
static int load_authorities(struct weft_http *h, struct weft_err **err)
{
    const char *machine = variable("SSL_CERT_FILE");
    weft_auto_free char *text = NULL;
    weft_auto_free char *more = NULL;
    size_t len;

    if (weft_read_file(h->tls->ca_file, AUTHORITIES_LIMIT_BYTES, &more, &len, err) < 0) {
        return -1;
    }
    if (!memmem(more, len, "-----BEGIN ", 11)) {
        return weft_fail(err, WEFT_E_IO, "%s: it holds no certificate in PEM", h->tls->ca_file);
    }
    weft_buf_append(&h->authorities, more, len);
    if (!machine) {
        curl_easy_getinfo(h->curl, CURLINFO_CAINFO, &machine);
    }
    /* a machine may have none */
    if (machine && weft_read_file(machine, AUTHORITIES_LIMIT_BYTES, &text, &len, NULL) == 0) {
        weft_buf_puts(&h->authorities, "\n");
        weft_buf_append(&h->authorities, text, len);
    }
    return 0;
}

struct weft_http *weft_http_create(const struct weft_http_tls *tls, const atomic_bool *cancel,
                                   struct weft_err **err)
{
    struct weft_http *h = weft_xcalloc(1, sizeof(*h));

    h->tls = tls;
    h->cancel = cancel;
    h->curl = curl_easy_init();
    if (!h->curl) {
        weft_fail(err, WEFT_E_INTERNAL, "libcurl cannot be set up");
    } else if (!tls->ca_file || load_authorities(h, err) == 0) {
        return h;
    }
    weft_http_destroy(h);
    return NULL;
}

void weft_http_destroy(struct weft_http *h)
{
    if (h) {
        curl_easy_cleanup(h->curl);
        weft_buf_finish(&h->authorities);
        free(h);
    }
}

static void set_tls(const struct weft_http *h)
{
    const char *file = variable("SSL_CERT_FILE"), *dir = variable("SSL_CERT_DIR");
    CURL *c = h->curl;

    if (h->authorities.len > 0) {
        struct curl_blob blob = {
            .data = h->authorities.data, .len = h->authorities.len, .flags = CURL_BLOB_NOCOPY};

        curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(c, CURLOPT_PROXY_CAINFO_BLOB, &blob);
    } else if (file) {
        curl_easy_setopt(c, CURLOPT_CAINFO, file);
        curl_easy_setopt(c, CURLOPT_PROXY_CAINFO, file);
    }
    if (dir) {
        curl_easy_setopt(c, CURLOPT_CAPATH, dir);
        curl_easy_setopt(c, CURLOPT_PROXY_CAPATH, dir);
    }
    if (h->tls->insecure) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (h->tls->cert_file) {
        curl_easy_setopt(c, CURLOPT_SSLCERT, h->tls->cert_file);
        curl_easy_setopt(c, CURLOPT_SSLKEY,
                         h->tls->key_file ? h->tls->key_file : h->tls->cert_file);
    }
}

/* What libcurl says of a proxy that it cannot make out has all of it, the password, too: it does
 * not get to see one. */
static int check_proxy(const char *proxy, struct weft_err **err)
{
    auto_url u = curl_url();

    if (u && curl_url_set(u, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        return 0;
    }
    weft_fail(err, WEFT_E_NET, "the proxy of HTTPS_PROXY or HTTP_PROXY is no URL");
    return weft_err_hint(err, "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, with what is special in "
                              "the password as %%40 and the like");
}

static int set_proxy(CURL *c, const char *url, struct weft_err **err)
{
    const struct weft_proxies proxies = weft_proxies_of_environment();
    auto_url u = curl_url();
    weft_auto_free char *scheme = NULL;
    weft_auto_free char *host = NULL;
    weft_auto_free char *port = NULL;
    weft_auto_free char *proxy = NULL;
    int rc;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
        scheme = part_of(u, CURLUPART_SCHEME, 0);
        host = part_of(u, CURLUPART_HOST, 0);
        port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    }
    if (scheme && host && port) {
        proxy = weft_proxy_for(&proxies, strcmp(scheme, "https") == 0, host,
                               (int)strtol(port, NULL, 10));
    }
    rc = proxy ? check_proxy(proxy, err) : 0;
    /* "" keeps libcurl from reading the environment by rules of its own */
    curl_easy_setopt(c, CURLOPT_PROXY, proxy && rc == 0 ? proxy : "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (proxy) {
        explicit_bzero(proxy, strlen(proxy));
    }
    return rc;
}

/* ---- callbacks ---- */

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
    struct transfer *t = data;
    size_t len = size * n;
    const char *colon = memchr(line, ':', len);
    const char *value, *end = line + len;
    weft_auto_free char *name = NULL;

    t->headers_bytes += len;
    if (t->headers_bytes > HEADERS_LIMIT_BYTES) {
        weft_fail(&t->err, WEFT_E_NET, "%s: an answer with endless headers", t->shown);
        return 0;
    }
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        weft_strv_finish(&t->a->headers); /* those so far were of "100 Continue" */
        return len;
    }
    if (!colon) {
        return len;
    }
    name = weft_xstrndup(line, (size_t)(colon - line));
    for (char *p = name; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    value = colon + 1;
    while (value < end && isspace((unsigned char)*value)) {
        value++;
    }
    while (end > value && isspace((unsigned char)end[-1])) {
        end--;
    }
    weft_strv_addf(&t->a->headers, "%s: %.*s", name, (int)(end - value), value);
    return len;
}

static int keep_body(struct transfer *t, const void *body, size_t len, bool success)
{
    uint64_t limit = t->q->limit > 0 ? t->q->limit : KEPT_LIMIT_BYTES;
    size_t room;

    if (!success && limit > REFUSAL_LIMIT_BYTES) {
        limit = REFUSAL_LIMIT_BYTES;
    }
    room = limit > t->a->body.len ? (size_t)(limit - t->a->body.len) : 0;
    if (len > room && success) {
        return weft_fail(&t->err, WEFT_E_NET, "%s: its answer has more than %llu bytes", t->shown,
                         (unsigned long long)limit);
    }
    weft_buf_append(&t->a->body, body, len < room ? len : room);
    return 0;
}

static size_t on_body(char *body, size_t size, size_t n, void *data)
{
    struct transfer *t = data;
    size_t len = size * n;
    long status = 0;
    int rc;

    curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->q->sink && is_success(status)) {
        rc = t->q->sink(body, len, t->q->sink_data, &t->err);
    } else {
        rc = keep_body(t, body, len, is_success(status));
    }
    return rc < 0 ? 0 : len;
}

static uint64_t body_bytes(const struct weft_http_request *q)
{
    return q->from_file ? q->body_bytes : q->body_len;
}

static void count_sent(struct transfer *t, uint64_t now)
{
    if (t->q->sent && t->q->from_file) {
        atomic_fetch_add(t->q->sent, (int64_t)(now - t->sent_bytes)); /* may be less than before */
    }
    t->sent_bytes = now;
}

static size_t on_read(char *out, size_t size, size_t n, void *data)
{
    struct transfer *t = data;
    const struct weft_http_request *q = t->q;
    uint64_t left = body_bytes(q) - t->sent_bytes;
    size_t len = size * n < left ? size * n : (size_t)left;
    ssize_t got = (ssize_t)len;

    if (len == 0) {
        return 0;
    }
    if (q->from_file) {
        do {
            got = pread(q->body_fd, out, len, (off_t)(q->body_offset + t->sent_bytes));
        } while (got < 0 && errno == EINTR);
        if (got <= 0) {
            if (got < 0) {
                weft_fail_sys(&t->err, errno, "the file to send");
            } else {
                weft_fail(&t->err, WEFT_E_IO, "the file to send has become shorter");
            }
            return CURL_READFUNC_ABORT;
        }
    } else {
        memcpy(out, (const char *)q->body + t->sent_bytes, len);
    }
    count_sent(t, t->sent_bytes + (uint64_t)got);
    return (size_t)got;
}

/* libcurl sends from the start again where a kept connection turns out to be dead. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
    struct transfer *t = data;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > body_bytes(t->q)) {
        return CURL_SEEKFUNC_FAIL;
    }
    count_sent(t, (uint64_t)offset);
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    const struct transfer *t = data;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return is_set(t->http->cancel);
}

/* ---- errors ---- */

static int fail_net(struct weft_err **err, int sys)
{
    if (err && *err) {
        (*err)->sys = sys;
    }
    return -1;
}

static int fail_certificate(const struct transfer *t, const char *text, struct weft_err **err)
{
    long verdict = 0;

    weft_fail(err, WEFT_E_NET, "%s: %s", t->shown, text);
    curl_easy_getinfo(t->http->curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
    switch (verdict) {
    case CERT_EXPIRED:
        return weft_err_hint(err, "a certificate of the server has run out, or the clock is wrong "
                                  "here: date");
    case CERT_NOT_YET_VALID:
        return weft_err_hint(err, "is the clock right here? date");
    case CERT_SELF_SIGNED:
    case CERT_SELF_SIGNED_IN_CHAIN:
    case CERT_NO_LOCAL_ISSUER:
    case CERT_UNVERIFIED_LEAF:
        return weft_err_hint(err, "its certificate is not of an authority that is known here: "
                                  "SSL_CERT_FILE=FILE names others, as does registries: in "
                                  "config.yaml; sudo apt-get install ca-certificates");
    default:
        return weft_err_hint(err, "its certificate is not of an authority that is known here "
                                  "(SSL_CERT_FILE=FILE names others), is for another name, or the "
                                  "clock is wrong");
    }
}

/* A proxy that did not let us through. */
static int fail_proxy(const struct transfer *t, const char *text, long status,
                      struct weft_err **err)
{
    weft_fail(err, WEFT_E_NET, "%s: %s", t->shown, text);
    if (status == 407) {
        return weft_err_hint(err, "the proxy wants another user and password: "
                                  "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT");
    }
    fail_net(err, status >= 500 ? EAGAIN : 0);
    return weft_err_hint(err,
                         "the proxy of HTTPS_PROXY or HTTP_PROXY refuses; NO_PROXY names hosts "
                         "that need none");
}

/* What became of a transfer that did not end well. */
static int fail_transfer(struct transfer *t, CURLcode code, const char *curl_text,
                         struct weft_err **err)
{
    weft_auto_free char *text = weft_printable(*curl_text ? curl_text : curl_easy_strerror(code));
    curl_off_t connected_us = 0;
    long proxy_status = 0;

    if (t->err) {
        if (err) {
            *err = weft_steal(&t->err);
        }
        weft_err_freep(&t->err);
        return -1;
    }
    if (is_set(t->http->cancel)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    curl_easy_getinfo(t->http->curl, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status >= 300) {
        return fail_proxy(t, text, proxy_status, err);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return fail_certificate(t, text, err);
    }
    weft_fail(err, WEFT_E_NET, "%s: %s", t->shown, text);
    curl_easy_getinfo(t->http->curl, CURLINFO_CONNECT_TIME_T, &connected_us);
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        fail_net(err, ECONNREFUSED);
        return weft_err_hint(err, "is the name right, and does DNS work here? getent hosts HOST");
    case CURLE_COULDNT_RESOLVE_PROXY:
        fail_net(err, ECONNREFUSED);
        return weft_err_hint(err, "the proxy of HTTPS_PROXY or HTTP_PROXY has no such name");
    case CURLE_COULDNT_CONNECT:
        fail_net(err, ECONNREFUSED);
        return weft_err_hint(err, "nothing listens there, or a firewall is between; is a proxy "
                                  "needed (HTTPS_PROXY)?");
    case CURLE_OPERATION_TIMEDOUT:
        if (connected_us > 0) {
            return fail_net(err, EAGAIN);
        }
        fail_net(err, ECONNREFUSED);
        return weft_err_hint(err, "a firewall may drop it; is a proxy needed (HTTPS_PROXY)?");
    case CURLE_SSL_CONNECT_ERROR:
        return fail_net(err, EPROTO);
    case CURLE_SSL_CERTPROBLEM:
        return weft_err_hint(err, "the client certificate or its key cannot be used: openssl x509 "
                                  "-in FILE -noout -text");
    case CURLE_SSL_CACERT_BADFILE:
        return weft_err_hint(err, "the file of authorities cannot be used: SSL_CERT_FILE, or "
                                  "registries: in config.yaml");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        /* with TLS 1.3 the server judges our certificate after the handshake */
        if (strstr(text, " alert ") && strstr(text, "certificate")) {
            return weft_err_hint(err, "it wants a client certificate, or another one: cert and key "
                                      "of registries: in config.yaml");
        }
        return fail_net(err, EAGAIN);
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return fail_net(err, EAGAIN);
    default:
        return -1;
    }
}

/* ---- requests ---- */

static void set_body(CURL *c, struct transfer *t)
{
    const struct weft_http_request *q = t->q;

    if (strcmp(q->method, "GET") == 0) {
        curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    } else if (strcmp(q->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (strcmp(q->method, "DELETE") == 0) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
    } else {
        /* POST too: a body of no bytes is one, and says so with "Content-Length: 0" */
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body_bytes(q));
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, t);
        curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
    }
}

static void set_limits(CURL *c, const struct weft_http_request *q)
{
    long stall_ms = q->stall_ms > 0 ? q->stall_ms : STALL_LIMIT_MS;

    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (stall_ms + 999) / 1000);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a cancelled look-up of a name ends by itself */
#endif
}

static struct curl_slist *headers_of(const struct weft_http_request *q, const char *authorization)
{
    /* left to itself, newer libcurl asks only before a megabyte */
    bool asks = body_bytes(q) > (q->from_file ? 0 : UNASKED_BYTES);
    struct curl_slist *list = NULL;

    list = curl_slist_append(list, asks ? "Expect: 100-continue" : "Expect:");
    for (size_t i = 0; q->headers && i < q->headers->n; i++) {
        list = curl_slist_append(list, q->headers->v[i]);
    }
    if (authorization) {
        weft_auto_free char *line = weft_fmt("Authorization: %s", authorization);

        list = curl_slist_append(list, line);
        explicit_bzero(line, strlen(line));
    }
    return list;
}

static int set_request(struct transfer *t, const char *url, struct curl_slist *headers,
                       char *error_text, struct weft_err **err)
{
    CURL *c = t->http->curl;

    curl_easy_reset(c); /* keeps the connections */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    /* one request at a time: HTTP/2 has nothing to give */
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "weft/" PACKAGE_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    if (t->q->gzip) {
        curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    set_tls(t->http);
    set_limits(c, t->q);
    set_body(c, t);
    return set_proxy(c, url, err);
}

/* One request and its answer, whatever it says. */
static int ask_once(struct weft_http *h, const struct weft_http_request *q, const char *url,
                    const char *authorization, struct weft_http_answer *a, struct weft_err **err)
{
    auto_slist headers = headers_of(q, authorization);
    weft_auto_free char *shown = weft_http_url_shown(url);
    struct transfer t = {.http = h, .q = q, .a = a, .shown = shown};
    char text[CURL_ERROR_SIZE] = "";
    long status = 0;
    int rc = set_request(&t, url, headers, text, err);
    CURLcode code = rc == 0 ? curl_easy_perform(h->curl) : CURLE_COULDNT_RESOLVE_PROXY;

    if (code == CURLE_OK) {
        curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
        a->status = (int)status;
    }
    if (code != CURLE_OK || !is_success(status)) {
        count_sent(&t, 0);
    }
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    if (rc < 0) {
        return weft_err_wrap(err, "%s", shown);
    }
    return code == CURLE_OK ? 0 : fail_transfer(&t, code, text, err);
}

/* Whether an answer sends us elsewhere, with a request that may go there. */
static bool is_redirection(const struct weft_http_request *q, const struct weft_http_answer *a)
{
    bool reads = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;

    if (q->stay || !weft_http_header(a, "location")) {
        return false;
    }
    switch (a->status) {
    case 301:
    case 302:
    case 303:
        return reads;
    case 307:
    case 308:
        return true;
    default:
        return false;
    }
}

/* Whether a body that is a secret would go to another host. */
static bool gives_away(const struct weft_http_request *q, const char *url,
                       const struct weft_http_answer *a)
{
    weft_auto_free char *next = q->secret ? weft_http_url(url, weft_http_header(a, "location"))
                                          : NULL;

    return next && !weft_http_same_origin(url, next);
}

static char *next_url(const char *url, const struct weft_http_answer *a, struct weft_err **err)
{
    weft_auto_free char *next = weft_http_url(url, weft_http_header(a, "location"));
    weft_auto_free char *shown = weft_http_url_shown(url);

    if (!next) {
        weft_fail(err, WEFT_E_NET, "%s: redirects to what is no URL", shown);
        return NULL;
    }
    if (strncasecmp(url, "https:", 6) == 0 && strncasecmp(next, "https:", 6) != 0) {
        weft_fail(err, WEFT_E_NET, "%s: redirects from https to http, which is not followed",
                  shown);
        return NULL;
    }
    return weft_steal(&next);
}

int weft_http_ask(struct weft_http *h, const struct weft_http_request *q,
                  struct weft_http_answer *a, struct weft_err **err)
{
    weft_auto_free char *url = weft_http_url(NULL, q->url);
    const char *authorization = q->authorization;

    if (!url) {
        weft_auto_free char *shown = weft_http_url_shown(q->url);

        return weft_fail(err, WEFT_E_NET, "%s: not a URL of http or https", shown);
    }
    for (int i = 0;; i++) {
        char *next;

        if (ask_once(h, q, url, authorization, a, err) < 0) {
            weft_http_answer_finish(a);
            return -1;
        }
        if (!is_redirection(q, a) || gives_away(q, url, a)) {
            a->url = weft_steal(&url);
            return 0;
        }
        next = i < REDIRECTS_LIMIT ? next_url(url, a, err) : NULL;
        weft_http_answer_finish(a);
        if (!next) {
            weft_auto_free char *shown = weft_http_url_shown(url);

            return i < REDIRECTS_LIMIT
                       ? -1
                       : weft_fail(err, WEFT_E_NET, "%s: redirects without end", shown);
        }
        if (!weft_http_same_origin(url, next)) {
            authorization = NULL;
        }
        free(url);
        url = next;
    }
}

void weft_http_answer_finish(struct weft_http_answer *a)
{
    weft_strv_finish(&a->headers);
    if (a->body.data) {
        explicit_bzero(a->body.data, a->body.len); /* it can be a token */
    }
    weft_buf_finish(&a->body);
    free(a->url);
    *a = (struct weft_http_answer){0};
}

const char *weft_http_header(const struct weft_http_answer *a, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < a->headers.n; i++) {
        const char *h = a->headers.v[i];

        if (strncmp(h, name, len) == 0 && h[len] == ':') {
            return h + len + 2; /* of ": " */
        }
    }
    return NULL;
}
