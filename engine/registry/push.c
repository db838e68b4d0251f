/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/reference.h"
#include "engine/registry/blob_homes.h"
#include "engine/registry/client.h"
#include "engine/registry/content.h"
#include "engine/registry/turns.h"

enum {
    MOUNT_TRIES = 4 /* repositories that are asked for one blob */
};

/* One repository. */
struct target {
    size_t number;
    char *domain;
    char *path;
    struct weft_strv names; /* of the caller's: those in this repository */
    struct weft_strv tags;  /* of the names, in the same order; none where by_digest */
    struct weft_registry *registry;
};

struct weft_push {
    struct weft_push_opts opts;
    struct target *targets;
    size_t n_targets;
    struct weft_reference *mount_from;
    size_t n_mount_from;
    struct weft_turns turns;
    pthread_mutex_t lock;         /* for all that follows */
    struct weft_blob_homes homes; /* that were known before */
    struct weft_blob_homes learned;
    struct weft_blob_homes unlearned;
};

/* ---- making and freeing ---- */

/* The repository of a name, which is made where it is new. */
static struct target *target_of(struct weft_push *p, const struct weft_reference *ref)
{
    struct target *t;

    for (size_t i = 0; i < p->n_targets; i++) {
        t = &p->targets[i];
        if (strcmp(t->domain, ref->domain) == 0 && strcmp(t->path, ref->path) == 0) {
            return t;
        }
    }
    p->targets = weft_xgrow(p->targets, p->n_targets, sizeof(*p->targets));
    t = &p->targets[p->n_targets];
    *t = (struct target){.number = p->n_targets++,
                         .domain = weft_xstrdup(ref->domain),
                         .path = weft_xstrdup(ref->path)};
    return t;
}

static int add_name(struct weft_push *p, const char *name, struct weft_err **err)
{
    weft_auto_reference ref = {0};
    weft_auto_free char *full = NULL;
    struct target *t;

    if (weft_reference_parse(name, &ref, err) < 0) {
        return -1;
    }
    if (ref.digest) {
        return weft_fail(err, WEFT_E_USAGE, "%s: a push takes no digest, it gives one", name);
    }
    if (p->opts.by_digest && ref.tag) {
        return weft_fail(err, WEFT_E_USAGE, "%s: a push by digest sets no tag", name);
    }
    full = p->opts.by_digest ? weft_fmt("%s/%s", ref.domain, ref.path) : weft_reference_full(&ref);
    t = target_of(p, &ref);
    if (weft_strv_has(&t->names, full)) {
        return 0;
    }
    weft_strv_take(&t->names, weft_steal(&full));
    if (!p->opts.by_digest) {
        weft_strv_add(&t->tags, ref.tag ? ref.tag : "latest");
    }
    return 0;
}

static void add_mount_from(struct weft_push *p, const struct weft_strv *refs)
{
    p->mount_from = weft_xcalloc(refs->n ? refs->n : 1, sizeof(*p->mount_from));
    for (size_t i = 0; i < refs->n; i++) {
        if (weft_reference_parse(refs->v[i], &p->mount_from[p->n_mount_from], NULL) == 0) {
            p->n_mount_from++; /* it is a hint only */
        }
    }
}

static int open_registry(struct weft_push *p, struct target *t, struct weft_err **err)
{
    const struct weft_registry_opts o = {
        .domain = t->domain,
        .path = t->path,
        .push = true,
        .insecure = p->opts.insecure,
        .hosts = p->opts.hosts,
        .docker = p->opts.docker,
        .cancel = p->opts.cancel,
    };

    t->registry = weft_registry_open(&o, err);
    return t->registry ? 0 : weft_err_wrap(err, "push %s", t->names.v[0]);
}

static int set_up(struct weft_push *p, struct weft_err **err)
{
    for (size_t i = 0; i < p->opts.names->n; i++) {
        if (add_name(p, p->opts.names->v[i], err) < 0) {
            return -1;
        }
    }
    if (p->n_targets == 0) {
        return weft_fail(err, WEFT_E_USAGE, "a push needs a name to push to");
    }
    for (size_t i = 0; i < p->n_targets; i++) {
        if (open_registry(p, &p->targets[i], err) < 0) {
            return -1;
        }
    }
    if (p->opts.mount_from) {
        add_mount_from(p, p->opts.mount_from);
    }
    if (p->opts.state_dir) {
        weft_blob_homes_load(p->opts.state_dir, &p->homes);
    }
    return 0;
}

struct weft_push *weft_push_create(const struct weft_push_opts *opts, struct weft_err **err)
{
    struct weft_push *p = weft_xcalloc(1, sizeof(*p));

    p->opts = *opts;
    pthread_mutex_init(&p->lock, NULL);
    weft_turns_init(&p->turns, opts->cancel);
    if (set_up(p, err) < 0) {
        weft_push_destroy(p);
        return NULL;
    }
    return p;
}

static void target_finish(struct target *t)
{
    weft_registry_close(t->registry);
    free(t->domain);
    free(t->path);
    weft_strv_finish(&t->names);
    weft_strv_finish(&t->tags);
}

void weft_push_destroy(struct weft_push *p)
{
    weft_auto_err err = NULL;

    if (!p) {
        return;
    }
    if (p->opts.state_dir && (p->learned.n > 0 || p->unlearned.n > 0) &&
        weft_blob_homes_save(p->opts.state_dir, &p->learned, &p->unlearned, &err) < 0) {
        weft_debug("what the registries have is not remembered: %s", err->msg);
    }
    for (size_t i = 0; i < p->n_targets; i++) {
        target_finish(&p->targets[i]);
    }
    free(p->targets);
    for (size_t i = 0; i < p->n_mount_from; i++) {
        weft_reference_finish(&p->mount_from[i]);
    }
    free(p->mount_from);
    weft_blob_homes_finish(&p->homes);
    weft_blob_homes_finish(&p->learned);
    weft_blob_homes_finish(&p->unlearned);
    weft_turns_finish(&p->turns);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool cancelled(const struct weft_push *p)
{
    return p->opts.cancel && atomic_load(p->opts.cancel);
}

static void learn(struct weft_push *p, const struct target *t, const char *digest, const char *path,
                  bool has)
{
    pthread_mutex_lock(&p->lock);
    weft_blob_homes_add(has ? &p->learned : &p->unlearned, t->domain, digest, path);
    pthread_mutex_unlock(&p->lock);
}

/* ---- mounting ---- */

static void add_candidate(struct weft_strv *out, const struct target *t, const char *path)
{
    if (out->n < MOUNT_TRIES && strcmp(path, t->path) != 0 && !weft_strv_has(out, path)) {
        weft_strv_add(out, path);
    }
}

/* Repositories of the same host that may have the blob, the likeliest first. */
static void find_candidates(struct weft_push *p, const struct target *t, const char *digest,
                            struct weft_strv *out)
{
    const struct weft_strv *known;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *other = &p->targets[i];

        if (strcmp(other->domain, t->domain) == 0 &&
            weft_turns_there(&p->turns, other->number, digest)) {
            add_candidate(out, t, other->path);
        }
    }
    known = weft_blob_homes_find(&p->homes, t->domain, digest);
    for (size_t i = known ? known->n : 0; i-- > 0;) { /* the newest first */
        add_candidate(out, t, known->v[i]);
    }
    for (size_t i = 0; i < p->n_mount_from; i++) {
        if (strcmp(p->mount_from[i].domain, t->domain) == 0) {
            add_candidate(out, t, p->mount_from[i].path);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

/* Returns 1, 0 (it has to be sent) or -1 (cancelled). A registry that does not want to, or does not
 * let us look into the other repository, is no reason to give up. */
static int mount(struct weft_push *p, struct target *t, const char *digest, struct weft_err **err)
{
    weft_auto_strv candidates = {0};

    find_candidates(p, t, digest, &candidates);
    for (size_t i = 0; i < candidates.n; i++) {
        weft_auto_err why = NULL;
        int rc = weft_registry_mount_blob(t->registry, digest, candidates.v[i], &why);

        if (rc > 0) {
            weft_debug("%s/%s: %s is mounted from %s", t->domain, t->path, digest, candidates.v[i]);
            return 1;
        }
        if (rc < 0 && cancelled(p)) {
            return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
        }
        weft_debug("%s/%s: %s cannot be mounted from %s%s%s", t->domain, t->path, digest,
                   candidates.v[i], rc < 0 ? ": " : "", rc < 0 ? why->msg : "");
        if (rc == 0) {
            learn(p, t, digest, candidates.v[i], false);
        }
    }
    return 0;
}

/* ---- blobs ---- */

/* One call of weft_push_image or _commit, for one repository: its threads take the blobs from the
 * front. */
struct batch {
    struct weft_push *p;
    struct target *t;
    const char *blobs_dir;
    const struct weft_descriptor **blobs; /* the largest first */
    size_t n;
    struct weft_push_counts *counts;
    pthread_mutex_t lock; /* for what follows */
    size_t next;
    struct weft_err *err; /* the first one: no more blobs are begun */
};

static int check_file(const struct batch *b, const struct weft_descriptor *d, const char *file,
                      struct weft_err **err)
{
    struct stat st;

    if (b->p->opts.verify) {
        return weft_digest_check_file(file, d->digest, d->size_bytes, b->p->opts.cancel, err);
    }
    if (stat(file, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", file);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size_bytes) {
        return weft_fail(err, WEFT_E_DIGEST, "%s has %lld bytes where %llu are due", file,
                         (long long)st.st_size, (unsigned long long)d->size_bytes);
    }
    return 0;
}

static int upload(const struct batch *b, const struct weft_descriptor *d, struct weft_err **err)
{
    weft_auto_free char *file = weft_path_join(b->blobs_dir, weft_digest_hex(d->digest));
    int rc;

    if (check_file(b, d, file, err) < 0 || weft_turns_begin_upload(&b->p->turns, err) < 0) {
        return -1;
    }
    atomic_fetch_add(&b->counts->total_bytes, (int64_t)d->size_bytes);
    rc = weft_registry_put_blob(b->t->registry, d->digest, d->size_bytes, file,
                                &b->counts->sent_bytes, err);
    weft_turns_end_upload(&b->p->turns);
    if (rc < 0) {
        atomic_fetch_sub(&b->counts->total_bytes, (int64_t)d->size_bytes);
    }
    return rc;
}

/* The blob is claimed. */
static int bring(const struct batch *b, const struct weft_descriptor *d, struct weft_err **err)
{
    int rc = weft_registry_has_blob(b->t->registry, d->digest, err);

    if (rc > 0) {
        atomic_fetch_add(&b->counts->blobs_there, 1);
        return 0;
    }
    if (rc == 0) {
        rc = mount(b->p, b->t, d->digest, err);
        if (rc > 0) {
            atomic_fetch_add(&b->counts->blobs_mounted, 1);
            return 0;
        }
    }
    if (rc < 0 || upload(b, d, err) < 0) {
        return -1;
    }
    atomic_fetch_add(&b->counts->blobs_sent, 1);
    return 0;
}

static int push_blob(const struct batch *b, const struct weft_descriptor *d, struct weft_err **err)
{
    int rc = weft_turns_claim(&b->p->turns, b->t->number, d->digest, err);

    if (rc <= 0) {
        return rc;
    }
    rc = bring(b, d, err);
    weft_turns_release(&b->p->turns, b->t->number, d->digest, rc == 0);
    if (rc == 0) {
        learn(b->p, b->t, d->digest, b->t->path, true);
    }
    return rc;
}

static void *work(void *data)
{
    struct batch *b = data;

    for (;;) {
        struct weft_err *err = NULL;
        const struct weft_descriptor *d = NULL;

        pthread_mutex_lock(&b->lock);
        if (!b->err && b->next < b->n) {
            d = b->blobs[b->next++];
        }
        pthread_mutex_unlock(&b->lock);
        if (!d) {
            return NULL;
        }
        if (push_blob(b, d, &err) < 0) {
            pthread_mutex_lock(&b->lock);
            if (b->err) {
                weft_err_free(err);
            } else {
                b->err = err;
            }
            pthread_mutex_unlock(&b->lock);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const struct weft_descriptor *x = *(const struct weft_descriptor *const *)a;
    const struct weft_descriptor *y = *(const struct weft_descriptor *const *)b;

    return x->size_bytes < y->size_bytes ? 1 : x->size_bytes > y->size_bytes ? -1 : 0;
}

static int push_blobs(struct weft_push *p, struct target *t, const char *blobs_dir,
                      const struct weft_content *c, struct weft_push_counts *counts,
                      struct weft_err **err)
{
    weft_auto_free const struct weft_descriptor **blobs =
        weft_xcalloc(c->n_blobs + 1, sizeof(struct weft_descriptor *));
    struct batch b = {
        .p = p, .t = t, .blobs_dir = blobs_dir, .blobs = blobs, .n = c->n_blobs, .counts = counts};
    pthread_t threads[WEFT_TURNS_UPLOADS - 1];
    size_t n = 0;

    for (size_t i = 0; i < c->n_blobs; i++) {
        blobs[i] = &c->blobs[i];
    }
    qsort(blobs, b.n, sizeof(struct weft_descriptor *), by_size);
    pthread_mutex_init(&b.lock, NULL);
    /* without threads it goes on alone */
    while (n < WEFT_TURNS_UPLOADS - 1 && n + 1 < b.n &&
           pthread_create(&threads[n], NULL, work, &b) == 0) {
        n++;
    }
    work(&b);
    while (n > 0) {
        pthread_join(threads[--n], NULL);
    }
    pthread_mutex_destroy(&b.lock);
    if (b.err) {
        if (err) {
            *err = b.err;
        } else {
            weft_err_free(b.err);
        }
        return -1;
    }
    return 0;
}

/* ---- manifests, and all together ---- */

static int push_manifest(struct weft_push *p, struct target *t,
                         const struct weft_content_manifest *m, struct weft_err **err)
{
    int rc = weft_turns_claim(&p->turns, t->number, m->desc.digest, err);

    if (rc <= 0) {
        return rc;
    }
    rc = weft_registry_put_manifest(t->registry, m->desc.digest, m->desc.media_type, m->data,
                                    m->len, err);
    weft_turns_release(&p->turns, t->number, m->desc.digest, rc == 0);
    return rc;
}

/* Blobs, then the manifests that are not the root; the root by digest if it is wanted. */
static int push_content(struct weft_push *p, struct target *t, const char *blobs_dir,
                        const struct weft_content *c, bool root_too,
                        struct weft_push_counts *counts, struct weft_err **err)
{
    size_t n = root_too ? c->n_manifests : c->n_manifests - 1;

    if (push_blobs(p, t, blobs_dir, c, counts, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (push_manifest(p, t, &c->manifests[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int push_everywhere(struct weft_push *p, const char *blobs_dir, const struct weft_content *c,
                           bool root_too, struct weft_push_counts *counts, struct weft_err **err)
{
    for (size_t i = 0; i < p->n_targets; i++) {
        struct target *t = &p->targets[i];

        if (push_content(p, t, blobs_dir, c, root_too, counts, err) < 0) {
            return weft_err_wrap(err, "push %s", t->names.v[0]);
        }
    }
    return 0;
}

int weft_push_image(struct weft_push *p, const char *blobs_dir, const struct weft_descriptor *root,
                    struct weft_push_counts *counts, struct weft_err **err)
{
    weft_auto_content c = {0};
    struct weft_push_counts uncounted = {0};

    if (weft_content_read(blobs_dir, root, &c, err) < 0) {
        return weft_err_wrap(err, "push %s", p->targets[0].names.v[0]);
    }
    return push_everywhere(p, blobs_dir, &c, weft_media_is_manifest(root->media_type),
                           counts ? counts : &uncounted, err);
}

/* Name the tags that have moved already: the user has to know. */
static int tag_failed(const struct weft_strv *set, const char *name, struct weft_err **err)
{
    weft_err_wrap(err, "push %s", name);
    if (set->n > 0) {
        weft_auto_free char *list = weft_strv_join(set, ", ");

        weft_err_wrap(err, "%s pushed, but then", list);
    }
    return -1;
}

static int set_tags(struct weft_push *p, const struct weft_content_manifest *root,
                    struct weft_push_counts *counts, struct weft_err **err)
{
    weft_auto_strv set = {0};

    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *t = &p->targets[i];

        for (size_t k = 0; k < t->tags.n; k++) {
            atomic_fetch_add(&counts->tags_begun, 1);
            if (weft_registry_put_manifest(t->registry, t->tags.v[k], root->desc.media_type,
                                           root->data, root->len, err) < 0) {
                return tag_failed(&set, t->names.v[k], err);
            }
            weft_strv_add(&set, t->names.v[k]);
        }
    }
    return 0;
}

int weft_push_commit(struct weft_push *p, const char *blobs_dir, const struct weft_descriptor *root,
                     struct weft_push_counts *counts, struct weft_err **err)
{
    weft_auto_content c = {0};
    struct weft_push_counts uncounted = {0};

    counts = counts ? counts : &uncounted;
    if (weft_content_read(blobs_dir, root, &c, err) < 0) {
        return weft_err_wrap(err, "push %s", p->targets[0].names.v[0]);
    }
    if (push_everywhere(p, blobs_dir, &c, p->opts.by_digest, counts, err) < 0) {
        return -1;
    }
    return set_tags(p, &c.manifests[c.n_manifests - 1], counts, err);
}

int weft_push_check(struct weft_push *p, struct weft_err **err)
{
    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *t = &p->targets[i];

        if (weft_registry_check(t->registry, err) < 0) {
            return weft_err_wrap(err, "push %s", t->names.v[0]);
        }
    }
    return 0;
}
