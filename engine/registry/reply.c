/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    ERRORS_SHOWN = 3,
    ERROR_SHOWN_BYTES = 300,
    HEADER_LIMIT_BYTES = 16 << 10,
};

/* ---- refusals ---- */

/* s, cut to a moderate length. Caller frees. */
static char *shown(const char *s)
{
    weft_auto_free char *start = weft_xstrndup(s, ERROR_SHOWN_BYTES);

    return weft_printable(start);
}

/* The message of one error, and its details where those are text. */
static void add_error(const struct weft_json *e, struct weft_buf *b)
{
    const char *message = weft_json_str(e, "message");
    const char *detail = weft_json_str(e, "detail");
    const char *code = weft_json_str(e, "code");

    if (b->len > 0) {
        weft_buf_puts(b, "; ");
    }
    if (message && *message) {
        weft_auto_free char *text = shown(message);

        weft_buf_puts(b, text);
    }
    if (detail && *detail) {
        weft_auto_free char *text = shown(detail);

        weft_buf_printf(b, "%s%s", message && *message ? ": " : "", text);
    }
    if (code && *code) {
        weft_auto_free char *text = shown(code);

        weft_buf_printf(b, "%s%s%s", (message && *message) || (detail && *detail) ? " (" : "", text,
                        (message && *message) || (detail && *detail) ? ")" : "");
    }
}

struct full_search {
    bool found;
};

static void find_full(const char *key, const struct weft_json *value, void *data);

static bool is_full(const struct weft_json *j)
{
    const char *text = weft_json_value_str(j);
    struct full_search s = {0};

    if (text && (strcasestr(text, "no space left") || strcasestr(text, "disk quota exceeded"))) {
        return true;
    }
    weft_json_each(j, find_full, &s);
    for (size_t i = 0; i < weft_json_len(j) && !s.found; i++) {
        s.found = is_full(weft_json_at(j, i));
    }
    return s.found;
}

/* Debian's docker-registry tells no more than the number of the errno value: "Err": 28. */
static void find_full(const char *key, const struct weft_json *value, void *data)
{
    struct full_search *s = data;

    (void)key;
    s->found = s->found || weft_json_int(value, "Err", 0) == ENOSPC ||
               weft_json_int(value, "Err", 0) == EDQUOT || is_full(value);
}

static void read_errors(const struct weft_json *errors, struct weft_refusal *out)
{
    weft_auto_buf b = {0};
    const char *code = weft_json_str(weft_json_at(errors, 0), "code");

    out->code = code && *code ? shown(code) : NULL;
    for (size_t i = 0; i < weft_json_len(errors) && i < ERRORS_SHOWN; i++) {
        add_error(weft_json_at(errors, i), &b);
    }
    out->text = b.len > 0 ? weft_buf_steal(&b) : NULL;
}

/* Token servers have no common form. */
static void read_members(const struct weft_json *doc, struct weft_refusal *out)
{
    static const char *const keys[] = {"details", "message", "error_description", "error"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !out->text; i++) {
        const char *text = weft_json_str(doc, keys[i]);

        out->text = text && *text ? shown(text) : NULL;
    }
}

/* The first line of what is no JSON; a page of HTML says nothing. */
static void read_plain(const char *body, size_t len, struct weft_refusal *out)
{
    weft_auto_free char *text = weft_xstrndup(body, len);
    char *line = text + strspn(text, " \t\r\n");

    line[strcspn(line, "\r\n")] = '\0';
    if (*line && *line != '<' && *line != '{' && *line != '[' && !weft_utf8_bad(line)) {
        out->text = shown(line);
    }
    out->disk_full = strcasestr(text, "no space left on device") != NULL;
}

void weft_refusal_read(const char *body, size_t len, struct weft_refusal *out)
{
    weft_auto_json doc = len > 0 ? weft_json_parse(body, len, NULL) : NULL;
    const struct weft_json *errors = weft_json_get(doc, "errors");

    if (weft_json_len(errors) > 0) {
        read_errors(errors, out);
    } else if (weft_json_is_object(doc)) {
        read_members(doc, out);
    } else if (!doc && len > 0) {
        read_plain(body, len, out);
    }
    out->disk_full = out->disk_full || is_full(doc);
}

void weft_refusal_finish(struct weft_refusal *r)
{
    free(r->code);
    free(r->text);
    *r = (struct weft_refusal){0};
}

/* ---- challenges ---- */

void weft_challenge_finish(struct weft_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    free(c->error);
    *c = (struct weft_challenge){0};
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* A token; caller frees. NULL: there is none. */
static char *read_token(const char **at)
{
    const char *s = *at;

    while (is_token_char(**at)) {
        (*at)++;
    }
    return *at > s ? weft_xstrndup(s, (size_t)(*at - s)) : NULL;
}

/* What stands in quotes, the first of which is at *at. Caller frees; NULL: it has no end, or holds
 * what no header may. */
static char *read_quoted(const char **at)
{
    weft_auto_buf b = {0};
    const char *s = *at + 1;

    for (; *s && *s != '"'; s++) {
        if (*s == '\\') {
            s++;
        }
        if ((unsigned char)*s < ' ' && *s != '\t') { /* also the end */
            return NULL;
        }
        weft_buf_append(&b, s, 1);
    }
    if (*s != '"') {
        return NULL;
    }
    *at = s + 1;
    return weft_buf_steal(&b);
}

/* Whether a parameter, "name = value", is next, and not the name of another challenge. */
static bool is_parameter(const char *s)
{
    const char *end = s;

    while (is_token_char(*end)) {
        end++;
    }
    return end > s && *skip_blanks(end) == '=';
}

/* The one blank part of a challenge that has no parameters: "Negotiate dG9rZW4=". */
static const char *skip_token68(const char *s)
{
    const char *end = s;

    while (isalnum((unsigned char)*end) || (*end && strchr("-._~+/", *end))) {
        end++;
    }
    if (end == s) {
        return s;
    }
    end += strspn(end, "=");
    end = skip_blanks(end);
    return *end == ',' || *end == '\0' ? end : s;
}

static int set_parameter(struct weft_challenge *c, const char *name, char *value)
{
    char **field = strcasecmp(name, "realm") == 0     ? &c->realm
                   : strcasecmp(name, "service") == 0 ? &c->service
                   : strcasecmp(name, "scope") == 0   ? &c->scope
                   : strcasecmp(name, "error") == 0   ? &c->error
                                                      : NULL;

    if (!field || *field) {
        free(value);
        return field ? -1 : 0;
    }
    *field = value;
    return 0;
}

/* "name=value" or 'name="value"' */
static int read_parameter(const char **at, struct weft_challenge *c)
{
    weft_auto_free char *name = read_token(at);
    char *value;

    *at = skip_blanks(skip_blanks(*at) + 1); /* of "=" */
    value = **at == '"' ? read_quoted(at) : read_token(at);
    if (!value) {
        return -1;
    }
    *at = skip_blanks(*at);
    if (**at != ',' && **at != '\0') {
        free(value);
        return -1;
    }
    return set_parameter(c, name, value);
}

/* Commas, of which there may be too many, up to the next thing. */
static const char *skip_commas(const char *s)
{
    return s + strspn(s, ", \t");
}

/* One challenge: its scheme and all that follows until the next. */
static int read_challenge(const char **at, struct weft_challenge *c)
{
    weft_auto_free char *scheme = read_token(at);
    const char *rest;

    if (!scheme || (**at && !strchr(" \t,", **at))) {
        return -1;
    }
    c->kind = strcasecmp(scheme, "Bearer") == 0  ? WEFT_CHALLENGE_BEARER
              : strcasecmp(scheme, "Basic") == 0 ? WEFT_CHALLENGE_BASIC
                                                 : WEFT_CHALLENGE_NONE;
    if (**at == ',' || **at == '\0') {
        *at = skip_commas(*at);
        return 0;
    }
    rest = skip_token68(skip_blanks(*at));
    *at = skip_commas(rest);
    while (**at && is_parameter(*at)) {
        if (read_parameter(at, c) < 0) {
            return -1;
        }
        *at = skip_commas(*at);
    }
    return 0;
}

static bool is_http_url(const char *s)
{
    const char *host = strncasecmp(s, "https://", 8) == 0  ? s + 8
                       : strncasecmp(s, "http://", 7) == 0 ? s + 7
                                                           : NULL;

    if (!host || (!isalnum((unsigned char)*host) && *host != '[')) {
        return false;
    }
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || strchr("\"\\<>#", *s)) {
            return false;
        }
    }
    return true;
}

static int fail_challenge(const char *header, const char *why, struct weft_err **err)
{
    weft_auto_free char *text = shown(header);

    return weft_fail(err, WEFT_E_FORMAT, "a WWW-Authenticate header %s: %s", why, text);
}

int weft_challenge_parse(const char *header, struct weft_challenge *out, struct weft_err **err)
{
    const char *at = skip_commas(header);
    struct weft_challenge best = {0};

    if (strlen(header) > HEADER_LIMIT_BYTES) {
        return fail_challenge(header, "of absurd length", err);
    }
    while (*at) {
        struct weft_challenge c = {0};

        if (read_challenge(&at, &c) < 0) {
            weft_challenge_finish(&c);
            weft_challenge_finish(&best);
            return fail_challenge(header, "that cannot be understood", err);
        }
        if (c.kind > best.kind) {
            weft_challenge_finish(&best);
            best = c;
        } else {
            weft_challenge_finish(&c);
        }
    }
    if (best.kind == WEFT_CHALLENGE_BEARER && (!best.realm || !is_http_url(best.realm))) {
        weft_challenge_finish(&best);
        return fail_challenge(header, "without the URL of a token server", err);
    }
    *out = best;
    return 0;
}

/* ---- URLs ---- */

static void escape(struct weft_buf *b, const char *s)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~", *s)) {
            weft_buf_append(b, s, 1);
        } else {
            weft_buf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
        }
    }
}

static void add_pair(struct weft_buf *b, const char *key, const char *value)
{
    weft_buf_printf(b, "%s%s=", b->len > 0 ? "&" : "", key);
    escape(b, value);
}

/* `query`: pairs */
static char *with_query(const char *url, const struct weft_buf *query)
{
    const char *mark = strchr(url, '?');

    if (query->len == 0) {
        return weft_xstrdup(url);
    }
    return weft_fmt("%s%s%s", url, !mark ? "?" : mark[1] ? "&" : "", query->data);
}

char *weft_challenge_url(const struct weft_challenge *c, const char *account,
                         const char *const *scopes, size_t n)
{
    weft_auto_buf b = {0};

    if (c->service) {
        add_pair(&b, "service", c->service);
    }
    if (account) {
        add_pair(&b, "account", account);
    }
    for (size_t i = 0; i < n; i++) {
        add_pair(&b, "scope", scopes[i]);
    }
    return with_query(c->realm, &b);
}

char *weft_challenge_form(const struct weft_challenge *c, const char *refresh_token,
                          const char *const *scopes, size_t n)
{
    weft_auto_buf all = {0};
    struct weft_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&all, "%s%s", i > 0 ? " " : "", scopes[i]);
    }
    add_pair(&b, "grant_type", "refresh_token");
    add_pair(&b, "client_id", "weft");
    add_pair(&b, "service", c->service ? c->service : "");
    if (all.len > 0) {
        add_pair(&b, "scope", all.data);
    }
    add_pair(&b, "refresh_token", refresh_token);
    return weft_buf_steal(&b);
}

char *weft_url_with(const char *url, const char *key, const char *value)
{
    weft_auto_buf b = {0};

    add_pair(&b, key, value);
    return with_query(url, &b);
}

char *weft_basic_of(const char *user, const char *password)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char *plain = weft_fmt("%s:%s", user, password);
    size_t len = strlen(plain);
    char *out = weft_xcalloc((len + 2) / 3 * 4 + 1, 1);
    char *to = out;

    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = 0;

        for (size_t k = i; k < i + 3; k++) {
            bits = bits << 8 | (k < len ? (unsigned char)plain[k] : 0);
        }
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = i + 1 < len ? digits[bits >> 6 & 63] : digits[64];
        *to++ = i + 2 < len ? digits[bits & 63] : digits[64];
    }
    explicit_bzero(plain, len);
    free(plain);
    return out;
}

/* ---- other headers ---- */

int64_t weft_retry_after(const char *value, int64_t date_s, int64_t now_s)
{
    long seconds;

    if (*value && value[strspn(value, "0123456789")] == '\0') {
        /* of a number that is out of range all that counts is that it is too large */
        return weft_parse_long(value, 0, INT32_MAX, "", &seconds, NULL) == 0 ? seconds : INT32_MAX;
    }
    if (date_s < 0) {
        return -1;
    }
    return date_s > now_s ? date_s - now_s : 0;
}

int weft_upload_range(const char *value, uint64_t *bytes)
{
    unsigned long long last;
    char *end;

    if (weft_starts_with(value, "bytes=")) {
        value += strlen("bytes="); /* of some registries, against the specification */
    }
    if (!weft_starts_with(value, "0-") || !isdigit((unsigned char)value[2])) {
        return -1;
    }
    errno = 0;
    last = strtoull(value + 2, &end, 10);
    if (*end || errno || last >= INT64_MAX) {
        return -1;
    }
    *bytes = last == 0 ? 0 : last + 1;
    return 0;
}
