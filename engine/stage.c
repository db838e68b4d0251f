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
    enum weft_stage_blobs layers;

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

void weft_stage_set_blobs(struct weft_stage *s, enum weft_stage_blobs blobs)
{
    s->layers = blobs;
}

enum weft_stage_blobs weft_stage_blobs(const struct weft_stage *s)
{
    return s->layers;
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

int weft_stage_blob_failed(struct weft_err *cause, const char *digest, struct weft_err **err)
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
                 bool check, const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free char *temp = weft_path_join(s->temp_dir, weft_digest_hex(digest));
    weft_auto_free char *dst = weft_path_join(s->blobs_dir, weft_digest_hex(digest));
    int placed = weft_place_file(src, temp, size_bytes, err);

    if (placed < 0) {
        return -1;
    }
    if (check && weft_digest_check_file(temp, digest, size_bytes, cancel, err) < 0) {
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

int weft_stage_add_blob(struct weft_stage *s, const char *blobs_dir,
                        const struct weft_descriptor *d, bool check, const atomic_bool *cancel,
                        struct weft_err **err)
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
    placed = bring(s, src, d->digest, d->size_bytes, check, cancel, &cause);
    if (placed < 0) {
        release(s, b, BLOB_ABSENT, 0, false);
        return weft_stage_blob_failed(cause, d->digest, err);
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
