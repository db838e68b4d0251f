/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "bench/result.h"
#include "tests/helpers.h"

/* All that a result can hold: a kernel with noise, samples that do not count, one of plain code,
 * one that failed, one that was skipped, and a target that nothing was measured of. */
static const char full[] =
    "{'schema': 1, 'kind': 'weft bench', 'weft': '0.1', 'started': '2026-11-23T21:45:00Z',"
    " 'seconds': 12.5, 'quick': true, 'complete': false,"
    " 'machine': {'platform': 'linux/amd64', 'cpu': 'A CPU', 'flags': ['fpu', 'sse2'], 'cpus': 2,"
    "  'cpus_allowed': 1, 'memory_bytes': 8000000000, 'kernel': '6.18.1', 'hypervisor': 'kvm',"
    "  'vendor': 'V', 'product': 'P', 'instance_type': 'm7.large', 'node': 'n-1', 'pool': 'blue'},"
    " 'conditions': {'cpu': 1, 'load_before': 0.25, 'load_after': 1.0, 'stolen': 0.015},"
    " 'targets': ["
    "  {'platform': 'linux/arm64', 'qemu': {'path': '/q/qemu-aarch64', 'version': '7.2.22'},"
    "   'cpu_model': 'cortex-a53', 'programs': 'aarch64', 'mean': {'ratio': 1.0, 'low': 1.0, "
    "'high': 1.0}, 'kernels': ["
    "    {'name': 'calls', 'plain': false, 'ratio': 99.0, 'low': 99.0, 'high': 99.0,"
    "     'iterations': 1000, 'mhz': 2500.5, 'noise': ['the pairs differ much'], 'samples': ["
    "      {'native_ns': 1000, 'emulated_ns': 9000, 'stolen': 0.0, 'counted': true},"
    "      {'native_ns': 1000, 'emulated_ns': 8000, 'stolen': 0.0, 'counted': true},"
    "      {'native_ns': 1000, 'emulated_ns': 90000, 'stolen': 0.5, 'counted': false},"
    "      {'native_ns': 1000, 'emulated_ns': 9500, 'stolen': 0.0, 'counted': true}]},"
    "    {'name': 'calls', 'plain': true, 'ratio': 2, 'low': 2, 'high': 2, 'iterations': 7,"
    "     'noise': [], 'samples': ["
    "      {'native_ns': 500, 'emulated_ns': 1000, 'stolen': 0, 'counted': true}]},"
    "    {'name': 'sort', 'plain': false, 'ratio': 4, 'low': 4, 'high': 4, 'iterations': 7,"
    "     'noise': [], 'samples': ["
    "      {'native_ns': 500, 'emulated_ns': 2000, 'stolen': 0, 'counted': true}]},"
    "    {'name': 'interp', 'plain': false, 'failure': 'a wrong result'},"
    "    {'name': 'threads', 'plain': false, 'skipped': 'one CPU'}]},"
    "  {'platform': 'linux/riscv64', 'qemu': {'path': '/q/qemu-riscv64'}, 'mean': {},"
    "   'kernels': []}],"
    " 'skipped': ['linux/386: it runs natively']}";

/* Double quotes for single ones. Caller frees. */
static char *quoted(const char *text)
{
    char *s = weft_xstrdup(text);

    for (char *c = s; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return s;
}

static struct weft_json *json_of(const char *text)
{
    weft_auto_free char *s = quoted(text);
    weft_auto_err err = NULL;
    struct weft_json *j = weft_json_parse(s, strlen(s), &err);

    if (!j) {
        fail_msg("%s: %s", err->msg, s);
    }
    return j;
}

static void parse(const char *text, struct weft_bench_result *r)
{
    weft_auto_json j = json_of(text);
    weft_auto_err err = NULL;

    assert_ok(weft_bench_result_parse(j, r, &err), &err);
}

/* `full` with the first `from` in it replaced. Caller frees. */
static char *changed(const char *from, const char *to)
{
    const char *at = strstr(full, from);

    assert_non_null(at);
    return weft_fmt("%.*s%s%s", (int)(at - full), full, to, at + strlen(from));
}

static void test_values(void **state)
{
    struct weft_bench_result r = {0};
    const struct weft_bench_kernel *k;
    char name[WEFT_PLATFORM_SIZE];

    (void)state;
    parse(full, &r);
    assert_string_equal(r.weft, "0.1");
    assert_int_equal(r.started, 1795470300);
    assert_true(r.quick && r.interrupted && r.failed);
    assert_string_equal(weft_platform_format(&r.machine.platform, name), "linux/amd64");
    assert_string_equal(r.machine.cpu, "A CPU");
    assert_string_equal(r.machine.flags.v[1], "sse2");
    assert_true(r.machine.memory_bytes == 8000000000);
    assert_string_equal(r.machine.instance_type, "m7.large");
    assert_string_equal(r.machine.node, "n-1");
    assert_string_equal(r.machine.pool, "blue");
    assert_int_equal(r.cpu, 1);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.targets[0].n, 5);
    k = r.targets[0].kernels;
    assert_int_equal(k[0].n, 4);
    /* of the samples, and not what the text says */
    assert_float_equal(k[0].ratio.ratio, 9, 1e-9);
    assert_float_equal(k[0].ratio.low, 8, 1e-9);
    assert_float_equal(k[0].ratio.high, 9.5, 1e-9);
    assert_float_equal(r.targets[0].mean.ratio, 6, 1e-9);
    assert_false(k[0].samples[2].counted);
    assert_true(k[1].plain);
    assert_string_equal(k[3].failure, "a wrong result");
    assert_string_equal(k[4].skipped, "one CPU");
    assert_null(r.targets[1].version);
    assert_null(r.targets[1].model);
    assert_float_equal(r.targets[1].mean.ratio, 0, 0);
    weft_bench_result_finish(&r);
}

/* What is read is written as it was. */
static void test_round_trip(void **state)
{
    struct weft_bench_result r = {0}, again = {0};
    weft_auto_json first = NULL;
    weft_auto_json second = NULL;
    weft_auto_free char *a = NULL, *b = NULL;
    weft_auto_err err = NULL;

    (void)state;
    parse(full, &r);
    first = weft_bench_result_json(&r);
    assert_ok(weft_bench_result_parse(first, &again, &err), &err);
    second = weft_bench_result_json(&again);
    a = weft_json_dump(first, 1);
    b = weft_json_dump(second, 1);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "\"complete\": false"));
    assert_non_null(strstr(a, "\"weft\": \"0.1\""));
    weft_bench_result_finish(&r);
    weft_bench_result_finish(&again);
}

static void test_lenient(void **state)
{
    static const struct {
        const char *from, *to;
        size_t targets;
    } rows[] = {
        {"'seconds'", "'later': [1, {}], 'seconds'", 2},
        {"'native_ns': 1000", "'native_ns': 1000, 'cycles': 5", 2},
        {"'linux/riscv64'", "'linux/unheard'", 1},
        {"'linux/arm64'", "'plan9/arm64'", 1},
        {"'linux/arm64'", "'local'", 1}, /* it would be this machine's */
        {"'cpu': 'A CPU', ", "", 2},
        {"'memory_bytes': 8000000000, ", "", 2},
        {"'mhz': 2500.5, ", "", 2},
        {"'hypervisor': 'kvm'", "'hypervisor': 'none'", 2},
        {", 'node': 'n-1', 'pool': 'blue'", "", 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        weft_auto_free char *text = changed(rows[i].from, rows[i].to);
        struct weft_bench_result r = {0};

        parse(text, &r);
        assert_int_equal(r.n, rows[i].targets);
        weft_bench_result_finish(&r);
    }
}

static void test_printable(void **state)
{
    weft_auto_free char *text = changed("'A CPU'", "'\\u001b[2J'");
    struct weft_bench_result r = {0};

    (void)state;
    parse(text, &r);
    assert_string_equal(r.machine.cpu, "\\x1b[2J");
    weft_bench_result_finish(&r);
}

static void test_errors(void **state)
{
    static const struct {
        const char *from, *to, *msg;
    } rows[] = {
        {"'kind': 'weft bench'", "'kind': 'top'", "this is no result of weft bench"},
        {"'kind': 'weft bench', ", "", "this is no result of weft bench"},
        {"'schema': 1", "'schema': 2", "written by a newer weft: its schema is 2, this weft's 1"},
        {"'schema': 1", "'schema': 0", "schema is not a whole number of at least 1"},
        {"'schema': 1", "'schema': '1'", "schema is not a whole number of at least 1"},
        {"'schema': 1, ", "", "schema is missing"},
        {"'weft': '0.1'", "'weft': null", "weft is not a string"},
        {"21:45:00Z", "21:45:61Z", "started is not a time as 2026-11-23T21:45:00Z"},
        {"'seconds': 12.5", "'seconds': -1", "seconds is not a number of at least 0"},
        {"'quick': true", "'quick': 1", "quick is not true or false"},
        {"'complete': false, ", "", "complete is missing"},
        {"'complete': false", "'complete': null", "complete is not true or false"},
        {"'platform': 'linux/amd64'", "'platform': 'local'",
         "machine.platform is not a platform that weft knows: \"local\""},
        {"'flags': ['fpu', 'sse2']", "'flags': ['fpu', 2]", "machine.flags[1] is not a string"},
        {"'flags': ['fpu', 'sse2']", "'flags': {}", "machine.flags is not a list"},
        {"'cpus': 2", "'cpus': 0", "machine.cpus is not a whole number from 1 to 1048576"},
        {"'cpus': 2", "'cpus': 2.5", "machine.cpus is not a whole number from 1 to 1048576"},
        {"'memory_bytes': 8000000000", "'memory_bytes': 0",
         "machine.memory_bytes is not a whole number of at least 1"},
        {"'cpu': 'A CPU'", "'cpu': ['A']", "machine.cpu is not a string"},
        {"'stolen': 0.015", "'stolen': 1.015", "conditions.stolen is not a number from 0 to 1"},
        {"'linux/arm64'", "64", "targets[0].platform is not a string"},
        {"'path': '/q/qemu-riscv64'", "'version': '1'", "targets[1].qemu.path is missing"},
        {"'path': '/q/qemu-riscv64'", "'path': ''", "targets[1].qemu.path is empty"},
        {"'mean': {}", "'mean': {'ratio': 1}", "targets[1].mean.low is missing"},
        {"'ratio': 99.0", "'ratio': 0.0", "targets[0].kernels[0].ratio is not a number above 0"},
        {"'ratio': 99.0", "'ratio': 99.1",
         "targets[0].kernels[0] has a ratio that is not between low and high"},
        {"'mean': {}", "'mean': {'ratio': 2, 'low': 2.5, 'high': 3}",
         "targets[1].mean has a ratio that is not between low and high"},
        {"'name': 'sort'", "'name': 'calls'",
         "targets[0].kernels[2] is the same kernel as kernels[0]: \"calls\""},
        {"'native_ns': 1000", "'native_ns': 0",
         "targets[0].kernels[0].samples[0].native_ns is not a whole number of at least 1"},
        {"{'native_ns': 1000, 'emulated_ns': 8000, 'stolen': 0.0, 'counted': true}", "7",
         "targets[0].kernels[0].samples[1] is not an object"},
        {"'stolen': 0, 'counted': true", "'stolen': 0, 'counted': false",
         "targets[0].kernels[1].samples has none that is counted"},
        {"'failure': 'a wrong result'", "'failure': ''", "targets[0].kernels[3].failure is empty"},
        {"'failure': 'a wrong result'", "'failure': 'x', 'skipped': 'y'",
         "targets[0].kernels[3] has failed and was not run: only one can be"},
        {"'failure': 'a wrong result'", "'x': 1", "targets[0].kernels[3].ratio is missing"},
        {"'kernels': []", "'kernels': 5", "targets[1].kernels is not a list"},
        {"'linux/riscv64', 'qemu': {'path': '/q/qemu-riscv64'}",
         "'linux/arm64', 'qemu': {'path': '/q/qemu-aarch64', 'version': '7.2.22'},"
         " 'cpu_model': 'cortex-a53'",
         "targets[1] is there twice: the same platform, QEMU and CPU model"},
        {"'targets': [", "'targets': {}, 'x': [", "targets is not a list"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        weft_auto_free char *text = changed(rows[i].from, rows[i].to);
        weft_auto_json j = json_of(text);
        weft_auto_err err = NULL;
        struct weft_bench_result r = {0};

        assert_int_equal(weft_bench_result_parse(j, &r, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        assert_string_equal(err->msg, rows[i].msg);
        assert_true(!r.weft && !r.targets && !r.machine.cpu);
    }
}

/* A value in whose place is what makes a result too large. */
static void assert_too_large(const char *from, const char *each, const char *sep, size_t n,
                             const char *msg)
{
    weft_auto_buf b = {0};
    weft_auto_free char *text = NULL;
    weft_auto_json j = NULL;
    weft_auto_err err = NULL;
    struct weft_bench_result r = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&b, "%s%s", i > 0 ? sep : "", each);
    }
    text = changed(from, b.data);
    j = json_of(text);
    assert_int_equal(weft_bench_result_parse(j, &r, &err), -1);
    assert_err(&err, WEFT_E_FORMAT, 0, msg);
}

static void test_bounds(void **state)
{
    static const char sample[] =
        "{'native_ns': 500, 'emulated_ns': 2000, 'stolen': 0, 'counted': true}";

    (void)state;
    assert_too_large("A CPU", "abc", " ", 1025, "machine.cpu is longer than 4096 bytes");
    assert_too_large("'fpu'", "''", ", ", 5000, "machine.flags has more than 4096 items");
    assert_too_large(sample, sample, ", ", 201,
                     "targets[0].kernels[2].samples has more than 200 items");
    assert_too_large("{'name': 'threads', 'plain': false, 'skipped': 'one CPU'}", "1", ", ", 500,
                     "targets[0].kernels has more than 500 items");
}

static void test_files(void **state)
{
    const char *dir = *state;
    weft_auto_free char *path = weft_path_join(dir, "r.json");
    weft_auto_free char *text = quoted(full);
    struct weft_bench_result r = {0};
    weft_auto_err err = NULL;
    int saved;

    assert_int_equal(weft_bench_result_load(path, &r, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, path);
    put_file(path, text, strlen(text));
    assert_ok(weft_bench_result_load(path, &r, &err), &err);
    assert_int_equal(r.n, 2);
    weft_bench_result_finish(&r);

    saved = dup(STDIN_FILENO);
    assert_non_null(freopen(path, "r", stdin));
    assert_ok(weft_bench_result_load("-", &r, &err), &err);
    assert_int_equal(r.n, 2);
    weft_bench_result_finish(&r);
    assert_int_equal(weft_bench_result_load("-", &r, &err), -1); /* it was read */
    assert_err(&err, WEFT_E_FORMAT, 0, "standard input is empty");
    assert_true(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
    close(saved);

    put_file(path, text, strlen(text) / 2);
    assert_int_equal(weft_bench_result_load(path, &r, &err), -1);
    assert_non_null(strstr(err->msg, "r.json: not JSON at line 1, column "));
    weft_err_freep(&err);
    put_file(path, "[]", 2);
    assert_int_equal(weft_bench_result_load(path, &r, &err), -1);
    assert_err(&err, WEFT_E_FORMAT, 0, "r.json: this is no result of weft bench");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_lenient), cmocka_unit_test(test_printable),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_bounds),
        temp_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
