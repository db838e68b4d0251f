/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/workdir.h"

enum {
    CANCEL_POLL_MS = 100, /* how often a thread that waits for another's blob looks at `cancel` */
    CONFIG_LIMIT = 16 << 20,
    MANIFESTS_LIMIT = 10000, /* per image: an index that names an index many times multiplies */
};

enum blob_state {
    BLOB_ABSENT,
    BLOB_BUSY,
    BLOB_DONE
};

/* What is known of one blob; entries live as long as the stage. */
struct blob {
    struct blob *next;
    enum blob_state state; /* BUSY: one thread is bringing it; others that want it wait */
    uint64_t size_bytes;   /* if DONE */
    char digest[WEFT_DIGEST_SIZE];
};

struct weft_stage {
    struct weft_workdir *workdir;
    char *layout_dir;
    char *blobs_dir;
    char *temp_dir;

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    struct blob *blobs;
    size_t n_copied;
};

/* ---- the stage ---- */

struct weft_stage *weft_stage_create(const char *dest, struct weft_err **err)
{
    struct weft_stage *s = weft_xcalloc(1, sizeof(*s));

    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->workdir = weft_workdir_create(dest, err);
    if (!s->workdir) {
        weft_stage_destroy(s);
        return NULL;
    }
    s->layout_dir = weft_path_join(s->workdir->path, "layout");
    s->blobs_dir = weft_path_join(s->layout_dir, "blobs/sha256");
    s->temp_dir = weft_path_join(s->workdir->path, "temp");
    /* the layout directory may become the destination: it gets the mode that mkdir gives, not the
     * 0700 around it */
    if (weft_mkdirs(s->temp_dir, 0700, err) < 0 || weft_mkdirs(s->layout_dir, 0777, err) < 0) {
        weft_stage_destroy(s);
        return NULL;
    }
    if (weft_mkdirs(s->blobs_dir, 0777, err) < 0) {
        weft_stage_destroy(s);
        return NULL;
    }
    return s;
}

void weft_stage_destroy(struct weft_stage *s)
{
    if (!s) {
        return;
    }
    weft_workdir_destroy(s->workdir);
    while (s->blobs) {
        struct blob *b = s->blobs;

        s->blobs = b->next;
        free(b);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->layout_dir);
    free(s->blobs_dir);
    free(s->temp_dir);
    free(s);
}

const char *weft_stage_layout_dir(const struct weft_stage *s)
{
    return s->layout_dir;
}

const char *weft_stage_blobs_dir(const struct weft_stage *s)
{
    return s->blobs_dir;
}

const char *weft_stage_temp_dir(const struct weft_stage *s)
{
    return s->temp_dir;
}

void weft_stage_counts(struct weft_stage *s, size_t *blobs, size_t *copied)
{
    *blobs = 0;
    pthread_mutex_lock(&s->lock);
    for (const struct blob *b = s->blobs; b; b = b->next) {
        *blobs += b->state == BLOB_DONE;
    }
    *copied = s->n_copied;
    pthread_mutex_unlock(&s->lock);
}

/* ---- one blob ---- */

static bool is_set(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

static void wait_changed(struct weft_stage *s)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CANCEL_POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

/*
 * Claim a blob: *out is the entry, BUSY and this thread's to bring, or DONE. Waits while another
 * thread brings it.
 */
static int claim(struct weft_stage *s, const char *digest, const atomic_bool *cancel,
                 struct blob **out, struct weft_err **err)
{
    struct blob *b;

    pthread_mutex_lock(&s->lock);
    for (b = s->blobs; b && strcmp(b->digest, digest) != 0; b = b->next) {
    }
    while (b && b->state == BLOB_BUSY && !is_set(cancel)) {
        wait_changed(s);
    }
    if (is_set(cancel)) {
        pthread_mutex_unlock(&s->lock);
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (!b) {
        b = weft_xcalloc(1, sizeof(*b));
        memcpy(b->digest, digest, WEFT_DIGEST_SIZE);
        b->next = s->blobs;
        s->blobs = b;
    }
    if (b->state == BLOB_ABSENT) {
        b->state = BLOB_BUSY;
    }
    *out = b;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void release(struct weft_stage *s, struct blob *b, enum blob_state state,
                    uint64_t size_bytes, bool copied)
{
    pthread_mutex_lock(&s->lock);
    b->state = state;
    b->size_bytes = size_bytes;
    s->n_copied += copied;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* The same error, but a file that is not there is a wrong image and not a refusal of the kernel. */
static int blob_failed(struct weft_err *cause, const char *digest, struct weft_err **err)
{
    if (cause->code == WEFT_E_IO && cause->sys == ENOENT) {
        weft_fail(err, WEFT_E_DIGEST, "blob %s is missing", digest);
    } else {
        weft_fail(err, cause->code, "blob %s: %s", digest, cause->msg);
        if (err) {
            (*err)->sys = cause->sys;
        }
    }
    return -1;
}

/*
 * Bring a blob from src: it is placed under a temporary name and checked there, so that what was
 * checked is what stays, also where it had to be copied. Returns enum weft_placed or -1.
 */
static int bring(struct weft_stage *s, const char *src, const char *digest, uint64_t size_bytes,
                 const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free char *temp = weft_path_join(s->temp_dir, weft_digest_hex(digest));
    weft_auto_free char *dst = weft_path_join(s->blobs_dir, weft_digest_hex(digest));
    int placed = weft_place_file(src, temp, size_bytes, err);

    if (placed < 0) {
        return -1;
    }
    if (weft_digest_check_file(temp, digest, size_bytes, cancel, err) < 0) {
        unlink(temp);
        return -1;
    }
    if (placed != WEFT_PLACED_LINK) {
        (void)chmod(temp,
                    0444); /* as BuildKit's store has it; a link has the store's mode already */
    }
    if (rename(temp, dst) < 0) {
        weft_fail_sys(err, errno, "make %s", dst);
        unlink(temp);
        return -1;
    }
    return placed;
}

static int take_blob(struct weft_stage *s, const char *blobs_dir, const struct weft_descriptor *d,
                     const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free char *src = weft_path_join(blobs_dir, weft_digest_hex(d->digest));
    weft_auto_err cause = NULL;
    struct blob *b;
    int placed;

    if (claim(s, d->digest, cancel, &b, err) < 0) {
        return -1;
    }
    if (b->state == BLOB_DONE) {
        return b->size_bytes == d->size_bytes
                   ? 0
                   : weft_fail(err, WEFT_E_DIGEST, "blob %s has %llu bytes where %llu are due",
                               d->digest, (unsigned long long)b->size_bytes,
                               (unsigned long long)d->size_bytes);
    }
    placed = bring(s, src, d->digest, d->size_bytes, cancel, &cause);
    if (placed < 0) {
        release(s, b, BLOB_ABSENT, 0, false);
        return blob_failed(cause, d->digest, err);
    }
    release(s, b, BLOB_DONE, d->size_bytes, placed == WEFT_PLACED_COPY);
    return 0;
}

int weft_stage_add_bytes(struct weft_stage *s, const void *data, size_t len,
                         char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    weft_auto_free char *dst = NULL;
    struct blob *b;

    weft_digest_bytes(data, len, digest);
    if (claim(s, digest, NULL, &b, err) < 0) {
        return -1;
    }
    if (b->state == BLOB_DONE) {
        return 0;
    }
    dst = weft_path_join(s->blobs_dir, weft_digest_hex(digest));
    if (weft_write_file(dst, data, len, 0444, err) < 0) {
        release(s, b, BLOB_ABSENT, 0, false);
        return -1;
    }
    release(s, b, BLOB_DONE, len, false);
    return 0;
}

/* ---- an image ---- */

void weft_image_finish(struct weft_image *image)
{
    for (size_t i = 0; i < image->n_manifests; i++) {
        weft_descriptor_finish(&image->manifests[i].desc);
    }
    for (size_t i = 0; i < image->n_attestations; i++) {
        weft_descriptor_finish(&image->attestations[i]);
    }
    free(image->manifests);
    free(image->attestations);
    weft_json_free(image->annotations);
    memset(image, 0, sizeof(*image));
}

/* What a walk through one image carries along. */
struct walk {
    struct weft_stage *stage;
    const char *blobs_dir;
    const struct weft_platform *platform;
    const atomic_bool *cancel;
    struct weft_image *image;
    size_t n_loaded;
};

/*
 * Read, check, parse and stage a manifest or an index. One read: what was checked is what is parsed
 * and what is staged. size_bytes < 0: not known.
 */
static int load(struct walk *w, const char *digest, int64_t size_bytes, const char *media_type,
                struct weft_manifest *out, size_t *len, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(w->blobs_dir, weft_digest_hex(digest));
    weft_auto_free char *data = NULL;
    weft_auto_err cause = NULL;
    char found[WEFT_DIGEST_SIZE];

    if (is_set(w->cancel)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (w->n_loaded++ >= MANIFESTS_LIMIT) {
        return weft_fail(err, WEFT_E_FORMAT, "more than %d manifests", MANIFESTS_LIMIT);
    }
    if (weft_read_file(path, WEFT_MANIFEST_LIMIT, &data, len, &cause) < 0) {
        return blob_failed(cause, digest, err);
    }
    weft_digest_bytes(data, *len, found);
    if (strcmp(found, digest) != 0) {
        return weft_fail(err, WEFT_E_DIGEST, "blob %s has the digest %s", digest, found);
    }
    if (size_bytes >= 0 && (uint64_t)size_bytes != *len) {
        return weft_fail(err, WEFT_E_DIGEST, "blob %s has %zu bytes where %lld are due", digest,
                         *len, (long long)size_bytes);
    }
    if (weft_manifest_parse(data, *len, media_type, out, err) < 0) {
        return weft_err_wrap(err, "%s", digest);
    }
    return weft_stage_add_bytes(w->stage, data, *len, found, err);
}

/* Config and layers of a manifest. */
static int take_content(struct walk *w, const struct weft_manifest *m, struct weft_err **err)
{
    if (take_blob(w->stage, w->blobs_dir, &m->config, w->cancel, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < m->n_children; i++) {
        weft_auto_err e = NULL;

        if (take_blob(w->stage, w->blobs_dir, &m->children[i], w->cancel, &e) == 0) {
            continue;
        }
        if (weft_descriptor_is_foreign(&m->children[i])) {
            weft_auto_free char *path =
                weft_path_join(w->blobs_dir, weft_digest_hex(m->children[i].digest));

            if (!weft_exists(path)) {
                continue;
            }
        }
        if (err) {
            *err = weft_steal(&e);
        }
        return -1;
    }
    return 0;
}

/* Give a descriptor the platform that was asked for, or else that of the image's config; what the
 * config says of a version of Windows goes with it. */
static int set_platform(struct walk *w, const struct weft_manifest *m, struct weft_descriptor *d,
                        struct weft_err **err)
{
    weft_auto_free char *path =
        weft_path_join(w->stage->blobs_dir, weft_digest_hex(m->config.digest));
    weft_auto_free char *config = NULL;
    struct weft_platform platform = {0};
    size_t len;

    if (w->platform && strcmp(w->platform->os, "windows") != 0) {
        weft_descriptor_set_platform(d, w->platform);
        return 0;
    }
    if (weft_read_file(path, CONFIG_LIMIT, &config, &len, err) < 0) {
        return -1;
    }
    if (w->platform) {
        platform = *w->platform;
    } else if (weft_config_platform(config, len, &platform, err) < 0) {
        return weft_err_wrap(err, "image config %s", m->config.digest);
    }
    weft_descriptor_set_platform(d, &platform);
    if (strcmp(platform.os, "windows") == 0) {
        weft_descriptor_set_os(d, config, len);
    }
    return 0;
}

/* Append a platform's manifest to the image; gives it a platform if its descriptor has none. */
static int add_manifest(struct walk *w, const struct weft_descriptor *d,
                        const struct weft_manifest *m, struct weft_err **err)
{
    struct weft_image *image = w->image;
    struct weft_image_manifest *out;

    image->manifests =
        weft_xrealloc(image->manifests, image->n_manifests + 1, sizeof(*image->manifests));
    out = &image->manifests[image->n_manifests++];
    memset(out, 0, sizeof(*out));
    weft_descriptor_copy(&out->desc, d);
    if (!d->has_platform && set_platform(w, m, &out->desc, err) < 0) {
        return -1;
    }
    memcpy(out->config_digest, m->config.digest, WEFT_DIGEST_SIZE);
    out->n_layers = m->n_children;
    for (size_t i = 0; i < m->n_children; i++) {
        out->layers_size_bytes += m->children[i].size_bytes;
    }
    return 0;
}

static void add_attestation(struct weft_image *image, const struct weft_descriptor *d)
{
    image->attestations =
        weft_xrealloc(image->attestations, image->n_attestations + 1, sizeof(*image->attestations));
    weft_descriptor_copy(&image->attestations[image->n_attestations++], d);
}

static int take_manifest(struct walk *w, const struct weft_descriptor *d,
                         const struct weft_manifest *m, struct weft_err **err)
{
    if (take_content(w, m, err) < 0) {
        return -1;
    }
    if (weft_descriptor_is_attestation(d)) {
        add_attestation(w->image, d);
        return 0;
    }
    return add_manifest(w, d, m, err);
}

static int take_index(struct walk *w, const struct weft_manifest *index, int depth,
                      struct weft_err **err)
{
    for (size_t i = 0; i < index->n_children; i++) {
        const struct weft_descriptor *d = &index->children[i];
        weft_auto_manifest m = {0};
        size_t len;
        int r;

        if (!weft_media_is_index(d->media_type) && !weft_media_is_manifest(d->media_type)) {
            weft_auto_free char *shown = weft_printable(d->media_type);

            return weft_fail(err, WEFT_E_FORMAT, "index entry %s of unknown type '%.100s'",
                             d->digest, shown);
        }
        if (load(w, d->digest, (int64_t)d->size_bytes, d->media_type, &m, &len, err) < 0) {
            return -1;
        }
        if (m.is_index && depth >= WEFT_INDEX_DEPTH) {
            return weft_fail(err, WEFT_E_FORMAT, "index %s lies more than %d deep", d->digest,
                             WEFT_INDEX_DEPTH);
        }
        r = m.is_index ? take_index(w, &m, depth + 1, err) : take_manifest(w, d, &m, err);
        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

static int take_root(struct walk *w, const char *root, struct weft_err **err)
{
    weft_auto_manifest m = {0};
    weft_auto_descriptor d = {0};
    size_t len;

    if (load(w, root, -1, NULL, &m, &len, err) < 0) {
        return -1;
    }
    w->image->was_index = m.is_index;
    if (!m.is_index) {
        weft_descriptor_init(&d, m.media_type, root, len, NULL);
        return take_manifest(w, &d, &m, err);
    }
    w->image->annotations = m.annotations ? weft_json_copy(m.annotations) : NULL;
    if (take_index(w, &m, 1, err) < 0) {
        return -1;
    }
    return w->image->n_manifests > 0
               ? 0
               : weft_fail(err, WEFT_E_FORMAT, "index %s names no image", root);
}

int weft_stage_take_image(struct weft_stage *s, const char *blobs_dir, const char *root,
                          const struct weft_platform *platform, const atomic_bool *cancel,
                          struct weft_image *image, struct weft_err **err)
{
    struct walk w = {
        .stage = s, .blobs_dir = blobs_dir, .platform = platform, .cancel = cancel, .image = image};

    if (!weft_digest_valid(root)) {
        weft_auto_free char *shown = weft_printable(root ? root : "");

        return weft_fail(err, WEFT_E_FORMAT, "'%.100s' is not a sha256 digest", shown);
    }
    if (take_root(&w, root, err) < 0) {
        weft_image_finish(image);
        return weft_err_wrap(err, "image %s", root);
    }
    return 0;
}
