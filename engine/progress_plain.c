/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress_display.h"

/*
 * Lines of text, each with its platform, numbered as BuildKit numbers them, and numbered per lane:
 *   [linux/arm64] #4 [2/4] RUN make
 *   [linux/arm64] #4 0.512 gcc -c a.c
 *   [linux/arm64] #4 DONE 1.2s
 */

enum {
    TRANSFER_EVERY_MS = 5000,
    SETTLE_MS = 300, /* BuildKit runs a vertex several times in a row: only the last DONE is said */
};

/* A vertex whose DONE waits until it has settled. */
struct pending {
    struct weft_progress_lane_state *lane;
    struct weft_vertex *vertex;
    int64_t since_ms;
};

struct plain {
    struct pending *pending;
    size_t n_pending;
    unsigned int *numbers; /* the last one given, per lane */
};

static void plain_create(struct weft_progress *p)
{
    struct plain *s = weft_xcalloc(1, sizeof(*s));

    s->numbers = weft_xcalloc(p->n_lanes + 1, sizeof(*s->numbers));
    p->impl = s;
}

static void plain_destroy(struct weft_progress *p)
{
    struct plain *s = p->impl;

    free(s->pending);
    free(s->numbers);
    free(s);
}

/* The number of a vertex; the first use prints its name. */
static unsigned int announce(struct weft_progress_lane_state *l, struct weft_vertex *v)
{
    struct plain *s = l->p->impl;

    if (!v->number) {
        v->number = ++s->numbers[l - l->p->lanes];
        fprintf(l->p->out, "[%s] #%u %s\n", l->platform, v->number, v->name);
    }
    return v->number;
}

static void print_done(struct weft_progress_lane_state *l, struct weft_vertex *v)
{
    char duration[WEFT_DURATION_SIZE];

    if (v->error) { /* a cache: weft says at the end what that means */
        fprintf(l->p->out, "[%s] #%u NONE\n", l->platform, announce(l, v));
        return;
    }
    fprintf(l->p->out, "[%s] #%u DONE %s\n", l->platform, announce(l, v),
            weft_duration(weft_vertex_spent_ms(v), duration));
}

/* Print the DONEs of a lane (NULL: of all) that are older than settle_ms. */
static void settle(struct weft_progress *p, const struct weft_progress_lane_state *l,
                   int64_t settle_ms)
{
    struct plain *s = p->impl;
    int64_t now_ms = p->now_ms(p->data);
    size_t kept = 0;

    for (size_t i = 0; i < s->n_pending; i++) {
        const struct pending *pending = &s->pending[i];

        if ((l && pending->lane != l) || now_ms - pending->since_ms < settle_ms) {
            s->pending[kept++] = *pending;
        } else if (pending->vertex->state == WEFT_VERTEX_DONE) {
            print_done(pending->lane, pending->vertex);
        }
    }
    s->n_pending = kept;
}

static void drop_pending(struct plain *s, const struct weft_vertex *v)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_pending; i++) {
        if (s->pending[i].vertex != v) {
            s->pending[kept++] = s->pending[i];
        }
    }
    s->n_pending = kept;
}

static void plain_vertex(struct weft_lane *lane, struct weft_vertex *v, void *data)
{
    struct weft_progress_lane_state *l = data;
    struct plain *s = l->p->impl;
    unsigned int number = announce(l, v);

    drop_pending(s, v);
    switch (v->state) {
    case WEFT_VERTEX_DONE:
        /* steps other than FROM run once */
        if (v->step != SIZE_MAX && !strstr(v->name, "] FROM ")) {
            print_done(l, v);
            break;
        }
        s->pending = weft_xrealloc(s->pending, s->n_pending + 1, sizeof(*s->pending));
        s->pending[s->n_pending++] = (struct pending){l, v, lane->now_ms};
        break;
    case WEFT_VERTEX_CACHED:
        fprintf(l->p->out, "[%s] #%u CACHED\n", l->platform, number);
        break;
    case WEFT_VERTEX_FAILED:
        fprintf(l->p->out, "[%s] #%u ERROR: %s\n", l->platform, number, v->error);
        break;
    case WEFT_VERTEX_CANCELLED:
        fprintf(l->p->out, "[%s] #%u CANCELED\n", l->platform, number);
        break;
    case WEFT_VERTEX_WAITING:
    case WEFT_VERTEX_RUNNING:
        break;
    }
}

static void plain_transfer(struct weft_lane *lane, struct weft_vertex *v, struct weft_transfer *t,
                           void *data)
{
    struct weft_progress_lane_state *l = data;
    char duration[WEFT_DURATION_SIZE];
    weft_auto_buf b = {0};

    if (t->done ? t->done_shown : t->shown && lane->now_ms - t->shown_ms < TRANSFER_EVERY_MS) {
        return;
    }
    t->shown = true;
    t->done_shown = t->done;
    t->shown_ms = lane->now_ms;
    if (t->current_bytes) {
        weft_auto_free char *current = weft_human_size((double)t->current_bytes);
        weft_auto_free char *total = weft_human_size((double)t->total_bytes);

        weft_buf_printf(&b, " %s%s%s", current, t->total_bytes ? " / " : "",
                        t->total_bytes ? total : "");
    }
    if (t->started_ns && t->stamp_ns - t->started_ns >= 100000000) {
        weft_buf_printf(&b, " %s",
                        weft_duration((t->stamp_ns - t->started_ns) / 1000000, duration));
    }
    fprintf(l->p->out, "[%s] #%u %s%s%s\n", l->platform, announce(l, v), t->id,
            b.data ? b.data : "", t->done ? " done" : "");
}

static void plain_vertex_log(struct weft_lane *lane, struct weft_vertex *v, int64_t since_ms,
                             const char *line, void *data)
{
    struct weft_progress_lane_state *l = data;

    (void)lane;
    fprintf(l->p->out, "[%s] #%u %lld.%03d %s\n", l->platform, announce(l, v),
            (long long)(since_ms / 1000), (int)(since_ms % 1000), line);
}

static void plain_line(struct weft_progress *p, struct weft_progress_lane_state *l,
                       const char *line, size_t len)
{
    (void)l;
    (void)line;
    (void)len;
    settle(p, NULL, SETTLE_MS);
    fflush(p->out);
}

/* How a lane in a final phase ended, in a line. */
static void print_end(const struct weft_progress *p, const struct weft_progress_lane_state *l)
{
    if (l->phase == WEFT_PHASE_DONE) {
        weft_auto_free char *summary = weft_lane_summary(l);

        fprintf(p->out, "[%s] done: %s\n", l->platform, summary);
    } else {
        fprintf(p->out, "[%s] %s%s%s\n", l->platform, weft_phase_name(l->phase),
                l->text ? ": " : "", l->text ? l->text : "");
    }
}

static void plain_phase(struct weft_progress *p, struct weft_progress_lane_state *l)
{
    if (weft_phase_is_final(l->phase)) {
        settle(p, l, 0);
    }
    switch (l->phase) {
    case WEFT_PHASE_DONE:
    case WEFT_PHASE_FAILED:
    case WEFT_PHASE_CANCELLED:
        print_end(p, l);
        break;
    case WEFT_PHASE_WAITING:
    case WEFT_PHASE_SOLVING:
    case WEFT_PHASE_EXPORTING:
    case WEFT_PHASE_PUSHING:
        if (l->text) {
            fprintf(p->out, "[%s] %s\n", l->platform, l->text);
        }
        break;
    }
    fflush(p->out);
}

static void plain_log(struct weft_progress *p, const char *text)
{
    fprintf(p->out, "%s\n", text);
    fflush(p->out);
}

static void plain_tick(struct weft_progress *p)
{
    settle(p, NULL, SETTLE_MS);
    fflush(p->out);
}

static void plain_finish(struct weft_progress *p, bool ok)
{
    weft_auto_strv warnings = {0};

    (void)ok;
    settle(p, NULL, 0);
    weft_progress_warnings(p, &warnings);
    for (size_t i = 0; i < warnings.n; i++) {
        fprintf(p->out, "WARNING: %s\n", warnings.v[i]);
    }
    if (p->n_lanes < 2) {
        return;
    }
    /* once more, together: in a long log the ends of the platforms are far apart */
    fputs("\n", p->out);
    for (size_t i = 0; i < p->n_lanes; i++) {
        if (weft_phase_is_final(p->lanes[i].phase)) {
            print_end(p, &p->lanes[i]);
        }
    }
}

const struct weft_progress_ops weft_progress_plain = {
    .events = {.vertex = plain_vertex, .transfer = plain_transfer, .log = plain_vertex_log},
    .create = plain_create,
    .destroy = plain_destroy,
    .line = plain_line,
    .phase = plain_phase,
    .log = plain_log,
    .tick = plain_tick,
    .finish = plain_finish,
};
