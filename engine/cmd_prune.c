/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/cache_show.h"
#include "engine/caches.h"
#include "engine/cmd.h"
#include "engine/docker_units.h"
#include "engine/flags.h"
#include "engine/workdir.h"
#include "engine/worker_disk.h"

struct options {
    struct weft_strv filter;
    struct weft_strv workers;
    char *reserved_space, *keep_storage, *max_used_space, *min_free_space;
    bool all, force, json, verbose, help;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 'a', "all", NULL, offsetof(struct options, all),
     "also internal and frontend images, and what is shared"},
    {WEFT_FLAG_LIST, 0, "filter", "FILTER", offsetof(struct options, filter),
     "only some records: until=24h, id=ID, parents=ID, type=TYPE,\n"
     "description~=REGEXP, inuse, mutable, immutable, shared, private"},
    {WEFT_FLAG_SWITCH, 'f', "force", NULL, offsetof(struct options, force), "do not ask"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "what was removed, as JSON; not without --force"},
    {WEFT_FLAG_VALUE, 0, "keep-storage", "SIZE", offsetof(struct options, keep_storage),
     "the old name of --reserved-space"},
    {WEFT_FLAG_VALUE, 0, "max-used-space", "SIZE", offsetof(struct options, max_used_space),
     "remove until the caches have no more than that together"},
    {WEFT_FLAG_VALUE, 0, "min-free-space", "SIZE", offsetof(struct options, min_free_space),
     "remove until so much of the disk is free"},
    {WEFT_FLAG_VALUE, 0, "reserved-space", "SIZE", offsetof(struct options, reserved_space),
     "so much of the caches stays in any case"},
    {WEFT_FLAG_SWITCH, 0, "verbose", NULL, offsetof(struct options, verbose),
     "all that is known of each record"},
    {WEFT_FLAG_LIST, 0, "worker", "SLOT", offsetof(struct options, workers),
     "only this worker's cache; may be repeated"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static void print_help(FILE *out)
{
    fputs("usage: weft prune [FLAGS]\n"
          "\n"
          "Removes what the caches of weft's workers hold and no build is using, and what killed\n"
          "builds have left. A worker that does not run is started for it, and ended again.\n"
          "Sizes are for all caches together: the largest shrink first, and in each goes first\n"
          "what was used least recently. 64m, 1.5g: powers of 1024.\n"
          "\n",
          out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft prune\n"
          "  weft prune --force --filter until=48h\n"
          "  weft prune --force --max-used-space 20g\n"
          "  weft prune --all --force --worker linux_arm64\n",
          out);
}

/* One run of the command. */
struct run {
    const struct options *o;
    struct weft_cache_filter filter;
    struct weft_cache_limits limits;
    FILE *out;
    int64_t now_s;
    const char *slot;   /* whose records come */
    const char *headed; /* the slot that was last named above a table */
    struct weft_json *removed;
    uint64_t total_bytes;
};

static void on_record(const struct weft_cache_record *record, void *data)
{
    struct run *r = data;

    r->total_bytes += record->size_bytes;
    if (r->o->json) {
        struct weft_json *j = weft_cache_record_json(record);

        weft_json_set_str(j, "worker", r->slot);
        weft_json_append(r->removed, j);
        return;
    }
    if (r->headed != r->slot) {
        fprintf(r->out, "%s%s\n", r->headed && !r->o->verbose ? "\n" : "", r->slot);
        r->headed = r->slot;
        if (!r->o->verbose) {
            weft_cache_show_header(r->out);
        }
    }
    if (r->o->verbose) {
        weft_cache_show_block(r->out, record, r->now_s);
    } else {
        weft_cache_show_row(r->out, record, r->now_s);
    }
    fflush(r->out); /* it may take a while */
}

static void add_up(const struct weft_cache_record *record, void *data)
{
    weft_cache_totals_add(data, record);
}

/* Goes on after one that fails: the first error is the command's. */
static void note_failure(struct weft_err **first, struct weft_err *err)
{
    if (*first) {
        weft_error("%s", err->msg);
        weft_err_free(err);
    } else {
        *first = err;
    }
}

/* How much each cache may keep; UINT64_MAX: all of it. Caches that could not be looked at keep what
 * they have. */
static int find_level(struct weft_caches *c, const struct weft_worker_entry *entries, size_t n,
                      const struct weft_cache_limits *limits, uint64_t *used, uint64_t *level,
                      struct weft_err **err)
{
    static const struct weft_cache_filter none = {0};
    weft_auto_free char *root = weft_dir_state(err);
    struct statvfs st;
    uint64_t sum = 0, keep;

    *level = UINT64_MAX;
    if (!root) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct weft_cache_totals totals = {0};

        if (weft_caches_list(c, entries[i].slot, &none, add_up, &totals, err) < 0) {
            return -1;
        }
        used[i] = totals.own_bytes;
        sum += used[i];
    }
    if (statvfs(root, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", root);
    }
    if (weft_cache_limits_keep(limits, sum, (uint64_t)st.f_bavail * st.f_frsize, &keep)) {
        *level = weft_cache_level(used, n, keep);
    }
    return 0;
}

static int prune_workers(struct run *r, struct weft_caches *c,
                         const struct weft_worker_entry *entries, size_t n, struct weft_err **err)
{
    const struct weft_cache_limits *l = &r->limits;
    bool limited = l->reserved_bytes || l->max_used_bytes || l->min_free_bytes;
    weft_auto_free uint64_t *used = weft_xcalloc(n + 1, sizeof(*used));
    struct weft_err *first = NULL;
    uint64_t level = 0;

    if (limited && find_level(c, entries, n, l, used, &level, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n && !(first && first->code == WEFT_E_CANCELLED); i++) {
        struct weft_err *e = NULL;

        r->slot = entries[i].slot;
        if ((!limited || used[i] > level) &&
            weft_caches_prune(c, r->slot, &r->filter, r->o->all, level, on_record, r, &e) < 0) {
            note_failure(&first, e);
        }
    }
    if (first) {
        *err = first;
        return -1;
    }
    return 0;
}

/* What builds that were killed have left; the next build would remove it, too. */
static void sweep_builds(struct run *r)
{
    weft_auto_free char *root = weft_dir_state(NULL);
    weft_auto_free char *dir = root ? weft_path_join(root, "builds") : NULL;
    weft_auto_free char *prefix = weft_workdir_prefix("build");
    uint64_t before, after;
    bool whole;

    if (!dir || !weft_is_dir(dir)) {
        return;
    }
    before = weft_worker_disk_walk(dir, &whole);
    weft_workdir_sweep(dir, prefix);
    after = weft_worker_disk_walk(dir, &whole);
    if (after < before) {
        weft_auto_free char *size = weft_docker_size(before - after);

        r->total_bytes += before - after;
        weft_info("files of builds that were killed: %s", size);
    }
}

static void print_end(const struct run *r)
{
    weft_auto_json root = NULL;
    weft_auto_free char *text = NULL;

    if (!r->o->json) {
        weft_auto_free char *total = weft_docker_size(r->total_bytes);

        fprintf(r->out, "Total:  %s\n", total);
        return;
    }
    root = weft_json_object();
    weft_json_set_int(root, "schema", 1);
    weft_json_set(root, "removed", weft_json_copy(r->removed));
    weft_json_set_int(root, "total_bytes", (int64_t)r->total_bytes);
    text = weft_json_dump(root, 2);
    fprintf(r->out, "%s\n", text);
}

static int prune(struct run *r, struct weft_err **err)
{
    struct weft_caches *c = weft_caches_create(err);
    weft_auto_json removed = weft_json_array();
    struct weft_worker_entry *entries = NULL;
    size_t n = 0;
    int rc = c ? weft_caches_select(&r->o->workers, &entries, &n, err) : -1;

    r->removed = removed;
    if (rc == 0) {
        /* first, since it needs no room: a worker does, to start */
        if (r->o->workers.n == 0 && r->o->filter.n == 0) {
            sweep_builds(r);
        }
        rc = prune_workers(r, c, entries, n, err);
        print_end(r); /* also if it failed: some is gone */
    }
    weft_worker_entries_free(entries, n);
    weft_caches_destroy(c);
    return rc;
}

/* As buildx: anything but "y" is no, and so is the end of the input. */
static bool confirmed(const struct options *o, FILE *out)
{
    weft_auto_free char *line = NULL;
    size_t size = 0;
    ssize_t len;

    fprintf(out,
            "WARNING! This will remove all %sbuild cache. Are you sure you want to continue? "
            "[y/N] ",
            o->all ? "" : "dangling ");
    fflush(out);
    len = getline(&line, &size, stdin);
    if (len > 0 && line[len - 1] == '\n') {
        line[--len] = '\0';
    }
    if (len > 0 && (strcmp(line, "y") == 0 || strcmp(line, "Y") == 0)) {
        return true;
    }
    if (len <= 0 && !isatty(STDIN_FILENO)) {
        fputs("\n", out);
        weft_warn("there is nobody to ask: nothing was removed; --force does not ask");
    }
    return false;
}

static int parse_space(const char *name, const char *text, uint64_t *bytes, struct weft_err **err)
{
    if (text && weft_docker_parse_size(text, bytes) < 0) {
        weft_auto_free char *shown = weft_printable(text);

        weft_fail(err, WEFT_E_USAGE, "--%s: \"%s\" is not a size", name, shown);
        return weft_err_hint(err, "a size is such as 512m, 1.5g or 67108864 (k, m, g, t: 1024 "
                                  "each)");
    }
    return 0;
}

static int parse_spaces(const struct options *o, struct weft_cache_limits *l, struct weft_err **err)
{
    if (o->keep_storage) {
        weft_warn("--keep-storage is deprecated: it has been changed to --reserved-space");
    }
    if (o->keep_storage && o->reserved_space) {
        return weft_fail(err, WEFT_E_USAGE, "--keep-storage and --reserved-space are one flag");
    }
    return parse_space("keep-storage", o->keep_storage, &l->reserved_bytes, err) < 0 ||
                   parse_space("reserved-space", o->reserved_space, &l->reserved_bytes, err) < 0 ||
                   parse_space("max-used-space", o->max_used_space, &l->max_used_bytes, err) < 0
               ? -1
               : parse_space("min-free-space", o->min_free_space, &l->min_free_bytes, err);
}

static int run_parsed(const struct options *o, const struct weft_strv *args, FILE *out,
                      struct weft_err **err)
{
    struct run r = {.o = o, .out = out, .now_s = time(NULL)};
    int rc = -1;

    if (args->n > 0) {
        weft_fail(err, WEFT_E_USAGE, "prune takes no arguments");
        return weft_err_hint(err, "weft prune --help");
    }
    if (o->json && (o->verbose || !o->force)) {
        return weft_fail(err, WEFT_E_USAGE, "--json is not for --verbose, nor without --force");
    }
    if (weft_cache_filter_parse(&o->filter, &r.filter, err) == 0 &&
        parse_spaces(o, &r.limits, err) == 0) {
        rc = o->force || confirmed(o, out) ? prune(&r, err) : 0;
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
        weft_err_hint(err, "weft prune --help");
    } else if (o.help) {
        print_help(out);
    } else {
        rc = run_parsed(&o, &args, out, err);
    }
    weft_strv_finish(&o.filter);
    weft_strv_finish(&o.workers);
    free(o.reserved_space);
    free(o.keep_storage);
    free(o.max_used_space);
    free(o.min_free_space);
    return rc;
}

const struct weft_cmd weft_cmd_prune = {
    .name = "prune",
    .summary = "Remove what the caches of workers hold",
    .run = run,
};
