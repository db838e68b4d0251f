/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image, or the images of several platforms and their index, to the registries that its names
 * say: blobs as soon as a platform has them, tags last. Works on a ".../blobs/sha256" directory: a
 * stage's, or a layout's. Blocking; weft_push_image may be called from several threads at once.
 */
#ifndef WEFT_ENGINE_REGISTRY_PUSH_H
#define WEFT_ENGINE_REGISTRY_PUSH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_docker_config;
struct weft_descriptor;
struct weft_err;
struct weft_push;
struct weft_registry_hosts;
struct weft_strv;

/** What a caller says. All is borrowed until weft_push_destroy. */
struct weft_push_opts {
    const struct weft_strv *names; /* full references; several tags of one repository are one
                                      upload */
    bool by_digest;                /* push-by-digest=true: no tag is set; the names have none */
    bool insecure;                 /* registry.insecure=true */
    bool verify; /* the blobs are somebody else's: each is read and checked before it is sent */
    const struct weft_strv *mount_from; /* full references whose repositories may have the blobs:
                                           base images; or NULL */
    const struct weft_registry_hosts *hosts; /* or NULL */
    const struct weft_docker_config *docker; /* or NULL */
    const char *state_dir; /* where to remember which repository has which blob, to mount from it
                              next time; or NULL */
    const atomic_bool *cancel; /* or NULL */
};

/** How far it is; read at any time. Start from {0}. A blob counts once per repository. */
struct weft_push_counts {
    _Atomic int64_t sent_bytes;
    _Atomic int64_t
        total_bytes; /* of the blobs that are, or were, to be sent, as far as is known */
    _Atomic int blobs_sent;
    _Atomic int blobs_mounted;
    _Atomic int blobs_there; /* the registry had them */
    _Atomic int tags_begun;  /* requests that set a tag: an answer need not have come */
};

/** Nothing is sent yet. Errors: WEFT_E_USAGE, WEFT_E_IO. */
struct weft_push *weft_push_create(const struct weft_push_opts *opts, struct weft_err **err);

/** Writes down what was learned about the registries (a failure is logged); NULL is fine. */
void weft_push_destroy(struct weft_push *p);

/** Ask each registry whether it lets us write, so that a wrong password shows before a build of an
 * hour. Errors: as engine/registry/client.h, and WEFT_E_USAGE; the name is in the message. */
int weft_push_check(struct weft_push *p, struct weft_err **err);

/**
 * Send all that `root` (a manifest or an index, of which everything is in `blobs_dir`) refers to,
 * children before parents, and its manifests by digest, byte for byte; foreign layers stay where
 * they are. An index as root is not sent itself: of a platform's own index nothing remains after a
 * merge. No tag changes. Blobs that the registry has, or that it mounts, are not sent; a blob that
 * two threads want is sent once. `counts` may be NULL. Errors: as engine/registry/client.h,
 * WEFT_E_FORMAT, WEFT_E_DIGEST (a blob of the directory is not what its name says, the file is
 * named), WEFT_E_IO; the name that it was for is in the message. After an error the call can be
 * repeated: what was sent is known.
 */
int weft_push_image(struct weft_push *p, const char *blobs_dir, const struct weft_descriptor *root,
                    struct weft_push_counts *counts, struct weft_err **err);

/** Send what is still missing of `root`, to all repositories, then set the tags, one after another,
 * each by one request that has all of `root` in it. Errors: as above; tags that were set before the
 * failure are named. */
int weft_push_commit(struct weft_push *p, const char *blobs_dir, const struct weft_descriptor *root,
                     struct weft_push_counts *counts, struct weft_err **err);

#endif
