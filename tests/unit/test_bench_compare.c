/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <math.h>

#include "base/cleanup.h"
#include "bench/compare.h"
#include "tests/helpers.h"
#include "tests/unit/bench_fixture.h"

enum {
    NODES_MAX = 4
};

static const struct weft_strv all = {0};

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

/* Nodes called a, b, c ... of results that are finished with them. */
struct world {
    struct weft_bench_result results[NODES_MAX];
    struct weft_compare_node nodes[NODES_MAX];
    size_t n;
    struct weft_comparison c;
};

static struct weft_bench_result *add(struct world *w, const char *pool, double price)
{
    static const char *const names[NODES_MAX] = {"a", "b", "c", "d"};
    struct weft_bench_result *r = &w->results[w->n];

    *r = bench_result(NULL, NULL, "CPU");
    w->nodes[w->n] = (struct weft_compare_node){r, names[w->n], pool, price};
    w->n++;
    return r;
}

/* linux/arm64 on cortex-a53, at that many nanoseconds. */
static struct weft_bench_target *add_arm64(struct world *w, double ns, double spread)
{
    return bench_target(add(w, "pool", 0), "linux/arm64", "cortex-a53", 100, ns, spread, 10);
}

static void compare(struct world *w)
{
    struct weft_err *err = NULL;

    if (weft_compare(w->nodes, w->n, &all, &w->c, &err) < 0) {
        fail_msg("%s", err->msg);
    }
}

static void assert_error(struct world *w, const struct weft_strv *only, const char *text)
{
    struct weft_err *err = NULL;

    assert_int_equal(weft_compare(w->nodes, w->n, only, &w->c, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    if (!strstr(err->msg, text)) {
        fail_msg("'%s' is not in: %s", text, err->msg);
    }
    assert_null(w->c.platforms);
    weft_err_free(err);
}

static void finish(struct world *w)
{
    weft_comparison_finish(&w->c);
    for (size_t i = 0; i < w->n; i++) {
        weft_bench_result_finish(&w->results[i]);
    }
}

static const struct weft_compare_platform *platform(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->c.n; i++) {
        char text[WEFT_PLATFORM_SIZE];

        if (strcmp(weft_platform_format(&w->c.platforms[i].platform->platform, text), name) == 0) {
            return &w->c.platforms[i];
        }
    }
    fail_msg("%s is not compared", name);
    return NULL;
}

static void assert_ranks(const struct weft_compare_platform *p, const struct world *w,
                         const char *wanted)
{
    weft_auto_strv ranks = {0};
    weft_auto_free char *got = NULL;

    for (size_t i = 0; i < p->n; i++) {
        weft_strv_addf(&ranks, "%s=%zu", w->nodes[p->entries[i].node].name, p->entries[i].rank);
    }
    got = weft_strv_join(&ranks, " ");
    assert_string_equal(got, wanted);
}

/* One node runs it natively, the others emulate it; times are per iteration, whatever their
 * number. */
static void test_ranking(void **state)
{
    struct world w = {0};
    const struct weft_compare_platform *p;
    struct weft_bench_result *r;

    (void)state;
    add_arm64(&w, 1800, 0);
    r = add(&w, "pool", 0);
    bench_target(r, "linux/arm64", "cortex-a53", 80, 1200, 0, 77);
    r = add(&w, "pool", 0);
    r->machine.platform = w.results[0].targets[0].platform->platform;
    bench_target(r, "linux/amd64", "qemu64", 120, 900, 0, 3);
    bench_target(r, "linux/s390x", "qemu", 120, 2400, 0, 5);
    compare(&w);

    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "c=1 b=2 a=3");
    assert_true(p->entries[0].native && !p->entries[0].target);
    assert_near(p->entries[0].time.ratio, 1, 1e-12);
    assert_near(p->entries[0].slowdown.ratio, 0, 0);
    assert_near(p->entries[1].time.ratio, 10, 1e-9);
    assert_near(p->entries[1].time.low, 10, 1e-9);
    assert_near(p->entries[1].time.high, 10, 1e-9);
    assert_near(p->entries[1].slowdown.ratio, 15, 1e-9);
    assert_ptr_equal(p->entries[1].target, &w.results[1].targets[0]);
    assert_near(p->entries[2].time.ratio, 15, 1e-9);
    assert_int_equal(p->kernels.n, 6);
    assert_string_equal(p->kernels.v[0], "interp");
    for (size_t i = 0; i < 6; i++) {
        assert_near(p->entries[2].by_kernel[i], 15, 1e-9);
    }

    p = platform(&w, "linux/amd64");
    assert_ranks(p, &w, "b=1 a=2 c=3");
    assert_near(p->entries[1].time.ratio, 1.25, 1e-9);
    assert_near(p->entries[2].time.ratio, 900.0 / 80, 1e-9);

    p = platform(&w, "linux/s390x");
    assert_ranks(p, &w, "c=1");
    assert_int_equal(p->n_missing, 2);
    assert_string_equal(p->missing[0].why, "not measured");
    assert_int_equal(w.c.n, 3);
    assert_int_equal(w.c.notes.n, 0);
    finish(&w);
}

/* b ties with a, and c would tie with b, but not with a: it begins a group, with d in it. */
static void test_ties(void **state)
{
    struct world w = {0};

    (void)state;
    add_arm64(&w, 1000, 0.3);
    add_arm64(&w, 1080, 0.3);
    add_arm64(&w, 1140, 0.03);
    add_arm64(&w, 1143, 0.03);
    compare(&w);
    assert_ranks(platform(&w, "linux/arm64"), &w, "a=1 b=1 c=3 d=3");
    weft_comparison_finish(&w.c);
    w.nodes[0] = w.nodes[1];
    w.nodes[1] = w.nodes[2];
    assert_int_equal(weft_compare(w.nodes, 2, &all, &w.c, NULL), 0);
    assert_ranks(platform(&w, "linux/arm64"), &w, "b=1 c=1");
    finish(&w);
}

/* Two runs of one machine differ by more than either's interval says. */
static void test_small_differences(void **state)
{
    struct world w = {0};

    (void)state;
    add_arm64(&w, 1000, 0);
    add_arm64(&w, 1018, 0);
    add_arm64(&w, 1025, 0);
    compare(&w);
    assert_ranks(platform(&w, "linux/arm64"), &w, "a=1 b=1 c=3");
    finish(&w);
}

/* In what order nodes come makes no difference to their figures. */
static void test_order(void **state)
{
    struct world w = {0};
    struct weft_ratio time;
    struct weft_compare_node first;

    (void)state;
    add_arm64(&w, 1000, 0.1);
    add_arm64(&w, 1100, 0.1);
    compare(&w);
    time = platform(&w, "linux/arm64")->entries[1].time;
    assert_true(time.low < time.ratio && time.ratio < time.high);
    weft_comparison_finish(&w.c);
    first = w.nodes[0];
    w.nodes[0] = w.nodes[1];
    w.nodes[1] = first;
    compare(&w);
    assert_memory_equal(&time, &platform(&w, "linux/arm64")->entries[1].time, sizeof(time));
    finish(&w);
}

/* A QEMU that computes something else is in no ranking, however fast; another one of the node is.
 */
static void test_failed(void **state)
{
    struct world w = {0};
    const struct weft_compare_platform *p;

    (void)state;
    bench_fail(add_arm64(&w, 10, 0), "sha256", "a wrong result: 1, natively 2");
    add_arm64(&w, 1000, 0);
    bench_fail(bench_target(&w.results[1], "linux/arm64", "max", 100, 20, 0, 10), "calls",
               "it crashed");
    compare(&w);
    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "b=1");
    assert_string_equal(p->entries[0].target->model, "cortex-a53");
    assert_int_equal(p->n_missing, 1);
    assert_true(p->missing[0].failed);
    assert_string_equal(
        p->missing[0].why,
        "sha256 failed under QEMU 7.2 on cortex-a53: a wrong result: 1, natively 2");
    assert_int_equal(w.c.notes.n, 1);
    assert_string_equal(
        w.c.notes.v[0],
        "linux/arm64, b: not ranked: calls failed under QEMU 7.2 on max: it crashed");
    p = platform(&w, "linux/amd64"); /* nor has the native run of that kernel been kept */
    assert_ranks(p, &w, "b=1");
    assert_string_equal(p->missing[0].why, "too few kernels were measured: not sha256");
    finish(&w);
}

/* Of several QEMUs and models a node has the figure of the fastest. */
static void test_best(void **state)
{
    struct world w = {0};
    const struct weft_compare_platform *p;

    (void)state;
    add_arm64(&w, 1000, 0);
    bench_target(&w.results[0], "linux/arm64", "max", 100, 3000, 0, 10);
    bench_target(&w.results[0], "linux/arm64", "cortex-a72", 100, 500, 0, 10);
    add_arm64(&w, 1000, 0);
    compare(&w);
    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "a=1 b=2");
    assert_string_equal(p->entries[0].target->model, "cortex-a72");
    assert_near(p->entries[1].time.ratio, 2, 1e-9);
    finish(&w);
}

/* What is compared are the kernels that all have, natively pooled from all targets; a node that
 * lacks one of a quick run is left out. */
static void test_kernels(void **state)
{
    struct world w = {0};
    const struct weft_compare_platform *p;
    struct weft_bench_target *t;

    (void)state;
    t = add_arm64(&w, 1000, 0);
    bench_kernel(t, "sort", 100, 100000, 0, 10);
    add_arm64(&w, 2000, 0);
    t = add_arm64(&w, 10, 0);
    bench_drop(t, "calls");
    t = add_arm64(&w, 10, 0);
    bench_drop(t, "start-dynamic");
    t->kernels = weft_xrealloc(t->kernels, t->n + 1, sizeof(*t->kernels));
    t->kernels[t->n++] = (struct weft_bench_kernel){.name = weft_xstrdup("start-dynamic"),
                                                    .skipped = weft_xstrdup("there is no program")};
    compare(&w);
    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "a=1 b=2");
    assert_near(p->entries[1].time.ratio, 2, 1e-9);
    assert_int_equal(p->kernels.n, 6);
    assert_int_equal(p->n_missing, 2);
    assert_false(p->missing[0].failed);
    assert_string_equal(p->missing[0].why,
                        "too few kernels were measured under QEMU 7.2 on cortex-a53: not calls");
    assert_string_equal(p->missing[1].why,
                        "too few kernels were measured under QEMU 7.2 on cortex-a53: not "
                        "start-dynamic (there is no program)");
    assert_int_equal(platform(&w, "linux/amd64")->n, 2);
    finish(&w);
}

/* Code of the compiler's defaults, and pairs that do not count, are in no figure. */
static void test_left_out(void **state)
{
    struct world w = {0};
    struct weft_bench_kernel *k;
    const struct weft_compare_platform *p;

    (void)state;
    k = bench_kernel(add_arm64(&w, 1000, 0), "calls", 100, 1, 0, 10);
    k->plain = true;
    add_arm64(&w, 2000, 0);
    k = &w.results[1].targets[0].kernels[0];
    for (size_t i = 0; i < 3; i++) {
        k->samples[i].counted = false;
        k->samples[i].emulated_ns = 1;
    }
    weft_strv_add(&k->noise, "the pairs differ much");
    compare(&w);
    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "a=1 b=2");
    assert_near(p->entries[1].time.low, 2, 1e-9);
    assert_false(p->entries[0].noisy);
    assert_true(p->entries[1].noisy);
    finish(&w);
}

static void test_cost(void **state)
{
    struct world w = {0};
    const struct weft_compare_platform *p;
    struct weft_bench_result *r;

    (void)state;
    /* 4 CPUs each, but d has 8 */
    r = add(&w, "fast", 8);
    bench_target(r, "linux/arm64", "max", 100, 1000, 0, 10);
    r = add(&w, "slow", 1);
    bench_target(r, "linux/arm64", "max", 100, 2000, 0, 10);
    r = add(&w, "free", 0);
    bench_target(r, "linux/arm64", "max", 100, 1100, 0, 10);
    r = add(&w, "slow", 4);
    r->machine.cpus = 8;
    bench_target(r, "linux/arm64", "max", 100, 4000, 0, 10);
    compare(&w);
    p = platform(&w, "linux/arm64");
    assert_ranks(p, &w, "a=1 c=2 b=3 d=4");
    assert_near(p->entries[0].cost, 2, 1e-9);
    assert_near(p->entries[1].cost, 0, 0);
    assert_near(p->entries[2].cost, 0.5, 1e-9);
    assert_near(p->entries[3].cost, 2, 1e-9);
    assert_int_equal(p->n_pools, 3);
    assert_string_equal(p->pools[0].name, "slow");
    assert_int_equal(p->pools[0].n, 2);
    assert_near(p->pools[0].cost, 1.25, 1e-9);
    assert_near(p->pools[0].time, 3, 1e-9);
    assert_string_equal(p->pools[1].name, "fast");
    assert_string_equal(p->pools[2].name, "free");
    assert_near(p->pools[2].cost, 0, 0);
    assert_near(p->pools[2].time, 1.1, 1e-9);
    finish(&w);
}

static void assert_verdict(const struct world *w, const char *name, const char *wanted)
{
    weft_auto_strv sentences = {0};
    size_t i = (size_t)(platform(w, name) - w->c.platforms);

    weft_comparison_verdict(&w->c, &sentences);
    assert_int_equal(sentences.n, w->c.n);
    assert_string_equal(sentences.v[i], wanted);
}

static void test_verdict(void **state)
{
    struct world w = {0};
    struct weft_bench_result *r;

    (void)state;
    r = add(&w, "x", 1);
    bench_target(r, "linux/arm64", "cortex-a53", 100, 1000, 0, 10);
    bench_target(r, "linux/s390x", "qemu", 100, 1000, 0, 10);
    r = add(&w, "x", 1);
    bench_target(r, "linux/arm64", "cortex-a53", 100, 1000, 0, 10);
    bench_fail(bench_target(r, "linux/riscv64", "rv64", 100, 1000, 0, 10), "calls", "it crashed");
    r = add(&w, "y", 0.1);
    r->machine.platform = w.results[0].targets[0].platform->platform;
    bench_target(r, "linux/amd64", "qemu64", 125, 900, 0, 3);
    r = add(&w, "z", 0);
    bench_target(r, "linux/arm64", "cortex-a53", 100, 1300, 0, 10);
    compare(&w);
    assert_verdict(&w, "linux/arm64",
                   "linux/arm64: c is fastest, native. Emulated it is fastest on a (QEMU 7.2 on "
                   "cortex-a53), 8.0 times slower. Builds cost least in pool y; in the next, x, "
                   "80.0 times as much.");
    assert_verdict(&w, "linux/amd64",
                   "linux/amd64: a is fastest, native; b and d are as fast, within the noise. "
                   "Emulated it is fastest on c (QEMU 7.2 on qemu64), 9.0 times slower. Builds "
                   "cost least in pool y; in the next, x, 11 % more.");
    assert_verdict(&w, "linux/s390x",
                   "linux/s390x: only a has a figure, under QEMU 7.2 on qemu, where programs take "
                   "10.0 times as long as native ones.");
    assert_verdict(&w, "linux/riscv64", "linux/riscv64: no node has a figure.");
    weft_comparison_finish(&w.c);
    w.nodes[2] = w.nodes[3];
    w.nodes[2].pool = "y"; /* with its own price */
    w.nodes[2].price = 0.9;
    assert_int_equal(weft_compare(w.nodes, 3, &all, &w.c, NULL), 0);
    assert_verdict(&w, "linux/arm64",
                   "linux/arm64: a is fastest, under QEMU 7.2 on cortex-a53, where programs take "
                   "10.0 times as long as native ones; b is as fast, within the noise. The next, "
                   "d, is 30 % slower. Builds cost least in pool x; in the next, y, 17 % more.");
    finish(&w);
}

/* A slow machine runs it natively no faster than a fast one emulates it: the slower one of those
 * that emulate is not the fastest of them. */
static void test_native_ties(void **state)
{
    struct world w = {0};
    struct weft_bench_result *r = add(&w, "x", 0);

    (void)state;
    assert_int_equal(weft_platform_parse("linux/arm64", &r->machine.platform, NULL), 0);
    bench_target(r, "linux/amd64", "qemu64", 1000, 9000, 0, 3);
    add_arm64(&w, 1010, 0);
    add_arm64(&w, 1300, 0);
    compare(&w);
    assert_ranks(platform(&w, "linux/arm64"), &w, "a=1 b=1 c=3");
    assert_verdict(&w, "linux/arm64",
                   "linux/arm64: a is fastest, native; b is as fast, within the noise. The next, "
                   "c, is 30 % slower.");
    finish(&w);
}

static void test_notes(void **state)
{
    struct world w = {0};

    (void)state;
    add_arm64(&w, 1000, 0);
    add_arm64(&w, 1000, 0);
    free(w.results[1].weft);
    w.results[1].weft = weft_xstrdup("1.1\033[0m");
    w.results[0].targets[0].programs = weft_xstrdup("arm");
    w.results[1].targets[0].programs = weft_xstrdup("armhf");
    compare(&w);
    assert_int_equal(w.c.notes.n, 2);
    assert_string_equal(w.c.notes.v[0], "the results are of several versions of weft, whose "
                                        "kernels may differ: 1.0, 1.1\\x1b[0m");
    assert_string_equal(w.c.notes.v[1],
                        "linux/arm64 was measured with different programs: arm, armhf");
    finish(&w);
}

static void test_only(void **state)
{
    struct world w = {0};
    weft_auto_strv only = {0};

    (void)state;
    add_arm64(&w, 1000, 0);
    weft_strv_add(&only, "linux/arm64");
    assert_int_equal(weft_compare(w.nodes, w.n, &only, &w.c, NULL), 0);
    assert_int_equal(w.c.n, 1);
    weft_comparison_finish(&w.c);
    weft_strv_add(&w.results[0].skipped, "linux/s390x: there is no QEMU");
    weft_strv_add(&only, "linux/s390x");
    assert_error(&w, &only, "no node has a figure for linux/s390x: a: there is no QEMU");
    weft_strv_add(&only, "linux/s391x");
    assert_error(&w, &only, "linux/s391x");
    finish(&w);
}

static void test_errors(void **state)
{
    struct world w = {0};

    (void)state;
    add(&w, "pool", 0);
    assert_error(&w, &all, "no node has measured anything");
    add_arm64(&w, 1000, 0);
    w.nodes[1].name = "a";
    assert_error(&w, &all, "two nodes are called \"a\"");
    bench_drop(&w.results[1].targets[0], "calls");
    w.nodes[1].name = "b";
    assert_error(&w, &all, "no node has a figure for linux/arm64: a: not measured");
    finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranking),     cmocka_unit_test(test_ties),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_small_differences),
        cmocka_unit_test(test_failed),      cmocka_unit_test(test_best),
        cmocka_unit_test(test_kernels),     cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_cost),        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_native_ties), cmocka_unit_test(test_notes),
        cmocka_unit_test(test_only),        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
