/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/caches.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "engine/settings.h"

struct weft_caches {
    struct weft_settings settings;
    struct weft_worker_config *cfg; /* NULL: no worker was visited yet */
    struct weft_loop *loop;
    atomic_bool cancel;
    struct weft_child *child; /* buildctl, while it runs */
};

static void on_signal(void *data)
{
    struct weft_caches *c = data;

    atomic_store(&c->cancel, true);
    if (c->child) {
        weft_child_kill(c->child, SIGTERM);
    }
}

static void watch_signals(struct weft_caches *c)
{
    struct sigaction hangup;

    weft_signal_watch(c->loop, SIGINT, on_signal, c);
    weft_signal_watch(c->loop, SIGTERM, on_signal, c);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) { /* nohup */
        weft_signal_watch(c->loop, SIGHUP, on_signal, c);
    }
}

struct weft_caches *weft_caches_create(struct weft_err **err)
{
    struct weft_caches *c = weft_xcalloc(1, sizeof(*c));

    if (weft_settings_load(&c->settings, err) == 0) {
        c->loop = weft_loop_create(1, err);
    }
    if (!c->loop) {
        weft_caches_destroy(c);
        return NULL;
    }
    watch_signals(c);
    return c;
}

void weft_caches_destroy(struct weft_caches *c)
{
    if (c) {
        weft_loop_destroy(c->loop);
        weft_worker_config_destroy(c->cfg);
        weft_settings_finish(&c->settings);
        free(c);
    }
}

uint64_t weft_caches_budget(const struct weft_caches *c)
{
    return c->settings.disk_bytes;
}

bool weft_caches_interrupted(const struct weft_caches *c)
{
    return atomic_load(&c->cancel);
}

static int fail_none(const char *slot, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(slot);

    weft_fail(err, WEFT_E_USAGE, "there is no worker %s", shown);
    return weft_err_hint(err, "weft worker list");
}

int weft_caches_select(const struct weft_strv *slots, struct weft_worker_entry **entries, size_t *n,
                       struct weft_err **err)
{
    struct weft_worker_entry *list, *rest;
    size_t all, kept = 0, n_rest = 0;

    if (weft_worker_list(&list, &all, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < slots->n; i++) {
        bool found = false;

        for (size_t k = 0; k < all; k++) {
            found |= list[k].status != WEFT_WORKER_ASIDE && strcmp(list[k].slot, slots->v[i]) == 0;
        }
        if (!found) {
            weft_worker_entries_free(list, all);
            return fail_none(slots->v[i], err);
        }
    }
    rest = weft_xcalloc(all + 1, sizeof(*rest));
    for (size_t i = 0; i < all; i++) {
        bool wanted = slots->n == 0 || weft_strv_has(slots, list[i].slot);

        /* what was set aside is of a format that no worker of ours knows */
        if (wanted && list[i].status != WEFT_WORKER_REMOVING &&
            list[i].status != WEFT_WORKER_ASIDE) {
            list[kept++] = list[i];
        } else {
            rest[n_rest++] = list[i];
        }
    }
    weft_worker_entries_free(rest, n_rest);
    *entries = list;
    *n = kept;
    return 0;
}

/* ---- work that blocks, while the loop takes signals ---- */

struct work {
    struct weft_caches *c;
    const char *slot;
    bool removing; /* something is to be removed */
    struct weft_worker *worker;
    struct weft_err *err;
};

static void stop_loop(void *data)
{
    struct work *w = data;

    weft_loop_stop(w->c->loop);
}

static void enter_work(void *data)
{
    struct work *w = data;
    struct weft_caches *c = w->c;

    if (!c->cfg) {
        c->cfg = weft_worker_config_create(
            &(struct weft_worker_options){.cpu = &c->settings.cpu,
                                          .qemu = c->settings.qemu,
                                          .qemu_dirs = &c->settings.qemu_dirs,
                                          .registries = &c->settings.registries,
                                          .disk_bytes = c->settings.disk_bytes,
                                          .cancel = &c->cancel},
            &w->err);
    }
    if (c->cfg && w->removing) {
        weft_worker_give_up_reserve(c->cfg, w->slot);
    }
    if (c->cfg) {
        weft_worker_visit(c->cfg, w->slot, &c->cancel, &w->worker, &w->err);
    }
}

static void leave_work(void *data)
{
    struct work *w = data;

    if (w->worker->started_here) {
        weft_worker_stop_if_unused(w->worker);
    } else {
        weft_worker_release(w->worker);
    }
}

static void do_work(struct work *w, weft_callback_fn *fn)
{
    weft_work(w->c->loop, fn, stop_loop, w);
    weft_loop_run(w->c->loop);
}

/* ---- buildctl ---- */

struct run {
    struct weft_caches *c;
    int64_t unused_since_s; /* only records that were not used since then; -1: all */
    weft_caches_record_fn *fn;
    void *data;
    struct weft_buf said; /* on stderr */
    struct weft_err *err; /* the first one */
    int code;
};

static void on_line(char *line, size_t len, void *data)
{
    struct run *r = data;
    struct weft_cache_record record = {0};

    if (len == 0 || r->err) {
        return;
    }
    if (weft_cache_record_parse(line, len, &record, &r->err) < 0) {
        return;
    }
    if (r->unused_since_s < 0 || record.last_used_s <= r->unused_since_s) {
        r->fn(&record, r->data);
    }
    weft_cache_record_finish(&record);
}

static void on_said(char *line, size_t len, void *data)
{
    struct run *r = data;

    if (len > 0 && r->said.len < 4096) {
        weft_buf_printf(&r->said, "%s%.2000s", r->said.len ? "\n" : "", line);
    }
}

static void on_exit_code(int code, void *data)
{
    struct run *r = data;

    r->code = code;
    r->c->child = NULL;
    weft_loop_stop(r->c->loop);
}

static int fail_cancelled(struct weft_err **err)
{
    return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
}

/* Hand over an error that is ours; the caller may want none. */
static int give(struct weft_err *e, struct weft_err **err)
{
    if (err) {
        *err = e;
    } else {
        weft_err_free(e);
    }
    return -1;
}

static int run_buildctl(struct run *r, struct weft_strv *argv, struct weft_err **err)
{
    struct weft_caches *c = r->c;
    const char *buildctl = weft_worker_config_buildctl(c->cfg);

    c->child = weft_child_spawn(c->loop,
                                &(struct weft_child_opts){.file = buildctl,
                                                          .argv = argv->v,
                                                          .on_stdout = on_line,
                                                          .on_stderr = on_said,
                                                          .stdout_fd = -1,
                                                          .on_exit = on_exit_code,
                                                          .data = r},
                                err);
    if (!c->child) {
        return -1;
    }
    weft_loop_run(c->loop);
    if (atomic_load(&c->cancel)) {
        weft_err_free(r->err);
        return fail_cancelled(err);
    }
    if (r->err) {
        return give(weft_steal(&r->err), err);
    }
    if (r->code != 0) {
        weft_auto_free char *shown = weft_printable(r->said.data ? r->said.data : "");

        return weft_fail(err, WEFT_E_CHILD, "buildctl: %s",
                         *shown ? shown : "failed without a message");
    }
    return 0;
}

/* Run "buildctl --addr=... ARG..." on the worker of a slot. */
static int run_on(struct run *r, const char *slot, const struct weft_strv *args,
                  struct weft_err **err)
{
    struct work w = {.c = r->c, .slot = slot, .removing = strcmp(args->v[0], "prune") == 0};
    weft_auto_strv argv = {0};
    int rc = -1;

    if (atomic_load(&r->c->cancel)) {
        return fail_cancelled(err);
    }
    do_work(&w, enter_work);
    if (!w.worker) {
        return give(w.err, err);
    }
    weft_strv_add(&argv, "buildctl");
    weft_strv_addf(&argv, "--addr=%s", w.worker->address);
    weft_strv_concat(&argv, args);
    rc = run_buildctl(r, &argv, err);
    weft_buf_finish(&r->said);
    do_work(&w, leave_work);
    return rc < 0 && !atomic_load(&r->c->cancel) ? weft_err_wrap(err, "worker %s", slot) : rc;
}

int weft_caches_list(struct weft_caches *c, const char *slot,
                     const struct weft_cache_filter *filter, weft_caches_record_fn *fn, void *data,
                     struct weft_err **err)
{
    struct run r = {.c = c, .unused_since_s = -1, .fn = fn, .data = data};
    weft_auto_strv args = {0};

    if (filter->until_ms > 0) {
        r.unused_since_s = (int64_t)time(NULL) - filter->until_ms / 1000;
    }
    weft_strv_add(&args, "du");
    if (filter->text) {
        weft_strv_addf(&args, "--filter=%s", filter->text);
    }
    weft_strv_add(&args, "--format={{range .}}{{json .}}{{\"\\n\"}}{{end}}");
    return run_on(&r, slot, &args, err);
}

int weft_caches_prune(struct weft_caches *c, const char *slot,
                      const struct weft_cache_filter *filter, bool all, uint64_t keep_bytes,
                      weft_caches_record_fn *fn, void *data, struct weft_err **err)
{
    struct run r = {.c = c, .unused_since_s = -1, .fn = fn, .data = data};
    weft_auto_strv args = {0};

    weft_strv_add(&args, "prune");
    if (filter->text) {
        weft_strv_addf(&args, "--filter=%s", filter->text);
    }
    if (filter->until_ms > 0) {
        weft_strv_addf(&args, "--keep-duration=%" PRId64 "ms", filter->until_ms);
    }
    if (keep_bytes > 0) { /* in units of 10^6 bytes */
        weft_strv_addf(&args, "--keep-storage=%" PRIu64 ".%06" PRIu64, keep_bytes / 1000000,
                       keep_bytes % 1000000);
    }
    if (all) {
        weft_strv_add(&args, "--all");
    }
    weft_strv_add(&args, "--format={{json .}}");
    return run_on(&r, slot, &args, err);
}
