/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: [DOMAIN/]PATH[:TAG][@DIGEST], with docker's short names ("app" is
 * docker.io/library/app). The rules are those of the distribution project's reference grammar. Pure
 * text.
 */
#ifndef WEFT_ENGINE_REFERENCE_H
#define WEFT_ENGINE_REFERENCE_H

struct weft_err;

enum {
    WEFT_REFERENCE_PATH_MAX = 255, /* bytes of the repository's path */
    WEFT_REFERENCE_TAG_MAX = 128,
    WEFT_REFERENCE_MAX = 1024, /* bytes of the whole text that is looked at */
};

/** A reference in full form. Start from {0}; end with weft_reference_finish. */
struct weft_reference {
    char *domain; /* "docker.io", "localhost:5000", "[::1]:5000" */
    char *path;   /* "library/app" */
    char *tag;    /* or NULL */
    char *digest; /* sha256; or NULL */
};

/**
 * Parse and normalise. No tag is made up.
 * Errors: WEFT_E_USAGE, saying what is wrong.
 */
int weft_reference_parse(const char *text, struct weft_reference *out, struct weft_err **err);
void weft_reference_finish(struct weft_reference *r);
#define weft_auto_reference __attribute__((cleanup(weft_reference_finish))) struct weft_reference

/** "docker.io/library/app:latest": ":latest" is put where there is neither tag nor digest. Caller
 * frees. */
char *weft_reference_full(const struct weft_reference *r);

/**
 * As a person writes it: "app", "user/app:v1", "localhost:5000/x". No tag is made up. Docker's
 * rule, with its gap: of "docker.io/a.b/c" it leaves "a.b/c", which reads as a host. Caller frees.
 */
char *weft_reference_familiar(const struct weft_reference *r);

#endif
