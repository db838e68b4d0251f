/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caches of workers, one after the other, for `weft du` and `weft prune`: what is in them, and
 * removing of it. BuildKit alone can tell and do that, so a worker that does not run is started for
 * it, and ended again. One that runs is asked while it works. Blocks, but heeds signals: SIGINT,
 * SIGTERM and SIGHUP end what is going on. Thread: the one that created it.
 */
#ifndef WEFT_ENGINE_CACHES_H
#define WEFT_ENGINE_CACHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "engine/cache_filter.h"
#include "engine/cache_record.h"
#include "engine/worker.h"

struct weft_caches;
struct weft_err;

/** Reads the config file; starts nothing. Errors: those of weft_settings_load; WEFT_E_IO. The
 * caller ends it with weft_caches_destroy. */
struct weft_caches *weft_caches_create(struct weft_err **err);
void weft_caches_destroy(struct weft_caches *c);

/**
 * Which workers are meant: those of the names, or all that have a state, sorted. *n of *entries
 * (weft_worker_entries_free). Errors: WEFT_E_USAGE: there is none of that name.
 */
int weft_caches_select(const struct weft_strv *slots, struct weft_worker_entry **entries, size_t *n,
                       struct weft_err **err);

/** What is called for each record. It is the caller's for the time of the call. */
typedef void weft_caches_record_fn(const struct weft_cache_record *r, void *data);

/**
 * Have fn called for each record that the filter lets through, the smallest first. Errors:
 * WEFT_E_CANCELLED; WEFT_E_CHILD, WEFT_E_FORMAT (buildctl's answer); those of weft_worker_visit.
 */
int weft_caches_list(struct weft_caches *c, const char *slot,
                     const struct weft_cache_filter *filter, weft_caches_record_fn *fn, void *data,
                     struct weft_err **err);

/**
 * Remove what is not in use and passes the filter, and have fn called for each record that went.
 * @param all also what is internal, a frontend, or shared
 * @param keep_bytes stop when so much is left of what is not shared, the least recently used having
 * gone first; 0: remove all of it
 * Errors: as above; what had gone until then has been told.
 */
int weft_caches_prune(struct weft_caches *c, const char *slot,
                      const struct weft_cache_filter *filter, bool all, uint64_t keep_bytes,
                      weft_caches_record_fn *fn, void *data, struct weft_err **err);

/** What the config file says of the budget of all caches; 0: nothing. */
uint64_t weft_caches_budget(const struct weft_caches *c);

/** Whether a signal has come: no more is to be begun. */
bool weft_caches_interrupted(const struct weft_caches *c);

#endif
