/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/docker_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "engine/registry/hosts.h"

enum {
    FILE_LIMIT_BYTES = 4 << 20,
    HELPER_LIMIT_MS = 60000,
    SHOWN_LIMIT_BYTES = 200, /* of a helper's message */
    N_PROXIES = 4
};

/* The key of Docker Hub's credentials, for a reason that is history. */
static const char hub_key[] = "https://index.docker.io/v1/";
static const char hub[] = "docker.io";

static const struct {
    const char *key, *variable;
} proxy_names[N_PROXIES] = {
    {"httpProxy", "HTTP_PROXY"},
    {"httpsProxy", "HTTPS_PROXY"},
    {"noProxy", "NO_PROXY"},
    {"ftpProxy", "FTP_PROXY"},
};

/* One of auths. */
struct auth {
    char *key;  /* as it is written */
    char *host; /* that it means */
    struct weft_credentials credentials;
    bool is_broken; /* its "auth" is not base64 of USER:PASSWORD */
};

/* One of credHelpers. */
struct helper {
    char *host;
    char *name;
};

/* One of proxies. */
struct proxies {
    char *daemon; /* its address, or "default" */
    char *values[N_PROXIES];
};

struct weft_docker_config {
    char *name; /* of the file, for errors */
    struct auth *auths;
    size_t n_auths;
    struct helper *helpers;
    size_t n_helpers;
    char *store;
    struct proxies *proxies;
    size_t n_proxies;
};

static void wipe(char *s)
{
    if (s) {
        explicit_bzero(s, strlen(s));
        free(s);
    }
}

void weft_credentials_finish(struct weft_credentials *c)
{
    wipe(c->user);
    wipe(c->password);
    wipe(c->identity_token);
    wipe(c->registry_token);
    *c = (struct weft_credentials){0};
}

static void credentials_copy(struct weft_credentials *to, const struct weft_credentials *from)
{
    to->user = weft_xstrdup_null(from->user);
    to->password = weft_xstrdup_null(from->password);
    to->identity_token = weft_xstrdup_null(from->identity_token);
    to->registry_token = weft_xstrdup_null(from->registry_token);
}

static bool is_empty(const struct weft_credentials *c)
{
    return !c->user && !c->password && !c->identity_token && !c->registry_token;
}

void weft_docker_config_destroy(struct weft_docker_config *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->n_auths; i++) {
        free(c->auths[i].key);
        free(c->auths[i].host);
        weft_credentials_finish(&c->auths[i].credentials);
    }
    for (size_t i = 0; i < c->n_helpers; i++) {
        free(c->helpers[i].host);
        free(c->helpers[i].name);
    }
    for (size_t i = 0; i < c->n_proxies; i++) {
        free(c->proxies[i].daemon);
        for (size_t k = 0; k < N_PROXIES; k++) {
            wipe(c->proxies[i].values[k]);
        }
    }
    free(c->auths);
    free(c->helpers);
    free(c->proxies);
    free(c->store);
    free(c->name);
    free(c);
}

/* ---- reading ---- */

/* The host that a key means: "https://index.docker.io/v1/" is docker.io. Caller frees. */
static char *host_of(const char *key)
{
    weft_auto_free char *host = NULL;

    if (strncasecmp(key, "https://", 8) == 0) {
        key += 8;
    } else if (strncasecmp(key, "http://", 7) == 0) {
        key += 7;
    }
    host = weft_xstrndup(key, strcspn(key, "/"));
    return weft_xstrdup(weft_registry_host_name(host));
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The text that base64 stands for; NULL: it is none, or holds a NUL before its end. Ends of lines
 * do not count. Caller wipes. */
static char *base64_text(const char *s)
{
    char *out = weft_xcalloc(strlen(s) / 4 * 3 + 4, 1);
    unsigned bits = 0, n = 0, padding = 0;
    size_t len = 0;
    bool good = true;

    for (; *s && good; s++) {
        int digit = digit_of(*s);

        if (*s == '\r' || *s == '\n') {
            continue;
        }
        good = (digit >= 0 && padding == 0) || (*s == '=' && n % 4 >= 2);
        padding += *s == '=';
        bits = bits << 6 | (digit > 0 ? (unsigned)digit : 0);
        if (++n % 4 == 0) {
            out[len++] = (char)(bits >> 16);
            out[len++] = (char)(bits >> 8);
            out[len++] = (char)bits;
            bits = 0;
        }
    }
    good = good && n % 4 == 0 && padding <= 2;
    len -= good ? padding : 0;
    while (len > 0 && out[len - 1] == '\0') {
        len--; /* docker has filled passwords up with them */
    }
    if (!good || memchr(out, '\0', len)) {
        explicit_bzero(out, len);
        free(out);
        return NULL;
    }
    out[len] = '\0';
    return out;
}

/* "auth": base64 of USER:PASSWORD. Returns 0, or -1 if it is not. */
static int decode_auth(const char *text, struct weft_credentials *out)
{
    char *plain = base64_text(text);
    char *colon = plain ? strchr(plain, ':') : NULL;

    if (!colon || colon == plain) {
        wipe(plain);
        return -1;
    }
    out->user = weft_xstrndup(plain, (size_t)(colon - plain));
    out->password = weft_xstrdup(colon + 1);
    wipe(plain);
    return 0;
}

/* A string that is not empty. Caller frees. */
static char *string_of(const struct weft_json *j, const char *key)
{
    const char *s = weft_json_str(j, key);

    return s && *s ? weft_xstrdup(s) : NULL;
}

static void add_auth(const char *key, const struct weft_json *value, void *data)
{
    struct weft_docker_config *c = data;
    const char *auth = weft_json_str(value, "auth");
    struct auth *a;

    c->auths = weft_xgrow(c->auths, c->n_auths, sizeof(*c->auths));
    a = &c->auths[c->n_auths++];
    *a = (struct auth){.key = weft_xstrdup(key), .host = host_of(key)};
    if (auth && *auth) {
        a->is_broken = decode_auth(auth, &a->credentials) < 0;
    } else {
        a->credentials.user = string_of(value, "username");
        a->credentials.password = string_of(value, "password");
    }
    a->credentials.identity_token = string_of(value, "identitytoken");
    a->credentials.registry_token = string_of(value, "registrytoken");
}

static void add_helper(const char *key, const struct weft_json *value, void *data)
{
    struct weft_docker_config *c = data;
    const char *name = weft_json_value_str(value);

    if (name && *name) {
        c->helpers = weft_xgrow(c->helpers, c->n_helpers, sizeof(*c->helpers));
        c->helpers[c->n_helpers++] =
            (struct helper){.host = host_of(key), .name = weft_xstrdup(name)};
    }
}

static void add_proxies(const char *key, const struct weft_json *value, void *data)
{
    struct weft_docker_config *c = data;
    struct proxies *p;

    c->proxies = weft_xgrow(c->proxies, c->n_proxies, sizeof(*c->proxies));
    p = &c->proxies[c->n_proxies++];
    *p = (struct proxies){.daemon = weft_xstrdup(key)};
    for (size_t i = 0; i < N_PROXIES; i++) {
        p->values[i] = string_of(value, proxy_names[i].key);
    }
}

static int read_object(struct weft_docker_config *c, const struct weft_json *doc, const char *key,
                       weft_json_member_fn *add, struct weft_err **err)
{
    const struct weft_json *value = weft_json_get(doc, key);

    if (value && !weft_json_is_object(value)) {
        return weft_fail(err, WEFT_E_USAGE, "%s: \"%s\" is not an object", c->name, key);
    }
    weft_json_each(value, add, c);
    return 0;
}

static int read_document(struct weft_docker_config *c, const struct weft_json *doc,
                         struct weft_err **err)
{
    if (!weft_json_is_object(doc)) {
        return weft_fail(err, WEFT_E_USAGE, "%s: it is not a JSON object", c->name);
    }
    c->store = string_of(doc, "credsStore");
    return read_object(c, doc, "auths", add_auth, err) < 0 ||
                   read_object(c, doc, "credHelpers", add_helper, err) < 0 ||
                   read_object(c, doc, "proxies", add_proxies, err) < 0
               ? -1
               : 0;
}

struct weft_docker_config *weft_docker_config_parse(const char *text, size_t len, const char *name,
                                                    struct weft_err **err)
{
    struct weft_docker_config *c = weft_xcalloc(1, sizeof(*c));
    weft_auto_err broken = NULL;
    struct weft_json *doc;
    int rc;

    c->name = weft_xstrdup(name);
    if (strspn(text, " \t\r\n") == len) {
        return c;
    }
    doc = weft_json_parse(text, len, &broken);
    if (!doc) {
        /* what follows the place can be a piece of the file */
        weft_fail(err, WEFT_E_USAGE, "%s: %.*s", name, (int)strcspn(broken->msg, ":"), broken->msg);
        weft_docker_config_destroy(c);
        return NULL;
    }
    rc = read_document(c, doc, err);
    weft_json_wipe(doc);
    if (rc < 0) {
        weft_docker_config_destroy(c);
        return NULL;
    }
    return c;
}

/* Caller frees; NULL: nobody says where it is. */
static char *config_path(void)
{
    const char *dir = getenv("DOCKER_CONFIG");
    const char *home = getenv("HOME");

    if (dir && *dir) {
        return weft_path_join(dir, "config.json");
    }
    return home && *home ? weft_path_join(home, ".docker/config.json") : NULL;
}

struct weft_docker_config *weft_docker_config_load(struct weft_err **err)
{
    weft_auto_free char *path = config_path();
    weft_auto_err why = NULL;
    struct weft_docker_config *c;
    char *text = NULL;
    size_t len = 0;

    if (!path) {
        return weft_docker_config_parse("", 0, "", err);
    }
    if (weft_read_file(path, FILE_LIMIT_BYTES, &text, &len, &why) < 0) {
        if (why->sys == ENOENT || why->sys == ENOTDIR) {
            return weft_docker_config_parse("", 0, path, err);
        }
        weft_fail(err, WEFT_E_USAGE, "%s", why->msg);
        return NULL;
    }
    c = weft_docker_config_parse(text, len, path, err);
    explicit_bzero(text, len);
    free(text);
    return c;
}

/* ---- credentials ---- */

/* What a helper wrote, for an error: its first line, where that is a message. Caller frees. */
static char *shown_line(const char *text)
{
    weft_auto_free char *line = NULL;
    size_t len;

    text += strspn(text, " \t\r\n");
    if (*text == '{' || strcasestr(text, "\"Secret\"")) { /* it failed after its answer */
        return weft_xstrdup("");
    }
    len = strcspn(text, "\r\n");
    line = weft_xstrndup(text, len < SHOWN_LIMIT_BYTES ? len : SHOWN_LIMIT_BYTES);
    return weft_printable(line);
}

/* The JSON that a helper gives. Returns 1, or 0 where it has nothing, or -1. */
static int read_helper(const char *program, const char *text, struct weft_credentials *out,
                       struct weft_err **err)
{
    struct weft_json *doc = weft_json_parse(text, strlen(text), NULL);
    char *user = string_of(doc, "Username");
    char *secret = string_of(doc, "Secret");
    bool is_object = weft_json_is_object(doc);

    weft_json_wipe(doc);
    if (!is_object) {
        return weft_fail(err, WEFT_E_CHILD, "%s: what it gave for credentials is not JSON",
                         program);
    }
    if (!secret) {
        wipe(user);
        return 0;
    }
    if (weft_str_eq(user, "<token>")) {
        out->identity_token = secret;
        wipe(user);
    } else {
        out->user = user;
        out->password = secret;
    }
    return 1;
}

/* Returns 1, or 0 where the helper knows no credentials, or -1. */
static int ask_helper(const struct weft_docker_config *c, const char *name, const char *key,
                      const atomic_bool *cancel, struct weft_credentials *out,
                      struct weft_err **err)
{
    weft_auto_free char *program = weft_fmt("docker-credential-%s", name);
    weft_auto_free char *path = NULL;
    char get[] = "get";
    char *argv[] = {program, get, NULL};
    char *text = NULL;
    int rc;

    if (strchr(name, '/')) {
        weft_auto_free char *shown = weft_printable(name);

        return weft_fail(err, WEFT_E_USAGE, "%s: \"%s\" is no name of a credential helper", c->name,
                         shown);
    }
    path = weft_find_program(program);
    if (!path) {
        weft_auto_free char *shown = weft_printable(program);

        weft_fail(err, WEFT_E_CHILD, "%s, which %s names, is not installed", shown, c->name);
        return weft_err_hint(err, "install it, or take it out of credsStore or credHelpers there");
    }
    rc = weft_run(&(struct weft_run_opts){.file = path,
                                          .argv = argv,
                                          .input = key,
                                          .timeout_ms = HELPER_LIMIT_MS,
                                          .cancel = cancel},
                  &text, err);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        rc = read_helper(program, text, out, err);
    } else if (strcasestr(text, "credentials not found")) {
        rc = 0;
    } else {
        weft_auto_free char *said = shown_line(text);

        rc = weft_fail(err, WEFT_E_CHILD, "%s gives no credentials: %s", program,
                       *said ? said : "it failed without a message");
    }
    wipe(text);
    return rc;
}

static const char *helper_of(const struct weft_docker_config *c, const char *host)
{
    for (size_t i = 0; i < c->n_helpers; i++) {
        if (strcasecmp(c->helpers[i].host, host) == 0) {
            return c->helpers[i].name;
        }
    }
    return c->store;
}

/* The key in full goes before another that means the same host. */
static const struct auth *auth_of(const struct weft_docker_config *c, const char *host,
                                  const char *key)
{
    const struct auth *found = NULL;

    for (size_t i = 0; i < c->n_auths; i++) {
        const struct auth *a = &c->auths[i];

        if (strcasecmp(a->host, host) != 0 || (is_empty(&a->credentials) && !a->is_broken)) {
            continue;
        }
        if (strcmp(a->key, key) == 0) {
            return a;
        }
        if (!found) {
            found = a;
        }
    }
    return found;
}

int weft_docker_config_credentials(const struct weft_docker_config *c, const char *host,
                                   const atomic_bool *cancel, struct weft_credentials *out,
                                   struct weft_err **err)
{
    const char *name = weft_registry_host_name(host);
    const char *key = strcmp(name, hub) == 0 ? hub_key : name;
    const char *helper = helper_of(c, name);
    const struct auth *a;
    int rc = helper ? ask_helper(c, helper, key, cancel, out, err) : 0;

    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    a = auth_of(c, name, key);
    if (a && a->is_broken) {
        weft_auto_free char *shown = weft_printable(a->key);

        weft_fail(err, WEFT_E_USAGE, "%s: \"auth\" of %s is not base64 of USER:PASSWORD", c->name,
                  shown);
        return weft_err_hint(err, "docker login %s", host);
    }
    if (a) {
        credentials_copy(out, &a->credentials);
    }
    return 0;
}

void weft_docker_config_proxies(const struct weft_docker_config *c, const char *daemon_host,
                                struct weft_strv *out)
{
    const struct proxies *found = NULL;

    for (size_t i = 0; c && i < c->n_proxies; i++) {
        const struct proxies *p = &c->proxies[i];

        if (weft_str_eq(p->daemon, daemon_host) || (!found && strcmp(p->daemon, "default") == 0)) {
            found = p;
        }
    }
    for (size_t i = 0; found && i < N_PROXIES; i++) {
        if (found->values[i]) {
            weft_strv_addf(out, "%s=%s", proxy_names[i].variable, found->values[i]);
        }
    }
}
