/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/build.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/build_provenance.h"
#include "engine/build_report.h"
#include "engine/build_setup.h"
#include "engine/build_state.h"
#include "engine/cache_args.h"
#include "engine/dockerfile.h"
#include "engine/holder.h"
#include "engine/outputs.h"
#include "engine/plan.h"
#include "engine/progress.h"
#include "engine/proxy_args.h"
#include "engine/request.h"
#include "engine/run_times.h"
#include "engine/solve.h"
#include "engine/solve_error.h"
#include "engine/worker.h"

enum {
    TICK_MS = 100,
    KILL_AFTER_MS = 5000, /* how long a cancelled buildctl may take to say goodbye to its worker */
};

static void advance(struct weft_build *b);

static size_t count_lanes(const struct weft_build *b, enum lane_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        n += b->lanes[i].state == state;
    }
    return n;
}

static bool lane_final(const struct weft_build_lane *l)
{
    return l->state == LANE_DONE || l->state == LANE_FAILED || l->state == LANE_CANCELLED;
}

static void lane_phase(struct weft_build_lane *l, enum weft_phase phase, const char *text)
{
    weft_progress_set_phase(l->b->progress, l->i, phase, text);
}

/* ---- cancelling ---- */

static void kill_children(void *data)
{
    struct weft_build *b = data;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        if (b->lanes[i].child) {
            weft_child_kill(b->lanes[i].child, SIGKILL);
        }
    }
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        if (b->slots[i].holder) {
            weft_holder_kill(b->slots[i].holder);
        }
    }
}

static void kill_later(struct weft_build *b)
{
    if (!b->kill_timer) {
        b->kill_timer = weft_timer_start(b->loop, KILL_AFTER_MS, 0, 1, kill_children, b);
    }
}

/* Stop what runs and start nothing more; lanes come to their end through the exits of their
 * children. */
static void cancel_all(struct weft_build *b)
{
    if (atomic_load(&b->cancel)) {
        return;
    }
    atomic_store(&b->cancel, true);
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        if (l->child) {
            weft_child_kill(l->child, SIGINT);
        } else if (l->state == LANE_WAITING) {
            l->state = LANE_CANCELLED;
            lane_phase(l, WEFT_PHASE_CANCELLED, NULL);
        }
    }
    kill_later(b);
    advance(b);
}

static void on_interrupt(void *data)
{
    struct weft_build *b = data;

    if (b->searching) {
        b->interrupted = true;
        atomic_store(&b->cancel, true);
        return;
    }
    if (b->interrupted) {
        kill_children(b); /* asked twice: no more courtesy */
        return;
    }
    b->interrupted = true;
    if (!b->ended) {
        cancel_all(b);
    }
}

static void on_resize(void *data)
{
    struct weft_build *b = data;

    if (b->progress) {
        weft_progress_resize(b->progress);
    }
}

static void on_tick(void *data)
{
    struct weft_build *b = data;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        if (b->lanes[i].state == LANE_PUSHING) {
            uint64_t done_bytes;
            uint64_t total_bytes;

            weft_outputs_push_bytes(b->outputs, i, &done_bytes, &total_bytes);
            weft_progress_set_bytes(b->progress, i, done_bytes, total_bytes);
        }
    }
    weft_progress_tick(b->progress);
}

/* ---- lanes: solve, then take the image, then push it ---- */

static void lane_fail(struct weft_build_lane *l, const char *reason)
{
    bool cancelled = atomic_load(&l->b->cancel);

    l->state = cancelled ? LANE_CANCELLED : LANE_FAILED;
    lane_phase(l, cancelled ? WEFT_PHASE_CANCELLED : WEFT_PHASE_FAILED, cancelled ? NULL : reason);
    if (!cancelled && l->b->r->fail_fast) {
        cancel_all(l->b);
    }
}

static void lane_done(struct weft_build_lane *l)
{
    l->state = LANE_DONE;
    lane_phase(l, WEFT_PHASE_DONE, NULL);
}

static void solve_start(struct weft_build_lane *l);

static void push_work(void *data)
{
    struct weft_build_lane *l = data;

    weft_outputs_push(l->b->outputs, l->i, &l->err);
}

static void push_done(void *data)
{
    struct weft_build_lane *l = data;

    if (l->err) {
        lane_fail(l, l->err->msg);
    } else {
        lane_done(l);
    }
    advance(l->b);
}

/* What a platform has goes up while others are still being built. It takes none of the jobs. */
static void taken(struct weft_build_lane *l)
{
    if (!weft_outputs_want_push(l->b->outputs) || atomic_load(&l->b->cancel)) {
        lane_done(l);
        return;
    }
    l->state = LANE_PUSHING;
    lane_phase(l, WEFT_PHASE_PUSHING, "pushing");
    weft_work(l->b->loop, push_work, push_done, l);
}

static void take_work(void *data)
{
    struct weft_build_lane *l = data;
    const char *content = l->export_layout ? NULL : l->slot->worker->content_dir;

    if (!content && !l->export_layout) {
        weft_fail(&l->err, WEFT_E_UNSUPPORTED, "the content store's place is not known");
        return;
    }
    weft_outputs_take(l->b->outputs, l->i, content, l->digest, &l->b->cancel, &l->err);
}

static void take_done(void *data)
{
    struct weft_build_lane *l = data;

    if (!l->err) {
        taken(l);
    } else if (l->err->sys == ENOSPC || l->err->sys == EDQUOT) {
        lane_fail(l, l->err->msg); /* an export needs as much room */
    } else if (!l->export_layout && !atomic_load(&l->b->cancel)) {
        /* the store's layout is containerd's affair, and it may collect garbage at any time: ask
         * BuildKit for a copy */
        weft_debug("content store of %s: %s; exporting instead", l->slot->name, l->err->msg);
        weft_err_free(weft_steal(&l->err));
        l->export_layout = true;
        solve_start(l);
    } else {
        lane_fail(l, l->err->msg);
    }
    advance(l->b);
}

/* The digest of the image that a solve made, from the file that buildctl wrote. */
static int read_metadata(struct weft_build_lane *l)
{
    weft_auto_json j = weft_json_load(l->metadata_file, &l->err);
    const char *digest = weft_json_str(j, "containerimage.digest");

    if (!j) {
        return -1;
    }
    if (!digest) {
        return weft_fail(&l->err, WEFT_E_CHILD, "buildctl named no image digest");
    }
    free(l->digest);
    l->digest = weft_xstrdup(digest);
    return 0;
}

/* What is expected of an emulated platform is said when its first RUN begins, where it may be of
 * use: not where all is cached, or nothing runs. */
static void say_expected(struct weft_build_lane *l)
{
    const struct weft_build *b = l->b;
    const struct weft_platform *p = &b->r->platforms[l->i];
    char name[WEFT_PLATFORM_SIZE];

    if (l->runs.ratio <= 0 || l->expected_said || b->r->progress == WEFT_PROGRESS_QUIET ||
        !weft_run_started(weft_progress_lane_model(b->progress, l->i), p)) {
        return;
    }
    l->expected_said = true;
    weft_info("%s: %s", weft_platform_format(p, name), l->note);
}

static void on_stderr(char *line, size_t len, void *data)
{
    struct weft_build_lane *l = data;

    if (weft_progress_feed(l->b->progress, l->i, line, len)) {
        say_expected(l);
    } else {
        weft_solve_error_add(&l->text, line, len);
    }
}

/* Caches that were not there, or not written: news, and no failure. */
static void say_of_caches(const struct weft_build_lane *l, const struct weft_strv *notices)
{
    char name[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < notices->n && l->b->r->progress != WEFT_PROGRESS_QUIET; i++) {
        weft_info("%s: %s", weft_platform_format(&l->b->r->platforms[l->i], name), notices->v[i]);
    }
}

static void look_at_caches(const struct weft_build_lane *l)
{
    const struct weft_build *b = l->b;
    weft_auto_strv notices = {0};

    weft_cache_notices(b->r, &b->r->platforms[l->i], weft_progress_lane_model(b->progress, l->i),
                       &notices);
    say_of_caches(l, &notices);
}

/* Whether the worker is gone; then *err says so. */
static bool worker_ended(const struct weft_build_slot *s, struct weft_err **err)
{
    if (weft_worker_alive(s->worker)) {
        return false;
    }
    weft_fail(err, WEFT_E_CHILD,
              "the worker %s ended during the build: its buildkitd or its init was killed "
              "(out of memory?); %s/buildkitd.log has its last words, a new build starts it again",
              s->worker->slot, s->worker->state_dir);
    return true;
}

static void solve_failed(struct weft_build_lane *l, int code)
{
    struct weft_solve_error e = {0};
    const char *full;

    if (!atomic_load(&l->b->cancel) && worker_ended(l->slot, &l->err)) {
        lane_fail(l, l->err->msg);
        return;
    }
    if (code == 128 + SIGKILL && !atomic_load(&l->b->cancel)) {
        weft_fail(&l->err, WEFT_E_CHILD, "buildctl was killed (out of memory?)");
        lane_fail(l, l->err->msg);
        return;
    }
    weft_solve_error_parse(l->text.data ? l->text.data : "", &e);
    full = e.excerpt || atomic_load(&l->b->cancel) ? NULL : weft_outputs_full(l->b->outputs);
    if (full) {
        weft_fail(&l->err, WEFT_E_IO, "no space left for %s: %s", full, e.message);
    }
    lane_fail(l, full ? l->err->msg : e.message);
    weft_solve_error_finish(&e);
}

/* The lane is solved, and all that is to be learnt of it from its worker is known. */
static void solved(struct weft_build_lane *l)
{
    if (atomic_load(&l->b->cancel)) {
        lane_fail(l, NULL);
    } else if (!weft_outputs_want_images(l->b->outputs)) {
        lane_done(l);
    } else if (read_metadata(l) < 0) {
        lane_fail(l, l->err->msg);
    } else {
        l->state = LANE_TAKING;
        lane_phase(l, WEFT_PHASE_EXPORTING, "checking blobs");
        weft_work(l->b->loop, take_work, take_done, l);
    }
    advance(l->b);
}

static void on_solved(int code, void *data)
{
    struct weft_build_lane *l = data;

    l->child = NULL;
    if (code == 0 && !l->export_layout) {
        look_at_caches(l);
    }
    if (code != 0 && !l->raced && !atomic_load(&l->b->cancel) && l->text.data &&
        weft_cache_lost_race(l->text.data)) {
        l->raced = true;
        solve_start(l);
        advance(l->b);
    } else if (code != 0 || atomic_load(&l->b->cancel)) {
        solve_failed(l, code);
        advance(l->b);
    } else if (!weft_build_ask_provenance(l, solved)) {
        solved(l);
    }
}

/* The answer to a call. */
static void on_answer(char *line, size_t len, void *data)
{
    struct weft_build_lane *l = data;

    weft_buf_append(&l->answer, line, len);
}

static void solve_start(struct weft_build_lane *l)
{
    struct weft_build *b = l->b;
    weft_auto_strv outputs = {0};
    weft_auto_strv argv = {0};
    weft_auto_strv attests = {0};
    weft_auto_strv caches = {0};
    weft_auto_strv notices = {0};
    const char *version = l->slot->frontend_version;
    const char *builtin_syntax =
        b->syntax && version && weft_syntax_builtin(b->syntax, version) ? b->syntax : NULL;

    if (!b->r->call) {
        weft_cache_args(b->r, &b->r->platforms[l->i], l->export_layout, &caches, &notices);
    }
    if (!l->export_layout) {
        say_of_caches(l, &notices);
    }
    /* in a layout, a provenance that is for images only needs an index that is asked for */
    weft_solve_attests(b->r, &attests);
    weft_outputs_solve_args(b->outputs, l->i, l->export_layout, &outputs);
    weft_solve_argv(
        &(struct weft_solve){
            .request = b->r,
            .platform = &b->r->platforms[l->i],
            .address = l->slot->relay ? l->slot->relay : l->slot->worker->address,
            .session_id = l->slot->session_id,
            .context_slot = b->context_by_platform && b->plan.n_slots < b->r->n_platforms
                                ? l->context_slot
                                : NULL,
            .outputs = (const char *const *)outputs.v,
            .n_outputs = outputs.n,
            .metadata_file = l->metadata_file,
            .ref_file = l->ref_file,
            .builtin_syntax = builtin_syntax,
            .forwarded = b->forwarded && !builtin_syntax,
            .caches = &caches,
            .vcs = &b->vcs,
            .salt = b->salt,
            .index = b->r->n_platforms > 1 || (l->export_layout && attests.n > 0),
            .use_cache = l->export_layout,
        },
        &argv);
    if (weft_log_level() >= WEFT_LOG_DEBUG) {
        weft_auto_free char *line = weft_solve_shown(&argv);

        weft_debug("%s", line);
    }
    weft_buf_clear(&l->text);
    weft_buf_clear(&l->answer);
    l->state = LANE_SOLVING;
    lane_phase(l, WEFT_PHASE_SOLVING, NULL);
    l->child = weft_child_spawn(b->loop,
                                &(struct weft_child_opts){
                                    .file = b->r->call ? weft_worker_config_session(b->cfg)
                                                       : weft_worker_config_buildctl(b->cfg),
                                    .argv = argv.v,
                                    .on_stdout = b->r->call ? on_answer : NULL,
                                    .on_stderr = on_stderr,
                                    .stdout_fd = -1,
                                    .on_exit = on_solved,
                                    .data = l,
                                },
                                &l->err);
    if (!l->child) {
        lane_fail(l, l->err->msg);
    }
}

/* ---- slots: worker, then holder ---- */

static void slot_fail(struct weft_build_slot *s)
{
    struct weft_build *b = s->b;

    s->state = SLOT_FAILED;
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        if (l->slot == s && l->state == LANE_WAITING) {
            weft_fail(&l->err, s->err->code, "%s", s->err->msg);
            if (s->err->hint) {
                weft_err_hint(&l->err, "%s", s->err->hint);
            }
            lane_fail(l, s->err->msg);
        }
    }
}

/* "emulated, QEMU 7.2.22, cortex-a53, about 9x slower". What is switched off in the model is left
 * out: -D has it, and the metadata file. Caller frees. */
static char *emulated_note(const struct weft_runs *runs)
{
    const char *model = runs->model ? runs->model : "";
    weft_auto_free char *about = weft_run_about(runs->ratio);

    return weft_fmt("emulated%s%s%s%.*s%s%s%s%s%s", runs->version ? ", QEMU " : "",
                    runs->version ? runs->version : "", runs->model ? ", " : "",
                    (int)strcspn(model, ","), model, runs->handler ? ", the host's handler " : "",
                    runs->handler ? runs->handler : "", runs->ratio > 0 ? ", about " : "",
                    runs->ratio > 0 ? about : "", runs->ratio > 0 ? "x slower" : "");
}

/* How the lane's programs run in its worker; a platform that nothing runs fails here, with the
 * command that mends it. */
static void learn_runs(struct weft_build_lane *l)
{
    struct weft_build *b = l->b;
    const struct weft_platform_info *info = weft_catalogue_find(&b->r->platforms[l->i]);
    char name[WEFT_PLATFORM_SIZE];

    if (!info->machine) {
        l->note = weft_xstrdup("no RUN");
        return;
    }
    if (weft_worker_runs(b->cfg, l->slot->worker, info, &l->runs, &l->err) < 0) {
        return;
    }
    switch (l->runs.how) {
    case WEFT_RUNS_NATIVE:
        l->note = weft_xstrdup("native");
        break;
    case WEFT_RUNS_OWN:
    case WEFT_RUNS_EXISTING:
        l->emulated = true;
        l->note = emulated_note(&l->runs);
        break;
    case WEFT_RUNS_NOT:
        weft_fail(&l->err, WEFT_E_UNSUPPORTED, "nothing on this machine runs programs for %s",
                  weft_platform_format(&b->r->platforms[l->i], name));
        weft_err_hint(&l->err, "%s", l->runs.mend);
        break;
    default:
        break;
    }
}

/* Whether a platform of the slot has nothing to run on; what was learnt of its platforms is
 * forgotten then. */
static bool forget_if_lacking(struct weft_build_slot *s)
{
    struct weft_build *b = s->b;
    bool lacking = false;

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        const struct weft_build_lane *l = &b->lanes[i];

        lacking |= l->slot == s && l->err && l->err->code == WEFT_E_UNSUPPORTED;
    }
    for (size_t i = 0; lacking && i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        if (l->slot == s) {
            weft_err_free(weft_steal(&l->err));
            free(weft_steal(&l->note));
            weft_runs_finish(&l->runs);
            l->emulated = false;
        }
    }
    return lacking;
}

static bool acquire(struct weft_build_slot *s)
{
    struct weft_build *b = s->b;

    if (weft_worker_acquire(b->cfg, s->name, &b->cancel, &s->worker, &s->err) < 0) {
        return false;
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        if (b->lanes[i].slot == s) {
            learn_runs(&b->lanes[i]);
        }
    }
    return true;
}

static void acquire_work(void *data)
{
    struct weft_build_slot *s = data;

    if (!acquire(s)) {
        return;
    }
    /* a worker from a time when it could have no handlers of its own: one that starts now perhaps
     * can */
    if (s->worker->scope == WEFT_SCOPE_EXISTING && !s->worker->started_here &&
        forget_if_lacking(s)) {
        weft_worker_stop_if_unused(weft_steal(&s->worker));
        if (!acquire(s)) {
            return;
        }
    }
    if (s->b->syntax) {
        s->frontend_version = weft_worker_frontend_version(s->worker);
    }
}

static void on_session(const char *id, void *data)
{
    struct weft_build_slot *s = data;

    s->session_id = weft_xstrdup(id);
    s->state = SLOT_READY;
    advance(s->b);
}

static bool is_solving(const struct weft_build_slot *s)
{
    for (size_t i = 0; i < s->b->r->n_platforms; i++) {
        if (s->b->lanes[i].slot == s && s->b->lanes[i].state == LANE_SOLVING) {
            return true;
        }
    }
    return false;
}

static void on_holder_exit(int64_t sent_bytes, const char *error, void *data)
{
    struct weft_build_slot *s = data;

    s->holder = NULL;
    s->sent_bytes = sent_bytes;
    if (!s->b->ended && !s->b->committing && !atomic_load(&s->b->cancel)) {
        if (!worker_ended(s, &s->err)) {
            weft_fail(&s->err, WEFT_E_CHILD, "session holder: %s", error ? error : "ended");
            if (is_solving(s)) { /* they fail by themselves if they still want files */
                weft_warn("worker %s: %s", s->name, s->err->msg);
            }
        }
        slot_fail(s); /* for those that wait */
    }
    advance(s->b);
}

/* What the user should know of the worker's platforms, and of the workers: that is the same for all
 * of them, so once. */
static void say_notes(struct weft_build_slot *s)
{
    char name[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < s->b->r->n_platforms; i++) {
        const struct weft_build_lane *l = &s->b->lanes[i];

        if (l->slot == s && l->runs.plain_why) {
            weft_warn("%s runs on QEMU's own CPU model, which may have more than the platform: %s",
                      weft_platform_format(&s->b->r->platforms[i], name), l->runs.plain_why);
        }
    }
    if (s->b->noted) {
        return;
    }
    s->b->noted = true;
    if (s->worker->scope == WEFT_SCOPE_EXISTING) {
        weft_warn("worker %s has no handlers of its own (the kernel denies the mount of "
                  "binfmt_misc): it uses the host's, on the CPU models that these have",
                  s->name);
    }
    if (s->worker->note) {
        weft_warn("%s", s->worker->note);
    }
}

static void acquire_done(void *data)
{
    struct weft_build_slot *s = data;
    struct weft_build *b = s->b;
    bool wanted = false;

    for (size_t i = 0; i < b->r->n_platforms && s->worker; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        if (l->slot != s) {
            continue;
        }
        if (l->note) {
            weft_progress_set_note(b->progress, i, l->note, l->emulated);
        }
        if (l->err && l->state == LANE_WAITING) {
            lane_fail(l, l->err->msg);
        }
        wanted |= l->state == LANE_WAITING;
    }
    if (!s->worker) {
        slot_fail(s);
    } else if (wanted && !atomic_load(&b->cancel)) {
        say_notes(s);
        s->state = SLOT_ANNOUNCING;
        if (weft_cache_needs_relay(b->r) || weft_proxy_args_need_relay(b->r)) {
            s->relay = weft_holder_relay_address(s->worker->address);
        }
        s->holder = weft_holder_start(b->loop, weft_worker_config_session(b->cfg),
                                      s->worker->address, s->relay, b->r, on_session,
                                      on_holder_exit, s, &s->err);
        if (!s->holder) {
            slot_fail(s);
        }
    } else {
        s->state = SLOT_READY;
    }
    advance(b);
}

/* ---- the end ---- */

static void commit_work(void *data)
{
    struct weft_build *b = data;

    weft_outputs_commit(b->outputs, &b->cancel, &b->result, &b->err);
}

/* No solve wants files any more. */
static void stop_holders(struct weft_build *b)
{
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        if (b->slots[i].holder) {
            weft_holder_stop(b->slots[i].holder);
        }
    }
    kill_later(b);
}

static void commit_done(void *data)
{
    struct weft_build *b = data;

    b->committing = false;
    b->ended = true;
    advance(b);
}

/* Whether anything of this build still runs: a thread, a solve, a holder. */
static bool busy(const struct weft_build *b)
{
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        if (b->slots[i].state == SLOT_STARTING || b->slots[i].holder) {
            return true;
        }
    }
    return b->committing;
}

static void start_waiting(struct weft_build *b)
{
    long running = (long)(count_lanes(b, LANE_SOLVING) + count_lanes(b, LANE_TAKING));

    for (size_t i = 0; i < b->r->n_platforms; i++) {
        struct weft_build_lane *l = &b->lanes[i];

        if (l->state != LANE_WAITING || l->slot->state != SLOT_READY || !l->slot->holder) {
            continue;
        }
        if (running >= b->jobs) {
            lane_phase(l, WEFT_PHASE_WAITING, "waiting for a job slot");
            continue;
        }
        solve_start(l);
        running += l->state == LANE_SOLVING; /* one that cannot start holds up nobody */
    }
}

/* Whether there is a result to be written: of all platforms, or with --allow-partial of some. */
static bool may_commit(struct weft_build *b)
{
    size_t done = count_lanes(b, LANE_DONE);

    if (atomic_load(&b->cancel) || done == 0 ||
        (done < b->r->n_platforms && !b->r->allow_partial)) {
        return false;
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        if (b->lanes[i].state != LANE_DONE) {
            weft_outputs_leave_out(b->outputs, i);
            b->partial = true;
        }
    }
    return true;
}

/* Look at where everything is and do what is due. Called after each event; calling it once too
 * often does no harm. */
static void advance(struct weft_build *b)
{
    if (b->ended) {
        if (!busy(b)) {
            weft_loop_stop(b->loop);
        }
        return;
    }
    if (b->committing) {
        return;
    }
    if (!atomic_load(&b->cancel)) {
        start_waiting(b);
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        if (!lane_final(&b->lanes[i])) {
            return;
        }
    }
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        if (b->slots[i].state == SLOT_STARTING) {
            return; /* its thread ends soon: cancel is set, or its lanes have failed */
        }
    }
    if (may_commit(b)) {
        b->committing = true;
        stop_holders(b); /* they need as long as a small commit does */
        weft_work(b->loop, commit_work, commit_done, b);
        return;
    }
    b->ended = true;
    stop_holders(b);
    if (!busy(b)) {
        weft_loop_stop(b->loop);
    }
}

struct release {
    struct weft_worker *worker;
    bool stop;
};

static void release_work(void *data)
{
    struct release *r = data;

    if (r->stop) {
        weft_worker_stop_if_unused(r->worker);
    } else {
        weft_worker_release(r->worker);
    }
}

static void release_done(void *data)
{
    free(data);
}

/* This build's new states may have made the shares of stopped workers smaller. */
static void trim_work(void *data)
{
    struct weft_build *b = data;

    weft_worker_trim_stopped(b->cfg, &b->cancel);
}

static void trim_done(void *data)
{
    (void)data;
}

/* Let go of the workers, all at once. An interrupted build leaves none behind that it started
 * itself. */
static void release_workers(struct weft_build *b)
{
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        struct weft_build_slot *s = &b->slots[i];

        if (s->worker) {
            struct release *r = weft_xcalloc(1, sizeof(*r));

            r->worker = weft_steal(&s->worker);
            r->stop = b->r->worker_idle_s == 0 || (b->interrupted && r->worker->started_here);
            weft_work(b->loop, release_work, release_done, r);
        }
    }
    if (b->cfg && !b->interrupted) {
        weft_work(b->loop, trim_work, trim_done, b);
    }
    weft_loop_run(b->loop);
}

/* ---- the beginning ---- */

static void watch_signals(struct weft_build *b)
{
    struct sigaction hangup;

    weft_signal_watch(b->loop, SIGINT, on_interrupt, b);
    weft_signal_watch(b->loop, SIGTERM, on_interrupt, b);
    weft_signal_watch(b->loop, SIGWINCH, on_resize, b);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) { /* nohup */
        weft_signal_watch(b->loop, SIGHUP, on_interrupt, b);
    }
}

static void warn(const struct weft_request *r)
{
    bool image = false;

    for (size_t i = 0; i < r->ignored.n; i++) {
        weft_warn("--%s does nothing: docker buildx ignores it, too", r->ignored.v[i]);
    }
    for (size_t i = 0; i < r->notices.n; i++) {
        weft_warn("%s", r->notices.v[i]);
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        image |= weft_output_is_image(&r->outputs[i]);
    }
    if (r->n_outputs == 0 && !r->cache_only) {
        weft_warn("no output specified: the result stays in the workers' cache only; "
                  "use --push, or -o to write it somewhere");
    }
    for (size_t i = 0; i < r->attests.n && weft_proxy_args_need_relay(r); i++) {
        if (weft_starts_with(r->attests.v[i], "provenance") &&
            !strstr(r->attests.v[i], "mode=min")) {
            weft_warn("the provenance of mode=max has all build arguments, and so the credentials "
                      "of the proxies; use mode=min");
        }
    }
    if (r->names_unused) {
        weft_warn(
            "name= of an output does nothing beside --tag: docker buildx takes the tags, too");
    }
    if (r->annotations.n > 0 && !image) {
        weft_warn("--annotation does nothing: no output is an image");
    }
}

static int run(struct weft_build *b, FILE *out, struct weft_err **err)
{
    int rc;

    /* a platform's worker starts, or its image is taken or goes to a registry: a slow upload must
     * not hold up a start */
    b->loop = weft_loop_create(2 * b->r->n_platforms + 2, err);
    if (!b->loop) {
        return -1;
    }
    /* from here on a signal is a request to put things away, and weft_build_setup makes the first
     * of them
     */
    watch_signals(b);
    if (weft_build_setup(b, err) < 0) {
        return -1;
    }
    warn(b->r);
    weft_timer_start(b->loop, TICK_MS, TICK_MS, 1, on_tick, b);
    for (size_t i = 0; i < b->plan.n_slots; i++) {
        weft_work(b->loop, acquire_work, acquire_done, &b->slots[i]);
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        lane_phase(&b->lanes[i], WEFT_PHASE_WAITING, "waiting for its worker");
    }
    weft_loop_run(b->loop);
    rc = weft_build_report(b, out, err);
    release_workers(b);
    return rc;
}

int weft_build_run(struct weft_request *r, FILE *out, struct weft_err **err)
{
    struct weft_build b = {.request = r, .r = r};
    int rc;

    rc = run(&b, out, err);
    weft_build_teardown(&b);
    if (b.interrupted) { /* and has been obeyed: one more does not change the exit code */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
    }
    return rc;
}
