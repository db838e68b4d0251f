/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/auth.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/http.h"
#include "engine/registry/reply.h"

enum {
    TOKEN_LIMIT_BYTES = 1 << 20, /* of the answer of a token server */
    TOKEN_LIFE_S = 60,           /* where it does not say: docker's rule */
    TOKEN_LIFE_LIMIT_S = 24 * 3600,
    TOKEN_SPARE_S = 10, /* a token that ends sooner is renewed */
};

/* What a registry gave for some scopes. */
struct token {
    char *scopes; /* joined by blanks */
    char *header;
    uint64_t good_until_ms;
};

struct weft_auth {
    struct weft_auth_opts opts;
    pthread_mutex_t lock; /* of all below */
    bool looked_up;
    struct weft_credentials credentials;
    struct weft_challenge challenge;
    bool over_tls; /* the registry asked by https */
    struct token *tokens;
    size_t n_tokens;
};

static void wipe(char *s)
{
    if (s) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

void weft_auth_header_free(char *header)
{
    wipe(header);
}

struct weft_auth *weft_auth_create(const struct weft_auth_opts *opts)
{
    struct weft_auth *a = weft_xcalloc(1, sizeof(*a));

    a->opts = *opts;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void weft_auth_destroy(struct weft_auth *a)
{
    if (!a) {
        return;
    }
    for (size_t i = 0; i < a->n_tokens; i++) {
        free(a->tokens[i].scopes);
        wipe(a->tokens[i].header);
    }
    free(a->tokens);
    weft_credentials_finish(&a->credentials);
    weft_challenge_finish(&a->challenge);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- credentials ---- */

static int look_up(struct weft_auth *a, struct weft_err **err)
{
    if (a->looked_up) {
        return 0;
    }
    if (a->opts.docker &&
        weft_docker_config_credentials(a->opts.docker, a->opts.domain, a->opts.cancel,
                                       &a->credentials, err) < 0) {
        return -1;
    }
    a->looked_up = true;
    return 0;
}

static bool has_password(const struct weft_auth *a)
{
    return a->credentials.user && a->credentials.password;
}

static bool has_credentials(const struct weft_auth *a)
{
    return has_password(a) || a->credentials.identity_token || a->credentials.registry_token;
}

bool weft_auth_has_credentials(struct weft_auth *a)
{
    bool has;

    pthread_mutex_lock(&a->lock);
    has = has_credentials(a);
    pthread_mutex_unlock(&a->lock);
    return has;
}

bool weft_auth_is_bearer(struct weft_auth *a)
{
    bool is;

    pthread_mutex_lock(&a->lock);
    is = a->challenge.kind == WEFT_CHALLENGE_BEARER;
    pthread_mutex_unlock(&a->lock);
    return is;
}

static char *basic_header(const struct weft_auth *a)
{
    char *digits = weft_basic_of(a->credentials.user, a->credentials.password);
    char *header = weft_fmt("Basic %s", digits);

    wipe(digits);
    return header;
}

static int fail_login(const struct weft_auth *a, struct weft_err **err)
{
    if (has_credentials(a)) {
        weft_fail(err, WEFT_E_NET, "%s does not accept the credentials that are known for it",
                  a->opts.domain);
    } else {
        weft_fail(err, WEFT_E_NET, "%s wants credentials, and none are known for it",
                  a->opts.domain);
    }
    return weft_err_hint(err, "docker login %s", a->opts.domain);
}

/* ---- tokens ---- */

/* Whether a token can be put into a header. */
static bool is_clean(const char *token)
{
    for (; *token; token++) {
        if (*token <= ' ' || *token >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* Take the token out of the server's JSON. */
static int read_token(const char *shown, const struct weft_buf *body, struct token *t,
                      struct weft_err **err)
{
    struct weft_json *doc =
        weft_json_parse(body->data ? body->data : "", body->data ? body->len : 0, NULL);
    const char *token = weft_json_str(doc, "token");
    int64_t life_s = weft_json_int(doc, "expires_in", TOKEN_LIFE_S);

    if (!token || !*token) {
        token = weft_json_str(doc, "access_token");
    }
    if (!token || !*token || !is_clean(token)) {
        weft_json_wipe(doc);
        return weft_fail(err, WEFT_E_NET, "%s: the answer of the token server has no token", shown);
    }
    if (life_s < TOKEN_LIFE_S) {
        life_s = TOKEN_LIFE_S; /* as the specification has it for older servers */
    }
    if (life_s > TOKEN_LIFE_LIMIT_S) {
        life_s = TOKEN_LIFE_LIMIT_S;
    }
    t->header = weft_fmt("Bearer %s", token);
    t->good_until_ms = weft_now_ms() + (uint64_t)(life_s - TOKEN_SPARE_S) * 1000;
    weft_json_wipe(doc);
    return 0;
}

static int fail_token(const struct weft_auth *a, const char *shown,
                      const struct weft_http_answer *answer, struct weft_err **err)
{
    struct weft_refusal r = {0};
    int rc;

    weft_refusal_read(answer->body.data, answer->body.len, &r);
    if (answer->status == 400 || answer->status == 401 || answer->status == 403) {
        fail_login(a, err);
        rc = r.text ? weft_err_wrap(err, "%s: %s", shown, r.text) : weft_err_wrap(err, "%s", shown);
    } else {
        rc = weft_fail(err, WEFT_E_NET, "%s: the token server answers with status %d%s%s", shown,
                       answer->status, r.text ? ": " : "", r.text ? r.text : "");
    }
    weft_refusal_finish(&r);
    return rc;
}

static int ask_token(struct weft_auth *a, struct weft_http *http, const struct weft_http_request *q,
                     struct token *t, struct weft_err **err)
{
    weft_auto_free char *shown = weft_http_url_shown(q->url);
    struct weft_http_answer answer = {0};
    int rc;

    if (strncasecmp(q->url, "https:", 6) != 0 && a->over_tls && !a->opts.insecure &&
        has_credentials(a)) {
        weft_fail(err, WEFT_E_NET, "%s: a token server without TLS, which gets no password", shown);
        return weft_err_hint(err, "registries: in config.yaml can call %s insecure",
                             a->opts.domain);
    }
    if (a->opts.ask(http, q, &answer, a->opts.ask_data, err) < 0) {
        return -1;
    }
    rc = answer.status == 200 ? read_token(shown, &answer.body, t, err)
                              : fail_token(a, shown, &answer, err);
    weft_http_answer_finish(&answer);
    return rc;
}

/* By a form with the refresh token; or by a query, with the password where there is one. */
static int fetch_token(struct weft_auth *a, struct weft_http *http, const char *const *scopes,
                       size_t n, struct token *t, struct weft_err **err)
{
    weft_auto_strv headers = {0};
    weft_auto_free char *url = NULL;
    struct weft_http_request q = {.limit = TOKEN_LIMIT_BYTES};
    char *secret = NULL;
    int rc;

    if (a->credentials.identity_token) {
        weft_strv_add(&headers, "Content-Type: application/x-www-form-urlencoded");
        secret = weft_challenge_form(&a->challenge, a->credentials.identity_token, scopes, n);
        q.method = "POST";
        q.url = a->challenge.realm;
        q.body = secret;
        q.secret = true;
        q.body_len = strlen(secret);
        q.headers = &headers;
    } else {
        const char *account = has_password(a) ? a->credentials.user : NULL;

        url = weft_challenge_url(&a->challenge, account, scopes, n);
        secret = account ? basic_header(a) : NULL;
        q.method = "GET";
        q.url = url;
        q.authorization = secret;
    }
    rc = ask_token(a, http, &q, t, err);
    wipe(secret);
    return rc;
}

static struct token *token_of(struct weft_auth *a, const char *scopes)
{
    for (size_t i = 0; i < a->n_tokens; i++) {
        if (strcmp(a->tokens[i].scopes, scopes) == 0) {
            return &a->tokens[i];
        }
    }
    a->tokens = weft_xgrow(a->tokens, a->n_tokens, sizeof(*a->tokens));
    a->tokens[a->n_tokens] = (struct token){.scopes = weft_xstrdup(scopes)};
    return &a->tokens[a->n_tokens++];
}

static int bearer_header(struct weft_auth *a, struct weft_http *http, const char *const *scopes,
                         size_t n, char **header, struct weft_err **err)
{
    weft_auto_buf joined = {0};
    struct token fresh = {0};
    struct token *t;

    if (a->credentials.registry_token) {
        *header = weft_fmt("Bearer %s", a->credentials.registry_token);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&joined, "%s%s", i > 0 ? " " : "", scopes[i]);
    }
    t = token_of(a, joined.data ? joined.data : "");
    if (!t->header || weft_now_ms() >= t->good_until_ms) {
        if (fetch_token(a, http, scopes, n, &fresh, err) < 0) {
            return -1;
        }
        wipe(t->header);
        t->header = fresh.header;
        t->good_until_ms = fresh.good_until_ms;
    }
    *header = weft_xstrdup(t->header);
    return 0;
}

/* With the lock held. */
static int make_header(struct weft_auth *a, struct weft_http *http, const char *const *scopes,
                       size_t n, char **header, struct weft_err **err)
{
    *header = NULL;
    if (a->challenge.kind == WEFT_CHALLENGE_NONE) {
        return 0;
    }
    if (look_up(a, err) < 0) {
        return -1;
    }
    if (a->challenge.kind == WEFT_CHALLENGE_BASIC) {
        if (!has_password(a)) {
            return fail_login(a, err);
        }
        *header = basic_header(a);
        return 0;
    }
    return bearer_header(a, http, scopes, n, header, err);
}

int weft_auth_header(struct weft_auth *a, struct weft_http *http, const char *const *scopes,
                     size_t n, char **header, struct weft_err **err)
{
    int rc;

    pthread_mutex_lock(&a->lock);
    rc = make_header(a, http, scopes, n, header, err);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* ---- 401 ---- */

/* The challenge of an answer: that of the header that has the best, if there are several. */
static int read_challenges(const struct weft_http_answer *answer, struct weft_challenge *out,
                           struct weft_err **err)
{
    static const char name[] = "www-authenticate: ";

    for (size_t i = 0; i < answer->headers.n; i++) {
        struct weft_challenge c = {0};

        if (!weft_starts_with(answer->headers.v[i], name)) {
            continue;
        }
        if (weft_challenge_parse(answer->headers.v[i] + strlen(name), &c, err) < 0) {
            weft_challenge_finish(out);
            return -1;
        }
        if (c.kind > out->kind) {
            weft_challenge_finish(out);
            *out = c;
        } else {
            weft_challenge_finish(&c);
        }
    }
    return 0;
}

/* Forget a token that the registry did not take. */
static void drop_token(struct weft_auth *a, const char *header)
{
    for (size_t i = 0; i < a->n_tokens; i++) {
        if (weft_str_eq(a->tokens[i].header, header)) {
            wipe(weft_steal(&a->tokens[i].header));
        }
    }
}

/* With the lock held. */
static int learn(struct weft_auth *a, const char *header, const struct weft_http_answer *answer,
                 struct weft_err **err)
{
    struct weft_challenge c = {0};
    weft_auto_err why = NULL;
    bool changed;

    if (read_challenges(answer, &c, &why) < 0) {
        return weft_fail(err, WEFT_E_NET, "%s", why->msg);
    }
    if (c.kind == WEFT_CHALLENGE_NONE) {
        return weft_fail(err, WEFT_E_NET,
                         "status 401 without a WWW-Authenticate header of a kind that weft knows");
    }
    if (header) {
        drop_token(a, header);
    }
    changed = c.kind != a->challenge.kind || !weft_str_eq(c.realm, a->challenge.realm) ||
              !weft_str_eq(c.service, a->challenge.service);
    if (changed) {
        weft_challenge_finish(&a->challenge);
        a->challenge = c;
        a->over_tls = answer->url && strncasecmp(answer->url, "https:", 6) == 0;
    } else {
        weft_challenge_finish(&c);
    }
    /* a token may have run out before its time, or have been replaced meanwhile; a password that
     * was wrong stays wrong */
    return !header || changed ||
           (weft_starts_with(header, "Bearer ") && !a->credentials.registry_token);
}

int weft_auth_refused(struct weft_auth *a, const char *header,
                      const struct weft_http_answer *answer, struct weft_err **err)
{
    int rc;

    pthread_mutex_lock(&a->lock);
    rc = learn(a, header, answer, err);
    pthread_mutex_unlock(&a->lock);
    return rc;
}
