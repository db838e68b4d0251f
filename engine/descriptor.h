/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI descriptors, manifests and indexes, read from bytes that somebody else wrote. Knows no files:
 * bytes in, checked structures out. What is checked here (digests that are safe as file names,
 * sizes, media types that agree, a document that is either a manifest or an index) need not be
 * checked by any reader again. Docker's media types count as well. A descriptor keeps its JSON, so
 * that fields that weft does not know survive when it is written elsewhere.
 */
#ifndef WEFT_ENGINE_DESCRIPTOR_H
#define WEFT_ENGINE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "platforms/platform.h"

struct weft_err;
struct weft_json;

enum {
    WEFT_MANIFEST_LIMIT =
        4 << 20,          /* bytes of a manifest or an index; registries have the same limit */
    WEFT_INDEX_DEPTH = 2, /* an index may hold an index, which holds manifests */
};

#define WEFT_MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define WEFT_MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define WEFT_MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define WEFT_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

/** One descriptor. Start from {0}; end with weft_descriptor_finish. */
struct weft_descriptor {
    struct weft_json *json; /* all of it, as it was read */
    const char *media_type; /* borrowed from json */
    char digest[WEFT_DIGEST_SIZE];
    uint64_t size_bytes;
    bool has_platform;
    struct weft_platform platform; /* normalised; only if has_platform */
};

/** A parsed manifest or index. Start from {0}; end with weft_manifest_finish. */
struct weft_manifest {
    bool is_index;
    const char *media_type;           /* never NULL; one of WEFT_MEDIA_*. A constant */
    struct weft_descriptor config;    /* manifest only */
    struct weft_descriptor *children; /* a manifest's layers, or an index's manifests */
    size_t n_children;
    struct weft_json *annotations; /* of the document itself, or NULL */
};

/**
 * Read a descriptor from its JSON, which is copied. Errors: WEFT_E_FORMAT. Thread: any.
 */
int weft_descriptor_parse(const struct weft_json *json, struct weft_descriptor *out,
                          struct weft_err **err);

/** Make a descriptor; `platform` may be NULL. Fields are in the order in which BuildKit writes
 * them. */
void weft_descriptor_init(struct weft_descriptor *d, const char *media_type, const char *digest,
                          uint64_t size_bytes, const struct weft_platform *platform);

/** Give a descriptor this platform. */
void weft_descriptor_set_platform(struct weft_descriptor *d, const struct weft_platform *platform);

/** Add the os.version and os.features of an image config of `len` bytes to the platform that the
 * descriptor has, as indexes carry them for Windows. What the config does not have, or has in
 * another shape, is left out. */
void weft_descriptor_set_os(struct weft_descriptor *d, const char *config, size_t len);

void weft_descriptor_copy(struct weft_descriptor *to, const struct weft_descriptor *from);
void weft_descriptor_finish(struct weft_descriptor *d);
#define weft_auto_descriptor __attribute__((cleanup(weft_descriptor_finish))) struct weft_descriptor

/** The annotation `key`, or NULL. Borrowed. */
const char *weft_descriptor_annotation(const struct weft_descriptor *d, const char *key);

/** Whether it names an attestation manifest as BuildKit marks them (platform unknown/unknown, or
 * the annotation). */
bool weft_descriptor_is_attestation(const struct weft_descriptor *d);

/** Whether it is a layer that may be absent: of a non-distributable type, with addresses to get it
 * from. */
bool weft_descriptor_is_foreign(const struct weft_descriptor *d);

/** Whether a media type is that of an index / a manifest (OCI or Docker); NULL is neither. */
bool weft_media_is_index(const char *media_type);
bool weft_media_is_manifest(const char *media_type);
bool weft_media_is_docker(const char *media_type); /* Docker's manifest or list */

/**
 * Parse a manifest or an index of `len` bytes. `media_type`: what its descriptor calls it; NULL:
 * unknown. The document must not contradict it, nor be manifest and index at once. Errors:
 * WEFT_E_FORMAT. Thread: any.
 */
int weft_manifest_parse(const char *data, size_t len, const char *media_type,
                        struct weft_manifest *out, struct weft_err **err);

void weft_manifest_finish(struct weft_manifest *m);
#define weft_auto_manifest __attribute__((cleanup(weft_manifest_finish))) struct weft_manifest

/**
 * The platform that an image config of `len` bytes names, normalised. Errors: WEFT_E_FORMAT, also
 * when it names none.
 */
int weft_config_platform(const char *data, size_t len, struct weft_platform *out,
                         struct weft_err **err);

#endif
