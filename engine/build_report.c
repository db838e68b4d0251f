/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/build_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/build_provenance.h"
#include "engine/build_state.h"
#include "engine/call.h"
#include "engine/disk_full.h"
#include "engine/progress.h"
#include "engine/progress_model.h"
#include "engine/request.h"
#include "engine/run_times.h"
#include "engine/solve_error.h"
#include "engine/worker.h"

/* The error that all failed lanes share: said once, and not per platform. Borrowed; NULL if they
 * differ. */
static const struct weft_err *common_cause(const struct weft_build *b)
{
    const struct weft_err *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const struct weft_build_lane *l = &b->lanes[i];

        if (l->state != LANE_FAILED) {
            continue;
        }
        if (!l->err || (first && strcmp(first->msg, l->err->msg) != 0)) {
            return NULL;
        }
        first = first ? first : l->err;
        n++;
    }
    return n > 1 || (first && first->code == WEFT_E_UNSUPPORTED) ? first : NULL;
}

static void report_failures(struct weft_build *b)
{
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];
        struct weft_solve_error e = {0};

        if (l->state != LANE_FAILED) {
            continue;
        }
        weft_solve_error_parse(l->text.data ? l->text.data : "", &e);
        if (l->err) {
            weft_auto_free char *text = weft_fmt("%s%s%s", l->err->msg,
                                                 l->err->hint ? "\ntry: " : "",
                                                 l->err->hint ? l->err->hint : "");

            weft_progress_print_failure(b->progress, i, NULL, text);
        } else {
            weft_progress_print_failure(b->progress, i, e.excerpt, e.message);
        }
        weft_solve_error_finish(&e);
    }
}

/* What became of the outputs of a build whose lanes did not all succeed. Caller frees. */
static char *fate(const struct weft_build *b)
{
    weft_auto_strv done = {0};

    if (!b->partial) {
        return weft_xstrdup("no output was written");
    }
    weft_strv_concat(&done, &b->result.written);
    weft_strv_concat(&done, &b->result.pushed);
    if (done.n == 0) {
        return weft_xstrdup("the others are built");
    }
    {
        weft_auto_free char *list = weft_strv_join(&done, ", ");

        return weft_fmt("without them, as --allow-partial has it, there is %s%s%s", list,
                        b->result.digest ? ": " : "", b->result.digest ? b->result.digest : "");
    }
}

/* What a failed lane says of a file system that is full: its error, that of BuildKit, or the end of
 * what the step has written. Borrowed; NULL: nothing. */
static const char *full_text(const struct weft_build *b, size_t lane)
{
    const struct weft_build_lane *l = &b->lanes[lane];
    const struct weft_vertex *v = weft_lane_failed(weft_progress_lane_model(b->progress, lane));

    if (l->err && weft_disk_full_said(l->err->msg)) {
        return l->err->msg;
    }
    if (weft_disk_full_said(l->text.data)) {
        return l->text.data;
    }
    for (size_t i = 0; v && i < v->n_tail; i++) {
        if (weft_disk_full_said(weft_vertex_tail(v, i))) {
            return ""; /* a path in it is one of the step's root */
        }
    }
    return NULL;
}

/* A hint for the whole build; NULL: none. Caller frees. */
static char *hint_if_full(const struct weft_build *b)
{
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const char *text = b->lanes[i].state == LANE_FAILED ? full_text(b, i) : NULL;

        if (text) {
            return weft_disk_full_hint(text);
        }
    }
    return NULL;
}

/* The error of a build whose lanes did not all succeed. */
static int failed(struct weft_build *b, struct weft_err **err)
{
    weft_auto_free char *what = fate(b);
    weft_auto_strv names = {0};
    weft_auto_free char *list = NULL;
    const struct weft_err *cause = common_cause(b);
    bool lacking = true;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const struct weft_build_lane *l = &b->lanes[i];
        char name[WEFT_PLATFORM_SIZE];

        if (l->state != LANE_FAILED) {
            continue;
        }
        weft_strv_add(&names, weft_platform_format(&b->r->platforms[i], name));
        lacking &= l->err && l->err->code == WEFT_E_UNSUPPORTED;
    }
    list = weft_strv_join(&names, ", ");
    if (!cause) {
        weft_auto_free char *hint = hint_if_full(b);

        report_failures(b);
        weft_fail(err, lacking && !b->partial ? WEFT_E_UNSUPPORTED : WEFT_E_BUILD,
                  "build failed for %s; %s", list, what);
        return hint ? weft_err_hint(err, "%s", hint) : -1;
    }
    weft_fail(err, lacking && !b->partial ? WEFT_E_UNSUPPORTED : WEFT_E_BUILD,
              "build failed for %s: %s%s%s", list, cause->msg, b->partial ? "; " : "",
              b->partial ? what : "");
    return cause->hint ? weft_err_hint(err, "%s", cause->hint) : -1;
}

/* The first native platform that ran enough of the steps that an emulated one ran, to compare them;
 * NULL: none did. */
static const struct weft_platform *compare(const struct weft_build *b, size_t lane,
                                           struct weft_run_comparison *out)
{
    const struct weft_lane *model = weft_progress_lane_model(b->progress, lane);

    for (size_t i = 0; b->lanes[lane].emulated && i < b->r->n_platforms; i++) {
        const struct weft_platform *p = &b->r->platforms[i];

        if (b->lanes[i].runs.how == WEFT_RUNS_NATIVE &&
            weft_run_compare(model, &b->r->platforms[lane],
                             weft_progress_lane_model(b->progress, i), p, out)) {
            return p;
        }
    }
    return NULL;
}

static void set_run_times(const struct weft_build *b, size_t lane, struct weft_json *j)
{
    const struct weft_lane *model = weft_progress_lane_model(b->progress, lane);
    double expected = b->lanes[lane].runs.ratio;
    struct weft_run_comparison c;

    weft_json_set_int(j, "run_ms", weft_run_ms(model, &b->r->platforms[lane]));
    if (compare(b, lane, &c)) {
        weft_json_set_real(j, "native_ratio", (double)c.ms / (double)c.native_ms);
    }
    if (expected > 0) {
        weft_json_set_real(j, "expected_ratio", expected);
    }
}

/* Why a platform is not in the result. */
static void set_failure(const struct weft_build_lane *l, struct weft_json *j)
{
    struct weft_solve_error e = {0};

    weft_solve_error_parse(l->text.data ? l->text.data : "", &e);
    weft_json_set_str(j, "failed", l->err ? l->err->msg : e.message);
    weft_solve_error_finish(&e);
}

static struct weft_json *platform_metadata(const struct weft_build *b)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const struct weft_build_lane *l = &b->lanes[i];
        struct weft_json *j = weft_json_object();
        struct weft_lane_stats stats;
        char name[WEFT_PLATFORM_SIZE];

        weft_lane_stats(weft_progress_lane_model(b->progress, i), &stats);
        weft_json_set_str(j, "platform", weft_platform_format(&b->r->platforms[i], name));
        weft_json_set_str(j, "worker", l->slot->name);
        if (l->state != LANE_DONE) {
            set_failure(l, j);
        }
        weft_json_set_str(j, "runs", l->note);
        weft_json_set_bool(j, "emulated", l->emulated);
        weft_json_set_str(j, "qemu", l->runs.version);
        weft_json_set_str(j, "cpu_model", l->runs.model);
        weft_json_set_int(j, "steps", (int64_t)stats.steps);
        weft_json_set_int(j, "cached", (int64_t)stats.cached);
        weft_json_set_int(j, "wall_ms", weft_progress_lane_ms(b->progress, i));
        set_run_times(b, i, j);
        weft_json_append(list, j);
    }
    return list;
}

static struct weft_json *worker_metadata(const struct weft_build *b)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < b->plan.n_slots; i++) {
        struct weft_json *j = weft_json_object();

        weft_json_set_str(j, "worker", b->slots[i].name);
        weft_json_set_bool(j, "started", b->slots[i].worker && b->slots[i].worker->started_here);
        weft_json_set_int(j, "sent_bytes", b->slots[i].sent_bytes);
        weft_json_append(list, j);
    }
    return list;
}

/* The answer to a call, and its metadata. */
static int show_answer(struct weft_build *b, FILE *out, struct weft_err **err)
{
    const struct weft_buf *text = &b->lanes[0].answer;
    weft_auto_json answer = weft_call_parse(text->data, text->len, err);
    weft_auto_free char *metadata = NULL;

    if (!answer) {
        return -1;
    }
    if (b->r->metadata_file) {
        weft_call_metadata(answer, b->result.metadata);
        metadata = weft_json_dump(b->result.metadata, 2);
        if (weft_write_file(b->r->metadata_file, metadata, strlen(metadata), 0644, err) < 0) {
            return -1;
        }
    }
    return weft_call_print(b->r, answer, out, err);
}

/* As buildx takes it: true, or anything else. */
static bool wants_warnings(void)
{
    const char *value = getenv("BUILDX_METADATA_WARNINGS");
    bool on = false;

    return value && weft_parse_bool(value, &on) == 0 && on;
}

/* --metadata-file, --iidfile and --quiet's line. The outputs are in their places: what fails here
 * is named as such. With --allow-partial, they tell of what there is. */
static int write_results(struct weft_build *b, FILE *out, struct weft_err **err)
{
    const struct weft_request *r = b->r;

    if (r->metadata_file) {
        weft_auto_free char *text = NULL;

        weft_build_set_provenance(b, b->result.metadata);
        if (wants_warnings()) {
            weft_json_set(b->result.metadata, "buildx.build.warnings",
                          weft_progress_warnings_json(b->progress));
        }
        weft_json_set(b->result.metadata, "weft.platforms", platform_metadata(b));
        weft_json_set(b->result.metadata, "weft.workers", worker_metadata(b));
        text = weft_json_dump(b->result.metadata, 2);
        if (weft_write_file(r->metadata_file, text, strlen(text), 0644, err) < 0) {
            return weft_err_wrap(err, "the build is done, but");
        }
    }
    if (r->iidfile && b->result.image_id &&
        weft_write_file(r->iidfile, b->result.image_id, strlen(b->result.image_id), 0644, err) <
            0) {
        return weft_err_wrap(err, "the build is done, but");
    }
    if (r->quiet && b->result.image_id) {
        fprintf(out, "%s\n", b->result.image_id);
    }
    return 0;
}

/* How much longer the emulated platforms took than a native one of this build. */
static void report_ratios(const struct weft_build *b)
{
    for (size_t i = 0; i < b->r->n_platforms && b->r->progress != WEFT_PROGRESS_QUIET; i++) {
        struct weft_run_comparison c;
        const struct weft_platform *native = compare(b, i, &c);
        weft_auto_free char *text = NULL;
        char name[WEFT_PLATFORM_SIZE];

        if (native) {
            text = weft_run_verdict(&c, native, b->lanes[i].runs.ratio);
            weft_info("%s: %s", weft_platform_format(&b->r->platforms[i], name), text);
        }
    }
}

/* The names of what was pushed; with name-canonical=true, or without a tag, the digest is part of
 * them. Caller frees. */
static char *pushed_names(const struct weft_build *b, bool *digest_told)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < b->r->n_outputs; i++) {
        const struct weft_output *o = &b->r->outputs[i];

        for (size_t k = 0; o->push && k < o->names.n; k++) {
            bool canonical = o->by_digest || o->canonical;

            weft_strv_addf(&names, "%s%s%s", o->names.v[k], canonical ? "@" : "",
                           canonical ? b->result.digest : "");
            *digest_told |= canonical;
        }
    }
    return weft_strv_join(&names, ", ");
}

static void report_success(const struct weft_build *b)
{
    weft_auto_strv done = {0};
    weft_auto_free char *list = NULL;
    bool told = !b->result.digest;

    if (b->r->progress == WEFT_PROGRESS_QUIET || b->r->progress == WEFT_PROGRESS_RAWJSON ||
        b->r->n_outputs == 0) {
        return;
    }
    if (b->result.written.n > 0) {
        weft_auto_free char *written = weft_strv_join(&b->result.written, ", ");

        weft_strv_addf(&done, "wrote %s", written);
    }
    if (b->result.pushed.n > 0) {
        weft_auto_free char *pushed = pushed_names(b, &told);

        weft_strv_addf(&done, "pushed %s", pushed);
    }
    if (b->result.loader) {
        weft_strv_addf(&done, "loaded into %s", b->result.loader);
    }
    if (done.n == 0) {
        weft_strv_add(&done, "the workers' caches have it");
    }
    list = weft_strv_join(&done, ", ");
    weft_info("%s%s%s", list, told ? "" : ": ", told ? "" : b->result.digest);
}

static int report(struct weft_build *b, FILE *out, struct weft_err **err)
{
    bool done = b->result.metadata && !b->err;

    weft_progress_finish(b->progress, done && !b->partial);
    if (done && b->r->call) {
        return show_answer(b, out, err);
    }
    if (done) {
        if (write_results(b, out, err) < 0) {
            return -1;
        }
        report_ratios(b);
        if (b->partial) {
            return failed(b, err);
        }
        report_success(b);
        return 0;
    }
    if (b->err && (b->err->code != WEFT_E_CANCELLED || b->result.begun)) {
        report_failures(b); /* of the platforms that were left out */
        *err = weft_steal(&b->err);
        return -1;
    }
    if (b->interrupted) {
        report_failures(b); /* of before */
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted; no output was written");
    }
    return failed(b, err);
}

int weft_build_report(struct weft_build *b, FILE *out, struct weft_err **err)
{
    int rc = report(b, out, err);

    if (rc < 0) {
        weft_disk_full_explain(*err);
    }

    if (rc < 0 && b->r->progress == WEFT_PROGRESS_RAWJSON && (*err)->msg[0]) {
        struct weft_err *e = *err;

        weft_error("%s", e->msg); /* as a line of JSON, and so not by main() */
        e->msg[0] = '\0';
        if (e->hint) {
            weft_info("try: %s", e->hint);
            free(weft_steal(&e->hint));
        }
    }
    weft_log_set_sink(NULL, NULL);
    return rc;
}
