/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <fcntl.h>
#include <math.h>

#include "base/cleanup.h"
#include "bench/facts.h"
#include "tests/helpers.h"

/* Put a file below the directory of the test. */
static void put(const char *root, const char *path, const char *text)
{
    weft_auto_free char *full = weft_path_join(root, path);
    weft_auto_free char *dir = weft_path_dir(full);

    assert_int_equal(weft_mkdirs(dir, 0755, NULL), 0);
    assert_int_equal(weft_write_file(full, text, strlen(text), 0644, NULL), 0);
}

static int open_root(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static const char x86_cpuinfo[] = "processor\t: 0\n"
                                  "vendor_id\t: GenuineIntel\n"
                                  "cpu family\t: 6\n"
                                  "model name\t: Intel(R) Xeon(R) \033[1mCPU\n"
                                  "cpu MHz\t\t: 2499.998\n"
                                  "flags\t\t: fpu vme sse2 hypervisor avx2\n"
                                  "\n"
                                  "processor\t: 1\n"
                                  "model name\t: Intel(R) Xeon(R) CPU\n"
                                  "cpu MHz\t\t: 3100.5\n"
                                  "flags\t\t: fpu\n\n";

static void test_amazon(void **state)
{
    const char *dir = *state;
    weft_auto_fd root = open_root(dir);
    struct weft_facts f = {0};

    put(dir, "proc/cpuinfo", x86_cpuinfo);
    put(dir, "proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n");
    put(dir, "proc/sys/kernel/osrelease", "6.18.1-test\n");
    put(dir, "sys/class/dmi/id/sys_vendor", "Amazon EC2 \n");
    put(dir, "sys/class/dmi/id/product_name", "m7i.large\n");
    unsetenv("WEFT_INSTANCE_TYPE");
    weft_facts_gather(root, &f);
    assert_string_equal(f.cpu, "Intel(R) Xeon(R) \\x1b[1mCPU");
    assert_int_equal(f.flags.n, 5);
    assert_string_equal(f.flags.v[4], "avx2");
    assert_int_equal(f.memory_bytes, 8000000ULL * 1024);
    assert_string_equal(f.kernel, "6.18.1-test");
    assert_string_equal(f.hypervisor, "kvm");
    assert_string_equal(f.instance_type, "m7i.large");
    assert_true(f.cpus_allowed >= 1 && f.cpus >= f.cpus_allowed);
    weft_facts_finish(&f);

    setenv("WEFT_INSTANCE_TYPE", "large\n", 1);
    setenv("WEFT_NODE_NAME", "node-1", 1);
    setenv("WEFT_NODE_POOL", "", 1);
    weft_facts_gather(root, &f);
    assert_string_equal(f.instance_type, "large\\x0a");
    assert_string_equal(f.node, "node-1");
    assert_null(f.pool);
    weft_facts_finish(&f);
    unsetenv("WEFT_INSTANCE_TYPE");
    unsetenv("WEFT_NODE_NAME");
    unsetenv("WEFT_NODE_POOL");

    put(dir, "sys/class/dmi/id/product_name", "m7i.metal-24xl\n");
    put(dir, "proc/cpuinfo", "flags\t: fpu\n");
    weft_facts_gather(root, &f);
    assert_null(f.hypervisor);
    assert_string_equal(f.instance_type, "m7i.metal-24xl");
    weft_facts_finish(&f);
}

static void test_hypervisors(void **state)
{
    static const struct {
        const char *vendor, *product, *wanted;
    } rows[] = {
        {"Google", "Google Compute Engine", "kvm"},
        {"Microsoft Corporation", "Virtual Machine", "hyperv"},
        {"Microsoft Corporation", "Surface Pro", "unknown"},
        {"VMware, Inc.", "VMware7,1", "vmware"},
        {"Somebody", "Something", "unknown"},
    };
    const char *dir = *state;
    weft_auto_fd root = open_root(dir);
    struct weft_facts f = {0};

    put(dir, "proc/cpuinfo", x86_cpuinfo);
    for (size_t i = 0; i < COUNT(rows); i++) {
        put(dir, "sys/class/dmi/id/sys_vendor", rows[i].vendor);
        put(dir, "sys/class/dmi/id/product_name", rows[i].product);
        weft_facts_gather(root, &f);
        assert_string_equal(f.hypervisor, rows[i].wanted);
        assert_null(f.instance_type);
        weft_facts_finish(&f);
    }
    put(dir, "sys/hypervisor/type", "xen\n");
    weft_facts_gather(root, &f);
    assert_string_equal(f.hypervisor, "xen");
    weft_facts_finish(&f);
}

/* arm64 has no model name, and a machine may have nothing at all. */
static void test_little_known(void **state)
{
    const char *dir = *state;
    weft_auto_fd root = open_root(dir);
    struct weft_facts f = {0};

    weft_facts_gather(root, &f);
    assert_null(f.cpu);
    assert_null(f.hypervisor);
    assert_int_equal(f.memory_bytes, 0);
    assert_non_null(f.kernel); /* of uname */
    assert_true(weft_facts_load(root) < 1e-9);
    assert_true(weft_facts_mhz(root, 0) < 1e-9);
    weft_facts_finish(&f);
    put(dir, "proc/cpuinfo",
        "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
    weft_facts_gather(root, &f);
    assert_string_equal(f.cpu, "implementer 0x41, part 0xd0c");
    assert_int_equal(f.flags.n, 2);
    weft_facts_finish(&f);
}

/* What it is comes from the first CPU, how fast it is from the one that is measured. */
static void test_many_cpus(void **state)
{
    const char *dir = *state;
    weft_auto_fd root = open_root(dir);
    weft_auto_buf b = {0};
    struct weft_facts f = {0};

    for (int i = 0; i < 500; i++) {
        weft_buf_printf(&b, "processor\t: %d\nmodel name\t: CPU %d\ncpu MHz\t\t: %d\n", i, i,
                        1000 + i);
        weft_buf_printf(&b, "flags\t\t: fpu%150s\n\n", "sse2");
    }
    put(dir, "proc/cpuinfo", b.data);
    weft_facts_gather(root, &f);
    assert_string_equal(f.cpu, "CPU 0");
    assert_int_equal(f.flags.n, 2);
    assert_true(fabs(weft_facts_mhz(root, 499) - 1499) < 1e-9);
    weft_facts_finish(&f);
}

static void test_now(void **state)
{
    const char *dir = *state;
    weft_auto_fd root = open_root(dir);
    struct weft_ticks a, b;

    put(dir, "proc/loadavg", "1.25 0.50 0.10 2/300 4242\n");
    put(dir, "proc/cpuinfo", x86_cpuinfo);
    put(dir, "proc/stat",
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 50 0 50 800 0 0 0 100 7 7\ncpu10 1 1 1 1 1 1 1 1 0 0\n");
    assert_true(fabs(weft_facts_load(root) - 1.25) < 1e-9);
    assert_true(fabs(weft_facts_mhz(root, 0) - 2499.998) < 1e-9);
    assert_true(fabs(weft_facts_mhz(root, 1) - 3100.5) < 1e-9);
    put(dir, "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "2000000\n");
    assert_true(fabs(weft_facts_mhz(root, 1) - 2000) < 1e-9);
    weft_ticks_look(root, 1, &a);
    assert_int_equal(a.steal, 100);
    assert_int_equal(a.total, 1000);
    assert_int_equal(a.idle, 800);
    put(dir, "proc/stat", "cpu  9\ncpu1 90 0 60 830 0 0 0 120 7 7\n");
    weft_ticks_look(root, 1, &b);
    assert_true(fabs(weft_ticks_stolen(&a, &b) - 0.2) < 1e-9);
    assert_true(weft_ticks_stolen(&b, &a) < 1e-9);
    assert_true(weft_ticks_stolen(&b, &b) < 1e-9);
    weft_ticks_look(root, 2, &b);
    assert_int_equal(b.total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_amazon, temp_setup, temp_teardown),
        cmocka_unit_test_setup_teardown(test_hypervisors, temp_setup, temp_teardown),
        cmocka_unit_test_setup_teardown(test_little_known, temp_setup, temp_teardown),
        cmocka_unit_test_setup_teardown(test_many_cpus, temp_setup, temp_teardown),
        cmocka_unit_test_setup_teardown(test_now, temp_setup, temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
