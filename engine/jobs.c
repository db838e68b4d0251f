/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

enum {
    FILE_LIMIT = 64 * 1024
};

/* A small file of the kernel below root_fd, or NULL. Caller frees. */
static char *slurp(int root_fd, const char *path)
{
    weft_auto_fd fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);
    weft_auto_buf b = {0};
    char chunk[4096];

    if (fd < 0) {
        return NULL;
    }
    while (b.len < FILE_LIMIT) {
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        weft_buf_append(&b, chunk, (size_t)n);
    }
    return weft_buf_steal(&b);
}

/* The number at the begin of s. False where there is none ("max", "-1"). */
static bool read_number(const char *s, uint64_t *out)
{
    char *end;

    if (*s < '0' || *s > '9') {
        return false;
    }
    errno = 0;
    *out = strtoull(s, &end, 10);
    return errno == 0 && (*end == '\0' || *end == '\n' || *end == ' ');
}

static void limit_cpus(struct weft_capacity *c, uint64_t quota_us, uint64_t period_us)
{
    uint64_t cpus;

    if (period_us == 0) {
        return;
    }
    cpus = quota_us / period_us + (quota_us % period_us != 0);
    if (cpus < 1) {
        cpus = 1;
    }
    if (cpus < (uint64_t)c->cpus) {
        c->cpus = (long)cpus;
    }
}

static void limit_memory(struct weft_capacity *c, uint64_t bytes)
{
    if (bytes > 0 && (c->memory_bytes == 0 || bytes < c->memory_bytes)) {
        c->memory_bytes = bytes;
    }
}

/* One directory of the cgroup file systems, of whichever version. */
static void read_group(int root_fd, const char *dir, struct weft_capacity *c)
{
    weft_auto_free char *max_path = weft_fmt("%s/cpu.max", dir);
    weft_auto_free char *quota_path = weft_fmt("%s/cpu.cfs_quota_us", dir);
    weft_auto_free char *period_path = weft_fmt("%s/cpu.cfs_period_us", dir);
    weft_auto_free char *memory2_path = weft_fmt("%s/memory.max", dir);
    weft_auto_free char *memory1_path = weft_fmt("%s/memory.limit_in_bytes", dir);
    weft_auto_free char *max = slurp(root_fd, max_path);
    weft_auto_free char *quota = slurp(root_fd, quota_path);
    weft_auto_free char *period = slurp(root_fd, period_path);
    weft_auto_free char *memory2 = slurp(root_fd, memory2_path);
    weft_auto_free char *memory1 = slurp(root_fd, memory1_path);
    uint64_t q;
    uint64_t p;

    if (max && strchr(max, ' ') && read_number(max, &q) && read_number(strchr(max, ' ') + 1, &p)) {
        limit_cpus(c, q, p);
    }
    if (quota && period && read_number(quota, &q) && read_number(period, &p)) {
        limit_cpus(c, q, p);
    }
    if (memory2 && read_number(memory2, &q)) {
        limit_memory(c, q);
    }
    if (memory1 && read_number(memory1, &q)) {
        limit_memory(c, q); /* "none" is a number near 2^63: more than any machine has */
    }
}

/*
 * The group `path` ("/a/b") of the hierarchy mounted at `mount`, and all above it. In a container
 * without a cgroup namespace the path is the host's, and only the mount's own directory is there:
 * the loop ends with that one.
 */
static void read_groups(int root_fd, const char *mount, const char *path, struct weft_capacity *c)
{
    weft_auto_free char *dir = weft_fmt("%s%s", mount, path);
    size_t mount_len = strlen(mount);

    if (strstr(path, "..")) {
        dir[mount_len] = '\0'; /* outside of the namespace's root: not visible */
    }
    for (;;) {
        char *slash;

        read_group(root_fd, dir, c);
        slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < mount_len) {
            return;
        }
        *slash = '\0';
    }
}

static bool has_controller(const char *list, const char *name)
{
    weft_auto_strv parts = {0};

    weft_split(list, ',', &parts);
    return weft_strv_has(&parts, name);
}

/* One line of /proc/self/cgroup: "0::/path" or "4:cpu,cpuacct:/path". */
static void read_line(int root_fd, char *line, struct weft_capacity *c)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path) {
        return;
    }
    *path++ = '\0';
    controllers++;
    if (controllers[0] == '\0') {
        read_groups(root_fd, "sys/fs/cgroup", path, c);
        read_groups(root_fd, "sys/fs/cgroup/unified", path, c);
    } else if (has_controller(controllers, "cpu")) {
        read_groups(root_fd, "sys/fs/cgroup/cpu", path, c);
        read_groups(root_fd, "sys/fs/cgroup/cpu,cpuacct", path, c);
    } else if (has_controller(controllers, "memory")) {
        read_groups(root_fd, "sys/fs/cgroup/memory", path, c);
    }
}

void weft_capacity_read(int root_fd, long cpus, struct weft_capacity *out)
{
    weft_auto_free char *meminfo = slurp(root_fd, "proc/meminfo");
    weft_auto_free char *groups = slurp(root_fd, "proc/self/cgroup");
    weft_auto_strv lines = {0};
    const char *total = meminfo ? strstr(meminfo, "MemTotal:") : NULL;
    uint64_t kib;

    *out = (struct weft_capacity){.cpus = cpus < 1 ? 1 : cpus};
    if (total) {
        total += strlen("MemTotal:");
        total += strspn(total, " ");
        if (read_number(total, &kib) && kib < UINT64_MAX / 1024) {
            limit_memory(out, kib * 1024);
        }
    }
    if (!groups) {
        return;
    }
    weft_split(groups, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        read_line(root_fd, lines.v[i], out);
    }
}

long weft_jobs_from(const struct weft_capacity *c)
{
    uint64_t jobs = 2 * (uint64_t)c->cpus;
    uint64_t fit = c->memory_bytes / (1024 * 1024 * 1024);

    if (c->memory_bytes > 0 && fit < jobs) {
        jobs = fit;
    }
    return jobs < 1 ? 1 : (long)jobs;
}

/* Processors of the affinity mask; those online where the mask does not fit. */
static long scheduled_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        return CPU_COUNT(&set);
    }
    return sysconf(_SC_NPROCESSORS_ONLN);
}

long weft_jobs_default(void)
{
    weft_auto_fd root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct weft_capacity c;

    weft_capacity_read(root, scheduled_cpus(), &c);
    return weft_jobs_from(&c);
}
