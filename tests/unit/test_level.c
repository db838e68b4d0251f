/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/level.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define V2 "fpu pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"
#define V3 V2 " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
#define V4 V3 " avx512f avx512bw avx512cd avx512dq avx512vl"

static void test_lacks(void **state)
{
    static const struct {
        struct weft_platform platform;
        const char *flags;
        const char *lacks;
    } cases[] = {
        {{"linux", "amd64", ""}, "", NULL},
        {{"linux", "amd64", "v2"}, V2, NULL},
        {{"linux", "amd64", "v2"}, "fpu sse4_1", "pni"},
        {{"linux", "amd64", "v3"}, V2, "avx"},
        {{"linux", "amd64", "v3"}, V3, NULL},
        {{"linux", "amd64", "v3"}, V2 " avx avx2x bmi1 bmi2 f16c fma abm movbe xsave", "avx2"},
        {{"linux", "amd64", "v3"}, "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", "pni"},
        {{"linux", "amd64", "v4"}, V3, "avx512f"},
        {{"linux", "amd64", "v4"}, V4 "\n", NULL},
        {{"linux", "arm64", ""}, "fp asimd", NULL},
        {{"linux", "arm64", "v8.1"}, "fp asimd crc32", "atomics"},
        {{"linux", "arm64", "v8.2"}, "fp crc32 atomics asimdrdm dcpop", NULL},
        {{"linux", "arm64", "v9"}, "fp crc32 atomics asimdrdm dcpop", "sve2"},
        {{"linux", "arm", "v7"}, "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *lacks = weft_level_lacks(&cases[i].platform, cases[i].flags);

        if (cases[i].lacks) {
            assert_non_null(lacks);
            assert_string_equal(lacks, cases[i].lacks);
        } else {
            assert_null(lacks);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lacks)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
