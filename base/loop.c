/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/loop.h"

#include <stdlib.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    WORKS_LIMIT = 32
};

struct weft_loop {
    uv_loop_t uv;
};

struct weft_timer {
    struct weft_loop_item item;
    uv_timer_t uv;
    weft_callback_fn *fn;
    void *data;
};

struct weft_signal {
    struct weft_loop_item item;
    uv_signal_t uv;
    weft_callback_fn *fn;
    void *data;
};

struct work {
    uv_work_t uv;
    weft_callback_fn *work;
    weft_callback_fn *done;
    void *data;
};

struct weft_loop *weft_loop_create(size_t works, struct weft_err **err)
{
    struct weft_loop *loop = weft_xcalloc(1, sizeof(*loop));
    weft_auto_free char *threads = weft_fmt("%zu", works < WORKS_LIMIT ? works : WORKS_LIMIT);
    int rc;

    /* libuv reads this when the pool is first used, and then starts, and in the end ends, every
     * thread in turn: on a busy machine that is seen */
    setenv("UV_THREADPOOL_SIZE", threads, 0);
    rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        free(loop);
        weft_fail_sys(err, -rc, "event loop"); /* libuv's codes are negated errno values on Unix */
        return NULL;
    }
    return loop;
}

void weft_loop_run(struct weft_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void weft_loop_stop(struct weft_loop *loop)
{
    uv_stop(&loop->uv);
}

static void free_handle(uv_handle_t *h)
{
    free(h->data);
}

static void close_handle(uv_handle_t *h, void *unused)
{
    struct weft_loop_item *item = h->data;

    (void)unused;
    if (!uv_is_closing(h)) {
        item->close(item);
    }
}

void weft_loop_destroy(struct weft_loop *loop)
{
    if (!loop) {
        return;
    }
    /* more than once: weft_loop_stop, also in a `done` that is called here, cuts a run short, and a
     * `done` may start something new */
    do {
        uv_walk(&loop->uv, close_handle, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (uv_loop_close(&loop->uv) == UV_EBUSY);
    free(loop);
}

uint64_t weft_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void close_timer(struct weft_loop_item *item)
{
    weft_timer_stop((struct weft_timer *)item); /* its first member */
}

static void on_timer(uv_timer_t *uv)
{
    struct weft_timer *t = uv->data;

    t->fn(t->data);
}

struct weft_timer *weft_timer_start(struct weft_loop *loop, uint64_t first_ms, uint64_t repeat_ms,
                                    int weak, weft_callback_fn *fn, void *data)
{
    struct weft_timer *t = weft_xcalloc(1, sizeof(*t));

    t->item.close = close_timer;
    t->fn = fn;
    t->data = data;
    uv_timer_init(&loop->uv, &t->uv);
    t->uv.data = t;
    uv_update_time(&loop->uv);
    uv_timer_start(&t->uv, on_timer, first_ms, repeat_ms);
    if (weak) {
        uv_unref((uv_handle_t *)&t->uv);
    }
    return t;
}

void weft_timer_stop(struct weft_timer *t)
{
    if (t) {
        uv_timer_stop(&t->uv);
        uv_close((uv_handle_t *)&t->uv, free_handle);
    }
}

static void close_signal(struct weft_loop_item *item)
{
    weft_signal_stop((struct weft_signal *)item); /* its first member */
}

static void on_signal(uv_signal_t *uv, int signum)
{
    struct weft_signal *s = uv->data;

    (void)signum;
    s->fn(s->data);
}

struct weft_signal *weft_signal_watch(struct weft_loop *loop, int signum, weft_callback_fn *fn,
                                      void *data)
{
    struct weft_signal *s = weft_xcalloc(1, sizeof(*s));

    s->item.close = close_signal;
    s->fn = fn;
    s->data = data;
    if (uv_signal_init(&loop->uv, &s->uv) < 0 || uv_signal_start(&s->uv, on_signal, signum) < 0) {
        abort(); /* no descriptors left, or a signal that cannot be caught */
    }
    s->uv.data = s;
    uv_unref((uv_handle_t *)&s->uv);
    return s;
}

void weft_signal_stop(struct weft_signal *s)
{
    if (s) {
        uv_close((uv_handle_t *)&s->uv, free_handle);
    }
}

static void on_work(uv_work_t *uv)
{
    struct work *w = uv->data;

    w->work(w->data);
}

static void on_work_done(uv_work_t *uv, int status)
{
    struct work *w = uv->data;

    (void)status; /* never cancelled */
    w->done(w->data);
    free(w);
}

void weft_work(struct weft_loop *loop, weft_callback_fn *work, weft_callback_fn *done, void *data)
{
    struct work *w = weft_xcalloc(1, sizeof(*w));

    w->work = work;
    w->done = done;
    w->data = data;
    w->uv.data = w;
    if (uv_queue_work(&loop->uv, &w->uv, on_work, on_work_done) < 0) {
        abort(); /* only for a NULL callback */
    }
}

void *weft_loop_uv(struct weft_loop *loop)
{
    return &loop->uv;
}
