/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BuildKit's programs and the OCI runtime on this machine: where they are, whether they are fit,
 * and how buildkitd is called. Knows nothing of slots and locks.
 */
#ifndef WEFT_ENGINE_BUILDKIT_H
#define WEFT_ENGINE_BUILDKIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct weft_err;
struct weft_registry_hosts;

/** Start from {0}; end with weft_buildkit_finish. Paths are absolute. */
struct weft_buildkit {
    char *buildkitd;
    char *buildctl;
    char *init;                /* weft-init */
    char *session;             /* weft-session, or NULL */
    struct weft_strv runtimes; /* OCI runtimes that are there, the preferred one first */
};

/**
 * Find them: $WEFT_BUILDKITD and $WEFT_BUILDCTL, weft's libexec directory, $PATH; runtimes:
 * $WEFT_RUNTIME alone, else crun, runc. Runs nothing. Errors: WEFT_E_UNSUPPORTED with a hint how to
 * get what is missing.
 */
int weft_buildkit_find(struct weft_buildkit *b, struct weft_err **err);

/** One of them alone: $VARIABLE (NULL: none), weft's libexec directory, $PATH. *out: absolute,
 * caller frees. Errors: as above. */
int weft_buildkit_find_one(const char *name, const char *variable, char **out,
                           struct weft_err **err);

/** The OCI runtimes alone. Errors: as above. */
int weft_buildkit_find_runtimes(struct weft_strv *out, struct weft_err **err);

void weft_buildkit_finish(struct weft_buildkit *b);

/** Whether an OCI runtime is new enough for BuildKit, which it is asked itself ("run --help"): 1,
 * 0, or -1 where it does not say. */
int weft_buildkit_runtime_fits(const char *runtime);

/** Whether the text of "RUNTIME run --help" has the option --keep, which BuildKit uses. */
bool weft_buildkit_help_has_keep(const char *help);

/** First line of "PROGRAM --version", made printable. Runs it. Caller frees; NULL where it fails.
 */
char *weft_buildkit_version(const char *program);

/** "v0.32.2" in such a line; NULL: it has no number of a release. Caller frees. */
char *weft_buildkit_number(const char *line);

/** Whether release a is older than b, by their three numbers; what stands behind these ("-rc1") is
 * not looked at. false also where one of them has no numbers. */
bool weft_buildkit_older(const char *a, const char *b);

/** weft-init alone, which removing a state takes. Caller frees. NULL: WEFT_E_UNSUPPORTED. */
char *weft_buildkit_find_init(struct weft_err **err);

/**
 * buildkitd.toml of a worker whose cache may have so many bytes. `registries`: the part of it that
 * is about them (engine/worker_registries.h), or NULL. `platform`: the host's; buildkitd
 * then runs no program of another platform before the first step that it runs. NULL: it tries all
 * platforms at its start, and again when it is asked for them. Caller frees.
 */
char *weft_buildkit_config(uint64_t share_bytes, const char *platform, const char *registries);

/** What `buildctl build` is to be told of the registries: buildkitd asks it for the tokens that
 * they want, and it asks their servers. `hosts` may be NULL. Appended. */
void weft_buildkit_registry_args(const struct weft_registry_hosts *hosts, struct weft_strv *argv);

/** The variables of our environment that a worker gets: proxies and CA files, "K=V", sorted. */
void weft_buildkit_passed_env(struct weft_strv *env);

/**
 * Whether a gRPC server answers at the socket, tried until timeout_ms is over. buildkitd listens
 * before it is able to work, and may still fail then; so this waits for the first bytes of HTTP/2.
 */
bool weft_buildkit_ping(const char *socket_path, int timeout_ms);

/** The Go architectures ("arm64", "mips64le") that buildkitd found to run by running programs of
 * them. Errors: WEFT_E_CHILD, WEFT_E_FORMAT. */
int weft_buildkit_ask_archs(const char *buildctl, const char *address, struct weft_strv *archs,
                            struct weft_err **err);

/** What the built-in Dockerfile frontend of a buildkitd calls itself: "1.27.0". Caller frees; NULL
 * where it does not say. */
char *weft_buildkit_ask_frontend(const char *buildctl, const char *address);

#endif
