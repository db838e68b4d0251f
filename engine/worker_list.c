/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/worker.h"
#include "engine/worker_end.h"
#include "engine/worker_files.h"

enum {
    LOCK_MS = 50
}; /* the init looks at the lock too, for microseconds */

static int roots(char **runtime, char **state, struct weft_err **err)
{
    weft_auto_free char *runtime_given = weft_dir_runtime();
    weft_auto_free char *state_given = weft_dir_state(err);

    if (!state_given) {
        return -1;
    }
    *runtime = weft_path_abs(runtime_given, err);
    *state = *runtime ? weft_path_abs(state_given, err) : NULL;
    return *state ? 0 : -1;
}

static void add_slots(const char *root, struct weft_strv *slots)
{
    weft_auto_free char *path = weft_path_join(root, "workers");
    weft_auto_dir dir = opendir(path);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        struct stat st;

        if (e->d_name[0] != '.' && !weft_strv_has(slots, e->d_name) &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            weft_strv_add(slots, e->d_name);
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

static struct weft_worker_entry look_at(const struct weft_worker_files *f)
{
    struct weft_worker_entry e = {.slot = weft_xstrdup(f->slot),
                                  .state_dir = weft_xstrdup(f->state_dir)};
    struct weft_worker_info info = {0};

    if (weft_worker_info_read(f, &info) == 1 && weft_worker_info_lives(&info)) {
        e.status = in_use(f) ? WEFT_WORKER_BUSY : WEFT_WORKER_IDLE;
        e.pid = info.pid;
        e.started_s = info.started_s;
        e.socket_path = weft_xstrdup(f->socket);
        e.buildkitd = weft_steal(&info.buildkitd);
        e.scope = info.scope;
        e.process_sandbox = info.process_sandbox;
        e.identity = weft_steal(&info.identity);
    }
    weft_worker_info_finish(&info);
    return e;
}

int weft_worker_list(struct weft_worker_entry **entries, size_t *n, struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    weft_auto_strv slots = {0};
    struct weft_worker_entry *list;

    if (roots(&runtime, &state, err) < 0) {
        return -1;
    }
    add_slots(runtime, &slots);
    add_slots(state, &slots);
    if (slots.n > 1) {
        qsort(slots.v, slots.n, sizeof(*slots.v), by_slot);
    }
    list = weft_xcalloc(slots.n + 1, sizeof(*list));
    for (size_t i = 0; i < slots.n; i++) {
        struct weft_worker_files f = {0};

        weft_worker_files_init(&f, runtime, state, slots.v[i]);
        list[i] = look_at(&f);
        weft_worker_files_finish(&f);
    }
    *entries = list;
    *n = slots.n;
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
        return weft_err_hint(err, "weft worker stop --force %s ends it all the same", f->slot);
    }
    return weft_process_end(p, true, err) < 0 ? -1 : 1;
}

int weft_worker_stop(const char *slot, bool force, struct weft_err **err)
{
    weft_auto_free char *runtime = NULL;
    weft_auto_free char *state = NULL;
    struct weft_worker_files f = {0};
    int got;

    if (strchr(slot, '/') || *slot == '.' || *slot == '\0') {
        return weft_fail(err, WEFT_E_USAGE, "'%s' is no slot", slot);
    }
    if (roots(&runtime, &state, err) < 0) {
        return -1;
    }
    weft_worker_files_init(&f, runtime, state, slot);
    got = stop(&f, force, err);
    weft_worker_files_finish(&f);
    return got;
}
