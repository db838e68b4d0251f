/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the progress display (engine/progress*.c only): what all displays share, and the table
 * of operations that each of them is. A display writes to p->out and nowhere else.
 */
#ifndef WEFT_ENGINE_PROGRESS_DISPLAY_H
#define WEFT_ENGINE_PROGRESS_DISPLAY_H

#include "engine/progress.h"
#include "engine/progress_model.h"

/** One lane as a display sees it. */
struct weft_progress_lane_state {
    struct weft_progress *p;
    char *platform; /* safe for a terminal */
    char *note;     /* the same; or NULL */
    bool emulated;
    enum weft_phase phase;
    char *text; /* of the phase; or NULL */
    uint64_t done_bytes;
    uint64_t total_bytes;
    int64_t start_ms;          /* first phase other than WAITING; -1: not yet */
    int64_t end_ms;            /* final phase; -1: not yet */
    struct weft_progress *log; /* a plain display of this lane alone, into a file; or NULL */
    struct weft_lane model;
};

/** A display. Each operation may be NULL. */
struct weft_progress_ops {
    struct weft_lane_events events;           /* data: struct weft_progress_lane_state */
    void (*create)(struct weft_progress *p);  /* sets p->impl */
    void (*destroy)(struct weft_progress *p); /* frees it */
    /** A line of the stream that the model has taken. */
    void (*line)(struct weft_progress *p, struct weft_progress_lane_state *l, const char *line,
                 size_t len);
    /** Phase or text of a lane changed. */
    void (*phase)(struct weft_progress *p, struct weft_progress_lane_state *l);
    void (*log)(struct weft_progress *p, const char *text); /* safe; of one or more lines */
    void (*tick)(struct weft_progress *p);
    void (*resize)(struct weft_progress *p);
    void (*finish)(struct weft_progress *p, bool ok);
    /** The report of a failed lane; absent: it is written as it is. */
    void (*failure)(struct weft_progress *p, struct weft_progress_lane_state *l, const char *text);
};

struct weft_progress {
    const struct weft_progress_ops *ops;
    void *impl;
    FILE *out;
    char *title;
    struct weft_progress_lane_state *lanes;
    size_t n_lanes;
    bool colour;
    bool utf8;
    bool finished;
    int64_t start_ms;
    int64_t (*now_ms)(void *data);
    int64_t (*wall_ms)(void *data);
    void (*size)(unsigned int *columns, unsigned int *rows, void *data);
    void *data;
};

extern const struct weft_progress_ops weft_progress_tty;
extern const struct weft_progress_ops weft_progress_plain;
extern const struct weft_progress_ops weft_progress_rawjson;
extern const struct weft_progress_ops weft_progress_quiet;

bool weft_phase_is_final(enum weft_phase phase);

/** "waiting", "solving", ... */
const char *weft_phase_name(enum weft_phase phase);

/** "3.1s", "41.2s", "1m02s", "2h05m" into buf. Returns buf. */
enum {
    WEFT_DURATION_SIZE = 32
};
const char *weft_duration(int64_t ms, char buf[WEFT_DURATION_SIZE]);

/** "7 steps, 3 cached, 41.2s, native" of a finished lane. Caller frees. */
char *weft_lane_summary(const struct weft_progress_lane_state *l);

/** "Dockerfile:1: text" of each warning of any lane, each once; with -D lines that say more follow
 * in it. Appends to out. */
void weft_progress_warnings(const struct weft_progress *p, struct weft_strv *out);

#endif
