/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/image_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/descriptor.h"
#include "engine/layer_read.h"
#include "engine/layout_name.h"
#include "engine/reference.h"
#include "engine/registry/client.h"

enum {
    INDEX_LIMIT_BYTES = 16 << 20,
    TAR_BLOBS_LIMIT = 100000,
};

static const char layout_scheme[] = "oci-layout://";
static const char image_scheme[] = "docker-image://";
static const char blobs_prefix[] = "blobs/sha256/";

/* A blob within a tar. */
struct tar_blob {
    char digest[WEFT_DIGEST_SIZE];
    uint64_t offset, size_bytes;
};

struct weft_image_source {
    char *name;
    char *wanted; /* a tag or a digest */
    const atomic_bool *cancel;
    /* one of these three */
    struct weft_registry *registry;
    char *blobs_dir;
    int tar; /* or -1 */

    struct weft_reference ref; /* of the registry */
    struct tar_blob *blobs;    /* of the tar, by digest */
    size_t n_blobs;
};

/* ---- names ---- */

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The tar that a name means, as "x.tar:1.2", and in *rest what is behind it. Caller frees; NULL: it
 * is none. */
static char *tar_of(const char *name, const char **rest)
{
    const char *end = name + strlen(name);

    for (;;) {
        weft_auto_free char *path = weft_xstrndup(name, (size_t)(end - name));

        if (is_file(path)) {
            *rest = end;
            return weft_steal(&path);
        }
        do {
            if (end == name) {
                return NULL;
            }
            end--;
        } while (*end != ':' && *end != '@');
    }
}

bool weft_image_source_is_local(const char *name)
{
    weft_auto_free char *dir = NULL;
    weft_auto_free char *index = NULL;
    weft_auto_free char *tar = NULL;
    const char *rest;

    if (weft_starts_with(name, layout_scheme) || weft_starts_with(name, "/") ||
        weft_starts_with(name, "./") || weft_starts_with(name, "../") || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return true;
    }
    if (weft_starts_with(name, image_scheme)) {
        return false;
    }
    dir = weft_xstrndup(name, strcspn(name, ":@"));
    index = weft_path_join(dir, "index.json");
    tar = tar_of(name, &rest);
    return tar || (*dir && weft_exists(index));
}

/* ---- tars ---- */

static int by_digest(const void *a, const void *b)
{
    return strcmp(((const struct tar_blob *)a)->digest, ((const struct tar_blob *)b)->digest);
}

static const struct tar_blob *find_blob(const struct weft_image_source *s, const char *digest)
{
    struct tar_blob key = {0};

    memcpy(key.digest, digest, WEFT_DIGEST_SIZE);
    return s->n_blobs > 0 ? bsearch(&key, s->blobs, s->n_blobs, sizeof(key), by_digest) : NULL;
}

static int read_at(int fd, const char *name, uint64_t offset, char *to, size_t len,
                   struct weft_err **err)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "read %s", name);
        }
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Append a part of the tar. */
static int read_part(const struct weft_image_source *s, uint64_t offset, uint64_t size_bytes,
                     size_t limit, struct weft_buf *out, struct weft_err **err)
{
    weft_auto_free char *bytes = NULL;

    if (size_bytes > limit) {
        return weft_fail(err, WEFT_E_FORMAT, "%s: a part of it has more than %zu bytes", s->name,
                         limit);
    }
    bytes = weft_alloc_bounded((size_t)size_bytes + 1, limit + 1, err);
    if (!bytes || read_at(s->tar, s->name, offset, bytes, (size_t)size_bytes, err) < 0) {
        return -1;
    }
    weft_buf_append(out, bytes, (size_t)size_bytes);
    return 0;
}

static void add_blob(struct weft_image_source *s, const char *hex, const struct weft_layer_entry *e)
{
    weft_auto_free char *digest = weft_fmt("sha256:%s", hex);

    if (weft_digest_valid(digest) && s->n_blobs < TAR_BLOBS_LIMIT) {
        s->blobs = weft_xgrow(s->blobs, s->n_blobs, sizeof(*s->blobs));
        s->blobs[s->n_blobs] =
            (struct tar_blob){.offset = e->data_offset, .size_bytes = e->size_bytes};
        memcpy(s->blobs[s->n_blobs++].digest, digest, WEFT_DIGEST_SIZE);
    }
}

/* Where its blobs are, and its index.json. */
static int read_tar(struct weft_image_source *s, uint64_t size_bytes, struct weft_buf *index,
                    struct weft_err **err)
{
    const struct weft_layer_input in = {
        .name = s->name, .fd = s->tar, .size_bytes = size_bytes, .cancel = s->cancel};
    weft_auto_layer l = weft_layer_open(&in, err);
    struct weft_layer_entry e;
    int r;

    if (!l) {
        return -1;
    }
    if (weft_layer_is_packed(l)) {
        weft_fail(err, WEFT_E_USAGE, "%s is packed", s->name);
        return weft_err_hint(err, "unpack it first, as with gunzip");
    }
    while ((r = weft_layer_next(l, &e, err)) == 1) {
        const char *path = weft_starts_with(e.path, "./") ? e.path + 2 : e.path;

        if (e.type != WEFT_LAYER_FILE) {
            continue;
        }
        if (weft_starts_with(path, blobs_prefix)) {
            add_blob(s, path + strlen(blobs_prefix), &e);
        } else if (strcmp(path, "index.json") == 0) {
            weft_buf_clear(index);
            if (read_part(s, e.data_offset, e.size_bytes, INDEX_LIMIT_BYTES, index, err) < 0) {
                return -1;
            }
        }
    }
    if (s->n_blobs > 0) {
        qsort(s->blobs, s->n_blobs, sizeof(*s->blobs), by_digest);
    }
    return r;
}

/* `rest`: ":TAG", "@DIGEST", or "". */
static int open_tar(struct weft_image_source *s, const char *path, const char *rest,
                    struct weft_err **err)
{
    weft_auto_buf index = {0};
    weft_auto_json doc = NULL;
    struct stat st;

    s->name = weft_xstrdup(path);
    s->tar = open(path, O_RDONLY | O_CLOEXEC);
    if (s->tar < 0 || fstat(s->tar, &st) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s", path, strerror(errno));
    }
    if (read_tar(s, (uint64_t)st.st_size, &index, err) < 0) {
        return -1;
    }
    if (index.len == 0) {
        weft_fail(err, WEFT_E_USAGE, "%s is not an OCI layout: it has no index.json", path);
        return weft_err_hint(err, "older versions of docker save write none");
    }
    if (*rest == '@') {
        if (!weft_digest_valid(rest + 1)) {
            return weft_fail(err, WEFT_E_USAGE,
                             "the digest is not \"sha256:\" and 64 hexadecimal digits");
        }
        s->wanted = weft_xstrdup(rest + 1);
        return 0;
    }
    doc = weft_json_parse(index.data, index.len, err);
    if (!doc) {
        return weft_err_wrap(err, "%s, index.json", path);
    }
    s->wanted = weft_layout_name_find(doc, path, *rest ? rest + 1 : NULL, err);
    return s->wanted ? 0 : -1;
}

/* ---- open and close ---- */

static int open_local(struct weft_image_source *s, const char *name, struct weft_err **err)
{
    weft_auto_free char *dir = NULL;
    weft_auto_free char *tar = NULL;
    const char *rest;

    if (weft_starts_with(name, layout_scheme)) {
        name += strlen(layout_scheme);
    }
    tar = tar_of(name, &rest);
    if (tar) {
        return open_tar(s, tar, rest, err);
    }
    if (weft_layout_name_parse(name, &dir, &s->wanted, err) < 0) {
        return -1;
    }
    s->blobs_dir = weft_path_join(dir, "blobs/sha256");
    s->name = weft_steal(&dir);
    return 0;
}

static int open_registry(struct weft_image_source *s, const struct weft_image_source_opts *opts,
                         struct weft_err **err)
{
    const char *name = opts->name;

    if (weft_starts_with(name, image_scheme)) {
        name += strlen(image_scheme);
    }
    if (weft_reference_parse(name, &s->ref, err) < 0) {
        return -1;
    }
    s->name = weft_reference_full(&s->ref);
    s->wanted = weft_xstrdup(s->ref.digest ? s->ref.digest : s->ref.tag ? s->ref.tag : "latest");
    s->registry = weft_registry_open(&(struct weft_registry_opts){.domain = s->ref.domain,
                                                                  .path = s->ref.path,
                                                                  .insecure = opts->insecure,
                                                                  .hosts = opts->hosts,
                                                                  .docker = opts->docker,
                                                                  .cancel = opts->cancel},
                                     err);
    return s->registry ? 0 : -1;
}

struct weft_image_source *weft_image_source_open(const struct weft_image_source_opts *opts,
                                                 struct weft_err **err)
{
    struct weft_image_source *s = weft_xcalloc(1, sizeof(*s));
    int rc;

    s->tar = -1;
    s->cancel = opts->cancel;
    rc = weft_image_source_is_local(opts->name) ? open_local(s, opts->name, err)
                                                : open_registry(s, opts, err);
    if (rc < 0) {
        weft_image_source_close(s);
        return NULL;
    }
    return s;
}

void weft_image_source_close(struct weft_image_source *s)
{
    if (s) {
        weft_registry_close(s->registry);
        weft_reference_finish(&s->ref);
        if (s->tar >= 0) {
            close(s->tar);
        }
        free(s->blobs);
        free(s->name);
        free(s->wanted);
        free(s->blobs_dir);
        free(s);
    }
}

const char *weft_image_source_name(const struct weft_image_source *s)
{
    return s->name;
}

const char *weft_image_source_wanted(const struct weft_image_source *s)
{
    return s->wanted;
}

int weft_image_source_fail_missing(const struct weft_image_source *s, const char *wanted,
                                   struct weft_err **err)
{
    const char *what = weft_digest_valid(wanted) ? "manifest" : "tag";

    if (s->registry) {
        weft_fail(err, WEFT_E_NET, "%s/%s: there is no %s %s", s->ref.domain, s->ref.path, what,
                  wanted);
        return weft_err_hint(err, "is the name right?");
    }
    return weft_fail(err, WEFT_E_FORMAT, "%s: there is no %s %s", s->name, what, wanted);
}

/* ---- blobs ---- */

/* A small blob of a layout or a tar, checked. */
static enum weft_image_found read_local(const struct weft_image_source *s, const char *digest,
                                        size_t limit, struct weft_buf *out, struct weft_err **err)
{
    weft_auto_free char *path = NULL;
    weft_auto_buf bytes = {0};
    weft_auto_free char *text = NULL;
    char found[WEFT_DIGEST_SIZE];
    size_t len = 0;

    if (s->blobs_dir) {
        path = weft_path_join(s->blobs_dir, weft_digest_hex(digest));
        if (!weft_exists(path)) {
            return WEFT_IMAGE_MISSING;
        }
        if (weft_read_file(path, limit, &text, &len, err) < 0) {
            return WEFT_IMAGE_ERROR;
        }
        weft_buf_append(&bytes, text, len);
    } else {
        const struct tar_blob *b = find_blob(s, digest);

        if (!b) {
            return WEFT_IMAGE_MISSING;
        }
        path = weft_fmt("%s, blob %s", s->name, digest);
        if (read_part(s, b->offset, b->size_bytes, limit, &bytes, err) < 0) {
            return WEFT_IMAGE_ERROR;
        }
    }
    weft_digest_bytes(bytes.data, bytes.len, found);
    if (strcmp(found, digest) != 0) {
        weft_fail(err, WEFT_E_DIGEST, "%s: its content is %s", path, found);
        return WEFT_IMAGE_ERROR;
    }
    weft_buf_append(out, bytes.data, bytes.len);
    return WEFT_IMAGE_FOUND;
}

enum weft_image_found weft_image_source_manifest(struct weft_image_source *s, const char *wanted,
                                                 struct weft_buf *out, char **media_type,
                                                 char digest[WEFT_DIGEST_SIZE],
                                                 struct weft_err **err)
{
    if (s->registry) {
        return (enum weft_image_found)weft_registry_get_manifest(s->registry, wanted, out,
                                                                 media_type, digest, err);
    }
    memcpy(digest, wanted, WEFT_DIGEST_SIZE);
    return read_local(s, wanted, WEFT_MANIFEST_LIMIT, out, err);
}

enum weft_image_found weft_image_source_blob(struct weft_image_source *s, const char *digest,
                                             size_t limit, struct weft_buf *out,
                                             struct weft_err **err)
{
    if (s->registry) {
        return (enum weft_image_found)weft_registry_get_blob(s->registry, digest, limit, out, err);
    }
    return read_local(s, digest, limit, out, err);
}

/* ---- large ones ---- */

void weft_image_file_finish(struct weft_image_file *f)
{
    if (f->fd >= 0 && !f->is_borrowed) {
        close(f->fd);
    }
    f->fd = -1;
}

static enum weft_image_found open_in_dir(const struct weft_image_source *s, const char *digest,
                                         struct weft_image_file *out, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(s->blobs_dir, weft_digest_hex(digest));
    struct stat st;

    out->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0 && errno == ENOENT) {
        return WEFT_IMAGE_MISSING;
    }
    if (out->fd < 0 || fstat(out->fd, &st) < 0) {
        weft_fail_sys(err, errno, "%s", path);
        return WEFT_IMAGE_ERROR;
    }
    out->size_bytes = (uint64_t)st.st_size;
    return WEFT_IMAGE_FOUND;
}

static enum weft_image_found open_in_registry(struct weft_image_source *s, const char *digest,
                                              uint64_t size_bytes, struct weft_image_file *out,
                                              struct weft_err **err)
{
    out->fd = weft_temp_unnamed(err);
    out->size_bytes = size_bytes;
    return out->fd < 0 ? WEFT_IMAGE_ERROR
                       : (enum weft_image_found)weft_registry_get_blob_file(
                             s->registry, digest, size_bytes, out->fd, err);
}

enum weft_image_found weft_image_source_open_blob(struct weft_image_source *s, const char *digest,
                                                  uint64_t size_bytes, struct weft_image_file *out,
                                                  struct weft_err **err)
{
    const struct tar_blob *b;
    enum weft_image_found found;

    if (s->registry) {
        found = open_in_registry(s, digest, size_bytes, out, err);
    } else if (s->blobs_dir) {
        found = open_in_dir(s, digest, out, err);
    } else {
        b = find_blob(s, digest);
        if (!b) {
            return WEFT_IMAGE_MISSING;
        }
        *out = (struct weft_image_file){
            .fd = s->tar, .is_borrowed = true, .offset = b->offset, .size_bytes = b->size_bytes};
        found = WEFT_IMAGE_FOUND;
    }
    if (found == WEFT_IMAGE_FOUND && out->size_bytes != size_bytes) {
        weft_fail(err, WEFT_E_DIGEST, "%s: blob %s has %llu bytes, and should have %llu", s->name,
                  digest, (unsigned long long)out->size_bytes, (unsigned long long)size_bytes);
        found = WEFT_IMAGE_ERROR;
    }
    if (found != WEFT_IMAGE_FOUND) {
        weft_image_file_finish(out);
    }
    return found;
}
