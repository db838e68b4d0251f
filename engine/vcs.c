/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/vcs.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/request.h"

#define REVISION "org.opencontainers.image.revision"
#define SOURCE "org.opencontainers.image.source"
#define DOCKERFILE "com.docker.image.source.entrypoint"

struct git {
    const char *program;
    const char *dir;
};

static void git_argv(const struct git *g, struct weft_strv *argv)
{
    weft_strv_add(argv, "git");
    weft_strv_add(argv, "-C");
    weft_strv_add(argv, g->dir);
}

/* The first line of what git says; NULL where it fails or says nothing. Caller frees. */
static char *ask(const struct git *g, ...)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;
    const char *arg;
    va_list args;

    git_argv(g, &argv);
    va_start(args, g);
    while ((arg = va_arg(args, const char *)) != NULL) {
        weft_strv_add(&argv, arg);
    }
    va_end(args);
    if (weft_run_capture(g->program, argv.v, 0, &text, NULL) != 0 || !text) {
        return NULL;
    }
    text[strcspn(text, "\n")] = '\0';
    return *text ? weft_steal(&text) : NULL;
}

char *weft_vcs_redact(const char *url)
{
    const char *host = strstr(url, "://");
    const char *at, *colon;

    if (!host) {
        return weft_xstrdup(url); /* git@host:path has a name, and no secret */
    }
    host += strlen("://");
    at = memrchr(host, '@', strcspn(host, "/?#"));
    if (!at) {
        return weft_xstrdup(url);
    }
    colon = memchr(host, ':', (size_t)(at - host));
    return weft_fmt("%.*s%s%s", (int)(host - url), url, colon ? "xxxxx:xxxxx" : "xxxxx", at);
}

/* Whether the directory, or one above it, has a .git. */
static bool has_dot_git(const char *dir)
{
    weft_auto_free char *at = weft_xstrdup(dir);

    for (;;) {
        weft_auto_free char *dot_git = weft_path_join(at, ".git");
        char *slash;

        if (weft_exists(dot_git)) {
            return true;
        }
        slash = strrchr(at, '/');
        if (!slash || slash == at) {
            return false;
        }
        *slash = '\0';
    }
}

/* Say why git does not know the work tree. It does not trust one of another user, as a job's
 * checkout in a container often is. */
static void warn_of_git(const struct git *g)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;
    weft_auto_free char *said = NULL;
    bool distrusts;

    if (!g->program) {
        weft_warn("git does not say which commit is built: it is not here");
        return;
    }
    git_argv(g, &argv);
    weft_strv_add(&argv, "rev-parse");
    weft_strv_add(&argv, "--show-toplevel");
    if (weft_run_capture(g->program, argv.v, 1, &text, NULL) < 0 || !text) {
        text = weft_xstrdup("it cannot be run");
    }
    distrusts = strstr(text, "safe.directory") != NULL;
    text[strcspn(text, "\n")] = '\0';
    said = weft_printable(text);
    weft_warn("git does not say which commit is built: %s%s", said,
              distrusts ? "; git config --global --add safe.directory DIR makes it trust it" : "");
}

/* The remote that the branch follows, else origin, else upstream. Caller frees; NULL: none. */
static char *remote_url(const struct git *g)
{
    weft_auto_free char *branch = ask(g, "symbolic-ref", "-q", "HEAD", NULL);
    weft_auto_free char *followed =
        branch ? ask(g, "for-each-ref", "--format=%(upstream:remotename)", branch, NULL) : NULL;
    const char *const names[] = {followed, "origin", "upstream"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        weft_auto_free char *url = names[i] ? ask(g, "remote", "get-url", names[i], NULL) : NULL;

        if (url) {
            return weft_vcs_redact(url);
        }
    }
    return NULL;
}

/* Whether files are not as committed. Git says a line for each: where it has more to say than is
 * read of a program, it does not end well, and yet has said enough. */
static bool is_dirty(const struct git *g)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;

    git_argv(g, &argv);
    weft_strv_add(&argv, "status");
    weft_strv_add(&argv, "--porcelain");
    weft_strv_add(&argv, "--ignored");
    return weft_run_capture(g->program, argv.v, 0, &text, NULL) >= 0 && text && *text;
}

static char *revision(const struct git *g, bool check_dirty)
{
    weft_auto_free char *commit = ask(g, "rev-parse", "-q", "--verify", "HEAD^{commit}", NULL);

    return commit && check_dirty && is_dirty(g) ? weft_fmt("%s-dirty", commit)
                                                : weft_steal(&commit);
}

/* `path` as it is called in the work tree, "." for the tree itself. NULL: it lies elsewhere. Caller
 * frees. */
static char *relative(const char *root, const char *path)
{
    size_t len = strlen(root);

    if (strncmp(root, path, len) != 0 || (path[len] && path[len] != '/')) {
        return NULL;
    }
    return weft_xstrdup(path[len] ? path + len + 1 : ".");
}

static bool switch_of(const char *name, bool otherwise)
{
    const char *value = getenv(name);
    bool on = otherwise;

    if (value && strcmp(value, "full") == 0) {
        return true;
    }
    return value && weft_parse_bool(value, &on) == 0 ? on : otherwise;
}

static void add(struct weft_strv *out, const char *key, const char *value)
{
    if (value) {
        weft_strv_addf(out, "%s=%s", key, value);
    }
}

static void add_local_dirs(const struct weft_request *r, const char *root, struct weft_strv *out)
{
    weft_auto_free char *context = relative(root, r->context);

    add(out, "vcs:localdir:context", context);
    if (r->dockerfile_place == WEFT_DOCKERFILE_FILE) {
        weft_auto_free char *dockerfile_dir = weft_path_dir(r->dockerfile);
        weft_auto_free char *dockerfile = relative(root, dockerfile_dir);

        add(out, "vcs:localdir:dockerfile", dockerfile);
    }
}

void weft_vcs_options(const struct weft_request *r, bool provenance, struct weft_strv *out)
{
    /* what was fetched is not in our work tree, and BuildKit says where it is from */
    bool local = r->source == WEFT_SOURCE_DIR;
    bool labels = local && switch_of("BUILDX_GIT_LABELS", false);
    bool info = local && provenance && switch_of("BUILDX_GIT_INFO", true);
    weft_auto_free char *program = labels || info ? weft_find_program("git") : NULL;
    struct git g = {program, r->context};
    weft_auto_free char *root = program ? ask(&g, "rev-parse", "--show-toplevel", NULL) : NULL;
    weft_auto_free char *commit = NULL;
    weft_auto_free char *url = NULL;

    if (!root) {
        if ((labels || info) && has_dot_git(r->context)) {
            warn_of_git(&g);
        }
        return;
    }
    commit = revision(&g, switch_of("BUILDX_GIT_CHECK_DIRTY", false));
    url = remote_url(&g);
    if (info) {
        add(out, "vcs:revision", commit);
        add(out, "vcs:source", url);
        add_local_dirs(r, root, out);
    }
    if (labels) {
        weft_auto_free char *dockerfile =
            r->dockerfile_place == WEFT_DOCKERFILE_FILE ? relative(root, r->dockerfile) : NULL;

        add(out, "label:" REVISION, commit);
        add(out, "label:" SOURCE, url);
        add(out, "label:" DOCKERFILE, dockerfile);
    }
}
