/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/push_output.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/push.h"
#include "engine/request.h"
#include "engine/stage.h"

/* One output. */
struct target {
    const struct weft_output *output;
    struct weft_push *push;
    struct weft_push_counts *counts; /* one per platform, and one for the end */
};

struct weft_pushes {
    const struct weft_request *request;
    struct weft_docker_config *docker;
    struct target *targets;
    size_t n;
};

/* What all outputs that are pushed have in common. */
static int open_target(struct weft_pushes *p, const struct weft_output *o,
                       const struct weft_push_opts *common, struct weft_err **err)
{
    struct weft_push_opts opts = *common;
    struct target *t = &p->targets[p->n++];

    opts.names = &o->names;
    opts.by_digest = o->by_digest;
    opts.insecure = o->insecure;
    t->output = o;
    t->counts = weft_xcalloc(p->request->n_platforms + 1, sizeof(*t->counts));
    t->push = weft_push_create(&opts, err);
    return t->push ? 0 : -1;
}

struct weft_pushes *weft_pushes_create(const struct weft_request *r, const struct weft_strv *bases,
                                       bool verify, const char *state_dir,
                                       const atomic_bool *cancel, struct weft_err **err)
{
    struct weft_pushes *p = weft_xcalloc(1, sizeof(*p));
    struct weft_push_opts common = {
        .verify = verify,
        .mount_from = bases,
        .hosts = &r->registries,
        .state_dir = state_dir,
        .cancel = cancel,
    };

    p->request = r;
    p->targets = weft_xcalloc(r->n_outputs, sizeof(*p->targets));
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (!r->outputs[i].push) {
            continue;
        }
        if (!p->docker) {
            p->docker = weft_docker_config_load(err);
            common.docker = p->docker;
        }
        if (!p->docker || open_target(p, &r->outputs[i], &common, err) < 0) {
            weft_pushes_destroy(p);
            return NULL;
        }
    }
    return p;
}

void weft_pushes_destroy(struct weft_pushes *p)
{
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        weft_push_destroy(p->targets[i].push);
        free(p->targets[i].counts);
    }
    weft_docker_config_destroy(p->docker);
    free(p->targets);
    free(p);
}

bool weft_pushes_any(const struct weft_pushes *p)
{
    return p->n > 0;
}

int weft_pushes_check(struct weft_pushes *p, struct weft_err **err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (weft_push_check(p->targets[i].push, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int send(struct target *t, size_t i, const char *blobs_dir, const struct weft_image *image,
                struct weft_err **err)
{
    for (size_t k = 0; k < image->n_manifests; k++) {
        if (weft_push_image(t->push, blobs_dir, &image->manifests[k].desc, &t->counts[i], err) <
            0) {
            return -1;
        }
    }
    for (size_t k = 0; k < image->n_attestations; k++) {
        if (weft_push_image(t->push, blobs_dir, &image->attestations[k], &t->counts[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_pushes_send(struct weft_pushes *p, size_t i, const char *blobs_dir,
                     const struct weft_image *image, struct weft_err **err)
{
    for (size_t k = 0; k < p->n; k++) {
        if (send(&p->targets[k], i, blobs_dir, image, err) < 0) {
            return -1;
        }
    }
    return 0;
}

void weft_pushes_bytes(const struct weft_pushes *p, size_t i, uint64_t *done_bytes,
                       uint64_t *total_bytes)
{
    *done_bytes = 0;
    *total_bytes = 0;
    for (size_t k = 0; k < p->n; k++) {
        *done_bytes += (uint64_t)atomic_load(&p->targets[k].counts[i].sent_bytes);
        *total_bytes += (uint64_t)atomic_load(&p->targets[k].counts[i].total_bytes);
    }
}

/* For -D. */
static void log_counts(const struct weft_pushes *p, const struct target *t)
{
    int64_t bytes = 0;
    int sent = 0;
    int mounted = 0;
    int there = 0;

    for (size_t i = 0; i <= p->request->n_platforms; i++) {
        bytes += atomic_load(&t->counts[i].sent_bytes);
        sent += atomic_load(&t->counts[i].blobs_sent);
        mounted += atomic_load(&t->counts[i].blobs_mounted);
        there += atomic_load(&t->counts[i].blobs_there);
    }
    weft_debug("push to %s: %d blobs sent (%lld bytes), %d mounted, %d there already",
               t->output->names.v[0], sent, (long long)bytes, mounted, there);
}

int weft_pushes_commit(struct weft_pushes *p, const char *blobs_dir,
                       const struct weft_descriptor *root, struct weft_strv *done,
                       struct weft_err **err)
{
    for (size_t i = 0; i < p->n; i++) {
        struct target *t = &p->targets[i];

        if (weft_push_commit(t->push, blobs_dir, root, &t->counts[p->request->n_platforms], err) <
            0) {
            return -1;
        }
        weft_strv_concat(done, &t->output->names);
        log_counts(p, t);
    }
    return 0;
}

bool weft_pushes_tagging(const struct weft_pushes *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (atomic_load(&p->targets[i].counts[p->request->n_platforms].tags_begun) > 0) {
            return true;
        }
    }
    return false;
}
