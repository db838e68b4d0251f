/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "engine/docker_units.h"
#include "tests/helpers.h"

static void test_size(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } cases[] = {
        {0, "0B"},
        {999, "999B"},
        {1000, "1kB"},
        {8224, "8.224kB"},
        {811700000, "811.7MB"},
        {1704000000, "1.704GB"},
        {10250000000, "10.25GB"},
        {UINT64_MAX, "18.45EB"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *got = weft_docker_size(cases[i].bytes);

        assert_string_equal(got, cases[i].want);
    }
}

static void test_duration(void **state)
{
    static const struct {
        int64_t s;
        const char *want;
    } cases[] = {
        {-5, "Less than a second"}, {0, "Less than a second"}, {1, "1 second"},
        {59, "59 seconds"},         {60, "About a minute"},    {119, "About a minute"},
        {120, "2 minutes"},         {3599, "59 minutes"},      {3600, "About an hour"},
        {5400, "2 hours"},          {47 * 3600, "47 hours"},   {48 * 3600, "2 days"},
        {13 * 86400, "13 days"},    {14 * 86400, "2 weeks"},   {60 * 86400, "2 months"},
        {730 * 86400, "2 years"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *got = weft_docker_duration(cases[i].s);

        assert_string_equal(got, cases[i].want);
    }
}

static void test_parse_size(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: none */
    } cases[] = {
        {"0", 0},
        {"67108864", 67108864},
        {"64m", 67108864},
        {"64MB", 67108864},
        {"64MiB", 67108864},
        {"1.5g", 1610612736},
        {"2 gb", 2147483648},
        {"100b", 100},
        {".5k", 512},
        {"1p", INT64_C(1) << 50},
        {"", -1},
        {"m", -1},
        {".", -1},
        {"-1", -1},
        {"+1", -1},
        {"1.2.3m", -1},
        {"1e3", -1},
        {"0x10", -1},
        {" 1", -1},
        {"1 ", 1},
        {"1  k", -1},
        {"1x", -1},
        {"1mi", -1},
        {"1mbb", -1},
        {"1bb", -1},
        {"1kk", -1},
        {"10%", -1},
        {"99999p", -1},
        {"1111111111111111", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t got = 0;
        int rc = weft_docker_parse_size(cases[i].text, &got);

        if (rc != (cases[i].want < 0 ? -1 : 0) || (rc == 0 && got != (uint64_t)cases[i].want)) {
            fail_msg("\"%s\": %d, %llu", cases[i].text, rc, (unsigned long long)got);
        }
    }
}

static void test_parse_duration(void **state)
{
    static const struct {
        const char *text;
        int64_t want_ms; /* -1: none */
    } cases[] = {
        {"0", 0},           {"0s", 0},        {"24h", 86400000},
        {"2h30m", 9000000}, {"1.5s", 1500},   {"100ms", 100},
        {"1m1ms", 60001},   {"1000us", 1},    {"1000\xc2\xb5s", 1},
        {"1000000ns", 1},   {".5h", 1800000}, {"", -1},
        {"24", -1},         {"h", -1},        {"-1h", -1},
        {"1d", -1},         {"1h ", -1},      {"1h30", -1},
        {"9999999h", -1},   {"1..5h", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = 0;
        int rc = weft_docker_parse_duration(cases[i].text, &got);

        if (rc != (cases[i].want_ms < 0 ? -1 : 0) || (rc == 0 && got != cases[i].want_ms)) {
            fail_msg("\"%s\": %d, %lld", cases[i].text, rc, (long long)got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_parse_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
