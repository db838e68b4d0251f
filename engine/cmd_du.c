/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/cache_show.h"
#include "engine/caches.h"
#include "engine/cmd.h"
#include "engine/docker_units.h"
#include "engine/flags.h"
#include "engine/state_usage.h"
#include "engine/worker_disk.h"

struct options {
    struct weft_strv filter;
    struct weft_strv workers;
    char *format;
    bool json, verbose, help;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_LIST, 0, "filter", "FILTER", offsetof(struct options, filter),
     "only some records: until=24h, id=ID, parents=ID, type=TYPE,\n"
     "description~=REGEXP, inuse, mutable, immutable, shared, private"},
    {WEFT_FLAG_VALUE, 0, "format", "FORMAT", offsetof(struct options, format),
     "table, pretty, or json: a line of JSON for each record"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "all of it as JSON"},
    {WEFT_FLAG_SWITCH, 0, "verbose", NULL, offsetof(struct options, verbose),
     "all that is known of each record; the same as --format=pretty"},
    {WEFT_FLAG_LIST, 0, "worker", "SLOT", offsetof(struct options, workers),
     "only this worker's cache; may be repeated"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static void print_help(FILE *out)
{
    fputs(
        "usage: weft du [FLAGS]\n"
        "\n"
        "Shows what the caches of weft's workers hold, and what else of weft takes disk space. A\n"
        "worker that does not run is started for it, and ended again.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft du\n"
          "  weft du --verbose --filter type=exec.cachemount\n"
          "  weft du --worker linux_arm64 --filter until=168h\n"
          "  weft du --json\n",
          out);
}

enum format {
    FORMAT_TABLE,
    FORMAT_PRETTY,
    FORMAT_JSON_LINES,
    FORMAT_JSON
};

/* One run of the command. */
struct run {
    enum format format;
    struct weft_cache_filter filter;
    FILE *out;
    int64_t now_s;
    const char *slot; /* whose records come */
    struct weft_cache_totals here;
    struct weft_cache_totals all;
    struct weft_json *records; /* with --json, those of the slot */
};

static void on_record(const struct weft_cache_record *record, void *data)
{
    struct run *r = data;

    weft_cache_totals_add(&r->here, record);
    switch (r->format) {
    case FORMAT_TABLE:
        weft_cache_show_row(r->out, record, r->now_s);
        break;
    case FORMAT_PRETTY:
        weft_cache_show_block(r->out, record, r->now_s);
        break;
    case FORMAT_JSON_LINES:
        weft_cache_show_json_line(r->out, record, r->slot);
        break;
    case FORMAT_JSON:
        weft_json_append(r->records, weft_cache_record_json(record));
        break;
    }
}

static bool is_for_people(const struct run *r)
{
    return r->format == FORMAT_TABLE || r->format == FORMAT_PRETTY;
}

/* buildx prints no sums of what was filtered. */
static bool has_totals(const struct run *r)
{
    return is_for_people(r) && !r->filter.text && r->filter.until_ms == 0;
}

static int list_worker(struct run *r, struct weft_caches *c, const char *slot,
                       struct weft_json *workers, struct weft_err **err)
{
    struct weft_json *j;
    int rc;

    r->slot = slot;
    r->here = (struct weft_cache_totals){0};
    r->records = weft_json_array();
    if (is_for_people(r)) {
        fprintf(r->out, "%s\n", slot);
    }
    if (r->format == FORMAT_TABLE) {
        weft_cache_show_header(r->out);
    }
    rc = weft_caches_list(c, slot, &r->filter, on_record, r, err);
    weft_cache_totals_join(&r->all, &r->here);
    if (rc == 0 && has_totals(r)) {
        weft_cache_show_totals(r->out, &r->here);
    }
    if (is_for_people(r)) {
        fputs("\n", r->out);
    }
    j = weft_json_object();
    weft_json_set_str(j, "slot", slot);
    weft_json_set(j, "records", r->records);
    weft_json_set(j, "totals", weft_cache_totals_json(&r->here));
    weft_json_append(workers, j);
    return rc;
}

/* All of them, also if one fails, unless a signal has come; *failed is the first error. */
static void list_workers(struct run *r, struct weft_caches *c,
                         const struct weft_worker_entry *entries, size_t n,
                         struct weft_json *workers, struct weft_err **failed)
{
    for (size_t i = 0; i < n && !weft_caches_interrupted(c); i++) {
        struct weft_err *err = NULL;

        if (list_worker(r, c, entries[i].slot, workers, &err) == 0) {
            continue;
        }
        if (*failed) {
            weft_error("%s", err->msg);
            weft_err_free(err);
        } else {
            *failed = err;
        }
    }
    if (has_totals(r) && n > 1 && !*failed) {
        fputs("All workers\n", r->out);
        weft_cache_show_totals(r->out, &r->all);
        fputs("\n", r->out);
    }
}

/* The room that the state has. */
struct room {
    char *root;
    struct weft_state_usage usage;
    struct weft_worker_room disk;
};

static int look_at_state(struct room *room, uint64_t set_bytes, struct weft_err **err)
{
    room->root = weft_dir_state(err);
    if (!room->root || weft_worker_room_look(room->root, set_bytes, &room->disk, err) < 0) {
        return -1;
    }
    weft_state_usage_count(room->root, &room->usage);
    return 0;
}

static void room_finish(struct room *room)
{
    free(room->root);
    weft_state_usage_finish(&room->usage);
}

static void print_size(FILE *out, int width, const char *name, uint64_t bytes, bool whole,
                       const char *what)
{
    weft_auto_free char *human = weft_docker_size(bytes);
    weft_auto_free char *size = weft_fmt("%s%s", whole ? "" : ">", human);

    fprintf(out, "%-*s  ", width, name);
    if (*what) {
        fprintf(out, "%-8s  %s\n", size, what);
    } else {
        fprintf(out, "%s\n", size);
    }
}

static void print_room(FILE *out, const struct room *room)
{
    weft_auto_free char *root = weft_printable(room->root);
    weft_auto_free char *budget = weft_docker_size(room->disk.budget_bytes);
    weft_auto_free char *left = weft_docker_size(room->disk.free_bytes);
    weft_auto_free char *size = weft_docker_size(room->disk.fs_bytes);
    int width = 11;

    fprintf(out, "On disk: %s\n", root);
    for (size_t i = 0; i < room->usage.n; i++) {
        int len = (int)strlen(room->usage.v[i].path);

        width = len > width ? len : width;
    }
    for (size_t i = 0; i < room->usage.n; i++) {
        const struct weft_state_part *p = &room->usage.v[i];
        weft_auto_free char *path = weft_printable(p->path);

        if (*p->what) {
            print_size(out, width, path, p->bytes, p->is_whole, p->what);
        }
    }
    print_size(out, width, "Total:", room->usage.total_bytes, room->usage.is_whole, "");
    fprintf(out, "Budget of all caches: %s; free: %s of %s\n", budget, left, size);
}

static struct weft_json *room_json(const struct room *room)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *parts = weft_json_array();

    for (size_t i = 0; i < room->usage.n; i++) {
        const struct weft_state_part *p = &room->usage.v[i];
        struct weft_json *part = weft_json_object();

        weft_json_set_str(part, "path", p->path);
        weft_json_set_int(part, "size_bytes", (int64_t)p->bytes);
        weft_json_set_bool(part, "size_whole", p->is_whole);
        weft_json_append(parts, part);
    }
    weft_json_set_str(j, "path", room->root);
    weft_json_set(j, "parts", parts);
    weft_json_set_int(j, "size_bytes", (int64_t)room->usage.total_bytes);
    weft_json_set_bool(j, "size_whole", room->usage.is_whole);
    weft_json_set_int(j, "budget_bytes", (int64_t)room->disk.budget_bytes);
    weft_json_set_int(j, "free_bytes", (int64_t)room->disk.free_bytes);
    weft_json_set_int(j, "file_system_bytes", (int64_t)room->disk.fs_bytes);
    return j;
}

static int show_all(struct run *r, struct weft_caches *c, const struct weft_worker_entry *entries,
                    size_t n, bool with_state, struct weft_err **err)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *workers = weft_json_array();
    struct weft_err *failed = NULL;
    struct room room = {0};
    int rc = 0;

    weft_json_set_int(root, "schema", 1);
    weft_json_set(root, "workers", workers);
    list_workers(r, c, entries, n, workers, &failed);
    weft_json_set(root, "totals", weft_cache_totals_json(&r->all));
    if (failed && failed->code == WEFT_E_CANCELLED) {
        *err = failed;
        return -1;
    }
    if (with_state) {
        rc = look_at_state(&room, weft_caches_budget(c), failed ? NULL : err);
    }
    if (with_state && rc == 0 && r->format == FORMAT_JSON) {
        weft_json_set(root, "state", room_json(&room));
    } else if (with_state && rc == 0) {
        print_room(r->out, &room);
    }
    if (r->format == FORMAT_JSON) {
        weft_auto_free char *text = weft_json_dump(root, 2);

        fprintf(r->out, "%s\n", text);
    }
    room_finish(&room);
    if (failed) {
        *err = failed;
        return -1;
    }
    return rc;
}

static int run_with(struct run *r, const struct options *o, struct weft_err **err)
{
    struct weft_caches *c = weft_caches_create(err);
    struct weft_worker_entry *entries = NULL;
    size_t n = 0;
    int rc = c ? weft_caches_select(&o->workers, &entries, &n, err) : -1;

    if (rc == 0) {
        bool filtered = r->filter.text || r->filter.until_ms > 0;

        rc = show_all(r, c, entries, n,
                      o->workers.n == 0 && !filtered && r->format != FORMAT_JSON_LINES, err);
    }
    weft_worker_entries_free(entries, n);
    weft_caches_destroy(c);
    return rc;
}

static int choose_format(const struct options *o, enum format *format, struct weft_err **err)
{
    const char *name = o->format;

    if ((name != NULL) + o->verbose + o->json > 1) {
        return weft_fail(err, WEFT_E_USAGE, "of --format, --verbose and --json, one");
    }
    *format = o->json ? FORMAT_JSON : o->verbose ? FORMAT_PRETTY : FORMAT_TABLE;
    if (!name || strcmp(name, "table") == 0) {
        return 0;
    }
    if (strcmp(name, "pretty") == 0) {
        *format = FORMAT_PRETTY;
    } else if (strcmp(name, "json") == 0) {
        *format = FORMAT_JSON_LINES;
    } else {
        weft_fail(err, WEFT_E_USAGE, "--format: it is table, pretty or json");
        return weft_err_hint(err, "for anything else, --format=json and jq");
    }
    return 0;
}

static int run_parsed(const struct options *o, const struct weft_strv *args, FILE *out,
                      struct weft_err **err)
{
    struct run r = {.out = out, .now_s = time(NULL)};
    int rc;

    if (args->n > 0) {
        weft_fail(err, WEFT_E_USAGE, "du takes no arguments");
        return weft_err_hint(err, "weft du --help");
    }
    rc = choose_format(o, &r.format, err);
    if (rc == 0) {
        rc = weft_cache_filter_parse(&o->filter, &r.filter, err);
    }
    if (rc == 0) {
        rc = run_with(&r, o, err);
    }
    weft_cache_filter_finish(&r.filter);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv args = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &args, err);

    if (rc < 0) {
        weft_err_hint(err, "weft du --help");
    } else if (o.help) {
        print_help(out);
    } else {
        rc = run_parsed(&o, &args, out, err);
    }
    weft_strv_finish(&o.filter);
    weft_strv_finish(&o.workers);
    free(o.format);
    return rc;
}

const struct weft_cmd weft_cmd_du = {
    .name = "du",
    .summary = "Show what the caches of workers hold, and what takes disk space",
    .run = run,
};
