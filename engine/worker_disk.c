/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/workdir.h"
#include "engine/worker_files.h"

#define BUDGET_MAX UINT64_C(100000000000)
#define LOW_MAX UINT64_C(2000000000)
#define BUDGET_MIN UINT64_C(1000000) /* BuildKit takes 0 for "no limit" */

enum {
    RESERVE = 2 << 20
};

uint64_t weft_worker_disk_default(uint64_t fs_size_bytes)
{
    uint64_t most = fs_size_bytes / 5 * 4;

    return most < BUDGET_MAX ? most : BUDGET_MAX;
}

uint64_t weft_worker_disk_low(uint64_t fs_size_bytes)
{
    uint64_t part = fs_size_bytes / 20;

    return part < LOW_MAX ? part : LOW_MAX;
}

void weft_worker_reserve_make(const char *path)
{
    weft_auto_free char *dir = weft_path_dir(path);
    struct statvfs st;
    weft_auto_fd fd = -1;

    if (weft_exists(path) || statvfs(dir, &st) < 0 ||
        (uint64_t)st.f_bavail * st.f_frsize <
            weft_worker_disk_low((uint64_t)st.f_blocks * st.f_frsize) + RESERVE) {
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && posix_fallocate(fd, 0, RESERVE) != 0) {
        unlink(path);
    }
}

int weft_worker_disk_parse(const char *what, const char *text, uint64_t *bytes,
                           struct weft_err **err)
{
    if (weft_parse_size(text, bytes) < 0 || *bytes < BUDGET_MIN) {
        weft_auto_free char *shown = weft_printable(text);

        weft_fail(err, WEFT_E_USAGE, "%s=%s is not a size of at least 1M", what, shown);
        return weft_err_hint(err, "a number of bytes, with k, M, G or T behind it, as 50G");
    }
    return 0;
}

int weft_worker_disk_from_env(uint64_t *bytes, struct weft_err **err)
{
    const char *given = getenv("WEFT_WORKER_DISK");

    *bytes = 0;
    return given && *given ? weft_worker_disk_parse("WEFT_WORKER_DISK", given, bytes, err) : 0;
}

int weft_worker_room_look(const char *state_root, uint64_t set_bytes, struct weft_worker_room *out,
                          struct weft_err **err)
{
    weft_auto_free char *near = weft_workdir_existing(state_root);
    struct statvfs st;
    uint64_t from_env;

    if (weft_worker_disk_from_env(&from_env, err) < 0) {
        return -1;
    }
    if (statvfs(near, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", near);
    }
    *out = (struct weft_worker_room){
        .budget_bytes = from_env ? from_env : set_bytes,
        .said_by = from_env    ? "WEFT_WORKER_DISK"
                   : set_bytes ? "the config file"
                               : NULL,
        .fs_bytes = (uint64_t)st.f_blocks * st.f_frsize,
        .free_bytes = (uint64_t)st.f_bavail * st.f_frsize,
        .no_files = st.f_files > 0 && st.f_favail == 0,
    };
    if (out->budget_bytes == 0) {
        out->budget_bytes = weft_worker_disk_default(out->fs_bytes);
    }
    return 0;
}

uint64_t weft_worker_disk_used(const char *state_root)
{
    weft_auto_free char *path = weft_path_join(state_root, "workers");
    weft_auto_dir dir = opendir(path);
    uint64_t sum = 0;
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        weft_auto_free char *usage = weft_fmt("%s/%s/usage.json", path, e->d_name);
        struct weft_worker_usage u;

        if (e->d_name[0] != '.' && weft_worker_usage_read(usage, &u) == 1) {
            sum += u.used_bytes;
        }
    }
    return sum;
}

unsigned weft_worker_disk_count(const char *state_root)
{
    weft_auto_free char *path = weft_path_join(state_root, "workers");
    weft_auto_dir dir = opendir(path);
    unsigned n = 0;
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        struct stat st;

        if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode)) {
            n++;
        }
    }
    return n ? n : 1;
}

uint64_t weft_worker_disk_share(uint64_t budget_bytes, const char *state_root)
{
    uint64_t share = budget_bytes / weft_worker_disk_count(state_root);

    return share ? share : 1;
}

/* fd is closed here */
static uint64_t walk(int fd, bool *whole)
{
    weft_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
    uint64_t sum = 0;
    struct dirent *e;

    if (!dir) {
        *whole = *whole && errno == ENOENT;
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    while ((e = readdir(dir))) {
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            continue;
        }
        sum += (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : st.st_nlink);
        if (S_ISDIR(st.st_mode)) {
            sum +=
                walk(openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                     whole);
        }
    }
    return sum;
}

uint64_t weft_worker_disk_walk(const char *dir, bool *whole)
{
    *whole = true;
    return walk(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), whole);
}

int weft_worker_usage_read(const char *path, struct weft_worker_usage *u)
{
    weft_auto_json root = weft_json_load(path, NULL);
    int64_t used = weft_json_int(root, "used_bytes", -1);
    int64_t share = weft_json_int(root, "share_bytes", -1);

    if (weft_json_int(root, "schema", 0) != WEFT_WORKER_FORMAT || used < 0 || share < 0) {
        return 0;
    }
    *u = (struct weft_worker_usage){(uint64_t)used, (uint64_t)share};
    return 1;
}

int weft_worker_usage_write(const char *path, const struct weft_worker_usage *u,
                            struct weft_err **err)
{
    weft_auto_json root = weft_json_object();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", WEFT_WORKER_FORMAT);
    weft_json_set_int(root, "used_bytes", (int64_t)u->used_bytes);
    weft_json_set_int(root, "share_bytes", (int64_t)u->share_bytes);
    text = weft_json_dump(root, 2);
    return weft_write_file(path, text, strlen(text), 0600, err);
}
