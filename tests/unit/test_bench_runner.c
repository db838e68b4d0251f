/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner, with scripts in the place of the programs of two machines and of QEMU: each says what
 * it is to have taken, so that ratios are known.
 */
#include "config.h"

#include <math.h>
#include <pthread.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/loop.h"
#include "bench/results.h"
#include "bench/runner.h"
#include "binfmt/health.h"
#include "engine/bench_show.h"
#include "tests/helpers.h"

struct world {
    char *dir;
    char *qemu;
    const struct weft_platform_info *native, *foreign;
    struct weft_kernels kernels;
    struct weft_strv only;
    struct weft_answers *answers;
    atomic_bool cancel;
    struct weft_bench_result result;
};

static void script(const char *path, const char *text)
{
    weft_auto_free char *dir = weft_path_dir(path);
    weft_auto_free char *whole = weft_fmt("#!/bin/sh\n%s\n", text);

    assert_int_equal(weft_mkdirs(dir, 0755, NULL), 0);
    assert_int_equal(weft_write_file(path, whole, strlen(whole), 0755, NULL), 0);
}

static const struct weft_platform_info *find(const char *name)
{
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(name, &p, NULL), 0);
    return weft_catalogue_find(&p);
}

/* The native kernels: 1000 ns an iteration. "even" and "odd" have another time in every second
 * run. */
static const char native_kernels[] =
    "if [ \"$1\" = --list ]; then printf 'steady\\t40000\\tA\\ninterp\\t40000\\tB\\n"
    "even\\t40000\\tC\\nfork-exec\\t40000\\tD\\n'; exit; fi\n"
    "echo \"$1 $2 $(($2 * 1000)) 0123456789abcdef\"";

/* QEMU: "-cpu MODEL PROGRAM NAME ITERATIONS"; ten times the native time, or what MODEL says. */
static const char emulator[] =
    "model=$2 name=$4 n=$5 check=0123456789abcdef factor=10\n"
    "[ $# = 5 ] && [ \"$1\" = -cpu ] || { echo \"called as $*\" >&2; exit 9; }\n"
    "echo 'qemu: a warning' >&2\n"
    "case $model-$name in\n"
    "wrong-interp) check=0123456789abcdee ;;\n"
    "dies-interp) echo 'cannot do it' >&2; exit 3 ;;\n"
    "mute-interp) echo interp; exit 0 ;;\n"
    "judged-interp) echo 'interp: a number is wrong' >&2; exit 1 ;;\n"
    "refused-interp) echo 'interp: not so: p != NULL (Cannot allocate memory)' >&2; exit 1 ;;\n"
    "short-interp) echo 'qemu: no memory for a jit buffer' >&2; exit 1 ;;\n"
    "hangs-steady) sleep 60 ;;\n"
    "slow-*) factor=30 ;;\n"
    "*-even) if [ -e \"$0.flag\" ]; then rm \"$0.flag\"; factor=14; else : >\"$0.flag\"; fi ;;\n"
    "esac\n"
    "echo \"$name $n $((n * 1000 * factor)) $check\"";

static int setup(void **state)
{
    struct world *w = weft_xcalloc(1, sizeof(*w));
    struct weft_platform host;
    void *dir = NULL;

    if (temp_setup(&dir) < 0) {
        free(w);
        return -1;
    }
    w->dir = dir;
    w->answers = weft_answers_create(NULL);
    weft_platform_host(&host);
    w->native = weft_catalogue_find(&host);
    w->foreign = find(strcmp(host.arch, "riscv64") == 0 ? "linux/arm64" : "linux/riscv64");
    for (int i = 0; i < 2; i++) {
        weft_auto_free char *path =
            weft_fmt("%s/bench/%s/kernels", w->dir, (i ? w->foreign : w->native)->machine->qemu);

        script(path, native_kernels);
    }
    w->qemu = weft_path_join(w->dir, "qemu");
    script(w->qemu, emulator);
    setenv("WEFT_LIBEXEC", w->dir, 1);
    assert_int_equal(weft_kernels_list(w->native, &w->kernels, NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    void *dir = w->dir;

    weft_answers_destroy(w->answers);
    weft_kernels_finish(&w->kernels);
    weft_strv_finish(&w->only);
    weft_bench_result_finish(&w->result);
    free(w->qemu);
    free(w);
    unsetenv("WEFT_LIBEXEC");
    return temp_teardown(&dir);
}

static void add_target(struct world *w, const char *model)
{
    struct weft_bench_result *r = &w->result;

    r->targets = weft_xrealloc(r->targets, r->n + 1, sizeof(*r->targets));
    r->targets[r->n++] =
        (struct weft_bench_target){.platform = w->foreign,
                                   .qemu = weft_xstrdup(w->qemu),
                                   .version = weft_xstrdup("1.2"),
                                   .model = weft_xstrdup(model),
                                   .programs = weft_xstrdup(weft_kernels_programs(w->foreign))};
}

static void measure(struct world *w)
{
    const struct weft_runner runner = {.native = w->native,
                                       .kernels = &w->kernels,
                                       .only = &w->only,
                                       .no_handlers = "none here",
                                       .answers = w->answers,
                                       .cancel = &w->cancel};
    weft_auto_err err = NULL;

    if (weft_runner_measure(&runner, &w->result, &err) < 0) {
        fail_msg("%s", err->msg);
    }
}

static void assert_ratio(const struct weft_ratio *r, double ratio, double low, double high)
{
    if (fabs(r->ratio - ratio) > 1e-6 || fabs(r->low - low) > 1e-6 || fabs(r->high - high) > 1e-6) {
        fail_msg("%g (%g to %g) is not %g (%g to %g)", r->ratio, r->low, r->high, ratio, low, high);
    }
}

static void test_list(void **state)
{
    struct world *w = *state;

    assert_int_equal(w->kernels.n, 4);
    assert_string_equal(w->kernels.v[0].name, "steady");
    assert_int_equal(w->kernels.v[0].iterations, 40000);
    assert_string_equal(w->kernels.v[1].description, "B");
    assert_true(w->kernels.v[1].quick);
    assert_false(w->kernels.v[0].quick);
    assert_null(weft_kernels_programs(find("linux/s390x")));
}

/* ARM has two sets: that of the port, and one that runs everywhere. */
static void test_programs(void **state)
{
    struct world *w = *state;
    const struct weft_platform_info *v6 = find("linux/arm/v6"), *v7 = find("linux/arm/v7");
    weft_auto_free char *arm = weft_fmt("%s/bench/arm/kernels", w->dir);
    weft_auto_free char *armhf = weft_fmt("%s/bench/armhf/kernels", w->dir);

    script(arm, native_kernels);
    assert_string_equal(weft_kernels_programs(v7), "arm");
    assert_true(weft_kernels_soft_float(v7, "arm"));
    script(armhf, native_kernels);
    assert_string_equal(weft_kernels_programs(v7), "armhf");
    assert_false(weft_kernels_soft_float(v7, "armhf"));
    assert_string_equal(weft_kernels_programs(v6), "arm");
    assert_true(weft_kernels_soft_float(v6, "arm"));
    assert_string_equal(weft_kernels_programs(find("linux/arm/v5")), "arm");
    assert_false(weft_kernels_soft_float(find("linux/arm/v5"), "arm"));
    assert_false(weft_kernels_soft_float(w->foreign, weft_kernels_programs(w->foreign)));
}

static void test_bad_lists(void **state)
{
    static const char *const bad[] = {
        "echo a", "printf 'a\\tx\\tb\\n'", "printf 'a\\t0\\tb\\n'", "printf '\\t5\\tb\\n'", ":",
        "exit 4"};
    struct world *w = *state;
    weft_auto_free char *path = weft_fmt("%s/bench/%s/kernels", w->dir, w->native->machine->qemu);

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weft_kernels k = {0};
        weft_auto_err err = NULL;

        script(path, bad[i]);
        assert_int_equal(weft_kernels_list(w->native, &k, &err), -1);
        assert_int_equal(err->code, i == COUNT(bad) - 1 ? WEFT_E_CHILD : WEFT_E_FORMAT);
        weft_kernels_finish(&k);
    }
}

static void test_ratios(void **state)
{
    struct world *w = *state;
    const struct weft_bench_target *t;

    add_target(w, "usual");
    add_target(w, "slow");
    measure(w);
    t = w->result.targets;
    assert_int_equal(t[0].n, 4);
    assert_false(w->result.failed);
    assert_false(w->result.interrupted);
    assert_ratio(&t[0].kernels[0].ratio, 10, 10, 10);
    assert_int_equal(t[0].kernels[0].n, 5);
    assert_int_equal(t[0].kernels[0].iterations, 40000); /* 40 ms at 1000 ns each */
    assert_int_equal(t[0].kernels[0].samples[0].native_ns, 40000000);
    assert_int_equal(t[0].kernels[0].samples[4].emulated_ns, 400000000);
    assert_false(weft_strv_has(&t[0].kernels[0].noise, "the pairs differ much"));
    assert_ratio(&t[1].kernels[0].ratio, 30, 30, 30);
    /* one that varies is measured until there is no point in it, and marked */
    assert_string_equal(t[0].kernels[2].name, "even");
    assert_int_equal(t[0].kernels[2].n, 15);
    assert_true(weft_strv_has(&t[0].kernels[2].noise, "the pairs differ much"));
    assert_true(t[0].kernels[2].ratio.low < 10.5 && t[0].kernels[2].ratio.high > 13.5);
    assert_string_equal(t[0].kernels[3].skipped, "it needs a handler: none here");
    assert_ratio(&t[1].mean, 30, 30, 30);
}

static void test_few_kernels(void **state)
{
    struct world *w = *state;

    add_target(w, "usual");
    w->result.quick = true;
    measure(w);
    assert_int_equal(w->result.targets[0].n, 1);
    assert_string_equal(w->result.targets[0].kernels[0].name, "interp");
    /* 700 ms at most under emulation: 70 ms of it natively */
    assert_int_equal(w->result.targets[0].kernels[0].iterations, 40000);
}

/* Each is one kernel of one target that did wrong, and has no time. */
static void test_failures(void **state)
{
    static const struct {
        const char *model, *failure;
        enum weft_health_verdict health; /* bad only where the result was wrong */
    } rows[] = {
        {"wrong", "a wrong result: 0123456789abcdee, natively 0123456789abcdef", WEFT_HEALTH_BAD},
        {"dies", "exit code 3: cannot do it", WEFT_HEALTH_UNKNOWN},
        {"mute", "not an answer: interp", WEFT_HEALTH_UNKNOWN},
        {"judged", "exit code 1: interp: a number is wrong", WEFT_HEALTH_BAD},
        {"refused", "exit code 1: interp: not so: p != NULL (Cannot allocate memory)",
         WEFT_HEALTH_UNKNOWN},
        {"short", "exit code 1: qemu: no memory for a jit buffer", WEFT_HEALTH_UNKNOWN},
    };
    struct world *w = *state;
    weft_auto_free char *text = NULL;

    weft_strv_add(&w->only, "interp");
    weft_strv_add(&w->only, "steady");
    for (size_t i = 0; i < COUNT(rows); i++) {
        add_target(w, rows[i].model);
    }
    add_target(w, "slow");
    measure(w);
    assert_true(w->result.failed);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct weft_bench_target *t = &w->result.targets[i];
        const struct weft_bench_kernel *k = &t->kernels[1];
        weft_auto_json j = weft_bench_result_json(&w->result);
        struct weft_json *kernels =
            weft_json_get(weft_json_at(weft_json_get(j, "targets"), i), "kernels");

        assert_string_equal(k->name, "interp");
        assert_string_equal(k->failure, rows[i].failure);
        assert_int_equal(weft_health_recall(w->answers, t->qemu, t->platform->machine, t->model),
                         rows[i].health);
        assert_int_equal(k->n, 0);
        assert_true(k->ratio.ratio < 1e-9);
        assert_ratio(&t->mean, 10, 10, 10); /* of the other kernel */
        assert_null(weft_json_get(weft_json_at(kernels, 1), "ratio"));
        assert_null(weft_json_get(weft_json_at(kernels, 1), "samples"));
    }
    /* though slower, the one without a failure is the only one that is ranked */
    text = weft_bench_show_verdict(w->result.targets, w->result.n);
    assert_non_null(strstr(text, "30 times as long as native ones (30.0x to 30.0x) under QEMU 1.2 "
                                 "on slow\n"));
    assert_non_null(strstr(text, "QEMU 1.2 on wrong is not ranked: interp failed\n"));
}

static void test_native_failure(void **state)
{
    struct world *w = *state;
    weft_auto_free char *path = weft_fmt("%s/bench/%s/kernels", w->dir, w->native->machine->qemu);

    script(path, "kill -SEGV $$");
    weft_strv_add(&w->only, "steady");
    add_target(w, "usual");
    measure(w);
    assert_string_equal(w->result.targets[0].kernels[0].failure,
                        "natively: signal 11: it said nothing");
}

static void *cancel_later(void *data)
{
    struct world *w = data;

    usleep(1500 * 1000);
    atomic_store(&w->cancel, true);
    return NULL;
}

/* What was measured before stays; the program that runs is killed. */
static void test_interrupted(void **state)
{
    struct world *w = *state;
    uint64_t started_ms = weft_now_ms();
    pthread_t thread;

    weft_strv_add(&w->only, "steady");
    add_target(w, "usual");
    add_target(w, "hangs");
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, w), 0);
    measure(w);
    pthread_join(thread, NULL);
    assert_true(weft_now_ms() - started_ms < 20000);
    assert_true(w->result.interrupted);
    assert_ratio(&w->result.targets[0].kernels[0].ratio, 10, 10, 10);
    assert_ratio(&w->result.targets[0].mean, 10, 10, 10);
    assert_int_equal(w->result.targets[1].n, 0);
}

static void test_verdicts(void **state)
{
    struct world *w = *state;
    struct weft_bench_target *t;
    weft_auto_free char *text = NULL;

    add_target(w, "a");
    add_target(w, "b");
    add_target(w, "c");
    add_target(w, "d");
    add_target(w, "e");
    t = w->result.targets;
    t[0].mean = (struct weft_ratio){9, 8.5, 9.5};
    t[1].mean = (struct weft_ratio){4.5, 4.4, 4.6};
    t[2].mean = (struct weft_ratio){4.65, 4.55, 4.7};
    t[3].mean = (struct weft_ratio){5.4, 5.3, 5.5};
    t[4].mean = (struct weft_ratio){4.58, 4.57, 4.59};
    t[1].mean.high = 4.56; /* far enough from e, but two runs differ by that much */
    text = weft_bench_show_verdict(t, w->result.n);
    assert_non_null(strstr(text, ": programs take 4.5 times as long as native ones "
                                 "(4.40x to 4.56x) under QEMU 1.2 on b\n"));
    assert_non_null(strstr(text, "  QEMU 1.2 on a: 2.0 times slower than that\n"));
    assert_non_null(strstr(text, "  QEMU 1.2 on c: as fast, within the noise\n"));
    assert_non_null(strstr(text, "  QEMU 1.2 on e: as fast, within the noise\n"));
    assert_non_null(strstr(text, "  QEMU 1.2 on d: 20 % slower than that\n"));
}

static void test_keep(void **state)
{
    struct world *w = *state;
    weft_auto_free char *store = weft_path_join(w->dir, "state");
    weft_auto_free char *version = weft_path_join(store, "bench/version");
    weft_auto_free char *path = NULL, *again = NULL;
    weft_auto_json j = NULL;
    weft_auto_err err = NULL;

    weft_strv_add(&w->only, "steady");
    add_target(w, "usual");
    measure(w);
    assert_int_equal(weft_results_keep(store, &w->result, &path, &err), 0);
    j = weft_json_load(path, NULL);
    assert_int_equal(weft_json_int(j, "schema", 0), 1);
    assert_string_equal(weft_json_str(j, "kind"), "weft bench");
    assert_true(weft_json_bool(j, "complete", false));
    assert_int_equal(weft_write_file(version, "2\n", 2, 0644, NULL), 0);
    assert_int_equal(weft_results_keep(store, &w->result, &again, &err), -1);
    assert_int_equal(err->code, WEFT_E_UNSUPPORTED);
    assert_null(again);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(test_list),           world_test(test_programs),    world_test(test_bad_lists),
        world_test(test_ratios),         world_test(test_few_kernels), world_test(test_failures),
        world_test(test_native_failure), world_test(test_interrupted), world_test(test_verdicts),
        world_test(test_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
