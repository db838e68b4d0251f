/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/progress_display.h"

/*
 * BuildKit's objects as they came, with a member "platform" put first; and events of weft's own:
 * {"platform":"linux/arm64","weft":{"time":"...","phase":"solving"}}
 */

static void raw_line(struct weft_progress *p, struct weft_progress_lane_state *l, const char *line,
                     size_t len)
{
    weft_auto_json name = weft_json_string(l->platform);
    weft_auto_free char *quoted = weft_json_dump(name, 0);
    size_t rest = 1;

    /* spliced as text, so that numbers and unknown members stay as they are */
    while (len && strchr(" \t\r\n", line[len - 1])) {
        len--;
    }
    while (rest < len && strchr(" \t\r\n", line[rest])) {
        rest++;
    }
    fprintf(p->out, "{\"platform\":%s%s", quoted, line[rest] == '}' ? "" : ",");
    for (size_t i = rest; i < len; i++) {
        fputc(line[i] == '\n' || line[i] == '\r' ? ' ' : line[i], p->out);
    }
    fputc('\n', p->out);
    fflush(p->out);
}

/* A new object for the member "weft" of an event, with its time. */
static struct weft_json *event_new(const struct weft_progress *p)
{
    struct weft_json *j = weft_json_object();
    int64_t wall_ms = p->wall_ms(p->data);
    time_t seconds = wall_ms / 1000;
    char text[64], stamp[96];
    struct tm tm;

    if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm)) {
        snprintf(stamp, sizeof(stamp), "%s.%03dZ", text, (int)(wall_ms % 1000));
        weft_json_set_str(j, "time", stamp);
    }
    return j;
}

static void event_write(struct weft_progress *p, const struct weft_progress_lane_state *l,
                        struct weft_json *event)
{
    weft_auto_json j = weft_json_object();
    weft_auto_free char *text = NULL;

    weft_json_set_str(j, "platform", l ? l->platform : NULL);
    weft_json_set(j, "weft", event);
    text = weft_json_dump(j, 0);
    fprintf(p->out, "%s\n", text);
    fflush(p->out);
}

static void raw_phase(struct weft_progress *p, struct weft_progress_lane_state *l)
{
    struct weft_json *e = event_new(p);
    struct weft_lane_stats stats;

    weft_json_set_str(e, "phase", weft_phase_name(l->phase));
    weft_json_set_str(e, "text", l->text);
    if (weft_phase_is_final(l->phase)) {
        weft_lane_stats(&l->model, &stats);
        weft_json_set_int(e, "steps", (int64_t)stats.steps);
        weft_json_set_int(e, "cached", (int64_t)stats.cached);
        weft_json_set_int(e, "wallMs", l->end_ms - l->start_ms);
        weft_json_set_str(e, "note", l->note);
    }
    event_write(p, l, e);
}

static void raw_log(struct weft_progress *p, const char *text)
{
    struct weft_json *e = event_new(p);

    weft_json_set_str(e, "log", text);
    event_write(p, NULL, e);
}

static void raw_failure(struct weft_progress *p, struct weft_progress_lane_state *l,
                        const char *text)
{
    struct weft_json *e = event_new(p);

    weft_json_set_str(e, "failure", text);
    event_write(p, l, e);
}

static void raw_finish(struct weft_progress *p, bool ok)
{
    struct weft_json *e = event_new(p);

    weft_json_set_bool(e, "ok", ok);
    event_write(p, NULL, e);
}

const struct weft_progress_ops weft_progress_rawjson = {
    .line = raw_line,
    .phase = raw_phase,
    .log = raw_log,
    .failure = raw_failure,
    .finish = raw_finish,
};
