/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/emulator.h"

#include "base/cleanup.h"
#include "binfmt/health.h"
#include "tests/helpers.h"
#include "tests/unit/fake_qemu.h"

#define BASELINE "cortex-a8,neon=off"

static const struct weft_platform armv7 = {"linux", "arm", "v7"};
static const struct weft_cpu_choices fastest = {.all = {WEFT_CPU_FASTEST, NULL}, .given = true};
static const struct weft_cpu_choices baseline = {0};

/* A figure; model NULL: none. */
struct figure {
    const char *model;
    double low, high;
};

static void measure(struct weft_speeds *s, const struct weft_platform *p, const struct weft_qemu *q,
                    const char *version, const struct figure *f)
{
    weft_auto_free char *path = weft_xstrdup(q->path);
    weft_auto_free char *model = weft_xstrdup(f->model);
    weft_auto_free char *copy = weft_xstrdup(version);
    const struct weft_speed one = {.platform = weft_catalogue_find(p),
                                   .qemu = path,
                                   .version = copy,
                                   .model = model,
                                   .ratio = (f->low + f->high) / 2,
                                   .low = f->low,
                                   .high = f->high};

    weft_speeds_add(s, &one);
}

static void test_fastest(void **state)
{
    static const struct {
        struct figure figures[4];
        const char *model;
        bool unmeasured;
    } cases[] = {
        {{{0}}, BASELINE, true},
        {{{BASELINE, 8, 9}}, BASELINE, true}, /* max could have been measured */
        {{{"cortex-a15", 6, 7}}, BASELINE, true},
        {{{BASELINE, 8, 9}, {"cortex-a15", 6, 7}}, "cortex-a15", false},
        {{{"cortex-a15", 10, 11}, {BASELINE, 8, 9}}, BASELINE, false},
        /* a tie */
        {{{"cortex-a15", 7, 8.5}, {BASELINE, 8, 9}}, BASELINE, false},
        /* the others tie with each other */
        {{{BASELINE, 8, 9}, {"cortex-a9", 6.5, 6.8}, {"cortex-a15", 6, 7}}, "cortex-a15", false},
        {{{BASELINE, 8, 9}, {"cortex-a15", 6.5, 6.8}, {"cortex-a9", 6, 7}}, "cortex-a9", false},
        {{{BASELINE, 8, 9}, {"cortex-a9", 6, 7}, {"cortex-a15", 6, 7}}, "cortex-a15", false},
        /* the baseline ties with the first and not with the second, which is slower */
        {{{BASELINE, 8, 9}, {"cortex-a9", 7, 7.5}, {"cortex-a15", 5, 8.5}}, "cortex-a15", false},
        /* one that is not there any more, and one that is too weak for the platform */
        {{{BASELINE, 8, 9}, {"cortex-a7", 1, 2}, {"cortex-a15", 6, 7}}, "cortex-a15", false},
        {{{BASELINE, 8, 9}, {"arm926", 1, 2}, {"cortex-a15", 10, 11}}, BASELINE, false},
        {{{BASELINE, 8, 9}, {"arm926", 1, 2}}, BASELINE, true},
    };
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_qemus q = {0};
    struct weft_err *err = NULL;

    fake_qemu_add(&q, *state, "fake", "arm", "7.2.22");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_speeds speeds = {0};
        struct weft_emulators from = {
            .answers = a, .qemus = &q, .cpu = &fastest, .speeds = &speeds};
        struct weft_emulator e = {0};
        weft_auto_free char *model = NULL;

        for (size_t k = 0; k < COUNT(cases[i].figures) && cases[i].figures[k].model; k++) {
            measure(&speeds, &armv7, &q.v[0], "7.2.22", &cases[i].figures[k]);
        }
        assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
        if (strcmp(e.model, cases[i].model) != 0 || e.unmeasured != cases[i].unmeasured) {
            fail_msg("case %zu: %s, unmeasured %d", i, e.model, e.unmeasured);
        }
        weft_emulator_finish(&e);
        assert_ok(weft_emulator_model(&from, &q.v[0], p, &model, NULL, &err), &err);
        assert_string_equal(model, cases[i].model);
        /* the policy alone makes a difference */
        from.cpu = &baseline;
        assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
        assert_string_equal(e.model, BASELINE);
        assert_false(e.unmeasured);
        weft_emulator_finish(&e);
        weft_speeds_finish(&speeds);
    }
    weft_qemus_finish(&q);
    weft_answers_destroy(a);
}

/* What was measured of another platform, another file or another version says nothing. */
static void test_fastest_of_others(void **state)
{
    static const struct weft_platform armv6 = {"linux", "arm", "v6"};
    static const struct figure figures[] = {{BASELINE, 8, 9}, {"cortex-a15", 6, 7}};
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_speeds speeds = {0};
    struct weft_qemus q = {0};
    struct weft_emulators from = {.answers = a, .qemus = &q, .cpu = &fastest, .speeds = &speeds};
    weft_auto_free char *model = NULL;
    struct weft_err *err = NULL;
    bool unmeasured = false;

    fake_qemu_add(&q, *state, "fake", "arm", "7.2.22");
    fake_qemu_add(&q, *state, "other", "arm", "7.2.22");
    for (size_t i = 0; i < COUNT(figures); i++) {
        measure(&speeds, &armv6, &q.v[0], "7.2.22", &figures[i]);
        measure(&speeds, &armv7, &q.v[1], "7.2.22", &figures[i]);
        measure(&speeds, &armv7, &q.v[0], "7.2.21", &figures[i]);
    }
    assert_ok(weft_emulator_model(&from, &q.v[0], p, &model, &unmeasured, &err), &err);
    assert_string_equal(model, BASELINE);
    assert_true(unmeasured);
    free(weft_steal(&model));
    measure(&speeds, &armv7, &q.v[0], "7.2.22", &figures[0]); /* it is alone */
    assert_ok(weft_emulator_model(&from, &q.v[0], p, &model, &unmeasured, &err), &err);
    assert_string_equal(model, BASELINE);
    assert_true(unmeasured);
    from.speeds = NULL;
    free(weft_steal(&model));
    assert_ok(weft_emulator_model(&from, &q.v[0], p, &model, &unmeasured, &err), &err);
    assert_string_equal(model, BASELINE);
    assert_true(unmeasured);
    weft_speeds_finish(&speeds);
    weft_qemus_finish(&q);
    weft_answers_destroy(a);
}

/* The built-in ranking is 7.2, 10.0, 11.1. */
static void test_rank(void **state)
{
    static const char *const versions[] = {"7.2.22", "10.0.13", "11.1.3"};
    static const struct {
        struct figure figures[3]; /* one for each version */
        const char *version;
    } cases[] = {
        {{{0}}, "7.2.22"},
        {{{BASELINE, 9, 10}, {BASELINE, 7, 8}, {BASELINE, 12, 13}}, "10.0.13"},
        {{{BASELINE, 9, 10}, {BASELINE, 7, 9.5}, {BASELINE, 8, 9.2}}, "7.2.22"},
        {{{0}, {BASELINE, 7, 8}, {0}}, "7.2.22"},
        /* figures of another model */
        {{{BASELINE, 9, 10}, {"max", 7, 8}, {0}}, "7.2.22"},
        /* 11.1 is known to be faster than 7.2, which comes before 10.0, which comes before 11.1 */
        {{{BASELINE, 9, 10}, {0}, {BASELINE, 5, 6}}, "10.0.13"},
        {{{BASELINE, 9, 10}, {BASELINE, 5, 6}, {0}}, "10.0.13"},
        /* ties follow each other: 7.2 is known to be slower than 11.1 only */
        {{{BASELINE, 9, 10}, {BASELINE, 7, 9.5}, {BASELINE, 6, 7.5}}, "10.0.13"},
        /* what cannot be is an order all the same */
        {{{BASELINE, 9, 3}, {BASELINE, 9, 3}, {BASELINE, 9, 3}}, NULL},
    };
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_err *err = NULL;

    for (size_t first = 0; first < COUNT(versions);
         first++) { /* in whatever order they are found */
        struct weft_qemus q = {0};

        for (size_t i = 0; i < COUNT(versions); i++) {
            const char *version = versions[(first + i) % COUNT(versions)];

            fake_qemu_add(&q, *state, version, "arm", version);
        }
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct weft_speeds speeds = {0};
            struct weft_emulators from = {
                .answers = a, .qemus = &q, .cpu = &baseline, .speeds = &speeds};
            struct weft_emulator e = {0};

            for (size_t k = 0; k < COUNT(versions); k++) {
                const struct figure *f = &cases[i].figures[(first + k) % COUNT(versions)];

                if (f->model) {
                    measure(&speeds, &armv7, &q.v[k], q.v[k].version, f);
                }
            }
            assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
            if (cases[i].version && strcmp(e.version, cases[i].version) != 0) {
                fail_msg("case %zu, first %s: %s", i, versions[first], e.version);
            }
            weft_emulator_finish(&e);
            weft_speeds_finish(&speeds);
        }
        weft_qemus_finish(&q);
    }
    weft_answers_destroy(a);
}

/* Each QEMU has a fastest model of its own, and they are compared with these. */
static void test_fastest_and_rank(void **state)
{
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_speeds speeds = {0};
    struct weft_qemus q = {0};
    struct weft_emulators from = {.answers = a, .qemus = &q, .cpu = &fastest, .speeds = &speeds};
    struct weft_emulator e = {0};
    struct weft_err *err = NULL;

    fake_qemu_add(&q, *state, "old", "arm", "7.2.22");
    fake_qemu_add(&q, *state, "new", "arm", "11.1.3");
    measure(&speeds, &armv7, &q.v[0], "7.2.22", &(struct figure){BASELINE, 8, 9});
    measure(&speeds, &armv7, &q.v[0], "7.2.22", &(struct figure){"max", 10, 11});
    measure(&speeds, &armv7, &q.v[1], "11.1.3", &(struct figure){BASELINE, 9.5, 10});
    measure(&speeds, &armv7, &q.v[1], "11.1.3", &(struct figure){"max", 6, 7});
    assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
    assert_string_equal(e.version, "11.1.3");
    assert_string_equal(e.model, "max");
    weft_emulator_finish(&e);
    from.qemu = "7.2"; /* who asks for one has that one */
    assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
    assert_string_equal(e.version, "7.2.22");
    assert_string_equal(e.model, BASELINE);
    weft_emulator_finish(&e);
    from.cpu = &baseline;
    from.qemu = NULL;
    assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
    assert_string_equal(e.version, "7.2.22");
    assert_string_equal(e.model, BASELINE);
    weft_emulator_finish(&e);
    weft_speeds_finish(&speeds);
    weft_qemus_finish(&q);
    weft_answers_destroy(a);
}

/* A model on which QEMU gets results wrong is not the fastest; and who has no other QEMU is told
 * what is wrong with this one. */
static void test_bad(void **state)
{
    static const struct figure figures[] = {
        {BASELINE, 8, 9}, {"cortex-a9", 6, 6.5}, {"cortex-a15", 4, 5}};
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_speeds speeds = {0};
    struct weft_qemus q = {0};
    struct weft_emulators from = {.answers = a, .qemus = &q, .cpu = &fastest, .speeds = &speeds};
    struct weft_emulator e = {0};
    struct weft_err *err = NULL;

    fake_qemu_add(&q, *state, "fake", "arm", "7.2.22");
    for (size_t i = 0; i < COUNT(figures); i++) {
        measure(&speeds, &armv7, &q.v[0], "7.2.22", &figures[i]);
    }
    weft_health_spoil(a, q.v[0].path, p->machine, "cortex-a15", "lz: another text");
    assert_int_equal(weft_emulator_choose(&from, p, false, &e, &err), 1);
    assert_string_equal(e.model, "cortex-a9");
    assert_null(e.unwell);
    weft_emulator_finish(&e);
    weft_health_spoil(a, q.v[0].path, p->machine, BASELINE, "sort: number 7 is smaller");
    from.cpu = &baseline;
    assert_int_equal(weft_emulator_choose(&from, p, true, &e, &err), 1);
    assert_string_equal(e.model, BASELINE);
    assert_string_equal(e.unwell, "sort: number 7 is smaller");
    weft_emulator_finish(&e);
    weft_speeds_finish(&speeds);
    weft_qemus_finish(&q);
    weft_answers_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {temp_test(test_fastest), temp_test(test_fastest_of_others),
                                       temp_test(test_bad), temp_test(test_rank),
                                       temp_test(test_fastest_and_rank)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
