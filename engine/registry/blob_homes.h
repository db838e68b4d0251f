/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which repositories are known to have a blob: what pushes have learned, kept in a small file of
 * weft's state, so that the next push of the same base layers to another repository of the same
 * registry can ask it to mount them. Only a hint: a registry that forgot a blob says so, and then
 * it is sent. Bounded; what was learned longest ago goes first. Not for several threads at once;
 * several processes may share the file.
 */
#ifndef WEFT_ENGINE_REGISTRY_BLOB_HOMES_H
#define WEFT_ENGINE_REGISTRY_BLOB_HOMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/state.h"
#include "base/str.h"

struct weft_err;

/** STATE/registry: what pushes remember. */
extern const struct weft_state_part weft_registry_state;

enum {
    WEFT_BLOB_HOMES_MAX = 2048, /* blobs of all hosts */
    WEFT_BLOB_HOMES_PATHS = 4,  /* repositories per blob */
};

/** A blob of a host. */
struct weft_blob_home {
    char *host;             /* "docker.io", "localhost:5000" */
    char *digest;           /* sha256 */
    struct weft_strv paths; /* of repositories; the one learned last is the last; at least one */
};

/** All that is known, the newest last. Start from {0}; end with weft_blob_homes_finish. */
struct weft_blob_homes {
    struct weft_blob_home *v;
    size_t n;
};
void weft_blob_homes_finish(struct weft_blob_homes *h);
#define weft_auto_blob_homes __attribute__((cleanup(weft_blob_homes_finish))) struct weft_blob_homes

/** Read the file's text. Entries with hosts, digests or repositories that are none are left out.
 * `out` is zeroed, and untouched on failure. Errors: WEFT_E_FORMAT (not JSON, not of this shape),
 * WEFT_E_UNSUPPORTED (of a newer weft). */
int weft_blob_homes_parse(const char *text, size_t len, struct weft_blob_homes *out,
                          struct weft_err **err);

/** The text that weft_blob_homes_parse reads. Caller frees. */
char *weft_blob_homes_dump(const struct weft_blob_homes *h);

/** Learn that a repository has a blob, or has it not. */
void weft_blob_homes_add(struct weft_blob_homes *h, const char *host, const char *digest,
                         const char *path);
void weft_blob_homes_remove(struct weft_blob_homes *h, const char *host, const char *digest,
                            const char *path);

/** The repositories of a host that have a blob; NULL: none is known. Borrowed. */
const struct weft_strv *weft_blob_homes_find(const struct weft_blob_homes *h, const char *host,
                                             const char *digest);

/**
 * Read the file, STATE/registry/blobs.json. One that is not there is empty; one that cannot be
 * understood is set aside as FILE.bad, with a warning; one of a newer weft (with a warning: a push
 * goes without it), or that cannot be read, is left alone. `out` is zeroed.
 */
void weft_blob_homes_load(const char *state, struct weft_blob_homes *out);

/**
 * Put what was learned into the file, over what other processes have put there meanwhile.
 * `learned` and `unlearned`: what weft_blob_homes_add and _remove said since the load. Errors:
 * WEFT_E_IO, WEFT_E_UNSUPPORTED (the file is of a newer weft, and stays as it is).
 */
int weft_blob_homes_save(const char *state, const struct weft_blob_homes *learned,
                         const struct weft_blob_homes *unlearned, struct weft_err **err);

#endif
