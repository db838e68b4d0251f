/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/git_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/vcs.h"

/* ---- text ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* `len` bytes with %XX decoded, and in a query "+", which is a blank there. NULL where a "%" is
 * followed by something else, or stands for NUL. */
static char *decoded(const char *s, size_t len, bool query)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < len; i++) {
        char c = s[i];

        if (c == '%') {
            int high = i + 2 < len ? hex_value(s[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(s[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        weft_buf_append(&b, &c, 1);
    }
    return weft_buf_steal(&b);
}

/* Append text with all encoded that means something in a URL. "/" and ":" stay. */
static void encode(struct weft_buf *b, const char *s)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~/:@", *s)) {
            weft_buf_append(b, s, 1);
        } else {
            weft_buf_printf(b, "%%%02X", (unsigned char)*s);
        }
    }
}

static bool is_one_line(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) {
            return false;
        }
    }
    return true;
}

bool weft_git_is_commit(const char *s)
{
    size_t len = strspn(s, "0123456789abcdef");

    return s[len] == '\0' && (len == 40 || len == 64);
}

/* ---- which kind it is ---- */

/* "user@host:path". */
static bool is_scp(const char *s)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t user = 0;
    size_t host = 0;

    while (s[user] && (strchr(name, s[user]) || s[user] == '_')) {
        user++;
    }
    if (user == 0 || s[user] != '@') {
        return false;
    }
    s += user + 1;
    while (s[host] && (strchr(name, s[host]) || s[host] == '.')) {
        host++;
    }
    return host > 0 && s[host] == ':';
}

/* Where the scheme of "scheme://..." ends; 0: there is none. */
static size_t scheme_len(const char *s)
{
    size_t len = 0;

    while (isalnum((unsigned char)s[len])) {
        len++;
    }
    return len > 0 && strncmp(s + len, "://", 3) == 0 ? len : 0;
}

static bool scheme_is(const char *s, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(s, name, len) == 0;
}

/* The host of "scheme://user@host:port/path". */
static char *host_of(const char *remote)
{
    const char *from = strstr(remote, "://") + 3;
    size_t len = strcspn(from, "/");
    const char *at = memrchr(from, '@', len);

    if (at) {
        len -= (size_t)(at + 1 - from);
        from = at + 1;
    }
    return weft_xstrndup(from, len);
}

/* Whether `text` names a git repository; then base, remote, host and what they are is set. */
static bool detect(const char *text, struct weft_git_url *out)
{
    size_t len = strcspn(text, "?#");
    size_t scheme = scheme_len(text);

    out->base = weft_xstrndup(text, len);
    if (weft_starts_with(text, "github.com/")) {
        out->remote = weft_fmt("https://%s", out->base);
        out->http = true;
    } else if (scheme == 0) {
        const char *at = strchr(text, '@');

        if (!is_scp(text)) {
            return false;
        }
        out->ssh = out->scp = true;
        out->remote = weft_xstrdup(out->base);
        out->host = weft_xstrndup(at + 1, strcspn(at + 1, ":"));
        return true;
    } else {
        out->http = scheme_is(text, scheme, "http") || scheme_is(text, scheme, "https");
        out->ssh = scheme_is(text, scheme, "ssh");
        if ((out->http && !weft_ends_with(out->base, ".git")) ||
            (!out->http && !out->ssh && !scheme_is(text, scheme, "git"))) {
            return false;
        }
        out->remote = weft_xstrdup(out->base);
    }
    out->host = host_of(out->remote);
    return true;
}

/* ---- what is wanted of it ---- */

static int set_once(char **to, const char *value, const char *what, struct weft_err **err)
{
    if (*to && strcmp(*to, value) != 0) {
        return weft_fail(err, WEFT_E_USAGE, "it has two %ss", what);
    }
    free(*to);
    *to = weft_xstrdup(value);
    return 0;
}

/* "#REF:DIR". */
static int read_fragment(struct weft_git_url *u, const char *fragment, struct weft_err **err)
{
    weft_auto_free char *text = u->scp ? weft_xstrdup(fragment)
                                       : decoded(fragment, strlen(fragment), false);
    char *colon;

    if (!text) {
        return weft_fail(err, WEFT_E_USAGE, "a \"%%\" stands for nothing behind its \"#\"");
    }
    colon = strchr(text, ':');
    if (colon) {
        *colon = '\0';
        u->subdir = weft_path_clean(colon + 1);
    }
    if (*text) {
        u->ref = weft_xstrdup(text);
    }
    return 0;
}

/* A switch of the query, which may be without a value; it is kept as BuildKit takes it. */
static int read_switch(struct weft_git_url *u, const char *key, const char *value,
                       struct weft_err **err)
{
    bool on = true;

    if (*value && weft_parse_bool(value, &on) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, value);
    }
    if (strcmp(key, "fetch-by-commit") == 0) {
        u->by_commit = on;
    } else {
        weft_strv_addf(&u->options, "%s=%s", key, on ? "true" : "false");
    }
    return 0;
}

/* What the query says, while it is read. */
struct query {
    char *tag;
    char *branch;
    struct weft_strv seen;
};

static int read_pair(struct weft_git_url *u, struct query *q, const char *key, const char *value,
                     struct weft_err **err)
{
    static const char *const known[] = {
        "ref",    "tag",          "branch",     "subdir", "checksum",
        "commit", "keep-git-dir", "submodules", "mtime",  "fetch-by-commit"};
    bool is_switch = strcmp(key, "keep-git-dir") == 0 || strcmp(key, "submodules") == 0 ||
                     strcmp(key, "fetch-by-commit") == 0;

    if (weft_strv_has(&q->seen, key)) {
        return weft_fail(err, WEFT_E_USAGE, "it has two %ss", key);
    }
    weft_strv_add(&q->seen, key);
    if (is_switch) {
        return read_switch(u, key, value, err);
    }
    if (!*value) {
        return weft_fail(err, WEFT_E_USAGE, "\"%s\" has no value", key);
    }
    if (strcmp(key, "ref") == 0) {
        return set_once(&u->ref, value, "ref", err);
    }
    if (strcmp(key, "subdir") == 0) {
        weft_auto_free char *clean = weft_path_clean(value);

        return clean ? set_once(&u->subdir, clean, "subdir", err) : 0;
    }
    if (strcmp(key, "checksum") == 0 || strcmp(key, "commit") == 0) {
        return set_once(&u->checksum, value, "checksum", err);
    }
    if (strcmp(key, "tag") == 0 || strcmp(key, "branch") == 0) {
        bool tag = *key == 't';
        const char *prefix = tag ? "refs/tags/" : "refs/heads/";

        *(tag ? &q->tag : &q->branch) =
            weft_fmt("%s%s", weft_starts_with(value, prefix) ? "" : prefix, value);
        return 0;
    }
    if (strcmp(key, "mtime") == 0 &&
        (strcmp(value, "checkout") == 0 || strcmp(value, "commit") == 0)) {
        weft_strv_addf(&u->options, "mtime=%s", value);
        return 0;
    }
    if (strcmp(key, "mtime") == 0) {
        return weft_fail(err, WEFT_E_USAGE, "mtime is checkout or commit, not \"%s\"", value);
    }
    {
        const char *near = weft_nearest(key, known, sizeof(known) / sizeof(known[0]));

        weft_fail(err, WEFT_E_USAGE, "\"%s\" is nothing that a git repository has", key);
        return near ? weft_err_hint(err, "%s", near) : -1;
    }
}

static int read_query(struct weft_git_url *u, struct query *q, const char *text, size_t len,
                      struct weft_err **err)
{
    weft_auto_free char *copy = weft_xstrndup(text, len);
    weft_auto_strv pairs = {0};

    weft_split(copy, '&', &pairs);
    for (size_t i = 0; i < pairs.n; i++) {
        const char *pair = pairs.v[i];
        size_t key_len = strcspn(pair, "=");
        const char *from = pair[key_len] ? pair + key_len + 1 : "";
        weft_auto_free char *key = decoded(pair, key_len, true);
        weft_auto_free char *value = decoded(from, strlen(from), true);

        if (!*pair) {
            continue;
        }
        if (!key || !value || !is_one_line(key) || !is_one_line(value)) {
            return weft_fail(err, WEFT_E_USAGE, "\"%s\" is not well encoded", pair);
        }
        if (read_pair(u, q, key, value, err) < 0) {
            return -1;
        }
    }
    if (q->tag && q->branch) {
        return weft_fail(err, WEFT_E_USAGE, "tag and branch exclude each other");
    }
    return (q->tag && set_once(&u->ref, q->tag, "ref", err) < 0) ||
                   (q->branch && set_once(&u->ref, q->branch, "ref", err) < 0)
               ? -1
               : 0;
}

/* What BuildKit would find wrong later, or git would take for something else. */
static int check(const struct weft_git_url *u, struct weft_err **err)
{
    if (!is_one_line(u->base) || (u->ref && !is_one_line(u->ref)) ||
        (u->subdir && !is_one_line(u->subdir))) {
        return weft_fail(err, WEFT_E_USAGE, "it has control characters");
    }
    if (!*u->host || *u->host == '-') {
        return weft_fail(err, WEFT_E_USAGE, "it has no host");
    }
    if (u->ref && *u->ref == '-') {
        return weft_fail(err, WEFT_E_USAGE, "a ref cannot begin with \"-\"");
    }
    if (u->ref && strpbrk(u->ref, " ~^:?*[\\")) {
        return weft_fail(err, WEFT_E_USAGE, "\"%s\" can be no ref", u->ref);
    }
    if (u->checksum && strspn(u->checksum, "0123456789abcdefABCDEF") != strlen(u->checksum)) {
        return weft_fail(err, WEFT_E_USAGE, "the checksum is a commit's hex digits");
    }
    if (u->by_commit && (!u->checksum || !weft_git_is_commit(u->checksum)) &&
        !(u->ref && weft_git_is_commit(u->ref))) {
        return weft_fail(err, WEFT_E_USAGE,
                         "fetch-by-commit needs the full commit: checksum=COMMIT");
    }
    return 0;
}

int weft_git_url_parse(const char *text, struct weft_git_url *out, struct weft_err **err)
{
    weft_auto_git_url u = {0};
    struct query q = {0};
    const char *hash = strchr(text, '#');
    size_t len = hash ? (size_t)(hash - text) : strlen(text);
    const char *mark = memchr(text, '?', len);
    int rc = 0;

    if (!detect(text, &u)) {
        return 0;
    }
    if (hash && read_fragment(&u, hash + 1, err) < 0) {
        rc = -1;
    } else if (mark) {
        rc = read_query(&u, &q, mark + 1, len - (size_t)(mark + 1 - text), err);
    }
    free(q.tag);
    free(q.branch);
    weft_strv_finish(&q.seen);
    if (rc < 0 || check(&u, err) < 0) {
        weft_auto_free char *shown = weft_git_url_shown(&u);

        return weft_err_wrap(err, "%s", shown);
    }
    *out = u;
    u = (struct weft_git_url){0};
    return 1;
}

void weft_git_url_finish(struct weft_git_url *u)
{
    free(u->base);
    free(u->remote);
    free(u->host);
    free(u->ref);
    free(u->subdir);
    free(u->checksum);
    weft_strv_finish(&u->options);
    *u = (struct weft_git_url){0};
}

/* ---- pinned ---- */

char *weft_git_url_pinned(const struct weft_git_url *u, const char *ref, const char *commit)
{
    struct weft_buf b = {0};

    if (!ref) {
        ref = u->ref;
    }
    weft_buf_printf(&b, "%s?", u->base);
    if (ref) {
        weft_buf_puts(&b, "ref=");
        encode(&b, ref);
        weft_buf_puts(&b, "&");
    }
    if (u->subdir) {
        weft_buf_puts(&b, "subdir=");
        encode(&b, u->subdir);
        weft_buf_puts(&b, "&");
    }
    for (size_t i = 0; i < u->options.n; i++) {
        weft_buf_printf(&b, "%s&", u->options.v[i]);
    }
    weft_buf_printf(&b, "checksum=%s&fetch-by-commit=true", commit);
    return weft_buf_steal(&b);
}

char *weft_git_url_pinned_plain(const struct weft_git_url *u, const char *commit)
{
    struct weft_buf b = {0};

    if (u->options.n > 0) {
        return NULL;
    }
    weft_buf_printf(&b, "%s#%s", u->base, commit);
    if (u->subdir) {
        weft_buf_puts(&b, ":");
        if (u->scp) {
            weft_buf_puts(&b, u->subdir);
        } else {
            encode(&b, u->subdir);
        }
    }
    return weft_buf_steal(&b);
}

char *weft_git_url_shown(const struct weft_git_url *u)
{
    weft_auto_free char *redacted = weft_vcs_redact(u->base);

    return weft_printable(redacted);
}
