/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A light look into a Dockerfile before it is built: which frontend it asks for, its FROM lines,
 * and which stages have RUN. BuildKit parses it in full afterwards and reports what is wrong with
 * it; here, what cannot be understood is passed over.
 */
#ifndef WEFT_ENGINE_DOCKERFILE_H
#define WEFT_ENGINE_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct weft_err;
struct weft_platform;

enum {
    WEFT_DOCKERFILE_LIMIT = 16 * 1024 * 1024
};

/** One FROM line, build arguments not expanded. */
struct weft_dockerfile_stage {
    char *base;             /* "debian:12", "$BASE", "scratch", or the name of an earlier stage */
    char *name;             /* lower case, of "AS name"; or NULL */
    char *platform;         /* "$BUILDPLATFORM", of --platform; or NULL */
    int run_line;           /* of its first RUN, from 1; 0: it has none */
    int onbuild_line;       /* of its first ONBUILD RUN, which stages FROM it execute; 0: none */
    struct weft_strv needs; /* what its COPY --from and RUN --mount=from name */
};

/** Start from {0}; end with weft_dockerfile_finish. */
struct weft_dockerfile {
    char *syntax; /* the image of the `syntax` directive, "docker/dockerfile:1"; or NULL */
    struct weft_dockerfile_stage
        *stages; /* none, when the file is not a Dockerfile but has a `syntax` */
    size_t n_stages;
    struct weft_strv args; /* of ARG before the first FROM: "K=V", or "K" */
    bool pins_platform;    /* some FROM has --platform */
    /* Platforms take different parts of the context: a COPY, ADD, bind mount or FROM names a
     * variable such as $TARGETARCH. What is hidden behind another variable is not seen. */
    bool context_by_platform;
};

/**
 * Scan the `len` bytes of a Dockerfile (NUL bytes are bytes like others).
 * Errors: WEFT_E_FORMAT when there are more than WEFT_DOCKERFILE_LIMIT.
 */
int weft_dockerfile_scan(const char *data, size_t len, struct weft_dockerfile *out,
                         struct weft_err **err);

/** Read and scan a file. Errors: WEFT_E_USAGE where it cannot be read or is too long. */
int weft_dockerfile_load(const char *path, struct weft_dockerfile *out, struct weft_err **err);
void weft_dockerfile_finish(struct weft_dockerfile *d);
#define weft_auto_dockerfile __attribute__((cleanup(weft_dockerfile_finish))) struct weft_dockerfile

/** What a Dockerfile is built with. All borrowed. */
struct weft_dockerfile_use {
    const struct weft_platform *platform;
    const char *target;               /* stage; NULL: the last one */
    const struct weft_strv *args;     /* build arguments, "K=V" */
    const struct weft_strv *contexts; /* names of further contexts, which go before stages */
};

/**
 * The first RUN of a stage that is needed and is for windows, whose programs nothing here runs:
 * that of use->platform, or of FROM --platform=. Returns its line and sets *stage to the index of
 * its stage; 0 where there is none, or none that can be seen: what ARG and images do is known in
 * part, and what is not known counts as no RUN.
 */
int weft_dockerfile_windows_run(const struct weft_dockerfile *d,
                                const struct weft_dockerfile_use *use, size_t *stage);

/**
 * Append the images that stages which are needed are built FROM, as they are named, each once.
 * What cannot be known here is left out, and so is what a context takes the place of.
 */
void weft_dockerfile_bases(const struct weft_dockerfile *d, const struct weft_dockerfile_use *use,
                           struct weft_strv *out);

/**
 * Whether the built-in frontend, of version `builtin` ("1.27.0"; a pre-release is none), can stand
 * in for the frontend image `syntax`: one of docker/dockerfile:1, :1.N and :1.N.P that is not
 * newer. Not for a digest, for "latest", for "-labs" and the like. What follows a blank, as in
 * BUILDKIT_SYNTAX, is not looked at.
 */
bool weft_syntax_builtin(const char *syntax, const char *builtin);

#endif
