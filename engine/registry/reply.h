/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry, or its token server, says in its answers: the JSON of a refusal, the challenge
 * of WWW-Authenticate, Retry-After, Range. All of it was written by others. Pure.
 */
#ifndef WEFT_ENGINE_REGISTRY_REPLY_H
#define WEFT_ENGINE_REGISTRY_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;

/** Why a request was refused. Start from {0}; end with weft_refusal_finish. */
struct weft_refusal {
    char *code;     /* "MANIFEST_INVALID", of the first error; or NULL */
    char *text;     /* of all, for people: printable, one line, of moderate length; or NULL */
    bool disk_full; /* it says that its disk is */
};

/** Read the body of a refusal: the distribution specification's errors, those of token servers, or
 * a line of plain text. What is none of them gives nothing. */
void weft_refusal_read(const char *body, size_t len, struct weft_refusal *out);
void weft_refusal_finish(struct weft_refusal *r);

enum weft_challenge_kind {
    WEFT_CHALLENGE_NONE,
    WEFT_CHALLENGE_BASIC,
    WEFT_CHALLENGE_BEARER
};

/** How a server wants to know who we are. Start from {0}; end with weft_challenge_finish. */
struct weft_challenge {
    enum weft_challenge_kind kind;
    char *realm;   /* Bearer: URL of the token server, http or https */
    char *service; /* or NULL */
    char *scope;   /* what the request would have needed; or NULL */
    char *error;   /* "insufficient_scope"; or NULL */
};
void weft_challenge_finish(struct weft_challenge *c);

/**
 * Read a WWW-Authenticate header (RFC 7235), which may hold several challenges: Bearer goes before
 * Basic, others are passed over. `kind` is NONE where it has neither. Errors: WEFT_E_FORMAT (not of
 * the grammar; a parameter given twice; a Bearer without a realm, or one that is no URL).
 */
int weft_challenge_parse(const char *header, struct weft_challenge *out, struct weft_err **err);

/**
 * The URL that gives a token: the realm with service, account (NULL: none) and scopes[n] in its
 * query, escaped. Caller frees.
 */
char *weft_challenge_url(const struct weft_challenge *c, const char *account,
                         const char *const *scopes, size_t n);

/** The same parameters as the body of a form, with a refresh token. Caller wipes and frees. */
char *weft_challenge_form(const struct weft_challenge *c, const char *refresh_token,
                          const char *const *scopes, size_t n);

/** `url` with a parameter put to its query, escaped. Caller frees. */
char *weft_url_with(const char *url, const char *key, const char *value);

/** user:password in base64, for a Basic Authorization. Caller wipes and frees. */
char *weft_basic_of(const char *user, const char *password);

/** The seconds of a Retry-After header: a number, or a date, of which `date_s` is the Unix time
 * (-1: it is none) and `now_s` the present time. -1: nonsense. */
int64_t weft_retry_after(const char *value, int64_t date_s, int64_t now_s);

/** How many bytes an upload has, from its Range header ("0-1023": 1024; "0-0": none, though it
 * could be one). Returns 0, or -1: nonsense. */
int weft_upload_range(const char *value, uint64_t *bytes);

#endif
