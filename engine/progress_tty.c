/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress_display.h"
#include "engine/progress_line.h"
#include "engine/progress_text.h"

/*
 * The live area: a header, a line per lane, and below a lane that runs its transfers and last lines
 * of output. It is redrawn in place: the cursor stays on the line below it, goes up, and only lines
 * that changed are written. Each frame is one write that hides the cursor and shows it again, so
 * that a weft that is stopped or killed leaves a sane terminal.
 */

enum {
    REDRAW_MS = 100,
    DETAIL_AFTER_MS = 300, /* a step that is over at once does not make the area jump */
    DETAIL_MAX = 8,        /* lines below one lane */
    TRANSFERS_MAX = 3,     /* of these */
    LAYOUT_COLUMNS =
        100, /* times are right-aligned here on wider terminals: near what they belong to */
    NARROW_COLUMNS = 60, /* less: details are indented by INDENT_NARROW instead of below the step */
    INDENT_NARROW = 4,
    BAR_COLUMNS = 20,
};

#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"

struct row {
    char *text;
    size_t columns;
};

struct frame {
    struct row *rows;
    size_t n;
};

struct tty {
    struct frame drawn; /* what is on the screen, above the cursor */
    size_t drawn_columns;
    int64_t drawn_ms;                       /* -1: never */
    locale_t locale;                        /* UTF-8, for wcwidth(); or 0 */
    const struct weft_vertex **main_vertex; /* per lane: the one in its line */
};

/* What is drawn with: the size for this frame, and where things go. */
struct canvas {
    struct weft_progress *p;
    size_t limit;    /* columns of a line */
    size_t right;    /* columns at which times end */
    size_t platform; /* columns of the platforms' names */
    size_t indent;   /* columns before details */
    bool final;
    int64_t now_ms;
    struct frame frame;
};

static void frame_finish(struct frame *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->rows[i].text);
    }
    free(f->rows);
    memset(f, 0, sizeof(*f));
}

static void tty_create(struct weft_progress *p)
{
    static const char *const names[] = {"C.UTF-8", "", "en_US.UTF-8"};
    struct tty *s = weft_xcalloc(1, sizeof(*s));

    for (size_t i = 0; p->utf8 && !s->locale && i < sizeof(names) / sizeof(names[0]); i++) {
        s->locale = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
    }
    if (!s->locale) {
        p->utf8 = false;
    }
    s->main_vertex = weft_xcalloc(p->n_lanes + 1, sizeof(struct weft_vertex *));
    s->drawn_ms = -1;
    p->impl = s;
}

static void tty_destroy(struct weft_progress *p)
{
    struct tty *s = p->impl;

    frame_finish(&s->drawn);
    if (s->locale) {
        freelocale(s->locale);
    }
    free(s->main_vertex);
    free(s);
}

static struct weft_line new_line(const struct canvas *c)
{
    return (struct weft_line){.limit = c->limit, .utf8 = c->p->utf8, .colour = c->p->colour};
}

static void add_row(struct canvas *c, struct weft_line *l)
{
    struct frame *f = &c->frame;

    f->rows = weft_xrealloc(f->rows, f->n + 1, sizeof(*f->rows));
    f->rows[f->n].columns = l->columns;
    f->rows[f->n].text = weft_buf_steal(&l->text);
    f->n++;
}

/* Put text at the right edge of the layout, if a space can be left before it. */
static void put_right(const struct canvas *c, struct weft_line *l, const char *style,
                      const char *text)
{
    size_t width = weft_line_width(text, c->p->utf8);

    if (l->columns + 2 + width <= c->right) {
        weft_line_pad(l, c->right - width);
        weft_line_put(l, l->limit, style, text);
    }
}

static void put_bar(const struct canvas *c, struct weft_line *l, double part)
{
    size_t full;

    part = part < 0 ? 0 : part > 1 ? 1 : part;
    full = (size_t)(part * BAR_COLUMNS);
    if (l->columns + BAR_COLUMNS > l->limit) {
        return;
    }
    for (size_t i = 0; i < BAR_COLUMNS; i++) {
        if (c->p->utf8) {
            weft_line_put(l, l->limit, i < full ? CYAN : DIM, i < full ? "━" : "─");
        } else {
            weft_line_put(l, l->limit, NULL, i < full ? "#" : "-");
        }
    }
}

/* " 12.3 MB / 40.0 MB" of a transfer, and a bar before it where the total is known. */
static void put_transfer(const struct canvas *c, struct weft_line *l, uint64_t current,
                         uint64_t total)
{
    weft_auto_free char *now = weft_human_size((double)current);
    weft_auto_free char *all = weft_human_size((double)total);
    weft_auto_free char *text = total ? weft_fmt("%s / %s", now, all) : weft_fmt("%s", now);

    if (total && l->columns + BAR_COLUMNS + 4 + strlen(text) <= c->limit) {
        weft_line_put(l, l->limit, NULL, "  ");
        put_bar(c, l, (double)current / (double)total);
    }
    if (current || total) {
        weft_line_put(l, l->limit, NULL, "  ");
        weft_line_put(l, l->limit, DIM, text);
    }
}

static int64_t running_ms(const struct canvas *c, const struct weft_vertex *v)
{
    return v->state == WEFT_VERTEX_RUNNING ? c->now_ms - v->seen_ms + v->spent_ns / 1000000
                                           : weft_vertex_spent_ms(v);
}

/* Whether a is the better one to show in the lane's line: a step before others, then the older. */
static bool better(const struct weft_vertex *a, const struct weft_vertex *b)
{
    if ((a->step == SIZE_MAX) != (b->step == SIZE_MAX)) {
        return b->step == SIZE_MAX;
    }
    return a->seen_ms < b->seen_ms;
}

/* The vertex for the lane's line: what failed, or runs, or ran last. NULL before the first. */
static const struct weft_vertex *main_vertex(struct weft_progress *p, size_t lane)
{
    const struct weft_vertex **kept = &((struct tty *)p->impl)->main_vertex[lane];
    const struct weft_lane *m = &p->lanes[lane].model;
    const struct weft_vertex *best = weft_lane_failed(m);

    for (size_t i = 0; !best && i < m->n_vertexes; i++) {
        const struct weft_vertex *v = m->vertexes[i];

        if (v->state != WEFT_VERTEX_RUNNING) {
            continue;
        }
        best = v;
        for (i++; i < m->n_vertexes; i++) {
            v = m->vertexes[i];
            if (v->state == WEFT_VERTEX_RUNNING && better(v, best)) {
                best = v;
            }
        }
    }
    if (best) {
        *kept = best;
    }
    return *kept;
}

/* The start of a lane's line: mark and platform. */
static void lane_head(const struct canvas *c, struct weft_line *l, const char *style,
                      const char *mark, const char *ascii, const char *platform)
{
    weft_line_put(l, l->limit, style, c->p->utf8 ? mark : ascii);
    weft_line_put(l, l->limit, NULL, " ");
    weft_line_put(l, 2 + c->platform, NULL, platform);
    weft_line_pad(l, 2 + c->platform + 2);
}

/* text, then suffix, which has to fit, then time at the right */
static void lane_body(const struct canvas *c, struct weft_line *l, const char *style,
                      const char *text, const char *suffix, const char *time)
{
    size_t reserve = weft_line_width(suffix, c->p->utf8);
    size_t time_width = time ? strlen(time) + 2 : 0;
    size_t right = c->right > time_width ? c->right - time_width : 0;

    weft_line_put(l, right > reserve ? right - reserve : 0, style, text);
    weft_line_put(l, c->limit, NULL, suffix);
    if (time) {
        put_right(c, l, DIM, time);
    }
}

static void failed_line(const struct canvas *c, struct weft_line *l,
                        const struct weft_progress_lane_state *lane)
{
    const struct weft_vertex *v = weft_lane_failed(&lane->model);
    int exit_code = v ? weft_vertex_exit_code(v) : -1;
    weft_auto_free char *suffix = exit_code >= 0 ? weft_fmt("  exit code %d", exit_code) : NULL;
    char duration[WEFT_DURATION_SIZE];

    lane_head(c, l, RED, "✘", "x", lane->platform);
    weft_duration(lane->end_ms - lane->start_ms, duration);
    lane_body(c, l, RED,
              v            ? v->name
              : lane->text ? lane->text
                           : "failed",
              suffix ? suffix : "", duration);
}

static void exporting_line(const struct canvas *c, struct weft_line *l,
                           const struct weft_progress_lane_state *lane)
{
    lane_head(c, l, CYAN, "▸", ">", lane->platform);
    weft_line_put(l, l->limit, NULL, lane->text ? lane->text : "finishing");
    if (lane->total_bytes) {
        put_transfer(c, l, lane->done_bytes, lane->total_bytes);
    }
}

static void solving_line(const struct canvas *c, struct weft_line *l,
                         const struct weft_progress_lane_state *lane)
{
    const struct weft_vertex *v = main_vertex(c->p, (size_t)(lane - c->p->lanes));
    bool failed = v && v->state == WEFT_VERTEX_FAILED;
    char duration[WEFT_DURATION_SIZE];

    if (failed) {
        lane_head(c, l, RED, "✘", "x", lane->platform);
    } else {
        lane_head(c, l, CYAN, "▸", ">", lane->platform);
    }
    if (v) {
        lane_body(c, l, NULL, v->name, "", weft_duration(running_ms(c, v), duration));
    } else {
        lane_body(c, l, DIM, lane->text ? lane->text : "starting", "", NULL);
    }
}

static void lane_line(struct canvas *c, const struct weft_progress_lane_state *lane)
{
    struct weft_line l = new_line(c);
    weft_auto_free char *summary = NULL;

    switch (lane->phase) {
    case WEFT_PHASE_WAITING:
        lane_head(c, &l, DIM, "·", ".", lane->platform);
        weft_line_put(&l, l.limit, DIM, lane->text ? lane->text : "waiting");
        break;
    case WEFT_PHASE_SOLVING:
        solving_line(c, &l, lane);
        break;
    case WEFT_PHASE_EXPORTING:
    case WEFT_PHASE_PUSHING:
        exporting_line(c, &l, lane);
        break;
    case WEFT_PHASE_DONE:
        summary = weft_lane_summary(lane);
        lane_head(c, &l, GREEN, "✔", "+", lane->platform);
        weft_line_put(&l, l.limit, NULL, summary);
        break;
    case WEFT_PHASE_FAILED:
        failed_line(c, &l, lane);
        break;
    case WEFT_PHASE_CANCELLED:
        lane_head(c, &l, YELLOW, "-", "-", lane->platform);
        weft_line_put(&l, l.limit, DIM, lane->text ? lane->text : "cancelled");
        break;
    }
    add_row(c, &l);
}

static bool is_active(const struct weft_transfer *t)
{
    return !t->done && (t->current_bytes || t->total_bytes || t->stamp_ns > t->started_ns);
}

static size_t count_transfers(const struct weft_vertex *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n_transfers; i++) {
        n += is_active(&v->transfers[i]);
    }
    return n < TRANSFERS_MAX ? n : TRANSFERS_MAX;
}

static size_t count_others(const struct weft_lane *m, const struct weft_vertex *v)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_vertexes; i++) {
        n += m->vertexes[i] != v && m->vertexes[i]->state == WEFT_VERTEX_RUNNING;
    }
    return n;
}

static size_t count_tail(const struct weft_vertex *v)
{
    return v->n_tail + (v->partial.len ? 1 : 0);
}

static bool has_details(const struct canvas *c, size_t lane, const struct weft_vertex *v)
{
    return !c->final && c->p->lanes[lane].phase == WEFT_PHASE_SOLVING && v &&
           v->state == WEFT_VERTEX_RUNNING && running_ms(c, v) >= DETAIL_AFTER_MS;
}

/* How many lines a lane would fill below its own. */
static size_t details_wanted(const struct canvas *c, size_t lane)
{
    const struct weft_vertex *v = main_vertex(c->p, lane);
    size_t n;

    if (!has_details(c, lane, v)) {
        return 0;
    }
    n = count_transfers(v) + count_others(&c->p->lanes[lane].model, v) + count_tail(v);
    return n < DETAIL_MAX ? n : DETAIL_MAX;
}

static void detail_row(struct canvas *c, const char *text, const char *time)
{
    struct weft_line l = new_line(c);

    weft_line_pad(&l, c->indent);
    if (time) {
        lane_body(c, &l, NULL, text, "", time);
    } else {
        weft_line_put(&l, l.limit, DIM, text);
    }
    add_row(c, &l);
}

/* Layers are called by digests: 12 digits of one are enough to tell them apart. */
static void transfer_row(struct canvas *c, const struct weft_transfer *t)
{
    const char *digest = strstr(t->id, "sha256:");
    size_t before = digest ? (size_t)(digest - t->id) + strlen("sha256:") : 0;
    weft_auto_free char *name = digest && strlen(t->id) > before + 12
                                    ? weft_xstrndup(t->id, before + 12)
                                    : weft_xstrdup(t->id);
    struct weft_line l = new_line(c);
    size_t len = strlen(name);

    if (len && name[len - 1] == ':') {
        name[len - 1] = '\0';
    }
    weft_line_pad(&l, c->indent);
    weft_line_put(&l, l.limit, DIM, name);
    put_transfer(c, &l, (uint64_t)t->current_bytes, (uint64_t)t->total_bytes);
    add_row(c, &l);
}

/* The last `n` lines of output, that without an end included. */
static void tail_rows(struct canvas *c, const struct weft_vertex *v, size_t n)
{
    size_t all = count_tail(v);

    for (size_t i = all > n ? all - n : 0; i < all; i++) {
        if (i < v->n_tail) {
            detail_row(c, weft_vertex_tail(v, i), NULL);
        } else {
            weft_auto_free char *partial = weft_text_clean(v->partial.data, v->partial.len);

            detail_row(c, partial, NULL);
        }
    }
}

/* Exactly n lines below a lane, n at most what it wanted. */
static void details(struct canvas *c, size_t lane, size_t n)
{
    const struct weft_vertex *v = main_vertex(c->p, lane);
    const struct weft_lane *m = &c->p->lanes[lane].model;
    char duration[WEFT_DURATION_SIZE];
    size_t others, transfers, tail;

    if (!n) {
        return;
    }
    tail = count_tail(v);
    others = count_others(m, v);
    others = others > n / 2 && tail ? (n + 1) / 2 : others;
    others = others < n ? others : n;
    transfers = count_transfers(v);
    transfers = transfers < n - others ? transfers : n - others;
    tail = tail < n - others - transfers ? tail : n - others - transfers;
    others = n - transfers - tail;
    for (size_t i = 0; i < v->n_transfers && transfers; i++) {
        if (is_active(&v->transfers[i])) {
            transfer_row(c, &v->transfers[i]);
            transfers--;
        }
    }
    tail_rows(c, v, tail);
    for (size_t i = 0; i < m->n_vertexes && others; i++) {
        const struct weft_vertex *other = m->vertexes[i];

        if (other != v && other->state == WEFT_VERTEX_RUNNING) {
            detail_row(c, other->name, weft_duration(running_ms(c, other), duration));
            others--;
        }
    }
}

static void header(struct canvas *c)
{
    struct weft_line l = new_line(c);
    size_t done = 0, failed = 0, cancelled = 0;
    weft_auto_buf counts = {0};
    char duration[WEFT_DURATION_SIZE];

    for (size_t i = 0; i < c->p->n_lanes; i++) {
        done += c->p->lanes[i].phase == WEFT_PHASE_DONE;
        failed += c->p->lanes[i].phase == WEFT_PHASE_FAILED;
        cancelled += c->p->lanes[i].phase == WEFT_PHASE_CANCELLED;
    }
    weft_line_put(&l, l.limit, BOLD, c->p->title);
    weft_buf_printf(&counts, "  %zu/%zu platform%s done", done, c->p->n_lanes,
                    c->p->n_lanes == 1 ? "" : "s");
    weft_line_put(&l, l.limit, done == c->p->n_lanes ? GREEN : NULL, counts.data);
    weft_buf_clear(&counts);
    if (failed) {
        weft_buf_printf(&counts, ", %zu failed", failed);
        weft_line_put(&l, l.limit, RED, counts.data);
        weft_buf_clear(&counts);
    }
    if (cancelled) {
        weft_buf_printf(&counts, ", %zu cancelled", cancelled);
        weft_line_put(&l, l.limit, YELLOW, counts.data);
    }
    put_right(c, &l, DIM, weft_duration(c->now_ms - c->p->start_ms, duration));
    add_row(c, &l);
}

/* Lower is more worth a line when not all lanes fit. */
static int rank(enum weft_phase phase)
{
    static const int ranks[] = {
        [WEFT_PHASE_SOLVING] = 0,   [WEFT_PHASE_EXPORTING] = 1, [WEFT_PHASE_PUSHING] = 1,
        [WEFT_PHASE_FAILED] = 2,    [WEFT_PHASE_WAITING] = 3,   [WEFT_PHASE_DONE] = 4,
        [WEFT_PHASE_CANCELLED] = 5,
    };

    return ranks[phase];
}

/* Choose `slots` of the lanes, the running ones first; they stay in their order. */
static void choose_lanes(const struct weft_progress *p, size_t slots, bool *shown)
{
    for (int r = 0; r <= 5; r++) {
        for (size_t i = 0; i < p->n_lanes && slots; i++) {
            if (rank(p->lanes[i].phase) == r) {
                shown[i] = true;
                slots--;
            }
        }
    }
}

/* Share `budget` lines among the lanes that want some, one at a time, so that none starves. */
static void share_lines(const struct canvas *c, size_t budget, const bool *shown, size_t *given)
{
    bool more = true;

    while (budget && more) {
        more = false;
        for (size_t i = 0; i < c->p->n_lanes && budget; i++) {
            if (shown[i] && given[i] < details_wanted(c, i)) {
                given[i]++;
                budget--;
                more = true;
            }
        }
    }
}

/* All lines of a frame; at most `max_rows` unless it is the final one. */
static void compose(struct canvas *c, size_t max_rows)
{
    struct weft_progress *p = c->p;
    weft_auto_free bool *shown = weft_xcalloc(p->n_lanes + 1, sizeof(*shown));
    weft_auto_free size_t *given = weft_xcalloc(p->n_lanes + 1, sizeof(*given));
    size_t hidden = 0;

    header(c);
    if (c->final || p->n_lanes + 1 <= max_rows) {
        choose_lanes(p, p->n_lanes, shown);
    } else {
        size_t slots = max_rows > 2 ? max_rows - 2 : 0;

        choose_lanes(p, slots, shown);
        hidden = p->n_lanes - slots;
    }
    if (!c->final && !hidden) {
        share_lines(c, max_rows - 1 - p->n_lanes, shown, given);
    }
    for (size_t i = 0; i < p->n_lanes; i++) {
        if (shown[i]) {
            lane_line(c, &p->lanes[i]);
            details(c, i, given[i]);
        }
    }
    if (hidden && max_rows > 1) {
        struct weft_line l = new_line(c);
        weft_auto_free char *text = weft_fmt("%s and %zu more", p->utf8 ? "…" : "...", hidden);

        weft_line_put(&l, l.limit, DIM, text);
        add_row(c, &l);
    }
}

static struct frame make_frame(struct weft_progress *p, bool final, size_t *columns_out)
{
    struct tty *s = p->impl;
    locale_t before = s->locale ? uselocale(s->locale) : (locale_t)0;
    struct canvas c = {.p = p, .final = final, .now_ms = p->now_ms(p->data)};
    unsigned int columns = 0, rows = 0;

    p->size(&columns, &rows, p->data);
    columns = columns ? columns : 1;
    rows = rows > 1 ? rows : 2;
    c.limit = columns > 1 ? columns - 1 : 1; /* the last column is where terminals differ */
    c.right = c.limit < LAYOUT_COLUMNS ? c.limit : LAYOUT_COLUMNS;
    for (size_t i = 0; i < p->n_lanes; i++) {
        size_t width = weft_line_width(p->lanes[i].platform, p->utf8);

        c.platform = width > c.platform ? width : c.platform;
    }
    c.platform = c.platform < c.limit / 2 ? c.platform : c.limit / 2;
    c.indent = c.limit < NARROW_COLUMNS ? INDENT_NARROW : 2 + c.platform + 2;
    compose(&c, rows - 1);
    if (s->locale) {
        uselocale(before);
    }
    *columns_out = columns;
    return c.frame;
}

/* Go to the start of what is drawn. Terminals break lines anew when they get narrower: count those
 * lines too. */
static void go_up(const struct tty *s, size_t columns, struct weft_buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < s->drawn.n; i++) {
        size_t width = s->drawn.rows[i].columns;

        n += columns < s->drawn_columns && width > columns ? (width + columns - 1) / columns : 1;
    }
    if (n) {
        weft_buf_printf(b, "\033[%zuA", n);
    }
    weft_buf_puts(b, "\r");
}

static void write_frame(struct weft_progress *p, struct weft_buf *b)
{
    fwrite(b->data, 1, b->len, p->out);
    fflush(p->out);
}

/* Synchronized output (unknown to a terminal: ignored); no cursor on its way; no line breaks but
 * ours. */
static const char frame_begin[] = "\033[?2026h\033[?25l\033[?7l";
static const char frame_end[] = "\033[?7h\033[?25h\033[?2026l";

/* Draw; `above`: text to put above the live area, or NULL. */
static void draw(struct weft_progress *p, const char *above, bool final)
{
    struct tty *s = p->impl;
    weft_auto_buf b = {0};
    struct frame next;
    size_t columns, same = 0;
    bool whole;

    next = make_frame(p, final, &columns);
    whole = above || final || columns != s->drawn_columns;
    for (size_t i = 0; !whole && i < next.n && i < s->drawn.n; i++) {
        same += strcmp(next.rows[i].text, s->drawn.rows[i].text) == 0;
    }
    s->drawn_ms = p->now_ms(p->data);
    if (!whole && same == next.n && same == s->drawn.n) {
        frame_finish(&next);
        return;
    }
    weft_buf_puts(&b, frame_begin);
    go_up(s, columns, &b);
    if (above) {
        /* it may be wider than the terminal, so that there is no erasing behind each line of it */
        for (size_t i = 0; i < s->drawn.n; i++) {
            weft_buf_puts(&b, "\033[K\n");
        }
        go_up(s, s->drawn_columns, &b);
        weft_buf_printf(&b, "\033[?7h%s\n\033[?7l", above);
    }
    for (size_t i = 0; i < next.n; i++) {
        if (whole || i >= s->drawn.n || strcmp(next.rows[i].text, s->drawn.rows[i].text) != 0) {
            weft_buf_printf(&b, "%s\033[K", next.rows[i].text);
        }
        weft_buf_puts(&b, "\n");
    }
    if (whole || next.n < s->drawn.n) {
        weft_buf_puts(&b, "\033[J"); /* never at the top left: tmux would keep the old frame */
    }
    weft_buf_puts(&b, frame_end);
    write_frame(p, &b);
    frame_finish(&s->drawn);
    s->drawn = next;
    s->drawn_columns = columns;
}

static void tty_tick(struct weft_progress *p)
{
    const struct tty *s = p->impl;

    if (s->drawn_ms < 0 || p->now_ms(p->data) - s->drawn_ms >= REDRAW_MS) {
        draw(p, NULL, false);
    }
}

static void tty_resize(struct weft_progress *p)
{
    draw(p, NULL, false);
}

static void tty_log(struct weft_progress *p, const char *text)
{
    draw(p, text, false);
}

static void tty_finish(struct weft_progress *p, bool ok)
{
    weft_auto_strv warnings = {0};
    const char *on = p->colour ? YELLOW : "", *off = p->colour ? "\033[0m" : "";

    (void)ok;
    draw(p, NULL, true);
    weft_progress_warnings(p, &warnings);
    if (warnings.n) {
        fprintf(p->out, "\n%s%zu warning%s%s\n", on, warnings.n, warnings.n == 1 ? "" : "s", off);
    }
    for (size_t i = 0; i < warnings.n; i++) {
        fprintf(p->out, "  %s\n", warnings.v[i]);
    }
}

const struct weft_progress_ops weft_progress_tty = {
    .create = tty_create,
    .destroy = tty_destroy,
    .log = tty_log,
    .tick = tty_tick,
    .resize = tty_resize,
    .finish = tty_finish,
};
