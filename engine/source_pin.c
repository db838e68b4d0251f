/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/dockerfile.h"
#include "engine/download.h"
#include "engine/git_remote.h"
#include "engine/git_url.h"
#include "engine/reference.h"
#include "engine/registry/client.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/http.h"
#include "engine/registry/reply.h"
#include "engine/request.h"
#include "engine/source_parts.h"
#include "engine/unpack.h"
#include "engine/vcs.h"

/* buildx's limit for one that is downloaded. */
#define DOCKERFILE_URL_LIMIT (2 * 1024 * 1024)

/* The names that a Dockerfile has, by default. */
static const char *const usual_names[] = {"Dockerfile", "dockerfile", NULL};

static void wipe_freep(char **s)
{
    if (*s) {
        explicit_bzero(*s, strlen(*s));
        free(*s);
    }
}
#define auto_secret __attribute__((cleanup(wipe_freep))) char *

/* For people: rawjson is for programs, which find it in the provenance. */
static void say(const struct weft_request *r, const char *what, const char *is)
{
    if (r->progress != WEFT_PROGRESS_QUIET && r->progress != WEFT_PROGRESS_RAWJSON) {
        weft_info("%s: %s", what, is);
    }
}

/* BuildKit takes it like this, and shows it in its progress. */
static void warn_of_password(const struct weft_request *r, const char *url, const char *instead)
{
    weft_auto_free char *redacted = weft_vcs_redact(url);
    bool is_http = weft_starts_with(url, "http://") || weft_starts_with(url, "https://");

    if (is_http && strcmp(redacted, url) != 0 && r->progress != WEFT_PROGRESS_QUIET) {
        weft_auto_free char *shown = weft_http_url_shown(url);

        weft_warn("%s: a password in a URL is seen by others, in lists of processes and in the "
                  "progress; --secret %s is not",
                  shown, instead);
    }
}

/* ---- http ---- */

/* The secrets by which BuildKit fetches from a host; a token goes before a header. */
static int http_authorization(const struct weft_fetch *f, const char *url, char **out,
                              struct weft_err **err)
{
    weft_auto_free char *host = weft_url_host(url);
    weft_auto_free char *token_id = weft_fmt("HTTP_AUTH_TOKEN_%s", host);
    weft_auto_free char *header_id = weft_fmt("HTTP_AUTH_HEADER_%s", host);
    auto_secret token = NULL;
    int rc = weft_request_secret(f->r, token_id, &token, err);

    if (rc == 0) {
        return weft_request_secret(f->r, header_id, out, err) < 0 ? -1 : 0;
    }
    if (rc > 0) {
        *out = weft_fmt("Bearer %s", token);
    }
    return rc < 0 ? -1 : 0;
}

/* Download to a file (NULL: only for its digest). */
static int download(const struct weft_fetch *f, const char *url, const char *file, uint64_t limit,
                    char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    auto_secret authorization = NULL;

    warn_of_password(f->r, url, "id=HTTP_AUTH_HEADER_HOST");
    if (http_authorization(f, url, &authorization, err) < 0) {
        return -1;
    }
    return weft_download(&(struct weft_download){.url = url,
                                                 .file = file,
                                                 .limit = limit,
                                                 .authorization = authorization,
                                                 .cancel = f->cancel},
                         digest, err);
}

/*
 * BuildKit's frontends take no digest of a URL, but its solver does, by a source policy: a worker
 * that gets other bytes from that URL than weft did fails, and the URL with its digest is in the
 * provenance.
 */
static void add_rule(struct weft_fetch *f, const char *url, const char *digest)
{
    struct weft_json *rule = weft_json_object();
    struct weft_json *selector = weft_json_object();
    struct weft_json *updates = weft_json_object();
    struct weft_json *attrs = weft_json_object();

    weft_json_set_str(selector, "identifier", url);
    weft_json_set_str(selector, "match_type", "EXACT");
    weft_json_set_str(attrs, "http.checksum", digest);
    weft_json_set_str(updates, "identifier", url);
    weft_json_set(updates, "attrs", attrs);
    weft_json_set_str(rule, "action", "CONVERT");
    weft_json_set(rule, "selector", selector);
    weft_json_set(rule, "updates", updates);
    if (!f->rules) {
        f->rules = weft_json_array();
    }
    weft_json_append(f->rules, rule);
}

int weft_fetch_write_policy(struct weft_fetch *f, struct weft_err **err)
{
    weft_auto_json policy = weft_json_object();
    weft_auto_free char *file = NULL;
    weft_auto_free char *text = NULL;

    if (!f->rules) {
        return 0;
    }
    weft_json_set(policy, "rules", weft_steal(&f->rules));
    file = weft_fetch_path(f, "policy");
    text = weft_json_dump(policy, 0);
    if (weft_write_file(file, text, strlen(text), 0600, err) < 0) {
        return -1;
    }
    f->r->pinned.policy = weft_steal(&file);
    return 0;
}

int weft_fetch_dockerfile(struct weft_fetch *f, struct weft_err **err)
{
    weft_auto_free char *file = weft_fetch_path(f, "download");
    weft_auto_free char *text = NULL;
    char digest[WEFT_DIGEST_SIZE];
    size_t len;

    f->r->pinned.shown = weft_http_url_shown(f->r->dockerfile_name);
    if (download(f, f->r->dockerfile_name, file, DOCKERFILE_URL_LIMIT, digest, err) < 0 ||
        weft_read_file(file, DOCKERFILE_URL_LIMIT, &text, &len, err) < 0) {
        return weft_err_wrap(err, "--file");
    }
    say(f->r, f->r->pinned.shown, digest);
    return weft_fetch_serve(f, "Dockerfile", text, len, f->r->source != WEFT_SOURCE_DIR, err);
}

/* The file is no archive: BuildKit takes it for the Dockerfile. */
static int see_plain(struct weft_fetch *f, const char *file, const char *shown,
                     struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    size_t len;

    if (f->r->dockerfile_place != WEFT_DOCKERFILE_INSIDE || f->r->dockerfile_name) {
        return weft_fail(err, WEFT_E_USAGE,
                         "%s is no archive, so it is the Dockerfile, and --file names another one",
                         shown);
    }
    if (weft_read_file(file, WEFT_DOCKERFILE_LIMIT, &text, &len, err) < 0) {
        return weft_err_wrap(err, "%s is no archive, so it is the Dockerfile", shown);
    }
    f->r->pinned.shown = weft_xstrdup(shown);
    return weft_fetch_see(f, text, len, err);
}

static int see_in_archive(struct weft_fetch *f, const struct weft_archive_input *in,
                          const char *shown, struct weft_err **err)
{
    const char *const wanted[] = {f->r->dockerfile_name, NULL};
    const char *const *names = f->r->dockerfile_name ? wanted : usual_names;
    weft_auto_free char *name = weft_printable(names[0]);
    weft_auto_free char *text = NULL;
    size_t len = 0;
    int rc;

    if (f->r->dockerfile_place != WEFT_DOCKERFILE_INSIDE) {
        return 0;
    }
    rc = weft_archive_read_file(in, names, WEFT_DOCKERFILE_LIMIT, &text, &len, err);
    if (rc == 0) {
        weft_fail(err, WEFT_E_USAGE, "there is no %s in %s", name, shown);
        return weft_err_hint(err, "--file FILE, as it is called in the archive");
    }
    f->r->pinned.shown = weft_fmt("%s in %s", name, shown);
    return rc == 1 ? weft_fetch_see(f, text, len, err) : rc < 0 ? -1 : 0;
}

/* What BuildKit will not recognise is an error here, and none of a Dockerfile's syntax. */
static int check_archive(enum weft_archive_kind kind, const unsigned char *head, const char *shown,
                         struct weft_err **err)
{
    static const int type_at = 156;

    if (kind == WEFT_ARCHIVE_ZSTD) {
        weft_fail(err, WEFT_E_USAGE, "%s is compressed with zstd, which BuildKit does not unpack",
                  shown);
        return weft_err_hint(err, "curl URL | weft build [FLAGS] -");
    }
    if (kind == WEFT_ARCHIVE_TAR && head[type_at] == 'x') {
        weft_fail(err, WEFT_E_USAGE,
                  "%s begins with a pax header, by which BuildKit knows no tar; compressed, it "
                  "does",
                  shown);
        return weft_err_hint(err, "curl URL | weft build [FLAGS] -");
    }
    return 0;
}

static int see_file(struct weft_fetch *f, const char *file, const char *shown,
                    struct weft_err **err)
{
    unsigned char head[WEFT_ARCHIVE_HEAD_BYTES] = {0};
    weft_auto_fd fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
    enum weft_archive_kind kind;

    if (n < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        return weft_fail_sys(err, errno, "%s", file);
    }
    kind = weft_archive_kind(head, (size_t)n);
    if (kind == WEFT_ARCHIVE_NONE) {
        return see_plain(f, file, shown, err);
    }
    if (check_archive(kind, head, shown, err) < 0) {
        return -1;
    }
    return see_in_archive(
        f, &(struct weft_archive_input){.fd = fd, .name = shown, .cancel = f->cancel}, shown, err);
}

int weft_fetch_http(struct weft_fetch *f, struct weft_err **err)
{
    const char *url = f->r->context_url;
    weft_auto_free char *shown = weft_http_url_shown(url);
    weft_auto_free char *file = weft_fetch_path(f, "download");
    char digest[WEFT_DIGEST_SIZE];

    if (download(f, url, file, 0, digest, err) < 0 || see_file(f, file, shown, err) < 0) {
        return -1;
    }
    unlink(file);
    say(f->r, shown, digest);
    add_rule(f, url, digest);
    f->r->pinned.context = weft_xstrdup(url);
    return 0;
}

/* ---- git ---- */

/* The secrets by which BuildKit fetches from a host: its own go before general ones. */
static int git_authorization(const struct weft_fetch *f, const struct weft_git_url *u, char **out,
                             struct weft_err **err)
{
    static const char *const ids[] = {"GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"};

    for (int i = 0; u->http && i < 4; i++) {
        weft_auto_free char *id = i < 2 ? weft_fmt("%s.%s", ids[i % 2], u->host)
                                        : weft_xstrdup(ids[i % 2]);
        auto_secret value = NULL;
        int rc = weft_request_secret(f->r, id, &value, err);

        if (rc < 0) {
            return -1;
        }
        if (rc > 0 && i % 2 == 0 && value[strcspn(value, "\r\n")]) {
            return weft_fail(err, WEFT_E_USAGE, "the secret %s, a header, ends with a newline", id);
        }
        if (rc > 0 && i % 2 == 0) {
            *out = weft_steal(&value);
            return 0;
        }
        if (rc > 0) {
            auto_secret basic = weft_basic_of("x-access-token", value);

            *out = weft_fmt("basic %s", basic);
            return 0;
        }
    }
    return 0;
}

/* A repository, and where it stands. */
struct pin {
    struct weft_git_url url;
    struct weft_git_remote *remote;
    char *authorization;
    char *dir;
    struct weft_git_found found;
};

static void pin_finish(struct pin *p)
{
    weft_git_remote_close(p->remote);
    weft_git_url_finish(&p->url);
    wipe_freep(&p->authorization);
    free(p->dir);
    weft_git_found_finish(&p->found);
}
#define auto_pin __attribute__((cleanup(pin_finish))) struct pin

/* Find out the commit, once. */
static int pin_git(struct weft_fetch *f, const char *url, struct pin *p, struct weft_err **err)
{
    weft_auto_free char *shown = NULL;
    weft_auto_free char *is = NULL;
    const char *ref;

    if (weft_git_url_parse(url, &p->url, err) < 0 ||
        git_authorization(f, &p->url, &p->authorization, err) < 0) {
        return -1;
    }
    warn_of_password(f->r, url, "id=GIT_AUTH_TOKEN");
    p->dir = weft_fetch_path(f, "git");
    p->remote =
        weft_git_remote_open(&(struct weft_git_remote_opts){.url = &p->url,
                                                            .dir = p->dir,
                                                            .authorization = p->authorization,
                                                            .ssh = &f->r->ssh,
                                                            .cancel = f->cancel},
                             err);
    if (!p->remote || weft_git_remote_resolve(p->remote, &p->found, err) < 0) {
        return -1;
    }
    ref = p->found.ref;
    shown = weft_git_url_shown(&p->url);
    is = ref && strcmp(ref, p->found.commit) != 0
             ? weft_fmt("%s is commit %s", ref, p->found.commit)
             : weft_fmt("commit %s", p->found.commit);
    say(f->r, shown, is);
    return 0;
}

int weft_fetch_git(struct weft_fetch *f, struct weft_err **err)
{
    const char *const wanted[] = {f->r->dockerfile_name, NULL};
    const char *const *names = f->r->dockerfile_name ? wanted : usual_names;
    /* the Dockerfile is somewhere else, and only the directory is looked for */
    const char *const none[] = {NULL};
    bool inside = f->r->dockerfile_place == WEFT_DOCKERFILE_INSIDE;
    weft_auto_free char *shown = NULL;
    weft_auto_free char *text = NULL;
    auto_pin p = {0};
    int rc;

    if (pin_git(f, f->r->context_url, &p, err) < 0) {
        return -1;
    }
    shown = weft_git_url_shown(&p.url);
    rc = weft_git_remote_read(p.remote, p.found.object, inside ? names : none, &text, err);
    if (rc < 0 || (inside && rc > 0 && weft_fetch_see(f, text, strlen(text), err) < 0)) {
        return -1;
    }
    if (inside) {
        f->r->pinned.shown = weft_fmt("%s in %s", names[0], shown);
    }
    f->r->pinned.context = weft_git_url_pinned(&p.url, p.found.ref, p.found.object);
    f->r->pinned.context_plain = weft_git_url_pinned_plain(&p.url, p.found.object);
    return weft_rmtree(p.dir, err);
}

/* ---- named contexts ---- */

/* Where an image of `domain` is looked for first, "HOST[/PATH]". */
static int resolve_at(const struct weft_fetch *f, const char *at,
                      const struct weft_docker_config *docker, const struct weft_reference *ref,
                      char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    const char *slash = at ? strchr(at, '/') : NULL;
    weft_auto_free char *domain =
        !at ? weft_xstrdup(ref->domain)
            : weft_xstrndup(at, slash ? (size_t)(slash - at) : strlen(at));
    weft_auto_free char *path = slash ? weft_fmt("%s/%s", slash + 1, ref->path)
                                      : weft_xstrdup(ref->path);
    struct weft_registry *registry =
        weft_registry_open(&(struct weft_registry_opts){.domain = domain,
                                                        .path = path,
                                                        .hosts = &f->r->registries,
                                                        .docker = docker,
                                                        .cancel = f->cancel},
                           err);
    int rc = registry ? weft_registry_resolve(registry, ref->tag ? ref->tag : "latest", digest, err)
                      : -1;

    weft_registry_close(registry);
    return rc;
}

/* As BuildKit does: the mirrors first, and what is wrong with one is no matter. */
static int resolve(const struct weft_fetch *f, const struct weft_docker_config *docker,
                   const struct weft_reference *ref, char digest[WEFT_DIGEST_SIZE],
                   struct weft_err **err)
{
    const struct weft_registry_host *host =
        weft_registry_hosts_find(&f->r->registries, ref->domain);

    for (size_t i = 0; host && i < host->mirrors.n; i++) {
        weft_auto_err failed = NULL;
        int rc = resolve_at(f, host->mirrors.v[i], docker, ref, digest, &failed);

        if (rc > 0) {
            return 1;
        }
        if (failed && failed->code == WEFT_E_CANCELLED) {
            break;
        }
        weft_debug("mirror %s: %s", host->mirrors.v[i], failed ? failed->msg : "not there");
    }
    return resolve_at(f, NULL, docker, ref, digest, err);
}

static int pin_image(struct weft_fetch *f, struct weft_named_context *c, struct weft_err **err)
{
    const char *name = c->url + strlen("docker-image://");
    weft_auto_reference ref = {0};
    weft_auto_free char *full = NULL;
    struct weft_docker_config *docker;
    char digest[WEFT_DIGEST_SIZE];
    int rc;

    if (strcmp(name, "scratch") == 0) {
        c->pinned = weft_xstrdup(c->url);
        return 0;
    }
    if (weft_reference_parse(name, &ref, err) < 0) {
        return -1;
    }
    full = weft_reference_full(&ref);
    if (ref.digest) {
        c->pinned = weft_fmt("docker-image://%s", full);
        return 0;
    }
    docker = weft_docker_config_load(err);
    rc = docker ? resolve(f, docker, &ref, digest, err) : -1;
    weft_docker_config_destroy(docker);
    if (rc == 0) {
        return weft_fail(err, WEFT_E_USAGE, "there is no image %s", full);
    }
    if (rc < 0) {
        return -1;
    }
    say(f->r, full, digest);
    c->pinned = weft_fmt("docker-image://%s@%s", full, digest);
    return 0;
}

static int pin_named(struct weft_fetch *f, struct weft_named_context *c, struct weft_err **err)
{
    const char *const none[] = {NULL};
    weft_auto_free char *shown = NULL;
    weft_auto_free char *text = NULL;
    char digest[WEFT_DIGEST_SIZE];
    auto_pin p = {0};

    switch (c->kind) {
    case WEFT_CONTEXT_IMAGE:
        return pin_image(f, c, err);
    case WEFT_CONTEXT_HTTP:
        shown = weft_http_url_shown(c->url);
        if (download(f, c->url, NULL, 0, digest, err) < 0) {
            return -1;
        }
        say(f->r, shown, digest);
        add_rule(f, c->url, digest);
        c->pinned = weft_xstrdup(c->url);
        return 0;
    case WEFT_CONTEXT_GIT:
        if (pin_git(f, c->url, &p, err) < 0 ||
            weft_git_remote_read(p.remote, p.found.object, none, &text, err) < 0) {
            return -1;
        }
        c->pinned = weft_git_url_pinned(&p.url, p.found.ref, p.found.object);
        c->pinned_plain = weft_git_url_pinned_plain(&p.url, p.found.object);
        return weft_rmtree(p.dir, err);
    case WEFT_CONTEXT_DIR:
    case WEFT_CONTEXT_OCI_LAYOUT:
    default:
        return 0;
    }
}

int weft_fetch_named(struct weft_fetch *f, struct weft_err **err)
{
    for (size_t i = 0; i < f->r->n_contexts; i++) {
        struct weft_named_context *c = &f->r->contexts[i];

        if (pin_named(f, c, err) < 0) {
            return weft_err_wrap(err, "--build-context %s", c->name);
        }
    }
    return 0;
}
