/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/git_url.h"
#include "engine/layout_name.h"
#include "engine/reference.h"
#include "engine/request_parts.h"
#include "engine/vcs.h"

/* A directory as it is named by the kernel: the same however it was written. NULL with
 * WEFT_E_USAGE. */
static char *real_dir(const char *path, struct weft_err **err)
{
    weft_auto_free char *real = realpath(path, NULL);
    weft_auto_free char *shown = weft_printable(path);

    if (!real) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
        return NULL;
    }
    if (!weft_is_dir(real)) {
        weft_fail(err, WEFT_E_USAGE, "%s is not a directory", shown);
        return NULL;
    }
    if (access(real, R_OK | X_OK) < 0) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
        return NULL;
    }
    return weft_steal(&real);
}

static bool is_http(const char *s)
{
    return weft_starts_with(s, "http://") || weft_starts_with(s, "https://");
}

/* 1: *git says whether a URL is that of a git repository. 0: the text is no URL. */
static int parse_remote(const char *text, bool *git, struct weft_err **err)
{
    weft_auto_git_url url = {0};
    int rc = weft_git_url_parse(text, &url, err);

    *git = rc > 0;
    return rc != 0 ? rc : is_http(text);
}

static int set_context(struct weft_request *r, const char *path, struct weft_err **err)
{
    bool git = false;
    int remote;

    if (strcmp(path, "-") == 0) {
        r->source = WEFT_SOURCE_STDIN;
        return 0;
    }
    remote = weft_exists(path) ? 0 : parse_remote(path, &git, err);
    if (remote > 0) {
        r->source = git ? WEFT_SOURCE_GIT : WEFT_SOURCE_HTTP;
        r->context_url = weft_xstrdup(path);
        return 0;
    }
    if (remote == 0) {
        r->context = real_dir(*path ? path : ".", err);
    }
    return r->context ? 0 : weft_err_wrap(err, "PATH");
}

/* Whether a file is a symbolic link that BuildKit, which sees only its directory, cannot follow. */
static bool leads_out(const char *file, const char *real_dir)
{
    weft_auto_free char *real = realpath(file, NULL);
    weft_auto_free char *prefix = weft_path_join(real_dir, "");
    char target[2];

    if (readlink(file, target, sizeof(target)) <= 0) {
        return false;
    }
    return target[0] == '/' || !real || !weft_starts_with(real, prefix);
}

/* The file as an absolute path, in the directory's real name. Its own symbolic link stays, where it
 * can: NAME.dockerignore is looked for beside it. */
static int set_dockerfile(struct weft_request *r, const char *file, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_dir(file);
    weft_auto_free char *real = real_dir(dir, err);
    struct stat st;

    if (!real) {
        return weft_err_wrap(err, "Dockerfile");
    }
    if (stat(file, &st) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "Dockerfile %s: %s", file, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return weft_fail(err, WEFT_E_USAGE, "Dockerfile %s is not a regular file", file);
    }
    if (access(file, R_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "Dockerfile %s: %s", file, strerror(errno));
    }
    r->dockerfile = leads_out(file, real) ? realpath(file, NULL)
                                          : weft_path_join(real, weft_path_base(file));
    if (!r->dockerfile) {
        return weft_fail_sys(err, errno, "%s", file);
    }
    return 0;
}

/* Without --file: one of two names. */
static int find_dockerfile(struct weft_request *r, struct weft_err **err)
{
    static const char *const names[] = {"Dockerfile", "dockerfile"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        weft_auto_free char *file = weft_path_join(r->context, names[i]);

        if (weft_exists(file)) {
            return set_dockerfile(r, file, err);
        }
    }
    weft_fail(err, WEFT_E_USAGE, "there is no Dockerfile (nor dockerfile) in %s", r->context);
    return weft_err_hint(err, "--file FILE");
}

/* --file where the context is somewhere else: an absolute path is a file of this machine, as buildx
 * has it, unless the context is an archive from standard input. */
static int set_remote_dockerfile(struct weft_request *r, const char *file, struct weft_err **err)
{
    if (file && *file == '/' && r->source != WEFT_SOURCE_STDIN) {
        return set_dockerfile(r, file, err);
    }
    r->dockerfile_place = WEFT_DOCKERFILE_INSIDE;
    if (file && *file) {
        weft_auto_free char *shown = weft_printable(file);
        weft_auto_free char *clean = weft_path_clean(file);

        if (!clean) {
            return weft_fail(err, WEFT_E_USAGE, "--file %s is not in the context", shown);
        }
        r->dockerfile_name = weft_steal(&clean);
    }
    return 0;
}

static int set_local_dockerfile(struct weft_request *r, const char *path, const char *file,
                                struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(file);
    weft_auto_free char *inside = NULL;

    if (weft_exists(file)) {
        return set_dockerfile(r, file, err);
    }
    inside = weft_path_join(path, file);
    weft_fail(err, WEFT_E_USAGE, "--file: there is no %s", shown);
    if (weft_exists(inside)) { /* docker build once took it so */
        weft_err_hint(err, "--file %s", inside);
    }
    return -1;
}

int weft_request_set_source(struct weft_request *r, const char *path, const char *file,
                            struct weft_err **err)
{
    if (set_context(r, path, err) < 0) {
        return -1;
    }
    if (file && strcmp(file, "-") == 0) {
        if (r->source == WEFT_SOURCE_STDIN) {
            return weft_fail(err, WEFT_E_USAGE,
                             "standard input cannot be both the context and the Dockerfile");
        }
        r->dockerfile_place = WEFT_DOCKERFILE_STDIN;
        return 0;
    }
    if (file && is_http(file)) {
        r->dockerfile_place = WEFT_DOCKERFILE_URL;
        r->dockerfile_name = weft_xstrdup(file);
        return 0;
    }
    if (r->source != WEFT_SOURCE_DIR) {
        return set_remote_dockerfile(r, file, err);
    }
    return file && *file ? set_local_dockerfile(r, path, file, err) : find_dockerfile(r, err);
}

/* A git repository that is fetched by ssh wants an agent or keys: buildx, too, then takes the usual
 * ones where none are named. */
int weft_request_add_git_ssh(struct weft_request *r, struct weft_err **err)
{
    weft_auto_strv urls = {0};

    if (r->ssh.n > 0) {
        return 0;
    }
    if (r->source == WEFT_SOURCE_GIT) {
        weft_strv_add(&urls, r->context_url);
    }
    for (size_t i = 0; i < r->n_contexts; i++) {
        if (r->contexts[i].kind == WEFT_CONTEXT_GIT) {
            weft_strv_add(&urls, r->contexts[i].url);
        }
    }
    for (size_t i = 0; i < urls.n; i++) {
        weft_auto_git_url url = {0};

        if (weft_git_url_parse(urls.v[i], &url, NULL) > 0 && url.ssh) {
            weft_auto_free char *shown = weft_git_url_shown(&url);

            return weft_request_add_ssh(r, "default", err) == 0
                       ? 0
                       : weft_err_wrap(err, "%s is fetched by ssh", shown);
        }
    }
    return 0;
}

/* buildx's form of a context's name: that of the image which the context stands for, ":latest" left
 * out. */
static char *context_name(const char *name, struct weft_err **err)
{
    weft_auto_reference ref = {0};
    weft_auto_free char *lower = weft_xstrdup(name);
    char *out;

    for (char *p = lower; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    if (weft_reference_parse(lower, &ref, err) < 0) {
        return NULL;
    }
    out = weft_reference_familiar(&ref);
    if (weft_ends_with(out, ":latest")) {
        out[strlen(out) - strlen(":latest")] = '\0';
    }
    return out;
}

/* docker-image://REF */
static int parse_image(struct weft_named_context *c, const char *text, struct weft_err **err)
{
    weft_auto_reference ref = {0};

    /* the one name that BuildKit takes for no image */
    if (strcmp(text, "scratch") != 0 && weft_reference_parse(text, &ref, err) < 0) {
        return -1;
    }
    c->kind = WEFT_CONTEXT_IMAGE;
    c->url = weft_fmt("docker-image://%s", text);
    return 0;
}

/* BuildKit takes fewer forms of a git URL here than as PATH. */
static int parse_git(struct weft_named_context *c, const char *text, struct weft_err **err)
{
    weft_auto_git_url url = {0};

    if (weft_git_url_parse(text, &url, err) < 0) {
        return -1;
    }
    if (weft_starts_with(text, "github.com/")) {
        weft_fail(err, WEFT_E_USAGE, "BuildKit knows this form for PATH only");
        return weft_err_hint(err, "https://%s%s", url.base,
                             weft_ends_with(url.base, ".git") ? "" : ".git");
    }
    if (url.ssh && (!url.scp || !weft_starts_with(text, "git@"))) {
        weft_fail(err, WEFT_E_USAGE, "BuildKit knows this form for PATH only");
        return weft_err_hint(err, "git@HOST:REPOSITORY");
    }
    c->kind = WEFT_CONTEXT_GIT;
    c->url = weft_xstrdup(text);
    return 0;
}

static int parse_context_value(struct weft_named_context *c, const char *text,
                               struct weft_err **err)
{
    static const char layout[] = "oci-layout://";
    static const char image[] = "docker-image://";
    bool git = false;
    int remote;

    if (weft_starts_with(text, layout)) {
        c->kind = WEFT_CONTEXT_OCI_LAYOUT;
        return weft_layout_name_parse(text + strlen(layout), &c->path, &c->digest, err);
    }
    if (weft_starts_with(text, image)) {
        return parse_image(c, text + strlen(image), err);
    }
    if (weft_starts_with(text, "target:") && !weft_exists(text)) {
        weft_fail(err, WEFT_E_USAGE, "another target is a context in bake files only");
        return weft_err_hint(err, "build it with -o type=oci,dest=DIR,tar=false and take "
                                  "oci-layout://DIR");
    }
    remote = weft_exists(text) ? 0 : parse_remote(text, &git, err);
    if (remote < 0) {
        return -1;
    }
    if (remote > 0 && git) {
        return parse_git(c, text, err);
    }
    if (remote > 0) {
        c->kind = WEFT_CONTEXT_HTTP;
        c->url = weft_xstrdup(text);
        return 0;
    }
    c->kind = WEFT_CONTEXT_DIR;
    c->path = real_dir(text, err);
    return c->path ? 0 : -1;
}

static int parse_context(struct weft_named_context *c, const char *value, struct weft_err **err)
{
    const char *eq = strchr(value, '=');
    weft_auto_free char *name = NULL;

    if (!eq || eq == value || !eq[1]) {
        weft_fail(err, WEFT_E_USAGE, "it is NAME=CONTEXT");
        return weft_err_hint(err, "NAME=DIR, NAME=oci-layout://DIR, NAME=docker-image://REF, or "
                                  "a URL");
    }
    name = weft_xstrndup(value, (size_t)(eq - value));
    c->name = context_name(name, err);
    return c->name ? parse_context_value(c, eq + 1, err) : -1;
}

void weft_request_context_finish(struct weft_named_context *c)
{
    free(c->name);
    free(c->path);
    free(c->digest);
    free(c->url);
    free(c->pinned);
    free(c->pinned_plain);
}

int weft_request_add_context(struct weft_request *r, const char *value, struct weft_err **err)
{
    struct weft_named_context c = {0};

    if (parse_context(&c, value, err) < 0) {
        weft_auto_free char *redacted = weft_vcs_redact(value);
        weft_auto_free char *shown = weft_printable(redacted);

        weft_request_context_finish(&c);
        return weft_err_wrap(err, "\"%s\"", shown);
    }
    for (size_t i = 0; i < r->n_contexts; i++) {
        if (strcmp(r->contexts[i].name, c.name) == 0) {
            weft_request_context_finish(&r->contexts[i]);
            r->contexts[i] = c;
            return 0;
        }
    }
    r->contexts = weft_xrealloc(r->contexts, r->n_contexts + 1, sizeof(*r->contexts));
    r->contexts[r->n_contexts++] = c;
    return 0;
}
