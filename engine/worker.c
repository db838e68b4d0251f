/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/sandbox.h"
#include "engine/buildkit.h"
#include "engine/worker_config.h"
#include "engine/worker_disk.h"
#include "engine/worker_end.h"
#include "engine/worker_files.h"
#include "engine/worker_launch.h"
#include "engine/worker_registries.h"
#include "engine/worker_state.h"

enum {
    POLL_MS = 50,
    ANSWER_MS = 15 * 1000, /* for a worker that is up, or is ending, to do what it should */
    READY_MS = 70 * 1000,  /* for one whose starter was killed; its init gives up before that */
    SLOTS_MAX = 64,
    COPY_DAYS = 30, /* a copy of QEMU is kept that nobody has asked for */
    LOOKS_MAX = 20, /* at a worker that is there, and gone, and there again */
};

/* What a caller wants: the worker of a slot, with the settings that the slot has in cfg; SLOT.1 is
 * one of those too. */
struct want {
    const struct weft_worker_config *cfg;
    const char *slot;
    const char *buildkit; /* its release, or NULL */
    char identity[WEFT_DIGEST_SIZE];
    const atomic_bool *cancel;
    bool visit; /* whatever runs there will do, and is told nothing */
};

static bool cancelled(const atomic_bool *cancel)
{
    return cancel && atomic_load(cancel);
}

static int fail_cancelled(struct weft_err **err)
{
    return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
}

/* 1 got, 0 timeout, -1. timeout_ms < 0: for ever. */
static int lock_wait(int fd, bool exclusive, int timeout_ms, const atomic_bool *cancel,
                     struct weft_err **err)
{
    for (int waited_ms = 0; timeout_ms < 0 || waited_ms <= timeout_ms; waited_ms += POLL_MS) {
        int got;

        if (cancelled(cancel)) {
            return fail_cancelled(err);
        }
        got = weft_lock_wait(fd, exclusive, POLL_MS, err);
        if (got != 0) {
            return got;
        }
    }
    return 0;
}

/* The content store lies in BuildKit's "runc-SNAPSHOTTER"; with two of those it is not known whose.
 */
static char *find_content_dir(const char *buildkit_root)
{
    static const char *const snapshotters[] = {"overlayfs", "native", "fuse-overlayfs"};
    weft_auto_free char *found = NULL;

    for (size_t i = 0; i < sizeof(snapshotters) / sizeof(snapshotters[0]); i++) {
        weft_auto_free char *dir = weft_fmt("%s/runc-%s", buildkit_root, snapshotters[i]);

        if (weft_is_dir(dir)) {
            if (found) {
                return NULL;
            }
            found = weft_path_join(dir, "content/blobs/sha256");
        }
    }
    return weft_steal(&found);
}

/* Layers cannot be stacked on everything. */
static char *note_state_dir(const char *dir)
{
    enum {
        OVERLAY = 0x794c7630,
        TMPFS = 0x01021994
    };
    struct statfs st;

    if (statfs(dir, &st) < 0) {
        return NULL;
    }
    if (st.f_type == OVERLAY) {
        return weft_fmt("%s is on an overlay file system: BuildKit has to copy whole layers; "
                        "WEFT_STATE_DIR can name a directory on disk",
                        dir);
    }
    if (st.f_type == TMPFS) {
        return weft_fmt("%s is in memory, where some moves of directories fail in RUN; "
                        "WEFT_STATE_DIR can name a directory on disk",
                        dir);
    }
    return NULL;
}

static struct weft_worker *make_worker(const struct want *want, const struct weft_worker_files *f,
                                       const struct weft_worker_info *info, int *clients_fd)
{
    struct weft_worker *w = weft_xcalloc(1, sizeof(*w));

    w->cfg = want->cfg;
    w->wanted_slot = weft_xstrdup(want->slot);
    w->slot = weft_xstrdup(f->slot);
    w->address = weft_fmt("unix://%s", f->socket);
    w->socket_path = weft_xstrdup(f->socket);
    w->state_dir = weft_xstrdup(f->state_dir);
    w->buildkit_root = weft_xstrdup(f->buildkit_root);
    w->content_dir = find_content_dir(f->buildkit_root);
    w->note = note_state_dir(f->state_dir);
    w->scope = info->scope;
    w->process_sandbox = info->process_sandbox;
    w->pid = info->pid;
    w->pid_start = info->pid_start;
    w->clients_fd = weft_steal_fd(clients_fd);
    return w;
}

static int write_wishes(const struct weft_worker_config *cfg, const struct weft_worker_files *f,
                        struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    uint64_t budget;

    if (weft_worker_config_budget(cfg, &budget, err) < 0) {
        return -1;
    }
    text = weft_fmt("%ld %" PRIu64 "\n", cfg->idle_ms, budget);
    return weft_write_file(f->wishes, text, strlen(text), 0600, err);
}

static struct weft_process process_of(const struct weft_worker_info *info)
{
    return (struct weft_process){info->pid, info->pid_start};
}

/* A worker lives that is what we want. Returns 1 and *out; 0: it is gone, look again; -1. */
static int attach(const struct want *want, const struct weft_worker_files *f,
                  const struct weft_worker_info *seen, struct weft_worker **out,
                  struct weft_err **err)
{
    weft_auto_fd fd = weft_lock_open(f->clients_lock, err);
    bool ready = seen->ready;
    int got = 0;

    if (fd < 0) {
        return -1;
    }
    for (int waited_ms = 0; got == 0; waited_ms += POLL_MS) {
        if (!weft_worker_info_lives(seen)) {
            return 0;
        }
        if (waited_ms > ANSWER_MS) { /* it was told to end, and does not */
            weft_process_end(process_of(seen), true, NULL);
            return 0;
        }
        got = lock_wait(fd, false, POLL_MS, want->cancel, err);
    }
    if (got < 0) {
        return -1;
    }
    for (int waited_ms = 0; waited_ms <= (ready ? ANSWER_MS : READY_MS); waited_ms += POLL_MS) {
        struct weft_worker_info info = {0};

        if (cancelled(want->cancel)) {
            return fail_cancelled(err);
        }
        if (!weft_worker_info_lives(seen)) {
            return 0;
        }
        if (weft_buildkit_ping(f->socket, POLL_MS)) {
            ready = weft_worker_info_read(f, &info) == 1 && info.ready;
            if (ready && (want->visit || write_wishes(want->cfg, f, err) == 0)) {
                *out = make_worker(want, f, &info, &fd);
            }
            weft_worker_info_finish(&info);
            if (ready) {
                return *out ? 1 : -1;
            }
        }
    }
    weft_fail(err, WEFT_E_CHILD, "worker %s (process %d) does not answer", f->slot, (int)seen->pid);
    return weft_err_hint(err, "weft worker stop --force %s", f->slot);
}

static char *spec_text(const struct want *want, const struct weft_worker_files *f,
                       const char *runtime, const char *other, uint64_t share,
                       const char *registries)
{
    const struct weft_worker_config *cfg = want->cfg;
    weft_auto_strv lines = {0};
    weft_auto_json spec = weft_json_object();
    struct weft_json *handlers = weft_json_array();
    struct weft_json *env = weft_json_array();

    weft_worker_config_handlers(cfg, want->slot, &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_json_append_str(handlers, lines.v[i]);
    }
    for (size_t i = 0; i < cfg->env.n; i++) {
        weft_json_append_str(env, cfg->env.v[i]);
    }
    weft_json_set_int(spec, "schema", WEFT_WORKER_FORMAT);
    weft_json_set_str(spec, "slot", f->slot);
    weft_json_set_str(spec, "runtime_root", cfg->runtime_root);
    weft_json_set_str(spec, "state_root", cfg->state_root);
    weft_json_set_str(spec, "identity", want->identity);
    weft_json_set_str(spec, "scope", weft_scope_name(cfg->scope));
    weft_json_set(spec, "handlers", handlers);
    weft_json_set_str(spec, "buildkitd", cfg->buildkit.buildkitd);
    weft_json_set_str(spec, "buildctl", cfg->buildkit.buildctl);
    weft_json_set_str(spec, "buildkit_version", want->buildkit);
    weft_json_set_str(spec, "runtime", runtime);
    weft_json_set_str(spec, "other_runtime", other);
    weft_json_set(spec, "env", env);
    weft_json_set_int(spec, "share_bytes", (int64_t)share);
    weft_json_set_str(spec, "registries", registries);
    return weft_json_dump(spec, 2);
}

/* What is there already is not written again: a worker whose disk is full can be started then, and
 * pruned. */
static int write_config(const char *path, const char *text, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_dir(path);
    weft_auto_free char *old = NULL;

    if (weft_read_file(path, strlen(text) + 1, &old, NULL, NULL) == 0 && strcmp(old, text) == 0) {
        return 0;
    }
    if (weft_mkdirs(dir, 0700, err) < 0 ||
        weft_write_file(path, text, strlen(text), 0600, err) < 0) {
        return weft_err_hint(err, "WEFT_STATE_DIR can name another directory");
    }
    return 0;
}

/* Write what the init reads. */
static int prepare(const struct want *want, const struct weft_worker_files *f,
                   struct weft_err **err)
{
    const struct weft_worker_config *cfg = want->cfg;
    const char *other = NULL;
    const char *runtime = weft_worker_config_runtime(cfg, &other, err);
    weft_auto_free char *spec = NULL;
    weft_auto_free char *config = NULL;
    weft_auto_free char *registries = weft_worker_registries_toml(cfg->registries, f->registries);
    struct weft_platform host;
    char host_name[WEFT_PLATFORM_SIZE];
    uint64_t share;

    if (!runtime) {
        return -1;
    }
    if (weft_mkdirs(f->state_dir, 0700, err) < 0 || weft_mkdirs(f->binfmt_dir, 0700, err) < 0) {
        return -1;
    }
    if (weft_worker_registries_write(cfg->registries, f->registries, err) < 0 ||
        weft_worker_config_budget(cfg, &share, err) < 0) {
        return -1;
    }
    share = weft_worker_disk_share(share, cfg->state_root);
    weft_platform_host(&host);
    /* in scope EXISTING only buildkitd can find out what it can run */
    config = weft_buildkit_config(
        share, cfg->scope == WEFT_SCOPE_NAMESPACE ? weft_platform_format(&host, host_name) : NULL,
        registries);
    spec = spec_text(want, f, runtime, other, share, registries);
    if (write_config(f->config, config, err) < 0) {
        return -1;
    }
    return weft_write_file(f->spec, spec, strlen(spec), 0600, err) < 0 ? -1
                                                                       : write_wishes(cfg, f, err);
}

static int start(const struct want *want, const struct weft_worker_files *f,
                 struct weft_worker **out, struct weft_err **err)
{
    weft_auto_fd clients_fd = weft_lock_open(f->clients_lock, err);
    struct weft_worker_info info = {0};
    struct weft_launch l = {.report_fd = -1};
    weft_auto_strv args = {0};
    int got, done;

    /* Held from before the init begins, so that it never sees itself without a client. */
    got = clients_fd < 0 ? -1 : lock_wait(clients_fd, false, ANSWER_MS, want->cancel, err);
    if (got == 0) {
        weft_fail(err, WEFT_E_IO, "%s is kept locked by another process", f->clients_lock);
    }
    if (got <= 0 || prepare(want, f, err) < 0) {
        return -1;
    }
    weft_strv_add(&args, f->spec);
    done = weft_launch_start(&l, want->cfg->buildkit.init, &args, f->log, err);
    if (done == 0) {
        done = weft_launch_await(&l, want->cancel, err);
    }
    if (done == 0 && weft_worker_info_read(f, &info) != 1) {
        weft_process_end(l.inside, false, NULL);
        done = weft_fail(err, WEFT_E_CHILD, "the worker ended right after its start");
    }
    if (done == 0) {
        weft_debug("worker %s runs steps with %s", f->slot, info.runtime);
        *out = make_worker(want, f, &info, &clients_fd);
        (*out)->started_here = true;
    }
    weft_worker_info_finish(&info);
    weft_launch_finish(&l);
    return done;
}

/* Another identity: 1 ended, 0 in use, -1. */
static int replace(const struct weft_worker_files *f, const struct weft_worker_info *info,
                   struct weft_err **err)
{
    weft_auto_fd fd = weft_lock_open(f->clients_lock, err);
    int got = fd < 0 ? -1 : weft_lock_wait(fd, true, POLL_MS, err);

    if (got == 1) {
        weft_debug("worker %s has other settings and is idle: it is replaced", f->slot);
        return weft_process_end(process_of(info), true, err) < 0 ? -1 : 1;
    }
    return got;
}

/* 1 and *out; 0: in use by others, with other settings, or (*newer: which) last used by a newer
 * BuildKit than ours, to which it is left; -1 */
static int try_slot(const struct want *want, const struct weft_worker_files *f, char **newer,
                    struct weft_worker **out, struct weft_err **err)
{
    weft_auto_fd start_fd = -1;

    if (weft_worker_files_check(f, err) < 0 || weft_private_dir(f->runtime_dir, err) < 0) {
        return -1;
    }
    start_fd = weft_lock_open(f->start_lock, err);
    if (start_fd < 0 || lock_wait(start_fd, true, -1, want->cancel, err) < 0) {
        return -1;
    }
    for (int i = 0; i < LOOKS_MAX && !cancelled(want->cancel); i++) {
        struct weft_worker_info info = {0};
        bool lives = weft_worker_info_read(f, &info) == 1 && weft_worker_info_lives(&info);
        int got;

        /* one of our identity has our BuildKit */
        if ((!lives || (!want->visit && strcmp(info.identity, want->identity) != 0)) &&
            !weft_worker_state_fits(f, want->buildkit, newer)) {
            weft_worker_info_finish(&info);
            return 0;
        }
        if (!lives) {
            weft_worker_info_finish(&info);
            return start(want, f, out, err) < 0 ? -1 : 1;
        }
        if (want->visit || strcmp(info.identity, want->identity) == 0) {
            got = attach(want, f, &info, out, err);
            weft_worker_info_finish(&info);
            if (got != 0) {
                return got;
            }
        } else {
            got = replace(f, &info, err);
            weft_worker_info_finish(&info);
            if (got <= 0) {
                return got;
            }
        }
    }
    return cancelled(want->cancel) ? fail_cancelled(err)
                                   : weft_fail(err, WEFT_E_IO,
                                               "its process cannot be looked at (no file "
                                               "descriptors left?)");
}

int weft_worker_acquire(const struct weft_worker_config *cfg, const char *slot,
                        const atomic_bool *cancel, struct weft_worker **out, struct weft_err **err)
{
    weft_auto_free char *buildkit = weft_worker_config_buildkit(cfg);
    weft_auto_free char *newer = NULL; /* that of the first state which was left to one */
    struct want want = {.cfg = cfg, .slot = slot, .buildkit = buildkit, .cancel = cancel};

    *out = NULL;
    if (!weft_worker_slot_ok(slot)) {
        return weft_fail(err, WEFT_E_INTERNAL, "bad slot name");
    }
    if (weft_worker_config_prepare_dirs(cfg, err) < 0) {
        return -1;
    }
    weft_worker_config_identity(cfg, slot, want.identity);
    for (int i = 0; i < SLOTS_MAX; i++) {
        weft_auto_free char *name = i == 0 ? weft_xstrdup(slot) : weft_fmt("%s.%d", slot, i);
        struct weft_worker_files f = {0};
        int got;

        weft_worker_files_init(&f, cfg->runtime_root, cfg->state_root, name);
        got = try_slot(&want, &f, newer ? NULL : &newer, out, err);
        weft_worker_files_finish(&f);
        if (got < 0) {
            return weft_err_wrap(err, "worker %s", name);
        }
        if (got == 1 && newer && (*out)->started_here) {
            weft_warn("the cache of worker %s was last used by BuildKit %s, which is newer than "
                      "this weft's, %s; it is kept for that, and %s is used",
                      slot, newer, buildkit, name);
        }
        if (got == 1) {
            return 0;
        }
    }
    return weft_fail(err, WEFT_E_IO,
                     "worker %s: %d workers with other settings are in use, or of a newer BuildKit",
                     slot, SLOTS_MAX);
}

int weft_worker_visit(const struct weft_worker_config *cfg, const char *slot,
                      const atomic_bool *cancel, struct weft_worker **out, struct weft_err **err)
{
    weft_auto_free char *buildkit = weft_worker_config_buildkit(cfg);
    weft_auto_free char *newer = NULL;
    struct want want = {
        .cfg = cfg, .slot = slot, .buildkit = buildkit, .cancel = cancel, .visit = true};
    struct weft_worker_files f = {0};
    int got;

    *out = NULL;
    if (weft_worker_config_prepare_dirs(cfg, err) < 0) {
        return -1;
    }
    weft_worker_config_identity(cfg, slot, want.identity);
    weft_worker_files_init(&f, cfg->runtime_root, cfg->state_root, slot);
    got = try_slot(&want, &f, &newer, out, err);
    weft_worker_files_finish(&f);
    if (got == 0) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "it was last used by BuildKit %s, which is newer than this weft's, %s",
                  newer ? newer : "of another weft", buildkit ? buildkit : "unknown");
    }
    return got == 1 ? 0 : weft_err_wrap(err, "worker %s", slot);
}

void weft_worker_give_up_reserve(const struct weft_worker_config *cfg, const char *slot)
{
    struct weft_worker_files f = {0};

    weft_worker_files_init(&f, cfg->runtime_root, cfg->state_root, slot);
    (void)unlink(f.reserve); /* there may be none */
    weft_worker_files_finish(&f);
}

/* Start a stopped worker whose cache has more than its share, for as long as it takes to trim it.
 */
static void trim_stopped(const struct weft_worker_config *cfg, const struct weft_worker_files *f,
                         uint64_t share, const atomic_bool *cancel)
{
    weft_auto_free char *buildkit = NULL;
    struct weft_worker_config brief = *cfg;
    struct want want = {.cfg = &brief, .slot = f->slot, .cancel = cancel};
    struct weft_worker_usage u;
    struct weft_worker_info info = {0};
    struct weft_worker *w = NULL;
    weft_auto_fd start_fd = -1;
    weft_auto_err err = NULL;
    bool lives;

    /* what it was held to already, and did not get to, is not tried again */
    if (weft_worker_usage_read(f->usage, &u) != 1 || u.used_bytes <= share ||
        u.share_bytes <= share || weft_worker_files_check(f, NULL) < 0 ||
        weft_private_dir(f->runtime_dir, NULL) < 0) {
        return;
    }
    start_fd = weft_lock_open(f->start_lock, NULL);
    if (start_fd < 0 || weft_lock_try(start_fd, true, NULL) != 1) {
        return;
    }
    lives = weft_worker_info_read(f, &info) == 1 && weft_worker_info_lives(&info);
    weft_worker_info_finish(&info);
    buildkit = weft_worker_config_buildkit(cfg);
    if (lives || !weft_worker_state_fits(f, buildkit, NULL)) {
        return;
    }
    want.buildkit = buildkit;
    weft_debug("worker %s: its cache has %" PRIu64 " bytes, its share is %" PRIu64
               ": started to trim it",
               f->slot, u.used_bytes, share);
    brief.idle_ms = 0;
    weft_worker_config_identity(&brief, f->slot, want.identity);
    if (start(&want, f, &w, &err) < 0) {
        weft_debug("worker %s was not trimmed: %s", f->slot, err->msg);
    }
    weft_worker_release(w);
}

void weft_worker_trim_stopped(const struct weft_worker_config *cfg, const atomic_bool *cancel)
{
    struct weft_worker_entry *list;
    uint64_t share;
    size_t n;

    weft_qemu_copies_trim(cfg->copies_dir, COPY_DAYS);
    if (weft_worker_config_budget(cfg, &share, NULL) < 0 || weft_worker_list(&list, &n, NULL) < 0) {
        return;
    }
    share = weft_worker_disk_share(share, cfg->state_root);
    for (size_t i = 0; i < n; i++) {
        struct weft_worker_files f = {0};

        if (list[i].status == WEFT_WORKER_STOPPED) {
            weft_worker_files_init(&f, cfg->runtime_root, cfg->state_root, list[i].slot);
            trim_stopped(cfg, &f, share, cancel);
            weft_worker_files_finish(&f);
        }
    }
    weft_worker_entries_free(list, n);
}

static void free_worker(struct weft_worker *w)
{
    free(w->slot);
    free(w->wanted_slot);
    free(w->address);
    free(w->socket_path);
    free(w->state_dir);
    free(w->buildkit_root);
    free(w->content_dir);
    free(w->note);
    if (w->clients_fd >= 0) {
        close(w->clients_fd);
    }
    free(w);
}

void weft_worker_release(struct weft_worker *w)
{
    if (w) {
        free_worker(w);
    }
}

void weft_worker_stop_if_unused(struct weft_worker *w)
{
    if (!w) {
        return;
    }
    /* the init itself looks at the lock four times a second, for microseconds: hence the wait */
    weft_lock_release(w->clients_fd);
    if (weft_lock_wait(w->clients_fd, true, POLL_MS, NULL) == 1) {
        weft_process_end((struct weft_process){w->pid, w->pid_start}, true, NULL);
    }
    free_worker(w);
}

bool weft_worker_alive(const struct weft_worker *w)
{
    uint64_t start_ticks;

    return weft_process_start(w->pid, &start_ticks) && start_ticks == w->pid_start &&
           weft_buildkit_ping(w->socket_path, 2000);
}
