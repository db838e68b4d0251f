/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One solve: the command line of the `buildctl build` that builds one platform on one worker, or of
 * the `weft-session call` that asks one. Pure:
 * makes an argument vector and nothing else.
 */
#ifndef WEFT_ENGINE_SOLVE_H
#define WEFT_ENGINE_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

struct weft_platform;
struct weft_request;
struct weft_strv;

/** What differs from solve to solve. All borrowed. */
struct weft_solve {
    const struct weft_request *request;
    const struct weft_platform *platform;
    const char *address;    /* "unix:///..." of the worker */
    const char *session_id; /* of the holder */
    const char
        *context_slot; /* BuildKit keeps this platform's part of the context apart; or NULL */
    const char *const *outputs; /* values of --output */
    size_t n_outputs;
    const char *metadata_file; /* path that buildctl writes */
    const char *ref_file; /* another: the reference of the worker's record of this build; or NULL */
    const char *builtin_syntax; /* the `# syntax` reference that the built-in frontend stands in
                                   for; or NULL */
    bool forwarded; /* the Dockerfile's frontend is another than the built-in one, and of any age */
    const struct weft_strv *caches; /* arguments (weft_cache_args), or NULL */
    const struct weft_strv *vcs;    /* further options, of vcs.h; or NULL */
    const char *salt; /* of the settings that are not the defaults (weft_worker_config_salt); or
              NULL */
    bool index;       /* make an index even of one platform without attestations */
    bool use_cache;   /* false: --no-cache of the request holds */
};

/**
 * Append the arguments, buildctl's own name first; those of `weft-session call`, which takes them
 * as buildctl does, where the request is for a call.
 */
void weft_solve_argv(const struct weft_solve *s, struct weft_strv *argv);

/** The arguments in one line for a log, with no password of a URL in it. Caller frees. */
char *weft_solve_shown(const struct weft_strv *argv);

/**
 * Append the attestations that the solves of a request ask for, as "TYPE=ATTRIBUTES". Where the
 * request says nothing of provenance, that is buildx's default, a minimal one in images that are an
 * index anyway: of several platforms, with an SBOM, of type=image or registry. The image of a
 * single platform for other outputs keeps its plain manifest, and local files get none.
 */
void weft_solve_attests(const struct weft_request *r, struct weft_strv *out);

#endif
