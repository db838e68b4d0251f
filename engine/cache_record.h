/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BuildKit says of a record of its cache, sums of them, and how much of the caches of several
 * workers a prune leaves. Pure.
 */
#ifndef WEFT_ENGINE_CACHE_RECORD_H
#define WEFT_ENGINE_CACHE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct weft_err;

/** One record. Start from {0}; end with weft_cache_record_finish. */
struct weft_cache_record {
    char *id;
    struct weft_strv parents;
    char *description; /* "" where there is none */
    char *type;        /* "regular", "source.local", ...; "" where it is not said, as by a prune */
    char *created;     /* RFC 3339, in UTC, with up to nine digits behind the second */
    char *last_used;   /* likewise; NULL: never */
    int64_t last_used_s; /* Unix time; -1: never */
    int64_t usage_count;
    uint64_t size_bytes;
    bool in_use; /* and so not reclaimable */
    bool is_mutable;
    bool shared; /* its storage is that of something else, too */
};

/** Read one line of `buildctl du` or `prune`, a record as JSON. Errors:
 * WEFT_E_FORMAT. */
int weft_cache_record_parse(const char *line, size_t len, struct weft_cache_record *out,
                            struct weft_err **err);
void weft_cache_record_finish(struct weft_cache_record *r);

/** Sums as buildx has them. Start from {0}. */
struct weft_cache_totals {
    uint64_t total_bytes;
    uint64_t reclaimable_bytes;
    uint64_t shared_bytes;
    uint64_t own_bytes; /* of what is not shared: what BuildKit holds against a limit */
    size_t n;
};

void weft_cache_totals_add(struct weft_cache_totals *t, const struct weft_cache_record *r);
void weft_cache_totals_join(struct weft_cache_totals *t, const struct weft_cache_totals *other);

/** What a prune is to leave, in all caches together; 0: not said. */
struct weft_cache_limits {
    uint64_t reserved_bytes; /* so much may stay in any case */
    uint64_t max_used_bytes; /* no more than that */
    uint64_t min_free_bytes; /* of the file system */
};

/**
 * How many bytes of caches may stay, as BuildKit counts for a single one. used_bytes: own_bytes of
 * all; free_bytes: of the file system. Returns false where there is no limit, or none that is
 * exceeded before anything is removed; else *keep.
 */
bool weft_cache_limits_keep(const struct weft_cache_limits *l, uint64_t used_bytes,
                            uint64_t free_bytes, uint64_t *keep_bytes);

/** The size that each of n caches may have so that together they have at most keep_bytes: those
 * that are smaller stay whole, the others become equal. UINT64_MAX: all stay as they are. */
uint64_t weft_cache_level(const uint64_t *used_bytes, size_t n, uint64_t keep_bytes);

#endif
