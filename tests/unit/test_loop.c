/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/loop.h"
#include "tests/helpers.h"

static struct weft_loop *new_loop(void)
{
    struct weft_err *err = NULL;
    struct weft_loop *loop = weft_loop_create(4, &err);

    if (!loop) {
        fail_msg("%s", err->msg);
    }
    return loop;
}

struct trace {
    struct weft_loop *loop;
    struct weft_timer *timer;
    struct weft_signal *signal;
    struct weft_buf text;
    int left;
    const char *name;
    struct trace *all; /* where the text goes */
};

static void note(void *data)
{
    struct trace *t = data;

    weft_buf_puts(&t->all->text, t->name);
}

static void test_order(void **state)
{
    struct trace a = {.loop = new_loop(), .name = "a"};
    struct trace b = {.name = "b", .all = &a};
    struct trace c = {.name = "c", .all = &a};
    struct weft_timer *t[3];
    uint64_t start_ms = weft_now_ms();

    (void)state;
    a.all = &a;
    t[0] = weft_timer_start(a.loop, 40, 0, 0, note, &a);
    t[1] = weft_timer_start(a.loop, 0, 0, 0, note, &b);
    t[2] = weft_timer_start(a.loop, 20, 0, 0, note, &c);
    weft_loop_run(a.loop);
    assert_string_equal(a.text.data, "bca");
    assert_in_range(weft_now_ms() - start_ms, 39, 5000);
    for (int i = 0; i < 3; i++) {
        weft_timer_stop(t[i]);
    }
    weft_timer_stop(NULL);
    weft_loop_destroy(a.loop);
    weft_buf_finish(&a.text);
}

static void count_down(void *data)
{
    struct trace *t = data;

    weft_buf_puts(&t->text, "x");
    if (--t->left == 0) {
        weft_timer_stop(t->timer); /* inside of its own callback */
        t->timer = NULL;
    }
}

static void test_repeat(void **state)
{
    struct trace t = {.loop = new_loop(), .left = 5};

    (void)state;
    t.timer = weft_timer_start(t.loop, 1, 1, 0, count_down, &t);
    weft_loop_run(t.loop); /* ends, because the timer was the last thing in it */
    assert_string_equal(t.text.data, "xxxxx");
    weft_loop_destroy(t.loop);
    weft_buf_finish(&t.text);
}

static void must_not_run(void *data)
{
    (void)data;
    fail_msg("called");
}

static void test_stopped_before(void **state)
{
    struct weft_loop *loop = new_loop();

    (void)state;
    weft_timer_stop(weft_timer_start(loop, 0, 1, 0, must_not_run, NULL));
    weft_loop_run(loop);
    weft_loop_destroy(loop);
}

static void test_weak(void **state)
{
    struct trace t = {.loop = new_loop(), .name = "t"};
    uint64_t start_ms = weft_now_ms();
    struct weft_timer *weak;
    struct weft_timer *strong;

    (void)state;
    t.all = &t;
    weak = weft_timer_start(t.loop, 60000, 60000, 1, must_not_run, NULL);
    weft_loop_run(t.loop); /* returns at once */
    strong = weft_timer_start(t.loop, 1, 0, 0, note, &t);
    weft_loop_run(t.loop);
    assert_string_equal(t.text.data, "t");
    assert_true(weft_now_ms() - start_ms < 30000);
    weft_timer_stop(weak);
    weft_timer_stop(strong);
    weft_loop_destroy(t.loop);
    weft_buf_finish(&t.text);
}

static void stop_loop(void *data)
{
    weft_loop_stop(data);
}

static void test_stop(void **state)
{
    struct weft_loop *loop = new_loop();
    uint64_t start_ms = weft_now_ms();

    (void)state;
    weft_timer_start(loop, 60000, 0, 0, must_not_run, NULL);
    weft_timer_start(loop, 1, 0, 0, stop_loop, loop);
    weft_loop_run(loop);
    weft_loop_stop(loop); /* not running: the next run returns at once */
    weft_loop_run(loop);
    assert_true(weft_now_ms() - start_ms < 30000);
    weft_loop_stop(loop); /* and does not keep destroy from its work */
    weft_loop_destroy(loop);
    weft_loop_destroy(NULL);
}

static void raise_usr1(void *data)
{
    struct trace *t = data;

    raise(SIGUSR1);
    if (--t->left == 0) {
        weft_timer_stop(t->timer);
        t->timer = NULL;
    }
}

static void on_usr1(void *data)
{
    struct trace *t = data;

    weft_buf_puts(&t->text, "s");
    if (t->text.len == 2) {
        weft_signal_stop(t->signal); /* inside of its own callback */
        t->signal = NULL;
        weft_loop_stop(t->loop);
    }
}

static void test_signal(void **state)
{
    struct trace t = {.loop = new_loop(), .left = 2};

    (void)state;
    t.signal = weft_signal_watch(t.loop, SIGUSR1, on_usr1, &t);
    weft_loop_run(t.loop); /* does not keep the loop alive */
    t.timer = weft_timer_start(t.loop, 5, 20, 0, raise_usr1, &t);
    weft_timer_start(t.loop, 20000, 0, 0, must_not_run, NULL);
    weft_loop_run(t.loop);
    assert_string_equal(t.text.data, "ss");
    assert_null(t.signal);
    weft_signal_stop(NULL);
    weft_loop_destroy(t.loop);
    weft_buf_finish(&t.text);
}

struct job {
    struct weft_loop *loop;
    pthread_t loop_thread;
    atomic_int worked;
    int done;
    int stop;
};

static void job_work(void *data)
{
    struct job *j = data;

    usleep(10000);
    if (!pthread_equal(pthread_self(), j->loop_thread)) {
        atomic_fetch_add(&j->worked, 1);
    }
}

static void job_done(void *data)
{
    struct job *j = data;

    if (pthread_equal(pthread_self(), j->loop_thread)) {
        j->done++;
    }
    if (j->stop) {
        weft_loop_stop(j->loop);
    }
}

static void test_work(void **state)
{
    struct job j = {.loop = new_loop(), .loop_thread = pthread_self()};

    (void)state;
    for (int i = 0; i < 40; i++) {
        weft_work(j.loop, job_work, job_done, &j);
    }
    weft_loop_run(j.loop);
    assert_int_equal(atomic_load(&j.worked), 40);
    assert_int_equal(j.done, 40);
    weft_loop_destroy(j.loop);
}

/* Destroy with everything still in the loop; the leak checker sees what is forgotten. The done
 * callbacks stop the loop, as a program's do. */
static void test_destroy_busy(void **state)
{
    struct job j = {.loop = new_loop(), .loop_thread = pthread_self(), .stop = 1};
    int fds;

    (void)state;
    weft_loop_destroy(new_loop());
    weft_signal_stop(weft_signal_watch(j.loop, SIGUSR2, must_not_run, NULL));
    weft_loop_run(j.loop);
    weft_loop_destroy(j.loop);
    fds = open_fds();
    j.loop = new_loop();
    weft_timer_start(j.loop, 0, 1, 0, must_not_run, NULL);
    weft_timer_start(j.loop, 60000, 0, 1, must_not_run, NULL);
    weft_signal_watch(j.loop, SIGUSR2, must_not_run, NULL);
    for (int i = 0; i < 5; i++) {
        weft_work(j.loop, job_work, job_done, &j);
    }
    weft_loop_destroy(j.loop);
    assert_int_equal(atomic_load(&j.worked), 5);
    assert_int_equal(j.done, 5);
    assert_int_equal(open_fds(), fds);
}

static void test_clock(void **state)
{
    uint64_t a = weft_now_ms();

    (void)state;
    usleep(20000);
    assert_in_range(weft_now_ms() - a, 19, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),          cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_stopped_before), cmocka_unit_test(test_weak),
        cmocka_unit_test(test_stop),           cmocka_unit_test(test_signal),
        cmocka_unit_test(test_work),           cmocka_unit_test(test_destroy_busy),
        cmocka_unit_test(test_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
