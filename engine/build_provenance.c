/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/build_provenance.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "engine/build_state.h"
#include "engine/request.h"
#include "engine/worker.h"

enum {
    REF_MAX_BYTES = 256
};

struct question {
    struct weft_build_lane *lane;
    struct weft_buf answer;
    void (*then)(struct weft_build_lane *l);
};

bool weft_build_wants_provenance(const struct weft_request *r)
{
    const char *mode = getenv("BUILDX_METADATA_PROVENANCE");
    bool on = true;

    if (!r->metadata_file || r->call) {
        return false;
    }
    if (mode && (strcmp(mode, "disabled") == 0 || (weft_parse_bool(mode, &on) == 0 && !on))) {
        return false;
    }
    return true; /* buildx takes all other values for "min" */
}

static bool wants_all(void)
{
    const char *mode = getenv("BUILDX_METADATA_PROVENANCE");

    return mode && strcmp(mode, "max") == 0;
}

static void on_stdout(char *line, size_t len, void *data)
{
    struct question *q = data;

    weft_buf_append(&q->answer, line, len);
}

static void on_stderr(char *line, size_t len, void *data)
{
    weft_auto_free char *shown = weft_printable(line);

    (void)len;
    (void)data;
    weft_debug("weft-session provenance: %s", shown);
}

static void warn(const struct weft_build_lane *l)
{
    char name[WEFT_PLATFORM_SIZE];

    weft_warn("%s: its worker gives no provenance for --metadata-file (-D has more)",
              weft_platform_format(&l->b->r->platforms[l->i], name));
}

static void on_exit_(int code, void *data)
{
    struct question *q = data;
    struct weft_build_lane *l = q->lane;
    void (*then)(struct weft_build_lane * l) = q->then;

    l->child = NULL;
    if (code == 0) {
        l->provenance = weft_json_parse(q->answer.data ? q->answer.data : "", q->answer.len, NULL);
    }
    if (!l->provenance && !atomic_load(&l->b->cancel)) {
        warn(l);
    }
    weft_buf_finish(&q->answer);
    free(q);
    then(l);
}

bool weft_build_ask_provenance(struct weft_build_lane *l, void (*then)(struct weft_build_lane *l))
{
    struct weft_build *b = l->b;
    weft_auto_free char *ref = NULL;
    weft_auto_strv argv = {0};
    weft_auto_err err = NULL;
    struct question *q;
    size_t len = 0;

    if (!l->ref_file || l->provenance) {
        return false;
    }
    if (weft_read_file(l->ref_file, REF_MAX_BYTES, &ref, &len, &err) < 0) {
        weft_debug("%s", err->msg);
        warn(l);
        return false;
    }
    weft_strv_add(&argv, "weft-session");
    weft_strv_add(&argv, "provenance");
    weft_strv_addf(&argv, "--addr=%s", l->slot->worker->address);
    weft_strv_addf(&argv, "--ref=%.*s", (int)strcspn(ref, "\n"), ref);
    if (wants_all()) {
        weft_strv_add(&argv, "--full");
    }
    q = weft_xcalloc(1, sizeof(*q));
    q->lane = l;
    q->then = then;
    l->child =
        weft_child_spawn(b->loop,
                         &(struct weft_child_opts){.file = weft_worker_config_session(b->cfg),
                                                   .argv = argv.v,
                                                   .on_stdout = on_stdout,
                                                   .on_stderr = on_stderr,
                                                   .on_exit = on_exit_,
                                                   .data = q},
                         &err);
    if (!l->child) {
        weft_debug("%s", err->msg);
        warn(l);
        free(q);
        return false;
    }
    return true;
}

static void add(const char *platform, const struct weft_json *provenance, void *data)
{
    struct weft_json *metadata = data;
    weft_auto_free char *key =
        weft_fmt("buildx.build.provenance%s%s", *platform ? "/" : "", platform);

    weft_json_set(metadata, key, weft_json_copy(provenance));
}

void weft_build_set_provenance(const struct weft_build *b, struct weft_json *metadata)
{
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        weft_json_each(b->lanes[i].provenance, add, metadata);
    }
}
