/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One repository of one registry, by the OCI distribution specification 1.1: manifests and blobs,
 * read and written, with authentication, retries and back-off inside. Blocking; all calls may be
 * made from several threads at once. Knows no layouts and no builds. HTTP itself is
 * engine/registry/http.h.
 */
#ifndef WEFT_ENGINE_REGISTRY_CLIENT_H
#define WEFT_ENGINE_REGISTRY_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/str.h"

struct weft_docker_config;
struct weft_err;
struct weft_registry;
struct weft_registry_hosts;

/** What a caller says. All is borrowed until weft_registry_close. */
struct weft_registry_opts {
    const char *domain; /* "docker.io", "localhost:5000": of a parsed reference */
    const char *path;   /* "library/app" */
    bool push;          /* ask for the right to write, too */
    bool insecure;      /* registry.insecure=true of an output: plain HTTP, or a certificate that
                           nobody knows, are taken */
    const struct weft_registry_hosts *hosts; /* or NULL */
    const struct weft_docker_config *docker; /* or NULL: no credentials */
    const atomic_bool *cancel;               /* or NULL */
};

/** Nothing is sent yet. Errors: WEFT_E_USAGE, WEFT_E_IO (a CA file). */
struct weft_registry *weft_registry_open(const struct weft_registry_opts *opts,
                                         struct weft_err **err);
void weft_registry_close(struct weft_registry *r);

/*
 * Errors of all that follow: WEFT_E_NET (not reached, TLS, refused, the answer makes no sense; what
 * to look at in the hint), WEFT_E_DIGEST (it sent other bytes than it should), WEFT_E_CHILD and
 * WEFT_E_USAGE (credentials, as engine/registry/docker_config.h has them), WEFT_E_CANCELLED. The
 * message names the registry and what was asked of it. What may pass (a lost connection, 429, 5xx)
 * has been tried six times by then, with pauses that are logged. "Not there" is no error but the
 * value 0.
 */

/**
 * Ask for what was said when it was opened: to read, or with `push` to write; an upload is begun
 * and dropped. A repository that is yet to be made is fine, where the registry makes it itself.
 */
int weft_registry_check(struct weft_registry *r, struct weft_err **err);

/**
 * Get a manifest or an index by tag or digest, checked against the digest where one is asked for.
 * Returns 1, 0 where it is not there, or -1. `media_type` (caller frees; NULL: the registry does
 * not say) and `digest` receive what it is; `bytes` is appended to.
 */
int weft_registry_get_manifest(struct weft_registry *r, const char *tag_or_digest,
                               struct weft_buf *bytes, char **media_type,
                               char digest[WEFT_DIGEST_SIZE], struct weft_err **err);

/** The digest that a tag has now, by HEAD. Returns 1, 0 or -1. */
int weft_registry_resolve(struct weft_registry *r, const char *tag_or_digest,
                          char digest[WEFT_DIGEST_SIZE], struct weft_err **err);

/** Whether the repository has a blob. Returns 1, 0 or -1. */
int weft_registry_has_blob(struct weft_registry *r, const char *digest, struct weft_err **err);

/** Get a blob's content of at most `limit` bytes, checked. Returns 1, 0 or -1. */
int weft_registry_get_blob(struct weft_registry *r, const char *digest, uint64_t limit,
                           struct weft_buf *bytes, struct weft_err **err);

/**
 * Get a blob of size_bytes into the file fd, from its beginning on; what was there before is cut
 * off. The digest is the caller's to check: whoever reads the file does so in any case. Returns 1,
 * 0 or -1. Further errors: WEFT_E_IO (the file).
 */
int weft_registry_get_blob_file(struct weft_registry *r, const char *digest, uint64_t size_bytes,
                                int fd, struct weft_err **err);

/** Ask the registry to take the blob from another of its repositories. Returns 1, 0 (it would not,
 * for whatever reason) or -1. */
int weft_registry_mount_blob(struct weft_registry *r, const char *digest, const char *from_path,
                             struct weft_err **err);

/**
 * Send a file as a blob; a broken upload goes on where the registry says it stopped. `sent` (may be
 * NULL) grows by the bytes that went out, and is taken back where they are sent again. Further
 * errors: WEFT_E_IO (the file).
 */
int weft_registry_put_blob(struct weft_registry *r, const char *digest, uint64_t size_bytes,
                           const char *file, _Atomic int64_t *sent, struct weft_err **err);

/** Write a manifest or index under a tag or its digest; the registry's answer must name the digest
 * of these bytes. */
int weft_registry_put_manifest(struct weft_registry *r, const char *tag_or_digest,
                               const char *media_type, const void *data, size_t len,
                               struct weft_err **err);

#endif
