/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A git server, asked before a build: which commit a ref is, and what a file of it holds. With the
 * git program, which gets no terminal, no configuration of the user, and credentials by a file,
 * as BuildKit runs it. Knows no builds.
 */
#ifndef WEFT_ENGINE_GIT_REMOTE_H
#define WEFT_ENGINE_GIT_REMOTE_H

#include <stdatomic.h>
#include <stddef.h>

struct weft_err;
struct weft_git_remote;
struct weft_git_url;
struct weft_strv;

/** All is borrowed until weft_git_remote_close. */
struct weft_git_remote_opts {
    const struct weft_git_url *url;
    const char *dir;             /* a private directory, for what git writes; made here */
    const char *authorization;   /* value of that header for http; or NULL */
    const struct weft_strv *ssh; /* of --ssh, checked (struct weft_request) */
    const atomic_bool *cancel;   /* or NULL */
};

/** Nothing is asked yet. Errors: WEFT_E_UNSUPPORTED (there is no git here), WEFT_E_IO. */
struct weft_git_remote *weft_git_remote_open(const struct weft_git_remote_opts *opts,
                                             struct weft_err **err);
void weft_git_remote_close(struct weft_git_remote *g);
void weft_git_remote_closep(struct weft_git_remote **g);
#define weft_auto_git_remote \
    __attribute__((cleanup(weft_git_remote_closep))) struct weft_git_remote *

/*
 * Errors of what follows: WEFT_E_NET (what git says: no such repository, no such host, refused),
 * WEFT_E_USAGE (there is no such ref, or directory, or file), WEFT_E_CHILD, WEFT_E_CANCELLED.
 * Blocking, and up to an hour each.
 */

/** Where a ref stands. Start from {0}; end with weft_git_found_finish. */
struct weft_git_found {
    char *ref;    /* as BuildKit takes it: "main", "refs/tags/v1"; NULL: HEAD */
    char *commit; /* 40 or 64 hex digits */
    char *object; /* what to fetch: the same, or the annotated tag, since servers that speak the
                     protocol's old version give out nothing but what a ref names */
};
void weft_git_found_finish(struct weft_git_found *f);

/** The URL's ref at this moment, by BuildKit's rules: a branch goes before a tag, and no ref is
 * HEAD. */
int weft_git_remote_resolve(struct weft_git_remote *g, struct weft_git_found *out,
                            struct weft_err **err);

/**
 * Get an object of weft_git_remote_resolve without its history, and with its files only where the
 * server leaves no choice; then the text of the first of `names` (NULL-terminated; each relative to
 * the URL's directory, which must be there). Returns 1 with *text (caller frees); 0 where one is
 * there but cannot be seen like this (a link, or in a submodule), or `names` is empty; -1.
 */
int weft_git_remote_read(struct weft_git_remote *g, const char *object, const char *const *names,
                         char **text, struct weft_err **err);

#endif
