/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/source.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/dockerfile.h"
#include "engine/request.h"
#include "engine/source_parts.h"
#include "engine/unpack.h"

#define STDIN_NAME "standard input"

enum {
    POLL_MS = 100 /* how late an interrupted wait ends */
};

bool weft_source_is_local(const struct weft_request *r)
{
    for (size_t i = 0; i < r->n_contexts; i++) {
        if (r->contexts[i].url) {
            return false;
        }
    }
    return r->source == WEFT_SOURCE_DIR && r->dockerfile_place == WEFT_DOCKERFILE_FILE;
}

char *weft_fetch_path(struct weft_fetch *f, const char *name)
{
    return weft_fmt("%s/%s-%d", f->scratch, name, f->n_files++);
}

int weft_fetch_serve(struct weft_fetch *f, const char *name, const void *text, size_t len,
                     bool ignore_nothing, struct weft_err **err)
{
    static const char comment[] = "# as BuildKit has it for a context that is fetched\n";
    weft_auto_free char *dir = weft_fetch_path(f, "dockerfile");
    weft_auto_free char *file = weft_path_join(dir, name);

    if (weft_mkdirs(dir, 0700, err) < 0 || weft_write_file(file, text, len, 0600, err) < 0) {
        return -1;
    }
    if (ignore_nothing) {
        weft_auto_free char *ignore = weft_fmt("%s.dockerignore", file);

        if (weft_write_file(ignore, comment, strlen(comment), 0600, err) < 0) {
            return -1;
        }
    }
    f->r->pinned.seen = weft_xstrdup(file);
    f->r->dockerfile = weft_steal(&file);
    return 0;
}

int weft_fetch_see(struct weft_fetch *f, const void *text, size_t len, struct weft_err **err)
{
    weft_auto_free char *file = weft_fetch_path(f, "seen");

    if (weft_write_file(file, text, len, 0600, err) < 0) {
        return -1;
    }
    f->r->pinned.seen = weft_steal(&file);
    return 0;
}

/* ---- standard input ---- */

/* Append what is there to be read, up to `limit` bytes in all. Returns 1, or 0 at the end. */
static int read_stdin(const struct weft_fetch *f, struct weft_buf *b, size_t limit,
                      struct weft_err **err)
{
    char chunk[65536];

    for (;;) {
        struct pollfd p = {STDIN_FILENO, POLLIN, 0};
        size_t room = limit - b->len;
        ssize_t n;

        if (f->cancel && atomic_load(f->cancel)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        if (f->cancel && poll(&p, 1, POLL_MS) == 0) {
            continue;
        }
        n = read(STDIN_FILENO, chunk, room < sizeof(chunk) ? room : sizeof(chunk));
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (n < 0) {
            return weft_fail_sys(err, errno, STDIN_NAME);
        }
        weft_buf_append(b, chunk, (size_t)n);
        return n > 0;
    }
}

/* All of standard input, which is a Dockerfile; what was read of it is in b already. */
static int read_stdin_dockerfile(struct weft_fetch *f, struct weft_buf *b, bool ignore_nothing,
                                 struct weft_err **err)
{
    int rc;

    while ((rc = read_stdin(f, b, WEFT_DOCKERFILE_LIMIT + 1, err)) > 0) {
        if (b->len > WEFT_DOCKERFILE_LIMIT) {
            return weft_fail(err, WEFT_E_USAGE,
                             STDIN_NAME ": a Dockerfile has no more than %d bytes",
                             (int)WEFT_DOCKERFILE_LIMIT);
        }
    }
    if (rc < 0) {
        return -1;
    }
    if (b->len == 0) {
        return weft_fail(err, WEFT_E_USAGE, STDIN_NAME ", the Dockerfile, is empty");
    }
    f->r->pinned.shown = weft_xstrdup(STDIN_NAME);
    return weft_fetch_serve(f, "Dockerfile", b->data, b->len, ignore_nothing, err);
}

/* Read a file of the unpacked context, which no link in it may lead out of. */
static int read_inside(const char *dir, const char *name, char **text, size_t *len,
                       struct weft_err **err)
{
    weft_auto_free char *file = weft_path_join(dir, name);
    weft_auto_free char *shown = weft_printable(name);
    weft_auto_free char *real = realpath(file, NULL);
    weft_auto_free char *root = realpath(dir, NULL);
    weft_auto_free char *prefix = root ? weft_path_join(root, "") : NULL;
    struct stat st;

    if (!prefix) {
        return weft_fail_sys(err, errno, "%s", dir);
    }
    if (!real || !weft_starts_with(real, prefix)) {
        return weft_fail(err, WEFT_E_USAGE, "%s is a link that leads out of the archive", shown);
    }
    if (stat(real, &st) < 0 || !S_ISREG(st.st_mode)) {
        return weft_fail(err, WEFT_E_USAGE, "%s is not a regular file", shown);
    }
    return weft_read_file(real, WEFT_DOCKERFILE_LIMIT, text, len, err);
}

static bool is_inside(const char *dir, const char *name)
{
    weft_auto_free char *file = weft_path_join(dir, name);
    struct stat st;

    return lstat(file, &st) == 0;
}

static int serve_inside(struct weft_fetch *f, struct weft_err **err)
{
    const char *dir = f->r->context;
    const char *name = f->r->dockerfile_name;
    weft_auto_free char *shown = NULL;
    weft_auto_free char *text = NULL;
    size_t len;

    if (!name) {
        name = !is_inside(dir, "Dockerfile") && is_inside(dir, "dockerfile") ? "dockerfile"
                                                                             : "Dockerfile";
    }
    shown = weft_printable(name);
    if (!is_inside(dir, name)) {
        weft_fail(err, WEFT_E_USAGE, "there is no %s in the archive from " STDIN_NAME, shown);
        return weft_err_hint(err, "--file FILE, as it is called in the archive");
    }
    if (read_inside(dir, name, &text, &len, err) < 0) {
        return weft_err_wrap(err, "the archive from " STDIN_NAME);
    }
    f->r->pinned.shown = weft_fmt("%s in the archive from " STDIN_NAME, shown);
    return weft_fetch_serve(f, weft_path_base(name), text, len, true, err);
}

static int unpack_stdin(struct weft_fetch *f, const struct weft_buf *head, struct weft_err **err)
{
    struct weft_archive_input in = {.fd = STDIN_FILENO,
                                    .name = STDIN_NAME,
                                    .head = head->data,
                                    .head_len = head->len,
                                    .cancel = f->cancel};
    struct weft_unpacked u = {0};
    int rc = weft_unpack(&in, f->r->context, &u, err);

    if (rc == 0 && u.n_left_out > 0) {
        weft_auto_free char *shown = weft_printable(u.left_out);

        weft_warn("left out of the context, being no files: %s%s", shown,
                  u.n_left_out > 1 ? " and others" : "");
    }
    if (rc == 0) {
        f->r->pinned.identity = weft_xstrdup(u.digest);
    } else if (err && *err && (*err)->code == WEFT_E_FORMAT) {
        weft_err_hint(err, "a context on standard input is a tar, plain or compressed with gzip, "
                           "bzip2, xz or zstd; anything else is taken for a Dockerfile");
    }
    weft_unpacked_finish(&u);
    return rc;
}

/* "-": what it is, the first bytes say. */
static int fetch_stdin(struct weft_fetch *f, struct weft_err **err)
{
    struct weft_request *r = f->r;
    weft_auto_buf head = {0};
    int rc = 1;

    while (rc > 0 && head.len < WEFT_ARCHIVE_HEAD_BYTES) {
        rc = read_stdin(f, &head, WEFT_ARCHIVE_HEAD_BYTES, err);
    }
    if (rc < 0) {
        return -1;
    }
    if (head.len == 0) {
        weft_fail(err, WEFT_E_USAGE, STDIN_NAME " is empty");
        return weft_err_hint(err, "tar -c . | weft build [FLAGS] -, or weft build [FLAGS] - "
                                  "<Dockerfile");
    }
    if (weft_archive_kind(head.data, head.len) != WEFT_ARCHIVE_NONE) {
        if (unpack_stdin(f, &head, err) < 0) {
            return -1;
        }
        return r->dockerfile_place == WEFT_DOCKERFILE_INSIDE ? serve_inside(f, err) : 0;
    }
    if (r->dockerfile_name) {
        return weft_fail(err, WEFT_E_USAGE,
                         STDIN_NAME " is no archive, so it is the Dockerfile, and --file names "
                                    "another one");
    }
    return read_stdin_dockerfile(f, &head, true, err);
}

/* ---- all of it ---- */

/* A directory to serve, also where nobody will ask for it. */
static int make_context(struct weft_fetch *f, struct weft_err **err)
{
    f->r->context = weft_fetch_path(f, "context");
    return weft_mkdirs(f->r->context, 0700, err);
}

static int fetch_context(struct weft_fetch *f, struct weft_err **err)
{
    if (f->r->source == WEFT_SOURCE_DIR) {
        return 0;
    }
    if (make_context(f, err) < 0) {
        return -1;
    }
    switch (f->r->source) {
    case WEFT_SOURCE_STDIN:
        return fetch_stdin(f, err);
    case WEFT_SOURCE_GIT:
        return weft_fetch_git(f, err);
    case WEFT_SOURCE_HTTP:
        return weft_fetch_http(f, err);
    case WEFT_SOURCE_DIR:
    default:
        return 0;
    }
}

static int fetch_dockerfile(struct weft_fetch *f, struct weft_err **err)
{
    weft_auto_buf text = {0};

    switch (f->r->dockerfile_place) {
    case WEFT_DOCKERFILE_FILE:
        f->r->pinned.seen = weft_xstrdup(f->r->dockerfile);
        f->r->pinned.shown = weft_xstrdup(f->r->dockerfile);
        return 0;
    case WEFT_DOCKERFILE_STDIN:
        return read_stdin_dockerfile(f, &text, false, err);
    case WEFT_DOCKERFILE_URL:
        return weft_fetch_dockerfile(f, err);
    case WEFT_DOCKERFILE_INSIDE: /* comes with the context */
    default:
        return 0;
    }
}

int weft_source_fetch(struct weft_request *r, const char *scratch, const atomic_bool *cancel,
                      struct weft_err **err)
{
    struct weft_fetch f = {.r = r, .scratch = scratch, .cancel = cancel};
    int rc = fetch_dockerfile(&f, err) < 0 || fetch_context(&f, err) < 0 ||
                     weft_fetch_named(&f, err) < 0 || weft_fetch_write_policy(&f, err) < 0
                 ? -1
                 : 0;

    weft_json_free(f.rules);
    return rc;
}
