/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/match.h"
#include "tests/helpers.h"

static struct weft_platform platform(const char *text)
{
    weft_auto_strv parts = {0};
    struct weft_platform p;

    weft_split(text, '/', &parts);
    weft_platform_from_fields(parts.v[0], parts.v[1], parts.n > 2 ? parts.v[2] : NULL, &p);
    return p;
}

/* Every list is all that does for its first, from the best to the worst. */
static const char *const lists[][28] = {
    {"linux/amd64", "linux/386"},
    {"linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"},
    {"linux/386"},
    {"linux/arm/v5"},
    {"linux/arm/v6", "linux/arm/v5"},
    {"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
    {"linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
    {"linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
    {"linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8", "linux/arm/v7",
     "linux/arm/v6", "linux/arm/v5"},
    {"linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8.4", "linux/arm64/v8.3",
     "linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8", "linux/arm/v7",
     "linux/arm/v6", "linux/arm/v5"},
    {"linux/arm64/v9.5", "linux/arm64/v9.4", "linux/arm64/v9.3", "linux/arm64/v9.2",
     "linux/arm64/v9.1", "linux/arm64/v9",   "linux/arm64/v8.9", "linux/arm64/v8.8",
     "linux/arm64/v8.7", "linux/arm64/v8.6", "linux/arm64/v8.5", "linux/arm64/v8.4",
     "linux/arm64/v8.3", "linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64",
     "linux/arm/v8",     "linux/arm/v7",     "linux/arm/v6",     "linux/arm/v5"},
    {"linux/riscv64"},
    {"linux/ppc64le"},
    {"linux/mips64le"},
    {"windows/amd64", "windows/386"},
    {"linux/amd64/v3-of-ours", "linux/386"},
    {"linux/arm64/later"},
};

static const char *const all[] = {
    "linux/amd64",      "linux/amd64/v2",   "linux/amd64/v3",    "linux/amd64/v4",
    "linux/386",        "linux/386/sse2",   "linux/arm64",       "linux/arm64/v8.1",
    "linux/arm64/v8.2", "linux/arm64/v8.3", "linux/arm64/v8.4",  "linux/arm64/v8.5",
    "linux/arm64/v8.6", "linux/arm64/v8.7", "linux/arm64/v8.8",  "linux/arm64/v8.9",
    "linux/arm64/v9",   "linux/arm64/v9.1", "linux/arm64/v9.2",  "linux/arm64/v9.3",
    "linux/arm64/v9.4", "linux/arm64/v9.5", "linux/arm64/v7",    "linux/arm64/later",
    "linux/arm/v4",     "linux/arm/v5",     "linux/arm/v6",      "linux/arm/v7",
    "linux/arm/v8",     "linux/arm/v7.1",   "linux/riscv64",     "linux/ppc64le",
    "linux/ppc64",      "linux/mips64le",   "linux/mipsle",      "windows/amd64",
    "windows/386",      "windows/arm64",    "unknown/unknown",   "linux/amd64/v3-of-ours",
    "linux/amd64/v",    "linux/arm64/v8.",  "linux/arm64/v8.10",
};

static size_t place(const char *const list[], size_t max, const char *name)
{
    size_t i = 0;

    while (i < max && list[i] && strcmp(list[i], name) != 0) {
        i++;
    }
    return i < max && list[i] ? i : max;
}

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct weft_platform want = platform(lists[i][0]);

        for (size_t a = 0; a < COUNT(all); a++) {
            size_t at = place(lists[i], COUNT(lists[i]), all[a]);
            struct weft_platform pa = platform(all[a]);

            if (weft_platform_matches(&want, &pa, false) != (at < COUNT(lists[i]))) {
                fail_msg("%s for %s", all[a], lists[i][0]);
            }
            assert_int_equal(weft_platform_matches(&want, &pa, true), at == 0);
            for (size_t b = 0; b < COUNT(all); b++) {
                struct weft_platform pb = platform(all[b]);

                if (weft_platform_better(&want, &pa, &pb) !=
                    (at < place(lists[i], COUNT(lists[i]), all[b]))) {
                    fail_msg("%s: %s before %s?", lists[i][0], all[a], all[b]);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
