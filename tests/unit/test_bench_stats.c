/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <math.h>

#include "bench/stats.h"
#include "tests/helpers.h"

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%.17g is not %.17g", got, want);
    }
}

static void test_median(void **state)
{
    double odd[] = {9, 1, 5}, even[] = {4, 1, 3, 2}, one[] = {7};

    (void)state;
    assert_near(weft_stats_median(odd, 3), 5, 0);
    assert_near(weft_stats_median(even, 4), 2.5, 0);
    assert_near(weft_stats_median(one, 1), 7, 0);
}

/* All pairs the same, or only one: the interval is the ratio. */
static void test_no_spread(void **state)
{
    const double same[] = {3, 3, 3, 3, 3}, one[] = {8.5};
    struct weft_ratio r = weft_stats_ratio(same, COUNT(same));

    (void)state;
    assert_near(r.ratio, 3, 1e-12);
    assert_near(r.low, 3, 1e-12);
    assert_near(r.high, 3, 1e-12);
    r = weft_stats_ratio(one, 1);
    assert_near(r.low, 8.5, 1e-12);
    assert_near(r.high, 8.5, 1e-12);
}

/*
 * Five different ratios: the median of a resample of five is the k-th smallest with a probability
 * that can be counted. It is the smallest when at least three draws are: 5.792 %; so the 2.5 %
 * percentiles are the extremes. With nine it is the smallest in 0.14 %, at most the second in
 * 3.0 %: the ends are the second and the eighth. With seven it is the smallest in 1.0 %, but the
 * percentiles of so few are taken further out: from the second to the sixth would be 87 %.
 */
static void test_known_interval(void **state)
{
    const double five[] = {5, 1, 4, 2, 3}, seven[] = {7, 1, 6, 2, 5, 3, 4};
    const double nine[] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    struct weft_ratio r = weft_stats_ratio(five, COUNT(five));

    (void)state;
    assert_near(r.ratio, 3, 1e-12);
    assert_near(r.low, 1, 1e-12);
    assert_near(r.high, 5, 1e-12);
    r = weft_stats_ratio(seven, COUNT(seven));
    assert_near(r.low, 1, 1e-12);
    assert_near(r.high, 7, 1e-12);
    r = weft_stats_ratio(nine, COUNT(nine));
    assert_near(r.ratio, 5, 1e-12);
    assert_near(r.low, 2, 1e-12);
    assert_near(r.high, 8, 1e-12);
}

/* One that is far off moves neither the median nor, among nine, the interval. */
static void test_outlier(void **state)
{
    const double v[] = {10, 10, 10, 10, 10, 10, 10, 10, 1000};
    struct weft_ratio r = weft_stats_ratio(v, COUNT(v));

    (void)state;
    assert_near(r.ratio, 10, 1e-12);
    assert_near(r.high, 10, 1e-12);
}

static void test_mean(void **state)
{
    const double two[] = {2, 2, 2}, eight[] = {8, 8, 8, 8}, wide[] = {1, 2, 4, 8, 16};
    const struct weft_stats_set sets[] = {{two, 3}, {eight, 4}}, mixed[] = {{two, 3}, {wide, 5}};
    struct weft_ratio r = weft_stats_mean(sets, 2);

    (void)state;
    assert_near(r.ratio, 4, 1e-12);
    assert_near(r.low, 4, 1e-12);
    assert_near(r.high, 4, 1e-12);
    r = weft_stats_mean(mixed, 2);
    assert_near(r.ratio, sqrt(8), 1e-12);
    assert_near(r.low, sqrt(2), 1e-12);
    assert_near(r.high, sqrt(32), 1e-12);
}

static void test_same_each_time(void **state)
{
    double v[40];
    struct weft_ratio a, b;

    (void)state;
    for (size_t i = 0; i < COUNT(v); i++) {
        v[i] = 5 + sin((double)i);
    }
    a = weft_stats_ratio(v, COUNT(v));
    b = weft_stats_ratio(v, COUNT(v));
    assert_near(a.low, b.low, 0);
    assert_near(a.high, b.high, 0);
    assert_true(a.low < a.ratio && a.ratio < a.high);
    assert_true(a.high - a.low < 1);
}

/* What has no spread has no interval; what has one has that of its ends, on either side. */
static void test_quotient(void **state)
{
    const double three[] = {3, 3, 3}, five[] = {5, 1, 4, 2, 3};
    const struct weft_stats_set fixed = {three, 3}, wide = {five, 5};
    struct weft_stats_spread *a = weft_xcalloc(3, sizeof(*a)), *b = a + 1, *c = a + 2;
    struct weft_ratio r;

    (void)state;
    weft_stats_resample(&fixed, 1, 1, a);
    weft_stats_resample(&wide, 1, 2, b);
    weft_stats_resample(&wide, 1, 3, c);
    r = weft_stats_quotient(b, a);
    assert_near(r.ratio, 1, 1e-12);
    assert_near(r.low, 1.0 / 3, 1e-12);
    assert_near(r.high, 5.0 / 3, 1e-12);
    r = weft_stats_quotient(a, b);
    assert_near(r.low, 3.0 / 5, 1e-12);
    assert_near(r.high, 3, 1e-12);
    r = weft_stats_quotient(b, b);
    assert_near(r.low, 1, 1e-12);
    assert_near(r.high, 1, 1e-12);
    r = weft_stats_quotient(b, c); /* the same samples, drawn from another way */
    assert_near(r.ratio, 1, 1e-12);
    assert_true(r.low < 0.5 && r.high > 2);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),         cmocka_unit_test(test_no_spread),
        cmocka_unit_test(test_known_interval), cmocka_unit_test(test_outlier),
        cmocka_unit_test(test_mean),           cmocka_unit_test(test_same_each_time),
        cmocka_unit_test(test_quotient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
