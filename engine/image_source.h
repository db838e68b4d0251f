/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image that can be read, wherever it is: in a layout directory, in a tar of one, in a registry.
 * Manifests, configs and other small blobs are checked against their digests here; layers are
 * opened only, and their reader checks them (engine/layer_read.h).
 */
#ifndef WEFT_ENGINE_IMAGE_SOURCE_H
#define WEFT_ENGINE_IMAGE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/str.h"

struct weft_docker_config;
struct weft_err;
struct weft_image_source;
struct weft_registry_hosts;

/** Where to look. All is borrowed until weft_image_source_close. */
struct weft_image_source_opts {
    const char *name; /* REF; DIR, DIR:TAG, DIR@DIGEST; the same of a tar. "oci-layout://DIR..." and
                         "docker-image://REF" leave no doubt */
    bool insecure;
    const struct weft_registry_hosts *hosts;
    const struct weft_docker_config *docker;
    const atomic_bool *cancel; /* or NULL */
};

/** What came of a search for something that an image names. */
enum weft_image_found {
    WEFT_IMAGE_ERROR = -1,
    WEFT_IMAGE_MISSING,
    WEFT_IMAGE_FOUND
};

/** Errors: WEFT_E_USAGE, WEFT_E_IO, WEFT_E_FORMAT (a tar). */
struct weft_image_source *weft_image_source_open(const struct weft_image_source_opts *opts,
                                                 struct weft_err **err);
void weft_image_source_close(struct weft_image_source *s);

/** A reference in full, or the path of a layout. Borrowed. */
const char *weft_image_source_name(const struct weft_image_source *s);
/** The tag or digest that the name means. Borrowed. */
const char *weft_image_source_wanted(const struct weft_image_source *s);

/** Append a manifest or index, by digest, or as weft_image_source_wanted says. `media_type` (caller
 * frees): NULL where nobody says. Errors: as engine/registry/client.h, WEFT_E_IO, WEFT_E_DIGEST. */
enum weft_image_found weft_image_source_manifest(struct weft_image_source *s, const char *wanted,
                                                 struct weft_buf *out, char **media_type,
                                                 char digest[WEFT_DIGEST_SIZE],
                                                 struct weft_err **err);

/** Append a blob of at most `limit` bytes, checked. Errors: as above. */
enum weft_image_found weft_image_source_blob(struct weft_image_source *s, const char *digest,
                                             size_t limit, struct weft_buf *out,
                                             struct weft_err **err);

/** Where a blob is. End with weft_image_file_finish. */
struct weft_image_file {
    int fd;
    bool is_borrowed; /* fd is the source's */
    uint64_t offset, size_bytes;
};
#define WEFT_IMAGE_FILE_NONE \
    {                        \
        .fd = -1             \
    }
void weft_image_file_finish(struct weft_image_file *f);

/** Open a large blob; of a registry, get it into a file without a name first. Its bytes are not
 * checked. Errors: as above, WEFT_E_DIGEST also where its size is another. */
enum weft_image_found weft_image_source_open_blob(struct weft_image_source *s, const char *digest,
                                                  uint64_t size_bytes, struct weft_image_file *out,
                                                  struct weft_err **err);

/** Fail for a tag or digest that is not there. Returns -1. */
int weft_image_source_fail_missing(const struct weft_image_source *s, const char *wanted,
                                   struct weft_err **err);

/** Whether a name is that of a layout or of a tar, and not a reference: by its prefix, its first
 * character, or because there is one of that name. */
bool weft_image_source_is_local(const char *name);

#endif
