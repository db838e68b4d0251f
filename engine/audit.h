/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of an image with all its platforms: which layers there are and which step of a
 * Dockerfile made each, and what engine/audit_walk.h finds in them.
 */
#ifndef WEFT_ENGINE_AUDIT_H
#define WEFT_ENGINE_AUDIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/digest.h"
#include "engine/audit_walk.h"

struct weft_err;
struct weft_inspection;
struct weft_json;

/** One layer, from the lowest on. */
struct weft_audited_layer {
    char digest[WEFT_DIGEST_SIZE];
    uint64_t size_bytes;
    char *step; /* "COPY /app /app": what the image's history says; or NULL */
};

/** One platform's image. */
struct weft_audited_image {
    struct weft_platform platform;
    char digest[WEFT_DIGEST_SIZE];
    struct weft_audited_layer *layers;
    size_t n_layers;
    struct weft_audit_report report;
};

/** Start from {0}; end with weft_audited_finish. */
struct weft_audited {
    char *name;
    char digest[WEFT_DIGEST_SIZE];
    struct weft_audited_image *images;
    size_t n;
};
void weft_audited_finish(struct weft_audited *a);

/** All is borrowed. */
struct weft_audit_opts {
    const struct weft_platform *platform; /* only this one; or NULL: all */
    const struct weft_strv *allow;        /* patterns of paths; or NULL */
    const atomic_bool *cancel;            /* or NULL */
};

/**
 * Audit the image that was opened. What is wrong with its content is a finding. Errors:
 * WEFT_E_USAGE (the platform is none of its), WEFT_E_IO, WEFT_E_NET, WEFT_E_DIGEST, WEFT_E_FORMAT
 * (manifests and configs; a layer that is not there), WEFT_E_CANCELLED.
 */
int weft_audit(struct weft_inspection *x, const struct weft_audit_opts *opts,
               struct weft_audited *out, struct weft_err **err);

/** How many findings of at least this severity there are. */
size_t weft_audited_count(const struct weft_audited *a, enum weft_audit_severity at_least);

/** The layer of a finding; NULL: the image as a whole. Borrowed. */
const struct weft_audited_layer *weft_audited_layer(const struct weft_audited_image *i,
                                                    const struct weft_audit_finding *f);

/** What mostly causes it, or NULL. Static. */
const char *weft_audited_cause(const struct weft_audited_image *i,
                               const struct weft_audit_finding *f);

/** A step of a Dockerfile as the history of an image has it, without what BuildKit and Docker put
 * around it. Caller frees. */
char *weft_audit_step(const char *created_by);

#endif
