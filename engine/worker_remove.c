/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/str.h"
#include "engine/buildkit.h"
#include "engine/worker.h"
#include "engine/worker_files.h"
#include "engine/worker_launch.h"
#include "engine/worker_state.h"

enum {
    START_LOCK_MS = 5000, /* a start takes less */
    STATE_LOCK_MS = 10 * 1000
};

/* What files of RUN steps belong to are ids of the worker's namespace. */
static int remove_inside(const char *path, uint64_t *bytes, struct weft_err **err)
{
    weft_auto_free char *init = weft_buildkit_find_init(err);
    struct weft_launch l = {.report_fd = -1};
    weft_auto_strv args = {0};
    int rc;

    if (!init) {
        return -1;
    }
    weft_strv_add(&args, "--remove");
    weft_strv_add(&args, path);
    rc = weft_launch_start(&l, init, &args, "/dev/null", err);
    if (rc == 0) {
        rc = weft_launch_await(&l, NULL, err);
    }
    if (rc == 0) {
        *bytes += (uint64_t)weft_json_int(l.end, "bytes", 0);
    }
    weft_launch_finish(&l);
    return rc;
}

static int clear_given_up(const struct weft_worker_files *f, uint64_t *bytes, struct weft_err **err)
{
    if (remove_inside(f->removing, bytes, err) < 0) {
        weft_err_wrap(err, "the state of worker %s is not all gone", f->slot);
        return weft_err_hint(err, "what is left is never used; sudo rm -rf %s", f->removing);
    }
    return 0;
}

/* Take the state away from where a worker would look for it. Returns 1, or 0 where there is none.
 */
static int give_up(const struct weft_worker_files *f, struct weft_err **err)
{
    weft_auto_fd fd = -1;
    int got;

    if (!weft_exists(f->state_dir)) {
        return 0;
    }
    fd = weft_lock_open(f->state_lock, err);
    got = fd < 0 ? -1 : weft_lock_wait(fd, true, STATE_LOCK_MS, err);
    if (got == 0) {
        weft_fail(err, WEFT_E_IO, "%s is in use by another process", f->state_dir);
        weft_err_hint(err, "do two weft with different runtime directories share WEFT_STATE_DIR?");
    }
    if (got <= 0) {
        return -1;
    }
    return rename(f->state_dir, f->removing) < 0
               ? weft_fail_sys(err, errno, "rename %s", f->state_dir)
               : 1;
}

/* The lock files' directory is gone after a reboot. */
static int make_runtime_dir(const struct weft_worker_files *f, const char *runtime_root,
                            struct weft_err **err)
{
    weft_auto_free char *workers = weft_path_dir(f->runtime_dir);

    return weft_private_dir(runtime_root, err) < 0 || weft_private_dir(workers, err) < 0
               ? -1
               : weft_private_dir(f->runtime_dir, err);
}

static int remove_slot(const struct weft_worker_files *f, bool force, uint64_t *bytes,
                       struct weft_err **err)
{
    weft_auto_fd start_fd = -1;
    bool left_over;
    int got;

    start_fd = weft_lock_open(f->start_lock, err);
    got = start_fd < 0 ? -1 : weft_lock_wait(start_fd, true, START_LOCK_MS, err);
    if (got == 0) {
        return weft_fail(err, WEFT_E_USAGE, "worker %s is being started", f->slot);
    }
    if (got < 0 || weft_worker_stop(f->slot, force, err) < 0) {
        return -1;
    }
    left_over = weft_exists(f->removing);
    if (left_over && clear_given_up(f, bytes, err) < 0) {
        return -1;
    }
    got = give_up(f, err);
    if (got < 0 || (got == 1 && clear_given_up(f, bytes, err) < 0)) {
        return -1;
    }
    return got == 1 || left_over;
}

static int remove_aside(const char *state_root, const char *name, uint64_t *bytes,
                        struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(state_root, name);

    if (!weft_exists(path)) {
        return 0;
    }
    if (remove_inside(path, bytes, err) < 0) {
        return weft_err_hint(err, "what is left is never used; sudo rm -rf %s", path);
    }
    return 1;
}

int weft_worker_remove(const char *slot, bool force, uint64_t *freed_bytes, struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    struct weft_worker_files f = {0};
    int got = 0;

    *freed_bytes = 0;
    if (!weft_worker_slot_ok(slot)) {
        return 0;
    }
    if (weft_worker_roots(&runtime, &state, err) < 0) {
        return -1;
    }
    if (weft_state_is_aside(&weft_worker_state, slot)) {
        return remove_aside(state, slot, freed_bytes, err);
    }
    weft_worker_files_init(&f, runtime, state, slot);
    if (weft_exists(f.removing) || weft_exists(f.state_dir)) {
        got = make_runtime_dir(&f, runtime, err) < 0 ? -1
                                                     : remove_slot(&f, force, freed_bytes, err);
    }
    weft_worker_files_finish(&f);
    return got;
}
