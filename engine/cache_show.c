/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cache_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/docker_units.h"

static const char *yes_no(bool b)
{
    return b ? "true" : "false";
}

/* "3 days ago", "": never. Caller frees. */
static char *ago(const struct weft_cache_record *r, int64_t now_s)
{
    weft_auto_free char *text = NULL;

    if (r->last_used_s < 0) {
        return weft_fmt("%s", "");
    }
    text = weft_docker_duration(now_s - r->last_used_s);
    return weft_fmt("%s ago", text);
}

void weft_cache_show_header(FILE *out)
{
    fprintf(out, "%-32s  %-11s  %-9s  %s\n", "ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED");
}

void weft_cache_show_row(FILE *out, const struct weft_cache_record *r, int64_t now_s)
{
    weft_auto_free char *shown = weft_printable(r->id);
    weft_auto_free char *id = weft_fmt("%s%s", shown, r->is_mutable ? "*" : "");
    weft_auto_free char *human = weft_docker_size(r->size_bytes);
    weft_auto_free char *size = weft_fmt("%s%s", human, r->shared ? "*" : "");
    weft_auto_free char *when = ago(r, now_s);

    fprintf(out, "%-32s  %-11s  %-9s%s%s\n", id, yes_no(!r->in_use), size, *when ? "  " : "", when);
}

/* "2025-06-12T15:44:02.7Z" as Go prints a time: "2025-06-12 15:44:02.7 +0000 UTC". Caller frees. */
static char *go_time(const char *rfc3339)
{
    size_t len = strlen(rfc3339);

    return weft_fmt("%.10s %.*s +0000 UTC", rfc3339, (int)(len > 12 ? len - 12 : 0), rfc3339 + 11);
}

void weft_cache_show_block(FILE *out, const struct weft_cache_record *r, int64_t now_s)
{
    weft_auto_free char *id = weft_printable(r->id);
    weft_auto_free char *description = weft_printable(r->description);
    weft_auto_free char *type = weft_printable(r->type);
    weft_auto_free char *created = go_time(r->created);
    weft_auto_free char *size = weft_docker_size(r->size_bytes);
    weft_auto_free char *when = ago(r, now_s);

    fprintf(out, "ID:           %s\n", id);
    for (size_t i = 0; i < r->parents.n; i++) {
        weft_auto_free char *parent = weft_printable(r->parents.v[i]);

        fprintf(out, "%s - %s\n", i == 0 ? "Parents:\n" : "", parent);
    }
    fprintf(out, "Created at:   %s\n", created);
    fprintf(out, "Mutable:      %s\n", yes_no(r->is_mutable));
    fprintf(out, "Reclaimable:  %s\n", yes_no(!r->in_use));
    fprintf(out, "Shared:       %s\n", yes_no(r->shared));
    fprintf(out, "Size:         %s\n", size);
    if (*description) {
        fprintf(out, "Description:  %s\n", description);
    }
    fprintf(out, "Usage count:  %" PRId64 "\n", r->usage_count);
    if (*when) {
        fprintf(out, "Last used:    %s\n", when);
    }
    if (*type) {
        fprintf(out, "Type:         %s\n", type);
    }
    fputs("\n", out);
}

void weft_cache_show_json_line(FILE *out, const struct weft_cache_record *r, const char *worker)
{
    weft_auto_json j = weft_json_object();
    weft_auto_free char *size = weft_fmt("%" PRIu64, r->size_bytes);
    weft_auto_free char *text = NULL;
    struct weft_json *parents = weft_json_array();

    for (size_t i = 0; i < r->parents.n; i++) {
        weft_json_append_str(parents, r->parents.v[i]);
    }
    weft_json_set_str(j, "CreatedAt", r->created);
    weft_json_set_str(j, "Description", r->description);
    weft_json_set_str(j, "ID", r->id);
    weft_json_set_str(j, "LastUsedAt", r->last_used);
    weft_json_set_bool(j, "Mutable", r->is_mutable);
    weft_json_set(j, "Parents", parents);
    weft_json_set_bool(j, "Reclaimable", !r->in_use);
    weft_json_set_bool(j, "Shared", r->shared);
    weft_json_set_str(j, "Size", size);
    weft_json_set_str(j, "Type", r->type);
    weft_json_set_int(j, "UsageCount", r->usage_count);
    weft_json_set_str(j, "Worker", worker);
    text = weft_json_dump(j, 0);
    fprintf(out, "%s\n", text);
}

void weft_cache_show_totals(FILE *out, const struct weft_cache_totals *t)
{
    weft_auto_free char *shared = weft_docker_size(t->shared_bytes);
    weft_auto_free char *private = weft_docker_size(t->total_bytes - t->shared_bytes);
    weft_auto_free char *reclaimable = weft_docker_size(t->reclaimable_bytes);
    weft_auto_free char *total = weft_docker_size(t->total_bytes);

    if (t->shared_bytes > 0) {
        fprintf(out, "Shared:       %s\nPrivate:      %s\n", shared, private);
    }
    fprintf(out, "Reclaimable:  %s\nTotal:        %s\n", reclaimable, total);
}

struct weft_json *weft_cache_record_json(const struct weft_cache_record *r)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *parents = weft_json_array();

    for (size_t i = 0; i < r->parents.n; i++) {
        weft_json_append_str(parents, r->parents.v[i]);
    }
    weft_json_set_str(j, "id", r->id);
    weft_json_set(j, "parents", parents);
    weft_json_set_str(j, "description", r->description);
    weft_json_set_str(j, "type", *r->type ? r->type : NULL);
    weft_json_set_str(j, "created", r->created);
    weft_json_set_str(j, "last_used", r->last_used);
    weft_json_set_int(j, "usage_count", r->usage_count);
    weft_json_set_int(j, "size_bytes", (int64_t)r->size_bytes);
    weft_json_set_bool(j, "reclaimable", !r->in_use);
    weft_json_set_bool(j, "mutable", r->is_mutable);
    weft_json_set_bool(j, "shared", r->shared);
    return j;
}

struct weft_json *weft_cache_totals_json(const struct weft_cache_totals *t)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_int(j, "records", (int64_t)t->n);
    weft_json_set_int(j, "shared_bytes", (int64_t)t->shared_bytes);
    weft_json_set_int(j, "private_bytes", (int64_t)(t->total_bytes - t->shared_bytes));
    weft_json_set_int(j, "reclaimable_bytes", (int64_t)t->reclaimable_bytes);
    weft_json_set_int(j, "total_bytes", (int64_t)t->total_bytes);
    return j;
}
