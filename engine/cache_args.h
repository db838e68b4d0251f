/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caches of one solve. BuildKit's exports replace what they find: with one place for all
 * platforms only the last one's cache would be left. So each platform has a place of its own, made
 * from what the user named, always, so that jobs that build one platform each do not replace each
 * other's either. What is read is the platform's own place and then the plain one, where buildx
 * writes. docs/cache.md has the rules. Knows no command line.
 */
#ifndef WEFT_ENGINE_CACHE_ARGS_H
#define WEFT_ENGINE_CACHE_ARGS_H

#include <stdbool.h>

struct weft_cache;
struct weft_lane;
struct weft_platform;
struct weft_request;
struct weft_strv;

/** What stands for secret N in an attribute: this and N. */
#define WEFT_CACHE_SECRET_MARK "weft-secret:"

/** "NAME:TAG-linux-arm64" for the full reference "NAME:TAG". NULL where it has a digest, or the tag
 * would be too long. Caller frees. */
char *weft_cache_own_ref(const char *ref, const struct weft_platform *p);

/**
 * Append --import-cache and --export-cache of the solve of `p`, and to `notices` (text without the
 * platform) which directories of type=local have no cache yet: these are looked into, and left out.
 * `again`: the solve follows one that has written the caches. It reads them once more: of a layer
 * that came from a cache, BuildKit's store has nothing before somebody asks for the content.
 */
void weft_cache_args(const struct weft_request *r, const struct weft_platform *p, bool again,
                     struct weft_strv *argv, struct weft_strv *notices);

/**
 * Whether the solves of a request must go through weft-session (holder.h): they hold secrets, or,
 * for type=s3, are to be given those that AWS's own programs would find.
 */
bool weft_cache_needs_relay(const struct weft_request *r);

/** Whether a solve failed, by what buildctl wrote, only because another one made the container of
 * a cache (azblob) at the same time: it has to be started once more. */
bool weft_cache_lost_race(const char *text);

/**
 * Append what is to be said of a solve that has ended well, one text (without the platform) for
 * each --cache-from of which nothing could be read, and each --cache-to with ignore-error=true that
 * could not be written. `lane`: its progress.
 */
void weft_cache_notices(const struct weft_request *r, const struct weft_platform *p,
                        const struct weft_lane *lane, struct weft_strv *out);

#endif
