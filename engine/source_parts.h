/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of source.c: what is read from standard input, and in source_pin.c what is elsewhere.
 * Private to these files.
 */
#ifndef WEFT_ENGINE_SOURCE_PARTS_H
#define WEFT_ENGINE_SOURCE_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weft_err;
struct weft_json;
struct weft_request;

/** One fetch. */
struct weft_fetch {
    struct weft_request *r;
    const char *scratch;
    const atomic_bool *cancel; /* or NULL */
    struct weft_json *rules;   /* of the source policy so far; or NULL */
    int n_files;               /* names in `scratch` that are used up */
};

/** A path in the scratch directory that nothing has yet. Caller frees. */
char *weft_fetch_path(struct weft_fetch *f, const char *name);

/** Keep the text of a Dockerfile where BuildKit gets it from, under `name`. `ignore_nothing`: as
 * there, a .dockerignore in the context does not count. */
int weft_fetch_serve(struct weft_fetch *f, const char *name, const void *text, size_t len,
                     bool ignore_nothing, struct weft_err **err);

/** Keep the text of a Dockerfile for weft alone. */
int weft_fetch_see(struct weft_fetch *f, const void *text, size_t len, struct weft_err **err);

/** A Dockerfile by its URL. */
int weft_fetch_dockerfile(struct weft_fetch *f, struct weft_err **err);

/** The context, of git or http, and its Dockerfile where it is inside. */
int weft_fetch_git(struct weft_fetch *f, struct weft_err **err);
int weft_fetch_http(struct weft_fetch *f, struct weft_err **err);

/** The named contexts. */
int weft_fetch_named(struct weft_fetch *f, struct weft_err **err);

/** Write what has become of the policy. */
int weft_fetch_write_policy(struct weft_fetch *f, struct weft_err **err);

#endif
