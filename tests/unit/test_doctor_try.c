/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/doctor_try.h"

#include <errno.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "tests/helpers.h"

enum {
    LONG_MS = 10000,
    SHORT_MS = 500,
};

/* What a try is to do. */
struct plan {
    void (*act)(struct weft_try_self *self);
};

static void run_plan(struct weft_try_self *self, const void *data)
{
    const struct plan *p = data;

    p->act(self);
}

static const struct weft_json *run_one(struct weft_tries *t, const struct plan *p, int limit_ms,
                                       const char *dir, enum weft_try_outcome *outcome)
{
    weft_tries_add(t,
                   &(struct weft_try_opts){
                       .name = "x", .limit_ms = limit_ms, .dir = dir, .fn = run_plan, .data = p});
    assert_int_equal(weft_tries_run(t, 2, LONG_MS, NULL), 0);
    return weft_tries_facts(t, "x", 0, outcome);
}

static void act_facts(struct weft_try_self *self)
{
    weft_json_set_str(self->facts, "first", "1");
    weft_json_set_str(self->facts, "both", "1");
    weft_try_tell(self);
    weft_json_set_str(self->facts, "both", "2");
}

static void test_facts(void **state)
{
    struct weft_tries *t = weft_tries_create();
    enum weft_try_outcome outcome;
    const struct weft_json *facts;

    (void)state;
    facts = run_one(t, &(struct plan){act_facts}, LONG_MS, NULL, &outcome);
    assert_int_equal(outcome, WEFT_TRY_DONE);
    assert_string_equal(weft_json_str(facts, "first"), "1");
    assert_string_equal(weft_json_str(facts, "both"), "2");
    assert_null(weft_tries_facts(t, "x", 1, NULL));
    assert_null(weft_tries_facts(t, "y", 0, NULL));
    weft_tries_destroy(t);
}

/* One that hangs, and leaves two processes, one of them in a session of its own. */
static void act_hang(struct weft_try_self *self)
{
    pid_t pid = fork();

    if (pid == 0) {
        setsid();
        pause();
    }
    weft_json_set_int(self->facts, "orphan", pid);
    weft_try_tell(self);
    pause();
}

static void test_hangs(void **state)
{
    struct weft_tries *t = weft_tries_create();
    enum weft_try_outcome outcome;
    uint64_t begun = weft_now_ms();
    const struct weft_json *facts;
    pid_t orphan;

    (void)state;
    facts = run_one(t, &(struct plan){act_hang}, SHORT_MS, NULL, &outcome);
    assert_int_equal(outcome, WEFT_TRY_TOO_LONG);
    assert_true(weft_now_ms() - begun < LONG_MS);
    orphan = (pid_t)weft_json_int(facts, "orphan", 0);
    assert_true(orphan > 0);
    assert_int_equal(kill(orphan, 0), -1);
    assert_int_equal(errno, ESRCH);
    weft_tries_destroy(t);
}

static void act_die(struct weft_try_self *self)
{
    weft_json_set_bool(self->facts, "before", true);
    weft_try_tell(self);
    kill(getpid(), SIGKILL);
}

static void act_exit(struct weft_try_self *self)
{
    (void)self;
    _exit(3);
}

static void test_dies(void **state)
{
    static const struct plan plans[] = {{act_die}, {act_exit}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct weft_tries *t = weft_tries_create();
        enum weft_try_outcome outcome;
        const struct weft_json *facts = run_one(t, &plans[i], LONG_MS, NULL, &outcome);

        assert_int_equal(outcome, WEFT_TRY_DIED);
        assert_int_equal(weft_json_bool(facts, "before", false), i == 0);
        weft_tries_destroy(t);
    }
}

static void act_dir(struct weft_try_self *self)
{
    weft_auto_free char *sub = weft_path_join(self->dir, "a/b");

    weft_json_set_str(self->facts, "where", self->dir);
    weft_json_set_bool(self->facts, "made", weft_mkdirs(sub, 0700, NULL) == 0);
    weft_try_tell(self);
    pause();
}

static void test_dir(void **state)
{
    struct weft_tries *t = weft_tries_create();
    char dir[] = "/tmp/weft-test-XXXXXX";
    enum weft_try_outcome outcome;
    const struct weft_json *facts;

    (void)state;
    assert_non_null(mkdtemp(dir));
    facts = run_one(t, &(struct plan){act_dir}, SHORT_MS, dir, &outcome);
    assert_true(weft_json_bool(facts, "made", false));
    assert_true(weft_starts_with(weft_json_str(facts, "where"), dir));
    assert_int_equal(rmdir(dir), 0); /* it is empty again */
    weft_tries_destroy(t);

    t = weft_tries_create();
    facts = run_one(t, &(struct plan){act_dir}, SHORT_MS, dir, &outcome);
    assert_non_null(weft_json_str(facts, "dir_error"));
    assert_null(weft_json_str(facts, "where"));
    weft_tries_destroy(t);
}

static void act_nothing(struct weft_try_self *self)
{
    (void)self;
}

/* Nothing is begun when the time is over; several run side by side; a second call runs only what is
 * new. */
static void test_rounds(void **state)
{
    static const struct plan plan = {act_nothing};
    struct weft_tries *t = weft_tries_create();
    enum weft_try_outcome outcome;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        weft_tries_add(t, &(struct weft_try_opts){
                              .name = "x", .limit_ms = LONG_MS, .fn = run_plan, .data = &plan});
    }
    assert_int_equal(weft_tries_run(t, 2, LONG_MS, NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_non_null(weft_tries_facts(t, "x", i, &outcome));
        assert_int_equal(outcome, WEFT_TRY_DONE);
    }
    weft_tries_add(t, &(struct weft_try_opts){
                          .name = "late", .limit_ms = LONG_MS, .fn = run_plan, .data = &plan});
    assert_int_equal(weft_tries_run(t, 2, 0, NULL), 0);
    assert_non_null(weft_tries_facts(t, "late", 0, &outcome));
    assert_int_equal(outcome, WEFT_TRY_NOT_RUN);
    weft_tries_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts), cmocka_unit_test(test_hangs),  cmocka_unit_test(test_dies),
        cmocka_unit_test(test_dir),   cmocka_unit_test(test_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
