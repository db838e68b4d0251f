/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory and that of sockets: whose they are, and what fits in. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "bench/results.h"
#include "binfmt/qemu_copy.h"
#include "engine/doctor_check.h"
#include "engine/registry/blob_homes.h"
#include "engine/worker_disk.h"
#include "engine/worker_state.h"

/* BuildKit's databases and the parts of a layer that is being written: less than this, and it does
 * not get as far as the first step. */
static const uint64_t disk_needed_bytes = 16000000;
static const uint64_t disk_small_bytes = 2000000000;

static const char mend_state[] = "WEFT_STATE_DIR=DIR with a directory of yours, on a disk";

void weft_doctor_config(struct weft_doctor *d)
{
    if (d->why_settings) {
        weft_doctor_add_err(d, "config", WEFT_DOCTOR_FAIL, d->why_settings);
    } else {
        weft_doctor_add(d, "config", NULL, WEFT_DOCTOR_OK,
                        weft_xstrdup(d->settings.path ? d->settings.path : "no config file"), NULL);
    }
}

/* All parts of the state; the first two are what builds need. */
static const struct weft_state_part *const parts[] = {
    &weft_worker_state,
    &weft_qemu_state,
    &weft_bench_state,
    &weft_registry_state,
};
enum {
    N_NEEDED = 2
};

/* What is wrong with a part of the state that is needed, if it is there; NULL: nothing. Caller
 * frees. */
static char *part_why(const char *root, const struct weft_state_part *part)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);
    weft_auto_err err = NULL;
    struct stat st;

    if (lstat(dir, &st) < 0) {
        return NULL;
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & S_IWOTH)) {
        return weft_fmt("%s belongs to another user, or others can write it", dir);
    }
    if (access(dir, W_OK | X_OK) < 0) {
        return weft_fmt("%s: %s", dir, strerror(errno));
    }
    return weft_state_readable(root, part, &err) < 0 ? weft_xstrdup(err->msg) : NULL;
}

/* What was set aside, and parts that builds do without. */
static void check_rest(struct weft_doctor *d)
{
    weft_auto_strv aside = {0};
    weft_auto_free char *names = NULL;
    weft_auto_free char *workers = weft_fmt("%s.old-", weft_worker_state.name);

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        weft_auto_err err = NULL;

        weft_state_list_aside(d->state_root, parts[i], &aside);
        if (i >= N_NEEDED && weft_state_readable(d->state_root, parts[i], &err) < 0) {
            weft_doctor_add(d, "state", parts[i]->name, WEFT_DOCTOR_WARN,
                            weft_fmt("%s; builds go without it", err->msg),
                            weft_fmt("%s", mend_state));
        }
    }
    if (aside.n > 0) {
        names = weft_strv_some(&aside, 3);
        weft_doctor_add(d, "state", "aside", WEFT_DOCTOR_WARN,
                        weft_fmt("set aside, and not used any more: %s", names),
                        weft_starts_with(aside.v[0], workers)
                            ? weft_fmt("weft worker remove %s", aside.v[0])
                            : weft_fmt("rm -rf %s/%s", d->state_root, aside.v[0]));
    }
}

void weft_doctor_state(struct weft_doctor *d)
{
    const struct weft_json *facts = weft_tries_facts(d->tries, WEFT_TRY_SANDBOX, 0, NULL);
    const char *dir_error = weft_json_str(facts, "dir_error");
    char *why = NULL;

    if (!d->state_root) {
        weft_doctor_add(d, "state", NULL, WEFT_DOCTOR_FAIL, weft_xstrdup(d->state_why),
                        weft_fmt("%s", mend_state));
        return;
    }
    for (size_t i = 0; i < N_NEEDED && !why; i++) {
        why = part_why(d->state_root, parts[i]);
    }
    if (!why && d->try_dir != d->state_near) {
        why = weft_fmt("%s: %s cannot be written", d->state_root, d->state_near);
    }
    if (!why && dir_error) {
        why = weft_fmt("%s: %s", d->state_root, dir_error);
    }
    if (why) {
        weft_doctor_add(d, "state", NULL, WEFT_DOCTOR_FAIL, why, weft_fmt("%s", mend_state));
        check_rest(d);
        return;
    }
    weft_doctor_add(d, "state", NULL, WEFT_DOCTOR_OK,
                    weft_fmt("%s%s", d->state_root,
                             weft_exists(d->state_root) ? "" : " (is made by the first build)"),
                    NULL);
    check_rest(d);
}

/* As weft_worker_config_prepare_dirs has it, without making anything. */
void weft_doctor_runtime_dir(struct weft_doctor *d)
{
    struct weft_worker_files files = {0};
    weft_auto_free char *near = NULL;
    weft_auto_err err = NULL;
    struct stat st;

    weft_worker_files_init(&files, d->runtime_root, d->state_root ? d->state_root : "/",
                           "linux_mips64le");
    if (weft_worker_files_check(&files, &err) < 0) {
        weft_doctor_add_err(d, "runtime-dir", WEFT_DOCTOR_FAIL, err);
        weft_worker_files_finish(&files);
        return;
    }
    weft_worker_files_finish(&files);
    if (lstat(d->runtime_root, &st) == 0) {
        if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
            weft_doctor_add(
                d, "runtime-dir", NULL, WEFT_DOCTOR_FAIL,
                weft_fmt("%s is not a directory that only you can enter", d->runtime_root),
                weft_fmt("WEFT_RUNTIME_DIR=DIR, or: chmod 0700 %s", d->runtime_root));
            return;
        }
        near = weft_xstrdup(d->runtime_root);
    } else {
        near = weft_path_dir(d->runtime_root);
        while (!weft_exists(near)) {
            char *up = weft_path_dir(near);

            free(near);
            near = up;
        }
    }
    if (access(near, W_OK | X_OK) < 0) {
        weft_doctor_add(d, "runtime-dir", NULL, WEFT_DOCTOR_FAIL,
                        weft_fmt("%s: %s", near, strerror(errno)),
                        weft_fmt("WEFT_RUNTIME_DIR=DIR with a short path"));
        return;
    }
    weft_doctor_add(d, "runtime-dir", NULL, WEFT_DOCTOR_OK, weft_xstrdup(d->runtime_root), NULL);
}

/* "75 GB of 270 GB free; caches have 3.2 GB of their budget of 100 GB". Caller frees. */
static char *disk_words(const struct weft_worker_room *room, uint64_t used, unsigned n)
{
    weft_auto_free char *size = weft_human_size((double)room->fs_bytes);
    weft_auto_free char *left = weft_human_size((double)room->free_bytes);
    weft_auto_free char *budget = weft_human_size((double)room->budget_bytes);
    weft_auto_free char *has = weft_human_size((double)used);
    weft_auto_free char *share = n > 1 ? weft_fmt(", shared by %u", n) : weft_xstrdup("");

    return weft_fmt("%s of %s free; the caches had %s of their budget of %s%s%s%s%s", left, size,
                    has, budget, room->said_by ? " (" : "", room->said_by ? room->said_by : "",
                    room->said_by ? ")" : "", share);
}

void weft_doctor_disk(struct weft_doctor *d)
{
    static const char mend[] = "weft prune --all; or WEFT_STATE_DIR=DIR on another disk";
    static const char mend_empty[] = "WEFT_STATE_DIR=DIR on another disk; weft has no caches here";
    const char *root = d->state_root ? d->state_root : d->state_near;
    uint64_t used = weft_worker_disk_used(root);
    struct weft_worker_room room;
    weft_auto_err err = NULL;
    char *words;

    if (weft_worker_room_look(root, d->settings.disk_bytes, &room, &err) < 0) {
        weft_doctor_add_err(d, "disk", WEFT_DOCTOR_FAIL, err);
        return;
    }
    words = disk_words(&room, used, d->state_root ? weft_worker_disk_count(root) : 1);
    if (room.free_bytes < disk_needed_bytes || room.no_files) {
        weft_doctor_add(
            d, "disk", NULL, WEFT_DOCTOR_FAIL,
            weft_fmt("full%s: %s", room.no_files ? ", no more files can be made" : "", words),
            weft_fmt("%s", used > 0 ? mend : mend_empty));
        free(words);
    } else if (room.free_bytes < disk_small_bytes || room.free_bytes < room.fs_bytes / 5) {
        weft_doctor_add(d, "disk", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("%s; below 20 %% free, caches are not kept", words),
                        weft_fmt("%s", used > 0 ? mend : mend_empty));
        free(words);
    } else if (room.said_by && room.budget_bytes > used && /* the default is below that */
               room.budget_bytes - used > room.free_bytes) {
        weft_doctor_add(d, "disk", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("%s, which is more than fits", words),
                        weft_fmt("a smaller WEFT_WORKER_DISK, or disk: in the config file"));
        free(words);
    } else {
        weft_doctor_add(d, "disk", NULL, WEFT_DOCTOR_OK, words, NULL);
    }
}
