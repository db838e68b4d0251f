/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/worker.h"
#include "engine/worker_end.h"
#include "engine/worker_files.h"
#include "engine/worker_state.h"

enum {
    LOCK_MS = 50
}; /* the init looks at the lock too, for microseconds */

/* Directories in ROOT/workers, but for hidden ones; or, of those, what removals have left behind.
 */
static void add_slots(const char *root, bool removing, struct weft_strv *slots)
{
    static const char suffix[] = ".removing";
    weft_auto_free char *path = weft_path_join(root, "workers");
    weft_auto_dir dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        size_t len = strlen(e->d_name);
        weft_auto_free char *slot = NULL;
        struct stat st;

        if (!removing) {
            slot = weft_xstrdup(e->d_name);
        } else if (e->d_name[0] == '.' && weft_ends_with(e->d_name, suffix)) {
            slot = weft_xstrndup(e->d_name + 1, len - sizeof(suffix));
        }
        if (slot && weft_worker_slot_ok(slot) && !weft_strv_has(slots, slot) &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            weft_strv_add(slots, slot);
        }
    }
}

static int by_slot(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool in_use(const struct weft_worker_files *f)
{
    weft_auto_fd fd = weft_lock_open(f->clients_lock, NULL);

    return fd >= 0 && weft_lock_wait(fd, true, LOCK_MS, NULL) == 0;
}

/* False: there is nothing of it but lock files. */
static bool look_at(const struct weft_worker_files *f, struct weft_worker_entry *e)
{
    struct weft_worker_info info = {0};
    bool lives = weft_worker_info_read(f, &info) == 1 && weft_worker_info_lives(&info);
    bool left_over = !lives && !weft_exists(f->state_dir);

    if (left_over && !weft_exists(f->removing)) {
        weft_worker_info_finish(&info);
        return false;
    }
    *e = (struct weft_worker_entry){
        .slot = weft_xstrdup(f->slot),
        .status = left_over ? WEFT_WORKER_REMOVING : WEFT_WORKER_STOPPED,
        .state_dir = weft_xstrdup(left_over ? f->removing : f->state_dir),
        .buildkit = weft_worker_state_buildkit(f),
    };
    if (lives) {
        e->status = in_use(f) ? WEFT_WORKER_BUSY : WEFT_WORKER_IDLE;
        e->pid = info.pid;
        e->started_s = info.started_s;
        e->socket_path = weft_xstrdup(f->socket);
        e->buildkitd = weft_steal(&info.buildkitd);
        e->scope = info.scope;
        e->process_sandbox = info.process_sandbox;
        e->identity = weft_steal(&info.identity);
    }
    weft_worker_info_finish(&info);
    return true;
}

int weft_worker_list(struct weft_worker_entry **entries, size_t *n, struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    weft_auto_strv slots = {0};
    weft_auto_strv aside = {0};
    struct weft_worker_entry *list;
    size_t found = 0;

    if (weft_worker_roots(&runtime, &state, err) < 0) {
        return -1;
    }
    add_slots(runtime, false, &slots);
    add_slots(state, false, &slots);
    add_slots(state, true, &slots);
    if (slots.n > 1) {
        qsort(slots.v, slots.n, sizeof(*slots.v), by_slot);
    }
    weft_state_list_aside(state, &weft_worker_state, &aside);
    list = weft_xcalloc(slots.n + aside.n + 1, sizeof(*list));
    for (size_t i = 0; i < slots.n; i++) {
        struct weft_worker_files f = {0};

        weft_worker_files_init(&f, runtime, state, slots.v[i]);
        if (look_at(&f, &list[found])) {
            found++;
        }
        weft_worker_files_finish(&f);
    }
    for (size_t i = 0; i < aside.n; i++) {
        list[found++] = (struct weft_worker_entry){
            .slot = weft_xstrdup(aside.v[i]),
            .status = WEFT_WORKER_ASIDE,
            .state_dir = weft_path_join(state, aside.v[i]),
        };
    }
    *entries = list;
    *n = found;
    return 0;
}

void weft_worker_entries_free(struct weft_worker_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(entries[i].slot);
        free(entries[i].socket_path);
        free(entries[i].buildkitd);
        free(entries[i].identity);
        free(entries[i].state_dir);
        free(entries[i].buildkit);
    }
    free(entries);
}

static int stop(const struct weft_worker_files *f, bool force, struct weft_err **err)
{
    weft_auto_fd fd = -1;
    struct weft_worker_info info = {0};
    struct weft_process p;
    bool lives = weft_worker_info_read(f, &info) == 1 && weft_worker_info_lives(&info);

    p = (struct weft_process){info.pid, info.pid_start};
    weft_worker_info_finish(&info);
    if (!lives) {
        return 0;
    }
    fd = weft_lock_open(f->clients_lock, err);
    if (fd < 0) {
        return -1;
    }
    if (weft_lock_wait(fd, true, LOCK_MS, NULL) != 1 && !force) {
        weft_fail(err, WEFT_E_USAGE, "worker %s is in use", f->slot);
        return weft_err_hint(err, "--force ends it all the same");
    }
    return weft_process_end(p, true, err) < 0 ? -1 : 1;
}

int weft_worker_stop(const char *slot, bool force, struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    struct weft_worker_files f = {0};
    int got;

    if (!weft_worker_slot_ok(slot)) {
        return 0;
    }
    if (weft_worker_roots(&runtime, &state, err) < 0) {
        return -1;
    }
    weft_worker_files_init(&f, runtime, state, slot);
    got = stop(&f, force, err);
    weft_worker_files_finish(&f);
    return got;
}
