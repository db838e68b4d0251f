/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A light look into a Dockerfile before it is built: which frontend it asks for, and its FROM
 * lines. BuildKit parses it in full afterwards and reports what is wrong with it; here, what cannot
 * be understood is passed over.
 */
#ifndef WEFT_ENGINE_DOCKERFILE_H
#define WEFT_ENGINE_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

struct weft_err;

enum {
    WEFT_DOCKERFILE_LIMIT = 16 * 1024 * 1024
};

/** One FROM line, build arguments not expanded. */
struct weft_dockerfile_stage {
    char *base;     /* "debian:12", "$BASE", "scratch", or the name of an earlier stage */
    char *name;     /* lower case, of "AS name"; or NULL */
    char *platform; /* "$BUILDPLATFORM", of --platform; or NULL */
};

/** Start from {0}; end with weft_dockerfile_finish. */
struct weft_dockerfile {
    char *syntax; /* the image of the `syntax` directive, "docker/dockerfile:1"; or NULL */
    struct weft_dockerfile_stage
        *stages; /* none, when the file is not a Dockerfile but has a `syntax` */
    size_t n_stages;
    bool pins_platform; /* some FROM has --platform */
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

/**
 * Whether the built-in frontend, of version `builtin` ("1.27.0"; a pre-release is none), can stand
 * in for the frontend image `syntax`: one of docker/dockerfile:1, :1.N and :1.N.P that is not
 * newer. Not for a digest, for "latest", for "-labs" and the like. What follows a blank, as in
 * BUILDKIT_SYNTAX, is not looked at.
 */
bool weft_syntax_builtin(const char *syntax, const char *builtin);

#endif
