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
#include "engine/layout_name.h"
#include "engine/reference.h"
#include "engine/request_parts.h"

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

/* Whether a context is one of those that buildx fetches. */
static bool is_remote(const char *s)
{
    return strstr(s, "://") || weft_starts_with(s, "git@") || weft_starts_with(s, "github.com/") ||
           weft_starts_with(s, "docker-image:") || weft_starts_with(s, "target:");
}

static int set_context(struct weft_request *r, const char *path, struct weft_err **err)
{
    if (strcmp(path, "-") == 0) {
        return weft_fail(err, WEFT_E_USAGE,
                         "PATH is a directory; this version of weft reads no context from "
                         "standard input");
    }
    if (!weft_exists(path) && is_remote(path)) {
        weft_auto_free char *shown = weft_printable(path);

        weft_fail(err, WEFT_E_USAGE, "PATH is a directory; this version of weft does not fetch %s",
                  shown);
        return weft_err_hint(err, "git clone it, and build the clone");
    }
    r->context = real_dir(*path ? path : ".", err);
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

int weft_request_set_source(struct weft_request *r, const char *path, const char *file,
                            struct weft_err **err)
{
    weft_auto_free char *shown = file ? weft_printable(file) : NULL;
    weft_auto_free char *inside = NULL;

    if (set_context(r, path, err) < 0) {
        return -1;
    }
    if (!file || !*file) {
        return find_dockerfile(r, err);
    }
    if (strcmp(file, "-") == 0 || (!weft_exists(file) && is_remote(file))) {
        return weft_fail(err, WEFT_E_USAGE,
                         "--file is a file; this version of weft does not fetch it from %s",
                         strcmp(file, "-") == 0 ? "standard input" : shown);
    }
    if (!weft_exists(file)) {
        inside = weft_path_join(path, file);
        weft_fail(err, WEFT_E_USAGE, "--file: there is no %s", shown);
        if (weft_exists(inside)) { /* docker build once took it so */
            weft_err_hint(err, "--file %s", inside);
        }
        return -1;
    }
    return set_dockerfile(r, file, err);
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

static int parse_context(struct weft_named_context *c, const char *value, struct weft_err **err)
{
    static const char scheme[] = "oci-layout://";
    const char *eq = strchr(value, '=');
    weft_auto_free char *name = NULL;

    if (!eq || eq == value || !eq[1]) {
        return weft_fail(err, WEFT_E_USAGE, "it is NAME=DIR or NAME=oci-layout://DIR");
    }
    name = weft_xstrndup(value, (size_t)(eq - value));
    c->name = context_name(name, err);
    if (!c->name) {
        return -1;
    }
    if (weft_starts_with(eq + 1, scheme)) {
        c->kind = WEFT_CONTEXT_OCI_LAYOUT;
        return weft_layout_name_parse(eq + 1 + strlen(scheme), &c->path, &c->digest, err);
    }
    if (!weft_exists(eq + 1) && is_remote(eq + 1)) {
        weft_auto_free char *shown = weft_printable(eq + 1);

        return weft_fail(err, WEFT_E_USAGE,
                         "a context is a directory or an OCI layout; this version of weft does "
                         "not fetch %s",
                         shown);
    }
    c->kind = WEFT_CONTEXT_DIR;
    c->path = real_dir(eq + 1, err);
    return c->path ? 0 : -1;
}

static void context_finish(struct weft_named_context *c)
{
    free(c->name);
    free(c->path);
    free(c->digest);
}

int weft_request_add_context(struct weft_request *r, const char *value, struct weft_err **err)
{
    struct weft_named_context c = {0};

    if (parse_context(&c, value, err) < 0) {
        weft_auto_free char *shown = weft_printable(value);

        context_finish(&c);
        return weft_err_wrap(err, "\"%s\"", shown);
    }
    for (size_t i = 0; i < r->n_contexts; i++) {
        if (strcmp(r->contexts[i].name, c.name) == 0) {
            context_finish(&r->contexts[i]);
            r->contexts[i] = c;
            return 0;
        }
    }
    r->contexts = weft_xrealloc(r->contexts, r->n_contexts + 1, sizeof(*r->contexts));
    r->contexts[r->n_contexts++] = c;
    return 0;
}
