/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

enum {
    STATE_VERSION = 1, /* of STATE/bench */
    VERSION_MAX_BYTES = 64,
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

/* Make the directory, or see whether it is of a version that we know. */
static int open_state(const char *dir, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "version");
    weft_auto_free char *results = weft_path_join(dir, "results");
    weft_auto_free char *ours = weft_fmt("%d\n", STATE_VERSION);
    weft_auto_free char *text = NULL;
    weft_auto_err why = NULL;

    if (weft_read_file(path, VERSION_MAX_BYTES, &text, NULL, &why) < 0) {
        if (why->sys != ENOENT) {
            return weft_fail(err, why->code, "%s", why->msg);
        }
        if (weft_mkdirs(results, 0755, err) < 0) {
            return -1;
        }
        return weft_write_file(path, ours, strlen(ours), 0644, err);
    }
    if (strtol(text, NULL, 10) > STATE_VERSION) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s was written by a newer weft", dir);
        return weft_err_hint(err, "use that weft, or another directory: WEFT_STATE_DIR");
    }
    return weft_mkdirs(results, 0755, err);
}

int weft_results_keep(const char *state, const struct weft_bench_result *r, char **path,
                      struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(state, "bench");
    weft_auto_json j = weft_bench_result_json(r);
    weft_auto_free char *text = weft_json_dump(j, 1);
    weft_auto_free char *line = weft_fmt("%s\n", text);
    weft_auto_free char *started = name_of(r->started);

    if (weft_mkdirs(state, 0700, err) < 0 || open_state(dir, err) < 0) {
        return -1;
    }
    /* two in the same second are two */
    *path = weft_fmt("%s/results/%s-%ld.json", dir, started, (long)getpid());
    if (weft_write_file(*path, line, strlen(line), 0644, err) < 0) {
        free(weft_steal(path));
        return -1;
    }
    return 0;
}
