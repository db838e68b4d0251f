/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/init_cache.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/init_tasks.h"
#include "engine/worker_disk.h"

enum {
    UNUSED_MS = 3000,      /* the next build may come at once */
    BUSY_MS = 60 * 1000,   /* as BuildKit's own collector */
    SHARE_AGAIN_MS = 2000, /* how often the states are counted */
};

void weft_init_cache_init(struct weft_init_cache *c, const struct weft_worker_files *files,
                          const char *buildctl, uint64_t share_bytes, int64_t now_ms)
{
    *c = (struct weft_init_cache){
        .files = files,
        .buildctl = buildctl,
        .trimmed_bytes = share_bytes,
        .trimmed_ms = now_ms,
        .used = true,
    };
}

void weft_init_cache_wish(struct weft_init_cache *c, uint64_t budget_bytes)
{
    c->budget_bytes = budget_bytes;
    c->used = true;
    c->share_ms = 0;
}

/* Whether the share has got smaller than what the cache was held to. */
static bool smaller(struct weft_init_cache *c, int64_t now_ms)
{
    if (c->share_ms == 0 || now_ms - c->share_ms >= SHARE_AGAIN_MS) {
        weft_auto_free char *workers = weft_path_dir(c->files->state_dir);
        weft_auto_free char *root = weft_path_dir(workers);

        c->share_bytes = weft_worker_disk_share(c->budget_bytes, root);
        c->share_ms = now_ms;
    }
    return c->share_bytes < c->trimmed_bytes;
}

static void start(struct weft_init_cache *c, int64_t now_ms)
{
    weft_auto_err err = NULL;
    pid_t pid = weft_init_trim(c->buildctl, c->files, c->share_bytes, &err);

    c->used = false;
    c->trimmed_bytes = c->share_bytes;
    c->trimmed_ms = now_ms;
    if (pid < 0) {
        weft_warn("the cache was not trimmed: %s", err->msg);
    } else {
        c->trimmer = pid;
    }
}

void weft_init_cache_busy(struct weft_init_cache *c, int64_t now_ms)
{
    c->used = true;
    if (!c->trimmer && c->budget_bytes && now_ms - c->trimmed_ms >= BUSY_MS && smaller(c, now_ms)) {
        start(c, now_ms);
    }
}

bool weft_init_cache_unused(struct weft_init_cache *c, int64_t unused_ms, int64_t idle_ms,
                            int64_t now_ms)
{
    if (!c->trimmer && c->budget_bytes &&
        (smaller(c, now_ms) ||
         (c->used && unused_ms >= (idle_ms < UNUSED_MS ? idle_ms : UNUSED_MS)))) {
        start(c, now_ms);
    }
    return c->trimmer != 0;
}

bool weft_init_cache_last(struct weft_init_cache *c, int64_t now_ms)
{
    if (!c->trimmer && c->budget_bytes && (smaller(c, now_ms) || c->used)) {
        start(c, now_ms);
    }
    return c->trimmer != 0;
}
