/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image consists of, in a registry or in a layout: its platforms with their layers,
 * attestations and annotations. Reads manifests, and configs where nothing else names the platform;
 * no layers. All that is read is checked against its digest.
 */
#ifndef WEFT_ENGINE_INSPECT_H
#define WEFT_ENGINE_INSPECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/str.h"
#include "platforms/platform.h"

struct weft_docker_config;
struct weft_err;
struct weft_image_source;
struct weft_json;
struct weft_registry_hosts;

/** An attestation manifest. */
struct weft_inspected_attestation {
    char digest[WEFT_DIGEST_SIZE];
    struct weft_strv predicates; /* their types, "https://slsa.dev/provenance/v1" */
};

/** One manifest that is no attestation. */
struct weft_inspected_image {
    char digest[WEFT_DIGEST_SIZE];
    char *media_type;
    uint64_t size_bytes; /* of the manifest */
    bool has_platform;
    struct weft_platform platform;
    char *os_version; /* of the platform; or NULL */
    bool is_missing;  /* the index names it, and it is not there; or */
    bool is_other; /* its media type is that of no image: it was not read. With either, nothing of
                      what follows is known but here_annotations */
    char config_digest[WEFT_DIGEST_SIZE];
    size_t n_layers;
    uint64_t layers_bytes;
    struct weft_json *annotations;      /* of the manifest; or NULL */
    struct weft_json *here_annotations; /* of its descriptor in the index; or NULL */
    struct weft_inspected_attestation *attestations;
    size_t n_attestations;
};

/** Start from {0}; end with weft_inspected_finish. */
struct weft_inspected {
    char *name; /* a reference in full, or the directory of a layout */
    char digest[WEFT_DIGEST_SIZE];
    const char *media_type; /* a constant */
    struct weft_buf raw;    /* the bytes of the manifest or index that the name means */
    bool is_index;
    struct weft_json *annotations; /* of an index; or NULL */
    struct weft_inspected_image *images;
    size_t n_images;
    struct weft_inspected_attestation *others; /* attestations of no image that is there */
    size_t n_others;
};
void weft_inspected_finish(struct weft_inspected *i);

/** Where to look. All is borrowed until weft_inspect_close. */
struct weft_inspect_opts {
    const char *name; /* REF, DIR, DIR:TAG, DIR@DIGEST, the same of a tar; "oci-layout://DIR..." and
                         "docker-image://REF" leave no doubt */
    bool insecure;
    const struct weft_registry_hosts *hosts;
    const struct weft_docker_config *docker;
    const atomic_bool *cancel; /* or NULL */
};

struct weft_inspection; /* an image that can be read */

/** Errors: WEFT_E_USAGE, WEFT_E_IO. */
struct weft_inspection *weft_inspect_open(const struct weft_inspect_opts *opts,
                                          struct weft_err **err);
void weft_inspect_close(struct weft_inspection *x);

/** What it reads from. Borrowed. */
struct weft_image_source *weft_inspect_source(struct weft_inspection *x);

/**
 * Read the image's manifest or index, and with `all` those below it. Errors: as
 * engine/registry/client.h; WEFT_E_NET also where the registry has no such image, WEFT_E_FORMAT,
 * WEFT_E_DIGEST, WEFT_E_IO.
 */
int weft_inspect(struct weft_inspection *x, bool all, struct weft_inspected *out,
                 struct weft_err **err);

/** Append the bytes of one of its manifests. Errors: as above. */
int weft_inspect_raw(struct weft_inspection *x, const char *digest, struct weft_buf *out,
                     struct weft_err **err);

/** Whether a name is that of a layout, and not a reference: by its prefix, its first character, or
 * because there is a layout of that name. */
bool weft_inspect_is_layout(const char *name);

#endif
