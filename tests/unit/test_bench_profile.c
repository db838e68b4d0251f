/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept results, and what they come to. Each kernel of a result takes ten times as long emulated, or
 * what the test says.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "bench/kernels.h"
#include "bench/profile.h"
#include "bench/results.h"
#include "engine/bench_show.h"
#include "tests/helpers.h"

enum {
    START = 1795470300, /* of the first result; the others are an hour apart */
    HOUR = 3600,
    PAIRS = 5,
};

static const struct weft_platform_info *find(const char *name)
{
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(name, &p, NULL), 0);
    return weft_catalogue_find(&p);
}

static void start(struct weft_bench_result *r, int hour)
{
    weft_auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    *r = (struct weft_bench_result){.started = START + hour * HOUR};
    weft_facts_gather(root, &r->machine);
}

static struct weft_bench_target *add_target(struct weft_bench_result *r, const char *platform,
                                            const char *model)
{
    struct weft_bench_target *t;

    r->targets = weft_xrealloc(r->targets, r->n + 1, sizeof(*r->targets));
    t = &r->targets[r->n++];
    *t = (struct weft_bench_target){
        .platform = find(platform),
        .qemu = weft_xstrdup("/q/qemu"),
        .version = weft_xstrdup("7.2"),
        .model = weft_xstrdup_null(model),
        .programs = weft_xstrdup("some"),
    };
    return t;
}

static struct weft_bench_kernel *add_kernel(struct weft_bench_target *t, const char *name,
                                            double ratio)
{
    struct weft_bench_kernel *k;

    t->kernels = weft_xrealloc(t->kernels, t->n + 1, sizeof(*t->kernels));
    k = &t->kernels[t->n++];
    *k = (struct weft_bench_kernel){
        .name = weft_xstrdup(name),
        .iterations = 1000,
        .samples = weft_xcalloc(PAIRS, sizeof(*k->samples)),
        .n = PAIRS,
    };
    for (size_t i = 0; i < PAIRS; i++) {
        k->samples[i] = (struct weft_bench_sample){
            .native_ns = 1000000,
            .emulated_ns = (uint64_t)(1e6 * ratio),
            .counted = true,
        };
    }
    (void)weft_bench_kernel_sum_up(k);
    return k;
}

/* A target with the kernels of a quick run. */
static struct weft_bench_target *add_quick(struct weft_bench_result *r, const char *platform,
                                           const char *model, double ratio)
{
    struct weft_bench_target *t = add_target(r, platform, model);
    size_t n;
    const char *const *names = weft_kernels_quick(&n);

    for (size_t i = 0; i < n; i++) {
        add_kernel(t, names[i], ratio);
    }
    return t;
}

/* Ends the result. Gives where it is; caller frees. */
static char *keep(const char *state, struct weft_bench_result *r)
{
    weft_auto_err err = NULL;
    char *path = NULL;

    for (size_t i = 0; i < r->n; i++) {
        weft_bench_target_sum_up(&r->targets[i]);
    }
    assert_ok(weft_results_keep(state, r, &path, &err), &err);
    weft_bench_result_finish(r);
    return path;
}

static void keep_quick(const char *state, int hour, const char *model, double ratio)
{
    struct weft_bench_result r;

    start(&r, hour);
    add_quick(&r, "linux/arm64", model, ratio);
    free(keep(state, &r));
}

static void update(const char *state, struct weft_speeds *s)
{
    weft_auto_err err = NULL;

    assert_ok(weft_profile_update(state, &err), &err);
    *s = (struct weft_speeds){0};
    weft_profile_load(state, s);
}

static void assert_speed(const struct weft_speeds *s, const char *platform, const char *model,
                         double ratio, int hour)
{
    const struct weft_speed *found = weft_speeds_find(s, find(platform), "/q/qemu", "7.2", model);

    assert_non_null(found);
    assert_float_equal(found->ratio, ratio, 1e-6);
    assert_float_equal(found->low, ratio, 1e-6);
    assert_float_equal(found->high, ratio, 1e-6);
    assert_int_equal(found->measured, START + hour * HOUR);
}

static void assert_none(const struct weft_speeds *s, const char *platform, const char *model)
{
    assert_null(weft_speeds_find(s, find(platform), "/q/qemu", "7.2", model));
}

/* --- the kept results --- */

struct seen {
    time_t times[WEFT_RESULTS_MAX + 10];
    size_t n, stop_at;
};

static bool see(struct weft_bench_result *r, void *data)
{
    struct seen *s = data;

    assert_true(s->n < COUNT(s->times));
    s->times[s->n++] = r->started;
    return s->n != s->stop_at;
}

static void test_each(void **state)
{
    const char *dir = *state;
    weft_auto_free char *broken = weft_path_join(dir, "bench/results/20270101T000000Z-1.json");
    weft_auto_free char *foreign = weft_path_join(dir, "bench/results/notes.json");
    struct seen s = {0};

    weft_results_each(dir, see, &s);
    assert_int_equal(s.n, 0);
    keep_quick(dir, 2, "max", 10);
    keep_quick(dir, 1, "max", 10);
    keep_quick(dir, 3, "max", 10);
    put_file(broken, "{", 1);
    put_file(foreign, "{", 1);
    weft_results_each(dir, see, &s);
    assert_int_equal(s.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s.times[i], START + (3 - i) * HOUR);
    }
    s = (struct seen){.stop_at = 2};
    weft_results_each(dir, see, &s);
    assert_int_equal(s.n, 2);
}

/* The oldest go, but neither what was just kept nor what is not ours. */
static void test_trim(void **state)
{
    static const char *const others[] = {"20200101T000000Z.json", "2020-01-01.json", "a.json",
                                         "20200101T000000Z-1.json.bak", "20200101T000000Z-.json"};
    const char *dir = *state;
    weft_auto_free char *old = NULL;
    struct weft_bench_result r;
    struct seen s = {0};

    for (int i = 0; i < WEFT_RESULTS_MAX + 5; i++) {
        struct weft_bench_result one;

        start(&one, i);
        free(keep(dir, &one));
        for (size_t k = 0; i == 0 && k < COUNT(others); k++) {
            weft_auto_free char *path = weft_fmt("%s/bench/results/%s", dir, others[k]);

            put_file(path, "x", 1);
        }
    }
    weft_results_each(dir, see, &s);
    assert_int_equal(s.n, WEFT_RESULTS_MAX);
    assert_int_equal(s.times[0], START + (WEFT_RESULTS_MAX + 4) * HOUR);
    assert_int_equal(s.times[s.n - 1], START + 5 * HOUR);
    start(&r, -10); /* the clock went back */
    old = keep(dir, &r);
    assert_true(weft_exists(old));
    for (size_t k = 0; k < COUNT(others); k++) {
        weft_auto_free char *path = weft_fmt("%s/bench/results/%s", dir, others[k]);

        assert_true(weft_exists(path));
    }
}

/* --- the profile --- */

static void test_none(void **state)
{
    const char *dir = *state;
    weft_auto_free char *bench = weft_path_join(dir, "bench");
    struct weft_speeds s = {0};

    weft_profile_load(dir, &s);
    assert_int_equal(s.n, 0);
    assert_false(weft_exists(bench));
    update(dir, &s);
    assert_int_equal(s.n, 0);
}

static void test_newest(void **state)
{
    const char *dir = *state;
    struct weft_speeds s;

    keep_quick(dir, 1, "max", 10);
    keep_quick(dir, 3, "max", 12);
    keep_quick(dir, 2, "max", 11);
    keep_quick(dir, 0, "cortex-a53", 5);
    keep_quick(dir, 0, NULL, 7); /* in the same second, by the same process: replaces it */
    update(dir, &s);
    assert_int_equal(s.n, 2);
    assert_speed(&s, "linux/arm64", "max", 12, 3);
    assert_speed(&s, "linux/arm64", NULL, 7, 0);
    weft_speeds_finish(&s);
}

/* Of a newer weft: not read, not touched, and nothing is kept beside it. */
static void test_newer(void **state)
{
    const char *dir = *state;
    weft_auto_free char *version = weft_path_join(dir, "bench/version");
    weft_auto_free char *path = NULL;
    struct weft_bench_result r;
    struct weft_err *err = NULL;
    struct weft_speeds s;

    keep_quick(dir, 1, "max", 10);
    update(dir, &s);
    assert_int_equal(s.n, 1);
    weft_speeds_finish(&s);
    put_file(version, "2\n", 2);
    s = (struct weft_speeds){0};
    weft_profile_load(dir, &s);
    assert_int_equal(s.n, 0);
    start(&r, 2);
    assert_int_equal(weft_results_keep(dir, &r, &path, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "newer weft");
    weft_bench_result_finish(&r);
    assert_int_equal(weft_profile_update(dir, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "newer weft");
    assert_file(version, "2\n", 2);
}

/* A full run and a quick one: both by what both have; another platform by all that it has. */
static void test_common_kernels(void **state)
{
    const char *dir = *state;
    struct weft_bench_result r;
    struct weft_speeds s;

    start(&r, 0);
    add_kernel(add_quick(&r, "linux/arm64", "max", 10), "sort", 1000);
    add_kernel(add_quick(&r, "linux/riscv64", "max", 10), "sort", 10 * 128);
    free(keep(dir, &r));
    keep_quick(dir, 1, "cortex-a53", 5);
    update(dir, &s);
    assert_int_equal(s.n, 3);
    assert_speed(&s, "linux/arm64", "max", 10, 0);
    assert_speed(&s, "linux/arm64", "cortex-a53", 5, 1);
    assert_speed(&s, "linux/riscv64", "max", 20, 0); /* 128^(1/7) */
    weft_speeds_finish(&s);
}

/* What is no figure: too few kernels, too few pairs, code of the compiler's defaults alone. */
static void test_incomplete(void **state)
{
    const char *dir = *state;
    struct weft_bench_result r;
    struct weft_speeds s;

    keep_quick(dir, 0, "max", 10);
    start(&r, 1);
    add_kernel(add_target(&r, "linux/arm64", "max"), "calls", 99);
    add_quick(&r, "linux/arm64", "cortex-a53", 5)->kernels[0].n = PAIRS - 1;
    add_quick(&r, "linux/arm64", "cortex-a57", 5)->kernels[0].plain = true;
    add_quick(&r, "linux/arm64", "cortex-a72", 5)->kernels[0].samples[0].counted = false;
    free(keep(dir, &r));
    update(dir, &s);
    assert_int_equal(s.n, 1);
    assert_speed(&s, "linux/arm64", "max", 10, 0);
    weft_speeds_finish(&s);
}

/* What did wrong is not used until it does right, whatever it was before. */
static void test_failed(void **state)
{
    const char *dir = *state;
    struct weft_bench_result r;
    struct weft_speeds s;

    keep_quick(dir, 0, "max", 10);
    keep_quick(dir, 1, "cortex-a53", 5);
    start(&r, 2);
    add_kernel(add_target(&r, "linux/arm64", "max"), "sort", 10)->failure = weft_xstrdup("wrong");
    free(keep(dir, &r));
    update(dir, &s);
    assert_none(&s, "linux/arm64", "max");
    assert_speed(&s, "linux/arm64", "cortex-a53", 5, 1);
    weft_speeds_finish(&s);
    keep_quick(dir, 3, "max", 9);
    update(dir, &s);
    assert_speed(&s, "linux/arm64", "max", 9, 3);
    weft_speeds_finish(&s);
}

static void test_other_machine(void **state)
{
    const char *dir = *state;
    weft_auto_free char *path = weft_path_join(dir, "bench/profile.json");
    weft_auto_free char *text = NULL;
    weft_auto_free char *changed = NULL;
    struct weft_bench_result r;
    struct weft_speeds s;
    char *at;

    keep_quick(dir, 0, "max", 10);
    start(&r, 1);
    free(r.machine.cpu);
    r.machine.cpu = weft_xstrdup("another CPU");
    add_quick(&r, "linux/arm64", "max", 3);
    free(keep(dir, &r));
    update(dir, &s);
    assert_int_equal(s.n, 1);
    assert_speed(&s, "linux/arm64", "max", 10, 0);
    weft_speeds_finish(&s);

    /* the profile itself, of another */
    assert_int_equal(weft_read_file(path, 1 << 20, &text, NULL, NULL), 0);
    at = strstr(text, "\"machine\": {");
    assert_non_null(at);
    changed = weft_fmt("%.*s\"machine\": {\"cpu\": \"another CPU\"}, \"was\": {%s",
                       (int)(at - text), text, at + strlen("\"machine\": {"));
    put_file(path, changed, strlen(changed));
    weft_profile_load(dir, &s);
    assert_int_equal(s.n, 0);
}

/* Kernels of another weft may do other work, and other programs too. */
static void test_other_measure(void **state)
{
    const char *dir = *state;
    struct weft_bench_result r;
    struct weft_speeds s;

    start(&r, 0);
    r.weft = weft_xstrdup("0.0.1");
    add_quick(&r, "linux/arm64", "max", 10);
    add_quick(&r, "linux/riscv64", "max", 10);
    free(keep(dir, &r));
    start(&r, 1);
    *add_quick(&r, "linux/arm64", "cortex-a57", 10)->programs = 'S';
    free(keep(dir, &r));
    keep_quick(dir, 2, "cortex-a53", 5);
    update(dir, &s);
    assert_int_equal(s.n, 2);
    assert_speed(&s, "linux/arm64", "cortex-a53", 5, 2);
    assert_speed(&s, "linux/riscv64", "max", 10, 0);
    weft_speeds_finish(&s);
}

static void test_bad_profiles(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"schema\": 2}",
        "{\"schema\": 1, \"speeds\": 1}",
        "{\"schema\": 1, \"machine\": 5, \"speeds\": [1]}",
    };
    const char *dir = *state;
    weft_auto_free char *path = weft_path_join(dir, "bench/profile.json");
    weft_auto_free char *text = NULL;
    struct weft_speeds s = {0};
    char *at;

    keep_quick(dir, 0, "max", 10);
    update(dir, &s);
    weft_speeds_finish(&s);
    assert_int_equal(weft_read_file(path, 1 << 20, &text, NULL, NULL), 0);
    for (size_t i = 0; i < COUNT(texts); i++) {
        put_file(path, texts[i], strlen(texts[i]));
        weft_profile_load(dir, &s);
        assert_int_equal(s.n, 0);
    }
    /* a bad one among good ones is left out */
    at = strstr(text, "\"low\": ");
    assert_non_null(at);
    memcpy(at, "\"low\":-", 7);
    put_file(path, text, strlen(text));
    weft_profile_load(dir, &s);
    assert_int_equal(s.n, 0);
}

static void test_newer_weft(void **state)
{
    const char *dir = *state;
    weft_auto_free char *version = weft_path_join(dir, "bench/version");
    weft_auto_err err = NULL;

    keep_quick(dir, 0, "max", 10);
    put_file(version, "2\n", 2);
    assert_int_equal(weft_profile_update(dir, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "newer weft");
}

/* --- two runs --- */

static void test_compare_last(void **state)
{
    const char *dir = *state;
    struct weft_bench_result now;
    struct weft_profile_change c[4];

    keep_quick(dir, 0, "max", 20);
    keep_quick(dir, 1, "max", 10);
    keep_quick(dir, 2, "cortex-a53", 5);
    start(&now, 3);
    add_quick(&now, "linux/arm64", "max", 9.7);
    add_kernel(&now.targets[0], "sort", 1000);
    add_quick(&now, "linux/arm64", "cortex-a53", 6);
    add_quick(&now, "linux/arm64", NULL, 6);
    add_quick(&now, "linux/riscv64", "max", 6);
    weft_profile_compare_last(dir, &now, c);
    assert_int_equal(c[0].n_kernels, 6);
    assert_int_equal(c[0].before, START + HOUR);
    assert_float_equal(c[0].part, 0.03, 1e-6);
    assert_int_equal(c[1].before, START + 2 * HOUR);
    assert_float_equal(c[1].part, 0.2, 1e-6);
    assert_int_equal(c[2].n_kernels, 0);
    assert_int_equal(c[3].n_kernels, 0);

    /* it is kept before it is compared, and is not its own predecessor; later ones are not either
     */
    free(keep(dir, &now));
    keep_quick(dir, 9, "max", 1);
    start(&now, 3);
    add_kernel(add_target(&now, "linux/arm64", "max"), "calls", 11);
    weft_profile_compare_last(dir, &now, c);
    assert_int_equal(c[0].n_kernels, 1);
    assert_int_equal(c[0].before, START + HOUR);
    assert_float_equal(c[0].part, 0.1, 1e-6);
    weft_bench_result_finish(&now);
}

/* What the report says of it. */
static void test_show_last(void **state)
{
    static const char wanted[] =
        "compared to the last run here:\n"
        "  linux/arm64, QEMU 7.2 on max, 12 min ago: within 3 % (6 kernels)\n"
        "  linux/arm64, QEMU 7.2 on cortex-a53, 3 h ago: 14 % apart (1 kernel)\n"
        "    the machine is too noisy, or something has changed since: measure again\n"
        "  linux/riscv64, QEMU 7.2 on its default CPU model, 30 days ago: within 1 % (2 kernels)\n";
    struct weft_bench_result r;
    struct weft_profile_change last[4] = {0};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    start(&r, 1000);
    r.seconds = 60;
    add_target(&r, "linux/arm64", "max");
    add_target(&r, "linux/arm64", "cortex-a53");
    add_target(&r, "linux/s390x", "qemu");
    add_target(&r, "linux/riscv64", NULL);
    weft_bench_show_last(&r, last, out);
    fflush(out);
    assert_non_null(strstr(text, "no earlier run here to compare with"));
    rewind(out);
    last[0] = (struct weft_profile_change){r.started - 660, 0.021, 6};
    last[1] = (struct weft_profile_change){r.started - 3 * HOUR, 0.141, 1};
    last[3] = (struct weft_profile_change){r.started - 30 * 24 * HOUR, 0, 2};
    weft_bench_show_last(&r, last, out);
    fflush(out);
    assert_string_equal(text, wanted);
    fclose(out);
    free(text);
    weft_bench_result_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_each),          temp_test(test_trim),
        temp_test(test_none),          temp_test(test_newest),
        temp_test(test_newer),         temp_test(test_common_kernels),
        temp_test(test_incomplete),    temp_test(test_failed),
        temp_test(test_other_machine), temp_test(test_other_measure),
        temp_test(test_bad_profiles),  cmocka_unit_test(test_show_last),
        temp_test(test_newer_weft),    temp_test(test_compare_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
