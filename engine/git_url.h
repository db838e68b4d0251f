/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How BuildKit names a git repository as a context, and how the same is named with its commit
 * pinned. Pure: text in, text out. The rules are those of BuildKit's frontend/dockerfile/dfgitutil.
 */
#ifndef WEFT_ENGINE_GIT_URL_H
#define WEFT_ENGINE_GIT_URL_H

#include <stdbool.h>

#include "base/str.h"

struct weft_err;

/** Start from {0}; end with weft_git_url_finish. */
struct weft_git_url {
    char *base;     /* as written, up to "?" or "#": "github.com/a/b", "git@host:a/b" */
    char *remote;   /* what git takes: the same, with a scheme if it is not git@host:path */
    char *host;     /* "example.org:8443" */
    bool http;      /* http or https: credentials are headers */
    bool ssh;       /* ssh:// or user@host:path */
    bool scp;       /* user@host:path */
    char *ref;      /* a branch, a tag, a commit, "refs/..."; NULL: the default branch */
    char *subdir;   /* relative path without ".."; NULL: the whole repository */
    char *checksum; /* the commit that is to be found, or how it begins; or NULL */
    bool by_commit; /* fetch-by-commit: `checksum` is the commit, whatever the ref is now */
    struct weft_strv options; /* the other ones, "keep-git-dir=true" */
};
void weft_git_url_finish(struct weft_git_url *u);
#define weft_auto_git_url __attribute__((cleanup(weft_git_url_finish))) struct weft_git_url

/**
 * Take apart "https://HOST/REPO.git#REF:DIR", "git@HOST:REPO", "git://", "ssh://",
 * "github.com/OWNER/REPO", each with "?branch=...&subdir=..." as well. Returns 1; 0 where BuildKit
 * would not take it for a git repository; -1 with WEFT_E_USAGE where it would, and is wrong.
 */
int weft_git_url_parse(const char *text, struct weft_git_url *out, struct weft_err **err);

/** Whether a text is all of a commit's name: 40 or 64 lower case hex digits. */
bool weft_git_is_commit(const char *s);

/**
 * The same context, at `commit`: fetched by that name, whatever the ref says by then. `ref` is in
 * the provenance, and in the clone where .git is kept; NULL: u->ref. Caller frees.
 */
char *weft_git_url_pinned(const struct weft_git_url *u, const char *ref, const char *commit);

/** "BASE#COMMIT:DIR", which frontends of any age understand; NULL where the URL has options, which
 * cannot be said so. Caller frees. */
char *weft_git_url_pinned_plain(const struct weft_git_url *u, const char *commit);

/** The URL for messages: control characters escaped, without password and query. Caller frees. */
char *weft_git_url_shown(const struct weft_git_url *u);

#endif
