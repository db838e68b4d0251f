/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/sandbox.h"
#include "engine/worker_state.h"

enum {
    TAIL_MAX = 65536
};

bool weft_worker_slot_ok(const char *slot)
{
    size_t n = strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return n > 0 && n < 64 && slot[n] == '\0' && *slot != '.';
}

int weft_worker_roots(char **runtime_root, char **state_root, struct weft_err **err)
{
    weft_auto_free char *runtime = weft_dir_runtime();
    weft_auto_free char *state = weft_dir_state(err);

    if (!state) {
        return -1;
    }
    *runtime_root = weft_path_abs(runtime, err);
    *state_root = *runtime_root ? weft_path_abs(state, err) : NULL;
    return *state_root && weft_state_readable(*state_root, &weft_worker_state, err) >= 0 ? 0 : -1;
}

void weft_worker_files_init(struct weft_worker_files *f, const char *runtime_root,
                            const char *state_root, const char *slot)
{
    f->slot = weft_xstrdup(slot);
    f->runtime_dir = weft_fmt("%s/workers/%s", runtime_root, slot);
    f->info = weft_path_join(f->runtime_dir, "worker.json");
    f->spec = weft_path_join(f->runtime_dir, "spec.json");
    f->socket = weft_path_join(f->runtime_dir, "buildkitd.sock");
    f->clients_lock = weft_path_join(f->runtime_dir, "clients.lock");
    f->start_lock = weft_path_join(f->runtime_dir, "start.lock");
    f->wishes = weft_path_join(f->runtime_dir, "wishes");
    f->registries = weft_path_join(f->runtime_dir, "registries");
    f->binfmt_dir = weft_path_join(f->runtime_dir, "binfmt");
    f->state_dir = weft_fmt("%s/workers/%s", state_root, slot);
    f->state_lock = weft_path_join(f->state_dir, "lock");
    f->buildkit_root = weft_path_join(f->state_dir, "buildkit");
    f->buildkit_version = weft_path_join(f->state_dir, "buildkit-version");
    f->log = weft_path_join(f->state_dir, "buildkitd.log");
    f->home = weft_path_join(f->state_dir, "home");
    f->config = weft_path_join(f->home, ".config/buildkit/buildkitd.toml");
    f->tmp = weft_path_join(f->state_dir, "tmp");
    f->usage = weft_path_join(f->state_dir, "usage.json");
    f->reserve = weft_path_join(f->state_dir, "reserve");
    f->removing = weft_fmt("%s/workers/.%s.removing", state_root, slot);
}

void weft_worker_files_finish(struct weft_worker_files *f)
{
    char *const all[] = {
        f->slot,          f->runtime_dir, f->info,       f->spec,       f->socket,
        f->clients_lock,  f->wishes,      f->binfmt_dir, f->state_dir,  f->state_lock,
        f->buildkit_root, f->start_lock,  f->log,        f->config,     f->home,
        f->tmp,           f->usage,       f->removing,   f->registries, f->buildkit_version,
        f->reserve,
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
    *f = (struct weft_worker_files){0};
}

int weft_worker_files_check(const struct weft_worker_files *f, struct weft_err **err)
{
    /* BuildKit's own socket for traces, the longest of the two */
    weft_auto_free char *longest = weft_path_join(f->runtime_dir, "buildkit/otel-grpc.sock");

    if (strlen(longest) > WEFT_SOCKET_PATH_MAX) {
        weft_fail(err, WEFT_E_USAGE, "the socket's path has %zu bytes, the kernel takes %d: %s",
                  strlen(longest), WEFT_SOCKET_PATH_MAX, longest);
        return weft_err_hint(err, "set WEFT_RUNTIME_DIR to a directory with a shorter path");
    }
    return 0;
}

int weft_worker_info_read(const struct weft_worker_files *f, struct weft_worker_info *info)
{
    weft_auto_json root = weft_json_load(f->info, NULL);
    const char *identity = weft_json_str(root, "identity");
    int scope = weft_scope_parse(weft_json_str(root, "scope"));

    if (weft_json_int(root, "schema", 0) != WEFT_WORKER_FORMAT || !identity || scope < 0) {
        return 0;
    }
    *info = (struct weft_worker_info){
        .pid = (pid_t)weft_json_int(root, "pid", 0),
        .pid_start = (uint64_t)weft_json_int(root, "pid_start", 0),
        .ready = weft_json_bool(root, "ready", false),
        .process_sandbox = weft_json_bool(root, "process_sandbox", false),
        .scope = (enum weft_scope)scope,
        .started_s = weft_json_int(root, "started", 0),
        .identity = weft_xstrdup(identity),
        .buildkitd = weft_xstrdup_null(weft_json_str(root, "buildkitd")),
        .runtime = weft_xstrdup_null(weft_json_str(root, "runtime")),
    };
    return 1;
}

int weft_worker_info_write(const struct weft_worker_files *f, const struct weft_worker_info *info,
                           struct weft_err **err)
{
    weft_auto_json root = weft_json_object();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", WEFT_WORKER_FORMAT);
    weft_json_set_str(root, "slot", f->slot);
    weft_json_set_int(root, "pid", info->pid);
    weft_json_set_int(root, "pid_start", (int64_t)info->pid_start);
    weft_json_set_bool(root, "ready", info->ready);
    weft_json_set_bool(root, "process_sandbox", info->process_sandbox);
    weft_json_set_str(root, "scope", weft_scope_name(info->scope));
    weft_json_set_int(root, "started", info->started_s);
    weft_json_set_str(root, "identity", info->identity);
    weft_json_set_str(root, "buildkitd", info->buildkitd);
    weft_json_set_str(root, "runtime", info->runtime);
    text = weft_json_dump(root, 2);
    return weft_write_file(f->info, text, strlen(text), 0600, err);
}

void weft_worker_info_finish(struct weft_worker_info *info)
{
    free(info->identity);
    free(info->buildkitd);
    free(info->runtime);
    *info = (struct weft_worker_info){0};
}

bool weft_worker_info_lives(const struct weft_worker_info *info)
{
    uint64_t start;

    return weft_process_start(info->pid, &start) && start == info->pid_start;
}

char *weft_file_tail(const char *path, int lines)
{
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    weft_auto_free char *text = weft_xmalloc(TAIL_MAX + 1);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
    ssize_t n = size <= 0 ? 0 : pread(fd, text, TAIL_MAX, from);
    char *p;

    if (n <= 0) {
        return weft_xstrdup("");
    }
    text[n] = '\0';
    p = text + n;
    if (p[-1] == '\n') {
        p--;
    }
    while (p > text && (p[-1] != '\n' || --lines > 0)) {
        p--;
    }
    return weft_xstrdup(p);
}
