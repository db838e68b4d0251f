/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/request_parts.h"

#define SECRET_LIMIT (500 * 1024) /* BuildKit's, in bytes */

/* A --secret, before it is looked at. */
struct secret {
    char *id;
    char *src;
    char *env;
    char *type;
};

static void secret_finish(struct secret *s)
{
    free(s->id);
    free(s->src);
    free(s->env);
    free(s->type);
}

static int secret_field(struct secret *s, const char *text, struct weft_err **err)
{
    static const char *const known[] = {"id", "src", "source", "env", "type"};
    struct weft_request_field f = {0};
    weft_auto_free char *key = NULL;
    char **to;

    if (weft_request_field_parse(text, &f, err) < 0) {
        return -1;
    }
    key = f.key;
    to = strcmp(key, "id") == 0                                  ? &s->id
         : strcmp(key, "src") == 0 || strcmp(key, "source") == 0 ? &s->src
         : strcmp(key, "env") == 0                               ? &s->env
         : strcmp(key, "type") == 0                              ? &s->type
                                                                 : NULL;
    if (!to) {
        return weft_request_unknown_key(key, "keys of a secret", known,
                                        sizeof(known) / sizeof(known[0]), err);
    }
    free(*to);
    *to = *f.value ? weft_xstrdup(f.value) : NULL;
    return 0;
}

/* Settle where the secret comes from: after this, either src or env is set. */
static int secret_settle(struct secret *s, struct weft_err **err)
{
    bool file = weft_str_eq(s->type, "file");
    bool env = weft_str_eq(s->type, "env");

    if (!s->id) {
        weft_fail(err, WEFT_E_USAGE, "id= is missing");
        return weft_err_hint(err, "id=NAME,src=FILE or id=NAME,env=VARIABLE");
    }
    if (s->type && !file && !env) {
        return weft_fail(err, WEFT_E_USAGE, "type is file or env, not \"%s\"", s->type);
    }
    if (env && !s->env) {
        s->env = weft_steal(&s->src);
    }
    if (s->src && s->env) {
        return weft_fail(err, WEFT_E_USAGE, "src and env exclude each other");
    }
    if (file && s->env) {
        return weft_fail(err, WEFT_E_USAGE, "type=file and env exclude each other");
    }
    if (s->src || s->env) {
        return 0;
    }
    if (!file && (env || getenv(s->id))) {
        s->env = weft_xstrdup(s->id);
    } else {
        s->src = weft_xstrdup(s->id);
    }
    return 0;
}

/* BuildKit's checks, and those that it leaves to the moment at which a RUN wants the secret. */
static int secret_check_file(const char *path, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(path);
    struct stat st;

    if (stat(path, &st) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) { /* each platform reads it, and a pipe can be read once only */
        return weft_fail(err, WEFT_E_USAGE, "%s is not a regular file", shown);
    }
    if (access(path, R_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
    }
    if (st.st_size > SECRET_LIMIT) {
        return weft_fail(err, WEFT_E_USAGE, "%s has more than %d bytes", shown, SECRET_LIMIT);
    }
    return 0;
}

static int secret_add(struct weft_request *r, const struct secret *s, struct weft_err **err)
{
    weft_auto_free char *id = weft_fmt("id=%s", s->id);
    weft_auto_free char *id_field = weft_csv_field(id);
    weft_auto_free char *prefix = weft_fmt("%s,", id_field);
    weft_auto_free char *abs = NULL;
    weft_auto_free char *from = NULL;
    weft_auto_free char *from_field = NULL;

    for (size_t i = 0; i < r->secrets.n; i++) {
        if (weft_starts_with(r->secrets.v[i], prefix)) {
            return weft_fail(err, WEFT_E_USAGE, "the id is given twice");
        }
    }
    if (s->env) {
        if (!getenv(s->env)) {
            return weft_fail(err, WEFT_E_USAGE, "the environment variable %s is not set", s->env);
        }
        from = weft_fmt("env=%s", s->env);
    } else {
        if (secret_check_file(s->src, err) < 0) {
            return -1;
        }
        abs = weft_path_abs(s->src, err);
        if (!abs) {
            return -1;
        }
        from = weft_fmt("src=%s", abs);
    }
    from_field = weft_csv_field(from);
    weft_strv_addf(&r->secrets, "%s%s", prefix, from_field);
    return 0;
}

int weft_request_add_secret(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_strv fields = {0};
    struct secret s = {0};
    int rc = weft_csv_split(value, &fields, err);

    for (size_t i = 0; rc == 0 && i < fields.n; i++) {
        rc = secret_field(&s, fields.v[i], err);
    }
    if (rc == 0) {
        rc = secret_settle(&s, err);
    }
    if (rc == 0) {
        rc = secret_add(r, &s, err);
    }
    if (rc < 0) {
        weft_err_wrap(err, "\"%s\"", value);
    }
    secret_finish(&s);
    return rc;
}

int weft_request_secret(const struct weft_request *r, const char *id, char **value,
                        struct weft_err **err)
{
    weft_auto_free char *wanted = weft_fmt("id=%s", id);

    for (size_t i = 0; i < r->secrets.n; i++) {
        weft_auto_strv fields = {0};
        const char *from;

        if (weft_csv_split(r->secrets.v[i], &fields, err) < 0) {
            return -1;
        }
        if (fields.n < 2 || strcmp(fields.v[0], wanted) != 0) {
            continue;
        }
        from = strchr(fields.v[1], '=') + 1;
        if (weft_starts_with(fields.v[1], "env=")) {
            *value = weft_xstrdup(getenv(from) ? getenv(from) : "");
            return 1;
        }
        return weft_read_file(from, SECRET_LIMIT, value, NULL, err) < 0 ? -1 : 1;
    }
    return 0;
}

/* The paths of a --ssh, made absolute. Commas part them, so none can be in a path. */
static int ssh_paths(const char *text, struct weft_buf *out, struct weft_err **err)
{
    weft_auto_strv paths = {0};

    weft_split(text, ',', &paths);
    for (size_t i = 0; i < paths.n; i++) {
        weft_auto_free char *abs = weft_path_abs(paths.v[i], err);
        weft_auto_free char *shown = weft_printable(paths.v[i]);

        if (!abs) {
            return -1;
        }
        if (!*shown) {
            return weft_fail(err, WEFT_E_USAGE, "a path is empty");
        }
        if (access(abs, R_OK) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
        }
        if (weft_is_dir(abs)) {
            return weft_fail(err, WEFT_E_USAGE, "%s is a directory", shown);
        }
        if (strchr(abs, ',')) {
            return weft_fail(err, WEFT_E_USAGE, "%s: a comma cannot be in the path", abs);
        }
        weft_buf_printf(out, "%s%s", i == 0 ? "" : ",", abs);
    }
    return 0;
}

int weft_request_add_ssh(struct weft_request *r, const char *value, struct weft_err **err)
{
    size_t len = strcspn(value, "=");
    weft_auto_free char *id = len ? weft_xstrndup(value, len) : weft_xstrdup("default");
    weft_auto_buf paths = {0};

    for (size_t i = 0; i < r->ssh.n; i++) {
        if (strcspn(r->ssh.v[i], "=") == strlen(id) && weft_starts_with(r->ssh.v[i], id)) {
            return weft_fail(err, WEFT_E_USAGE, "%s is given twice", id);
        }
    }
    if (value[len] == '=' && value[len + 1]) {
        if (ssh_paths(value + len + 1, &paths, err) < 0) {
            return -1;
        }
        weft_strv_addf(&r->ssh, "%s=%s", id, paths.data);
        return 0;
    }
    {
        const char *agent = getenv("SSH_AUTH_SOCK");

        if (!agent || !*agent) {
            weft_fail(err, WEFT_E_USAGE, "there is no agent: SSH_AUTH_SOCK is not set");
            return weft_err_hint(err, "eval \"$(ssh-agent)\" && ssh-add, or --ssh %s=KEYFILE", id);
        }
        if (access(agent, R_OK) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "the agent of SSH_AUTH_SOCK: %s: %s", agent,
                             strerror(errno));
        }
    }
    weft_strv_add(&r->ssh, id);
    return 0;
}
