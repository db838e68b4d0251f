/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one build, shared by build_setup.c, which lays it out, build.c, which moves it, and
 * build_report.c, which tells of it.
 * Nobody else includes this. Loop thread only, but for what the comments give to the thread pool.
 */
#ifndef WEFT_ENGINE_BUILD_STATE_H
#define WEFT_ENGINE_BUILD_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"
#include "engine/outputs.h"
#include "engine/plan.h"
#include "engine/worker.h"
#include "platforms/platform.h"

struct weft_child;
struct weft_holder;
struct weft_json;
struct weft_loop;
struct weft_progress;
struct weft_timer;
struct weft_workdir;

struct weft_build;

enum slot_state {
    SLOT_STARTING,
    SLOT_ANNOUNCING,
    SLOT_READY,
    SLOT_FAILED
};

/* A worker of this build and the session holder that serves it. */
struct weft_build_slot {
    struct weft_build *b;
    const char *name;
    enum slot_state state;
    struct weft_worker *worker;
    struct weft_err *err; /* why the worker is not there */
    struct weft_holder *holder;
    char *session_id;
    char *relay; /* the address that buildctl is given in the worker's stead (holder.h), or NULL */
    char *frontend_version; /* of the built-in Dockerfile frontend; asked only when it matters */
    int64_t sent_bytes;     /* -1: the holder could not say */
};

enum lane_state {
    LANE_WAITING,
    LANE_SOLVING,
    LANE_TAKING,
    LANE_PUSHING,
    LANE_DONE,
    LANE_FAILED,
    LANE_CANCELLED
};

/* One platform. */
struct weft_build_lane {
    struct weft_build *b;
    size_t i; /* of the request's platforms */
    struct weft_build_slot *slot;
    enum lane_state state;
    struct weft_child *child;
    bool raced;             /* started once more: see weft_cache_lost_race */
    bool export_layout;     /* second solve, from the cache: the content store could not be read */
    struct weft_buf text;   /* what buildctl wrote to stderr besides progress */
    struct weft_buf answer; /* to a call, see call.h; or see build_provenance.h */
    char *metadata_file;
    char *ref_file;                        /* see solve.h; or NULL */
    struct weft_json *provenance;          /* by platform; or NULL */
    FILE *log;                             /* of --log-dir; or NULL */
    char context_slot[WEFT_PLATFORM_SIZE]; /* see solve.h */
    char *digest;                          /* of what the solve made */
    char *note; /* "native", "emulated, QEMU 7.2.22, cortex-a53, about 9x slower" */
    bool emulated;
    bool expected_said; /* how much slower it will be */
    struct weft_runs runs;
    struct weft_err
        *err; /* of the thread pool's work, or why the lane failed without a step of the build */
};

struct weft_build {
    struct weft_request *request; /* for weft_source_fetch; then it is */
    const struct weft_request *r;
    struct weft_plan plan;
    struct weft_loop *loop;
    struct weft_worker_config *cfg;
    struct weft_progress *progress;
    struct weft_outputs_opts outputs_opts;
    struct weft_outputs *outputs;
    char *state_dir;
    struct weft_strv bases; /* images that the Dockerfile builds on, as references in full */
    struct weft_workdir *scratch;
    struct weft_timer *kill_timer;
    struct weft_build_slot *slots;
    struct weft_build_lane *lanes;
    char *salt;     /* see solve.h; or NULL */
    char *syntax;   /* the frontend that the Dockerfile or BUILDKIT_SYNTAX asks for, if the built-in
                       one may stand in */
    bool forwarded; /* the Dockerfile or BUILDKIT_SYNTAX asks for some frontend */
    struct weft_strv vcs;     /* see vcs.h */
    bool context_by_platform; /* see dockerfile.h */
    long jobs;
    atomic_bool cancel; /* seen by the threads of the pool */
    bool interrupted;
    bool searching; /* weft_build_setup looks for QEMU, or asks registries: nothing is started yet
                     */
    bool noted;     /* what is to be said of the workers has been said */
    bool committing;
    bool partial; /* --allow-partial, and some platforms have failed */
    bool ended;   /* the outputs are written, or will not be: everything is being put away */
    struct weft_result result;
    struct weft_err *err; /* of the commit */
};

#endif
