/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel, the hardware, cgroups and the clock. */
#include "config.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/doctor_check.h"

enum {
    CGROUP2 = 0x63677270
};

static const double memory_small_bytes = 1e9;

void weft_doctor_kernel(struct weft_doctor *d)
{
    struct utsname u;

    if (uname(&u) < 0) {
        weft_doctor_add(d, "kernel", NULL, WEFT_DOCTOR_WARN, weft_fmt("uname fails"), NULL);
        return;
    }
    weft_doctor_add(d, "kernel", NULL, WEFT_DOCTOR_OK,
                    weft_fmt("%s %s, %s", u.sysname, u.release, u.machine), NULL);
}

/* A line "KEY: N kB" of /proc/meminfo, in bytes; 0 where it is not there. */
static double meminfo_bytes(const char *text, const char *key)
{
    const char *p = strstr(text, key);

    return p ? strtod(p + strlen(key), NULL) * 1024 : 0;
}

/* The memory limit of our cgroup (version 2), as the container sees it; 0: none. */
static double cgroup_memory_bytes(void)
{
    weft_auto_free char *text = weft_doctor_first_line("/sys/fs/cgroup/memory.max");

    return text ? strtod(text, NULL) : 0; /* "max" is no number */
}

void weft_doctor_machine(struct weft_doctor *d)
{
    weft_auto_free char *text = NULL;
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    double total, available, limit = cgroup_memory_bytes();

    if (weft_read_file("/proc/meminfo", 1 << 16, &text, NULL, NULL) < 0) {
        weft_doctor_add(d, "machine", NULL, WEFT_DOCTOR_OK, weft_fmt("%d CPUs", cpus), NULL);
        return;
    }
    total = meminfo_bytes(text, "MemTotal:");
    available = meminfo_bytes(text, "MemAvailable:");
    if (limit > 0 && limit < total) {
        total = limit;
        available = available < limit ? available : limit;
    }
    {
        weft_auto_free char *all = weft_human_size(total);
        weft_auto_free char *left = weft_human_size(available);
        bool small = available < memory_small_bytes;

        weft_doctor_add(
            d, "machine", NULL, small ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_OK,
            weft_fmt("%d CPU%s, %s of memory, %s available", cpus, cpus == 1 ? "" : "s", all, left),
            small ? weft_fmt("weft build --jobs=1") : NULL);
    }
}

static bool is_cgroup2(const char *path)
{
    struct statfs st;

    return statfs(path, &st) == 0 && st.f_type == CGROUP2;
}

/* Whether we may make groups below our own (version 2, mounted at /sys/fs/cgroup). */
static bool delegated(void)
{
    static const char prefix[] = "0::";
    weft_auto_free char *text = NULL;
    weft_auto_strv lines = {0};

    if (weft_read_file("/proc/self/cgroup", 1 << 16, &text, NULL, NULL) < 0) {
        return false;
    }
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        if (weft_starts_with(lines.v[i], prefix)) {
            weft_auto_free char *path = weft_fmt("/sys/fs/cgroup%s", lines.v[i] + strlen(prefix));

            return access(path, W_OK) == 0;
        }
    }
    return false;
}

/* Builds need no cgroups: without them nothing limits or counts what RUN steps use. Which runtime
 * copes with this version, the runtime's own line has tried. */
void weft_doctor_cgroup(struct weft_doctor *d)
{
    if (is_cgroup2("/sys/fs/cgroup")) {
        weft_doctor_add(d, "cgroup", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("version 2%s", delegated() ? "" : ", not delegated: not needed"),
                        NULL);
    } else if (is_cgroup2("/sys/fs/cgroup/unified")) {
        weft_doctor_add(d, "cgroup", NULL, WEFT_DOCTOR_OK,
                        weft_fmt("versions 1 and 2 (hybrid): runc copes, crun does not"), NULL);
    } else if (weft_is_dir("/sys/fs/cgroup/memory") || weft_is_dir("/sys/fs/cgroup/cpu")) {
        weft_doctor_add(d, "cgroup", NULL, WEFT_DOCTOR_OK, weft_fmt("version 1"), NULL);
    } else {
        weft_doctor_add(d, "cgroup", NULL, WEFT_DOCTOR_WARN, weft_fmt("not mounted"),
                        weft_fmt("sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup"));
    }
}

/* A clock that is behind makes certificates "not yet valid". This program is not from the future.
 */
void weft_doctor_clock(struct weft_doctor *d)
{
    time_t now = time(NULL);
    struct stat st;
    struct tm tm;
    char text[64];

    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &tm));
    if (stat("/proc/self/exe", &st) == 0 && st.st_mtime > now + 60) {
        weft_doctor_add(d, "clock", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("%s: this weft is newer than that", text),
                        weft_fmt("sudo timedatectl set-ntp true"));
        return;
    }
    weft_doctor_add(d, "clock", NULL, WEFT_DOCTOR_OK, weft_fmt("%s", text), NULL);
}
