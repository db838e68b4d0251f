/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one platform's build while it runs: BuildKit's progress stream (`buildctl
 * --progress=rawjson`, one SolveStatus object per line) folded into vertexes. The stream is not
 * trusted: lines that are not such objects are ignored, text is made safe for a terminal, and
 * memory is bounded whatever comes. Draws nothing: a display reads the model, or is told of changes
 * through struct weft_lane_events. Entry point: weft_lane_feed. Thread: one at a time.
 */
#ifndef WEFT_ENGINE_PROGRESS_MODEL_H
#define WEFT_ENGINE_PROGRESS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    WEFT_LANE_TAIL_LINES = 20,       /* log lines kept per vertex */
    WEFT_LANE_LINE_BYTES = 4096,     /* a longer log line is cut into several */
    WEFT_LANE_TAIL_LINE_BYTES = 512, /* what is kept of a line in a tail */
    WEFT_LANE_MAX_VERTEXES = 2048,   /* of one lane; further ones are ignored */
    WEFT_LANE_MAX_TRANSFERS = 128,   /* of one vertex; the oldest finished one makes room */
    WEFT_LANE_MAX_WARNINGS = 100,    /* of one lane */
    WEFT_LANE_NAME_BYTES = 4096,     /* of a vertex name, a transfer id, a warning */
    WEFT_LANE_ERROR_BYTES = 2048,    /* of an error text */
    WEFT_LANE_FEED_BYTES = 16 << 20, /* a longer line of the stream is ignored */
};

struct weft_json;

enum weft_vertex_state {
    WEFT_VERTEX_WAITING,
    WEFT_VERTEX_RUNNING,
    WEFT_VERTEX_CACHED,
    WEFT_VERTEX_DONE,
    WEFT_VERTEX_FAILED,
    WEFT_VERTEX_CANCELLED,
};

/** A transfer or sub-task of a vertex: a layer pulled, the context sent, an export written. */
struct weft_transfer {
    char *id; /* "sha256:...", "transferring context:", "exporting layers" */
    int64_t current_bytes;
    int64_t total_bytes; /* 0: unknown */
    int64_t started_ns;  /* Unix time; 0: not said */
    int64_t stamp_ns;
    bool done;
    int64_t shown_ms; /* for the plain display: when it last printed a line of this ... */
    bool shown;       /* ... if it has ... */
    bool done_shown;  /* ... and has said that it is done */
};

/** One node of the build graph. Times are Unix time by BuildKit's stamps, 0 where it gave none. */
struct weft_vertex {
    char *digest;
    char *
        name; /* safe for a terminal, without a platform in its bracket: "[builder 2/5] RUN make" */
    char *platform; /* what stood there, "linux/arm64": that of its stage; or NULL */
    size_t step;    /* index into weft_lane.steps, or SIZE_MAX: not a step of the Dockerfile */
    enum weft_vertex_state state;
    int64_t started_ns;
    int64_t completed_ns;
    int64_t
        spent_ns;    /* in earlier runs of the same vertex: BuildKit may start one more than once */
    int64_t seen_ms; /* the lane's clock when it was first seen running; what a live display counts
                        from */
    char *error;     /* or NULL */
    struct weft_transfer *transfers;
    size_t n_transfers;
    char *tail[WEFT_LANE_TAIL_LINES]; /* ring of complete lines, oldest at tail_first */
    size_t tail_first;
    size_t n_tail;
    struct weft_buf partial; /* a line without its end */
    bool partial_cr;         /* a carriage return came last: what follows overwrites the line */
    int64_t log_ns;          /* stamp of the newest output */
    unsigned int number; /* for the plain display: its number in the lane, 0 before it is printed */
    bool done_shown;     /* for the plain display */
};

/** A step of the Dockerfile: "[stage n/total]". Several vertexes can belong to one. */
struct weft_step {
    char *stage; /* "" in a Dockerfile of one unnamed stage */
    unsigned int n;
    unsigned int total;
};

struct weft_warning {
    char *text;
    char *file;             /* base name of the Dockerfile, or NULL */
    unsigned int line;      /* 0: unknown */
    char *detail;           /* what the rule says, in one line; or NULL */
    char *url;              /* where it says more; or NULL */
    struct weft_json *json; /* all of it, where the lane keeps that; or NULL */
};

struct weft_lane_stats {
    size_t steps;     /* of the Dockerfile that BuildKit has named: those that the target needs */
    size_t completed; /* of these: done or cached */
    size_t cached;    /* of these: from the cache */
};

struct weft_lane;

/** Told of what a line changed, during weft_lane_feed. Each may be NULL. They must not feed the
 * lane. */
struct weft_lane_events {
    /** A vertex is new and runs, or changed its state. */
    void (*vertex)(struct weft_lane *lane, struct weft_vertex *v, void *data);
    /** A transfer is new or moved. */
    void (*transfer)(struct weft_lane *lane, struct weft_vertex *v, struct weft_transfer *t,
                     void *data);
    /** A complete line of output, safe for a terminal; since_ms: since the start of the vertex. */
    void (*log)(struct weft_lane *lane, struct weft_vertex *v, int64_t since_ms, const char *line,
                void *data);
};

/** Start with weft_lane_init, end with weft_lane_finish. */
struct weft_lane {
    const struct weft_lane_events *events; /* or NULL */
    void *data;                            /* for events */
    int64_t now_ms;                /* set by the owner before each feed: a monotonic clock */
    struct weft_vertex **vertexes; /* in the order of their appearance */
    size_t n_vertexes;
    struct weft_step *steps;
    size_t n_steps;
    struct weft_warning *warnings; /* each once */
    size_t n_warnings;
    bool keep_warnings; /* set by the owner: as JSON too */
};

void weft_lane_init(struct weft_lane *lane, const struct weft_lane_events *events, void *data);
void weft_lane_finish(struct weft_lane *lane);

/**
 * Take one line of the stream (`len` bytes, any bytes; a newline at its end is fine).
 * Returns whether it was a JSON object; anything else changes nothing.
 */
bool weft_lane_feed(struct weft_lane *lane, const char *line, size_t len);

void weft_lane_stats(const struct weft_lane *lane, struct weft_lane_stats *out);

/** The vertex that made the build fail (the first with an error that is no cancellation), or NULL.
 * Borrowed. */
const struct weft_vertex *weft_lane_failed(const struct weft_lane *lane);

/** What BuildKit calls the cache that a vertex reads ("NAME:TAG", "s3:NUMBER"), or NULL: it reads
 * none. One that could not be read is DONE and has an error: it makes no build fail. Borrowed. */
const char *weft_vertex_cache_id(const struct weft_vertex *v);

/** The exit code in the error of a RUN vertex ("exit code: 2"), or -1. */
int weft_vertex_exit_code(const struct weft_vertex *v);

/** How long a finished vertex ran, all runs together. */
int64_t weft_vertex_spent_ms(const struct weft_vertex *v);

/** Line i of the kept output, 0 the oldest, i < n_tail. Borrowed until the next feed. */
const char *weft_vertex_tail(const struct weft_vertex *v, size_t i);

#endif
