/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/build_setup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/build_logs.h"
#include "engine/build_provenance.h"
#include "engine/build_state.h"
#include "engine/dockerfile.h"
#include "engine/jobs.h"
#include "engine/outputs.h"
#include "engine/plan.h"
#include "engine/progress.h"
#include "engine/reference.h"
#include "engine/request.h"
#include "engine/solve.h"
#include "engine/source.h"
#include "engine/vcs.h"
#include "engine/workdir.h"
#include "engine/worker.h"

/* Nothing runs Windows programs here: a RUN that asks for it is refused before anything starts. */
static int check_windows(const struct weft_build *b, const struct weft_dockerfile *d,
                         struct weft_err **err)
{
    const struct weft_request *r = b->r;
    weft_auto_strv contexts = {0};
    struct weft_dockerfile_use use = {
        .target = r->target, .args = &r->build_args, .contexts = &contexts};

    for (size_t i = 0; i < r->n_contexts; i++) {
        weft_strv_add(&contexts, r->contexts[i].name);
    }
    for (size_t i = 0; i < r->n_platforms; i++) {
        weft_auto_free char *stage = NULL;
        weft_auto_free char *file = weft_printable(r->pinned.shown);
        char name[WEFT_PLATFORM_SIZE];
        size_t at = 0;
        int line;

        use.platform = &r->platforms[i];
        line = weft_dockerfile_windows_run(d, &use, &at);
        if (line == 0) {
            continue;
        }
        stage = d->stages[at].name ? weft_printable(d->stages[at].name) : weft_fmt("stage-%zu", at);
        weft_fail(err, WEFT_E_USAGE,
                  "%s:%d: this RUN of %s is for Windows in the build for %s, and nothing on this "
                  "machine runs programs of Windows",
                  file, line, stage, weft_platform_format(use.platform, name));
        return weft_err_hint(err, "move it to a stage FROM --platform=$BUILDPLATFORM, and COPY "
                                  "--from that stage");
    }
    return 0;
}

/* A registry that has these may have layers of the result. */
static void learn_bases(struct weft_build *b, const struct weft_dockerfile *d)
{
    weft_auto_strv contexts = {0};
    weft_auto_strv names = {0};
    struct weft_dockerfile_use use = {.platform = &b->r->platforms[0],
                                      .target = b->r->target,
                                      .args = &b->r->build_args,
                                      .contexts = &contexts};

    for (size_t i = 0; i < b->r->n_contexts; i++) {
        weft_strv_add(&contexts, b->r->contexts[i].name);
    }
    weft_dockerfile_bases(d, &use, &names);
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_reference ref = {0};

        if (weft_reference_parse(names.v[i], &ref, NULL) == 0) {
            weft_strv_take(&b->bases, weft_reference_full(&ref));
        }
    }
}

/* Read the Dockerfile for what the plan and the solves need to know beforehand. */
static int read_dockerfile(struct weft_build *b, bool *pinned, struct weft_err **err)
{
    weft_auto_dockerfile d = {0};

    if (!b->r->pinned.seen) { /* for all that is known of it, there is something to share */
        *pinned = true;
        return 0;
    }
    if (weft_dockerfile_load(b->r->pinned.seen, &d, err) < 0) {
        return -1;
    }
    if (check_windows(b, &d, err) < 0) {
        return -1;
    }
    learn_bases(b, &d);
    *pinned = d.pins_platform;
    b->context_by_platform = d.context_by_platform;
    b->syntax = weft_xstrdup_null(d.syntax);
    for (size_t i = 0; i < b->r->build_args.n; i++) {
        if (weft_starts_with(b->r->build_args.v[i], "BUILDKIT_SYNTAX=")) {
            free(b->syntax);
            b->syntax = weft_xstrdup(strchr(b->r->build_args.v[i], '=') + 1);
        }
    }
    b->forwarded = b->syntax != NULL;
    if (b->r->pull_frontend) {
        free(weft_steal(&b->syntax));
    }
    return 0;
}

/* A platform that nothing on this machine runs is an error before anything starts. */
static int check_platforms(const struct weft_build *b, struct weft_err **err)
{
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const struct weft_platform_info *info = weft_catalogue_find(&b->r->platforms[i]);
        struct weft_runs runs = {0};
        char name[WEFT_PLATFORM_SIZE];
        int rc = 0;

        weft_platform_format(&b->r->platforms[i], name);
        if (!info) {
            return weft_fail(err, WEFT_E_USAGE, "weft cannot build for %s", name);
        }
        if (!info->machine) { /* has no RUN: check_windows */
            continue;
        }
        if (weft_worker_runs(b->cfg, NULL, info, &runs, err) < 0) {
            return -1;
        }
        if (runs.how == WEFT_RUNS_NOT) {
            weft_fail(err, WEFT_E_UNSUPPORTED, "nothing on this machine runs programs for %s",
                      name);
            rc = weft_err_hint(err, "%s", runs.mend);
        }
        weft_runs_finish(&runs);
        if (rc < 0) {
            return -1;
        }
    }
    return 0;
}

/* A worker that does not build for arm/v6 has one handler for arm, of v7: what is said of v6 is not
 * for its stages. */
static void warn_of_choices(const struct weft_build *b)
{
    const struct weft_request *r = b->r;
    char name[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < r->cpu.n; i++) {
        const struct weft_platform *p = &r->cpu.v[i].platform;
        bool built = false;

        for (size_t k = 0; k < r->n_platforms; k++) {
            built |= weft_platform_eq(&r->platforms[k], p);
        }
        if (!built && weft_worker_config_clashes(b->cfg, weft_catalogue_find(p))) {
            weft_warn("--cpu %s is for nothing here: the platform is not built, and a stage that "
                      "is pinned to it runs on the CPU model of its machine's usual platform",
                      weft_platform_format(p, name));
        }
    }
}

/* Which worker builds which platform, and what each worker has to hold to. */
static int make_plan(struct weft_build *b, bool pinned, struct weft_err **err)
{
    const struct weft_request *r = b->r;
    weft_auto_free bool *clashes = weft_xcalloc(r->n_platforms, sizeof(*clashes));
    bool count = r->workers == WEFT_WORKERS_AUTO && r->n_platforms > 1 && !pinned;
    uint64_t context_bytes =
        count && !r->pinned.context ? weft_tree_bytes(r->context, WEFT_PLAN_BIG_CONTEXT_BYTES) : 0;

    for (size_t i = 0; i < r->n_platforms; i++) {
        clashes[i] = weft_worker_config_clashes(b->cfg, weft_catalogue_find(&r->platforms[i]));
    }
    weft_plan_make(r, clashes, pinned, context_bytes, &b->plan);
    weft_debug("workers: %s", weft_plan_reason_text(b->plan.reason));
    for (size_t i = 0; i < r->n_platforms; i++) {
        const struct weft_platform_info *p = weft_catalogue_find(&r->platforms[i]);

        if (weft_worker_config_need(b->cfg, b->plan.slots[b->plan.slot_of[i]], p, err) < 0) {
            return -1;
        }
    }
    warn_of_choices(b);
    b->salt = weft_worker_config_salt(b->cfg);
    return 0;
}

static void log_sink(enum weft_log_level level, const char *line, void *data)
{
    struct weft_build *b = data;

    (void)level;
    weft_progress_log_line(b->progress, line);
}

static int create_progress(struct weft_build *b, struct weft_err **err)
{
    const struct weft_request *r = b->r;
    struct weft_progress_opts opts;
    weft_auto_free struct weft_progress_lane *lanes = weft_xcalloc(r->n_platforms, sizeof(*lanes));
    weft_auto_strv names = {0};

    weft_progress_opts_init(&opts);
    if (weft_progress_resolve(r->progress, getenv("BUILDKIT_PROGRESS"), STDERR_FILENO, &opts.mode,
                              err) < 0) {
        return -1;
    }
    if (weft_build_open_logs(b, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < r->n_platforms; i++) {
        char name[WEFT_PLATFORM_SIZE];

        weft_strv_add(&names, weft_platform_format(&r->platforms[i], name));
        lanes[i].platform = names.v[i];
        lanes[i].log = b->lanes[i].log;
    }
    opts.keep_warnings = r->metadata_file != NULL;
    opts.title = "weft build";
    opts.lanes = lanes;
    opts.n_lanes = r->n_platforms;
    b->progress = weft_progress_create(&opts);
    if (opts.mode != WEFT_PROGRESS_QUIET) { /* which draws nothing that a warning could tear */
        weft_log_set_sink(log_sink, b);
    }
    return 0;
}

/* Where what this build makes lies until it is done. */
static int create_scratch(struct weft_build *b, struct weft_err **err)
{
    weft_auto_free char *base = NULL;
    weft_auto_free char *dir = NULL;

    b->state_dir = weft_dir_state(err);
    if (!b->state_dir) {
        return -1;
    }
    base = weft_path_join(b->state_dir, "builds/build");
    dir = weft_path_dir(base);
    if (weft_mkdirs(dir, 0700, err) < 0) {
        return -1;
    }
    b->scratch = weft_workdir_create(base, err);
    return b->scratch ? 0 : -1;
}

static int create_outputs(struct weft_build *b, struct weft_err **err)
{
    b->outputs_opts = (struct weft_outputs_opts){.scratch = b->scratch->path,
                                                 .state_dir = b->state_dir,
                                                 .bases = &b->bases,
                                                 .cancel = &b->cancel};
    b->outputs = weft_outputs_create(b->r, &b->outputs_opts, err);
    return b->outputs ? 0 : -1;
}

static void create_lanes(struct weft_build *b)
{
    b->slots = weft_xcalloc(b->plan.n_slots, sizeof(*b->slots));
    b->lanes = weft_xcalloc(b->r->n_platforms, sizeof(*b->lanes));
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        b->slots[i] = (struct weft_build_slot){.b = b, .name = b->plan.slots[i], .sent_bytes = -1};
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        b->lanes[i].b = b;
        b->lanes[i].i = i;
        b->lanes[i].slot = &b->slots[b->plan.slot_of[i]];
        weft_platform_dirname(&b->r->platforms[i], b->lanes[i].context_slot);
        b->lanes[i].metadata_file = weft_fmt("%s/metadata-%zu.json", b->scratch->path, i);
        if (weft_build_wants_provenance(b->r)) {
            b->lanes[i].ref_file = weft_fmt("%s/ref-%zu", b->scratch->path, i);
        }
    }
}

static void read_vcs(struct weft_build *b)
{
    weft_auto_strv attests = {0};

    weft_solve_attests(b->r, &attests);
    weft_vcs_options(b->r, attests.n > 0 || weft_build_wants_provenance(b->r), &b->vcs);
}

/* What may take seconds, while the loop takes signals: searches, each in a thread. */
struct search {
    struct weft_build *b;
    struct searches *all;
    bool pinned;
    int rc;
    struct weft_err *err;
};

struct searches {
    size_t running;
    struct search *failed; /* the first one; the others have been cancelled since */
};

/* The first time, QEMU is copied and tried. */
static void find_workers(void *data)
{
    struct search *s = data;
    struct weft_build *b = s->b;

    s->rc = -1;
    b->cfg = weft_worker_config_create(
        &(struct weft_worker_options){.idle_ms = b->r->worker_idle_s * 1000,
                                      .cpu = &b->r->cpu,
                                      .qemu = b->r->qemu,
                                      .qemu_dirs = &b->r->qemu_dirs,
                                      .registries = &b->r->registries,
                                      .disk_bytes = b->r->disk_bytes,
                                      .cancel = &b->cancel},
        &s->err);
    if (!b->cfg) {
        return;
    }
    if (weft_log_level() >= WEFT_LOG_DEBUG) {
        weft_worker_config_log(b->cfg);
    }
    read_vcs(b);
    if (check_platforms(b, &s->err) == 0) {
        s->rc = make_plan(b, s->pinned, &s->err);
    }
}

/* What is not on this machine yet is read, or found out once for all platforms. */
static void fetch_source(void *data)
{
    struct search *s = data;

    s->rc = weft_source_fetch(s->b->request, s->b->scratch->path, &s->b->cancel, &s->err);
}

/* A wrong password shows now, and not after an hour. */
static void ask_registries(void *data)
{
    struct search *s = data;

    s->rc = weft_outputs_ask(s->b->outputs, &s->err);
}

static void search_done(void *data)
{
    struct search *s = data;

    if (s->rc < 0 && !s->all->failed) {
        s->all->failed = s;
        atomic_store(&s->b->cancel, true);
    }
    if (--s->all->running == 0) {
        weft_loop_stop(s->b->loop);
    }
}

enum {
    SEARCHES_MAX = 2
};

/* Do one thing, and another at the same time unless it is NULL. */
static int search(struct weft_build *b, weft_callback_fn *work, weft_callback_fn *beside,
                  bool pinned, struct weft_err **err)
{
    weft_callback_fn *const works[SEARCHES_MAX] = {work, beside};
    struct searches all = {.running = beside ? 2 : 1};
    struct search v[SEARCHES_MAX] = {0};
    size_t n = all.running;

    b->searching = true;
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct search){.b = b, .all = &all, .pinned = pinned};
        weft_work(b->loop, works[i], search_done, &v[i]);
    }
    weft_loop_run(b->loop);
    b->searching = false;
    if (b->interrupted) {
        weft_fail(err, WEFT_E_CANCELLED, "interrupted; no output was written");
    } else if (all.failed && err) {
        *err = weft_steal(&all.failed->err);
    }
    for (size_t i = 0; i < n; i++) {
        weft_err_free(v[i].err);
    }
    return b->interrupted || all.failed ? -1 : 0;
}

int weft_build_setup(struct weft_build *b, struct weft_err **err)
{
    bool pinned = false;

    if (weft_source_is_local(b->r)) { /* a wrong one leaves no trace */
        if (weft_source_fetch(b->request, NULL, NULL, err) < 0 ||
            read_dockerfile(b, &pinned, err) < 0 || weft_outputs_check(b->r, err) < 0) {
            return -1;
        }
    } else if (weft_outputs_check(b->r, err) < 0 || create_scratch(b, err) < 0 ||
               search(b, fetch_source, NULL, false, err) < 0 ||
               read_dockerfile(b, &pinned, err) < 0) {
        return -1;
    }
    if ((!b->scratch && create_scratch(b, err) < 0) || create_outputs(b, err) < 0 ||
        search(b, find_workers, weft_outputs_want_push(b->outputs) ? ask_registries : NULL, pinned,
               err) < 0) {
        return -1;
    }
    b->jobs = b->r->jobs > 0 ? b->r->jobs : weft_jobs_default();
    create_lanes(b);
    return create_progress(b, err);
}

void weft_build_teardown(struct weft_build *b)
{
    weft_log_set_sink(NULL, NULL);
    for (size_t i = 0; b->lanes && i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        weft_buf_finish(&l->text);
        weft_buf_finish(&l->answer);
        free(l->metadata_file);
        free(l->ref_file);
        weft_json_free(l->provenance);
        free(l->digest);
        free(l->note);
        weft_runs_finish(&l->runs);
        weft_err_free(l->err);
    }
    for (size_t i = 0; b->slots && i < b->plan.n_slots; i++) {
        free(b->slots[i].session_id);
        free(b->slots[i].relay);
        free(b->slots[i].frontend_version);
        weft_err_free(b->slots[i].err);
    }
    free(b->slots);
    free(b->syntax);
    free(b->salt);
    weft_strv_finish(&b->vcs);
    weft_result_finish(&b->result);
    weft_err_free(b->err);
    weft_outputs_destroy(b->outputs);
    free(b->state_dir);
    weft_strv_finish(&b->bases);
    weft_workdir_destroy(b->scratch);
    weft_progress_destroy(b->progress);
    weft_build_close_logs(b);
    free(b->lanes);
    weft_worker_config_destroy(b->cfg);
    weft_plan_finish(&b->plan);
    weft_loop_destroy(b->loop);
}
