/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a registry: by which scheme, as whom, how often, and what its refusal means. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "engine/registry/auth.h"
#include "engine/registry/client_parts.h"
#include "engine/registry/hosts.h"
#include "engine/registry/reply.h"

enum {
    PAUSE_FIRST_MS = 500,        /* and twice as much each time */
    PAUSE_LIMIT_S = 120,         /* that a registry may ask for */
    PAUSE_SLICE_MS = 50,         /* between looks at what can cancel */
    STALL_LIMIT_MS = 300 * 1000, /* a large blob takes its time to be stored, at the end */
    RENEWALS_LIMIT = 2, /* of a token, for one request: one has run out, one lacks a scope */
};

static bool is_cancelled(const struct weft_registry *r)
{
    return r->opts.cancel && atomic_load_explicit(r->opts.cancel, memory_order_relaxed);
}

/* ---- tries ---- */

bool weft_registry_error_passes(const struct weft_registry *r, const struct weft_err *err)
{
    return err->code == WEFT_E_NET &&
           (err->sys == EAGAIN ||
            ((err->sys == ECONNREFUSED || err->sys == EPROTO) && atomic_load(&r->answered)));
}

bool weft_registry_answer_passes(const struct weft_http_answer *a)
{
    struct weft_refusal refusal = {0};
    bool passes = false;

    switch (a->status) {
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        weft_refusal_read(a->body.data, a->body.len, &refusal);
        passes = !refusal.disk_full;
        weft_refusal_finish(&refusal);
        break;
    default:
        break;
    }
    return passes;
}

char *weft_registry_status_text(const struct weft_http_answer *a)
{
    struct weft_refusal refusal = {0};
    char *text;

    weft_refusal_read(a->body.data, a->body.len, &refusal);
    text = weft_fmt("status %d%s%s", a->status, refusal.text ? ": " : "",
                    refusal.text ? refusal.text : "");
    weft_refusal_finish(&refusal);
    return text;
}

/* What the answer asks to wait, in seconds; 0: nothing. */
static int64_t asked_pause_s(const struct weft_http_answer *a)
{
    const char *value = a ? weft_http_header(a, "retry-after") : NULL;
    int64_t seconds = value ? weft_retry_after(value, weft_http_date(value), (int64_t)time(NULL))
                            : 0;

    return seconds > 0 ? seconds : 0;
}

/* The pause before a try, of three quarters to five quarters of what is due, so that many that were
 * refused together do not come back together. */
static uint64_t own_pause_ms(int next)
{
    uint64_t due_ms = (uint64_t)PAUSE_FIRST_MS << (next - 2);
    uint32_t random = 0;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        random = (uint32_t)weft_now_ms();
    }
    return due_ms * 3 / 4 + random % (due_ms / 2 + 1);
}

int weft_registry_pause(const struct weft_registry *r, int next, const char *why,
                        const struct weft_http_answer *a, struct weft_err **err)
{
    int64_t asked_s = asked_pause_s(a);
    uint64_t pause_ms = own_pause_ms(next);
    uint64_t until_ms;

    if (asked_s > PAUSE_LIMIT_S) {
        return weft_fail(err, WEFT_E_NET, "%s; the registry asks to come back in %lld s", why,
                         (long long)asked_s);
    }
    if ((uint64_t)asked_s * 1000 > pause_ms) {
        pause_ms = (uint64_t)asked_s * 1000;
    }
    weft_info("%s; again in %.1f s (try %d of %d)", why, (double)pause_ms / 1000, next,
              WEFT_REGISTRY_TRIES);
    until_ms = weft_now_ms() + pause_ms;
    while (weft_now_ms() < until_ms) {
        const struct timespec slice = {.tv_nsec = PAUSE_SLICE_MS * 1000000L};

        if (is_cancelled(r)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        nanosleep(&slice, NULL);
    }
    return 0;
}

static int give(struct weft_err **err, struct weft_err **why)
{
    if (err) {
        *err = weft_steal(why);
    }
    return -1;
}

/* weft_http_ask until it is answered by something that does not pass. */
static int ask_with_patience(struct weft_registry *r, struct weft_http *http,
                             const struct weft_http_request *q, struct weft_http_answer *a,
                             struct weft_err **err)
{
    for (int next = 2;; next++) {
        weft_auto_err why = NULL;
        weft_auto_free char *status = NULL;
        weft_auto_free char *text = NULL;
        int rc = weft_http_ask(http, q, a, &why);

        if (rc == 0) {
            atomic_store(&r->answered, true);
            if (next > WEFT_REGISTRY_TRIES || !weft_registry_answer_passes(a)) {
                return 0;
            }
            status = weft_registry_status_text(a);
            text = weft_fmt("%s: %s", r->opts.domain, status);
        } else if (!weft_registry_error_passes(r, why)) {
            return give(err, &why);
        } else if (next > WEFT_REGISTRY_TRIES) {
            weft_err_wrap(&why, "tried %d times", WEFT_REGISTRY_TRIES);
            return give(err, &why);
        }
        rc = weft_registry_pause(r, next, rc == 0 ? text : why->msg, rc == 0 ? a : NULL, err);
        weft_http_answer_finish(a);
        if (rc < 0) {
            return -1;
        }
    }
}

static int ask_for_token(struct weft_http *http, const struct weft_http_request *q,
                         struct weft_http_answer *a, void *data, struct weft_err **err)
{
    return ask_with_patience(data, http, q, a, err);
}

/* ---- connections ---- */

/* A connection that no other thread uses. */
static struct weft_http *take_http(struct weft_registry *r, struct weft_err **err)
{
    struct weft_http *http = NULL;

    pthread_mutex_lock(&r->lock);
    if (r->n_idle > 0) {
        http = r->idle[--r->n_idle];
    }
    pthread_mutex_unlock(&r->lock);
    return http ? http : weft_http_create(&r->tls, r->opts.cancel, err);
}

static void put_http(struct weft_registry *r, struct weft_http *http)
{
    pthread_mutex_lock(&r->lock);
    r->idle = weft_xrealloc(r->idle, r->n_idle + 1, sizeof(struct weft_http *));
    r->idle[r->n_idle++] = http;
    pthread_mutex_unlock(&r->lock);
}

/* ---- the first contact ---- */

/* The schemes to try, in order. */
static size_t schemes_of(const struct weft_registry *r, const char *out[2])
{
    static const struct weft_registry_host unknown = {0};
    const struct weft_registry_host *found =
        weft_registry_hosts_find(r->opts.hosts, r->opts.domain);
    const struct weft_registry_host *h = found ? found : &unknown;
    bool is_local = weft_registry_host_is_local(r->opts.domain);

    out[0] = "https";
    out[1] = "http";
    if (r->opts.insecure || (h->insecure && is_local)) {
        return h->https ? 1 : 2;
    }
    if (h->http) {
        out[0] = "http";
        return 1;
    }
    if (!is_local || h->https || h->insecure || h->ca_file || h->cert_file) {
        return 1;
    }
    /* as BuildKit; and one that says that it wants TLS gets it */
    out[0] = "http";
    out[1] = "https";
    return 2;
}

/* Whether a server says that it wants to be asked with TLS. */
static bool wants_tls(const struct weft_http_answer *a)
{
    return a->status == 400 && a->body.data && strcasestr(a->body.data, "https");
}

/* Learn from the answer to GET /v2/. */
static int judge_first(struct weft_registry *r, const char *url, const struct weft_http_answer *a,
                       struct weft_err **err)
{
    weft_auto_free char *text = NULL;

    if (a->status == 401) {
        return weft_auth_refused(r->auth, NULL, a, err) < 0 ? -1 : 0;
    }
    if (a->status == 200 || a->status == 403 ||
        weft_http_header(a, "docker-distribution-api-version")) {
        return 0;
    }
    text = weft_registry_status_text(a);
    weft_fail(err, WEFT_E_NET, "%s: %s, not as a registry answers", url, text);
    return weft_err_hint(err, a->status >= 500 || a->status == 429
                                  ? "the registry, or a proxy before it, is in trouble"
                                  : "is that the host of a registry?");
}

static bool has_port(const char *host)
{
    const char *end = strchr(host, ']'); /* of an IPv6 address */

    return strchr(end ? end : host, ':') != NULL;
}

/* Returns 1 where the scheme is the wrong one. */
static int try_scheme(struct weft_registry *r, struct weft_http *http, const char *scheme,
                      bool is_last, struct weft_err **err)
{
    weft_auto_free char *base = weft_fmt("%s://%s/v2/", scheme, r->host);
    const struct weft_http_request q = {.method = "GET", .url = base};
    struct weft_http_answer a = {0};
    weft_auto_err why = NULL;
    int rc;

    if (ask_with_patience(r, http, &q, &a, &why) < 0) {
        /* of both schemes only the ports can differ */
        if (!is_last && (why->sys == EPROTO || (why->sys == ECONNREFUSED && !has_port(r->host)))) {
            return 1;
        }
        return give(err, &why);
    }
    rc = !is_last && wants_tls(&a) ? 1 : judge_first(r, base, &a, err);
    weft_http_answer_finish(&a);
    if (rc == 0) {
        r->base = weft_steal(&base);
    }
    return rc;
}

/* Find out how the registry is reached and whether it wants credentials; once. */
static int settle(struct weft_registry *r, struct weft_http *http, struct weft_err **err)
{
    const char *schemes[2];
    size_t n = schemes_of(r, schemes);
    int rc = 1;

    pthread_mutex_lock(&r->settling);
    for (size_t i = 0; i < n && rc == 1 && !r->base; i++) {
        rc = try_scheme(r, http, schemes[i], i + 1 == n, err);
    }
    rc = r->base ? 0 : rc;
    pthread_mutex_unlock(&r->settling);
    return rc;
}

/* ---- requests ---- */

/* Scopes of a token: our repository, and the one that is read from. */
static void scopes_of(const struct weft_registry *r, const struct weft_registry_call *call,
                      struct weft_strv *out)
{
    weft_strv_addf(out, "repository:%s:%s", r->opts.path, r->opts.push ? "pull,push" : "pull");
    if (call->from) {
        weft_strv_addf(out, "repository:%s:pull", call->from);
    }
}

/* One request with the header that is good now. Returns 1 where another might be better. */
static int ask_as(struct weft_registry *r, struct weft_http *http,
                  const struct weft_registry_call *call, struct weft_http_request *q,
                  struct weft_http_answer *a, struct weft_err **err)
{
    weft_auto_strv scopes = {0};
    char *header = NULL;
    int rc = 0;

    if (weft_http_same_origin(q->url, r->base)) {
        scopes_of(r, call, &scopes);
        rc = weft_auth_header(r->auth, http, (const char *const *)scopes.v, scopes.n, &header, err);
        q->authorization = header;
    }
    if (rc == 0 && call->once) {
        rc = weft_http_ask(http, q, a, err);
    } else if (rc == 0) {
        rc = ask_with_patience(r, http, q, a, err);
    }
    if (rc == 0 && a->status == 401 && weft_http_same_origin(a->url, r->base)) {
        rc = weft_auth_refused(r->auth, header, a, err);
    }
    weft_auth_header_free(header);
    return rc;
}

static int ask(struct weft_registry *r, struct weft_http *http,
               const struct weft_registry_call *call, struct weft_http_answer *a,
               struct weft_err **err)
{
    weft_auto_free char *url = NULL;
    struct weft_http_request q = {.method = call->method,
                                  .headers = call->headers,
                                  .body = call->body,
                                  .body_len = call->body_len,
                                  .body_fd = call->body_fd,
                                  .from_file = call->from_file,
                                  .body_offset = call->body_offset,
                                  .body_bytes = call->body_bytes,
                                  .sent = call->sent,
                                  .limit = call->limit,
                                  .sink = call->sink,
                                  .sink_data = call->sink_data,
                                  .stall_ms = STALL_LIMIT_MS};
    int rc = settle(r, http, err);

    if (rc < 0) {
        return -1;
    }
    url = call->url ? weft_xstrdup(call->url)
                    : weft_fmt("%s%s/%s", r->base, r->opts.path, call->path);
    q.url = url;
    for (int i = 0;; i++) {
        rc = ask_as(r, http, call, &q, a, err);
        if (rc <= 0 || i == RENEWALS_LIMIT) {
            break;
        }
        weft_http_answer_finish(a);
    }
    if (rc < 0) {
        weft_http_answer_finish(a);
    } else {
        atomic_store(&r->answered, true);
    }
    return rc < 0 ? -1 : 0;
}

int weft_registry_call(struct weft_registry *r, const struct weft_registry_call *call,
                       struct weft_http_answer *a, struct weft_err **err)
{
    struct weft_http *http = take_http(r, err);
    weft_auto_err why = NULL;
    int rc;

    if (!http) {
        return -1;
    }
    rc = ask(r, http, call, a, &why);
    put_http(r, http);
    if (rc == 0) {
        return 0;
    }
    if (why->sys == EPROTO) {
        weft_err_hint(&why, "it may speak plain HTTP: --insecure, or registries: in config.yaml");
    }
    weft_err_wrap(&why, "%s: %s", r->name, call->doing);
    return give(err, &why);
}

/* ---- answers ---- */

char *weft_registry_location(const struct weft_http_answer *a)
{
    const char *location = weft_http_header(a, "location");
    weft_auto_free char *url = location ? weft_http_url(a->url, location) : NULL;
    weft_auto_free char *safe = NULL;

    /* registries behind a proxy that ends TLS may not know of it */
    if (url && strncasecmp(a->url, "https:", 6) == 0 && strncasecmp(url, "http:", 5) == 0) {
        safe = weft_fmt("https:%s", url + 5);
        return weft_http_same_origin(safe, a->url) ? weft_steal(&safe) : NULL;
    }
    return weft_steal(&url);
}

int weft_registry_check_digest(const struct weft_registry *r, const struct weft_registry_call *call,
                               const struct weft_http_answer *a, const char *digest,
                               struct weft_err **err)
{
    const char *theirs = weft_http_header(a, "docker-content-digest");
    weft_auto_free char *shown = theirs ? weft_printable(theirs) : NULL;

    if (!theirs || strcmp(theirs, digest) == 0) {
        return 0;
    }
    weft_fail(err, WEFT_E_DIGEST, "%s: %s: the registry calls it %.100s, and it is %s", r->name,
              call->doing, shown, digest);
    return -1;
}

/* What may be wrong where the registry does not say more. Returns -1. */
static int fail_rights(struct weft_registry *r, const char *text, int status, struct weft_err **err)
{
    const char *domain = r->opts.domain;

    if (!weft_auth_has_credentials(r->auth)) {
        weft_fail(err, WEFT_E_NET, "%s wants credentials, and none are known for it%s (%s)", domain,
                  r->opts.push ? "" : "; or there is no such repository", text);
        return weft_err_hint(err, "docker login %s", domain);
    }
    if (status == 401 && !weft_auth_is_bearer(r->auth)) {
        weft_fail(err, WEFT_E_NET, "%s does not accept the credentials that are known for it (%s)",
                  domain, text);
        return weft_err_hint(err, "docker login %s", domain);
    }
    weft_fail(err, WEFT_E_NET, "no right to %s %s (%s)", r->opts.push ? "push to" : "pull from",
              r->opts.path, text);
    return weft_err_hint(err,
                         "is the repository's name right, and has the user of docker login %s "
                         "the right?",
                         domain);
}

static int fail_status(struct weft_registry *r, const struct weft_http_answer *a,
                       const struct weft_refusal *refusal, const char *text, struct weft_err **err)
{
    if (refusal->disk_full || a->status == 507) {
        weft_fail(err, WEFT_E_NET, "the registry's disk is full (%s)", text);
        return weft_err_hint(err, "make room there, or tell who runs %s", r->opts.domain);
    }
    if (weft_str_eq(refusal->code, "DIGEST_INVALID")) {
        return weft_fail(err, WEFT_E_DIGEST, "the registry got other bytes (%s)", text);
    }
    switch (a->status) {
    case 401:
    case 403:
        return fail_rights(r, text, a->status, err);
    case 404:
        weft_fail(err, WEFT_E_NET, "the registry does not know it (%s)", text);
        return weft_err_hint(err, "is the repository's name right? some registries want it to be "
                                  "made first");
    case 405:
        return weft_fail(err, WEFT_E_NET, "the registry does not let it be done (%s)", text);
    case 413:
        return weft_fail(err, WEFT_E_NET,
                         "too large for the registry, or for a proxy before it (%s)", text);
    default:
        break;
    }
    if (weft_registry_answer_passes(a)) {
        return weft_fail(err, WEFT_E_NET, "tried %d times: %s", WEFT_REGISTRY_TRIES, text);
    }
    return weft_fail(err, WEFT_E_NET, "the registry refuses it (%s)", text);
}

int weft_registry_refused(struct weft_registry *r, const struct weft_registry_call *call,
                          const struct weft_http_answer *a, struct weft_err **err)
{
    struct weft_refusal refusal = {0};
    weft_auto_free char *text = weft_registry_status_text(a);

    weft_refusal_read(a->body.data, a->body.len, &refusal);
    fail_status(r, a, &refusal, text, err);
    weft_refusal_finish(&refusal);
    return weft_err_wrap(err, "%s: %s", r->name, call->doing);
}

/* ---- open and close ---- */

struct weft_registry *weft_registry_open(const struct weft_registry_opts *opts,
                                         struct weft_err **err)
{
    const struct weft_registry_host *known = weft_registry_hosts_find(opts->hosts, opts->domain);
    bool is_hub = strcmp(weft_registry_host_name(opts->domain), "docker.io") == 0;
    struct weft_registry *r = weft_xcalloc(1, sizeof(*r));
    struct weft_http *http;

    r->opts = *opts;
    r->name = weft_fmt("%s/%s", opts->domain, opts->path);
    r->host = weft_xstrdup(is_hub ? "registry-1.docker.io" : opts->domain);
    r->tls.insecure = opts->insecure || (known && known->insecure);
    if (known) {
        r->tls.ca_file = known->ca_file;
        r->tls.cert_file = known->cert_file;
        r->tls.key_file = known->key_file;
    }
    pthread_mutex_init(&r->settling, NULL);
    pthread_mutex_init(&r->lock, NULL);
    r->auth = weft_auth_create(&(struct weft_auth_opts){.domain = opts->domain,
                                                        .insecure = r->tls.insecure,
                                                        .docker = opts->docker,
                                                        .cancel = opts->cancel,
                                                        .ask = ask_for_token,
                                                        .ask_data = r});
    http = weft_http_create(&r->tls, opts->cancel, err);
    if (!http) {
        weft_registry_close(r);
        return NULL;
    }
    put_http(r, http);
    return r;
}

void weft_registry_close(struct weft_registry *r)
{
    if (!r) {
        return;
    }
    for (size_t i = 0; i < r->n_idle; i++) {
        weft_http_destroy(r->idle[i]);
    }
    for (size_t i = 0; i < r->n_sessions; i++) {
        free(r->sessions[i].location);
    }
    weft_auth_destroy(r->auth);
    pthread_mutex_destroy(&r->settling);
    pthread_mutex_destroy(&r->lock);
    free(r->sessions);
    free(r->idle);
    free(r->base);
    free(r->host);
    free(r->name);
    free(r);
}
