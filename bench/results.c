/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/results.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

const struct weft_state_part weft_bench_state = {
    .name = "bench",
    .format = 1,
    .unmarked = 1,
    .mode = 0755,
};

/* "20261123T214500Z". Caller frees. */
static char *name_of(time_t t)
{
    weft_auto_free char *text = weft_time_utc(t);
    weft_auto_buf b = {0};

    for (const char *c = text; *c; c++) {
        if (!strchr("-:", *c)) {
            weft_buf_append(&b, c, 1);
        }
    }
    return weft_buf_steal(&b);
}

char *weft_results_open(const char *state, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(state, weft_bench_state.name);
    weft_auto_free char *results = weft_path_join(dir, "results");

    if (weft_state_open(state, &weft_bench_state, err) < 0 || weft_mkdirs(results, 0755, err) < 0) {
        return NULL;
    }
    return weft_steal(&dir);
}

/* --- the files --- */

static size_t skip_digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* Whether we gave the file this name: "20261123T214500Z-1234.json". */
static bool is_ours(const char *name)
{
    size_t pid;

    if (skip_digits(name) != 8 || name[8] != 'T' || skip_digits(name + 9) != 6 ||
        !weft_starts_with(name + 15, "Z-")) {
        return false;
    }
    pid = skip_digits(name + 17);
    return pid > 0 && strcmp(name + 17 + pid, ".json") == 0;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

/* The names of the files that are ours, the newest first; none where they cannot be listed. */
static void list(const char *dir, struct weft_strv *names)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        if (is_ours(e->d_name)) {
            weft_strv_add(names, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
    if (names->n > 0) {
        qsort(names->v, names->n, sizeof(*names->v), newest_first);
    }
}

/* Remove the oldest of too many, but not the one that was just written, whatever the clock says. */
static void trim(const char *dir, const char *keep)
{
    weft_auto_strv names = {0};

    list(dir, &names);
    for (size_t i = WEFT_RESULTS_MAX; i < names.n; i++) {
        weft_auto_free char *path = weft_path_join(dir, names.v[i]);

        if (strcmp(path, keep) != 0 && unlink(path) < 0) {
            weft_debug("%s: %s", path, strerror(errno));
        }
    }
}

int weft_results_keep(const char *state, const struct weft_bench_result *r, char **path,
                      struct weft_err **err)
{
    weft_auto_free char *bench = weft_results_open(state, err);
    weft_auto_json j = weft_bench_result_json(r);
    weft_auto_free char *text = weft_json_dump(j, 1);
    weft_auto_free char *line = weft_fmt("%s\n", text);
    weft_auto_free char *started = name_of(r->started);
    weft_auto_free char *dir = NULL;

    if (!bench) {
        return -1;
    }
    dir = weft_path_join(bench, "results");
    /* two in the same second are two */
    *path = weft_fmt("%s/%s-%ld.json", dir, started, (long)getpid());
    if (weft_write_file(*path, line, strlen(line), 0644, err) < 0) {
        free(weft_steal(path));
        return -1;
    }
    trim(dir, *path);
    return 0;
}

void weft_results_each(const char *state, weft_results_fn *fn, void *data)
{
    weft_auto_free char *dir = weft_fmt("%s/bench/results", state);
    weft_auto_strv names = {0};
    bool more = true;

    list(dir, &names);
    for (size_t i = 0; i < names.n && more; i++) {
        weft_auto_free char *path = weft_path_join(dir, names.v[i]);
        struct weft_bench_result r = {0};
        weft_auto_err err = NULL;
        weft_auto_json j = weft_json_load(path, &err);

        if (!j || weft_bench_result_parse_kept(j, &r, &err) < 0) {
            weft_debug("%s is left out: %s", path, err->msg);
            continue;
        }
        more = fn(&r, data);
        weft_bench_result_finish(&r);
    }
}
