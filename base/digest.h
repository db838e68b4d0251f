/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 digests in OCI's form "sha256:" + 64 lower-case hex digits, and the only place that knows
 * libcrypto.
 */
#ifndef WEFT_BASE_DIGEST_H
#define WEFT_BASE_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;

enum {
    WEFT_DIGEST_SIZE = 7 + 64 + 1
}; /* with the NUL */

/** Whether s is a well-formed sha256 digest: safe to use its hex part as a file name. */
bool weft_digest_valid(const char *s);

/** The 64 hex digits of a valid digest. Borrowed. */
const char *weft_digest_hex(const char *digest);

/** A running digest. */
struct weft_hash;
struct weft_hash *weft_hash_create(void);
void weft_hash_update(struct weft_hash *h, const void *data, size_t len);
void weft_hash_final(struct weft_hash *h,
                     char digest[WEFT_DIGEST_SIZE]); /* h is only good for destroy after */
void weft_hash_destroy(struct weft_hash *h);

/** Digest of a buffer. */
void weft_digest_bytes(const void *data, size_t len, char digest[WEFT_DIGEST_SIZE]);

/**
 * Check that the file `path` has exactly `size_bytes` bytes and this digest. `cancel` (may be
 * NULL): stops early with WEFT_E_CANCELLED once it is true. Errors: WEFT_E_IO, WEFT_E_DIGEST,
 * WEFT_E_CANCELLED. Thread: any.
 */
int weft_digest_check_file(const char *path, const char *digest, uint64_t size_bytes,
                           const atomic_bool *cancel, struct weft_err **err);

#endif
