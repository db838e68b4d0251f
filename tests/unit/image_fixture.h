/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small images made in a temporary directory, for the tests of what becomes of results. Every
 * failure is an assertion.
 */
#ifndef WEFT_TESTS_UNIT_IMAGE_FIXTURE_H
#define WEFT_TESTS_UNIT_IMAGE_FIXTURE_H

#include <stddef.h>

#include "base/digest.h"
#include "base/json.h"

/** A temporary directory, and "blobs" in it: a content store. */
struct fixture {
    char *dir;
    char *blobs;
};

/** cmocka's per-test setup and teardown: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/** "DIR/name". Freed by the caller. */
char *fixture_path(const struct fixture *f, const char *name);

/** Make a file (with the directories above it) that holds `text`. */
void fixture_write(const char *path, const char *text);

/** The text of a file. Freed by the caller. */
char *fixture_read(const char *path);

/** Put bytes into the store; digest receives their digest. */
void fixture_blob(const struct fixture *f, const char *text, char digest[WEFT_DIGEST_SIZE]);

/** A descriptor of a blob with `text`, which is put into the store. New value. */
struct weft_json *fixture_descriptor(const struct fixture *f, const char *media_type,
                                     const char *text);

/** A manifest with a config for linux/arch and a layer per text of layers (NULL-terminated). */
void fixture_manifest(const struct fixture *f, const char *arch, const char *const *layers,
                      char digest[WEFT_DIGEST_SIZE]);

/** The same with Docker's media types. */
void fixture_docker_manifest(const struct fixture *f, const char *arch, const char *const *layers,
                             char digest[WEFT_DIGEST_SIZE]);

/** An index with an image for linux/arch and its attestation manifest, as BuildKit writes it. */
void fixture_attested(const struct fixture *f, const char *arch, const char *layer,
                      char digest[WEFT_DIGEST_SIZE]);

/** Put a JSON document, which is freed, into the store. */
void fixture_document(const struct fixture *f, struct weft_json *doc,
                      char digest[WEFT_DIGEST_SIZE]);

/** Run a script of /bin/sh, with "set -e", in the directory. Returns its exit code, -1 when it was
 * killed. */
int fixture_shell(const struct fixture *f, const char *script);

/** Everything below a directory, one line each (path, type, mode, size, digest or link target),
 * sorted. "" where there is no such directory. Freed by the caller. */
char *fixture_snapshot(const char *dir);

#endif
