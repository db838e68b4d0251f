/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image consists of, read from a ".../blobs/sha256" directory: its manifests, with their
 * bytes, and its blobs, by name only. Knows no registry.
 */
#ifndef WEFT_ENGINE_REGISTRY_CONTENT_H
#define WEFT_ENGINE_REGISTRY_CONTENT_H

#include <stddef.h>

#include "engine/descriptor.h"

struct weft_err;

/** A manifest or an index, checked against its digest. */
struct weft_content_manifest {
    struct weft_descriptor desc;
    char *data;
    size_t len;
};

/** Start from {0}; end with weft_content_finish. */
struct weft_content {
    struct weft_content_manifest *manifests; /* each once, children before parents: the root is the
                                                last one */
    size_t n_manifests;
    struct weft_descriptor *blobs; /* configs and layers, each once; foreign layers are left out */
    size_t n_blobs;
};

/**
 * The descriptor of a manifest or an index of which only the digest is known: size and type are
 * those that it has. `out` is zeroed; the caller finishes it. Errors: as weft_content_read.
 */
int weft_content_root(const char *blobs_dir, const char *digest, struct weft_descriptor *out,
                      struct weft_err **err);

/**
 * Read what `root` refers to. Errors: WEFT_E_FORMAT, WEFT_E_DIGEST (a manifest that is not what its
 * name says; the file is named), WEFT_E_IO (also one that is missing).
 */
int weft_content_read(const char *blobs_dir, const struct weft_descriptor *root,
                      struct weft_content *out, struct weft_err **err);
void weft_content_finish(struct weft_content *c);
#define weft_auto_content __attribute__((cleanup(weft_content_finish))) struct weft_content

#endif
