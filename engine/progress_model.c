/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/progress_text.h"
#include "engine/solve_error.h"

void weft_lane_init(struct weft_lane *lane, const struct weft_lane_events *events, void *data)
{
    memset(lane, 0, sizeof(*lane));
    lane->events = events;
    lane->data = data;
}

static void drop_tail(struct weft_vertex *v)
{
    for (size_t i = 0; i < WEFT_LANE_TAIL_LINES; i++) {
        free(v->tail[i]);
        v->tail[i] = NULL;
    }
    v->tail_first = 0;
    v->n_tail = 0;
}

static void free_vertex(struct weft_vertex *v)
{
    drop_tail(v);
    for (size_t i = 0; i < v->n_transfers; i++) {
        free(v->transfers[i].id);
    }
    free(v->transfers);
    weft_buf_finish(&v->partial);
    free(v->digest);
    free(v->name);
    free(v->platform);
    free(v->error);
    free(v);
}

static void free_warning(struct weft_warning *w)
{
    free(w->text);
    free(w->file);
    free(w->detail);
    free(w->url);
    weft_json_free(w->json);
}

void weft_lane_finish(struct weft_lane *lane)
{
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        free_vertex(lane->vertexes[i]);
    }
    for (size_t i = 0; i < lane->n_steps; i++) {
        free(lane->steps[i].stage);
    }
    for (size_t i = 0; i < lane->n_warnings; i++) {
        free_warning(&lane->warnings[i]);
    }
    free(lane->vertexes);
    free(lane->steps);
    free(lane->warnings);
    memset(lane, 0, sizeof(*lane));
}

static struct weft_vertex *find_vertex(const struct weft_lane *lane, const char *digest)
{
    for (size_t i = lane->n_vertexes; digest && i-- > 0;) {
        if (strcmp(lane->vertexes[i]->digest, digest) == 0) {
            return lane->vertexes[i];
        }
    }
    return NULL;
}

static size_t find_step(struct weft_lane *lane, const char *stage, size_t stage_len, long n,
                        long total)
{
    struct weft_step *s;

    for (size_t i = 0; i < lane->n_steps; i++) {
        s = &lane->steps[i];
        if (s->n == (unsigned int)n && strlen(s->stage) == stage_len &&
            memcmp(s->stage, stage, stage_len) == 0) {
            return i;
        }
    }
    lane->steps = weft_xrealloc(lane->steps, lane->n_steps + 1, sizeof(*lane->steps));
    s = &lane->steps[lane->n_steps];
    s->stage = weft_xstrndup(stage, stage_len);
    s->n = (unsigned int)n;
    s->total = (unsigned int)total;
    return lane->n_steps++;
}

/*
 * Names of steps are "[PLATFORM STAGE  2/12] RUN x" with each part in the bracket optional but the
 * numbers, which are padded. Gives "[STAGE 2/12] RUN x", the step, and the platform (of
 * "linux/amd64->arm64", what the stage runs on) or NULL; other names come back as they are. The
 * caller frees both strings.
 */
static char *parse_name(struct weft_lane *lane, const char *name, size_t *step, char **platform)
{
    const char *end = strchr(name, ']');
    const char *stage, *number, *s;
    size_t stage_len;
    long n, total;

    *step = SIZE_MAX;
    *platform = NULL;
    if (name[0] != '[' || !end) {
        return weft_xstrdup(name);
    }
    for (number = end; number > name + 1 && number[-1] != ' '; number--) {
    }
    s = number;
    n = weft_text_number(&s);
    if (n < 1 || *s++ != '/') {
        return weft_xstrdup(name);
    }
    total = weft_text_number(&s);
    if (total < n || s != end) {
        return weft_xstrdup(name);
    }
    stage = name + 1;
    stage_len = (size_t)(number - stage);
    while (stage_len && stage[stage_len - 1] == ' ') {
        stage_len--;
    }
    /* a platform has a slash, which no stage name can have */
    for (;;) {
        const char *space = memchr(stage, ' ', stage_len);
        size_t word = space ? (size_t)(space - stage) : stage_len;

        if (!memchr(stage, '/', word)) {
            break;
        }
        if (!*platform) {
            const char *arrow = memmem(stage, word, "->", 2);

            *platform = weft_xstrndup(stage, arrow ? (size_t)(arrow - stage) : word);
        }
        while (word < stage_len && stage[word] == ' ') {
            word++;
        }
        stage += word;
        stage_len -= word;
    }
    *step = find_step(lane, stage, stage_len, n, total);
    return weft_fmt("[%.*s%s%ld/%ld%s", (int)stage_len, stage, stage_len ? " " : "", n, total, end);
}

static struct weft_vertex *add_vertex(struct weft_lane *lane, const char *digest, const char *name)
{
    weft_auto_free char *safe = NULL;
    struct weft_vertex *v;

    if (lane->n_vertexes >= WEFT_LANE_MAX_VERTEXES || strlen(digest) > 256) {
        return NULL;
    }
    v = weft_xcalloc(1, sizeof(*v));
    v->digest = weft_xstrdup(digest);
    safe = weft_text_line(name ? name : "", WEFT_LANE_NAME_BYTES);
    v->name = parse_name(lane, safe, &v->step, &v->platform);
    lane->vertexes =
        weft_xrealloc(lane->vertexes, lane->n_vertexes + 1, sizeof(struct weft_vertex *));
    lane->vertexes[lane->n_vertexes++] = v;
    return v;
}

static void keep_line(struct weft_vertex *v, const char *line)
{
    size_t at = (v->tail_first + v->n_tail) % WEFT_LANE_TAIL_LINES;

    if (v->n_tail == WEFT_LANE_TAIL_LINES) {
        v->tail_first = (v->tail_first + 1) % WEFT_LANE_TAIL_LINES;
    } else {
        v->n_tail++;
    }
    free(v->tail[at]);
    v->tail[at] = weft_xstrndup(line, weft_text_cut(line, strlen(line), WEFT_LANE_TAIL_LINE_BYTES));
}

static void end_line(struct weft_lane *lane, struct weft_vertex *v)
{
    weft_auto_free char *line =
        weft_text_clean(v->partial.data ? v->partial.data : "", v->partial.len);
    int64_t since_ms = 0;

    if (v->log_ns > v->started_ns && v->started_ns) {
        since_ms = (v->log_ns - v->started_ns) / 1000000;
    }
    weft_buf_clear(&v->partial);
    v->partial_cr = false;
    keep_line(v, line);
    if (lane->events && lane->events->log) {
        lane->events->log(lane, v, since_ms, line, lane->data);
    }
}

/* Output comes in chunks, not lines. "\r\n" ends a line, "\r" alone starts it over. */
static void take_log(struct weft_lane *lane, struct weft_vertex *v, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            end_line(lane, v);
            continue;
        }
        if (data[i] == '\r') {
            v->partial_cr = true;
            continue;
        }
        if (v->partial_cr) {
            weft_buf_clear(&v->partial);
            v->partial_cr = false;
        }
        if (v->partial.len >= WEFT_LANE_LINE_BYTES - 4 &&
            (((unsigned char)data[i] & 0xc0) != 0x80 || v->partial.len >= WEFT_LANE_LINE_BYTES)) {
            end_line(lane, v);
        }
        weft_buf_append(&v->partial, &data[i], 1);
    }
}

static bool is_final(enum weft_vertex_state state)
{
    return state != WEFT_VERTEX_WAITING && state != WEFT_VERTEX_RUNNING;
}

static void feed_log(struct weft_lane *lane, const struct weft_json *j)
{
    struct weft_vertex *v = find_vertex(lane, weft_json_str(j, "vertex"));
    const char *data = weft_json_str(j, "data");
    weft_auto_buf bytes = {0};

    if (!v || !data) {
        return;
    }
    v->log_ns = weft_text_time_ns(weft_json_str(j, "timestamp"));
    weft_text_base64(data, &bytes);
    take_log(lane, v, bytes.data ? bytes.data : "", bytes.len);
    if (is_final(v->state) && v->partial.len) {
        end_line(lane, v); /* it came late: nothing will end it */
    }
    if (v->state == WEFT_VERTEX_DONE || v->state == WEFT_VERTEX_CACHED) {
        drop_tail(v);
    }
}

static enum weft_vertex_state state_of(const char *error, bool cached, int64_t started_ns,
                                       int64_t completed_ns)
{
    if (error && *error) {
        return weft_ends_with(error, "context canceled") ? WEFT_VERTEX_CANCELLED
                                                         : WEFT_VERTEX_FAILED;
    }
    if (cached) {
        return WEFT_VERTEX_CACHED;
    }
    if (completed_ns) {
        return WEFT_VERTEX_DONE;
    }
    return started_ns ? WEFT_VERTEX_RUNNING : WEFT_VERTEX_WAITING;
}

/* A vertex may run more than once (resolve, pull, unpack are three runs of one), and the runs may
 * overlap. */
static void set_times(struct weft_vertex *v, int64_t started_ns, int64_t completed_ns)
{
    if (started_ns && v->completed_ns && started_ns >= v->completed_ns &&
        v->completed_ns > v->started_ns) {
        v->spent_ns += v->completed_ns - v->started_ns;
        v->started_ns = started_ns;
    } else if (started_ns && (!v->started_ns || started_ns < v->started_ns)) {
        v->started_ns = started_ns;
    }
    v->completed_ns = completed_ns;
}

const char *weft_vertex_cache_id(const struct weft_vertex *v)
{
    static const char prefix[] = "importing cache manifest from ";

    return weft_starts_with(v->name, prefix) ? v->name + strlen(prefix) : NULL;
}

static void feed_vertex(struct weft_lane *lane, const struct weft_json *j)
{
    const char *digest = weft_json_str(j, "digest");
    const char *error = weft_json_str(j, "error");
    struct weft_vertex *v = find_vertex(lane, digest);
    bool optional;
    int64_t started_ns = weft_text_time_ns(weft_json_str(j, "started"));
    int64_t completed_ns = weft_text_time_ns(weft_json_str(j, "completed"));
    enum weft_vertex_state state, before;

    if (!digest || (!v && !(v = add_vertex(lane, digest, weft_json_str(j, "name"))))) {
        return;
    }
    before = v->state;
    state = state_of(error, weft_json_bool(j, "cached", false), started_ns, completed_ns);
    optional = weft_vertex_cache_id(v) != NULL;
    if (optional && (state == WEFT_VERTEX_FAILED || state == WEFT_VERTEX_CANCELLED)) {
        state = WEFT_VERTEX_DONE;
    }
    if (state == WEFT_VERTEX_WAITING || before == WEFT_VERTEX_FAILED ||
        before == WEFT_VERTEX_CANCELLED) {
        return; /* it is only announced again; or it went wrong, and that stays visible */
    }
    set_times(v, started_ns, completed_ns);
    if (is_final(state) && v->partial.len) {
        end_line(lane, v);
    }
    v->state = state;
    if (state == WEFT_VERTEX_RUNNING && before != WEFT_VERTEX_RUNNING) {
        v->seen_ms = lane->now_ms;
    }
    if (state == WEFT_VERTEX_FAILED || state == WEFT_VERTEX_CANCELLED ||
        (optional && error && *error)) {
        weft_auto_free char *short_error = weft_text_shorten(error, WEFT_LANE_ERROR_BYTES);

        free(v->error);
        v->error = weft_text_line(short_error, WEFT_LANE_ERROR_BYTES);
    } else if (is_final(state)) {
        drop_tail(v); /* only failures are asked for their output */
    }
    if (state != before && lane->events && lane->events->vertex) {
        lane->events->vertex(lane, v, lane->data);
    }
}

static struct weft_transfer *find_transfer(struct weft_vertex *v, const char *id)
{
    struct weft_transfer *free_slot = NULL;

    for (size_t i = 0; i < v->n_transfers; i++) {
        if (strcmp(v->transfers[i].id, id) == 0) {
            return &v->transfers[i];
        }
        if (!free_slot && v->transfers[i].done) {
            free_slot = &v->transfers[i];
        }
    }
    if (v->n_transfers < WEFT_LANE_MAX_TRANSFERS) {
        v->transfers = weft_xrealloc(v->transfers, v->n_transfers + 1, sizeof(*v->transfers));
        free_slot = &v->transfers[v->n_transfers++];
    } else if (free_slot) {
        free(free_slot->id);
    } else {
        return NULL;
    }
    memset(free_slot, 0, sizeof(*free_slot));
    free_slot->id = weft_xstrdup(id);
    return free_slot;
}

static void feed_transfer(struct weft_lane *lane, const struct weft_json *j)
{
    struct weft_vertex *v = find_vertex(lane, weft_json_str(j, "vertex"));
    const char *id = weft_json_str(j, "id");
    weft_auto_free char *safe = NULL;
    struct weft_transfer *t;
    int64_t completed_ns;

    if (!v || !id) {
        return;
    }
    safe = weft_text_line(id, WEFT_LANE_NAME_BYTES);
    t = find_transfer(v, safe);
    if (!t) {
        return;
    }
    t->current_bytes = weft_json_int(j, "current", 0);
    t->total_bytes = weft_json_int(j, "total", 0);
    if (t->current_bytes < 0 || t->total_bytes < 0) {
        t->current_bytes = 0;
        t->total_bytes = 0;
    }
    t->started_ns = weft_text_time_ns(weft_json_str(j, "started"));
    completed_ns = weft_text_time_ns(weft_json_str(j, "completed"));
    t->stamp_ns = completed_ns ? completed_ns : weft_text_time_ns(weft_json_str(j, "timestamp"));
    t->done = completed_ns != 0;
    if (lane->events && lane->events->transfer) {
        lane->events->transfer(lane, v, t, lane->data);
    }
}

static bool same_warning(const struct weft_warning *a, const struct weft_warning *b)
{
    return a->line == b->line && strcmp(a->text, b->text) == 0 && weft_str_eq(a->file, b->file);
}

static void feed_warning(struct weft_lane *lane, const struct weft_json *j)
{
    const char *text = weft_json_str(j, "short");
    const char *file = weft_json_str(weft_json_get(j, "sourceInfo"), "filename");
    const struct weft_json *range = weft_json_at(weft_json_get(j, "range"), 0);
    int64_t line = weft_json_int(weft_json_get(range, "start"), "line", 0);
    struct weft_warning w = {0};
    const char *detail = weft_json_value_str(weft_json_at(weft_json_get(j, "detail"), 0));
    const char *url = weft_json_str(j, "url");
    weft_auto_free char *suffix = NULL;
    weft_auto_buf bytes = {0}, more = {0};

    if (!text || lane->n_warnings >= WEFT_LANE_MAX_WARNINGS) {
        return;
    }
    weft_text_base64(text, &bytes);
    w.text = weft_text_line(bytes.data ? bytes.data : "", WEFT_LANE_NAME_BYTES);
    w.file = file ? weft_text_line(weft_path_base(file), WEFT_LANE_NAME_BYTES) : NULL;
    w.line = line > 0 && line <= INT32_MAX ? (unsigned int)line : 0;
    w.url = url ? weft_text_line(url, WEFT_LANE_NAME_BYTES) : NULL;
    if (detail) {
        weft_text_base64(detail, &more);
        w.detail = weft_text_line(more.data ? more.data : "", WEFT_LANE_NAME_BYTES);
    }
    suffix = weft_fmt(" (line %u)", w.line);
    if (w.file && w.line && weft_ends_with(w.text, suffix)) {
        w.text[strlen(w.text) - strlen(suffix)] = '\0'; /* it is shown as FILE:LINE */
    }
    for (size_t i = 0; i < lane->n_warnings; i++) {
        if (same_warning(&lane->warnings[i], &w)) {
            free_warning(&w);
            return;
        }
    }
    if (lane->keep_warnings) {
        w.json = weft_json_copy(j);
    }
    lane->warnings = weft_xrealloc(lane->warnings, lane->n_warnings + 1, sizeof(w));
    lane->warnings[lane->n_warnings++] = w;
}

static void feed_each(struct weft_lane *lane, const struct weft_json *j, const char *key,
                      void (*feed)(struct weft_lane *lane, const struct weft_json *j))
{
    const struct weft_json *items = weft_json_get(j, key);

    for (size_t i = 0; i < weft_json_len(items); i++) {
        feed(lane, weft_json_at(items, i));
    }
}

bool weft_lane_feed(struct weft_lane *lane, const char *line, size_t len)
{
    weft_auto_json j = NULL;

    if (len == 0 || len > WEFT_LANE_FEED_BYTES || line[0] != '{') {
        return false;
    }
    j = weft_json_parse(line, len, NULL);
    if (!weft_json_is_object(j)) {
        return false;
    }
    feed_each(lane, j, "vertexes", feed_vertex);
    feed_each(lane, j, "statuses", feed_transfer);
    feed_each(lane, j, "logs", feed_log);
    feed_each(lane, j, "warnings", feed_warning);
    return true;
}

void weft_lane_stats(const struct weft_lane *lane, struct weft_lane_stats *out)
{
    /* a step of several vertexes is done when all are, and cached when all were */
    enum {
        SEEN_CACHED = 1,
        SEEN_RAN = 2,
        SEEN_OPEN = 4
    };
    weft_auto_free unsigned char *seen = weft_xcalloc(lane->n_steps + 1, 1);

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        const struct weft_vertex *v = lane->vertexes[i];

        if (v->step < lane->n_steps) {
            seen[v->step] |= v->state == WEFT_VERTEX_CACHED ? SEEN_CACHED
                             : v->state == WEFT_VERTEX_DONE ? SEEN_RAN
                                                            : SEEN_OPEN;
        }
    }
    out->steps = lane->n_steps;
    for (size_t i = 0; i < lane->n_steps; i++) {
        out->completed += !(seen[i] & SEEN_OPEN);
        out->cached += seen[i] == SEEN_CACHED;
    }
}

const struct weft_vertex *weft_lane_failed(const struct weft_lane *lane)
{
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        if (lane->vertexes[i]->state == WEFT_VERTEX_FAILED) {
            return lane->vertexes[i];
        }
    }
    return NULL;
}

int weft_vertex_exit_code(const struct weft_vertex *v)
{
    return v->error ? weft_solve_exit_code(v->error) : -1;
}

int64_t weft_vertex_spent_ms(const struct weft_vertex *v)
{
    int64_t last_ns = v->completed_ns > v->started_ns ? v->completed_ns - v->started_ns : 0;

    return (v->spent_ns + last_ns) / 1000000;
}

const char *weft_vertex_tail(const struct weft_vertex *v, size_t i)
{
    return v->tail[(v->tail_first + i) % WEFT_LANE_TAIL_LINES];
}
