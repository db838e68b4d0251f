/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "engine/jobs.h"

#define GIB (1024ULL * 1024 * 1024)

/* A file of a made-up /proc and /sys. */
struct file {
    const char *path;
    const char *text;
};

static const struct {
    const char *name;
    struct file files[8];
    long cpus;
    struct weft_capacity want;
    long jobs;
} cases[] = {
    {"nothing known", {{NULL}}, 4, {4, 0}, 8},
    {"no limits",
     {{"proc/meminfo", "MemTotal:       33554432 kB\nMemFree: 1 kB\n"}},
     4,
     {4, 32 * GIB},
     8},
    {"little memory", {{"proc/meminfo", "MemTotal:       3145728 kB\n"}}, 4, {4, 3 * GIB}, 3},
    {"very little memory",
     {{"proc/meminfo", "MemTotal:       300000 kB\n"}},
     4,
     {4, 300000 * 1024ULL},
     1},
    {"version 2, limits of the group",
     {{"proc/meminfo", "MemTotal: 33554432 kB\n"},
      {"proc/self/cgroup", "0::/a/b\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"},
      {"sys/fs/cgroup/a/b/memory.max", "5368709120\n"}},
     8,
     {2, 5 * GIB},
     4},
    {"version 2, limits of groups above",
     {{"proc/self/cgroup", "0::/a/b\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"},
      {"sys/fs/cgroup/a/b/memory.max", "max\n"},
      {"sys/fs/cgroup/a/memory.max", "4294967296\n"}},
     8,
     {3, 4 * GIB},
     4},
    {"version 2, a cgroup namespace",
     {{"proc/self/cgroup", "0::/\n"},
      {"sys/fs/cgroup/cpu.max", "50000 100000\n"},
      {"sys/fs/cgroup/memory.max", "17179869184\n"}},
     8,
     {1, 16 * GIB},
     2},
    {"version 2, a path out of the namespace",
     {{"proc/self/cgroup", "0::/../../other\n"}, {"sys/fs/cgroup/cpu.max", "200000 100000\n"}},
     8,
     {2, 0},
     4},
    {"version 1",
     {{"proc/self/cgroup", "12:cpuset:/x\n4:cpu,cpuacct:/x\n3:memory:/x\n1:name=systemd:/x\n"},
      {"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "250000\n"},
      {"sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2147483648\n"}},
     8,
     {3, 2 * GIB},
     2},
    {"version 1, no limits",
     {{"proc/meminfo", "MemTotal: 33554432 kB\n"},
      {"proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/x\n"},
      {"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n"},
      {"sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n"}},
     2,
     {2, 32 * GIB},
     4},
    {"version 1, a container without a cgroup namespace",
     {{"proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n"},
      {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"}},
     8,
     {1, 1 * GIB},
     1},
    {"nonsense",
     {{"proc/meminfo", "MemTotal: x kB\n"},
      {"proc/self/cgroup", "0:\n:\nx\n0::/a\n"},
      {"sys/fs/cgroup/a/cpu.max", "100000 0\n"},
      {"sys/fs/cgroup/a/memory.max", "99999999999999999999999\n"},
      {"sys/fs/cgroup/cpu.max", "\n"}},
     0,
     {1, 0},
     2},
};

static void test_capacity(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_free char *root = weft_temp_dir("/tmp", "weft-test-jobs", NULL);
        weft_auto_fd fd = -1;
        struct weft_capacity got;

        assert_non_null(root);
        for (const struct file *f = cases[i].files; f->path; f++) {
            weft_auto_free char *path = weft_path_join(root, f->path);
            weft_auto_free char *dir = weft_path_dir(path);

            assert_int_equal(weft_mkdirs(dir, 0755, NULL), 0);
            assert_int_equal(weft_write_file(path, f->text, strlen(f->text), 0644, NULL), 0);
        }
        fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        weft_capacity_read(fd, cases[i].cpus, &got);
        assert_int_equal(weft_rmtree(root, NULL), 0);
        if (got.cpus != cases[i].want.cpus || got.memory_bytes != cases[i].want.memory_bytes ||
            weft_jobs_from(&got) != cases[i].jobs) {
            fail_msg("%s: %ld processors, %ju bytes, %ld jobs", cases[i].name, got.cpus,
                     (uintmax_t)got.memory_bytes, weft_jobs_from(&got));
        }
    }
}

static void test_here(void **state)
{
    long n = weft_jobs_default();

    (void)state;
    assert_in_range(n, 1, 2 * sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
