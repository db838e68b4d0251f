/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI annotations that a build asks for, of four levels, and how they get into documents: a
 * manifest that BuildKit has made gets them afterwards, byte for byte as BuildKit would have
 * written it. (buildctl cannot pass them on: it makes their names lower-case, and BuildKit drops or
 * refuses some in the solve of a single platform.) Pure; knows no files.
 */
#ifndef WEFT_ENGINE_ANNOTATION_H
#define WEFT_ENGINE_ANNOTATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "platforms/platform.h"

struct weft_descriptor;
struct weft_err;
struct weft_json;

enum weft_annotation_level {
    WEFT_ANNOTATE_MANIFEST,
    WEFT_ANNOTATE_MANIFEST_DESCRIPTOR, /* where an index names the manifest */
    WEFT_ANNOTATE_INDEX,
    WEFT_ANNOTATE_INDEX_DESCRIPTOR, /* where index.json names the index */
};

/** One of them. */
struct weft_annotation {
    enum weft_annotation_level level;
    bool has_platform;             /* for one platform; of the index's levels it has no meaning */
    struct weft_platform platform; /* if so */
    char *key;
    char *value;
};

/** In the order given. Start from {0}; end with weft_annotations_finish. */
struct weft_annotations {
    struct weft_annotation *v;
    size_t n;
};
void weft_annotations_finish(struct weft_annotations *a);

/** Add one, in the place of an earlier one of the same level, platform (NULL: all) and key. */
void weft_annotations_put(struct weft_annotations *a, enum weft_annotation_level level,
                          const struct weft_platform *platform, const char *key, const char *value);

/** Whether there is one of this level. */
bool weft_annotations_have(const struct weft_annotations *a, enum weft_annotation_level level);

/**
 * What a document or a descriptor of this level gets, sorted by name: those of `base` (an object,
 * or NULL), over them those for all platforms, over them those for `platform` (NULL: none is
 * meant). `a` may be NULL. Returns a new object, or NULL where it would be empty.
 */
struct weft_json *weft_annotations_for(const struct weft_annotations *a,
                                       enum weft_annotation_level level,
                                       const struct weft_platform *platform,
                                       const struct weft_json *base);

/** When an image was made, for a person to read. */
#define WEFT_ANNOTATION_CREATED "org.opencontainers.image.created"

/** The text of a manifest or an index as BuildKit writes it: two spaces, and Go's escapes. Caller
 * frees. */
char *weft_document_text(const struct weft_json *document);

/**
 * A manifest of `len` bytes with these annotations in the place of its own. Returns its text, which
 * the caller frees, or NULL (WEFT_E_FORMAT).
 */
char *weft_annotate_manifest(const char *data, size_t len, const struct weft_json *annotations,
                             struct weft_err **err);

/** Replace a descriptor's annotations (NULL: none), in the place where BuildKit writes them. */
void weft_annotate_descriptor(struct weft_descriptor *d, const struct weft_json *annotations);

/** One digest that has become another. */
struct weft_renamed {
    char from[WEFT_DIGEST_SIZE];
    char to[WEFT_DIGEST_SIZE];
};

/** Put the new digests where `data` names the old ones: the hex digits, which are as long as the
 * old ones. Returns whether there were any. */
bool weft_rename_digests(char *data, size_t len, const struct weft_renamed *renamed, size_t n);

/**
 * An attestation manifest whose subject, and what else is renamed, has changed. `data` is changed
 * on the way. `subject`: the descriptor of the image manifest now. Returns its text, which the
 * caller frees, or NULL (WEFT_E_FORMAT).
 */
char *weft_annotate_attestation(char *data, size_t len, const struct weft_renamed *renamed,
                                size_t n, const struct weft_descriptor *subject,
                                struct weft_err **err);

#endif
