/* SPDX-License-Identifier: Apache-2.0 */
/* The key `registries` of the config file: how the registries of builds are reached. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/request_parts.h"
#include "engine/settings.h"
#include "engine/settings_reader.h"

/* The host whose entry is being read. */
static struct weft_registry_host *present(struct weft_reader *r)
{
    return &r->out->registries.v[r->out->registries.n - 1];
}

static int read_bool(struct weft_reader *r, const char *key, bool *out)
{
    weft_auto_free char *text = weft_reader_next(r) < 0 ? NULL : weft_reader_text(r, key);

    if (!text) {
        return -1;
    }
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        weft_auto_free char *shown = weft_printable(text);

        weft_fail(r->err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, shown);
        return weft_reader_here(r);
    }
    *out = text[0] == 't';
    return 0;
}

static int read_http(struct weft_reader *r)
{
    struct weft_registry_host *h = present(r);

    if (read_bool(r, "http", &h->http) < 0) {
        return -1;
    }
    h->https = !h->http;
    return 0;
}

/* The file is looked at now, and not only by the worker that needs it an hour later. */
static int check_pem(const char *path, const char *what, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(path);
    weft_auto_free char *begin = weft_fmt("%s-----", what);
    weft_auto_free char *text = NULL;
    weft_auto_err failed = NULL;
    bool found = false;
    struct stat st;

    if (stat(path, &st) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return weft_fail(err, WEFT_E_USAGE, "%s is not a file", shown);
    }
    if (weft_read_file(path, WEFT_SETTINGS_PEM_LIMIT, &text, NULL, &failed) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s", failed->msg);
    }
    for (const char *p = text; !found && (p = strstr(p, "-----BEGIN ")); p++) {
        size_t line = strcspn(p, "\r\n");

        found = line > strlen(begin) &&
                strncmp(p + line - strlen(begin), begin, strlen(begin)) == 0;
    }
    if (strstr(text, "ENCRYPTED")) {
        weft_fail(err, WEFT_E_USAGE, "%s is encrypted, and nobody is there to give its passphrase",
                  shown);
        weft_err_hint(err, "openssl pkey -in %s -out PLAIN.pem", shown);
        found = false;
    } else if (!found) {
        weft_fail(err, WEFT_E_USAGE, "%s holds no %s in PEM", shown, what);
    }
    explicit_bzero(text, strlen(text));
    return found ? 0 : -1;
}

/* `what`: as the lines of PEM call it. */
static int read_pem(struct weft_reader *r, const char *key, const char *what, char **out)
{
    weft_auto_free char *text = weft_reader_next(r) < 0 ? NULL : weft_reader_text(r, key);
    weft_auto_free char *path = NULL;

    if (!text) {
        return -1;
    }
    path = weft_reader_path(text, r->dir, r->err);
    if (!path || check_pem(path, what, r->err) < 0) {
        return weft_reader_here(r);
    }
    *out = weft_steal(&path);
    return 0;
}

static int fail_host(struct weft_reader *r, const char *text, const char *what)
{
    weft_auto_free char *shown = weft_printable(text);
    const char *scheme = strstr(text, "://");

    weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is not %s", shown, what);
    if (scheme) {
        weft_auto_free char *rest = weft_printable(scheme + 3);

        weft_err_hint(r->err, "%s, without the scheme; plain HTTP is \"http: true\" of that host",
                      rest);
    }
    return weft_reader_here(r);
}

/* "mirror.example", "mirror.example:5000/docker-hub". BuildKit puts the path behind /v2/. */
static bool mirror_ok(const char *text)
{
    size_t len = strcspn(text, "/");
    weft_auto_free char *host = weft_xstrndup(text, len);
    const char *path = text + len;

    if (!weft_registry_host_ok(host)) {
        return false;
    }
    while (*path) {
        size_t n = strspn(++path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-");

        if (n == 0 || path[0] == '.' || (path[n] && path[n] != '/')) {
            return false;
        }
        path += n;
    }
    return true;
}

static int read_mirror(struct weft_reader *r)
{
    weft_auto_free char *text = weft_reader_text(r, "a mirror");

    if (!text) {
        return -1;
    }
    if (!mirror_ok(text)) {
        return fail_host(r, text, "a mirror, HOST or HOST/PATH");
    }
    if (weft_strv_has(&present(r)->mirrors, text)) {
        weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is there twice", text);
        return weft_reader_here(r);
    }
    weft_strv_take(&present(r)->mirrors, weft_steal(&text));
    return 0;
}

static int read_host_key(struct weft_reader *r, const char *key)
{
    static const char *const known[] = {"mirrors", "ca", "cert", "key", "insecure", "http"};
    static const char certificate[] = "CERTIFICATE";
    struct weft_registry_host *h = present(r);

    if (strcmp(key, "mirrors") == 0) {
        return weft_reader_next(r) < 0 ? -1 : weft_reader_list(r, key, "hosts", read_mirror);
    }
    if (strcmp(key, "ca") == 0) {
        return read_pem(r, key, certificate, &h->ca_file);
    }
    if (strcmp(key, "cert") == 0) {
        return read_pem(r, key, certificate, &h->cert_file);
    }
    if (strcmp(key, "key") == 0) {
        return read_pem(r, key, "PRIVATE KEY", &h->key_file);
    }
    if (strcmp(key, "insecure") == 0) {
        return read_bool(r, key, &h->insecure);
    }
    if (strcmp(key, "http") == 0) {
        return read_http(r);
    }
    weft_request_unknown_key(key, "keys of a registry", known, sizeof(known) / sizeof(known[0]),
                             r->err);
    return weft_reader_here(r);
}

/* What says two things at once. */
static int check_host(struct weft_registry_host *h, struct weft_err **err)
{
    bool tls = h->ca_file || h->cert_file || h->key_file;

    if (h->http && (tls || h->insecure)) {
        return weft_fail(err, WEFT_E_USAGE,
                         "%s: http is without TLS, and ca, cert, key and insecure are about TLS",
                         h->host);
    }
    if (h->insecure && h->ca_file) {
        return weft_fail(err, WEFT_E_USAGE,
                         "%s: with insecure no certificate is checked, and ca is for checking it",
                         h->host);
    }
    if (!h->cert_file != !h->key_file) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s is given, and no %s", h->host,
                  h->cert_file ? "cert" : "key", h->cert_file ? "key" : "cert");
        return weft_err_hint(err, "a file that holds both can be named for both");
    }
    h->https = h->https || tls;
    return 0;
}

static int read_host(struct weft_reader *r, const char *key)
{
    struct weft_registry_hosts *all = &r->out->registries;

    if (!weft_registry_host_ok(key)) {
        return fail_host(r, key, "the host of a registry");
    }
    if (weft_registry_hosts_find(all, key)) {
        weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is there twice, under another name", key);
        return weft_reader_here(r);
    }
    all->v = weft_xgrow(all->v, all->n, sizeof(*all->v));
    all->v[all->n++] =
        (struct weft_registry_host){.host = weft_xstrdup(weft_registry_host_name(key))};
    if (weft_reader_next(r) < 0) {
        return -1;
    }
    if (!weft_reader_is_map(r)) {
        weft_fail(r->err, WEFT_E_USAGE, "a registry is a map, such as {insecure: true}");
        return weft_reader_here(r);
    }
    if (weft_reader_map(r, "a key", read_host_key) < 0) {
        return -1;
    }
    return check_host(present(r), r->err) < 0 ? weft_reader_here(r) : 0;
}

int weft_settings_read_registries(struct weft_reader *r)
{
    if (weft_reader_next(r) < 0) {
        return -1;
    }
    if (!weft_reader_is_map(r)) {
        weft_fail(r->err, WEFT_E_USAGE,
                  "registries is a map of hosts, such as {localhost:5000: {http: true}}");
        return weft_reader_here(r);
    }
    return weft_reader_map(r, "a host", read_host);
}
