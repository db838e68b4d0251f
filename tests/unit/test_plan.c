/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"

static struct weft_platform platforms[] = {{"linux", "amd64", ""}, {"linux", "arm", "v7"}};

static void test_slots(void **state)
{
    static const struct {
        enum weft_workers_mode mode;
        size_t n;
        bool pinned;
        uint64_t context_bytes;
        enum weft_plan_reason reason;
        const char *slots;
    } cases[] = {
        {WEFT_WORKERS_AUTO, 1, true, 1ull << 40, WEFT_PLAN_SINGLE, "linux_amd64"},
        {WEFT_WORKERS_AUTO, 2, false, 0, WEFT_PLAN_APART, "linux_amd64 linux_arm_v7"},
        {WEFT_WORKERS_AUTO, 2, false, 100000000, WEFT_PLAN_APART, "linux_amd64 linux_arm_v7"},
        {WEFT_WORKERS_AUTO, 2, false, 100000001, WEFT_PLAN_BIG_CONTEXT, "group"},
        {WEFT_WORKERS_AUTO, 2, true, 0, WEFT_PLAN_PINNED, "group"},
        {WEFT_WORKERS_PLATFORM, 2, true, 1ull << 40, WEFT_PLAN_ASKED, "linux_amd64 linux_arm_v7"},
        {WEFT_WORKERS_GROUP, 1, false, 0, WEFT_PLAN_ASKED, "group"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = {
            .platforms = platforms, .n_platforms = cases[i].n, .workers = cases[i].mode};
        struct weft_plan p = {0};
        struct weft_strv slots = {0};
        weft_auto_free char *joined = NULL;

        weft_plan_make(&r, NULL, cases[i].pinned, cases[i].context_bytes, &p);
        assert_int_equal(p.reason, cases[i].reason);
        for (size_t k = 0; k < p.n_slots; k++) {
            weft_strv_add(&slots, p.slots[k]);
        }
        joined = weft_strv_join(&slots, " ");
        assert_string_equal(joined, cases[i].slots);
        for (size_t k = 0; k < p.n_platforms; k++) {
            assert_true(p.slot_of[k] < p.n_slots);
        }
        weft_strv_finish(&slots);
        weft_plan_finish(&p);
    }
}

/* A context that BuildKit fetches is fetched by one worker. */
static void test_remote(void **state)
{
    static char url[] = "https://h/x";
    struct weft_request r = {.platforms = platforms, .n_platforms = 2, .pinned.context = url};
    struct weft_plan p = {0};

    (void)state;
    weft_plan_make(&r, NULL, false, 0, &p);
    assert_int_equal(p.reason, WEFT_PLAN_REMOTE);
    assert_int_equal(p.n_slots, 1);
    weft_plan_finish(&p);
    r.workers = WEFT_WORKERS_PLATFORM;
    weft_plan_make(&r, NULL, false, 0, &p);
    assert_int_equal(p.n_slots, 2);
    weft_plan_finish(&p);
}

/* arm/v5 and v6 need other handlers for the same machine than arm/v7 and the rest. */
static void test_clashes(void **state)
{
    struct weft_platform all[] = {{"linux", "arm", "v5"},
                                  {"linux", "amd64", ""},
                                  {"linux", "arm", "v6"},
                                  {"linux", "arm", "v7"}};
    const bool clashes[] = {true, false, true, false};
    struct weft_request r = {.platforms = all, .n_platforms = 4, .workers = WEFT_WORKERS_GROUP};
    struct weft_plan p = {0};

    (void)state;
    weft_plan_make(&r, clashes, false, 0, &p);
    assert_int_equal(p.n_slots, 3);
    assert_string_equal(p.slots[p.slot_of[0]], "group_linux_arm_v5");
    assert_string_equal(p.slots[p.slot_of[1]], "group");
    assert_string_equal(p.slots[p.slot_of[2]], "group_linux_arm_v6");
    assert_string_equal(p.slots[p.slot_of[3]], "group");
    weft_plan_finish(&p);

    r.n_platforms = 1; /* the common one is not made for nobody */
    weft_plan_make(&r, clashes, false, 0, &p);
    assert_int_equal(p.n_slots, 1);
    assert_string_equal(p.slots[0], "group_linux_arm_v5");
    weft_plan_finish(&p);

    r.n_platforms = 4; /* a worker each: nothing to share, nothing to clash */
    r.workers = WEFT_WORKERS_PLATFORM;
    weft_plan_make(&r, clashes, false, 0, &p);
    assert_int_equal(p.n_slots, 4);
    assert_string_equal(p.slots[p.slot_of[2]], "linux_arm_v6");
    weft_plan_finish(&p);
}

static void test_tree_bytes(void **state)
{
    char dir[] = "/tmp/weft-plan-XXXXXX";
    weft_auto_free char *sub = NULL;
    weft_auto_free char *a = NULL;
    weft_auto_free char *b = NULL;
    weft_auto_free char *link = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    sub = weft_path_join(dir, "sub");
    a = weft_path_join(dir, "a");
    b = weft_path_join(sub, "b");
    link = weft_path_join(dir, "link");
    assert_int_equal(mkdir(sub, 0755), 0);
    assert_int_equal(weft_write_file(a, "12345", 5, 0644, NULL), 0);
    assert_int_equal(weft_write_file(b, "123", 3, 0644, NULL), 0);
    assert_int_equal(symlink(sub, link), 0); /* is not followed */
    assert_int_equal(weft_tree_bytes(dir, 1000), 8);
    assert_int_equal(weft_tree_bytes(link, 1000), 3); /* but for the context itself */
    assert_true(weft_tree_bytes(dir, 1) > 1);
    assert_int_equal(weft_tree_bytes("/nonexistent", 1000), 0);
    assert_int_equal(weft_rmtree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots), cmocka_unit_test(test_remote),
                                       cmocka_unit_test(test_clashes),
                                       cmocka_unit_test(test_tree_bytes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
