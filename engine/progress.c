/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/diagnose.h"
#include "engine/progress_display.h"
#include "engine/progress_text.h"

static const struct weft_progress_ops *const displays[] = {
    [WEFT_PROGRESS_AUTO] = &weft_progress_plain,      [WEFT_PROGRESS_TTY] = &weft_progress_tty,
    [WEFT_PROGRESS_PLAIN] = &weft_progress_plain,     [WEFT_PROGRESS_QUIET] = &weft_progress_quiet,
    [WEFT_PROGRESS_RAWJSON] = &weft_progress_rawjson,
};

const struct weft_progress_ops weft_progress_quiet = {0};

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t default_now_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_MONOTONIC);
}

static int64_t default_wall_ms(void *data)
{
    (void)data;
    return clock_ms(CLOCK_REALTIME);
}

static void default_size(unsigned int *columns, unsigned int *rows, void *data)
{
    struct winsize w = {0};

    (void)data;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col || !w.ws_row) {
        w.ws_col = 80;
        w.ws_row = 24;
    }
    *columns = w.ws_col;
    *rows = w.ws_row;
}

/* Asked of a locale of our own, since the process need not have called setlocale(). */
static bool environment_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool utf8 = locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;

    if (locale) {
        freelocale(locale);
    }
    return utf8;
}

static bool env_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

void weft_progress_opts_init(struct weft_progress_opts *o)
{
    memset(o, 0, sizeof(*o));
    o->mode = WEFT_PROGRESS_PLAIN;
    o->out = stderr;
    o->colour = !env_set("NO_COLOR");
    o->utf8 = environment_is_utf8();
    o->now_ms = default_now_ms;
    o->wall_ms = default_wall_ms;
    o->size = default_size;
}

int weft_progress_resolve(enum weft_progress_mode asked, const char *buildkit_progress, int fd,
                          enum weft_progress_mode *mode, struct weft_err **err)
{
    static const struct {
        const char *name;
        enum weft_progress_mode mode;
    } names[] = {
        {"auto", WEFT_PROGRESS_AUTO},   {"tty", WEFT_PROGRESS_TTY},
        {"plain", WEFT_PROGRESS_PLAIN}, {"rawjson", WEFT_PROGRESS_RAWJSON},
        {"quiet", WEFT_PROGRESS_QUIET}, {"none", WEFT_PROGRESS_QUIET},
    };
    const char *term = getenv("TERM");
    const char *ci = getenv("CI");
    size_t i = 0;

    if (asked == WEFT_PROGRESS_AUTO && buildkit_progress && *buildkit_progress) {
        while (i < sizeof(names) / sizeof(names[0]) &&
               strcmp(names[i].name, buildkit_progress) != 0) {
            i++;
        }
        if (i == sizeof(names) / sizeof(names[0])) {
            weft_auto_free char *safe = weft_printable(buildkit_progress);

            return weft_fail(err, WEFT_E_USAGE,
                             "BUILDKIT_PROGRESS=%s: not auto, tty, plain, rawjson or quiet", safe);
        }
        asked = names[i].mode;
    }
    if (asked == WEFT_PROGRESS_AUTO) {
        bool in_ci = ci && *ci && strcmp(ci, "false") != 0 && strcmp(ci, "0") != 0;

        asked = isatty(fd) && term && *term && strcmp(term, "dumb") != 0 && !in_ci
                    ? WEFT_PROGRESS_TTY
                    : WEFT_PROGRESS_PLAIN;
    }
    *mode = asked;
    return 0;
}

static char *printable_or_null(const char *s)
{
    return s ? weft_printable(s) : NULL;
}

/* The display of one lane's file. */
static struct weft_progress *create_log(const struct weft_progress_opts *o,
                                        const struct weft_progress_lane *lane)
{
    struct weft_progress_lane alone = *lane;
    struct weft_progress_opts opts = *o;

    alone.log = NULL;
    opts.mode = WEFT_PROGRESS_PLAIN;
    opts.out = lane->log;
    opts.lanes = &alone;
    opts.n_lanes = 1;
    opts.keep_warnings = false;
    return weft_progress_create(&opts);
}

struct weft_progress *weft_progress_create(const struct weft_progress_opts *o)
{
    struct weft_progress *p = weft_xcalloc(1, sizeof(*p));

    p->ops = displays[o->mode];
    p->out = o->out;
    p->title = weft_printable(o->title ? o->title : "");
    p->colour = o->colour && o->mode == WEFT_PROGRESS_TTY;
    p->utf8 = o->utf8;
    p->now_ms = o->now_ms;
    p->wall_ms = o->wall_ms;
    p->size = o->size;
    p->data = o->data;
    p->start_ms = p->now_ms(p->data);
    p->n_lanes = o->n_lanes;
    p->lanes = weft_xcalloc(o->n_lanes ? o->n_lanes : 1, sizeof(*p->lanes));
    for (size_t i = 0; i < o->n_lanes; i++) {
        struct weft_progress_lane_state *l = &p->lanes[i];

        l->p = p;
        l->platform = weft_printable(o->lanes[i].platform);
        l->note = printable_or_null(o->lanes[i].note);
        l->emulated = o->lanes[i].emulated;
        l->start_ms = -1;
        l->end_ms = -1;
        weft_lane_init(&l->model, &p->ops->events, l);
        l->model.keep_warnings = o->keep_warnings;
        if (o->lanes[i].log) {
            l->log = create_log(o, &o->lanes[i]);
        }
    }
    if (p->ops->create) {
        p->ops->create(p);
    }
    return p;
}

void weft_progress_destroy(struct weft_progress *p)
{
    if (!p) {
        return;
    }
    if (p->ops->destroy) {
        p->ops->destroy(p);
    }
    for (size_t i = 0; i < p->n_lanes; i++) {
        weft_progress_destroy(p->lanes[i].log);
        weft_lane_finish(&p->lanes[i].model);
        free(p->lanes[i].platform);
        free(p->lanes[i].note);
        free(p->lanes[i].text);
    }
    free(p->lanes);
    free(p->title);
    free(p);
}

bool weft_progress_feed(struct weft_progress *p, size_t lane, const char *line, size_t len)
{
    struct weft_progress_lane_state *l = &p->lanes[lane];

    if (p->finished) {
        return false;
    }
    l->model.now_ms = p->now_ms(p->data);
    if (!weft_lane_feed(&l->model, line, len)) {
        return false;
    }
    if (p->ops->line) {
        p->ops->line(p, l, line, len);
    }
    if (l->log) {
        weft_progress_feed(l->log, 0, line, len);
    }
    return true;
}

bool weft_phase_is_final(enum weft_phase phase)
{
    return phase == WEFT_PHASE_DONE || phase == WEFT_PHASE_FAILED || phase == WEFT_PHASE_CANCELLED;
}

const char *weft_phase_name(enum weft_phase phase)
{
    static const char *const names[] = {
        [WEFT_PHASE_WAITING] = "waiting",     [WEFT_PHASE_SOLVING] = "solving",
        [WEFT_PHASE_EXPORTING] = "exporting", [WEFT_PHASE_PUSHING] = "pushing",
        [WEFT_PHASE_DONE] = "done",           [WEFT_PHASE_FAILED] = "failed",
        [WEFT_PHASE_CANCELLED] = "cancelled",
    };

    return names[phase];
}

void weft_progress_set_phase(struct weft_progress *p, size_t lane, enum weft_phase phase,
                             const char *text)
{
    struct weft_progress_lane_state *l = &p->lanes[lane];
    weft_auto_free char *safe = printable_or_null(text);
    int64_t now_ms = p->now_ms(p->data);

    if (l->log) {
        weft_progress_set_phase(l->log, 0, phase, text);
    }
    if (p->finished || weft_phase_is_final(l->phase) ||
        (l->phase == phase && weft_str_eq(l->text, safe))) {
        return;
    }
    if (l->start_ms < 0 && phase != WEFT_PHASE_WAITING) {
        l->start_ms = now_ms;
    }
    if (weft_phase_is_final(phase)) {
        l->end_ms = now_ms;
    }
    l->phase = phase;
    free(l->text);
    l->text = weft_steal(&safe);
    l->done_bytes = 0;
    l->total_bytes = 0;
    if (p->ops->phase) {
        p->ops->phase(p, l);
    }
}

void weft_progress_set_bytes(struct weft_progress *p, size_t lane, uint64_t done_bytes,
                             uint64_t total_bytes)
{
    p->lanes[lane].done_bytes = done_bytes;
    p->lanes[lane].total_bytes = total_bytes;
}

void weft_progress_set_note(struct weft_progress *p, size_t lane, const char *note, bool emulated)
{
    struct weft_progress_lane_state *l = &p->lanes[lane];

    free(l->note);
    l->note = printable_or_null(note);
    l->emulated = emulated;
    if (l->log) {
        weft_progress_set_note(l->log, 0, note, emulated);
    }
}

/* Append each line of text, made safe, between prefix and a newline. */
static void append_lines(struct weft_buf *b, const char *prefix, const char *text)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_free char *safe = weft_text_clean(lines.v[i], strlen(lines.v[i]));

        for (size_t len = strlen(safe); len && safe[len - 1] == ' '; len--) {
            safe[len - 1] = '\0';
        }
        weft_buf_printf(b, "%s%s\n", *safe ? prefix : "", safe);
    }
}

void weft_progress_log_line(struct weft_progress *p, const char *text)
{
    weft_auto_buf b = {0};

    append_lines(&b, "", text);
    b.data[--b.len] = '\0';
    if (p->finished && !p->ops->failure) { /* what writes failures as lines of its own goes on */
        fprintf(p->out, "%s\n", b.data);
    } else if (p->ops->log) {
        p->ops->log(p, b.data);
    }
}

void weft_progress_tick(struct weft_progress *p)
{
    if (!p->finished && p->ops->tick) {
        p->ops->tick(p);
    }
    for (size_t i = 0; i < p->n_lanes; i++) {
        if (p->lanes[i].log) {
            weft_progress_tick(p->lanes[i].log);
        }
    }
}

void weft_progress_resize(struct weft_progress *p)
{
    if (!p->finished && p->ops->resize) {
        p->ops->resize(p);
    }
}

void weft_progress_finish(struct weft_progress *p, bool ok)
{
    if (!p->finished && p->ops->finish) {
        p->ops->finish(p, ok);
    }
    p->finished = true;
    fflush(p->out);
    for (size_t i = 0; i < p->n_lanes; i++) {
        if (p->lanes[i].log) {
            weft_progress_finish(p->lanes[i].log, ok);
        }
    }
}

const char *weft_duration(int64_t ms, char buf[WEFT_DURATION_SIZE])
{
    if (ms < 0) {
        ms = 0;
    }
    if (ms < 60000) {
        snprintf(buf, WEFT_DURATION_SIZE, "%d.%ds", (int)(ms / 1000), (int)(ms % 1000 / 100));
    } else if (ms < 3600000) {
        snprintf(buf, WEFT_DURATION_SIZE, "%dm%02ds", (int)(ms / 60000), (int)(ms / 1000 % 60));
    } else {
        snprintf(buf, WEFT_DURATION_SIZE, "%lldh%02dm", (long long)(ms / 3600000),
                 (int)(ms / 60000 % 60));
    }
    return buf;
}

char *weft_lane_summary(const struct weft_progress_lane_state *l)
{
    char duration[WEFT_DURATION_SIZE];
    struct weft_lane_stats stats;
    struct weft_buf b = {0};

    weft_lane_stats(&l->model, &stats);
    if (stats.steps) {
        weft_buf_printf(&b, "%zu step%s, ", stats.steps, stats.steps == 1 ? "" : "s");
    }
    if (stats.cached) {
        weft_buf_printf(&b, "%zu cached, ", stats.cached);
    }
    weft_buf_puts(&b, weft_duration(l->end_ms - l->start_ms, duration));
    if (l->note) {
        weft_buf_printf(&b, ", %s", l->note);
    }
    return weft_buf_steal(&b);
}

void weft_progress_warnings(const struct weft_progress *p, struct weft_strv *out)
{
    for (size_t i = 0; i < p->n_lanes; i++) {
        const struct weft_lane *lane = &p->lanes[i].model;

        for (size_t k = 0; k < lane->n_warnings; k++) {
            const struct weft_warning *w = &lane->warnings[k];
            weft_auto_free char *line = !w->file  ? weft_xstrdup(w->text)
                                        : w->line ? weft_fmt("%s:%u: %s", w->file, w->line, w->text)
                                                  : weft_fmt("%s: %s", w->file, w->text);

            if (weft_log_level() >= WEFT_LOG_DEBUG) {
                weft_auto_free char *more = weft_fmt("%s%s%s%s%s", line, w->detail ? "\n    " : "",
                                                     w->detail ? w->detail : "",
                                                     w->url ? "\n    " : "", w->url ? w->url : "");

                free(line);
                line = weft_steal(&more);
            }
            if (!weft_strv_has(out, line)) {
                weft_strv_add(out, line);
            }
        }
    }
}

static bool same_warning(const struct weft_warning *a, const struct weft_warning *b)
{
    return a->line == b->line && strcmp(a->text, b->text) == 0 && weft_str_eq(a->file, b->file);
}

/* Whether a lane before this one has the warning, too. */
static bool seen_before(const struct weft_progress *p, size_t lane, const struct weft_warning *w)
{
    for (size_t i = 0; i < lane; i++) {
        const struct weft_lane *other = &p->lanes[i].model;

        for (size_t k = 0; k < other->n_warnings; k++) {
            if (same_warning(&other->warnings[k], w)) {
                return true;
            }
        }
    }
    return false;
}

struct weft_json *weft_progress_warnings_json(const struct weft_progress *p)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < p->n_lanes; i++) {
        const struct weft_lane *lane = &p->lanes[i].model;

        for (size_t k = 0; k < lane->n_warnings; k++) {
            if (lane->warnings[k].json && !seen_before(p, i, &lane->warnings[k])) {
                weft_json_append(list, weft_json_copy(lane->warnings[k].json));
            }
        }
    }
    return list;
}

/* The last lines of a vertex's output, joined. Caller frees. */
static char *tail_text(const struct weft_vertex *v)
{
    struct weft_buf b = {0};

    for (size_t i = 0; i < v->n_tail; i++) {
        weft_buf_printf(&b, "%s%s", i ? "\n" : "", weft_vertex_tail(v, i));
    }
    return weft_buf_steal(&b);
}

static void append_diagnosis(const struct weft_progress *p, struct weft_buf *b,
                             const struct weft_failure_facts *facts)
{
    struct weft_diagnosis d = {0};

    if (weft_diagnose(facts, &d)) {
        weft_buf_printf(b, "\n%sWhat it means:%s %s\n", p->colour ? "\033[33m" : "",
                        p->colour ? "\033[0m" : "", d.what);
        weft_buf_puts(b, "What to try:\n");
        append_lines(b, "  - ", d.advice);
    }
    weft_diagnosis_finish(&d);
}

static void append_excerpt(struct weft_buf *b, const char *excerpt)
{
    size_t len = excerpt ? strlen(excerpt) : 0;
    weft_auto_free char *text = NULL;

    while (len && excerpt[len - 1] == '\n') {
        len--;
    }
    if (len) {
        text = weft_xstrndup(excerpt, len);
        weft_buf_puts(b, "\n");
        append_lines(b, "", text);
    }
}

char *weft_progress_failure(const struct weft_progress *p, size_t lane, const char *excerpt,
                            const char *error)
{
    const struct weft_progress_lane_state *l = &p->lanes[lane];
    const struct weft_vertex *v = weft_lane_failed(&l->model);
    weft_auto_free char *log = v ? tail_text(v) : NULL;
    const char *why = v ? v->error : error ? error : l->text ? l->text : "";
    int exit_code = v ? weft_vertex_exit_code(v) : -1;
    struct weft_failure_facts facts = {
        .platform = l->platform,
        .emulated = l->emulated,
        .note = l->note,
        .error = why,
        .log = log,
    };
    struct weft_buf b = {0};

    weft_buf_printf(&b, "%s%s failed%s%s%s\n", p->colour ? "\033[1;31m" : "", l->platform,
                    p->colour ? "\033[0m" : "", v ? " at " : "", v ? v->name : "");
    if (exit_code >= 0) {
        weft_buf_printf(&b, "exit code %d\n", exit_code);
    } else if (*why) {
        append_lines(&b, "", why);
    }
    append_excerpt(&b, excerpt);
    if (v && v->n_tail) {
        weft_buf_printf(&b, "\nLast %zu line%s of output:\n", v->n_tail, v->n_tail == 1 ? "" : "s");
        append_lines(&b, "    ", log);
    }
    append_diagnosis(p, &b, &facts);
    return weft_buf_steal(&b);
}

void weft_progress_print_failure(struct weft_progress *p, size_t lane, const char *excerpt,
                                 const char *error)
{
    weft_auto_free char *text = weft_progress_failure(p, lane, excerpt, error);

    if (p->lanes[lane].log) {
        weft_progress_print_failure(p->lanes[lane].log, 0, excerpt, error);
    }
    if (p->ops->failure) {
        p->ops->failure(p, &p->lanes[lane], text);
    } else if (p->finished) {
        fprintf(p->out, "\n%s", text);
    } else {
        weft_progress_log_line(p, text);
    }
    fflush(p->out);
}

const struct weft_lane *weft_progress_lane_model(const struct weft_progress *p, size_t lane)
{
    return &p->lanes[lane].model;
}

int64_t weft_progress_lane_ms(const struct weft_progress *p, size_t lane)
{
    const struct weft_progress_lane_state *l = &p->lanes[lane];

    if (l->start_ms < 0) {
        return 0;
    }
    return (l->end_ms < 0 ? p->now_ms(p->data) : l->end_ms) - l->start_ms;
}
