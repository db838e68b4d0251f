/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress display of a build: one lane per platform, fed with the lines of each buildctl's
 * rawjson stream, and drawn as a live area on a terminal, as prefixed lines of text, as JSON lines,
 * or not at all. Owns the output stream from create to finish: whoever has something to say
 * meanwhile says it with weft_progress_log_line. Knows nothing of workers, solves and layouts.
 * Thread: the loop thread. Entry point: weft_progress_create.
 */
#ifndef WEFT_ENGINE_PROGRESS_H
#define WEFT_ENGINE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/request.h"

struct weft_err;
struct weft_json;
struct weft_lane;
struct weft_progress;

/** What a lane is doing, as its owner says. The last three are final. */
enum weft_phase {
    WEFT_PHASE_WAITING,   /* for a worker, a job slot */
    WEFT_PHASE_SOLVING,   /* BuildKit is at work: the lane shows its steps */
    WEFT_PHASE_EXPORTING, /* BuildKit is done, weft is not: blobs checked, linked, merged */
    WEFT_PHASE_PUSHING,   /* they go to a registry */
    WEFT_PHASE_DONE,
    WEFT_PHASE_FAILED,
    WEFT_PHASE_CANCELLED,
};

/** One lane. Strings are copied. */
struct weft_progress_lane {
    const char *platform; /* "linux/arm64" */
    const char *note;     /* "native", "emulated (QEMU 7.2.22)"; NULL: to be set later or never */
    bool emulated;        /* for the diagnosis of failures */
    FILE *log; /* what the plain display says of this lane goes here too, at once; or NULL. Not
                  closed */
};

/** Start from weft_progress_opts_init, which fills in all but lanes, n_lanes and title. */
struct weft_progress_opts {
    enum weft_progress_mode mode; /* not AUTO: see weft_progress_resolve */
    FILE *out;                    /* stderr. Not closed */
    const char *title;            /* of the header line: "weft build". Copied */
    const struct weft_progress_lane *lanes;
    size_t n_lanes;
    bool colour;        /* SGR sequences may be written (tty only) */
    bool keep_warnings; /* for weft_progress_warnings_json */
    bool utf8;          /* marks, bars and the build's own text may be other than ASCII */
    int64_t (*now_ms)(void *data);  /* a monotonic clock */
    int64_t (*wall_ms)(void *data); /* Unix time, for the stamps of rawjson's events */
    void (*size)(unsigned int *columns, unsigned int *rows, void *data); /* of the terminal */
    void *data;                                                          /* for these three */
};

/** Defaults: stderr, its terminal's size, the system's clocks, colour unless NO_COLOR is set to
 * something, UTF-8 if the locale of the environment is. */
void weft_progress_opts_init(struct weft_progress_opts *o);

/**
 * Choose the mode of a display on descriptor `fd`. Anything but AUTO is taken as it is. AUTO goes
 * by `buildkit_progress` (the value of $BUILDKIT_PROGRESS: auto, tty, plain, rawjson, quiet or
 * none; NULL or "": unset), else: tty if fd is a terminal, $TERM is set and not "dumb", and $CI is
 * unset or "false"; else plain. Errors: WEFT_E_USAGE for another value of buildkit_progress.
 */
int weft_progress_resolve(enum weft_progress_mode asked, const char *buildkit_progress, int fd,
                          enum weft_progress_mode *mode, struct weft_err **err);

/** Start a display. Never NULL. End with weft_progress_finish, then weft_progress_destroy (which
 * takes NULL). */
struct weft_progress *weft_progress_create(const struct weft_progress_opts *o);
void weft_progress_destroy(struct weft_progress *p);

/**
 * Take one line of lane `lane`'s buildctl (stderr, with or without its newline). Lines that are no
 * JSON object are ignored. Returns whether it was one: if not, it is text of buildctl (the
 * Dockerfile excerpt, "error: ...").
 */
bool weft_progress_feed(struct weft_progress *p, size_t lane, const char *line, size_t len);

/** Say what a lane does. `text` may be NULL: "starting worker", "checking blobs"; for FAILED the
 * reason, used where no step of the build failed. Saying the same again changes nothing; nothing
 * follows a final phase. */
void weft_progress_set_phase(struct weft_progress *p, size_t lane, enum weft_phase phase,
                             const char *text);

/** How far the present phase of a lane is; a total of 0 takes the bar away. A new phase takes it
 * away too. */
void weft_progress_set_bytes(struct weft_progress *p, size_t lane, uint64_t done_bytes,
                             uint64_t total_bytes);

/** Set a lane's note once it is known (which QEMU), and whether it is emulated. */
void weft_progress_set_note(struct weft_progress *p, size_t lane, const char *note, bool emulated);

/** Print lines of text (no newline at the end; made safe for a terminal) above the live area.
 * rawjson: an event with member "log"; quiet: dropped. Fit for a sink of base/log.h. */
void weft_progress_log_line(struct weft_progress *p, const char *text);

/** Redraw if something changed and the last time was 100 ms ago. To be called from a timer of about
 * 100 ms. */
void weft_progress_tick(struct weft_progress *p);

/** The terminal has another size (SIGWINCH): redraw now. */
void weft_progress_resize(struct weft_progress *p);

/** Draw the final state, list the warnings, and give the stream back with the cursor below.
 * Idempotent; only weft_progress_print_failure, the getters and destroy may follow. `ok`: the whole
 * build succeeded. */
void weft_progress_finish(struct weft_progress *p, bool ok);

/**
 * The report of a failed lane, for the end of the run: the step, the Dockerfile's lines, the exit
 * code, the last 20 lines of output, and what the failure means where weft knows
 * (engine/diagnose.h).
 * @param excerpt the Dockerfile's lines as buildctl printed them, or NULL
 * @param error   buildctl's "error: ..." text or weft's own, or NULL; shown where no step failed
 * Returns text with a newline at its end; with colours only if the display has them. Caller frees.
 */
char *weft_progress_failure(const struct weft_progress *p, size_t lane, const char *excerpt,
                            const char *error);

/** Write that report: as text in the modes tty, plain and quiet; in rawjson as an event with member
 * "failure". */
void weft_progress_print_failure(struct weft_progress *p, size_t lane, const char *excerpt,
                                 const char *error);

/** The model of a lane (engine/progress_model.h), for its counts. Borrowed. */
const struct weft_lane *weft_progress_lane_model(const struct weft_progress *p, size_t lane);

/** The warnings of all lanes as BuildKit reported them, each once: those of a display that was
 * created with keep_warnings. New. */
struct weft_json *weft_progress_warnings_json(const struct weft_progress *p);

/** How long a lane has worked, from its first phase that is not WAITING to its final one. */
int64_t weft_progress_lane_ms(const struct weft_progress *p, size_t lane);

#endif
