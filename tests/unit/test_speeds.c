/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/speeds.h"
#include "tests/helpers.h"

static const struct weft_platform_info *platform(const char *name)
{
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(name, &p, NULL), 0);
    return weft_catalogue_find(&p);
}

static void add(struct weft_speeds *s, const char *p, const char *version, const char *model,
                double ratio)
{
    char qemu[] = "/q/qemu", v[16], m[16];

    snprintf(v, sizeof(v), "%s", version ? version : "");
    snprintf(m, sizeof(m), "%s", model ? model : "");
    weft_speeds_add(s, &(struct weft_speed){.platform = platform(p),
                                            .qemu = qemu,
                                            .version = version ? v : NULL,
                                            .model = model ? m : NULL,
                                            .ratio = ratio,
                                            .low = ratio * 0.9,
                                            .high = ratio * 1.1});
    memset(qemu, 'x', sizeof(qemu) - 1); /* strings are copied */
    memset(m, 'x', sizeof(m) - 1);
}

static void assert_speed(const struct weft_speeds *s, const char *p, const char *version,
                         const char *model, double ratio)
{
    const struct weft_speed *found = weft_speeds_find(s, platform(p), "/q/qemu", version, model);

    assert_non_null(found);
    assert_float_equal(found->ratio, ratio, 0);
}

static void test_find(void **state)
{
    struct weft_speeds s = {0};

    (void)state;
    assert_null(weft_speeds_find(NULL, platform("linux/arm64"), "/q/qemu", NULL, NULL));
    assert_null(weft_speeds_find(&s, platform("linux/arm64"), "/q/qemu", NULL, NULL));
    add(&s, "linux/arm64", "7.2", "max", 9);
    add(&s, "linux/arm64", "7.2", NULL, 10);
    add(&s, "linux/arm64", "10.0", "max", 11);
    add(&s, "linux/riscv64", "7.2", "max", 12);
    add(&s, "linux/arm64", NULL, "max", 13);
    assert_int_equal(s.n, 5);
    assert_speed(&s, "linux/arm64", "7.2", "max", 9);
    assert_speed(&s, "linux/arm64", "7.2", NULL, 10);
    assert_speed(&s, "linux/arm64", "10.0", "max", 11);
    assert_speed(&s, "linux/riscv64", "7.2", "max", 12);
    assert_speed(&s, "linux/arm64", NULL, "max", 13);
    assert_null(weft_speeds_find(&s, platform("linux/arm64"), "/q/qemu", "7.2", "cortex-a53"));
    assert_null(weft_speeds_find(&s, platform("linux/arm64"), "/other", "7.2", "max"));
    assert_null(weft_speeds_find(&s, platform("linux/s390x"), "/q/qemu", "7.2", "max"));
    weft_speeds_finish(&s);
    assert_int_equal(s.n, 0);
}

static void test_replace(void **state)
{
    struct weft_speeds s = {0};

    (void)state;
    add(&s, "linux/arm64", "7.2", "max", 9);
    add(&s, "linux/arm64", "7.2", "cortex-a53", 5);
    add(&s, "linux/arm64", "7.2", "max", 8);
    assert_int_equal(s.n, 2);
    assert_speed(&s, "linux/arm64", "7.2", "max", 8);
    assert_speed(&s, "linux/arm64", "7.2", "cortex-a53", 5);
    weft_speeds_finish(&s);
}

static void test_rank(void **state)
{
    const struct weft_speed fast = {.ratio = 5, .low = 4.5, .high = 5.5};
    const struct weft_speed near = {.ratio = 5.6, .low = 5.5, .high = 6};
    const struct weft_speed hardly = {.ratio = 5.099, .low = 5.09, .high = 5.11};
    const struct weft_speed sharp = {.ratio = 5, .low = 4.99, .high = 5.01};
    const struct weft_speed slow = {.ratio = 9, .low = 8, .high = 9.5};

    (void)state;
    assert_true(weft_speeds_rank(&fast, &slow) < 0);
    assert_true(weft_speeds_rank(&slow, &fast) > 0);
    assert_int_equal(weft_speeds_rank(&fast, &near), 0);
    assert_int_equal(weft_speeds_rank(&fast, &fast), 0);
    assert_int_equal(weft_speeds_rank(&sharp, &hardly), 0);
    assert_int_equal(weft_speeds_rank(&hardly, &sharp), 0);
    assert_true(weft_speeds_rank(&sharp, &near) < 0);
    assert_true(weft_speeds_rank(&near, &sharp) > 0);
    assert_int_equal(weft_speeds_rank(NULL, &fast), 0);
    assert_int_equal(weft_speeds_rank(&fast, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_rank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
