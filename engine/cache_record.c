/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cache_record.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

/* "2026-11-30T20:57:01.123456789Z", as Go writes a time in UTC. */
static int parse_time(const char *text, int64_t *out_s)
{
    size_t len = strcspn(text, ".Z");
    size_t digits = text[len] == '.' ? strspn(text + len + 1, "0123456789") : 0;
    weft_auto_free char *whole = NULL;
    time_t t;

    if (strcmp(text + len + (digits ? digits + 1 : 0), "Z") != 0) {
        return -1;
    }
    whole = weft_fmt("%.*sZ", (int)(len < 64 ? len : 64), text);
    if (weft_parse_time_utc(whole, &t) < 0) {
        return -1;
    }
    *out_s = t;
    return 0;
}

static int fail(const char *what, struct weft_err **err)
{
    return weft_fail(err, WEFT_E_FORMAT, "buildctl's answer: a record without %s", what);
}

int weft_cache_record_parse(const char *line, size_t len, struct weft_cache_record *out,
                            struct weft_err **err)
{
    weft_auto_json j = weft_json_parse(line, len, err);
    const char *id = weft_json_str(j, "id");
    const char *created = weft_json_str(j, "createdAt");
    const char *last_used = weft_json_str(j, "lastUsedAt");
    const char *description = weft_json_str(j, "description");
    const char *type = weft_json_str(j, "recordType");
    const struct weft_json *parents = weft_json_get(j, "parents");
    int64_t size = weft_json_int(j, "size", 0);
    int64_t created_s, last_used_s = -1;

    if (!j) {
        return weft_err_wrap(err, "buildctl's answer");
    }
    if (!id || !*id) {
        return fail("an id", err);
    }
    if (!created || parse_time(created, &created_s) < 0 ||
        (last_used && parse_time(last_used, &last_used_s) < 0)) {
        return fail("a time", err);
    }
    *out = (struct weft_cache_record){
        .id = weft_xstrdup(id),
        .description = weft_xstrdup(description ? description : ""),
        .type = weft_xstrdup(type ? type : ""),
        .created = weft_xstrdup(created),
        .last_used = weft_xstrdup_null(last_used),
        .last_used_s = last_used_s,
        .usage_count = weft_json_int(j, "usageCount", 0),
        .size_bytes = size > 0 ? (uint64_t)size : 0, /* negative: not known */
        .in_use = weft_json_bool(j, "inUse", false),
        .is_mutable = weft_json_bool(j, "mutable", false),
        .shared = weft_json_bool(j, "shared", false),
    };
    for (size_t i = 0; i < weft_json_len(parents); i++) {
        const char *parent = weft_json_value_str(weft_json_at(parents, i));

        if (parent) {
            weft_strv_add(&out->parents, parent);
        }
    }
    return 0;
}

void weft_cache_record_finish(struct weft_cache_record *r)
{
    free(r->id);
    weft_strv_finish(&r->parents);
    free(r->description);
    free(r->type);
    free(r->created);
    free(r->last_used);
    *r = (struct weft_cache_record){0};
}

static void add_to(uint64_t *sum, uint64_t bytes)
{
    if (__builtin_add_overflow(*sum, bytes, sum)) {
        *sum = UINT64_MAX;
    }
}

void weft_cache_totals_add(struct weft_cache_totals *t, const struct weft_cache_record *r)
{
    add_to(&t->total_bytes, r->size_bytes);
    add_to(&t->reclaimable_bytes, r->in_use ? 0 : r->size_bytes);
    add_to(r->shared ? &t->shared_bytes : &t->own_bytes, r->size_bytes);
    t->n++;
}

void weft_cache_totals_join(struct weft_cache_totals *t, const struct weft_cache_totals *other)
{
    add_to(&t->total_bytes, other->total_bytes);
    add_to(&t->reclaimable_bytes, other->reclaimable_bytes);
    add_to(&t->shared_bytes, other->shared_bytes);
    add_to(&t->own_bytes, other->own_bytes);
    t->n += other->n;
}

bool weft_cache_limits_keep(const struct weft_cache_limits *l, uint64_t used_bytes,
                            uint64_t free_bytes, uint64_t *keep_bytes)
{
    uint64_t keep = l->max_used_bytes;

    if (l->max_used_bytes == 0 && l->reserved_bytes == 0 && l->min_free_bytes == 0) {
        return false;
    }
    if (l->min_free_bytes > free_bytes) {
        uint64_t lacking = l->min_free_bytes - free_bytes;
        uint64_t left = used_bytes > lacking ? used_bytes - lacking : 0;

        keep = l->max_used_bytes && l->max_used_bytes < left ? l->max_used_bytes : left;
    } else if (l->min_free_bytes > 0 && l->max_used_bytes == 0) {
        return false;
    }
    *keep_bytes = keep > l->reserved_bytes ? keep : l->reserved_bytes;
    return true;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

uint64_t weft_cache_level(const uint64_t *used_bytes, size_t n, uint64_t keep_bytes)
{
    weft_auto_free uint64_t *sorted = weft_xcalloc(n + 1, sizeof(*sorted));

    for (size_t i = 0; i < n; i++) {
        sorted[i] = used_bytes[i];
    }
    qsort(sorted, n, sizeof(*sorted), by_size);
    for (size_t i = 0; i < n; i++) {
        uint64_t share = keep_bytes / (n - i);

        if (sorted[i] > share) {
            return share;
        }
        keep_bytes -= sorted[i];
    }
    return UINT64_MAX;
}
